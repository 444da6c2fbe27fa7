"""The routes that read members or machines in from the cells of a spreadsheet: tried first, then kept whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.errors import NotYoursError
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.records_form import ID_HINT, SCREENS
from api.pages.words import mark
from api.records import sheets
from api.records.endpoints import WriterDep, read_sheet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.records.sheets import LineProblem, Outcome

FORM_BYTES_MAX = 2_000_000
"""Largest form with a table, as a browser sends it."""
PROBLEMS_SHOWN = 200
"""Most problems that the page lists; it says how many there are."""
_NO_TABLE = mark("This is no table that can be read: its first line names columns of those below, id among them.")
_GENERAL = mark("This is not accepted as it is written, or another record has it already.")
_TWICE = mark("Another line has the same identifier.")
_BY_KIND = {
    "date": mark("a day as 2026-01-31"),
    "sites": mark("the identifier of a site that is there already"),
    "edges": mark("the identifier of an agent that is there already"),
}
"""What is accepted in a column, where it is more than the form of one record says."""
_CELLS = mark("The line has more cells than the first one.")

router = APIRouter(prefix="/administration/import", include_in_schema=False, default_response_class=HTMLResponse)
Part = Annotated[str, Path(max_length=20)]


@router.get("/{part}")
async def import_page(page: PageDep, part: Part) -> Response:
    """Where cells of a spreadsheet are put in."""
    return _shown(page, part)


@router.post("/{part}")
async def import_table(page: PageDep, writer: WriterDep, part: Part) -> Response:
    """Say what would happen, or keep every line when none is wrong."""
    _refuse_other(part)
    form = await page.form(FORM_BYTES_MAX)
    text, is_try = form.raw("table", FORM_BYTES_MAX), form.text("do", 5) != "write"
    try:
        outcome = await read_sheet(writer, part, text.encode(), dry_run=is_try)
    except sheets.SheetError:
        return _shown(page, part, text, error=page.say(_NO_TABLE))
    if is_try or outcome.problems:
        return _shown(page, part, text, outcome)
    return page.go(f"/administration/import/{part}?added={outcome.added}&changed={outcome.changed}")


def _refuse_other(part: str) -> None:
    if part not in sheets.SHAPES:
        raise NotYoursError


def _shown(page: Page, part: str, text: str = "", outcome: Outcome | None = None, *, error: str = "") -> Response:
    _refuse_other(part)
    is_wrong = bool(error) or (outcome is not None and bool(outcome.problems))
    added, changed = (int(each) if each.isdecimal() and each.isascii() else None for each in (
        page.asked("added", 5), page.asked("changed", 5)
    ))  # fmt: skip
    return page.show(
        "administration/import.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if is_wrong else HTTPStatus.OK,
        part=part,
        list_title=page.say(SCREENS[part].title),
        columns=sheets.columns(part),
        table=text,
        error=error,
        outcome=outcome,
        problems=list(_in_words(page, part, outcome.problems)) if outcome is not None else [],
        kept=None if added is None or changed is None else (added, changed),
    )


def _in_words(page: Page, part: str, problems: Iterable[LineProblem]) -> Iterable[tuple[int, str, str]]:
    """Write problems with their line, the column as the file has it, and what is accepted there."""
    hints = {field.name: _BY_KIND.get(field.kind, field.hint) for field in SCREENS[part].fields} | {"id": ID_HINT}
    for line, field, detail in sorted(problems)[:PROBLEMS_SHOWN]:
        if not field:
            mend = _CELLS
        else:
            mend = _TWICE if field == "id" and detail.startswith("line ") else hints.get(field) or _GENERAL
        yield line, field, page.say(mend)
