from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopfloor.hashed_log import START, BrokenLogError, Entry, canonical, seal, verify


def chain(bodies: list[str]) -> list[Entry]:
    entries = [START]
    for body in bodies:
        entries.append(seal(entries[-1], body))
    return entries[1:]


@given(st.lists(st.text()))
def test_what_was_appended_verifies(bodies: list[str]) -> None:
    entries = chain(bodies)

    assert verify(entries) == (entries[-1] if entries else START)


@given(st.lists(st.text(), min_size=1), st.data())
def test_a_changed_body_is_found(bodies: list[str], data: st.DataObject) -> None:
    entries = chain(bodies)
    at = data.draw(st.integers(0, len(entries) - 1))
    entries[at] = entries[at]._replace(body=entries[at].body + "x")

    with pytest.raises(BrokenLogError, match=f"entry {at + 1},"):
        verify(entries)


@given(st.lists(st.text(), min_size=2), st.data())
def test_an_entry_that_was_taken_out_is_found(bodies: list[str], data: st.DataObject) -> None:
    entries = chain(bodies)
    at = data.draw(st.integers(0, len(entries) - 2))
    del entries[at]

    with pytest.raises(BrokenLogError, match="is missing"):
        verify(entries)


@given(st.lists(st.text(), min_size=2, unique=True), st.data())
def test_entries_that_changed_places_are_found(bodies: list[str], data: st.DataObject) -> None:
    entries = chain(bodies)
    at = data.draw(st.integers(0, len(entries) - 2))
    entries[at : at + 2] = reversed(entries[at : at + 2])

    with pytest.raises(BrokenLogError):
        verify(entries)


def test_a_part_verifies_from_the_entry_before_it() -> None:
    entries = chain(["a", "b", "c"])

    assert verify(entries[1:], last=entries[0]) == entries[2]
    with pytest.raises(BrokenLogError):
        verify(entries[1:], last=START)


def test_one_document_has_one_text() -> None:
    assert canonical({"b": 1, "a": {"d": "è", "c": None}}) == '{"a":{"c":null,"d":"è"},"b":1}'
