"""The usual faults of an agent, on a real broker and a real machine: each is named, with its mend."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from shopfloor.installation.certificates import issue, make_authority
from shopfloor.runtime import clock
from shopfloor.settings import write_secret
from shopfloor.wire import messages, topics
from tests.faults import counting
from tests.services.brokers import ROOT, mosquitto, peer, usual_logins
from tests.services.secured import secured

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.brokers import Server
    from tests.services.secured import SecuredServer

pytestmark = pytest.mark.services
AGENT = "site-a"


def configure(folder: Path, broker: Server, machine: SecuredServer, *, more: str = "", **changed: str) -> Path:
    words = {
        "host": "127.0.0.1",
        "port": str(broker.port),
        "id": counting.MACHINE,
        "bytes_max": "1000000",
    } | changed
    write_secret(folder / "password", usual_logins(AGENT)[AGENT][0])
    (folder / "edge.toml").write_text(
        f'[agent]\nid = "{AGENT}"\n[spool]\nbytes_max = {words["bytes_max"]}\n'
        f'[broker]\nhost = "{words["host"]}"\nport = {words["port"]}\nusername = "{AGENT}"\n'
        f'password_file = "password"\ninsecure = true\n'
        f'[[machine]]\nid = "{words["id"]}"\nendpoint = "{words.get("endpoint", machine.endpoint)}"\n'
        f'trusted_certificate = "{machine.certificate}"\n{more}\n'
    )
    return folder / "edge.toml"


def diagnose(config: Path) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Run the command; return its code and what is not good, by area."""
    command = [sys.executable, "-m", "shopfloor", "doctor", str(config), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
    assert done.stdout, done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout):
        if each["level"] != "good":
            assert each["mend"], each
            found.setdefault(each["area"], []).append(each)
    return done.returncode, found


async def test_each_usual_fault_is_named_with_its_mend(tmp_path: Path) -> None:
    machine = secured(tmp_path, counting.Counting(None, 2, 1)).secure()
    await machine.start()
    import asyncio

    try:
        with mosquitto(tmp_path / "broker", logins=usual_logins(AGENT)) as broker:
            named = messages.Registry(AGENT, [messages.RegisteredMachine(counting.MACHINE, ["item_state"])])
            async with peer(broker.broker("api"), "registry") as api:
                await api.publish(topics.registry(AGENT), messages.encode_registry(named), retain=True)

            async def found(**changed: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
                return await asyncio.to_thread(diagnose, configure(tmp_path, broker, machine, **changed))

            code, well = await found()
            assert code == 0, well
            assert set(well) <= {"clock", "certificates"}  # plain text to the broker is told; containers set no clock

            _, wrong = await found(id="another-1")
            assert "not among this agent's machines" in wrong["broker"][0]["what"]

            code, wrong = await found(host="no-such-host.invalid", endpoint=f"opc.tcp://127.0.0.1:{_closed_port()}/")
            assert code == 1
            assert "no-such-host.invalid" in wrong["DNS"][0]["what"]
            assert "refuses" in wrong["ports"][0]["what"]
            assert wrong["machines"][0]["level"] == "fault"

            _, wrong = await found(bytes_max="900000000000000")
            assert "the spool may grow" in wrong["disk"][0]["what"]

            _, wrong = await found(
                more='namespaces = {X = "urn:not:there"}\nnodes = {spindle_load = {path = "X:Load"}}\n'
            )
            assert "urn:not:there" in str(wrong.get("namespaces")), wrong

            config = configure(tmp_path, broker, machine)
            write_secret(tmp_path / "password", "some-other-password")
            _, wrong = await asyncio.to_thread(diagnose, config)
            assert "does not take the login" in wrong["broker"][0]["what"]
    finally:
        await machine.stop()


def test_the_brokers_certificate_is_judged_as_the_agent_judges_it(tmp_path: Path) -> None:
    from edge_agent.config import load
    from edge_agent.doctor.trusted import certificates

    for name in ("ours", "theirs"):
        make_authority(tmp_path / f"{name}.pem", tmp_path / f"{name}.key", name, now=clock.now())
    authority = (tmp_path / "ours.pem", tmp_path / "ours.key")
    issue(tmp_path / "b.pem", tmp_path / "b.key", ["127.0.0.1"], authority=authority, now=clock.now())
    extra = [f"cafile {authority[0]}", f"certfile {tmp_path}/b.pem", f"keyfile {tmp_path}/b.key"]
    with mosquitto(tmp_path / "broker", extra=extra) as broker:
        config = tmp_path / "edge.toml"

        def said(ca: str, host: str = "127.0.0.1") -> str:
            config.write_text(
                f'[agent]\nid = "site-a"\n[broker]\nhost = "{host}"\nport = {broker.port}\nca = "{ca}"\n'
                '[[machine]]\nid = "mc-1"\nendpoint = "opc.tcp://127.0.0.1:4840/"\nsecurity = "none"\n'
            )
            findings = list(certificates(load(config), config, clock.now()))
            return next(each.what for each in findings if each.area == "certificates")

        assert "is trusted for 396 days more" in said("ours.pem")
        assert "is not trusted" in said("theirs.pem")
        assert "is not trusted: Hostname mismatch" in said("ours.pem", "localhost")


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
