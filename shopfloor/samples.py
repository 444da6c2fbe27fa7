"""What a machine said: one value of one signal at one stamp.

The identity of a sample is (machine, signal, stamp). Writing it again overwrites it with itself, quality included.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Value: TypeAlias = "bool | int | float | str"

GOOD = 0
"""OPC UA StatusCode Good (OPC 10000-4, 7.38)."""
BAD_NO_COMMUNICATION = 0x8031_0000
BAD_OUT_OF_RANGE = 0x803C_0000
UNCERTAIN = 0x4000_0000
OVERFLOW_BIT = 0x480
"""InfoType DataValue (bit 10) with the Overflow bit (bit 7): values were lost in the server's queue."""

NOTHING: Mapping[str, int] = MappingProxyType({})
"""No signal has a status or a source time of its own: the usual case, shared."""


class Reading(NamedTuple):
    """One value as a source delivered it, before its stamp is chosen.

    Attributes:
        signal: a name of the signal table.
        value: None when the status carries no value.
        status: OPC UA StatusCode, 0 when Good.
        source: source time, None when the server sent none.
        server: server time, None when the server sent none.
        received: the agent's own clock when the value arrived.
    """

    signal: str
    value: Value | None
    status: int
    source: int | None
    server: int | None
    received: int


class Sample(NamedTuple):
    """One stored value.

    Attributes:
        machine: identifier of the machine.
        signal: a name of the signal table.
        stamp: the instant that identifies the sample.
        value: None when the quality says that there is none.
        status: OPC UA StatusCode, 0 when Good.
        source: the machine's own time, only where it was not trusted and the stamp is the time of receipt.
    """

    machine: str
    signal: str
    stamp: int
    value: Value | None
    status: int = GOOD
    source: int | None = None


class Slice(NamedTuple):
    """The values of one machine at one stamp: the unit that travels and is written.

    Attributes:
        machine: identifier of the machine.
        stamp: the instant that all values share.
        values: by signal; None where the status carries no value.
        status: OPC UA StatusCodes of the signals that are not Good.
        source: the machine's own time of the signals whose stamp is the time of receipt.
    """

    machine: str
    stamp: int
    values: Mapping[str, Value | None]
    status: Mapping[str, int] = NOTHING
    source: Mapping[str, int] = NOTHING


class Minute(NamedTuple):
    """A gauge over one minute: what stays when its raw samples have expired.

    Attributes:
        machine: identifier of the machine.
        signal: a gauge of the signal table.
        stamp: start of the minute.
        n: number of Good samples in it.
        minimum: smallest of them.
        mean: arithmetic mean of them.
        maximum: largest of them.
    """

    machine: str
    signal: str
    stamp: int
    n: int
    minimum: float
    mean: float
    maximum: float


def quality(status: int) -> str:
    """Name the severity of an OPC UA StatusCode: `good`, `uncertain` or `bad` (OPC 10000-4, 7.38.1)."""
    return ("good", "uncertain", "bad", "bad")[status >> 30]


def samples(slices: Iterable[Slice]) -> Iterator[Sample]:
    """Open slices into samples."""
    for machine, stamp, values, status, source in slices:
        for signal, value in values.items():
            yield Sample(machine, signal, stamp, value, status.get(signal, GOOD), source.get(signal))


def slices(items: Iterable[Sample]) -> list[Slice]:
    """Gather samples into slices by machine and stamp, in order of first appearance. The last of one identity wins."""
    gathered: dict[tuple[str, int], tuple[dict[str, Value | None], dict[str, int], dict[str, int]]] = {}
    for machine, signal, stamp, value, status, source in items:
        values, statuses, sources = gathered.setdefault((machine, stamp), ({}, {}, {}))
        values[signal] = value
        statuses.pop(signal, None)
        sources.pop(signal, None)
        if status:
            statuses[signal] = status
        if source is not None:
            sources[signal] = source
    return [
        Slice(machine, stamp, values, statuses or NOTHING, sources or NOTHING)
        for (machine, stamp), (values, statuses, sources) in gathered.items()
    ]
