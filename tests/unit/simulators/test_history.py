"""The past of the demonstration is written whole and once, however often its writing is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from shopfloor.periods import DAY, Period, parse_instant
from shopfloor.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

STARTED = parse_instant("2026-11-17T10:00:00Z")
DAYS = 3
WRITER = f"""
import sys
from pathlib import Path
from simulators import history, workshop
from shopfloor.stores.sqlite import SqliteStore
workshop.PLACES, workshop.HISTORY_DAYS, history.RAW_SECONDS = workshop.PLACES[:1], {DAYS}, 60.0
history.BATCH, history.NEWEST_DAYS = 500, 1
class Told(SqliteStore):
    def write(self, *parts, **more):
        print("write", flush=True)
        return super().write(*parts, **more)
folder = Path(sys.argv[1])
store = Told(folder / "store.db")
history.fill(store, started={STARTED}, progress_file=folder / "progress.json", clock=lambda: {STARTED}, tell=print)
"""
DEADLINE_SECONDS = 60.0


def written(folder: Path, *, kill_after: int | None = None) -> int:
    """Write the past in a process of its own, and kill it after so many writes. Returns how many it made."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WRITER, str(folder)]
    count, deadline = 0, time.monotonic() + DEADLINE_SECONDS
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            assert time.monotonic() < deadline
            count += line == "write\n"
            if count == kill_after:
                process.kill()
                break
        process.stdout.read()
        assert (process.wait() == 0) is (kill_after is None)
    return count


def held(folder: Path) -> dict[str, object]:
    """Everything that a store holds of the machine."""
    store = SqliteStore(folder / "store.db")
    whole = Period(STARTED - (DAYS + 1) * DAY, STARTED + DAY)
    (machine,) = store.contents()
    signals = sorted(store.contents()[machine])
    found: dict[str, object] = {
        "samples": store.read([machine], signals, whole, limit=10**6),
        "minutes": store.reduce(machine, signals, whole, step_seconds=3_600),
        "gaps": store.gaps([machine], whole),
    }
    store.close()
    return found


def test_a_past_that_was_killed_in_the_middle_is_the_same_as_one_that_was_not(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    writes = written(undisturbed)
    for kill_after in (1, writes // 2, writes - 1):
        written(killed, kill_after=kill_after)
    assert json.loads((killed / "progress.json").read_bytes())["days"] != {"mc-1": DAYS}
    assert 0 < written(killed) < writes, "it goes on where it was"

    assert held(killed) == held(undisturbed)
