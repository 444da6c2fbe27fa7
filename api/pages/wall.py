"""The routes of the wall: a screen that is read from five metres, by everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from api.access.sign_in import KIOSK_DAYS
from api.access.tokens import TOKEN_MAX, key_id
from api.deps import ServicesDep, caller_if_known, cookie_name, is_secure
from api.errors import NotYoursError
from api.pages.alert_rows import PRIORITIES
from api.pages.beside import open_alerts
from api.pages.page import Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.plant import facts_of
from api.pages.rows import table
from api.pages.times import local, long_day
from api.pages.words import STATES
from shopfloor.periods import SECOND
from shopfloor.states import State

if TYPE_CHECKING:
    from api.deps import Services
    from api.pages.rows import Row

NEEDS_MAX = 5
"""Machines that need somebody, at the same time; more take turns."""
CALM_MAX = 14
"""Machines in order, at the same time; more take turns."""
CALLS_MAX = 4
"""Open alerts in the pane beside, at the same time; how many more there are is said."""
TURN_SECONDS = 15
LEGEND = (State.PROCESSING, State.SETUP, State.IDLE, State.INTERRUPTED, State.MAINTENANCE, State.OFF, State.UNKNOWN)

Token = Annotated[str, Path(max_length=TOKEN_MAX)]
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/wall")
async def wall_page(page: PageDep, found: ServicesDep) -> Response:
    """What needs somebody, large; everything else small."""
    return page.show("wall/page.html", palette=page.asked("palette"), **await _wall(page, found))


@router.get("/fragments/wall")
async def wall_fragment(page: PageDep, found: ServicesDep) -> Response:
    """The part of the wall that changes by itself."""
    return page.show("wall/fragment.html", **await _wall(page, found))


@router.get("/wall/open/{token}")
async def open_wall(page: PageDep, found: ServicesDep, request: Request, token: Token) -> Response:
    """Let a screen in by its link: at once where somebody typed or bookmarked it, else by a button.

    Who is signed in stays so: the link is for a screen that nobody uses.
    """
    await _known(found, token, page.now)
    if caller_if_known(request) is not None:
        return page.go("/wall")
    if request.headers.get("sec-fetch-site", "none") == "none":
        return _let_in(page, request, token)
    return page.show("wall/open.html")


@router.post("/wall/open/{token}")
async def let_wall_in(page: PageDep, found: ServicesDep, request: Request, token: Token) -> Response:
    """Let a screen in by its link, by the button of its page."""
    await _known(found, token, page.now)
    return page.go("/wall") if caller_if_known(request) is not None else _let_in(page, request, token)


async def _known(found: Services, token: str, now: int) -> None:
    if key_id(token) is None or await found.access.by_cookie(token, now=now) is None:
        raise NotYoursError


def _let_in(page: Page, request: Request, token: str) -> Response:
    response = page.go("/wall")
    response.set_cookie(
        cookie_name(request), token, max_age=KIOSK_DAYS * 86_400, httponly=True, samesite="strict",
        secure=is_secure(request),
    )  # fmt: skip
    return response


async def _wall(page: Page, found: Services) -> dict[str, Any]:
    site = page.asked("site")
    visible = [each for each in found.live.park.visible(page.scope) if not site or each.site == site]
    shown = table(await facts_of(page, found, visible), now=page.now, zone=page.zone, say=page.say)
    calls = await open_alerts(page, found, sites=[site] if site else (), most=CALLS_MAX)
    turn = page.now // (TURN_SECONDS * SECOND)
    needs, needs_turn = _turn(shown.needs, NEEDS_MAX, turn)
    calm, calm_turn = _turn(shown.fine, CALM_MAX, turn)
    return {
        "site": site,
        "needs": needs,
        "needs_all": len(shown.needs),
        "needs_turn": needs_turn,
        "calm": calm,
        "calm_all": len(shown.fine),
        "calm_turn": calm_turn,
        "places": len({each.site for each in visible}),
        "total": len(visible),
        "fresh": shown.fresh,
        "clock": shown.clock,
        "day": long_day(local(page.now, page.zone), page.say),
        "calls": calls,
        "legend": _legend(page, with_alerts=calls is not None),
    }


def _legend(page: Page, *, with_alerts: bool) -> list[tuple[str, str]]:
    """Return the marks that the wall may show, with their words: those of alerts where it shows alerts."""
    states = [(each.value, page.say(STATES[each])) for each in LEGEND]
    if not with_alerts:
        return states
    priorities = [(name, page.say(word)) for name, word in PRIORITIES.items() if name != "critical"]
    return [  # an octagon stands for both: each mark is named once
        ("critical", page.say("Critical, interrupted")),
        *priorities,
        ("critical-owned", page.say("Outline: somebody has it")),
        *(each for each in states if each[0] != State.INTERRUPTED.value),
    ]


def _turn(items: list[Row], most: int, turn: int) -> tuple[list[Row], str]:
    """Return those whose turn it is, and which turn of how many; nothing of that when all have room."""
    turns = -(-len(items) // most)
    if turns <= 1:
        return items, ""
    at = turn % turns
    return items[at * most : (at + 1) * most], f"{at + 1}/{turns}"
