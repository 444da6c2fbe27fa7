"""Rules as data: what is watched, when, against which limit, whose word the limit is. Pure.

A file of rules is TOML: `version`, then `[[rule]]` tables. A rule names exactly one way of judging as a table of its
own (`[rule.limit]`, `[rule.baseline]`, …) whose keys are the attributes of the class of that name here.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from shopfloor.errors import ExpectedError
from shopfloor.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shopfloor.samples import Value

Severity: TypeAlias = Literal["information", "low", "medium", "high"]
"""`information` is kept and listed, never sent. The others follow the three priorities of EEMUA 191."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the most."""

ISO_20816_3: Mapping[tuple[int, str], tuple[float, float, float]] = MappingProxyType(
    {
        (1, "rigid"): (2.3, 4.5, 7.1),
        (1, "flexible"): (3.5, 7.1, 11.0),
        (2, "rigid"): (1.4, 2.8, 4.5),
        (2, "flexible"): (2.3, 4.5, 7.1),
    },
)
"""Zone boundaries A/B, B/C, C/D in mm/s rms by machine group and support, as ISO 10816-3:2009 has them and ISO
20816-3:2022 carries them on. They hold for bearing housings above 15 kW, not for machine-tool spindles; an owner who
has bought the standard enters its values with `boundaries`."""


class RuleError(ExpectedError):
    """A file of rules cannot be used; the sentence names the file, the rule and the key."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A measured condition without which a rule does not judge.

    Attributes:
        signal: what is measured.
        above: it must be greater than this.
        below: it must be less than this.
        one_of: it must be one of these.
        none_of: it must be none of these.
        required: False admits a machine that never told the signal.
    """

    signal: str
    above: float | None = None
    below: float | None = None
    one_of: tuple[Value, ...] = ()
    none_of: tuple[Value, ...] = ()
    required: bool = True

    def admits(self, value: Value | None) -> bool:
        """Tell whether the gate is open for the last value told, None when there is none."""
        if value is None:
            return not self.required
        if self.above is not None and not (isinstance(value, int | float) and value > self.above):
            return False
        if self.below is not None and not (isinstance(value, int | float) and value < self.below):
            return False
        return (not self.one_of or value in self.one_of) and value not in self.none_of


@dataclass(frozen=True, slots=True)
class Limit:
    """A value beyond a limit; it is back only when it is `deadband` inside of it.

    Attributes:
        high: upper limit, None for none.
        low: lower limit, None for none.
        deadband: hysteresis.
        subject_signal: tells which thing the value is about, for example the tool; each has an alarm of its own.
    """

    high: float | None = None
    low: float | None = None
    deadband: float = 0.0
    subject_signal: str = ""


@dataclass(frozen=True, slots=True)
class Zones:
    """Vibration severity: zone C (not for long-term operation) and zone D (damage) are told apart.

    Attributes:
        group: machine group 1 (above 300 kW) or 2 (15 to 300 kW).
        support: `rigid` or `flexible`.
        boundaries: the owner's own A/B, B/C, C/D in mm/s rms, in place of the table's.
        deadband: hysteresis.
    """

    group: int = 2
    support: str = "rigid"
    boundaries: tuple[float, ...] = ()
    deadband: float = 0.2

    @property
    def limits(self) -> tuple[float, float]:
        """The boundaries B/C and C/D."""
        _, b_c, c_d = self.boundaries or ISO_20816_3[self.group, self.support]
        return b_c, c_d


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean change over a span that is faster than allowed.

    Attributes:
        span_seconds: over how long; less is not judged.
        rise: most per hour upwards, None for any.
        fall: most per hour downwards, a positive number, None for any.
    """

    span_seconds: float = 1800.0
    rise: float | None = None
    fall: float | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """Far from what is usual in the same operating state: median and MAD of the weeks before.

    Attributes:
        limit: distance from the median, in standard deviations estimated as 1.4826 MAD.
        direction: `high`, `low` or `both`.
        window_days: how far back is usual.
        learn_days: how long a state must be known before it is judged; a new level is learnt as usual when it has
            lasted as long, a week at least.
        learn_steps: and how many steps it must have been met in.
        reference_days: a state's first days are the reference and stand until the alarm is closed by a person or work
            on this rule is entered; 0 for a level that moves with the window.
        step_seconds: samples are averaged over steps.
        smooth_steps: the median of the distances of so many steps is judged.
        floor_percent: the deviation is never taken for less than this share of the median.
        floor: nor for less than this, in the signal's unit.
        apart: each state is judged for itself and the worst counts, not the mean of all; for tools.
        bands: operating states are told apart by these signals, in bands of this width; width 0 takes the value itself.
    """

    limit: float = 5.0
    direction: str = "both"
    window_days: float = 42.0
    learn_days: float = 10.0
    learn_steps: int = 50
    reference_days: float = 0.0
    step_seconds: float = 300.0
    smooth_steps: int = 6
    floor_percent: float = 2.0
    floor: float = 0.0
    apart: bool = False
    bands: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through the last days' medians that meets a limit soon.

    Attributes:
        limit: what it must not reach.
        falling: True when the limit lies below.
        lead_days: how long before it is said.
        points: days that the line is drawn through, the least is half of it.
        coverage: share of the block-bootstrap interval; no estimate is given when measured coverage is less.
    """

    limit: float = 0.0
    falling: bool = False
    lead_days: float = 7.0
    points: int = 20
    coverage: float = 0.8


@dataclass(frozen=True, slots=True)
class Service:
    """Work that is due by a counter, by the calendar, or by whichever comes first.

    Attributes:
        counters: the first of these that the machine tells is the meter.
        interval: in the unit of the counter; 0 for the calendar alone.
        interval_days: by the calendar; 0 for the counter alone.
        lead_days: how long before the due date it is said.
        recent_days: use of the last days that the forecast rests on.
        step_back: a counter that falls by no more is out of order, not replaced.
    """

    counters: tuple[str, ...] = ()
    interval: float = 0.0
    interval_days: float = 0.0
    lead_days: float = 14.0
    recent_days: float = 28.0
    step_back: float = 60.0


@dataclass(frozen=True, slots=True)
class Frozen:
    """A gauge that always moved and does not move any more: old values under fresh stamps, or none at all.

    Attributes:
        still_seconds: open time of the gates without any change.
        changes: how many changes make a gauge one that moves.
    """

    still_seconds: float = 7200.0
    changes: int = 100


@dataclass(frozen=True, slots=True)
class Conditions:
    """The control's own alarms and prognoses, through the class map."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No proof of watching comes any more, neither `observed` nor `unreachable`.

    Attributes:
        seconds: since the last.
        of: `machine` or `edge`; the edge is its machines' parent and has to be given the shorter time.
    """

    seconds: float = 900.0
    of: str = "machine"


@dataclass(frozen=True, slots=True)
class Lives:
    """Tools (signal `tools`) or parts of the machine (`lifetimes`) that are used up by the control's own counters.

    Attributes:
        least_percent: so much left, or less, is said.
        warns: the control's own warning mark is said, too.
    """

    least_percent: float = 0.0
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """The person at the machine wants somebody there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found of an edge agent by what it says of itself.

    Attributes:
        of: `certificate`, one that ends soon; `identity`, two agents of one name; `clock`, its own clock was stepped.
    """

    of: str


How: TypeAlias = (
    "Limit | Zones | Rate | Baseline | Trend | Service | Frozen | Conditions | Silence | Lives | Call | Finding"
)
KINDS: Mapping[str, type[How]] = MappingProxyType(
    {each.__name__.lower(): each
     for each in (Limit, Zones, Rate, Baseline, Trend, Service, Frozen, Conditions, Silence, Lives, Call,
                  Finding)},
)  # fmt: skip
"""Ways of judging by the name of their table."""
_POSITIVE = {"window_days", "learn_days", "learn_steps", "step_seconds", "smooth_steps", "span_seconds", "points",
             "still_seconds", "seconds", "recent_days"}  # fmt: skip
_MOST = {"_seconds": 315_360_000.0, "_days": 3_650.0, "points": 365.0, "_steps": 10_000.0}
"""Most of what is named so: ten years, and what a fold can keep."""
_WITHOUT_SIGNAL = (Service, Conditions, Silence, Call, Finding)
_FINDINGS = {"certificate", "identity", "clock"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: its name, for good.
        how: the way of judging, with its numbers.
        title: what it says, in words.
        source: whose word the limit is: a standard and its table, a maker's manual, a measurement.
        version: raised with every change.
        signal: what it judges; `*` stands for any characters.
        unit: UCUM symbol of the limit.
        severity: see `Severity`.
        advice: what to do about it.
        title_it: the title in Italian, empty for the English one.
        advice_it: the advice in Italian, empty for the English one.
        kinds: kinds of machine it is for; empty for all.
        when: measured conditions without which it does not judge.
        settle_seconds: how long the gates must have been open.
        missing: values that stand for no value.
        on_delay_seconds: measured time before the alarm comes (OPC 10000-9, OnDelay).
        off_delay_seconds: measured time before it goes (OffDelay).
        hold_seconds: how long a value holds when no proof of watching says so.
        quiet_days: how long without a return until it is closed; a return before is the same alarm.
        enabled: False judges nothing; for rules that an owner switches on with own values.
    """

    id: str
    how: How
    title: str
    source: str
    version: int = 1
    signal: str = ""
    unit: str = ""
    severity: Severity = "medium"
    advice: str = ""
    title_it: str = ""
    advice_it: str = ""
    kinds: tuple[str, ...] = ()
    when: tuple[Gate, ...] = ()
    settle_seconds: float = 0.0
    missing: tuple[Value, ...] = ()
    on_delay_seconds: float = 0.0
    off_delay_seconds: float = 0.0
    hold_seconds: float = 900.0
    quiet_days: float = 7.0
    enabled: bool = True

    def judges(self, signal: str) -> bool:
        """Tell whether a signal is one that the rule is about."""
        return signal == self.signal or ("*" in self.signal and fnmatchcase(signal, self.signal))


def parse_rules(text: str, *, origin: str, base: Iterable[Rule] = ()) -> tuple[Rule, ...]:
    """Read a file of rules.

    A rule whose id is in `base` changes that rule: keys that it does not name stay.

    Args:
        text: TOML.
        origin: what the file is called, for the error's sentence.
        base: rules that the file builds on; those that it does not name stay as they are.

    Raises:
        RuleError: naming file, rule and key, and what is allowed.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{origin} is no TOML: {error}") from error
    if document.get("version") != 1:
        raise RuleError(f"{origin} must begin with version = 1, the form of the file")
    found = {rule.id: rule for rule in base}
    seen: set[str] = set()
    tables = document.get("rule", [])
    if not isinstance(tables, list):
        raise RuleError(f"{origin}: write each rule as [[rule]]")
    for number, table in enumerate(tables, 1):
        name = table.get("id") if isinstance(table, dict) else None
        if not isinstance(name, str) or not name:
            raise RuleError(f"{origin}: rule {number} has no id")
        if name in seen:
            raise RuleError(f"{origin}: two rules are called {name}")
        seen.add(name)
        found[name] = _rule(dict(table), f"{origin}: rule {name}", found.get(name))
    return tuple(found.values())


def override(rule: Rule, table: Mapping[str, Any], *, origin: str) -> Rule:
    """Return a rule with an owner's changes: keys that the table does not name stay.

    Args:
        rule: as it was.
        table: as a `[[rule]]` of a file.
        origin: where the table is from, for the error's sentence.

    Raises:
        RuleError: naming the rule and the key, and what is allowed.
    """
    try:
        return _rule(json.loads(json.dumps(dict(table))), f"{origin}: rule {rule.id}", rule)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise RuleError(f"{origin}: rule {rule.id}: it cannot be read: {error}") from error


def for_kind(rules: Sequence[Rule], kind: str) -> tuple[Rule, ...]:
    """Return the enabled rules of a kind of machine; an empty kind takes those that are for all."""
    return tuple(
        rule for rule in rules if rule.enabled and not _is_of_edge(rule) and (not rule.kinds or kind in rule.kinds)
    )


def for_edge(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the enabled rules of an edge agent, whose fold is given the proofs of its machines and what is found."""
    return tuple(rule for rule in rules if rule.enabled and _is_of_edge(rule))


def begins_anew(rule: Rule) -> bool:
    """Tell whether work that is done begins a rule anew: a service's counter, or what a reference is learnt from."""
    return isinstance(rule.how, Service) or (isinstance(rule.how, Baseline) and rule.how.reference_days > 0)


def _is_of_edge(rule: Rule) -> bool:
    return isinstance(rule.how, Finding) or (isinstance(rule.how, Silence) and rule.how.of == "edge")


def _rule(table: dict[str, Any], where: str, before: Rule | None) -> Rule:
    named = [kind for kind in KINDS if kind in table]
    if len(named) > 1 or (not named and before is None):
        raise RuleError(f"{where} must have one of the tables {', '.join(KINDS)}, and has {', '.join(named) or 'none'}")
    how: How | None = before.how if before else None
    if named:
        kind = KINDS[named[0]]
        same = how if isinstance(how, kind) else None
        how = read_table(kind, table.pop(named[0]), f"{where}, {named[0]}", same)
    if "when" in table:
        gates = table["when"]
        if not isinstance(gates, list):
            raise RuleError(f"{where}: when is a list of tables like {{ signal = 'spindle_speed', above = 100.0 }}")
        table["when"] = tuple(read_table(Gate, gate, f"{where}, when", None) for gate in gates)
    rule: Rule = read_table(Rule, {**table, "how": how}, where, before)
    _check(rule, where)
    return rule


def read_table(kind: type[Any], table: Any, where: str, before: Any = None) -> Any:
    """Make a dataclass of a TOML table whose keys are its attributes.

    Args:
        kind: the dataclass.
        table: what was read.
        where: file and place, for the error's sentence.
        before: attributes that the table does not name are taken from here.

    Raises:
        RuleError: naming the key, and what is allowed.
    """
    if not isinstance(table, dict):
        raise RuleError(f"{where} must be a table")
    known = {each.name: each for each in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise RuleError(f"{where}: there is no {key!r}; known are {', '.join(known)}")
        table[key] = _value(value, str(known[key].type), f"{where}, {key}")
    if before is not None:
        return replace(before, **table)
    wanted = [each.name for each in known.values() if each.default is MISSING and each.default_factory is MISSING]
    if missing := [name for name in wanted if name not in table]:
        raise RuleError(f"{where} lacks {', '.join(missing)}")
    return kind(**table)


_TYPES: Mapping[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "str": (str,), "bool": (bool,),
                                          "Severity": (str,), "tuple": (list, tuple), "Mapping": (dict,)}  # fmt: skip


def _value(value: Any, annotation: str, where: str) -> Any:
    """Check a value by the annotation of its attribute."""
    wanted: Any = _TYPES.get(annotation.partition("[")[0].partition(" ")[0])
    if wanted is None:
        return value
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise RuleError(f"{where} must be {'a list' if list in wanted else wanted[-1].__name__}, not {value!r}")
    if float in wanted:
        number: float = value
        if not abs(number) < float("inf"):
            raise RuleError(f"{where} must be a finite number, not {value!r}")
        return float(number)
    return tuple(value) if isinstance(value, list) else value


def _check(rule: Rule, where: str) -> None:
    if rule.severity not in SEVERITIES:
        raise RuleError(f"{where}: severity is one of {', '.join(SEVERITIES)}, not {rule.severity!r}")
    if not rule.source.strip():
        raise RuleError(f"{where}: source is empty; say whose word the limit is")
    if not rule.signal and not isinstance(rule.how, _WITHOUT_SIGNAL):
        raise RuleError(f"{where} names no signal")
    if isinstance(rule.how, Lives) and rule.signal not in {"tools", "lifetimes"}:
        raise RuleError(f"{where}, lives: the signal is tools or lifetimes")
    signal = SIGNALS.get(rule.signal)
    if signal is not None and rule.unit != signal.unit:
        raise RuleError(f"{where}: {rule.signal} is in {signal.unit!r}, the rule's unit is {rule.unit!r}")
    if isinstance(rule.how, Limit) and rule.how.high is None and rule.how.low is None:
        raise RuleError(f"{where}, limit: give high, low or both")
    if isinstance(rule.how, Rate) and rule.how.rise is None and rule.how.fall is None:
        raise RuleError(f"{where}, rate: give rise, fall or both")
    if isinstance(rule.how, Zones):
        _check_zones(rule.how, where)
    if isinstance(rule.how, Baseline) and (rule.how.direction not in {"high", "low", "both"} or rule.how.limit <= 0):
        raise RuleError(f"{where}, baseline: direction is high, low or both, and limit greater than 0")
    _check_spans(rule, where)
    _check_bounds(rule, where)


def _check_bounds(rule: Rule, where: str) -> None:
    """Refuse numbers that no clock can count, and bands that are none."""
    for owner in (rule, rule.how):
        for each in fields(owner):
            most = next((most for end, most in _MOST.items() if each.name.endswith(end)), None)
            value = getattr(owner, each.name)
            if most is not None and isinstance(value, int | float) and value > most:
                raise RuleError(f"{where}: {each.name} is at most {most:g}")
    bands: Mapping[Any, Any] = rule.how.bands if isinstance(rule.how, Baseline) else {}
    if not all(isinstance(width, int | float) and 0 <= width < float("inf") for width in bands.values()):
        raise RuleError(f"{where}, baseline: the width of a band is a number, 0 for the value itself")
    names: tuple[Any, ...] = (
        *(rule.how.counters if isinstance(rule.how, Service) else ()),
        *bands,
        *(g.signal for g in rule.when),
    )
    if not all(isinstance(name, str) and name for name in names):
        raise RuleError(f"{where}: a signal is named by its name")


def _check_zones(how: Zones, where: str) -> None:
    if how.boundaries:
        if not all(isinstance(each, int | float) for each in how.boundaries):
            raise RuleError(f"{where}, zones: boundaries are three rising numbers, A/B, B/C and C/D")
        is_rising = list(how.boundaries) == sorted(set(how.boundaries))
        if len(how.boundaries) != 3 or not is_rising:  # noqa: PLR2004 - A/B, B/C, C/D
            raise RuleError(f"{where}, zones: boundaries are three rising numbers, A/B, B/C and C/D")
    elif (how.group, how.support) not in ISO_20816_3:
        raise RuleError(f"{where}, zones: group is 1 or 2 and support rigid or flexible")


def _check_spans(rule: Rule, where: str) -> None:
    for name in ("settle_seconds", "on_delay_seconds", "off_delay_seconds", "hold_seconds", "quiet_days"):
        if getattr(rule, name) < 0:
            raise RuleError(f"{where}: {name} is less than 0")
    for each in fields(rule.how):
        value = getattr(rule.how, each.name)
        if each.name in _POSITIVE and value <= 0:
            raise RuleError(f"{where}: {each.name} must be greater than 0")
    how = rule.how
    if isinstance(how, Service):
        if (how.interval > 0) != bool(how.counters) or (how.interval <= 0 and how.interval_days <= 0):
            raise RuleError(f"{where}, service: give interval with counters, interval_days, or both")
    elif isinstance(how, Silence) and how.of not in {"machine", "edge"}:
        raise RuleError(f"{where}, silence: of is machine or edge")
    elif isinstance(how, Finding) and how.of not in _FINDINGS:
        raise RuleError(f"{where}, finding: of is one of {', '.join(sorted(_FINDINGS))}")
