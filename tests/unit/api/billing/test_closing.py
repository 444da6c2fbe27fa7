"""From stored samples to closed statements: closed is closed, late data adjusts, and any tampering is found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from api.access.scope import Role, Scope
from api.audit import service as audit
from api.audit.service import CONSOLE, Actor
from api.billing import closing, service
from api.billing.calendars import DAY_KINDS
from api.billing.closing import ClosingRefusedError, Order, close
from api.billing.common import TRUED_UP
from api.billing.documents.document import NoInvoiceError
from api.billing.handing import document_of, handed
from api.billing.ledger import Ledger, settled
from api.billing.previews import decisions, differences, forecast, forecast_range, used
from api.billing.pricelist import BadPriceError, Entry
from api.billing.reports import By
from api.billing.scenarios.values import BadScenarioError
from api.billing.statements import Basis, line_of, to_data
from api.billing.stating import Contested
from api.billing.tables import IssuedStatement
from api.billing.tariffs import UnpricedError
from api.billing.verifying import verify_all
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError, put_consortium
from api.records.tables import Machine, Member
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from tests.services.records import partita_iva
from tests.unit.api.usage.stored import OFF, STAFF, House, at, house, said, shuffled, states, watched, workday

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shopfloor.samples import Sample

MILLS = ("mill-1", "mill-2")
OCTOBER, NOVEMBER = "2026-10", "2026-11"
CLOSED, NEXT = "2026-11-05T09:00", "2026-12-05T09:00"
TARIFF = """
name = "mills"
[[versions]]
from = 2026-01-01
calendar = "arera"
time = { setup = 18.00, processing = 36.50, idle = 9.90 }
energy = { F1 = 0.30, F2 = 0.25, F3 = 0.20 }
vat = { default = 22, energy = 10 }
"""
QUOTA = 'item = "Quota"\nfirst = "2026-10"\namount = 50.00\n'
ALL_DAYS = "".join(f'{day} = ["00:00 F1"]\n' for day in DAY_KINDS)
SHARED = 'item = "Rent"\nmonth = "2026-10"\namount = 100.01\n'


class Money(House):
    """A house with a price list."""

    def __init__(self, made: House) -> None:
        super().__init__(made.records, made.store)
        self.usage = UsageDays(made.records, made.store, Policy(), settled)
        self.ledger = Ledger(made.records, self.usage)

    def price(self, kind: str, toml: str, entry_id: str = "") -> str:
        with self.records.writing() as session:
            entry = Entry(entry_id, kind, toml)
            return service.put_entry(session, CONSOLE, self.ledger.zone, entry, now=at(CLOSED)).id

    def close(self, month: str = OCTOBER, now: str = CLOSED) -> closing.Closed:
        return close(self.ledger, CONSOLE, Order(month, accepted={"*": "nobody was there"}), now=at(now))

    def bodies(self) -> list[str]:
        with self.records.reading() as session:
            return list(session.scalars(select(IssuedStatement.body).order_by(IssuedStatement.number)))

    def stated(self, month: str, member: str) -> dict[str, Any]:
        return next(
            found
            for body in self.bodies()
            if (found := json.loads(body)["statement"])["month"] == month and found["member"] == member
        )

    def contest(self, reference: str, member: str = "alfa") -> str:
        line = Contested(OCTOBER, member, reference)
        with self.records.writing() as session:
            who = Actor("person:anna")
            return service.contest(session, who, STAFF, line, "it was not ours", now=at(CLOSED)).id


def october() -> list[Sample]:
    found: list[Sample] = []
    for machine in MILLS:
        found += watched(machine, "2026-09-30T20:00", "2026-11-03T10:00")
        found += states(machine, ("2026-09-30T20:00", OFF))
    found += workday("mill-1", "2026-10-13", ("A", "B"))
    found += workday("mill-1", "2026-10-23", ("B", "A"), watts_hours=50_000.0)
    found += workday("mill-2", "2026-10-25", ("A", "G"))
    return found


def furnish(made: House) -> Money:
    it = Money(made)
    with made.records.writing() as session:
        values = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(9)}
        put_consortium(session, CONSOLE, values, now=at(CLOSED))
    it.price("tariffs", TARIFF)
    it.price("quotas", QUOTA)
    it.price("shared_costs", SHARED)
    return it


@pytest.fixture
def it() -> Iterator[Money]:
    with house(MILLS) as made:
        money = furnish(made)
        money.tell(october(), now="2026-11-03T10:00")
        yield money


def late() -> list[Sample]:
    return said("mill-1", "job", ("2026-10-13T08:00", "G-9"))


def test_an_open_month_is_previewed_and_its_shares_add(it: Money) -> None:
    whole = {each.member: each for each in it.ledger.preview(OCTOBER, now=at(CLOSED))}

    assert sorted(whole) == ["alfa", "beta", "gamma"]
    assert sum(line.amount for each in whole.values() for line in each.lines if line.basis == "shared_cost") == Decimal(
        "100.01"
    )
    time = next(line for line in whole["alfa"].lines if line.reference == "time/mill-1/processing/mills@1")
    assert time.quantity == 13_200 + 26_940
    assert time.amount == Decimal("406.98")
    for member, each in whole.items():
        assert to_data(it.ledger.preview(OCTOBER, now=at(CLOSED), member=member)[0]) == to_data(each)


def test_a_forecast_goes_on_as_until_now_with_what_is_fixed(it: Money) -> None:
    [alfa] = it.ledger.preview(OCTOBER, now=at(CLOSED), member="alfa")
    fixed = sum(line.amount for line in alfa.lines if not line.machine)
    half = (alfa.period.start + alfa.period.end) // 2

    assert forecast(alfa, now=half) == fixed + 2 * (alfa.net - fixed)
    assert forecast(alfa, now=alfa.period.end) == alfa.net


def test_a_range_is_between_quiet_and_busy_days_and_needs_a_week(it: Money) -> None:
    [alfa] = it.ledger.preview(OCTOBER, now=at(CLOSED), member="alfa")
    line = next(each for each in alfa.lines if each.basis is Basis.TIME)
    costs = {1: 10, 2: 20, 5: 30, 6: 40, 7: 50, 3: 0, 4: 8}  # the 3rd and the 4th are a weekend
    parts = tuple(line.parts[0]._replace(day=date(2026, 10, day), amount=Decimal(cost)) for day, cost in costs.items())
    total = Decimal(158)
    stated = replace(alfa, lines=(replace(line, amount=total, parts=parts),))
    now, today = at("2026-10-08T09:00"), date(2026, 10, 8)

    # Workdays 10 to 50 have the quartiles 20 and 40, days off 0 and 8 have 2 and 6; 17 and 7 days are to come.
    low, high = stated.net + 17 * 20 + 7 * 2, stated.net + 17 * 40 + 7 * 6
    assert forecast_range(stated, now=now, today=today) == (low, high)
    assert low <= forecast(stated, now=now) <= high
    assert forecast_range(stated, now=at("2026-10-07T09:00"), today=date(2026, 10, 7)) is None
    assert forecast_range(stated, now=at(CLOSED), today=date(2026, 11, 5)) is None
    rare = replace(stated, lines=(replace(line, amount=total, parts=(parts[0]._replace(amount=total),)),))
    assert forecast_range(rare, now=now, today=today) is None


def test_a_month_is_closed_once_and_stays_as_it_is(it: Money) -> None:
    assert it.close() == closing.Closed(OCTOBER, 3, is_new=True)
    before = it.bodies()
    it.tell(late(), now="2026-11-06T00:00")

    assert it.close(now="2026-11-07T00:00") == closing.Closed(OCTOBER, 3, is_new=False)
    assert it.bodies() == before
    assert [json.loads(body)["number"] for body in before] == ["1/2026", "2/2026", "3/2026"]
    for change in ("UPDATE statements SET net = 0", "DELETE FROM statements"):
        with pytest.raises(Exception, match="append-only"), it.records.writing() as session:
            session.execute(text(change))


def test_statements_are_what_the_preview_was(it: Money) -> None:
    preview = {each.member: each for each in it.ledger.preview(OCTOBER, now=at(CLOSED))}
    it.close()

    assert {member: to_data(each) for member, each in preview.items()} == {
        member: it.stated(OCTOBER, member) for member in preview
    }


def test_the_same_data_in_any_order_gives_the_same_bytes(it: Money) -> None:
    it.close()

    for seed in range(2):
        with house(MILLS) as made:
            other = furnish(made)
            for number, batch in enumerate(shuffled(october(), seed)):
                other.tell(batch, now=f"2026-11-03T1{number}:00")
                if number % 3 == 0:
                    other.ledger.preview(OCTOBER, now=at(f"2026-11-03T1{number}:30"))
            other.close()

            assert other.bodies() == it.bodies()


STEPS = ("_calculate", "_unsent", "_is_current", "_number", "body_of", "record")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_point_and_started_again_it_gives_the_same_bytes(
    it: Money, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(closing, step, killed)
        with pytest.raises(Killed):
            it.close()
    assert it.bodies() == []
    it.close()

    with house(MILLS) as made:
        other = furnish(made)
        other.tell(october(), now="2026-11-03T10:00")
        other.close()
        assert it.bodies() == other.bodies()


def test_what_arrives_while_it_calculates_is_in_it(it: Money, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def check_in(*_: Any) -> list[tuple[str, str]]:
        if not seen:
            it.check_in("mill-1", "2026-10-13T05:10", "gamma", now=CLOSED)
            it.usage.refresh(["mill-1"], *it.ledger.days(OCTOBER), now=at(CLOSED))
        seen.append(1)
        return []

    monkeypatch.setattr(closing, "_unsent", check_in)
    it.close()

    assert len(seen) == 2

    assert verify_all(it.ledger, now=at(CLOSED)).faults == []


def test_late_data_becomes_an_adjustment_of_the_next_statement_at_the_tariff_of_its_use(it: Money) -> None:
    it.close()
    it.tell(late(), now="2026-11-20T00:00")
    it.tell(watched("mill-1", "2026-11-03T10:00", "2026-12-03T10:00"), now="2026-12-03T10:00")
    it.tell(watched("mill-2", "2026-11-03T10:00", "2026-12-03T10:00"), now="2026-12-03T10:00")
    assert it.close(NOVEMBER, NEXT).is_new

    lines = {line["reference"]: line for line in it.stated(NOVEMBER, "alfa")["lines"] if line["corrects"]}
    moved = lines["time/mill-1/processing/mills@1"]
    assert (moved["quantity"], moved["amount"]) == (-7_200, "-73.00")
    assert moved["corrects"] == {"month": OCTOBER, "reference": "time/mill-1/processing/mills@1"}
    gamma = [line for line in it.stated(NOVEMBER, "gamma")["lines"] if line["corrects"]]
    assert [line["amount"] for line in gamma if line["basis"] == "time"] == ["73.00"]

    verdict = verify_all(it.ledger, now=at(NEXT))
    assert verdict.faults == []
    assert verdict.pending == {OCTOBER: 0, NOVEMBER: 0}


def test_what_is_to_be_adjusted_is_what_the_store_gives(it: Money) -> None:
    it.close()
    it.tell(late(), now="2026-11-20T00:00")

    verdict = verify_all(it.ledger, now=at("2026-11-21T00:00"))

    assert verdict.faults == []
    assert verdict.statements == 3
    pending = it.ledger.preview(NOVEMBER, now=at("2026-11-21T00:00"))
    assert {line.corrects.month for each in pending for line in each.lines if line.corrects} == {OCTOBER}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE statements SET body = replace(body, '406.98', '406.99')", "chain"),
        ("UPDATE usage_parts SET body = (SELECT body FROM usage_parts WHERE payer = 'beta') WHERE payer = 'alfa'",
         "when rated"),
        ("DELETE FROM rated_segments WHERE machine_id = 'mill-2'", "segments and prices"),
        ("UPDATE closings SET ground = replace(ground, '36.50', '36.60')", "segments and prices"),
    ],
)  # fmt: skip
def test_a_row_that_was_tampered_with_is_found(it: Money, change: str, fault: str) -> None:
    it.close()
    assert verify_all(it.ledger, now=at(CLOSED)).faults == []
    with it.records.writing() as session:
        session.execute(text("DROP TRIGGER statements_no_update"))
        session.execute(text(change))

    assert fault in " ".join(verify_all(it.ledger, now=at(CLOSED), with_store=False).faults)


def test_kept_segments_that_the_store_does_not_give_are_found(it: Money) -> None:
    it.close()
    with it.records.writing() as session:
        session.execute(text("DELETE FROM usage_parts WHERE is_pinned = 0"))
        session.execute(text("UPDATE usage_parts SET is_current = 0 WHERE payer = 'alfa' AND day = '2026-10-13'"))

    assert "not what the store gives" in " ".join(verify_all(it.ledger, now=at(CLOSED)).faults)


def test_a_month_is_not_closed_while_something_is_open(it: Money) -> None:
    def reasons(month: str = OCTOBER, now: str = CLOSED, **accepted: str) -> str:
        with pytest.raises(ClosingRefusedError) as refused:
            close(it.ledger, CONSOLE, Order(month, accepted=accepted), now=at(now))
        return " ".join(f"{place} {what}" for place, what in refused.value.problems)

    assert "not over" in reasons(NOVEMBER)
    unmapped = said("mill-2", "job", ("2026-10-25T06:30", "X-1"))
    it.tell([*unmapped, *said("mill-1", "hole", ("2026-10-05T01:00", hole("2026-10-05")))], now="2026-11-04T00:00")
    found = reasons()
    assert "unattributed from 2026-10-25T06:30:00Z" in found
    assert "s are unknown, without evidence of use" in found
    with it.records.reading() as session:
        assert service.last_closed(session) is None
    assert it.bodies() == []
    listed = decisions(it.ledger, STAFF, now=at(CLOSED))
    assert [(row["kind"], row["machine"]) for row in listed] == [("unattributed", "mill-2")]


def hole(day: str) -> str:
    return json.dumps({"from": f"{day}T00:00:00Z", "to": f"{day}T01:00:00Z", "signals": [], "cause": "evicted"})


def test_a_month_is_not_closed_while_an_agent_may_hold_data() -> None:
    with house(MILLS) as made:
        other = furnish(made)
        other.tell(watched("mill-1", "2026-10-01T00:00", "2026-10-20T00:00"), now="2026-10-20T00:00")
        with pytest.raises(ClosingRefusedError, match="last heard of at 2026-10-20"):
            other.close()


def test_members_have_time_to_contest(it: Money) -> None:
    it.ledger.review_days = 7
    with pytest.raises(ClosingRefusedError, match="contest its lines until 2026-11-07"):
        it.close()


def test_a_contested_line_stays_out_until_it_is_decided_and_then_comes_under_its_month(it: Money) -> None:
    reference = "time/mill-1/processing/mills@1"
    contest = it.contest(reference)
    it.close()
    assert reference not in {line["reference"] for line in it.stated(OCTOBER, "alfa")["lines"]}
    assert verify_all(it.ledger, now=at(CLOSED)).faults == []
    with it.records.writing() as session:
        service.decide_contest(session, CONSOLE, contest, "it was theirs after all", now=at(CLOSED))
    ((_, entry),) = audit.page(it.records, before=None, limit=1)
    assert (entry["before"]["decision"], entry["after"]["decision"]) == ("", "it was theirs after all")

    for machine in MILLS:
        it.tell(watched(machine, "2026-11-03T10:00", "2026-12-03T10:00"), now="2026-12-03T10:00")
    it.close(NOVEMBER, NEXT)

    [line] = [line for line in it.stated(NOVEMBER, "alfa")["lines"] if line["corrects"]]
    assert (line["month"], line["reference"], line["amount"]) == (OCTOBER, reference, "406.98")
    assert verify_all(it.ledger, now=at(NEXT)).faults == []


def test_a_contest_is_refused_where_it_cannot_help(it: Money) -> None:
    contest = it.contest("quota/Quota")
    with pytest.raises(InvalidRecordError, match="already"):
        it.contest("quota/Quota")
    with pytest.raises(InvalidRecordError, match="another person"), it.records.writing() as session:
        service.decide_contest(session, Actor("person:anna"), contest, "it is as it is", now=at(CLOSED))
    line = Contested(OCTOBER, "beta", "quota/Quota")
    with pytest.raises(UnknownRecordError), it.records.writing() as session:
        service.contest(session, CONSOLE, Scope(Role.MEMBER, "alfa"), line, "it is theirs", now=at(CLOSED))
    it.close()
    with pytest.raises(InvalidRecordError, match="closed"):
        it.contest("quota/Quota", "beta")


def test_every_line_opens_down_to_its_samples(it: Money) -> None:
    it.close()
    with it.records.reading() as session:
        found = it.ledger.opened(session, OCTOBER, "alfa", "time/mill-1/processing/mills@1", closing=OCTOBER)
        assert it.ledger.opened(session, OCTOBER, "alfa", "quota/Quota", closing=OCTOBER) == []

    assert sum(each.period.seconds for each in found) == 13_200 + 26_940
    assert all(source.signal in {"item_state", "job"} for each in found for source in each.sources)
    assert all(each.sources for each in found)


def test_a_preview_tells_how_many_machines_are_brought_up_to_date_and_priced(it: Money) -> None:
    told: list[tuple[str, int, int]] = []

    it.ledger.preview(OCTOBER, now=at(CLOSED), tell=lambda *each: told.append(each))

    both = [(1, len(MILLS)), (2, len(MILLS))]
    assert [each[1:] for each in told if each[0] == "segments"] == both
    assert [each[1:] for each in told if each[0] == "rating"] == both


def test_a_used_price_is_frozen_and_others_may_follow_it(it: Money) -> None:
    with it.records.reading() as session:
        tariff = next(each.id for each in service.entries(session) if each.kind == "tariffs")
    it.close()

    with pytest.raises(BadPriceError, match="is used by closed months"):
        it.price("tariffs", TARIFF.replace("36.50", "40.00"), tariff)
    with pytest.raises(BadPriceError, match="is used by closed months"), it.records.writing() as session:
        service.remove_entry(session, CONSOLE, it.ledger.zone, tariff, now=at(CLOSED))
    with pytest.raises(BadScenarioError, match="overlap"):
        it.price("tariffs", TARIFF.replace('"mills"', '"others"').replace("2026-01-01", "2026-12-01"))
    with it.records.reading() as session:
        shared = next(each.id for each in service.entries(session) if each.kind == "shared_costs")
    with pytest.raises(BadPriceError, match="charged already"), it.records.writing() as session:
        service.remove_entry(session, CONSOLE, it.ledger.zone, shared, now=at(CLOSED))
    it.price("tariffs", TARIFF.replace("from = 2026-01-01", "from = 2026-01-01\nto = 2026-12-01"), tariff)
    it.price("tariffs", TARIFF.replace("36.50", "40.00").replace("from = 2026-01-01", 'name = "2"\nfrom = 2026-12-01'))


def test_a_price_may_change_from_the_open_month_on(it: Money) -> None:
    with it.records.reading() as session:
        ids = {each.kind: each.id for each in service.entries(session)}
    later = "[[versions]]\nfrom = 2026-11-01\ntime = { processing = 40.00 }\n"
    it.close()

    with pytest.raises(BadPriceError, match="begins before the end of 2026-10"):
        it.price("tariffs", TARIFF.replace("mills", "more").replace("name =", 'machines = ["mill-2"]\nname ='))
    with pytest.raises(BadPriceError, match="charged already"):
        it.price("quotas", QUOTA.replace("50.00", "60.00"), ids["quotas"])
    it.price("quotas", QUOTA + 'last = "2026-11"\n', ids["quotas"])
    it.price("shared_costs", SHARED.replace("2026-10", "2026-11"))
    it.price("calendars", f'name = "own"\n{ALL_DAYS}')
    it.price("tariffs", TARIFF.replace("from =", "to = 2026-11-01\nfrom =") + later, ids["tariffs"])


def test_a_year_is_trued_up_by_what_was_charged_at_a_provisional_rate(it: Money) -> None:
    with it.records.reading() as session:
        tariff = next(each.id for each in service.entries(session) if each.kind == "tariffs")
    it.price("tariffs", TARIFF + "provisional = true\n", tariff)
    it.close()
    charged = sum(
        Decimal(line["amount"])
        for member in ("alfa", "beta", "gamma")
        for line in it.stated(OCTOBER, member)["lines"]
        if line["basis"] in TRUED_UP
    )
    cost = Decimal("3000.00")
    it.price("true_ups", f'section = "mills"\nmachines = ["mill-1", "mill-2"]\nyear = 2026\ncost = {cost}\n'
             f'month = "{NOVEMBER}"\n')  # fmt: skip

    lines = [
        line
        for stated in it.ledger.preview(NOVEMBER, now=at(NEXT))
        for line in stated.lines
        if line.basis is Basis.TRUE_UP
    ]

    assert sum(line.amount for line in lines) == cost - charged
    assert {line.member for line in lines} >= {"alfa", "beta"}


@pytest.mark.parametrize(
    ("kind", "toml", "reason"),
    [
        ("calendars", f'name = "arera"\n{ALL_DAYS}', "there is a calendar 'arera' already"),
        ("tariffs", 'name = "x"\n[[versions]]\nfrom = 2027-01-01\ntime = { flying = 1 }\n', "is no state"),
        ("tariffs", 'name = "x"\nmachines = ["none"]\n[[versions]]\nfrom = 2027-01-01\n', "no machine is called"),
        ("tariffs", "name = \n", "is no TOML"),
        ("quotas", 'item = "Q"\nfirst = "2026-10"\namount = 1.00\nmembers = ["delta"]\n', "no member is called"),
        ("calendars", 'name = "arera"\n', "lacks"),
        ("fees", "  \n", "is empty"),
    ],
)
def test_a_bad_entry_is_refused_with_its_place_and_nothing_is_kept(
    it: Money, kind: str, toml: str, reason: str
) -> None:
    with it.records.reading() as session:
        before = service.entries(session)
    with pytest.raises(BadScenarioError, match=reason):
        it.price(kind, toml)
    with it.records.reading() as session:
        assert service.entries(session) == before


def test_prices_are_tried_on_a_month_before_they_are_kept(it: Money) -> None:
    with it.records.reading() as session:
        tariff = next(each.id for each in service.entries(session) if each.kind == "tariffs")
    tried = [Entry("new", "tariffs", TARIFF.replace("36.50", "73.00"))]

    rows = differences(it.ledger, OCTOBER, tried, [tariff], now=at(CLOSED))

    assert {member: after - before for member, before, after in rows}["beta"] == Decimal("406.97")
    assert [row[1] for row in rows] == [each.net for each in it.ledger.preview(OCTOBER, now=at(CLOSED))]


def test_use_without_a_price_is_refused_and_nothing_is_closed(it: Money) -> None:
    with it.records.reading() as session:
        tariff = next(each.id for each in service.entries(session) if each.kind == "tariffs")
    with it.records.writing() as session:
        service.remove_entry(session, CONSOLE, it.ledger.zone, tariff, now=at(CLOSED))

    with pytest.raises(UnpricedError, match="no tariff"):
        it.close()
    assert it.bodies() == []


def test_a_rejected_statement_is_sent_again_under_its_number_and_a_payment_may_be_taken_back(it: Money) -> None:
    it.close()
    day = it.ledger.days(NOVEMBER)[0]

    def happens(kind: str) -> None:
        with it.records.writing() as session:
            service.add_event(session, CONSOLE, 1, kind, day=day, note="", now=at(CLOSED) + len(kinds))
        kinds.append(kind)

    kinds: list[str] = []
    for kind in ("sent", "rejected", "sent", "accepted", "paid", "unpaid", "paid"):
        happens(kind)
    for kind in ("sent", "rejected", "paid"):
        with pytest.raises(InvalidRecordError):
            happens(kind)
    with it.records.reading() as session:
        assert service.fates(session) == {1: service.Fate(is_paid=True, exchange="accepted")}
        assert [event.kind for event in service.events(session, 1)] == kinds


def test_a_member_sees_its_own_statements(it: Money) -> None:
    it.close()
    alfa = Scope(Role.MEMBER, "alfa")

    assert [row.member_id for row in service.statements(it.records, alfa)] == ["alfa"]
    with it.records.reading() as session, pytest.raises(UnknownRecordError):
        service.statement(session, alfa, "2")


@pytest.mark.parametrize("by", [[By.MEMBER], [By.MACHINE, By.STATE], [By.DAY], [By.JOB], [By.SITE, By.ORDER, By.PART]])
def test_use_adds_up_whatever_it_is_told_apart_by(it: Money, by: list[By]) -> None:
    first, last = it.ledger.days(OCTOBER)
    rows = used(it.ledger, by, (first, last), now=at(CLOSED))

    shared = Decimal("100.01")
    stated = it.ledger.preview(OCTOBER, now=at(CLOSED))
    assert sum(total.net for _, total in rows) == sum(each.net for each in stated) - shared
    assert sum(total.seconds for _, total in rows) == 2 * (31 * 24 + 1) * 3_600
    if by == [By.JOB]:
        assert {key[0] for key, total in rows if total.net} == {"", "A-1", "B-2", "B-1", "A-2", "G-2"}


def test_a_line_survives_being_written_and_read(it: Money) -> None:
    it.close()
    stated = it.stated(OCTOBER, "alfa")

    for line in stated["lines"]:
        again = line_of(line, "alfa")
        assert (again.reference, str(again.amount), again.quantity) == (line["reference"], line["amount"],
                                                                         line["quantity"])  # fmt: skip
        assert sum(part.amount for part in again.parts) == again.amount


def test_a_closed_statement_is_handed_out_and_is_an_invoice_only_where_the_consortium_invoices(it: Money) -> None:
    it.close()
    assert [(row.month, count) for row, count in service.closings(it.records)] == [(OCTOBER, 3)]
    stated = it.stated(OCTOBER, "alfa")
    with it.records.reading() as session:
        row = service.statement(session, STAFF, "1")
        (name, pdf), (_, again) = (handed(session, row, "pdf", "it") for _ in range(2))
        assert name == "2026-10-alfa-1-2026.pdf"
        assert pdf == again
        assert pdf.startswith(b"%PDF")
        document = document_of(session, row)
        assert (document.number, document.statement.net, document.customer.legal_name) == (
            "1/2026",
            row.net,
            "Officina Rossi S.r.l.",
        )
        assert to_data(document.statement) == stated
        assert handed(session, row, "csv", "it")[1].startswith(b"\xef\xbb\xbf")
        with pytest.raises(NoInvoiceError, match="statements only"):
            handed(session, row, "xml", "it")


def test_what_records_say_later_changes_no_document(it: Money) -> None:
    it.close()

    def document() -> bytes:
        with it.records.reading() as session:
            return handed(session, service.statement(session, STAFF, "1"), "csv", "it")[1]

    before = document()
    with it.records.writing() as session:
        for machine in session.scalars(select(Machine)):
            machine.name = f"{machine.name} (venduta)"
        for member in session.scalars(select(Member)):
            member.legal_name = "Un'altra ditta"

    assert document() == before
