"""What a machine said: one value of one signal at one stamp.

The identity of a sample is (machine, signal, stamp). Writing it again overwrites it with itself, quality included.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from shopfloor.periods import DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

Value: TypeAlias = "bool | int | float | str"

GOOD = 0
"""OPC UA StatusCode Good (OPC 10000-4, 7.38)."""
BAD_NO_COMMUNICATION = 0x8031_0000
NO_COMMUNICATION = frozenset({BAD_NO_COMMUNICATION, 0x8005_0000})
"""BadNoCommunication and BadCommunicationError: what a gateway says of a machine that does not answer it."""
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


class Run(NamedTuple):
    """Good values of one machine, each at a stamp of its own: what most machines say, and cheaper than many slices.

    Attributes:
        machine: identifier of the machine.
        stamps: one for each value, in their order.
        values: by signal.
    """

    machine: str
    stamps: Sequence[int]
    values: Mapping[str, Value]

    def slices(self) -> Iterator[Slice]:
        """Open the run into slices of one value each."""
        for stamp, (signal, value) in zip(self.stamps, self.values.items(), strict=True):
            yield Slice(self.machine, stamp, {signal: value})


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


def days(each: Slice | Run) -> Collection[int]:
    """Return the UTC days that a slice or a run touches, as days since 1970-01-01."""
    if type(each) is Run:
        first, last = min(each.stamps) // DAY, max(each.stamps) // DAY
        return (first,) if first == last else {stamp // DAY for stamp in each.stamps}
    return (cast("Slice", each).stamp // DAY,)


def whole_slices(batch: Iterable[Slice | Run]) -> Iterator[Slice]:
    """Open the runs among slices, in order."""
    for each in batch:
        if type(each) is Run:
            yield from each.slices()
        else:
            yield cast("Slice", each)


def samples(batch: Iterable[Slice | Run]) -> Iterator[Sample]:
    """Open slices and runs into samples."""
    for machine, stamp, values, status, source in whole_slices(batch):
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
