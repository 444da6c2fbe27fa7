"""Minutes of gauges, from raw samples by machine and day: what stays when those expire. One code for all stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.watch.tables import JobRun
from shopfloor.periods import DAY, MINUTE, SECOND, Period
from shopfloor.samples import Minute
from shopfloor.signals import find
from shopfloor.stores.values import MINUTE_SECONDS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.records.database import Records
    from shopfloor.stores.port import Arrival, Listed

NAME = "minutes"
EVERY_SECONDS = 300.0
MARGIN = 120 * SECOND
"""An arrival carries the `now` of its write, which may commit so much later."""
REACH = DAY
"""How far before the end of the last run of another process arrivals are looked at again: a run takes less."""
LATE = 15 * MINUTE
"""What comes in so late within a day is in the next run; what comes later still, when the day is over."""


class Minutes:
    """Keeps stored minutes current; what it writes is the same however often it does.

    Args:
        records: where it stands when the watch last ended a run.
        store: raw samples, and the minutes.
    """

    def __init__(self, records: Records, store: Listed) -> None:
        self._records = records
        self._store = store
        self._since: int | None = None
        self._until: dict[tuple[str, int], int] = {}
        self._unfinished: set[tuple[str, int]] = set()

    def run(self, now: int) -> None:
        """Reduce what came in since the last run, and whole days that ended since.

        Raises:
            StoreUnavailableError, StoreRefusedError: the next run does the same again.
            RecordsUnavailableError: the same.
        """
        since = self._begin(now) if self._since is None else self._since
        today = now // DAY
        signals = {machine: _gauges(names) for machine, names in self._store.contents().items()}
        days = {(each.machine, each.day) for each in self._store.arrivals(since - MARGIN) if _is_due(each, today)}
        days |= {key for key in self._unfinished if key[1] < today}
        for machine, day in sorted(days):
            if names := signals.get(machine):
                self._reduce(machine, names, day, now)
        self._since = now

    def _begin(self, now: int) -> int:
        """Return from when on arrivals were not looked at; a store that was moved brings its minutes along."""
        with self._records.reading() as session:
            last = session.get(JobRun, NAME)
        return last.ended - REACH if last is not None and last.ended else now // DAY * DAY

    def _reduce(self, machine: str, names: Sequence[str], day: int, now: int) -> None:
        end = min((day + 1) * DAY, now // MINUTE * MINUTE)
        is_over = end == (day + 1) * DAY and day < now // DAY
        start = day * DAY if is_over else max(day * DAY, self._until.get((machine, day), day * DAY) - LATE)
        if start < end:
            reduced = self._store.reduce(machine, names, Period(start, end), step_seconds=MINUTE_SECONDS)
            minutes = [
                Minute(machine, signal, each.stamp, each.n, each.minimum, each.mean, each.maximum)
                for signal, steps in reduced.items()
                for each in steps
            ]
            if minutes:
                self._store.write((), minutes, now=now)
        if is_over:
            self._unfinished.discard((machine, day))
            self._until.pop((machine, day), None)
        else:
            self._unfinished.add((machine, day))
            self._until[machine, day] = end


def _is_due(arrival: Arrival, today: int) -> bool:
    return arrival.day <= today


def _gauges(names: Sequence[str]) -> list[str]:
    return [name for name in names if find(name).signal_class == "gauge" and find(name).type in NUMBERS]
