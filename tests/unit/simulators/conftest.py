from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from simulators.jobs import Member, OrderBook
from simulators.machine import Machine
from simulators.plan import Planner
from simulators.workdays import SECOND, Calendar

if TYPE_CHECKING:
    from collections.abc import Callable


MEMBERS = (Member("FER"), Member("RIV", weight=2.0), Member("BOS", weight=0.5))


@pytest.fixture
def make_machine() -> Callable[..., Machine]:
    """Make a machine that went into service in September 2026."""

    def make(**options: Any) -> Machine:
        calendar = Calendar(busy_from=options.pop("busy_from", None))
        origin = options.pop("origin", date(2026, 9, 7))
        settings = {"machine": "m01", "kind": "mill", "number": 0, "seed": 7, "members": MEMBERS, **options}
        return Machine(Planner(OrderBook(**settings), calendar), origin)

    return make


@pytest.fixture
def instant() -> Callable[..., int]:
    """Make an instant from a date and time in UTC."""

    def make(*parts: int) -> int:
        year, month, day, hour, minute, second = (*parts, 0, 0, 0)[:6]
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * SECOND

    return make


class HandClock:
    """A clock that a test sets."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def hand_clock() -> type[HandClock]:
    return HandClock
