"""What docker-compose.yml, Dockerfile and .env.example promise; where a client of compose is, that it reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from shopfloor import cli
from shopfloor.installation.plan import Plan
from shopfloor.installation.write import write
from shopfloor.runtime import clock

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENDING = {"store-init", "boards"}
"""Services that do something once."""
PROFILES = ["", "grafana", "simulators", "edge"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("installation")
    owner = (os.getuid() or 10_001, os.getgid() or 10_001)
    write(made, Plan(host="officina.example.it"), owner=owner, now=clock.now())
    return made


def keys(text: str) -> list[str]:
    return re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)


def test_every_key_is_explained_and_written() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    template = (ROOT / "shopfloor/installation/templates/env").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    assert set(keys(example)) == used | {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
    assert keys(example) == keys(template)
    for key in keys(example):
        assert re.search(rf"(?:^# .+\n(?:# .+\n|[A-Z_]+=.*\n)*)^{key}=", example, re.MULTILINE), f"{key}: no comment"


def test_only_https_and_mqtts_are_open_to_the_network() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "caddy": ["${OFFICINA_HTTPS_PORT:-443}:443"],
        "mosquitto": ["${OFFICINA_MQTTS_PORT:-8883}:8883"],
    }
    assert all(service.get("network_mode") is None for service in SERVICES.values())
    assert COMPOSE["networks"]["front"]["internal"]
    assert COMPOSE["networks"]["back"]["internal"]


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_service_is_hardened_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert re.fullmatch(r"\$\{OFFICINA_IMAGE:\?.+\}|[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"])
    if name not in {
        "influxdb",
        "postgres",
    }:  # which begin as root to own their folder, and go on as a user of their own
        assert service["user"] == "${OFFICINA_UID:?}:${OFFICINA_GID:?}"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ENDING))
def test_every_service_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_a_service_waits_until_what_it_needs_is_well() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ENDING else "service_healthy"
            assert how == {"condition": expected}, f"{name} needs {needed}"


def test_secrets_come_by_file_alone() -> None:
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        telling = [key for key in environment if re.search("PASSWORD|TOKEN|SECRET", key) and "FILE" not in key]
        assert telling == [], name
        for secret in service.get("secrets", ()):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"], name


def test_every_mounted_file_is_made_by_init_and_every_volume_has_a_name(folder: Path) -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.rpartition(":/")[0] if volume.startswith("${") else volume.partition(":")[0]
            if source.startswith("${OFFICINA_FOLDER:?}/"):
                assert (folder / source.partition("/")[2]).exists(), f"{name}: {volume}"
            elif source.startswith("./"):
                assert (ROOT / source).is_file(), f"{name}: {volume}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {volume}"
    for name, secret in COMPOSE["secrets"].items():
        assert (folder / secret["file"].partition("/")[2]).exists(), name


def test_what_containers_run_is_a_command() -> None:
    for name, service in SERVICES.items():
        if service["image"].startswith("${OFFICINA_IMAGE"):
            assert service["command"][0] in cli.COMMANDS, name


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_in_particular() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements.txt" in text
    assert text.count("\nFROM ") == 2
    assert re.search(r"^ARG PYTHON=python:3\.\d+\.\d+-slim-", text, re.MULTILINE)
    assert text.rindex("\nUSER 10001:10001") > text.rindex("\nFROM ")
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert all(f"!{path}" in allowed for path in ("shopfloor", "requirements.txt", "pyproject.toml"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_client_of_compose_reads_it_in_every_profile(folder: Path, profile: str) -> None:
    client = shutil.which("docker-compose")
    if client is None:
        pytest.skip("no client of compose is at hand: apt-get install docker-compose")
    chosen = ["--profile", profile] if profile else []
    command = [client, "--env-file", str(folder / ".env"), *chosen, "config"]
    read = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    config = yaml.safe_load(read.stdout)
    assert set(config["services"]) == set(SERVICES)
    assert str(folder) in read.stdout


def test_the_script_of_the_broker_is_one_that_every_shell_reads() -> None:
    subprocess.run(["sh", "-n", str(ROOT / "deploy/mosquitto/run.sh")], check=True)
