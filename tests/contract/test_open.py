from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shopfloor.samples import Slice
from shopfloor.settings import SettingsError
from shopfloor.stores.influx import InfluxStore
from shopfloor.stores.influx_server import Version1, Version2
from shopfloor.stores.open import StoreAddressError, open_store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_opens_by_its_whole_path(tmp_path: Path) -> None:
    path = tmp_path / "with space" / "store.db"
    for address in (f"sqlite://{path}", f"sqlite:///{path}"):
        store = open_store(address.replace(" ", "%20"))
        store.write([Slice("m1", 0, {"parts": 1})], now=0)
        store.close()

    assert path.exists()


def test_a_file_opens_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    open_store("sqlite:var/store.db").close()

    assert (tmp_path / "var" / "store.db").exists()


def test_memory_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    open_store("sqlite://:memory:").close()

    assert list(tmp_path.iterdir()) == []


def test_a_token_comes_from_the_address_a_file_or_the_caller(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from the file\n")
    secret.chmod(0o600)
    base = "influx+https://{}metrics.example:8086/plant?org=firms"
    addresses = {
        base.format(":in%20the%20address@"): "in the address",
        base.format("") + f"&token_file={secret}": "from the file",
    }
    for address, token in addresses.items():
        store = open_store(address)
        assert isinstance(store, InfluxStore)
        server = store._server
        assert isinstance(server, Version2)
        assert server._http._pool.headers["Authorization"] == f"Token {token}"
        assert (server._database, server._http.url) == ("plant", "https://metrics.example:8086")
        store.close()
    store = open_store(base.format(""), secret="said")  # noqa: S106
    assert isinstance(store, InfluxStore)
    store.close()


def test_version_1_takes_a_login_or_none() -> None:
    for address, login in (("influx1+http://[::1]:8086", False), ("influx1+http://me:pw@localhost:8086", True)):
        store = open_store(address)
        assert isinstance(store, InfluxStore)
        server = store._server
        assert isinstance(server, Version1)
        assert ("authorization" in server._http._pool.headers) is login
        assert server._database == "officina"
        store.close()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "store.db",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/file.db",
        "influx+http://host:8086",
        "influx+http://host:8086?org=firms",
        "influx+http://:token@host:8086",
        "influx+http://:token@host:8086?org=firms&verify=no",
        "influx1+http://",
        "influx1+http://host:99999",
    ],
)
def test_another_address_is_refused_with_the_forms(address: str) -> None:
    with pytest.raises(StoreAddressError, match="influx1"):
        open_store(address)


def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("token")
    secret.chmod(0o644)

    with pytest.raises(SettingsError, match="everybody"):
        open_store(f"influx+http://localhost:8086?org=o&token_file={secret}")
