"""Programs say that they work, and health checks hear it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shopfloor.runtime import probe
from shopfloor.runtime.notify import ALIVE_FILE, Notifier
from shopfloor.runtime.probe import AGE_SECONDS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio
from shopfloor.runtime import lifecycle
async def program(stop): await stop.wait()
raise SystemExit(lifecycle.run(program))
"""


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 503)
        self.end_headers()
        self.wfile.write(b"ready 1.0\nother 0.0\n")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def check(*arguments: str) -> str:
    """Run the health check as a container does; return what it complains about."""
    command = [sys.executable, "-m", "shopfloor.runtime.probe", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr.strip()


def test_a_server_is_well_when_it_answers_and_says_the_line(url: str) -> None:
    assert probe.probe(f"{url}/metrics") is None
    assert probe.probe(f"{url}/metrics", line="ready 1.0") is None
    assert probe.probe(f"{url}/metrics", line="ready") == f"{url}/metrics does not say 'ready'"
    assert "503" in (probe.probe(f"{url}/healthz") or "")
    assert "no address" in (probe.probe("metrics") or "")


def test_a_program_touches_its_file_for_as_long_as_it_works(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    assert "has not begun" in check(str(alive))
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env={**os.environ, ALIVE_FILE: str(alive)}, cwd=ROOT)
    try:
        deadline = time.monotonic() + 20
        while not alive.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert check(str(alive)) == ""
    finally:
        process.terminate()
        assert process.wait(20) == 0
    os.utime(alive, (0, alive.stat().st_mtime - AGE_SECONDS_MAX - 1))
    assert "the program hangs" in check(str(alive))


async def test_what_is_asked_for_is_for_one_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALIVE_FILE, str(tmp_path / "alive"))
    saying = asyncio.create_task(Notifier().keep_saying())
    await asyncio.sleep(0)

    assert ALIVE_FILE not in os.environ
    assert (tmp_path / "alive").exists()
    saying.cancel()


async def test_a_file_that_cannot_be_touched_stops_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALIVE_FILE, "/nowhere/alive")
    saying = asyncio.create_task(Notifier().keep_saying())
    await asyncio.sleep(0)

    assert not saying.done()
    saying.cancel()
