"""What a message says, as slices ready to be stored or shown, and what of it has to be put aside.

One bad field never takes its neighbours with it. Nothing here waits, reads a clock or knows a store. The collector and
the live view both read with this, so that what is shown is what is stored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from shopfloor import signals
from shopfloor.periods import DAY, InvalidInstantError, parse_instant, parse_instants
from shopfloor.samples import BAD_OUT_OF_RANGE, NOTHING, Run, Slice
from shopfloor.wire import messages, topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shopfloor.samples import Value
    from shopfloor.signals import Signal
    from shopfloor.wire.messages import DataSetMessage, DataValue, PlainNetworkMessage, PlainValue, Registry, RowId
    from shopfloor.wire.topics import DataTopic

MESSAGE_BYTES_MAX = 1024 * 1024
"""A larger payload is put aside unread."""
FUTURE_NANOSECONDS_MAX = DAY
"""A stamp further ahead than this is put aside."""
_STATUS_MAX = 0xFFFF_FFFF
_BAD_OR_UNCERTAIN = 0xC000_0000


class Reason(StrEnum):
    """Why something was put aside, or not taken as a number."""

    TRUNCATED = "truncated"
    OVERSIZE = "oversize"
    WRONG_PUBLISHER = "wrong_publisher"
    UNKNOWN_PUBLISHER = "unknown_publisher"
    UNKNOWN_MACHINE = "unknown_machine"
    FOREIGN_MACHINE = "foreign_machine"
    """The registry gives the machine to another publisher: a mistake in a configuration, or a forgery."""
    UNKNOWN_SIGNAL = "unknown_signal"
    WRONG_TYPE = "wrong_type"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    FAR_FUTURE = "far_future"
    BAD_STATUS = "bad_status"
    NOT_A_NUMBER = "not_a_number"
    STORE_REFUSED = "store_refused"


REGISTRY_REASONS = frozenset(
    {Reason.UNKNOWN_PUBLISHER, Reason.UNKNOWN_MACHINE, Reason.FOREIGN_MACHINE, Reason.UNKNOWN_SIGNAL}
)
"""What a newer registry can heal."""


class Refusal(NamedTuple):
    """One thing that is not stored.

    Attributes:
        reason: why.
        machine: whose, empty when the message does not say.
        detail: one sentence with the place.
        samples: how many values it is about.
    """

    reason: Reason
    machine: str
    detail: str
    samples: int = 1


class Opened(NamedTuple):
    """What came out of one message.

    Attributes:
        publisher: by topic; empty when the topic is none of data.
        row: the spool row it is, None from a publisher that knows no acknowledgement.
        slices: what to store.
        refusals: what to put aside, with the whole message.
        not_numbers: machine of each NaN or infinity, which is stored as a quality without a value.
    """

    publisher: str
    row: RowId | None
    slices: list[Slice | Run]
    refusals: list[Refusal]
    not_numbers: list[str]


class _Machine(NamedTuple):
    name: str
    signals: Mapping[str, Signal]
    doubles: frozenset[str]


class Allowed:
    """What publishers may publish, from the registries heard so far."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, _Machine]] = {}
        self._by_id: dict[str, dict[int, _Machine]] = {}

    def replace(self, publisher: str, registry: Registry | None) -> list[str]:
        """Take a publisher's registry in place of the one before; None removes it.

        Returns:
            The signals it names that do not exist; they stay refused.
        """
        self._by_name.pop(publisher, None)
        self._by_id.pop(publisher, None)
        if registry is None:
            return []
        unknown: list[str] = []
        names, ids = self._by_name.setdefault(publisher, {}), self._by_id.setdefault(publisher, {})
        for entry in registry.machines:
            known: dict[str, Signal] = {}
            for name in entry.signals:
                try:
                    known[name] = signals.find(name)
                except signals.UnknownSignalError:
                    unknown.append(name)
            doubles = frozenset(name for name, signal in known.items() if signal.type == "Double")
            names[entry.machine] = _Machine(entry.machine, known, doubles)
            if entry.writer_id is not None:
                ids[entry.writer_id] = names[entry.machine]
        return unknown

    def owner(self, machine: object) -> str | None:
        """Return the publisher that a machine belongs to, by the machine's name; None when nobody has it."""
        return next((publisher for publisher, names in self._by_name.items() if machine in names), None)

    @property
    def publishers(self) -> list[str]:
        """Every publisher with a registry."""
        return list(self._by_name)

    def by_name(self, publisher: str, machine: str) -> _Machine | None:
        """Return a machine that a publisher may speak for, by its name."""
        return self._by_name.get(publisher, {}).get(machine)

    def find(self, publisher: str, message: DataSetMessage, topic_writer: str) -> _Machine | None:
        """Return the machine that a DataSetMessage speaks for, by writer name, id or topic; None if not allowed."""
        names = self._by_name.get(publisher, {})
        if message.DataSetWriterName is not None:
            return names.get(message.DataSetWriterName)
        writer = message.DataSetWriterId
        if isinstance(writer, int) and writer in self._by_id.get(publisher, {}):
            return self._by_id[publisher][writer]
        return names.get(writer) if isinstance(writer, str) else names.get(topic_writer)

    def knows(self, publisher: str) -> bool:
        """Tell whether the publisher has a registry."""
        return publisher in self._by_name


def open_message(topic: str, payload: bytes, allowed: Allowed, *, now: int) -> Opened:
    """Decode and validate one message. Never raises, whatever the bytes are.

    Args:
        topic: that it came on; its PublisherId is the one that the broker vouches for.
        payload: its bytes.
        allowed: who may publish what.
        now: the present.
    """
    try:
        where = topics.parse_data(topic)
    except ValueError as error:
        return _put_aside("", None, Reason.WRONG_PUBLISHER, str(error))
    if len(payload) > MESSAGE_BYTES_MAX:
        return _put_aside(where.publisher, None, Reason.OVERSIZE, f"{len(payload)} bytes, {MESSAGE_BYTES_MAX} allowed")
    plain = messages.decode_plain(payload)
    opened = _open_plain(where.publisher, plain, allowed, now + FUTURE_NANOSECONDS_MAX) if plain is not None else None
    return opened if opened is not None else _open_any(where, payload, allowed, now + FUTURE_NANOSECONDS_MAX)


def _open_any(where: DataTopic, payload: bytes, allowed: Allowed, latest: int) -> Opened:
    """Read a message field by field, with a reason for everything that is wrong."""
    try:
        message = messages.decode(payload)
    except messages.WireError as error:
        return _put_aside(where.publisher, None, Reason.TRUNCATED, str(error))
    row = messages.row_id(message.MessageId)
    if row is not None and row.publisher != where.publisher:
        row = None
    if message.PublisherId not in (None, where.publisher):
        detail = f"the payload names the publisher {message.PublisherId!r}, the topic {where.publisher!r}"
        return _put_aside(where.publisher, row, Reason.WRONG_PUBLISHER, detail)
    if not allowed.knows(where.publisher):
        detail = f"the publisher {where.publisher!r} is not registered: add it, then retry"
        return _put_aside(where.publisher, row, Reason.UNKNOWN_PUBLISHER, detail)
    reader = _Reader(latest)
    for each in message.Messages if isinstance(message.Messages, list) else [message.Messages]:
        machine = allowed.find(where.publisher, each, where.writer)
        fields = each.Payload or {}
        if machine is None:
            name = each.DataSetWriterName or each.DataSetWriterId or where.writer
            reader.refusals.append(_not_its_machine(where.publisher, name, allowed, len(fields)))
        else:
            reader.read(machine, fields, each.Timestamp)
    return Opened(where.publisher, row, reader.slices, reader.refusals, reader.not_numbers)


def _not_its_machine(publisher: str, name: str | int, allowed: Allowed, samples: int) -> Refusal:
    """Say why a publisher may not speak for a machine, and whose it is."""
    owner = allowed.owner(name)
    if owner is None:
        detail = f"{publisher!r} may not speak for the machine {name!r}: add it to its registry, then retry"
        return Refusal(Reason.UNKNOWN_MACHINE, "", detail, samples)
    detail = f"{publisher!r} speaks for the machine {name!r}, which is of {owner!r}: correct the one that is wrong"
    return Refusal(Reason.FOREIGN_MACHINE, str(name), detail, samples)


def _put_aside(publisher: str, row: RowId | None, reason: Reason, detail: str) -> Opened:
    return Opened(publisher, row, [], [Refusal(reason, "", detail[:300])], [])


def _open_plain(publisher: str, message: PlainNetworkMessage, allowed: Allowed, latest: int) -> Opened | None:
    """Take a message of finite Doubles with nothing wrong in it, quickly; None when it needs a closer look."""
    row = messages.row_id(message.MessageId)
    if message.PublisherId not in (None, publisher) or (row is not None and row.publisher != publisher):
        return None
    slices: list[Slice | Run] = []
    for each in message.Messages:
        machine = allowed.by_name(publisher, each.DataSetWriterName)
        fields = each.Payload
        if machine is None or not fields.keys() <= machine.doubles:
            return None
        try:
            if fields:
                slices.append(_plain(machine.name, fields, latest))
        except InvalidInstantError:
            return None
    return Opened(publisher, row, slices, [], [])


def _plain(machine: str, fields: dict[str, PlainValue], latest: int) -> Slice | Run:
    """Gather plain fields: of one stamp into a slice, of many into a run.

    Raises:
        InvalidInstantError: a stamp cannot be read, or lies too far ahead.
    """
    stamps = [item.SourceTimestamp for item in fields.values()]
    values = {name: item.Value for name, item in fields.items()}
    instants = [parse_instant(stamps[0])] if stamps.count(stamps[0]) == len(stamps) else parse_instants(stamps)
    if max(instants) > latest:
        raise InvalidInstantError("too far ahead")
    return Slice(machine, instants[0], values) if len(instants) == 1 else Run(machine, instants, values)


class _Reader:
    """Reads the fields of a message one by one, with a reason for everything that is wrong."""

    def __init__(self, latest: int) -> None:
        self.slices: list[Slice | Run] = []
        self.refusals: list[Refusal] = []
        self.not_numbers: list[str] = []
        self._latest = latest

    def read(self, machine: _Machine, fields: Mapping[str, Any], message_time: str | None) -> None:
        """Read the fields of one DataSetMessage."""
        for name, item in fields.items():
            self._read_field(machine, name, item, message_time)

    def _read_field(self, machine: _Machine, name: str, item: object, message_time: str | None) -> None:
        """Read one field: to a slice of its own, or a refusal."""
        field = item if isinstance(item, messages.DataValue) else messages.DataValue(item, message_time)
        signal = machine.signals.get(name)
        if signal is None:
            detail = f"{machine.name} may not publish {name[:80]!r}"
            self.refusals.append(Refusal(Reason.UNKNOWN_SIGNAL, machine.name, detail))
            return
        try:
            stamp = self._stamp(machine, name, field, message_time)
            value, status = self._value(machine, signal, field)
        except _RefusedError as error:
            self.refusals.append(Refusal(error.reason, machine.name, str(error)))
            return
        source = NOTHING
        if field.MachineTimestamp is not None:
            try:
                source = {name: parse_instant(field.MachineTimestamp)}
            except InvalidInstantError as error:
                self.refusals.append(Refusal(Reason.BAD_TIME, machine.name, f"{name}: {error}"))
                return
        self.slices.append(Slice(machine.name, stamp, {name: value}, {name: status} if status else NOTHING, source))

    def _stamp(self, machine: _Machine, name: str, field: DataValue, message_time: str | None) -> int:
        text = field.SourceTimestamp or field.ServerTimestamp or message_time
        if text is None:
            raise _RefusedError(Reason.NO_TIME, f"{machine.name} {name} has no time at all")
        try:
            stamp = parse_instant(text)
        except InvalidInstantError as error:
            raise _RefusedError(Reason.BAD_TIME, f"{machine.name} {name}: {str(error)[:120]}") from error
        if not 0 <= field.SourcePicoseconds <= _PICOSECONDS_MAX:
            raise _RefusedError(Reason.BAD_TIME, f"{machine.name} {name}: SourcePicoseconds {field.SourcePicoseconds}")
        stamp += field.SourcePicoseconds // 100
        if stamp > self._latest:
            raise _RefusedError(Reason.FAR_FUTURE, f"{machine.name} {name} is stamped {text}, more than a day ahead")
        return stamp

    def _value(self, machine: _Machine, signal: Signal, field: DataValue) -> tuple[Value | None, int]:
        status = _status(field.Status if field.Status is not None else field.StatusCode)
        if status is None:
            raise _RefusedError(Reason.BAD_STATUS, f"{machine.name} {signal.name}: status {str(field.Status)[:40]}")
        value = field.Value
        if isinstance(value, dict) and "Body" in value:  # a Variant as OPC 10000-6 1.04 wrote it
            value = value["Body"]
        if value is None and status & _BAD_OR_UNCERTAIN:
            return None, status
        try:
            return signal.accept(value), status
        except signals.NotANumberError:
            self.not_numbers.append(machine.name)
            return None, status if status & _BAD_OR_UNCERTAIN else BAD_OUT_OF_RANGE
        except signals.WrongTypeError as error:
            raise _RefusedError(Reason.WRONG_TYPE, f"{machine.name} {error}") from error


_PICOSECONDS_MAX = 9_999


class _RefusedError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _status(item: object) -> int | None:
    """Read a StatusCode: a number, or an object with `Code` (OPC 10000-6, 5.4.2.11); None when it is neither."""
    if item is None:
        return 0
    code = item.get("Code", 0) if isinstance(item, dict) else item
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= _STATUS_MAX:
        return code
    return None
