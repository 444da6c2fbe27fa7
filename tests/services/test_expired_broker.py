"""A broker whose certificate has expired: the agent keeps its data, falls back to nothing, and goes on by itself."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shopfloor import mqtt
from shopfloor.periods import DAY, HOUR, to_datetime
from shopfloor.runtime import clock
from tests.services.brokers import mosquitto, until, usual_logins
from tests.services.stores import free_port
from tests.services.test_uplink import SITE, running

if TYPE_CHECKING:
    from pathlib import Path

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Workshop CA")])


class Authority(NamedTuple):
    """A CA of the test."""

    key: ec.EllipticCurvePrivateKey
    certificate: Path


def authority(folder: Path, name: x509.Name = NAME, *, days: int = 90) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = (
        builder.not_valid_before(to_datetime(clock.now() - 90 * DAY))
        .not_valid_after(to_datetime(clock.now() + days * DAY))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{days}.ca.crt"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return Authority(key, path)


def lines(folder: Path, issuer: Authority, *, expires: int) -> list[str]:
    """Make a broker's certificate, and say in its configuration where it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(NAME, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(to_datetime(expires - 60 * DAY))
        .not_valid_after(to_datetime(expires))
        .add_extension(address, critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    files = folder / f"{expires}.crt", folder / f"{expires}.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return [f"certfile {files[0]}", f"keyfile {files[1]}"]


# paho leaves the socket of a refused handshake to the garbage collector, which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_agent_keeps_its_data_while_the_brokers_certificate_has_expired_and_sends_nothing_in_plain_text(
    tmp_path: Path,
) -> None:
    replaced = authority(tmp_path, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Old CA")]), days=0)
    issuer, logins, port = authority(tmp_path), usual_logins(SITE), free_port()
    with issuer.certificate.open("ab") as file:
        file.write(replaced.certificate.read_bytes())
    address = mqtt.Broker("127.0.0.1", port, SITE, logins[SITE][0], mqtt.Tls(issuer.certificate))
    expired = lines(tmp_path, issuer, expires=clock.now() - DAY)
    renewed = lines(tmp_path, issuer, expires=clock.now() + DAY)
    async with running(tmp_path, address) as agent:
        with mosquitto(tmp_path / "expired", logins=logins, extra=expired, port=port):
            agent.says("feed", 1.0, 1)
            log = tmp_path / "expired" / "broker.log"
            await until(lambda: log.read_text().count("New connection") > 2, "the agent tries again")
            assert not agent.uplink.is_connected
            assert "New client connected" not in log.read_text()
            assert agent.spool.rows == 1
        with mosquitto(tmp_path / "renewed", logins=logins, extra=renewed, port=port):
            await until(lambda: agent.uplink.is_connected, "connected without a restart")
            await until(lambda: agent.uplink.in_flight == {1}, "sent")
            until_when = agent.uplink.secured_until
            assert until_when is not None
            assert abs(until_when - (clock.now() + DAY)) < HOUR
