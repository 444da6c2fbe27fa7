"""A certificate of this server's own, where nobody gave it one: `officina api --tls`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from shopfloor.periods import DAY, from_datetime, to_datetime
from shopfloor.settings import write_secret

if TYPE_CHECKING:
    from pathlib import Path

VALID_DAYS = 397
"""Longest that browsers accept (CA/Browser Forum Baseline Requirements, 6.3.2)."""
RENEW_DAYS = 30
"""A start so close to its end makes another one."""


def own_certificate(folder: Path, *, now: int) -> tuple[Path, Path]:
    """Return certificate and key, which are made when there is none, or when the one there ends soon.

    It names this machine; browsers warn once, until it is trusted. Its key is for its owner alone.
    """
    certificate_file, key_file = folder / "own-certificate.pem", folder / "own-key.pem"
    if not (certificate_file.exists() and key_file.exists()) or _ends(certificate_file) - now < RENEW_DAYS * DAY:
        certificate, key = _make(now)
        write_secret(key_file, key)
        write_secret(certificate_file, certificate)
    return certificate_file, key_file


def _ends(file: Path) -> int:
    try:
        return from_datetime(x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc)
    except ValueError:
        return 0


def _make(now: int) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host[:64])])
    names: list[x509.GeneralName] = [
        x509.DNSName(each) for each in dict.fromkeys((host, socket.getfqdn(), "localhost"))
    ]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in _addresses(host)]
    begin = to_datetime(now) - dt.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _addresses(host: str) -> list[str]:
    """Return the addresses under which this machine is known, the loopback first."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        found = []
    return list(dict.fromkeys(["127.0.0.1", "::1", *(str(each[4][0]).partition("%")[0] for each in found)]))
