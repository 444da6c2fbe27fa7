"""A person's data: handed over whole, erased without touching what rests on it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from api.access import people
from api.access.tables import Person
from api.audit import service as audit
from api.audit.service import Actor, record
from api.records.cli import app
from api.records.database import open_records
from api.usage.tables import CheckIn
from shopfloor.errors import ExpectedError
from shopfloor.runtime import clock
from tests.journey.people import add_people
from tests.services.records import fill, new_records

if TYPE_CHECKING:
    from pathlib import Path

MACHINES = [{"id": "mc-1", "name": "M 1", "kind": "Tornio", "site_id": "nord", "agent_id": "north-1"}]
WHO = "operator@example.it"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    fill(f"sqlite://{tmp_path}/records.db", sites={"nord": "Nord"}, machines=MACHINES, holders={})
    known = add_people(tmp_path)
    with closing(open_records(new_records(tmp_path))) as records, records.writing() as session:
        actor = f"person:{known[WHO]}"
        session.add(CheckIn(id="c1", machine_id="mc-1", at=1, payer="firm-a", is_out=False, by=actor, entered=2))
        record(session, Actor(actor, "192.0.2.7"), "check in", "machines/mc-1", now=clock.now())
        record(session, Actor("person:somebody-else"), "check in", "machines/mc-1", now=clock.now())
    (tmp_path / "api.toml").write_text(
        f'store = "sqlite://:memory:"\nrecords = "sqlite://{tmp_path}/records.db"\n'
        '[broker]\nhost = "127.0.0.1"\ninsecure = true\n'
    )
    return tmp_path / "api.toml"


def test_everything_that_names_a_person_is_handed_over_and_no_secret(config: Path) -> None:
    done = CliRunner().invoke(app, ["person", "export", str(config), WHO], catch_exceptions=False)

    found = json.loads(done.output)
    assert [each["email"] for each in found["people"]] == [WHO]
    assert [each["machine_id"] for each in found["check_ins"]] == ["mc-1"]
    assert len(found["grants"]) == 1
    bodies = [each["body"] for each in found["audit"]]
    assert any("192.0.2.7" in body for body in bodies)
    assert "somebody-else" not in done.output
    assert "argon2" not in done.output


def test_what_is_erased_is_gone_and_what_rests_on_it_stays(config: Path) -> None:
    with closing(open_records(f"sqlite://{config.parent}/records.db")) as records:
        before = [entry for entry, _ in audit.page(records, before=None, limit=1000)]
        done = CliRunner().invoke(app, ["person", "erase", str(config), WHO.upper(), "--sure"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        identifier = done.output.rpartition(" is ")[2].strip().rstrip(".")
        with records.reading() as session:
            person = session.get(Person, identifier)
            assert person is not None
            assert (person.name, person.password_hash, person.is_active) == ("", "", False)
            assert person.email == f"erased-{identifier}@invalid"
            assert session.get(CheckIn, "c1") is not None
        after = [entry for entry, _ in audit.page(records, before=None, limit=1000)]
        assert after[1:] == before
        audit.check(records)
    with closing(sqlite3.connect(config.parent / "records.db")) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert WHO.encode() not in b"".join(file.read_bytes() for file in config.parent.glob("records.db"))


def test_nothing_is_erased_by_a_slip_or_without_an_administrator_left(config: Path) -> None:
    assert CliRunner().invoke(app, ["person", "erase", str(config), WHO]).exit_code == 2
    last = CliRunner().invoke(app, ["person", "erase", str(config), "administrator@example.it", "--sure"])
    assert isinstance(last.exception, ExpectedError)
    assert "the only administrator" in str(last.exception)
    with closing(open_records(f"sqlite://{config.parent}/records.db")) as records, records.reading() as session:
        assert people.has_administrator(session)
    unknown = CliRunner().invoke(app, ["person", "export", str(config), "nobody@example.it"])
    assert "nobody signs in as" in str(unknown.exception)
