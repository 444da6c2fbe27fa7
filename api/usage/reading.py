"""From the stored samples of one machine to the segments of its civil days.

Each day is built from the same context, whatever else is read beside it: so the same samples give the same bytes, in
whatever order they arrived and however many days are built at once.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

from api.billing.calendars import civil_day, civil_zone, day_of, days_of
from api.machines.past import NOTHING_KNOWN
from api.usage import attended
from api.usage.attribution import attribute
from api.usage.counters import ENERGY_COUNTER, PIECE_COUNTER, CounterRule, Reading, advances
from api.usage.evidence import Badge, Evidence, Job, presences
from api.usage.hidden import BLIND, COUNTERS, PART_COUNTERS, Gap, Track, hidden, witness
from api.usage.intervals import Counters, Interval, Known, tile
from api.usage.metering import place
from api.usage.segments import DaySegments, Meter, Work, cut_day
from shopfloor.periods import DAY, HOUR, INSTANT_MAX, MINUTE, SECOND, Period
from shopfloor.signals import DECIDING
from shopfloor.states import State, Stretch, timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from api.usage.evidence import JobRules
    from api.usage.policy import Policy
    from shopfloor.samples import Sample
    from shopfloor.stores.port import Store

SAMPLES_MAX = 2_000_000
"""Most samples of one machine that are read at once."""
REACH_DAYS = 32
"""How far the other side of a gap, or the next reading of a meter, is looked for."""
MORE_DAYS = 8
"""How much more is read, where more has to be."""
SETTLED_SECONDS = 120
"""How long after its end the last seconds of a day are still being proven."""
OPEN = 2**31 - 1
"""The last UTC day that decides a day while something is open."""
_ENERGY, _POWER = "energy_watt_hours", "power_on_seconds"
_IDS = ("job", "order", "customer_order")
_PART_NAMES = ("job_name", "program")
_READ = (*DECIDING, *_IDS, *_PART_NAMES, "badge", "parts", "operation_cycles", _ENERGY)
_OPERATING = ("operation_seconds", "cutting_seconds")
_METERS: tuple[tuple[str, Meter, CounterRule], ...] = (
    (_ENERGY, Meter.ENERGY, ENERGY_COUNTER),
    ("parts", Meter.PARTS, PIECE_COUNTER),
    ("operation_cycles", Meter.CYCLES, PIECE_COUNTER),
)


class TooManySamplesError(ValueError):
    """A machine said more in the days that are built at once than may be read; build fewer days."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What use is attributed by, beside samples.

    Attributes:
        rules: which member a job means.
        owner: payer of a badge at an instant; None when it is nobody's.
        evidence: of the machine, but for jobs and badges that the store holds.
        policy: metering and attribution.
        is_attended: it says nothing itself: its states are what people say.
    """

    rules: JobRules
    owner: Callable[[str, int], str | None]
    evidence: Evidence
    policy: Policy
    is_attended: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """Whose days they are."""
        return civil_zone(self.policy.zone)


class BuiltDay(NamedTuple):
    """What one machine did on one civil day.

    Attributes:
        day: its segments; they tile it, as far as it has passed.
        work: what was made when.
        texts: job ids and badges that decided who pays, sorted.
        last_utc_day: the last UTC day whose samples decide it, `OPEN` while something is not decided.
    """

    day: DaySegments
    work: tuple[Work, ...]
    texts: tuple[str, ...]
    last_utc_day: int


class _Series:
    """The samples of one signal, in order of their stamps."""

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.samples: list[Sample] = []

    def add(self, sample: Sample) -> None:
        self.stamps.append(sample.stamp)
        self.samples.append(sample)

    def within(self, period: Period) -> list[Sample]:
        return self.samples[bisect_left(self.stamps, period.start) : bisect_left(self.stamps, period.end)]

    def before(self, instant: int) -> Sample | None:
        at = bisect_left(self.stamps, instant) - 1
        return self.samples[at] if at >= 0 else None

    def since(self, instant: int) -> Sample | None:
        at = bisect_left(self.stamps, instant)
        return self.samples[at] if at < len(self.stamps) else None


class Recorded:
    """What a machine said, read for a period and further where a day asks for it. Calls of the store block.

    Args:
        store: the telemetry store.
        machine: which.
        period: what will be asked for, roughly.
        now: the present; nothing later exists.
    """

    def __init__(self, store: Store, machine: str, period: Period, *, now: int) -> None:
        self.machine, self.now = machine, now
        self._store = store
        self._counters = {signal for _, signal in store.last([machine], COUNTERS, INSTANT_MAX)}
        self._load(period)

    @property
    def counts_power(self) -> bool:
        """Whether it counts the time for which it is powered."""
        return _POWER in self._counters

    @property
    def counters(self) -> list[str]:
        """The counters that it has of what tells what a gap hides."""
        return [each for each in COUNTERS if each in self._counters]

    def _load(self, period: Period) -> None:
        self._span = period
        found = self._store.read([self.machine], _READ, period, limit=SAMPLES_MAX + 1)
        if len(found) > SAMPLES_MAX:
            raise TooManySamplesError(f"{self.machine} said more than {SAMPLES_MAX} things in {period}")
        self._series: dict[str, _Series] = {signal: _Series() for signal in _READ}
        for (_, signal), sample in self._store.last([self.machine], _READ, period.start).items():
            self._series[signal].add(sample)
        for sample in found:
            self._series[sample.signal].add(sample)
        oldest = min((series.stamps[0] for name in DECIDING if (series := self._series[name]).stamps), default=0)
        watched = Period(min(oldest or period.start, period.start), max(period.end, min(self.now, period.end + DAY)))
        self.coverage = self._store.gaps([self.machine], watched).get(self.machine, NOTHING_KNOWN)

    def cover(self, period: Period) -> None:
        """Read more, when a period reaches beyond what is read: some days at once, for who looks on day by day."""
        start, end = self._span.start, self._span.end
        if period.start < start:
            start = min(period.start, start - MORE_DAYS * DAY)
        if period.end > end:
            end = max(period.end, min(end + MORE_DAYS * DAY, self.now))
        if (start, end) != (self._span.start, self._span.end):
            self._load(Period(start, end))

    def within(self, signal: str, period: Period) -> list[Sample]:
        """Return the samples of a signal in a period, after the last one before it."""
        before = self._series[signal].before(period.start)
        return [*([] if before is None else [before]), *self._series[signal].within(period)]

    def stretches(self, period: Period) -> tuple[list[Stretch], list[Sample]]:
        """Tile a period with states, and return the samples that decide them."""
        last = {name: sample for name in DECIDING if (sample := self._series[name].before(period.start)) is not None}
        changes = sorted(
            (sample for name in DECIDING for sample in self._series[name].within(period)),
            key=lambda sample: (sample.stamp, sample.signal),
        )
        return timeline(period, last, changes, self.coverage, now=self.now), [*last.values(), *changes]

    def seen_before(self, instant: int) -> int | None:
        """Return when the gap began that goes on at an instant; None when that is out of reach."""
        for days in range(REACH_DAYS):
            part = Period(instant - (days + 1) * DAY, instant - days * DAY)
            self.cover(part)
            known = [each.period.end for each in self.stretches(part)[0] if each.state not in BLIND]
            if known:
                return known[-1]
        return None

    def seen_since(self, instant: int) -> int | None:
        """Return when the gap ended that goes on at an instant; None when that is out of reach, or to come."""
        for days in range(REACH_DAYS):
            if instant + days * DAY >= self.now:
                return None
            part = Period(instant + days * DAY, min(self.now, instant + (days + 1) * DAY))
            self.cover(part)
            known = [each.period.start for each in self.stretches(part)[0] if each.state not in BLIND]
            if known:
                return known[0]
        return None

    def reach(self, signal: str, period: Period) -> tuple[int | None, int | None]:
        """Return the stamps of the two readings of a counter between which a period lies, as far as they are in reach.

        The first is the last one before the period; of a counter that was not read before, the first one within it. The
        second is the first one at the end of the period or later. There is no second without a first.
        """
        series = self._series[signal]
        first, after = series.before(period.start), series.since(period.end)
        if first is None or first.stamp < period.start - REACH_DAYS * DAY:
            first = series.since(period.start)
            if first is None or first.stamp >= period.end:
                return None, None
        if after is None and self._span.end < self.now:
            end = min(self.now, period.end + REACH_DAYS * DAY)
            beyond = Period(self._span.end, max(self._span.end, end))
            found = self._store.read([self.machine], [signal], beyond, limit=1) if beyond else []
            return first.stamp, found[0].stamp if found else None
        return first.stamp, None if after is None else after.stamp

    def around(self, gaps: Iterable[Period], signals: Sequence[str]) -> list[Sample]:
        """Return what the first of some counters that it has showed on the two sides of gaps."""
        signal = next((each for each in signals if each in self._counters), None)
        found: list[Sample] = []
        for gap in gaps if signal is not None else ():
            beyond = Period(gap.end, max(gap.end, min(self.now, gap.end + REACH_DAYS * DAY)))
            found += self._store.last([self.machine], [str(signal)], gap.start + 1).values()
            found += self._store.read([self.machine], [str(signal)], beyond, limit=1) if beyond else ()
        return found


def build(recorded: Recorded, day: date, grounds: Grounds) -> BuiltDay | None:
    """Build the segments of a civil day.

    Args:
        recorded: what the machine said.
        day: civil day.
        grounds: evidence and settings.

    Returns:
        None for a day that has not begun.

    Raises:
        BadEvidenceError: evidence that contradicts itself.
        StoreUnavailableError: the store did not answer.
    """
    period = _passed(day, grounds.zone, recorded.now)
    return _Building(recorded, day, period, grounds).built() if period else None


def build_attended(machine: str, day: date, grounds: Grounds, *, now: int) -> BuiltDay | None:
    """Build the segments of a civil day of equipment that says nothing: they are made of evidence alone.

    Args:
        machine: which.
        day: civil day.
        grounds: evidence and settings.
        now: the present.

    Returns:
        None for a day that has not begun.

    Raises:
        BadEvidenceError: evidence that contradicts itself.
    """
    period = _passed(day, grounds.zone, now)
    if not period:
        return None
    held = presences(grounds.evidence.badges, (), grounds.policy)
    # with the evening before, so that a check-in that goes on across midnight is the same one on both days
    window = Period(period.start - grounds.policy.badge_seconds_max * SECOND, period.end)
    cut = [piece for each in attended.intervals(window, held) for piece in _cut_interval(each, grounds.zone)]
    cuts = {period.start, period.end}
    segments = attribute(machine, cut, grounds.evidence, grounds.rules, grounds.policy, cuts=cuts)
    return BuiltDay(cut_day(machine, day, period, segments), (), (), period.end // DAY)


def _passed(day: date, zone: ZoneInfo, now: int) -> Period:
    """Return a civil day as far as it has passed; empty when it has not begun."""
    whole = civil_day(day, zone)
    return Period(whole.start, max(whole.start, min(whole.end, now // SECOND * SECOND)))


class _Building:
    """One day in the making."""

    def __init__(self, recorded: Recorded, day: date, period: Period, grounds: Grounds) -> None:
        self._recorded, self._day, self._period, self._grounds = recorded, day, period, grounds
        # what was watched shortly before the end of the day is proven shortly after it
        self._is_open = recorded.now < civil_day(day, grounds.zone).end + SETTLED_SECONDS * SECOND
        self._texts: set[str] = set()
        self._readings: list[Sample] = []
        self._latest = period.end - 1

    def built(self) -> BuiltDay:
        """Widen what is looked at until everything that decides the day is in it, then decide."""
        window, stretches, samples = self._window()
        evidence = self._evidence(window)
        gaps = [(gap, hidden(gap, self._tracks(gap))) for gap in self._gaps(window, stretches)]
        used = [gap.period for gap, found in gaps if found.is_use]
        intervals = self._intervals(stretches, samples, evidence, used)
        grounds = self._grounds
        cuts = {self._period.start, self._period.end}
        segments = attribute(self._recorded.machine, intervals, evidence, grounds.rules, grounds.policy, cuts=cuts)
        for signal, meter, rule in _METERS:
            segments = place(segments, meter, advances(self._counted(signal, meter, window), rule))
        for gap, found in gaps:
            segments = witness(segments, gap, found)
        inside = cut_day(self._recorded.machine, self._day, self._period, segments)
        latest = max([window.end - 1, self._latest, *(sample.stamp for sample in self._readings)])
        last_utc_day = OPEN if self._is_open else latest // DAY
        return BuiltDay(inside, tuple(self._work()), tuple(sorted(self._texts)), last_utc_day)

    def _window(self) -> tuple[Period, list[Stretch], list[Sample]]:
        """Return the day with as much around it as decides it, its states, and the samples of these.

        That is badges before it, readings of meters and the whole of gaps on both sides.
        """
        start = (self._period.start - self._grounds.policy.badge_seconds_max * SECOND) // MINUTE * MINUTE
        end = self._period.end
        if self._grounds.policy.estimate_gaps:
            start -= self._grounds.policy.estimate_seconds_max * SECOND
            end = min(self._recorded.now, end + self._grounds.policy.estimate_seconds_max * SECOND)
        self._recorded.cover(Period(start, end))
        first, after = self._recorded.reach(_ENERGY, self._period)
        if first is not None:
            start = min(start, first // MINUTE * MINUTE)
            self._is_open |= after is None and self._recorded.now < self._period.end + REACH_DAYS * DAY
            end = end if after is None else max(end, after + 1)
        return self._whole_gaps(Period(start, end))

    def _whole_gaps(self, window: Period) -> tuple[Period, list[Stretch], list[Sample]]:
        """Widen a window to the whole of a gap that reaches beyond it, where no counter tells what was in it."""
        self._recorded.cover(window)
        stretches, samples = self._recorded.stretches(window)
        for _ in range(REACH_DAYS):
            start, end = window.start, window.end
            if stretches and not self._recorded.counts_power:
                start -= DAY if stretches[0].state is State.UNREACHABLE else 0
                end = min(self._recorded.now, end + DAY) if stretches[-1].state is State.UNREACHABLE else end
            if (start, end) == (window.start, window.end):
                break
            window = Period(start, end)
            self._recorded.cover(window)
            stretches, samples = self._recorded.stretches(window)
        return window, stretches, samples

    def _gaps(self, window: Period, stretches: Sequence[Stretch]) -> Iterator[Gap]:
        """Yield the gaps that touch the day, whole, where the machine has a counter that may tell of them."""
        if not (self._recorded.counters and self._grounds.policy.gap_evidence):
            return
        for blind, members in groupby(stretches, lambda each: each.state in BLIND):
            run = [each.period for each in members] if blind else []
            if not run or not Period(run[0].start, run[-1].end).overlaps(self._period):
                continue
            start, end = run[0].start, run[-1].end
            earlier = self._recorded.seen_before(start) if start == window.start else start
            later = self._recorded.seen_since(end) if end == window.end else end
            whole = Period((earlier or start) // SECOND * SECOND, (later or end) // SECOND * SECOND)
            if whole.overlaps(self._period):
                yield Gap(whole, starts=earlier is not None, ends=later is not None)

    def _tracks(self, gap: Gap) -> dict[str, Track]:
        """Return what each counter showed on the two sides of a gap."""
        tracks: dict[str, Track] = {}
        for signal in self._recorded.counters:
            units = 1 if signal in PART_COUNTERS else 1000
            readings = self._around([gap.period], (signal,), units)
            if not any(each.stamp >= gap.period.end for each in readings):
                self._is_open |= self._recorded.now < self._period.end + REACH_DAYS * DAY
            tracks[signal] = Track(readings)
        return tracks

    def _intervals(
        self, stretches: Sequence[Stretch], samples: Sequence[Sample], evidence: Evidence, used: Sequence[Period]
    ) -> list[Interval]:
        """Tile the window; what is known is cut at midnights, so that no day names the samples of another."""
        zone, policy = self._grounds.zone, self._grounds.policy
        pieces = [piece for each in stretches for piece in (_cut(each, zone) if each.state not in BLIND else (each,))]
        parts = [
            Reading(sample.stamp, sample.value)
            for sample in self._recorded.within("parts", Period(pieces[0].period.start, pieces[-1].period.end))
            if isinstance(sample.value, int)
        ]
        traces = [
            *(job.period for job in evidence.jobs),
            *(each.period for each in presences(evidence.badges, (), policy)),
            *used,
        ]
        intervals = tile(pieces, Known(samples, self._counters(stretches, parts), traces), policy)
        undecided = BLIND if policy.estimate_gaps else {State.UNREACHABLE}
        if any(each.state in undecided and each.period.overlaps(self._period) for each in intervals):
            self._is_open |= self._recorded.now < self._period.end + REACH_DAYS * DAY
        if intervals and intervals[-1].state in BLIND:
            self._latest = max(self._latest, self._period.end + HOUR)
        return [piece for each in intervals for piece in _cut_interval(each, zone)]

    def _counters(self, stretches: Iterable[Stretch], parts: Sequence[Reading]) -> Counters:
        """Return what the counters of time showed around the gaps that they may tell of."""
        estimates = self._grounds.policy.estimate_gaps
        told = BLIND if estimates else {State.UNREACHABLE}
        gaps = [each.period for each in stretches if each.state in told]
        operating = self._around(gaps, _OPERATING) if estimates else []
        return Counters(powered=self._around(gaps, (_POWER,)), operating=operating, parts=parts)

    def _around(self, gaps: Sequence[Period], signals: Sequence[str], units: int = 1000) -> list[Reading]:
        samples = self._recorded.around(gaps, signals)
        self._readings += samples
        return sorted(
            {
                Reading(sample.stamp, round(sample.value * units))
                for sample in samples
                if isinstance(sample.value, int | float)
            }
        )

    def _evidence(self, window: Period) -> Evidence:
        """Return all evidence: what people said, and the jobs and badges that the machine showed."""
        known = self._grounds.evidence
        taken = {badge.at for badge in known.badges}
        badges = [badge for badge in self._badges(window) if badge.at not in taken]
        return replace(known, jobs=[*known.jobs, *self._jobs(window)], badges=[*known.badges, *badges])

    def _jobs(self, window: Period) -> Iterator[Job]:
        """Yield the ids that the control showed: the first of job and orders that a rule knows, else the first."""
        for period, shown in _together(self._recorded, _IDS, window):
            texts = [text for name in _IDS if (text := shown.get(name))]
            if texts:
                self._texts.update(texts)
                mapped = next((text for text in texts if self._grounds.rules.member(text) is not None), texts[0])
                yield Job(period, mapped)

    def _badges(self, window: Period) -> Iterator[Badge]:
        """Yield what a reader read; an empty value, or a badge that is nobody's, is a check-out of whoever is there."""
        shown: str | None = None
        for sample in self._recorded.within("badge", window):
            text = str(sample.value or "")
            if text == shown:
                continue
            shown = text
            payer = self._grounds.owner(text, sample.stamp) if text else None
            if text:
                self._texts.add(text)
            yield Badge(sample.stamp, payer, is_out=payer is None)

    def _counted(self, signal: str, meter: Meter, window: Period) -> list[Reading]:
        """Return what a counter showed; of a meter of energy the first reading of each minute is enough."""
        if meter is not Meter.ENERGY:
            shown = self._recorded.within(signal, self._period)
            return [Reading(each.stamp, each.value) for each in shown if isinstance(each.value, int)]
        readings: dict[int, Reading] = {}
        for sample in self._recorded.within(signal, window):
            if sample.stamp >= window.start and isinstance(sample.value, int | float):
                readings.setdefault(sample.stamp // MINUTE, Reading(sample.stamp, round(sample.value * 1000)))
        return list(readings.values())

    def _work(self) -> Iterator[Work]:
        for period, shown in _together(self._recorded, (*_IDS, *_PART_NAMES), self._period):
            order = shown.get("order") or shown.get("customer_order", "")
            part = shown.get("job_name") or shown.get("program", "")
            if shown.get("job") or order or part:
                yield Work(period, shown.get("job", ""), order, part)


def _together(recorded: Recorded, signals: Sequence[str], window: Period) -> Iterator[tuple[Period, Mapping[str, str]]]:
    """Yield what texts were shown together, in order, from one change to the next."""
    changes = sorted(
        (max(sample.stamp, window.start), sample.stamp, signal, str(sample.value or ""))
        for signal in signals
        for sample in recorded.within(signal, window)
    )
    shown: dict[str, str] = {}
    for change, following in pairwise([*changes, (window.end, window.end, "", "")]):
        shown[change[2]] = change[3]
        if change[0] < following[0]:
            yield Period(change[0], following[0]), dict(shown)


def _cut(stretch: Stretch, zone: ZoneInfo) -> Iterator[Stretch]:
    for _, period in days_of(stretch.period, zone):
        yield Stretch(period, stretch.state)


def _cut_interval(interval: Interval, zone: ZoneInfo) -> Iterator[Interval]:
    for _, period in days_of(interval.period, zone):
        yield interval._replace(period=period)


def civil_days(first: date, last: date) -> Iterator[date]:
    """Go over civil days, both included."""
    at = first
    while at <= last:
        yield at
        at = type(at).fromordinal(at.toordinal() + 1)


def touched_days(period: Period, zone: ZoneInfo) -> list[date]:
    """Return the civil days that a period touches."""
    return list(civil_days(day_of(period.start, zone), day_of(max(period.start, period.end - 1), zone)))
