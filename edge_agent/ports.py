"""What the OPC UA half of the agent asks of the half that keeps samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shopfloor.samples import Reading
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
