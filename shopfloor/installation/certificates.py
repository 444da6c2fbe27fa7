"""The authority of an installation, and the certificates that it issues to its servers."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from shopfloor.periods import DAY, from_datetime, to_datetime
from shopfloor.settings import SettingsError, write_secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AUTHORITY_DAYS = 3_650
SERVER_DAYS = 397
"""Longest that browsers accept (CA/Browser Forum Baseline Requirements, 6.3.2)."""
RENEW_DAYS = 30
"""A certificate so close to its end is issued anew."""
_EARLIER = dt.timedelta(hours=1)


def make_authority(certificate_file: Path, key_file: Path, name: str, *, now: int) -> bool:
    """Make the authority's key and certificate where there are none. Returns whether they were made.

    Raises:
        SettingsError: one of the two files is there without the other.
    """
    if certificate_file.exists() != key_file.exists():
        raise SettingsError(f"{certificate_file} and {key_file} belong together: put the missing one back")
    if certificate_file.exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    usage = _usage(signs_certificates=True)
    certificate = (
        _builder(subject, subject, key.public_key(), now=now, days=AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_secret(key_file, _private(key))
    write_secret(certificate_file, _public(certificate), mode=0o644)
    return True


def issue(
    certificate_file: Path, key_file: Path, names: Sequence[str], *, authority: tuple[Path, Path], now: int
) -> bool:
    """Issue a server's certificate where there is none, or where the one there ends soon or names other hosts.

    A certificate of somebody else's authority is left alone.

    Args:
        certificate_file: the certificate, PEM.
        key_file: its key, for its owner alone.
        names: host names and addresses, the first one is the subject.
        authority: certificate and key of who signs.
        now: the present.

    Returns:
        Whether one was issued.

    Raises:
        SettingsError: a file that is there cannot be read.
    """
    try:
        signer = x509.load_pem_x509_certificate(authority[0].read_bytes())
        key_of_signer = serialization.load_pem_private_key(authority[1].read_bytes(), None)
        present = x509.load_pem_x509_certificate(certificate_file.read_bytes()) if certificate_file.exists() else None
    except (OSError, ValueError) as error:
        raise SettingsError(f"a certificate beside {certificate_file} cannot be read ({error}): remove it") from error
    if present is not None and key_file.exists() and not _is_due(present, signer, names, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    usage = _usage(signs_certificates=False)
    certificate = (
        _builder(subject, signer.subject, key.public_key(), now=now, days=SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(key_of_signer, hashes.SHA256())  # type: ignore[arg-type]
    )
    write_secret(key_file, _private(key))
    write_secret(certificate_file, _public(certificate), mode=0o644)
    return True


def _is_due(present: x509.Certificate, signer: x509.Certificate, names: Sequence[str], now: int) -> bool:
    if present.issuer != signer.subject:
        return False
    held = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ends = from_datetime(present.not_valid_after_utc)
    return ends - now < RENEW_DAYS * DAY or {_general(name) for name in names} != set(held)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, now: int, days: int
) -> x509.CertificateBuilder:
    begin = to_datetime(now) - _EARLIER
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
