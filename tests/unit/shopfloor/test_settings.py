from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shopfloor.mqtt import Broker, InsecureBrokerError, Tls, is_loopback
from shopfloor.settings import BrokerSettings, SettingsError, load, read_secret, write_secret


class Shape(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    broker: BrokerSettings
    folder: Path
    limit: int = 5


def written(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_are_read_whole_with_paths_beside_the_file(tmp_path: Path) -> None:
    text = 'folder = "data"\n[broker]\nhost = "localhost"\npassword_file = "secret"\n'
    found = load(written(tmp_path, text), Shape)
    assert found.folder == tmp_path / "data"
    assert found.broker.password_file == tmp_path / "secret"
    assert (found.limit, found.broker.port) == (5, 8883)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("folder = ", "no TOML"),
        ('folder = "x"\n', "broker"),
        ('folder = "x"\nlimits = 3\n[broker]\nhost = "h"\n', "limits"),
        ('folder = "x"\n[broker]\nhost = "h"\nport = "many"\n', r"\$.broker.port"),
        ('folder = 5\n[broker]\nhost = "h"\n', "folder"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_file_and_place(tmp_path: Path, text: str, hint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError, match=hint) as caught:
        load(path, Shape)
    assert str(path) in str(caught.value)


def test_settings_that_are_not_there_or_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml", Shape)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="no TOML"):
        load(tmp_path / "bytes.toml", Shape)


def test_a_secret_is_written_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "secret"
    write_secret(path, "first\n")
    write_secret(path, "a secret\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret(path) == "a secret"
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a secret", encoding="utf-8")
    path.chmod(0o604)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o640)
    assert read_secret(path) == "a secret"


def test_an_empty_or_missing_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_secret(tmp_path / "none")
    write_secret(tmp_path / "secret", "  \n")
    with pytest.raises(SettingsError, match="is empty"):
        read_secret(tmp_path / "secret")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_plain_text_is_allowed_on_loopback(host: str) -> None:
    assert is_loopback(host)
    assert Broker(host, 1883).tls is None


@pytest.mark.parametrize("host", ["broker.example", "10.0.0.1", "192.168.1.5", "::", "localhost.example", ""])
def test_plain_text_over_a_network_is_refused_unless_it_is_chosen(host: str) -> None:
    with pytest.raises(InsecureBrokerError, match="not encrypted"):
        Broker(host, 1883)
    with pytest.raises(SettingsError, match="not encrypted"):
        BrokerSettings(host).open()
    assert Broker(host, 1883, insecure=True).insecure
    assert Broker(host, 8883, tls=Tls()).tls == Tls()


def test_a_brokers_password_is_read_and_never_shown(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", "hunter2")
    broker = BrokerSettings("localhost", username="me", password_file=tmp_path / "secret").open()
    assert broker.password == "hunter2"  # noqa: S105 - the test's own
    assert "hunter2" not in repr(broker)
