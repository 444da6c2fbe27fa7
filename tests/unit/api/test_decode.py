from __future__ import annotations

import json
from typing import Any

import pytest

from api.live.decode import MESSAGE_BYTES_MAX, UnreadableError, Voice, hear, voice
from shopfloor.periods import DAY, SECOND
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE, Sample
from shopfloor.wire import messages, topics
from shopfloor.wire.messages import RegisteredMachine, Registry, RowId

NOW = 1_800_000_000 * SECOND
TEXT = "2027-01-15T08:00:00Z"
TOPIC = topics.data("edge", "record", "a")
VOICES = {"edge": voice(Registry("edge", [RegisteredMachine("a", ["program", "parts", "spindle_load"], writer_id=7)]))}


def message(payload: dict[str, Any], **more: Any) -> bytes:
    head = {"MessageId": "x", "MessageType": "ua-data", "PublisherId": "edge"}
    return json.dumps(head | {"Messages": [{"DataSetWriterName": "a", "Payload": payload} | more]}).encode()


def heard(payload: bytes, topic: str = TOPIC, voices: dict[str, Voice] = VOICES) -> list[Sample]:
    return hear(topic, payload, voices, now=NOW).samples


def test_what_an_agent_packs_is_read_back_exactly() -> None:
    samples = [
        Sample("a", "program", NOW + 1, "O4711"),
        Sample("a", "parts", NOW + 123_456_789, 2**53 + 1),
        Sample("a", "spindle_load", NOW, 12.5),
        Sample("a", "spindle_load", NOW + 7, None, BAD_NO_COMMUNICATION),
    ]
    (body,) = messages.pack(samples, publisher="edge", writer_group="record", writer_id=7)

    found = heard(messages.with_id(RowId("edge", "ab", 1), body.data))

    assert sorted(found, key=str) == sorted(samples, key=str)


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ({"Value": 1, "SourceTimestamp": TEXT}, 1.0, 0),
        ({"Value": {"Type": 11, "Body": 2.5}, "SourceTimestamp": TEXT}, 2.5, 0),
        ({"Value": "NaN", "SourceTimestamp": TEXT}, None, BAD_OUT_OF_RANGE),
        ({"Value": 3.0, "SourceTimestamp": TEXT, "Status": {"Code": 0x40000000}}, 3.0, 0x40000000),
        ({"Value": 3.0, "ServerTimestamp": TEXT, "StatusCode": 5}, 3.0, 5),
    ],
)
def test_fields_of_other_publishers_are_read(field: dict[str, Any], value: float | None, status: int) -> None:
    (sample,) = heard(message({"spindle_load": field}))

    assert (sample.value, sample.status, sample.stamp) == (value, status, NOW)


def test_a_raw_field_has_the_time_of_its_message() -> None:
    (sample,) = heard(message({"parts": 5}, Timestamp=TEXT))

    assert (sample.value, sample.stamp) == (5, NOW)


def test_a_writer_is_known_by_its_number_or_by_the_topic() -> None:
    by_number = message({"parts": 5}, Timestamp=TEXT, DataSetWriterName=None, DataSetWriterId=7)
    by_topic = message({"parts": 5}, Timestamp=TEXT, DataSetWriterName=None)

    assert [each.machine for each in (*heard(by_number, "opcua/json/data/edge"), *heard(by_topic))] == ["a", "a"]


@pytest.mark.parametrize(
    "field",
    [
        {"Value": 1},
        {"Value": "text", "SourceTimestamp": TEXT},
        {"Value": 1, "SourceTimestamp": "yesterday"},
        {"Value": 1, "SourceTimestamp": TEXT, "SourcePicoseconds": -1},
        {"Value": 1, "SourceTimestamp": TEXT, "Status": "Bad"},
        {"SourceTimestamp": TEXT},
    ],
)
def test_a_field_that_cannot_be_read_leaves_its_neighbours(field: dict[str, Any]) -> None:
    good = {"Value": 2.0, "SourceTimestamp": TEXT}

    found = hear(TOPIC, message({"spindle_load": field, "parts": good}), VOICES, now=NOW)

    assert [each.signal for each in found.samples] == ["parts"]
    assert found.refused == 1


def test_a_stamp_more_than_a_day_ahead_is_left_out() -> None:
    found = hear(TOPIC, message({"parts": 5}, Timestamp=TEXT), VOICES, now=NOW - DAY - 1)

    assert found == ([], 1)


@pytest.mark.parametrize("payload", [{"badge": 1}, {"no_such": 1}])
def test_a_signal_outside_of_the_registry_is_left_out(payload: dict[str, Any]) -> None:
    assert heard(message(payload, Timestamp=TEXT)) == []


def test_a_publisher_cannot_speak_for_a_machine_of_another_one() -> None:
    voices = VOICES | {"evil": voice(Registry("evil", [RegisteredMachine("z", ["parts"])]))}
    payload = message({"parts": 5}, Timestamp=TEXT).replace(b'"PublisherId": "edge", ', b"")

    assert heard(payload, topics.data("evil", "record", "a"), voices) == []


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("opcua/json/data", b"{}"),
        (TOPIC, b"{"),
        (TOPIC, b"\xff"),
        (TOPIC, b" " * (MESSAGE_BYTES_MAX + 1)),
        (topics.data("stranger", "record", "a"), message({}).replace(b'"PublisherId": "edge", ', b"")),
        (topics.data("other", "record", "a"), message({})),
    ],
)
def test_what_is_no_message_of_a_registered_publisher_is_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(UnreadableError):
        heard(payload, topic)
