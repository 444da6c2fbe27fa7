"""The routes of a machine's manuals and photo."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.tokens import new_id
from api.deps import ActorDep, NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.records import files, service
from api.records.endpoints import MachineId  # noqa: TC001 - read when routes are made
from api.records.schemas import FileList, FileOut, Name

if TYPE_CHECKING:
    from api.access.scope import Scope
    from api.deps import Services

router = APIRouter(prefix="/api/v1/machines/{machine_id}/files", tags=["machines"])

FileId = Annotated[str, Path(max_length=16, description="Identifier of the file.")]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_TYPES = {kind: _BINARY for kinds in files.PURPOSES.values() for kind in sorted(kinds)}
_NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What a browser may do with a file: show it, and run nothing that is in it."""


def _listed(found: Services, scope: Scope, machine_id: str) -> list[dict[str, Any]]:
    service.one(found.records, scope, "machines", machine_id)
    with found.records.reading() as session:
        return files.listed(session, machine_id)


@router.get("", response_model=FileList)
async def list_files(found: ServicesDep, scope: ScopeDep, machine_id: MachineId) -> Any:
    """The manuals and the photo of a machine."""
    return {"items": await asyncio.to_thread(_listed, found, scope, machine_id)}


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=FileOut,
    openapi_extra={"requestBody": {"required": True, "content": _TYPES}},
)
async def add_file(
    found: ServicesDep,
    actor: ActorDep,
    now: NowDep,
    request: Request,
    machine_id: MachineId,
    *,
    purpose: Annotated[Literal["manual", "photo"], Query(description="A photo takes the place of the one before.")],
    name: Annotated[Name, Query(description="What it is called.")],
) -> Any:
    """Keep a file of a machine: the body is the file, a PDF, JPEG, PNG or WebP, whatever it is said to be."""
    new = files.New(purpose, name, await request.body())

    def write() -> dict[str, Any]:
        with found.records.writing() as session:
            return files.add(session, actor, machine_id, new, file_id=new_id(), now=now)

    return await asyncio.to_thread(write)


@router.get("/{file_id}", response_class=Response, responses={200: {"content": _TYPES}})
async def get_file(found: ServicesDep, scope: ScopeDep, machine_id: MachineId, file_id: FileId) -> Response:
    """A file, for who may see the machine."""

    def read() -> files.Kept:
        service.one(found.records, scope, "machines", machine_id)
        with found.records.reading() as session:
            return files.content_of(session, machine_id, file_id)

    return answer(await asyncio.to_thread(read))


def answer(kept: files.Kept) -> Response:
    """Answer with a file: pictures are shown, the rest is saved, and nothing in it runs."""
    shown = "inline" if kept.media_type.startswith("image/") else "attachment"
    headers = {
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(kept.name, safe='')}",
        "Content-Security-Policy": _NO_SCRIPT,
    }
    return Response(kept.content, media_type=kept.media_type, headers=headers)


@router.delete("/{file_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_file(found: ServicesDep, actor: ActorDep, now: NowDep, machine_id: MachineId, file_id: FileId) -> None:
    """Remove a file of a machine."""

    def write() -> None:
        with found.records.writing() as session:
            files.remove(session, actor, machine_id, file_id, now=now)

    await asyncio.to_thread(write)
