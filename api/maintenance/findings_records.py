"""Writes down what is found of edge agents, when it is found and when it is over: the watch makes alerts of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from api.audit.service import Actor, record
from api.maintenance.findings import IDENTITY, Found
from api.maintenance.following import EDGE
from api.maintenance.heard import doubles_found, findings_of
from api.maintenance.tables import EdgeFinding
from api.records.database import RecordsUnavailableError
from api.records.tables import EdgeAgent
from shopfloor.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from api.edges.asking import Asking
    from api.records.database import Records

EVERY_SECONDS = 5.0
OFFICINA = Actor("officina")
"""Nobody did it: it was found."""

log = structlog.get_logger(__name__)


class Noting:
    """Compares what agents say of themselves with what was written down of them.

    Args:
        records: where it is written.
        asking: what agents say.
    """

    def __init__(self, records: Records, asking: Asking) -> None:
        self._records = records
        self._asking = asking
        self._noted: dict[str, frozenset[tuple[str, str]]] = {}

    async def run(self) -> None:
        """Look for ever. What could not be written is written by a later look."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.look(clock.now())
            except RecordsUnavailableError as error:
                log.warning("findings.not_written", error=str(error))

    async def look(self, now: int) -> None:
        """Write down what is other than at the last look.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        for edge, health in self._asking.healths().items():
            found = findings_of(health)
            if both := self._asking.doubles(edge, now=now):
                found |= doubles_found(both)
            if self._noted.get(edge) != found.keys():
                await asyncio.to_thread(self._keep, edge, found, now)
                self._noted[edge] = frozenset(found)

    def _keep(self, edge: str, found: Mapping[tuple[str, str], Found], now: int) -> None:
        with self._records.writing() as session:
            if session.get(EdgeAgent, edge) is not None:
                keep(session, edge, found, now)


def keep(session: Session, edge: str, found: Mapping[tuple[str, str], Found], now: int) -> None:
    """Write down what is new and what is over; another process may have done so already.

    Args:
        session: from `Records.writing`.
        edge: the agent's id.
        found: everything that is found of it now.
        now: when.
    """
    name = f"{EDGE}{edge}"
    rows = session.scalars(select(EdgeFinding).where(EdgeFinding.name == name).order_by(EdgeFinding.id))
    newest = {(row.of, row.subject): row for row in rows}
    standing = {key: row for key, row in newest.items() if not row.is_over}
    news = [each for key, each in found.items() if key not in standing]
    news += [
        Found(row.of, row.subject, row.severity, row.evidence, is_over=True)
        for key, row in standing.items()
        if key not in found
    ]
    for each in news:
        session.add(EdgeFinding(name=name, at=now, of=each.of, subject=each.subject, severity=each.severity,
                                evidence=dict(each.evidence), is_over=each.is_over))  # fmt: skip
        if each.of == IDENTITY:
            action = "no longer found" if each.is_over else "found"
            record(session, OFFICINA, action, f"edges/{edge}", now=now, after=dict(each.evidence))
