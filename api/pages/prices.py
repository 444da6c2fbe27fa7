"""The pages of the price list: what use costs, for everybody who pays; adding and trying, for the administrator."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api import formats
from api.access.scope import Role
from api.billing import service
from api.billing.calendars import civil_month, month_of
from api.billing.documents import writing
from api.billing.documents.words import BASES, STATES
from api.billing.endpoints import EntryId, add_entry, put_entry, remove_entry, try_entries
from api.billing.money import ZERO
from api.billing.pricelist import KINDS, table_of
from api.billing.scenarios.values import BadScenarioError
from api.billing.schemas import EntryIn, TryIn
from api.billing.statements import Basis, Unit
from api.billing.tariffs import BadTariffError, UnpricedError
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages import tariff_form, times
from api.pages.charges import month_before
from api.pages.money_rows import money
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.words import mark
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from shopfloor.periods import INSTANT_MAX, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.billing.tables import PriceEntry
    from api.billing.tariffs import Price, Version
    from api.deps import Services
    from api.pages.words import Language

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
KIND_NAMES = {
    "tariffs": mark("Tariff"),
    "calendars": mark("Calendar of bands"),
    "quotas": mark("Fixed quota"),
    "shared_costs": mark("Shared cost"),
    "lent_hours": mark("Hours of staff"),
    "fees": mark("Single charge"),
    "true_ups": mark("Year-end true-up"),
}
"""What the kinds of entries are called."""
EXAMPLE = """name = "officina"
[[versions]]
name = "1"
from = 2027-01-01
calendar = "arera"
time = { setup = 18.00, processing = 36.50, idle = 9.90 }
energy = { F1 = 0.30, F2 = 0.25, F3 = 0.20 }
vat = { default = 22, energy = 10 }
"""
"""What a new tariff begins as."""


_UNITS = {
    Basis.BOOKED_UNUSED: Unit.SECOND,
    Basis.ENERGY: Unit.MILLIWATT_HOUR,
    Basis.PARTS: Unit.PIECE,
    Basis.CYCLES: Unit.PIECE,
}


class Shown(NamedTuple):
    """A version of a tariff as the page shows it."""

    name: str
    valid: str
    is_frozen: bool
    is_present: bool
    prices: list[tuple[str, str, str]]
    rules: list[tuple[str, str]]
    whom: str
    entry: str
    place: int


@router.get("/prices")
async def prices_page(page: PageDep, found: ServicesDep) -> Response:
    """What use costs: every version with its time; for the administrator also every entry, to be changed."""
    is_administrator = page.scope.role is Role.ADMINISTRATOR

    def read() -> dict[str, Any]:
        with found.records.reading() as session:
            prices = found.ledger.prices(session, service.member_names(session))
            closed = service.last_closed(session)
            rows = [service.entry(session, each.id) for each in prices.entries] if is_administrator else []
            entries = [
                (row.id, page.say(KIND_NAMES[row.kind]), service.name_of(entry), row.by, _day(page, row.changed))
                for row, entry in zip(rows, prices.entries, strict=False)
            ]
            until = 0 if closed is None else civil_month(closed, found.ledger.zone).end
            places = {
                label: (each.id, place)
                for each in prices.entries
                if each.kind == "tariffs"
                for place, label in enumerate(tariff_form.labels(table_of(each)), 1)
            }
            shown = [_version(page, each, until, places[each.label]) for each in prices.book.versions]
        return {
            "versions": shown,
            "entries": entries,
            "closed": "" if closed is None else formats.month(closed, page.look.language),
        }

    values = await asyncio.to_thread(read)
    return page.show("charges/prices.html", **values, is_administrator=is_administrator, said=page.asked("said", 8))


def _day(page: Page, instant: int) -> str:
    return times.full_day(times.local(instant, page.zone).date(), page.say)


def _version(page: Page, version: Version, closed: int, place: tuple[str, int]) -> Shown:
    language = page.look.language
    start = _day(page, version.valid.start)
    end = "" if version.valid.end == INSTANT_MAX else _day(page, version.valid.end - SECOND)
    whom = [*(version.machines or ()), *(version.groups or ())]
    return Shown(
        version.label.replace("@", " "),
        page.say("from %(day)s", day=start) if not end else f"{start} \N{EN DASH} {end}",
        is_frozen=version.valid.start < closed,
        is_present=version.valid.start <= page.now < version.valid.end,
        prices=list(_prices(version, language)),
        rules=list(_rules(page, version)),
        whom=", ".join(sorted(whom)) or page.say("all machines and members"),
        entry=place[0],
        place=place[1],
    )


def _prices(version: Version, language: Language) -> Iterator[tuple[str, str, str]]:
    """Yield what is charged, its price and its VAT."""
    of_time = writing.tax(version.tax_of(Basis.TIME), language)
    for state, each in version.time.items():
        yield STATES[language][state], _written(each, Unit.SECOND, language), of_time
    for basis, unit in _UNITS.items():
        price = version.price(basis)
        if price is not None:
            yield BASES[language][basis], _written(price, unit, language), writing.tax(version.tax_of(basis), language)
    if version.start_up is not None:
        tax = writing.tax(version.tax_of(Basis.START_UP), language)
        yield BASES[language][Basis.START_UP], writing.price(version.start_up, Unit.NONE, language), tax


def kept_words(page: Page, version: Version, steps: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what the fields of a version do not show, in words.

    Args:
        page: of the reader.
        version: which.
        steps: states, or energy, whose price is in steps.
    """
    language, say = page.look.language, page.say
    for state, each in version.time.items():
        if state.value in steps:
            yield STATES[language][state], _written(each, Unit.SECOND, language)
    for basis, unit in _UNITS.items():
        price = version.price(basis)
        if price is not None and (basis is not Basis.ENERGY or basis.value in steps):
            yield BASES[language][basis], _written(price, unit, language)
    for basis, tax in version.taxes.items():
        if basis is not Basis.ENERGY:
            yield say("VAT on %(what)s", what=BASES[language][basis]), writing.tax(tax, language)
    yield from _kept_rules(page, version)


def _kept_rules(page: Page, version: Version) -> Iterator[tuple[str, str]]:
    language, say = page.look.language, page.say
    if version.start_up is not None:
        yield BASES[language][Basis.START_UP], writing.price(version.start_up, Unit.NONE, language)
    if version.free_below_seconds:
        yield say("Free of charge when shorter than"), formats.hms(version.free_below_seconds)
    if version.monthly_minimum is not None and version.monthly_minimum.members is not None:
        yield say("Committed to the minimum of the month"), ", ".join(sorted(version.monthly_minimum.members))
    if version.is_provisional:
        yield say("Provisional"), say("the year ends with a true-up to what the machine really cost")
    if version.machines is not None:
        yield say("Machines"), ", ".join(sorted(version.machines))


def _written(price: Price, unit: Unit, language: Language) -> str:
    if price.flat is not None:
        return writing.price(price.flat, unit, language)
    if price.bands is not None:
        return ", ".join(f"{band} {writing.price(each, unit, language)}" for band, each in sorted(price.bands.items()))
    steps = []
    for tier in price.tiers:
        reach = "\N{HORIZONTAL ELLIPSIS}" if tier.up_to is None else writing.quantity(tier.up_to, unit, language)
        steps.append(f"\N{LESS-THAN OR EQUAL TO} {reach}: {writing.price(tier.price, unit, language)}")
    return "; ".join(steps)


def _rules(page: Page, version: Version) -> Iterator[tuple[str, str]]:
    say, language = page.say, page.look.language

    def euros(value: Decimal) -> str:
        return formats.euros(value, language)

    if version.increment_seconds > 1:
        yield say("A session is rounded up to a multiple of"), formats.hms(version.increment_seconds)
    if version.session_minimum is not None:
        yield say("A session costs at least"), euros(version.session_minimum)
    if version.free_below_seconds:
        yield say("Free of charge when shorter than"), formats.hms(version.free_below_seconds)
    if version.monthly_minimum is not None:
        yield say("A machine costs a member in a month at least"), euros(version.monthly_minimum.amount)
    if version.monthly_cap is not None:
        yield say("and at most"), euros(version.monthly_cap)
    if version.calendar is not None:
        yield say("Bands of the calendar"), version.calendar.name
    if version.is_provisional:
        yield say("Provisional"), say("the year ends with a true-up to what the machine really cost")


@router.get("/prices/{entry_id}")
async def entry_page(page: PageDep, found: ServicesDep, entry_id: EntryId) -> Response:
    """An entry of the price list to be changed, or under the identifier `new` one to be added."""
    kind = page.asked("kind", 20) if page.asked("kind", 20) in KINDS else "tariffs"
    if entry_id == "new":
        return entry_form(page, found, entry_id, kind, EXAMPLE if kind == "tariffs" else "")

    def read() -> PriceEntry:
        with found.records.reading() as session:
            return service.entry(session, entry_id)

    row = await asyncio.to_thread(read)
    return entry_form(page, found, entry_id, row.kind, row.text)


@router.post("/prices/{entry_id}")
async def save_entry(page: PageDep, found: ServicesDep, writer: WriterDep, entry_id: EntryId) -> Response:
    """Try an entry on a month, keep it, or remove it; what does not fit is said, and nothing is kept."""
    form = await page.form()
    kind, text = form.text("kind", 20), form.raw("text", 20_000).replace("\r\n", "\n").strip() + "\n"
    try:
        if form.has("remove"):
            await remove_entry(writer, entry_id)
            return page.go("/prices?said=removed")
        given = EntryIn.model_validate({"kind": kind, "text": text})
        if form.has("try"):
            return await _tried(page, found, entry_id, given, form)
        await (add_entry(writer, given) if entry_id == "new" else put_entry(writer, entry_id, given))
    except ValidationError:
        return entry_form(page, found, entry_id, "tariffs", text, why=page.say("Write one row of the price list here."))
    except (BadScenarioError, BadTariffError, UnpricedError) as error:
        return entry_form(page, found, entry_id, kind, text, why=str(error))
    return page.go("/prices?said=saved")


async def _tried(page: Page, found: Services, entry_id: str, given: EntryIn, form: Form) -> Response:
    """Show what an entry would make of a month, by member; nothing is kept."""
    month = form.text("month", 7)
    try:
        tried = await try_on(page, found, given, month, removed=[] if entry_id == "new" else [entry_id])
    except ValidationError:
        why = page.say("Choose a month such as 2026-10.")
        return entry_form(page, found, entry_id, given.kind, given.text, why=why)
    return entry_form(page, found, entry_id, given.kind, given.text, tried=tried, month=month)


async def try_on(page: Page, found: Services, given: EntryIn, month: str, *, removed: list[str]) -> dict[str, Any]:
    """Return what an entry would make of a month, by member, as `charges/tried.html` shows it; nothing is kept.

    Raises:
        BadScenarioError: it does not fit with the rest of the price list.
        UnpricedError: there would be use that no tariff covers.
        ValidationError: the month is none.
    """
    language = page.look.language
    answer = await try_entries(found, page.now, TryIn(month=month, entries=[given], removed=removed))

    def read() -> dict[str, str]:
        with found.records.reading() as session:
            return service.member_names(session)

    names = await asyncio.to_thread(read)
    keys = ("before", "after", "difference")
    sums = [sum((Decimal(each[key]) for each in answer["items"]), ZERO) for key in keys]
    return {
        "month": formats.month(month, language),
        "rows": [
            (names.get(each["member"], each["member"]), *(money(Decimal(each[key]), language) for key in keys))
            for each in answer["items"]
        ],
        "sums": [money(each, language) for each in sums],
    }


def entry_form(
    page: Page,
    found: Services,
    entry_id: str,
    kind: str,
    text: str,
    *,
    why: str = "",
    tried: Any = None,
    month: str = "",
) -> Response:
    """Show an entry as text, with what is wrong with it, or what it would make of a month."""
    return page.show(
        "charges/entry.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if why else HTTPStatus.OK,
        is_new=entry_id == "new",
        kind=kind,
        kinds=[(key, page.say(name)) for key, name in KIND_NAMES.items()],
        kind_name=page.say(KIND_NAMES.get(kind, "")),
        text=text,
        errors={"text": why} if why else {},
        tried=tried,
        month=month or month_before(month_of(page.now, found.ledger.zone)),
    )
