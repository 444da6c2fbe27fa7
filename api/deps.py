"""What endpoints are given: the services of the process, the caller and the scope that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, Request

from api.access.permissions import Rule, allows, rule_of
from api.access.scope import Caller, Scope
from api.errors import ForeignOriginError, NotYoursError, SignInRequiredError
from shopfloor.mqtt import is_loopback
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from api.access.service import Access
    from api.edges.service import Edges
    from api.live.service import Live
    from api.machines.service import Machines
    from api.metrics import Metrics
    from api.pages.service import Pages
    from api.settings import Settings
    from shopfloor.stores.port import Store

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Services(NamedTuple):
    """What one process serves with."""

    settings: Settings
    access: Access
    store: Store
    live: Live
    machines: Machines
    metrics: Metrics
    pages: Pages
    edges: Edges | None


def services(request: Request) -> Services:
    """Return the services of this process."""
    found: Services = request.app.state.services
    return found


def cookie_name(request: Request) -> str:
    """Return the name of the session cookie: bound to this host and to HTTPS wherever that is spoken."""
    return "__Host-officina" if request.url.scheme == "https" else "officina"


async def authorize(request: Request) -> None:
    """Let a request through by the one table of rules, or refuse it; runs before every route.

    Raises:
        SignInRequiredError: nobody is known to ask.
        NotYoursError: the caller's role does not pass, or the route has no rule.
        ForeignOriginError: another site made a browser send it.
    """
    rule = rule_of(request.method, request.scope["route"].path)
    if rule is Rule.CODE:  # the service asks for it; there is nothing that a browser would add by itself
        request.state.caller = None
        return
    caller = _identify(request)
    request.state.caller = caller
    from_browser = rule is Rule.PUBLIC if caller is None else caller.by_cookie
    if request.method not in _SAFE and from_browser and not _is_own_origin(request):
        raise ForeignOriginError("send it from this server's own pages")
    if rule is Rule.PUBLIC or (rule is Rule.METRICS and _is_direct_loopback(request)):
        return
    if caller is None:
        raise SignInRequiredError
    if not allows(rule, caller.scope.role):
        raise NotYoursError


def _identify(request: Request) -> Caller | None:
    access = services(request).access
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return access.by_token(token.strip()) if scheme.lower() == "bearer" else None
    cookie = request.cookies.get(cookie_name(request))
    return access.by_cookie(cookie) if cookie else None


def _is_own_origin(request: Request) -> bool:
    """Tell whether a browser sent this from one of our own pages: it always says so on what changes something."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc == request.headers.get("host", "")


def _is_direct_loopback(request: Request) -> bool:
    """Tell whether a program on this machine asks by itself, not through a server in front."""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return not is_forwarded and request.client is not None and is_loopback(request.client.host)


def caller(request: Request) -> Caller:
    """Return who asks.

    Raises:
        SignInRequiredError: nobody is known to.
    """
    found: Caller | None = request.state.caller
    if found is None:
        raise SignInRequiredError
    return found


def scope(request: Request) -> Scope:
    """Return what the caller may see: from who it is, never from what it asks for."""
    return caller(request).scope


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
CallerDep = Annotated[Caller, Depends(caller)]
ScopeDep = Annotated[Scope, Depends(scope)]
EdgesDep = Annotated["Edges", Depends(edges)]
NowDep = Annotated[int, Depends(now)]
