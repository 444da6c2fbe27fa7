"""A whole recorded day of a real machine, from its log to the store: every line, with its own time and value."""

from __future__ import annotations

import asyncio
import gzip
import math
import os
import random
import tomllib
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shopfloor.entries import Alarm, decode_all
from shopfloor.periods import DAY, SECOND, Period, format_instant, parse_instant
from shopfloor.runtime import clock
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE
from shopfloor.signals import DECIDING, SIGNALS
from shopfloor.states import Hole
from shopfloor.stores.open import open_store
from simulators.adapter_log import Tally
from simulators.mtconnect import EXECUTIONS, MODES
from simulators.recordings import CNC_MILL, HURCO, MAZAK, OKUMA, Recording, mapped_lines
from simulators.replay import Pace
from simulators.serve import begin_when_watched, replay_server
from simulators.workshop import node_map
from tests.services.brokers import until
from tests.services.programs import ROOT, agent_and_collector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from shopfloor.samples import Value
    from shopfloor.stores.port import Store
    from simulators.adapter_log import Line
    from simulators.replay import Replay
    from simulators.serve import AnyServer

pytestmark = pytest.mark.services

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
SHARED = Path(os.environ.get("OFFICINA_SHARED", ROOT.parent / "shared"))
DAY_FILE = "Mazak01-20171031-20171101.txt.gz" if LONG else "Mazak01-20171025-20171026.txt.gz"
RECORDING = SHARED / "data" / "nist-sms-mazak01" / "raw" / DAY_FILE
DAY_LINES = None if LONG else 7_000
"""How much of the day is played: its first lines."""
INVENTED_LINES = 6_000
PLAY_SECONDS, STORE_SECONDS = (900, 120) if LONG else (300, 60)
SETTLED_SECONDS = 5
"""How long nothing may come after the last proof, when what is missing lies in holes."""
MERGED_SECONDS = 25
"""After so long of watching no hole comes any more: a fault that began before the last one was over shares its hole."""
MACHINE = "integrex"
SETTINGS = """
security = "none"
clock = "trust"
repeats = true
queue_size = 10000
publishing_milliseconds = 500
"""
OTHERS = [
    pytest.param(HURCO, "nist-sms-hurco01/raw/Hurco01-20170518-20170519.txt.gz", id="hurco"),
    pytest.param(OKUMA, "mtconnect-okuma/okuma.txt.gz", id="okuma"),
    pytest.param(CNC_MILL, "umich-cnc-mill/experiment_*.csv.gz" if LONG else "umich-cnc-mill/experiment_05.csv.gz",
                 id="cnc-mill"),
]  # fmt: skip
"""Recordings, and their files below the shared data."""
SILENCE_SECONDS_MAX = 60
"""Longer ones are none of what moves."""

ODD_TEXTS = r"""
program|
program|Ø 12 "bohren" 50 % ; DROP TABLE
program|<long>
program|true
program|12
Xabs|NaN
Xabs|-0.0
Xabs|1e300
Xabs|-1E-300
Xabs|UNAVAILABLE
Xabs|0.30000000000000004
Tool_number|4294967295
Tool_number|abc
Tool_number|0
PartCountAct|4294967295
line|-2147483648
total_time|1234567.1
total_time|0.3
auto_time|9007199254740991
motion_cond|Fault|685|1|HIGH|A|B % = , \
execution|UNAVAILABLE
execution|ACTIVE
estop|TRIGGERED
estop|UNAVAILABLE
power|OFF
"""
"""What a control may write and the recorded day has not; one of these is no value of its item."""

OF_THE_SERVER: dict[str, Value] = {
    "alarm": "", "alarm_blocking": False, "alarms": "[]", "lifetimes": "[]", "prognoses": "[]", "tools": "[]",
}  # fmt: skip
"""What the server that plays a recording says by its conditions and its lists: that there is nothing."""

Said = dict[tuple[str, int], tuple[str, "Value | None", int]]
"""Type, value and status by signal and stamp."""


async def test_every_line_of_a_recorded_day_is_stored_with_its_own_time_and_value(tmp_path: Path) -> None:
    day = tmp_path / "day.txt"
    day.write_text("\n".join(moved_lines(RECORDING)) + "\n", encoding="utf-8")
    tally = await play_and_compare(tmp_path, [day], MAZAK)
    assert tally.bad == 1, tally.complaints


@pytest.mark.parametrize(("recording", "files"), OTHERS)
async def test_every_line_of_the_other_recordings_is_stored_with_its_own_time_and_value(
    tmp_path: Path, recording: Recording, files: str
) -> None:
    paths = sorted((SHARED / "data").glob(files))
    if not paths:
        pytest.skip(f"the recording {files} is not there")
    tally = await play_and_compare(tmp_path, paths, moved(recording, paths))
    assert tally.bad == 0, tally.complaints


def moving_seconds(said: Said) -> float:
    """Return how long a recording lasts without its silences."""
    stamps = sorted(stamp for _, stamp in said)
    gaps = ((after - before) / SECOND for before, after in pairwise(stamps))
    return sum(gap for gap in gaps if gap <= SILENCE_SECONDS_MAX)


def registered(names: Mapping[str, str]) -> list[str]:
    """Return what the agent may publish."""
    return sorted({*names.values(), *OF_THE_SERVER, "hole", "observed"})


def nothing_is_said_beside(address: str, names: Mapping[str, str], expected: Said) -> None:
    """Check that what is stored of alarms, tools and the like is what the recording knows of them."""
    store = open_store(address)
    unrecorded = sorted(OF_THE_SERVER.keys() - names.values())
    found = store.read([MACHINE], unrecorded, Period(0, clock.now() + DAY), limit=100_000)
    store.close()
    recorded = {value for (signal, _), (_, value, _) in expected.items() if signal == "alarm"}
    for each in found:
        if each.signal == "alarms":
            alarms, more = decode_all(Alarm, str(each.value))
            assert {f"{alarm.code} {alarm.text}".strip() for alarm in alarms} <= recorded, "invented"
            assert not more
        else:
            assert each.value == OF_THE_SERVER[each.signal], "invented"
    assert {each.signal for each in found} >= {"alarms", "tools"}, "they are told"


def ends_watched(said: Said) -> bool:
    """Tell whether every signal that decides the state has a value when the recording ends."""
    last = {signal: value for (signal, _), (_, value, _) in said.items()}
    return all(last.get(signal, 0) is not None for signal in DECIDING)


async def watched_when_over(address: str, count: int, after: int) -> tuple[list[Hole], int]:
    """Return the holes of the machine and its last proof.

    Args:
        address: of the store.
        count: how many holes to wait for, with the watching going on after them, a while longer where there are fewer;
            0 waits for nothing, because the recording ends with a machine that is not watched.
        after: when it is over.
    """
    store = open_store(address)
    try:
        deadline = clock.monotonic_seconds() + STORE_SECONDS
        while True:
            found = store.read([MACHINE], ["hole", "observed"], Period(0, clock.now() + DAY), limit=100_000)
            holes = [Hole.decode(MACHINE, str(each.value)) for each in found if each.signal == "hole"]
            proven = max((each.stamp for each in found if each.signal == "observed"), default=0)
            is_settled = len(holes) >= count or (holes and proven > after + MERGED_SECONDS * SECOND)
            if not count or (is_settled and proven > after):
                return holes, proven
            assert clock.monotonic_seconds() < deadline, (
                f"of {count} holes there are {holes}; it is over since {format_instant(after)}, and watched until "
                f"{format_instant(proven)}"
            )
            await asyncio.sleep(0.5)
    finally:
        store.close()


async def play_and_compare(folder: Path, paths: list[Path], recording: Recording) -> Tally:
    """Play a recording through server, agent and collector, and compare the store with its lines."""
    tally, names = Tally(), names_of(recording)
    expected = said_by(paths, recording, names, tally)
    server, source = replay_server(
        paths, folder / "machine", recording=recording, pace=Pace(speed=2000, burst=1000, burst_seconds=0.5),
        port=0, allow_none=True, machine=MACHINE,
    )  # fmt: skip
    async with serving(server, source):
        settings, nodes = f'endpoint = "{server.endpoint}"\n{SETTINGS}', node_map(recording.variables)
        async with agent_and_collector(
            folder, machine=MACHINE, settings=settings, nodes=nodes, signals=registered(names)
        ) as address:
            await until(lambda: source.finished, "played to the end", PLAY_SECONDS)
            stored = await stored_when_complete(address, names, len(expected))
            nothing_is_said_beside(address, names, expected)
    unsaid = {key: said for key, said in stored.items() if key not in expected}
    print(f"{tally.lines} lines, {len(expected)} values, {len(stored)} stored")

    lost = {key: said for key, said in expected.items() if key not in stored}
    assert lost == {}, f"{len(lost)} of {len(expected)} are lost"
    assert {key: (said, stored[key]) for key, said in expected.items() if said != stored[key]} == {}, "altered"
    assert set(unsaid.values()) <= {("NoneType", None, BAD_NO_COMMUNICATION)}, "invented"
    assert len(unsaid) == len({signal for signal, _ in unsaid}), "one before the first value of a signal, no more"
    assert max((stamp for _, stamp in unsaid), default=0) < next(iter(expected))[1]
    return tally


def names_of(recording: Recording) -> Mapping[str, str]:
    """Return what the agent calls the signals of a recording."""
    recorded = {each.signal for each in recording.variables}
    told = [name for name in SIGNALS if name in recorded or name not in OF_THE_SERVER]
    return {name.partition(".")[0]: name for name in (*told, *tomllib.loads(node_map(recording.variables))["nodes"])}


def moved(recording: Recording, paths: list[Path], lines: int | None = None) -> Recording:
    """Return a kind of recording whose files, or first lines of them, are read as if they ended just before now."""
    newest = max(line.stamp for line in recording.read(paths, Tally()))
    days = (clock.now() - newest - 600 * SECOND) // DAY * DAY

    def read(paths: Iterable[Path], tally: Tally) -> Iterator[Line]:
        return (line._replace(stamp=line.stamp + days) for line in islice(recording.read(paths, tally), lines))

    return replace(recording, read=read)


def moved_lines(recording: Path) -> Iterator[str]:
    """Yield a recording, moved by whole days to just before now, because gauges older than ninety days expire.

    `ODD_TEXTS` stand at its end, then values with equal stamps.
    """
    lines = gzip.decompress(recording.read_bytes()).decode().splitlines() if recording.exists() else invented_lines()
    lines = [line for line in lines if line][:DAY_LINES]
    end = parse_instant(lines[-1].partition("|")[0])
    lines += odd_lines(end + 60 * SECOND)
    days = timedelta(days=(clock.now() - end - 600 * SECOND) // DAY)
    for line in lines:
        yield f"{date.fromisoformat(line[:10]) + days}{line[10:]}"


def odd_lines(start: int) -> Iterator[str]:
    for number, text in enumerate(ODD_TEXTS.strip().splitlines()):
        yield f"{format_instant(start + number * SECOND)}|{text.replace('<long>', 'N' * 4000)}"
    same = format_instant(start + 600 * SECOND)
    yield from (f"{same}|{item}|{value}" for value in range(50) for item in ("Xabs", "line", "Sload"))


def invented_lines() -> list[str]:
    """Return a day of a machine that nobody recorded."""
    dice = random.Random(2611)
    stamp = parse_instant("2017-10-25T06:00:00Z")
    lines = [f"{format_instant(stamp)}|{item}|UNAVAILABLE" for item in ("execution", "mode", "power", "Xabs", "Sload")]
    for number in range(INVENTED_LINES):
        stamp += dice.choice((0, 1, 250, 1_000, 4_000)) * 1_000_000
        item, value = dice.choice([
            ("execution", dice.choice(list(EXECUTIONS))), ("mode", dice.choice(list(MODES))),
            ("power", dice.choice(("ON", "OFF"))), ("Tool_number", number % 40), ("program", f"O{number % 7}"),
            ("total_time", number), ("Xabs", round(dice.uniform(-500, 500), 3)), ("Sload", dice.randrange(120)),
            ("system_cond", f"Warning|{number % 5}|||TEXT {number % 5}"), ("system_cond", "Normal||||"),
        ])  # fmt: skip
        lines.append(f"{format_instant(stamp)}|{item}|{value}")
    return lines


def said_by(paths: list[Path], recording: Recording, names: Mapping[str, str], tally: Tally) -> Said:
    """Return what the lines say, values with equal stamps kept apart by a nanosecond."""
    said: Said = {}
    last: dict[str, tuple[int, int]] = {}
    for each in mapped_lines(paths, recording, tally):
        raw, ordinal = last.get(each.signal, (0, 0))
        last[each.signal] = each.stamp, ordinal + 1 if each.stamp == raw else 0
        value, status = each.value, 0 if each.value is not None else BAD_NO_COMMUNICATION
        if isinstance(value, float) and math.isnan(value):
            value, status = None, BAD_OUT_OF_RANGE
        said[names[each.signal], sum(last[each.signal])] = type(value).__name__, value, status
    return said


async def stored_when_complete(
    address: str, names: Mapping[str, str], count: int, settled_seconds: float = STORE_SECONDS
) -> Said:
    """Read the store until it holds at least so much, or until nothing more has come for long enough."""
    store = open_store(address)
    stored: Said = {}
    grown = clock.monotonic_seconds()
    while len(stored) < count and clock.monotonic_seconds() - grown < settled_seconds:
        before, stored = len(stored), await asyncio.to_thread(said_in, store, names)
        if len(stored) > before:
            grown = clock.monotonic_seconds()
        await asyncio.sleep(0.2)
    store.close()
    return stored


def said_in(store: Store, names: Mapping[str, str]) -> Said:
    wanted = sorted({name for name in names.values() if name not in SIGNALS or not SIGNALS[name].derived})
    samples = store.read([MACHINE], wanted, Period(0, clock.now() + DAY), limit=10_000_000)
    said: Said = {(each.signal, each.stamp): (type(each.value).__name__, each.value, each.status) for each in samples}
    assert len(said) == len(samples), "doubled"
    return said


@asynccontextmanager
async def serving(server: AnyServer, source: Replay) -> AsyncIterator[None]:
    """Serve a recording, which begins as soon as the agent watches it."""
    await server.start()
    begin = asyncio.create_task(begin_when_watched(server, source))
    try:
        yield
    finally:
        begin.cancel()
        await server.stop()
