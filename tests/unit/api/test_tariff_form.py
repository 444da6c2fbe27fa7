"""The fields of a tariff's version: what they show, what they make of it, and what is wrong with them."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from api.pages.tariff_form import Typed, fields, is_in_steps, next_name, number, read, shown
from api.pages.words import words_of

if TYPE_CHECKING:
    from api.pages.words import Language

BANDS = {"arera": ["F1", "F2", "F3"], "own": ["day", "night"]}
TABLE = tomllib.loads(
    """
name = "mills"
groups = ["a", "b"]
[[versions]]
name = "1"
from = 2026-01-01
calendar = "arera"
time = { setup = 18.0000001, cutting = { F1 = 36.50, F2 = 30, F3 = 25 }, idle = { tiers = [{ price = 9 }] } }
energy = 0.315
parts = 0.10
increment_seconds = 100
monthly_minimum = { amount = 100.00, members = ["firm-a"] }
monthly_cap = 1500.00
vat = { default = 22, energy = 10, parts = "N4" }
""",
    parse_float=Decimal,
)
VERSION: dict[str, Any] = TABLE["versions"][0]


def typed(language: Language = "it", **changes: str) -> Typed:
    """Return what the fields make of the version with changes; `__` in a name stands for its dash, `day` for `from`."""
    values = shown(TABLE, VERSION, language)
    values |= {{"day": "from"}.get(name, name.replace("__", "-")): text for name, text in changes.items()}
    return read((TABLE, VERSION), values, BANDS, words_of(language))


@pytest.mark.parametrize("language", ["it", "en"])
def test_what_nobody_changes_stays_exactly_as_it_was_written(language: Language) -> None:
    found = typed(language)

    assert found.errors == {}
    assert found.version == VERSION
    assert found.head == {}


def test_the_fields_show_a_version_in_the_readers_language() -> None:
    italian, english = shown(TABLE, VERSION, "it"), shown(TABLE, VERSION, "en")

    assert italian["rate-processing-F1"] == "36,50"
    assert italian["monthly_cap"] == "1.500,00"
    assert english["monthly_cap"] == "1,500.00"
    assert (italian["increment"], italian["vat"], italian["vat_energy"]) == ("1:40", "22", "10")
    assert (italian["groups"], italian["from"]) == ("a\nb", "2026-01-01")
    assert is_in_steps(VERSION, "idle")
    assert set(italian) <= set(fields(BANDS["arera"]))


def test_one_changed_price_changes_nothing_else() -> None:
    found = typed(rate__processing__F2="31,25")

    assert found.version["time"] == {
        "setup": VERSION["time"]["setup"],
        "idle": VERSION["time"]["idle"],
        "processing": {"F1": Decimal("36.50"), "F2": Decimal("31.25"), "F3": Decimal("25.00")},
    }
    assert {key: found.version[key] for key in VERSION if key != "time"} == {
        key: VERSION[key] for key in VERSION if key != "time"
    }


def test_a_surcharge_makes_of_one_price_that_of_each_band() -> None:
    found = typed(rate__setup="20", plus__F1="12,5", plus__F3="-10")

    assert found.version["time"]["setup"] == {"F1": Decimal("22.50"), "F2": Decimal("20.00"), "F3": Decimal("18.00")}
    assert found.version["time"]["cutting"] == VERSION["time"]["cutting"]
    assert found.version["energy"] == VERSION["energy"]


def test_limits_keep_who_has_committed_and_an_empty_field_takes_a_rule_away() -> None:
    found = typed(monthly_minimum="120", monthly_cap="", increment="15", session_minimum="")

    assert found.version["monthly_minimum"] == {"amount": Decimal("120.00"), "members": ["firm-a"]}
    assert "monthly_cap" not in found.version
    assert found.version["increment_seconds"] == 900


def test_vat_of_what_no_field_shows_is_kept() -> None:
    assert typed(vat="n2.1", vat_energy="").version["vat"] == {"default": "N2.1", "parts": "N4"}


def test_name_groups_and_day_are_read() -> None:
    found = typed(tariff="lathes", groups="", name="2", day="2027-01-01")

    assert found.head == {"name": "lathes", "groups": None}
    assert (found.version["name"], found.version["from"]) == ("2", date(2027, 1, 1))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tariff": ""}, "tariff"),
        ({"name": ""}, "name"),
        ({"day": "soon"}, "from"),
        ({"calendar": "lunar"}, "calendar"),
        ({"rate__setup": "-1"}, "rate-setup"),
        ({"rate__setup": "18", "rate__setup__F1": "19"}, "rate-setup"),
        ({"rate__processing__F2": ""}, "rate-processing-F2"),
        ({"rate__energy": "cheap"}, "rate-energy"),
        ({"calendar": "own"}, "rate-processing"),
        ({"plus__F1": "much"}, "plus-F1"),
        ({"plus__F1": "-101"}, "plus-F1"),
        ({"rate__setup": "", "plus__F2": "10"}, "plus-F2"),
        ({"increment": "1:75"}, "increment"),
        ({"session_minimum": "5,00"}, "session_minimum"),
        ({"monthly_minimum": "1,005"}, "monthly_minimum"),
        ({"monthly_minimum": "2000"}, "monthly_minimum"),
        ({"vat": "0"}, "vat"),
        ({"vat": "N99"}, "vat"),
        ({"vat_energy": "101"}, "vat_energy"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_in_both_languages(changes: dict[str, str], field: str) -> None:
    italian, english = (typed(language, **changes).errors for language in ("it", "en"))

    assert list(italian) == list(english) == [field]
    assert italian[field] != english[field]


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("1.234,50", "it", "1234.50"),
        ("1,234.50", "en", "1234.50"),
        ("36,5", "it", "36.5"),
        ("36.5", "it", "36.5"),
        ("0.315", "it", "0.315"),
        ("€ 12,00", "it", "12.00"),
        ("1.234", "it", None),
        ("1,234", "en", None),
        ("1,234", "it", "1.234"),
        ("1e3", "it", None),
        ("NaN", "en", None),
        ("", "it", None),
    ],
)
def test_a_number_is_read_as_it_is_written_or_not_at_all(text: str, language: Language, value: str | None) -> None:
    assert number(text, language) == (None if value is None else Decimal(value))


def test_the_next_name_is_the_next_number() -> None:
    assert next_name([{"name": "1"}, {}, {"name": "summer"}]) == "3"
    assert next_name([{"name": "winter"}]) == "2"
    assert next_name([]) == "1"
