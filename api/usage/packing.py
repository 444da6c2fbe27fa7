"""Segments as bytes: the same for the same segments, whatever machine packs them."""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from api.usage.segments import Claim, Meter, Metered, Quality, Segment, Source, Work
from shopfloor.periods import SECOND, Period
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

_FORM = 1
_LEVEL = 1
_STATES = {state.value: state for state in State}
_QUALITIES = {quality.value: quality for quality in Quality}
_CLAIMS = {claim.value: claim for claim in Claim}
_METERS = {meter.value: meter for meter in Meter}


class Packed(NamedTuple):
    """Segments of one machine, civil day and payer.

    Attributes:
        digest: SHA-256 of what is packed, hexadecimal.
        payer: who pays for all of them.
        body: compressed.
    """

    digest: str
    payer: str
    body: bytes


def pack(machine: str, day: date, segments: Iterable[Segment]) -> list[Packed]:
    """Pack the segments of a day by payer, in the order of their names."""
    by_payer: dict[str, list[Segment]] = {}
    for segment in segments:
        by_payer.setdefault(segment.payer, []).append(segment)
    found = []
    for payer, own in sorted(by_payer.items()):
        signals: dict[str, int] = {}
        rows = [_row(segment, signals) for segment in own]
        plain = msgspec.msgpack.encode([_FORM, machine, day.isoformat(), payer, list(signals), rows])
        found.append(Packed(sha256(plain).hexdigest(), payer, zlib.compress(plain, _LEVEL)))
    return found


def _row(segment: Segment, signals: dict[str, int]) -> list[Any]:
    sources: list[int] = []
    for signal, stamp in segment.sources:
        sources += (signals.setdefault(signal, len(signals)), stamp)
    return [
        segment.period.start // SECOND,
        segment.period.seconds,
        segment.state.value,
        segment.quality.value,
        segment.claim.value,
        segment.booked,
        segment.is_clock_doubtful,
        [
            [each.meter.value, each.period.start // SECOND, each.period.seconds, each.amount, each.placed]
            for each in segment.metered
        ],
        sources,
    ]


def digest_of(body: bytes) -> str:
    """Return the digest that packed segments have."""
    return sha256(zlib.decompress(body)).hexdigest()


def unpack(body: bytes, *, with_sources: bool = False) -> list[Segment]:
    """Return packed segments.

    Args:
        body: as `pack` made it.
        with_sources: whether to say what they come from; rating has no need of it.
    """
    _, machine, _, payer, signals, rows = msgspec.msgpack.decode(zlib.decompress(body))
    found = []
    for start, seconds, state, quality, claim, booked, doubtful, metered, sources in rows:
        begin = start * SECOND
        found.append(
            Segment(
                machine,
                Period(begin, begin + seconds * SECOND),
                _STATES[state],
                _QUALITIES[quality],
                payer,
                _CLAIMS[claim],
                booked,
                doubtful,
                tuple(
                    Metered(_METERS[meter], Period(at * SECOND, (at + length) * SECOND), amount, placed)
                    for meter, at, length, amount, placed in metered
                ),
                tuple(Source(signals[sources[at]], sources[at + 1]) for at in range(0, len(sources), 2))
                if with_sources
                else (),
            )
        )
    return found


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    """Put the segments of one machine, which do not overlap, in the order of time."""
    return sorted(segments, key=lambda segment: segment.period.start)


def pack_work(work: Iterable[Work]) -> bytes:
    """Pack what was made in a day."""
    rows = [[each.period.start, each.period.end, each.job, each.order, each.part] for each in work]
    return zlib.compress(msgspec.msgpack.encode(rows), _LEVEL)


def unpack_work(body: bytes) -> list[Work]:
    """Return what was made in a day."""
    rows = msgspec.msgpack.decode(zlib.decompress(body))
    return [Work(Period(start, end), job, order, part) for start, end, job, order, part in rows]
