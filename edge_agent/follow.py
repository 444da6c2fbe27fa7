"""Watches the order, customer and counts of whichever job of the Production tree is in hand (OPC 40501-1, 8.4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from edge_agent.resolve import Walker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_agent.items import ItemBook
    from edge_agent.nodemap import Wanted
    from edge_agent.notifications import NodeIdentity
    from edge_agent.opcua_client import Session
    from edge_agent.watched import WatchedMachine

EndJob: TypeAlias = "Callable[[WatchedMachine, Sequence[Wanted], int], None]"

FOLLOW_SECONDS = 0.2
"""How long the values that belong to a change of job are gathered before its node is looked for."""


async def follow_jobs(session: Session, machine: WatchedMachine, items: ItemBook, end_job: EndJob) -> None:
    """Watch what only the job in hand can tell, for ever.

    Args:
        session: an open session.
        machine: whose job.
        items: the monitored items of the session.
        end_job: records that the job in hand does not tell some signals, from a stamp on.
    """
    followed: tuple[NodeIdentity | None, object] | None = None
    while True:
        await machine.job_changed.wait()
        await asyncio.sleep(FOLLOW_SECONDS)
        machine.job_changed.clear()
        if machine.node is None or machine.subscription is None:
            continue
        identifier, stamp = machine.job
        walker = Walker(session, await session.namespaces())
        job, has_plan = await _in_hand(walker, machine.node, identifier)
        had_one = followed is not None and followed[0] is not None
        if (job, identifier) != followed and (has_plan or had_one):
            followed = job, identifier
            wishes = await _change(walker, machine, items, (job, stamp))
            end_job(machine, wishes, stamp)


async def _in_hand(walker: Walker, root: NodeIdentity, identifier: object) -> tuple[NodeIdentity | None, bool]:
    """Find the job in hand: by the identifier or the node that the program names, else the one that runs."""
    jobs = await walker.jobs(root)
    if identifier:
        found = next((job.node for job in jobs if job.identifier == identifier), None)
    else:
        named = await walker.active_job(root) if jobs else None
        found = next((job.node for job in jobs if job.node == named), None)
        found = found or next((job.node for job in jobs if job.runs), None)
    return found, bool(jobs)


async def _change(
    walker: Walker, machine: WatchedMachine, items: ItemBook, in_hand: tuple[NodeIdentity | None, int]
) -> list[Wanted]:
    """Watch the signals of another job from when it came in hand; return those that it does not tell."""
    if machine.node is None:
        return []
    job, stamp = in_hand
    wishes = machine.job_wishes()
    names = {wish.signal.name for wish in wishes}
    await items.drop(walker.session, machine, [item for name, item in machine.items.items() if name in names])
    found = (await walker.resolve(machine.node, wishes, job)).found
    told = {each.wish.signal.name for each in found}
    await items.create(walker.session, machine, [items.add(walker, machine, each, stamp) for each in found])
    return [wish for wish in wishes if wish.signal.name not in told]
