"""The database of records behaves alike on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from api.access.tables import Grant, GrantSite
from api.audit.tables import AuditEntry
from api.records import database
from api.records.all_tables import METADATA
from api.records.database import (
    Records,
    RecordsError,
    connect,
    downgrade,
    mark_changed,
    open_records,
    upgrade,
    version_of,
)
from api.records.tables import Calendar, CalendarMachine, EdgeAgent, Machine, Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def records_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database that holds nothing at all."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/records.db"
    return str(request.getfixturevalue("postgres_cluster").new_database())


@pytest.fixture
def records(records_address: str) -> Iterator[Records]:
    opened = open_records(records_address)
    yield opened
    opened.close()


def tables(records: Records) -> set[str]:
    with records.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def build(records: Records) -> dict[str, list[str]]:
    """Return what every table is made of: columns with type, default and NULL, keys, indexes, checks."""
    with records.engine.connect() as connection:
        its = inspect(connection)
        return {
            table: sorted(
                str(sorted((key, str(value)) for key, value in each.items()))
                for each in (
                    *its.get_columns(table),
                    *its.get_foreign_keys(table),
                    *its.get_indexes(table),
                    *its.get_unique_constraints(table),
                    *its.get_check_constraints(table),
                    its.get_pk_constraint(table),
                )
            )
            for table in its.get_table_names()
        }


def test_the_models_and_the_migrations_agree(records: Records) -> None:
    with records.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, METADATA) == []


def test_every_migration_is_in_a_file_that_is_named_by_its_version(records: Records) -> None:
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    found = ScriptDirectory.from_config(config)

    assert found.get_current_head() == version_of(records).known
    for script in found.walk_revisions():
        assert Path(script.path).name.startswith(f"v{script.revision}_")


def test_an_empty_database_goes_up_down_and_up_again(records_address: str) -> None:
    records = connect(records_address)
    try:
        upgrade(records)
        there = build(records)
        downgrade(records, "base")
        assert tables(records) == {"alembic_version"}
        upgrade(records)
        assert build(records) == there
    finally:
        records.close()


def test_what_was_written_is_there_when_it_is_opened_again(records: Records, records_address: str) -> None:
    with records.writing() as session:
        session.add(Site(id="north", name="Nord"))

    again = open_records(records_address)
    try:
        with again.reading() as session:
            assert session.get_one(Site, "north").name == "Nord"
    finally:
        again.close()


@pytest.fixture
def newer_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Know one version more than there is."""
    folder = tmp_path / "migrations"
    shutil.copytree(database._MIGRATIONS, folder)
    (folder / "versions" / "v9999_later.py").write_text(
        f"from alembic import op\nrevision = '9999'\ndown_revision = {_newest()!r}\n"
        "def upgrade():\n    op.execute('CREATE TABLE later (id INTEGER)')\n"
        "def downgrade():\n    op.execute('DROP TABLE later')\n"
    )
    monkeypatch.setattr(database, "_MIGRATIONS", folder)


def _newest() -> str:
    records = connect("sqlite://:memory:")
    try:
        return version_of(records).known
    finally:
        records.close()


def test_an_old_database_is_refused_with_the_command_that_upgrades_it(
    records: Records, records_address: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("newer_migrations")
    with pytest.raises(RecordsError, match="officina records upgrade"):
        open_records(records_address)
    assert "later" not in tables(records)

    upgrade(records)

    open_records(records_address).close()
    assert "later" in tables(records)


def test_a_database_of_a_newer_program_is_refused(records: Records, records_address: str) -> None:
    with records.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'unheard'"))

    with pytest.raises(RecordsError, match="update Officina"):
        open_records(records_address)


def test_a_database_of_somebody_else_is_refused(records_address: str) -> None:
    records = connect(records_address)
    try:
        with records.writing() as session:
            session.execute(text("CREATE TABLE theirs (id INTEGER)"))
        with pytest.raises(RecordsError, match="not Officina's"):
            version_of(records)
    finally:
        records.close()


def test_a_block_that_fails_leaves_nothing(records: Records) -> None:
    def fail() -> None:
        with records.writing() as session:
            session.add(Site(id="north", name="Nord"))
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    with records.reading() as session:
        assert session.get(Site, "north") is None


def test_two_that_write_at_once_take_turns(records: Records) -> None:
    def write() -> None:
        for _ in range(20):
            with records.writing() as session:
                mark_changed(session, "machines")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert records.change_number("machines") == 80


@pytest.mark.parametrize("statement", ["UPDATE audit SET body = 'x'", "DELETE FROM audit"])
def test_the_database_itself_keeps_the_audit_trail_from_being_changed(records: Records, statement: str) -> None:
    with records.writing() as session:
        session.add(AuditEntry(number=1, at=1, subject="s", body="{}", digest="0" * 64))

    def change() -> None:
        with records.writing() as session:
            session.execute(text(statement))

    with pytest.raises(DBAPIError, match="append-only"):
        change()


@pytest.mark.parametrize(("role", "member"), [("member", None), ("operator", "firm-a"), ("root", None)])
def test_a_grant_names_a_firm_exactly_when_it_is_a_members(records: Records, role: str, member: str | None) -> None:
    def add() -> None:
        with records.writing() as session:
            session.add(Grant(id="g", role=role, member_id=member, every_site=True))

    with pytest.raises(IntegrityError):
        add()


def test_a_site_that_a_role_is_bound_to_cannot_vanish_below_it(records: Records) -> None:
    with records.writing() as session:
        session.add_all([Site(id="north", name="Nord"), Grant(id="g", role="operator", every_site=False)])
        session.flush()
        session.add(GrantSite(grant_id="g", site_id="north"))

    def remove() -> None:
        with records.writing() as session:
            session.delete(session.get_one(Site, "north"))

    with pytest.raises(IntegrityError):
        remove()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("mysql://u@h/d", "no address"),
        ("postgresql://u:secret@127.0.0.1/d", "password_file"),
        ("postgresql://u@127.0.0.1:1/d", "cannot be opened"),
        ("sqlite://", "no file"),
        ("sqlite:///proc/none/records.db", "cannot be opened"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_a_sentence(address: str, says: str) -> None:
    with pytest.raises(RecordsError, match=says) as refused:
        open_records(address)
    assert "secret" not in str(refused.value)


def test_machines_that_are_made_anew_keep_all_that_refers_to_them(records: Records) -> None:
    with records.writing() as session:
        session.add_all([Site(id="north", name="Nord"), Calendar(id="house", name="Casa")])
        session.flush()
        session.add(EdgeAgent(id="edge", site_id="north"))
        session.flush()
        session.add(Machine(id="mill", name="M 1", site_id="north", agent_id="edge", signals=[], contacts=[]))
        session.flush()
        session.add(CalendarMachine(machine_id="mill", calendar_id="house"))

    downgrade(records, "0010")
    upgrade(records)

    with records.reading() as session:
        assert session.get_one(CalendarMachine, "mill").calendar_id == "house"


def test_going_back_to_where_every_machine_has_an_agent_is_refused_while_one_has_none(records: Records) -> None:
    with records.writing() as session:
        session.add(Site(id="north", name="Nord"))
        session.flush()
        session.add(Machine(id="arm", name="A 1", site_id="north", agent_id=None, signals=[], contacts=[]))

    with pytest.raises(IntegrityError):
        downgrade(records, "0010")

    with records.reading() as session:
        assert session.get_one(Machine, "arm").agent_id is None


def test_a_change_of_tables_that_leaves_something_without_what_it_refers_to_is_undone() -> None:
    records = open_records("sqlite://:memory:")

    def remove() -> None:
        with records.migrating() as connection:
            connection.execute(text("INSERT INTO machines (id, name, kind, site_id, signals, maker, model, "
                                    "serial_number, tariff_group, contacts) "
                                    "VALUES ('m', '', '', 'nowhere', '[]', '', '', '', '', '[]')"))  # fmt: skip

    with pytest.raises(RecordsError, match="machines refers to a sites"):
        remove()
    with records.reading() as session:
        assert session.get(Machine, "m") is None
    records.close()
