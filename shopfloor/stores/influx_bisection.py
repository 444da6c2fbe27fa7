"""Finding the bad points of a batch that a server refused, so that all others are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.samples import samples
from shopfloor.stores.influx_lines import SOURCE, STATUS, narrowed
from shopfloor.stores.influx_server import BatchRefusedError
from shopfloor.stores.port import Rejection
from shopfloor.stores.values import sift

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shopfloor.samples import Slice

TRIES_MAX = 500
"""Requests that are spent on one batch; beyond, what the server refuses is rejected as it is."""


def bisect(slices: Sequence[Slice], send: Callable[[Sequence[Slice]], None]) -> list[Rejection]:
    """Send a refused batch again: without what no store takes, then in ever smaller parts, by lines, then by signals.

    A server that says how many points it dropped, and which field it means, saves most of the way: a group that it
    dropped altogether need not be parted further by lines.

    Args:
        slices: the batch, of one bucket.
        send: commits slices or raises `BatchRefusedError`; what else it raises is passed on.

    Returns:
        The samples that the server will never take, with its reason.
    """
    kept, rejections = sift(slices)
    pending: list[Sequence[Slice]] = [kept]
    tries = 0
    while pending:
        group = pending.pop()
        tries += 1
        try:
            send(group)
        except BatchRefusedError as refusal:
            parts = _parts(group, refusal) if tries < TRIES_MAX else ()
            pending += (part for part in parts if part)
            if not parts:
                rejections += (Rejection(sample, refusal.reason) for sample in samples(group))
    return rejections


def _parts(group: Sequence[Slice], refusal: BatchRefusedError) -> Sequence[Sequence[Slice]]:
    """Part a refused group in two; nothing when all of it is bad."""
    names = sorted({name for each in group for name in each.values})
    named = (refusal.field or "").removesuffix(STATUS).removesuffix(SOURCE)
    if named in names and len(names) > 1:
        return _parted(group, {named})
    if len(group) > 1 and refusal.dropped != len(group):
        return group[: len(group) // 2], group[len(group) // 2 :]
    if len(names) == 1 or "retention policy" in refusal.reason.lower():
        return ()
    if len(group) > 1:
        return group[: len(group) // 2], group[len(group) // 2 :]
    return _parted(group, set(names[: len(names) // 2]))


def _parted(group: Sequence[Slice], names: set[str]) -> Sequence[Sequence[Slice]]:
    """Part slices by signals: these, all others."""
    chosen = [narrowed(each, names) for each in group]
    others = [narrowed(each, each.values.keys() - names) for each in group]
    return [each for each in chosen if each.values], [each for each in others if each.values]
