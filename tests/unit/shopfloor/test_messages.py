from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopfloor.periods import DAY, SECOND, format_instant
from shopfloor.samples import BAD_NO_COMMUNICATION, GOOD, UNCERTAIN, Sample, samples
from shopfloor.signals import SIGNALS, TEXT_MAX, find
from shopfloor.wire import messages, topics
from shopfloor.wire.messages import NETWORK_MESSAGE_BYTES_MAX, RowId, WireError
from shopfloor.wire.reading import Allowed, open_message

PUBLISHER, MACHINE = "site-a", "mill-1"
START = 1_760_000_000 * SECOND
NAMES = [*SIGNALS, "coolant_pressure.double", "good_parts.counter", "pallets.int64", "door_open.boolean", "note.string"]


def allowed() -> Allowed:
    known = Allowed()
    entry = messages.RegisteredMachine(MACHINE, NAMES)
    assert known.replace(PUBLISHER, messages.Registry(PUBLISHER, [entry])) == []
    return known


EVERYTHING = allowed()


def packed(items: list[Sample]) -> list[bytes]:
    bodies = messages.pack(items, publisher=PUBLISHER, writer_group="record", writer_id=1)
    return [messages.with_id(RowId(PUBLISHER, "ab" * 8, 10**17 + n), body.data) for n, body in enumerate(bodies)]


def opened(payloads: list[bytes]) -> list[Sample]:
    found: list[Sample] = []
    for payload in payloads:
        message = open_message(topics.data(PUBLISHER, "record", MACHINE), payload, EVERYTHING, now=START + DAY)
        assert message.refusals == []
        assert message.not_numbers == []
        found += samples(message.slices)
    return found


def value_of(name: str, size: int = 20) -> st.SearchStrategy[Any]:
    instants = st.integers(0, START)
    return {
        "Boolean": st.booleans(),
        "Int32": st.integers(-(2**31), 2**31 - 1),
        "UInt32": st.integers(0, 2**32 - 1),
        "Int64": st.integers(-(2**63), 2**63 - 1),
        "Double": st.floats(allow_nan=False, allow_infinity=False),
        "String": st.text(st.characters(codec="utf-8"), max_size=size),
        "DateTime": instants,
    }[find(name).type]


@st.composite
def any_sample(draw: st.DrawFn) -> Sample:
    name = draw(st.sampled_from(NAMES))
    status = draw(st.sampled_from([GOOD, GOOD, UNCERTAIN, BAD_NO_COMMUNICATION]))
    value = draw(value_of(name)) if status == GOOD else draw(st.none() | value_of(name))
    return Sample(MACHINE, name, draw(st.integers(0, START)), value, status, draw(st.none() | st.integers(0, START)))


@settings(max_examples=200)
@given(st.lists(any_sample(), max_size=30))
def test_what_is_packed_is_opened_to_the_nanosecond_with_quality_and_machine_time(items: list[Sample]) -> None:
    assert Counter(opened(packed(items))) == Counter(items)


@settings(max_examples=100)
@given(st.lists(any_sample(), max_size=30))
def test_the_order_of_each_signal_is_kept(items: list[Sample]) -> None:
    found = opened(packed(items))
    for name in {each.signal for each in items}:
        assert [each for each in found if each.signal == name] == [each for each in items if each.signal == name]


def test_ordinals_of_one_nanosecond_survive() -> None:
    items = [Sample(MACHINE, "parts", START + ordinal, ordinal) for ordinal in range(250)]
    assert opened(packed(items)) == items


def test_an_int64_and_a_datetime_travel_as_text() -> None:
    [payload] = packed([Sample(MACHINE, "parts", START, 2**63 - 1), Sample(MACHINE, "observed", START, 5)])
    fields = json.loads(payload)["Messages"][0]["Payload"]
    assert fields["parts"]["Value"] == str(2**63 - 1)
    assert fields["observed"]["Value"] == "1970-01-01T00:00:00.000000005Z"


def test_a_good_status_is_left_out_and_another_is_an_object_with_its_code() -> None:
    [payload] = packed(
        [Sample(MACHINE, "feed", START, 1.0), Sample(MACHINE, "power_watts", START, None, BAD_NO_COMMUNICATION)],
    )
    fields = json.loads(payload)["Messages"][0]["Payload"]
    assert fields["feed"] == {"SourceTimestamp": "2025-10-09T08:53:20.0000000Z", "Value": 1.0}
    assert fields["power_watts"]["Status"] == {"Code": BAD_NO_COMMUNICATION}
    assert "Value" not in fields["power_watts"]


def test_a_message_names_what_the_standard_says_in_its_1_05_words() -> None:
    [payload] = packed([Sample(MACHINE, "feed", START, 1.0)])
    message = json.loads(payload)
    assert list(message) == ["MessageId", "MessageType", "PublisherId", "WriterGroupName", "Messages"]
    assert message["MessageType"] == "ua-data"
    assert list(message["Messages"][0]) == ["DataSetWriterId", "DataSetWriterName", "MessageType", "Payload"]
    assert message["Messages"][0]["DataSetWriterId"] == 1


def test_a_message_never_exceeds_its_size_however_much_there_is_to_say() -> None:
    long = "\x01" * TEXT_MAX  # six bytes each, the most that a character takes
    items = [
        Sample(MACHINE, name, START + n, long)
        for n in range(60)
        for name in ("program", "job", "order", "alarm", "badge", "note.string")
    ]
    items += [Sample(MACHINE, "power_watts", START + n, float(n)) for n in range(4000)]
    payloads = packed(items)
    assert max(map(len, payloads)) <= NETWORK_MESSAGE_BYTES_MAX
    assert sum(map(len, payloads)) / len(payloads) > NETWORK_MESSAGE_BYTES_MAX / 2
    assert sorted(opened(payloads)) == sorted(items)


@settings(max_examples=20)
@given(st.lists(st.integers(0, TEXT_MAX), min_size=20, max_size=80), st.sampled_from(["a", "é", "\x02", "💡", '"']))
def test_no_mix_of_text_lengths_makes_a_message_too_large(lengths: list[int], letter: str) -> None:
    items = [
        Sample(MACHINE, ("program", "job", "alarm")[n % 3], START + n, letter * size) for n, size in enumerate(lengths)
    ]
    payloads = packed(items)
    assert max(map(len, payloads)) <= NETWORK_MESSAGE_BYTES_MAX
    assert Counter(opened(payloads)) == Counter(items)


def test_each_body_says_which_samples_it_carries() -> None:
    items = [Sample(MACHINE, "alarm", START + n, "x" * TEXT_MAX) for n in range(100)]
    bodies = list(messages.pack(items, publisher=PUBLISHER, writer_group="record", writer_id=1))
    assert len(bodies) > 1
    for n, body in enumerate(bodies):
        assert opened([messages.with_id(RowId(PUBLISHER, "ab", n), body.data)]) == list(body.samples)


def test_nothing_to_say_is_no_message() -> None:
    assert packed([]) == []


# What others write is read generously.


def read(dataset: dict[str, Any], **head: Any) -> list[Sample]:
    message = {"MessageId": "m1", "MessageType": "ua-data", "PublisherId": PUBLISHER, "Messages": [dataset]} | head
    return opened([json.dumps(message).encode()])


TIME = format_instant(START)


def test_a_variant_of_1_04_is_read() -> None:
    field = {"Value": {"Type": 11, "Body": 1.5}, "SourceTimestamp": TIME}
    dataset = {"DataSetWriterId": MACHINE, "Payload": {"feed": field}}
    assert read(dataset) == [Sample(MACHINE, "feed", START, 1.5)]


def test_raw_data_takes_the_time_of_its_message() -> None:
    dataset = {"DataSetWriterName": MACHINE, "Timestamp": TIME, "Payload": {"feed": 1.5, "item_state": 3, "job": "J"}}
    assert read(dataset) == [
        Sample(MACHINE, "feed", START, 1.5),
        Sample(MACHINE, "item_state", START, 3),
        Sample(MACHINE, "job", START, "J"),
    ]


def test_a_single_dataset_message_stands_in_place_of_the_array() -> None:
    dataset = {"DataSetWriterName": MACHINE, "Timestamp": TIME, "Payload": {"feed": 1.5}}
    assert read({}, Messages=dataset) == [Sample(MACHINE, "feed", START, 1.5)]


def test_a_status_may_be_a_bare_number_and_a_time_the_servers() -> None:
    field = {"Value": 1.5, "StatusCode": UNCERTAIN, "ServerTimestamp": TIME}
    dataset = {"DataSetWriterName": MACHINE, "Payload": {"feed": field}}
    assert read(dataset) == [Sample(MACHINE, "feed", START, 1.5, UNCERTAIN)]


def test_a_field_has_its_own_time_before_the_servers_and_the_messages() -> None:
    field = {"Value": 1.5, "SourceTimestamp": TIME, "ServerTimestamp": "2000-01-01T00:00:00Z"}
    dataset = {"DataSetWriterName": MACHINE, "Timestamp": "2001-01-01T00:00:00Z", "Payload": {"feed": field}}
    assert read(dataset) == [Sample(MACHINE, "feed", START, 1.5)]


def test_a_keep_alive_says_nothing() -> None:
    assert read({"DataSetWriterName": MACHINE, "MessageType": "ua-keepalive"}) == []


def test_the_topic_names_the_writer_when_the_message_does_not() -> None:
    assert read({"Timestamp": TIME, "Payload": {"feed": 1.5}}) == [Sample(MACHINE, "feed", START, 1.5)]


@pytest.mark.parametrize("payload", [b"", b"\xff", b"null", b"[]", b"{}", b'{"MessageId":"1","MessageType":"ua-data"',
                                     b'{"MessageId":"1","MessageType":"ua-status","Messages":[]}'])  # fmt: skip
def test_bytes_that_are_no_data_message_are_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        messages.decode(payload)


# Rows and acknowledgements.


@given(st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True), st.binary(min_size=8, max_size=8), st.integers(0, 10**18 - 1))
def test_a_row_number_survives_being_written_and_read(publisher: str, epoch: bytes, n: int) -> None:
    row = RowId(publisher, epoch.hex(), n)
    assert messages.row_id(row.encode()) == row


@pytest.mark.parametrize("text", ["", "a", "a:b", "a:12", "a:xyz:1", "a:ab:-1", "a:ab:1:2", ":ab:1", "a:ab:1\n",
                                  "a:ab:" + "1" * 19, "a:ab:\u0661"])  # fmt: skip
def test_the_message_id_of_others_is_no_row(text: str) -> None:
    assert messages.row_id(text) is None


@given(st.lists(st.integers(0, 300)))
def test_ranges_name_exactly_the_rows(rows: list[int]) -> None:
    found = messages.decode_stored(messages.encode_stored("ab", rows))
    assert found.epoch == "ab"
    assert [n for first, last in found.stored for n in range(first, last + 1)] == sorted(set(rows))
    assert all(one[1] + 1 < other[0] for one, other in zip(found.stored, found.stored[1:], strict=False))


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"epoch":1,"stored":[]}', b'{"epoch":"a","stored":[[1]]}', b"\xff"])
def test_what_is_no_acknowledgement_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        messages.decode_stored(payload)


def test_a_registry_survives_being_written_and_read() -> None:
    registry = messages.Registry(
        PUBLISHER,
        [messages.RegisteredMachine("mill-1", ["feed"]), messages.RegisteredMachine("mill-2", [], writer_id=7)],
    )
    assert messages.decode_registry(messages.encode_registry(registry)) == registry
    with pytest.raises(WireError):
        messages.decode_registry(b'{"publisher": 1}')


# What is retained.


def test_the_last_will_says_error_and_has_no_time() -> None:
    will = json.loads(messages.encode_status(PUBLISHER, messages.STATUS_ERROR))
    assert will["MessageType"] == "ua-status"
    assert will["IsCyclic"] is False
    assert will["Status"] == 3
    assert not {"Timestamp", "NextReportTime"} & set(will)


def test_a_cyclic_status_says_when_the_next_one_is_due() -> None:
    payload = messages.encode_status(PUBLISHER, messages.STATUS_OPERATIONAL, now=START, next_report_seconds=60)
    status = json.loads(payload)
    assert status["IsCyclic"] is True
    assert status["Status"] == 2
    assert status["Timestamp"] == format_instant(START)
    assert status["NextReportTime"] == format_instant(START + 60 * SECOND)


def test_metadata_names_type_and_unit_of_every_field() -> None:
    names = ["power_watts", "parts", "door_open.boolean"]
    payload = messages.encode_metadata(PUBLISHER, "gauge", MACHINE, 4, names, version=9, now=START)
    metadata = json.loads(payload)
    assert metadata["MessageType"] == "ua-metadata"
    assert (metadata["DataSetWriterId"], metadata["DataSetWriterName"]) == (4, MACHINE)
    fields = metadata["MetaData"]["Fields"]
    assert [(each["Name"], each["BuiltInType"]) for each in fields] == [
        ("power_watts", 11),
        ("parts", 8),
        ("door_open.boolean", 1),
    ]
    assert fields[0]["Properties"] == [{"Key": {"Name": "EngineeringUnits"}, "Value": "W"}]
    assert metadata["MetaData"]["ConfigurationVersion"] == {"MajorVersion": 9, "MinorVersion": 9}


def test_the_connection_lists_groups_and_writers() -> None:
    connection = json.loads(messages.encode_connection(PUBLISHER, {"record": [(1, MACHINE)], "gauge": []}))
    assert connection["MessageType"] == "ua-connection"
    groups = connection["Connection"]["WriterGroups"]
    assert [group["Name"] for group in groups] == ["record", "gauge"]
    assert groups[0]["DataSetWriters"] == [{"Name": MACHINE, "Enabled": True, "DataSetWriterId": 1}]


# Topics.


def test_a_data_topic_is_read_as_it_is_written() -> None:
    assert topics.parse_data(topics.data("p", "record", "m")) == ("p", "record", "m")


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("opcua/json/data/p", ("p", "", "")),
        ("opcua/json/data/p/g", ("p", "g", "")),
        ("opcua/json/data/p/g/w/more", ("p", "g", "w")),
    ],
)
def test_a_data_topic_may_stop_at_its_publisher(topic: str, expected: tuple[str, str, str]) -> None:
    assert topics.parse_data(topic) == expected


@pytest.mark.parametrize(
    "topic", ["", "opcua/json/data", "opcua/json/data/", "opcua/json/status/p", "x/opcua/json/data/p"]
)
def test_another_topic_is_no_data_topic(topic: str) -> None:
    with pytest.raises(ValueError, match="no data topic"):
        topics.parse_data(topic)
