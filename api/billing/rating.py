"""What the use of one machine in one month costs: pricers first, then what applies to sessions and to the month. Pure.

The order inside a month is: increments, prices, session minimum, tiers, monthly minimum and cap; VAT comes with the
statement. Whole seconds and milliwatt-hours are summed per line and priced once; a line is rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from api.billing.calendars import day_of, days_of
from api.billing.limits import limit_lines
from api.billing.money import ZERO, exact, share_line, times, to_cents
from api.billing.statements import Basis, Line, Part, Rule, Spent, Step, Unit
from api.billing.tariffs import CHARGED_STATES, Book, UnpricedError
from api.usage.segments import Meter, Quality, Segment, clip
from api.usage.sessions import Session, sessions
from shopfloor.periods import SECOND, Period, format_instant
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from api.billing.tariffs import Price, Version

UNITS = {
    Basis.TIME: Unit.SECOND,
    Basis.BOOKED_UNUSED: Unit.SECOND,
    Basis.ENERGY: Unit.MILLIWATT_HOUR,
    Basis.PARTS: Unit.PIECE,
    Basis.CYCLES: Unit.PIECE,
    Basis.START_UP: Unit.PIECE,
}
_METERS = {Meter.ENERGY: Basis.ENERGY, Meter.PARTS: Basis.PARTS, Meter.CYCLES: Basis.CYCLES}
_TIMES = {Basis.TIME, Basis.BOOKED_UNUSED}
FACTORS = {Unit.SECOND: Decimal(1), Unit.MILLIWATT_HOUR: Decimal("0.0036"), Unit.PIECE: Decimal(3600)}
"""By unit: 3600ths of a euro for one of it, at a price of one euro per hour, kilowatt-hour or piece."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a month is rated by.

    Attributes:
        book: all tariffs.
        groups: the group of each member; a member that is not named is of the group of no name.
        zone: civil zone of days, months and bands.
        month: as `2026-10`.
        period: of that month.
    """

    book: Book
    groups: Mapping[str, str]
    zone: ZoneInfo
    month: str
    period: Period

    def group(self, member: str) -> str:
        """Return the group of a member."""
        return self.groups.get(member, "")


class _Key(NamedTuple):
    """What makes a line of a member on a machine."""

    member: str
    basis: Basis
    state: State | None
    band: str
    version: str


class _Piece(NamedTuple):
    """Use that lies in one day, band and tariff version."""

    key: _Key
    version: Version
    price: Price
    period: Period
    day: date
    quantity: int
    flagged: int
    segment: Segment


@dataclass(slots=True)
class _Share:
    """What of a line belongs to one day and session."""

    quantity: int = 0
    flagged: int = 0
    extra: int = 0
    free: int = 0
    segments: list[Segment] = field(default_factory=list)

    def add(self, piece: _Piece, *, free: bool) -> None:
        """Take in a piece; one of a free session is listed and counts nothing."""
        if free:
            self.free += piece.quantity
        else:
            self.quantity += piece.quantity
            self.flagged += piece.flagged
        segment = piece.segment
        part = segment if segment.period is piece.period else clip(segment, piece.period)
        is_listed = piece.key.basis not in _TIMES and self.segments and self.segments[-1] == part
        if part is not None and not is_listed:
            self.segments.append(part)


@dataclass(slots=True)
class _Cell:
    """A line in the making."""

    version: Version
    price: Price
    shares: dict[tuple[date, int], _Share] = field(default_factory=dict)

    @property
    def quantity(self) -> int:
        return sum(share.quantity for share in self.shares.values())


class _Due(NamedTuple):
    """What a session owes once: in the month in which it ends."""

    day: date
    session: int
    amount: Decimal
    step: Step


def rate_machine(machine: str, segments: Sequence[Segment], terms: Terms) -> list[Line]:
    """Charge the use of one machine in one month to the members that used it.

    Args:
        machine: identifier of the machine.
        segments: of that machine, in order; they reach beyond the month as far as the sessions at its ends do.
        terms: tariffs, groups, zone and month.

    Returns:
        The lines of all members, in no order that matters.

    Raises:
        UnpricedError: a member used the machine in a state that could be charged, and no tariff version covers it.
    """
    ledger = _Ledger(machine, terms)
    for session in sessions(segments):
        if session.period.overlaps(terms.period):
            ledger.take(session)
    lines = ledger.lines()
    limited = limit_lines(machine, lines, book=terms.book, groups=terms.groups, month=terms.month, period=terms.period)
    return [*lines, *limited]


def spent(segments: Iterable[Segment], period: Period) -> dict[str, list[Spent]]:
    """Sum a machine's seconds by payer, state and quality: what is charged, and what is not."""
    seconds: dict[str, dict[tuple[str, State, Quality], int]] = {}
    for segment in segments:
        part = segment.period.clip(period)
        if part is not None:
            sums = seconds.setdefault(segment.payer, {})
            key = (segment.machine, segment.state, segment.quality)
            sums[key] = sums.get(key, 0) + part.seconds
    return {payer: [Spent(*key, total) for key, total in sorted(sums.items())] for payer, sums in seconds.items()}


class _Ledger:
    """Gathers the charges of one machine and month."""

    def __init__(self, machine: str, terms: Terms) -> None:
        self._machine, self._terms = machine, terms
        self._cells: dict[_Key, _Cell] = {}
        self._dues: dict[tuple[str, Basis, str], tuple[Version, list[_Due]]] = {}
        self._versions: dict[str, list[tuple[Period, Version | None]]] = {}
        self._prices: dict[tuple[int, Basis, State | None], tuple[Price | None, str]] = {}

    def take(self, session: Session) -> None:
        """Charge a session: its part of this month, and what it owes once if it ends in it."""
        pieces, start = list(self._pieces(session)), session.period.start
        month = self._terms.period
        is_within = month.start <= start and session.period.end <= month.end
        timed = [piece for piece in pieces if piece.key.basis is Basis.TIME]
        seconds = sum(piece.quantity for piece in timed)
        last = timed[-1] if timed else None
        is_free = last is not None and seconds < last.version.free_below_seconds
        for piece in pieces:
            if is_within or piece.period.start in month:
                self._share(piece.key, piece.version, piece.price, piece.day, start).add(piece, free=is_free)
        if last is not None and not is_free and session.period.end - 1 in self._terms.period:
            self._once(session, timed, seconds, last)

    def _share(self, key: _Key, version: Version, price: Price, day: date, session: int) -> _Share:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell(version, price)
        share = cell.shares.get((day, session))
        if share is None:
            share = cell.shares[day, session] = _Share()
        return share

    def _once(self, session: Session, timed: Sequence[_Piece], seconds: int, last: _Piece) -> None:
        """Add a session's increment, start-up fee and minimum."""
        version = last.version
        extra = -seconds % version.increment_seconds
        if extra:
            day = last.day if last.period.start in self._terms.period else self._last_day(session)
            share = self._share(last.key, version, last.price, day, session.period.start)
            share.quantity += extra
            share.extra += extra
        if version.start_up:
            step = Step(Rule.PRICE, 1, version.start_up, exact(version.start_up))
            self._owe(session, Basis.START_UP, version, exact(version.start_up), step)
        if version.session_minimum is not None:
            # Time before a change of version may have tiers: what it costs is known of the month, not of the session.
            priced = (piece for piece in timed if not piece.price.tiers)
            price = sum(
                (times(_unit_price(piece.price, piece.key.band), piece.quantity) for piece in priced), Decimal(0)
            )
            price += times(_unit_price(last.price, last.key.band), extra)
            missing = exact(version.session_minimum) - price
            if missing > 0:
                note = format_instant(session.period.start)
                step = Step(Rule.SESSION_MINIMUM, None, version.session_minimum, missing, note)
                self._owe(session, Basis.SESSION_MINIMUM, version, missing, step)

    def _owe(self, session: Session, basis: Basis, version: Version, amount: Decimal, step: Step) -> None:
        _, dues = self._dues.setdefault((session.member, basis, version.label), (version, []))
        dues.append(_Due(self._last_day(session), session.period.start, amount, step))

    def _last_day(self, session: Session) -> date:
        return day_of(session.period.end - 1, self._terms.zone)

    def _pieces(self, session: Session) -> Iterator[_Piece]:
        versions = self._versions_of(session)
        for segment in session.segments:
            basis = _basis(segment)
            if basis is None:
                continue
            for period, version in versions:
                part = segment.period.clip(period)
                if part is None:
                    continue
                if version is None:
                    self._refuse_unpriced(segment, part, basis)
                    continue
                yield from self._timed(segment, part, version, basis)
                if basis is Basis.TIME:
                    yield from self._metered(segment, part, version)

    def _versions_of(self, session: Session) -> list[tuple[Period, Version | None]]:
        """Return the versions across a session; those of the month are looked up once per member."""
        book, group = self._terms.book, self._terms.group(session.member)
        within = session.period.start >= self._terms.period.start and session.period.end <= self._terms.period.end
        if not within:
            return book.pieces(self._machine, group, session.period)
        if group not in self._versions:
            self._versions[group] = book.pieces(self._machine, group, self._terms.period)
        return self._versions[group]

    def _refuse_unpriced(self, segment: Segment, part: Period, basis: Basis) -> None:
        if basis is Basis.TIME and part.overlaps(self._terms.period):
            raise UnpricedError(
                f"{segment.payer} used {self._machine} at {format_instant(part.start)} ({segment.state}) and no tariff "
                "version is valid for it then: add one"
            )

    def _timed(self, segment: Segment, part: Period, version: Version, basis: Basis) -> Iterator[_Piece]:
        state = segment.state if basis is Basis.TIME else None
        price, label = self._price(version, basis, state)
        if price is None:
            return
        is_estimated = segment.quality is Quality.ESTIMATED
        for day, piece, band in self._cut(part, version, price):
            seconds = piece.seconds
            key = _Key(segment.payer, basis, state, band, label)
            yield _Piece(key, version, price, piece, day, seconds, seconds if is_estimated else 0, segment)

    def _price(self, version: Version, basis: Basis, state: State | None) -> tuple[Price | None, str]:
        """Return a price and the name of its version; each is looked up once, and asked for by every segment."""
        what = (id(version), basis, state)
        found = self._prices.get(what)
        if found is None:
            found = self._prices[what] = (version.price(basis, state), version.label)
        return found

    def _metered(self, segment: Segment, part: Period, version: Version) -> Iterator[_Piece]:
        for each in segment.metered:
            basis = _METERS.get(each.meter)
            price = None if basis is None else version.price(basis)
            start = each.period.start
            if basis is None or price is None or start not in part:
                continue
            day, _, band = next(iter(self._cut(Period(start, start + SECOND), version, price)))
            key = _Key(segment.payer, basis, None, band, version.label)
            flagged = 0 if each.placed else each.amount
            yield _Piece(key, version, price, each.period, day, each.amount, flagged, segment)

    def _cut(self, period: Period, version: Version, price: Price) -> Iterable[tuple[date, Period, str]]:
        if price.bands is None or version.calendar is None:
            return [(day, piece, "") for day, piece in days_of(period, self._terms.zone)]
        return version.calendar.cut(period, self._terms.zone)

    def lines(self) -> list[Line]:
        """Price what was gathered."""
        totals: dict[tuple[str, Basis, State | None], int] = {}
        for key, cell in self._cells.items():
            what = (key.member, key.basis, key.state)
            totals[what] = totals.get(what, 0) + cell.quantity
        before: dict[tuple[str, Basis, State | None], int] = {}
        found: list[Line] = []
        for key, cell in sorted(self._cells.items(), key=lambda item: (item[1].version.valid, item[0])):
            what = (key.member, key.basis, key.state)
            found.append(self._line(key, cell, before.get(what, 0), totals[what]))
            before[what] = before.get(what, 0) + cell.quantity
        return [*found, *self._due_lines()]

    def _line(self, key: _Key, cell: _Cell, before: int, total: int) -> Line:
        unit = UNITS[key.basis]
        factor = FACTORS[unit]
        exacts: list[Decimal] = []
        passed = before
        ordered = sorted(cell.shares.items(), key=lambda item: item[0])
        for _, each in ordered:
            cost = _cost(cell.price, key.band, passed + each.quantity, total) - _cost(
                cell.price, key.band, passed, total
            )
            exacts.append(times(factor, cost))
            passed += each.quantity
        whole = sum(exacts, Decimal(0))
        amount = to_cents(whole)
        flagged = sum(each.flagged for _, each in ordered)
        is_time = unit is Unit.SECOND
        return Line(
            reference=reference(key.basis, self._machine, key.state, key.band, key.version),
            month=self._terms.month,
            member=key.member,
            machine=self._machine,
            basis=key.basis,
            state=key.state,
            band=key.band,
            tariff=key.version,
            tax=cell.version.tax_of(key.basis),
            unit=unit,
            quantity=passed - before,
            price=None if cell.price.tiers else _unit_price(cell.price, key.band),
            exact=whole,
            amount=amount,
            flagged=flagged,
            flagged_amount=to_cents(whole * flagged / (passed - before)) if flagged and is_time else ZERO,
            steps=tuple(_steps(key, cell, range(before, passed), total, whole)),
            parts=tuple(
                Part(day, session, each.quantity, cents, each.flagged, tuple(each.segments))
                for ((day, session), each), cents in zip(ordered, share_line(amount, exacts), strict=True)
            ),
        )

    def _due_lines(self) -> Iterator[Line]:
        for (member, basis, label), (version, dues) in sorted(self._dues.items(), key=lambda item: item[0]):
            total = sum((due.amount for due in dues), Decimal(0))
            amount = to_cents(total)
            ordered = sorted(dues, key=lambda due: (due.day, due.session))
            cents = share_line(amount, [due.amount for due in ordered])
            is_fee = basis is Basis.START_UP
            yield Line(
                reference=reference(basis, self._machine, label),
                month=self._terms.month,
                member=member,
                machine=self._machine,
                basis=basis,
                tariff=label,
                tax=version.tax_of(basis),
                unit=Unit.PIECE if is_fee else Unit.NONE,
                quantity=len(dues) if is_fee else 0,
                price=version.start_up if is_fee else None,
                exact=total,
                amount=amount,
                steps=(*(due.step for due in ordered), Step(Rule.ROUND, amount=total)),
                parts=tuple(
                    Part(due.day, due.session, 1 if is_fee else 0, each)
                    for due, each in zip(ordered, cents, strict=True)
                ),
            )


def reference(*names: str | None) -> str:
    """Name a line within a member's month by what makes it a line of its own."""
    return "/".join(name for name in names if name)


def _basis(segment: Segment) -> Basis | None:
    """Return what time is charged as: use, a booking that its member left unused, or nothing."""
    if segment.state in CHARGED_STATES:
        return Basis.TIME
    return Basis.BOOKED_UNUSED if segment.state is State.OFF and segment.booked == segment.payer else None


def _unit_price(price: Price, band: str) -> Decimal:
    if price.bands is not None:
        return price.bands[band]
    return price.tiers[0].price if price.flat is None else price.flat


def _cost(price: Price, band: str, quantity: int, total: int) -> Decimal:
    """Return what a quantity costs, in units of the price: graduated tiers add up, volume goes by the total."""
    if not price.tiers:
        return times(_unit_price(price, band), quantity)
    if price.is_volume:
        tier = next(each for each in price.tiers if each.up_to is None or total <= each.up_to)
        return times(tier.price, quantity)
    cost, below = Decimal(0), 0
    for tier in price.tiers:
        upper = quantity if tier.up_to is None else min(tier.up_to, quantity)
        cost += times(tier.price, max(0, upper - below))
        below = max(below, upper)
    return cost


def _steps(key: _Key, cell: _Cell, span: range, total: int, whole: Decimal) -> Iterator[Step]:
    """Write down how a line was calculated, in the order of the calculation."""
    free = sum(each.free for each in cell.shares.values())
    if free:
        yield Step(Rule.FREE_SESSIONS, free)
    extra = sum(each.extra for each in cell.shares.values())
    if extra:
        yield Step(Rule.INCREMENT, extra, note=str(cell.version.increment_seconds))
    factor = FACTORS[UNITS[key.basis]]
    if not cell.price.tiers:
        yield Step(Rule.PRICE, len(span), _unit_price(cell.price, key.band), whole)
    elif cell.price.is_volume:
        tier = next(each for each in cell.price.tiers if each.up_to is None or total <= each.up_to)
        yield Step(Rule.TIER, len(span), tier.price, whole, note=f"month {total}")
    else:
        lower = 0
        for tier in cell.price.tiers:
            upper = span.stop if tier.up_to is None else min(tier.up_to, span.stop)
            quantity = max(0, upper - max(lower, span.start))
            if quantity:
                cost = times(factor, times(tier.price, quantity))
                yield Step(Rule.TIER, quantity, tier.price, cost, note=f"from {max(lower, span.start)}")
            lower = upper
    yield Step(Rule.ROUND, amount=whole)
