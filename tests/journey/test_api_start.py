"""How the API starts, and what it refuses to start with."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shopfloor import mqtt
from shopfloor.periods import to_datetime
from shopfloor.runtime import clock
from tests.journey.api_world import api, free_port, until, write_files
from tests.journey.people import PASSWORD, add_people, sign_in

OFFICINA = str(Path(sys.executable).with_name("officina"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_files(tmp_path, mqtt.Broker("127.0.0.1", free_port()))
    return tmp_path


def refusal(folder: Path, *arguments: str) -> str:
    command = [OFFICINA, "api", "--config", str(folder / "api.toml"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_it_refuses_records_that_cannot_be_opened(folder: Path) -> None:
    text = (folder / "api.toml").read_text()
    (folder / "api.toml").write_text(text.replace(f"{folder}/records.db", f"{folder}/none/records.db"))

    assert "make its folder first" in refusal(folder)


def test_the_first_administrator_is_made_by_a_link_that_works_once(folder: Path) -> None:
    (folder / "records.db").unlink()
    with api(folder) as (_, url, log):
        link = next(line for line in log.read_text().splitlines() if line.startswith(f"{url}/invitation/"))
        chosen = {"name": "Ada", "email": "Ada@Example.it", "password": PASSWORD, "again": PASSWORD, "csrf": ""}
        for expected in (303, 404):
            assert httpx.post(link, data=chosen, headers={"Origin": url}).status_code == expected
        asked = sign_in(url, "ada@example.it")
        assert "otpauth" not in asked.text
        assert 'name="ticket"' in asked.text  # an administrator sets a second factor up first
    with api(folder) as (_, _, log):
        assert log.read_text().count("There is no administrator yet") == 1


def test_it_refuses_plain_http_beyond_this_machine(folder: Path) -> None:
    (folder / "api.toml").write_text('bind = "0.0.0.0"\n' + (folder / "api.toml").read_text())

    assert "--tls-cert" in refusal(folder)


def test_a_key_is_made_by_a_command_and_shown_once(folder: Path) -> None:
    command = [OFFICINA, "api", "key", "add", str(folder / "api.toml"), "--role", "member", "--member", "firm-a"]

    token = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    assert token.encode() not in (folder / "records.db").read_bytes()
    assert (folder / "records.db").stat().st_mode & 0o777 == 0o600
    with api(folder) as (_, url, _):
        answer = httpx.get(f"{url}/api/v1/machines", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200


def test_it_speaks_https_with_a_certificate_of_its_own(folder: Path) -> None:
    with api(folder, "--tls") as (_, url, _):
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(folder / "own-certificate.pem"))
        assert httpx.get(f"{url}/healthz", verify=trusted).status_code == 200
        assert (folder / "own-key.pem").stat().st_mode & 0o777 == 0o600


def test_a_renewed_certificate_is_taken_by_the_next_connection_and_one_without_its_key_is_not(folder: Path) -> None:
    with api(folder, "--tls") as (_, url, log):
        certificate, key = folder / "own-certificate.pem", folder / "own-key.pem"
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        first = certificate.read_text()
        assert ssl.get_server_certificate(address) == first
        _make_certificate(folder)
        renewed = (folder / "cert.pem").read_text()

        certificate.write_text(renewed)
        assert ssl.get_server_certificate(address) == first
        assert "api.certificate_refused" in log.read_text()
        key.write_bytes((folder / "key.pem").read_bytes())
        assert ssl.get_server_certificate(address) == renewed
        assert httpx.get(f"{url}/healthz", verify=_trust(folder)).status_code == 200
        assert "api.certificate_renewed" in log.read_text()


def test_each_of_several_workers_takes_a_renewed_certificate_without_a_restart(folder: Path) -> None:
    with api(folder, "--tls", "--workers", "2") as (_, url, log):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        first = (folder / "own-certificate.pem").read_text()
        until(lambda: log.read_text().count('"api.ready"') == 2, "both workers serve")
        assert ssl.get_server_certificate(address) == first
        _make_certificate(folder)
        renewed = (folder / "cert.pem").read_text()
        (folder / "cert.pem").replace(folder / "own-certificate.pem")
        (folder / "key.pem").replace(folder / "own-key.pem")

        def has_each_taken_it() -> bool:
            assert ssl.get_server_certificate(address) == renewed
            return log.read_text().count('"api.certificate_renewed"') == 2

        until(has_each_taken_it, "each worker takes it")
        assert '"api.certificate_refused"' not in log.read_text()


def test_with_a_certificate_it_speaks_https_and_binds_its_cookie_to_it(folder: Path) -> None:
    _make_certificate(folder)
    text = (folder / "api.toml").read_text()
    (folder / "api.toml").write_text('tls_cert = "cert.pem"\ntls_key = "key.pem"\n' + text)
    add_people(folder)

    with api(folder) as (_, url, _):
        assert url.startswith("https://")
        answer = sign_in(url, "member@example.it", verify=_trust(folder))

    cookies = answer.headers.get_list("set-cookie")
    assert [each.partition("=")[0] for each in cookies] == ["__Host-officina", "__Host-officina_device"]
    assert all({"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(each.split("; ")) for each in cookies)


def _trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = to_datetime(clock.now())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
