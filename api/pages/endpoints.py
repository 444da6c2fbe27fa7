"""The routes of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from api.deps import CallerDep, NowDep, ServicesDep, csrf_token
from api.errors import NotYoursError
from api.pages.service import Look
from api.pages.words import choose_language

if TYPE_CHECKING:
    from api.deps import Services

LOOK_SECONDS = 365 * 24 * 3600
"""How long a browser remembers language and theme."""
_THEMES = ("light", "night")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Site = Annotated[str | None, Query(max_length=120)]


@router.get("/")
async def machines_page(
    found: ServicesDep, caller: CallerDep, now: NowDep, request: Request, *, site: Site = None
) -> Response:
    """All machines, live."""
    look = look_of(request, found)
    text = await found.pages.machines(caller.scope, look, caller=caller.name, site=site or None, now=now)
    return remember(request, HTMLResponse(text), look)


@router.get("/fragments/machines")
async def machines_fragment(
    found: ServicesDep, caller: CallerDep, now: NowDep, request: Request, *, site: Site = None
) -> Response:
    """The part of the machines page that changes by itself."""
    return HTMLResponse(await found.pages.fragment(caller.scope, look_of(request, found), site=site or None, now=now))


@router.get("/static/{name}")
async def asset(found: ServicesDep, name: str, request: Request) -> Response:
    """A file that pages load: kept for ever under an address with its version."""
    file = found.pages.assets.get(name)
    if file is None:
        raise NotYoursError
    is_versioned = request.query_params.get("v") == file.version
    keep = "public, max-age=31536000, immutable" if is_versioned else "no-cache"
    return Response(file.data, media_type=file.media_type, headers={"Cache-Control": keep, "ETag": f'"{file.version}"'})


def look_of(request: Request, found: Services) -> Look:
    """Return how the person wants pages: as just chosen, as chosen before, else as the browser says."""
    asked = request.query_params.get("lang") or request.cookies.get("officina_lang")
    language = choose_language(asked, request.headers.get("accept-language", ""), found.settings.language)
    theme = request.query_params.get("theme") or request.cookies.get("officina_theme")
    return Look(language, theme if theme in _THEMES else _THEMES[0], csrf_token(request))


def remember(request: Request, response: Response, look: Look) -> Response:
    """Let the browser remember what was chosen with this request."""
    for name, value in (("lang", look.language), ("theme", look.theme)):
        if name in request.query_params:
            response.set_cookie(f"officina_{name}", value, max_age=LOOK_SECONDS, samesite="lax", httponly=True)
    return response
