"""What the agent knows of a machine while it watches it: its health, its items, its observation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_agent.alarms import AlarmBook
from edge_agent.clock import Trust
from edge_agent.jobs import JOINED, JobJoin
from edge_agent.lists import Lists
from edge_agent.nodemap import parse_node_id, wanted
from edge_agent.observation import Observation
from edge_agent.resolve import JOB
from shopfloor.samples import NO_COMMUNICATION
from shopfloor.signals import DECIDING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_agent.config import MachineConfig
    from edge_agent.listen import Listener
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
        security: policy and mode of the session, `none` for none, empty while there is no session.
        certificate_expires: end of the server's certificate, None while unknown.
        successor_trusted: whether the server takes the successor of the agent's certificate, None while there is none
            or it is unknown.
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
    security: str = ""
    certificate_expires: int | None = None
    successor_trusted: bool | None = None


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
        "convert", "decides", "first", "found", "gone", "handle", "joined", "last", "machine", "not_before",
        "server_item", "signal", "signs_job", "tells",
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
        self.signs_job = self.signal in _JOB_SIGNS and not_before is None
        self.joined = self.signal in JOINED
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
        self.jobs = JobJoin()
        self.alarms = AlarmBook(config.alarm_blocking_severity)
        self.lists = Lists()
        self.lists_changed = asyncio.Event()
        self.mapped = frozenset(wish.signal.name for wish in self.wishes if wish.mapped)
        self.listener: Listener | None = None
        self.before: Mapping[str, int] = {}
        self.missed: list[Hole] = []
        self.silent_since: int | None = None
        self.silence_told = 0
        self._qualities: dict[str, int] = {}

    def forget_session(self) -> None:
        """Drop everything that belonged to a session."""
        self.items = {}
        self.subscription = None
        self.node = None
        self.sequence = None
        self.listener = None
        self.silent_since = None
        self._qualities = {}
        self.jobs.forget_session()
        self.lists.forget_session()
        self.health.connected = False
        self.health.actual = 0
        self.health.security = ""

    def qualify(self, signal: str, status: int, now: int) -> None:
        """Take in the quality of a deciding signal: a gateway goes on to answer for a machine that does not.

        Since `silent_since` every deciding signal is said to have no communication.
        """
        self._qualities[signal] = status
        deciding = [item.signal for item in self.items.values() if item.decides]
        if not all(self._qualities.get(each, 0) in NO_COMMUNICATION for each in deciding):
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now

    def sign_job(self, signal: str, value: object, stamp: int) -> None:
        """Take in a value that may mean that another job is in hand."""
        if signal == "job":
            self.job = (value, stamp)
        elif not self.job[0]:
            self.job = ("", stamp)
        self.job_changed.set()

    def job_wishes(self) -> list[Wanted]:
        """Return the signals that the job in hand tells, but for one that the machine tells by itself."""
        return [wish for wish in self.wishes if _leads_through_job(wish)
                and ((item := self.items.get(wish.signal.name)) is None or item.not_before is not None)]  # fmt: skip

    def own_wishes(self) -> list[Wanted]:
        """Return the signals that the machine may tell by itself, whatever job is in hand."""
        return [wish for wish in self.wishes if not all(_is_through_job(each.place) for each in wish.candidates)]

    def deciding(self) -> set[str]:
        """Return the signals without which its state is not known: those it has and those the node map claims."""
        claimed = {wish.signal.name for wish in self.wishes if wish.mapped and wish.signal.name in DECIDING}
        found = claimed | {item.signal for item in self.items.values() if item.decides}
        waits = self.listener is not None and self.listener.hears_conditions and "alarm_blocking" not in found
        return found | {"alarm_blocking"} if found and waits else found

    def count(self) -> None:
        """Note how many signals should be watched and how many are."""
        watched = {item.signal for item in self.items.values() if item.server_item is not None}
        self.health.actual = len(watched)
        self.health.desired = len(self.items.keys() | self.health.refused.keys())


def _is_through_job(place: object) -> bool:
    return isinstance(place, tuple) and JOB in place


def _leads_through_job(wish: Wanted) -> bool:
    return any(_is_through_job(each.place) for each in wish.candidates)
