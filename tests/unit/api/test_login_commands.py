"""`officina api login`: the administrator's commands for the broker's logins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from api.edges.codes import read_code
from shopfloor.broker_files import is_password, read_files
from tests.services.records import fill


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "api.toml"
    file.write_text(
        f'store = "sqlite:///store.db"\nrecords = "sqlite://{tmp_path}/records.db"\n'
        '[broker]\nhost = "127.0.0.1"\n'
        '[edges]\nbroker_files = "broker"\nhost = "broker.example"\ninsecure = true\n'
    )
    return file


def run(config: Path, command: str, *more: str) -> subprocess.CompletedProcess[str]:
    officina = str(Path(sys.executable).with_name("officina"))
    arguments = [officina, "api", "login", command, str(config), *more]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)


def test_a_login_is_added_shown_and_removed(config: Path) -> None:
    shown = run(config, "add", "mes", "--kind", "integration")
    assert is_password(shown.stdout.strip(), read_files(config.parent / "broker")["mes"].password_hash)
    run(config, "add", "collector", "--kind", "collector", "--password-file", str(config.parent / "pw"))
    entry = read_files(config.parent / "broker")["collector"]
    assert is_password((config.parent / "pw").read_text(), entry.password_hash)
    assert [line.split("\t")[:2] for line in run(config, "list").stdout.splitlines()] == [
        ["collector", "collector"],
        ["mes", "integration"],
    ]
    assert run(config, "remove", "mes").returncode == 0
    assert set(read_files(config.parent / "broker")) == {"collector"}


def test_an_invitation_is_a_code_for_its_agent(config: Path) -> None:
    assert "there is no agent 'modena'" in run(config, "invite", "modena").stderr
    fill(
        f"sqlite://{config.parent}/records.db",
        sites={"nord": "Nord"},
        machines=[{"id": "m-1", "name": "M 1", "site_id": "nord", "agent_id": "modena"}],
        holders={},
    )
    shown = run(config, "invite", "modena")
    assert read_code(shown.stdout).publisher == "modena"
    assert f"officina edge enroll URL {shown.stdout.strip()}" in shown.stderr


def test_what_cannot_be_done_is_said(config: Path) -> None:
    for command, said in ((("remove", "mes"), "no login 'mes'"), (("add", "a/b", "--kind", "reader"), "is no login")):
        ended = run(config, command[0], *command[1:])
        assert ended.returncode == 2
        assert said in ended.stderr
    text = config.read_text()
    config.write_text(text[: text.index("[edges]")])
    assert "docs/brokers.md" in run(config, "list").stderr
