"""The routes of what every page loads: files, the manifest of the web app, its service worker, the offline page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.errors import NotYoursError
from api.pages.page import PageDep  # noqa: TC001 - read when routes are made

if TYPE_CHECKING:
    from api.pages.service import Asset

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/static/{name}")
async def asset(found: ServicesDep, name: str, request: Request) -> Response:
    """A file that pages load: kept for ever under an address with its version."""
    file = found.pages.assets.get(name)
    if file is None:
        raise NotYoursError
    is_versioned = request.query_params.get("v") == file.version
    return _file(file, "public, max-age=31536000, immutable" if is_versioned else "no-cache")


@router.get("/service-worker.js")
async def service_worker(found: ServicesDep) -> Response:
    """The service worker, served from the root so that it may look after every page."""
    return _file(found.pages.assets["service-worker.js"], "no-cache")


@router.get("/manifest.webmanifest")
async def manifest(page: PageDep, found: ServicesDep) -> Response:
    """What an installed web app is called and looks like."""
    address = found.pages.address
    document = {
        "name": f"Officina {found.pages.house}".strip(),
        "short_name": "Officina",
        "lang": page.look.language,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#ECEEF0",
        "theme_color": "#CBD0D4",
        "icons": [
            {"src": address("icon.svg"), "sizes": "any", "type": "image/svg+xml"},
            {"src": address("icon-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": address("icon-512.png"), "sizes": "512x512", "type": "image/png"},
            {"src": address("icon-maskable.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
        ],
    }
    return Response(json.dumps(document), media_type="application/manifest+json")


@router.get("/offline")
async def offline(page: PageDep) -> Response:
    """What is shown while the server cannot be reached; the service worker keeps it."""
    return page.show(
        "offline.html", name="", bar=[], parts=[]
    )  # it is kept by browsers, so it tells nothing of anybody


def _file(file: Asset, keep: str) -> Response:
    return Response(file.data, media_type=file.media_type, headers={"Cache-Control": keep, "ETag": f'"{file.version}"'})
