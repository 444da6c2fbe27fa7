"""Opening the database of records: SQLite or PostgreSQL, in the version that this program knows.

The only file that knows Alembic, but for the migrations themselves.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import URL, create_engine, event, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from api.records.tables import Change
from shopfloor.errors import ExpectedError
from shopfloor.settings import read_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

CONNECTIONS_MAX = 10
"""Connections of one process, and as many threads that ask at a time; one more waits."""
WAIT_SECONDS = 10
"""How long a statement waits for a lock, or for a connection, before it fails."""
_MIGRATIONS = Path(__file__).with_name("migrations")
_MARK = "alembic_version"
"""The table in which Alembic keeps the version of a database."""
_WRITER_LOCK = 0x0FF1C1A
_FORMS = """the address of the records is one of
  sqlite:///srv/officina/records.db   the file /srv/officina/records.db
  sqlite:var/records.db               a file below the working directory
  sqlite://:memory:                   this process, nothing is kept
  postgresql://USER@HOST[:PORT]/DATABASE[?password_file=FILE]"""


class RecordsError(ExpectedError):
    """The database of records cannot be used; the sentence says what to do."""


class RecordsUnavailableError(Exception):
    """The database does not answer."""


class Version(NamedTuple):
    """How a database stands to this program.

    Attributes:
        found: the revision it is at, None when it is empty.
        known: the newest that this program knows.
        is_older: whether it can be upgraded to that.
    """

    found: str | None
    known: str
    is_older: bool


class Records:
    """The database of records.

    Args:
        engine: connects to it.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(officina_writes=True)
        self._is_server = engine.dialect.name == "postgresql"
        if self._is_server:
            self.engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Look at one state of the records.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Change records: all that is done in the block, or nothing when it raises.

        One writes at a time, on either database: so the audit trail is one chain, and nobody decides on what another
        one is just changing.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        with _translated(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            if self._is_server:
                session.execute(text(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})"))
            yield session

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Change tables: all of it or nothing."""
        with (
            self._writer.connect() as connection,
            nullcontext() if self._is_server else _unguarded(connection),
            connection.begin(),
        ):
            if self._is_server:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})"))
            yield connection
            if not self._is_server and (broken := connection.execute(text("PRAGMA foreign_key_check")).first()):
                raise RecordsError(f"after the change of tables {broken[0]} refers to a {broken[2]} that is gone")

    def change_number(self, name: str) -> int:
        """Return how often something was written: another number means that what is held of it is old."""
        with self.reading() as session:
            return session.scalar(select(Change.number).where(Change.name == name)) or 0

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def mark_changed(session: Session, name: str) -> None:
    """Tell every process that `machines` or `access` were written, when this transaction is done."""
    session.execute(update(Change).where(Change.name == name).values(number=Change.number + 1))


@contextmanager
def _unguarded(connection: Connection) -> Iterator[None]:
    """Let SQLite make a table anew without taking what refers to its rows for broken, or deleting it with them."""
    driver = connection.connection
    driver.cursor().execute("PRAGMA foreign_keys=OFF").close()
    try:
        yield
    finally:
        driver.cursor().execute("PRAGMA foreign_keys=ON").close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise RecordsUnavailableError(str(error.orig)) from error


def open_records(address: str) -> Records:
    """Open the database; an empty one is made, one of another version is refused.

    Args:
        address: `sqlite:///absolute/path.db`, `sqlite:relative/path.db`, `sqlite://:memory:` or
            `postgresql://user@host:port/database?password_file=/etc/officina/password`.

    Raises:
        RecordsError: it cannot be used; the sentence says what to do.
        SettingsError: the file with the password is missing or everybody can read it.
    """
    records = connect(address)
    try:
        version = version_of(records)
        if version.found is None:
            upgrade(records)
        _refuse_other(version, address)
    except BaseException:
        records.close()
        raise
    return records


def _refuse_other(version: Version, address: str) -> None:
    if version.is_older:
        raise RecordsError(
            f"the records at {_shown(address)} are of an older version ({version.found}; this program needs "
            f"{version.known}): make a backup, then run `officina records upgrade FILE` with the API's settings",
        )
    if version.found not in {None, version.known}:
        raise RecordsError(
            f"the records at {_shown(address)} are of a newer version ({version.found}) than this program knows "
            f"({version.known}): update Officina",
        )


def connect(address: str) -> Records:
    """Connect to the database, whatever its version.

    Raises:
        RecordsError: when the address cannot be read, or nobody answers there.
        SettingsError: the file with the password is missing or everybody can read it.
    """
    records = Records(_engine(address))
    try:
        with records.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError as error:
        records.close()
        raise RecordsError(
            f"the records at {_shown(address)} cannot be opened ({str(error.orig).strip()}): see that the server runs "
            f"and knows this login, or that the folder exists and may be written",
        ) from error
    return records


def version_of(records: Records) -> Version:
    """Tell which version a database is of.

    Raises:
        RecordsError: it holds tables of somebody else.
    """
    known = _versions()
    with records.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        found = connection.scalar(text("SELECT version_num FROM alembic_version")) if _MARK in tables else None
        if found is None and tables - {_MARK}:
            raise RecordsError("the database holds tables that are not Officina's: give Officina one of its own")
    return Version(found, known[-1], found in known[:-1])


def _versions() -> list[str]:
    """Return the versions that this program knows, oldest first: each is a file that is named by it.

    Alembic says the same after a quarter of a second, for which no start waits.
    """
    return sorted(file.name[1:5] for file in _MIGRATIONS.glob("versions/v[0-9]*.py"))


def upgrade(records: Records, revision: str = "head") -> None:
    """Bring a database to a version, all of the way or not at all."""
    _migrate(records, "upgrade", revision)


def downgrade(records: Records, revision: str) -> None:
    """Take a database back to a version; what only newer ones hold is lost."""
    _migrate(records, "downgrade", revision)


def _migrate(records: Records, way: str, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with records.migrating() as connection:
        config.attributes["connection"] = connection
        getattr(command, way)(config, revision)


def _shown(address: str) -> str:
    """Return an address without its options, which may name files."""
    return address.partition("?")[0]


def _engine(address: str) -> Engine:
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        return _sqlite(_file(address))
    if parts.scheme != "postgresql" or not parts.hostname or not parts.path.strip("/"):
        raise RecordsError(f"{_shown(address)!r} is no address of records: {_FORMS}")
    if parts.password is not None:
        raise RecordsError("a password does not belong into the address: write it to a file, and ?password_file=FILE")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    password_file = options.pop("password_file", None)
    url = URL.create(
        "postgresql+psycopg",
        username=unquote(parts.username) if parts.username else None,
        password=read_secret(Path(password_file)) if password_file else None,
        host=unquote(parts.hostname),
        port=parts.port,
        database=unquote(parts.path.strip("/")),
        query=options,
    )
    return create_engine(
        url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": WAIT_SECONDS, "options": f"-c lock_timeout={WAIT_SECONDS * 1000}"},
    )


def _file(address: str) -> str:
    parts = urlsplit(address)
    if parts.netloc == ":memory:":
        return ":memory:"
    if parts.netloc or not parts.path.strip("/"):
        raise RecordsError(f"{address!r} names no file: {_FORMS}")
    return unquote(parts.path)


def _sqlite(file: str) -> Engine:
    if file == ":memory:":
        arguments: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    else:
        _make_private(Path(file))
        arguments = {"pool_size": CONNECTIONS_MAX, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
    engine = create_engine(URL.create("sqlite", database=file), hide_parameters=True, **arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, also around changes of tables
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",  # what was erased is not left in free pages
            "foreign_keys=ON",
            f"busy_timeout={WAIT_SECONDS * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("officina_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _make_private(file: Path) -> None:
    """Make a file that nobody else may read, where there is none."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise RecordsError(f"the records {file} cannot be opened ({error.strerror}): make its folder first") from error
