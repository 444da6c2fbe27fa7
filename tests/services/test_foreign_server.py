"""The agent against a server that the project did not write: node-opcua with the OPC Foundation's NodeSets."""

from __future__ import annotations

import os
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent import check
from edge_agent.certificate import own_certificate
from edge_agent.config import load
from edge_agent.opcua_client import status_name
from edge_agent.opcua_connect import PREFERENCE
from shopfloor.periods import DAY, Period, format_instant, parse_instant
from shopfloor.runtime import clock
from shopfloor.stores.open import open_store
from tests.services import brokers
from tests.services.peer.peer import IDENTITY, PeerError, find_node, install_packages, node_opcua_server
from tests.services.programs import AGENT, agent_and_collector
from tests.services.test_opcua_source import MACHINE, Notebook, until, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edge_agent.config import ServerConfig
    from tests.services.peer.peer import NodeOpcuaServer, Served

pytestmark = pytest.mark.services

NODES = """
[namespaces]
LATHE = "urn:example:vendor:lathe"
[nodes]
spindle_load = { path = "MT:Monitoring/LATHE:Spindle1/LATHE:ActLoad", sampling_milliseconds = 50 }
spindle_speed = { path = "MT:Monitoring/LATHE:Spindle1/LATHE:ActSpeed" }
"spindle_rotating.boolean" = { path = "MT:Monitoring/LATHE:Spindle1/MT:IsRotating" }
"""
STORED_SECONDS = 40.0
ITEM_STATES = ("NotAvailable", "OutOfService", "NotExecuting", "Executing")
MODES = ("None", "Maintenance", "Setup", "Processing")
RUNS = ("Initializing", "Running", "Ended", "Interrupted", "Aborted")

SIGNALS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "item_state": ("state", ITEM_STATES.index),
    "operation_mode": ("mode", MODES.index),
    "program_state": ("program_state", RUNS.index),
    "control_mode": ("operation_mode", int),
    "channel_state": ("channel_state", int),
    "channel_mode": ("channel_mode", int),
    "program": ("program", str),
    "job": ("job", str),
    "parts": ("parts", int),
    "power_on_seconds": ("power_on", lambda milliseconds: milliseconds / 1000),
    "operation_seconds": ("operation", lambda milliseconds: milliseconds / 1000),
    "feed_override": ("feed_override", float),
    "rapid_override": ("rapid_override", float),
    "spindle_override": ("spindle_override", float),
    "spindle_load": ("spindle_load", float),
    "spindle_speed": ("spindle_speed", float),
    "spindle_rotating.boolean": ("spindle_rotating", bool),
}
"""The server's quantity behind each signal, and what its value becomes."""

ROUNDS: tuple[dict[str, Any], ...] = (
    {"state": "Executing", "mode": "Setup", "program_state": "Running", "program": "O4711 Ø 12", "job": "FER-0042",
     "parts": 2**53 - 1, "power_on": 1100.0, "operation": 0.5, "operation_mode": 3, "channel_state": 0,
     "channel_mode": 7, "feed_override": 87.5, "rapid_override": 25.0, "spindle_override": 0.1, "spindle_load": -3.25,
     "spindle_speed": 1e6},
    {"state": "NotAvailable", "mode": "None", "program_state": "Interrupted", "program": "", "job": "", "parts": 3,
     "power_on": 123456789012.0, "operation": 3600000.0, "operation_mode": 0, "channel_state": 1, "channel_mode": 2,
     "feed_override": 0.0, "rapid_override": 100.0, "spindle_override": 120.0, "spindle_load": 0.30000000000000004,
     "spindle_speed": 0.0, "spindle_rotating": False},
    {"state": "OutOfService", "mode": "Maintenance", "program_state": "Aborted", "program": "x" * 4096, "job": "j",
     "parts": 2**40, "power_on": 0.1, "operation": 1.0, "operation_mode": 6, "channel_state": 2, "channel_mode": 1,
     "feed_override": 120.0, "rapid_override": 0.0, "spindle_override": 50.0, "spindle_load": 5e-324,
     "spindle_speed": 17.0, "spindle_rotating": True},
)  # fmt: skip
"""Served one after another; every value differs from the one before, also when it begins anew."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeOpcuaServer]:
    """Serve one machine to all these tests; without Node.js they are skipped, in CI they fail."""
    try:
        install_packages(find_node())
    except PeerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with node_opcua_server(tmp_path_factory.mktemp("lathe"), tick_seconds=None) as running:
        yield running


@pytest.fixture
def lathe(server: NodeOpcuaServer) -> NodeOpcuaServer:
    """Return the machine, quiet and with the values of the last round."""
    play(server, ROUNDS[-1])
    return server


def settings(lathe: NodeOpcuaServer) -> str:
    return f'endpoint = "{lathe.url}"\ntrusted_certificate = "{lathe.certificate}"\npublishing_milliseconds = 50\n'


def configure(folder: Path, lathe: NodeOpcuaServer, *, trusted: str = "") -> Path:
    """Write an agent's configuration; the broker in it is nowhere."""
    (folder / "nodes.toml").write_text(NODES)
    text = settings(lathe)
    if trusted:
        text = text.replace(str(lathe.certificate), trusted)
    path = folder / "edge.toml"
    path.write_text(
        f'[agent]\nid = "{AGENT}"\n[broker]\nhost = "127.0.0.1"\ninsecure = true\n'
        f'[[machine]]\nid = "{MACHINE}"\nnodes_file = "nodes.toml"\n{text}'
    )
    return path


def server_config(path: Path) -> ServerConfig:
    (server,) = load(path).servers
    assert (server.policy, server.mode) == ("best", "SignAndEncrypt")
    return server


def introduce(lathe: NodeOpcuaServer, folder: Path) -> None:
    """Let the machine trust the agent, as its keeper does."""
    lathe.trust(own_certificate(folder / "pki", AGENT, clock.now()).certificate)


def play(lathe: NodeOpcuaServer, values: Mapping[str, Any], *, status: str = "Good") -> Mapping[str, Served]:
    """Serve new values, each with a time of its own, to the millisecond that the server keeps."""
    start, milliseconds = clock.now() // 1_000_000 * 1_000_000, count()
    return {
        name: lathe.set(
            name, value, status=status, source_time=format_instant(start - 100_000_000 + next(milliseconds) * 1_000_000)
        )
        for name, value in values.items()
    }


Said = tuple[Any, str, int | None]
"""Value, name of the status, source time."""


class Told:
    """What the machine serves to one who begins to watch it now, the values that it has by now included."""

    def __init__(self, lathe: NodeOpcuaServer) -> None:
        self._lathe = lathe
        self._first = {name: len(lathe.served(name)) - 1 for name, _ in SIGNALS.values()}

    def of(self, signal: str) -> list[Said]:
        name, convert = SIGNALS[signal]
        return [expected(each, convert) for each in self._lathe.served(name)[self._first[name] :]]

    def has_reached(self, notebook: Notebook) -> bool:
        return all(len(notebook.values[signal]) >= len(self.of(signal)) for signal in SIGNALS)


def expected(served: Served, convert: Callable[[Any], Any]) -> Said:
    value = None if served.status.startswith("Bad") else convert(served.value)
    return value, served.status, parse_instant(served.source_time)


def heard(notebook: Notebook, signal: str) -> list[Said]:
    """Return what was said, but for what a new job repeats at its own stamp."""
    jobs = {each.source for each in notebook.values["job"]}
    found: list[Said] = []
    for each in notebook.values[signal]:
        said = (each.value, status_name(each.status), each.source)
        if signal != "program" or not found or each.source not in jobs or said[:2] != found[-1][:2]:
            found.append(said)
    return found


async def test_exactly_what_is_served_arrives_with_its_source_time(tmp_path: Path, lathe: NodeOpcuaServer) -> None:
    notebook, told = Notebook(), Told(lathe)
    introduce(lathe, tmp_path)
    async with watching(server_config(configure(tmp_path, lathe)), notebook):
        await until(lambda: notebook.proofs, "observed")
        for values in ROUNDS:
            play(lathe, values)
            await until(partial(told.has_reached, notebook), "all values arrived")
        for status in ("BadSensorFailure", "UncertainLastUsableValue"):
            play(lathe, {"spindle_load": 1.5, "feed_override": 77.0, "parts": 9}, status=status)
            await until(partial(told.has_reached, notebook), "all qualities arrived")
        assert notebook.health[MACHINE].security == "Aes256_Sha256_RsaPss/SignAndEncrypt", "the best that it offers"
    for signal in SIGNALS:
        assert heard(notebook, signal) == told.of(signal), signal
    health = notebook.health[MACHINE]
    assert health.identification == {
        "manufacturer": IDENTITY["manufacturer"],
        "model": IDENTITY["model"],
        "serial_number": IDENTITY["serial_number"],
        "product_instance_uri": IDENTITY["product_instance_uri"],
    }
    assert health.refused == {}


@pytest.mark.parametrize("policy", sorted({*PREFERENCE} - {"none"}))
async def test_every_policy_of_the_agent_is_spoken_with_its_own_certificate_trusted(
    tmp_path: Path, lathe: NodeOpcuaServer, policy: str
) -> None:
    notebook = Notebook()
    path = configure(tmp_path, lathe)
    path.write_text(f'{path.read_text()}security = "{policy}"\n')
    (config,) = load(path).servers
    assert (config.policy, config.mode, config.user) == (policy, "SignAndEncrypt", "")
    introduce(lathe, tmp_path)
    async with watching(config, notebook):
        await until(lambda: notebook.proofs, "observed")
        play(lathe, ROUNDS[0])
        await until(lambda: notebook.last("program") == ROUNDS[0]["program"], "values arrive")
        assert notebook.health[MACHINE].security == f"{policy}/SignAndEncrypt"
    assert notebook.health[MACHINE].refused == {}


async def test_a_quick_signal_comes_whole_and_in_order(tmp_path: Path, lathe: NodeOpcuaServer) -> None:
    notebook, told = Notebook(), Told(lathe)
    introduce(lathe, tmp_path)
    async with watching(server_config(configure(tmp_path, lathe)), notebook):
        await until(lambda: notebook.proofs, "observed")
        lathe.tick_every(0.1)
        await until(lambda: len(notebook.values["spindle_load"]) > 30, "thirty ticks")
        lathe.tick_every(None)
        await until(lambda: notebook.last("spindle_load") == lathe.served("spindle_load")[-1].value, "the last tick")
    assert heard(notebook, "spindle_load") == told.of("spindle_load")
    assert notebook.health[MACHINE].overflows == 0


async def test_an_unknown_machine_is_told_nothing(tmp_path: Path, lathe: NodeOpcuaServer) -> None:
    notebook = Notebook()
    introduce(lathe, tmp_path)
    async with watching(server_config(configure(tmp_path, lathe, trusted="sha256:" + "0" * 64)), notebook):
        await until(
            lambda: MACHINE in notebook.health and "is not accepted" in notebook.health[MACHINE].reason, "refused"
        )
    assert notebook.calls == []


async def test_a_machine_that_does_not_know_the_agent_is_read_once_it_does(
    tmp_path: Path, lathe: NodeOpcuaServer
) -> None:
    notebook = Notebook()
    async with watching(server_config(configure(tmp_path, lathe)), notebook):
        await until(lambda: MACHINE in notebook.health and "agent.der" in notebook.health[MACHINE].reason, "refused")
        assert notebook.calls == []
        introduce(lathe, tmp_path)
        await until(lambda: notebook.proofs, "observed")


async def test_edge_check_lists_what_the_machine_serves(tmp_path: Path, lathe: NodeOpcuaServer) -> None:
    path = configure(tmp_path, lathe)
    refused = await check.check(path, clock.now)
    introduce(lathe, tmp_path)
    play(lathe, ROUNDS[0])
    report = await check.check(path, clock.now)
    (machine,) = report.machines
    values = {each.signal: each.value for each in machine.signals}
    assert refused.exit_code == check.EXIT_REFUSED
    assert "agent.der" in refused.text()
    assert report.exit_code == check.EXIT_GOOD, report.text()
    assert {signal: values.get(signal) for signal in SIGNALS} == {
        signal: convert((ROUNDS[-1] | ROUNDS[0])[name]) for signal, (name, convert) in SIGNALS.items()
    }
    assert "Example Lathes L-400 SN-0042" in report.text()


async def test_edge_init_finds_the_machine_and_what_it_writes_reads_it(tmp_path: Path, lathe: NodeOpcuaServer) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(await check.init(lathe.url, clock.now))
    identifier = load(path).publisher
    lathe.trust(own_certificate(tmp_path / "pki", identifier, clock.now()).certificate)
    report = await check.check(path, clock.now)
    assert report.exit_code == check.EXIT_GOOD, report.text()
    standard = {signal for signal in SIGNALS if "spindle_" not in signal}
    assert standard < {each.signal for each in report.machines[0].signals}


async def test_what_is_served_is_stored(tmp_path: Path, lathe: NodeOpcuaServer) -> None:
    introduce(lathe, tmp_path)
    told = Told(lathe)
    async with agent_and_collector(
        tmp_path, machine=MACHINE, settings=settings(lathe), nodes=NODES, signals=list(SIGNALS)
    ) as address:
        store = open_store(address)

        def is_stored() -> bool:
            samples = store.read([MACHINE], list(SIGNALS), Period(0, clock.now() + DAY), limit=10_000)
            stored: dict[str, list[Said]] = {signal: [] for signal in SIGNALS}
            for each in samples:
                stored[each.signal].append((each.value, status_name(each.status), each.stamp))
            jobs = {stamp for _, _, stamp in stored["job"]}
            programs = stored["program"]
            stored["program"] = [each for before, each in zip([None, *programs], programs, strict=False)
                                 if before is None or each[2] not in jobs or each[:2] != before[:2]]  # fmt: skip
            return stored == {signal: told.of(signal) for signal in SIGNALS}

        for values in ({}, *ROUNDS):
            play(lathe, values)
            await brokers.until(is_stored, "exactly this is stored", STORED_SECONDS)
        store.close()
