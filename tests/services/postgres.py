"""A private PostgreSQL cluster for tests: in a folder of its own, on a free port, stopped by who started it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api.records.database import open_records
from tests.services.stores import START_SECONDS, STOP_SECONDS, free_port, program

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = ("fsync=off", "listen_addresses=127.0.0.1", "shared_buffers=16MB", "max_connections=100")
_BINARIES = "/usr/lib/postgresql"
_numbers = itertools.count(1)


class Cluster:
    """A running cluster.

    Attributes:
        port: on the loopback.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._of_today = ""

    def new_database(self, *, like: str = "template1") -> str:
        """Make an empty database and return its address, as the settings of the API name it."""
        name = f"records_{next(_numbers)}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        return f"postgresql://officina@127.0.0.1:{self.port}/{name}"

    def new_records(self) -> str:
        """Make a database of today's version without rows: a copy of the first, which every migration made."""
        if not self._of_today:
            address = self.new_database()
            open_records(address).close()
            self._of_today = address.rpartition("/")[2]
        return self.new_database(like=self._of_today)

    @property
    def admin(self) -> str:
        """How psycopg connects as its owner."""
        return f"host=127.0.0.1 port={self.port} user=officina dbname=postgres"


@contextmanager
def postgres() -> Iterator[Cluster]:
    """Run a cluster that lets this machine in without a password."""
    folder = Path(tempfile.mkdtemp(prefix="officina-postgres-"))
    as_user = _unprivileged(folder)
    port = free_port()
    data = folder / "data"
    try:
        subprocess.run(
            [_binary("initdb"), "-D", str(data), "-U", "officina", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True, capture_output=True, cwd=folder, **as_user,
        )  # fmt: skip
        options = [part for each in _SETTINGS for part in ("-c", each)]
        command = [_binary("postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), *options]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_user)
        try:
            _wait_until_it_answers(process, Cluster(port), folder / "log")
            yield Cluster(port)
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(STOP_SECONDS)
    finally:
        shutil.rmtree(folder)


def _binary(name: str) -> str:
    """Find a program of PostgreSQL; Debian keeps them apart by version."""
    newest = sorted(Path(_BINARIES).glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(newest[-1]) if newest else program(name, "postgresql")


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Return how to start it: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def _wait_until_it_answers(process: subprocess.Popen[bytes], cluster: Cluster, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(cluster.admin, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"PostgreSQL does not answer: {log.read_text()[-2000:]}")
