"""One machine of a scenario: its states, counters and evidence, each with when it became known."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from api.billing.scenarios.prices import known
from api.usage.attribution import attribute
from api.usage.counters import (
    ENERGY_COUNTER,
    PIECE_COUNTER,
    Advance,
    Change,
    CounterRule,
    Reading,
    advances,
)
from api.usage.evidence import (
    BadEvidenceError,
    Badge,
    Booking,
    Cause,
    Correction,
    Evidence,
    Job,
    Maintenance,
    presences,
)
from api.usage.intervals import Counters, Known, tile
from api.usage.layers import Layers
from api.usage.metering import place
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, Meter
from shopfloor.periods import SECOND, Period, format_instant
from shopfloor.samples import Sample
from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from api.billing.scenarios.values import Node
    from api.usage.evidence import JobRules
    from api.usage.policy import Policy
    from api.usage.segments import Segment

STATES = {**{state.value: state for state in State}, "cutting": State.PROCESSING}
"""What a machine may do; `cutting` is another word for processing."""
_COUNTED = {"powered": 1000, "operating": 1000, "cutting": 1000, "energy": 1_000_000, "parts": 1, "cycles": 1}
"""The counters, and how many whole units are in what a scenario writes: seconds, kilowatt-hours, pieces."""
_METERS = {"energy": (Meter.ENERGY, ENERGY_COUNTER), "parts": (Meter.PARTS, PIECE_COUNTER),
           "cycles": (Meter.CYCLES, PIECE_COUNTER)}  # fmt: skip
_EVERY_DEFAULT = 10

T = TypeVar("T")


class Told(NamedTuple, Generic[T]):
    """Something, and when it became known; None for at once."""

    what: T
    arrives: int | None


@dataclass(slots=True)
class Machine:
    """What a scenario tells of one machine."""

    name: str
    called: str = ""
    states: list[Told[Stretch]] = field(default_factory=list)
    samples: list[Told[tuple[int, State]]] = field(default_factory=list)
    readings: dict[str, list[Told[Reading]]] = field(default_factory=dict)
    rollovers: dict[str, int] = field(default_factory=dict)
    energy_used: list[Told[Advance]] = field(default_factory=list)
    jobs: list[Told[Job]] = field(default_factory=list)
    badges: list[Told[Badge]] = field(default_factory=list)
    bookings: list[Told[Booking]] = field(default_factory=list)
    maintenance: list[Told[Maintenance]] = field(default_factory=list)
    corrections: list[Told[Correction]] = field(default_factory=list)

    def touched(self) -> list[int]:
        """Return instants that lie in every month in which something is told of the machine."""
        told = [each.what.period for each in self.states]
        spans = [bound for period in told for bound in (period.start, period.end - 1)]
        return [*spans, *(each.what[0] for each in self.samples)]

    def segments(self, period: Period, rules: JobRules, policy: Policy, at: int | None) -> list[Segment]:
        """Attribute the machine's time, as far as it was known at an instant.

        Args:
            period: what to tile; what nothing is told of is unknown.
            rules: which member a job means.
            policy: metering and attribution.
            at: None for everything that is ever known.

        Raises:
            BadEvidenceError: evidence contradicts itself.
        """
        evidence = Evidence(
            jobs=_known_at(self.jobs, at),
            badges=_known_at(self.badges, at),
            bookings=_known_at(self.bookings, at),
            maintenance=_known_at(self.maintenance, at),
            corrections=_known_at(self.corrections, at),
        )
        counted = {name: _known_at(rows, at) for name, rows in self.readings.items()}
        traces = [
            *(job.period for job in evidence.jobs),
            *(each.period for each in presences(evidence.badges, (), policy)),
        ]
        counters = Counters(*(counted.get(name, ()) for name in ("powered", "operating", "cutting", "parts")))
        stretches, samples = self._stretches(period, policy, at)
        intervals = tile(stretches, Known(samples, counters, traces), policy)
        segments = attribute(self.name, intervals, evidence, rules, policy)
        for name, (meter, rule) in _METERS.items():
            own = CounterRule(rule.step_back_max, rule.per_second_max, rule.tolerance, self.rollovers.get(name))
            segments = place(segments, meter, advances(counted.get(name, ()), own))
        return place(segments, Meter.ENERGY, sorted(set(_known_at(self.energy_used, at))))

    def _stretches(self, period: Period, policy: Policy, at: int | None) -> tuple[list[Stretch], list[Sample]]:
        """Lay what was told later over what was told before, and what nothing is told of under both."""
        told = sorted((each for each in self.states if _is_known(each, at)), key=_by_arrival)
        sampled = _between_samples(_known_at(self.samples, at), policy.silence_seconds_max * SECOND)
        layers = Layers([(each.period, each) for each in sampled] + [(each.what.period, each.what) for each in told])
        bounds = [period.start, *(bound for bound in layers.bounds if period.start < bound < period.end), period.end]
        stretches: list[Stretch] = []
        samples: list[Sample] = []
        for start, end in pairwise(bounds):
            top = layers.at(start)
            state = State.UNKNOWN if top is None else top.state
            if top is not None:
                samples.append(Sample(self.name, "state", max(start, top.period.start), state.value))
            if stretches and stretches[-1].state is state:
                start = stretches.pop().period.start  # noqa: PLW2901 - one stretch with the one before
            stretches.append(Stretch(Period(start, end), state))
        return stretches, samples


def _between_samples(samples: Iterable[tuple[int, State]], silence: int) -> Iterator[Stretch]:
    """Hold each sample until the next, unless that is longer in coming than silence may last: then it is a gap."""
    for (start, state), (end, _) in pairwise(sorted(set(samples))):
        if start < end:
            yield Stretch(Period(start, end), state if end - start <= silence else State.UNKNOWN)


def _is_known(told: Told[T], at: int | None) -> bool:
    return at is None or told.arrives is None or told.arrives <= at


def _known_at(told: Iterable[Told[T]], at: int | None) -> list[T]:
    return [each.what for each in told if _is_known(each, at)]


def _by_arrival(told: Told[Stretch]) -> tuple[bool, int, Period]:
    return told.arrives is not None, told.arrives or 0, told.what.period


def read_machine(node: Node, members: set[str]) -> Machine:
    """Read a machine.

    Args:
        node: its table.
        members: codes that evidence may name.

    Raises:
        BadScenarioError: naming the place.
    """
    node.table("name", "states", "samples", "counters", "rollover", "energy_used", "jobs", "badges", "bookings",
               "work_orders", "maintenance_alarms", "corrections", required=("id",))  # fmt: skip
    machine = Machine(node["id"].text(), node["name"].text() if "name" in node else "")
    machine.states = list(_told(node, "states", ("from", "to", "state"), _state))
    _refuse_contradictions(node, machine.states)
    for row in node.rows("samples"):
        machine.samples += _sampled(row)
    for name, rows in node["counters"].items() if "counters" in node else ():
        if name not in _COUNTED:
            raise rows.refuse(f"no counter is called {name!r}; there is {', '.join(_COUNTED)}")
        machine.readings[name] = [_reading(row, _COUNTED[name]) for row in rows.each()]
    for name, value in node["rollover"].items() if "rollover" in node else ():
        machine.rollovers[name] = value.whole(value.named(name).one_of(_COUNTED))
    machine.energy_used = list(_told(node, "energy_used", ("from", "to", "kwh"), _energy))
    machine.jobs = list(_told(node, "jobs", ("from", "to", "id"), lambda row: Job(row.period(), row["id"].text())))
    machine.bookings = list(
        _told(node, "bookings", ("from", "to", "member"),
              lambda row: Booking(row.period(), known(row["member"], members, "member")))
    )  # fmt: skip
    for row in node.rows("badges"):
        machine.badges += _badges(row, members)
    for key, cause in (("work_orders", Cause.WORK_ORDER), ("maintenance_alarms", Cause.ALARM)):
        spans = _told(node, key, ("from", "to"), lambda row: row.period())
        machine.maintenance += [Told(Maintenance(each.what, cause), each.arrives) for each in spans]
    machine.corrections = [_correction(row, members) for row in node.rows("corrections")]
    _check(node, machine)
    return machine


def _check(node: Node, machine: Machine) -> None:
    try:
        Evidence(
            badges=_known_at(machine.badges, None),
            bookings=_known_at(machine.bookings, None),
            corrections=_known_at(machine.corrections, None),
        ).check(machine.name)
    except BadEvidenceError as error:
        raise node.refuse(str(error)) from error


def _told(node: Node, key: str, names: tuple[str, ...], read: Callable[[Node], T]) -> Iterator[Told[T]]:
    for row in node.rows(key):
        table = row.as_table(*names)
        yield Told(read(table), _arrives(table))


def _arrives(row: Node) -> int | None:
    return row["arrives"].instant() if "arrives" in row else None


def _state(row: Node) -> Stretch:
    return Stretch(row.period(), row["state"].one_of(STATES))


def _refuse_contradictions(node: Node, states: Sequence[Told[Stretch]]) -> None:
    """Refuse two states at one time; only what arrives later may say otherwise."""
    ordered = sorted(states, key=lambda told: (told.arrives or 0, told.what.period))
    reach: Told[Stretch] | None = None
    for told in ordered:
        if reach is not None and reach.arrives == told.arrives and reach.what.period.overlaps(told.what.period):
            if reach.what.state is not told.what.state:
                raise node["states"].refuse(
                    f"{reach.what.state} until {format_instant(reach.what.period.end)} and {told.what.state} from "
                    f"{format_instant(told.what.period.start)} overlap: a machine has one state at a time; give what "
                    "became known later an `arrives`"
                )
            if reach.what.period.end > told.what.period.end:
                continue
        reach = told


def _sampled(row: Node) -> Iterator[Told[tuple[int, State]]]:
    """Read one sample, or a run of equal ones that arrive every few seconds."""
    if isinstance(row.value, list) or "at" in row:
        table = row.as_table("at", "state")
        yield Told((table["at"].instant(), table["state"].one_of(STATES)), _arrives(table))
        return
    table = row.table("every", "arrives", required=("from", "to", "state"))
    period, state = table.period(), table["state"].one_of(STATES)
    every = table["every"].whole() if "every" in table else _EVERY_DEFAULT
    if every < 1:
        raise table["every"].refuse("is one second or more")
    for stamp in (*range(period.start, period.end, every * SECOND), period.end):
        yield Told((stamp, state), _arrives(table))


def _reading(row: Node, scale: int) -> Told[Reading]:
    table = row.as_table("at", "value")
    return Told(Reading(table["at"].instant(), table["value"].whole(scale)), _arrives(table))


def _energy(row: Node) -> Advance:
    amount = row["kwh"].whole(_COUNTED["energy"])
    return Advance(row.period(), amount, Change.MEASURED, amount)


def _badges(row: Node, members: set[str]) -> Iterator[Told[Badge]]:
    """Read a badge in, a badge out, or both in one row; `maintenance` is the consortium's own."""
    is_span = "from" in row or (
        isinstance(row.value, list) and len(row.value) > 1 and not isinstance(row.value[1], str)
    )
    names = {**{member: member for member in members}, "maintenance": CONSORTIUM}
    if is_span:
        table = row.as_table("from", "to", "member")
        period, member = table.period(), table["member"].one_of(names)
        yield Told(Badge(period.start, member), _arrives(table))
        yield Told(Badge(period.end, member, is_out=True), _arrives(table))
        return
    table = row.as_table("at", "member", "event", optional=("event",))
    is_out = table["event"].one_of({"in": False, "out": True}) if "event" in table else False
    yield Told(Badge(table["at"].instant(), table["member"].one_of(names), is_out), _arrives(table))


def _correction(row: Node, members: set[str]) -> Told[Correction]:
    row.table("payer", "state", "approved_by", "approved_at", "arrives",
              required=("from", "to", "reason", "requested_by"))  # fmt: skip
    payers = {**{member: member for member in members}, "consortium": CONSORTIUM, "nobody": UNATTRIBUTED}
    approved = row["approved_by"].text() if "approved_by" in row else None
    at = row["approved_at"].instant() if "approved_at" in row else None
    correction = Correction(
        period=row.period(),
        payer=row["payer"].one_of(payers) if "payer" in row else None,
        state=row["state"].one_of(STATES) if "state" in row else None,
        reason=row["reason"].text(),
        requested_by=row["requested_by"].text(),
        approved_by=approved,
        at=at or 0,
    )
    return Told(correction, at if at is not None else _arrives(row))
