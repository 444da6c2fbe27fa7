"""What a month costs, from what machines did in truth: a second implementation that knows nothing of the store.

It goes by pieces and fractions, and takes from the naive oracle of the unit tests what is about bands and rounding; a
test compares both, second by second.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tests.unit.api.billing.oracle import CHARGED, Line, Oracle, half_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.benchmarks.month_life import Piece, Used

CALENDAR = """
name = "own"
mon = ["00:00 low", "07:00 mid", "08:00 high", "19:00 mid", "23:00 low"]
tue = ["00:00 low", "07:00 mid", "08:00 high", "19:00 mid", "23:00 low"]
wed = ["00:00 low", "07:00 mid", "08:00 high", "19:00 mid", "23:00 low"]
thu = ["00:00 low", "07:00 mid", "08:00 high", "19:00 mid", "23:00 low"]
fri = ["00:00 low", "07:00 mid", "08:00 high", "19:00 mid", "23:00 low"]
sat = ["00:00 low", "07:00 mid", "23:00 low"]
sun = ["00:00 low"]
holiday = ["00:00 low"]
holidays = ["01-01", "01-06", "04-25", "05-01", "06-02", "08-15", "11-01", "12-08", "12-25", "12-26"]
"""
TARIFF = """
name = "mill"
[[versions]]
from = 2020-01-01T00:00:00+01:00
calendar = "own"
time = { setup = 18.00, processing = { high = 36.50, mid = 33.00, low = 30.00 }, idle = 9.90 }
energy = 0.27
start_up = 7.50
session_minimum = 25.00
increment_seconds = 360
vat = { default = 22, energy = 10 }
"""
"""What machines cost, as it is entered into the price list; the oracles read the same text."""
QUARTER = 900
Lines = dict[tuple[str, str, str], Line]


def price_table(machine: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the prices, and a machine, as the naive oracle reads them."""
    read = (tomllib.loads(text, parse_float=Decimal) for text in (CALENDAR, TARIFF))
    calendar, tariff = read
    policy = {"badge_seconds_max": 43_200, "badge_off_seconds_max": 900}
    return {"calendars": [calendar], "tariffs": [tariff], "policy": policy, "machines": [machine or {}]}


class Bills:
    """Gathers what the machines of a house cost its members, month by month."""

    def __init__(self) -> None:
        table = price_table()
        self._prices: dict[str, Any] = table["tariffs"][0]["versions"][0]
        self._naive = Oracle(table, None, 0, 0)
        self.band = cache(lambda quarter: self._naive.band(quarter * QUARTER))
        self.month = cache(lambda quarter: Oracle.month(quarter * QUARTER))
        self._quantities: dict[tuple[str, str, str], int] = defaultdict(int)
        self._costs: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)

    def take(self, machine: str, pieces: Iterable[Piece], used: Iterable[Used]) -> None:
        """Charge what a machine did, in order, and the energy that it took."""
        for member, run in groupby(pieces, key=lambda piece: piece.member):
            if member is not None:
                self._session(machine, member, list(run))
        for each in used:
            key = (self.month(each.start // QUARTER), each.member, f"energy/{machine}/mill@1")
            self._add(key, each.amount, Fraction(self._prices["energy"]) / 1_000_000)

    def lines(self, month: str) -> Lines:
        """Return the lines of a month that come to anything, by month, member and reference."""
        rounded = {key: Line(self._quantities[key], half_up(cost)) for key, cost in self._costs.items()}
        return {key: line for key, line in rounded.items() if key[0] == month and (line.quantity or line.amount)}

    def nets(self, month: str) -> dict[str, Fraction]:
        """Return what the statement of each member comes to."""
        nets: dict[str, Fraction] = defaultdict(Fraction)
        for (_, member, _), line in self.lines(month).items():
            nets[member] += line.amount
        return dict(nets)

    def _add(self, key: tuple[str, str, str], quantity: int, price: Fraction) -> Fraction:
        self._quantities[key] += quantity
        self._costs[key] += price * quantity
        return price * quantity

    def _session(self, machine: str, member: str, run: list[Piece]) -> None:
        """Charge one payer's run: its seconds, and in the month in which it ends what it owes once."""
        seconds, cost, last = 0, Fraction(0), None
        for piece in run:
            if piece.state not in CHARGED:
                continue
            for start, end in _quarters(piece):
                price, reference = self._price(machine, piece.state, start)
                cost += self._add((self.month(start // QUARTER), member, reference), end - start, price)
                seconds += end - start
                last = price, reference
        if last is None:
            return
        month = self.month((run[-1].end - 1) // QUARTER)
        extra = -seconds % self._prices["increment_seconds"]
        if extra:
            cost += self._add((month, member, last[1]), extra, last[0])
        self._add((month, member, f"start_up/{machine}/mill@1"), 1, Fraction(self._prices["start_up"]))
        missing = Fraction(self._prices["session_minimum"]) - cost
        if missing > 0:
            self._costs[month, member, f"session_minimum/{machine}/mill@1"] += missing

    def _price(self, machine: str, state: str, second: int) -> tuple[Fraction, str]:
        """Return the euros of a second, and the reference of the line."""
        rates = self._prices["time"]
        price, band = rates.get(state, rates["idle"]), ""
        if isinstance(price, dict):
            band = self.band(second // QUARTER)
            price = price[band]
        names = ("time", machine, state, band, "mill@1")
        return Fraction(price) / 3600, "/".join(name for name in names if name)


def _quarters(piece: Piece) -> Iterator[tuple[int, int]]:
    """Cut a piece at quarter hours, on which every band and month begins."""
    at = piece.start
    while at < piece.end:
        end = min((at // QUARTER + 1) * QUARTER, piece.end)
        yield at, end
        at = end
