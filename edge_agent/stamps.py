"""Choosing the stamp of each value, once, before it is spooled. Pure.

The stamp is the source time while the machine's clock is trusted, else the time of receipt with the source time beside
it. Values of one signal with one raw time are kept apart by an ordinal of one nanosecond, in order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shopfloor.samples import Reading, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shopfloor.samples import Value


@dataclass(slots=True)
class Known:
    """The last value of a signal, as it was stamped.

    Attributes:
        raw: the time that the value came with.
        ordinal: nanoseconds added to it, to keep values of one raw time apart.
        value: the value, None where the status has none.
        status: OPC UA StatusCode.
    """

    raw: int
    ordinal: int
    value: Value | None
    status: int


def stamp(
    machine: str,
    readings: Iterable[Reading],
    known: dict[str, Known],
    *,
    trusted: bool,
) -> tuple[list[Sample], dict[str, Known]]:
    """Turn readings into samples.

    Args:
        machine: whose readings.
        readings: in order of arrival.
        known: the last value of each signal; it is left as it is.
        trusted: whether source times count.

    Returns:
        The samples that are new, and the last value of each signal among them. A reading that repeats the last raw time
        with the last value and status is known already and left out.
    """
    samples: list[Sample] = []
    changed: dict[str, Known] = {}
    for signal, value, status, source, server, received in readings:
        if trusted:
            raw = source if source is not None else server if server is not None else received
            beside = None
        else:
            raw, beside = received, source
        last = changed.get(signal) or known.get(signal)
        if last is None or last.raw != raw:
            ordinal = 0
        elif last.value == value and last.status == status:
            continue
        else:
            ordinal = last.ordinal + 1
        changed[signal] = Known(raw, ordinal, value, status)
        samples.append(Sample(machine, signal, raw + ordinal, value, status, beside))
    return samples, changed
