"""Keeps the agent's certificates from ending unseen: renews its own in time, and warns of every end in good time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from edge_agent.certificate import CertificateExpiredError, CertificateUnusableError, own_certificates, renew
from edge_agent.expiry import ExpiryWatch, days_left
from edge_agent.trust import TrustList
from shopfloor.wire import edge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from edge_agent.watched import MachineHealth

CERTIFICATE_SECONDS = 3600.0
"""How often the ends of certificates are looked at."""
TRUST_SECONDS = 2.0
"""How often the trust list is looked at."""

log = structlog.get_logger(__name__)


class Keeper:
    """Looks after the certificates of an agent.

    Args:
        folder: of its certificates.
        publisher: its identifier.
        clock: reads the present.
        machines: returns how each machine is watched.
        distrust: called when the trust list has changed.
        broker: returns when the first certificate ends that the connection to the broker rests on, None while unknown.
    """

    def __init__(
        self,
        folder: Path,
        publisher: str,
        *,
        clock: Callable[[], int],
        machines: Callable[[], Iterable[MachineHealth]],
        distrust: Callable[[], Awaitable[None]],
        broker: Callable[[], int | None],
    ) -> None:
        self._folder = folder
        self._publisher = publisher
        self._clock = clock
        self._machines = machines
        self._distrust = distrust
        self._broker = broker
        self._trust_list = TrustList(folder)
        self._told = ExpiryWatch()

    def own(self) -> list[edge.OwnCertificate]:
        """Return the agent's own certificates, the oldest first; the newest alone when all have ended.

        Returns:
            None when it has none yet, or they cannot be read.
        """
        now = self._clock()
        if not (self._folder / "agent.der").exists():
            return []
        try:
            found = own_certificates(self._folder, self._publisher, now)
        except CertificateExpiredError as error:
            found = (error.newest,)
        except CertificateUnusableError:
            return []
        return [edge.OwnCertificate(each.certificate.name, days_left(each.expires, now)) for each in found]

    async def watch_certificates(self) -> None:
        """Renew and warn for ever."""
        while True:
            self.look()
            await asyncio.sleep(CERTIFICATE_SECONDS)

    async def watch_trust(self) -> None:
        """Tell of changes of the trust list for ever."""
        seen = self._trust_list.signature()
        while True:
            await asyncio.sleep(TRUST_SECONDS)
            found = self._trust_list.signature()
            if found != seen:
                seen = found
                await self._distrust()

    def look(self) -> None:
        """Renew the agent's own certificate when it is time, and warn of what ends soon."""
        now = self._clock()
        if (self._folder / "agent.der").exists():
            self._look_at_own(now)
        secured_until = self._broker()
        if secured_until is not None and self._told.due("broker", secured_until, now):
            log.warning("certificate.broker_ends", days=days_left(secured_until, now), remedy="renew the broker's "
                        "certificate, or the one that signed it; the agent takes the new one up by itself")  # fmt: skip
        for machine in self._machines():
            expires = machine.certificate_expires
            if expires is not None and self._told.due(machine.endpoint, expires, now):
                log.warning("certificate.server_ends", endpoint=machine.endpoint, machine=machine.machine,
                            days=days_left(expires, now), remedy="renew it on the machine, then accept the new one "
                            "with officina edge trust accept")  # fmt: skip

    def _look_at_own(self, now: int) -> None:
        try:
            made = renew(self._folder, self._publisher, now)
            found = own_certificates(self._folder, self._publisher, now)
        except CertificateExpiredError as error:
            if self._told.due("own", error.newest.expires, now):
                log.error("certificate.unusable", reason=str(error))
            return
        except CertificateUnusableError as error:
            log.error("certificate.unusable", reason=str(error))
            return
        if made is not None:
            log.warning("certificate.successor_made", file=str(made.certificate), days=days_left(found[0].expires, now),
                        remedy="let every machine trust it; until then the old one is used")  # fmt: skip
        if self._told.due("own", found[0].expires, now):
            waiting = sorted(each.machine for each in self._machines() if each.certificate_expires is not None
                             and each.successor_trusted is not True)  # fmt: skip
            log.warning("certificate.own_ends", file=str(found[0].certificate), days=days_left(found[0].expires, now),
                        not_ready=waiting, remedy=f"let them trust {found[-1].certificate}")  # fmt: skip
