"""The InfluxQL that boards ask: pure text, over the buckets as `shopfloor.stores.influx` writes them.

A query names the bucket as retention policy (`"record"."telemetry"`), which InfluxDB 1.x and 2.x both understand. Words
with a dollar sign are filled in by Grafana: `$timeFilter`, `$__interval`, `${__from}`, the board's own `${machine}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

CODES = {
    State.UNREACHABLE: 1,
    State.IDLE: 2,
    State.PROCESSING: 3,
    State.INTERRUPTED: 4,
    State.SETUP: 5,
    State.MAINTENANCE: 6,
    State.OUT_OF_SERVICE: 7,
    State.OFF: 8,
}
"""The number that stands for a state in a query's answer: of two rules that match, the larger is the first of
`shopfloor.states`. An unknown state has none: its steps are null, and Grafana draws nothing there."""

LOOK_BACK = "4d"
"""How long before the shown range a state may have begun and still be known at its start: a long weekend."""
STEP = "$__interval"
MACHINES = '"machine" =~ /^${machine:regex}$/'
"""The machines that are chosen on the board."""

_PROVEN = 100
_SHOWN = "$timeFilter"
_REACHING_BACK = f"time >= ${{__from}}ms - {LOOK_BACK} AND time <= ${{__to}}ms"


class _Rule(NamedTuple):
    """One line of the table of states.

    Attributes:
        state: what the machine is then.
        carrier: a signal that has a value whenever the condition holds.
        others: the other signals that the condition names.
        condition: what must hold.
    """

    state: State
    carrier: str
    others: tuple[str, ...]
    condition: str


def _silent(signal: str) -> str:
    """Hold where a signal has no value: a comparison with nothing is false, and so equals false."""
    return f'("{signal}" >= 0) = false'


_SILENT_ITEM, _SILENT_MODE, _SILENT_PROGRAM = map(_silent, ("item_state", "operation_mode", "program_state"))

_RULES = (  # the numbers are those of OPC 40001-1 and OPC 40501-1, as in shopfloor.states
    _Rule(State.OFF, "item_state", (), '"item_state" = 0'),
    _Rule(State.OUT_OF_SERVICE, "item_state", (), '"item_state" = 1'),
    _Rule(State.MAINTENANCE, "operation_mode", (), '"operation_mode" = 1'),
    _Rule(State.MAINTENANCE, "control_mode", ("operation_mode",), f'"control_mode" = 4 AND {_SILENT_MODE}'),
    _Rule(State.SETUP, "operation_mode", (), '"operation_mode" = 2'),
    _Rule(State.SETUP, "control_mode", ("operation_mode",), f'"control_mode" = 2 AND {_SILENT_MODE}'),
    _Rule(State.INTERRUPTED, "alarm_blocking", (), '"alarm_blocking" = true'),
    _Rule(State.INTERRUPTED, "program_state", (), '("program_state" = 3 OR "program_state" = 4)'),
    _Rule(State.INTERRUPTED, "channel_state", (), '"channel_state" = 1'),
    _Rule(State.PROCESSING, "item_state", (), '"item_state" = 3'),
    _Rule(State.PROCESSING, "program_state", ("item_state",), f'"program_state" = 1 AND {_SILENT_ITEM}'),
    _Rule(
        State.PROCESSING,
        "channel_state",
        ("item_state", "program_state"),
        f'"channel_state" = 0 AND {_SILENT_ITEM} AND {_SILENT_PROGRAM}',
    ),
    *(
        _Rule(State.IDLE, signal, (), f'"{signal}" >= 0')
        for signal in ("item_state", "operation_mode", "control_mode", "program_state", "channel_state")
    ),
)


def states(*, step: str = STEP) -> str:
    """Ask for the state of each machine at the end of each step, as numbers of `CODES`.

    The deciding signals are told when they change, and hold while the machine is observed. A step without a proof of
    observation has no state, whatever was said before it: a gap stays a gap.
    """
    said = ", ".join(_matches(rule, step) for rule in _RULES)
    state = f'SELECT max("code") AS "code" FROM {said} WHERE {_REACHING_BACK} {_by(step, "none")}'
    # Sources that are queried together must share a column, so the proof is a number added to the state's.
    proof = _proofs("observed", _PROVEN, step)
    sums = f'SELECT sum("code") AS "code" FROM ({state}), ({proof}) WHERE {_REACHING_BACK} {_by(step, "none")}'
    known = f'SELECT "code" - {_PROVEN} AS "code" FROM ({sums}) WHERE "code" > {_PROVEN}'
    absent = _proofs("unreachable", CODES[State.UNREACHABLE], step)
    return f'SELECT max("code") AS "state" FROM ({known}), ({absent}) WHERE {_REACHING_BACK} {_by(step, "null")}'


def _matches(rule: _Rule, step: str) -> str:
    """Give each step in which a rule matches the number of its state."""
    fields = ", ".join(f'last("{signal}") AS "{signal}"' for signal in (rule.carrier, *rule.others))
    held = f'SELECT {fields} FROM "record"."telemetry" WHERE {MACHINES} AND {_REACHING_BACK} {_by(step, "previous")}'
    code = f'0 * count("{rule.carrier}") + {CODES[rule.state]} AS "code"'
    return f"(SELECT {code} FROM ({held}) WHERE {rule.condition} {_by(step, 'none')})"


def _proofs(signal: str, number: int, step: str) -> str:
    """Give each step that holds a proof a number."""
    where = f"{MACHINES} AND {_REACHING_BACK}"
    return (
        f'SELECT 0 * count("{signal}") + {number} AS "code" FROM "record"."telemetry" WHERE {where} {_by(step, "none")}'
    )


def gauge(signal: str, *, step: str = STEP) -> str:
    """Ask for the mean of a gauge's Good samples in each step, null where there is none."""
    good = f'("{signal}.status" > 0) = false'
    return (
        f'SELECT mean("{signal}") AS "{signal}" FROM "gauge"."telemetry" '
        f"WHERE {MACHINES} AND {_SHOWN} AND {good} {_by(step, 'null')}"
    )


def override(signal: str, *, step: str = STEP) -> str:
    """Ask for the last value of a setting in each step, null where none was told."""
    return (
        f'SELECT last("{signal}") AS "{signal}" FROM "gauge"."telemetry" '
        f"WHERE {MACHINES} AND {_SHOWN} {_by(step, 'null')}"
    )


def minutes(signal: str, part: str, *, function: str, step: str = STEP) -> str:
    """Ask for stored minutes of a gauge, which outlive its raw samples.

    Args:
        signal: the gauge.
        part: `min`, `mean` or `max`.
        function: how minutes become steps, for example `max`.
        step: length of a step.
    """
    return (
        f'SELECT {function}("{signal}.{part}") AS "{signal}" FROM "record"."minute" '
        f"WHERE {MACHINES} AND {_SHOWN} {_by(step, 'null')}"
    )


def growth(counter: str, *, step: str, zone: str) -> str:
    """Ask how far a counter went in each step of civil time; where it starts again from zero, that leap is left out.

    What it counted while nobody was watching is in the step in which it was read again.
    """
    hourly = (
        f'SELECT non_negative_difference(last("{counter}")) AS "{counter}" FROM "record"."telemetry" '
        f"WHERE {MACHINES} AND {_SHOWN} {_by('1h', 'none')}"
    )
    return (
        f'SELECT sum("{counter}") AS "{counter}" FROM ({hourly}) WHERE {_SHOWN} {_by(step, "none")} tz({literal(zone)})'
    )


def total_growth(counter: str) -> str:
    """Ask how far a counter of each machine went in the shown range."""
    hourly = (
        f'SELECT non_negative_difference(last("{counter}")) AS "{counter}" FROM "record"."telemetry" '
        f"WHERE {MACHINES} AND {_SHOWN} {_by('1h', 'none')}"
    )
    return f'SELECT sum("{counter}") AS "{counter}" FROM ({hourly}) WHERE {_SHOWN} GROUP BY "machine"'


def newest(signals: Iterable[str]) -> str:
    """Ask for the newest value of each signal up to the end of the shown range.

    Of a single signal the answer's time is the value's own; of several it says nothing.
    """
    fields = ", ".join(f'last("{signal}") AS "{signal}"' for signal in signals)
    return f'SELECT {fields} FROM "record"."telemetry" WHERE {MACHINES} AND {_REACHING_BACK} GROUP BY "machine"'


def newest_steps(signal: str, *, step: str = STEP) -> str:
    """Ask for the last value of a record signal in each step, null where none was told."""
    return (
        f'SELECT last("{signal}") AS "{signal}" FROM "record"."telemetry" '
        f"WHERE {MACHINES} AND {_SHOWN} {_by(step, 'null')}"
    )


def active_alarms() -> str:
    """Ask for the alarms that stand, with the instant since when."""
    return f'SELECT "alarm" FROM ({newest(["alarm"])}) WHERE "alarm" != \'\' AND {_REACHING_BACK} GROUP BY "machine"'


def said(signals: Iterable[str], *, limit: int, where: str = "") -> str:
    """Ask for what was said in the shown range, newest first, at most `limit` of each machine."""
    fields = ", ".join(f'"{signal}"' for signal in signals)
    also = f" AND {where}" if where else ""
    return (
        f'SELECT {fields} FROM "record"."telemetry" WHERE {MACHINES} AND {_SHOWN}{also} '
        f'GROUP BY "machine" ORDER BY time DESC LIMIT {limit}'
    )


def count(signal: str, *, step: str = STEP, where: str = "", zone: str = "") -> str:
    """Ask how often a signal was said in each step."""
    also = f" AND {where}" if where else ""
    civil = f" tz({literal(zone)})" if zone else ""
    return (
        f'SELECT count("{signal}") AS "{signal}" FROM "record"."telemetry" '
        f"WHERE {MACHINES} AND {_SHOWN}{also} {_by(step, 'none')}{civil}"
    )


def arrivals() -> str:
    """Ask for the days of data that lie in the shown range: when the newest of each was written, in milliseconds."""
    return f'SELECT "at" / 1000000 AS "at" FROM "record"."arrival" WHERE {MACHINES} AND {_SHOWN} GROUP BY "machine"'


def holes() -> str:
    """Ask for what is known to be missing: each stands at its end."""
    return f'SELECT "hole" FROM "record"."telemetry" WHERE {MACHINES} AND {_SHOWN} GROUP BY "machine"'


def machines() -> str:
    """Ask for the machines that the store knows."""
    return 'SHOW TAG VALUES FROM "record"."telemetry" WITH KEY = "machine"'


def literal(text: str) -> str:
    """Quote a text for InfluxQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _by(step: str, fill: str) -> str:
    return f'GROUP BY time({step}), "machine" fill({fill})'
