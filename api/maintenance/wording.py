"""What a message says: what, since when, on what evidence, by which rule, and what to do. English or Italian. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.rules import (
    Baseline,
    Call,
    Conditions,
    Finding,
    Frozen,
    Limit,
    Lives,
    Rate,
    Service,
    Silence,
    Trend,
    Zones,
)
from shopfloor.periods import DAY, HOUR, SECOND, to_datetime
from shopfloor.signals import UnknownSignalError, find

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from api.maintenance.alarms import Change
    from api.maintenance.notifications import Message
    from api.maintenance.rules import Rule
    from shopfloor.samples import Value

LANGUAGES = ("en", "it")
OTHERS_MAX = 20
"""Most further alarms that a message lists: it is read on a phone."""
_NOT_EVIDENCE = {"advice", "source", "unit", "item", "code", "text", "class"}
_ITALIAN = {
    "More: ": "Altro: ", "Still: ": "Ancora: ", "Nobody has answered: ": "Nessuno ha risposto: ",
    "Since": "Dal", "Measured": "Misurato", "Rule": "Regola", "version": "versione",
    "Source of the limit": "Fonte del limite", "What to do": "Che cosa fare", "With it": "Insieme",
    "and {} more": "e altri {}", "I take it": "Me ne occupo io", "Not now": "Non ora", "Details": "Dettagli",
    "days": "giorni", "value": "valore", "limit": "limite", "usual": "solito", "deviation": "scarto", "used": "usato",
    "interval": "intervallo", "interval days": "intervallo in giorni", "due": "scadenza", "by": "per",
    "meets limit": "raggiunge il limite", "earliest": "al più presto", "latest": "al più tardi",
    "held before": "previsioni avverate", "estimate": "stima", "level": "livello", "before": "prima", "now": "adesso",
    "above {}": "sopra {}", "below {}": "sotto {}", "or": "o",
    "vibration zones of ISO 20816-3, from {} and from {}": "zone di vibrazione della ISO 20816-3, da {} e da {}",
    "a change of more than {} an hour": "una variazione di oltre {} all'ora",
    "{} deviations from the median of the last {} days in the same state":
        "{} scarti dalla mediana degli ultimi {} giorni nello stesso stato",
    "{} deviations from the median of the first {} days in the same state, or a better one since":
        "{} scarti dalla mediana dei primi {} giorni nello stesso stato, o da una migliore in seguito",
    "the line through the last days meets {} within {} days":
        "la retta degli ultimi giorni raggiunge {} entro {} giorni",
    "every {} days": "ogni {} giorni", "every {}": "ogni {}", "whichever comes first": "ciò che viene prima",
    "no change for {} hours of work": "nessun cambiamento in {} ore di lavoro",
    "the control's own statement": "lo dice il controllo",
    "the control's counter has {} left": "al contatore del controllo resta {}", "left": "resta",
    "the word of the person at the machine": "la parola di chi è alla macchina", "note": "nota",
    "predicted": "previsto dal controllo", "no sign for {} minutes": "nessun segno da {} minuti",
    "what the agent says of itself": "ciò che l'agente dice di sé", "the agent's own": "quello dell'agente",
    "of the connection to the broker": "del collegamento al broker", "of machine {}": "della macchina {}",
    "ended": "scaduto", "ends in 1 day": "scade fra 1 giorno", "ends in {} days": "scade fra {} giorni",
    "days left": "giorni rimasti", "whose": "di chi", "name": "nome", "agent": "agente", "machine": "macchina",
    "seconds ahead": "secondi in avanti", "first": "primo", "second": "secondo",
}  # fmt: skip
_SAID = {
    Call: "the word of the person at the machine",
    Finding: "what the agent says of itself",
    Conditions: "the control's own statement",
}
_HEADS = {"more": "More: ", "again": "Still: ", "escalated": "Nobody has answered: "}


class Words(NamedTuple):
    """A message in words.

    Attributes:
        subject: one line.
        body: the rest, plain text.
    """

    subject: str
    body: str


class Links(NamedTuple):
    """Where a message leads; what is empty is left out.

    Attributes:
        incident: where it is shown.
        mine: takes charge of it, once.
        snooze: puts it aside for an hour, once.
    """

    incident: str = ""
    mine: str = ""
    snooze: str = ""


def write(
    message: Message,
    rules: Mapping[str, Rule],
    *,
    machine: str,
    zone: ZoneInfo,
    links: Links | None = None,
    language: str = "en",
) -> Words:
    """Put a message into words.

    Args:
        message: its first alarm is the first cause.
        rules: by id.
        machine: what people call it.
        zone: civil time of the reader.
        links: where it leads.
        language: one of `LANGUAGES`.
    """
    first, *others = message.alarms
    title = _title(first, rules, language)
    since = f"{_say('Since', language)} {_local(first.since, zone)}"
    lines = [f"{machine}: {title}.", f"{since} ({_span(message.at - first.since, language)})."]
    if evidence := _evidence(first.evidence, language):
        lines.append(f"{_say('Measured', language)}: {evidence}.")
    rule = rules.get(first.rule)
    if rule is not None:
        lines.append(f"{_say('Rule', language)}: {describe(rule, language)} "
                     f"({rule.id}, {_say('version', language)} {rule.version}). "
                     f"{_say('Source of the limit', language)}: {rule.source}.")  # fmt: skip
    if advice := _advice(first, rule, language):
        lines.append(f"{_say('What to do', language)}: {advice}")
    if others:
        lines.append(f"{_say('With it', language)}:")
        lines += [f"- {_local(each.since, zone)}: {_title(each, rules, language)}" for each in others[:OTHERS_MAX]]
        if len(others) > OTHERS_MAX:
            lines.append(f"- {_say('and {} more', language, len(others) - OTHERS_MAX)}")
    named = zip(("Details", "I take it", "Not now"), links or Links(), strict=True)
    lines += [f"{_say(name, language)}: {link}" for name, link in named if link]
    head = _HEADS.get(message.kind, "")
    return Words(f"{_say(head, language)}{machine}: {title}", "\n".join(lines))


def describe(rule: Rule, language: str = "en") -> str:
    """Return what a rule judges by, in words and with its numbers."""
    how, unit = rule.how, f" {rule.unit}" if rule.unit else ""
    if isinstance(how, Limit):
        ends = [("above {}", how.high), ("below {}", how.low)]
        found = [_say(words, language, f"{end:g}{unit}") for words, end in ends if end is not None]
        return f" {_say('or', language)} ".join(found)
    if isinstance(how, Service):
        return _describe_service(how, unit, language)
    words, *values = _words(how, unit)
    return _say(words, language, *values)


def _words_of_baseline(how: Baseline) -> tuple[str, ...]:
    if how.reference_days:
        words = "{} deviations from the median of the first {} days in the same state, or a better one since"
        return words, f"{how.limit:g}", f"{how.reference_days:g}"
    words = "{} deviations from the median of the last {} days in the same state"
    return words, f"{how.limit:g}", f"{how.window_days:g}"


def _words(
    how: Zones | Rate | Baseline | Trend | Frozen | Silence | Conditions | Lives | Call | Finding, unit: str
) -> tuple[str, ...]:
    match how:
        case Zones():
            found = ("vibration zones of ISO 20816-3, from {} and from {}", *(f"{each:g}{unit}" for each in how.limits))
        case Rate():
            most = how.rise if how.rise is not None else how.fall or 0.0
            found = ("a change of more than {} an hour", f"{most:g}{unit}")
        case Baseline():
            found = _words_of_baseline(how)
        case Trend():
            words = "the line through the last days meets {} within {} days"
            found = (words, f"{how.limit:g}{unit}", f"{how.lead_days:g}")
        case Frozen():
            found = ("no change for {} hours of work", f"{how.still_seconds / 3600:g}")
        case Lives():
            found = ("the control's counter has {} left", f"{how.least_percent:g} %")
        case Silence():
            found = ("no sign for {} minutes", f"{how.seconds / 60:g}")
        case _:
            found = (_SAID[type(how)],)
    return found


def _describe_service(how: Service, unit: str, language: str) -> str:
    counted = f"{how.interval / 3600:g} h" if unit == " s" else f"{how.interval:g}{unit}"
    parts = [_say("every {}", language, counted)] if how.interval else []
    if how.interval_days:
        parts.append(_say("every {} days", language, f"{how.interval_days:g}"))
    both = f", {_say('whichever comes first', language)}" if len(parts) > 1 else ""
    return f" {_say('or', language)} ".join(parts) + both


def _say(words: str, language: str, *values: object) -> str:
    return (_ITALIAN.get(words, words) if language == "it" else words).format(*values)


def title_of(rule: Rule | None, name: str, subject: str, evidence: Mapping[str, Value], language: str) -> str:
    """Return what an alarm is about.

    Args:
        rule: that raised it, None when there is none of this name any more.
        name: of the rule.
        subject: of the alarm.
        evidence: that it was raised on; the control's own words come first.
        language: one of `LANGUAGES`.
    """
    if text := evidence.get("text"):
        return f"{text} ({evidence.get('code', '')})"
    about = _about(subject, language)
    if rule is not None and isinstance(rule.how, Call):  # its subject is a number that tells nobody anything
        about = ""
    elif rule is not None and isinstance(rule.how, Finding):
        about = _about_finding(evidence, language)
    title = name if rule is None else (rule.title_it if language == "it" else "") or rule.title
    return f"{title}{f' ({about})' if about else ''}"


def _about(subject: str, language: str) -> str:
    """Return what an alarm is about within its rule: a signal by its name, else the words of the subject."""
    first, _, rest = subject.partition("|")
    try:
        signal = find(first)
    except UnknownSignalError:
        return subject.replace("|", " ").removesuffix(".double").replace("_", " ")
    named = signal.label_it if language == "it" else signal.label_en
    return f"{named[:1].lower()}{named[1:]} {rest}".strip()


def _about_finding(evidence: Mapping[str, Value], language: str) -> str:
    """Return what a finding of an agent is about."""
    days = evidence.get("days_left")
    if not isinstance(days, int):
        return ""
    whose = {"agent": "the agent's own", "broker": "of the connection to the broker", "machine": "of machine {}"}
    words = _say(whose[str(evidence.get("whose", ""))], language, evidence.get("name", ""))
    if days < 0:
        return f"{words}, {_say('ended', language)}"
    left = _say("ends in 1 day", language) if days == 1 else _say("ends in {} days", language, days)
    return f"{words}, {left}"


def _title(change: Change, rules: Mapping[str, Rule], language: str) -> str:
    return title_of(rules.get(change.rule), change.rule, change.subject, change.evidence, language)


def _advice(change: Change, rule: Rule | None, language: str) -> str:
    said = str(change.evidence.get("advice", ""))
    if said or rule is None:
        return said
    return (rule.advice_it if language == "it" else "") or rule.advice


def _evidence(evidence: Mapping[str, Value], language: str) -> str:
    unit = evidence.get("unit", "")
    parts = []
    for name, value in evidence.items():
        if name in _NOT_EVIDENCE or value == "":
            continue
        shown = f" {unit}" if unit and name in {"value", "usual", "deviation"} else ""
        parts.append(f"{_say(name.replace('_', ' '), language)} {value}{shown}")
    return ", ".join(parts)


def _local(stamp: int, zone: ZoneInfo) -> str:
    return to_datetime(stamp).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _span(nanoseconds: int, language: str) -> str:
    if nanoseconds < 2 * HOUR:
        return f"{max(0, nanoseconds) // (60 * SECOND)} min"
    days = f"{nanoseconds // DAY} {_say('days', language)}"
    return f"{nanoseconds // HOUR} h" if nanoseconds < 2 * DAY else days
