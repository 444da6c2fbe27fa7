"""Tariffs, calendars and common costs as a scenario file writes them."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from api.billing.calendars import DAY_KINDS, BadCalendarError, Calendar, Holiday, Hours
from api.billing.common import Common, Fee, LentHours, Quota, SharedCost, TrueUp
from api.billing.statements import Basis, Tax
from api.billing.tariffs import (
    CHARGED_STATES,
    ORDINARY,
    BadTariffError,
    Book,
    Minimum,
    Price,
    Tier,
    Version,
    check_tax,
)
from shopfloor.periods import INSTANT_MAX, Period

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.billing.scenarios.values import Node
    from shopfloor.states import State

STATES = {**{state.value: state for state in CHARGED_STATES}, "cutting": CHARGED_STATES[1]}
"""What a rate may be for; `cutting` is another word for processing."""
_TAXED = {basis.value: basis for basis in Basis if basis.value not in {"monthly_minimum", "monthly_cap"}}
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) +(\S+)")
_HOLIDAY = re.compile(r"(?:(?P<year>[0-9]{4})-)?(?P<month>[0-9]{2})-(?P<day>[0-9]{2})|easter(?P<moved>[+-][0-9]{1,3})?")
_LEAP_YEAR = 2024
_SCALES = {"time": 3600, "booked_unused": 3600, "energy": 1_000_000, "parts": 1, "cycles": 1}


def read_calendar(node: Node) -> Calendar:
    """Read a calendar of bands.

    Raises:
        BadScenarioError: naming the place.
    """
    node.table("holidays", "version", required=("name", *DAY_KINDS))
    days = {kind: [_hours(row) for row in node[kind].each()] for kind in DAY_KINDS}
    holidays = [_holiday(row) for row in node.rows("holidays")]
    version = node["version"].text() if "version" in node else "1"
    try:
        return Calendar(node["name"].text(), version, days, holidays)
    except BadCalendarError as error:
        raise node.refuse(str(error)) from error


def _hours(node: Node) -> Hours:
    found = _HOURS.fullmatch(node.text())
    if found is None:
        raise node.refuse(f'is a time and a band like "08:00 F1", not {node.value!r}')
    return Hours(int(found[1]) * 60 + int(found[2]), found[3])


def _holiday(node: Node) -> Holiday:
    """Read `12-25` (every year), `2026-10-04` (once), `easter+1`, or a table with `first_year` and `last_year`."""
    if isinstance(node.value, dict):
        node.table("first_year", "last_year", required=("day",))
        every = _holiday(node["day"])
        first = node["first_year"].whole() if "first_year" in node else every.first_year
        last = node["last_year"].whole() if "last_year" in node else every.last_year
        return every._replace(first_year=first, last_year=last)
    if isinstance(node.value, date):
        day = node.day()
        return Holiday(day.month, day.day, day.year, day.year)
    found = _HOLIDAY.fullmatch(node.text())
    if found is None:
        raise node.refuse(f'is a holiday like "12-25", "2026-10-04" or "easter+1", not {node.value!r}')
    if found["month"] is None:
        return Holiday(None, int(found["moved"] or 0))
    year = int(found["year"]) if found["year"] else None
    try:
        day = date(year or _LEAP_YEAR, int(found["month"]), int(found["day"]))
    except ValueError:
        raise node.refuse(f"there is no such day: {node.value}") from None
    return Holiday(day.month, day.day, year or 1, year or 9999)


def read_book(nodes: Sequence[Node], calendars: Mapping[str, Calendar], machines: set[str], members: set[str]) -> Book:
    """Read all tariffs.

    Raises:
        BadScenarioError: naming the place.
    """
    versions = [version for node in nodes for version in _tariff(node, calendars, machines, members)]
    try:
        return Book(versions)
    except BadTariffError as error:
        raise nodes[0].refuse(str(error)) from error


def _tariff(node: Node, calendars: Mapping[str, Calendar], machines: set[str], members: set[str]) -> Iterator[Version]:
    node.table("machines", "groups", required=("name", "versions"))
    for_machines = None
    if "machines" in node:
        for_machines = frozenset(known(row, machines, "machine") for row in node.rows("machines"))
    groups = frozenset(row.text() for row in node.rows("groups")) if "groups" in node else None
    for number, version in enumerate(node["versions"].each(), 1):
        yield _version(version, number, (node["name"].text(), for_machines, groups), calendars, members)


def _version(
    node: Node,
    number: int,
    tariff: tuple[str, frozenset[str] | None, frozenset[str] | None],
    calendars: Mapping[str, Calendar],
    members: set[str],
) -> Version:
    node.table("name", "to", "calendar", "time", "booked_unused", "start_up", "energy", "parts", "cycles", "vat",
               "increment_seconds", "session_minimum", "free_below_seconds", "monthly_minimum", "monthly_cap",
               "provisional", required=("from",))  # fmt: skip
    start = node["from"].instant()
    end = node["to"].instant() if "to" in node else INSTANT_MAX
    if end <= start:
        raise node.refuse("ends no later than it begins")
    calendar = node.get("calendar")
    tax, taxes = _taxes(node.get("vat"))
    priced = {name: _price(node[name], name) for name in ("booked_unused", "energy", "parts", "cycles") if name in node}
    try:
        return Version(
            tariff=tariff[0],
            name=node["name"].text() if "name" in node else str(number),
            valid=Period(start, end),
            machines=tariff[1],
            groups=tariff[2],
            calendar=None if calendar is None else calendar.one_of(dict(calendars)),
            time=_rates(node),
            booked_unused=priced.get("booked_unused"),
            start_up=node["start_up"].amount() if "start_up" in node else None,
            energy=priced.get("energy"),
            parts=priced.get("parts"),
            cycles=priced.get("cycles"),
            tax=tax,
            taxes=taxes,
            increment_seconds=node["increment_seconds"].whole() if "increment_seconds" in node else 1,
            session_minimum=node["session_minimum"].amount() if "session_minimum" in node else None,
            free_below_seconds=node["free_below_seconds"].whole() if "free_below_seconds" in node else 0,
            monthly_minimum=_minimum(node["monthly_minimum"], members) if "monthly_minimum" in node else None,
            monthly_cap=node["monthly_cap"].amount() if "monthly_cap" in node else None,
            is_provisional=node["provisional"].flag() if "provisional" in node else False,
        )
    except BadTariffError as error:
        raise node.refuse(str(error)) from error


def _rates(node: Node) -> dict[State, Price]:
    rates: dict[State, Price] = {}
    for name, price in node["time"].items() if "time" in node else ():
        if name not in STATES:
            raise price.refuse(f"{name!r} is no state with a rate; those are {', '.join(STATES)}")
        if STATES[name] in rates:
            raise price.refuse(f"has a rate twice: {name} is {STATES[name]}")
        rates[STATES[name]] = _price(price, "time")
    return rates


def _price(node: Node, name: str) -> Price:
    if not isinstance(node.value, dict):
        return Price(node.decimal())
    if "tiers" not in node:
        return Price(bands={band: price.decimal() for band, price in node.items()})
    node.table("mode", required=("tiers",))
    tiers = []
    for row in node.rows("tiers"):
        row.table("up_to", required=("price",))
        limit = row["up_to"].whole(_SCALES[name]) if "up_to" in row else None
        tiers.append(Tier(limit, row["price"].decimal()))
    if not tiers:
        raise node.refuse("has no tiers")
    modes = {"graduated": False, "volume": True}
    return Price(tiers=tiers, is_volume=node["mode"].one_of(modes) if "mode" in node else False)


def _minimum(node: Node, members: set[str]) -> Minimum:
    if not isinstance(node.value, dict):
        return Minimum(node.amount())
    node.table("members", required=("amount",))
    named = frozenset(known(row, members, "member") for row in node.rows("members")) if "members" in node else None
    return Minimum(node["amount"].amount(), named)


def _taxes(node: Node | None) -> tuple[Tax, dict[Basis, Tax]]:
    if node is None:
        return ORDINARY, {}
    if not isinstance(node.value, dict):
        return read_tax(node), {}
    taxes = {name: read_tax(row) for name, row in node.items()}
    unknown = sorted(set(taxes) - {"default", *_TAXED})
    if unknown:
        raise node.refuse(f"nothing is called {unknown[0]!r}; there is default, {', '.join(_TAXED)}")
    return taxes.get("default", ORDINARY), {_TAXED[name]: tax for name, tax in taxes.items() if name != "default"}


def read_tax(node: Node | None) -> Tax:
    """Read a rate of VAT such as `22`, or a Natura such as `"N4"`; the ordinary rate when there is none.

    Raises:
        BadScenarioError: naming the place.
    """
    if node is None:
        return ORDINARY
    is_natura = isinstance(node.value, str) and node.value.startswith("N")
    tax = Tax(Decimal(0), node.text()) if is_natura else Tax(node.decimal())
    try:
        check_tax(node.place, tax)
    except BadTariffError as error:
        raise node.refuse(str(error).removeprefix(f"{node.place}: ")) from error
    return tax


def known(node: Node, names: set[str], kind: str) -> str:
    """Return a name that the scenario knows.

    Raises:
        BadScenarioError: when it knows none such.
    """
    if node.text() not in names:
        raise node.refuse(f"no {kind} is called {node.value!r}; there is {', '.join(sorted(names)) or 'none'}")
    return node.text()


def read_common(root: Node, machines: set[str], members: set[str]) -> Common:
    """Read quotas, shared costs, lent hours, fees and true-ups.

    Raises:
        BadScenarioError: naming the place.
    """
    return Common(
        quotas=[_quota(row, members) for row in root.rows("quotas")],
        shared_costs=[_shared_cost(row, machines, members) for row in root.rows("shared_costs")],
        lent_hours=[_lent(row, members) for row in root.rows("lent_hours")],
        fees=[_fee(row, machines, members) for row in root.rows("fees")],
        true_ups=[_true_up(row, machines) for row in root.rows("true_ups")],
        members=sorted(members),
    )


def _quota(node: Node, members: set[str]) -> Quota:
    node.table("amount", "members", "amounts", "last", "vat", required=("item", "first"))
    if ("amounts" in node) == ("amount" in node):
        raise node.refuse("give one `amount` for its `members`, or `amounts` by member")
    if "amounts" in node:
        amounts = {known(row.named(name), members, "member"): row.amount() for name, row in node["amounts"].items()}
    else:
        named = [known(row, members, "member") for row in node.rows("members")] or sorted(members)
        amounts = dict.fromkeys(named, node["amount"].amount())
    last = node["last"].month() if "last" in node else "9999-12"
    return Quota(node["item"].text(), amounts, node["first"].month(), last, read_tax(node.get("vat")))


def _shared_cost(node: Node, machines: set[str], members: set[str]) -> SharedCost:
    node.table("weights", "machines", "vat", required=("item", "month", "amount"))
    weights = None
    if "weights" in node:
        weights = {known(row.named(name), members, "member"): row.decimal() for name, row in node["weights"].items()}
        if not weights or min(weights.values()) < 0 or not any(weights.values()):
            raise node["weights"].refuse("give a weight to each member that shares, none below 0, one above")
    named = frozenset(known(row, machines, "machine") for row in node.rows("machines")) if "machines" in node else None
    return SharedCost(
        node["item"].text(), node["month"].month(), node["amount"].amount(), weights, named, read_tax(node.get("vat"))
    )


def _lent(node: Node, members: set[str]) -> LentHours:
    node.table("vat", required=("lender", "borrower", "item", "day", "hours", "rate"))
    lender, borrower = known(node["lender"], members, "member"), known(node["borrower"], members, "member")
    if lender == borrower:
        raise node.refuse(f"{lender} lends to itself")
    rate = node["rate"].decimal()
    if rate < 0:
        raise node["rate"].refuse("is 0 or more")
    seconds = node["hours"].whole(3600)
    item, day = node["item"].text(), node["day"].day()
    return LentHours(lender, borrower, item, day, seconds, rate, read_tax(node.get("vat")))


def _fee(node: Node, machines: set[str], members: set[str]) -> Fee:
    node.table("machine", "vat", required=("member", "item", "day", "amount"))
    amount = node["amount"].decimal()
    if amount != amount.quantize(Decimal("0.01")):
        raise node["amount"].refuse(f"is an amount in euros and whole cents, not {amount}")
    machine = known(node["machine"], machines, "machine") if "machine" in node else ""
    member = known(node["member"], members, "member")
    tax = read_tax(node.get("vat"))
    return Fee(member, node["item"].text(), node["day"].day(), amount.quantize(Decimal("0.01")), machine, tax)


def _true_up(node: Node, machines: set[str]) -> TrueUp:
    node.table("by", "vat", required=("section", "machines", "year", "cost", "month"))
    by = {"amount": False, "seconds": True}
    return TrueUp(
        section=node["section"].text(),
        machines=frozenset(known(row, machines, "machine") for row in node.rows("machines")),
        year=node["year"].whole(),
        cost=node["cost"].amount(),
        month=node["month"].month(),
        by_seconds=node["by"].one_of(by) if "by" in node else False,
        tax=read_tax(node.get("vat")),
    )
