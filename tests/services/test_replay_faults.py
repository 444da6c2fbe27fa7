"""A recorded day of a real machine with every fault that a server can have on top: counted exactly all the same.

What the server said, spoiled or not, is noted as it says it. All of that is stored, with its own time, value and
status, but for what lies in a hole that is told; and nothing else is.
"""

from __future__ import annotations

import asyncio
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from edge_agent.trust import TrustList
from shopfloor.periods import Period
from shopfloor.runtime import clock
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE
from simulators.adapter_log import Tally
from simulators.faults import Fault, parse_fault
from simulators.faulty_server import FaultyServer
from simulators.recordings import CNC_MILL, HURCO, MAZAK, OKUMA, Recording
from simulators.replay import Pace
from simulators.serve import replay_server
from simulators.workshop import node_map
from tests.services.brokers import until
from tests.services.programs import ROOT, agent_and_collector
from tests.services.test_replay_day import (
    DAY_FILE,
    LONG,
    MACHINE,
    PLAY_SECONDS,
    SETTINGS,
    SETTLED_SECONDS,
    SHARED,
    Said,
    ends_watched,
    moved,
    moving_seconds,
    names_of,
    nothing_is_said_beside,
    registered,
    said_by,
    serving,
    stored_when_complete,
    watched_when_over,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from shopfloor.states import Hole
    from simulators.tree import Served

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not (SHARED / "data").exists(), reason="the recordings are not there"),
]

HURCO_FILE = "nist-sms-hurco01/raw/Hurco01-20170518-20170519.txt.gz"
OKUMA_FILE = "mtconnect-okuma/okuma.txt.gz"
MILL_FILE = "umich-cnc-mill/experiment_05.csv.gz"
RECORDINGS = [
    pytest.param(MAZAK, f"nist-sms-mazak01/raw/{DAY_FILE}", 4_000, "axis_x_load", id="mazak", marks=pytest.mark.long),
    pytest.param(HURCO, HURCO_FILE, 2_200, "spindle_speed", id="hurco", marks=pytest.mark.long),
    pytest.param(OKUMA, OKUMA_FILE, 6_000, "axis_x_load", id="okuma"),
    pytest.param(CNC_MILL, MILL_FILE, 12_000, "axis_x_current", id="cnc-mill", marks=pytest.mark.long),
]
"""Recordings, their files, how many lines are played in `make test`, and a signal of theirs that is a number."""

FEW_FAULTS = ["overflow at=5 signal={number} values=12000", "lost_session at=9", "restart at=18 for=1"]
EVERY_FAULT = [
    "lost_session at=8",
    "restart at=18 for=1",
    "uncertain at=32 for=4 signal={number}",
    "nan at=33 for=4 signal=feed",
    "half_open at=40",
    "slow at=70 for=10 seconds=1",
    "frozen at=84 for=5 signal={number}",
    "bad at=92 for=5 signal=program_state",
    "overflow at=102 signal={number} values=15000",
    "vanish at=108 for=6 signal=program_block",
    "clock_step at=122 for=6 seconds=-30.000137",
    "clock_drift at=132 for=5 seconds=3.000137",
]
"""What happens meanwhile. A certificate that changes is refused until it is trusted, which has a test of its own."""
FAULTS = EVERY_FAULT if LONG else FEW_FAULTS
FAULTY_SECONDS = 250 if LONG else 35
"""How long it takes to play what moves; longer silences are skipped."""
SILENCE_SECONDS_MAX = 60
LOST_SHARE_MAX = 0.8
"""How much of what is played, and of the time, the faults may take together."""
UNCOUNTED = 1_000_000
"""More holes than there are: watch until it is sure that no more come."""
NO_NODE = 0x8034_0000

Value = tuple[str, int, tuple[str, object, int]]
"""A signal, a stamp in microseconds, and type, value and status."""


@dataclass
class Truth:
    """What a server said.

    Attributes:
        names: what the agent calls the signals.
        served: when each value was said first, in the order in which they were.
    """

    names: Mapping[str, str]
    served: dict[Value, int] = field(default_factory=dict)

    def listen(self, server: FaultyServer) -> None:
        """Note from now on what the server's only source says."""
        (source,) = server.sources
        begun, due = source.open, source.due

        def opened(now: int) -> Iterable[Served]:
            return self._noted(list(begun(now)))

        def said(now: int) -> Iterator[Served]:
            yield from self._noted(due(now))

        source.open = opened  # type: ignore[method-assign]
        source.due = said  # type: ignore[method-assign]

    def _noted(self, values: Iterable[Served]) -> Iterator[Served]:
        for each in values:
            value, status = each.value, each.status
            if value is None:
                status = status or BAD_NO_COMMUNICATION
            elif isinstance(value, float) and math.isnan(value):
                value, status = None, BAD_OUT_OF_RANGE
            said = type(value).__name__, value, status
            self.served.setdefault((self.names[each.signal], each.stamp // 1000, said), clock.now())
            yield each

    def holds_back(self, lost: set[Value], signal: str) -> list[Value]:
        """Return the values of a signal that were lost in one run, from one stored value to the next one."""
        run = [each for each in self.served if each[0] == signal]
        places = [place for place, each in enumerate(run) if each in lost]
        return run[places[0] : places[-1] + 1] if places else []


@pytest.mark.parametrize(("kind", "files", "lines", "number"), RECORDINGS)
async def test_a_recording_with_faults_on_top_is_counted_exactly(
    tmp_path: Path, kind: Recording, files: str, lines: int, number: str
) -> None:
    faults = [parse_fault(line.format(number=number)) for line in FAULTS]
    await play_and_count(tmp_path, kind, files, lines, faults=faults)


async def test_a_recording_whose_server_gets_another_certificate_goes_on_when_a_person_accepts_it(
    tmp_path: Path,
) -> None:
    accepting = asyncio.create_task(accept_what_is_shown(tmp_path))
    try:
        settings = SETTINGS.replace('security = "none"\n', "")
        await play_and_count(
            tmp_path, OKUMA, OKUMA_FILE, 6_000, faults=[parse_fault("certificate at=6 for=1")], settings=settings
        )
    finally:
        accepting.cancel()
    assert [each.standing for each in TrustList(tmp_path / "pki").known()] == ["trusted", "trusted"]


async def accept_what_is_shown(folder: Path) -> None:
    """Accept whatever certificate a server shows, for ever, as a person does who compared it."""
    command = [sys.executable, "-m", "shopfloor", "edge", "trust", "accept", str(folder / "edge.toml")]
    while True:
        for each in await asyncio.to_thread(TrustList(folder / "pki").known):
            if each.standing == "rejected":
                process = await asyncio.create_subprocess_exec(*command, each.thumbprint, cwd=ROOT)
                assert await process.wait() == 0
        await asyncio.sleep(0.2)


async def play_and_count(
    folder: Path,
    kind: Recording,
    files: str,
    lines: int,
    *,
    faults: list[Fault],
    settings: str = SETTINGS,
    seconds: float = FAULTY_SECONDS,
) -> None:
    """Play a recording with faults through server, agent and collector, and compare the store with what was said."""
    paths = sorted((SHARED / "data").glob(files))
    recording, names = moved(kind, paths, None if LONG else lines), names_of(kind)
    said = said_by(paths, recording, names, Tally())
    pace = Pace(speed=moving_seconds(said) / seconds, gap_seconds_max=SILENCE_SECONDS_MAX, burst=1000)
    server, source = replay_server(
        paths, folder / "machine", recording=recording, pace=pace,
        port=0, allow_none=True, machine=MACHINE, faults=faults,
    )  # fmt: skip
    assert isinstance(server, FaultyServer)
    truth = Truth(names)
    truth.listen(server)
    async with serving(server, source):
        settings, nodes = f'endpoint = "{server.endpoint}"\n{settings}', node_map(recording.variables)
        async with agent_and_collector(
            folder, machine=MACHINE, settings=settings, nodes=nodes, signals=registered(names)
        ) as address:
            await until(lambda: source.finished, "played to the end", PLAY_SECONDS)
            over = clock.now()
            stored = await stored_when_complete(address, names, len(truth.served), SETTLED_SECONDS)
            holes, proven = await watched_when_over(address, UNCOUNTED if ends_watched(said) else 0, over)
            nothing_is_said_beside(address, names, said)
    played = Period(min(truth.served.values()), over)
    blind = sum(part.seconds for hole in holes if not hole.signals and (part := hole.period.clip(played)) is not None)
    print(f"{len(truth.served)} values in {played.seconds} s, {len(stored)} stored, {len(holes)} holes of {blind} s")
    assert blind <= played.seconds * LOST_SHARE_MAX, "holes reach further than the faults"
    is_counted_exactly(truth, stored, holes, faults, proven)


def is_counted_exactly(truth: Truth, stored: Said, holes: list[Hole], faults: list[Fault], proven: int) -> None:
    """Check that all that was said is stored or lies in a hole, that nothing else is, and that holes are as told."""
    kept = {(signal, stamp // 1000, each) for (signal, stamp), each in stored.items()}
    lost = truth.served.keys() - kept
    gone = {truth.names[fault.signal] for fault in faults if fault.kind == "vanish"}
    told = [each for each in lost if truth.served[each] <= proven]
    outside = {each for each in told if not any(_in_hole(hole, each, truth.served[each]) for hole in holes)}
    unseen = {each for signal in gone for each in truth.holds_back(outside, signal)}
    # But for what an overflow throws away, most has to be there.
    flooded = sum(fault.values for fault in faults if fault.kind == "overflow")
    assert len(lost) <= flooded + len(truth.served) * LOST_SHARE_MAX, "the faults alone do not explain that"
    assert outside <= unseen, f"{len(outside - unseen)} of {len(lost)} lost values lie in no hole"
    assert unseen <= lost, "what is not told of a node that is not there is one run"
    beside = kept - truth.served.keys()
    assert {(signal, each) for signal, _, each in beside} == {(each, ("NoneType", None, NO_NODE)) for each in gone}
    assert {hole.signals for hole in holes if hole.cause == "overflow"} == {
        (truth.names[fault.signal],) for fault in faults if fault.kind == "overflow"
    }


def _in_hole(hole: Hole, value: Value, served: int) -> bool:
    """Tell whether a value lies in a hole: of everything when it was served, of a signal by the machine's own time."""
    signal, microseconds, _ = value
    if not hole.signals:
        return served in hole.period
    return signal in hole.signals and (served in hole.period or microseconds * 1000 in hole.period)
