"""What the OPC UA half of the agent asks of the half that keeps samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_agent.refill import Refill
    from shopfloor.samples import Reading, Sample
    from shopfloor.states import Hole


class Recorder(Protocol):
    """Keeps what sources deliver. Every call is synchronous, and what it was given is durable when it returns."""

    def readings(self, machine: str, readings: Sequence[Reading], *, trusted: bool) -> None:
        """Keep the values of one publish response.

        Args:
            machine: identifier of the machine.
            readings: in the order of the response.
            trusted: whether the machine's clock may stamp them; otherwise the time of receipt does.
        """

    def observed(self, machine: str, since: int, at: int) -> None:
        """Keep a proof of unbroken observation from `since` to `at`, both on the machine's clock when it is trusted."""

    def unreachable(self, machine: str, since: int, at: int) -> None:
        """Keep a proof that the agent was up and the machine's server did not answer from `since` to `at`."""

    def hole(self, hole: Hole) -> None:
        """Keep what is known to be missing."""

    def clock(self, machine: str, offset_seconds: float, at: int) -> None:
        """Keep how far the machine's clock is ahead of the agent's own."""

    def last_proof(self, machine: str) -> int | None:
        """Return the stamp of the newest durable proof of observation, None when there is none."""

    def lasts(self, machine: str) -> Mapping[str, int]:
        """Return the stamp of the last value of each signal that the machine has spoken."""

    def want_refill(self, refill: Refill) -> None:
        """Remember, over restarts too, that a hole is to be filled from the server's history."""

    def refills(self, machine: str) -> Sequence[Refill]:
        """Return the holes of a machine that wait to be filled, newest first."""

    @property
    def has_room_for_history(self) -> bool:
        """Whether history may be read now without being in the way of what is live."""

    def history(self, machine: str, samples: Sequence[Sample]) -> bool:
        """Keep what the server remembers, behind all that is live. Returns whether it was kept."""

    def refilled(self, refill: Refill, signals: Sequence[str]) -> bool:
        """Keep that history was read for these signals of a hole, and forget the refill. Returns whether it was."""
