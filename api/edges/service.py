"""Enrolment: a code for an agent, a login for the code, and the files that the broker reads."""

from __future__ import annotations

import fcntl
import hashlib
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import structlog

from api.access.throttle import CODE, Spent, network_of
from api.audit.service import CONSOLE, NOBODY, Actor
from api.edges.codes import InvalidCodeError, make_code, read_code
from shopfloor import broker_files
from shopfloor.broker_files import BrokerFilesError, Login
from shopfloor.errors import ExpectedError
from shopfloor.periods import HOUR
from shopfloor.settings import SettingsError, read_secret
from shopfloor.signals import is_identifier
from shopfloor.wire.rights import Kind, Principal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.edges.store import EdgeStore, KeptLogin

log = structlog.get_logger(__name__)


class ProgramLogin(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A login whose password stands in a file: the API gives the broker that password whenever it starts.

    Attributes:
        kind: what it is; its rights follow from that.
        password_file: the same file that the program's own settings name.
    """

    kind: Kind
    password_file: Path


class EdgesSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How agents are enrolled.

    Attributes:
        broker_files: the folder that the broker reads its logins from; nobody else writes there.
        host: of the broker, as agents reach it.
        port: of its listener for publishers.
        ca_file: authority of its certificate, which an agent is given.
        insecure: agents connect in plain text, knowingly.
        pid_file: of the broker, to tell it of new logins; None where something else reloads it.
        code_hours: how long a code waits for its agent.
        programs: logins, by name, whose passwords stand in files.
    """

    broker_files: Path
    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8883
    ca_file: Path | None = None
    insecure: bool = False
    pid_file: Path | None = None
    code_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    programs: dict[str, ProgramLogin] = {}


class LoginNameError(ExpectedError):
    """A login cannot have this name; the sentence says why."""


class UnknownEdgeError(LookupError):
    """There is no such agent."""


class TooManyAttemptsError(Exception):
    """The address was wrong too often a moment ago."""


class Invitation(NamedTuple):
    """A code that waits for its agent.

    Attributes:
        code: shown this once.
        expires: when it is void.
    """

    code: str
    expires: int


class Enrolled(NamedTuple):
    """Where an enrolled agent connects to.

    Attributes:
        publisher: its PublisherId, user name and client id.
        host: of the broker.
        port: TCP port.
        ca: PEM text of the authority of the broker's certificate, None for plain text.
    """

    publisher: str
    host: str
    port: int
    ca: str | None


class Edges:
    """Enrols agents, and keeps the broker's files as they have to be.

    Args:
        settings: see there.
        store: of logins and codes.

    Raises:
        SettingsError: an agent could not connect with these settings.
    """

    def __init__(self, settings: EdgesSettings, store: EdgeStore) -> None:
        self._settings = settings
        self._store = store
        self._spent = Spent()
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self._ca = _read_ca(settings)

    def invite(self, actor: Actor, name: str, *, now: int) -> Invitation:
        """Make a code for an agent, in place of one that waits; a login that it has holds until the code is used.

        Raises:
            LoginNameError: no agent can be called so.
            UnknownEdgeError: there is no such agent in the records.
        """
        self.check_name(name, Kind.AGENT)
        code, expires = make_code(name), now + self._settings.code_hours * HOUR
        if not self._store.put_code(actor, read_code(code), expires=expires, now=now):
            raise UnknownEdgeError(name)
        log.info("edges.invited", publisher=name)
        return Invitation(code, expires)

    def enroll(self, code: str, password: str, *, address: str, now: int) -> Enrolled:
        """Give the agent of a code its login. The same code and password again are answered the same.

        Args:
            code: as it was typed.
            password: that the agent has made, and nobody else knows.
            address: that the request comes from.
            now: the present.

        Raises:
            TooManyAttemptsError: the address was wrong too often.
            InvalidCodeError: the code enrols nobody.
            BrokerFilesError: the broker does not know of it yet; the same request again tells it.
        """
        share = [(("code", network_of(address)), CODE)]
        with self._counting:
            wait_seconds = self._spent.take(share, now=now)
        if wait_seconds > 0:
            raise TooManyAttemptsError(f"try again in {wait_seconds // 60 + 1:.0f} min")
        try:
            read = read_code(code)
            login = Login(Principal(read.publisher, Kind.AGENT), broker_files.hash_password(password))
            used_by = hashlib.sha256(password.encode()).hexdigest()
            if not self._store.redeem(Actor(NOBODY, address), read, login, used_by=used_by, now=now):
                raise InvalidCodeError  # noqa: TRY301 - one place that tells of a failure
        except InvalidCodeError:
            log.warning("edges.code_refused", address=address)
            raise
        with self._counting:
            self._spent.give_back(share, now=now)
        self.write()
        log.info("edges.enrolled", publisher=read.publisher, address=address)
        return Enrolled(read.publisher, self._settings.host, self._settings.port, self._ca)

    def revoke(self, actor: Actor, name: str, *, now: int) -> None:
        """Take an agent's login and code away; the broker ends its connection.

        Raises:
            UnknownEdgeError: there is no such agent.
            BrokerFilesError: the broker does not know of it yet; the same again tells it.
        """
        kinds = self._kinds()
        if kinds.get(name, Kind.AGENT) is not Kind.AGENT:
            raise UnknownEdgeError(name)
        self.remove_login(actor, name, now=now)

    def add_login(self, actor: Actor, name: str, kind: Kind, password: str, *, now: int) -> None:
        """Give a login to a program or publisher, or another password to the login it has.

        Raises:
            LoginNameError: it cannot be called so.
            BrokerFilesError: the broker does not know of it yet.
        """
        self.check_name(name, kind)
        self._store.put_login(actor, Login(Principal(name, kind), broker_files.hash_password(password)), now=now)
        self.write()

    def remove_login(self, actor: Actor, name: str, *, now: int) -> None:
        """Take a login away.

        Raises:
            UnknownEdgeError: there is none of this name.
            BrokerFilesError: the broker does not know of it yet.
        """
        was_there = self._store.remove_login(actor, name, now=now)
        if was_there or self._store.logins():  # also when it is gone already: the broker may not know of it yet
            self.write()
        if not was_there:
            raise UnknownEdgeError(name)
        log.info("edges.revoked", login=name)

    def write(self) -> None:
        """Write the broker's files from what is kept, and tell the broker.

        Raises:
            BrokerFilesError: they could not be written, or it could not be told.
        """
        with self._writing, _alone(self._settings.broker_files):
            broker_files.write_files(self._settings.broker_files, self._store.admitted())
            if self._settings.pid_file is not None:
                broker_files.reload(self._settings.pid_file)

    def start(self, *, now: int) -> None:
        """Write the broker's files as the API starts; a broker that does not run yet reads them when it does.

        Raises:
            BrokerFilesError: they could not be written, or nobody has a login yet.
            SettingsError: a password that the settings name cannot be read.
        """
        kept = {each.login.principal: each.login.password_hash for each in self._store.logins()}
        for name, program in self._settings.programs.items():
            who, password = Principal(name, program.kind), read_secret(program.password_file)
            self.check_name(name, program.kind)
            if not broker_files.is_password(password, kept.get(who, "")):
                self._store.put_login(CONSOLE, Login(who, broker_files.hash_password(password)), now=now)
        if not self._store.logins():
            raise BrokerFilesError(
                "the broker has no login yet: name those of the programs in [edges.programs], or add them with "
                "`officina api login add FILE NAME --kind`"
            )
        try:
            self.write()
        except broker_files.ReloadError as error:
            log.warning("edges.broker_not_told", reason=str(error))

    def logins(self) -> list[KeptLogin]:
        """Return every login, by name."""
        return self._store.logins()

    def check_name(self, name: str, kind: Kind) -> None:
        """Refuse a name that no login of a kind can have.

        Raises:
            LoginNameError: it is no identifier, or a login of another kind has it.
        """
        if not is_identifier(name):
            raise LoginNameError(
                f"{name!r} is no login: use lower-case letters, digits and inner hyphens, 63 at most",
            )
        other = self._kinds().get(name, kind)
        if other is not kind:
            raise LoginNameError(
                f"{name!r} is already a login of kind {other}: choose another name, or remove it first"
            )

    def _kinds(self) -> dict[str, Kind]:
        return {kept.login.principal.name: kept.login.principal.kind for kept in self._store.logins()}


def _read_ca(settings: EdgesSettings) -> str | None:
    if settings.insecure == (settings.ca_file is not None):
        raise SettingsError(
            "[edges] says how agents reach the broker: name its `ca_file`, or choose plain text with `insecure = true`"
        )
    if settings.ca_file is None:
        return None
    try:
        return settings.ca_file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the CA {settings.ca_file} cannot be read ({error}): put its PEM file there") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time read the logins and write them to a folder, so that the last one is the newest."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise BrokerFilesError(
            f"the broker's files in {folder} cannot be written ({error.strerror}): let Officina write in that folder"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
