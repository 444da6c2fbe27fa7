"""Samples as line protocol: one line per machine, stamp and bucket with all its fields, built directly as bytes.

What is not Good stands beside the value in `<signal>.status`: the StatusCode, plus 2**32 where there is no value, so
that a value written earlier at the same stamp does not show through. `<signal>.source` holds the machine's own time
where the stamp is the time of receipt; equal to the stamp it says that there is none. Both fields exist only where they
are needed: up to the newest stamp at which a machine had one, they are written again with every sample, so that what is
written last wins, quality included.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shopfloor.periods import DAY, INSTANT_MIN
from shopfloor.samples import GOOD, Run, Sample, Slice, days, whole_slices
from shopfloor.signals import find
from shopfloor.states import Hole
from shopfloor.stores.values import DECODERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Minute, Value
    from shopfloor.signals import SignalClass

TELEMETRY, MINUTE, ARRIVAL = b"telemetry", b"minute", b"arrival"
STATUS, SOURCE = ".status", ".source"
ABSENT = 1 << 32
"""Added to a status where there is no value."""
PLANS_MAX = 200_000
"""Known combinations of signals; beyond, they are learned again."""

_INTEGERS = frozenset({"Int32", "UInt32", "Int64", "DateTime"})
_encode = msgspec.json.Encoder().encode  # the shortest decimal of a float, four times as fast as repr


class _Part(NamedTuple):
    """How the signals of one class in a slice become a line.

    Attributes:
        signal_class: the bucket.
        template: the line with a gap for each value and for the stamp.
        names: the signals in order, None when they are all of the slice.
        is_text: whether one of them is a text, which must be quoted.
        holds_hole: whether one of them is a hole, which must be readable.
    """

    signal_class: SignalClass
    template: bytes
    names: tuple[str, ...] | None
    is_text: bool
    holds_hole: bool


class _RunPart(NamedTuple):
    """How a run becomes lines: what stands before and after each value."""

    signal_class: SignalClass
    heads: list[bytes]
    tails: list[bytes]


class Lines(NamedTuple):
    """Lines of one bucket, and the slice or run that each was made of."""

    lines: list[bytes]
    origins: list[Slice | Run]


class LineBuilder:
    """Builds lines, and remembers for each machine the newest stamp that had a status or source of its own."""

    def __init__(self) -> None:
        self._plans: dict[str, dict[tuple[str, ...], tuple[_Part, ...]]] = defaultdict(dict)
        self._run_plans: dict[str, dict[tuple[str, ...], _RunPart | None]] = defaultdict(dict)
        self._plan_count = 0
        self._odd_until: dict[str, int] = {}
        self._statuses: set[str] = set()
        self._sources: set[str] = set()

    def learn(self, fields: Iterable[str], odd_until: Mapping[str, int]) -> None:
        """Take over what the server knows: its fields, and per machine the newest stamp with a status or source."""
        for field in fields:
            signal, dot, end = field.rpartition(".")
            if dot + end == STATUS:
                self._statuses.add(signal)
            elif dot + end == SOURCE:
                self._sources.add(signal)
        for machine, stamp in odd_until.items():
            self._odd_until[machine] = max(stamp, self._odd_until.get(machine, INSTANT_MIN))

    def build(self, slices: Iterable[Slice | Run]) -> dict[SignalClass, Lines]:
        """Make lines of slices and runs, by bucket, in order: what is written last wins.

        Raises:
            UnknownSignalError: when a signal is neither in the signal table nor typed by its name.
            ValueError: when a hole cannot be read or a text is not valid Unicode.
        """
        if self._plan_count > PLANS_MAX:
            self._plans.clear()
            self._run_plans.clear()
            self._plan_count = 0
        made: dict[SignalClass, Lines] = {"record": Lines([], []), "gauge": Lines([], [])}
        at, odd_until = "", INSTANT_MIN
        plans: dict[tuple[str, ...], tuple[_Part, ...]] = {}
        for each in self._without_runs(slices, made):
            machine, stamp, values, status, source = each
            if machine != at:
                at, odd_until = machine, self._odd_until.get(machine, INSTANT_MIN)
                plans = self._plans[machine]
            if status or source or stamp <= odd_until:
                self._build_odd(each, made)
                odd_until = self._odd_until.get(machine, INSTANT_MIN)
                continue
            names = tuple(values)
            for signal_class, template, of_class, is_text, holds_hole in plans.get(names) or self._plan(machine, names):
                lines, origins = made[signal_class]
                row = [*values.values()] if of_class is None else [values[name] for name in of_class]
                if holds_hole:
                    Hole.decode(machine, str(values["hole"]))
                texts = [_text(value) for value in row] if is_text else _texts(row)
                lines.append(template % (*texts, stamp))
                origins.append(each)
        return made

    def _plan(self, machine: str, names: tuple[str, ...]) -> tuple[_Part, ...]:
        parts = []
        for signal_class, of_class in by_class(names).items():
            fields = b",".join(
                name.encode() + (b"=%bi" if find(name).type in _INTEGERS else b"=%b") for name in of_class
            )
            template = _series(TELEMETRY, machine).replace(b"%", b"%%") + b" " + fields + b" %d"
            is_text = any(find(name).type == "String" for name in of_class)
            whole = len(of_class) == len(names)
            parts.append(_Part(signal_class, template, None if whole else of_class, is_text, "hole" in of_class))
        plan = self._plans[machine][names] = tuple(parts)
        self._plan_count += 1
        return plan

    def _without_runs(self, slices: Iterable[Slice | Run], made: Mapping[SignalClass, Lines]) -> Iterator[Slice]:
        """Make lines of the runs on the way, and pass on the slices; runs that need a closer look come as slices."""
        for each in slices:
            if type(each) is Slice:
                yield each
            elif type(each) is Run and not self._build_run(each, made):
                yield from each.slices()

    def _build_run(self, run: Run, made: Mapping[SignalClass, Lines]) -> bool:
        """Make the lines of a run at once; False when its values are not numbers of one bucket without an odd one."""
        machine, stamps, values = run
        names = tuple(values)
        plans = self._run_plans[machine]
        part = plans[names] if names in plans else self._run_plan(machine, names)
        if part is None or min(stamps) <= self._odd_until.get(machine, INSTANT_MIN):
            return False
        lines, origins = made[part.signal_class]
        texts = _texts([*values.values()])
        lines.extend(map(b"".join, zip(part.heads, texts, part.tails, _texts(stamps), strict=True)))
        origins.extend(repeat(run, len(names)))
        return True

    def _run_plan(self, machine: str, names: tuple[str, ...]) -> _RunPart | None:
        plan = None
        classes = list(by_class(names))
        if len(classes) == 1 and not any(find(name).type == "String" for name in names):
            series = _series(TELEMETRY, machine)
            heads = [b"%b %b=" % (series, name.encode()) for name in names]
            tails = [b"i " if find(name).type in _INTEGERS else b" " for name in names]
            plan = _RunPart(classes[0], heads, tails)
        self._run_plans[machine][names] = plan
        self._plan_count += 1
        return plan

    def _build_odd(self, each: Slice, made: Mapping[SignalClass, Lines]) -> None:
        """Write status and source out."""
        for signal_class, names in by_class(tuple(each.values)).items():
            fields = b",".join(field for name in names for field in self._fields(each, name))
            made[signal_class].lines.append(b"%b %b %d" % (_series(TELEMETRY, each.machine), fields, each.stamp))
            made[signal_class].origins.append(each)
        if each.status or each.source:
            self._statuses.update(each.status)
            self._sources.update(each.source)
            self._odd_until[each.machine] = max(each.stamp, self._odd_until.get(each.machine, INSTANT_MIN))

    def _fields(self, each: Slice, name: str) -> Iterator[bytes]:
        value, status, source = each.values[name], each.status.get(name, GOOD), each.source.get(name)
        key = name.encode()
        if value is None and status == GOOD:
            raise ValueError(f"{name} has neither a value nor a quality that says why")
        if value is not None:
            if name == "hole":
                Hole.decode(each.machine, str(value))
            yield b"%b=%b%b" % (key, _text(value), b"i" if find(name).type in _INTEGERS else b"")
        if status or value is None or name in self._statuses:
            yield b"%b%b=%di" % (key, STATUS.encode(), status | (ABSENT if value is None else 0))
        if source is not None or name in self._sources:
            yield b"%b%b=%di" % (key, SOURCE.encode(), each.stamp if source is None else source)


def minute_lines(minutes: Iterable[Minute]) -> list[bytes]:
    """Make one line per machine and minute."""
    fields: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for machine, signal, stamp, *numbers in minutes:
        n, minimum, mean, maximum = (_encode(number) for number in numbers)
        key = find(signal).name.encode()
        fields[machine, stamp].append(
            b"%b.n=%bi,%b.min=%b,%b.mean=%b,%b.max=%b" % (key, n, key, minimum, key, mean, key, maximum),
        )
    return [
        b"%b %b %d" % (_series(MINUTE, machine), b",".join(of_minute), stamp)
        for (machine, stamp), of_minute in fields.items()
    ]


def arrival_lines(slices: Iterable[Slice | Run], now: int) -> list[bytes]:
    """Make one line per machine and UTC day."""
    marks = {(each.machine, day * DAY) for each in slices for day in days(each)}
    return [b"%b at=%di %d" % (_series(ARRIVAL, machine), now, start) for machine, start in sorted(marks)]


def parts_of(origins: Iterable[Slice | Run], signal_class: SignalClass) -> list[Slice]:
    """Return what lines were made of, once each, as slices with the signals of one class only."""
    once = {id(each): each for each in origins}.values()
    return [
        narrowed(each, [name for name in each.values if find(name).signal_class == signal_class])
        for each in whole_slices(once)
    ]


def narrowed(each: Slice, names: Iterable[str]) -> Slice:
    """Return a slice with these signals only."""
    kept = set(names)
    return Slice(
        each.machine,
        each.stamp,
        {name: value for name, value in each.values.items() if name in kept},
        {name: status for name, status in each.status.items() if name in kept},
        {name: source for name, source in each.source.items() if name in kept},
    )


class _Column(NamedTuple):
    """Where a query's row holds a signal, its status and its source; None where it has no such field."""

    signal: str
    decode: Callable[[Value], Value] | None
    value: int | None
    status: int | None
    source: int | None


def samples_of(machine: str, columns: Sequence[str], rows: Iterable[Sequence[Value | None]]) -> Iterator[Sample]:
    """Turn rows of a query (time, then fields) back into samples."""
    at = {name: index for index, name in enumerate(columns)}
    signals = sorted({name.removesuffix(STATUS).removesuffix(SOURCE) for name in columns[1:]})
    kinds = [
        _Column(name, DECODERS[find(name).type], at.get(name), at.get(name + STATUS), at.get(name + SOURCE))
        for name in signals
    ]
    for row in rows:
        for kind in kinds:
            sample = _sample(machine, row, kind)
            if sample is not None:
                yield sample


def _sample(machine: str, row: Sequence[Value | None], column: _Column) -> Sample | None:
    stamp = int(row[0] or 0)
    value = None if column.value is None else row[column.value]
    status = None if column.status is None else row[column.status]
    if value is None and status is None:
        return None
    if value is not None and column.decode is not None:
        value = column.decode(value)
    source = None if column.source is None else row[column.source]
    own_time = None if source is None or source == stamp else int(source)
    if status is None:
        return Sample(machine, column.signal, stamp, value, GOOD, own_time)
    code = int(status)
    return Sample(machine, column.signal, stamp, None if code & ABSENT else value, code & ~ABSENT, own_time)


def by_class(names: tuple[str, ...]) -> dict[SignalClass, tuple[str, ...]]:
    """Part signals into records and gauges; a class without a signal is left out."""
    classes: dict[SignalClass, tuple[str, ...]] = {}
    for name in names:
        signal_class = find(name).signal_class
        classes[signal_class] = (*classes.get(signal_class, ()), name)
    return classes


def _series(measurement: bytes, machine: str) -> bytes:
    for letter in (",", "=", " "):
        machine = machine.replace(letter, "\\" + letter)
    return b"%b,machine=%b" % (measurement, machine.encode())


def _texts(numbers: Sequence[Value | None]) -> list[bytes]:
    return _encode(numbers)[1:-1].split(b",")


def _text(value: Value | None) -> bytes:
    if isinstance(value, str):
        return b'"%b"' % value.replace("\\", "\\\\").replace('"', '\\"').encode()
    return _encode(value)
