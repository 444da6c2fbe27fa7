"""From the payload of a message to samples, of those machines and signals alone that its publisher may speak for.

What cannot be read is left out here: putting it aside, with a reason, is the collector's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from shopfloor.periods import DAY, InvalidInstantError, parse_instant
from shopfloor.samples import BAD_OUT_OF_RANGE, Sample
from shopfloor.signals import NotANumberError, Signal, WrongTypeError, find
from shopfloor.wire import messages, topics
from shopfloor.wire.messages import DataSetMessage, DataValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shopfloor.wire.messages import Registry

MESSAGE_BYTES_MAX = 1024 * 1024
"""A larger payload is left out unread."""
FUTURE_NANOSECONDS_MAX = DAY
"""A stamp further ahead than this is left out."""

_STATUS_MAX = 0xFFFF_FFFF
_BAD_OR_UNCERTAIN = 0xC000_0000
_PICOSECONDS_MAX = 9_999
_PICOSECONDS_PER_NANOSECOND = 100  # SourcePicoseconds counts steps of 10 ps (OPC 10000-6, 5.2.2.17)


class UnreadableError(ValueError):
    """Nothing of the message can be read; the sentence says why."""


class Voice(NamedTuple):
    """What one publisher may say.

    Attributes:
        machines: by machine, the signals by their names.
        writers: machine by DataSetWriterId, for publishers that give no names.
    """

    machines: Mapping[str, Mapping[str, Signal]]
    writers: Mapping[int, str]


class Heard(NamedTuple):
    """What a message said.

    Attributes:
        samples: what its publisher may say and what can be read, in order.
        refused: number of fields that were neither.
    """

    samples: list[Sample]
    refused: int


def voice(registry: Registry) -> Voice:
    """Prepare the registry of one publisher for looking things up."""
    return Voice(
        {each.machine: {name: find(name) for name in each.signals} for each in registry.machines},
        {each.writer_id: each.machine for each in registry.machines if each.writer_id is not None},
    )


def hear(topic: str, payload: bytes, voices: Mapping[str, Voice], *, now: int) -> Heard:
    """Read the samples of one message.

    Args:
        topic: that it came on; its PublisherId is the one that the broker vouches for.
        payload: its bytes.
        voices: what each publisher may say.
        now: the present.

    Raises:
        UnreadableError: when it is no message, too large, or of a publisher that is not registered.
    """
    try:
        where = topics.parse_data(topic)
        if len(payload) > MESSAGE_BYTES_MAX:
            raise UnreadableError("the message is too large")
        message = messages.decode(payload)
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    speaker = voices.get(where.publisher)
    if speaker is None or message.PublisherId not in {None, where.publisher}:
        raise UnreadableError(f"{where.publisher!r} is not registered, or the message names another publisher")
    latest = now + FUTURE_NANOSECONDS_MAX
    samples: list[Sample] = []
    refused = 0
    for each in message.Messages if isinstance(message.Messages, list) else [message.Messages]:
        payload_fields = each.Payload or {}
        machine = _machine(each, where.writer, speaker)
        allowed = speaker.machines.get(machine, _NOTHING)
        for name, field in payload_fields.items():
            signal = allowed.get(name)
            sample = None if signal is None else _sample(machine, signal, field, each.Timestamp)
            if sample is None or sample.stamp > latest:
                refused += 1
            else:
                samples.append(sample)
    return Heard(samples, refused)


_NOTHING: Mapping[str, Signal] = {}


def _machine(message: DataSetMessage, topic_writer: str, speaker: Voice) -> str:
    if message.DataSetWriterName is not None:
        return message.DataSetWriterName
    if isinstance(message.DataSetWriterId, int):
        return speaker.writers.get(message.DataSetWriterId, topic_writer)
    return message.DataSetWriterId or topic_writer


def _sample(machine: str, signal: Signal, field: Any, message_time: str | None) -> Sample | None:
    """Read one field: a DataValue, or a raw value that has the time of its message; None when it cannot be read."""
    if type(field) is not DataValue:
        field = DataValue(field)
    text = field.SourceTimestamp or field.ServerTimestamp or message_time
    status = _status(field)
    if text is None or status is None or not 0 <= field.SourcePicoseconds <= _PICOSECONDS_MAX:
        return None
    value = field.Value
    if type(value) is dict and "Body" in value:
        value = value["Body"]  # a Variant as OPC 10000-6 1.04 wrote it
    try:
        stamp = parse_instant(text) + field.SourcePicoseconds // _PICOSECONDS_PER_NANOSECOND
        if value is None and status & _BAD_OR_UNCERTAIN:
            return Sample(machine, signal.name, stamp, None, status)
        return Sample(machine, signal.name, stamp, signal.accept(value), status)
    except NotANumberError:
        return Sample(machine, signal.name, stamp, None, status if status & _BAD_OR_UNCERTAIN else BAD_OUT_OF_RANGE)
    except (InvalidInstantError, WrongTypeError):
        return None


def _status(field: DataValue) -> int | None:
    """Read a StatusCode: a number, or an object with `Code` (OPC 10000-6, 5.4.2.11); None when it is neither."""
    item = field.Status if field.Status is not None else field.StatusCode
    if item is None:
        return 0
    code = item.get("Code", 0) if isinstance(item, dict) else item
    return code if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= _STATUS_MAX else None
