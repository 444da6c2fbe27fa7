from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, cast

import pytest
from asyncua import ua

from edge_agent.opcua_client import NoAnswerError, RefusedError, Session, answered
from edge_agent.opcua_failures import explained
from edge_agent.requests import Desk
from edge_agent.resolve import Walker
from shopfloor.wire import edge
from shopfloor.wire.edge import Cause

if TYPE_CHECKING:
    from edge_agent.requests import Handler


class Refusing:
    """Does not do what it is asked."""

    async def discover(self, request: edge.Request) -> edge.Reply:
        raise NoAnswerError(f"nothing is at {request.endpoint}", code=Cause.NO_ANSWER)


async def failing(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), Cause.NAME),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Cause.CLOSED),
        (OSError(errno.EHOSTUNREACH, "no route"), Cause.NO_WAY),
        (TimeoutError(), Cause.NO_ANSWER),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Cause.NO_ANSWER),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Cause.NOT_OPCUA),
        (ValueError("no such message"), Cause.NOT_OPCUA),
        (ua.UaStatusCodeError(ua.StatusCodes.BadTcpEndpointUrlInvalid), Cause.PATH),
        (ua.UaStatusCodeError(ua.StatusCodes.BadTooManySessions), ""),
    ],
)
def test_a_server_that_cannot_be_reached_has_a_word_for_the_cause_beside_the_sentence(
    error: Exception, cause: str
) -> None:
    with pytest.raises((NoAnswerError, RefusedError)) as raised:
        asyncio.run(explained("opc.tcp://mill.invalid:4840/", answered(failing(error))))

    assert (raised.value.code, "mill.invalid" in str(raised.value)) == (cause, True)


def test_a_server_without_machines_has_its_word() -> None:
    with pytest.raises(RefusedError) as raised:
        asyncio.run(Walker(cast("Session", None), []).machines())

    assert raised.value.code == Cause.NO_MACHINE


def test_an_agent_answers_the_word_with_the_sentence() -> None:
    answers: list[edge.Reply] = []

    async def asked() -> None:
        sent = asyncio.Event()

        def answer(payload: bytes) -> bool:
            answers.append(edge.decode_reply(payload))
            sent.set()
            return True

        desk = Desk(cast("Handler", Refusing()), answer, lambda: 1)
        desk.asked(edge.encode(edge.Request("1", "discover", "opc.tcp://mill.invalid:4840/")))
        running = asyncio.create_task(desk.run())
        await sent.wait()
        running.cancel()

    asyncio.run(asked())

    assert [(each.code, each.is_done) for each in answers] == [(Cause.NO_ANSWER, False)]


def test_an_answer_of_an_agent_that_says_no_word_is_still_read() -> None:
    assert not edge.decode_reply(b'{"id":"1","timestamp":1,"error":"nothing listens"}').code
