"""Equipment that says nothing: from a check-in to the cent on a statement, with no sample at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.audit.service import CONSOLE
from api.billing import service
from api.billing.closing import Order, close, stand
from api.billing.documents.words import QUALITIES
from api.billing.ledger import Ledger, settled
from api.billing.pricelist import Entry
from api.billing.verifying import verify_all
from api.live.attended import Attended
from api.records.service import put, put_consortium
from api.usage.attended import intervals, stretches
from api.usage.attending import Attending
from api.usage.evidence import Held
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from api.usage.segments import CONSORTIUM, Claim, Quality, Source
from api.usage.service import Presence, check_in
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period
from shopfloor.states import State
from tests.services.records import partita_iva
from tests.unit.api.usage.stored import STAFF, House, at, house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.usage.segments import Segment

ARM, DAY_OF_USE, LATER = "arm-1", date(2026, 10, 13), "2026-10-20T09:00"
MONTH, CLOSED = "2026-10", "2026-11-05T09:00"
TARIFF = """
name = "arms"
machines = ["arm-1"]
[[versions]]
from = 2026-01-01
calendar = "arera"
time = { setup = 18.00, processing = 36.00, idle = 9.90 }
vat = { default = 22 }
"""


class Told(NamedTuple):
    """What of a segment people would say."""

    start: str
    end: str
    state: State
    payer: str


@pytest.fixture
def it() -> Iterator[House]:
    with house(()) as made:
        with made.records.writing() as session:
            values: dict[str, Any] = {"id": ARM, "name": "Arm", "site_id": "nord", "agent_id": None, "signals": []}
            put(session, CONSOLE, "machines", values, now=at("2026-09-01T00:00"))
        made.usage = UsageDays(made.records, made.store, Policy(), settled)
        yield made


def segments(it: House, now: str = LATER, first: date = DAY_OF_USE, last: date = DAY_OF_USE) -> list[Segment]:
    it.usage.refresh([ARM], first, last, now=at(now))
    with it.records.reading() as session:
        return it.usage.segments(session, first, last).get(ARM, [])


def told(found: list[Segment]) -> list[Told]:
    """The segments in hours of UTC."""
    zero = at("2026-10-13T00:00")
    return [
        Told(f"{(each.period.start - zero) / HOUR:g}", f"{(each.period.end - zero) / HOUR:g}", each.state, each.payer)
        for each in found
    ]


def test_a_check_in_makes_use_that_a_person_declared_and_the_rest_of_the_day_is_free_and_known(it: House) -> None:
    it.check_in(ARM, "2026-10-13T08:00", "alfa", now=LATER)
    it.check_in(ARM, "2026-10-13T09:30", None, out=True, now=LATER)

    found = segments(it)

    assert told(found) == [
        ("-2", "8", State.OFF, "(unattributed)"),
        ("8", "9.5", State.PROCESSING, "alfa"),
        ("9.5", "22", State.OFF, "(unattributed)"),
    ]
    assert {each.quality for each in found} == {Quality.DECLARED}
    assert found[1].claim is Claim.BADGE


def test_use_opens_to_the_check_in_that_it_rests_on(it: House) -> None:
    it.check_in(ARM, "2026-10-13T08:00", "alfa", now=LATER)
    it.check_in(ARM, "2026-10-13T09:30", None, out=True, now=LATER)

    built = it.usage.fresh(ARM, [DAY_OF_USE], now=at(LATER))

    assert [each.sources for each in built[0].day.segments] == [(), (("badge", at("2026-10-13T08:00")),), ()]


def test_the_next_who_checks_in_pays_from_then_on_and_maintenance_is_the_consortiums(it: House) -> None:
    it.check_in(ARM, "2026-10-13T08:00", "alfa", now=LATER)
    it.check_in(ARM, "2026-10-13T09:00", "beta", now=LATER)
    it.check_in(ARM, "2026-10-13T10:00", "consortium", now=LATER)
    it.check_in(ARM, "2026-10-13T11:00", None, out=True, now=LATER)

    assert told(segments(it))[1:4] == [
        ("8", "9", State.PROCESSING, "alfa"),
        ("9", "10", State.PROCESSING, "beta"),
        ("10", "11", State.MAINTENANCE, "(consortium)"),
    ]


def test_who_forgets_to_check_out_is_checked_out_after_twelve_hours_and_midnight_changes_nothing(it: House) -> None:
    it.check_in(ARM, "2026-10-12T18:00", "alfa", now=LATER)

    both = segments(it, first=date(2026, 10, 12))
    assert told(both)[1:3] == [("-6", "-2", State.PROCESSING, "alfa"), ("-2", "6", State.PROCESSING, "alfa")]
    [alone] = it.usage.fresh(ARM, [DAY_OF_USE], now=at(LATER))
    beside = it.usage.fresh(ARM, [date(2026, 10, 12), DAY_OF_USE], now=at(LATER))[1]
    assert alone == beside, "a day is the same whatever is built beside it"


def test_late_evidence_is_told_again_also_before_the_first_day(it: House) -> None:
    it.check_in(ARM, "2026-10-13T08:00", "alfa", now=LATER)
    assert segments(it, first=date(2026, 10, 10))[0].period.start == at("2026-10-12T22:00"), "nothing before the first"

    it.check_in(ARM, "2026-10-11T08:00", "beta", now=LATER)
    it.correct(ARM, "2026-10-13T08:00", "2026-10-13T09:00", "beta", now=LATER)

    found = segments(it, first=date(2026, 10, 10))
    assert found[0].period.start == at("2026-10-10T22:00")
    assert [(each.payer, each.claim) for each in found if at("2026-10-13T08:00") in each.period] == [
        ("beta", Claim.CORRECTION)
    ]


def test_a_day_that_goes_on_reaches_to_now_and_is_followed(it: House) -> None:
    it.check_in(ARM, "2026-10-13T08:00", "alfa", now="2026-10-13T08:00")
    assert told(segments(it, "2026-10-13T08:30"))[-1] == ("8", "8.5", State.PROCESSING, "alfa")

    it.check_in(ARM, "2026-10-13T09:00", None, out=True, now="2026-10-13T09:00")
    assert told(segments(it, "2026-10-13T09:30"))[-1] == ("9", "9.5", State.OFF, "(unattributed)")
    last = it.usage.last_segment(ARM, now=at("2026-10-13T09:30"))
    assert last is not None
    assert last.state is State.OFF


def test_from_a_check_in_to_the_cent_of_a_closed_statement_with_nothing_in_its_way(it: House) -> None:
    ledger = Ledger(it.records, it.usage)
    begin, end = at("2026-10-13T08:00"), at("2026-10-13T09:00") + SECOND
    with it.records.writing() as session:
        values = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(9)}
        put_consortium(session, CONSOLE, values, now=at(CLOSED))
        service.put_entry(session, CONSOLE, ledger.zone, Entry("", "tariffs", TARIFF), now=at(CLOSED))
        check_in(session, CONSOLE, STAFF, Presence(ARM, begin, "alfa", is_out=False), now=at(LATER))
        check_in(session, CONSOLE, STAFF, Presence(ARM, end, None, is_out=True), now=at(LATER))

    before = stand(ledger, MONTH, now=at(CLOSED))
    stated = ledger.preview(MONTH, now=at(CLOSED))
    assert (before.is_ready, before.doubts, before.unsent, before.unknown) == (True, 0, [], {})
    done = close(ledger, CONSOLE, Order(MONTH), now=at(CLOSED))

    assert (done.statements, done.is_new) == (1, True)
    [alfa] = [each for each in stated if each.member == "alfa"]
    [line] = [each for each in alfa.lines if each.basis == "time"]
    assert (line.machine, line.state, line.quantity) == (ARM, State.PROCESSING, 3601)
    assert line.amount == Decimal("36.01"), "one second costs its cent"
    assert [(each.state, each.quality, each.seconds) for each in alfa.spent] == [
        (State.PROCESSING, Quality.DECLARED, 3601)
    ]
    [opened] = ledger_segments(ledger, "alfa", line.reference)
    assert opened.period == Period(begin, end)
    assert opened.sources == (("badge", begin),)
    verify_all(ledger, now=at(CLOSED))


def ledger_segments(ledger: Ledger, member: str, reference: str) -> list[Segment]:
    with ledger.records.reading() as session:
        return ledger.opened(session, MONTH, member, reference, closing=MONTH)


def test_what_is_declared_has_its_word_in_every_language() -> None:
    assert {language: words[Quality.DECLARED] for language, words in QUALITIES.items()} == {
        "it": "dichiarato",
        "en": "declared",
    }


def test_the_live_view_is_free_in_use_and_free_again_and_says_since_when(it: House) -> None:
    now = at("2026-10-13T08:30")
    present = Attended(now)
    present.evaluate(now)
    assert (present.state, present.since, present.holder(now)) == (State.OFF, None, "")
    assert not present.needs_evaluation(now + DAY)

    it.check_in(ARM, "2026-10-13T08:00", "alfa", now="2026-10-13T08:30")
    attending = Attending(it.records, replace(Policy(), badge_seconds_max=3600))
    present.attend(attending.held([ARM], Period(now - 32 * DAY, now + DAY))[ARM])

    assert present.needs_evaluation(now)
    assert present.evaluate(now)
    assert (present.state, present.since, present.holder(now)) == (State.PROCESSING, at("2026-10-13T08:00"), "alfa")
    assert not present.needs_evaluation(now + MINUTE)
    assert present.needs_evaluation(now + HOUR), "it ends by itself"
    assert present.evaluate(now + HOUR)
    assert (present.state, present.since, present.holder(now + HOUR)) == (State.OFF, at("2026-10-13T09:00"), "")
    assert [each.state for each in present.stretches(now + HOUR)] == [State.OFF, State.PROCESSING, State.OFF]
    past = attending.states(ARM, Period(now - HOUR, now + DAY), now=now)
    assert [(each.state, each.period.seconds) for each in past] == [(State.OFF, 1800), (State.PROCESSING, 1800)]
    assert attending.states(ARM, Period(now + HOUR, now + DAY), now=now) == []


@given(
    st.lists(st.tuples(st.integers(0, 20 * SECOND), st.sampled_from(["alfa", "beta", CONSORTIUM, None])), max_size=12),
    st.integers(0, 60),
    st.integers(1, 60),
)
def test_what_people_say_tiles_every_period_by_the_second_and_changes_state_only_where_it_does(
    spans: list[tuple[int, str | None]], start: int, seconds: int
) -> None:
    held, at_ = [], 0
    for length, payer in spans:  # of nobody, and for less than a second, too
        if payer is not None and length:
            held.append(Held(Period(at_, at_ + length), payer, Claim.BADGE, Source("badge", at_)))
        at_ += length
    period = Period(start * SECOND, (start + seconds) * SECOND)

    tiles, whole = intervals(period, held), stretches(period, held)

    assert (tiles[0].period.start, tiles[-1].period.end) == (period.start, period.end)
    assert all(before.period.end == after.period.start for before, after in pairwise(tiles))
    assert (whole[0].period.start, whole[-1].period.end) == (period.start, period.end)
    assert all(before.period.end == after.period.start for before, after in pairwise(whole))
    assert all(before.state is not after.state for before, after in pairwise(whole))
    for each in held:
        if (inside := each.period.clip(period)) is not None:
            [found] = [stretch.state for stretch in whole if inside.start in stretch.period]
            assert found is (State.MAINTENANCE if each.payer == CONSORTIUM else State.PROCESSING)
