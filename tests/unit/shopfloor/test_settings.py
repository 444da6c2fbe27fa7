from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shopfloor.mqtt import Broker, InsecureBrokerError, Tls, is_loopback
from shopfloor.periods import DAY, SECOND, to_datetime
from shopfloor.settings import BrokerSettings, SettingsError, TlsSettings, load, read_secret, write_secret

NOW = 1_760_000_000 * SECOND


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
        BrokerSettings(host).open(now=NOW)
    assert Broker(host, 1883, insecure=True).insecure
    assert Broker(host, 8883, tls=Tls()).tls == Tls()


def test_a_brokers_password_is_read_and_never_shown(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", "hunter2")
    broker = BrokerSettings("localhost", username="me", password_file=tmp_path / "secret").open(now=NOW)
    assert broker.password == "hunter2"  # noqa: S105 - the test's own
    assert "hunter2" not in repr(broker)


class Pair(NamedTuple):
    """A certificate and its key, each a PEM file."""

    certificate: Path
    key: Path


def pair(folder: Path, name: str, *, expires: int = NOW + DAY, passphrase: bytes = b"") -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(to_datetime(expires - 2 * DAY))
        .not_valid_after(to_datetime(expires))
        .sign(key, hashes.SHA256())
    )
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
    )
    return made


def opened(
    ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None, *, now: int = NOW
) -> Tls | None:
    return BrokerSettings("broker.example", tls=TlsSettings(ca_file, cert_file, key_file)).open(now=now).tls


def test_certificates_that_can_be_used_are_named_to_the_connection(tmp_path: Path) -> None:
    ca, own = pair(tmp_path, "ca").certificate, pair(tmp_path, "own")
    assert opened(ca, *own) == Tls(ca, *own)
    assert opened() == Tls()


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
def test_a_certificate_file_that_is_missing_or_holds_none_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "some.crt"
    for text in (None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        if text is not None:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match=r"some\.crt cannot be read"):
            TlsSettings(**{name: path}).open(now=NOW)


def test_an_authority_that_has_expired_is_refused_unless_a_valid_one_is_beside_it(tmp_path: Path) -> None:
    old = pair(tmp_path, "old", expires=NOW).certificate
    with pytest.raises(SettingsError, match=r"every certificate in .*old\.crt has expired"):
        opened(old)
    assert opened(old, now=NOW - 1) == Tls(old)
    both = tmp_path / "both.crt"
    both.write_bytes(old.read_bytes() + pair(tmp_path, "new").certificate.read_bytes())
    assert opened(both) == Tls(both)


def test_an_own_certificate_that_has_expired_is_refused_whatever_else_its_file_holds(tmp_path: Path) -> None:
    old, ca = pair(tmp_path, "old", expires=NOW), pair(tmp_path, "ca")
    old.certificate.write_bytes(old.certificate.read_bytes() + ca.certificate.read_bytes())
    with pytest.raises(SettingsError, match=r"old\.crt has expired: renew it"):
        opened(None, *old)


def test_a_key_that_does_not_fit_its_certificate_is_refused(tmp_path: Path) -> None:
    own = pair(tmp_path, "own")
    for key in (None, tmp_path / "none.key", own.certificate, pair(tmp_path, "other").key):
        with pytest.raises(SettingsError, match=r"cannot be secured with .*own\.crt"):
            opened(None, own.certificate, key)
    with pytest.raises(SettingsError, match=r"own\.key has no certificate"):
        opened(None, None, own.key)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="without a passphrase"):
        opened(None, *pair(tmp_path, "own", passphrase=b"hunter2"))
