"""The systemd unit of an agent, as systemd itself judges it, and what a service tells systemd."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_agent.cli import app
from edge_agent.install import InstallError, install
from edge_agent.unit import EXPOSURE_MAX
from shopfloor.runtime.notify import Notifier
from shopfloor.settings import read_secret, write_secret

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
[agent]
id = "modena"
[broker]
host = "broker.example"
username = "modena"
password_file = "password-modena"
ca = "broker-ca.pem"
[[machine]]
id = "mc-1"
endpoint = "opc.tcp://192.0.2.10:4840/"
user = "reader"
password_file = "password-mc-1"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    home = tmp_path / "root" / "var" / "lib" / "officina-edge"
    home.mkdir(parents=True)
    for name in ("password-modena", "password-mc-1"):
        write_secret(home / name, f"the secret of {name}")
    (home / "broker-ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (home / "edge.toml").write_text(CONFIG)
    return home / "edge.toml"


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """Listen as systemd does."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return listening


def test_systemd_finds_no_fault_with_the_unit_and_little_exposure(config: Path, tmp_path: Path) -> None:
    installed = install(config, root=tmp_path / "root")

    assert installed.unit == tmp_path / "root/etc/systemd/system/officina-edge.service"
    text = installed.unit.read_text()
    assert "Type=notify\n" in text
    assert f"ExecStart={Path(sys.executable).with_name('officina')} edge run /var/lib/officina-edge/edge.toml\n" in text
    assert "LoadCredential=password-modena:/var/lib/officina-edge/password-modena\n" in text
    assert "LoadCredential=password-mc-1:/var/lib/officina-edge/password-mc-1\n" in text
    assert "the secret" not in text
    if shutil.which("systemd-analyze") is not None:
        assert installed.exposure is not None
        assert installed.exposure <= EXPOSURE_MAX
        print(f"systemd-analyze security: {installed.exposure}")


def test_an_agent_whose_folder_the_service_could_not_write_is_refused_with_the_mend(
    config: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "root" / "edge.toml"
    elsewhere.write_text(config.read_text())

    with pytest.raises(InstallError, match=r"move .* there, then install"):
        install(elsewhere, root=tmp_path / "root")


def test_a_second_installation_writes_the_same(config: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = CliRunner().invoke(
            app, ["install", str(config), "--root", str(tmp_path / "root")], catch_exceptions=False
        )
        assert done.exit_code == 0
    assert "systemctl enable --now officina-edge" in done.output


def test_a_service_reads_the_copy_of_a_secret_that_systemd_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secret(tmp_path / "password-modena", "as it lies in the folder")
    write_secret(tmp_path / "credentials" / "password-modena", "as systemd hands it over", mode=0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert read_secret(tmp_path / "password-modena") == "as systemd hands it over"


async def test_the_watchdog_hears_from_a_service_that_works_and_not_from_one_that_hangs(
    line: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = Notifier()
    saying = asyncio.create_task(notifier.keep_saying())
    heard = [await asyncio.to_thread(line.recv, 64) for _ in range(4)]

    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert notifier.alive_seconds == pytest.approx(0.1)
    assert "NOTIFY_SOCKET" not in os.environ  # else what this process starts would speak in its name
    saying.cancel()
    line.close()


def test_a_program_says_when_it_is_ready_and_when_it_stops(line: socket.socket, tmp_path: Path) -> None:
    program = (
        "import asyncio\nfrom shopfloor.runtime import lifecycle\n"
        "async def program(stop):\n await stop.wait()\nraise SystemExit(lifecycle.run(program))"
    )
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    line.settimeout(20)
    assert line.recv(64) == b"READY=1"
    process.terminate()
    assert line.recv(64) == b"STOPPING=1"
    assert process.wait(20) == 0
    line.close()
