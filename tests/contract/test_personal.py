"""A person's data: handed over whole, erased without touching what rests on it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.access import people, personal
from api.access.scope import Role
from api.access.tables import Person
from api.audit import service as audit
from api.audit.service import CONSOLE, Actor, record
from api.billing import cli as billing_cli
from api.billing import service as billing
from api.billing.closing import Order, close
from api.billing.handing import handed
from api.billing.stating import Contested
from api.billing.tables import IssuedStatement
from api.maintenance.tables import ChannelRow
from api.records.cli import app
from api.records.database import open_records
from api.usage import service as usage
from api.usage.tables import CheckIn
from shopfloor.errors import ExpectedError
from shopfloor.periods import Period
from shopfloor.runtime import clock
from tests.journey.people import add_people
from tests.services.records import fill, new_records
from tests.unit.api.billing.test_closing import CLOSED, MILLS, OCTOBER, furnish, october
from tests.unit.api.usage.stored import STAFF, at, house

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.api.billing.test_closing import Money

MACHINES = [{"id": "mc-1", "name": "M 1", "kind": "Tornio", "site_id": "nord", "agent_id": "north-1"}]
WHO = "operator@example.it"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    fill(f"sqlite://{tmp_path}/records.db", sites={"nord": "Nord"}, machines=MACHINES, holders={})
    known = add_people(tmp_path)
    with closing(open_records(new_records(tmp_path))) as records, records.writing() as session:
        actor = f"person:{known[WHO]}"
        session.add(ChannelRow(id="c1", person=known[WHO], name="mail", address=f"mailto://{WHO}"))
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


def test_a_closed_month_is_proved_after_a_person_whom_its_evidence_names_was_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: at("2026-11-06T09:00"))
    kept, telemetry = new_records(tmp_path), tmp_path / "telemetry.db"
    (tmp_path / "api.toml").write_text(
        f'store = "sqlite://{telemetry}"\nrecords = "{kept}"\n[broker]\nhost = "127.0.0.1"\ninsecure = true\n'
    )
    add_people(tmp_path, {WHO: people.Wanted(Role.OPERATOR), "root@example.it": people.Wanted(Role.ADMINISTRATOR)})
    with house(MILLS, address=kept, telemetry=str(telemetry)) as made:
        it = furnish(made)
        it.tell(october(), now="2026-11-03T10:00")
        close_as(it, WHO)
        before = issued(it)
        done = CliRunner().invoke(
            app, ["person", "erase", str(tmp_path / "api.toml"), WHO, "--sure"], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        assert issued(it) == before

    proved = CliRunner().invoke(billing_cli.app, ["verify", "--config", str(tmp_path / "api.toml")])
    assert "3 statements" in proved.output
    assert "All of them are what they were." in proved.output


def close_as(it: Money, email: str) -> None:
    """Let a person check in, have a correction, contest a line, close the month and note a payment."""
    with it.records.writing() as session:
        person = Actor(f"person:{personal.find(session, email).id}")
        here = usage.Presence("mill-1", at("2026-10-13T05:10"), "gamma", is_out=False)
        usage.check_in(session, person, STAFF, here, now=at(CLOSED))
        wish = usage.Wish(
            "mill-2", Period(at("2026-10-25T06:30"), at("2026-10-25T08:00")), "beta", None, "the wrong badge"
        )
        asked = usage.ask_correction(session, person, STAFF, wish, now=at(CLOSED))
        usage.decide_correction(session, CONSOLE, asked.id, "", approve=True, now=at(CLOSED))
        line = Contested(OCTOBER, "alfa", "time/mill-1/processing/mills@1")
        billing.contest(session, person, STAFF, line, "it was not ours", now=at(CLOSED))
    close(it.ledger, person, Order(OCTOBER, accepted={"*": "nobody was there"}), now=at(CLOSED))
    with it.records.writing() as session:
        billing.add_event(session, person, 1, "paid", day=date(2026, 11, 5), note="", now=at(CLOSED))


def issued(it: Money) -> list[tuple[str, bytes]]:
    """Return what is chained of each statement, and its document."""
    with it.records.reading() as session:
        rows = session.scalars(select(IssuedStatement).order_by(IssuedStatement.number)).all()
        return [(row.body, handed(session, row, "pdf", "it")[1]) for row in rows]
