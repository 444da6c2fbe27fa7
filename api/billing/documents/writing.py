"""Quantities, prices and explanations of a line, written for people."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from api import formats
from api.billing.documents.words import SENTENCES, UNITS, WORDS
from api.billing.money import euros
from api.billing.statements import SCALES, Rule, Unit
from shopfloor.periods import parse_instant

if TYPE_CHECKING:
    from api.billing.documents.document import Document
    from api.billing.statements import Line, Step, Tax
    from api.pages.words import Language

_DECIMALS_OF_HOURS = 4
_DECIMALS_OF_PRICE = 8
PLAIN = (Rule.PRICE, Rule.ROUND)
"""The steps of a line that is its quantity at its price."""


def in_price_units(quantity: int, unit: Unit) -> Decimal:
    """Return a quantity in what its price is for: hours, kilowatt-hours, pieces."""
    return Decimal(quantity) / SCALES[unit][0]


def quantity(value: int, unit: Unit, language: Language) -> str:
    """Write a quantity: `1:57:15`, `29,62 kWh`, `12 pz`; nothing where nothing is counted."""
    if unit is Unit.NONE:
        return ""
    if unit is Unit.SECOND:
        return formats.hms(value)
    name = UNITS[language][SCALES[unit][1]]
    return f"{formats.number(in_price_units(value, unit), language)}\N{NO-BREAK SPACE}{name}"


def decimal_hours(value: int, unit: Unit, language: Language) -> str:
    """Write seconds as hours with four decimals, for reading; nothing for another unit."""
    if unit is not Unit.SECOND:
        return ""
    digits = _DECIMALS_OF_HOURS
    return f"{formats.number(in_price_units(value, unit), language, least=digits, most=digits)}\N{NO-BREAK SPACE}h"


def price(value: Decimal | None, unit: Unit, language: Language) -> str:
    """Write a price: `36,50 €/h`; nothing where there is none."""
    if value is None:
        return ""
    per = UNITS[language][SCALES[unit][1]]
    amount = formats.number(value, language, least=2, most=_DECIMALS_OF_PRICE)
    return f"{amount}\N{NO-BREAK SPACE}€/{per}" if per else f"{amount}\N{NO-BREAK SPACE}€"


def tax(value: Tax, language: Language) -> str:
    """Write a rate of VAT or a Natura: `22 %`, `N4`."""
    return value.natura or f"{formats.number(value.rate, language)}\N{NO-BREAK SPACE}%"


def corrects(line: Line, document: Document, language: Language) -> str:
    """Say what an adjustment corrects: the document where it is known, else its month; nothing for any other line."""
    if line.corrects is None:
        return ""
    words = WORDS[language]
    issued = document.issued.get(line.corrects.month)
    named = formats.month(line.corrects.month, language)
    if issued is not None:
        named = words["corrects_document"].format(number=issued.number, day=formats.day(issued.day, language))
    return words["corrects"].format(document=named, reference=line.corrects.reference)


def explanation(line: Line, document: Document, language: Language) -> list[str]:
    """Say how a line was calculated, step by step; nothing where its quantity at its price is the amount itself."""
    rules = tuple(step.rule for step in line.steps)
    if rules in {PLAIN, (Rule.FIXED,)} and euros(line.exact) == line.amount:
        return []
    is_adjusted = line.corrects is not None  # its steps are those of the whole line, not of the difference
    steps = [step for step in line.steps if not (is_adjusted and step.rule is Rule.ROUND)]
    return [_sentence(step, line, document, language) for step in steps]


def _sentence(step: Step, line: Line, document: Document, language: Language) -> str:
    amount = "" if step.amount is None else formats.number(euros(step.amount), language, least=2)
    is_weight = step.rule in {Rule.SHARE, Rule.ACTUAL_COST}
    is_rate = step.rule in {Rule.PRICE, Rule.TIER}
    unit = line.unit if is_rate else Unit.NONE
    shown = (
        formats.number(step.price, language) if is_weight and step.price is not None
        else price(step.price, unit, language)
    )  # fmt: skip
    text = SENTENCES[language][step.rule].format(
        quantity="" if step.quantity is None else quantity(step.quantity, line.unit, language),
        price=shown,
        amount=amount,
        rounded=formats.money(line.amount, language),
        note=_note(step, line, document, language),
    )
    return text.replace("  ", " ")


def _note(step: Step, line: Line, document: Document, language: Language) -> str:
    """Write the note of a step, which is plain text in a statement, as the reader writes such things."""
    note = step.note
    match step.rule:
        case Rule.INCREMENT:
            return formats.hms(int(note))
        case Rule.SESSION_MINIMUM:
            begun = document.civil(parse_instant(note))
            return f"{formats.day(begun.date(), language)} {formats.clock(begun)}"
        case Rule.TIER:
            word, _, value = note.partition(" ")
            words = {"it": {"month": "mese", "from": "da"}, "en": {"month": "month", "from": "from"}}
            return f"{words[language][word]} {quantity(int(value), line.unit, language)}"
        case Rule.SHARE:
            whole, _, weights = note.partition(" by ")
            divided = {"it": "{} da ripartire, pesi in tutto {}", "en": "{} to share, weights {} in all"}[language]
            return divided.format(formats.money(Decimal(whole), language), formats.number(Decimal(weights), language))
        case Rule.ACTUAL_COST:
            return formats.money(Decimal(note), language)
        case _:
            return note
