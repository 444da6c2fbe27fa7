"""The configuration of meters: read whole, checked whole, every mistake told at once with its line and its mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from edge_agent.config import Agent, Broker, BrokerConfig, Spool, SpoolConfig, _broker_mistakes
from edge_agent.document import ConfigError, Table, open_document
from edge_agent.meter_state import NOT_AVAILABLE, NOT_EXECUTING, ByContact, ByPower
from shopfloor.signals import UnknownSignalError, find, is_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_agent.document import Key, Problem
    from edge_agent.meter_state import StateRule
    from shopfloor.signals import Signal

RegisterType: TypeAlias = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bit"]
RegisterTable: TypeAlias = Literal["holding", "input", "coil", "discrete"]
SIGNALS_MAX = 64
"""Most registers of one meter; each is a request of its own."""
_REGISTERS: dict[RegisterType, int] = {
    "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4, "float32": 2, "float64": 4, "bit": 1,
}  # fmt: skip
"""Registers of 16 bits that a value fills."""
_ADDRESSES = 65_536
_BIT_TABLES = frozenset({"coil", "discrete"})
_NUMBERS = frozenset({"Double", "Int32", "UInt32", "Int64"})

_Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Watts: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]


class Register(Table, frozen=True):
    """One line of `[meter.signals]`: where a signal is found in the meter and how it is read."""

    address: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    type: RegisterType
    table: RegisterTable = "input"
    word_order: Literal["big", "little"] = "big"
    scale: float = 1.0
    unit: str = ""
    deadband: _Watts = 0.0


class State(Table, frozen=True):
    """The table `[meter.state]`: which signal tells the state, by thresholds of power or by a contact."""

    signal: _Text
    idle_from: _Watts | None = None
    processing_from: _Watts | None = None
    hysteresis: _Watts = 0.0
    open_is: Literal["idle", "off"] | None = None


class Meter(Table, frozen=True):
    """One table `[[meter]]`."""

    machine: str
    host: _Text
    signals: dict[str, Register]
    state: State
    port: _Port = 502
    unit_id: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    poll_milliseconds: Annotated[int, msgspec.Meta(ge=100, le=10_000)] = 1000


class _File(Table, frozen=True):
    agent: Agent
    broker: Broker
    meter: list[Meter]
    spool: Spool = Spool()


@dataclass(frozen=True, slots=True)
class MappedRegister:
    """A signal and its register."""

    signal: Signal
    register: Register

    @property
    def count(self) -> int:
        """How many registers, or bits, it fills."""
        return _REGISTERS[self.register.type]


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """One meter, checked.

    Attributes:
        machine: identifier of the equipment that it measures.
        host: name or address.
        port: TCP port.
        unit_id: Modbus unit identifier.
        poll_seconds: how often it is read.
        registers: what is read.
        state_signal: the signal that tells the state.
        state: thresholds or contact.
    """

    machine: str
    host: str
    port: int
    unit_id: int
    poll_seconds: float
    registers: tuple[MappedRegister, ...]
    state_signal: str
    state: State

    def rule(self) -> StateRule:
        """Make the rule that follows the state."""
        if self.state.idle_from is not None and self.state.processing_from is not None:
            return ByPower(self.state.idle_from, self.state.processing_from, self.state.hysteresis)
        return ByContact(NOT_AVAILABLE if self.state.open_is == "off" else NOT_EXECUTING)


@dataclass(frozen=True, slots=True)
class MetersConfig:
    """What a publisher of meters does."""

    publisher: str
    broker: BrokerConfig
    spool: SpoolConfig
    meters: tuple[MeterConfig, ...]


def load(path: Path) -> MetersConfig:
    """Read and check a configuration file. Paths in it are relative to it.

    Raises:
        ConfigError: with everything that is wrong.
    """
    found: list[Problem] = []
    document = open_document(path, found)
    file = None if document is None else document.build(_File, found)
    if document is not None and file is not None:
        found += [document.problem(key, what) for key, what in _mistakes(file, path.parent)]
    if found or file is None:
        raise ConfigError(sorted(set(found), key=lambda each: each.line))
    return _assemble(file, path.parent)


def _mistakes(file: _File, folder: Path) -> Iterator[tuple[Key, str]]:
    hint = "is no identifier: use lower-case letters, digits and inner hyphens"
    if not is_identifier(file.agent.id):
        yield ("agent", "id"), f"{file.agent.id!r} {hint}"
    yield from _broker_mistakes(file.broker, folder)
    if not file.meter:
        yield (), "there is no meter: add a table [[meter]]"
    seen: set[str] = set()
    for index, meter in enumerate(file.meter):
        key: Key = ("meter", index)
        if not is_identifier(meter.machine):
            yield (*key, "machine"), f"{meter.machine!r} {hint}"
        if meter.machine in seen:
            yield (*key, "machine"), f"{meter.machine!r} has a meter already: give each machine one"
        seen.add(meter.machine)
        if len(meter.signals) > SIGNALS_MAX:
            yield (*key, "signals"), f"{len(meter.signals)} signals, {SIGNALS_MAX} at most"
        for name, register in meter.signals.items():
            for what in _register_mistakes(name, register):
                yield (*key, "signals", name), what
        for field, what in _state_mistakes(meter):
            yield (*key, "state", *field), what


def _register_mistakes(name: str, register: Register) -> Iterator[str]:
    try:
        signal = find(name)
    except UnknownSignalError as error:
        yield str(error.args[0])
        return
    if signal.derived or name == "item_state":
        yield f"{name} is what the publisher itself says: take a measured signal"
    if register.unit != signal.unit:
        yield f'{name} is in {signal.unit or "no unit"}: write unit = "{signal.unit}" and the scale that leads to it'
    is_bit = register.type == "bit"
    if (signal.type == "Boolean") is not is_bit or (not is_bit and signal.type not in _NUMBERS):
        yield f"{name} is {signal.type}: a bit fills a Boolean, every other type a number"
    if is_bit is not (register.table in _BIT_TABLES):
        yield 'a bit is in the table "coil" or "discrete", a number in "holding" or "input"'
    if register.address + _REGISTERS[register.type] > _ADDRESSES:
        yield f"a {register.type} at {register.address} reaches beyond the last register"


def _state_mistakes(meter: Meter) -> Iterator[tuple[Key, str]]:
    state, register = meter.state, meter.signals.get(meter.state.signal)
    by_power = state.idle_from is not None and state.processing_from is not None
    if register is None:
        yield ("signal",), f"{state.signal!r} is not among the signals of this meter"
    if by_power is (state.open_is is not None):
        yield (), "give either idle_from and processing_from, for a power, or open_is, for a contact"
        return
    if register is not None and (register.type == "bit") is by_power:
        yield ("signal",), "thresholds need a number, open_is needs a bit"
    if state.idle_from is None or state.processing_from is None:
        return
    if not state.idle_from < state.processing_from:
        yield ("processing_from",), "must be above idle_from"
    if state.hysteresis >= min(state.idle_from, state.processing_from - state.idle_from):
        yield ("hysteresis",), "must be smaller than idle_from and than the distance of the two thresholds"


def _assemble(file: _File, folder: Path) -> MetersConfig:
    def path(name: str) -> Path | None:
        return folder / name if name else None

    broker = file.broker
    return MetersConfig(
        publisher=file.agent.id,
        broker=BrokerConfig(broker.host, broker.port, broker.username, path(broker.password_file), path(broker.ca),
                            path(broker.certificate), path(broker.key), broker.insecure),
        spool=SpoolConfig(folder / file.spool.path, file.spool.bytes_max, file.spool.age_days_max),
        meters=tuple(
            MeterConfig(each.machine, each.host, each.port, each.unit_id, each.poll_milliseconds / 1000,
                        tuple(MappedRegister(find(name), register) for name, register in each.signals.items()),
                        each.state.signal, each.state)
            for each in file.meter
        ),
    )  # fmt: skip
