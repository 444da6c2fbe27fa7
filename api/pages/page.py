"""A request for a page: who asks, in which language, what a form said, and how the answer is shown.

A screen is a module of routes beside this one and a folder of templates. Its routes take `PageDep`:

    @router.get("/things")
    async def things(page: PageDep, found: ServicesDep) -> Response:
        return page.show("things/list.html", rows=await found.things.visible(page.scope))
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse

from api.access.scope import Role
from api.audit.service import Actor
from api.deps import (
    FORM_FIELDS_MAX,
    NowDep,
    ServicesDep,
    caller,
    caller_if_known,
    client_address,
    csrf_token,
    is_secure,
    origin_of,
    parts_of,
)
from api.pages import navigation
from api.pages.service import Look
from api.pages.words import choose_language, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from api.access.scope import Caller, Scope
    from api.deps import Services
    from api.pages.words import Words

LOOK_SECONDS = 365 * 24 * 3600
"""How long a browser remembers language and theme."""
FORM_BYTES_MAX = 65_536
"""Largest form of single fields; a larger one counts as empty."""
NAME_LONGEST = 120
"""Longest name of a sent file."""
THEMES = ("light", "night")


class Form(NamedTuple):
    """What a person typed, field by field; a field that was not sent is empty.

    Attributes:
        values: every value by name.
    """

    values: Mapping[str, list[str]]

    def text(self, name: str, longest: int = 1_000) -> str:
        """Return the text of a field without the blanks around it."""
        return self.values.get(name, [""])[0].strip()[:longest]

    def raw(self, name: str, longest: int) -> str:
        """Return a field exactly as it was typed, for a password."""
        return self.values.get(name, [""])[0][:longest]

    def many(self, name: str) -> list[str]:
        """Return every value of a field that can be given several times."""
        return self.values.get(name, [])

    def has(self, name: str) -> bool:
        """Tell whether a box was ticked, or a button pressed."""
        return name in self.values


class Upload(NamedTuple):
    """A file that was sent with a form.

    Attributes:
        name: what the sender's computer calls it, fit to be shown; nothing else is known by it.
        content: of the file.
    """

    name: str
    content: bytes


class Page:
    """One request for a page.

    Attributes:
        found: the services.
        look: language, theme, token for forms.
        now: when it was asked.
        say: says texts in the reader's language.
    """

    def __init__(self, request: Request, found: Services, now: int) -> None:
        self._request = request
        self.found = found
        self.look = look_of(request, found)
        self.now = now
        self.say: Words = words_of(self.look.language)

    @property
    def caller(self) -> Caller:
        """Who asks.

        Raises:
            SignInRequiredError: nobody is known to.
        """
        return caller(self._request)

    @property
    def scope(self) -> Scope:
        """What the caller may see."""
        return self.caller.scope

    @property
    def actor(self) -> Actor:
        """Who asks, and from where, as the audit trail has it."""
        return Actor(self.caller.id, client_address(self._request))

    @property
    def zone(self) -> ZoneInfo:
        """The civil time of the pages."""
        return self.found.pages.zone

    @property
    def path(self) -> str:
        """The address of the page, without its question."""
        return self._request.url.path

    @property
    def origin(self) -> str:
        """The beginning of every address of this server, as the reader's browser knows it."""
        return origin_of(self._request)

    def asked(self, name: str, longest: int = 120) -> str:
        """Return a parameter of the address; empty when it is not there."""
        return self._request.query_params.get(name, "")[:longest]

    async def form(self, longest: int = FORM_BYTES_MAX) -> Form:
        """Read the form that was sent; what cannot be read, or is longer than so many bytes, counts as empty."""
        body = await self._request.body()
        if len(body) > longest:
            return Form({})
        try:
            return Form(parse_qs(body.decode("ascii"), max_num_fields=FORM_FIELDS_MAX, keep_blank_values=True))
        except ValueError:
            return Form({})

    async def upload(self, field: str) -> tuple[Form, Upload | None]:
        """Read a form that brings a file; None when none was chosen.

        Args:
            field: of the file.
        """
        parts = await parts_of(self._request)
        if parts is None:
            return await self.form(), None
        values: dict[str, list[str]] = {}
        for name, value in parts.multi_items():
            if isinstance(value, str):
                values.setdefault(name, []).append(value)
        sent = parts.get(field)
        if sent is None or isinstance(sent, str):
            return Form(values), None
        try:
            content = await sent.read()
        finally:
            await parts.close()
        return Form(values), Upload(_called(sent.filename or ""), content) if content else None

    def show(self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
        """Answer with a page: a template and what it shows."""
        text = self.found.pages.render(template, self.look, **(self._frame() | values))
        response = HTMLResponse(text, status)
        for name, value in (("lang", self.look.language), ("theme", self.look.theme)):
            if name in self._request.query_params:
                secure = is_secure(self._request)
                response.set_cookie(
                    f"officina_{name}", value, max_age=LOOK_SECONDS, samesite="lax", httponly=True, secure=secure
                )
        return response

    def go(self, path: str) -> Response:
        """Answer a form by leading to another page."""
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": path})

    def _frame(self) -> dict[str, Any]:
        """Return what every page shows around its own."""
        known = caller_if_known(self._request)
        role = known.scope.role if known is not None else None
        rest = [(name, value) for name, value in self._request.query_params.multi_items() if name not in _LOOK_NAMES]
        return {
            "path": self.path,
            "rest": rest,
            "name": known.name if known is not None else "",
            "bar": [] if role is None else navigation.entries(navigation.BAR, role, self.path, self.say),
            "parts": []
            if role is None or not self.path.startswith("/administration")
            else navigation.entries(navigation.ADMINISTRATION, role, self.path, self.say),
            "is_kiosk": role is Role.KIOSK,
        }


def _called(name: str) -> str:
    """Return the name of a sent file without its folders and without what no line shows."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable()).strip().lstrip("=+-@ ")[:NAME_LONGEST]


_LOOK_NAMES = frozenset({"lang", "theme"})


def look_of(request: Request, found: Services) -> Look:
    """Return how the person wants pages: as just chosen, as chosen before, else as the browser says."""
    asked = request.query_params.get("lang") or request.cookies.get("officina_lang")
    language = choose_language(asked, request.headers.get("accept-language", ""), found.settings.language)
    theme = request.query_params.get("theme") or request.cookies.get("officina_theme")
    return Look(language, theme if theme in THEMES else THEMES[0], csrf_token(request))


def page_of(request: Request, found: ServicesDep, now: NowDep) -> Page:
    """Return the request as a page needs it."""
    return Page(request, found, now)


PageDep = Annotated[Page, Depends(page_of)]
