"""Meters over Modbus TCP: real servers, a real publisher, the same wire format."""

from __future__ import annotations

import asyncio
import signal
import struct
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent import meter as meter_module
from edge_agent.meter import MeterWatch
from edge_agent.meter_config import load
from edge_agent.watched import MachineHealth
from shopfloor.runtime import clock
from shopfloor.samples import BAD_NO_COMMUNICATION, BAD_OUT_OF_RANGE
from shopfloor.settings import write_secret
from shopfloor.wire import messages, topics
from tests.services.brokers import mosquitto, peer, usual_logins
from tests.services.stores import free_port
from tests.services.test_opcua_source import Notebook, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


pytestmark = pytest.mark.services

POWER, ENERGY = 10, 20
SITE, MACHINE = "site-a", "compressor-1"


def floats(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


class Meter:
    """A power meter that is really there."""

    def __init__(self, port: int) -> None:
        registers = [SimData(0, count=100, values=0, datatype=DataType.REGISTERS)]
        bits = [SimData(0, count=2, values=[False] * 16, datatype=DataType.BITS)]
        device = SimDevice(1, (bits, list(bits), registers, list(registers)))
        self._server = ModbusTcpServer([device], address=("127.0.0.1", port))

    async def power(self, watts: float) -> None:
        await self._server.async_setValues(1, 4, POWER, floats(watts * 2))

    async def start(self) -> None:
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        await self._server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def metering(port: int, watts: float) -> AsyncIterator[Meter]:
    meter = Meter(port)
    await meter.power(watts)
    await meter.start()
    try:
        yield meter
    finally:
        await meter.stop()


def settings(folder: Path, port: int, broker: int = 1883, extra: str = "") -> Path:
    path = folder / "meters.toml"
    path.write_text(f"""\
[agent]
id = "{SITE}"
[spool]
path = "meters.sqlite"
[broker]
host = "127.0.0.1"
port = {broker}
username = "{SITE}"
password_file = "password"
insecure = true
[[meter]]
machine = "{MACHINE}"
host = "127.0.0.1"
port = {port}
poll_milliseconds = 100
[meter.signals]
power_watts = {{ address = {POWER}, type = "float32", scale = 0.5, unit = "W", deadband = 5 }}
{extra}
[meter.state]
signal = "power_watts"
idle_from = 50
processing_from = 2000
hysteresis = 20
""")
    write_secret(folder / "password", usual_logins(SITE)[SITE][0])
    return path


@asynccontextmanager
async def watching(path: Path, notebook: Notebook, heard: list[MachineHealth]) -> AsyncIterator[None]:
    (config,) = load(path).meters
    task = asyncio.create_task(MeterWatch(config, notebook, clock=clock.now, health=heard.append).run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "RETRY_SECONDS_MAX", 0.3)
    monkeypatch.setattr(meter_module, "RETRY_SECONDS_MIN", 0.1)
    monkeypatch.setattr(meter_module, "_UNREACHABLE_EVERY", 1)


async def test_power_is_read_in_its_unit_and_tells_the_state(tmp_path: Path, notebook: Notebook) -> None:
    port = free_port()
    async with metering(port, 300.0) as meter, watching(settings(tmp_path, port), notebook, []):
        await until(lambda: notebook.proofs, "observed")
        await meter.power(7500.0)
        await until(lambda: notebook.last("item_state") == 3, "processing")
        await meter.power(7502.0)
        await meter.power(0.0)
        await until(lambda: notebook.last("item_state") == 0, "off")
    assert [reading.value for reading in notebook.values["item_state"]] == [2, 3, 0]
    assert [reading.value for reading in notebook.values["power_watts"]] == [300.0, 7500.0, 0.0]
    assert not any(trusted for _, _, trusted in notebook.calls), "a meter has no clock"
    assert notebook.holes == []


async def test_a_meter_that_is_silent_is_proven_so_and_leaves_a_hole(tmp_path: Path, notebook: Notebook) -> None:
    port, heard = free_port(), list[MachineHealth]()
    async with watching(settings(tmp_path, port), notebook, heard):
        async with metering(port, 300.0):
            await until(lambda: notebook.proofs, "observed")
        await until(lambda: len(notebook.silences) > 1, "silence is proven")
        assert not heard[-1].connected
        assert "does not answer" in heard[-1].reason
        last = max(at for _, at in notebook.proofs)
        async with metering(port, 4000.0):
            await until(lambda: notebook.holes, "watched again")
    (hole,) = notebook.holes
    assert (hole.period.start, hole.signals, hole.cause) == (last, (), "unreachable")
    assert notebook.values["item_state"][-1].value == 3
    assert all(since < at for since, at in notebook.silences)


async def test_a_register_that_is_refused_or_no_number_leaves_its_neighbours_alone(
    tmp_path: Path, notebook: Notebook
) -> None:
    port, heard = free_port(), list[MachineHealth]()
    extra = f"""\
"oil_temperature.double" = {{ address = 500, type = "int16" }}
"flow.double" = {{ address = {ENERGY}, type = "float32" }}
"""
    async with metering(port, 300.0) as meter:
        await meter._server.async_setValues(1, 4, ENERGY, floats(float("nan")))
        async with watching(settings(tmp_path, port, extra=extra), notebook, heard):
            await until(lambda: notebook.proofs, "observed")
    assert notebook.values["oil_temperature.double"][0][1:3] == (None, BAD_NO_COMMUNICATION)
    assert notebook.values["flow.double"][0][1:3] == (None, BAD_OUT_OF_RANGE)
    assert notebook.last("power_watts") == 300.0
    assert "no such address" in heard[-1].refused["oil_temperature.double"]


async def test_a_publisher_of_meters_that_is_killed_goes_on_with_its_spool_and_a_hole(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tmp_path / "broker", logins=usual_logins(SITE)) as server:
        path = settings(tmp_path, port, server.port)
        command = [sys.executable, "-m", "shopfloor", "edge", "meter", str(path)]
        async with metering(port, 300.0), peer(server.broker("collector"), "collector-of-the-test") as collector:
            assert await collector.subscribe(topics.DATA_FILTER)

            def said(name: str) -> list[object]:
                decoded = [messages.decode(each.payload) for each in collector.heard]
                sets = [each for message in decoded if isinstance(message.Messages, list) for each in message.Messages]
                fields = [field for each in sets for field in (each.Payload or {}).items()]
                return [field.Value for key, field in fields if key == name and isinstance(field, messages.DataValue)]

            def log() -> str:
                return (tmp_path / "meter.log").read_text()

            for expected in (1, 2):
                with (tmp_path / "meter.log").open("ab") as output:
                    process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: ASYNC220 - returns at once
                try:
                    await until(lambda expected=expected: len(said("observed")) >= expected, "observed")  # type: ignore[misc]
                    process.send_signal(signal.SIGKILL if expected == 1 else signal.SIGTERM)
                    assert await asyncio.to_thread(process.wait, 20) == (-signal.SIGKILL if expected == 1 else 0), log()
                finally:
                    process.kill()
                    process.wait()
            assert "agent_restart" in str(said("hole")[-1])
            assert 2 in said("item_state")
            assert 300.0 in said("power_watts")
