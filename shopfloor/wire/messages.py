"""Messages as they travel: OPC 10000-14 1.05 JSON, and Officina's own acknowledgement and registry.

Written strictly (DataValue objects, 1.05 names); read generously: also RawData, a single DataSetMessage in place of the
array, and the Variants of 1.04.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from shopfloor import signals
from shopfloor.periods import SECOND, InvalidInstantError, format_instant, format_ticks, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Sample

NETWORK_MESSAGE_BYTES_MAX = 128_000
"""Largest NetworkMessage that an agent writes."""

STATUS_ERROR, STATUS_OPERATIONAL, STATUS_DISABLED = 3, 2, 0
"""PubSubState (OPC 10000-14, 6.2.1)."""


class WireError(ValueError):
    """The bytes are no message that can be read."""


class DataValue(msgspec.Struct, gc=False):
    """One field (OPC 10000-6, 5.4.2.18). A 1.04 Variant in `Value` is a mapping with `Body`."""

    Value: Any = None
    SourceTimestamp: str | None = None
    SourcePicoseconds: int = 0
    Status: Any = None
    MachineTimestamp: str | None = None
    StatusCode: Any = None
    ServerTimestamp: str | None = None


class DataSetMessage(msgspec.Struct, gc=False):
    """One set of fields of one machine (OPC 10000-14, 7.2.5.4)."""

    Payload: dict[str, DataValue | bool | int | float | str | None] | None = None
    DataSetWriterId: int | str | None = None
    DataSetWriterName: str | None = None
    Timestamp: str | None = None
    MessageType: str | None = None


class NetworkMessage(msgspec.Struct, gc=False):
    """One MQTT payload (OPC 10000-14, 7.2.5.3)."""

    MessageId: str
    MessageType: str
    Messages: list[DataSetMessage] | DataSetMessage
    PublisherId: str | None = None
    WriterGroupName: str | None = None
    IsHistorical: bool = False


class PlainValue(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The usual field: a number with its stamp and nothing else."""

    Value: float
    SourceTimestamp: str


class PlainDataSetMessage(msgspec.Struct, gc=False):
    """A DataSetMessage of nothing but usual fields."""

    Payload: dict[str, PlainValue]
    DataSetWriterName: str
    MessageType: str | None = None


class PlainNetworkMessage(msgspec.Struct, gc=False):
    """A NetworkMessage of nothing but usual fields, which is what most of them are: it is read faster."""

    MessageId: str
    MessageType: str
    Messages: list[PlainDataSetMessage]
    PublisherId: str | None = None


class RowId(NamedTuple):
    """What names a spool row on the wire: `<PublisherId>:<epoch>:<n>`."""

    publisher: str
    epoch: str
    n: int

    def encode(self) -> str:
        """Write it as a MessageId."""
        return f"{self.publisher}:{self.epoch}:{self.n}"


_ROW_ID = re.compile(r"([^:]{1,64}):([0-9a-f]{1,32}):([0-9]{1,18})")
_decode_network = msgspec.json.Decoder(NetworkMessage).decode
_decode_plain = msgspec.json.Decoder(PlainNetworkMessage).decode
_encode = msgspec.json.Encoder().encode


def decode(payload: bytes) -> NetworkMessage:
    """Read a `ua-data` NetworkMessage. A field that is none is read as a DataValue that nothing accepts.

    Raises:
        WireError: when the bytes are cut short, no JSON, of another shape or of another message type.
    """
    try:
        message = _decode_network(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = _decode_field_by_field(payload, error)
    if message.MessageType != "ua-data":
        raise WireError(f"MessageType is {message.MessageType[:40]!r}, not 'ua-data'")
    return message


def _decode_field_by_field(payload: bytes, refusal: Exception) -> NetworkMessage:
    """Read a message of which a field does not fit, or is the NaN or Infinity that JSON does not have."""
    try:
        tree = json.loads(payload.decode())
        json.dumps(tree, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        sets = tree["Messages"]
        for each in sets if isinstance(sets, list) else [sets]:
            if each.get("Payload") is not None:
                each["Payload"] = {name: _tamed(item) for name, item in each["Payload"].items()}
        return msgspec.convert(tree, NetworkMessage)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise WireError(str(refusal)) from refusal


def _tamed(item: Any) -> Any:
    """Give a field the shape of one; what does not fit becomes a text or number that is refused with its reason."""
    if isinstance(item, list):
        return {"Value": item}
    if not isinstance(item, dict):
        return item
    field = {name: item.get(name) for name in ("Value", "Status", "StatusCode")}
    for name in ("SourceTimestamp", "MachineTimestamp", "ServerTimestamp"):
        field[name] = None if item.get(name) is None else str(item[name])
    steps = item.get("SourcePicoseconds", 0)
    return {**field, "SourcePicoseconds": steps if type(steps) is int else -1}


def decode_plain(payload: bytes) -> PlainNetworkMessage | None:
    """Read a `ua-data` NetworkMessage of numbers with stamps; None when it holds anything else, or is none at all."""
    try:
        message = _decode_plain(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return message if message.MessageType == "ua-data" else None


def row_id(message_id: str) -> RowId | None:
    """Read the MessageId of an agent; None for a publisher that knows no acknowledgement."""
    match = _ROW_ID.fullmatch(message_id)
    return RowId(match[1], match[2], int(match[3])) if match else None


def pack(
    samples: Iterable[Sample], *, publisher: str, writer_group: str, writer_id: int, is_historical: bool = False
) -> Iterator[Body]:
    """Encode the samples of one machine and one class as NetworkMessages without their MessageId.

    Each DataSetMessage holds one value of each signal at most; the order per signal is kept. What was read from a
    server's history is marked with `IsHistorical`.

    Yields:
        Bodies of at most `NETWORK_MESSAGE_BYTES_MAX` bytes with the samples that they carry.
    """
    sets: list[list[Sample]] = []
    depth: dict[str, int] = {}
    for sample in samples:
        index = depth.get(sample.signal, 0)
        depth[sample.signal] = index + 1
        if index == len(sets):
            sets.append([])
        sets[index].append(sample)
    encoded = [part for each in sets for part in _encode_sets(each, writer_id)]
    mark = {"IsHistorical": True} if is_historical else {}
    head = _encode({"PublisherId": publisher, "WriterGroupName": writer_group, **mark})[1:-1]
    chunk: list[tuple[bytes, list[Sample]]] = []
    size = 0
    for part in encoded:
        if chunk and size + len(part[0]) > _PAYLOAD_BYTES_MAX:
            yield _body(head, chunk)
            chunk, size = [], 0
        chunk.append(part)
        size += len(part[0]) + 1
    if chunk:
        yield _body(head, chunk)


class Body(NamedTuple):
    """A NetworkMessage without its MessageId, and the samples in it."""

    data: bytes
    samples: Sequence[Sample]


_PAYLOAD_BYTES_MAX = NETWORK_MESSAGE_BYTES_MAX - 512  # head, MessageId and brackets


def _body(head: bytes, chunk: list[tuple[bytes, list[Sample]]]) -> Body:
    messages = b",".join(data for data, _ in chunk)
    data = b'"MessageType":"ua-data",' + head + b',"Messages":[' + messages + b"]}"
    return Body(data, [sample for _, samples in chunk for sample in samples])


def _encode_sets(samples: list[Sample], writer_id: int) -> Iterator[tuple[bytes, list[Sample]]]:
    """Encode one DataSetMessage, in halves where it is too large for one NetworkMessage."""
    message = {
        "DataSetWriterId": writer_id,
        "DataSetWriterName": samples[0].machine,
        "MessageType": "ua-deltaframe",
        "Payload": {sample.signal: _field(sample) for sample in samples},
    }
    data = _encode(message)
    if len(data) > _PAYLOAD_BYTES_MAX and len(samples) > 1:
        half = len(samples) // 2
        yield from _encode_sets(samples[:half], writer_id)
        yield from _encode_sets(samples[half:], writer_id)
    else:
        yield data, samples


def _field(sample: Sample) -> dict[str, object]:
    _, name, stamp, value, status, source = sample
    text, picoseconds = format_ticks(stamp)
    field: dict[str, object] = {"SourceTimestamp": text}
    if value is not None:
        kind = type(value)
        if kind is int and signals.find(name).type in _TEXT_ON_WIRE:
            value = _int_text(name, value)
        field["Value"] = value
    if picoseconds:
        field["SourcePicoseconds"] = picoseconds
    if status:
        field["Status"] = {"Code": status}
    if source is not None:
        field["MachineTimestamp"] = format_instant(source)
    return field


_TEXT_ON_WIRE = frozenset({"Int64", "DateTime"})


def _int_text(name: str, value: object) -> str:
    if signals.find(name).type == "DateTime" and isinstance(value, int):
        return format_instant(value)
    return str(value)


def with_id(row: RowId, body: bytes) -> bytes:
    """Complete a body from `pack` with the MessageId of its spool row."""
    return b'{"MessageId":"' + row.encode().encode() + b'",' + body


class Stored(msgspec.Struct):
    """What a collector has stored or quarantined: inclusive ranges of rows of one epoch."""

    epoch: str
    stored: list[tuple[int, int]]


_decode_stored = msgspec.json.Decoder(Stored).decode


def encode_stored(epoch: str, rows: Iterable[int]) -> bytes:
    """Write the acknowledgement of these rows, as ranges."""
    return _encode(Stored(epoch, ranges(rows)))


def decode_stored(payload: bytes) -> Stored:
    """Read an acknowledgement.

    Raises:
        WireError: when it is none.
    """
    try:
        return _decode_stored(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(str(error)) from error


class PutAside(msgspec.Struct, frozen=True):
    """Messages in quarantine that are alike.

    Attributes:
        publisher: whose.
        machine: by the topic, empty where that names none.
        reasons: names of the reasons, comma-separated.
        entries: how many messages.
        samples: how many values.
        first: when the first was put aside.
        last: when the last was.
    """

    publisher: str
    machine: str
    reasons: str
    entries: int
    samples: int
    first: int
    last: int


class QuarantineHeld(msgspec.Struct, frozen=True):
    """What one quarantine file holds.

    Attributes:
        timestamp: when this was so.
        lost: messages that had to go because the file is bounded.
        held: what is in it, what came last first.
    """

    timestamp: int
    lost: int
    held: list[PutAside]


_decode_quarantine = msgspec.json.Decoder(QuarantineHeld).decode


def encode_quarantine(held: QuarantineHeld) -> bytes:
    """Write what a quarantine file holds."""
    return _encode(held)


def decode_quarantine(payload: bytes) -> QuarantineHeld:
    """Read what a quarantine file holds.

    Raises:
        WireError: it says nothing of the kind.
    """
    try:
        return _decode_quarantine(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(str(error)) from error


def ranges(rows: Iterable[int]) -> list[tuple[int, int]]:
    """Gather row numbers into inclusive ranges, sorted."""
    found: list[tuple[int, int]] = []
    for n in sorted(set(rows)):
        if found and n == found[-1][1] + 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


class RegisteredMachine(msgspec.Struct, omit_defaults=True):
    """A machine that a publisher may speak for.

    Attributes:
        machine: its identifier, the DataSetWriterName.
        signals: the signals that it may publish.
        writer_id: the DataSetWriterId that third-party publishers use for it.
        until: newest stamp that the publisher may give, where another one speaks for the machine since; RFC 3339.
    """

    machine: str
    signals: list[str]
    writer_id: int | None = None
    until: str | None = None


class Registry(msgspec.Struct):
    """What one publisher may publish."""

    publisher: str
    machines: list[RegisteredMachine]


_decode_registry = msgspec.json.Decoder(Registry).decode


def encode_registry(registry: Registry) -> bytes:
    """Write the registry of one publisher."""
    return _encode(registry)


def decode_registry(payload: bytes) -> Registry:
    """Read the registry of one publisher.

    Raises:
        WireError: when it is none.
    """
    try:
        registry = _decode_registry(payload)
        for each in registry.machines:
            if each.until is not None:
                parse_instant(each.until)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidInstantError) as error:
        raise WireError(str(error)) from error
    return registry


def encode_status(publisher: str, status: int, *, now: int | None = None, next_report_seconds: int = 0) -> bytes:
    """Write `ua-status` (OPC 10000-14, 7.2.5.5.5).

    Args:
        publisher: whose status.
        status: PubSubState.
        now: present for a cyclic report; None for a last will, which has no time.
        next_report_seconds: when the next cyclic report is due; a reader takes a missed one as Error.
    """
    message: dict[str, object] = {
        "MessageId": f"{publisher}:status:{now or 0}",
        "MessageType": "ua-status",
        "PublisherId": publisher,
        "IsCyclic": now is not None,
        "Status": status,
    }
    if now is not None:
        message["Timestamp"] = format_instant(now)
        message["NextReportTime"] = format_instant(now + next_report_seconds * SECOND)
    return _encode(message)


def encode_metadata(
    publisher: str,
    writer_group: str,
    machine: str,
    writer_id: int,
    names: Sequence[str],
    *,
    version: int,
    now: int,
) -> bytes:
    """Write `ua-metadata` of one machine's signals of one class (OPC 10000-14, 7.2.5.5.2)."""
    fields = [_field_metadata(signals.find(name)) for name in names]
    return _encode(
        {
            "MessageId": f"{publisher}:metadata:{machine}:{writer_group}:{version}",
            "MessageType": "ua-metadata",
            "PublisherId": publisher,
            "DataSetWriterId": writer_id,
            "WriterGroupName": writer_group,
            "DataSetWriterName": machine,
            "Timestamp": format_instant(now),
            "MetaData": {
                "Name": machine,
                "Fields": fields,
                "ConfigurationVersion": {"MajorVersion": version, "MinorVersion": version},
            },
        },
    )


def _field_metadata(signal: signals.Signal) -> Mapping[str, object]:
    entry: dict[str, object] = {
        "Name": signal.name,
        "Description": {"Locale": "en", "Text": signal.label_en},
        "BuiltInType": signals.BUILT_IN_TYPES[signal.type],
        "DataType": f"i={signals.BUILT_IN_TYPES[signal.type]}",
        "ValueRank": -1,
    }
    if signal.unit:
        entry["Properties"] = [{"Key": {"Name": "EngineeringUnits"}, "Value": signal.unit}]
    return entry


def encode_connection(publisher: str, groups: Mapping[str, Sequence[tuple[int, str]]]) -> bytes:
    """Write `ua-connection` (OPC 10000-14, 7.2.5.5.6).

    Args:
        publisher: whose connection.
        groups: by writer group, the DataSetWriterId and name of each machine.
    """
    return _encode(
        {
            "MessageId": f"{publisher}:connection",
            "MessageType": "ua-connection",
            "PublisherId": publisher,
            "Connection": {
                "Name": publisher,
                "Enabled": True,
                "PublisherId": publisher,
                "TransportProfileUri": "http://opcfoundation.org/UA-Profile/Transport/pubsub-mqtt-json",
                "WriterGroups": [
                    {
                        "Name": group,
                        "Enabled": True,
                        "DataSetWriters": [
                            {"Name": name, "Enabled": True, "DataSetWriterId": number} for number, name in writers
                        ],
                    }
                    for group, writers in groups.items()
                ],
            },
        },
    )
