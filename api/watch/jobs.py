"""The jobs of the watch: each subject brings its own, and this is the one list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.access import people
from api.watch.service import Job

if TYPE_CHECKING:
    from api.watch.leader import Leader

TIDY_SECONDS = 3_600.0


def jobs_of(leader: Leader) -> list[Job]:
    """Return what the leader does."""

    def tidy(now: int) -> None:
        with leader.writing() as session:
            people.forget_ended(session, now=now)

    return [Job("access", TIDY_SECONDS, tidy)]
