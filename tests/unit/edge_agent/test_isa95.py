"""Job orders and responses, read from the bytes that a server sends."""

from __future__ import annotations

import os
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.isa95 import INTERRUPTED, ORDER, ORDER_AND_STATE, RESPONSE, RUNNING, STATE, Job, read_job, read_state
from edge_agent.notifications import MalformedError, NodeIdentity, Structure

WORK_MASTER, START, PRIORITY, PARAMETERS = 1 << 1, 1 << 2, 1 << 4, 1 << 5
"""Bits of the fields of ISA95JobOrderDataType that are optional, in their order (OPC 10031-4, 6.3)."""
INT32, STRING = 6, 12


def text(value: str) -> bytes:
    data = value.encode()
    return pack("<i", len(data)) + data


def array(*members: bytes) -> bytes:
    return pack("<i", len(members)) + b"".join(members)


def parameter(identifier: str, kind: int, value: bytes) -> bytes:
    return pack("<I", 0) + text(identifier) + bytes([kind]) + value


def state(number: int, *path: str) -> bytes:
    steps = [bytes([0, 45]) + b"\x00\x01" + pack("<H", 1) + text(name) for name in path]
    return array(*steps) + b"\x02" + text("state") + pack("<I", number)


def order(mask: int, *fields: bytes) -> bytes:
    return pack("<I", mask) + text("J-7") + b"".join(fields)


def structure(number: int, body: bytes) -> Structure:
    return Structure(NodeIdentity(5, number), body)


MASTERS = array(pack("<I", 0) + text("O7007"), pack("<I", 0) + text("O7008"))
TOLD = array(parameter("RunsPlanned", INT32, pack("<i", 12)), parameter("OrderNumbers", STRING, text("PO-1")))
FULL = order(WORK_MASTER | START | PRIORITY | PARAMETERS, MASTERS, pack("<q", 1), pack("<h", 3), TOLD)
EXPECTED = Job("J-7", 0, ("O7007", "O7008"), {"RunsPlanned": 12, "OrderNumbers": "PO-1"})


def test_an_order_is_read_by_the_mask_of_the_fields_that_are_there() -> None:
    assert read_job(structure(ORDER, FULL)) == EXPECTED
    assert read_job(structure(ORDER, order(0))) == Job("J-7")


def test_a_member_of_the_list_has_its_state_whose_sub_states_do_not_count() -> None:
    states = array(state(1, "Interrupted", "Held"), state(INTERRUPTED, "Interrupted"))
    assert read_job(structure(ORDER_AND_STATE, FULL + states)) == EXPECTED._replace(state=INTERRUPTED)


def test_a_response_is_read_as_its_order() -> None:
    body = pack("<I", 1 << 3) + text("R-1") + text("J-7") + array(state(RUNNING)) + TOLD
    assert read_job(structure(RESPONSE, body)) == Job("J-7", RUNNING, (), EXPECTED.parameters)


def test_the_state_of_an_event_stands_alone() -> None:
    assert read_state((structure(STATE, state(RUNNING)),)) == RUNNING
    assert read_state(()) == 0


def test_another_type_is_no_job() -> None:
    with pytest.raises(MalformedError, match="no job order"):
        read_job(structure(STATE, state(RUNNING)))


@pytest.mark.parametrize("length", range(len(FULL)))
def test_an_order_that_breaks_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(MalformedError):
        read_job(structure(ORDER, FULL[:length]))


def test_parameters_that_hold_one_another_without_end_are_refused() -> None:
    subparameters = 1 << 2
    nested = parameter("P", INT32, pack("<i", 1))
    for _ in range(12):
        nested = pack("<I", subparameters) + text("P") + bytes([INT32]) + pack("<i", 1) + array(nested)
    with pytest.raises(MalformedError, match="nested"):
        read_job(structure(ORDER, order(PARAMETERS, array(nested))))


IS_LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"


@settings(max_examples=20_000 if IS_LONG else 200, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([ORDER, ORDER_AND_STATE, RESPONSE, STATE]))
def test_any_bytes_are_a_job_or_are_refused(body: bytes, number: int) -> None:
    try:
        found = read_job(structure(number, body))
    except MalformedError:
        return
    assert isinstance(found.identifier, str)
