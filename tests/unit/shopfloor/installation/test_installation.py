"""What `officina init` makes, keeps, renews and refuses."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from typer.testing import CliRunner

from api.settings import load_settings as load_api
from collector.config import load_settings as load_collector
from dashboards.settings import load_settings as load_dashboards
from shopfloor.broker_files import is_password, read_files
from shopfloor.installation.certificates import RENEW_DAYS, SERVER_DAYS, issue, make_authority
from shopfloor.installation.cli import app
from shopfloor.installation.plan import Plan
from shopfloor.installation.write import write
from shopfloor.periods import DAY
from shopfloor.runtime import clock
from shopfloor.settings import SettingsError, read_secret, write_secret

ROOT = Path(__file__).resolve().parents[4]
PLAN = Plan(host="officina.example.it", house='Rete "Però"')
OWNER = (os.getuid() or 10_001, os.getgid() or 10_001)


def make(folder: Path, plan: Plan = PLAN, *, now: int | None = None) -> dict[str, str]:
    return {each.path: each.verb for each in write(folder, plan, owner=OWNER, now=now or clock.now())}


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    make(tmp_path / "o")

    public = {"certificates/ca.pem", "certificates/web.pem", "certificates/broker.pem", "certificates/api.pem"}
    open_to_others = {
        path.relative_to(tmp_path / "o").as_posix()
        for path in (tmp_path / "o").rglob("*")
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    }
    assert open_to_others == public
    assert {path.stat().st_uid for path in (tmp_path / "o").rglob("*")} == {OWNER[0]}


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)

    assert set(make(tmp_path).values()) == {"kept"}
    assert contents(tmp_path) == before


def test_what_was_removed_is_made_anew_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "collector-2.toml").unlink()
    (tmp_path / "api.toml").write_text((tmp_path / "api.toml").read_text() + "# mine\n")

    assert [path for path, verb in make(tmp_path).items() if verb == "made"] == ["collector-2.toml"]
    assert (tmp_path / "api.toml").read_text().endswith("# mine\n")


def test_secrets_differ_from_one_another_and_from_those_of_the_next_installation(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make(tmp_path / name)

    secrets = [path.read_text() for path in tmp_path.glob("?/secrets/*") if path.read_text()]
    assert len(secrets) == len(set(secrets)) == 12
    assert min(map(len, secrets)) >= 32


@pytest.mark.parametrize("sample", ["change-me", "Password", "officina", ""])
def test_a_sample_secret_is_refused(tmp_path: Path, sample: str) -> None:
    make(tmp_path)
    write_secret(tmp_path / "secrets" / "database-password", sample)

    with pytest.raises(SettingsError, match=r"database-password is (a sample|empty)"):
        make(tmp_path)


def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "secrets" / "api-password").chmod(0o644)

    with pytest.raises(SettingsError, match="everybody can read"):
        make(tmp_path)


def test_other_choices_for_the_same_folder_are_refused(tmp_path: Path) -> None:
    make(tmp_path)

    with pytest.raises(SettingsError, match="other choices"):
        make(tmp_path, Plan(host="another.example.it"))


def test_programs_never_run_as_root(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="may not run as root"):
        write(tmp_path, PLAN, owner=(0, 0), now=clock.now())


def test_each_program_can_read_its_settings(tmp_path: Path) -> None:
    make(tmp_path)

    api = load_api(tmp_path / "api.toml")
    assert api.house == PLAN.house
    assert api.store.endswith("token_file=/etc/officina/secrets/store-api-token")
    api.broker.open(now=clock.now())
    collectors = [load_collector(tmp_path / f"collector-{number}.toml") for number in (1, 2)]
    assert all(each.shared for each in collectors)
    assert len({each.quarantine for each in collectors}) == 2
    boards = load_dashboards(tmp_path / "dashboards.toml")
    assert boards.metrics is not None


def test_programs_of_this_machine_meet_at_its_loopback(tmp_path: Path) -> None:
    plan = Plan(host="officina.example.it", layout="machine", programs_port=21_884, store="sqlite:///srv/t.db")
    make(tmp_path, plan)

    api = load_api(tmp_path / "api.toml")
    assert (api.bind, api.broker.host, api.broker.port, api.store) == (
        "127.0.0.1", "127.0.0.1", 21_884, "sqlite:///srv/t.db",
    )  # fmt: skip
    ports = [load_collector(tmp_path / f"collector-{number}.toml").metrics_port for number in (1, 2)]
    assert ports == [9101, 9102]
    assert not (tmp_path / ".env").exists()
    assert "listener 21884 127.0.0.1" in (tmp_path / "mosquitto.conf").read_text()


def test_the_broker_knows_the_programs_before_the_api_has_run(tmp_path: Path) -> None:
    make(tmp_path)

    logins = read_files(tmp_path / "broker")
    assert set(logins) == {"api", "collector"}
    for name, entry in logins.items():
        assert is_password(read_secret(tmp_path / "secrets" / f"{name}-password"), entry.password_hash)


def test_every_file_is_explained(tmp_path: Path) -> None:
    make(tmp_path)

    page = (tmp_path / "README.md").read_text()
    silent = [
        name for name in contents(tmp_path)
        if not name.startswith("broker/") and name != "README.md"
        and f"`{name}`" not in page and f"`{name.removesuffix('.key')}.pem`, `.key`" not in page
    ]  # fmt: skip
    assert silent == []


def test_certificates_prove_the_host_to_whoever_trusts_the_authority(tmp_path: Path) -> None:
    make(tmp_path)
    place = tmp_path / "certificates"
    store = Store(x509.load_pem_x509_certificates((place / "ca.pem").read_bytes()))
    for server, host in {"web": "officina.example.it", "broker": "mosquitto", "api": "api"}.items():
        verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(host))
        certificate = x509.load_pem_x509_certificate((place / f"{server}.pem").read_bytes())
        assert len(verifier.verify(certificate, [])) == 2


def test_a_certificate_that_ends_soon_is_renewed_and_the_authority_stays(tmp_path: Path) -> None:
    made = clock.now()
    make(tmp_path, now=made)
    later = made + (SERVER_DAYS - RENEW_DAYS + 1) * DAY

    done = make(tmp_path, now=later)
    assert {path for path, verb in done.items() if verb == "renewed"} == {
        f"certificates/{server}.pem" for server in ("web", "broker", "api")
    }
    assert done["certificates/ca.pem"] == "kept"


def test_a_certificate_of_another_authority_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "o")
    other = (tmp_path / "other.pem", tmp_path / "other.key")
    make_authority(*other, "A public authority", now=clock.now())
    place = tmp_path / "o" / "certificates"
    (place / "web.pem").unlink()
    issue(place / "web.pem", place / "web.key", ["www.example.it"], authority=other, now=clock.now())
    before = (place / "web.pem").read_bytes()

    make(tmp_path / "o")
    assert (place / "web.pem").read_bytes() == before


def test_the_command_asks_for_a_host_the_first_time_and_remembers_it(tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, [str(tmp_path)])
    assert asked.exit_code == 2
    assert "--host" in asked.output

    owner = f"{OWNER[0]}:{OWNER[1]}"
    for arguments in (["--host", "officina.example.it"], []):
        done = CliRunner().invoke(app, [str(tmp_path), "--owner", owner, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert "made" not in done.output


def test_prometheus_reads_its_settings_and_every_alert_counts_what_a_program_counts(tmp_path: Path) -> None:
    make(tmp_path, Plan(host="officina.example.it", layout="machine"))

    sources = (ROOT / "collector/metrics.py", ROOT / "api/metrics.py", ROOT / "api/app.py")
    counted = set(re.findall(r'"(officina_\w+)"', "".join(path.read_text() for path in sources)))
    expressions = re.findall(r"^\s+expr: (.+)$", (tmp_path / "alerts.yml").read_text(), re.MULTILINE)
    named = {name.removesuffix("_total") for line in expressions for name in re.findall(r"officina_\w+", line)}
    assert named
    assert named <= counted
    program = shutil.which("promtool")
    if program is not None:
        command = [program, "check", "config", str(tmp_path / "prometheus.yml")]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
