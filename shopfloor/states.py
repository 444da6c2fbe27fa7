"""The state of a machine, derived in one pure place from what it says and from what is known to be missing.

Facts come from OPC 40001-1 (item state, operation mode) and OPC 40501-1 (program, channel, control mode).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import SECOND, Period, format_instant, parse_instant, union
from shopfloor.samples import NO_COMMUNICATION
from shopfloor.signals import DECIDING, TEXT_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shopfloor.samples import Sample, Value

OBSERVED_EVERY_SECONDS = 20
"""How often an agent proves that it is watching."""
BAD_STATUS = "bad_status"
"""Cause of a hole in which the agent watched, and a deciding signal was not Good."""
SILENCE_SECONDS_MAX = 60
"""How long the present may stay without a proof before it is unknown."""


class State(StrEnum):
    """What a machine is doing, in the order in which the first match decides."""

    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    OFF = "off"
    OUT_OF_SERVICE = "out_of_service"
    MAINTENANCE = "maintenance"
    SETUP = "setup"
    INTERRUPTED = "interrupted"
    PROCESSING = "processing"
    IDLE = "idle"


class Hole(NamedTuple):
    """What is known to be missing.

    Attributes:
        machine: whose data.
        period: from when to when.
        signals: the signals concerned; empty means all of them.
        cause: one word for the log and the page, for example `agent_restart`, `evicted`, `overflow`.
    """

    machine: str
    period: Period
    signals: tuple[str, ...]
    cause: str

    def encode(self) -> str:
        """Write it as the text value of a `hole` sample, which is stamped with its end or up to a millisecond later.

        More signals than a text may name are written as all signals.
        """
        entry = {
            "from": format_instant(self.period.start),
            "to": format_instant(self.period.end),
            "signals": list(self.signals),
            "cause": self.cause,
        }
        text = json.dumps(entry)
        return text if len(text) <= TEXT_MAX else json.dumps(entry | {"signals": []})

    @classmethod
    def decode(cls, machine: str, text: str) -> Hole:
        """Read the text value of a `hole` sample.

        Raises:
            ValueError: when the text is no hole.
        """
        try:
            entry = json.loads(text)
            period = Period(parse_instant(entry["from"]), parse_instant(entry["to"]))
            return cls(machine, period, tuple(map(str, entry["signals"])), str(entry["cause"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{text[:80]!r} is no hole: {error}") from error


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of one machine's watching in a period.

    Attributes:
        observed: proven spans of unbroken observation, sorted.
        unreachable: proven spans in which the agent was up and the machine's server did not answer, sorted.
        holes: what is known to be missing, sorted by its start.
    """

    observed: Sequence[Period]
    unreachable: Sequence[Period]
    holes: Sequence[Hole]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A machine in one state for a while."""

    period: Period
    state: State


_OFF, _OUT_OF_SERVICE, _EXECUTING = 0, 1, 3  # OPC 40001-1, 12: MachineryItemState numbers
_MAINTENANCE, _SETUP = 1, 2  # OPC 40001-1, 13: MachineryOperationMode numbers
_CONTROL_SETUP, _CONTROL_SERVICE = 2, 4  # OPC 40501-1, 8.3.9: OperationMode
_RUNNING, _INTERRUPTED, _ABORTED = 1, 3, 4  # OPC 40501-1, 8.4: ActiveProgram state
_CHANNEL_ACTIVE, _CHANNEL_INTERRUPTED = 0, 1  # OPC 40501-1, 8.3.7: ChannelState


def state_of(facts: Mapping[str, Value | None]) -> State:
    """Derive the state from the deciding signals of a machine that is being observed.

    Args:
        facts: value by signal name; a signal that the server does not have is absent, one without a value is None.

    Returns:
        The first match of the table; `unknown` when nothing that decides has a value.
    """
    item, mode = facts.get("item_state"), facts.get("operation_mode")
    control, program, channel = facts.get("control_mode"), facts.get("program_state"), facts.get("channel_state")
    if all(value is None for value in (item, mode, control, program, channel)):
        return State.UNKNOWN
    if "item_state" in facts and item is None:
        return State.UNKNOWN
    rules = (
        (State.OFF, item == _OFF),
        (State.OUT_OF_SERVICE, item == _OUT_OF_SERVICE),
        (State.MAINTENANCE, mode == _MAINTENANCE or (mode is None and control == _CONTROL_SERVICE)),
        (State.SETUP, mode == _SETUP or (mode is None and control == _CONTROL_SETUP)),
        (
            State.INTERRUPTED,
            facts.get("alarm_blocking") is True
            or program in (_INTERRUPTED, _ABORTED)
            or channel == _CHANNEL_INTERRUPTED,
        ),
        (State.PROCESSING, _executes(item, program, channel)),
    )
    return next((state for state, matches in rules if matches), State.IDLE)


def _executes(item: Value | None, program: Value | None, channel: Value | None) -> bool:
    """Tell whether it executes: by item state, else (OPC 40501-1 1.00, CNC only) by program, else by channel."""
    if item is not None:
        return item == _EXECUTING
    if program is not None:
        return program == _RUNNING
    return channel == _CHANNEL_ACTIVE


def timeline(
    period: Period,
    last: Mapping[str, Sample],
    changes: Iterable[Sample],
    coverage: Coverage,
    *,
    now: int,
) -> list[Stretch]:
    """Tile a period with states: every instant has exactly one, and nothing is carried across a hole.

    A span of observation starts only after every deciding item was read again, so that the last values hold at its
    start, whatever holes came before. After a hole that ends inside of a span the state is unknown until every deciding
    signal that it names, and that the machine has, has spoken again or a new span starts.

    A gateway stands between some machines and their server. Where it went on to answer but said of every deciding
    signal that it has no communication, it is the machine that did not answer: unreachable, as without a gateway.

    Args:
        period: what to tile; its part after `now` is left out.
        last: newest sample of each deciding signal before the period.
        changes: samples of the deciding signals within the period, in order of their stamps.
        coverage: observation, unreachability and holes from the oldest of `last` to the end of the period.
        now: the present; observation is taken to last until then if its last proof is at most 60 s old and no
            later proof says that the server did not answer.

    Returns:
        Adjoining stretches, neighbours of one state merged; empty when the period has not begun.
    """
    span = period.clip(Period(min(period.start, now), now))
    if span is None:
        return []
    unreachable = union(coverage.unreachable)
    observed = _until_now(coverage.observed, now, broken_by=unreachable)
    unreachable = _until_now(unreachable, now)
    holes = [hole for hole in coverage.holes if not hole.signals or not _DECIDING.isdisjoint(hole.signals)]
    blind = union(hole.period for hole in holes)
    samples = [sample for sample in changes if sample.stamp in span]
    cuts = {span.start, *(sample.stamp for sample in samples)}
    cuts.update(edge for each in (*observed, *unreachable, *blind) for edge in (each.start, each.end))
    inside = sorted(cut for cut in cuts if cut in span)

    facts = _Facts([*last.values(), *samples], holes)
    stretches: list[Stretch] = []
    at_observed, at_unreachable, at_blind = _Cursor(observed), _Cursor(unreachable), _Cursor(blind)
    at_refused = _Cursor(union(hole.period for hole in holes if hole.cause == BAD_STATUS))
    for start, end in zip(inside, [*inside[1:], span.end], strict=True):
        facts.advance(start)
        watching = at_observed.find(start)
        if watching is None:
            silent = at_unreachable.find(start) or (at_refused.find(start) and facts.silent())
            state = State.UNREACHABLE if silent else State.UNKNOWN
        else:
            state = State.UNKNOWN if at_blind.find(start) else facts.state(watching.start)
        _append(stretches, Stretch(Period(start, end), state))
    return stretches


_DECIDING = frozenset(DECIDING)


class _Facts:
    """What the deciding signals said last, and what of it a hole has made doubtful, at ever later instants."""

    def __init__(self, samples: Sequence[Sample], holes: Iterable[Hole]) -> None:
        """Take samples, of one signal in order of their stamps, and holes in any order."""
        self._samples = sorted(samples, key=lambda sample: sample.stamp)
        self._holes = sorted(holes, key=lambda hole: hole.period.end)
        self._next_sample = self._next_hole = 0
        self._values: dict[str, Value | None] = {}
        self._statuses: dict[str, int] = {}
        self._spoke: dict[str, int] = {}
        self._lost: dict[str, int] = {}

    def advance(self, instant: int) -> None:
        """Take in what was said, and which holes had ended, up to an instant."""
        while self._next_sample < len(self._samples) and self._samples[self._next_sample].stamp <= instant:
            sample = self._samples[self._next_sample]
            self._values[sample.signal] = sample.value
            self._statuses[sample.signal] = sample.status
            self._spoke[sample.signal] = sample.stamp
            self._next_sample += 1
        while self._next_hole < len(self._holes) and self._holes[self._next_hole].period.end <= instant:
            hole = self._holes[self._next_hole]
            self._lost.update(dict.fromkeys(hole.signals or DECIDING, hole.period.end))
            self._next_hole += 1

    def silent(self) -> bool:
        """Tell whether every deciding signal that the machine has was last said to have no communication."""
        return bool(self._statuses) and set(self._statuses.values()) <= NO_COMMUNICATION

    def state(self, since: int) -> State:
        """Derive the state within a span of observation that started at an instant."""
        for signal, ended in self._lost.items():
            if since < ended and self._spoke.get(signal, ended) < ended:
                return State.UNKNOWN
        return state_of(self._values)


class _Cursor:
    """Finds which of sorted, disjoint periods covers ever later instants, in one pass."""

    def __init__(self, periods: Sequence[Period]) -> None:
        self._periods = periods
        self._index = 0

    def find(self, instant: int) -> Period | None:
        while self._index < len(self._periods) and self._periods[self._index].end <= instant:
            self._index += 1
        if self._index < len(self._periods) and instant in self._periods[self._index]:
            return self._periods[self._index]
        return None


def _until_now(spans: Sequence[Period], now: int, *, broken_by: Sequence[Period] = ()) -> list[Period]:
    """Merge the spans and let the last one reach the present, or what broke it, when its proof is fresh."""
    merged = union(spans)
    if merged and 0 <= now - merged[-1].end <= SILENCE_SECONDS_MAX * SECOND:
        last = merged[-1]
        end = min([now, *(each.start for each in broken_by if each.start >= last.end)])
        merged[-1] = Period(last.start, end)
    return merged


def _append(stretches: list[Stretch], stretch: Stretch) -> None:
    if stretches and stretches[-1].state is stretch.state:
        stretches[-1] = Stretch(Period(stretches[-1].period.start, stretch.period.end), stretch.state)
    else:
        stretches.append(stretch)
