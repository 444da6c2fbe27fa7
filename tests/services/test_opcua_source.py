"""The OPC UA half of the agent against a machine tool's server that is really there."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict, deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pytest

from edge_agent import check, chronicle, opcua
from edge_agent.config import MachineConfig, ServerConfig
from edge_agent.nodemap import NAMESPACES, Entry
from edge_agent.opcua import watch
from edge_agent.watched import MachineHealth
from shopfloor.runtime import clock
from shopfloor.samples import BAD_NO_COMMUNICATION
from shopfloor.signals import DECIDING
from simulators.jobs import Member, OrderBook
from simulators.machine import PlannedJob
from simulators.opcua_server import MachineServer
from simulators.tree import NAMESPACES as SIMULATED
from simulators.tree import Identity, Served, Variable, machine_variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edge_agent.refill import Refill
    from shopfloor.samples import Reading, Sample
    from shopfloor.states import Hole

pytestmark = pytest.mark.services

WAIT_SECONDS = 20.0
MACHINE = "m01"
PREFIXES = {**NAMESPACES, "SIM": SIMULATED["SIM"]}
PLANS = OrderBook("m01", "mill", 0, 7, (Member("FER"),), unmarked_share=0.0)
FIRST: Mapping[str, object] = {
    "item_state": 3,
    "operation_mode": 3,
    "control_mode": 1,
    "program_state": 1,
    "channel_state": 0,
    "channel_mode": 0,
    "program": "O1234",
    "job": "",
    "spindle_load": 40.0,
    "power_on_seconds": 7200,
    "feed_override": 100.0,
    "emergency_stop": False,
}


class Script:
    """A machine that says what a test tells it to say."""

    def __init__(self, name: str = "M01") -> None:
        self.identity = Identity(name, name, "Acme", "X1", "1")
        self.variables: tuple[Variable, ...] = machine_variables(("x",))
        self.said: deque[Served] = deque()
        self.planned: tuple[PlannedJob, ...] = ()

    def say(self, signal: str, value: object, stamp: int | None = None) -> int:
        stamp = clock.now() if stamp is None else stamp
        self.said.append(Served(stamp, signal, value))  # type: ignore[arg-type]
        return stamp

    def open(self, now: int) -> Iterator[Served]:
        for signal, value in FIRST.items():
            yield Served(now, signal, value)  # type: ignore[arg-type]

    def due(self, now: int) -> Iterator[Served]:
        del now
        while self.said:
            yield self.said.popleft()

    def instant(self, now: int) -> int:
        return now

    def jobs(self, now: int) -> tuple[PlannedJob, ...]:
        del now
        return self.planned

    def tools(self, now: int) -> tuple[float, ...]:
        del now
        return (10.0,)

    def service_due(self, now: int) -> int | None:
        del now
        return None


@dataclass
class Notebook:
    """A recorder that remembers."""

    proven: int | None = None
    values: dict[str, list[Reading]] = field(default_factory=lambda: defaultdict(list))
    calls: list[tuple[str, int, bool]] = field(default_factory=list)
    proofs: list[tuple[int, int]] = field(default_factory=list)
    silences: list[tuple[int, int]] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    offsets: list[float] = field(default_factory=list)
    health: dict[str, MachineHealth] = field(default_factory=dict)
    wanted: list[Refill] = field(default_factory=list)
    filled: list[tuple[Refill, list[str]]] = field(default_factory=list)
    remembered: list[Sample] = field(default_factory=list)

    def readings(self, machine: str, readings: Sequence[Reading], *, trusted: bool) -> None:
        self.calls.append((machine, len(readings), trusted))
        for reading in readings:
            self.values[reading.signal].append(reading)

    def observed(self, machine: str, since: int, at: int) -> None:
        del machine
        self.proofs.append((since, at))

    def unreachable(self, machine: str, since: int, at: int) -> None:
        del machine
        self.silences.append((since, at))

    def hole(self, hole: Hole) -> None:
        self.holes.append(hole)

    def clock(self, machine: str, offset_seconds: float, at: int) -> None:
        del machine, at
        self.offsets.append(offset_seconds)

    def last_proof(self, machine: str) -> int | None:
        del machine
        return self.proven

    def lasts(self, machine: str) -> Mapping[str, int]:
        del machine
        return {signal: max(each.source or 0 for each in said) for signal, said in self.values.items() if said}

    def want_refill(self, refill: Refill) -> None:
        self.wanted.append(refill)

    def refills(self, machine: str) -> Sequence[Refill]:
        del machine
        return list(reversed(self.wanted))

    has_room_for_history = True

    def history(self, machine: str, samples: Sequence[Sample]) -> bool:
        del machine
        self.remembered += samples
        return True

    def refilled(self, refill: Refill, signals: Sequence[str]) -> bool:
        self.wanted.remove(refill)
        self.filled.append((refill, list(signals)))
        return True

    def hear(self, health: MachineHealth) -> None:
        self.health[health.machine] = health

    def last(self, signal: str) -> object:
        return self.values[signal][-1].value if self.values[signal] else None


def machine(identity: str = "", **options: object) -> MachineConfig:
    settings: dict[str, object] = {
        "id": MACHINE, "product_instance_uri": identity, "root": "", "clock_limit_seconds": 60.0,
        "publishing_milliseconds": 50, "queue_size": 100, "repeats": False, "namespaces": PREFIXES, "nodes": {},
    }  # fmt: skip
    return MachineConfig(**(settings | options))  # type: ignore[arg-type]


def reach(server: MachineServer, folder: Path, *machines: MachineConfig, trusted: str | None = None) -> ServerConfig:
    return ServerConfig(
        endpoint=server.endpoint,
        policy="Basic256Sha256",
        mode="SignAndEncrypt",
        user="",
        password_file=None,
        trusted_certificate=str(server.certificate) if trusted is None else trusted,
        own_certificates=folder / "pki",
        publisher="site-a",
        machines=machines or (machine(),),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(
    folder: Path, *scripts: Script, port: int = 0, limit: int = 100, history: bool = False
) -> AsyncIterator[MachineServer]:
    server = MachineServer(
        "test", scripts, folder / "server", clock.now, port=port, tick_seconds=0.02, limit=limit, history=history
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def watching(config: ServerConfig, notebook: Notebook) -> AsyncIterator[None]:
    task = asyncio.create_task(watch(config, notebook, clock=clock.now, health=notebook.hear))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = clock.monotonic_seconds() + WAIT_SECONDS
    while not condition():
        if clock.monotonic_seconds() > deadline:
            pytest.fail(f"after {WAIT_SECONDS} s still not: {what}")
        await asyncio.sleep(0.02)


def told_since(notebook: Notebook, signal: str, value: object, stamp: int) -> bool:
    """Tell whether a signal has this value, and has it from this microsecond on or later."""
    if not notebook.values[signal]:
        return False
    last = notebook.values[signal][-1]
    return last.value == value and last.source is not None and last.source >= stamp // 1000 * 1000


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def script() -> Script:
    return Script()


async def test_a_machine_is_found_by_its_type_and_all_its_signals_are_read(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        health = notebook.health[MACHINE]
    assert {signal: notebook.last(signal) for signal in DECIDING if signal != "alarm_blocking"} == {
        "item_state": 3, "operation_mode": 3, "control_mode": 1, "program_state": 1, "channel_state": 0,
    }  # fmt: skip
    assert notebook.last("power_on_seconds") == 7200.0
    assert health.identification["manufacturer"] == "Acme"
    assert all(trusted for _, _, trusted in notebook.calls)
    assert notebook.values["item_state"][0].source is not None


async def test_a_change_arrives_once_with_the_machines_own_time(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        stamp = script.say("item_state", 2)
        await until(lambda: notebook.last("item_state") == 2, "changed")
    assert [(reading.value, reading.source) for reading in notebook.values["item_state"]][1:] == [
        (2, stamp // 1000 * 1000)
    ]


async def test_what_came_within_one_interval_is_handed_on_in_one_call_and_in_order(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    config = machine(publishing_milliseconds=500)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, config), notebook):
        await until(lambda: notebook.proofs, "observed")
        before, start = len(notebook.calls), clock.now()
        for number in range(50):
            script.say("feed_override", float(number), start + number * 1_000_000)
        await until(lambda: notebook.last("feed_override") == 49.0, "changed")
    assert [reading.value for reading in notebook.values["feed_override"]][-50:] == [
        float(number) for number in range(50)
    ]
    assert len(notebook.calls) - before <= 3


async def test_a_queue_that_overflows_leaves_a_hole_of_that_signal(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    config = machine(publishing_milliseconds=500, queue_size=10)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, config), notebook):
        await until(lambda: notebook.proofs, "observed")
        known, start = notebook.values["feed_override"][-1].source, clock.now()
        for number in range(50):
            script.say("feed_override", float(number), start + number * 1_000_000)
        await until(lambda: notebook.last("feed_override") == 49.0, "changed")
    (hole,) = [hole for hole in notebook.holes if hole.cause == "overflow"]
    kept = notebook.values["feed_override"][1]
    assert hole.signals == ("feed_override",)
    assert (hole.period.start, hole.period.end) == (known, kept.source)
    assert kept.status == 0
    assert notebook.health[MACHINE].overflows == 1


async def test_a_deciding_signal_that_turns_bad_breaks_the_observation_until_it_is_good(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        since = notebook.health[MACHINE].observed_since
        script.say("item_state", None)
        await until(lambda: notebook.health[MACHINE].observed_since is None, "broken")
        assert notebook.values["item_state"][-1].status == BAD_NO_COMMUNICATION
        assert notebook.values["item_state"][-1].value is None
        script.say("item_state", 2)
        await until(lambda: notebook.health[MACHINE].observed_since, "resumed")
    (hole,) = notebook.holes
    assert (hole.cause, hole.signals) == ("bad_status", ("item_state",))
    assert all(at <= hole.period.start for begun, at in notebook.proofs if begun == since)


async def test_a_server_that_restarts_leaves_a_hole_and_a_new_span(
    tmp_path: Path, script: Script, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MAX", 1.0)
    port = free_port()
    async with serving(tmp_path, script, port=port) as server:
        config = reach(server, tmp_path)
        task = asyncio.create_task(watch(config, notebook, clock=clock.now, health=notebook.hear))
        await until(lambda: notebook.proofs, "observed")
        first = notebook.health[MACHINE].observed_since
    await until(lambda: "nothing listens at" in notebook.health[MACHINE].reason, "gone")
    async with serving(tmp_path, Script(), port=port):
        await until(lambda: notebook.health[MACHINE].observed_since not in {None, first}, "observed again")
        again = notebook.health[MACHINE].observed_since
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    (hole,) = notebook.holes
    last = max(at for since, at in notebook.proofs if since == first)
    assert (hole.period.start, hole.signals, hole.cause) == (last, (), "unreachable")
    assert hole.period.end == again


async def test_a_server_that_does_not_answer_is_proven_silent(
    tmp_path: Path, script: Script, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MAX", 0.5)
    monkeypatch.setattr(opcua, "RETRY_SECONDS_MIN", 0.1)
    monkeypatch.setattr(opcua, "UNREACHABLE_EVERY", 1)
    async with serving(tmp_path, script) as server:
        config = reach(server, tmp_path)
    async with watching(config, notebook):
        await until(lambda: len(notebook.silences) > 2, "silence is proven")
    assert len({since for since, _ in notebook.silences}) == 1
    assert [at for _, at in notebook.silences] == sorted(at for _, at in notebook.silences)
    assert notebook.proofs == []


async def test_a_gateway_that_does_not_reach_its_machine_proves_its_silence_until_it_speaks(
    tmp_path: Path, script: Script, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chronicle, "UNREACHABLE_EVERY", 1)
    deciding = [signal for signal in DECIDING if signal != "alarm_blocking"]
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        for signal in deciding[1:]:
            script.say(signal, None)
        await until(lambda: notebook.last(deciding[-1]) is None, "most are silent")
        assert notebook.silences == [], "one deciding signal still speaks"
        silent = script.say(deciding[0], None)
        await until(lambda: len(notebook.silences) > 2, "silence is proven")
        script.say(deciding[0], 1)
        await until(lambda: notebook.last(deciding[0]) == 1, "one speaks again")
        told = len(notebook.silences)
        for signal in deciding[1:]:
            script.say(signal, 1)
        await until(lambda: notebook.health[MACHINE].observed_since, "observed again")
    (since,) = {since for since, _ in notebook.silences}
    assert since >= silent // 1000 * 1000
    assert max(at for _, at in notebook.proofs if at < since) < since
    assert len(notebook.silences) <= told + 1


async def test_after_a_restart_of_the_agent_the_hole_begins_at_the_last_proof(tmp_path: Path, script: Script) -> None:
    notebook = Notebook(proven=clock.now() - 10**11)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.holes, "hole")
    assert (notebook.holes[0].period.start, notebook.holes[0].cause) == (notebook.proven, "agent_restart")


async def test_two_machines_of_one_server_share_a_session_and_are_told_apart(
    tmp_path: Path, notebook: Notebook
) -> None:
    scripts = Script("M01"), Script("M02")
    configs = [machine(each.identity.product_instance_uri, id=each.identity.id.lower()) for each in scripts]
    async with serving(tmp_path, *scripts) as server, watching(reach(server, tmp_path, *configs), notebook):
        await until(lambda: len(notebook.proofs) >= 2, "both observed")
        scripts[1].say("program", "O9999")
        await until(lambda: notebook.last("program") == "O9999", "changed")
    assert {name for name, _, _ in notebook.calls} == {"m01", "m02"}


async def test_a_machine_that_is_not_there_is_refused_and_its_neighbour_is_watched(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    configs = machine("urn:nobody", id="ghost"), machine(script.identity.product_instance_uri)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, *configs), notebook):
        await until(lambda: notebook.proofs, "observed")
        reason = notebook.health["ghost"].reason
    assert reason == "the machine urn:nobody is not there; the server has: urn:officina.example:machine:M01"


async def test_a_node_map_is_followed_and_its_mistakes_do_not_hide_the_rest(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    nodes = {
        "spindle_load": Entry(path="MT:Monitoring/SIM:Spindle/SIM:ActLoad", deadband=1.0),
        "feed": Entry(path="MT:Monitoring/SIM:Channel/SIM:NoSuchNode"),
        "program_text.double": Entry(path="MT:Production/MT:ActiveProgram/MT:Name"),
        "unit.string": Entry(path="MT:Monitoring"),
    }
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, machine(nodes=nodes)), notebook):
        await until(lambda: notebook.last("spindle_load") == 40.0, "mapped signal read")
        await until(lambda: notebook.proofs, "observed")
        script.say("spindle_load", 40.5)
        script.say("spindle_load", 42.0)
        await until(lambda: notebook.last("spindle_load") == 42.0, "changed")
        refused = notebook.health[MACHINE].refused
    assert [reading.value for reading in notebook.values["spindle_load"]] == [40.0, 42.0]
    assert "no node fits" in refused["feed"]
    assert "is Double, not str" in refused["program_text.double"]
    assert "cannot be read" in refused["unit.string"]
    assert notebook.values["program_text.double"][-1].value is None


async def test_a_server_with_small_limits_is_asked_in_small_pieces(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    async with serving(tmp_path, script, limit=5) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        assert notebook.health[MACHINE].actual == notebook.health[MACHINE].desired > 5


async def test_a_server_whose_certificate_is_not_trusted_is_told_nothing(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    async with serving(tmp_path, script) as server:
        config = reach(server, tmp_path, trusted="sha256:" + "00" * 32)
        async with watching(config, notebook):
            await until(lambda: "is not accepted" in notebook.health.get(MACHINE, _UNKNOWN).reason, "refused")
    assert notebook.calls == []
    assert notebook.silences == []


async def test_a_clock_that_is_far_off_is_not_trusted(tmp_path: Path, script: Script, notebook: Notebook) -> None:
    config = machine(clock_limit_seconds=0.000_001)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, config), notebook):
        await until(lambda: notebook.proofs, "observed")
        assert not notebook.health[MACHINE].trusted
    assert not any(trusted for _, _, trusted in notebook.calls)
    assert len(notebook.offsets) == 1


async def test_the_order_of_the_job_in_hand_counts_from_when_it_came_in_hand(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    first, second = (PLANS.job(number, date(2026, 11, 20), number) for number in range(2))
    script.planned = (PlannedJob(first, 1, 0, 0, clock.now()), PlannedJob(second, 0, 0, 0, clock.now()))
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        for job in (first, second):
            stamp = script.say("job", job.id)
            await until(partial(told_since, notebook, "order", job.order, stamp), "followed")
            await until(partial(told_since, notebook, "customer_order", job.customer_order, stamp), "followed")
        stamp = script.say("job", "")
        script.planned = ()
        await until(lambda: notebook.last("order") == "", "ended")
    assert notebook.values["order"][-1].source == stamp // 1000 * 1000
    assert notebook.last("runs_planned") is None


async def test_a_value_that_repeats_is_a_sample_only_where_that_is_asked_for(
    tmp_path: Path, script: Script, notebook: Notebook
) -> None:
    config = machine(repeats=True)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, config), notebook):
        await until(lambda: notebook.proofs, "observed")
        stamps = [script.say("feed_override", 100.0) // 1000 * 1000 for _ in range(3)]
        await until(lambda: len(notebook.values["feed_override"]) == 4, "repeated")
    assert [reading.source for reading in notebook.values["feed_override"]][1:] == stamps


async def test_a_refused_signal_is_looked_for_again(
    tmp_path: Path, script: Script, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opcua, "RECONCILE_SECONDS", 0.2)
    job = PLANS.job(0, date(2026, 11, 20), 0)
    nodes = {"second_job.string": Entry(path=f"MT:Production/MT:ProductionPlan/SIM:{job.id}/MT:Identifier")}
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path, machine(nodes=nodes)), notebook):
        await until(lambda: notebook.proofs, "observed")
        since = notebook.health[MACHINE].observed_since
        assert "no node fits" in notebook.health[MACHINE].refused["second_job.string"]
        script.planned = (PlannedJob(job, 1, 0, 0, clock.now()),)
        await until(lambda: notebook.last("second_job.string") == job.id, "found")
        assert notebook.health[MACHINE].observed_since == since
        assert notebook.health[MACHINE].refused == {}


async def test_what_is_configured_from_discovery_is_right_and_every_signal_has_a_live_value(
    tmp_path: Path, script: Script
) -> None:
    async with serving(tmp_path, script) as server:
        text = await check.init(server.endpoint, clock.now)
        path = tmp_path / "edge.toml"
        path.write_text(text, encoding="utf-8")
        report = await check.check(path, clock.now)
    assert report.exit_code == check.EXIT_GOOD, report.text()
    (seen,) = report.machines
    values = {each.signal: each.value for each in seen.signals}
    assert values["item_state"] == 3
    assert values["spindle_load"] == 40.0
    assert "spindle_load" in report.text()
    assert '"exit_code": 0' in report.json()


async def test_a_check_tells_a_wrong_file_from_a_server_that_is_away(tmp_path: Path, script: Script) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[agent]\n")
    assert (await check.check(path, clock.now)).exit_code == check.EXIT_INVALID
    async with serving(tmp_path, script) as server:
        path.write_text(await check.init(server.endpoint, clock.now), encoding="utf-8")
    report = await check.check(path, clock.now)
    assert report.exit_code == check.EXIT_REFUSED
    assert "NOT READ" in report.text()


_UNKNOWN = MachineHealth("", "")
