"""Answers what the agent is asked over the broker: one request after the other, each within a bound of time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import structlog

from edge_agent.document import ConfigError
from shopfloor.errors import ExpectedError
from shopfloor.wire import edge
from shopfloor.wire.messages import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING_MAX = 8
"""Requests that wait for their turn; a further one is answered at once that the agent is busy."""
ANSWERS_KEPT = 32
"""Answers that are kept, for a request that arrives again."""
REQUEST_SECONDS = 300.0
"""How long a request may take."""

log = structlog.get_logger(__name__)


class Handler(Protocol):
    """Carries requests out. Each method raises `ExpectedError` with what is wrong."""

    async def discover(self, request: edge.Request) -> edge.Reply:
        """Look at one server."""

    async def check(self, request: edge.Request) -> edge.Reply:
        """Look at the machines of a configuration."""

    async def apply(self, request: edge.Request) -> edge.Reply:
        """Put a configuration in force."""


class Desk:
    """Takes requests in and gives answers out.

    Args:
        handler: carries them out.
        answer: sends an answer; returns whether it could.
        clock: reads the present.
    """

    def __init__(self, handler: Handler, answer: Callable[[bytes], bool], clock: Callable[[], int]) -> None:
        self._handler = handler
        self._answer = answer
        self._clock = clock
        self._waiting: asyncio.Queue[edge.Request] = asyncio.Queue(WAITING_MAX)
        self._answers: OrderedDict[str, bytes | None] = OrderedDict()

    def asked(self, payload: bytes) -> None:
        """Take in a request as it came."""
        try:
            request = edge.decode_request(payload)
        except WireError as error:
            log.warning("request.refused", error=str(error))
            self._send("", edge.Reply("", self._clock(), str(error)))
            return
        if request.id in self._answers:
            known = self._answers[request.id]
            if known is not None:
                self._answer(known)
            return
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull:
            busy = f"{WAITING_MAX} requests are waiting: ask again when they are answered"
            self._send("", edge.Reply(request.id, self._clock(), busy))
            return
        self._answers[request.id] = None

    async def run(self) -> None:
        """Answer for ever."""
        while True:
            request = await self._waiting.get()
            log.info("request.taken", request=request.id, kind=request.kind)
            reply = await self._carry_out(request)
            log.info("request.answered", request=request.id, kind=request.kind, error=reply.error)
            self._send(request.id, reply)

    async def _carry_out(self, request: edge.Request) -> edge.Reply:
        work = getattr(self._handler, request.kind)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                reply: edge.Reply = await work(request)
        except ConfigError as error:
            what = "the configuration cannot be used: see problems"
            return edge.Reply(request.id, self._clock(), what, problems=[str(each) for each in error.problems])
        except ExpectedError as error:
            return edge.Reply(request.id, self._clock(), str(error), code=error.code)
        except TimeoutError:
            what = f"it took longer than {REQUEST_SECONDS:g} s: ask for fewer machines"
            return edge.Reply(request.id, self._clock(), what)
        except Exception as error:  # one request that fails must not end the watching of machines
            log.exception("request.failed", request=request.id)
            return edge.Reply(
                request.id, self._clock(), f"the agent failed at it ({type(error).__name__}): see its log"
            )
        return reply

    def _send(self, request: str, reply: edge.Reply) -> None:
        payload = edge.encode(reply)
        if len(payload) > edge.REPLY_BYTES_MAX:
            what = f"the answer has {len(payload)} bytes, {edge.REPLY_BYTES_MAX} are allowed: ask for fewer machines"
            payload = edge.encode(edge.Reply(reply.id, reply.timestamp, what))
        if request:
            self._answers[request] = payload
            while len(self._answers) > ANSWERS_KEPT + WAITING_MAX:
                self._answers.popitem(last=False)
        if not self._answer(payload):
            log.warning("request.answer_waits", request=reply.id, remedy="ask again with the same id")
