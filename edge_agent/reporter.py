"""Writes an agent's health, of machines and of meters alike."""

from __future__ import annotations

import secrets
import shutil
import socket
from importlib.metadata import version
from typing import TYPE_CHECKING

from edge_agent.expiry import days_left
from edge_agent.health import FillRate, describe
from shopfloor.periods import SECOND
from shopfloor.wire import edge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_agent.config import SpoolConfig
    from edge_agent.own_clock import OwnClock
    from edge_agent.spool import Spool
    from edge_agent.watched import MachineHealth


class Reporter:
    """Writes health, and measures how fast a spool fills.

    Args:
        spool: the agent's.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._fill = FillRate()
        self._run = secrets.token_hex(8)

    def health(
        self,
        now: int,
        bounds: SpoolConfig,
        *,
        in_flight: int,
        configuration: edge.Configuration,
        machines: Iterable[MachineHealth],
        certificates: Iterable[edge.OwnCertificate] = (),
        secured_until: int | None = None,
        clock: OwnClock | None = None,
    ) -> bytes:
        """Write the health at present.

        Args:
            now: the present.
            bounds: of the spool.
            in_flight: how many rows are on their way.
            configuration: which one is in force.
            machines: how the watching of each goes.
            certificates: the agent's own.
            secured_until: when the first certificate ends that the connection to the broker rests on.
            clock: the agent's own.
        """
        spool = self._spool
        room = min(bounds.bytes_max - spool.bytes_held, shutil.disk_usage(bounds.path.parent).free)
        return edge.encode(
            edge.Health(
                timestamp=now,
                version=version("officina"),
                rows=spool.rows,
                bytes=spool.bytes_held,
                bytes_max=bounds.bytes_max,
                hours_left=self._fill.hours_left(now, spool.bytes_in, room),
                rows_in_flight=in_flight,
                oldest_unstored=spool.oldest(),
                losses=spool.counts(),
                configuration=configuration,
                certificates=list(certificates),
                machines=[describe(each, now) for each in machines],
                broker_days=None if secured_until is None else days_left(secured_until, now),
                clock_ahead_seconds=0.0 if clock is None else round(clock.ahead / SECOND, 1),
                clock_steps=0 if clock is None else clock.steps,
                run=self._run,
                host=socket.gethostname(),
                epoch=spool.epoch,
            )
        )
