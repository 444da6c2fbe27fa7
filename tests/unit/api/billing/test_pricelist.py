"""The price list by itself: what can be read, and what closed months keep as it is."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from api.billing.calendars import DAY_KINDS
from api.billing.pricelist import BadPriceError, Entry, PriceList, check_change, read_prices, table_of
from api.billing.scenarios.values import BadScenarioError

ROME = ZoneInfo("Europe/Rome")
MEMBERS, MACHINES = ("alfa", "beta"), ("mill-1",)
OCTOBER = "2026-10"
ALL_DAYS = "".join(f'{day} = ["00:00 one"]\n' for day in DAY_KINDS)
TARIFF = 'name = "mills"\n[[versions]]\nfrom = 2026-01-01\ntime = { processing = 36.50 }\n'
CHARGED = {
    "tariffs": TARIFF,
    "calendars": f'name = "own"\n{ALL_DAYS}',
    "quotas": 'item = "Quota"\nfirst = "2026-10"\namount = 50.00\n',
    "shared_costs": 'item = "Rent"\nmonth = "2026-10"\namount = 100.00\n',
    "lent_hours": 'lender = "alfa"\nborrower = "beta"\nitem = "Help"\nday = 2026-10-07\nhours = 2\nrate = 30.00\n',
    "fees": 'item = "Key"\nmember = "alfa"\nday = 2026-10-07\namount = 12.00\n',
    "true_ups": 'section = "Mills"\nmachines = ["mill-1"]\nyear = 2025\ncost = 900.00\nmonth = "2026-10"\n',
}
"""One entry of each kind, each charged in October."""


def prices(**texts: str) -> PriceList:
    return read_prices([Entry(kind, kind, text) for kind, text in texts.items()], ROME, MEMBERS, MACHINES)


def more(text: str) -> PriceList:
    """Return the list with one more tariff of a machine."""
    entries = [Entry(kind, kind, each) for kind, each in CHARGED.items()]
    own = text.replace('"mills"', '"own"').replace("[[", 'machines = ["mill-1"]\n[[')
    return read_prices([*entries, Entry("own", "tariffs", own)], ROME, MEMBERS, MACHINES)


@pytest.mark.parametrize(
    ("text", "why"),
    [("amount = ", "fees: is no TOML"), ("", "fees: is empty: write one row"), ("# nothing\n", "without the heading")],
)
def test_an_entry_is_one_row_of_its_table(text: str, why: str) -> None:
    with pytest.raises(BadPriceError, match=why):
        table_of(Entry("", "fees", text))


def test_names_are_checked_when_an_entry_is_kept_and_not_when_its_machine_or_member_is_gone() -> None:
    kept = [Entry(kind, kind, CHARGED[kind]) for kind in ("fees", "true_ups")]

    assert len(read_prices(kept, ROME, ()).common.fees) == 1
    for member, machine, why in (("nobody", "mill-1", "alfa"), ("alfa", "nothing", "mill-1")):
        with pytest.raises(BadScenarioError, match=why):
            read_prices(kept, ROME, [member], [machine])


def test_two_calendars_cannot_have_one_name_and_none_that_of_the_shipped_one() -> None:
    own = CHARGED["calendars"]
    twice = [Entry("1", "calendars", own), Entry("2", "calendars", own)]

    assert sorted(prices(calendars=own).calendars) == ["arera", "own"]
    assert prices(calendars=own).versions["calendars"].startswith("arera@181/06 own@")
    with pytest.raises(BadScenarioError, match="'own' already"):
        read_prices(twice, ROME, MEMBERS)
    with pytest.raises(BadScenarioError, match="'arera' already"):
        prices(calendars=own.replace('"own"', '"arera"'))


def test_before_anything_is_closed_everything_may_change() -> None:
    check_change(prices(**CHARGED), prices(), None, ROME)


@pytest.mark.parametrize("kind", ["quotas", "shared_costs", "lent_hours", "fees", "true_ups"])
def test_what_a_closed_month_has_charged_is_neither_changed_nor_taken_back(kind: str) -> None:
    whole = prices(**CHARGED)
    changed = CHARGED | {kind: CHARGED[kind].replace("2026-10-07", "2026-10-08").replace("0.00", "1.00")}

    for after in (changed, {name: text for name, text in CHARGED.items() if name != kind}):
        with pytest.raises(BadPriceError, match=f"{kind}: .* of 2026-10 is charged already"):
            check_change(whole, prices(**after), OCTOBER, ROME)
        check_change(whole, prices(**after), "2026-09", ROME)
    check_change(whole, whole, OCTOBER, ROME)


def test_a_quota_may_end_after_what_is_closed_and_not_within_it() -> None:
    whole = prices(**CHARGED)
    ended = CHARGED["quotas"] + 'last = "{}"\n'

    check_change(whole, prices(**CHARGED | {"quotas": ended.format("2026-11")}), OCTOBER, ROME)
    with pytest.raises(BadPriceError, match="charged already"):
        check_change(whole, prices(**CHARGED | {"quotas": ended.format("2026-10")}), "2026-11", ROME)


@pytest.mark.parametrize(
    "text",
    [
        TARIFF.replace("36.50", "40.00"),
        TARIFF.replace("2026-01-01", "2026-02-01"),
        TARIFF.replace("from =", "to = 2026-10-15\nfrom ="),
        TARIFF.replace("mills", "others"),
    ],
    ids=["price", "begin", "end", "name"],
)
def test_a_version_that_a_closed_month_used_stays_as_it_is(text: str) -> None:
    with pytest.raises(BadPriceError, match="is used by closed months up to 2026-10"):
        check_change(prices(**CHARGED), prices(**CHARGED | {"tariffs": text}), OCTOBER, ROME)


def test_a_version_may_end_after_what_is_closed_and_another_begin_there() -> None:
    ended = TARIFF.replace("from =", "to = 2026-11-01\nfrom =")
    other = "[[versions]]\nfrom = {}\ntime = {{ processing = 40.00 }}\n"

    check_change(prices(**CHARGED), prices(**CHARGED | {"tariffs": ended + other.format("2026-11-01")}), OCTOBER, ROME)
    check_change(prices(**CHARGED), more(TARIFF.replace("2026-01-01", "2026-11-01")), OCTOBER, ROME)
    with pytest.raises(BadPriceError, match="begins before the end of 2026-10"):
        check_change(prices(**CHARGED), more(TARIFF), OCTOBER, ROME)
