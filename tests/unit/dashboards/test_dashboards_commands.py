"""Rendering, and settings that are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dashboards.cli import app
from dashboards.settings import load_settings
from shopfloor.settings import SettingsError, write_secret

if TYPE_CHECKING:
    from pathlib import Path

STORE = '[store]\nurl = "http://influxdb:8086"\ntoken_file = "store-token"\n'
GRAFANA = '[grafana]\nurl = "https://grafana.example"\n'


def configure(folder: Path, text: str) -> Path:
    path = folder / "dashboards.toml"
    path.write_text(text)
    return path


def render(folder: Path, text: str) -> str:
    config = configure(folder, text)
    result = CliRunner().invoke(app, ["render", str(folder / "out"), "--config", str(config)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_rendered_files_hold_no_secret_and_name_the_file_that_does(tmp_path: Path) -> None:
    write_secret(tmp_path / "store-token", "a-secret")
    render(tmp_path, STORE)

    written = {path.relative_to(tmp_path / "out").as_posix(): path.read_text() for path in tmp_path.rglob("out/**/*.*")}
    assert not any("a-secret" in text for text in written.values())
    [source] = json.loads(written["provisioning/datasources/officina.yaml"])["datasources"]
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token $__file{/run/secrets/grafana_store_token}"}
    assert source["uid"] == "officina-store"
    [provider] = json.loads(written["provisioning/dashboards/officina.yaml"])["providers"]
    assert provider["options"]["path"] == "/etc/grafana/officina/boards"
    assert sorted(name for name in written if name.startswith("boards/")) == [
        f"boards/officina-{name}.json" for name in ("fleet", "machine", "maintenance", "plant", "usage")
    ]


def test_rendering_again_writes_nothing_and_removes_what_is_no_longer_made(tmp_path: Path) -> None:
    metrics = '[metrics]\nurl = "http://prometheus:9090"\n'
    assert "officina-platform.json" in render(tmp_path, STORE + metrics)
    assert render(tmp_path, STORE + metrics) == ""
    (tmp_path / "out/boards/mine.json").write_text("{}")

    assert "removed" in render(tmp_path, STORE)
    assert not (tmp_path / "out/boards/officina-platform.json").exists()
    assert (tmp_path / "out/boards/mine.json").exists()


def test_influxdb_1_is_asked_with_its_own_login(tmp_path: Path) -> None:
    text = '[store]\nurl = "http://db:8086"\nversion = 1\nusername = "reader"\npassword_file = "p"\n'
    render(tmp_path, text)
    [source] = json.loads((tmp_path / "out/provisioning/datasources/officina.yaml").read_text())["datasources"]
    assert source["user"] == "reader"
    assert source["secureJsonData"] == {"password": "$__file{/run/secrets/grafana_store_token}"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (STORE.replace("token_file", "token"), "unknown field"),
        ('[store]\nurl = "http://db:8086"\n', "asks for a token"),
        ('[store]\nurl = "db:8086"\nversion = 1\n', "is no address"),
        ('[store]\nurl = "http://me:secret@db:8086"\nversion = 1\n', "holds no password"),
        ('[store]\nurl = "http://db:99999"\nversion = 1\n', "is no address"),
        ('[store]\nurl = "http://db:8086"\nversion = 1\nusername = "x"\n', "go together"),
        ('[grafana]\nurl = "http://grafana.example"\n' + STORE, "in the clear"),
        ('time_zone = "Europe/Nowhere"\n' + STORE, "no time zone"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        load_settings(configure(tmp_path, text))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("login", ["", 'username = "admin"\n', 'token_file = "t"\nusername = "admin"\n'])
def test_grafana_asks_for_a_token_or_a_login(tmp_path: Path, login: str) -> None:
    settings = load_settings(configure(tmp_path, GRAFANA + login + STORE))
    assert settings.grafana is not None
    with pytest.raises(SettingsError, match="token_file, or a username"):
        settings.grafana.secret()


def test_pushing_without_a_grafana_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "store-token", "a-secret")
    config = configure(tmp_path, STORE)
    with pytest.raises(SettingsError, match="name no Grafana"):
        CliRunner().invoke(app, ["push", "--config", str(config)], catch_exceptions=False)
