"""From received messages to a committed batch: decode, store, put aside, and only then tell who may forget what."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.samples import whole_slices
from shopfloor.wire.reading import Allowed, Opened, Reason, Refusal, open_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.quarantine import Quarantine
    from shopfloor.stores.port import Store
    from shopfloor.wire.messages import RowId

DETAILS_MAX = 20
"""Refusals of one message that are written out; the rest is a number."""


class Raw(NamedTuple):
    """A message as it came: topic and payload."""

    topic: str
    payload: bytes


class Committed(NamedTuple):
    """What became of a batch, now that it is durable.

    Attributes:
        rows: spool rows whose samples are all stored or put aside.
        samples: how many are stored.
        counted: how many samples were put aside or changed to a quality, by (reason, machine).
        put_aside: whether each message has something in quarantine now, in order of the batch.
        foreign: messages that name a machine of another publisher, by (publisher, machine that it named).
    """

    rows: list[RowId]
    samples: int
    counted: Counter[tuple[str, str]]
    put_aside: list[bool]
    foreign: Counter[tuple[str, str]]


def commit(batch: Sequence[Raw], allowed: Allowed, store: Store, quarantine: Quarantine, *, now: int) -> Committed:
    """Make a batch durable, in the store or in quarantine. Blocks; may be called from several threads.

    Raises:
        StoreUnavailableError: nothing may be acknowledged; do the same again later.
        StoreRefusedError: the same, and a person has to act.
        QuarantineError: the same.
    """
    opened = [open_message(topic, payload, allowed, now=now) for topic, payload in batch]
    # Machine by machine: neighbours share a place in the store. A stable sort keeps the order within a topic.
    slices = [each for _, message in sorted(zip(batch, opened, strict=True), key=_topic) for each in message.slices]
    rejected: dict[tuple[str, str, int], str] = {}
    if slices:
        for sample, reason in store.write(slices, now=now):
            rejected[sample.machine, sample.signal, sample.stamp] = reason
    counted: Counter[tuple[str, str]] = Counter()
    foreign: Counter[tuple[str, str]] = Counter()
    put_aside: list[bool] = []
    for raw, message in zip(batch, opened, strict=True):
        refusals = [*message.refusals, *_refused_by_store(message, rejected)]
        put_aside.append(bool(refusals))
        for refusal in refusals:
            counted[refusal.reason, refusal.machine] += refusal.samples
        for machine in message.not_numbers:
            counted[Reason.NOT_A_NUMBER, machine] += 1
        foreign.update(
            {(message.publisher, each.machine) for each in refusals if each.reason is Reason.FOREIGN_MACHINE}
        )
        if refusals:
            _put_aside(raw, message, refusals, quarantine, now)
    samples = sum(len(each.values) for each in slices) - len(rejected)
    rows = [each.row for each in opened if each.row is not None]
    return Committed(rows, samples, counted, put_aside, foreign)


def _topic(received: tuple[Raw, Opened]) -> str:
    return received[0].topic


def _refused_by_store(message: Opened, rejected: dict[tuple[str, str, int], str]) -> list[Refusal]:
    if not rejected:
        return []
    return [
        Refusal(Reason.STORE_REFUSED, each.machine, f"{each.machine} {name}: {reason[:300]}")
        for each in whole_slices(message.slices)
        for name in each.values
        if (reason := rejected.get((each.machine, name, each.stamp))) is not None
    ]


def _put_aside(raw: Raw, message: Opened, refusals: list[Refusal], quarantine: Quarantine, now: int) -> None:
    details = [refusal.detail for refusal in refusals[:DETAILS_MAX]]
    if len(refusals) > DETAILS_MAX:
        details.append(f"and {len(refusals) - DETAILS_MAX} more")
    quarantine.put(
        topic=raw.topic,
        publisher=message.publisher,
        raw=raw.payload,
        reasons=[refusal.reason for refusal in refusals],
        details=details,
        samples=sum(refusal.samples for refusal in refusals),
        now=now,
    )


def acknowledgements(rows: Iterable[RowId]) -> dict[tuple[str, str], list[int]]:
    """Gather rows by publisher and epoch: one acknowledgement each."""
    gathered: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        gathered.setdefault((row.publisher, row.epoch), []).append(row.n)
    return gathered
