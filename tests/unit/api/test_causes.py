from __future__ import annotations

import pytest

from api.pages.causes import SENTENCES, Refusal, refusal
from api.pages.words import words_of
from shopfloor.wire.edge import Cause

OWN_SECTION = {Cause.UNTRUSTED}
"""What the page shows with a thumbprint to compare and a command."""


def test_every_cause_has_its_own_sentence() -> None:
    assert set(Cause) - OWN_SECTION == set(SENTENCES)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize("cause", sorted(set(Cause) - OWN_SECTION))
def test_a_cause_is_said_in_both_languages_above_the_agent_s_words(cause: Cause) -> None:
    english, italian = (refusal(words_of(language), cause, "as it was said") for language in ("en", "it"))

    assert english.message != italian.message
    assert english.detail == italian.detail == "as it was said"


@pytest.mark.parametrize("code", ["", "of a later version"])
def test_a_cause_that_is_not_known_is_said_in_the_agent_s_words(code: str) -> None:
    assert refusal(words_of("it"), code, "as it was said") == Refusal("as it was said")
