from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from jinja2 import Environment

from api import pages
from api.pages.alert_rows import named
from api.pages.deciding import EVIDENCE
from api.pages.words import words_of
from api.usage.segments import Claim, Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = Path(pages.__file__).parent
API = PAGES.parent
KEYWORDS = {
    "python": {"say": None, "plural": (1, 2), "mark": None},
    "jinja2": {"_": None, "gettext": None, "ngettext": (1, 2)},
}
NAMES = {"Officina", "English", "Italiano"}
"""What is called the same whatever the language."""
SPOKEN = ("alt", "aria-label", "placeholder", "title")
TEMPLATES = sorted((PAGES / "templates").rglob("*.html"))


def said() -> Iterator[str | tuple[str, str]]:
    """Every text that pages say, with its plural when it has one."""
    sources = [("python", path) for path in API.rglob("*.py")] + [("jinja2", path) for path in TEMPLATES]
    for method, path in sources:
        for _, message, _, _ in extract_from_file(method, path, keywords=KEYWORDS[method], options={"trimmed": "true"}):
            yield message if isinstance(message, str) else (str(message[0]), str(message[1]))


def italian() -> dict[str | tuple[str, str], tuple[str, ...]]:
    """Every Italian text by what it translates; a text that two files translate is translated alike."""
    found: dict[str | tuple[str, str], tuple[str, ...]] = {}
    for file in sorted((PAGES / "locale" / "it").glob("*.po")):
        with file.open("rb") as opened:
            for message in read_po(opened, locale="it"):
                if not message.id:
                    continue
                key = message.id if isinstance(message.id, str) else (message.id[0], message.id[1])
                text = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
                assert found.setdefault(key, text) == text, f"{file.name}: {key} is translated in two ways"
                assert not message.fuzzy, f"{file.name}: {key} is fuzzy"
    return found


def test_every_text_has_its_italian() -> None:
    known = italian()

    assert [each for each in dict.fromkeys(said()) if not all(known.get(each, ("",)))] == []


def test_every_italian_text_is_shown_somewhere() -> None:
    shown = set(said())

    assert [each for each in italian() if each not in shown] == []


def test_a_translation_puts_in_the_same_values() -> None:
    def values(text: str) -> set[str]:
        return set(re.findall(r"%\((\w+)\)", text))

    wrong = [
        key
        for key, texts in italian().items()
        if {*values(texts[-1])} != values(key if isinstance(key, str) else key[1])
    ]
    assert wrong == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PAGES / "templates")))
def test_a_template_says_nothing_that_is_not_given_to_a_translator(path: Path) -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    source = path.read_text(encoding="utf-8")
    texts, written = (
        [],
        "".join(
            text if kind == "data" else "\N{OBJECT REPLACEMENT CHARACTER}"
            for _, kind, text in environment.lex(source)
            if kind == "data" or kind.endswith("_begin")
        ),
    )
    for tag in re.findall(r"<[a-zA-Z][^>]*>", written):
        texts += [text for name, text in re.findall(r'([a-z-]+)="([^"]*)"', tag) if name in SPOKEN]
    texts += re.sub(r'<!--.*?-->|<[^>]*>|[\w:-]+="[^"]*"', "\n", written, flags=re.DOTALL).splitlines()
    words = [word for text in texts for word in re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", " ", text))]

    assert [word for word in words if word not in NAMES] == []


def test_texts_are_said_in_both_languages_with_their_values() -> None:
    assert words_of("it")("since %(time)s", time="14:08") == "dalle 14:08"
    assert words_of("en")("since %(time)s", time="14:08") == "since 14:08"
    assert words_of("it").plural("%(n)s day", "%(n)s days", 1) == "1 giorno"
    assert words_of("en").plural("%(n)s day", "%(n)s days", 3) == "3 days"


def test_who_was_erased_is_a_person_in_the_log_and_no_identifier() -> None:
    assert named("person:0a1b2c3d4e5f", words_of("it")) == "una persona cancellata"
    assert named("Ada", words_of("it")) == "Ada"


def test_everything_that_can_speak_of_use_has_words() -> None:
    claims = {Claim.JOB, Claim.BADGE, Claim.BOOKING}  # what unknown time can have; see doubts

    assert {*map(str, Meter), *claims} <= EVIDENCE.keys()
