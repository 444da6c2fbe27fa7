"""The text of a tariff, changed version by version."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from api.billing.pricelist import BadPriceError, Entry, read_prices, table_of
from api.billing.tariff_text import Change, TakenError, begun, changed, in_force, tried
from shopfloor.periods import parse_instant

ROME = ZoneInfo("Europe/Rome")
TEXT = """# what the assembly agreed on
name = "mills"
[[versions]]
name = "1"
from = 2025-01-01 # as in the minutes
to = 2026-01-01
time = { processing = { mode = "volume", tiers = [
  { up_to = 10, price = 45.00 }, # rarely
  { price = 40.00 } ] } }
[[versions]]
name = "2"
from = 2026-01-01
start_up = 5.00
time = { setup = 18.00, processing = 36.50 } # per hour
"""


def versions(text: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = table_of(Entry("", "tariffs", text))["versions"]
    return found


def of(start: date, **more: object) -> Change:
    return Change({"name": "3", "from": start, "time": {"processing": Decimal("37.00")}, **more})


def test_an_added_version_ends_the_one_before_it_and_every_other_line_stays() -> None:
    found = changed(TEXT, of(date(2026, 7, 1)), ROME)

    kept = found.splitlines()
    kept.remove("to = 2026-07-01")
    assert "\n".join(kept).startswith(TEXT.rstrip())
    assert [each.get("to") for each in versions(found)] == [date(2026, 1, 1), date(2026, 7, 1), None]
    read_prices([Entry("", "tariffs", found)], ROME, (), ())


def test_a_version_added_within_another_ones_time_holds_until_that_one_would_have_ended() -> None:
    found = versions(changed(TEXT, of(date(2025, 6, 1), to=date(2030, 1, 1)), ROME))

    assert [each.get("to") for each in found] == [date(2025, 6, 1), None, date(2026, 1, 1)]


def test_a_version_added_before_all_others_holds_until_the_first_of_them() -> None:
    found = versions(changed(TEXT, of(date(2024, 1, 1)), ROME))

    assert found[-1]["to"] == date(2025, 1, 1)


def test_two_versions_cannot_begin_at_one_time() -> None:
    with pytest.raises(TakenError, match="correct that one"):
        changed(TEXT, of(date(2026, 1, 1)), ROME)


def test_a_corrected_version_takes_its_own_place_with_its_remarks_and_moves_the_end_of_the_one_before() -> None:
    second = {**versions(TEXT)[1], "from": date(2026, 2, 1), "time": {"processing": Decimal("39.00")}}

    found = changed(TEXT, Change(second, 1, {"groups": ["a"]}), ROME)

    assert [each.get("to") for each in versions(found)] == [date(2026, 2, 1), None]
    assert "time = { processing = 39.00 }  # per hour" in found
    assert 'name = "mills"\ngroups = ["a"]\n' in found
    assert "start_up = 5.00" in found
    assert "# rarely" in found


def test_a_key_that_is_taken_away_is_gone_from_the_text() -> None:
    with_groups = changed(TEXT, of(date(2026, 7, 1))._replace(head={"groups": ["a"]}), ROME)

    found = changed(with_groups, of(date(2026, 8, 1), name="4")._replace(head={"groups": None}), ROME)

    assert "groups" not in found


@pytest.mark.parametrize(
    "text",
    [
        'name = "all"\nversions = [{ from = 2026-01-01, time = { processing = 1 } }]\n',
        TEXT.replace("start_up = 5.00", 'calendar = """\n[[versions]]\n"""'),
    ],
)
def test_a_text_that_cannot_be_changed_in_parts_is_refused_with_the_way_to_change_it(text: str) -> None:
    with pytest.raises(BadPriceError, match="change it as text"):
        changed(text, of(date(2027, 1, 1)), ROME)


def test_a_version_is_tried_for_the_whole_of_a_month_whenever_it_begins() -> None:
    found = tried(TEXT, of(date(2027, 1, 1)), "2026-03", ROME)

    prices = read_prices([Entry("", "tariffs", found)], ROME, (), ())
    named = {each.label: each for each in prices.book.versions}
    assert [named[f"mills@{name}"].valid.start for name in ("2", "3", "2 +")] == [
        parse_instant(f"{day}T23:00:00Z") if day != "2026-03-31" else parse_instant("2026-03-31T22:00:00Z")
        for day in ("2025-12-31", "2026-02-28", "2026-03-31")
    ]
    assert named["mills@2"].valid.end == named["mills@3"].valid.start
    assert named["mills@3"].valid.end == named["mills@2 +"].valid.start
    assert named["mills@1"].time != named["mills@2"].time


def test_a_correction_is_tried_in_place_of_what_it_corrects() -> None:
    found = tried(
        TEXT, Change({"name": "2", "from": date(2026, 1, 1), "start_up": Decimal("9.00")}, 1), "2026-03", ROME
    )

    assert [each["name"] for each in versions(found)] == ["1", "2"]
    assert versions(found)[1]["start_up"] == Decimal("9.00")


def test_a_new_tariff_is_written_so_that_it_is_read_again() -> None:
    version = {
        "name": 'so "called"\\',
        "from": date(2026, 1, 1),
        "time": {"processing": {"F 1": Decimal("0.5")}},
        "monthly_minimum": {"amount": Decimal("5.00"), "members": ["a", "b"]},
        "provisional": True,
        "increment_seconds": 60,
    }

    text = begun("mills", Change(version, head={"groups": ["x"], "machines": None}))

    assert table_of(Entry("", "tariffs", text)) == {"name": "mills", "groups": ["x"], "versions": [version]}


def test_the_version_in_force_is_found_and_after_all_of_them_the_last() -> None:
    rows = versions(TEXT.replace("start_up = 5.00", "to = 2026-06-01"))

    assert in_force(rows, parse_instant("2025-03-01T00:00:00Z"), ROME) == 0
    assert in_force(rows, parse_instant("2026-03-01T00:00:00Z"), ROME) == 1
    assert in_force(rows, parse_instant("2028-03-01T00:00:00Z"), ROME) == 1
