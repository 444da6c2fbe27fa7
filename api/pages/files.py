"""The routes of a machine's manuals and photo, as the administration keeps them."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from api.access.tokens import new_id
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages.figures import number
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import local, moment
from api.pages.words import mark
from api.records import files, service
from api.records.endpoints import MachineId  # noqa: TC001 - read when routes are made
from api.records.files import FileSizeError, FileTypeError
from shopfloor.periods import parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.deps import Services

_MEGABYTE = 1_000_000
_DONE: Mapping[str, str] = {"kept": mark("The file is kept."), "gone": mark("The file is removed.")}
_CALLED: Mapping[str, str] = {"photo": mark("Photo"), "manual": mark("Manual")}
_NO_FILE = mark("Choose a file.")
_OTHER_TYPE: Mapping[str, str] = {
    "photo": mark("What is in this file is no JPEG, PNG or WebP, whatever it is called."),
    "manual": mark("What is in this file is no PDF, JPEG, PNG or WebP, whatever it is called."),
}
_TOO_MUCH = mark(
    "This is more than is kept: at most 20 MB a file and 30 files. Remove one first, or send a smaller one."
)

router = APIRouter(
    prefix="/administration/machines/{machine_id}/files", include_in_schema=False, default_response_class=HTMLResponse
)
FileId = Annotated[str, Path(max_length=16)]
PhotoId = Annotated[str, Path(max_length=16)]


def refusal(page: Page, error: FileTypeError | FileSizeError, purpose: str) -> str:
    """Say why a file is not kept, for the field that it was chosen in."""
    if isinstance(error, FileSizeError):
        return page.say(_TOO_MUCH)
    return page.say(_OTHER_TYPE[purpose])


@router.get("")
async def files_page(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """The manuals and the photo of a machine, and the forms that bring them."""
    return await _shown(page, found, machine_id, {})


@router.post("")
async def add_file(page: PageDep, found: ServicesDep, machine_id: MachineId) -> Response:
    """Keep a manual or the photo; a photo takes the place of the one before."""
    form, sent = await page.upload("file")
    purpose = "photo" if form.text("purpose", 8) == "photo" else "manual"
    if sent is None:
        return await _shown(page, found, machine_id, {purpose: page.say(_NO_FILE)})
    new = files.New(purpose, sent.name or page.say(_CALLED[purpose]), sent.content)

    def write() -> None:
        with found.records.writing() as session:
            files.add(session, page.actor, machine_id, new, file_id=new_id(), now=page.now)

    try:
        await asyncio.to_thread(write)
    except (FileTypeError, FileSizeError) as error:
        return await _shown(page, found, machine_id, {purpose: refusal(page, error, purpose)})
    return page.go(f"/administration/machines/{machine_id}/files?done=kept")


@router.post("/{file_id}/remove")
async def remove_file(page: PageDep, found: ServicesDep, machine_id: MachineId, file_id: FileId) -> Response:
    """Remove a file of a machine."""

    def write() -> None:
        with found.records.writing() as session:
            files.remove(session, page.actor, machine_id, file_id, now=page.now)

    await asyncio.to_thread(write)
    return page.go(f"/administration/machines/{machine_id}/files?done=gone")


def _size(page: Page, length: int) -> str:
    if length < _MEGABYTE:
        return f"{max(1, length // 1_000)}\N{NO-BREAK SPACE}kB"
    return f"{number(length / _MEGABYTE, page.say)}\N{NO-BREAK SPACE}MB"


async def _shown(page: Page, found: Services, machine_id: str, errors: Mapping[str, str]) -> Response:
    def read() -> tuple[str, list[dict[str, Any]]]:
        name = service.one(found.records, page.scope, "machines", machine_id).name
        with found.records.reading() as session:
            return name, files.listed(session, machine_id)

    name, kept = await asyncio.to_thread(read)
    today = local(page.now, page.zone).date()
    rows = [
        each
        | {
            "size": _size(page, each["bytes"]),
            "when": moment(parse_instant(each["added"]), today, page.zone, page.say),
        }
        for each in kept
    ]
    return page.show(
        "administration/files.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        machine_id=machine_id,
        machine=name,
        manuals=[each for each in rows if each["purpose"] == "manual"],
        photos=[each for each in rows if each["purpose"] == "photo"],
        errors=errors,
        done=page.say(_DONE[page.asked("done")]) if page.asked("done") in _DONE and not errors else "",
    )
