"""Before the agent's certificate ends: finds out which servers trust its successor, long before it is needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from edge_agent.certificate import CertificateUnusableError, own_certificates
from edge_agent.opcua_client import NoAnswerError, RefusedError
from edge_agent.opcua_connect import connect
from edge_agent.opcua_failures import OwnCertificateRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.certificate import OwnCertificate
    from edge_agent.config import ServerConfig
    from edge_agent.opcua_client import Peer

LOOK_SECONDS = 3600.0
"""How often it is looked whether there is a successor."""
OFFER_EVERY_LOOKS = 24
"""After how many looks a successor that was not trusted is offered again: once a day."""


async def offer_successor(
    server: ServerConfig, peer: Peer | None, clock: Callable[[], int], told: Callable[[bool | None], None]
) -> None:
    """Offer the newest of the agent's certificates to a server that took an older one, over a session of its own.

    Args:
        server: which one.
        peer: of the session that is open.
        clock: the agent's own clock.
        told: is told whether the server trusts it; None when there is nothing to offer or it could not be found out.
    """
    looks, answer = 0, None
    while True:
        newest = _newest(server, peer, clock())
        if newest is None:
            looks, answer = 0, None
        elif peer is not None and newest.certificate.name == peer.own:
            answer = True
        elif not answer and looks % OFFER_EVERY_LOOKS == 0:
            answer = await _is_taken(server, newest, clock())
        looks += 1
        told(answer)
        await asyncio.sleep(LOOK_SECONDS)


def _newest(server: ServerConfig, peer: Peer | None, now: int) -> OwnCertificate | None:
    """Return the successor of the agent's certificate; None while there is none, or without security."""
    if peer is None:
        return None
    try:
        own = own_certificates(server.own_certificates, server.publisher, now)
    except CertificateUnusableError:  # told when the next session needs one
        return None
    return own[-1] if len(own) > 1 else None


async def _is_taken(server: ServerConfig, own: OwnCertificate, now: int) -> bool | None:
    try:
        session = await connect(server, own, now)
    except OwnCertificateRefusedError:
        return False
    except (NoAnswerError, RefusedError):
        return None
    await session.close()
    return True
