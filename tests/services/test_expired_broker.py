"""A broker's certificate that ends, or is renewed in time: nothing is lost, nobody is told anything in plain text."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collector.metrics import Metrics
from collector.quarantine import Quarantine
from collector.service import Collector
from shopfloor import broker_files, mqtt
from shopfloor.periods import DAY, HOUR, SECOND, Period, to_datetime
from shopfloor.runtime import clock
from shopfloor.stores.sqlite import SqliteStore
from shopfloor.wire import messages, topics
from simulators.broker import PID_FILE
from tests.services.brokers import mosquitto, peer, until, usual_logins
from tests.services.stores import free_port
from tests.services.test_uplink import MACHINE, SIGNALS, SITE, START, running

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


async def test_a_certificate_that_is_renewed_while_all_are_connected_disturbs_nobody_and_is_shown_to_who_comes(
    tmp_path: Path,
) -> None:
    issuer, logins = authority(tmp_path), usual_logins(SITE)
    soon, later = clock.now() + 5 * DAY, clock.now() + 50 * DAY
    used = lines(tmp_path, issuer, expires=soon)
    tls = mqtt.Tls(issuer.certificate)
    store, quarantine = SqliteStore(tmp_path / "store.db"), Quarantine(tmp_path / "quarantine.db")
    with mosquitto(tmp_path / "broker", logins=logins, extra=used, programs=used) as server:
        log = tmp_path / "broker" / "broker.log"
        api, collecting, sending = (replace(server.broker(user), tls=tls) for user in ("api", "collector", SITE))
        async with peer(api, "api") as registrar:
            registry = messages.Registry(SITE, [messages.RegisteredMachine(MACHINE, SIGNALS)])
            await registrar.publish(topics.registry(SITE), messages.encode_registry(registry), retain=True)
        collector = asyncio.create_task(Collector(collecting, store, quarantine, Metrics()).run())
        async with running(tmp_path, sending) as agent:
            agent.says("feed", 0.5, 1)
            await until(lambda: agent.spool.rows == 0, "stored")
            first = shown(sending, issuer)
            before = log.read_text().count("New client connected")

            put_in_place(lines(tmp_path, issuer, expires=later), used)
            agent.says("feed", 2.0, 2)
            broker_files.reload(tmp_path / "broker" / PID_FILE)
            for number in range(3, 200):
                agent.says("feed", float(number), number)
            await until(
                lambda: first not in (shown(sending, issuer), shown(collecting, issuer)), "the new one is shown"
            )
            await until(lambda: agent.spool.rows == 0, "all is stored")

            assert log.read_text().count("New client connected") == before, "somebody connected anew"
            stamps = [START + number * SECOND for number in range(1, 200)]
            found = store.read([MACHINE], ["feed"], Period(START, START + DAY), limit=1_000)
            assert [each.stamp for each in found] == stamps
            assert agent.uplink.secured_until == soon // SECOND * SECOND
            await agent.uplink.look_at_certificate()
            assert agent.uplink.secured_until == later // SECOND * SECOND
            async with peer(api, "api"):
                pass
        collector.cancel()
        await asyncio.gather(collector, return_exceptions=True)
    store.close()
    quarantine.close()


def put_in_place(new: list[str], old: list[str]) -> None:
    """Put the files of one certificate where those of another are."""
    for source, target in zip(new, old, strict=True):
        Path(source.split()[1]).replace(target.split()[1])


def shown(broker: mqtt.Broker, issuer: Authority) -> str:
    """Return the certificate that a new connection is shown."""
    return ssl.get_server_certificate((broker.host, broker.port), ca_certs=str(issuer.certificate))
