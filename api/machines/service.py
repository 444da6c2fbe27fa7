"""Questions about machines. Each demands the scope of who asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from api.machines.history import totals
from api.machines.ownership import visible_now, whole_minutes
from api.machines.paging import page
from api.machines.park import UnknownMachineError
from api.machines.past import TooMuchDataError, read_states, shown_value
from api.machines.schemas import (
    MachineList,
    MachineNow,
    RawPoint,
    ReducedPoint,
    Series,
    SignalList,
    StateList,
    StretchOut,
    Work,
)
from shopfloor.periods import DAY, HOUR, SECOND, Period, format_instant, parse_instant
from shopfloor.samples import quality
from shopfloor.signals import find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.access.scope import Scope
    from api.live.present import Present
    from api.live.service import Live
    from api.machines.ownership import Sessions
    from api.machines.park import Machine
    from api.usage.attending import Attending
    from shopfloor.samples import Sample
    from shopfloor.states import Stretch
    from shopfloor.stores.port import Reduced, Store

PAGE_MAX = 500
"""Most machines of one page."""
STRETCHES_PAGE_MAX = 10_000
"""Most stretches of one page."""
STATES_DAYS_MAX = 100
"""Longest range of states: a quarter and some days."""
RANGE_DEFAULT_HOURS = 8
"""The range when none is asked for: until now."""
SIGNALS_DAYS_MAX = 400
"""Longest range of signals."""
RAW_HOURS_MAX = 6
"""Longest range of which gauges are returned raw, when no resolution is asked for and they are not too many."""
NAMES_MAX = 100
"""Most signals of one answer."""
SPANS_MAX = 200
"""Most sessions of a member that one answer is put together from."""
POINTS_MAX = 20_000
"""Most points of one answer, all signals together."""
STEPS_DEFAULT = 1_000
"""Most steps of a signal when the resolution is chosen here."""
STORE_CALLS_MAX = 8
"""Store calls at the same time; a further one waits for its turn."""
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)

T = TypeVar("T")


class InvalidQueryError(ValueError):
    """The question lies outside of a bound; the sentence names it."""


class Machines:
    """Answers about machines.

    Args:
        live: the present.
        store: the past.
        sessions: whose work it was.
        attending: who was checked in at equipment that says nothing.
    """

    def __init__(self, live: Live, store: Store, sessions: Sessions, attending: Attending) -> None:
        self._live = live
        self._store = store
        self._sessions = sessions
        self._attending = attending
        self._turns = asyncio.Semaphore(STORE_CALLS_MAX)

    def overview(self, scope: Scope, *, site: str | None, after: str | None, limit: int, now: int) -> MachineList:
        """Return a page of the machines that the caller may see.

        Raises:
            InvalidCursorError: the cursor is none of this list.
        """
        visible = [each for each in self._live.park.visible(scope) if site is None or each.site == site]
        chosen, cursor = page(visible, lambda machine: machine.id, after=after, limit=limit)
        return MachineList(items=[self._now(scope, machine, now) for machine in chosen], next_cursor=cursor)

    def one(self, scope: Scope, machine_id: str, *, now: int) -> MachineNow:
        """Return one machine.

        Raises:
            UnknownMachineError: there is none, or it is not the caller's to see.
        """
        return self._now(scope, self._live.park.get(scope, machine_id), now)

    async def states(
        self, scope: Scope, machine_id: str, period: Period, *, after: str | None, limit: int, now: int
    ) -> StateList:
        """Return the states that tile a period, and their totals.

        Raises:
            UnknownMachineError: there is no such machine, or it is not the caller's to see.
            InvalidQueryError: the period is longer than `STATES_DAYS_MAX`.
            TooMuchDataError: it holds more changes than one answer is derived from.
            StoreUnavailableError: the store did not answer.
        """
        machine = self._live.park.get(scope, machine_id)
        _check_length(period, STATES_DAYS_MAX)
        stretches = await self._ask(lambda: self.stretches(machine, period, now=now))
        chosen, cursor = page(stretches, lambda each: f"{each.period.start:020d}", after=after, limit=limit)
        return StateList(
            items=[
                StretchOut(
                    state=stretch.state,
                    start=format_instant(stretch.period.start),
                    end=format_instant(stretch.period.end),
                    seconds=stretch.period.seconds,
                )
                for stretch in chosen
            ],
            next_cursor=cursor,
            machine=machine.id,
            start=format_instant(period.start),
            end=format_instant(max(period.start, min(period.end, now))),
            totals=totals(stretches),
        )

    def stretches(self, machine: Machine, period: Period, *, now: int) -> list[Stretch]:
        """Tile a period, as far as it has passed, with the states of a machine. Blocks.

        Raises:
            TooMuchDataError: it holds more changes than one answer is derived from.
            StoreUnavailableError: the store did not answer.
        """
        if machine.is_attended:
            return self._attending.states(machine.id, period, now=now)
        return read_states(self._store, machine.id, period, now=now)

    async def signals(
        self, scope: Scope, machine_id: str, names: Sequence[str] | None, period: Period, *, resolution: int | None
    ) -> SignalList:
        """Return signals over a period: raw where it is short, gauges reduced to steps elsewhere.

        A member is shown what lies in its own sessions, and nothing else.

        Args:
            scope: what the caller may see.
            machine_id: which machine.
            names: which of its signals, None for all of them.
            period: when.
            resolution: step of gauges in seconds, None to have it chosen; other signals are always raw.

        Raises:
            UnknownMachineError: there is no such machine, or it is not the caller's to see, or did nothing for it then.
            InvalidQueryError: names or period lie outside of a bound.
            TooMuchDataError: the answer would hold more than `POINTS_MAX` points.
            StoreUnavailableError: the store did not answer.
        """
        machine = self._live.park.get(scope, machine_id)
        _check_length(period, SIGNALS_DAYS_MAX)
        spans = await self._spans(scope, machine.id, period)
        chosen = _check_names(machine, names)
        series, step = await self._ask(lambda: self._series(machine.id, chosen, spans, resolution))
        return SignalList(
            items=[
                Series(
                    name=name, unit=find(name).unit, resolution=step if _is_gauge(name) else None, points=series[name]
                )
                for name in chosen
            ],
            machine=machine.id,
            start=format_instant(period.start),
            end=format_instant(period.end),
        )

    async def _spans(self, scope: Scope, machine: str, period: Period) -> _Spans:
        """Return what of a period the caller may see the work of; nothing of it is as good as no machine."""
        if scope.sees_work:
            return _Spans(period, [period], is_whole=True)
        member = scope.member
        own = [] if member is None else await self._ask(lambda: self._sessions.own(member, machine, period))
        if not own:
            raise UnknownMachineError(machine)
        if len(own) > SPANS_MAX:
            raise TooMuchDataError(f"the range holds more than {SPANS_MAX} sessions: ask for a shorter one")
        return _Spans(period, own, is_whole=False)

    def _now(self, scope: Scope, machine: Machine, now: int) -> MachineNow:
        present = self._live.present(machine, now=now)
        visible = visible_now(scope, self._sessions.running(machine.id))
        return MachineNow(
            id=machine.id,
            name=machine.name,
            kind=machine.kind,
            site=machine.site,
            site_name=machine.place,
            by_check_in=machine.is_attended,
            state=present.state,
            since=None if present.since is None else format_instant(present.since),
            seconds_in_state=None if present.since is None else max(0, now - present.since) // SECOND,
            seen=None if present.seen is None else format_instant(present.seen),
            data_age_seconds=None if present.seen is None else round(max(0, now - present.seen) / SECOND, 3),
            work=None if visible is None else _work(present, visible),
        )

    async def _ask(self, call: Callable[[], T]) -> T:
        async with self._turns:
            return await asyncio.to_thread(call)

    def _series(
        self, machine: str, names: Sequence[str], spans: _Spans, resolution: int | None
    ) -> tuple[dict[str, list[RawPoint | ReducedPoint]], int | None]:
        """Read the points of each signal. Returns them with the step of the gauges, None when these are raw too."""
        period = spans.period
        if resolution is None and period.end - period.start <= RAW_HOURS_MAX * HOUR:
            raw = self._raw(machine, names, spans)
            if raw is not None:
                return raw, None
        gauges = [name for name in names if _is_gauge(name)]
        step = resolution or _step_for(period, len(gauges))
        if len(gauges) * (period.seconds // step + 1 + len(spans.parts)) > POINTS_MAX:
            raise TooMuchDataError(f"that is more than {POINTS_MAX} points: ask for fewer names or a larger resolution")
        series = self._raw(machine, [name for name in names if name not in gauges], spans)
        if series is None:
            raise TooMuchDataError(f"that is more than {POINTS_MAX} points: ask for fewer names or a shorter range")
        series |= {name: [] for name in gauges}
        for part in (spans.parts if spans.is_whole else whole_minutes(spans.parts)) if gauges else ():
            for name, reduced in self._store.reduce(machine, gauges, part, step_seconds=step).items():
                series[name] += [_step(each) for each in reduced]
        return series, step

    def _raw(
        self, machine: str, names: Sequence[str], spans: _Spans
    ) -> dict[str, list[RawPoint | ReducedPoint]] | None:
        """Read samples as they were stored; None when there are more than `POINTS_MAX`."""
        series: dict[str, list[RawPoint | ReducedPoint]] = {name: [] for name in names}
        count = 0
        for part in spans.parts if names else ():
            samples = self._store.read([machine], names, part, limit=POINTS_MAX + 1 - count)
            count += len(samples)
            if count > POINTS_MAX:
                return None
            for sample in samples:
                series[sample.signal].append(_point(sample))
        return series


class _Spans(NamedTuple):
    """What of a period is shown.

    Attributes:
        period: that was asked for.
        parts: of it that the caller may see.
        is_whole: they are all of it.
    """

    period: Period
    parts: Sequence[Period]
    is_whole: bool


def period_of(start: str | None, end: str | None, *, now: int) -> Period:
    """Read a range: by default the last hours until now.

    Raises:
        InvalidInstantError: one of both cannot be read.
        InvalidQueryError: it would end before it starts.
    """
    until = parse_instant(end) if end is not None else now
    since = parse_instant(start) if start is not None else until - RANGE_DEFAULT_HOURS * HOUR
    if until < since:
        raise InvalidQueryError("the range ends before it starts: exchange from and to")
    return Period(since, until)


def _check_length(period: Period, days: int) -> None:
    if period.end - period.start > days * DAY:
        raise InvalidQueryError(f"the range is longer than {days} days: ask for it in parts")


def _check_names(machine: Machine, names: Sequence[str] | None) -> list[str]:
    allowed = machine.allowed
    if names is None:
        return list(allowed)[:NAMES_MAX]
    chosen = list(dict.fromkeys(names))
    unknown = [name for name in chosen if name not in allowed]
    if unknown:
        raise InvalidQueryError(
            f"{machine.id} has no signal {unknown[0][:64]!r}: its signals are {', '.join(allowed) or 'none'}"
        )
    if not 1 <= len(chosen) <= NAMES_MAX:
        raise InvalidQueryError(f"{len(chosen)} names were asked for: 1 to {NAMES_MAX} are allowed")
    return chosen


def _is_gauge(name: str) -> bool:
    return find(name).signal_class == "gauge"


def _step_for(period: Period, gauges: int) -> int:
    """Choose the step of gauges: the finest with which neither one signal nor the answer has too many points."""
    steps = min(STEPS_DEFAULT, POINTS_MAX // max(1, gauges)) - 1
    return next((step for step in _STEPS_SECONDS if period.seconds <= step * steps), _STEPS_SECONDS[-1])


def _work(present: Present, visible: Period) -> Work:
    def value(name: str) -> bool | int | float | str | None:
        sample = present.values.get(name)
        return sample.value if sample and visible.start <= sample.stamp < visible.end else None

    def text(name: str) -> str | None:
        found = value(name)
        return str(found) if found else None

    parts = value("parts")
    return Work(
        program=text("program"),
        job=text("job"),
        order=text("order"),
        parts=parts if isinstance(parts, int) else None,
        alarm=text("alarm"),
    )


def _point(sample: Sample) -> RawPoint:
    return RawPoint(at=format_instant(sample.stamp), value=shown_value(sample), quality=quality(sample.status))


def _step(reduced: Reduced) -> ReducedPoint:
    return ReducedPoint(
        at=format_instant(reduced.stamp), n=reduced.n, min=reduced.minimum, mean=reduced.mean, max=reduced.maximum
    )
