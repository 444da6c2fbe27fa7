"""What a person sees instead of a page that cannot be shown: what did not happen, and what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from api.pages.page import Page
from api.pages.words import mark
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request, Response

_SENTENCES = {
    HTTPStatus.NOT_FOUND: (
        mark("There is nothing here"),
        mark("The address may be wrong, what it showed may be gone, or it is not for you to see."),
    ),
    HTTPStatus.FORBIDDEN: (
        mark("This was not done"),
        mark("The form is older than your session. Open the page again and repeat it."),
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        mark("This is too large"),
        mark("A file has at most 20 MB. Take the photo smaller, or part the manual; nothing was kept of it."),
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        mark("Too much at once"),
        mark("Wait some seconds and open the page again."),
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        mark("Something needed does not answer"),
        mark("A part of the server is not reachable right now. It tries by itself; open the page again in a moment."),
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        mark("Something went wrong here"),
        mark("The fault is the server's, and it is in its log. Nothing was changed."),
    ),
}
_OTHER = (mark("This cannot be shown as it is asked"), mark("Go back and mend what the address or the form says."))


def problem_page(request: Request, status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    """Show that a page cannot be shown."""
    page = Page(request, request.app.state.services, clock.now())
    title, detail = _SENTENCES.get(status, _OTHER)
    response = page.show("problem.html", status, title=page.say(title), detail=page.say(detail))
    response.headers.update(headers)
    return response
