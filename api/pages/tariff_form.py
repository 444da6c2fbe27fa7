"""The fields of a tariff's version: what they show of it, and the version that they make of it. Pure.

What a field shows and nobody changes stays exactly as it was written; what no field shows is taken over untouched.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from api import formats
from api.billing.documents.words import STATES as STATE_WORDS
from api.billing.statements import Tax
from api.billing.tariffs import CHARGED_STATES, BadTariffError, check_tax
from api.pages.words import mark
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.pages.words import Language, Words

ENERGY = "energy"
ROWS = (*(state.value for state in CHARGED_STATES), ENERGY)
"""What has a price in the table of prices."""
_LIKE_IDLE = (State.INTERRUPTED.value, State.MAINTENANCE.value)
AMOUNTS = ("session_minimum", "monthly_minimum", "monthly_cap")
"""Fields of euros in whole cents."""
_ORDINARY = Decimal(22)
_DECIMALS_MAX = 6
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?")
_TIME = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,4}):([0-5][0-9])|([0-9]{1,5})")
_PER_CENT = Decimal(100)
_PLUS_LEAST, _PLUS_MOST = Decimal(-100), Decimal(1000)

NAME_TAKEN = mark("Write a name that no other version of this tariff has.")
_MENDS: Mapping[str, str] = MappingProxyType(
    {
        "tariff": mark("Write a name for the tariff."),
        "name": NAME_TAKEN,
        "from": mark("Choose the day from which it holds."),
        "calendar": mark("Choose one of the calendars."),
        "price": mark("Write a price such as 36.50, 0 or more."),
        "both": mark("Write one price, or one for each band, not both."),
        "missing": mark("The band %(band)s has no price: every band needs one, or write one price for all."),
        "anew": mark("It had a price for each band of the other calendar: write its price anew."),
        "plus": mark("Write a percentage such as 20, or -10 for a discount."),
        "increment": mark("Write minutes, or minutes and seconds such as 1:40."),
        "amount": mark("Write euros and whole cents, 0 or more, such as 50.00."),
        "cap": mark("The minimum of the month is above its cap: lower it, or raise the cap."),
        "tiers": mark("Some prices are in steps, known at the end of the month only: leave this empty."),
        "vat": mark("Write a rate such as 22, or the Natura of what has no VAT, such as N4."),
        "plus_one": mark("A surcharge is put on one price: write one for some state, and none per band."),
    }
)  # fmt: skip
"""What a field asks for when it is not filled in so."""


class Row(NamedTuple):
    """A line of the table of prices.

    Attributes:
        name: of the field of its single price.
        label: what is charged.
        unit: of its prices.
        hint: what an empty line means.
        one: what stands in the field of the single price.
        bands: name of the field, band and what stands in it.
        steps: whether its price is in steps, which no field shows.
    """

    name: str
    label: str
    unit: str
    hint: str
    one: str
    bands: list[tuple[str, str, str]]
    steps: bool


class Typed(NamedTuple):
    """What was typed, read.

    Attributes:
        version: the table of the version.
        head: what is changed of the tariff itself.
        name: of the tariff.
        errors: what is wrong, by field; with any, the rest is not to be used.
    """

    version: dict[str, Any]
    head: dict[str, Any]
    name: str
    errors: dict[str, str]


def shown(table: Mapping[str, Any], version: Mapping[str, Any], language: Language) -> dict[str, str]:
    """Return what the fields show of a version, by their names.

    Args:
        table: of its tariff.
        version: its own table.
        language: of the reader.
    """
    values = {
        "tariff": str(table.get("name", "")),
        "groups": "\n".join(table.get("groups", ())),
        "name": str(version.get("name", "")),
        "from": _day(version.get("from")),
        "calendar": str(version.get("calendar", "")),
        "increment": _minutes(int(version.get("increment_seconds", 1))),
    }
    for row in ROWS:
        price = _price_of(version, row)
        if isinstance(price, dict):
            values |= {cell(row, band): _price(each, language) for band, each in price.items() if band != "tiers"}
        elif price is not None:
            values[cell(row)] = _price(price, language)
    for name in AMOUNTS:
        found = version.get(name)
        amount = found.get("amount") if isinstance(found, dict) else found
        values[name] = "" if amount is None else formats.money(Decimal(amount), language)
    taxes = _taxes(version)
    values["vat"] = _rate(taxes.get("default", _ORDINARY), language)
    values["vat_energy"] = _rate(taxes[ENERGY], language) if ENERGY in taxes else ""
    return values


def rows(version: Mapping[str, Any], values: Mapping[str, str], bands: Sequence[str], say: Words) -> list[Row]:
    """Return the table of prices, with what stands in its fields."""
    hints = {row: say("empty: costs as idle") for row in _LIKE_IDLE}
    return [
        Row(
            cell(row),
            say("Energy") if row == ENERGY else STATE_WORDS[say.language][State(row)],
            "€/kWh" if row == ENERGY else "€/h",
            hints.get(row, ""),
            values.get(cell(row), ""),
            [(cell(row, band), band, values.get(cell(row, band), "")) for band in bands],
            steps=is_in_steps(version, row),
        )
        for row in ROWS
    ]


def cell(row: str, band: str = "") -> str:
    """Return the name of the field of a price: the single one, or that of a band."""
    return f"rate-{row}-{band}" if band else f"rate-{row}"


def is_in_steps(version: Mapping[str, Any], row: str) -> bool:
    """Tell whether the price of a row is in steps, which no field shows."""
    price = _price_of(version, row)
    return isinstance(price, dict) and "tiers" in price


def read(
    source: tuple[Mapping[str, Any], Mapping[str, Any]],
    values: Mapping[str, str],
    bands: Mapping[str, Sequence[str]],
    say: Words,
) -> Typed:
    """Return the version that the fields make of the one they were filled from.

    Args:
        source: the tables of the tariff and of the version that it begins as.
        values: what stands in the fields.
        bands: of each calendar that there is.
        say: says what is wrong.
    """
    reader = _Reader(source, values, bands, say)
    reader.read_names()
    reader.read_prices()
    reader.read_rules()
    reader.read_taxes()
    return Typed(reader.version, reader.head, reader.values.get("tariff", ""), reader.errors)


class _Reader:
    def __init__(
        self,
        source: tuple[Mapping[str, Any], Mapping[str, Any]],
        values: Mapping[str, str],
        bands: Mapping[str, Sequence[str]],
        say: Words,
    ) -> None:
        self.table, before = source
        self.before = before
        self.version: dict[str, Any] = dict(before)
        self.head: dict[str, Any] = {}
        self.values, self.bands, self.say = values, bands, say
        self.errors: dict[str, str] = {}
        self.was = shown(self.table, before, say.language)

    def refuse(self, field: str, mend: str, **words: str) -> None:
        self.errors.setdefault(field, self.say(_MENDS[mend], **words))

    def is_changed(self, *fields: str) -> bool:
        return any(self.values.get(field, "") != self.was.get(field, "") for field in fields)

    def put(self, key: str, value: Any) -> None:
        if value is None:
            self.version.pop(key, None)
        else:
            self.version[key] = value

    def read_names(self) -> None:
        if not self.values.get("tariff"):
            self.refuse("tariff", "tariff")
        elif self.is_changed("tariff"):
            self.head["name"] = self.values["tariff"]
        if self.is_changed("groups"):
            self.head["groups"] = self.values["groups"].splitlines() or None
        if not self.values.get("name"):
            self.refuse("name", "name")
        self.version["name"] = self.values.get("name", "")
        if self.is_changed("from") or "from" not in self.version:
            try:
                self.version["from"] = date.fromisoformat(self.values.get("from", ""))
            except ValueError:
                self.refuse("from", "from")
        calendar = self.values.get("calendar", "")
        if calendar and calendar not in self.bands:
            self.refuse("calendar", "calendar")
        self.put("calendar", calendar or None)

    def read_prices(self) -> None:
        if "calendar" in self.errors:
            return
        bands = self.bands.get(self.values.get("calendar", ""), ())
        plus = self._plus(bands)
        times = dict(self.before.get("time", {}))
        is_put = False
        for row in ROWS:
            if is_in_steps(self.before, row):
                continue
            added = plus if row != ENERGY else {}
            typed = [bool(self.values.get(cell(row, band))) for band in ("", *bands)]
            is_single = typed[0] and not any(typed[1:])
            is_put |= is_single and bool(added)
            own = [cell(row, band) for band in ("", *bands)]
            is_of_bands = isinstance(_price_of(self.before, row), dict) and self.is_changed("calendar")
            if not (self.is_changed(*own) or is_of_bands or (is_single and added)):
                continue
            price = self._row(row, bands, added)
            if price is None and is_of_bands:
                self.refuse(cell(row), "anew")
            if row == ENERGY:
                self.put(ENERGY, price)
            else:
                times.pop("cutting" if row == State.PROCESSING else row, None)
                times.pop(row, None)
                if price is not None:
                    times[row] = price
        if plus and not is_put and not self.errors:
            self.refuse(next(f"plus-{band}" for band, per_cent in plus.items() if per_cent), "plus_one")
        self.put("time", times or None)

    def _plus(self, bands: Sequence[str]) -> dict[str, Decimal]:
        """Return the surcharge of each band in per cent; nothing where none is asked for."""
        found: dict[str, Decimal] = {}
        for band in bands:
            typed = self.values.get(f"plus-{band}", "")
            value = number(typed, self.say.language) if typed else Decimal(0)
            if value is None or not _PLUS_LEAST <= value <= _PLUS_MOST:
                self.refuse(f"plus-{band}", "plus")
            else:
                found[band] = value
        return found if any(found.values()) else {}

    def _row(self, row: str, bands: Sequence[str], plus: Mapping[str, Decimal]) -> Any:
        """Return a price: one, one for each band, or None where there is none."""
        typed = {band: self.values.get(cell(row, band), "") for band in bands}
        if self.values.get(cell(row)):
            if any(typed.values()):
                self.refuse(cell(row), "both")
            one = self._price(cell(row))
            if one is None or not plus:
                return one
            return {band: _plain(one * (1 + plus[band] / _PER_CENT)) for band in bands}
        if not any(typed.values()):
            return None
        found = {band: self._price(cell(row, band)) for band in bands if typed[band]}
        for band in bands:
            if band not in found:
                self.refuse(cell(row, band), "missing", band=band)
        return found

    def _price(self, field: str) -> Decimal | None:
        value = number(self.values[field], self.say.language)
        if value is None or value < 0:
            self.refuse(field, "price")
            return None
        return value

    def read_rules(self) -> None:
        if self.is_changed("increment"):
            self._increment()
        for name in AMOUNTS:
            if self.is_changed(name):
                self._amount(name)
        minimum, cap = (self._amount_of(name) for name in ("monthly_minimum", "monthly_cap"))
        if minimum is not None and cap is not None and minimum > cap:
            self.refuse("monthly_minimum", "cap")
        if "session_minimum" in self.version and _has_steps(self.version):
            self.refuse("session_minimum", "tiers")

    def _increment(self) -> None:
        typed = self.values["increment"]
        found = _TIME.fullmatch(typed)
        if typed and found is None:
            self.refuse("increment", "increment")
        elif found is None:
            self.put("increment_seconds", None)
        else:
            hours, minutes, seconds, alone = (int(each or 0) for each in found.groups())
            self.put("increment_seconds", (hours * 60 + minutes + alone) * 60 + seconds or None)

    def _amount(self, name: str) -> None:
        typed, was = self.values[name], self.before.get(name)
        if not typed:
            self.put(name, None)
            return
        value = number(typed, self.say.language)
        if value is None or value < 0 or value != value.quantize(Decimal("0.01")):
            self.refuse(name, "amount")
            return
        value = value.quantize(Decimal("0.01"))
        self.put(name, {**was, "amount": value} if isinstance(was, dict) else value)

    def _amount_of(self, name: str) -> Decimal | None:
        found = self.version.get(name)
        amount = found.get("amount") if isinstance(found, dict) else found
        return None if amount is None else Decimal(amount)

    def read_taxes(self) -> None:
        if not self.is_changed("vat", "vat_energy"):
            return
        taxes = _taxes(self.before)
        for field, key in (("vat", "default"), ("vat_energy", ENERGY)):
            typed = self.values.get(field, "")
            if not typed and key == ENERGY:
                taxes.pop(ENERGY, None)
            elif self.is_changed(field) or key not in taxes:
                taxes[key] = self._tax(field, typed)
        self.version["vat"] = taxes["default"] if set(taxes) == {"default"} else taxes

    def _tax(self, field: str, typed: str) -> Any:
        is_natura = typed.upper().startswith("N")
        rate = Decimal(0) if is_natura else number(typed.rstrip("% "), self.say.language)
        try:
            check_tax("", Tax(Decimal(-1) if rate is None else rate, typed.upper() if is_natura else ""))
        except BadTariffError:
            self.refuse(field, "vat")
        return typed.upper() if is_natura else rate


def number(typed: str, language: Language) -> Decimal | None:
    """Read a number as it is written in a language, `1.234,50`, or with a point; None where it may mean two.

    One mark alone is that of the decimals, but where it divides thousands in that language, as `1.234` in Italian.
    """
    text = re.sub(r"[\s€]", "", typed)
    thousands = "," if language == "en" else "."
    if "." in text and "," in text:
        last = max(text.rindex("."), text.rindex(","))
        text = re.sub(r"[.,]", "", text[:last]) + "." + text[last + 1 :]
    elif re.fullmatch(rf"-?[1-9][0-9]{{0,2}}(?:{re.escape(thousands)}[0-9]{{3}})+", text):
        return None
    text = text.replace(",", ".")
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def fields(bands: Sequence[str]) -> Iterator[str]:
    """Yield the names of all fields where the calendar has these bands."""
    yield from ("tariff", "groups", "name", "from", "calendar", "increment", *AMOUNTS, "vat", "vat_energy")
    for row in ROWS:
        yield from (cell(row, band) for band in ("", *bands))
    yield from (f"plus-{band}" for band in bands)


def labels(table: Mapping[str, Any]) -> list[str]:
    """Return tariff and version, as a line names them, of each version of a tariff's table."""
    return [f"{table['name']}@{each.get('name', place)}" for place, each in enumerate(table["versions"], 1)]


def steps(version: Mapping[str, Any]) -> frozenset[str]:
    """Return the rows whose price is in steps."""
    return frozenset(row for row in ROWS if is_in_steps(version, row))


def next_name(versions: Sequence[Mapping[str, Any]]) -> str:
    """Return a name for one more version: the next number."""
    names = {str(each.get("name", place)) for place, each in enumerate(versions, 1)}
    return str(max((int(each) for each in names if each.isdecimal()), default=len(names)) + 1)


def _price_of(version: Mapping[str, Any], row: str) -> Any:
    if row == ENERGY:
        return version.get(ENERGY)
    times = version.get("time", {})
    return times.get(row, times.get("cutting") if row == State.PROCESSING else None)


def _has_steps(version: Mapping[str, Any]) -> bool:
    prices = [
        *version.get("time", {}).values(),
        *(version.get(key) for key in (ENERGY, "booked_unused", "parts", "cycles")),
    ]
    return any(isinstance(each, dict) and "tiers" in each for each in prices)


def _taxes(version: Mapping[str, Any]) -> dict[str, Any]:
    found = version.get("vat", _ORDINARY)
    return {"default": _ORDINARY, **found} if isinstance(found, dict) else {"default": found}


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else ""


def _minutes(seconds: int) -> str:
    if seconds <= 1:
        return ""
    return f"{seconds // 60}" if seconds % 60 == 0 else f"{seconds // 60}:{seconds % 60:02d}"


def _price(value: Any, language: Language) -> str:
    return formats.number(Decimal(value), language, least=2, most=_DECIMALS_MAX)


def _rate(value: Any, language: Language) -> str:
    is_natura = isinstance(value, str) and value.startswith("N")
    return value if is_natura else formats.number(Decimal(value), language)


def _plain(value: Decimal) -> Decimal:
    """Return a price with two decimals, or as many as it has."""
    cents = value.quantize(Decimal("0.01"))
    return cents if cents == value else value.normalize()
