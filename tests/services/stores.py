"""Real database servers for tests: each in a folder of its own, on free ports, stopped by who started it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

START_SECONDS = 30.0
PORTS = range(20_000, 32_000)
STOP_SECONDS = 20.0

INFLUXDB = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[logging]
  level = "warn"
"""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on.

    It lies below those that the system gives to whoever connects somewhere: it is still free when a server takes it.
    """
    while True:
        with socket.socket() as probe, suppress(OSError):
            port = secrets.choice(PORTS)
            probe.bind(("127.0.0.1", port))
            return port


def program(name: str, package: str) -> str:
    """Return the path of a server's program; without it the test is skipped, in CI it fails."""
    path = shutil.which(name)
    if path is not None:
        return path
    sentence = f"{name} is missing: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@contextmanager
def influxdb(folder: Path, http: int | None = None) -> Iterator[str]:
    """Run InfluxDB 1.6 of Debian without a login.

    Args:
        folder: where it keeps its data; a second start on the same folder finds them again.
        http: the port, a free one when None.

    Yields:
        Its address, for example `http://127.0.0.1:41267`.
    """
    path = program("influxd", "influxdb")
    folder.mkdir(parents=True, exist_ok=True)
    http = http or free_port()
    config = folder / "influxdb.conf"
    config.write_text(INFLUXDB.format(folder=folder, http=http, rpc=free_port()))
    with running([path, "-config", str(config)], folder, f"http://127.0.0.1:{http}/ping") as address:
        yield address


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    """Run VictoriaMetrics of Debian, and yield its address."""
    path = program("victoria-metrics", "victoria-metrics")
    folder.mkdir(parents=True, exist_ok=True)
    http = free_port()
    command = [path, f"-storageDataPath={folder}/data", f"-httpListenAddr=127.0.0.1:{http}", "-loggerLevel=ERROR"]
    with running(command, folder, f"http://127.0.0.1:{http}/health") as address:
        yield address


@contextmanager
def running(command: Sequence[str], folder: Path, health: str) -> Iterator[str]:
    """Run a server until the block ends, and yield its address once it answers."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(process, health, folder)
        yield health.rpartition("/")[0]
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], health: str, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with urllib3.PoolManager(retries=False, timeout=1.0) as pool:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                pytest.fail(f"{process.args!r} ended: {(folder / 'log').read_text()[-2000:]}")
            try:
                if pool.request("GET", health).status < 300:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
    pytest.fail(f"{process.args!r} did not answer within {START_SECONDS} s: {(folder / 'log').read_text()[-2000:]}")
