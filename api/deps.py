"""What endpoints are given: the services of the process, the caller and the scope that follows from it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Header, Request, Response

from api.access.permissions import Rule, allows, rule_of
from api.access.scope import Caller, Scope
from api.access.tokens import digest
from api.audit.service import Actor
from api.errors import ForeignOriginError, NotYoursError, ReadOnlyKeyError, SignInRequiredError
from api.records.versions import Guard, guard_of, version_of
from shopfloor.mqtt import is_loopback
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import FormData

    from api.access.letters import Letters
    from api.access.service import Access
    from api.access.sign_in import SignIn
    from api.billing.ledger import Ledger
    from api.edges.service import Edges
    from api.live.service import Live
    from api.machines.service import Machines
    from api.machines.today import Today
    from api.metrics import Metrics
    from api.pages.service import Pages
    from api.records.database import Records
    from api.settings import Settings
    from api.usage.kept import UsageDays
    from shopfloor.stores.port import Store

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")
FORM_FIELDS_MAX = 256
FIELD_BYTES_MAX = 65_536
"""Longest field of a form that brings a file."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Services(NamedTuple):
    """What one process serves with."""

    settings: Settings
    records: Records
    access: Access
    sign_in: SignIn
    store: Store
    live: Live
    machines: Machines
    metrics: Metrics
    pages: Pages
    today: Today
    edges: Edges | None
    letters: Letters | None
    usage: UsageDays
    ledger: Ledger

    async def changed(self) -> None:
        """Let what was just changed in the records hold from the next request on."""
        self.access.forget()
        await self.access.refresh(now=clock.now())


def services(request: Request) -> Services:
    """Return the services of this process."""
    found: Services = request.app.state.services
    return found


def cookie_name(request: Request) -> str:
    """Return the name of the session cookie: bound to this host and to HTTPS wherever that is spoken."""
    return "__Host-officina" if is_secure(request) else "officina"


def is_secure(request: Request) -> bool:
    """Tell whether the client speaks HTTPS, to us or to the server in front that we trust."""
    if _is_from_proxy(request):
        return request.headers.get("x-forwarded-proto", "").lower() == "https"
    return request.url.scheme == "https"


def origin_of(request: Request) -> str:
    """Return the beginning of every address of this server, as who asks knows it."""
    return f"{'https' if is_secure(request) else 'http'}://{request.headers.get('host', '')}"


def client_address(request: Request) -> str:
    """Return where a request comes from: what a trusted server in front says last, else who is connected."""
    if _is_from_proxy(request) and (hops := request.headers.get("x-forwarded-for", "")):
        return hops.rpartition(",")[2].strip()[:45]
    return request.client.host if request.client is not None else ""


def _is_from_proxy(request: Request) -> bool:
    return request.client is not None and request.client.host in services(request).settings.trusted_proxies


async def authorize(request: Request) -> None:
    """Let a request through by the one table of rules, or refuse it; runs before every route.

    Raises:
        SignInRequiredError: nobody is known to ask.
        NotYoursError: the caller's role does not pass, or the route has no rule.
        ForeignOriginError: another site made a browser send it.
        ReadOnlyKeyError: the API key may change nothing.
    """
    rule = rule_of(request.method, request.scope["route"].path)
    if rule in {Rule.CODE, Rule.FEED}:  # the service asks for it; a browser would add nothing of it by itself
        request.state.caller = None
        return
    caller = await _identify(request)
    request.state.caller = caller
    is_change = request.method not in _SAFE
    if is_change and (caller is None or caller.by_cookie):
        await _refuse_foreign(request, caller, rule)
    if rule is Rule.PUBLIC or (rule is Rule.METRICS and _is_direct_loopback(request)):
        return
    if caller is None:
        raise SignInRequiredError
    if not allows(rule, caller.scope.role):
        raise NotYoursError
    if is_change and not caller.writes:
        raise ReadOnlyKeyError("make a key that may write: officina api key add --writes")


async def _refuse_foreign(request: Request, caller: Caller | None, rule: Rule | None) -> None:
    """Refuse what another site, or a page that was not ours, makes a browser send.

    Who is not known cannot be made to do anything but sign in: for that the origin is asked. A session is also asked
    for its token, which only our own pages know.
    """
    if caller is None and rule is not Rule.PUBLIC:
        return
    if not _is_own_origin(request):
        raise ForeignOriginError("send it from this server's own pages")
    if caller is None or request.url.path.startswith("/sign-in"):
        return
    given = request.headers.get("x-csrf-token") or (await _sent_fields(request)).get("csrf", "")
    if not hmac.compare_digest(given.encode(), csrf_token(request).encode()):
        raise ForeignOriginError("send the session's token along: X-CSRF-Token, from /api/v1/me")


def csrf_token(request: Request) -> str:
    """Return what pages of this session send along with every change; empty without a session."""
    cookie = request.cookies.get(cookie_name(request))
    return digest(f"csrf {cookie}")[:32] if cookie else ""


def form_fields(body: bytes) -> dict[str, str]:
    """Read a small form; what cannot be read counts as empty."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=FORM_FIELDS_MAX, keep_blank_values=True)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


async def parts_of(request: Request) -> FormData | None:
    """Return the parts of a form with a file, one file at most; None for every other body.

    Raises:
        HTTPException: it cannot be read as what it says it is.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return None
    return await request.form(max_files=1, max_fields=FORM_FIELDS_MAX, max_part_size=FIELD_BYTES_MAX)


async def _sent_fields(request: Request) -> Mapping[str, str]:
    parts = await parts_of(request)
    if parts is None:
        return form_fields(await request.body())
    return {name: value for name, value in parts.multi_items() if isinstance(value, str)}


async def _identify(request: Request) -> Caller | None:
    access, moment = services(request).access, clock.now()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return await access.by_token(token.strip(), now=moment) if scheme.lower() == "bearer" else None
    cookie = request.cookies.get(cookie_name(request))
    return await access.by_cookie(cookie, now=moment) if cookie else None


def _is_own_origin(request: Request) -> bool:
    """Tell whether a browser sent this from one of our own pages: it always says so on what changes something."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    parts = urlsplit(origin)
    is_weaker = is_secure(request) and parts.scheme != "https"
    return parts.netloc == request.headers.get("host", "") and not is_weaker


def _is_direct_loopback(request: Request) -> bool:
    """Tell whether a program on this machine asks by itself, not through a server in front."""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return not is_forwarded and request.client is not None and is_loopback(request.client.host)


def caller(request: Request) -> Caller:
    """Return who asks.

    Raises:
        SignInRequiredError: nobody is known to.
    """
    found = caller_if_known(request)
    if found is None:
        raise SignInRequiredError
    return found


CallerDep = Annotated[Caller, Depends(caller)]


def caller_if_known(request: Request) -> Caller | None:
    """Return who asks; None also at an address that nobody serves, where nobody was asked who they are."""
    found: Caller | None = getattr(request.state, "caller", None)
    return found


def scope(request: Request) -> Scope:
    """Return what the caller may see: from who it is, never from what it asks for."""
    return caller(request).scope


def actor(request: Request) -> Actor:
    """Return who asks, and from where, as the audit trail has it."""
    return Actor(caller(request).id, client_address(request))


def guard(
    caller: CallerDep,
    *,
    if_match: Annotated[
        str | None,
        Header(max_length=1_000, description="ETag of the record as it was read; a session has to name it."),
    ] = None,
    if_none_match: Annotated[
        str | None, Header(max_length=1_000, description="`*` adds a record and changes none.")
    ] = None,
) -> Guard:
    """Return what the caller believes to change: a person has looked at it before, a program may own what it writes."""
    return guard_of(if_match, if_none_match, is_needed=caller.by_cookie)


def tagged(values: dict[str, Any], response: Response) -> dict[str, Any]:
    """Give an answer the version of the record that it shows, for a change of it to name."""
    response.headers["ETag"] = f'"{version_of(values)}"'
    return values


def edges(request: Request) -> Edges:
    """Return the service of edge agents.

    Raises:
        NotYoursError: this server enrols none.
    """
    found = services(request).edges
    if found is None:
        raise NotYoursError
    return found


def now() -> int:
    """Read the clock, once for each request."""
    return clock.now()


ServicesDep = Annotated[Services, Depends(services)]
ScopeDep = Annotated[Scope, Depends(scope)]
ActorDep = Annotated[Actor, Depends(actor)]
EdgesDep = Annotated["Edges", Depends(edges)]
GuardDep = Annotated[Guard, Depends(guard)]
NowDep = Annotated[int, Depends(now)]
