"""What pages say: English in the source, Italian in `locale/it`, one file of translations for each subject.

A text is given to `Words` where it is shown: `say("Machines")`, in templates `_("Machines")`. One that is shown
elsewhere than it is written, as the name of a state, is marked with `mark` where it is written. A test finds every text
that has no Italian, and every Italian text that nothing shows.
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

Language: TypeAlias = Literal["it", "en"]
LANGUAGES: tuple[Language, ...] = ("it", "en")
NB = "\N{NO-BREAK SPACE}"


def mark(text: str) -> str:
    """Mark a text that is said elsewhere, and return it."""
    return text


class Words:
    """Says texts in one language.

    Attributes:
        language: which.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._translations = _read(language)

    def __call__(self, text: str, **values: Any) -> str:
        """Say a text; each `%(name)s` in it becomes a value."""
        said = self._translations.gettext(text)
        return said % values if values else said

    def plural(self, one: str, many: str, n: int, **values: Any) -> str:
        """Say a text of one or of many; `%(n)s` in it is how many."""
        return self._translations.ngettext(one, many, n) % {"n": n, **values}

    def template_plural(self, one: str, many: str, n: int) -> str:
        """Say a text of one or of many whose values are put in by the template."""
        return self._translations.ngettext(one, many, n)


@cache
def words_of(language: Language) -> Words:
    """Return what says texts in a language."""
    return Words(language)


def _read(language: Language) -> NullTranslations:
    """Read the translations into a language; English is what is written in the source."""
    read = NullTranslations()
    folder = resources.files("api.pages").joinpath("locale", language)
    for file in sorted(folder.iterdir(), key=lambda each: each.name) if folder.is_dir() else ():
        compiled = BytesIO()
        with file.open("rb") as opened:
            write_mo(compiled, read_po(opened, locale=language))
        compiled.seek(0)
        translations = GNUTranslations(compiled)
        translations.add_fallback(read)
        read = translations
    return read


STATES: Mapping[State, str] = MappingProxyType(
    {
        State.PROCESSING: mark("Running"),
        State.SETUP: mark("Setup"),
        State.IDLE: mark("Idle"),
        State.INTERRUPTED: mark("Interrupted"),
        State.MAINTENANCE: mark("In maintenance"),
        State.OUT_OF_SERVICE: mark("Out of service"),
        State.OFF: mark("Off"),
        State.UNREACHABLE: mark("Off or not answering"),
        State.UNKNOWN: mark("No data"),
    },
)
"""What a state is called."""
_ATTENDED: Mapping[State, str] = MappingProxyType({State.PROCESSING: mark("In use"), State.OFF: mark("Free")})


def word_of(state: State, *, is_attended: bool) -> str:
    """Return what a state is called; of equipment that people check in to, what they say and no more."""
    return _ATTENDED.get(state, STATES[state]) if is_attended else STATES[state]


def choose_language(asked: str | None, accepted: str, default: Language) -> Language:
    """Choose the language of a page.

    Args:
        asked: what the person chose, None when nothing.
        accepted: the browser's Accept-Language, best first.
        default: where neither names one that there is.
    """
    candidates = [asked or "", *(part.split(";")[0].strip() for part in accepted.split(","))]
    for candidate in candidates:
        for language in LANGUAGES:
            if candidate.lower().split("-")[0] == language:
                return language
    return default
