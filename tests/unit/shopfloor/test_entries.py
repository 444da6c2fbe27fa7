from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopfloor.entries import Alarm, Life, Message, Prognosis, Tool, decode, decode_all, encode, encode_all
from shopfloor.signals import TEXT_MAX

texts = st.text(max_size=30)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
lives = st.builds(
    Life,
    texts,
    numbers,
    texts,
    numbers,
    numbers,
    numbers,
    st.sampled_from(["", "time", "parts"]),
    st.none() | st.booleans(),
)
tools = st.builds(
    Tool, texts, st.none() | st.integers(0, 9999), name=texts, locked=texts,
    life=st.lists(lives, max_size=3).map(tuple), removed=st.booleans(),
)  # fmt: skip
alarms = st.builds(Alarm, texts, texts, texts, st.integers(0, 1000), blocking=st.booleans())
prognoses = st.builds(Prognosis, texts, predicted=texts, details=st.dictionaries(texts, texts, max_size=3))


@given(tools)
def test_a_tool_is_read_as_it_was_written(tool: Tool) -> None:
    assert decode(Tool, encode(tool)) == tool


@given(st.lists(alarms, max_size=5))
def test_alarms_are_read_as_they_were_written(found: list[Alarm]) -> None:
    assert decode_all(Alarm, encode_all(found)) == (found, 0)


@given(st.lists(prognoses, max_size=5))
def test_prognoses_are_read_as_they_were_written(found: list[Prognosis]) -> None:
    assert decode_all(Prognosis, encode_all(found)) == (found, 0)


def test_what_is_empty_is_not_written_and_nought_is() -> None:
    assert json.loads(encode(Life("Wear", 0.0, counts_up=False))) == {"id": "Wear", "value": 0.0, "counts_up": False}
    assert json.loads(encode(Tool("T0", number=0))) == {"id": "T0", "number": 0}


def test_entries_that_do_not_fit_are_counted_and_those_before_stay_whole() -> None:
    found = [Alarm(f"a{number}", text="x" * 300) for number in range(1000)]
    text = encode_all(found)
    kept, more = decode_all(Alarm, text)
    assert len(text) <= TEXT_MAX
    assert kept == found[: len(kept)]
    assert 0 < len(kept) == 1000 - more


@pytest.mark.parametrize("letter", ["x", '"', "\x00", "é"])
def test_an_entry_that_is_too_long_is_cut_and_can_still_be_read(letter: str) -> None:
    text = encode(Message("M1", letter * TEXT_MAX, 500))
    assert len(text) <= TEXT_MAX
    assert decode(Message, text).code == "M1"
    assert decode(Message, text).text.strip(letter) == ""


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '{"code": 1', '{"id": "a", "life": 3}', '{"life": []}'])
def test_a_text_that_is_no_tool_is_refused_with_its_beginning(text: str) -> None:
    with pytest.raises(ValueError, match="is no Tool"):
        decode(Tool, text)


@pytest.mark.parametrize("text", ["", "3", '{"id": "a"}', '["a"]', '[{"text": "without an id"}]', '[{"more": []}]'])
def test_a_text_that_holds_no_alarms_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no entries of the kind Alarm"):
        decode_all(Alarm, text)


def test_what_a_newer_version_adds_is_left_out() -> None:
    assert decode(Message, '{"code": "M1", "colour": "red"}') == Message("M1")
