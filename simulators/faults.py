"""Faults that a simulated machine's server can have: what they are, when they come, what they do to values. Pure.

A fault is written as `KIND NAME=VALUE …`, for example `frozen at=10 for=30 signal=spindle_load`, or as a `[[fault]]` of
a scenario file. A `[random]` table draws some from a seed, so that a scenario is the same each time it is played.
"""

from __future__ import annotations

import random
import tomllib
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from shopfloor.errors import ExpectedError
from simulators.tree import Served, Source
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from simulators.machine import PlannedJob
    from simulators.tree import Identity, Variable

BAD_SENSOR_FAILURE = 0x808D_0000
UNCERTAIN_LAST_USABLE_VALUE = 0x4090_0000
"""OPC 10000-4, 7.38.2: what a server says of a sensor that failed, and of a value that it cannot renew."""

KINDS: Mapping[str, str] = {
    "restart": "the server is away for a while and comes back with renumbered namespaces",
    "lost_session": "the server forgets its sessions and their subscriptions",
    "half_open": "connections stay open and nothing goes through them any more; new ones are answered",
    "slow": "every answer comes so many seconds late",
    "certificate": "the server comes back with another key and certificate",
    "clock_step": "the server's clock is so many seconds wrong",
    "clock_drift": "the server's clock goes wrong, by so many seconds at the end",
    "overflow": "so many values of a signal at once, more than a client's queue holds",
    "bad": "a signal has no value but a Bad status",
    "uncertain": "the values of a signal have an Uncertain status",
    "nan": "a signal is NaN, with a Good status",
    "frozen": "a signal does not change any more",
    "vanish": "the node of a signal is not there",
}
"""Every kind of fault and what it does."""
OF_A_SIGNAL = frozenset({"overflow", "bad", "uncertain", "nan", "frozen", "vanish"})
"""Kinds that have to name a signal."""
OF_VALUES = frozenset({"overflow", "bad", "uncertain", "nan", "frozen"})
"""Kinds that change what a source says; the others concern the server."""


class FaultError(ExpectedError):
    """A fault is written wrongly; the sentence says what is wrong and what may stand there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        kind: one of `KINDS`.
        at: seconds after the first client watches.
        lasts: seconds for which it lasts; 0 for as long as the server runs, where that makes sense. Written `for`.
        signal: whose values.
        machine: of which machine, empty for all of the server.
        seconds: how wrong a clock is, how late an answer.
        values: how many of an overflow.
    """

    kind: str
    at: float = 0.0
    lasts: float = 0.0
    signal: str = ""
    machine: str = ""
    seconds: float = 0.0
    values: int = 2000


def parse_fault(text: str) -> Fault:
    """Read a fault from one line.

    Raises:
        FaultError: when the kind or a name is unknown, a number is none or the signal is missing.
    """
    kind, *rest = text.split() or [""]
    entry: dict[str, Any] = {"kind": kind}
    for each in rest:
        name, sign, value = each.partition("=")
        if not sign:
            raise FaultError(f"{each!r} in the fault {text!r}: write NAME=VALUE")
        entry[name] = value
    return _fault(entry, text)


def read_scenario(path: Path) -> list[Fault]:
    """Read a scenario file and return its faults by their time.

    Raises:
        FaultError: when it cannot be read, is no TOML or a fault in it is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FaultError(f"the scenario {path}: {error}") from error
    unknown = document.keys() - {"fault", "random"}
    if unknown:
        raise FaultError(f"the scenario {path} has {', '.join(sorted(unknown))}: give [[fault]] and [random] only")
    faults = [_fault(entry, f"{path}, fault {number}") for number, entry in enumerate(document.get("fault", ()), 1)]
    if "random" in document:
        faults += _drawn(document["random"], str(path))
    return sorted(faults, key=lambda fault: fault.at)


def _fault(entry: Mapping[str, Any], place: str) -> Fault:
    known = {("for" if each.name == "lasts" else each.name): each for each in fields(Fault)}
    wrong = entry.keys() - known.keys()
    if wrong:
        raise FaultError(f"{place}: {', '.join(sorted(wrong))} is unknown: give {', '.join(known)}")
    if entry.get("kind") not in KINDS:
        raise FaultError(f"{place}: there is no fault {entry.get('kind', '')!r}: give one of {', '.join(KINDS)}")
    converters = {"at": float, "for": float, "seconds": float, "values": int}
    try:
        values = {known[name].name: converters.get(name, str)(value) for name, value in entry.items()}
    except (TypeError, ValueError) as error:
        raise FaultError(f"{place}: {error}: at, for, seconds and values are numbers") from error
    fault = Fault(**values)
    if fault.kind in OF_A_SIGNAL and not fault.signal:
        raise FaultError(f"{place}: {fault.kind} has to name a signal: signal=spindle_load")
    if min(fault.at, fault.lasts, fault.values) < 0:
        raise FaultError(f"{place}: at, for and values are not negative")
    return fault


def _drawn(table: Any, place: str) -> list[Fault]:
    """Draw faults: `seed`, `until` and `every` in seconds, and under `faults` lines of which one is taken each time."""
    try:
        seed, until, every = int(table["seed"]), float(table["until"]), float(table["every"])
        choice = [parse_fault(line) for line in table["faults"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FaultError(f"{place}: [random] has seed, until, every and faults, a list of lines: {error!r}") from error
    if every <= 0 or not choice:
        raise FaultError(f"{place}: [random] needs `every` above 0 and at least one of `faults`")
    dice = random.Random(seed)  # noqa: S311  # a storm of faults must be repeatable, not secret
    faults: list[Fault] = []
    at = dice.expovariate(1 / every)
    while at < until:
        drawn = dice.choice(choice)
        faults.append(Fault(**{each.name: getattr(drawn, each.name) for each in fields(Fault)} | {"at": at}))
        at += max(1.0, drawn.lasts) + dice.expovariate(1 / every)
    return faults


class FaultyClock:
    """A server's clock that can be wrong.

    Args:
        clock: the right time.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._faults: list[tuple[Fault, int]] = []

    def inject(self, fault: Fault) -> None:
        """Let the clock be wrong from now on."""
        self._faults.append((fault, self._clock()))

    def right(self) -> int:
        """Return the right time."""
        return self._clock()

    def offset(self) -> int:
        """Return by how many nanoseconds the clock is ahead."""
        now = self._clock()
        return sum(_clock_error(fault, now - begun) for fault, begun in self._faults)

    def __call__(self) -> int:
        """Return what the server takes for the time."""
        return self._clock() + self.offset()


def _clock_error(fault: Fault, elapsed: int) -> int:
    lasts, wrong = fault.lasts * SECOND, fault.seconds * SECOND
    if fault.kind == "clock_drift":
        return int(wrong * min(1.0, elapsed / lasts)) if lasts else int(wrong)
    return int(wrong) if not lasts or elapsed < lasts else 0


class FaultySource:
    """A source whose values can be spoiled, and that goes on where it was when its server starts again.

    Args:
        inner: the machine.
        clock: of its server.
    """

    def __init__(self, inner: Source, clock: FaultyClock) -> None:
        self._inner = inner
        self._clock = clock
        self._opened = False
        self._last: dict[str, Served] = {}
        self._active: dict[str, tuple[Fault, int, int]] = {}
        self._said: list[Served] = []
        self._types: defaultdict[str, set[str]] = defaultdict(set)
        for each in inner.variables:
            self._types[each.signal].add(each.built_in)

    @property
    def identity(self) -> Identity:
        """Who the machine is."""
        return self._inner.identity

    @property
    def variables(self) -> Sequence[Variable]:
        """What it has."""
        return self._inner.variables

    def inject(self, fault: Fault) -> None:
        """Spoil the values of a signal from now on.

        Raises:
            FaultError: when the machine has no such signal, no number to overflow with, or no type that has a NaN.
        """
        now = self._clock.right()
        stamp = self._inner.instant(now)
        last = self._last.get(fault.signal)
        if last is None:
            raise FaultError(f"{self.identity.id} does not serve the signal {fault.signal!r}")
        if fault.kind == "overflow":
            self._said += _burst(last, fault, stamp)
            return
        if fault.kind == "nan" and self._types[fault.signal].isdisjoint({"Float", "Double"}):
            raise FaultError(f"{fault.signal} is no Float and no Double: only those have a NaN")
        until = now + int(fault.lasts * SECOND) if fault.lasts else 2**63
        self._active[fault.signal] = fault, until, stamp
        if fault.kind == "bad":
            self._said.append(Served(stamp, fault.signal, None, BAD_SENSOR_FAILURE))
        elif fault.kind == "nan":
            self._said.append(Served(stamp, fault.signal, float("nan")))
        elif fault.kind == "uncertain":
            self._said.append(last._replace(stamp=stamp, status=UNCERTAIN_LAST_USABLE_VALUE))

    def open(self, now: int) -> Iterable[Served]:
        """Begin; at a later start of the server every signal has the value that it has by now."""
        now -= self._clock.offset()
        for each in self._inner.due(now) if self._opened else self._inner.open(now):
            self._last[each.signal] = each
        self._opened = True
        return [self._shifted(each) for each in self._last.values()]

    def due(self, now: int) -> Iterator[Served]:
        """Return what is to be served since the last call, spoiled where it has to be."""
        now -= self._clock.offset()
        said, self._said = self._said, []
        yield from map(self._shifted, said)
        for each in self._inner.due(now):
            self._last[each.signal] = each
            spoiled = self._spoiled(each)
            if spoiled is not None:
                yield self._shifted(spoiled)
        for signal in [name for name, (_, until, _) in self._active.items() if until <= now]:
            fault, until, since = self._active.pop(signal)
            last = self._last[signal]
            if fault.kind != "frozen" or last.stamp > since:
                yield self._shifted(last._replace(stamp=max(self._inner.instant(until), last.stamp)))

    def instant(self, now: int) -> int:
        """Return what time it is at the machine, by its own clock."""
        return self._inner.instant(now - self._clock.offset()) + self._clock.offset()

    def jobs(self, now: int) -> Sequence[PlannedJob]:
        """Return the jobs on the control."""
        return self._inner.jobs(now - self._clock.offset())

    def tools(self, now: int) -> Sequence[float]:
        """Return the minutes that each tool has left."""
        return self._inner.tools(now - self._clock.offset())

    def service_due(self, now: int) -> int | None:
        """Return when the next maintenance is expected."""
        return self._inner.service_due(now - self._clock.offset())

    def _spoiled(self, each: Served) -> Served | None:
        """Return a value as it is served, None for not at all."""
        if each.signal not in self._active:
            return each
        fault, _, _ = self._active[each.signal]
        return each._replace(status=UNCERTAIN_LAST_USABLE_VALUE) if fault.kind == "uncertain" else None

    def _shifted(self, each: Served) -> Served:
        return each._replace(stamp=each.stamp + self._clock.offset())


def _burst(last: Served, fault: Fault, now: int) -> Iterator[Served]:
    if isinstance(last.value, bool) or not isinstance(last.value, int | float):
        raise FaultError(f"{fault.signal} is no number now: an overflow needs one")
    first = now - fault.values * 1000
    for number in range(fault.values):
        yield Served(first + number * 1000, fault.signal, last.value + (number + 1) % 2)
