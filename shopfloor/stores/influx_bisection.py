"""Finding the bad points of a batch that a server refused, so that all others are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.samples import samples
from shopfloor.stores.influx_lines import SOURCE, STATUS, narrowed
from shopfloor.stores.influx_server import BatchRefusedError
from shopfloor.stores.port import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shopfloor.samples import Slice

TRIES_MAX = 500
"""Requests that are spent on one batch; beyond, what the server refuses is rejected as it is."""


def bisect(
    slices: Sequence[Slice],
    refusal: BatchRefusedError,
    send: Callable[[Sequence[Slice]], None],
) -> list[Rejection]:
    """Send a refused batch again in ever smaller parts: first by lines, then by signals.

    A server that says how many points it dropped, and which field it means, saves most of the way: a group that it
    dropped altogether need not be parted further by lines.

    Args:
        slices: the batch, of one bucket.
        refusal: what the server said of it.
        send: commits slices or raises `BatchRefusedError`; what else it raises is passed on.

    Returns:
        The samples that the server will never take, with its reason.
    """
    rejections: list[Rejection] = []
    tries = 0
    refused = [(slices, refusal)]
    while refused:
        group, reason = refused.pop()
        parts = _parts(group, reason) if tries < TRIES_MAX else ()
        if not parts:
            rejections += (Rejection(sample, reason.reason) for sample in samples(group))
        for part in parts:
            tries += 1
            try:
                send(part)
            except BatchRefusedError as error:
                refused.append((part, error))
    return rejections


def _parts(group: Sequence[Slice], refusal: BatchRefusedError) -> Sequence[Sequence[Slice]]:
    """Part a refused group in two; nothing when all of it is bad."""
    if len(group) > 1 and refusal.dropped != len(group):
        return group[: len(group) // 2], group[len(group) // 2 :]
    names = sorted({name for each in group for name in each.values})
    if len(names) == 1 or "retention policy" in refusal.reason.lower():
        return ()
    named = (refusal.field or "").removesuffix(STATUS).removesuffix(SOURCE)
    if named in names:
        chosen = {named}
    elif len(group) == 1:
        chosen = set(names[: len(names) // 2])
    else:
        return group[: len(group) // 2], group[len(group) // 2 :]
    kept = [narrowed(each, chosen & set(each.values)) for each in group]
    others = [narrowed(each, set(each.values) - chosen) for each in group]
    return [each for each in others if each.values], [each for each in kept if each.values]
