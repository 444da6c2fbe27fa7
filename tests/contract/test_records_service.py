"""Records are kept, read in, and audited alike on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from api.access import people
from api.access.scope import Role, Scope
from api.audit import service as audit
from api.audit.service import Actor
from api.records import service, sheets
from api.records.database import Records, open_records
from api.records.rules import InvalidRecordError
from api.usage.tables import CheckIn
from shopfloor.hashed_log import BrokenLogError
from shopfloor.periods import SECOND, format_instant
from tests.services.records import firm

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000 * SECOND
ADA = Actor("person:ada", "203.0.113.5")
EVERYTHING = Scope(Role.ADMINISTRATOR)
MACHINES_CSV = "id;name;site_id;agent_id;signals;built_year;active_from\n"


@pytest.fixture
def records(records_address: str) -> Iterator[Records]:
    opened = open_records(records_address)
    yield opened
    opened.close()


def put(records: Records, kind: str, **values: Any) -> str:
    with records.writing() as session:
        return service.put(session, ADA, kind, values, now=NOW)


@pytest.fixture
def park(records: Records) -> Records:
    for site in ("nord", "sud"):
        put(records, "sites", id=site, name=site.title())
        put(records, "edges", id=f"edge-{site}", site_id=site)
        put(
            records, "machines", id=f"mill-{site}", name="M 1", site_id=site, agent_id=f"edge-{site}", signals=["parts"]
        )
    return records


def test_a_record_is_added_changed_and_left_alone_and_the_trail_tells(records: Records) -> None:
    assert put(records, "members", **firm("a", 1)) == "add"
    assert put(records, "members", **firm("a", 1)) == "same"
    assert put(records, "members", **firm("a", 1, town="Modena")) == "change"

    newest, first = audit.page(records, before=None, limit=10)
    assert newest[1] | {"before": {"town": ""}, "after": {"town": "Modena"}} == newest[1]
    assert (first[1]["what"], first[1]["who"], first[1]["from"]) == ("add", "person:ada", "203.0.113.5")
    assert first[1]["after"]["active_from"] == "2020-01-01"


def test_a_reference_to_nothing_and_a_double_are_refused_together(park: Records) -> None:
    with pytest.raises(InvalidRecordError) as refused:
        put(park, "machines", id="other", name="M 1", site_id="nord", agent_id="nobody", signals=[])

    assert {each.field for each in refused.value.problems} == {"agent_id", "name"}


def test_two_firms_may_have_one_name_and_never_one_partita_iva(records: Records) -> None:
    put(records, "members", **firm("a", 1))
    put(records, "members", **firm("b", 2))
    with pytest.raises(InvalidRecordError, match="partita_iva"):
        put(records, "members", **firm("c", 1))


def former(records: Records) -> dict[str, list[tuple[str, str]]]:
    """Return the agents that each machine was moved away from, as the collectors are told."""
    return {each.id: [(one.publisher, one.until) for one in each.formerly]
            for each in service.read_park(records, now=NOW)}  # fmt: skip


def test_an_agent_that_a_machine_is_taken_from_may_deliver_what_it_has_of_the_time_before(park: Records) -> None:
    put(park, "machines", id="mill-nord", name="M 1", site_id="nord", agent_id="edge-sud", signals=["parts"])
    assert former(park) == {"mill-nord": [("edge-nord", format_instant(NOW))], "mill-sud": []}

    put(park, "machines", id="mill-nord", name="M 2", site_id="nord", agent_id="edge-sud", signals=["parts"])
    assert former(park)["mill-nord"] == [("edge-nord", format_instant(NOW))], "another change is no move"

    put(park, "machines", id="mill-nord", name="M 2", site_id="nord", agent_id="edge-nord", signals=["parts"])
    assert former(park)["mill-nord"] == [("edge-sud", format_instant(NOW))], "who has it again is no former agent"


def test_a_table_that_gives_a_machine_to_another_agent_is_a_move_too(park: Records) -> None:
    data = b"id;agent_id\nmill-nord;edge-sud\n"
    assert sheets.read_in(park, ADA, "machines", data, now=NOW, dry_run=True).problems == []
    assert former(park)["mill-nord"] == [], "a dry run moves nothing"
    sheets.read_in(park, ADA, "machines", data, now=NOW, dry_run=False)
    assert former(park)["mill-nord"] == [("edge-nord", format_instant(NOW))]


def test_a_machine_that_was_moved_can_be_removed(park: Records) -> None:
    put(park, "machines", id="mill-nord", name="M 1", site_id="nord", agent_id="edge-sud", signals=["parts"])
    with park.writing() as session:
        service.remove(session, ADA, "machines", "mill-nord", now=NOW)
    assert former(park) == {"mill-sud": []}


def test_a_site_with_machines_is_not_removed(park: Records) -> None:
    with pytest.raises(service.RecordInUseError), park.writing() as session:
        service.remove(session, ADA, "sites", "nord", now=NOW)

    assert len(service.visible(park, EVERYTHING, "sites")) == 2


def test_a_scope_bound_to_a_site_finds_nothing_of_another_one(park: Records) -> None:
    north = Scope(Role.OPERATOR, sites=frozenset({"nord"}))

    for kind, own in (("sites", "nord"), ("edges", "edge-nord"), ("machines", "mill-nord")):
        assert [row.id for row in service.visible(park, north, kind)] == [own]
        with pytest.raises(service.UnknownRecordError):
            service.one(park, north, kind, own.replace("nord", "sud"))


def test_a_member_finds_its_own_firm_alone(records: Records) -> None:
    for number, name in enumerate(("a", "b"), 1):
        put(records, "members", **firm(name, number))
    own = Scope(Role.MEMBER, "a")

    assert [row.id for row in service.visible(records, own, "members")] == ["a"]
    for name in ("b", "none", "*", "%", "", "0", "a\0", "x" * 200):
        with pytest.raises(service.UnknownRecordError):
            service.one(records, own, "members", name)


def test_a_machine_that_is_shared_no_more_leaves_the_park(park: Records) -> None:
    ended = {"id": "mill-sud", "name": "M 1", "site_id": "sud", "agent_id": "edge-sud", "active_to": date(2020, 1, 1)}
    put(park, "machines", **ended, signals=["parts"])

    assert [each.id for each in service.read_park(park, now=NOW)] == ["mill-nord"]


class TestSheets:
    def read(self, records: Records, kind: str, data: str | bytes, *, dry_run: bool = False) -> sheets.Outcome:
        raw = data.encode() if isinstance(data, str) else data
        return sheets.read_in(records, ADA, kind, raw, now=NOW, dry_run=dry_run)

    def test_what_was_written_out_is_read_in_as_the_same(self, park: Records) -> None:
        for number, name in enumerate(("a", "b"), 1):
            put(park, "members", **firm(name, number, town="Forlì"))
        for kind, count in (("members", 2), ("machines", 2)):
            outcome = self.read(park, kind, sheets.write(park, EVERYTHING, kind))

            assert outcome == sheets.Outcome(0, 0, count, [])

    def test_every_problem_is_listed_by_line_and_nothing_is_written(self, park: Records) -> None:
        before = sheets.write(park, EVERYTHING, "machines")
        data = (
            MACHINES_CSV
            + "good;G 1;nord;edge-nord;parts job;2001;2020-01-31\n"
            + "Bad Id;;nord;edge-nord;;;\n"
            + "third;T 1;west;edge-nord;no_such_signal;old;31/01/2020\n"
            + "good;G 2;nord;edge-nord;;;\n"
            + "fifth;=1+1;nord;edge-nord;;;\n"
        )

        outcome = self.read(park, "machines", data)

        assert {(each.line, each.field) for each in outcome.problems} == {
            (3, "id"), (3, "name"), (4, "site_id"), (4, "signals"), (4, "built_year"), (4, "active_from"), (5, "id"),
            (6, "name"),
        }  # fmt: skip
        assert sheets.write(park, EVERYTHING, "machines") == before

    def test_a_dry_run_writes_nothing_and_tells_what_would_be(self, park: Records) -> None:
        entries = audit.length(park)
        data = MACHINES_CSV + "good;G 1;nord;edge-nord;parts job;2001;2020-01-31\n"

        assert self.read(park, "machines", data, dry_run=True) == sheets.Outcome(1, 0, 0, [])
        assert audit.length(park) == entries
        assert self.read(park, "machines", data) == sheets.Outcome(1, 0, 0, [])
        assert service.one(park, EVERYTHING, "machines", "good").signals == ["parts", "job"]

    def test_columns_that_a_file_leaves_out_stay_as_they_are(self, park: Records) -> None:
        assert self.read(park, "machines", "id,maker\nmill-nord,Brenta\n").changed == 1

        row = service.one(park, EVERYTHING, "machines", "mill-nord")
        assert (row.maker, row.signals) == ("Brenta", ["parts"])


class TestTrail:
    def test_it_verifies_and_an_earlier_end_of_it_is_found_in_it(self, park: Records) -> None:
        noted = audit.check(park)
        put(park, "sites", id="est", name="Est")

        assert audit.check(park, known=(noted.number, noted.digest)).number == noted.number + 1

    def test_a_change_of_an_entry_by_hand_is_found(self, park: Records) -> None:
        with park.writing() as session:
            if park.engine.dialect.name == "sqlite":
                session.execute(text("DROP TRIGGER audit_no_update"))
            else:
                session.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
            session.execute(text("UPDATE audit SET body = replace(body, 'ada', 'eve') WHERE number = 2"))

        with pytest.raises(BrokenLogError, match="entry 2"):
            audit.check(park)

    def test_an_end_that_was_cut_off_is_found_by_what_was_noted_down(self, park: Records) -> None:
        noted = audit.check(park)

        with pytest.raises(BrokenLogError, match="cut off"):
            audit.check(park, known=(noted.number + 1, "0" * 64))
        with pytest.raises(BrokenLogError, match="another one"):
            audit.check(park, known=(noted.number, "0" * 64))


class TestPeople:
    def add(self, records: Records, email: str, *wanted: people.Wanted) -> str:
        with records.writing() as session:
            return people.add_person(session, ADA, email, email, wanted, now=NOW).id

    def test_the_last_administrator_cannot_be_taken_away(self, records: Records) -> None:
        ada = self.add(records, "ada@example.it", people.Wanted(Role.ADMINISTRATOR))
        self.add(records, "bea@example.it", people.Wanted(Role.ADMINISTRATOR))  # who has not taken up the invitation
        with records.writing() as session:
            people.set_password(session, people.find_person(session, ada), "a hash")

        def demote() -> None:
            with records.writing() as session:
                person = people.find_person(session, ada)
                people.set_roles(session, ADA, person, [people.Wanted(Role.OPERATOR)], now=NOW)

        def keep_out() -> None:
            with records.writing() as session:
                people.set_active(session, ADA, people.find_person(session, ada), is_active=False, now=NOW)

        for change in (demote, keep_out):
            with pytest.raises(InvalidRecordError, match="administrator"):
                change()

    @pytest.mark.parametrize(
        "wanted",
        [
            people.Wanted(Role.MEMBER),
            people.Wanted(Role.OPERATOR, "a"),
            people.Wanted(Role.MEMBER, "none"),
            people.Wanted(Role.OPERATOR, None, []),
            people.Wanted(Role.OPERATOR, None, ["none"]),
            people.Wanted(Role.ADMINISTRATOR, None, ["nord"]),
        ],
    )
    def test_a_role_that_makes_no_sense_is_refused(self, park: Records, wanted: people.Wanted) -> None:
        put(park, "members", **firm("a", 1))
        with pytest.raises(InvalidRecordError):
            self.add(park, "eve@example.it", wanted)

        with park.reading() as session:
            assert not people.has_administrator(session)

    def test_a_new_name_is_in_the_trail_as_a_change_and_not_as_a_name(self, records: Records) -> None:
        ada = self.add(records, "ada@example.it", people.Wanted(Role.ADMINISTRATOR))
        with records.writing() as session:
            people.rename(session, ADA, people.find_person(session, ada), "Ada Rossi", "it", now=NOW)

        ((entry, document),) = audit.page(records, before=None, limit=1)
        assert document["after"] == {"changed": ["name"]}
        assert "Rossi" not in entry.body

    def test_a_link_works_once_and_a_newer_one_ends_it(self, records: Records) -> None:
        ada = self.add(records, "ada@example.it", people.Wanted(Role.ADMINISTRATOR))
        with records.writing() as session:
            old, new = (people.new_link(session, ADA, people.find_person(session, ada), now=NOW) for _ in range(2))

        def take_up(link: people.Link, *, at: int = NOW) -> bool:
            token = link.path.rpartition("/")[2]
            with records.writing() as session:
                return people.take_up(session, ADA, token, "h", now=at, email="", name="") is not None

        assert not take_up(old)
        assert not take_up(new, at=new.expires)
        assert take_up(new)
        assert not take_up(new)


ARM: dict[str, Any] = {"id": "arm-1", "name": "Arm", "site_id": "nord", "agent_id": None, "signals": []}


def test_equipment_without_an_agent_is_kept_read_in_and_written_out_and_nobody_may_speak_for_it(park: Records) -> None:
    data = b"id,name,site_id,agent_id\narm-1,Arm,nord,\n"
    assert sheets.read_in(park, ADA, "machines", data, now=NOW, dry_run=False).added == 1
    assert put(park, "machines", **ARM) == "same"

    written = sheets.write(park, EVERYTHING, "machines")
    assert sheets.read_in(park, ADA, "machines", written.encode(), now=NOW, dry_run=False).same == 3
    read = service.read_park(park, now=NOW)
    assert [each.id for each in read if each.is_attended] == ["arm-1"]
    assert [each.machine for registry in read.registries().values() for each in registry.machines] == [
        "mill-nord",
        "mill-sud",
    ]
    with pytest.raises(InvalidRecordError) as refused:
        put(park, "machines", **{**ARM, "signals": ["parts"], "writer_id": 3})
    assert {each.field for each in refused.value.problems} == {"signals", "writer_id"}


def test_what_was_used_without_an_agent_gets_none_and_what_had_one_keeps_one(park: Records) -> None:
    assert put(park, "machines", **{**ARM, "agent_id": "edge-nord"}) == "add"
    assert put(park, "machines", **ARM) == "change", "a mistake may be mended while nothing is known of it"
    with park.writing() as session:
        session.add(CheckIn(id="c", machine_id="arm-1", at=NOW, payer=None, is_out=True, by=ADA.id, entered=NOW))

    with pytest.raises(InvalidRecordError, match="add another machine"):
        put(park, "machines", **{**ARM, "agent_id": "edge-nord"})
    assert put(park, "machines", **{**ARM, "name": "Arm 2"}) == "change"
