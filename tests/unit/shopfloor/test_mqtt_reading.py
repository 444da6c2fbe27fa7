"""What is read ahead of paho: whole messages are taken at once, everything else is left for paho."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopfloor.mqtt import _ReadAhead

if TYPE_CHECKING:
    from collections.abc import Sequence

PINGRESP = b"\xd0\x00"
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1, max_size=20)
MESSAGES = st.tuples(st.booleans(), TOPICS, st.integers(1, 65_535), st.binary(max_size=300))


class Pieces:
    """A socket that delivers a stream in pieces, and then nothing more."""

    def __init__(self, stream: bytes, cuts: Sequence[int]) -> None:
        bounds = [0, *sorted(cuts), len(stream)]
        self._pieces = [stream[a:b] for a, b in itertools.pairwise(bounds) if a < b]

    def recv(self, _: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def publish(retain: bool, topic: str, mid: int, payload: bytes, qos: int = 1) -> bytes:  # noqa: FBT001
    name = topic.encode()
    packet = len(name).to_bytes(2) + name + (mid.to_bytes(2) if qos else b"") + payload
    length = len(packet)
    rest = [length] if length < 128 else [length & 0x7F | 0x80, length >> 7]
    return bytes([0x30 | qos << 1 | retain, *rest]) + packet


def read_packet(connection: _ReadAhead) -> bytes:
    """Read one packet in small pieces, as paho does; nothing at the end of the stream."""

    def read(size: int) -> bytes:
        found = b""
        while len(found) < size and (piece := connection.recv(size - len(found))):
            found += piece
        return found

    packet = read(1)
    length = shift = 0
    while (packet and packet[-1] & 0x80) or len(packet) == 1:
        packet += read(1)
        length |= (packet[-1] & 0x7F) << shift
        shift += 7
    return packet + read(length)


@given(st.lists(MESSAGES | st.none(), max_size=8), st.lists(st.integers(0, 2_000), max_size=8))
def test_messages_come_out_whole_and_in_order_however_the_network_cuts_them(
    sent: list[tuple[bool, str, int, bytes] | None], cuts: list[int]
) -> None:
    packets = [publish(*each) if each else PINGRESP for each in sent]
    stream = b"".join(packets)
    connection = _ReadAhead(Pieces(stream, [min(cut, len(stream)) for cut in cuts]))  # type: ignore[arg-type]

    read: list[bytes] = []
    while True:
        read += (publish(each.retain, each.topic.decode(), each.mid, each.payload) for each in connection.publishes())
        packet = read_packet(connection)
        if not packet:
            break
        read.append(packet)

    assert read == packets


@pytest.mark.parametrize(
    "packet",
    [
        PINGRESP,
        publish(False, "t", 1, b"x", qos=0),  # noqa: FBT003
        publish(False, "t", 1, b"x", qos=2),  # noqa: FBT003
        b"\x32\x05\x00\x09abc",
        b"\x32\x04\x00\x00\x00\x01",
        b"\x32\xff\xff\xff\xff\x7f",
        b"\x32",
    ],
)
def test_what_is_no_whole_message_with_an_acknowledgement_is_left_for_paho(packet: bytes) -> None:
    connection = _ReadAhead(Pieces(PINGRESP + packet, [1]))  # type: ignore[arg-type]
    connection.recv(1)
    connection.recv(1)

    assert list(connection.publishes()) == []
    assert connection.recv(99) == packet
