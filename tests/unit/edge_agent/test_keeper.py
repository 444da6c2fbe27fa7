"""The ends of certificates are told 30, 7 and 1 days before, once each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from edge_agent.certificate import own_certificates
from edge_agent.keeper import Keeper
from edge_agent.watched import MachineHealth
from shopfloor.periods import DAY, HOUR

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000_000_000_000
MILL = "opc.tcp://10.0.0.5:4840"


class Told:
    """A keeper whose clock the test sets."""

    def __init__(self, folder: Path, *, machine: int | None = None, broker: int | None = None) -> None:
        self.now = NOW
        health = MachineHealth(machine="mill-1", endpoint=MILL)
        health.certificate_expires = machine
        self.keeper = Keeper(
            folder,
            "site-a",
            clock=lambda: self.now,
            machines=lambda: [health],
            distrust=_nothing,
            broker=lambda: broker,
        )

    def days(self, event: str, steps: list[float]) -> list[int | None]:
        """Look at these days before the end at `NOW` and return the days that each look tells of, None for nothing."""
        found: list[int | None] = []
        for each in steps:
            self.now = NOW - int(each * DAY)
            with capture_logs() as logs:
                self.keeper.look()
            told = [log["days"] for log in logs if log["event"] == event]
            assert len(told) <= 1
            found.append(told[0] if told else None)
        return found


async def _nothing() -> None:
    pass


STEPS = [31.5, 30.5, 29.5, 8.5, 7.5, 6.5, 1.5, 1.4, 0.5, -0.5, -1.5]
TOLD = [None, 30, None, None, 7, None, 1, None, 0, -1, -2]


@pytest.mark.parametrize("whose", ["machine", "broker"])
def test_the_end_of_a_certificate_is_told_30_7_and_1_days_before_and_then_every_day(tmp_path: Path, whose: str) -> None:
    ends = {"machine": NOW} if whose == "machine" else {"broker": NOW}
    event = "certificate.server_ends" if whose == "machine" else "certificate.broker_ends"

    assert Told(tmp_path, **ends).days(event, STEPS) == TOLD


def test_the_agents_own_certificate_is_renewed_and_its_end_told(tmp_path: Path) -> None:
    ends = own_certificates(tmp_path, "site-a", NOW)[0].expires
    it = Told(tmp_path)

    it.now = ends - 30 * DAY - HOUR
    with capture_logs() as logs:
        it.keeper.look()
        it.keeper.look()

    assert [log["event"] for log in logs].count("certificate.own_ends") == 1
    assert [log["event"] for log in logs].count("certificate.successor_made") <= 1
    assert len(it.keeper.own()) == 2


def test_nothing_is_told_where_nothing_ends(tmp_path: Path) -> None:
    with capture_logs() as logs:
        Told(tmp_path).keeper.look()

    assert logs == []


def test_an_agent_that_slept_through_the_end_of_its_certificate_says_so_once_a_day_and_goes_on_saying_since_when(
    tmp_path: Path,
) -> None:
    ends = own_certificates(tmp_path, "site-a", NOW)[0].expires
    it = Told(tmp_path)

    it.now = ends + 3 * DAY - HOUR
    with capture_logs() as logs:
        it.keeper.look()
        it.keeper.look()

    assert [log["event"] for log in logs] == ["certificate.unusable"]
    assert [(each.file, each.days) for each in it.keeper.own()] == [("agent.der", -3)]
