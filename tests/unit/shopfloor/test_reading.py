from __future__ import annotations

import json
import math
import os
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopfloor.periods import DAY, SECOND, format_instant
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE, UNCERTAIN, Sample, samples
from shopfloor.signals import TEXT_MAX
from shopfloor.wire import messages, topics
from shopfloor.wire.messages import RowId
from shopfloor.wire.reading import (
    FUTURE_NANOSECONDS_MAX,
    MESSAGE_BYTES_MAX,
    REGISTRY_REASONS,
    Allowed,
    Opened,
    Reason,
    open_message,
)

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
PUBLISHER, MACHINE = "site-a", "mill-1"
NOW = 1_760_000_000 * SECOND
TIME = format_instant(NOW)
TOPIC = topics.data(PUBLISHER, "record", MACHINE)
SIGNALS = ["feed", "power_watts", "item_state", "parts", "program", "alarm_blocking", "observed"]


def registered() -> Allowed:
    allowed = Allowed()
    machines = [
        messages.RegisteredMachine(MACHINE, SIGNALS, writer_id=1),
        messages.RegisteredMachine("mill-2", ["feed"], writer_id=2),
    ]
    assert allowed.replace(PUBLISHER, messages.Registry(PUBLISHER, machines)) == []
    return allowed


ALLOWED = registered()


def field(value: Any, **more: Any) -> dict[str, Any]:
    return {"Value": value, "SourceTimestamp": TIME} | more


def written(*datasets: dict[str, Any], **head: Any) -> bytes:
    message = {"MessageId": f"{PUBLISHER}:ab:7", "MessageType": "ua-data", "PublisherId": PUBLISHER}
    return json.dumps(message | {"Messages": list(datasets)} | head).encode()


def dataset(payload: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"DataSetWriterName": MACHINE, "Payload": payload} | more


def opened(payload: bytes, topic: str = TOPIC, allowed: Allowed = ALLOWED) -> Opened:
    return open_message(topic, payload, allowed, now=NOW)


def reasons(found: Opened) -> list[Reason]:
    return [refusal.reason for refusal in found.refusals]


class Bad(NamedTuple):
    """A field that is not stored, and why."""

    name: str
    field: Any
    reason: Reason


FAR = format_instant(NOW + FUTURE_NANOSECONDS_MAX + 1)
BAD_FIELDS = [
    Bad("program", field(5), Reason.WRONG_TYPE),
    Bad("program", field("x" * (TEXT_MAX + 1)), Reason.WRONG_TYPE),
    Bad("item_state", field("three"), Reason.WRONG_TYPE),
    Bad("item_state", field(math.nan), Reason.WRONG_TYPE),
    Bad("power_watts", field(value=True), Reason.WRONG_TYPE),
    Bad("power_watts", field(None), Reason.WRONG_TYPE),
    Bad("power_watts", field([1.0, 2.0]), Reason.WRONG_TYPE),
    Bad("power_watts", field({"Type": 11}), Reason.WRONG_TYPE),
    Bad("power_watts", field({"Type": 11, "Body": [1.0]}), Reason.WRONG_TYPE),
    Bad("power_watts", [1.0], Reason.WRONG_TYPE),
    Bad("parts", field(2**63), Reason.WRONG_TYPE),
    Bad("parts", field(2**200), Reason.WRONG_TYPE),
    Bad("program", 10**30, Reason.WRONG_TYPE),
    Bad("spindle_load", field(1.0), Reason.UNKNOWN_SIGNAL),
    Bad("nothing", field(1.0), Reason.UNKNOWN_SIGNAL),
    Bad("", field(1.0), Reason.UNKNOWN_SIGNAL),
    Bad("power_watts", field(1.0, SourceTimestamp="2026-13-01T00:00:00Z"), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourceTimestamp="1601-01-01T00:00:00Z"), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourceTimestamp="2025-10-09T08:53:20"), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourceTimestamp=1760000000), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourcePicoseconds=10_000), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourcePicoseconds=-100), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourcePicoseconds="100"), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, MachineTimestamp="then"), Reason.BAD_TIME),
    Bad("power_watts", field(1.0, SourceTimestamp=FAR), Reason.FAR_FUTURE),
    Bad("item_state", field(1, SourceTimestamp=FAR), Reason.FAR_FUTURE),
    Bad("power_watts", field(1.0, Status="Good"), Reason.BAD_STATUS),
    Bad("power_watts", field(1.0, Status={"Code": 2**32}), Reason.BAD_STATUS),
    Bad("power_watts", field(1.0, Status={"Code": -1}), Reason.BAD_STATUS),
    Bad("power_watts", field(1.0, Status=True), Reason.BAD_STATUS),
]
GOOD_NEIGHBOURS = [Sample(MACHINE, "feed", NOW, 1.5), Sample("mill-2", "feed", NOW, 2.5)]


@pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: f"{bad.reason} {json.dumps(bad.field)[:40]}")
@pytest.mark.parametrize("is_first", [True, False])
def test_a_bad_field_is_put_aside_with_its_reason_and_its_neighbours_flow_on(bad: Bad, *, is_first: bool) -> None:
    fields = [(bad.name, bad.field), ("feed", field(1.5))]
    payload = dict(fields if is_first else reversed(fields))
    found = opened(
        written(dataset(payload, Timestamp=TIME), {"DataSetWriterName": "mill-2", "Payload": {"feed": field(2.5)}})
    )
    assert reasons(found) == [bad.reason]
    assert found.refusals[0].machine == MACHINE
    assert found.refusals[0].samples == 1
    assert bad.name in found.refusals[0].detail
    assert list(samples(found.slices)) == GOOD_NEIGHBOURS
    assert found.row == RowId(PUBLISHER, "ab", 7)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_stored_as_a_quality_without_a_value_and_counted(value: Any) -> None:
    found = opened(written(dataset({"power_watts": field(value), "feed": field(1.5)})))
    assert found.refusals == []
    assert found.not_numbers == [MACHINE]
    assert list(samples(found.slices)) == [
        Sample(MACHINE, "power_watts", NOW, None, BAD_OUT_OF_RANGE),
        Sample(MACHINE, "feed", NOW, 1.5),
    ]


def test_nan_keeps_the_quality_it_came_with() -> None:
    found = opened(written(dataset({"power_watts": field("NaN", Status={"Code": UNCERTAIN})})))
    assert list(samples(found.slices)) == [Sample(MACHINE, "power_watts", NOW, None, UNCERTAIN)]


def test_a_bad_quality_without_a_value_is_stored() -> None:
    found = opened(written(dataset({"item_state": field(None, Status={"Code": BAD_NO_COMMUNICATION})})))
    assert list(samples(found.slices)) == [Sample(MACHINE, "item_state", NOW, None, BAD_NO_COMMUNICATION)]
    assert found.refusals == []


def test_a_value_with_no_time_at_all_is_put_aside() -> None:
    found = opened(written(dataset({"feed": 1.5, "power_watts": {"Value": 2.5}, "program": field("P1")})))
    assert reasons(found) == [Reason.NO_TIME, Reason.NO_TIME]
    assert list(samples(found.slices)) == [Sample(MACHINE, "program", NOW, "P1")]


def test_a_stamp_of_at_most_a_day_ahead_is_taken() -> None:
    found = opened(written(dataset({"feed": field(1.5, SourceTimestamp=format_instant(NOW + DAY))})))
    assert list(samples(found.slices)) == [Sample(MACHINE, "feed", NOW + DAY, 1.5)]
    found = opened(
        written(dataset({"feed": field(1.5, SourceTimestamp=format_instant(NOW + DAY), SourcePicoseconds=100)}))
    )
    assert reasons(found) == [Reason.FAR_FUTURE]


def test_a_machine_that_the_publisher_may_not_speak_for_is_put_aside_with_all_its_values() -> None:
    strange = {"DataSetWriterName": "lathe-9", "Payload": {"feed": field(9.0), "program": field("P")}}
    found = opened(written(strange, dataset({"feed": field(1.5)})))
    assert reasons(found) == [Reason.UNKNOWN_MACHINE]
    assert found.refusals[0].samples == 2
    assert "lathe-9" in found.refusals[0].detail
    assert list(samples(found.slices)) == GOOD_NEIGHBOURS[:1]


def test_an_unknown_publisher_is_put_aside_and_acknowledged() -> None:
    payload = written(dataset({"feed": field(1.5)}), MessageId="site-b:ab:7", PublisherId="site-b")
    found = opened(payload, topics.data("site-b", "record", MACHINE))
    assert reasons(found) == [Reason.UNKNOWN_PUBLISHER]
    assert found.row == RowId("site-b", "ab", 7)
    assert found.publisher == "site-b"


def test_who_names_another_publisher_than_its_topic_is_put_aside() -> None:
    found = opened(written(dataset({"feed": field(1.5)}), PublisherId="site-b"))
    assert reasons(found) == [Reason.WRONG_PUBLISHER]
    assert found.slices == []


def test_a_row_of_another_publisher_is_not_acknowledged() -> None:
    found = opened(written(dataset({"feed": field(1.5)}), MessageId="site-b:ab:7"))
    assert found.row is None
    assert list(samples(found.slices)) == GOOD_NEIGHBOURS[:1]


def test_a_publisher_is_known_by_its_topic_when_the_message_does_not_name_it() -> None:
    found = opened(written(dataset({"feed": field(1.5)}), PublisherId=None, MessageId="whatever"))
    assert list(samples(found.slices)) == GOOD_NEIGHBOURS[:1]
    assert found.row is None


def test_a_topic_that_is_none_of_data_is_put_aside() -> None:
    found = opened(written(dataset({"feed": field(1.5)})), "opcua/json/data")
    assert reasons(found) == [Reason.WRONG_PUBLISHER]
    assert found.publisher == ""


def test_a_message_that_is_too_large_is_put_aside_unread() -> None:
    payload = written(dataset({"feed": field(1.5)})).ljust(MESSAGE_BYTES_MAX + 1)
    assert reasons(opened(payload)) == [Reason.OVERSIZE]
    assert reasons(opened(payload[:-1])) == []


def test_a_message_cut_short_at_any_byte_is_put_aside() -> None:
    payload = written(dataset({"feed": field(1.5)}))
    for size in range(len(payload)):
        found = opened(payload[:size])
        assert reasons(found) == [Reason.TRUNCATED]
        assert found.slices == []
        assert found.row is None, "what was cut on its way is sent again"


@pytest.mark.parametrize("payload", [b"\x00" * 100, b"[" * 200_000, b"{}", b"null", b'"text"', b"\xff\xfe{}"])
def test_what_is_no_message_is_put_aside(payload: bytes) -> None:
    assert reasons(opened(payload)) == [Reason.TRUNCATED]


def test_a_machine_is_found_by_name_by_number_or_by_topic() -> None:
    by_topic = {"Payload": {"feed": field(1.5)}}
    for writer in (by_topic, by_topic | {"DataSetWriterId": 1}, by_topic | {"DataSetWriterId": MACHINE},
                   by_topic | {"DataSetWriterName": MACHINE, "DataSetWriterId": 2}):  # fmt: skip
        assert list(samples(opened(written(writer)).slices)) == GOOD_NEIGHBOURS[:1]
    found = opened(written(by_topic | {"DataSetWriterId": 2}))
    assert list(samples(found.slices)) == [Sample("mill-2", "feed", NOW, 1.5)]


def test_a_registry_replaces_the_one_before_and_an_empty_one_removes_it() -> None:
    allowed = registered()
    payload = written(dataset({"feed": field(1.5)}))
    allowed.replace(PUBLISHER, messages.Registry(PUBLISHER, [messages.RegisteredMachine(MACHINE, ["program"])]))
    assert reasons(opened(payload, allowed=allowed)) == [Reason.UNKNOWN_SIGNAL]
    allowed.replace(PUBLISHER, messages.Registry(PUBLISHER, []))
    assert reasons(opened(payload, allowed=allowed)) == [Reason.UNKNOWN_MACHINE]
    allowed.replace(PUBLISHER, None)
    assert reasons(opened(payload, allowed=allowed)) == [Reason.UNKNOWN_PUBLISHER]
    healed = {Reason.UNKNOWN_SIGNAL, Reason.UNKNOWN_MACHINE, Reason.FOREIGN_MACHINE, Reason.UNKNOWN_PUBLISHER}
    assert healed == REGISTRY_REASONS


def test_a_registry_that_names_what_does_not_exist_says_so() -> None:
    allowed = Allowed()
    entry = messages.RegisteredMachine(MACHINE, ["feed", "no_such_thing"])
    assert allowed.replace(PUBLISHER, messages.Registry(PUBLISHER, [entry])) == ["no_such_thing"]
    payload = written(dataset({"feed": field(1.5), "no_such_thing": field(1.5)}))
    assert reasons(opened(payload, allowed=allowed)) == [Reason.UNKNOWN_SIGNAL]


# Whatever the bytes are.

EXAMPLES = 20_000 if LONG else 200
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
trees = st.recursive(
    scalars | st.sampled_from([TIME, FAR, "NaN", MACHINE, PUBLISHER, "ua-data", f"{PUBLISHER}:ab:1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [*SIGNALS, "MessageId", "MessageType", "Messages", "Payload", "Value", "Body", "SourceTimestamp",
                 "SourcePicoseconds", "Status", "Code", "DataSetWriterId", "DataSetWriterName", "Timestamp",
                 "PublisherId", "MachineTimestamp", "StatusCode"],
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)  # fmt: skip
any_field = trees | st.fixed_dictionaries(
    {"Value": trees | st.floats()},
    optional={
        "SourceTimestamp": st.sampled_from([TIME, FAR, "x", None]) | trees,
        "SourcePicoseconds": st.integers(-1, 10_000) | trees,
        "Status": st.integers(-1, 2**33) | trees,
        "MachineTimestamp": st.sampled_from([TIME, "x", None]) | trees,
    },
)
likely_messages = st.fixed_dictionaries(
    {
        "MessageId": st.sampled_from([f"{PUBLISHER}:ab:1", "x"]),
        "MessageType": st.just("ua-data"),
        "Messages": st.lists(
            st.fixed_dictionaries(
                {"Payload": st.dictionaries(st.sampled_from([*SIGNALS, "x"]), any_field, max_size=5)},
                optional={"DataSetWriterName": st.sampled_from([MACHINE, "mill-2", "x"]), "Timestamp": st.just(TIME)},
            ),
            max_size=3,
        ),
    },
)


def leaves(tree: object) -> list[object]:
    """Every value that a message could be said to hold."""
    if isinstance(tree, dict):
        return [leaf for inner in tree.values() for leaf in leaves(inner)]
    if isinstance(tree, list):
        return [leaf for inner in tree for leaf in leaves(inner)]
    return [tree]


def is_said(sample: Sample, said: list[object]) -> bool:
    if sample.value is None:
        return sample.status != 0
    if sample.signal == "observed":
        return any(isinstance(leaf, str) for leaf in said)
    if sample.signal == "parts":
        return any(str(leaf) == str(sample.value) or leaf == sample.value for leaf in said) or any(
            isinstance(leaf, str) and leaf.lstrip("-").isdigit() and int(leaf) == sample.value for leaf in said
        )
    return any(leaf == sample.value for leaf in said if leaf is not None)


def check(payload: bytes) -> None:
    """Open it: nothing is raised, and nothing comes out that did not go in."""
    found = opened(payload)
    stored = list(samples(found.slices))
    assert all(refusal.detail.encode() for refusal in found.refusals)
    if not stored:
        return
    said = leaves(json.loads(payload.decode(errors="replace")))
    for sample in stored:
        assert sample.machine in {MACHINE, "mill-2"}
        assert sample.signal in SIGNALS
        assert sample.stamp <= NOW + DAY
        assert not (isinstance(sample.value, float) and not math.isfinite(sample.value))
        assert is_said(sample, said), sample


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_opened_without_a_fault(payload: bytes) -> None:
    check(payload)


@settings(max_examples=EXAMPLES, deadline=None)
@given(trees)
def test_any_json_is_opened_without_a_fault(tree: Any) -> None:
    check(json.dumps(tree).encode())


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(likely_messages)
def test_any_message_is_opened_without_a_value_that_it_does_not_hold(message: dict[str, Any]) -> None:
    check(json.dumps(message).encode())


VALID = written(
    dataset({"feed": field(1.5), "program": field("P-1"), "item_state": field(3), "parts": field("12")}),
    {"DataSetWriterId": 2, "Timestamp": TIME, "Payload": {"feed": 2.5}},
)
cuts = st.integers(0, len(VALID))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(cuts, cuts, st.binary(max_size=3)), min_size=1, max_size=3))
def test_a_damaged_message_is_opened_without_a_value_that_it_does_not_hold(
    wounds: list[tuple[int, int, bytes]],
) -> None:
    payload = VALID
    for start, length, put in wounds:
        payload = payload[:start] + put + payload[start + length % 5 :]
    check(payload)


def test_half_of_a_surrogate_pair_is_no_text_and_leaves_none() -> None:
    payload = written(dataset({"feed": [1]}, DataSetWriterName="\ud800"))
    assert b"\\ud800" in payload
    assert reasons(opened(payload)) == [Reason.TRUNCATED]
