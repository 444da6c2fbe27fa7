from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest

from edge_agent.nodemap import (
    BAD_TYPE_MISMATCH,
    NAMESPACES,
    Address,
    Converter,
    Entry,
    Named,
    OfType,
    PathError,
    Refused,
    parse_node_id,
    parse_path,
    problems,
    wanted,
)
from edge_agent.notifications import NodeIdentity, Unsupported
from shopfloor.samples import BAD_OUT_OF_RANGE
from shopfloor.signals import SIGNALS

MAKER = {**NAMESPACES, "ACME": "urn:acme"}
TABLE = [NAMESPACES["UA"], "urn:server", NAMESPACES["MT"], NAMESPACES["MY"], "urn:acme"]


def converter(name: str, **entry: Any) -> Converter:
    entries = {name: Entry(path="ACME:X", **entry)}
    wish = next(wish for wish in wanted(entries, MAKER) if wish.mapped)
    return Converter(wish, wish.candidates[0], TABLE)


def test_a_path_is_browse_names_with_namespaces() -> None:
    assert parse_path("MT:Monitoring/ACME:Spindle 1", MAKER) == (
        Named(NAMESPACES["MT"], "Monitoring"),
        Named("urn:acme", "Spindle 1"),
    )


def test_a_step_may_be_any_child_of_a_type() -> None:
    assert parse_path("<MT:16>") == (OfType(Address(NAMESPACES["MT"], 16)),)
    assert parse_path("<ACME:s=Drive>", MAKER) == (OfType(Address("urn:acme", "Drive")),)


def test_a_slash_inside_of_a_name_is_escaped() -> None:
    assert parse_path("ACME:Feed &/ Speed && more", MAKER) == (Named("urn:acme", "Feed / Speed & more"),)


@pytest.mark.parametrize("text", ["", "/", "Monitoring", "MT:", "<MT:x>", "<16>"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


def test_an_unknown_prefix_is_refused_with_those_that_exist() -> None:
    with pytest.raises(PathError, match=r"'ACME:X' is unknown: use one of UA, DI, .*\[machine.namespaces\]"):
        parse_path("ACME:X")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("nsu=urn:acme;s=Spindle.Load", Address("urn:acme", "Spindle.Load")),
        ("nsu=urn:acme;i=17", Address("urn:acme", 17)),
        ("i=2258", Address(NAMESPACES["UA"], 2258)),
        (
            "nsu=urn:acme;g=72962b91-fa75-4ae6-8d28-b404dc7daf63",
            Address("urn:acme", UUID("72962b91-fa75-4ae6-8d28-b404dc7daf63")),
        ),
        ("nsu=urn:acme;b=0aff", Address("urn:acme", b"\x0a\xff")),
    ],
)
def test_a_node_id_is_read_with_its_namespace_uri(text: str, address: Address) -> None:
    assert parse_node_id(text) == address


@pytest.mark.parametrize("text", ["ns=2;s=Spindle", "Spindle", "nsu=urn:acme", "nsu=urn:acme;i=x", "nsu=urn:acme;g=1"])
def test_a_node_id_by_index_or_without_sense_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_node_id(text)


def test_the_signal_table_is_wanted_and_the_node_map_wins() -> None:
    wishes = {wish.signal.name: wish for wish in wanted({"feed_override": Entry(nodeid="nsu=urn:acme;s=F")})}
    assert set(wishes) == {signal.name for signal in SIGNALS.values() if signal.paths}
    assert wishes["feed_override"].mapped
    assert wishes["feed_override"].candidates[0].place == Address("urn:acme", "F")
    assert not wishes["item_state"].mapped


def test_a_kind_ends_the_name_of_an_added_signal() -> None:
    wishes = wanted({"coolant_pressure": Entry(path="UA:X", kind="double"), "doors.counter": Entry(path="UA:Y")})
    assert {"coolant_pressure.double", "doors.counter"} <= {wish.signal.name for wish in wishes}


def test_hours_and_milliseconds_become_seconds() -> None:
    wish = next(wish for wish in wanted({}) if wish.signal.name == "power_on_seconds")
    milliseconds, _, hours = (Converter(wish, candidate, TABLE) for candidate in wish.candidates)
    assert (milliseconds(7_200_000.0), hours(2)) == (7200.0, 7200.0)


def test_a_state_is_its_number_whatever_the_index_of_its_namespace() -> None:
    wish = next(wish for wish in wanted({}) if wish.signal.name == "item_state")
    convert = Converter(wish, wish.candidates[0], TABLE)
    assert convert(NodeIdentity(3, 5006)) == 3
    assert convert(2) == 2
    refused = convert(NodeIdentity(3, 4711))
    assert isinstance(refused, Refused)
    assert refused.status == BAD_OUT_OF_RANGE


def test_numbers_are_scaled() -> None:
    assert converter("feed", scale=1 / 60)(120) == 2.0


def test_texts_and_codes_can_stand_for_values() -> None:
    convert = converter("emergency_stop", values={"ARMED": False, "TRIGGERED": True})
    assert (convert("ARMED"), convert("TRIGGERED")) == (False, True)
    assert isinstance(convert("UNAVAILABLE"), Refused)
    assert converter("control_mode", values={"1": 0, "2": 1})(2) == 1
    assert converter("control_mode", values={"true": 1, "false": 0})(raw=True) == 1


def test_a_severity_can_tell_that_an_alarm_blocks() -> None:
    convert = converter("alarm_blocking", true_from=500)
    assert (convert(700), convert(300)) == (True, False)


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_quality(raw: Any) -> None:
    refused = converter("feed")(raw)
    assert isinstance(refused, Refused)
    assert refused.status == BAD_OUT_OF_RANGE


@pytest.mark.parametrize("raw", ["12", True, Unsupported("an array"), NodeIdentity(0, 1)])
def test_a_value_of_another_type_is_refused(raw: Any) -> None:
    refused = converter("feed")(raw)
    assert isinstance(refused, Refused)
    assert refused.status in {BAD_TYPE_MISMATCH, BAD_OUT_OF_RANGE}


def test_a_null_text_is_an_empty_one_and_a_null_number_is_none() -> None:
    assert converter("program")(None) == ""
    assert isinstance(converter("feed")(None), Refused)


@pytest.mark.parametrize(
    ("name", "entry", "part"),
    [
        ("no_such_signal", Entry(path="MT:X"), "no signal is called"),
        ("feed", Entry(), "exactly one of path and nodeid"),
        ("feed", Entry(path="MT:X", nodeid="i=1"), "exactly one of path and nodeid"),
        ("feed", Entry(path="X"), "no step of a path"),
        ("feed", Entry(nodeid="ns=2;i=1"), "by its index"),
        ("observed", Entry(path="MT:X"), "the agent itself"),
        ("feed", Entry(path="MT:X", true_from=1), "true_from is for Boolean"),
        ("emergency_stop", Entry(path="MT:X", values={"ON": 1}), "values.ON"),
    ],
)
def test_each_mistake_in_a_line_is_told(name: str, entry: Entry, part: str) -> None:
    assert any(part in problem for problem in problems(name, entry, NAMESPACES))


def test_a_right_line_has_no_mistakes() -> None:
    assert list(problems("feed", Entry(path="MT:X"), NAMESPACES)) == []
