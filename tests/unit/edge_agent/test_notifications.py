"""Publish responses, encoded as servers send them."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.notifications import MalformedError, NodeIdentity, Unsupported, decode
from shopfloor.periods import parse_instant

IS_LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
NOON_STAMP = parse_instant("2026-11-22T12:00:00.123456Z")


def response(*values: ua.DataValue, subscription: int = 7, sequence: int = 3) -> bytes:
    change = ua.DataChangeNotification()
    change.MonitoredItems = [
        ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in enumerate(values, 1)
    ]
    message = ua.PublishResponse()
    message.Parameters.SubscriptionId = subscription
    message.Parameters.AvailableSequenceNumbers = [1, 2, sequence]
    message.Parameters.NotificationMessage.SequenceNumber = sequence
    message.Parameters.NotificationMessage.NotificationData = [change] if values else []
    return bytes(struct_to_binary(message))


def data_value(value: object, kind: ua.VariantType, **more: Any) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, kind), SourceTimestamp=NOON, ServerTimestamp=NOON, **more)


def changes(*values: ua.DataValue) -> list[tuple[object, ...]]:
    return list(decode(response(*values)).changes)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, ua.VariantType.Boolean),
        (-5, ua.VariantType.SByte),
        (250, ua.VariantType.Byte),
        (-30000, ua.VariantType.Int16),
        (60000, ua.VariantType.UInt16),
        (-(2**31), ua.VariantType.Int32),
        (2**32 - 1, ua.VariantType.UInt32),
        (-(2**63), ua.VariantType.Int64),
        (2**64 - 1, ua.VariantType.UInt64),
        (0.5, ua.VariantType.Float),
        (1e300, ua.VariantType.Double),
        ("Fräsen", ua.VariantType.String),
    ],
)
def test_a_value_of_every_simple_type_is_read_with_both_times(value: object, kind: ua.VariantType) -> None:
    assert changes(data_value(value, kind)) == [(1, value, 0, NOON_STAMP, NOON_STAMP)]


def test_a_localized_text_is_its_text_and_a_node_id_its_identity() -> None:
    text = data_value(ua.LocalizedText("Executing", "en"), ua.VariantType.LocalizedText)
    node = data_value(ua.NodeId(5006, 4), ua.VariantType.NodeId)
    named = data_value(ua.NodeId("Spindle/1", 300), ua.VariantType.NodeId)
    found = changes(text, node, named)
    assert [each[1] for each in found] == ["Executing", NodeIdentity(4, 5006), NodeIdentity(300, "Spindle/1")]


def test_what_no_signal_can_hold_is_passed_over_and_its_neighbours_are_read() -> None:
    array = data_value([1.0, 2.0], ua.VariantType.Double)
    texts = data_value(["a", "b"], ua.VariantType.String)
    moment = data_value(NOON, ua.VariantType.DateTime)
    found = changes(array, texts, moment, data_value(4.5, ua.VariantType.Double))
    assert all(isinstance(each[1], Unsupported) for each in found[:3])
    assert found[3] == (4, 4.5, 0, NOON_STAMP, NOON_STAMP)


def test_a_bad_value_has_its_status_and_no_value() -> None:
    bad = ua.DataValue(ua.Variant(None, ua.VariantType.Null), ua.StatusCode(0x80310000), SourceTimestamp=NOON)
    assert changes(bad) == [(1, None, 0x80310000, NOON_STAMP, None)]


def test_a_value_without_times_has_none() -> None:
    assert changes(ua.DataValue(ua.Variant(1.5, ua.VariantType.Double))) == [(1, 1.5, 0, None, None)]


def test_the_overflow_bit_is_kept() -> None:
    assert changes(data_value(1.5, ua.VariantType.Double, StatusCode=ua.StatusCode(0x480)))[0][2] == 0x480


def test_ticks_of_100_nanoseconds_and_picoseconds_are_kept() -> None:
    ticks = struct.pack("<q", 116_444_736_000_000_000 + 17_000_000_000_000_001)
    item = struct.pack("<IBBd", 1, 0b10101, 11, 1.5) + ticks + struct.pack("<H", 4200)
    raw = struct.pack("<i", 1) + item + struct.pack("<i", -1)
    message = ua.PublishResponse()
    message.Parameters.NotificationMessage.NotificationData = [
        ua.ExtensionObject(TypeId=ua.FourByteNodeId(811), Body=raw)
    ]
    assert decode(bytes(struct_to_binary(message))).changes == [(1, 1.5, 0, 1_700_000_000_000_000_100 + 42, None)]


def test_a_keep_alive_carries_nothing() -> None:
    published = decode(response())
    assert (published.subscription, published.sequence, published.carries, published.changes) == (7, 3, False, [])


def test_a_service_fault_is_its_status() -> None:
    fault = ua.ServiceFault()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(0x80790000)
    assert decode(bytes(struct_to_binary(fault))).fault == 0x80790000


def test_the_end_of_a_subscription_is_told() -> None:
    message = ua.PublishResponse()
    message.Parameters.SubscriptionId = 7
    message.Parameters.NotificationMessage.NotificationData = [
        ua.StatusChangeNotification(Status=ua.StatusCode(0x800A0000))
    ]
    assert decode(bytes(struct_to_binary(message))).status == 0x800A0000


def test_a_message_that_breaks_off_anywhere_is_refused() -> None:
    whole = response(data_value(1.5, ua.VariantType.Double), data_value("abc", ua.VariantType.String))
    for length in range(len(whole)):
        with pytest.raises(MalformedError):
            decode(whole[:length])


@settings(max_examples=20_000 if IS_LONG else 100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_damage_is_refused_or_read_and_never_worse(noise: bytes, at: int) -> None:
    whole = response(data_value(1.5, ua.VariantType.Double), data_value("abc", ua.VariantType.String))
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    with suppress(MalformedError):
        decode(damaged)
