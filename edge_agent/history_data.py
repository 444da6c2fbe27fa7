"""Reads answers to HistoryRead of raw values (OPC 10000-4, 5.10.3) with all digits of their times."""

from __future__ import annotations

from struct import error as StructError  # noqa: N812 - it is an exception class in lower case
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.notifications import MalformedError, Reader

if TYPE_CHECKING:
    from edge_agent.notifications import Scalar

_HISTORY_READ_RESPONSE, _HISTORY_DATA = 667, 658


class HistoryValue(NamedTuple):
    """One value that a server remembers.

    Attributes:
        raw: as the server holds it.
        status: StatusCode, 0 when Good.
        source: source time, None when absent.
    """

    raw: Scalar
    status: int
    source: int | None


class HistoryPage(NamedTuple):
    """One part of what a server remembers of one node.

    Attributes:
        status: StatusCode, of the service or of the node.
        values: in the server's order.
        point: continuation point, empty when there is no more.
    """

    status: int
    values: list[HistoryValue]
    point: bytes


def decode(body: bytes) -> HistoryPage:
    """Decode the body of a response to HistoryRead of one node.

    Args:
        body: from its type id on, without any header of the secure channel.

    Raises:
        MalformedError: saying where.
    """
    reader = Reader(body)
    try:
        kind = reader.node_identity()
        fault = reader.response_header()
        if fault >> 30:
            return HistoryPage(fault, [], b"")
        if kind != (0, _HISTORY_READ_RESPONSE) or reader.count() != 1:
            raise MalformedError(f"the answer to HistoryRead of one node has the type {kind} or not one result")
        status, point = reader.uint32(), reader.octets() or b""
        kind, end = reader.extension_object()
        values = _values(reader) if kind == (0, _HISTORY_DATA) and end > reader.at else []
    except (StructError, IndexError, UnicodeDecodeError) as error:
        raise MalformedError(f"the history response breaks off or is damaged at byte {reader.at}: {error}") from error
    return HistoryPage(status, values, point)


def _values(reader: Reader) -> list[HistoryValue]:
    found: list[HistoryValue] = []
    for _ in range(reader.count()):
        raw, status, source, _ = reader.data_value()
        found.append(HistoryValue(raw, status, source))
    return found
