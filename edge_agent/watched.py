"""What the agent knows of a machine while it watches it: its health, its items, its observation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_agent.clock import Trust
from edge_agent.nodemap import parse_node_id, wanted
from edge_agent.observation import Observation
from edge_agent.resolve import JOB
from shopfloor.signals import DECIDING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_agent.config import MachineConfig
    from edge_agent.nodemap import Converter, Wanted
    from edge_agent.notifications import NodeIdentity
    from edge_agent.opcua_client import Subscription
    from edge_agent.resolve import FoundSignal
    from shopfloor.states import Hole

_JOB_SIGNS = frozenset({"job", "program", "program_state"})
"""Signals whose change may mean that another job is in hand."""


@dataclass(slots=True)
class MachineHealth:
    """How the watching of one machine goes.

    Attributes:
        machine: its identifier.
        endpoint: its server.
        connected: whether a session with a subscription for it is open.
        reason: why it is not being observed, empty when it is.
        observed_since: start of the unbroken observation on the machine's clock, None when it is not observed.
        offset_seconds: how far the machine's clock is ahead, None while unknown.
        trusted: whether the machine's clock stamps what it says.
        desired: how many signals should be watched.
        actual: how many are.
        refused: reason by signal, for those that are not, or whose values do not fit.
        overflows: how often the server's queue lost values.
        filled: how many values were read from the server's history since the agent started.
        wrong_values: how many values did not fit their signal.
        identification: what the machine says it is.
        certificate_expires: end of the agent's own certificate, None without security.
    """

    machine: str
    endpoint: str
    connected: bool = False
    reason: str = "not connected yet"
    observed_since: int | None = None
    offset_seconds: float | None = None
    trusted: bool = True
    desired: int = 0
    actual: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    overflows: int = 0
    filled: int = 0
    wrong_values: int = 0
    identification: dict[str, str] = field(default_factory=dict)
    certificate_expires: int | None = None


class Item:
    """A signal that is watched, or should be.

    Args:
        machine: whose signal.
        found: its node.
        convert: turns the node's values into the signal's.
        handle: number by which the server's changes name it.
        not_before: when the job that it belongs to came in hand; its values count from then on.
    """

    __slots__ = (
        "convert", "decides", "first", "found", "gone", "handle", "last", "machine", "not_before", "server_item",
        "signal", "signs_job", "tells",
    )  # fmt: skip

    def __init__(
        self, machine: WatchedMachine, found: FoundSignal, convert: Converter, handle: int, not_before: int | None
    ) -> None:
        self.machine = machine
        self.found = found
        self.signal = found.wish.signal.name
        self.convert = convert
        self.handle = handle
        self.not_before = not_before
        self.decides = self.signal in DECIDING
        self.signs_job = self.signal in _JOB_SIGNS
        self.tells = self.decides or self.signs_job
        self.server_item: int | None = None
        self.first: int | None = None
        self.last: int | None = None
        self.gone = False


class WatchedMachine:
    """What is known of one machine while it is watched."""

    def __init__(self, config: MachineConfig, endpoint: str, proven: int | None) -> None:
        self.config = config
        self.id = config.id
        self.root = parse_node_id(config.root) if config.root else None
        self.wishes = wanted(config.nodes, config.namespaces)
        slack = (config.publishing_milliseconds + 250) * 1_000_000
        self.observation = Observation(proven, slack)
        self.trust = Trust(config.clock_limit_seconds)
        self.health = MachineHealth(config.id, endpoint)
        self.items: dict[str, Item] = {}
        self.subscription: Subscription | None = None
        self.node: NodeIdentity | None = None
        self.sequence: int | None = None
        self.heard_at = 0.0
        self.told_offset: float | None = None
        self.told_trusted = True
        self.job: tuple[object, int] = ("", 0)
        self.job_changed = asyncio.Event()
        self.before: Mapping[str, int] = {}
        self.missed: list[Hole] = []

    def forget_session(self) -> None:
        """Drop everything that belonged to a session."""
        self.items = {}
        self.subscription = None
        self.node = None
        self.sequence = None
        self.health.connected = False
        self.health.actual = 0

    def job_wishes(self) -> list[Wanted]:
        """Return the signals that only the job in hand can tell."""
        return [wish for wish in self.wishes if all(isinstance(each.place, tuple) and JOB in each.place
                                                    for each in wish.candidates)]  # fmt: skip

    def deciding(self) -> set[str]:
        """Return the signals without which its state is not known: those it has and those the node map claims."""
        claimed = {wish.signal.name for wish in self.wishes if wish.mapped and wish.signal.name in DECIDING}
        return claimed | {item.signal for item in self.items.values() if item.decides}

    def count(self) -> None:
        """Note how many signals should be watched and how many are."""
        watched = {item.signal for item in self.items.values() if item.server_item is not None}
        self.health.actual = len(watched)
        self.health.desired = len(self.items.keys() | self.health.refused.keys())
