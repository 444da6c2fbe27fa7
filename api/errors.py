"""Every error as a problem document (RFC 9457): the one place that knows HTTP statuses."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.billing.calendars import BadCalendarError
from api.billing.closing import ClosingRefusedError
from api.billing.documents.document import NoInvoiceError
from api.billing.scenarios.values import BadScenarioError
from api.billing.tariffs import BadTariffError, UnpricedError
from api.bookings.civil import WallTimeError
from api.bookings.feeds import TooManyFeedsError
from api.bookings.rules import BookingConflictError, RefusedBookingError
from api.edges.asking import AgentSilentError
from api.edges.codes import InvalidCodeError
from api.edges.service import LoginNameError, TooManyAttemptsError, UnknownEdgeError
from api.live.streams import TooManyStreamsError
from api.machines.paging import InvalidCursorError
from api.machines.park import UnknownMachineError
from api.machines.past import TooMuchDataError
from api.machines.service import InvalidQueryError
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.channels import ChannelError
from api.maintenance.links import LinkRefusedError
from api.maintenance.rules import RuleError
from api.records.database import RecordsUnavailableError
from api.records.files import FileSizeError, FileTypeError
from api.records.rules import InvalidRecordError
from api.records.service import RecordInUseError, UnknownRecordError
from api.records.sheets import SheetError
from api.records.versions import ChangedMeanwhileError, VersionNeededError
from api.usage.evidence import BadEvidenceError
from shopfloor.broker_files import BrokerFilesError, ReloadError
from shopfloor.periods import InvalidInstantError
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request
    from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
"""When a caller may try again after what passes by itself."""

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What kind of problem, the same each time."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What it is this time, and what to do."},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    for status, text in (("4XX", "It cannot be answered as it is asked"), ("503", "Something needed does not answer"))
}
"""What every route may also answer, for the documentation."""


def may_add(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return what a route says, for the documentation, that keeps a record and adds it where there was none."""
    return {HTTPStatus.CREATED.value: {"description": "It was not there, and is added", "model": model}}


log = structlog.get_logger(__name__)


class SignInRequiredError(Exception):
    """Who asks is not known."""


class NotYoursError(Exception):
    """The caller may not use this route; it is answered as if it did not exist."""


class ReadOnlyKeyError(Exception):
    """The API key may look, and change nothing."""


class ForeignOriginError(Exception):
    """A browser sent this on behalf of another site."""


_ANSWERS: Mapping[type[Exception], tuple[HTTPStatus, str]] = {
    SignInRequiredError: (HTTPStatus.UNAUTHORIZED, "Authorization: Bearer with an API key, or a session, is needed"),
    NotYoursError: (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase),
    ForeignOriginError: (HTTPStatus.FORBIDDEN, "The request comes from another site"),
    ReadOnlyKeyError: (HTTPStatus.FORBIDDEN, "This API key may change nothing"),
    UnknownRecordError: (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase),
    InvalidRecordError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The record cannot be kept as it is"),
    RecordInUseError: (HTTPStatus.CONFLICT, "The record is in use"),
    AgentSilentError: (HTTPStatus.CONFLICT, "The agent does not answer"),
    BadScenarioError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The price list cannot be so"),
    BadTariffError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The price list cannot be so"),
    BadCalendarError: (HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such month"),
    BadEvidenceError: (HTTPStatus.CONFLICT, "Evidence contradicts itself"),
    UnpricedError: (HTTPStatus.CONFLICT, "There is use without a price"),
    NoInvoiceError: (HTTPStatus.CONFLICT, "The statement cannot be an electronic invoice"),
    ClosingRefusedError: (HTTPStatus.CONFLICT, "The month cannot be closed yet"),
    ChangedMeanwhileError: (HTTPStatus.PRECONDITION_FAILED, "The record was changed meanwhile"),
    VersionNeededError: (HTTPStatus.PRECONDITION_REQUIRED, "The version of the record is needed"),
    FileTypeError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Files of this type are not kept"),
    FileSizeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The file is too large"),
    SheetError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The file cannot be read in"),
    BookingConflictError: (HTTPStatus.CONFLICT, "The machine is not free then"),
    RefusedBookingError: (HTTPStatus.UNPROCESSABLE_ENTITY, "It cannot be booked so"),
    WallTimeError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The clocks are set then"),
    TooManyFeedsError: (HTTPStatus.CONFLICT, "There are too many calendar addresses"),
    RecordsUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "The records do not answer"),
    UnknownMachineError: (HTTPStatus.NOT_FOUND, "There is no such machine"),
    ActionRefusedError: (HTTPStatus.CONFLICT, "This cannot be done as things are"),
    RuleError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The rule cannot be so"),
    ChannelError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The channel cannot be used"),
    LinkRefusedError: (HTTPStatus.FORBIDDEN, "The link does not work"),
    UnknownEdgeError: (HTTPStatus.NOT_FOUND, "There is no such agent"),
    InvalidCodeError: (HTTPStatus.FORBIDDEN, "The code enrols nobody"),
    TooManyAttemptsError: (HTTPStatus.TOO_MANY_REQUESTS, "Too many codes were wrong"),
    LoginNameError: (HTTPStatus.UNPROCESSABLE_ENTITY, "No agent can be called so"),
    BrokerFilesError: (HTTPStatus.SERVICE_UNAVAILABLE, "The broker does not know of it yet"),
    InvalidQueryError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The question cannot be answered as it is asked"),
    InvalidCursorError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The cursor is none of this list"),
    InvalidInstantError: (HTTPStatus.UNPROCESSABLE_ENTITY, "An instant cannot be read"),
    TooMuchDataError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The answer would be too large"),
    TooManyStreamsError: (HTTPStatus.TOO_MANY_REQUESTS, "Too many live streams are open"),
    StoreUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "The telemetry store does not answer"),
    StoreRefusedError: (HTTPStatus.SERVICE_UNAVAILABLE, "The telemetry store refuses this server"),
}
_PASSES_BY_ITSELF = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_SAYS_NOTHING_MORE = frozenset(
    {
        SignInRequiredError,
        NotYoursError,
        UnknownMachineError,
        UnknownRecordError,
        RecordsUnavailableError,
        UnknownEdgeError,
        StoreRefusedError,
        BrokerFilesError,
        ReloadError,
    }
)
_FOR_STAFF = frozenset({UnpricedError, BadEvidenceError})
"""Their sentences name whose use it is: a member whose own month waits for another firm's is told the title alone."""


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem document, or a page where a person asked for one."""
    for kind in _ANSWERS:
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    request: Request,
    status: HTTPStatus,
    title: str,
    detail: str = "",
    *,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write a problem document.

    Args:
        request: what it answers.
        status: HTTP status.
        title: what kind of problem, the same each time.
        detail: what it is this time, and what to do.
        errors: each mistake of the request, with its place.
        headers: further headers of the answer.
    """
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": int(status)}
    if detail:
        document["detail"] = detail
    document["instance"] = request.url.path
    if errors:
        document["errors"] = errors
    if _is_page(request):
        shown: Response = request.app.state.problem_page(request, status, headers or {})
        return shown
    return Response(msgspec.json.encode(document), status, headers, MEDIA_TYPE)


def _known(request: Request, error: Exception) -> Response:
    status, title = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    if isinstance(error, SignInRequiredError) and _is_page(request):
        if "hx-request" in request.headers:  # a part of a page: the whole page goes there, not the part
            return Response(headers={"HX-Redirect": "/sign-in"})
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": "/sign-in"})
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="officina"'
    if status in _PASSES_BY_ITSELF:
        headers["Retry-After"] = str(RETRY_SECONDS)
    caller = getattr(request.state, "caller", None)
    is_staff = caller is not None and caller.scope.sees_work
    is_hidden = type(error) in _SAYS_NOTHING_MORE or (type(error) in _FOR_STAFF and not is_staff)
    detail = "" if is_hidden else str(error)
    places = error.problems if isinstance(error, InvalidRecordError | ClosingRefusedError) else []
    errors = [{"place": field, "detail": sentence} for field, sentence in places]
    return problem(request, status, title, detail, errors=errors, headers=headers)


def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [{"place": ".".join(map(str, each["loc"])), "detail": each["msg"]} for each in error.errors()]
    detail = "; ".join(f"{each['place']}: {each['detail']}" for each in errors)
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, "The request is malformed", detail, errors=errors)


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    detail = error.detail if error.detail != status.phrase else ""
    return problem(request, status, status.phrase, detail, headers=error.headers)


def _unexpected(request: Request, error: Exception) -> Response:
    route = getattr(
        request.scope.get("route"), "path", "none"
    )  # an address itself may hold a link that opens something
    log.error("request.failed", route=route, error=type(error).__name__, exc_info=error)
    detail = "The fault is the server's, and it is in its log. Nothing was changed."
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here", detail)


def _is_page(request: Request) -> bool:
    """Tell whether a person looks at the answer in a browser."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
