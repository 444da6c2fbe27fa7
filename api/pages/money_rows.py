"""A statement as its page shows it: parts, days, sessions, lines and what they were measured in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from api import formats
from api.billing.documents import writing
from api.billing.documents.document import Group, Use
from api.billing.documents.words import CLAIMS, QUALITIES, STATES, what
from api.billing.money import ZERO
from api.billing.statements import Basis, Rule
from api.pages import times
from api.pages.figures import MINUS
from api.pages.plots import HEIGHT, WIDTH, scale
from api.pages.words import mark
from shopfloor.periods import Period, format_instant
from shopfloor.states import State, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from api.billing.documents.document import Document, Section
    from api.billing.statements import Line
    from api.pages.words import Language, Words
    from api.usage.segments import Segment

NONE = "-"
"""Stands in an address for no day, or no session."""
LIMITS = frozenset(
    {Rule.TIER, Rule.INCREMENT, Rule.FREE_SESSIONS, Rule.SESSION_MINIMUM, Rule.MINIMUM, Rule.CAP, Rule.SHARE}
)
"""Rules that make a line something else than its quantity at its price."""


class Choice(NamedTuple):
    """A row of a column: what can be opened, with its amount."""

    query: str
    name: str
    note: str
    amount: str
    is_here: bool


class Column(NamedTuple):
    """A level of a statement: its head repeats what was opened, its foot adds up to it."""

    level: str
    head: str
    amount: str
    rows: list[Choice]


class Span(NamedTuple):
    """A segment as the page shows it."""

    span: str
    state: str
    mark: str
    duration: str
    quality: str
    claim: str
    sources: list[tuple[str, str]]


class Share(NamedTuple):
    """What of a line belongs to the session that is open."""

    number: int
    name: str
    mark: str
    quantity: str
    price: str
    tariff: str
    amount: str
    whole: str
    steps: list[str]
    corrects: str
    reference: str
    month: str
    spans: list[Span]


@dataclass(frozen=True, slots=True)
class Opened:
    """A statement with what was opened of it.

    Attributes:
        columns: parts, days, sessions.
        title: of the session that is open.
        amount: what it costs.
        uses: what it is made of.
    """

    columns: list[Column]
    title: str
    amount: str
    uses: tuple[Use, ...]


def money(value: Decimal, language: Language) -> str:
    """Write euros in whole cents, with a true minus; zero is a dash."""
    return formats.money(value, language).replace("-", MINUS) if value else "\N{EN DASH}"


def mark_of(state: State | None) -> str:
    """Return the mark of a state that is over."""
    if state is None:
        return ""
    return "interrupted-past" if state is State.INTERRUPTED else state.value


def open_statement(document: Document, asked: Mapping[str, str], kept: Mapping[str, str], say: Words) -> Opened:
    """Open a statement as far as an address says; where it says nothing, the first of each level.

    Args:
        document: the statement, closed or not.
        asked: `part`, `day` and `session` of the address.
        kept: what else the addresses keep.
        say: the reader's language.
    """
    sections = {f"{each.group.value} {each.name}".strip(): each for each in document.sections()}
    part = asked["part"] if asked["part"] in sections else next(iter(sections), "")
    section = sections.get(part)
    uses = (
        [] if section is None else [Use(row.number, row.line, each) for row in section.lines for each in row.line.parts]
    )
    days = _grouped(uses, lambda use: NONE if use.part.day is None else use.part.day.isoformat())
    day = asked["day"] if asked["day"] in days else next(iter(days), "")
    sessions = _grouped(days.get(day, []), lambda use: NONE if use.part.session is None else str(use.part.session))
    session = asked["session"] if asked["session"] in sessions else next(iter(sessions), "")
    shown = tuple(sessions.get(session, []))
    write = _Writer(document, kept, say)
    parts = [
        write.choice({"part": key}, write.part(each), write.measured(each.lines), each.net, is_here=key == part)
        for key, each in sections.items()
    ]
    of_part = write.part(section) if section is not None else ""
    columns = [
        Column(say("Month"), write.month(), money(document.statement.net, say.language), parts),
        Column(say("Item"), of_part, write.sum(uses), [
            write.choice({"part": part, "day": key}, write.day(each[0].part.day), "", _net(each), is_here=key == day)
            for key, each in days.items()
        ]),
        Column(say("Day"), write.day(_day(days.get(day, []))), write.sum(days.get(day, [])), [
            write.choice({"part": part, "day": day, "session": key}, write.session(each), write.lasting(each),
                         _net(each), is_here=key == session)
            for key, each in sessions.items()
        ]),
    ]  # fmt: skip
    return Opened(columns, write.session(list(shown)), write.sum(shown), shown)


def _day(uses: Sequence[Use]) -> date | None:
    return uses[0].part.day if uses else None


def _net(uses: Iterable[Use]) -> Decimal:
    return sum((use.part.amount for use in uses), ZERO)


def _grouped(uses: Iterable[Use], key: Callable[[Use], str]) -> dict[str, list[Use]]:
    found: dict[str, list[Use]] = {}
    for use in uses:
        found.setdefault(key(use), []).append(use)
    return {name: found[name] for name in sorted(found, key=lambda each: (each == NONE, each))}


class _Writer:
    """Writes the names of the levels."""

    def __init__(self, document: Document, kept: Mapping[str, str], say: Words) -> None:
        self._document, self._kept, self.say = document, kept, say

    def choice(self, query: Mapping[str, str], name: str, note: str, net: Decimal, *, is_here: bool) -> Choice:
        asked = urlencode({**self._kept, **query})
        return Choice(asked, name, note, money(net, self.say.language), is_here)

    def sum(self, uses: Iterable[Use]) -> str:
        return money(_net(uses), self.say.language)

    def month(self) -> str:
        return formats.month(self._document.statement.month, self.say.language)

    def part(self, section: Section) -> str:
        if section.group is Group.MACHINE:
            return self._document.machines.get(section.name) or section.name
        if section.group is Group.COMMON:
            return self.say("Quotas, costs and services")
        return self.say("Adjustments of %(month)s", month=formats.month(section.name, self.say.language))

    def measured(self, lines: Iterable[tuple[int, Line]]) -> str:
        rows = [line for _, line in lines]
        seconds = sum(line.quantity for line in rows if line.basis is Basis.TIME)
        sessions = len({part.session for line in rows for part in line.parts if part.session is not None})
        if not sessions:
            return self.say.plural("%(n)s line", "%(n)s lines", len(rows))
        counted = self.say.plural("%(n)s session", "%(n)s sessions", sessions)
        return f"{counted}, {times.clock(seconds // 60)}\N{NO-BREAK SPACE}h"

    def day(self, day: date | None) -> str:
        return self.say("Of no day") if day is None else times.day(day, self.say)

    def session(self, uses: Sequence[Use]) -> str:
        if not uses or uses[0].part.session is None:
            return self.say("Of no session")
        return self.say("From %(time)s", time=f"{self._document.civil(uses[0].part.session):%H:%M}")

    def lasting(self, uses: Iterable[Use]) -> str:
        seconds = sum(use.part.quantity for use in uses if use.line.basis is Basis.TIME)
        return f"{formats.hms(seconds)}\N{NO-BREAK SPACE}h" if seconds else ""


def shares(opened: Opened, document: Document, found: Mapping[int, Sequence[Segment]], say: Words) -> list[Share]:
    """Return what the session that is open is made of.

    Args:
        opened: the statement.
        document: the same.
        found: the segments of each line in that session, by its number.
        say: the reader's language.
    """
    language = say.language
    return [
        Share(
            number=use.number,
            name=", ".join(filter(None, (what(use.line, language), use.line.band))),
            mark=mark_of(use.line.state),
            quantity=writing.quantity(use.part.quantity, use.line.unit, language),
            price=writing.price(use.line.price, use.line.unit, language),
            tariff=use.line.tariff.replace("@", " "),
            amount=money(use.part.amount, language),
            whole=money(use.line.amount, language),
            steps=writing.explanation(use.line, document, language),
            corrects=writing.corrects(use.line, document, language),
            reference=use.line.reference,
            month=use.line.month,
            spans=[_span(each, document, say) for each in found.get(use.number, ())],
        )
        for use in opened.uses
    ]


def _span(segment: Segment, document: Document, say: Words) -> Span:
    start, end = document.civil(segment.period.start), document.civil(segment.period.end)
    return Span(
        span=f"{start:%H:%M:%S}\N{EN DASH}{end:%H:%M:%S}",
        state=STATES[say.language][segment.state],
        mark=mark_of(segment.state),
        duration=formats.hms(segment.period.seconds),
        quality=QUALITIES[say.language][segment.quality],
        claim=CLAIMS[say.language][segment.claim],
        sources=[(each.signal, format_instant(each.stamp)) for each in segment.sources],
    )


def stretches(opened: Opened, found: Mapping[int, Sequence[Segment]]) -> tuple[list[Stretch], Period | None]:
    """Return the states of the session that is open, and from when to when it lasts; None for no session.

    Lines of time alone count: those of energy and parts were measured in the same time.
    """
    timed = [use.number for use in opened.uses if use.line.basis is Basis.TIME]
    rows = [found.get(number, ()) for number in timed]
    segments = sorted({(each.period.start, each.period.end, each.state) for row in rows for each in row})
    if not segments:
        return [], None
    window = Period(segments[0][0], max(end for _, end, _ in segments))
    return [Stretch(Period(start, end), state) for start, end, state in segments], window


def rules(document: Document, language: Language) -> list[tuple[str, list[str]]]:
    """Return the lines that tiers, minimums, caps and shares made, each with its calculation in words."""
    return [
        (
            ": ".join(filter(None, (document.machines.get(line.machine, line.machine), what(line, language)))),
            writing.explanation(line, document, language),
        )
        for _, line in document.lines()
        if LIMITS & {step.rule for step in line.steps}
    ]


class Curve(NamedTuple):
    """How a month grew: two lines of steps, the scale and where the days stand."""

    present: str
    past: str
    limit: str
    lines: list[tuple[str, str]]
    days: list[tuple[str, str]]


def by_day(lines: Iterable[Line], days: int) -> list[Decimal]:
    """Return what a month came to by the end of each day; what belongs to no day was there from the first."""
    found = [ZERO] * days
    for line in lines:
        for part in line.parts:
            is_dated = part.day is not None and f"{part.day:%Y-%m}" == line.month and line.corrects is None
            found[min(days, part.day.day) - 1 if is_dated and part.day is not None else 0] += part.amount
    return list(accumulate(found))


def curve(present: Sequence[Decimal], past: Sequence[Decimal], limit: Decimal | None, language: Language) -> Curve:
    """Draw how a month grew beside the one before, with the budget."""
    highest = max([*present, *past, ZERO if limit is None else limit])
    numbers = scale(0.0, float(highest) or 1.0)
    top, days = numbers[-1], max(len(present), len(past), 28)

    def y(value: float) -> float:
        return (top - value) / top

    def path(values: Sequence[Decimal]) -> str:
        points: list[str] = []
        for number, value in enumerate(values):
            at = y(float(value)) * HEIGHT
            points += [f"{number / days * WIDTH:.1f} {at:.1f}", f"{(number + 1) / days * WIDTH:.1f} {at:.1f}"]
        return "M" + "L".join(points) if points else ""

    return Curve(
        present=path(present),
        past=path(past),
        limit="" if limit is None else f"{y(float(limit)) * 100:.2f}%",
        lines=[(f"{y(value) * 100:.2f}%", formats.number(round(value), language)) for value in numbers if value >= 0],
        days=[(f"{(day - 0.5) / days * 100:.2f}%", str(day)) for day in (1, 5, 10, 15, 20, 25, days)],
    )


NAMES = {
    "machine": mark("Machine"),
    "order": mark("Order"),
    "job": mark("Job"),
    "part": mark("Part"),
    "day": mark("Day"),
}
"""What use can be told apart by on the page, with the heads."""
