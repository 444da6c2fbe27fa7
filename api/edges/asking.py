"""What agents say of themselves and what they are asked to do, over the one connection of the API to the broker."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import structlog

from api.edges.identity import Identity
from shopfloor.errors import ExpectedError
from shopfloor.periods import SECOND, format_instant
from shopfloor.runtime import clock
from shopfloor.wire import edge, topics
from shopfloor.wire.messages import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.edges.identity import Run

HEALTH_FILTER, REPLY_FILTER = topics.health("+"), topics.reply("+")
SILENT_SECONDS = 30
"""An agent says every ten seconds how it is; one that did not for so long is silent."""
ANSWER_SECONDS = 90.0
"""How long an answer is waited for: a machine that does not answer takes the agent its time, too."""
AGAIN_SECONDS = 10.0
"""A request that was not answered is sent again: the agent carries out once what arrives twice."""
PENDING_MAX = 16
"""Most requests that wait for an answer in one process."""

log = structlog.get_logger(__name__)


class AgentSilentError(ExpectedError):
    """An agent does not answer; the sentence says since when, and what to do."""


class Asking:
    """Asks agents, and remembers how each is.

    Args:
        publish: sends a message; returns None when it cannot be sent.
        clock: reads the present.
    """

    def __init__(self, publish: Callable[[str, bytes], int | None], clock: Callable[[], int] = clock.now) -> None:
        self._publish = publish
        self._clock = clock
        self._health: dict[str, edge.Health] = {}
        self._identities: dict[str, Identity] = {}
        self._pending: dict[str, asyncio.Future[edge.Reply]] = {}

    def health(self, publisher: str) -> edge.Health | None:
        """Return what an agent said of itself last, None when it never did."""
        return self._health.get(publisher)

    def healths(self) -> Mapping[str, edge.Health]:
        """Return what each agent said of itself last."""
        return self._health

    def doubles(self, publisher: str, *, now: int) -> tuple[Run, Run] | None:
        """Return two agents that live under one name, None when there is one."""
        identity = self._identities.get(publisher)
        return identity.doubles(now) if identity is not None else None

    def is_silent(self, publisher: str, *, now: int) -> bool:
        """Tell whether an agent did not say for a while how it is."""
        health = self._health.get(publisher)
        return health is None or now - health.timestamp > SILENT_SECONDS * SECOND

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message of an agent in; what cannot be read is logged."""
        publisher, what = topic.split("/")[-2:]
        try:
            if what == "health":
                if payload:
                    health = self._health[publisher] = edge.decode_health(payload)
                    self._identities.setdefault(publisher, Identity()).hear(health, self._clock())
                else:
                    self._health.pop(publisher, None)
                    self._identities.pop(publisher, None)
            else:
                reply = edge.decode_reply(payload)
                waiting = self._pending.get(f"{publisher} {reply.id}")
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
        except WireError as error:
            log.warning("edges.not_understood", publisher=publisher, error=str(error))

    async def ask(self, publisher: str, request: edge.Request, *, now: int) -> edge.Reply:
        """Ask an agent to do something, and wait for its answer, which may be that it could not.

        Args:
            publisher: the agent.
            request: see there; its id may be any, another one is chosen.
            now: the present.

        Raises:
            AgentSilentError: it is silent, or did not answer in time.
        """
        if self.is_silent(publisher, now=now):
            health = self._health.get(publisher)
            since = "has never been heard" if health is None else f"is silent since {format_instant(health.timestamp)}"
            why = f"the agent {publisher} {since}: look at its computer and network, then ask again"
            raise AgentSilentError(why, code=edge.Cause.NEVER_HEARD if health is None else edge.Cause.SILENT)
        if len(self._pending) >= PENDING_MAX:
            raise AgentSilentError(f"{PENDING_MAX} requests wait for agents' answers: ask again when they are answered")
        request.id = secrets.token_hex(8)
        key = f"{publisher} {request.id}"
        waiting: asyncio.Future[edge.Reply] = asyncio.get_running_loop().create_future()
        self._pending[key] = waiting
        payload = edge.encode(request)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    self._publish(topics.request(publisher), payload)
                    done, _ = await asyncio.wait({waiting}, timeout=AGAIN_SECONDS)
                    if done:
                        return waiting.result()
        except TimeoutError:
            raise AgentSilentError(
                f"the agent {publisher} did not answer within {ANSWER_SECONDS:g} s: it may still be at it, ask again",
                code=edge.Cause.LATE,
            ) from None
        finally:
            del self._pending[key]
