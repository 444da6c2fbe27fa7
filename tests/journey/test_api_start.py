"""How the API starts, and what it refuses to start with."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shopfloor import mqtt
from shopfloor.periods import to_datetime
from shopfloor.runtime import clock
from tests.journey.api_world import World, api, free_port, world, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def test_it_refuses_a_key_file_that_others_may_read(folder: Path) -> None:
    (folder / "keys.json").chmod(0o644)

    assert "chmod 600" in refusal(folder)


def test_it_refuses_to_start_without_a_key(folder: Path) -> None:
    (folder / "keys.json").unlink()

    assert "officina api key add" in refusal(folder)


def test_it_refuses_an_empty_session_secret(folder: Path) -> None:
    (folder / "session.secret").write_text("")
    (folder / "session.secret").chmod(0o600)

    assert "session.secret" in refusal(folder)


def test_it_refuses_machines_that_cannot_be_read(folder: Path) -> None:
    (folder / "machines.json").write_text("{")

    assert "machines.json" in refusal(folder)


def test_it_refuses_plain_http_beyond_this_machine(folder: Path) -> None:
    (folder / "api.toml").write_text('bind = "0.0.0.0"\n' + (folder / "api.toml").read_text())

    assert "--tls-cert" in refusal(folder)


def test_the_first_key_is_made_by_a_command_and_shown_once(folder: Path) -> None:
    (folder / "keys.json").unlink()
    command = [OFFICINA, "api", "key", "add", str(folder / "api.toml"), "--role", "member", "--member", "firm-a"]

    token = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    assert token not in (folder / "keys.json").read_text()
    with api(folder) as (_, url, _):
        answer = httpx.get(f"{url}/api/v1/machines", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert (folder / "session.secret").stat().st_mode & 0o777 == 0o600


def test_with_a_certificate_it_speaks_https_and_binds_its_cookie_to_it(folder: Path) -> None:
    _make_certificate(folder)
    text = (folder / "api.toml").read_text()
    (folder / "api.toml").write_text('tls_cert = "cert.pem"\ntls_key = "key.pem"\n' + text)
    command = [OFFICINA, "api", "key", "add", str(folder / "api.toml"), "--role", "operator"]
    token = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    with api(folder) as (_, url, _):
        assert url.startswith("https://")
        answer = httpx.post(f"{url}/sign-in", data={"key": token}, headers={"Origin": url}, verify=_trust(folder))

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-officina=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))


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


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("sessions")) as made:
        yield made


class TestSessions:
    def sign_in(self, it: World, key: str, **headers: str) -> httpx.Response:
        return httpx.post(f"{it.url}/sign-in", data={"key": key}, headers={"Origin": it.url} | headers)

    def test_who_is_not_signed_in_is_led_to_the_sign_in_page(self, it: World) -> None:
        answer = httpx.get(f"{it.url}/", headers={"Accept": "text/html"})

        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")

    def test_a_key_opens_a_session_that_script_cannot_read(self, it: World) -> None:
        answer = self.sign_in(it, it.keys["member"])

        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(
            answer.headers["set-cookie"].split("; ")
        )
        with httpx.Client(base_url=it.url, cookies=dict(answer.cookies)) as client:
            assert client.get("/", headers={"Accept": "text/html"}).status_code == 200
            assert client.get("/api/v1/machines").json()["items"][0]["work"] is None

    def test_a_wrong_key_opens_nothing(self, it: World) -> None:
        for key in ("", "x", it.keys["member"] + "x", "x" * 100_000):
            answer = self.sign_in(it, key)

            assert answer.status_code == 422
            assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
    @pytest.mark.parametrize(
        "headers",
        [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    )
    def test_another_site_can_neither_sign_in_nor_out(self, it: World, path: str, headers: dict[str, str]) -> None:
        answer = httpx.post(f"{it.url}{path}", data={"key": it.keys["member"]}, headers=headers)

        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers

    def test_a_sign_out_forgets_the_cookie(self, it: World) -> None:
        cookies = dict(self.sign_in(it, it.keys["member"]).cookies)

        answer = httpx.post(f"{it.url}/sign-out", headers={"Origin": it.url}, cookies=cookies)

        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert 'officina=""' in answer.headers["set-cookie"]
        assert "Max-Age=0" in answer.headers["set-cookie"]

    def test_an_api_key_that_is_wrong_is_not_helped_by_a_cookie(self, it: World) -> None:
        cookies = dict(self.sign_in(it, it.keys["administrator"]).cookies)

        answer = httpx.get(f"{it.url}/api/v1/machines", cookies=cookies, headers={"Authorization": "Bearer wrong"})

        assert answer.status_code == 401
