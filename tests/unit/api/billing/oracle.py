"""A second implementation of the policy, deliberately naive: it walks every second and adds fractions.

It shares nothing with the product but the text of the policy, and reads the same table as a scenario file.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

ROME = ZoneInfo("Europe/Rome")
CHARGED = {"processing", "setup", "idle", "interrupted", "maintenance"}


def second_of(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())


def half_up(amount: Fraction) -> Fraction:
    """Round to cents, half away from zero."""
    sign = -1 if amount < 0 else 1
    return sign * Fraction(floor(abs(amount) * 100 + Fraction(1, 2)), 100)


def shares(amount: Fraction, weights: list[Fraction]) -> list[Fraction]:
    """Cut to the cent, then hand out what is missing to the largest remainders."""
    if not any(weights):
        weights = [Fraction(1)] * len(weights)
    sign = -1 if amount < 0 else 1
    cents = [abs(amount) * 100 * weight / sum(weights) for weight in weights]
    whole = [floor(each) for each in cents]
    missing = abs(amount) * 100 - sum(whole)
    order = sorted(range(len(cents)), key=lambda index: (-(cents[index] - whole[index]), index))
    for index in order[: int(missing)]:
        whole[index] += 1
    return [Fraction(sign * each, 100) for each in whole]


class Line(NamedTuple):
    quantity: int
    amount: Fraction


@dataclass
class Sums:
    quantity: int = 0
    exact: Fraction = Fraction(0)
    vat: str = ""
    basis: str = ""


@dataclass
class Second:
    at: int
    state: str
    payer: str | None
    booked: str | None
    energy: int = 0


@dataclass(eq=False)
class Oracle:
    """Rates one machine of a table, second by second, with what is known at an instant."""

    table: dict[str, Any]
    known_at: int | None
    start: int
    end: int
    lines: dict[tuple[str, str, str], Sums] = field(default_factory=dict)

    def known(self, row: dict[str, Any]) -> bool:
        return self.known_at is None or "arrives" not in row or second_of(row["arrives"]) <= self.known_at

    def spans(self, rows: list[dict[str, Any]], when: str = "arrives") -> list[tuple[int, int, dict[str, Any]]]:
        """What is known, in the order in which it arrived."""
        known = [row for row in rows if self.known(row)]
        known.sort(key=lambda row: second_of(row[when]) if when in row else -1)
        return [(second_of(row["from"]), second_of(row["to"]), row) for row in known]

    @staticmethod
    def at(spans: list[tuple[int, int, dict[str, Any]]], second: int) -> dict[str, Any] | None:
        """The latest to arrive of the rows that cover a second."""
        found = None
        for start, end, row in spans:
            if start <= second < end:
                found = row
        return found

    def walk(self) -> list[Second]:
        machine, policy = self.table["machines"][0], self.table["policy"]
        states, bookings, jobs = (self.spans(machine[name]) for name in ("states", "bookings", "jobs"))
        corrections = self.approved(machine["corrections"])
        badges = [(second_of(each["at"]), each) for each in machine["badges"]]
        seconds: list[Second] = []
        holder, since, off = None, 0, 0
        for at in range(self.start, self.end):
            row = self.at(states, at)
            state = row["state"] if row else "unknown"
            events = [each for moment, each in badges if moment == at]
            for event in sorted(events, key=lambda each: each["event"] == "in"):
                if event["event"] == "in":
                    holder, since, off = event["member"], at, 0
                elif event["member"] == holder:
                    holder = None
            if holder and (at - since >= policy["badge_seconds_max"] or off >= policy["badge_off_seconds_max"]):
                holder = None
            off = off + 1 if state == "off" else 0
            booking = self.at(bookings, at)
            booked = booking["member"] if booking else None
            job = self.at(jobs, at)
            correction = self.at(corrections, at)
            payer = (
                (correction["payer"] if correction else None)
                or (job["id"].split("-")[0] if job else None)
                or holder
                or booked
            )
            seconds.append(Second(at, state, payer, booked))
        self.place_energy(machine["energy_used"], seconds)
        return seconds

    def approved(self, rows: list[dict[str, Any]]) -> list[tuple[int, int, dict[str, Any]]]:
        known = [
            row
            for row in rows
            if "approved_by" in row and (self.known_at is None or second_of(row["approved_at"]) <= self.known_at)
        ]
        return self.spans(known, "approved_at")

    def place_energy(self, rows: list[dict[str, Any]], seconds: list[Second]) -> None:
        by_second = {each.at: each for each in seconds}
        for row in rows:
            span = [by_second[at] for at in range(second_of(row["from"]), second_of(row["to"]))]
            chosen = [each for each in span if each.state != "off"] or span
            amount = int(row["kwh"] * 1_000_000)
            for number, each in enumerate(chosen):
                each.energy += amount * (number + 1) // len(chosen) - amount * number // len(chosen)

    def version(self, second: int) -> tuple[int, dict[str, Any]]:
        for number, version in enumerate(self.table["tariffs"][0]["versions"], 1):
            end = version.get("to")
            if second_of(version["from"]) <= second and (end is None or second < second_of(end)):
                return number, version
        raise AssertionError("a second has no tariff")

    def band(self, second: int) -> str:
        local = datetime.fromtimestamp(second, UTC).astimezone(ROME)
        calendar = self.table["calendars"][0]
        is_holiday = f"{local:%m-%d}" in calendar["holidays"]
        name = "holiday" if is_holiday else local.strftime("%a").lower()
        found = ""
        for row in calendar[name]:
            clock, band = row.split()
            if f"{local:%H:%M}" >= clock:
                found = band
        return found

    def charge(self, month: str, member: str, reference: str, *, basis: str, vat: str) -> Sums:
        sums = self.lines.setdefault((month, member, reference), Sums())
        sums.basis, sums.vat = basis, vat
        return sums

    def key(self, second: Second, basis: str, number: int, version: dict[str, Any]) -> tuple[str, Fraction | None]:
        """The reference and the price of one second's use; no price for tiers."""
        if basis == "time":
            name = second.state if second.state in version["time"] else "idle"
            price, state = version["time"].get(name), second.state
        else:
            price, state = version.get(basis), ""
        assert price is not None
        band = ""
        if isinstance(price, dict) and "tiers" not in price:
            band = self.band(second.at)
            price = price[band]
        parts = (basis, "M1", state, band, f"mill@{number}")
        reference = "/".join(each for each in parts if each)
        return reference, None if isinstance(price, dict) else Fraction(price)

    def rate(self) -> dict[tuple[str, str, str], Line]:
        seconds = self.walk()
        runs: list[list[Second]] = []
        for each in seconds:
            if each.payer is None:
                runs.append([])
            elif runs and runs[-1] and runs[-1][-1].payer == each.payer:
                runs[-1].append(each)
            else:
                runs.append([each])
        self.tiered: dict[tuple[str, str, str], list[tuple[int, dict[str, Any], str]]] = defaultdict(list)
        for run in runs:
            if run:
                self.session(run)
        self.price_tiers()
        self.round_and_limit()
        return {key: Line(sums.quantity, sums.exact) for key, sums in self.lines.items()}

    @staticmethod
    @lru_cache(maxsize=8192)
    def month(second: int) -> str:
        return f"{datetime.fromtimestamp(second, UTC).astimezone(ROME):%Y-%m}"

    def session(self, run: list[Second]) -> None:
        member = run[0].payer
        assert member is not None
        timed = [each for each in run if each.state in CHARGED and self.is_priced(each)]
        number, version = self.version(timed[-1].at) if timed else (0, {})
        is_free = bool(timed) and len(timed) < version.get("free_below_seconds", 0)
        price = Fraction(0)
        for each in run:
            own_number, own = self.version(each.at)
            if each.state in CHARGED:
                if self.is_priced(each):
                    price += self.add(member, each, "time", 0 if is_free else 1, tariff=(own_number, own))
                if "energy" in own and each.energy:
                    self.add(member, each, "energy", 0 if is_free else each.energy, tariff=(own_number, own))
            elif each.state == "off" and each.booked == member and "booked_unused" in own:
                self.add(member, each, "booked_unused", 0 if is_free else 1, tariff=(own_number, own))
        if not timed or is_free:
            return
        last = timed[-1]
        month = self.month(run[-1].at)
        extra = -len(timed) % version.get("increment_seconds", 1)
        if extra:
            price += self.add(member, last, "time", extra, tariff=(number, version), month=month)
        vat = version["vat"]
        if "start_up" in version:
            sums = self.charge(month, member, f"start_up/M1/mill@{number}", basis="start_up", vat=str(vat["default"]))
            sums.quantity += 1
            sums.exact += Fraction(version["start_up"])
        if "session_minimum" in version and price < Fraction(version["session_minimum"]):
            reference = f"session_minimum/M1/mill@{number}"
            sums = self.charge(month, member, reference, basis="session_minimum", vat=str(vat["default"]))
            sums.exact += Fraction(version["session_minimum"]) - price

    def is_priced(self, second: Second) -> bool:
        _, version = self.version(second.at)
        rates = version["time"]
        return second.state in rates or (second.state in {"interrupted", "maintenance"} and "idle" in rates)

    def add(
        self,
        member: str,
        second: Second,
        basis: str,
        quantity: int,
        *,
        tariff: tuple[int, dict[str, Any]],
        month: str | None = None,
    ) -> Fraction:
        number, version = tariff
        reference, price = self.key(second, basis, number, version)
        vat = str(version["vat"].get(basis, version["vat"]["default"]))
        month = month or self.month(second.at)
        sums = self.charge(month, member, reference, basis=basis, vat=vat)
        sums.quantity += quantity
        if price is None:
            self.tiered[month, member, second.state].append((quantity, {**version, "number": number}, reference))
            return Fraction(0)
        per = 1_000_000 if basis == "energy" else 3600
        sums.exact += price * quantity / per
        return price * quantity / per

    def price_tiers(self) -> None:
        for (month, member, state), seconds in self.tiered.items():
            total = sum(quantity for quantity, _, _ in seconds)
            passed = 0
            for quantity, version, reference in sorted(seconds, key=lambda each: each[1]["number"]):
                price = version["time"][state if state in version["time"] else "idle"]
                for _ in range(quantity):
                    passed += 1
                    reached = total if price["mode"] == "volume" else passed
                    tier = next(
                        each for each in price["tiers"] if "up_to" not in each or reached <= each["up_to"] * 3600
                    )
                    self.lines[month, member, reference].exact += Fraction(tier["price"]) / 3600

    def round_and_limit(self) -> None:
        for sums in self.lines.values():
            sums.exact = half_up(sums.exact)
        version = self.table["tariffs"][0]["versions"][-1]
        for month, member in sorted({key[:2] for key in self.lines}):
            _, version = self.version(self.last_second(month))
            own = [sums for key, sums in self.lines.items() if key[:2] == (month, member)]
            net = sum((sums.exact for sums in own), Fraction(0))
            by_vat: dict[str, Fraction] = defaultdict(Fraction)
            for sums in own:
                by_vat[sums.vat] += sums.exact
            if not any(by_vat.values()):
                by_vat = {str(version["vat"]["default"]): Fraction(0)}
            for name, sign in (("monthly_minimum", 1), ("monthly_cap", -1)):
                limit = version.get(name)
                if limit is None or (Fraction(limit) - net) * sign <= 0:
                    continue
                rates = sorted(by_vat, key=Decimal)
                for rate, amount in zip(
                    rates, shares(Fraction(limit) - net, [by_vat[rate] for rate in rates]), strict=True
                ):
                    if amount:
                        reference = f"{name}/M1/{rate} %"
                        self.lines[month, member, reference] = Sums(0, amount, rate, name)

    @staticmethod
    def last_second(month: str) -> int:
        year, number = map(int, month.split("-"))
        following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=ROME)
        return second_of(following) - 1
