"""Agent and collector as processes of their own, from a machine that a test provides to a SQLite store."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shopfloor.settings import write_secret
from shopfloor.wire import messages, topics
from tests.services.brokers import peer, run_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

AGENT = "site-a"
STOP_SECONDS = 20.0
ROOT = Path(__file__).resolve().parents[2]

_BROKER = """
[broker]
host = "127.0.0.1"
port = {port}
insecure = true
username = "{user}"
password_file = "password-{user}"
"""


@asynccontextmanager
async def agent_and_collector(
    folder: Path, *, machine: str, settings: str, nodes: str, signals: Sequence[str]
) -> AsyncIterator[str]:
    """Run Mosquitto, a collector and an agent until the block ends.

    Args:
        folder: private to them.
        machine: identifier of the machine.
        settings: the rest of its table in the agent's configuration.
        nodes: its node map.
        signals: what the agent may publish of it.

    Yields:
        The address of the store.
    """
    store = f"sqlite:///{folder / 'telemetry.db'}"
    registry = messages.Registry(AGENT, [messages.RegisteredMachine(machine, list(signals))])
    with run_broker("mosquitto", folder / "broker", AGENT) as broker:
        sections = {}
        for user in (AGENT, "collector"):
            sections[user] = _BROKER.format(port=broker.broker(user).port, user=user)
            write_secret(folder / f"password-{user}", broker.broker(user).password)
        (folder / "nodes.toml").write_text(nodes)
        (folder / "collector.toml").write_text(
            f'store = "{store}"\nquarantine = "quarantine.db"\n{sections["collector"]}'
        )
        (folder / "edge.toml").write_text(
            f'[agent]\nid = "{AGENT}"\n{sections[AGENT]}\n'
            f'[[machine]]\nid = "{machine}"\nnodes_file = "nodes.toml"\n{settings}\n'
        )
        async with peer(broker.broker("api"), "registry") as api:
            await api.publish(topics.registry(AGENT), messages.encode_registry(registry), retain=True)
        with _running(folder, "collector", "--config"), _running(folder, "edge", "run"):
            yield store


@contextmanager
def _running(folder: Path, program: str, *arguments: str) -> Iterator[None]:
    log = folder / f"{program}.log"
    command = [sys.executable, "-m", "shopfloor", program, *arguments, str(folder / f"{program}.toml")]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
