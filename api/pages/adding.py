"""The routes that add a machine: an address, what its agent finds there with live values, a name. No restart."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.edges.asking import AgentSilentError
from api.edges.endpoints import request_of
from api.pages.causes import Refusal, refusal
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.records_form import ID_HINT
from api.records import service
from api.records.endpoints import Writer, WriterDep, put_record, remove_record
from api.records.rules import InvalidRecordError
from api.records.schemas import MachinePut
from api.records.versions import ANYHOW, ChangedMeanwhileError, Guard
from shopfloor.signals import is_identifier
from shopfloor.wire import edge

if TYPE_CHECKING:
    from collections.abc import Mapping


SIGNALS_SHOWN = 12
"""Signals of a found machine that are listed; the others are counted."""
_FIELDS = ("name", "kind", "site_id", "tariff_group", "maker", "model", "serial_number")
_NOTHING = Refusal()
_TABLE = "[[machine]]"
_THUMBPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_ID_LINE = re.compile(r'^id = "(.*)"$', re.MULTILINE)

router = APIRouter(prefix="/fleet", include_in_schema=False, default_response_class=HTMLResponse)


class Found(NamedTuple):
    """A machine that an agent found at an address.

    Attributes:
        id: proposed.
        called: maker, model and serial number, as far as it tells.
        error: why it could not be looked at, empty when it could.
        signals: name, value with its unit.
        more: how many further signals there are.
        refused: signals that it does not deliver, with the reason.
    """

    id: str
    called: str
    maker: str
    model: str
    serial_number: str
    error: str
    signals: list[tuple[str, str]]
    more: int
    refused: list[tuple[str, str]]


@router.get("/add")
async def begin(page: PageDep) -> Response:
    """Ask for the agent and the address."""
    return await _show(page, {})


@router.post("/add")
async def look(page: PageDep, writer: WriterDep) -> Response:
    """Let the agent look at the address, and show what it found with live values; nothing is kept."""
    form = await page.form()
    said = {"agent": form.text("agent", 63), "address": form.text("address")}
    try:
        discovered = await request_of(writer, page.scope, said["agent"], edge.Request("", "discover", said["address"]))
        if not discovered.is_done:
            return await _refused(page, said, discovered)
        tables = _tables(discovered.configuration)
        checked = await request_of(
            writer, page.scope, said["agent"], edge.Request("", "check", configuration="".join(tables))
        )
    except AgentSilentError as error:
        return await _show(page, said, refused=refusal(page.say, error.code, str(error)))
    if not checked.is_done:
        return await _refused(page, said, checked)
    nothing = next((each for each in checked.machines if each.get("code") == edge.Cause.NO_MACHINE), None)
    if nothing is not None and len(checked.machines) == 1:  # what stands for a machine where the server shows none
        return await _show(page, said, refused=refusal(page.say, nothing["code"], nothing["error"]))
    found = [_found(each) for each in checked.machines]
    return await _show(page, said, found=found)


@router.post("/add/save")
async def save(page: PageDep, writer: WriterDep) -> Response:
    """Keep the machine and let its agent read it: both, or neither."""
    form = await page.form()
    said = {"agent": form.text("agent", 63), "address": form.text("address"), "id": form.text("id", 63)}
    if not is_identifier(said["id"]):
        return await _show(page, said, refused=Refusal(page.say(ID_HINT)))
    try:
        fields = MachinePut.model_validate({"agent_id": said["agent"]} | {name: form.text(name) for name in _FIELDS})
        await put_record(writer, Guard(is_new=True), ("machines", said["id"]), fields, Response())
    except (ValidationError, InvalidRecordError) as error:
        return await _show(page, said, refused=Refusal(_why(page, error)))
    except ChangedMeanwhileError:
        return await _show(page, said, refused=Refusal(page.say("This identifier is taken: choose another.")))
    refused = await _applied(page, writer, said, form.text("found", 63))
    if refused.message:
        await remove_record(writer, ANYHOW, "machines", said["id"])
        return await _show(page, said, refused=refused)
    return page.go(f"/fleet?added={said['id']}")


async def _applied(page: Page, writer: Writer, said: Mapping[str, str], found: str) -> Refusal:
    """Let the agent read one machine more; return why it does not, an empty refusal when it does."""
    agent = said["agent"]
    health = page.found.live.asking.health(agent)
    one = [each.machine for each in health.machines[:1]] if health is not None else []
    try:
        discovered = await request_of(writer, page.scope, agent, edge.Request("", "discover", said["address"]))
        tables = {match[1]: each for each in _tables(discovered.configuration) if (match := _ID_LINE.search(each))}
        if found not in tables:
            if not discovered.is_done:
                return _refusal(page, discovered)
            return Refusal(page.say("The machine is not at this address any more: look again."))
        table = _ID_LINE.sub(f'id = "{said["id"]}"', tables[found], count=1)
        present = await request_of(writer, page.scope, agent, edge.Request("", "check", machines=one))
        if not present.is_done:
            return _refusal(page, present)
        reply = await request_of(
            writer, page.scope, agent, edge.Request("", "apply", configuration=f"{present.configuration}\n{table}")
        )
    except AgentSilentError as error:
        return refusal(page.say, error.code, str(error))
    return Refusal() if reply.is_done else _refusal(page, reply)


def _refusal(page: Page, reply: edge.Reply) -> Refusal:
    return refusal(page.say, reply.code, " ".join([reply.error, *reply.problems]))


def _tables(configuration: str) -> list[str]:
    """Cut a configuration into the parts that describe one machine each."""
    return [f"{_TABLE}{part}" for part in configuration.split(_TABLE)[1:]]


def _found(seen: Mapping[str, Any]) -> Found:
    who = seen["identification"]
    maker, model, serial = (str(who.get(name, "")) for name in ("manufacturer", "model", "serial_number"))
    values = [
        (each["signal"], "\N{EN DASH}" if each["value"] is None else f"{each['value']} {each['unit']}".strip())
        for each in seen["signals"]
    ]
    return Found(
        id=seen["machine"],
        called=" ".join(filter(None, (maker, model, serial))),
        maker=maker,
        model=model,
        serial_number=serial,
        error=seen["error"],
        signals=values[:SIGNALS_SHOWN],
        more=max(0, len(values) - SIGNALS_SHOWN),
        refused=list(seen["refused"].items())[:SIGNALS_SHOWN],
    )


async def _refused(page: Page, said: Mapping[str, str], reply: edge.Reply) -> Response:
    """Show why the agent could not look: the cause with its mend, and the thumbprint where trust is what is missing."""
    may_be_trust = reply.code in {"", edge.Cause.UNTRUSTED}  # agents of earlier versions say no code
    thumbprint = _THUMBPRINT.search(reply.error) if may_be_trust else None
    return await _show(page, said, refused=_refusal(page, reply), thumbprint=thumbprint[0] if thumbprint else "")


def _why(page: Page, error: ValidationError | InvalidRecordError) -> str:
    places = (
        [str(each["loc"][0]) for each in error.errors() if each["loc"]]
        if isinstance(error, ValidationError)
        else [each.field for each in error.problems]
    )
    general = page.say("This is not accepted as it is written, or another record has it already.")
    return f"{', '.join(places)}: {general}"


async def _show(
    page: Page,
    said: Mapping[str, str],
    *,
    refused: Refusal = _NOTHING,
    thumbprint: str = "",
    found: list[Found] | None = None,
) -> Response:
    def read() -> tuple[list[tuple[str, str]], list[tuple[str, str]], dict[str, str]]:
        agents = service.visible(page.found.records, page.scope, "edges")
        sites = service.visible(page.found.records, page.scope, "sites")
        return (
            [(row.id, row.name or row.id) for row in agents],
            [(row.id, row.name) for row in sites],
            {row.id: row.site_id for row in agents},
        )

    agents, sites, at = await asyncio.to_thread(read)
    asking = page.found.live.asking
    speaking = [
        (each, name if not asking.is_silent(each, now=page.now) else page.say("%(name)s (silent)", name=name))
        for each, name in sorted(agents, key=lambda each: (asking.is_silent(each[0], now=page.now), each[1]))
    ]
    return page.show(
        "fleet/add.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if refused.message else HTTPStatus.OK,
        agents=speaking,
        sites=sites,
        site=at.get(said.get("agent", ""), ""),
        agent=said.get("agent", ""),
        address=said.get("address", ""),
        message=refused.message,
        detail=refused.detail,
        thumbprint=thumbprint,
        command=f"officina edge trust accept edge.toml {thumbprint}",
        machines=found,
    )
