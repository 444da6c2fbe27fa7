"""The demonstration as its user meets it: started, looked at, hurt, stopped, started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from shopfloor.periods import format_instant, parse_instant
from shopfloor.runtime import clock
from simulators import workshop
from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.services

START_SECONDS = 90.0
STOP_SECONDS = 10.0
PAST_SECONDS = 300.0
ROOT = Path(__file__).resolve().parents[2]
OFFICINA = (sys.executable, "-m", "shopfloor")
MACHINE = "mc-1"
NAMES = "power_on_seconds,spindle_load"
ROLES = {"administrator", "operator", "maintenance"}


class Demo:
    """A demonstration that runs."""

    def __init__(self, folder: Path, port: int, seconds: float | None = None) -> None:
        self.folder = folder
        self.began = clock.now()
        self.url = f"http://127.0.0.1:{port}"
        self.output = folder.with_name(f"{folder.name}.out")
        environment = {**os.environ, "DEMO_DIR": str(folder), "PORT": str(port)}
        if seconds is not None:
            environment["DEMO_SECONDS"] = str(seconds)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*OFFICINA, "demo"], env=environment, cwd=ROOT, stdout=output, stderr=output
            )

    @property
    def credentials(self) -> Any:
        return json.loads((self.folder / "credentials.json").read_text())

    @property
    def pids(self) -> dict[str, int]:
        found: dict[str, int] = self.credentials["pids"]
        return found

    def get(self, path: str, key: str = "operator", **parameters: str) -> Any:
        headers = {"Authorization": f"Bearer {self.credentials['api_keys'][key]}"}
        answer = httpx.get(f"{self.url}/api/v1/{path}", headers=headers, params=parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, condition: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
        """Wait until a condition holds, and return what it returned; no answer counts as not yet."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError, OSError):
                if found := condition():
                    return found
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.output.read_text()[-3000:]}"
            time.sleep(0.1)

    def states(self) -> dict[str, str]:
        """Return the state of every simulated machine."""
        wanted = {place.identity.id for place in workshop.PLACES}
        return {each["id"]: each["state"] for each in self.get("machines")["items"] if each["id"] in wanted}

    def seen(self) -> int:
        """Return the stamp of the newest data of a machine."""
        return parse_instant(self.get(f"machines/{MACHINE}")["seen"])

    def is_restarted(self, program: str, before: int) -> bool:
        return self.pids[program] != before

    def has_data_since(self, stamp: int) -> bool:
        return self.seen() > stamp

    def wait_for_live_values(self) -> None:
        self.until(
            lambda: set(self.states().values()).isdisjoint({"unknown", "unreachable"}), "every machine has a state"
        )

    def samples(self, start: int, end: int) -> dict[str, list[Any]]:
        """Return the raw samples of a period."""
        answer = self.get(
            f"machines/{MACHINE}/signals", names=NAMES, to=format_instant(end), **{"from": format_instant(start)}
        )
        return {each["name"]: each["points"] for each in answer["items"]}

    def stop(self) -> tuple[int, list[str]]:
        """Do what Ctrl-C does; return the exit code and which of its programs are left."""
        pids = self.pids
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_SECONDS)
        return code, [name for name, pid in pids.items() if psutil.pid_exists(pid)]

    def end(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(2 * STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()  # which ends its programs too
                self.process.wait()


@contextmanager
def running(folder: Path, port: int, seconds: float | None = None) -> Iterator[Demo]:
    demo = Demo(folder, port, seconds)
    try:
        yield demo
    finally:
        demo.end()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run one demonstration for all tests up to the one that ends it."""
    with running(tmp_path_factory.mktemp("demo") / "data", free_port()) as it:
        it.until(lambda: it.credentials["pids"].get("edge:vignola"), "every program is started")
        it.wait_for_live_values()
        yield it


def test_its_credentials_are_for_its_user_alone_and_name_everything(demo: Demo) -> None:
    credentials = demo.credentials
    assert (demo.folder / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert credentials.keys() == {"url", "users", "api_keys", "mqtt", "pids"}
    assert credentials["url"] == demo.url
    assert credentials["api_keys"].keys() >= ROLES | {f"member:{firm.id}" for firm in workshop.FIRMS}
    assert len(set(credentials["api_keys"].values())) == len(credentials["api_keys"])
    assert {each["role"] for each in credentials["users"]} == {*ROLES, "member", "kiosk"}
    assert all(each.keys() == {"role", "email", "password", "member"} for each in credentials["users"])
    assert len({each["password"] for each in credentials["users"]}) == len(credentials["users"])
    assert credentials["mqtt"].keys() == {"host", "port", "username", "password", "publisher"}
    assert credentials["pids"].keys() >= {
        "broker",
        "collector",
        "api",
        "watch",
        *(f"edge:{site}" for site in workshop.SITES),
    }
    assert all(psutil.pid_exists(pid) for pid in credentials["pids"].values())
    assert [path for path in demo.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []


def test_it_listens_on_the_loopback_alone(demo: Demo) -> None:
    listening = [
        connection.laddr.ip
        for pid in demo.pids.values()
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    assert len(listening) >= 2 + len(workshop.SITES)


def test_live_values_come_over_http(demo: Demo) -> None:
    assert demo.states().keys() == {place.identity.id for place in workshop.PLACES}
    before = demo.seen()
    demo.until(lambda: demo.seen() > before, "newer data", 20)
    headers = {"Authorization": f"Bearer {demo.credentials['api_keys']['operator']}"}
    with httpx.stream("GET", f"{demo.url}/api/v1/live", headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        events = (line for line in answer.iter_lines() if line.startswith("data:"))
        snapshot, change = next(events), next(events)
    assert MACHINE in snapshot
    assert json.loads(change.removeprefix("data:"))


def test_a_page_asks_who_is_there(demo: Demo) -> None:
    answer = httpx.get(f"{demo.url}/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert httpx.get(f"{demo.url}/api/v1/machines").status_code == 401
    for user in demo.credentials["users"][:5]:
        form = {"email": user["email"], "password": user["password"]}
        signed_in = httpx.post(f"{demo.url}/sign-in", data=form, headers={"Origin": demo.url}, follow_redirects=True)
        assert "MC 1" in signed_in.text, user["role"]


def test_a_program_that_is_killed_comes_back_and_values_go_on(demo: Demo) -> None:
    for name in ("collector", "edge:modena", "broker"):
        before, killed_at = demo.pids[name], clock.now()
        os.kill(before, signal.SIGKILL)
        demo.until(partial(demo.is_restarted, name, before), f"{name} is started again", 30)
        demo.until(partial(demo.has_data_since, killed_at), f"data from after {name} was killed", 60)
        assert f"{name} was ended by signal 9" in demo.output.read_text()


def test_a_port_in_use_is_told_in_one_sentence(demo: Demo, tmp_path: Path) -> None:
    port = demo.url.rpartition(":")[2]
    environment = {**os.environ, "DEMO_DIR": str(tmp_path / "other"), "PORT": port}
    ended = subprocess.run(
        [*OFFICINA, "demo"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode not in {0, -signal.SIGKILL}
    assert ended.stderr.splitlines() == [
        f"officina demo: port {port} on 127.0.0.1 is in use: stop what uses it, or choose another, PORT=8001 make demo"
    ]


@pytest.mark.long
def test_ctrl_c_ends_all_of_it_and_the_next_start_goes_on_with_its_data(demo: Demo) -> None:
    before, end = demo.credentials, clock.now()
    told = demo.samples(demo.began, end)
    assert all(told.values())
    assert demo.stop() == (0, []), demo.output.read_text()
    assert "did not stop" not in demo.output.read_text()
    with running(demo.folder, free_port(), seconds=20) as second:
        second.until(lambda: second.credentials["url"] == second.url, "started again")
        assert second.credentials["api_keys"] == before["api_keys"]
        assert second.credentials["mqtt"] == before["mqtt"]
        assert second.credentials["users"] == before["users"]
        again = second.until(lambda: second.samples(demo.began, end), "the API answers")
        assert {name: [each for each in points if each not in again[name]] for name, points in told.items()} == {
            name: [] for name in told
        }
        second.until(partial(second.has_data_since, end), "new values")
        pids = second.pids
        assert second.process.wait(START_SECONDS) == 0, second.output.read_text()
    assert [name for name, pid in pids.items() if psutil.pid_exists(pid)] == []


def test_nothing_outlives_a_demonstration_that_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "data", free_port()) as demo:
        demo.until(lambda: demo.credentials["pids"].get("api"), "the API is started")
        pids = demo.pids
        demo.process.kill()
        demo.process.wait()
        demo.until(lambda: not any(map(psutil.pid_exists, pids.values())), "every program has ended", 20)


@pytest.mark.long
def test_a_demonstration_that_was_killed_while_it_filled_its_past_comes_up_and_goes_on(tmp_path: Path) -> None:
    with running(tmp_path / "data", free_port()) as demo:
        demo.until(lambda: filled(demo.folder) > 0, "some of the past is filled in", PAST_SECONDS)
        pids = demo.pids
        demo.process.kill()
        demo.process.wait()
        demo.until(lambda: not any(map(psutil.pid_exists, pids.values())), "every program has ended", 20)
    before = filled(demo.folder)
    assert before < len(workshop.PLACES) * workshop.HISTORY_DAYS
    with running(demo.folder, free_port()) as second:
        second.wait_for_live_values()
        second.until(lambda: filled(demo.folder) > before, "the past goes on", PAST_SECONDS)


def filled(folder: Path) -> int:
    """Return how many days of machines have their past."""
    days: dict[str, int] = json.loads((folder / "history.json").read_bytes())["days"]
    return sum(days.values())


def sentence(*arguments: str, python: tuple[str, ...] = ()) -> str:
    """Run a command that has to refuse, and return the one sentence that it says."""
    command = [sys.executable, *python, "-m", "shopfloor", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_every_mistake_of_an_edge_configuration_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        '[agent]\nid = "A b"\n[broker]\nhost = "h"\nca = "none.pem"\n[[machine]]\nid = "m"\nendpoint = "http://x"\n'
    )
    command = [*OFFICINA, "edge", "run", str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert [f":{line}: " in ended.stderr for line in (2, 5, 8)] == 3 * [True], ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.toml")
    assert (
        sentence("collector", "-c", missing)
        == f"officina collector: {missing} cannot be read: No such file or directory"
    )
    assert sentence("edge", "run", missing) == f"officina edge: {missing}:1: cannot be read: No such file or directory"


def test_a_missing_package_is_named() -> None:
    bare = ("-S",)  # an interpreter that finds no installed packages
    assert sentence("edge", "run", "x", python=bare) == (
        "officina edge: the Python package typer is missing: run `make install`"
    )


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    said = sentence("demo", "--port", port, "--folder", str(tmp_path / "file"))
    assert "cannot be used" in said
    assert "DEMO_DIR" in said
