"""The application: routes, rules, headers, and the services that live as long as it does."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api import errors, health
from api.access import endpoints as access_endpoints
from api.access import people
from api.access.service import Access
from api.access.sign_in import SignIn
from api.audit import endpoints as audit_endpoints
from api.audit.service import CONSOLE
from api.billing import endpoints as billing_endpoints
from api.billing import use_endpoints
from api.billing.ledger import Ledger, settled
from api.bookings import endpoints as booking_endpoints
from api.deps import Services, authorize, is_secure
from api.edges import endpoints as edge_endpoints
from api.edges.service import Edges
from api.edges.store import EdgeStore
from api.floor import endpoints as floor_endpoints
from api.live import endpoints as live_endpoints
from api.live.schemas import HeartbeatEvent, MachineEvent, SnapshotEvent
from api.live.service import Live
from api.machines import endpoints as machine_endpoints
from api.machines.service import Machines
from api.machines.today import Today
from api.maintenance import endpoints as alert_endpoints
from api.maintenance import setting_endpoints, work_endpoints
from api.maintenance.findings_records import Noting
from api.metrics import Metrics
from api.pages import (
    account,
    adding,
    administration,
    charges,
    closing,
    correcting,
    deciding,
    escalation,
    fleet,
    hours,
    importing,
    inbox,
    issuer,
    machine,
    messages,
    opened,
    plant,
    prices,
    rules,
    tablet,
    tariffs,
    upkeep,
    upkeep_figures,
    wall,
    windows,
)
from api.pages import attribution as attribution_pages
from api.pages import bookings as booking_pages
from api.pages import endpoints as page_endpoints
from api.pages import files as file_pages
from api.pages import people as people_pages
from api.pages import sign_in as sign_in_endpoints
from api.pages.page import FORM_BYTES_MAX
from api.pages.problems import problem_page
from api.pages.service import Pages
from api.records import endpoints as record_endpoints
from api.records import file_endpoints, files
from api.records.database import RecordsUnavailableError, open_records
from api.settings import check
from api.usage import endpoints as usage_endpoints
from api.usage.attending import Attending
from api.usage.kept import UsageDays
from api.usage.ownership import KeptSessions
from shopfloor.runtime import clock
from shopfloor.settings import SettingsError
from shopfloor.stores.open import open_store
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, MutableMapping
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.access.letters import Letters
    from api.records.database import Records
    from api.settings import Settings

BODY_BYTES_MAX = 2_100_000
"""Largest body of a request; what is longer is refused as soon as it is."""
_UPLOAD = re.compile(r"/api/v1/(machines/[^/]+/files|work-orders/[^/]+/photos)")
"""Where a file is sent to, which may be larger; it is read when it is known who sends it."""
_UPLOAD_FORM = re.compile(r"/administration/machines/[^/]+/files|/work-orders/[^/]+/photos")
"""Where a form with a file is sent to: the file, and what is around it."""
OPENAPI_PATH = "/api/v1/openapi.json"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger(__name__)


def create_app(settings: Settings, *, worker: int | None = None) -> FastAPI:
    """Build the application; records and store are opened now, the broker is called when it starts.

    Args:
        settings: see there.
        worker: which process of an API with several this is; the first alone writes the broker's files and makes the
            first link. None for the only one.

    Raises:
        ExpectedError: something is not as it must be; the sentence says what to do.
    """
    check(settings)
    broker = settings.broker.open(now=clock.now())
    metrics = Metrics(worker=worker)
    try:
        store = open_store(settings.store)
    except (StoreUnavailableError, StoreRefusedError) as error:
        raise SettingsError(f"the telemetry store {settings.store} cannot be opened: {error}") from error
    records = open_records(settings.records)
    access = Access(records)
    sign_in = SignIn(records, second_factor_policy=settings.second_factor)
    letters = _letters(settings, records)
    edges = _edges(settings, records, worker)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        usage = UsageDays(records, store, settings.policy, settled)
        sessions = KeptSessions(usage)
        attending = Attending(records, settings.policy)
        live = Live(
            broker, store, records, access=access, sessions=sessions, attending=attending, metrics=metrics,
            settings=settings.live,
        )  # fmt: skip
        pages = Pages(house=settings.house, time_zone=settings.time_zone)
        machines = Machines(live, store, sessions, attending)
        ledger = Ledger(records, usage, review_days=settings.review_days, mails=settings.mail is not None)
        app.state.services = Services(
            settings, records, access, sign_in, store, live, machines, metrics, pages,
            Today(store, pages.zone), edges, letters, usage, ledger,
        )  # fmt: skip
        _watch(metrics, live)
        task = asyncio.create_task(_follow(live, Noting(records, live.asking)), name="api.live")
        task.add_done_callback(lambda done: _ended(app, done))
        noting = asyncio.create_task(sign_in.run(), name="api.sign_in")
        try:
            yield
        finally:
            live.streams.close()
            await _end(sign_in, task, noting)
            if letters is not None:
                letters.close()
            store.close()
            records.close()

    app = _application(lifespan)
    app.state.failed = asyncio.Event()
    app.state.first_link = "" if worker else _first_link(records)
    _install(app, metrics)
    return app


async def _end(sign_in: SignIn, *tasks: asyncio.Task[None]) -> None:
    """End what runs beside the requests, and write down what was only counted so far."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    with suppress(RecordsUnavailableError):
        await asyncio.to_thread(sign_in.note_sent_away, now=clock.now(), is_end=True)


def _application(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Return an application without routes: every one that it gets asks the table of rules first."""
    return FastAPI(
        title="Officina",
        description="Machines that several firms share: live, and as they were.",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(authorize)],
        responses=errors.RESPONSES,
        telemetry={"tracing": False},
    )


def _letters(settings: Settings, records: Records) -> Letters | None:
    """Return what sends links by e-mail, None where nothing does; what sends them is loaded where it is needed."""
    if settings.mail is None:
        return None
    from api.access.letters import Letters

    return Letters(records, settings.mail, house=settings.house)


def _edges(settings: Settings, records: Records, worker: int | None) -> Edges | None:
    """Return what enrols agents, None where nothing does; the first worker writes the broker's files."""
    if settings.edges is None:
        return None
    edges = Edges(settings.edges, EdgeStore(records))
    if not worker:
        edges.start(now=clock.now())
    return edges


def _first_link(records: Records) -> str:
    """Return the link with which the first administrator chooses address and password; empty once there is one."""
    with records.writing() as session:
        if people.has_administrator(session):
            return ""
        person = people.first_administrator(session, now=clock.now())
        return people.new_link(session, CONSOLE, person, now=clock.now()).path


def _install(app: FastAPI, metrics: Metrics) -> None:
    """Give the application its errors, its routes and what every answer carries."""
    errors.install(app)
    app.state.problem_page = problem_page
    for router in (
        health.router,
        record_endpoints.router,
        file_endpoints.router,
        booking_endpoints.router,
        machine_endpoints.router,
        access_endpoints.router,
        audit_endpoints.router,
        live_endpoints.router,
        edge_endpoints.router,
        alert_endpoints.router,
        work_endpoints.router,
        setting_endpoints.router,
        floor_endpoints.router,
        usage_endpoints.router,
        billing_endpoints.router,
        use_endpoints.router,
        page_endpoints.router,
        sign_in_endpoints.router,
        account.router,
        messages.router,
        plant.router,
        inbox.router,
        upkeep.router,
        rules.router,
        charges.router,
        opened.router,
        prices.router,
        tariffs.router,
        booking_pages.router,
        machine.router,
        wall.router,
        people_pages.router,
        attribution_pages.router,
        hours.router,
        upkeep_figures.router,
        windows.router,
        escalation.router,
        deciding.router,
        correcting.router,
        closing.router,
        tablet.router,
        fleet.router,
        adding.router,
        issuer.router,
        importing.router,
        file_pages.router,
        administration.router,
        _document(app),
    ):
        app.include_router(router)
    app.add_middleware(_Outside, metrics=metrics)


def _watch(metrics: Metrics, live: Live) -> None:
    metrics.watch("officina_api_live_streams", "Open live streams", lambda: len(live.streams))
    metrics.watch(
        "officina_api_live_overflows", "Times that a slow reader was sent a snapshot", lambda: live.streams.overflows
    )
    metrics.watch("officina_api_live_dropped", "Messages that came too fast", lambda: live.dropped_messages)
    metrics.watch("officina_api_machines", "Machines of the park", lambda: len(live.park))


async def _follow(live: Live, noting: Noting) -> None:
    """Follow machines and agents, until one of both breaks."""
    async with asyncio.TaskGroup() as group:
        group.create_task(live.run(), name="api.live.machines")
        group.create_task(noting.run(), name="api.live.findings")


def _ended(app: FastAPI, task: asyncio.Task[None]) -> None:
    """Tell the server that the live view has ended by itself, which it never should."""
    if not task.cancelled():
        log.error("live.ended", exc_info=task.exception())
        app.state.failed.set()


def _document(app: FastAPI) -> APIRouter:
    """Return the route of the OpenAPI document, with the events of the live stream, which no route returns."""
    router = APIRouter(tags=["operation"])

    @router.get(OPENAPI_PATH, include_in_schema=False)
    async def openapi() -> JSONResponse:
        document: dict[str, Any] = app.openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for event in (SnapshotEvent, MachineEvent, HeartbeatEvent):
            own = event.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= own.pop("$defs", {}) | {event.__name__: own}
        return JSONResponse(document)

    return router


_NO_NAME = "\ufffd"
"""Stands for NUL in an address: PostgreSQL has no text that holds one, and nothing is called so."""
_NO_NAME_QUOTED = quote(_NO_NAME).encode()


class _Outside:
    """Adds the headers that protect browsers to every answer, counts it, and reads no body beyond the bound."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = clock.monotonic_seconds()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(scope, message, started)
            await send(message)

        scope["path"] = scope["path"].replace("\0", _NO_NAME)
        scope["query_string"] = scope["query_string"].replace(b"%00", _NO_NAME_QUOTED)
        await self._app(scope, _bounded(receive, _longest(scope["path"])), send_with_headers)

    def _complete(self, scope: MutableMapping[str, Any], message: Message, started: float) -> None:
        headers: list[tuple[bytes, bytes]] = message.setdefault("headers", [])
        names = {name.lower() for name, _ in headers}
        headers.extend(each for each in _HEADERS if each[0] not in names)
        if is_secure(Request(scope)):
            headers.append(_HTTPS_ONLY)
        if b"cache-control" not in names:
            headers.append((b"cache-control", b"no-store"))
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(message["status"])).inc()
        self._metrics.duration.labels(route).observe(clock.monotonic_seconds() - started)


def _longest(path: str) -> int:
    if _UPLOAD_FORM.fullmatch(path):
        return files.BYTES_MAX + FORM_BYTES_MAX
    return files.BYTES_MAX if _UPLOAD.fullmatch(path) else BODY_BYTES_MAX


def _bounded(receive: Receive, longest: int) -> Receive:
    """Refuse a body that is too long."""
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > longest:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"this request has at most {longest} bytes")
        return message

    return receive_bounded
