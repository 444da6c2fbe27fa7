"""The routes of the consortium as issuer of statements: what stands on each of them, and where members pay."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, get_args

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.pages.administration import CHANGED, mends, shown_fields
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.records_form import CONSORTIUM, typed
from api.records import service
from api.records.endpoints import Writer, WriterDep, write_consortium
from api.records.rules import InvalidRecordError
from api.records.schemas import ConsortiumFields, LegalForm
from api.records.service import UnknownRecordError
from api.records.versions import ChangedMeanwhileError, Guard, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(prefix="/administration/consortium", include_in_schema=False, default_response_class=HTMLResponse)
_FORMS = {"legal_form": {each: each for each in get_args(LegalForm)}}
_NEW: Mapping[str, Any] = {"country": "IT", "regime": "RF01", "payment_days": 30, "payment_method": "MP05"}


@router.get("")
async def consortium_page(page: PageDep, writer: WriterDep) -> Response:
    """What the consortium is, to be changed; empty until somebody has filled it in."""
    kept = await _kept(writer)
    return _shown(page, kept or _NEW, {}, version=version_of(kept) if kept else "")


@router.post("")
async def save_consortium(page: PageDep, writer: WriterDep) -> Response:
    """Keep what the form says, or say what is wrong with it."""
    form = await page.form()
    said, seen = typed(CONSORTIUM, form.values), form.text("version", 16)
    kept = await _kept(writer)
    try:
        fields = ConsortiumFields.model_validate(said)
        await asyncio.to_thread(
            write_consortium, writer, Guard(frozenset({seen})) if seen else Guard(is_new=True), fields
        )
    except ValidationError as error:
        errors = mends(page, CONSORTIUM, [str(each["loc"][0]) for each in error.errors() if each["loc"]])
    except InvalidRecordError as error:
        errors = mends(page, CONSORTIUM, [each.field for each in error.problems])
    except ChangedMeanwhileError:
        errors, seen = {"all": page.say(CHANGED)}, version_of(kept)
    else:
        return page.go("/administration/consortium?saved=yes")
    return _shown(page, said, errors, version=seen)


async def _kept(writer: Writer) -> dict[str, Any]:
    try:
        return await asyncio.to_thread(service.consortium, writer.found.records)
    except UnknownRecordError:
        return {}


def _shown(page: Page, values: Mapping[str, Any], errors: dict[str, str], *, version: str) -> Response:
    return page.show(
        "administration/form.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        part="consortium",
        list_title="",
        title=page.say(CONSORTIUM.title),
        is_new=False,
        row_id="",
        version=version,
        fields=shown_fields(page, CONSORTIUM, values, _FORMS),
        errors=errors,
        is_agent=False,
        saved=page.asked("saved", 3),
    )
