from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopfloor.periods import SECOND
from shopfloor.signals import (
    BUILT_IN_TYPES,
    DECIDING,
    SIGNALS,
    TEXT_MAX,
    NotANumberError,
    UnknownSignalError,
    WrongTypeError,
    find,
    is_identifier,
)

ACCEPTED = [
    ("alarm_blocking", True, True),
    ("item_state", 3, 3),
    ("item_state", -(2**31), -(2**31)),
    ("item_state", 3.0, 3),
    ("runs_planned", 2**32 - 1, 2**32 - 1),
    ("parts", 17, 17),
    ("parts", "9223372036854775807", 2**63 - 1),
    ("parts", "-9223372036854775808", -(2**63)),
    ("power_watts", 1.5, 1.5),
    ("power_watts", 2, 2.0),
    ("program", "O1234", "O1234"),
    ("program", "", ""),
    ("program", "x" * TEXT_MAX, "x" * TEXT_MAX),
    ("observed", "1970-01-01T00:00:01Z", SECOND),
]
REFUSED = [
    ("alarm_blocking", 1),
    ("alarm_blocking", "true"),
    ("item_state", True),
    ("item_state", 2**31),
    ("item_state", 1.5),
    ("item_state", "3"),
    ("item_state", 1e300),
    ("runs_planned", -1),
    ("runs_planned", 2**32),
    ("runs_planned", "7"),
    ("parts", 2**63),
    ("parts", "9223372036854775808"),
    ("parts", "1e3"),
    ("parts", "\u0661"),
    ("parts", " 1"),
    ("parts", ""),
    ("parts", math.nan),
    ("power_watts", True),
    ("power_watts", "1.5"),
    ("power_watts", 10**400),
    ("power_watts", None),
    ("power_watts", [1.0]),
    ("power_watts", {"Body": 1.0}),
    ("program", 5),
    ("program", "x" * (TEXT_MAX + 1)),
    ("observed", 5),
    ("observed", "yesterday"),
    ("observed", "1601-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("name", "value", "expected"), ACCEPTED)
def test_a_value_of_the_right_type_becomes_the_value_of_the_record(name: str, value: object, expected: object) -> None:
    accepted = find(name).accept(value)
    assert accepted == expected
    assert type(accepted) is type(expected)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_of_another_type_or_out_of_range_is_refused_with_the_signals_name(name: str, value: object) -> None:
    with pytest.raises(WrongTypeError, match=name):
        find(name).accept(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "NaN", "Infinity", "-Infinity"])
def test_what_is_no_finite_number_is_said_to_be_none(value: object) -> None:
    with pytest.raises(NotANumberError, match="power_watts"):
        find("power_watts").accept(value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PYTHON_TYPES = {"Boolean": bool, "Int32": int, "UInt32": int, "Int64": int, "Double": float, "String": str,
                "DateTime": int}  # fmt: skip


@given(st.sampled_from(sorted(SIGNALS)), anything)
def test_whatever_comes_is_accepted_in_the_records_type_or_refused(name: str, value: object) -> None:
    signal = find(name)
    try:
        accepted = signal.accept(value)
    except (WrongTypeError, NotANumberError):
        return
    assert type(accepted) is PYTHON_TYPES[signal.type]
    assert accepted == accepted, "NaN is no value"  # noqa: PLR0124


@pytest.mark.parametrize(
    ("name", "signal_type", "signal_class"),
    [
        ("coolant_pressure.double", "Double", "gauge"),
        ("good_parts.counter", "Double", "record"),
        ("pallets.int64", "Int64", "record"),
        ("door_open.boolean", "Boolean", "record"),
        ("pallet_name.string", "String", "record"),
    ],
)
def test_a_node_maps_signal_says_its_type_at_the_end_of_its_name(
    name: str, signal_type: str, signal_class: str
) -> None:
    signal = find(name)
    assert (signal.name, signal.type, signal.signal_class) == (name, signal_type, signal_class)


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "double", ".double", "coolant.float", "Coolant.double", "coolant pressure.double", "1st.double",
     "power_watts.double", "a.b.double", "x" * 64 + ".double", "coolant.double.", "coolant.Double"],
)  # fmt: skip
def test_a_name_that_is_in_no_table_and_has_no_type_is_no_signal(name: str) -> None:
    with pytest.raises(UnknownSignalError, match="no signal is called"):
        find(name)


def test_every_signal_of_the_table_is_whole() -> None:
    for name, signal in SIGNALS.items():
        assert name == signal.name
        assert "." not in name
        assert signal.type in BUILT_IN_TYPES
        assert signal.label_en
        assert signal.label_it
        assert set(signal.scale) <= set(signal.paths)
        assert signal.signal_class == "record" or signal.type == "Double"
        assert not (signal.derived and signal.paths)


def test_what_decides_a_state_is_a_record() -> None:
    assert all(find(name).signal_class == "record" for name in DECIDING)


@pytest.mark.parametrize("text", ["a", "mill-1", "0", "x" * 63, "a--b"])
def test_lower_case_letters_digits_and_inner_hyphens_make_an_identifier(text: str) -> None:
    assert is_identifier(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "a+", "#", "a:b", "à", "a b", "a\n", "x" * 64]
)
def test_what_would_not_fit_a_topic_or_a_row_number_is_no_identifier(text: str) -> None:
    assert not is_identifier(text)
