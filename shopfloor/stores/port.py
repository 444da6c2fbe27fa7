"""What every telemetry store can do: six methods, the same on every engine.

Calls block; an asynchronous program wraps them in a thread. An adapter may be called from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shopfloor.periods import Period
    from shopfloor.samples import Minute, Run, Sample, Slice
    from shopfloor.states import Coverage


class StoreUnavailableError(Exception):
    """The store did not answer, or asked to come back later: nothing was refused, try again."""


class StoreRefusedError(ExpectedError):
    """The store does not let this program in, or is not set up: a person has to mend it."""


class Rejection(NamedTuple):
    """A sample that the store will never take, and the store's own reason."""

    sample: Sample
    reason: str


class Reduced(NamedTuple):
    """A gauge over one step: Good samples only.

    Attributes:
        stamp: start of the step.
        n: number of samples.
        minimum: smallest of them.
        mean: arithmetic mean of them.
        maximum: largest of them.
    """

    stamp: int
    n: int
    minimum: float
    mean: float
    maximum: float


class Arrival(NamedTuple):
    """Data of a machine's UTC day came in.

    Attributes:
        machine: whose data.
        day: UTC day of the data, as days since 1970-01-01.
        at: when the newest of it was written.
    """

    machine: str
    day: int
    at: int


class Store(Protocol):
    """The port."""

    def write(self, slices: Sequence[Slice | Run], minutes: Sequence[Minute] = (), *, now: int) -> list[Rejection]:
        """Commit all of this durably, or raise; what is there already is overwritten with itself.

        Marks the arrival (machine, day) of every slice, never before its samples are there; minutes are derived from
        samples and mark nothing. `observed` and `unreachable` may be thinned to the newest proof of each span.

        Returns:
            What the store will never take. Everything else is committed.

        Raises:
            StoreUnavailableError: nothing is known to be committed; write the same again later.
            StoreRefusedError: the same, and a person has to act.
        """

    def read(self, machines: Sequence[str], signals: Sequence[str], period: Period, *, limit: int) -> list[Sample]:
        """Return samples by machine, then stamp; at most `limit` of each machine, the earliest ones."""

    def last(self, machines: Sequence[str], signals: Sequence[str], before: int) -> dict[tuple[str, str], Sample]:
        """Return the newest sample of each machine and signal with a stamp before an instant."""

    def reduce(
        self,
        machine: str,
        signals: Sequence[str],
        period: Period,
        *,
        step_seconds: int,
    ) -> dict[str, list[Reduced]]:
        """Return each signal's samples reduced to steps, aligned to 1970; a step without a sample is left out.

        Where raw samples have expired and the step is a whole number of minutes, stored minutes answer.
        """

    def gaps(self, machines: Sequence[str], period: Period) -> Mapping[str, Coverage]:
        """Return what is known of the watching: proven spans clipped to the period, and the holes that touch it."""

    def arrivals(self, since: int) -> list[Arrival]:
        """Return the days of data that were written to at or after an instant, oldest arrival first.

        An arrival carries the `now` of its write, which may commit later: ask again from somewhat earlier.
        """

    def close(self) -> None:
        """Let go of files and connections."""


class Listed(Store, Protocol):
    """A store that can say which machines and signals it holds: every adapter, for what goes through all of it."""

    def contents(self) -> Mapping[str, Sequence[str]]:
        """Return the signals of each machine that there may be samples of."""
