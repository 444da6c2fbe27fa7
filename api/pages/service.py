"""Renders pages. The only file that knows Jinja."""

from __future__ import annotations

import hashlib
import mimetypes
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.pages.words import LANGUAGES, words_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from api.pages.words import Language

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
    """Renders templates; what they are given is ready to be shown.

    Args:
        house: name of the consortium.
        time_zone: of the times shown.

    Attributes:
        house: the same.
        zone: of the times shown.
        assets: the files that pages load, by name.
    """

    def __init__(self, *, house: str, time_zone: str) -> None:
        self.house = house
        self.zone = ZoneInfo(time_zone)
        self.assets = _read_assets()
        self._templates = {language: self._environment(language) for language in LANGUAGES}

    def render(self, template: str, look: Look, **values: Any) -> str:
        """Render a template in the reader's language."""
        return (
            self._templates[look.language]
            .get_template(template)
            .render(
                language=look.language,
                theme=look.theme,
                csrf=look.csrf,
                house=self.house,
                **values,
            )
        )

    def address(self, name: str) -> str:
        """Return the address of an asset, which changes with its content."""
        return f"/static/{name}?v={self.assets[name].version}"

    def _environment(self, language: Language) -> Environment:
        templates = Environment(
            loader=PackageLoader("api.pages", "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        say = words_of(language)
        install = getattr(templates, "install_gettext_callables")  # noqa: B009 - the extension adds it, no stub knows it
        install(say.__call__, say.template_plural, newstyle=True)
        templates.globals |= {"asset": self.address, "assets": self.assets}
        return templates


def _read_assets() -> dict[str, Asset]:
    """Read the project's own files, and the page libraries that were fetched when it was installed."""
    folder = resources.files("api.pages").joinpath("static")
    assets = {file.name: _asset(file) for file in folder.iterdir() if file.is_file()}
    vendor = folder.joinpath("vendor")
    if vendor.is_dir():
        assets |= {file.name: _asset(file) for file in vendor.iterdir() if file.is_file()}
    else:
        log.warning("pages.without_libraries", mend="python -m api.pages.libraries", effect="pages are not live")
    return assets


def _asset(file: Traversable) -> Asset:
    data = file.read_bytes()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Asset(data, kind, hashlib.sha256(data).hexdigest()[:16])
