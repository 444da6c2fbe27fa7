from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from shopfloor.stores.influx import InfluxStore
from shopfloor.stores.influx_server import Version1, Version2, identifier
from shopfloor.stores.sqlite import SqliteStore
from tests.services.stores import influxdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shopfloor.stores.port import Store

URL, TOKEN, ORG = (f"OFFICINA_TEST_INFLUX2_{name}" for name in ("URL", "TOKEN", "ORG"))
INFLUX = ("influxdb-1", "influxdb-2") if URL in os.environ else ("influxdb-1",)
"""Debian has no package of InfluxDB 2.x: whoever runs one gives its address, a token and its organisation."""
ENGINES = ("sqlite-file", "sqlite-memory", *INFLUX)


class Engine:
    """An empty store, and a way to open it once more as another process would."""

    def __init__(self, name: str, opened: Callable[[], Store], stack: ExitStack) -> None:
        self.name = name
        self._opened = opened
        self._stack = stack
        self.store = self.open_again()

    def open_again(self) -> Store:
        store = self._opened()
        self._stack.callback(store.close)
        return store

    @property
    def keeps(self) -> bool:
        """Whether what is written is still there when it is opened again."""
        return self.name != "sqlite-memory"


@pytest.fixture(scope="session")
def influxdb_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with influxdb(tmp_path_factory.mktemp("influxdb")) as address:
        yield address


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.services if "influx" in name else ()) for name in ENGINES])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    name: str = request.param
    with ExitStack() as stack:
        if name == "influxdb-1":
            server_1 = stack.enter_context(version_1(request.getfixturevalue("influxdb_1")))
            yield Engine(name, lambda: InfluxStore(server_1), stack)
        elif name == "influxdb-2":
            server_2 = stack.enter_context(version_2())
            yield Engine(name, lambda: InfluxStore(server_2), stack)
        else:
            path = ":memory:" if name == "sqlite-memory" else tmp_path / "store.db"
            yield Engine(name, lambda: SqliteStore(path), stack)


@pytest.fixture
def store(engine: Engine) -> Store:
    return engine.store


@contextmanager
def version_1(address: str) -> Iterator[Version1]:
    """Name a database that goes again; the first write creates it."""
    database = f"test-{secrets.token_hex(4)}"
    server = Version1(address, database)
    try:
        yield server
    finally:
        list(server.query("record", f"DROP DATABASE {identifier(database)}"))
        server.close()


@contextmanager
def version_2() -> Iterator[Version2]:
    """Name buckets that go again, on the server of the environment; the first write creates them."""
    if URL not in os.environ:
        pytest.skip(f"no InfluxDB 2.x: start one, then set {URL}, {TOKEN} and {ORG}")
    database = f"test-{secrets.token_hex(4)}"
    server, janitor = (
        Version2(os.environ[URL], database, org=os.environ[ORG], token=os.environ[TOKEN]) for _ in range(2)
    )
    try:
        yield server
    finally:
        buckets = janitor._client.buckets_api()
        for bucket in ("record", "gauge"):
            if found := buckets.find_bucket_by_name(f"{database}/{bucket}"):
                buckets.delete_bucket(found)
        server.close()
        janitor.close()
