"""Whatever a server answers or tells: it is understood or refused, and nothing is told that it did not say."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config import MachineConfig
from edge_agent.events import EventTypes, Kind, selection
from edge_agent.history_data import HistoryPage, HistoryValue, decode
from edge_agent.listen import Listener
from edge_agent.nodemap import NAMESPACES
from edge_agent.notifications import (
    Change,
    EventFields,
    MalformedError,
    NodeIdentity,
    Structure,
    Structures,
    Unsupported,
)
from edge_agent.refill import Filling, Remembered
from edge_agent.stamps import stamp
from edge_agent.watched import WatchedMachine
from shopfloor.entries import Alarm, decode_all
from shopfloor.periods import SECOND, Period
from shopfloor.signals import SIGNALS, TEXT_MAX
from shopfloor.wire.messages import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.notifications import Field
    from shopfloor.samples import Reading, Sample

IS_LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
MANY = settings(max_examples=2_000 if IS_LONG else 150, deadline=None)
NOW = 1_795_000_000 * SECOND
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
SPAN = Period(NOW, NOW + 60 * SECOND)
TABLE = ["http://opcfoundation.org/UA/", *NAMESPACES.values()]
TYPES = {NodeIdentity(0, 50_000 + number): kind for number, kind in enumerate(Kind)}
INTERRUPTION = NodeIdentity(0, 60_000)
SELECTED = selection(TABLE)

whole = st.integers(-(2**63), 2**64 - 1)
nodes = st.builds(NodeIdentity, st.integers(0, 65_535), st.integers(0, 2**32 - 1) | st.text(max_size=8) | st.binary())
structures = st.builds(Structure, nodes, st.binary(max_size=60))
fields: st.SearchStrategy[Field] = st.recursive(
    st.none() | st.booleans() | whole | st.floats() | st.text(max_size=300) | st.binary(max_size=40) | nodes
    | structures | st.just(UUID(int=7)) | st.builds(Unsupported, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=5,
)  # fmt: skip


def listener() -> tuple[Listener, WatchedMachine]:
    """A listener that has subscribed to everything at a server without any signal of its own."""
    machine = WatchedMachine(
        MachineConfig("mill", "", "", 60.0, 100, 10, repeats=False, namespaces={}, nodes={}), "opc.tcp://h:4840", None
    )
    made = Listener(machine, count(1).__next__, lambda: None)
    made._types, made._selected, made._events = EventTypes(TYPES, frozenset({INTERRUPTION})), SELECTED, {1}
    made._lists = {2: "orders", 3: "responses"}
    made.hears_conditions = True
    machine.alarms.begin()
    return made, machine


def can_be_sent(readings: Sequence[Reading]) -> None:
    """Every reading is of a known signal and its type, and becomes a message."""
    samples, _ = stamp("mill", readings, {}, trusted=True)
    for each in samples:
        signal = SIGNALS[each.signal]
        assert each.value is None or isinstance(each.value, str | bool | int | float), each
        if isinstance(each.value, str):
            assert signal.type == "String", each
            assert len(each.value) <= TEXT_MAX
    for each in samples:
        assert list(pack([each], publisher="site", writer_group="record", writer_id=1))


def event(kind: NodeIdentity, values: dict[str, Field]) -> EventFields:
    told: dict[str, Field] = {"event_type": kind} | values
    return EventFields(1, tuple(told.get(each.name) for each in SELECTED))


@MANY
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*TYPES, INTERRUPTION]),
            st.dictionaries(st.sampled_from([each.name for each in SELECTED if each.name != "event_type"]), fields),
        ),
        max_size=5,
    )
)
def test_events_with_any_fields_end_nothing_and_become_values_that_can_be_sent(
    told: list[tuple[NodeIdentity, dict[str, Field]]],
) -> None:
    it, machine = listener()
    readings = [reading for kind, values in told for reading in it.heard(event(kind, values), NOW, NOW)]
    readings += it.complete(NOW, NOW)
    can_be_sent(readings)
    [alarms] = [each.value for each in readings if each.signal == "alarms"][-1:]
    found, more = decode_all(Alarm, str(alarms))
    said = {value for _, values in told for value in values.values() if isinstance(value, str)}
    assert not more
    assert {each.text for each in found} <= {"", *said}, "a text that nobody said"
    assert {each.code for each in found} <= {"", *said}, "a code that nobody said"
    assert machine.alarms.is_complete


@MANY
@given(st.lists(st.tuples(st.sampled_from([2, 3, 4]), st.lists(structures, max_size=3), whole, st.none() | whole)))
def test_lists_of_jobs_with_any_bytes_are_read_or_refused(
    told: list[tuple[int, list[Structure], int, int | None]],
) -> None:
    it, machine = listener()
    readings: list[Reading] = []
    for handle, members, status, source in told:
        change: Change = (handle, Structures(tuple(members)), status & 0xFFFFFFFF, source, None)
        readings += it.changed(change, NOW)
    assert machine.health.wrong_values <= len(told)
    assert {each.signal for each in readings} <= SIGNALS.keys()


def answer(*values: ua.DataValue, point: bytes | None = None) -> bytes:
    result = ua.HistoryReadResult()
    result.ContinuationPoint = point
    result.HistoryData = ua.HistoryData(DataValues=list(values))
    message = ua.HistoryReadResponse()
    message.Results = [result]
    return bytes(struct_to_binary(message))


def data_value(value: object, kind: ua.VariantType, **more: Any) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, kind), SourceTimestamp=NOON, **more)


REMEMBERED = answer(data_value(1.5, ua.VariantType.Double), data_value("abc", ua.VariantType.String), point=b"more")


def test_a_page_of_history_is_read_with_its_continuation_point() -> None:
    page = decode(REMEMBERED)
    source = page.values[0].source
    assert page == HistoryPage(0, [HistoryValue(1.5, 0, source), HistoryValue("abc", 0, source)], b"more")


def test_a_page_of_history_that_breaks_off_anywhere_is_refused() -> None:
    for length in range(len(REMEMBERED) - 4):  # the last four are the diagnostics, which nobody reads
        with pytest.raises(MalformedError):
            decode(REMEMBERED[:length])


@MANY
@given(st.binary(max_size=200), st.integers(0, len(REMEMBERED)))
def test_a_damaged_page_of_history_is_refused_or_read_and_never_worse(noise: bytes, at: int) -> None:
    with suppress(MalformedError):
        page = decode(REMEMBERED[:at] + noise + REMEMBERED[at + len(noise) :])
        assert len(page.values) <= len(REMEMBERED) + len(noise)


@MANY
@given(st.lists(st.lists(st.builds(
    Remembered,
    st.none() | whole | st.integers(SPAN.start - 2, SPAN.start + 5) | st.integers(SPAN.end - 5, SPAN.end + 2),
    st.none() | st.floats(allow_nan=False), st.integers(0, 2**32 - 1),
), max_size=8), max_size=4))  # fmt: skip
def test_history_in_any_order_fills_strictly_inside_going_forward_and_with_what_was_said(
    pages: list[list[Remembered]],
) -> None:
    filling = Filling("mill", "feed_override", SPAN)
    samples: list[Sample] = []
    for page in pages:
        samples += filling.samples(page)
        filling.again()
    assert all(SPAN.start < each.stamp < SPAN.end + len(samples) for each in samples)
    assert all(before.stamp < after.stamp for before, after in pairwise(samples)), "doubled, or back in time"
    said = {(value, stamp) for page in pages for stamp, value, _ in page if stamp is not None}
    for each in samples:
        assert any((each.value, each.stamp - ordinal) in said for ordinal in range(len(samples))), "invented"
