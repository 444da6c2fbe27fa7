"""What a member owes for a month: lines that explain themselves, VAT per rate, total. Pure.

Net is the sum of the lines; VAT is rounded once per rate on the summed base (SdI check 00421); total is net and VAT.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from api.billing.money import ZERO, euros, exact, vat_on
from api.usage.segments import Quality
from shopfloor.periods import Period, format_instant, parse_instant
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from api.usage.segments import Segment


class Basis(StrEnum):
    """What a line charges for, in the order in which a statement shows it."""

    TIME = "time"
    BOOKED_UNUSED = "booked_unused"
    START_UP = "start_up"
    SESSION_MINIMUM = "session_minimum"
    ENERGY = "energy"
    PARTS = "parts"
    CYCLES = "cycles"
    MONTHLY_MINIMUM = "monthly_minimum"
    MONTHLY_CAP = "monthly_cap"
    QUOTA = "quota"
    SHARED_COST = "shared_cost"
    LENT_HOURS = "lent_hours"
    TRUE_UP = "true_up"
    FEE = "fee"


class Unit(StrEnum):
    """What a line's quantity counts, always in whole numbers."""

    SECOND = "s"
    MILLIWATT_HOUR = "mWh"
    PIECE = "piece"
    NONE = ""


SCALES: Mapping[Unit, tuple[Decimal, str]] = {
    Unit.SECOND: (Decimal(3600), "h"),
    Unit.MILLIWATT_HOUR: (Decimal(1_000_000), "kWh"),
    Unit.PIECE: (Decimal(1), "pcs"),
    Unit.NONE: (Decimal(1), ""),
}
"""By unit: how many of it make the one that its price is for, and what that one is called."""


class Tax(NamedTuple):
    """How a line is taxed.

    Attributes:
        rate: per cent; zero needs a Natura (SdI checks 00400 and 00401).
        natura: FatturaPA code of why there is no VAT, empty with a rate.
    """

    rate: Decimal
    natura: str = ""

    def __str__(self) -> str:
        return self.natura or f"{self.rate.normalize():f} %"


class Rule(StrEnum):
    """What a step of an explanation did."""

    PRICE = "price"
    TIER = "tier"
    INCREMENT = "increment"
    FREE_SESSIONS = "free_sessions"
    SESSION_MINIMUM = "session_minimum"
    MINIMUM = "minimum"
    CAP = "cap"
    VAT_SHARE = "vat_share"
    SHARE = "share"
    ACTUAL_COST = "actual_cost"
    BILLED = "billed"
    FIXED = "fixed"
    ROUND = "round"
    RECOMPUTED = "recomputed"
    CHARGED_BEFORE = "charged_before"


class Step(NamedTuple):
    """One step of the calculation of a line, written down by the code that took it.

    Attributes:
        rule: what was done.
        quantity: how much of the line's unit it was done to; None where it is about money alone.
        price: euros per hour, kilowatt-hour or piece, or a weight; None where there is none.
        amount: the exact result in 3600ths of a euro; None for a step about quantity alone.
        note: what a rule names beside: a session, a limit, a total.
    """

    rule: Rule
    quantity: int | None = None
    price: Decimal | None = None
    amount: Decimal | None = None
    note: str = ""


class Part(NamedTuple):
    """What of a line belongs to one day and one session; the parts add to the line, quantity and cents.

    Attributes:
        day: civil day; None for what belongs to no day.
        session: start of the session, None for what belongs to none.
        quantity: of the line's unit.
        amount: whole cents, shared by largest remainder.
        flagged: how much of the quantity is estimated.
        segments: what it was measured in.
    """

    day: date | None
    session: int | None
    quantity: int
    amount: Decimal
    flagged: int = 0
    segments: tuple[Segment, ...] = ()


class Origin(NamedTuple):
    """What an adjustment corrects: the month of a closed statement, and the line's reference."""

    month: str
    reference: str


@dataclass(frozen=True, slots=True)
class Line:
    """One amount of a statement.

    Attributes:
        reference: names the line within a member's month, the same whenever it is calculated again.
        month: of the use, as `2026-10`; an adjustment keeps the month that it corrects.
        member: who pays.
        machine: which machine; empty for what concerns none.
        basis: what it charges for.
        state: of the machine, for charges of time.
        band: of the calendar, empty when the price knows no bands.
        tariff: tariff and version, empty for what has none.
        item: what it is called, for quotas, shared costs, lent hours and fees.
        tax: VAT rate or Natura.
        unit: what the quantity counts.
        quantity: whole units, increments included.
        price: euros per hour, kilowatt-hour or piece; None when steps have several or it has none.
        exact: the amount before its rounding, in 3600ths of a euro.
        amount: euros in whole cents.
        flagged: how much of the quantity is estimated.
        flagged_amount: what of the amount that is, in whole cents.
        steps: how it was calculated.
        parts: the days and sessions it is made of.
        corrects: the line that an adjustment corrects.
    """

    reference: str
    month: str
    member: str
    machine: str
    basis: Basis
    tax: Tax
    amount: Decimal
    exact: Decimal
    state: State | None = None
    band: str = ""
    tariff: str = ""
    item: str = ""
    unit: Unit = Unit.NONE
    quantity: int = 0
    price: Decimal | None = None
    flagged: int = 0
    flagged_amount: Decimal = ZERO
    steps: tuple[Step, ...] = ()
    parts: tuple[Part, ...] = ()
    corrects: Origin | None = None


class VatRow(NamedTuple):
    """The tax of one rate or Natura: `vat` is the rate of the summed base, rounded once."""

    tax: Tax
    base: Decimal
    vat: Decimal


class Spent(NamedTuple):
    """How long a member held a machine in one state and quality, charged or not."""

    machine: str
    state: State
    quality: Quality
    seconds: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What one member owes for one month.

    Attributes:
        member: who owes.
        month: as `2026-10`.
        period: the civil month as instants.
        zone: IANA name of the civil zone.
        currency: ISO 4217 code.
        lines: in the order in which they are shown; adjustments last.
        vat: one row per rate or Natura, ascending.
        net: sum of the lines.
        tax: sum of the VAT.
        total: net and VAT.
        spent: the member's time by machine, state and quality, also what is not charged.
        basis_versions: what it was calculated from: tariff versions, calendars, time zone data, code.
        policy: each setting of the policy, as printed.
    """

    member: str
    month: str
    period: Period
    zone: str
    currency: str
    lines: tuple[Line, ...]
    vat: tuple[VatRow, ...]
    net: Decimal
    tax: Decimal
    total: Decimal
    spent: tuple[Spent, ...]
    basis_versions: Mapping[str, str]
    policy: Mapping[str, str]


def compose(
    member: str,
    month: str,
    period: Period,
    zone: str,
    lines: Iterable[Line],
    *,
    spent: Iterable[Spent] = (),
    basis_versions: Mapping[str, str] | None = None,
    policy: Mapping[str, str] | None = None,
) -> Statement:
    """Put a member's lines into a statement, in one order whatever order they come in.

    Raises:
        ValueError: when a line is another member's, or two lines have one reference and correct the same thing.
    """
    ordered = tuple(sorted(lines, key=_place))
    for line in ordered:
        if line.member != member:
            raise ValueError(f"the line {line.reference} is of {line.member}, the statement of {member}")
    if len({(line.reference, line.corrects) for line in ordered}) != len(ordered):
        raise ValueError(f"two lines of {member} in {month} have one reference")
    vat = vat_rows(ordered)
    net = sum((line.amount for line in ordered), ZERO)
    tax = sum((row.vat for row in vat), ZERO)
    return Statement(
        member=member,
        month=month,
        period=period,
        zone=zone,
        currency="EUR",
        lines=ordered,
        vat=vat,
        net=net,
        tax=tax,
        total=net + tax,
        spent=tuple(sorted(spent)),
        basis_versions=dict(sorted((basis_versions or {}).items())),
        policy=dict(sorted((policy or {}).items())),
    )


def vat_rows(lines: Sequence[Line]) -> tuple[VatRow, ...]:
    """Sum lines by rate or Natura, and tax each sum."""
    bases: dict[Tax, Decimal] = {}
    for line in lines:
        bases[line.tax] = bases.get(line.tax, ZERO) + line.amount
    return tuple(VatRow(tax, base, vat_on(base, tax.rate)) for tax, base in sorted(bases.items()))


_ORDER = {basis: number for number, basis in enumerate(Basis)}


def _place(line: Line) -> tuple[bool, str, str, int, str]:
    return line.corrects is not None, line.month, line.machine, _ORDER[line.basis], line.reference


def to_data(statement: Statement) -> dict[str, Any]:
    """Return a statement as plain data: amounts and quantities as text and whole numbers, instants in RFC 3339."""
    return {
        "member": statement.member,
        "month": statement.month,
        "from": format_instant(statement.period.start),
        "to": format_instant(statement.period.end),
        "zone": statement.zone,
        "currency": statement.currency,
        "net": str(statement.net),
        "vat": [
            {"rate": str(row.tax.rate), "natura": row.tax.natura, "base": str(row.base), "vat": str(row.vat)}
            for row in statement.vat
        ],
        "tax": str(statement.tax),
        "total": str(statement.total),
        "lines": [_line_data(line) for line in statement.lines],
        "time": [
            {"machine": each.machine, "state": each.state, "quality": each.quality, "seconds": each.seconds}
            for each in statement.spent
        ],
        "basis_versions": dict(statement.basis_versions),
        "policy": dict(statement.policy),
    }


def statement_of(data: Mapping[str, Any]) -> Statement:
    """Return a statement of plain data, as `to_data` writes it; what its lines were measured in is not in it."""
    return Statement(
        member=data["member"],
        month=data["month"],
        period=Period(parse_instant(data["from"]), parse_instant(data["to"])),
        zone=data["zone"],
        currency=data["currency"],
        lines=tuple(line_of(line, data["member"]) for line in data["lines"]),
        vat=tuple(
            VatRow(Tax(Decimal(row["rate"]), row["natura"]), Decimal(row["base"]), Decimal(row["vat"]))
            for row in data["vat"]
        ),
        net=Decimal(data["net"]),
        tax=Decimal(data["tax"]),
        total=Decimal(data["total"]),
        spent=tuple(
            Spent(each["machine"], State(each["state"]), Quality(each["quality"]), each["seconds"])
            for each in data["time"]
        ),
        basis_versions=dict(data["basis_versions"]),
        policy=dict(data["policy"]),
    )


def line_of(data: Mapping[str, Any], member: str) -> Line:
    """Return a line of plain data, as `to_data` writes it; what it was measured in is not in it."""
    price, corrects = data["price"], data["corrects"]
    return Line(
        reference=data["reference"],
        month=data["month"],
        member=member,
        machine=data["machine"],
        basis=Basis(data["basis"]),
        state=None if data["state"] is None else State(data["state"]),
        band=data["band"],
        tariff=data["tariff"],
        item=data["item"],
        tax=Tax(Decimal(data["vat_rate"]), data["natura"]),
        unit=Unit(data["unit"]),
        quantity=data["quantity"],
        price=None if price is None else Decimal(price),
        exact=exact(Decimal(data["exact"])),
        amount=Decimal(data["amount"]),
        flagged=data["flagged_quantity"],
        flagged_amount=Decimal(data["flagged_amount"]),
        steps=tuple(map(_step_of, data["steps"])),
        parts=tuple(map(_part_of, data["parts"])),
        corrects=None if corrects is None else Origin(corrects["month"], corrects["reference"]),
    )


def _step_of(data: Mapping[str, Any]) -> Step:
    price, amount = data["price"], data["exact"]
    return Step(
        Rule(data["rule"]),
        data["quantity"],
        None if price is None else Decimal(price),
        None if amount is None else exact(Decimal(amount)),
        data["note"],
    )


def _part_of(data: Mapping[str, Any]) -> Part:
    day, session = data["day"], data["session"]
    return Part(
        None if day is None else date.fromisoformat(day),
        None if session is None else parse_instant(session),
        data["quantity"],
        Decimal(data["amount"]),
        data["flagged_quantity"],
    )


def canonical(statement: Statement) -> bytes:
    """Return the bytes that a statement is known by: the same for the same inputs on every machine."""
    return json.dumps(to_data(statement), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(statement: Statement) -> str:
    """Return the SHA-256 of the canonical bytes, in hexadecimal."""
    return sha256(canonical(statement)).hexdigest()


def _line_data(line: Line) -> dict[str, Any]:
    scale, per = SCALES[line.unit]
    return {
        "reference": line.reference,
        "month": line.month,
        "machine": line.machine,
        "basis": line.basis,
        "state": line.state,
        "band": line.band,
        "tariff": line.tariff,
        "item": line.item,
        "vat_rate": str(line.tax.rate),
        "natura": line.tax.natura,
        "quantity": line.quantity,
        "unit": line.unit,
        "price": None if line.price is None else str(line.price),
        "price_per": per,
        "price_units": str(scale),
        "exact": str(euros(line.exact)),
        "amount": str(line.amount),
        "flagged_quantity": line.flagged,
        "flagged_amount": str(line.flagged_amount),
        "corrects": None if line.corrects is None else line.corrects._asdict(),
        "steps": [
            {
                "rule": step.rule,
                "quantity": step.quantity,
                "price": None if step.price is None else str(step.price),
                "exact": None if step.amount is None else str(euros(step.amount)),
                "note": step.note,
            }
            for step in line.steps
        ],
        "parts": [_part_data(part) for part in line.parts],
    }


def _part_data(part: Part) -> dict[str, Any]:
    return {
        "day": None if part.day is None else part.day.isoformat(),
        "session": None if part.session is None else format_instant(part.session),
        "quantity": part.quantity,
        "amount": str(part.amount),
        "flagged_quantity": part.flagged,
        "segments": [
            {
                "from": format_instant(segment.period.start),
                "to": format_instant(segment.period.end),
                "state": segment.state,
                "quality": segment.quality,
                "claim": segment.claim,
                "clock_doubtful": segment.is_clock_doubtful,
                "metered": [
                    {
                        "meter": each.meter,
                        "from": format_instant(each.period.start),
                        "to": format_instant(each.period.end),
                        "amount": each.amount,
                        "placed": each.placed,
                    }
                    for each in segment.metered
                ],
                "sources": [[source.signal, format_instant(source.stamp)] for source in segment.sources],
            }
            for segment in part.segments
        ],
    }
