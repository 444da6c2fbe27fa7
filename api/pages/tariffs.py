"""The pages of a tariff's version in fields: filled from one that there is, tried on a past month, then kept."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api import formats
from api.billing import service
from api.billing.calendars import civil_month, day_of, month_of
from api.billing.endpoints import EntryId, add_entry, put_entry
from api.billing.pricelist import Entry, table_of
from api.billing.scenarios.values import BadScenarioError
from api.billing.schemas import EntryIn
from api.billing.tariff_text import Change, TakenError, begins, begun, changed, in_force, tried
from api.billing.tariffs import BadTariffError, OverlapError, UnpricedError
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages import tariff_form
from api.pages.charges import month_before
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.prices import entry_form, kept_words, try_on
from api.pages.words import mark
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from api.records.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.billing.tariffs import Version
    from api.deps import Services
    from api.pages.tariff_form import Typed

router = APIRouter(prefix="/prices", include_in_schema=False, default_response_class=HTMLResponse)
NEW = "new"
MONTHS = 12
"""How many months back a version can be tried on."""
_BLANK: Mapping[str, Any] = {"calendar": "arera", "vat": 22}
"""What a new tariff's first version begins as."""
_LONGEST = 120
_LABELS: Mapping[str, str] = {
    "tariff": mark("Name of the tariff"),
    "groups": mark("For which members"),
    "name": mark("Name of the version"),
    "from": mark("Valid from"),
    "calendar": mark("Bands of the calendar"),
    "energy": mark("Energy"),
    "increment": mark("Sessions rounded up to, minutes"),
    "session_minimum": mark("Minimum of a session, €"),
    "monthly_minimum": mark("Minimum of a month, €"),
    "monthly_cap": mark("Cap of a month, €"),
    "vat": mark("VAT, % or Natura"),
    "vat_energy": mark("VAT on energy, % or Natura"),
    "plus": mark("Surcharge on a single price, %"),
    "month": mark("Month to try it on"),
}
_CHANGED = mark("Somebody else has changed this tariff meanwhile. Look at what it is now, and begin again.")
_CLOSED = mark("%(month)s is closed: begin after it.")
_CHARGED = mark("Closed months were charged by this tariff: add another one instead.")
_OVERLAP = mark("Another tariff is for the same machines and members at that time: end it first.")
_TAKEN = mark("Another version of this tariff begins on that day: choose another day, or correct that version.")
_LONG = mark("The tariff has become too long to be kept: end it, and go on with another one.")


class Base(NamedTuple):
    """What the fields are filled from.

    Attributes:
        entry_id: of the price list; `new` for a tariff that there is not yet.
        text: of the entry; empty for a new one.
        table: of the tariff.
        place: of the version that the fields begin as, from 0.
        version: its table; of a new version without its end.
        corrects: whether this version itself is changed, and none is added.
        bands: of each calendar that there is, in order.
        groups: of members, that there are or that the tariff names.
        labels: of all other versions of the price list.
        kept: what the fields do not show of the version, in words.
        closed: the last closed month; None when none is.
        frozen: whether closed months were charged by this tariff.
    """

    entry_id: str
    text: str
    table: dict[str, Any]
    place: int
    version: dict[str, Any]
    corrects: bool
    bands: dict[str, list[str]]
    groups: list[str]
    labels: frozenset[str]
    kept: list[tuple[str, str]]
    closed: str | None
    frozen: bool

    @property
    def seen(self) -> str:
        """What is another one as soon as the entry is."""
        return version_of({"text": self.text})


@router.get("/{entry_id}/version")
async def version_page(page: PageDep, found: ServicesDep, entry_id: EntryId) -> Response:
    """A new version of a tariff, filled from one that there is, or that one to be corrected; `new` for a new tariff."""
    base = await _base(page, found, entry_id, page.asked("from", 4), is_correcting=page.asked("correct", 3) == "yes")
    if isinstance(base, Entry):
        return entry_form(page, found, entry_id, base.kind, base.text)
    values = tariff_form.shown(base.table, base.version, page.look.language)
    if base.corrects:
        values["name"] = values["name"] or str(base.place + 1)
    else:
        values["name"] = tariff_form.next_name(base.table.get("versions", ()))
        values["from"] = _proposed(page, found, base).isoformat()
    return _show(page, found, base, values)


@router.post("/{entry_id}/version")
async def save_version(page: PageDep, found: ServicesDep, writer: WriterDep, entry_id: EntryId) -> Response:
    """Show other bands, try the version on a past month, or keep it; what is wrong is said at its field."""
    form = await page.form()
    base = await _base(page, found, entry_id, form.text("place", 4), is_correcting=form.text("correct", 3) == "yes")
    if isinstance(base, Entry):
        return entry_form(page, found, entry_id, base.kind, base.text)
    values = _values(form, base)
    if form.text("seen", 16) != base.seen:
        return _show(page, found, base, values, errors={"all": page.say(_CHANGED)})
    if form.has("show"):
        return _show(page, found, base, values)
    typed = tariff_form.read((base.table, base.version), values, base.bands, page.say)
    errors = typed.errors or _misplaced(page, found, base, typed)
    month, shown = form.text("month", 7), None
    if not errors:
        change = Change(typed.version, base.place if base.corrects else None, typed.head)
        try:
            if form.has("try"):
                shown = await _tried(page, found, base, (typed, change), month)
            else:
                given = _given(
                    begun(typed.name, change) if not base.text else changed(base.text, change, found.ledger.zone)
                )
                await (add_entry(writer, given) if entry_id == NEW else put_entry(writer, entry_id, given))
                return page.go("/prices?said=saved")
        except (BadScenarioError, BadTariffError, UnpricedError, _LongError) as error:
            errors = _refused(page, error, is_tried=form.has("try"))
    return _show(page, found, base, values, errors=errors, tried=shown, month=month)


class _LongError(Exception):
    """The text of the entry is longer than one may be."""


def _given(text: str) -> EntryIn:
    try:
        return EntryIn(kind="tariffs", text=text)
    except ValidationError as error:
        raise _LongError from error


async def _tried(page: Page, found: Services, base: Base, wanted: tuple[Typed, Change], month: str) -> dict[str, Any]:
    """Return what the version would make of a month, as if it had been in force for the whole of it."""
    typed, change = wanted
    if month not in dict(_months(page, found)):
        raise BadScenarioError(page.say("Choose a month such as 2026-10."))
    named = Change(change.version, change.place, {"name": typed.name, **change.head})
    given = _given(tried(base.text, named, month, found.ledger.zone))
    return await try_on(page, found, given, month, removed=[] if base.entry_id == NEW else [base.entry_id])


async def _base(page: Page, found: Services, entry_id: str, asked: str, *, is_correcting: bool) -> Base | Entry:
    """Read the version asked for, else the one in force; or the entry, where it is no tariff."""

    def read() -> Base | Entry:
        with found.records.reading() as session:
            prices = found.ledger.prices(session, service.member_names(session))
            groups = set(service.member_groups(session))
            closed = service.last_closed(session)
            row = None if entry_id == NEW else service.entry(session, entry_id)
            kept = None if row is None else Entry(row.id, row.kind, row.text)
        if kept is not None and kept.kind != "tariffs":
            return kept
        zone = found.ledger.zone
        until = 0 if closed is None else civil_month(closed, zone).end
        bands = {name: sorted(each.bands) for name, each in sorted(prices.calendars.items())}
        if kept is None:
            table: dict[str, Any] = {"name": ""}
            return Base(NEW, "", table, 0, dict(_BLANK), False, bands, sorted(groups - {""}),  # noqa: FBT003
                        frozenset(each.label for each in prices.book.versions), [], closed, False)  # noqa: FBT003  # fmt: skip
        table = table_of(kept)
        versions = table["versions"]
        place = int(asked) - 1 if asked.isdecimal() else in_force(versions, page.now, zone)
        place = min(max(place, 0), len(versions) - 1)
        corrects = is_correcting and begins(versions[place], zone) >= until
        label = tariff_form.labels(table)[place]
        by_label: dict[str, Version] = {each.label: each for each in prices.book.versions}
        return Base(
            entry_id,
            kept.text,
            table,
            place,
            dict(versions[place]) if corrects else {k: v for k, v in versions[place].items() if k != "to"},
            corrects,
            bands,
            sorted((groups | set(table.get("groups", ()))) - {""}),
            frozenset(by_label.keys() - ({label} if corrects else set())),
            list(kept_words(page, by_label[label], tariff_form.steps(versions[place]))),
            closed,
            any(begins(each, zone) < until for each in versions),
        )

    return await asyncio.to_thread(read)


def _values(form: Form, base: Base) -> dict[str, str]:
    """Return what stands in the fields."""
    bands = base.bands.get(form.text("calendar", _LONGEST), ())
    values = {name: form.text(name, _LONGEST) for name in tariff_form.fields(bands)}
    values["groups"] = "\n".join(each for each in base.groups if each in form.many("groups"))
    return values


def _proposed(page: Page, found: Services, base: Base) -> date:
    """Return the day from which a new version is proposed to hold: a first of a month to come, that none begins on."""
    zone = found.ledger.zone
    after = [page.now, *(begins(each, zone) for each in base.table.get("versions", ()))]
    if base.closed is not None:
        after.append(civil_month(base.closed, zone).start)
    return (day_of(max(after), zone).replace(day=1) + timedelta(days=32)).replace(day=1)


def _misplaced(page: Page, found: Services, base: Base, typed: Typed) -> dict[str, str]:
    """Return what does not fit with the versions that there are."""
    errors: dict[str, str] = {}
    if f"{typed.name}@{typed.version['name']}" in base.labels:
        errors["name"] = page.say(tariff_form.NAME_TAKEN)
    if base.closed is not None:
        if begins(typed.version, found.ledger.zone) < civil_month(base.closed, found.ledger.zone).end:
            errors["from"] = page.say(_CLOSED, month=formats.month(base.closed, page.look.language).capitalize())
        if base.frozen:
            errors |= {{"name": "tariff"}.get(key, key): page.say(_CHARGED) for key in typed.head}
    return errors


def _refused(page: Page, error: Exception, *, is_tried: bool) -> dict[str, str]:
    """Return what the price list refuses, at its field where it has one."""
    if isinstance(error, _LongError):
        return {"all": page.say(_LONG)}
    if isinstance(error, TakenError):
        return {"from": page.say(_TAKEN)}
    if isinstance(error.__cause__, OverlapError):
        return {"month" if is_tried else "from": page.say(_OVERLAP)}
    return {"all": str(error)}


def _months(page: Page, found: Services) -> list[tuple[str, str]]:
    months = [month_of(page.now, found.ledger.zone)]
    while len(months) < MONTHS:
        months.append(month_before(months[-1]))
    return [(each, formats.month(each, page.look.language)) for each in months]


def _show(
    page: Page,
    found: Services,
    base: Base,
    values: Mapping[str, str],
    *,
    errors: Mapping[str, str] | None = None,
    tried: Any = None,
    month: str = "",
) -> Response:
    say, wrong = page.say, errors or {}
    bands = base.bands.get(values["calendar"], [])
    rows = tariff_form.rows(base.version, values, bands, say)
    labels = {name: say(text) for name, text in _LABELS.items()}
    words = labels | {each.name: each.label for each in rows}
    return page.show(
        "charges/tariff.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        base=base,
        is_new=base.entry_id == NEW,
        called=values["tariff"] if wrong or base.entry_id == NEW else base.table["name"],
        version=base.version.get("name", base.place + 1),
        labels=labels,
        values=values,
        groups=[(each, each in values["groups"].splitlines()) for each in base.groups],
        calendars=[("", say("none: one price all day")), *((each, each) for each in base.bands)],
        bands=bands,
        plus=[(f"plus-{band}", band, values.get(f"plus-{band}", "")) for band in bands],
        rows=rows,
        errors=wrong,
        named=[(each, _named(each, words)) for each in wrong if each != "all"],
        tried=tried,
        months=_months(page, found),
        month=month or month_before(month_of(page.now, found.ledger.zone)),
        kept=base.kept,
    )


def _named(field: str, words: Mapping[str, str]) -> str:
    """Return what a field is called, that of a band with it."""
    row, _, band = field.removeprefix("rate-").partition("-")
    label = words.get(f"rate-{row}", words.get(row, row))
    return f"{label} {band}".strip()
