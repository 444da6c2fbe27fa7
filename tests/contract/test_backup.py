"""A backup that is taken under load, put back into an empty installation: equal, on either database."""

from __future__ import annotations

import itertools
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, select
from typer.testing import CliRunner

from api.access.scope import Role
from api.audit import service as audit
from api.audit.service import CONSOLE
from api.backup import cli
from api.backup.records import LEFT_OUT, RestoreError
from api.backup.restore import cli as restore_cli
from api.backup.service import RECORDS, backup, check, restore
from api.billing import cli as billing_cli
from api.records.database import connect, open_records
from api.records.service import put
from api.settings import load_settings
from shopfloor.periods import DAY, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.samples import Sample, Slice
from shopfloor.stores.sqlite import SqliteStore
from tests.services.postgres import postgres
from tests.services.records import fill, firm
from tests.unit.api.billing.test_closing import CLOSED, MILLS, OCTOBER, furnish, october
from tests.unit.api.usage.stored import FIRMS, at, house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer import Typer

    from tests.services.postgres import Cluster
    from tests.unit.api.billing.test_closing import Money

SIGNALS = ["item_state", "spindle_load", "program"]
MACHINES = [{"id": "mc-1", "name": "M 1", "kind": "Tornio", "site_id": "nord", "agent_id": "north-1"}]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres() as running:
        yield running


def address(kind: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite://{tmp_path / f'{name}.db'}"
    return str(request.getfixturevalue("cluster").new_database())


def content(where: str) -> dict[str, list[Any]]:
    """Return every row of every table."""
    with closing(connect(where)) as records, records.reading() as session:
        metadata = MetaData()
        metadata.reflect(session.connection())
        tables = [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]
        return {
            table.name: [tuple(map(str, row)) for row in session.execute(select(table).order_by(*table.primary_key))]
            for table in tables
        }


def samples(store: SqliteStore) -> list[Sample]:
    now = clock.now()
    return store.read(["mc-1"], SIGNALS, Period(now - 3 * DAY, now + DAY), limit=1_000_000)


@contextmanager
def load(where: str, store: SqliteStore) -> Iterator[None]:
    """Change records and write samples as fast as they are taken, until the block ends."""
    stop = threading.Event()
    numbers = itertools.count(100)

    def change() -> None:
        with closing(open_records(where)) as records:
            while not stop.is_set():
                number = next(numbers)
                with records.writing() as session:
                    put(session, CONSOLE, "members", firm(f"firm-{number}", number), now=clock.now())

    def write() -> None:
        while not stop.is_set():
            now = clock.now()
            store.write([Slice("mc-1", now, {"item_state": 3, "spindle_load": 0.5, "program": "O1"})], now=now)

    threads = [threading.Thread(target=each) for each in (change, write)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.services
@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_backup_under_load_is_restored_equal(
    source: str, target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before, after = (address(kind, kind, tmp_path, request) for kind in (source, target))
    fill(before, sites={"nord": "Nord"}, machines=MACHINES, holders={"admin": (Role.ADMINISTRATOR, None, None)})
    store, empty = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "empty.db")
    old = clock.now() - 2 * DAY
    known = [Slice("mc-1", old + number * SECOND, {"item_state": number % 4}) for number in range(2_000)]
    store.write(known, now=clock.now())

    with closing(open_records(before)) as records, load(before, store):
        made = backup(tmp_path / "backup", records, store, installation=None, clock=clock.now)
    with closing(connect(after)) as records:
        restored = restore(tmp_path / "backup", records, empty, clock=clock.now)
        audit.check(records)  # the chain of digests holds

    assert restored.rows == made.rows
    assert made.rows["members"] >= 2
    assert made.samples["mc-1"] >= len(known)
    now = content(after)
    then = content(before)
    assert {name: len(rows) for name, rows in now.items()} == made.rows
    for name, rows in now.items():  # what was added since is not in it, and nothing else differs
        assert set(rows) <= set(then[name]) or name == "changes", name
    assert set(samples(empty)) <= set(samples(store))
    assert set(samples(empty)) >= {
        Sample(each.machine, "item_state", each.stamp, each.values["item_state"]) for each in known
    }
    with closing(open_records(after)) as records, records.writing() as session:  # numbers go on where they were
        put(session, CONSOLE, "members", firm("firm-new", 99), now=clock.now())
    store.close()
    empty.close()


@contextmanager
def busy(it: Money) -> Iterator[None]:
    """Change records, and store late samples of the closed month and new ones, until the block ends."""
    stop = threading.Event()
    rounds = threading.Semaphore(0)
    first, last = at("2026-10-14T00:00"), at("2026-10-22T00:00")

    def change() -> None:
        for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count(1)):
            it.correct("mill-2", "2026-10-25T06:30", "2026-10-25T07:00", FIRMS[number % 3], now="2026-11-05T10:00")
            rounds.release()

    def write() -> None:
        for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            stamp = first + number * SECOND % (last - first)
            it.store.write([Slice("mill-1", stamp, {"item_state": number % 4, "job": "G-7"})], now=at(CLOSED) + number)
            rounds.release()

    threads = [threading.Thread(target=each) for each in (change, write)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):  # both are at it when the block begins
            rounds.acquire(timeout=20)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def settings(folder: Path, name: str, records: str) -> Path:
    file = folder / f"{name}.toml"
    file.write_text(
        f'store = "sqlite://{folder / name}.telemetry.db"\nrecords = "{records}"\n'
        '[broker]\nhost = "127.0.0.1"\ninsecure = true\n'
    )
    return file


def ran(program: Typer, *arguments: object) -> str:
    done = CliRunner().invoke(program, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def documents(config: Path, folder: Path) -> dict[str, bytes]:
    forms = [word for form in ("pdf", "xlsx", "csv") for word in ("--form", form)]
    ran(billing_cli.app, "export", OCTOBER, "--config", config, "--folder", folder, *forms)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.services
@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_closed_month_is_the_same_to_the_byte_after_a_restore(
    source: str, target: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: at("2026-11-06T09:00"))
    old, new = (
        settings(tmp_path, name, address(kind, name, tmp_path, request))
        for name, kind in (("old", source), ("new", target))
    )
    with house(MILLS, address=load_settings(old).records, telemetry=f"{tmp_path}/old.telemetry.db") as made:
        it = furnish(made)
        it.tell(october(), now="2026-11-03T10:00")
        it.close()
        before = documents(old, tmp_path / "before")
        assert len(before) == 3 * 4
        with busy(it):
            ran(cli.app, old, tmp_path / "backup")

    ran(restore_cli.app, tmp_path / "backup", new)

    told = ran(billing_cli.app, "verify", "--config", new)
    assert "3 statements" in told
    assert "All of them are what they were." in told
    assert documents(new, tmp_path / "after") == before


def test_a_backup_that_was_changed_is_refused(tmp_path: Path) -> None:
    where = f"sqlite://{tmp_path / 'records.db'}"
    fill(where, sites={"nord": "Nord"}, machines=MACHINES, holders={})
    with closing(open_records(where)) as records, closing(SqliteStore(tmp_path / "store.db")) as store:
        backup(tmp_path / "backup", records, store, installation=None, clock=clock.now)
    check(tmp_path / "backup")
    (tmp_path / "backup" / RECORDS).write_bytes((tmp_path / "backup" / RECORDS).read_bytes()[:-1])

    with pytest.raises(RestoreError, match=r"records\.jsonl\.gz .* is not as it was written"):
        check(tmp_path / "backup")


def test_the_commands_take_keys_along_and_refuse_what_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "keys" / "secrets").mkdir(parents=True)
    (tmp_path / "keys" / "secrets" / "api-password").write_text("a secret")
    for name in ("old", "new"):
        (tmp_path / f"{name}.toml").write_text(
            f'store = "sqlite://{tmp_path / name}.telemetry.db"\nrecords = "sqlite://{tmp_path / name}.records.db"\n'
            '[broker]\nhost = "127.0.0.1"\ninsecure = true\n'
        )
    fill(f"sqlite://{tmp_path / 'old'}.records.db", sites={"nord": "Nord"}, machines=MACHINES, holders={})
    place = str(tmp_path / "backup")
    arguments = [str(tmp_path / "old.toml"), place, "--installation", str(tmp_path / "keys")]
    taken = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert taken.exit_code == 0, taken.output

    put_back = [place, str(tmp_path / "new.toml"), "--installation", str(tmp_path / "keys-again")]
    done = CliRunner().invoke(restore_cli.app, put_back, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "keys-again" / "secrets" / "api-password").read_text() == "a secret"
    assert "The audit trail is whole up to entry" in done.output
    assert all(
        path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "backup").iterdir() if path.name != "manifest.json"
    )

    again = CliRunner().invoke(restore_cli.app, put_back[:2])
    assert "is not empty" in str(again.exception)
