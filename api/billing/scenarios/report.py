"""A rated scenario as a table to be read, and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.billing.money import euros
from api.billing.statements import SCALES, Line, Rule, Statement, Step, Unit, digest, to_data
from api.usage.doubts import doubts
from api.usage.segments import Segment, clip
from shopfloor.periods import Period, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from api.billing.months import House
    from api.billing.scenarios.reader import Scenario
    from api.usage.doubts import Doubt

_NAME, _FIGURE = 52, 14


def to_json(scenario: Scenario) -> dict[str, Any]:
    """Rate a scenario and return everything as plain data.

    Raises:
        ExpectedError: what the scenario tells cannot be charged.
    """
    house = scenario.house(None)
    stated = scenario.statements()
    months = sorted({each.month for each in stated} | {each.month for each in scenario.closings})
    return {
        "title": scenario.title,
        "statements": [{**to_data(each), "digest": digest(each)} for each in stated],
        "time": [
            {"month": month, "payer": payer, **each._asdict()}
            for month in months
            for payer, rows in sorted(house.spent(month).items())
            for each in sorted(rows)
        ],
        "to_decide": [
            {
                "machine": each.machine,
                "from": format_instant(each.period.start),
                "to": format_instant(each.period.end),
                "reason": each.reason,
                "evidence": list(each.evidence),
            }
            for segments in _stated(scenario, house)
            for each in doubts(segments)
        ],
    }


def to_text(scenario: Scenario) -> str:
    """Rate a scenario and return it as a table with an explanation under each line.

    Raises:
        ExpectedError: what the scenario tells cannot be charged.
    """
    house = scenario.house(None)
    stated = scenario.statements()
    blocks = [[scenario.title]] if scenario.title else []
    blocks += [list(_statement(each)) for each in stated]
    blocks += [list(_time(scenario, house))]
    blocks += [[_doubt(each) for segments in _stated(scenario, house) for each in doubts(segments)]]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block) + "\n"


def _stated(scenario: Scenario, house: House) -> Iterator[list[Segment]]:
    """Yield the segments of each machine in the months that are stated."""
    periods = [house.terms(each.month).period for each in scenario.closings]
    for _, segments in sorted(house.machines.items()):
        yield [part for period in periods for each in segments if (part := clip(each, period)) is not None]


def _statement(statement: Statement) -> Iterator[str]:
    yield f"Statement of {statement.member} for {statement.month}"
    yield _row("", "quantity", "price", "EUR", "flagged")
    for line in statement.lines:
        yield _row(_name(line), _quantity(line), _price(line), f"{line.amount:,.2f}", _flagged(line))
        for step in line.steps:
            if step.rule is not Rule.ROUND:
                yield f"      {sentence(step, line)}"
    yield _row("net", "", "", f"{statement.net:,.2f}", "")
    for row in statement.vat:
        yield _row(f"VAT {row.tax} on {row.base:,.2f}", "", "", f"{row.vat:,.2f}", "")
    yield _row("total", "", "", f"{statement.total:,.2f}", "")


def _row(name: str, *figures: str) -> str:
    return f"  {name:<{_NAME}}" + "".join(f"{figure:>{_FIGURE}}" for figure in figures)


def _name(line: Line) -> str:
    what = " ".join(each for each in (line.machine, line.basis, line.state, line.band, line.item, line.tariff) if each)
    return what if line.corrects is None else f"{what}, corrects {line.corrects.month}"


def _quantity(line: Line) -> str:
    return "" if line.unit is Unit.NONE else _amount_of(line.quantity, line.unit)


def _amount_of(quantity: int, unit: Unit) -> str:
    if unit is Unit.SECOND:
        return f"{quantity} s"
    scale, name = SCALES[unit]
    return f"{_plain(quantity / scale)} {name}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _price(line: Line) -> str:
    if line.price is None:
        return ""
    _, per = SCALES[line.unit]
    return f"{line.price}/{per}" if per else str(line.price)


def _flagged(line: Line) -> str:
    if not line.flagged:
        return ""
    return f"{line.flagged_amount}" if line.unit is Unit.SECOND else _amount_of(line.flagged, line.unit)


def sentence(step: Step, line: Line) -> str:
    """Say in English what a step of a calculation did."""
    quantity = "" if step.quantity is None else _amount_of(step.quantity, line.unit)
    amount = "" if step.amount is None else _plain(euros(step.amount))
    _, per = SCALES[line.unit]
    sayings = {
        Rule.PRICE: f"{quantity} at {step.price} EUR/{per or 'each'} = {amount}",
        Rule.TIER: f"{quantity} at {step.price} EUR/{per} = {amount} (tier, {step.note})",
        Rule.INCREMENT: f"{quantity} added, each session rounded up to a multiple of {step.note} s",
        Rule.FREE_SESSIONS: f"{quantity} in sessions too short to be charged",
        Rule.SESSION_MINIMUM: f"the session of {step.note} costs {step.price} at least: {amount} missing",
        Rule.MINIMUM: f"the month costs {step.price} at least, charged {amount}",
        Rule.CAP: f"the month costs {step.price} at most, charged {amount}",
        Rule.VAT_SHARE: f"{amount} falls on VAT {step.note}, by {step.price} charged at it",
        Rule.SHARE: f"{step.note}, weight {step.price}: {amount}",
        Rule.ACTUAL_COST: f"share of the real cost {step.note}, weight {step.price}: {amount}",
        Rule.BILLED: f"charged at the provisional rate: {amount}",
        Rule.FIXED: f"fixed: {amount}",
        Rule.ROUND: f"rounded to {line.amount}",
        Rule.RECOMPUTED: f"recomputed whole: {quantity} {amount}".replace("  ", " "),
        Rule.CHARGED_BEFORE: f"charged before: {quantity} {amount}".replace("  ", " "),
    }
    return sayings[step.rule]


def _time(scenario: Scenario, house: House) -> Iterator[str]:
    for month in [each.month for each in scenario.closings]:
        spent = house.spent(month)
        rows = [(each.machine, payer, each) for payer, found in spent.items() for each in found]
        for machine in sorted({machine for machine, _, _ in rows}):
            yield f"Time of {machine} in {month}"
            own = [(payer, each) for name, payer, each in rows if name == machine]
            for payer, each in sorted(own):
                yield _row(f"{payer} {each.state}, {each.quality}", f"{each.seconds} s")
            yield _row("together", f"{sum(each.seconds for _, each in own)} s")


def _doubt(doubt: Doubt) -> str:
    evidence = ", ".join(doubt.evidence)
    return f"To decide: {doubt.machine} {_span(doubt.period)} is {doubt.reason}, though there is {evidence}"


def _span(period: Period) -> str:
    return f"{format_instant(period.start)} to {format_instant(period.end)} ({period.seconds} s)"
