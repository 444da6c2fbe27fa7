"""Messages for the benchmarks: what agents would send, made once, so that making them is not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.periods import SECOND
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from shopfloor.wire import messages, topics

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLISHER = "bench"
SIGNALS = tuple(f"gauge_{number:03d}.double" for number in range(100))
MACHINES = tuple(f"machine-{number:02d}" for number in range(20))
START = clock.now() // SECOND * SECOND - 3 * 86_400 * SECOND


def registry() -> messages.Registry:
    """Return what the publisher may publish."""
    return messages.Registry(PUBLISHER, [messages.RegisteredMachine(machine, list(SIGNALS)) for machine in MACHINES])


def samples(number: int, *, own_stamps: bool, start: int = START) -> list[Sample]:
    """Return the hundred samples of the n-th message: of one stamp, or each of its own."""
    machine = MACHINES[number % len(MACHINES)]
    second = start + number // len(MACHINES) * SECOND
    return [
        Sample(machine, signal, second + (index * 1_234_500 if own_stamps else 0), 20.0 + (number * 7 + index) % 61 / 8)
        for index, signal in enumerate(SIGNALS)
    ]


def payloads(count: int, *, own_stamps: bool, first: int = 1, start: int = START) -> Iterator[tuple[str, bytes]]:
    """Yield topic and payload of messages of a hundred samples each."""
    for number in range(count):
        batch = samples(number, own_stamps=own_stamps, start=start)
        [body] = messages.pack(batch, publisher=PUBLISHER, writer_group="gauge", writer_id=1)
        row = messages.RowId(PUBLISHER, "be9c4", first + number)
        yield topics.data(PUBLISHER, "gauge", batch[0].machine), messages.with_id(row, body.data)
