"""Spans that cover one another. Pure."""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

from shopfloor.periods import SECOND, Period

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Layers(Generic[T]):
    """Spans laid over one another, the later in the order given on top, asked for by instant.

    Attributes:
        bounds: where anything begins or ends, ascending, on whole seconds.
    """

    def __init__(self, spans: Iterable[tuple[Period, T]]) -> None:
        """Take spans from the bottom up; each boundary is cut to its second."""
        cut = [(_second(period.start), _second(period.end), what) for period, what in spans]
        self.bounds = sorted({bound for start, end, _ in cut for bound in (start, end) if start < end})
        starting: dict[int, list[int]] = {}
        for number, (start, _, _) in enumerate(cut):
            starting.setdefault(start, []).append(number)
        self._tops: list[T | None] = []
        heap: list[int] = []
        for bound in self.bounds:
            for number in starting.get(bound, ()):
                heappush(heap, -number)
            while heap and cut[-heap[0]][1] <= bound:
                heappop(heap)
            self._tops.append(cut[-heap[0]][2] if heap else None)

    def at(self, instant: int) -> T | None:
        """Return what lies on top at an instant."""
        index = bisect_right(self.bounds, instant) - 1
        return self._tops[index] if index >= 0 else None


def _second(instant: int) -> int:
    return instant // SECOND * SECOND
