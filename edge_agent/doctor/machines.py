"""What machines answer: whether they let the agent in, whose clock agrees, whether every signal is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.check import look_at
from edge_agent.doctor.finding import fault, good, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_agent.check import MachineSeen
    from edge_agent.config import EdgeConfig
    from edge_agent.doctor.finding import Finding

OFFSET_SECONDS_MAX = 60.0
"""Beyond it a machine's own times are not trusted, unless its configuration says otherwise."""
SHOWN = 3


async def seen(config: EdgeConfig, clock: Callable[[], int]) -> list[Finding]:
    """Look at every machine once, as `officina edge check` does."""
    return [each for machine in await look_at(config.servers, clock) for each in _judged(machine)]


def _judged(machine: MachineSeen) -> Iterator[Finding]:
    name = machine.machine
    if machine.error:
        mend = "let the machine trust the agent's certificate, and the agent the machine's: officina edge trust list"
        yield fault("machines", f"{name}: {machine.error}", mend)
        return
    offset = machine.offset_seconds
    if offset is not None and abs(offset) > OFFSET_SECONDS_MAX:
        yield warning(
            "machines",
            f"{name}: its clock is {offset:+.0f} s off, so that times of receipt are used",
            "let the control synchronise by NTP, or accept it: usage is flagged `clock`",
        )
    of_namespace = {signal: why for signal, why in machine.refused.items() if "namespace" in why}
    if of_namespace:
        shown = "; ".join(f"{signal}: {why}" for signal, why in list(of_namespace.items())[:SHOWN])
        yield fault(
            "namespaces",
            f"{name}: {shown}",
            "correct the URIs in its node map: officina edge init ENDPOINT shows what the server has",
        )
    others = {signal: why for signal, why in machine.refused.items() if signal not in of_namespace}
    if others:
        shown = "; ".join(f"{signal}: {why}" for signal, why in list(others.items())[:SHOWN])
        yield warning(
            "machines",
            f"{name}: {len(others)} signals are refused, {shown}",
            "officina edge check lists each; correct the node map, or leave them out",
        )
    if not machine.refused:
        yield good("machines", f"{name}: {len(machine.signals)} signals answer")
