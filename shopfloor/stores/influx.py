# ruff: noqa: S608 - what goes into a query is quoted by `literal`, a number, or a name of the signal table
"""The telemetry store on an InfluxDB server, 1.x or 2.x."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from contextlib import suppress
from functools import partial
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from shopfloor.periods import DAY, INSTANT_MAX, INSTANT_MIN, SECOND, Period, union
from shopfloor.signals import UnknownSignalError, find
from shopfloor.states import Coverage, Hole
from shopfloor.stores import influx_lines as line
from shopfloor.stores.influx_bisection import bisect
from shopfloor.stores.influx_server import BatchRefusedError, literal
from shopfloor.stores.port import Arrival, Reduced, StoreRefusedError
from shopfloor.stores.values import MINUTE_SECONDS, NUMBERS, PROOFS, fuller, sift

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Minute, Run, Sample, Slice, Value
    from shopfloor.signals import SignalClass
    from shopfloor.stores.influx_server import Series, Server
    from shopfloor.stores.port import Rejection

LINES_MAX = 50_000
"""Lines of one request."""
BYTES_MAX = 4_000_000
"""Size of one request; servers refuse 25 MB."""
LEARN_SECONDS = 60
"""How often a store that writes learns from the server at which stamps others wrote a status."""
LEARN_DAYS = 2
"""How far back it looks for them, after the first time."""
STATEMENTS_MAX = 500
"""Statements of one query."""

_Steps: TypeAlias = dict[str, list[Reduced]]
_TIME_MIN, _TIME_MAX = INSTANT_MIN + 2, INSTANT_MAX - 1  # what InfluxDB takes


class InfluxStore:
    """A store on one server. The first call creates what is missing of database and buckets, where it may."""

    def __init__(self, server: Server) -> None:
        """Take a server; nothing is sent before the first call."""
        self._server = server
        self._setup_lock = Lock()
        self._is_set_up = False
        self._builder = line.LineBuilder()
        self._learned_at: int | None = None

    def write(self, slices: Sequence[Slice | Run], minutes: Sequence[Minute] = (), *, now: int) -> list[Rejection]:
        """Commit all of this, the arrival marks last, so that they never promise what is not there; see the port."""
        rejections: list[Rejection] = []
        self._learn(now)
        try:
            made = self._builder.build(slices)
        except (ValueError, OverflowError, UnknownSignalError):
            slices, rejections = sift(slices)
            made = self._builder.build(slices)
        for signal_class, (lines, origins) in made.items():
            for first, last in _batches(lines):
                try:
                    self._server.write(signal_class, b"\n".join(lines[first:last]))
                except BatchRefusedError:
                    parts = line.parts_of(origins[first:last], signal_class)
                    rejections += bisect(parts, partial(self._send, signal_class))
        marks = line.minute_lines(minutes) + line.arrival_lines(slices, now)
        for first, last in _batches(marks):
            try:
                self._server.write("record", b"\n".join(marks[first:last]))
            except BatchRefusedError as error:
                raise StoreRefusedError(f"the store takes no minutes or arrivals: {error.reason}") from error
        return rejections

    def read(self, machines: Sequence[str], signals: Sequence[str], period: Period, *, limit: int) -> list[Sample]:
        """Return samples by machine, then stamp; at most `limit` of each machine, the earliest ones."""
        found: dict[str, list[Sample]] = defaultdict(list)
        classes = line.by_class(tuple(signals)) if machines and period else {}
        for signal_class, names in classes.items():
            where = f"{_of_machines(machines)} AND {_within(period)}"
            statement = f"SELECT {_fields(names)} FROM telemetry WHERE {where} GROUP BY machine LIMIT {limit:d}"
            for series in self._query(signal_class, statement):
                machine = series.tags["machine"]
                found[machine] += line.samples_of(machine, series.columns, series.rows)
        if len(classes) > 1:
            for samples in found.values():
                samples.sort(key=_stamp)
        return [sample for machine in machines for sample in found.get(machine, ())[:limit]]

    def last(self, machines: Sequence[str], signals: Sequence[str], before: int) -> dict[tuple[str, str], Sample]:
        """Return the newest sample of each machine and signal with a stamp before an instant."""
        found: dict[tuple[str, str], Sample] = {}
        for signal_class, names in line.by_class(tuple(signals)).items() if machines else ():
            where = f"{_of_machines(machines)} AND {_within(Period(min(INSTANT_MIN, before), before))}"
            statements = [
                f"SELECT {_fields((name,))} FROM telemetry WHERE {where} GROUP BY machine ORDER BY time DESC LIMIT 1"
                for name in names
            ]
            for series in self._ask(signal_class, statements):
                machine = series.tags["machine"]
                for sample in line.samples_of(machine, series.columns, series.rows):
                    found[machine, sample.signal] = sample
        return found

    def reduce(
        self,
        machine: str,
        signals: Sequence[str],
        period: Period,
        *,
        step_seconds: int,
    ) -> dict[str, list[Reduced]]:
        """Return each signal's Good samples reduced to steps; see the port."""
        where = f"machine = {literal(machine)} AND {_within(period)}"
        steps = f"GROUP BY time({step_seconds:d}s) fill(none)"
        raw: _Steps = defaultdict(list)
        stored: _Steps = {}
        numeric = tuple(name for name in signals if find(name).type in NUMBERS) if period else ()
        for signal_class, names in line.by_class(numeric).items():
            # A comparison with a status that is not there is false: what has none is Good.
            raw_statements = [
                f'SELECT count("{name}"), min("{name}"), mean("{name}"), max("{name}") FROM telemetry '
                f'WHERE {where} AND ("{name}.status" > 0) = false {steps}'
                for name in names
            ]
            for series in self._ask(signal_class, raw_statements):
                raw[names[series.statement]] += (_reduced(*row) for row in series.rows if row[1])
        if step_seconds % MINUTE_SECONDS == 0:
            stored = self._stored_minutes(machine, numeric, period, steps)
        return fuller(raw, stored)

    def _stored_minutes(self, machine: str, names: Sequence[str], period: Period, steps: str) -> _Steps:
        """Reduce minutes to steps; a mean is weighted, for which the sum has a statement of its own: half the time."""
        where = f"machine = {literal(machine)} AND {_within(period)}"
        statements = []
        for name in names:
            total = f'SELECT "{name}.n" * "{name}.mean" AS total FROM minute WHERE {where}'
            statements += [
                f'SELECT sum("{name}.n"), min("{name}.min"), max("{name}.max") FROM minute WHERE {where} {steps}',
                f"SELECT sum(total) FROM ({total}) WHERE {_within(period)} {steps}",
            ]
        rows: dict[int, dict[int, Sequence[Value | None]]] = defaultdict(dict)
        for series in self._ask("record", statements):
            rows[series.statement].update((int(row[0] or 0), row) for row in series.rows)
        stored: _Steps = defaultdict(list)
        for index, name in enumerate(names):
            totals = rows[2 * index + 1]
            for stamp, (_, n, minimum, maximum) in rows[2 * index].items():
                if n and stamp in totals:
                    stored[name].append(_reduced(stamp, n, minimum, float(totals[stamp][1] or 0) / float(n), maximum))
        return stored

    def gaps(self, machines: Sequence[str], period: Period) -> Mapping[str, Coverage]:
        """Return what is known of the watching: proven spans clipped to the period, and the holes that touch it."""
        spans = {name: self._spans(name, machines, period) for name in PROOFS}
        holes: dict[str, list[Hole]] = defaultdict(list)
        if machines:
            where = f"{_of_machines(machines)} AND {_within(Period(period.start + 1, INSTANT_MAX))}"
            for series in self._query("record", f"SELECT hole FROM telemetry WHERE {where} GROUP BY machine"):
                machine = series.tags["machine"]
                for _, text in series.rows:
                    hole = Hole.decode(machine, str(text))
                    if hole.period.overlaps(period):
                        holes[machine].append(hole)
        observed, unreachable = (spans[name] for name in PROOFS)
        return {
            machine: Coverage(union(observed[machine]), union(unreachable[machine]), sorted(holes[machine], key=_start))
            for machine in machines
        }

    def arrivals(self, since: int) -> list[Arrival]:
        """Return the days of data that were written to at or after an instant, oldest arrival first."""
        found = [
            Arrival(series.tags["machine"], int(row[0] or 0) // DAY, int(row[1] or 0))
            for series in self._query("record", f"SELECT at FROM arrival WHERE at >= {since:d} GROUP BY machine")
            for row in series.rows
        ]
        return sorted(found, key=_at)

    def contents(self) -> dict[str, list[str]]:
        """Return the signals of each machine that there may be samples of."""
        found: dict[str, list[str]] = defaultdict(list)
        signal_class: SignalClass
        for signal_class in ("record", "gauge"):
            keys = self._query(signal_class, "SHOW FIELD KEYS FROM telemetry")
            fields = {str(row[0]) for series in keys for row in series.rows}
            names = sorted(name for name in fields if not name.endswith((line.STATUS, line.SOURCE)))
            values = self._query(signal_class, 'SHOW TAG VALUES FROM telemetry WITH KEY = "machine"')
            for machine in sorted({str(row[1]) for series in values for row in series.rows}):
                found[machine] += names
        return dict(found)

    def close(self) -> None:
        """Let go of the connections."""
        self._server.close()

    def _send(self, signal_class: SignalClass, slices: Sequence[Slice]) -> None:
        self._server.write(signal_class, b"\n".join(self._builder.build(slices)[signal_class].lines))

    def _learn(self, now: int) -> None:
        """Ask the server which samples have a status or source beside them, so that a Good one can overwrite it."""
        if self._learned_at is not None and 0 <= now - self._learned_at < LEARN_SECONDS * SECOND:
            return
        since = INSTANT_MIN if self._learned_at is None else now - LEARN_DAYS * DAY
        signal_class: SignalClass
        for signal_class in ("record", "gauge"):
            keys = self._query(signal_class, "SHOW FIELD KEYS FROM telemetry")
            fields = {str(row[0]) for series in keys for row in series.rows}
            newest: dict[str, int] = {}
            if any(field.endswith((line.STATUS, line.SOURCE)) for field in fields):
                where = _within(Period(since, INSTANT_MAX))
                odd = f"SELECT /\\.(status|source)$/ FROM telemetry WHERE {where} GROUP BY machine"
                for series in self._query(signal_class, f"{odd} ORDER BY time DESC LIMIT 1"):
                    newest[series.tags["machine"]] = int(series.rows[0][0] or 0)
            self._builder.learn(fields, newest)
        self._learned_at = now

    def _query(self, signal_class: SignalClass, statements: str) -> Iterator[Series]:
        with self._setup_lock:
            if not self._is_set_up:
                with suppress(StoreRefusedError):  # what this program may not create, another may have created
                    self._server.setup()
                self._is_set_up = True
        return self._server.query(signal_class, statements)

    def _ask(self, signal_class: SignalClass, statements: Sequence[str]) -> Iterator[Series]:
        """Send many statements in few queries."""
        for first in range(0, len(statements), STATEMENTS_MAX):
            some = statements[first : first + STATEMENTS_MAX]
            for series in self._query(signal_class, ";".join(some)):
                yield series._replace(statement=series.statement + first)

    def _spans(self, signal: str, machines: Iterable[str], period: Period) -> dict[str, list[Period]]:
        """Find proven spans from the last to the first: a proof names the start of its span, so that one is enough.

        A month of one machine holds 130,000 proofs; this reads one of each span.
        """
        spans: dict[str, list[Period]] = defaultdict(list)
        searched = dict.fromkeys(machines, period)
        beyond = {machine: Period(period.end, INSTANT_MAX) for machine in searched}
        found = self._proofs(signal, beyond, "ASC")
        while searched:
            for machine, proof in found.items():
                spans[machine] += filter(None, (proof.clip(period),))
                searched[machine] = Period(period.start, max(period.start, min(proof.start, searched[machine].end)))
            searched = {machine: rest for machine, rest in searched.items() if rest}
            found = self._proofs(signal, searched, "DESC")
            searched = {machine: searched[machine] for machine in found}
        return spans

    def _proofs(self, signal: str, searched: Mapping[str, Period], order: str) -> dict[str, Period]:
        """Return the first or the last proof of each machine in a period of its own: the span that it proves."""
        machines = list(searched)
        statements = [
            f'SELECT "{signal}" FROM telemetry WHERE machine = {literal(machine)} AND {_within(searched[machine])} '
            f"ORDER BY time {order} LIMIT 1"
            for machine in machines
        ]
        return {
            machines[series.statement]: Period(min(int(since or 0), int(stamp or 0)), int(stamp or 0))
            for series in self._ask("record", statements)
            for stamp, since in series.rows
        }


def _batches(lines: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Part lines into requests of a bounded size: from and to."""
    sizes = list(accumulate(map(len, lines), initial=0))
    first = 0
    while first < len(lines):
        last = min(bisect_right(sizes, sizes[first] + BYTES_MAX) - 1, first + LINES_MAX)
        last = max(last, first + 1)
        yield first, last
        first = last


def _of_machines(machines: Sequence[str]) -> str:
    return "(" + " OR ".join(f"machine = {literal(machine)}" for machine in machines) + ")"


def _within(period: Period) -> str:
    return f"time >= {max(period.start, _TIME_MIN):d} AND time < {min(period.end, _TIME_MAX):d}"


def _fields(names: Iterable[str]) -> str:
    """Select signals with their status and source, as far as the server has such fields."""
    return "/^(" + "|".join(re.escape(find(name).name) for name in names) + r")(\.status|\.source)?$/"


def _reduced(stamp: Value | None, n: Value | None, *numbers: Value | None) -> Reduced:
    minimum, mean, maximum = (float(number or 0) for number in numbers)
    return Reduced(int(stamp or 0), int(n or 0), minimum, mean, maximum)


def _stamp(sample: Sample) -> int:
    return sample.stamp


def _start(hole: Hole) -> int:
    return hole.period.start


def _at(arrival: Arrival) -> int:
    return arrival.at
