"""What use costs: versions with validity, prices, limits; found by the time of use. Pure.

What applies once per session goes by the version in force when its last charged second passes, what applies once per
month by the version in force at the end of the month.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

from api.billing.statements import Basis, Tax
from shopfloor.errors import ExpectedError
from shopfloor.periods import Period, format_instant
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from api.billing.calendars import Calendar

ORDINARY = Tax(Decimal(22))
"""The ordinary rate of VAT in Italy."""
CHARGED_STATES = (State.SETUP, State.PROCESSING, State.IDLE, State.INTERRUPTED, State.MAINTENANCE)
"""States that a tariff may have a rate for; the others are never charged."""
AS_IDLE = frozenset({State.INTERRUPTED, State.MAINTENANCE})
"""States that cost what idle costs where the tariff says nothing of them."""
METERED = (
    Basis.TIME,
    Basis.BOOKED_UNUSED,
    Basis.START_UP,
    Basis.SESSION_MINIMUM,
    Basis.ENERGY,
    Basis.PARTS,
    Basis.CYCLES,
)
"""What a monthly minimum or cap compares: all that use costs on one machine."""
_NATURA = frozenset(
    {"N1", "N2.1", "N2.2", "N3.1", "N3.2", "N3.3", "N3.4", "N3.5", "N3.6", "N4", "N5", "N6.1", "N6.2", "N6.3", "N6.4",
     "N6.5", "N6.6", "N6.7", "N6.8", "N6.9", "N7"},
)  # fmt: skip
"""FatturaPA 1.2.2, NaturaType, without the plain codes that are no longer accepted."""
_RATE_MAX = 100


class BadTariffError(ExpectedError):
    """The tariff cannot be used; the sentence names the version, the place and the mend."""


class OverlapError(BadTariffError):
    """Two versions would hold for the same machine and group at one time."""


class UnpricedError(ExpectedError):
    """There is use that no tariff version covers; the sentence says whose, where and when."""


class Tier(NamedTuple):
    """A step of prices.

    Attributes:
        up_to: whole units up to which it reaches, itself included; None for the last.
        price: euros per hour, kilowatt-hour or piece.
    """

    up_to: int | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """What a unit costs: one price, one per band, or tiers over a month.

    Attributes:
        flat: euros per hour, kilowatt-hour or piece.
        bands: by the band of the version's calendar.
        tiers: by the quantity of the month, ascending.
        is_volume: the tier that the whole month reaches is the price of all of it; else each tier prices its own part.
    """

    flat: Decimal | None = None
    bands: Mapping[str, Decimal] | None = None
    tiers: Sequence[Tier] = ()
    is_volume: bool = False

    def check(self, place: str, calendar: Calendar | None) -> None:
        """Refuse a price that does not price everything, or that falls below nothing.

        Raises:
            BadTariffError: naming the place.
        """
        if sum((self.flat is not None, self.bands is not None, bool(self.tiers))) != 1:
            raise BadTariffError(f"{place}: give one price, one per band or tiers, and only one of the three")
        prices = [*([] if self.flat is None else [self.flat]), *(self.bands or {}).values()]
        for price in (*prices, *(tier.price for tier in self.tiers)):
            if not price.is_finite() or price < 0:
                raise BadTariffError(f"{place}: {price} is no price: it is 0 or more")
        if self.bands is not None:
            self._check_bands(place, self.bands, calendar)
        limits = [tier.up_to for tier in self.tiers]
        if limits and limits[-1] is not None:
            raise BadTariffError(f"{place}: the last tier has no limit, so that every quantity has a price")
        bounded = [limit for limit in limits[:-1] if limit is not None]
        if len(bounded) != len(limits[:-1]) or bounded != sorted(set(bounded)) or min(bounded, default=1) <= 0:
            raise BadTariffError(f"{place}: the limits of the tiers ascend, above 0")

    @staticmethod
    def _check_bands(place: str, bands: Mapping[str, Decimal], calendar: Calendar | None) -> None:
        if calendar is None:
            raise BadTariffError(f"{place}: has prices per band: name the calendar whose bands they are")
        missing = sorted(calendar.bands - set(bands))
        if missing:
            raise BadTariffError(f"{place}: the band {missing[0]} of the calendar {calendar.name} has no price")
        unknown = sorted(set(bands) - calendar.bands)
        if unknown:
            raise BadTariffError(f"{place}: the calendar {calendar.name} has no band {unknown[0]!r}; it has "
                                 f"{', '.join(sorted(calendar.bands))}")  # fmt: skip


class Minimum(NamedTuple):
    """What a member commits to pay for a machine in a month.

    Attributes:
        amount: euros in whole cents.
        members: who has committed, used or not; None for every member that uses the machine in the month.
    """

    amount: Decimal
    members: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A tariff while it is valid.

    Attributes:
        tariff: name of the tariff.
        name: of the version; a statement prints both.
        valid: from when to when; what is used then costs this.
        machines: which it is for; None for all.
        groups: which groups of members it is for; None for all.
        calendar: whose bands its prices name.
        time: by state.
        booked_unused: per hour of one's own booking in which the machine was off.
        start_up: euros per session that is charged.
        energy: per kilowatt-hour.
        parts: per piece.
        cycles: per cycle.
        tax: VAT of everything not named in `taxes`.
        taxes: VAT by what is charged for.
        increment_seconds: a session's charged seconds are rounded up to a multiple; 1 for none.
        session_minimum: euros that a charged session costs at least.
        free_below_seconds: a session with fewer charged seconds costs nothing.
        monthly_minimum: per member and machine.
        monthly_cap: euros per member and machine.
        is_provisional: the year ends with a true-up to what the machine really cost.

    Raises:
        BadTariffError: naming version, place and mend.
    """

    tariff: str
    name: str
    valid: Period
    machines: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    calendar: Calendar | None = None
    time: Mapping[State, Price] = field(default_factory=dict)
    booked_unused: Price | None = None
    start_up: Decimal | None = None
    energy: Price | None = None
    parts: Price | None = None
    cycles: Price | None = None
    tax: Tax = ORDINARY
    taxes: Mapping[Basis, Tax] = field(default_factory=dict)
    increment_seconds: int = 1
    session_minimum: Decimal | None = None
    free_below_seconds: int = 0
    monthly_minimum: Minimum | None = None
    monthly_cap: Decimal | None = None
    is_provisional: bool = False

    def __post_init__(self) -> None:
        self._check_prices()
        self._check_limits()
        for tax in (self.tax, *self.taxes.values()):
            check_tax(self.label, tax)

    @property
    def label(self) -> str:
        """Tariff and version, as a line names them."""
        return f"{self.tariff}@{self.name}"

    def price(self, basis: Basis, state: State | None = None) -> Price | None:
        """Return the price of a unit; None for what this version does not charge."""
        if basis is Basis.TIME:
            return self.time.get(State.IDLE if state in AS_IDLE and state not in self.time else state or State.IDLE)
        return {
            Basis.BOOKED_UNUSED: self.booked_unused,
            Basis.ENERGY: self.energy,
            Basis.PARTS: self.parts,
            Basis.CYCLES: self.cycles,
        }.get(basis)

    def tax_of(self, basis: Basis) -> Tax:
        """Return how something is taxed."""
        return self.taxes.get(basis, self.tax)

    def _check_prices(self) -> None:
        if not self.valid:
            raise BadTariffError(f"{self.label}: is valid for no time at all: end it after its start")
        for state in self.time:
            if state not in CHARGED_STATES:
                raise BadTariffError(f"{self.label}, {state}: is never charged; rates are for "
                                     f"{', '.join(CHARGED_STATES)}")  # fmt: skip
        named: dict[str, Price | None] = {
            **{state.value: price for state, price in self.time.items()},
            Basis.BOOKED_UNUSED: self.booked_unused,
            Basis.ENERGY: self.energy,
            Basis.PARTS: self.parts,
            Basis.CYCLES: self.cycles,
        }
        prices = {name: price for name, price in named.items() if price is not None}
        for name, price in prices.items():
            price.check(f"{self.label}, {name}", self.calendar)
        if self.session_minimum is not None and any(price.tiers for price in prices.values()):
            raise BadTariffError(
                f"{self.label}: has both tiers and a session minimum: what a session costs in tiers is known at the "
                "end of the month only, so drop one of the two"
            )

    def _check_limits(self) -> None:
        if self.increment_seconds < 1:
            raise BadTariffError(f"{self.label}, increment: is one second or more")
        if self.free_below_seconds < 0:
            raise BadTariffError(f"{self.label}, free_below: is no negative time")
        minimum = None if self.monthly_minimum is None else self.monthly_minimum.amount
        named = {"start_up": self.start_up, "session_minimum": self.session_minimum, "monthly_minimum": minimum,
                 "monthly_cap": self.monthly_cap}  # fmt: skip
        for name, amount in named.items():
            if amount is not None:
                check_amount(f"{self.label}, {name}", amount)
        if minimum is not None and self.monthly_cap is not None and minimum > self.monthly_cap:
            raise BadTariffError(f"{self.label}: the monthly minimum {minimum} is above the monthly cap "
                                 f"{self.monthly_cap}: lower it")  # fmt: skip


def check_amount(place: str, amount: Decimal) -> None:
    """Refuse what is no amount of whole cents, 0 or more.

    Raises:
        BadTariffError: naming the place.
    """
    if not amount.is_finite() or amount < 0 or amount != amount.quantize(Decimal("0.01")):
        raise BadTariffError(f"{place}: {amount} is no amount: write euros and whole cents, 0 or more")


def check_tax(place: str, tax: Tax) -> None:
    """Refuse what SdI would refuse: a rate of 0 without Natura, a rate with one (checks 00400, 00401).

    Raises:
        BadTariffError: naming the place.
    """
    if not tax.rate.is_finite() or not 0 <= tax.rate <= _RATE_MAX:
        raise BadTariffError(f"{place}: {tax.rate} is no rate of VAT: it lies between 0 and 100 per cent")
    if tax.rate and tax.natura:
        raise BadTariffError(f"{place}: the rate {tax.rate} forbids the Natura {tax.natura}: drop one")
    if not tax.rate and tax.natura not in _NATURA:
        raise BadTariffError(f"{place}: no VAT needs a Natura that says why, such as N4; {tax.natura!r} is none")


class Book:
    """All versions of all tariffs: at most one for a machine, a group and an instant.

    A version for named machines goes before one for all, then one for named groups before one for all.

    Raises:
        OverlapError: two versions of one rank are for the same machine and group at one time.
        BadTariffError: two versions have one name.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        """Take versions in any order."""
        self._versions = sorted(versions, key=lambda each: (_rank(each), each.valid, each.label))
        for one, other in combinations(self._versions, 2):
            if one.label == other.label:
                raise BadTariffError(f"two tariff versions are called {one.label}: give one another name")
            if _collide(one, other):
                raise OverlapError(
                    f"the tariff versions {one.label} ({_validity(one)}) and {other.label} ({_validity(other)}) "
                    "overlap: end the one where the other begins"
                )

    @property
    def versions(self) -> Sequence[Version]:
        """All versions, the most particular first."""
        return self._versions

    def pieces(self, machine: str, group: str, period: Period) -> list[tuple[Period, Version | None]]:
        """Cut a period where another version takes over, for one machine and one group of members."""
        fitting = [
            each
            for each in self._versions
            if (each.machines is None or machine in each.machines) and (each.groups is None or group in each.groups)
        ]
        bounds = {bound for each in fitting for bound in (each.valid.start, each.valid.end) if bound in period}
        cuts = sorted(bounds | {period.start, period.end})
        return [
            (Period(start, end), next((each for each in fitting if start in each.valid), None))
            for start, end in pairwise(cuts)
        ]

    def at(self, machine: str, group: str, instant: int) -> Version | None:
        """Return the version for one machine and group at an instant."""
        return self.pieces(machine, group, Period(instant, instant + 1))[0][1]

    @property
    def provisional(self) -> frozenset[str]:
        """The labels of the versions that end the year with a true-up."""
        return frozenset(each.label for each in self._versions if each.is_provisional)

    def committed(self, machine: str) -> Iterator[str]:
        """Yield the members that have committed to a machine in any version."""
        for each in self._versions:
            if each.monthly_minimum is not None and (each.machines is None or machine in each.machines):
                yield from each.monthly_minimum.members or ()


def _rank(version: Version) -> tuple[bool, bool]:
    return version.machines is None, version.groups is None


def _collide(one: Version, other: Version) -> bool:
    if _rank(one) != _rank(other) or not one.valid.overlaps(other.valid):
        return False
    machines = one.machines is None or other.machines is None or one.machines & other.machines
    groups = one.groups is None or other.groups is None or one.groups & other.groups
    return bool(machines and groups)


def _validity(version: Version) -> str:
    return f"{format_instant(version.valid.start)} to {format_instant(version.valid.end)}"
