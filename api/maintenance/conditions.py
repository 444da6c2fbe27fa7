"""What the control itself says is wrong, and which of it concerns maintenance. Pure.

An agent tells everything that is active as one set (`alarms`), and everything that the control expects (`prognoses`):
what the next set lacks is over. A recording of an MTConnect adapter tells each condition by itself, with that
standard's semantics (Part 2): `normal` without a code clears every code of the item, with a code that one; several
codes are active at once; a fault may be said again and again; `unavailable` ends knowledge, not the alarm. The class
map decides by maker, item, code and text together, because makers use numbers again and change texts. What it does not
know is counted and listed, and wakes nobody.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.judging import NEVER, Evaluator, Facts, Judgement, Verdict
from api.maintenance.rules import SEVERITIES, RuleError, read_table
from shopfloor.entries import Alarm, Prognosis, decode_all
from shopfloor.periods import DAY, InvalidInstantError, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.maintenance.rules import Rule, Severity
    from shopfloor.samples import Sample, Value

CONDITION = "condition"
"""Signal of a control's condition: its text value is a `Condition` as JSON."""
ALARM = "alarm"
"""Signal of the first active alarm as `code text`, for controls that say no more; judged until they do."""
ALARMS = "alarms"
"""Signal of all active alarms, as `shopfloor.entries.Alarm`."""
PROGNOSES = "prognoses"
"""Signal of what the control expects, as `shopfloor.entries.Prognosis`; its kind is the code of the class map."""
LEVELS = ("normal", "warning", "fault", "unavailable")
PROGNOSIS = "prognosis"
"""Item of what the control expects."""
PROGNOSIS_LEAD = 14 * DAY
"""So long before it is said, in nanoseconds."""
CODES_MAX = 500
"""Most active codes, and most unknown codes that are counted, of one machine."""


class Condition(NamedTuple):
    """One thing that a control said.

    Attributes:
        item: the data item or alarm source.
        level: one of `LEVELS`.
        code: the maker's own number.
        text: the maker's own words.
        severity: the maker's own severity, or OPC UA's from 1 to 1000.
        kind: condition class of OPC 10000-9, such as `MaintenanceConditionClassType`.
        predicted: when the control expects it, RFC 3339, for a prognosis: its statement, not ours.
    """

    item: str
    level: str
    code: str = ""
    text: str = ""
    severity: str = ""
    kind: str = ""
    predicted: str = ""

    def encode(self) -> str:
        """Write it as the text value of a `condition` sample."""
        return json.dumps(self._asdict())

    @classmethod
    def decode(cls, text: str) -> Condition:
        """Read the text value of a `condition` sample.

        Raises:
            ValueError: when the text is no condition.
        """
        try:
            found = cls(**{key: str(value) for key, value in json.loads(text).items()})
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{text[:80]!r} is no condition: {error}") from error
        if found.level not in LEVELS:
            raise ValueError(f"{text[:80]!r} is no condition: the level is one of {', '.join(LEVELS)}")
        return found


@dataclass(frozen=True, slots=True)
class Class:
    """What kind of thing some conditions are.

    Attributes:
        name: one word, for example `tool_changer`; `operator` is for the person at the machine and wakes nobody.
        makers: patterns, of which one must match; so for `items`, `codes`, `texts` and `kinds`. Case does not matter.
        items: the data item or source; `prognosis` for what the control expects.
        codes: the maker's number, or the kind of a prognosis.
        texts: the maker's words.
        kinds: condition class of OPC 10000-9.
        severity: of the alarm.
        on_delay_seconds: how long a warning must last; what the operator tops up in time wakes nobody.
        fault_delay_seconds: how long a fault must last.
        advice: what to do.
        source: whose word it is.
    """

    name: str
    source: str
    makers: tuple[str, ...] = ("*",)
    items: tuple[str, ...] = ("*",)
    codes: tuple[str, ...] = ("*",)
    texts: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    severity: Severity = "medium"
    on_delay_seconds: float = 10.0
    fault_delay_seconds: float = 0.0
    advice: str = ""

    def covers(self, maker: str, condition: Condition) -> bool:
        """Tell whether a condition is of this class."""
        return all(
            any(fnmatchcase(value.strip().casefold(), pattern.casefold()) for pattern in patterns)
            for value, patterns in (
                (maker, self.makers),
                (condition.item, self.items),
                (condition.code, self.codes),
                (condition.text, self.texts),
                (condition.kind, self.kinds),
            )
        )


OPERATOR = "operator"
"""Class of what the person at the machine deals with."""


class ClassMap:
    """Classes in order; the first that covers a condition is its class.

    Args:
        classes: in order.
        maker: of the machine's control.
    """

    def __init__(self, classes: Sequence[Class], maker: str) -> None:
        self._classes = classes
        self._maker = maker
        self._known: dict[tuple[str, ...], Class | None] = {}

    def find(self, condition: Condition) -> Class | None:
        """Return a condition's class, None when the map does not know it."""
        key = (condition.item, condition.code, condition.text, condition.kind)
        if key not in self._known:
            if len(self._known) >= CODES_MAX:
                self._known.clear()
            self._known[key] = next((each for each in self._classes if each.covers(self._maker, condition)), None)
        return self._known[key]


def parse_classes(text: str, *, origin: str) -> tuple[Class, ...]:
    """Read a class map: TOML, `version = 1`, then `[[class]]` tables with the attributes of `Class`.

    Raises:
        RuleError: naming the file, the class and the key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{origin} is no TOML: {error}") from error
    found: list[Class] = []
    for number, table in enumerate(document.get("class", []), 1):
        where = f"{origin}: class {number}"
        each: Class = read_table(Class, table, where)
        if each.severity not in SEVERITIES or not each.source:
            raise RuleError(f"{where} needs a source, and a severity of {', '.join(SEVERITIES)}")
        found.append(each)
    return tuple(found)


class ConditionsEvaluator(Evaluator):
    """Passes the control's conditions on by their class, one subject for each item, code and text.

    Attributes:
        active: the fields of each active condition by subject, as last said.
        unknown: how often a condition came that the map does not know, by subject.
        speaks: which of the signals the control has spoken by; the fuller one is heard.
    """

    KEPT = ("active", "unknown", "speaks", "ahead")

    def __init__(self, rule: Rule, classes: ClassMap) -> None:
        super().__init__(rule, "", (CONDITION, ALARM, ALARMS, PROGNOSES))
        self.classes = classes
        self.active: dict[str, list[str]] = {}
        self.unknown: dict[str, int] = {}
        self.speaks: list[str] = []
        self.ahead: list[list[str]] = []  # what the control expects, but not soon: the fields of each condition

    def take(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """Take what the control said."""
        if sample.signal not in self.speaks and sample.signal in self.signals:
            self.speaks.append(sample.signal)
        try:
            if sample.signal == CONDITION:
                return self._hear(sample.stamp, Condition.decode(str(sample.value)))
            if sample.signal == PROGNOSES:
                return self._set(sample, _prognosis)
            if sample.signal == ALARMS:
                return self._set(sample, _alarm)
        except ValueError:  # nothing that can be read: nothing new is known
            return ()
        is_all = sample.signal == ALARM and CONDITION not in self.speaks and ALARMS not in self.speaks
        return self._newest(sample, facts) if is_all else ()

    def expire(self, stamp: int, facts: Facts) -> Sequence[Judgement]:  # noqa: ARG002 - the base asks
        """Say what the control expects when it comes near."""
        return self._expect(stamp, [Condition(*each) for each in self.ahead])

    def _hear(self, stamp: int, condition: Condition) -> Sequence[Judgement]:
        if condition.level in {"warning", "fault"}:
            return self._raise(stamp, condition)
        of_item = [subject for subject, (item, *_) in self.active.items() if item == condition.item]
        if condition.level == "unavailable":
            return [each for subject in of_item for each in self._say(stamp, subject, Verdict.UNKNOWN)]
        return self._clear(
            stamp, [each for each in of_item if not condition.code or self.active[each][2] == condition.code]
        )

    def _set(self, sample: Sample, read: Callable[[str], tuple[list[Condition], int]]) -> Sequence[Judgement]:
        """Take everything that is there of one kind: what was there before and is not any more is over."""
        is_expected = sample.signal == PROGNOSES
        before = [each for each, (item, *_) in self.active.items() if (item == PROGNOSIS) is is_expected]
        if sample.value is None or sample.status:
            return [each for subject in before for each in self._say(sample.stamp, subject, Verdict.UNKNOWN)]
        told, left_out = read(str(sample.value))
        subjects = {_subject(each) for each in told}
        found = [*self._clear(sample.stamp, [each for each in before if each not in subjects and not left_out])]
        if is_expected:
            return [*found, *self._expect(sample.stamp, told)]
        for each in told:
            found += self._raise(sample.stamp, each)
        return found

    def _expect(self, stamp: int, told: Sequence[Condition]) -> Sequence[Judgement]:
        """Say what is expected soon, and wait for the rest."""
        found: list[Judgement] = []
        self.ahead, self.deadline = [], NEVER
        for each in told:
            near = _predicted(each) - PROGNOSIS_LEAD
            if near <= stamp:
                found += self._raise(stamp, each)
            else:
                self.ahead.append(list(each))
                self.deadline = min(self.deadline, near)
        return found

    def _newest(self, sample: Sample, facts: Facts) -> Sequence[Judgement]:
        """The first alarm alone is told: what was told before is over."""
        if sample.value is None or sample.status:
            return [each for subject in self.active for each in self._say(sample.stamp, subject, Verdict.UNKNOWN)]
        code, _, text = str(sample.value).partition(" ")
        level = "fault" if facts.values.get("alarm_blocking") is True else "warning"
        condition = Condition(ALARM, level, code, text.strip())
        subject = _subject(condition)
        others = [each for each, (item, *_) in self.active.items() if each != subject and item == ALARM]
        found = self._clear(sample.stamp, others)
        return [*found, *self._raise(sample.stamp, condition)] if code else found

    def _clear(self, stamp: int, subjects: Sequence[str]) -> Sequence[Judgement]:
        found = [each for subject in subjects for each in self._say(stamp, subject, Verdict.NORMAL)]
        for subject in subjects:
            del self.active[subject]
        return found

    def _raise(self, stamp: int, condition: Condition) -> Sequence[Judgement]:
        subject = _subject(condition)
        if subject not in self.active:
            if len(self.active) >= CODES_MAX:
                return ()
            if self.classes.find(condition) is None and (subject in self.unknown or len(self.unknown) < CODES_MAX):
                self.unknown[subject] = self.unknown.get(subject, 0) + 1
        self.active[subject] = list(condition)
        return self._say(stamp, subject, Verdict.ACTIVE)

    def _say(self, stamp: int, subject: str, verdict: Verdict) -> Sequence[Judgement]:
        condition = Condition(*self.active[subject])
        known = self.classes.find(condition)
        if known is None or known.name == OPERATOR:
            return ()
        evidence: dict[str, Value] = {
            "item": condition.item, "code": condition.code, "text": condition.text.strip(), "level": condition.level,
            "class": known.name, "advice": known.advice, "source": known.source,
        }  # fmt: skip
        if condition.predicted:
            evidence["predicted"] = condition.predicted
        delay = known.fault_delay_seconds if condition.level == "fault" else known.on_delay_seconds
        return (Judgement(stamp, self.rule.id, subject, verdict, evidence, known.severity, delay),)


def _alarm(text: str) -> tuple[list[Condition], int]:
    """Read the active alarms, and how many were left out."""
    alarms, more = decode_all(Alarm, text)
    return [
        Condition(each.source or each.id, "fault" if each.blocking else "warning", each.code, each.text,
                  str(each.severity or ""), each.kind)
        for each in alarms
    ], more  # fmt: skip


def _prognosis(text: str) -> tuple[list[Condition], int]:
    """Read what the control expects, and how much was left out."""
    expected, more = decode_all(Prognosis, text)
    return [
        Condition(
            PROGNOSIS, "warning", each.kind, ", ".join(each.details.values()) or each.kind, "", "", each.predicted
        )
        for each in expected
    ], more


def _predicted(condition: Condition) -> int:
    """Return when the control expects something; at once where it does not say, or not so that it can be read."""
    try:
        return parse_instant(condition.predicted)
    except InvalidInstantError:
        return 0


def _subject(condition: Condition) -> str:
    return f"{condition.item}|{condition.code}|{condition.text.strip()}"
