"""Moving a store: everything arrives, is counted and compared; what was done is not done again."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from shopfloor.periods import DAY, INSTANT_MIN, Period
from shopfloor.samples import Minute, Slice
from shopfloor.stores.cli import app
from shopfloor.stores.copy import Copied, CopyError, copy, total
from shopfloor.stores.influx import InfluxStore
from shopfloor.stores.progress import Progress
from shopfloor.stores.sqlite import SqliteStore
from tests.contract.conftest import INFLUX, version_1, version_2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shopfloor.stores.port import Store

DAY_1 = 20_000 * DAY
SIGNALS = ["item_state", "program", "spindle_load", "hole", "observed", "pressure.double"]
EVERYTHING = Period(DAY_1 - DAY, DAY_1 + 5 * DAY)


def said() -> list[Slice]:
    """Two machines over three days, with every kind of value, a quality and a machine's own time."""
    found: list[Slice] = []
    for machine in ("mc-1", "to-2"):
        for minute in range(0, 3 * 1440, 20):
            stamp = DAY_1 + minute * 60_000_000_000 + 7
            found.append(Slice(machine, stamp, {"item_state": minute % 4, "spindle_load": minute / 7}))
            found.append(Slice(machine, stamp + 1, {"program": f'O{minute} "Ähre", a=b'}))
        found += [
            Slice(machine, DAY_1 + DAY + 11, {"spindle_load": None}, {"spindle_load": 0x8031_0000}),
            Slice(machine, DAY_1 + DAY + 12, {"item_state": 2}, source={"item_state": DAY_1}),
            Slice(machine, DAY_1 + DAY + 13, {"pressure.double": 6.25}),
            Slice(machine, DAY_1 + DAY + 14, {"observed": DAY_1 + DAY}),
        ]
    return found


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "source.db")
    store.write(said(), [Minute("mc-1", "spindle_load", DAY_1, 60, 1.0, 2.0, 3.0)], now=DAY_1 + 4 * DAY)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", *INFLUX])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            store: Any = SqliteStore(tmp_path / "target.db")
        elif request.param == "influxdb-1":
            store = InfluxStore(stack.enter_context(version_1(request.getfixturevalue("influxdb_1"))))
        else:
            store = InfluxStore(stack.enter_context(version_2()))
        yield store
        store.close()


def clock() -> int:
    return DAY_1 + 5 * DAY


def test_everything_arrives_with_its_quality(source: SqliteStore, target: Store) -> None:
    # a server keeps raw gauges for 90 days: these are older, and go where their minutes are
    since = INSTANT_MIN if isinstance(target, SqliteStore) else clock() + DAY
    done = list(copy(source, target, gauges_since=since, clock=clock))

    expected = source.read(["mc-1", "to-2"], SIGNALS, EVERYTHING, limit=100_000)
    if since != INSTANT_MIN:
        expected = [sample for sample in expected if sample.signal not in {"spindle_load", "pressure.double"}]
    assert target.read(["mc-1", "to-2"], SIGNALS, EVERYTHING, limit=100_000) == expected
    assert sum(day.samples for day in done) == len(expected)
    assert len(done) == 6
    for machine in ("mc-1", "to-2"):
        steps = {"step_seconds": 60}
        (before,) = source.reduce(machine, ["spindle_load"], EVERYTHING, **steps).values()
        (after,) = target.reduce(machine, ["spindle_load"], EVERYTHING, **steps).values()
        assert [step[:2] for step in after] == [step[:2] for step in before]
        assert [step.mean for step in after] == pytest.approx([step.mean for step in before])


def test_a_copy_goes_on_where_it_was_ended(source: SqliteStore, tmp_path: Path) -> None:
    target = SqliteStore(tmp_path / "target.db")
    with Progress(tmp_path / "progress", "a to b") as kept:
        for number, day in enumerate(copy(source, target, done=kept.done, clock=clock)):
            kept.add(day)
            if number == 2:
                break
    with Progress(tmp_path / "progress", "a to b") as kept:
        assert len(kept.done) == 3
        rest = list(copy(source, target, done=kept.done, clock=clock))
        assert len(rest) == 3
        for day in rest:
            kept.add(day)
    source.write([Slice("mc-1", DAY_1 + 99, {"item_state": 1})], now=DAY_1 + 6 * DAY)
    with Progress(tmp_path / "progress", "a to b") as kept:
        again = list(copy(source, target, done=kept.done, clock=clock))
    assert [(day.machine, day.day) for day in again] == [("mc-1", 20_000)]  # which was written to since
    target.close()


def test_a_progress_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    with Progress(tmp_path / "progress", "a to b") as kept:
        kept.add(Copied("mc-1", 20_000, 5, 10, 2, 0))
        kept.add(Copied("mc-1", 20_001, 6, 10, 2, 0))
    text = (tmp_path / "progress").read_bytes()
    (tmp_path / "progress").write_bytes(text[:-9])

    with Progress(tmp_path / "progress", "a to b") as kept:
        assert kept.done == {("mc-1", 20_000, 5)}
        kept.add(Copied("mc-1", 20_001, 6, 10, 2, 0))
    with Progress(tmp_path / "progress", "a to b") as kept:
        assert kept.done == {("mc-1", 20_000, 5), ("mc-1", 20_001, 6)}
        assert total(kept.days) == {"mc-1": (20, 4, 0)}


class Forgetful(SqliteStore):
    """A store that loses a sample of what it took."""

    def read(self, *arguments: Any, **options: Any) -> Any:
        return super().read(*arguments, **options)[1:]


def test_a_target_that_lost_something_is_found_out(source: SqliteStore) -> None:
    with pytest.raises(CopyError, match="gives back other samples of mc-1"):
        list(copy(source, Forgetful(":memory:"), clock=clock))


def test_the_command_counts_and_refuses_the_progress_of_another_copy(source: SqliteStore, tmp_path: Path) -> None:
    source.close()
    arguments = ["copy", f"sqlite:///{tmp_path / 'source.db'}", f"sqlite:///{tmp_path / 'target.db'}"]
    options = ["--progress", str(tmp_path / "progress"), "--all-gauges"]
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "mc-1                              652 samples" in done.output
    assert "6 days of machines, each read back and found equal." in done.output

    other = CliRunner().invoke(app, [*arguments[:2], f"sqlite:///{tmp_path / 'other.db'}", *options])
    assert "is of another copy" in str(other.exception)
