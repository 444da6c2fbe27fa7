"""Renders pages. The only file that knows Jinja."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.pages.rows import COLUMNS, Facts, Table, table
from api.pages.words import WORDS
from shopfloor.periods import DAY, MINUTE, from_datetime, to_datetime
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.access.scope import Scope
    from api.live.service import Live
    from api.machines.park import Machine
    from api.pages.words import Language
    from shopfloor.stores.port import Store

PARTS_AGAIN_SECONDS = 300
"""How often the count at midnight is asked for again where it is not known."""

log = structlog.get_logger(__name__)


class Asset(NamedTuple):
    """A file that pages load."""

    data: bytes
    media_type: str
    version: str


class Look(NamedTuple):
    """How a person wants pages to be.

    Attributes:
        language: of words and times.
        theme: `light` or `night`.
        csrf: token of the session, which every form sends along.
    """

    language: Language
    theme: str
    csrf: str = ""


class Pages:
    """Renders pages from the live view.

    Args:
        live: the present.
        store: the count of parts at midnight.
        house: name of the consortium.
        time_zone: of the times shown.
    """

    def __init__(self, live: Live, store: Store, *, house: str, time_zone: str) -> None:
        self._live = live
        self._store = store
        self._house = house
        self._zone = ZoneInfo(time_zone)
        self._midnight = 0
        self._parts: dict[str, int] = {}
        self._parts_read: dict[str, int] = {}
        self.assets = _read_assets()
        self._templates = Environment(
            loader=PackageLoader("api.pages", "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["asset"] = self._address

    def sign_in(self, look: Look, *, email: str = "", message: str = "") -> str:
        """Render the page that asks for e-mail and password."""
        return self._render("sign_in.html", look, email=email, message=message)

    def code(self, look: Look, *, ticket: str, secret: str, picture: str, message: str = "") -> str:
        """Render the page that asks for the second factor, or sets it up when there is a secret."""
        return self._render("code.html", look, ticket=ticket, secret=secret, picture=picture, message=message)

    def invitation(
        self, look: Look, *, is_open: bool, is_first: bool = False, email: str = "", name: str = "", message: str = ""
    ) -> str:
        """Render the page on which somebody chooses a password, or that says that the link is over."""
        return self._render(
            "invitation.html", look, is_open=is_open, is_first=is_first, email=email, name=name, message=message
        )

    async def machines(self, scope: Scope, look: Look, *, caller: str, site: str | None, now: int) -> str:
        """Render the page of all machines."""
        visible = self._live.park.visible(scope)
        sites = sorted({(machine.place, machine.site) for machine in visible})
        counts = [(each, name, sum(machine.site == each for machine in visible)) for name, each in sites]
        return self._render(
            "machines.html",
            look,
            caller=caller,
            site=site,
            sites=counts,
            total=len(visible),
            **await self._table(scope, look, site=site, now=now),
        )

    async def fragment(self, scope: Scope, look: Look, *, site: str | None, now: int) -> str:
        """Render the part of that page which changes by itself, by the same macro."""
        return self._render("fragment.html", look, **await self._table(scope, look, site=site, now=now))

    async def _table(self, scope: Scope, look: Look, *, site: str | None, now: int) -> dict[str, Any]:
        chosen = [machine for machine in self._live.park.visible(scope) if site is None or machine.site == site]
        if scope.sees_work:
            await self._count_from_midnight([machine.id for machine in chosen], now)
        facts = [self._facts(scope, machine, now) for machine in chosen]
        shown: Table = table(facts, now=now, zone=self._zone, language=look.language)
        return {"table": shown, "columns": COLUMNS, "sees_work": scope.sees_work}

    def _facts(self, scope: Scope, machine: Machine, now: int) -> Facts:
        present = self._live.present(machine, now=now)
        work = {name: sample.value for name, sample in present.values.items()} if scope.sees_work else None
        return Facts(
            id=machine.id,
            name=machine.name,
            kind=machine.kind,
            site=machine.place,
            state=present.state,
            since=present.since,
            seen=present.seen,
            stretches=present.stretches(now),
            work=work,
            parts_today=self._parts_today(machine.id, work.get("parts")) if work else None,
        )

    def _parts_today(self, machine: str, parts: object) -> int | None:
        before = self._parts.get(machine)
        return parts - before if isinstance(parts, int) and before is not None and parts >= before else None

    async def _count_from_midnight(self, machines: Sequence[str], now: int) -> None:
        """Learn the count of parts at the last midnight, of the machines of which it is not known."""
        local = to_datetime(now).astimezone(self._zone)
        midnight = from_datetime(local.replace(hour=0, minute=0, second=0, microsecond=0))
        if midnight != self._midnight:
            self._midnight, self._parts, self._parts_read = midnight, {}, {}
        asked = [
            each
            for each in machines
            if each not in self._parts and now - self._parts_read.get(each, -DAY) > PARTS_AGAIN_SECONDS * MINUTE // 60
        ]
        if not asked:
            return
        self._parts_read |= dict.fromkeys(asked, now)
        try:
            found = await asyncio.to_thread(self._store.last, asked, ["parts"], midnight)
        except (StoreUnavailableError, StoreRefusedError) as error:
            log.warning("pages.store_unavailable", error=str(error))
            return
        self._parts |= {machine: at.value for (machine, _), at in found.items() if isinstance(at.value, int)}

    def _render(self, template: str, look: Look, *, caller: str = "", **values: Any) -> str:
        return self._templates.get_template(template).render(
            words=WORDS[look.language],
            language=look.language,
            theme=look.theme,
            csrf=look.csrf,
            caller=caller,
            house=self._house,
            **values,
        )

    def _address(self, name: str) -> str:
        return f"/static/{name}?v={self.assets[name].version}"


def _read_assets() -> dict[str, Asset]:
    assets: dict[str, Asset] = {}
    for file in resources.files("api.pages").joinpath("static").iterdir():
        if file.is_file():
            data = file.read_bytes()
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            assets[file.name] = Asset(data, kind, hashlib.sha256(data).hexdigest()[:16])
    return assets
