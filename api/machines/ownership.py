"""Whose work a machine is doing: what a member may see of it, now and in the past. Pure.

What a firm makes is that firm's own. Staff see it at any time, a member inside its own sessions alone, to the instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from shopfloor.periods import INSTANT_MAX, MINUTE, Period

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.access.scope import Scope

ALWAYS = Period(0, INSTANT_MAX)


class Running(NamedTuple):
    """The session that is going on at a machine.

    Attributes:
        member: who pays.
        period: from its start to the instant up to which it is proven to go on: what is stamped later may be the next
            one's already, and is not shown.
    """

    member: str
    period: Period


class Sessions(Protocol):
    """What is known of the sessions of members."""

    def running(self, machine: str) -> Running | None:
        """Return the session that is going on at a machine; None when there is none, or nobody knows. Never waits."""

    def own(self, member: str, machine: str, period: Period) -> Sequence[Period]:
        """Return when a machine worked for a member within a period: sorted, disjoint, clipped to it. Blocks."""

    def refresh(self, *, now: int) -> None:
        """Learn what runs now. Blocks."""


def visible_now(scope: Scope, running: Running | None) -> Period | None:
    """Return of which instants a caller may see what a machine works on now; None for none at all."""
    if scope.sees_work:
        return ALWAYS
    if running is not None and scope.sees_work_of(running.member):
        return running.period
    return None


def whole_minutes(spans: Iterable[Period]) -> list[Period]:
    """Narrow spans to whole minutes: what is kept by the minute alone is shown where all of the minute is."""
    found = ((-(-span.start // MINUTE) * MINUTE, span.end // MINUTE * MINUTE) for span in spans)
    return [Period(start, end) for start, end in found if start < end]
