"""What changed after a month was closed: the line as it is now, less the line as it was charged. Pure.

A closed statement is never touched. The difference comes on the next one, at the tariff of the time of use, and names
the line that it corrects: a line is always recomputed whole, never corrected by the price of a difference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from api.billing.money import ZERO, exact
from api.billing.statements import Line, Origin, Part, Rule, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date


def adjust(charged: Iterable[Line], fresh: Iterable[Line]) -> list[Line]:
    """Return what makes the lines charged for a closed month into what they ought to be.

    Args:
        charged: the lines of the month as they were last charged, earlier adjustments included; at most one of a
            member and reference.
        fresh: the same month calculated again with all that is known now.

    Returns:
        One line for each that differs in quantity or amount, pointing at what it corrects. Charged and adjusted add
        to the fresh lines, line by line.
    """
    before = {(line.member, line.reference): line for line in charged}
    after = {(line.member, line.reference): line for line in fresh}
    found = []
    for key, base in sorted({**before, **after}.items(), key=lambda item: item[0]):
        line = _difference(base, before.get(key), after.get(key))
        if line is not None:
            found.append(line)
    return found


def charged(lines: Iterable[Line]) -> list[Line]:
    """Return what was charged for months, from their lines and all adjustments of these.

    Args:
        lines: of statements, those that correct others after them.

    Returns:
        At most one line of a member, month and reference; what was taken back whole is left out.
    """
    found: dict[tuple[str, str, str], Line] = {}
    for line in lines:
        key = (line.month, line.member, line.reference)
        before = found.get(key)
        found[key] = replace(line, corrects=None) if before is None else _added(before, line)
    return [line for line in found.values() if line.quantity or line.amount]


def _added(line: Line, more: Line) -> Line:
    parts = {(part.day, part.session): part for part in line.parts}
    for part in more.parts:
        was = parts.get((part.day, part.session), Part(part.day, part.session, 0, ZERO))
        parts[part.day, part.session] = part._replace(
            quantity=was.quantity + part.quantity,
            amount=was.amount + part.amount,
            flagged=was.flagged + part.flagged,
        )
    return replace(
        line,
        quantity=line.quantity + more.quantity,
        amount=line.amount + more.amount,
        exact=exact(line.amount + more.amount),
        flagged=line.flagged + more.flagged,
        flagged_amount=line.flagged_amount + more.flagged_amount,
        parts=tuple(part for part in parts.values() if part.quantity or part.amount),
    )


def _difference(base: Line, before: Line | None, after: Line | None) -> Line | None:
    nothing = replace(base, quantity=0, amount=ZERO, exact=exact(0), flagged=0, flagged_amount=ZERO, parts=())
    old, new = before or nothing, after or nothing
    if (old.quantity, old.amount) == (new.quantity, new.amount):
        return None
    return replace(
        base,
        quantity=new.quantity - old.quantity,
        exact=exact(new.amount - old.amount),
        amount=new.amount - old.amount,
        flagged=new.flagged - old.flagged,
        flagged_amount=new.flagged_amount - old.flagged_amount,
        steps=(
            *new.steps,
            Step(Rule.RECOMPUTED, new.quantity, None, exact(new.amount)),
            Step(Rule.CHARGED_BEFORE, old.quantity, None, exact(old.amount)),
        ),
        parts=tuple(_parts(old, new)),
        corrects=Origin(base.month, base.reference),
    )


def _parts(old: Line, new: Line) -> Iterator[Part]:
    before = {(part.day, part.session): part for part in old.parts}
    after = {(part.day, part.session): part for part in new.parts}

    def place(key: tuple[date | None, int | None]) -> tuple[str, int]:
        return str(key[0] or ""), key[1] or 0

    for key in sorted(before.keys() | after.keys(), key=place):
        was = before.get(key, Part(*key, 0, ZERO))
        now = after.get(key, Part(*key, 0, ZERO))
        if (was.quantity, was.amount) != (now.quantity, now.amount):
            segments = now.segments or was.segments
            flagged = now.flagged - was.flagged
            yield Part(*key, now.quantity - was.quantity, now.amount - was.amount, flagged, segments)
