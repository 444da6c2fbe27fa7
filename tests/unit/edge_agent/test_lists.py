"""What is said of a machine's tools, lifetimes and prognoses, and when."""

from __future__ import annotations

import pytest

from edge_agent.lists import PREDICTED, Lists, Member, Place
from edge_agent.notifications import NodeIdentity
from shopfloor.entries import Life, Prognosis, Tool, decode, decode_all
from shopfloor.periods import parse_instant

PREDICTED_AT = "2026-11-22T18:00:00Z"
EVERYWHERE = set(Place)


def node(number: int) -> NodeIdentity:
    return NodeIdentity(1, number)


NODES = {"number": node(1), "name": node(2), "locked": node(3), "reason": node(4), "place": node(5)}
LIFE = {"value": node(6), "unit": node(7), "limit": node(8), "measure": node(9), "counts_up": node(10)}
VALUES: dict[NodeIdentity, object] = {
    node(1): 4, node(2): "Drill", node(3): True, node(4): 2, node(5): "Magazine",
    node(6): 30.0, node(7): "min", node(8): 60, node(9): 0, node(10): True,
}  # fmt: skip
DRILL = Member(Place.TOOLS, "T04", nodes=NODES, lives={"Minutes": LIFE})
MILL = Member(Place.TOOLS, "T05")


def told(lists: Lists, members: list[Member], values: dict[NodeIdentity, object], stamp: int = 1) -> dict[str, str]:
    """Return what is new by signal; of several tools the last one."""
    return {each.signal: str(each.value) for each in lists.look(EVERYWHERE, members, values, stamp)}


def test_a_tool_is_told_with_its_life_in_seconds_and_why_it_is_locked() -> None:
    said = told(Lists(), [DRILL], VALUES)
    life = Life("Minutes", 1800.0, "s", limit=3600.0, measure="time", counts_up=True)
    assert decode(Tool, said["tool"]) == Tool("T04", number=4, name="Drill", place="Magazine", locked="tool_break",
                                              life=(life,))  # fmt: skip
    assert said["tools"] == '["T04"]'


def test_what_did_not_change_is_not_told_again_and_what_did_is_told_alone() -> None:
    lists = Lists()
    told(lists, [DRILL, MILL], VALUES)
    assert told(lists, [DRILL, MILL], VALUES) == {}
    changed = told(lists, [DRILL, MILL], {**VALUES, node(3): False})
    assert changed.keys() == {"tool"}
    assert decode(Tool, changed["tool"]).locked == ""


def test_a_tool_that_goes_is_told_once_as_removed() -> None:
    lists = Lists()
    told(lists, [DRILL, MILL], VALUES)
    said = told(lists, [DRILL], VALUES)
    assert decode(Tool, said["tool"]) == Tool("T05", removed=True)
    assert said["tools"] == '["T04"]'
    assert told(lists, [DRILL], VALUES) == {}


def test_a_new_session_tells_all_again_and_what_went_meanwhile() -> None:
    lists = Lists()
    told(lists, [DRILL, MILL], VALUES)
    lists.forget_session()
    found = lists.look(EVERYWHERE, [DRILL], VALUES, 2)
    tools = [decode(Tool, str(each.value)) for each in found if each.signal == "tool"]
    assert [(each.id, each.removed) for each in tools] == [("T04", False), ("T05", True)]
    assert {each.signal for each in found} == {"tool", "tools", "prognoses", "lifetimes"}


def test_a_list_that_the_machine_does_not_have_is_not_told_but_one_that_is_empty_is() -> None:
    assert Lists().look(set(), [], {}, 1) == []
    assert [(each.signal, each.value) for each in Lists().look({Place.PROGNOSES}, [], {}, 1)] == [("prognoses", "[]")]


@pytest.mark.parametrize("value", [None, "4", True, 4.5])
def test_a_value_of_another_type_is_left_out_and_nothing_stands_in_its_place(value: object) -> None:
    said = told(Lists(), [DRILL], {**VALUES, node(1): value})
    assert decode(Tool, said["tool"]).number is None


@pytest.mark.parametrize("reason", [None, -1, 6, "x"])
def test_a_lock_whose_reason_is_not_known_is_still_a_lock(reason: object) -> None:
    assert decode(Tool, told(Lists(), [DRILL], {**VALUES, node(4): reason})["tool"]).locked == "other"


def test_prognoses_stand_in_the_order_of_their_time_and_those_without_one_last() -> None:
    late, soon, undated = (
        Member(Place.PROGNOSES, name, kind, {PREDICTED: node(number), "activity": node(20)})
        for name, kind, number in (("Late", "maintenance", 11), ("Soon", "tool_change", 12), ("Undated", "", 13))
    )
    at = parse_instant(PREDICTED_AT)
    values: dict[NodeIdentity, object] = {node(11): at + 10**9, node(12): at, node(20): "Oil"}
    found, more = decode_all(Prognosis, told(Lists(), [late, undated, soon], values)["prognoses"])
    assert [(each.id, each.kind, each.predicted) for each in found] == [
        ("Soon", "tool_change", PREDICTED_AT),
        ("Late", "maintenance", "2026-11-22T18:00:01Z"),
        ("Undated", "other", ""),
    ]
    assert (found[0].details, more) == ({"activity": "Oil"}, 0)


def test_a_lifetime_keeps_a_unit_that_is_no_duration() -> None:
    member = Member(Place.LIFETIMES, "Filter", nodes={"value": node(1), "unit": node(2), "limit": node(3)})
    (life,), _ = decode_all(Life, told(Lists(), [member], {node(1): 7, node(2): "bar", node(3): 9})["lifetimes"])
    assert life == Life("Filter", 7.0, "bar", limit=9.0)


@pytest.mark.parametrize(
    ("levels", "start", "first"),
    [
        ([80, 95], 0, 80.0),
        ([5.0, 20.0], 100, 20.0),
        ([95, 80], None, 95.0),
        ([], 0, None),
        (["x", 3], 0, 3.0),
        (7, 0, 7.0),
    ],
)
def test_of_several_warnings_the_one_that_is_reached_first_is_told(
    levels: object, start: object, first: float | None
) -> None:
    member = Member(Place.LIFETIMES, "Filter", nodes={"value": node(1), "warning": node(2), "start": node(3)})
    values = {node(1): 50, node(2): levels, node(3): start}
    (life,), _ = decode_all(Life, told(Lists(), [member], values)["lifetimes"])
    assert life.warning == first
