"""One process leads: a lease in the database, which a standby takes when its beat stands still.

No clock of one machine is compared with another's: a standby measures on its own clock how long the beat has not
moved. A leader that was stopped for a while and goes on finds the lease gone at its next write, which is refused.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from api.watch.tables import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from api.records.database import Records

BEAT_SECONDS = 3.0
"""How often the leader shows that it lives, and a standby looks."""
LEASE_SECONDS = 10.0
"""A beat that stands still for so long is a dead leader's: a standby leads within this and one look more."""


class LeaseLostError(Exception):
    """Another process leads by now: what was to be written is its business."""


class _Seen(NamedTuple):
    holder: str
    beat: int
    since: float


class Leader:
    """This process's side of the lease.

    Args:
        records: where the lease is.
        name: what is led.
    """

    def __init__(self, records: Records, *, name: str = "watch") -> None:
        self._records = records
        self._name = name
        self._holder = secrets.token_hex(8)
        self._seen: _Seen | None = None

    def hold(self, *, monotonic_seconds: float) -> bool:
        """Show that this process lives, and tell whether it leads; to be called every `BEAT_SECONDS`.

        Args:
            monotonic_seconds: of this process's own clock.

        Raises:
            RecordsUnavailableError: the database does not answer: nobody can tell, and nothing can be written.
        """
        with self._records.writing() as session:
            lease = session.get(Lease, self._name)
            if lease is None:
                session.add(Lease(name=self._name, holder=self._holder, beat=0))
                return True
            if lease.holder != self._holder and not self._stands_still(lease, monotonic_seconds):
                return False
            lease.holder = self._holder
            lease.beat += 1
            return True

    def _stands_still(self, lease: Lease, monotonic_seconds: float) -> bool:
        seen = self._seen
        if seen is None or (seen.holder, seen.beat) != (lease.holder, lease.beat):
            self._seen = _Seen(lease.holder, lease.beat, monotonic_seconds)
            return False
        return monotonic_seconds - seen.since >= LEASE_SECONDS

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Change records as the leader: all that is done in the block, or nothing when it raises.

        Raises:
            LeaseLostError: another process leads.
            RecordsUnavailableError: the database does not answer.
        """
        with self._records.writing() as session:
            lease = session.get(Lease, self._name)
            if lease is None or lease.holder != self._holder:
                raise LeaseLostError
            yield session

    def release(self) -> None:
        """Let a standby lead at once; for an orderly stop.

        Raises:
            RecordsUnavailableError: the database does not answer; the lease runs out by itself.
        """
        with self._records.writing() as session:
            lease = session.get(Lease, self._name)
            if lease is not None and lease.holder == self._holder:
                session.delete(lease)
