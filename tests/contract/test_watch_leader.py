"""One process leads the watch, on either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.records.database import Records, open_records
from api.records.tables import Site
from api.watch.leader import BEAT_SECONDS, LEASE_SECONDS, Leader, LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def records(records_address: str) -> Iterator[Records]:
    opened = open_records(records_address)
    yield opened
    opened.close()


def test_the_first_leads_and_the_second_stands_by(records: Records) -> None:
    first, second = Leader(records), Leader(records)

    assert first.hold(monotonic_seconds=0.0)
    assert not second.hold(monotonic_seconds=0.0)


def test_a_standby_never_leads_while_the_beat_moves(records: Records) -> None:
    first, second = Leader(records), Leader(records)

    for beat in range(20):
        assert first.hold(monotonic_seconds=beat * BEAT_SECONDS)
        assert not second.hold(monotonic_seconds=1_000 + beat * BEAT_SECONDS)


def test_a_standby_leads_once_the_beat_stood_still_on_its_own_clock(records: Records) -> None:
    first, second = Leader(records), Leader(records)
    first.hold(monotonic_seconds=0.0)

    assert not second.hold(monotonic_seconds=5_000.0)
    assert not second.hold(monotonic_seconds=5_000.0 + LEASE_SECONDS - 0.1)
    assert second.hold(monotonic_seconds=5_000.0 + LEASE_SECONDS)
    assert not first.hold(monotonic_seconds=1.0)


def test_a_leader_that_was_away_writes_nothing(records: Records) -> None:
    first, second = Leader(records), Leader(records)
    first.hold(monotonic_seconds=0.0)
    second.hold(monotonic_seconds=0.0)
    second.hold(monotonic_seconds=LEASE_SECONDS)

    with pytest.raises(LeaseLostError), first.writing() as session:
        session.add(Site(id="north", name="Nord"))

    with records.reading() as session:
        assert session.get(Site, "north") is None


def test_the_leader_writes(records: Records) -> None:
    leader = Leader(records)
    leader.hold(monotonic_seconds=0.0)

    with leader.writing() as session:
        session.add(Site(id="north", name="Nord"))

    with records.reading() as session:
        assert session.get_one(Site, "north").name == "Nord"


def test_a_lease_that_was_given_back_is_taken_at_once(records: Records) -> None:
    first, second = Leader(records), Leader(records)
    first.hold(monotonic_seconds=0.0)
    second.hold(monotonic_seconds=0.0)

    first.release()

    assert second.hold(monotonic_seconds=0.1)


def test_who_only_stands_by_gives_nothing_back(records: Records) -> None:
    first, second = Leader(records), Leader(records)
    first.hold(monotonic_seconds=0.0)

    second.release()

    assert not second.hold(monotonic_seconds=0.1)
