"""A member's own sessions open exactly those spans of a shared machine, in history and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from api.access.scope import Role, Scope
from api.live.present import Present
from api.machines.ownership import Running, visible_now, whole_minutes
from api.machines.park import Machine, Park, UnknownMachineError
from api.machines.past import TooMuchDataError
from api.machines.schemas import ReducedPoint
from api.machines.service import SPANS_MAX, Machines
from api.usage.attending import Attending
from api.usage.policy import Policy
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period, parse_instant
from shopfloor.samples import Sample, slices
from shopfloor.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from api.live.service import Live
    from api.records.database import Records

NOW = 30_000 * DAY
START = NOW - HOUR
OWN, OTHER, STAFF = Scope(Role.MEMBER, "a"), Scope(Role.MEMBER, "b"), Scope(Role.OPERATOR)
MILL = Machine(id="mill", name="M 1", kind="", site="nord", publisher="edge")
FIRST = Period(START + 90 * SECOND, START + 5 * MINUTE + 30 * SECOND)
LAST = Period(START + 40 * MINUTE, START + 50 * MINUTE)


class NoSessions:
    """Knows of no session."""

    def __init__(self) -> None:
        self.known: dict[str, Running] = {}

    def running(self, machine: str) -> Running | None:
        return self.known.get(machine)

    def own(self, member: str, machine: str, period: Period) -> Sequence[Period]:
        del member, machine, period
        return ()

    def refresh(self, *, now: int) -> None:
        del now


class Known(NoSessions):
    """Sessions of firm `a` at the mill, and what runs there now."""

    def __init__(self, spans: Sequence[Period], now: Running | None = None) -> None:
        super().__init__()
        self._spans = spans
        self.known = {} if now is None else {"mill": now}

    def own(self, member: str, machine: str, period: Period) -> Sequence[Period]:
        clipped = (span.clip(period) for span in self._spans if (member, machine) == ("a", "mill"))
        return [each for each in clipped if each is not None]


class Seen(NamedTuple):
    """The live view of one machine."""

    park: Park
    only: Present

    def present(self, machine: Machine, *, now: int) -> Present:
        del machine, now
        return self.only


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = SqliteStore(":memory:")
    every = [Sample("mill", "spindle_load", START + number * SECOND, float(number)) for number in range(3600)]
    every += [Sample("mill", "program", START + number * MINUTE, f"O{number}") for number in range(60)]
    opened.write(slices(every), now=NOW)
    yield opened
    opened.close()


def machines(store: SqliteStore, sessions: NoSessions) -> Machines:
    present = Present(NOW)
    present.learn(Sample("mill", "program", NOW - MINUTE, "O4711"))
    present.learn(Sample("mill", "job", NOW - 10 * MINUTE, "ODL 26"))
    attending = Attending(cast("Records", None), Policy())
    return Machines(cast("Live", Seen(Park([MILL]), present)), store, sessions, attending)


async def stamps(it: Machines, scope: Scope, period: Period, name: str, resolution: int | None = None) -> list[int]:
    (series,) = (await it.signals(scope, "mill", [name], period, resolution=resolution)).items
    return [parse_instant(each.at) for each in series.points]


@pytest.mark.parametrize("name", ["spindle_load", "program"])
async def test_history_is_open_inside_own_sessions_and_nowhere_else(store: SqliteStore, name: str) -> None:
    it, day = machines(store, Known([FIRST, LAST])), Period(START, NOW)

    everything, own = await stamps(it, STAFF, day, name), await stamps(it, OWN, day, name)

    assert own == [at for at in everything if FIRST.start <= at < FIRST.end or LAST.start <= at < LAST.end]
    assert own


async def test_steps_hold_samples_of_own_sessions_alone(store: SqliteStore) -> None:
    it = machines(store, Known([FIRST, LAST]))

    answer = await it.signals(OWN, "mill", ["spindle_load"], Period(START, NOW), resolution=600)

    points = [each for each in answer.items[0].points if isinstance(each, ReducedPoint)]
    seconds = [(span.start - START, span.end - START) for span in whole_minutes([FIRST, LAST])]
    assert [(each.min, each.max) for each in points] == [(start / SECOND, end / SECOND - 1) for start, end in seconds]
    assert sum(each.n for each in points) == sum(end - start for start, end in seconds) // SECOND


@pytest.mark.parametrize("scope", [OWN, OTHER, Scope(Role.KIOSK)])
async def test_without_an_own_session_in_the_range_there_is_no_such_machine(store: SqliteStore, scope: Scope) -> None:
    it = machines(store, Known([FIRST]) if scope is not OWN else Known([]))

    for names in (["spindle_load"], ["no_such_signal"], None):
        with pytest.raises(UnknownMachineError):
            await it.signals(scope, "mill", names, Period(START, NOW), resolution=None)


async def test_more_sessions_than_one_answer_is_made_of_are_refused(store: SqliteStore) -> None:
    many = [Period(START + number * SECOND, START + number * SECOND + 1) for number in range(SPANS_MAX + 1)]
    with pytest.raises(TooMuchDataError, match="shorter"):
        await machines(store, Known(many)).signals(OWN, "mill", None, Period(START, NOW), resolution=None)


@pytest.mark.parametrize(
    ("running", "program", "job"),
    [
        (None, None, None),
        (Running("b", Period(START, NOW)), None, None),
        (Running("a", Period(START, NOW)), "O4711", "ODL 26"),
        (Running("a", Period(NOW - 5 * MINUTE, NOW)), "O4711", None),
        (Running("a", Period(START, NOW - 5 * MINUTE)), None, "ODL 26"),
    ],
)
async def test_the_present_shows_what_is_stamped_within_the_own_session(
    store: SqliteStore, running: Running | None, program: str | None, job: str | None
) -> None:
    work = machines(store, Known([], running)).one(OWN, "mill", now=NOW).work

    if running is None or running.member != "a":
        assert work is None
    else:
        assert work is not None
        assert (work.program, work.job) == (program, job)


def test_staff_sees_what_runs_whoever_it_is_for_and_a_kiosk_never() -> None:
    for running in (None, Running("a", Period(START, NOW))):
        assert visible_now(STAFF, running) is not None
        assert visible_now(Scope(Role.KIOSK), running) is None
