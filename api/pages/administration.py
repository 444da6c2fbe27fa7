"""The routes of the administration: firms, sites, agents and machines, and the audit trail."""

from __future__ import annotations

import asyncio
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.audit import service as audit
from api.deps import EdgesDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.edges.endpoints import put_edge, with_state
from api.edges.schemas import EdgePut
from api.errors import NotYoursError
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.records_form import CONTACT, ID_HINT, PARTS, SCREENS, Screen, typed
from api.pages.times import full_day, local, moment
from api.pages.words import mark
from api.records import service
from api.records.endpoints import Writer, WriterDep, put_record
from api.records.rules import InvalidRecordError
from api.records.schemas import MachinePut, MemberPut, SitePut
from api.records.versions import ChangedMeanwhileError, Guard, version_of
from shopfloor.periods import parse_instant
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from api.deps import Services

ENTRIES = 100
"""Entries of the audit trail on one page."""
_MODELS: dict[str, type[BaseModel]] = {
    "members": MemberPut, "sites": SitePut, "machines": MachinePut, "edges": EdgePut
}  # fmt: skip

_TAKEN = mark("This identifier is taken: choose another.")
CHANGED = mark(
    "Somebody else has changed this meanwhile. What you typed is still here: look at what was changed, then save again."
)

router = APIRouter(prefix="/administration", include_in_schema=False, default_response_class=HTMLResponse)
Part = Annotated[str, Path(max_length=20)]
RowId = Annotated[str, Path(max_length=63)]


class Entry(NamedTuple):
    """An entry of the audit trail as the page shows it."""

    at: str
    who: str
    what: str
    subject: str
    change: list[tuple[str, str, str]]


@router.get("")
async def administration(page: PageDep) -> Response:
    """Begin with the firms."""
    return page.go("/administration/members")


@router.get("/audit")
async def audit_page(page: PageDep, found: ServicesDep) -> Response:
    """Who changed what, the newest first."""
    cursor, subject = page.asked("before", 18), page.asked("subject", 160)
    before = int(cursor) if cursor.isdecimal() and cursor.isascii() else None
    rows = await asyncio.to_thread(audit.page, found.records, before=before, limit=ENTRIES, subject=subject or None)
    today = local(page.now, page.zone).date()
    entries = [
        Entry(
            at=moment(parse_instant(document["at"]), today, page.zone, page.say),
            who=document["who"],
            what=document["what"],
            subject=document["subject"],
            change=_change(document),
        )
        for _, document in rows
    ]
    following = str(rows[-1][0].number) if len(rows) == ENTRIES else ""
    return page.show("administration/audit.html", entries=entries, following=following, subject=subject)


@router.get("/{part}")
async def list_page(page: PageDep, found: ServicesDep, part: Part) -> Response:
    """Every record of a kind."""
    kind, screen = _screen(part)
    rows = [service.values_of(row) for row in await asyncio.to_thread(service.visible, found.records, page.scope, kind)]
    if kind == "edges":
        rows = await asyncio.to_thread(with_state, found, rows)
    names = await _names(page, found)
    return page.show(
        "administration/list.html",
        part=part,
        title=page.say(screen.title),
        new=page.say(screen.new),
        none=page.say(screen.empty),
        columns=[page.say(head) for _, head in screen.columns],
        rows=[(row["id"], [_shown(page, names, name, row) for name, _ in screen.columns]) for row in rows],
        saved=page.asked("saved", 63),
        is_file=kind in {"members", "machines"},
    )


@router.get("/{part}/{row_id}")
async def record_page(page: PageDep, part: Part, row_id: RowId) -> Response:
    """A record to be changed, or under the identifier `new` one to be added."""
    kind, _ = _screen(part)
    values: dict[str, Any] = (
        {"country": "IT", "is_active": True} if row_id == "new" else await _kept(page, kind, row_id)
    )
    return await _form(page, part, row_id, values, {}, version="" if row_id == "new" else version_of(values))


@router.post("/{part}/{row_id}")
async def save_record(page: PageDep, writer: WriterDep, part: Part, row_id: RowId) -> Response:
    """Keep what the form says, or say what is wrong with it."""
    kind, screen = _screen(part)
    form = await page.form()
    is_new = row_id == "new"
    name = form.text("id", 63) if is_new else row_id
    said, seen = typed(screen, form.values), form.text("version", 16)
    if not is_identifier(name):
        return await _form(page, part, row_id, said | {"id": name}, {"id": page.say(ID_HINT)}, version=seen)
    kept = {} if is_new else await _kept(page, kind, row_id)
    try:
        fields = _MODELS[kind].model_validate(
            {each: kept[each] for each in _MODELS[kind].model_fields if each in kept} | said
        )
        await _put(writer, Guard(is_new=True) if is_new else Guard(frozenset({seen})), kind, name, fields)
    except ValidationError as error:
        errors = mends(page, screen, [str(each["loc"][0]) for each in error.errors() if each["loc"]])
    except InvalidRecordError as error:
        errors = mends(page, screen, [each.field for each in error.problems])
    except ChangedMeanwhileError:
        errors = {"id": page.say(_TAKEN)} if is_new else {"all": page.say(CHANGED)}
        seen = version_of(kept)  # who has read the sentence and saves again means it
    else:
        return page.go(f"/administration/{part}?saved={name}")
    return await _form(page, part, row_id, said | {"id": name}, errors, version=seen)


@router.post("/agents/{row_id}/code")
async def invite_agent(page: PageDep, edges: EdgesDep, row_id: RowId) -> Response:
    """Make the code with which an agent is enrolled; it is shown this once."""
    invitation = await asyncio.to_thread(edges.invite, page.actor, row_id, now=page.now)
    until = moment(invitation.expires, local(page.now, page.zone).date(), page.zone, page.say)
    return page.show("administration/code.html", agent=row_id, code=invitation.code, until=until)


def _screen(part: str) -> tuple[str, Screen]:
    kind = PARTS.get(part)
    if kind is None:
        raise NotYoursError
    return kind, SCREENS[kind]


async def _kept(page: Page, kind: str, row_id: str) -> dict[str, Any]:
    return service.values_of(await asyncio.to_thread(service.one, page.found.records, page.scope, kind, row_id))


async def _put(writer: Writer, guard: Guard, kind: str, name: str, fields: Any) -> None:
    response = Response()
    if kind == "edges":
        await put_edge(writer, guard, name, fields, response)
    else:
        await put_record(writer, guard, (kind, name), fields, response)


async def _form(
    page: Page, part: str, row_id: str, values: Mapping[str, Any], errors: dict[str, str], *, version: str
) -> Response:
    kind, screen = _screen(part)
    return page.show(
        "administration/form.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        part=part,
        list_title=page.say(screen.title),
        title=page.say(screen.new)
        if row_id == "new"
        else _text(values.get("legal_name") or values.get("name") or row_id),
        is_new=row_id == "new",
        row_id=row_id,
        version=version,
        id=_text(values.get("id")),
        id_hint=page.say(ID_HINT),
        fields=shown_fields(page, screen, values, await _names(page, page.found)),
        errors=errors,
        is_agent=kind == "edges" and row_id != "new",
        enrols=page.found.edges is not None,
        saved="",
    )


def shown_fields(
    page: Page, screen: Screen, values: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return the fields of a form as the template shows them.

    Args:
        page: who reads.
        screen: which fields.
        values: what is in them.
        names: what is offered where one of several is chosen, by the kind of the field.
    """
    return [
        {
            "name": field.name,
            "label": page.say(field.label),
            "kind": field.kind,
            "hint": page.say(field.hint) if field.hint else "",
            "required": field.required,
            "value": _text(values.get(field.name)),
            "is_on": bool(values.get(field.name)),
            "options": [("", ""), *sorted(names[field.kind].items(), key=lambda each: each[1])]
            if field.kind in names
            else [],
        }
        for field in screen.fields
    ]


async def _names(page: Page, found: Services) -> dict[str, dict[str, str]]:
    """Return what sites and agents are called, by their identifiers."""

    def read() -> dict[str, dict[str, str]]:
        return {
            kind: {row.id: row.name or row.id for row in service.visible(found.records, page.scope, kind)}
            for kind in ("sites", "edges")
        }

    return await asyncio.to_thread(read)


def mends(page: Page, screen: Screen, places: list[str]) -> dict[str, str]:
    """Return for each field that is wrong what is accepted there; `all` is the whole of it."""
    hints = {field.name: field.hint for field in screen.fields}
    general = page.say("This is not accepted as it is written, or another record has it already.")
    return {place or "all": page.say(hints[place]) if hints.get(place) else general for place in (places or [""])}


def _shown(page: Page, names: Mapping[str, Mapping[str, str]], name: str, row: Mapping[str, Any]) -> str:
    if name == "state":
        return page.say("enrolled") if row.get("enrolled") else page.say("not enrolled yet")
    value = row.get(name)
    if name == "site_id":
        return names["sites"].get(str(value), str(value))
    if name == "agent_id":
        return page.say("by check-in") if value is None else names["edges"].get(str(value), str(value))
    return full_day(value, page.say) if isinstance(value, date) else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return "; ".join(str(value.get(name, "")) for name in CONTACT).rstrip("; ")
    return "\n".join(map(_text, value)) if isinstance(value, list) else str(value)


def _change(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    before, after = document.get("before") or {}, document.get("after") or {}
    return [(name, _text(before.get(name)), _text(after.get(name))) for name in dict.fromkeys((*before, *after))]
