"""The agent's own OPC UA application instance certificate (OPC 10000-6, 6.2.2), made at the first start."""

from __future__ import annotations

import datetime as dt
import os
import socket
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - dataclass field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shopfloor.errors import ExpectedError
from shopfloor.periods import DAY, to_datetime

_KEY_BITS = 2048  # the most that every policy of OPC 10000-7 and the older controls accept
_VALID_DAYS = 3650
_CERTIFICATE, _KEY = "agent.der", "agent.pem"


class CertificateUnusableError(ExpectedError):
    """The agent's own certificate cannot be read, made or used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """The agent's own certificate.

    Attributes:
        certificate: DER file; machines must be told to trust it.
        key: PEM file, readable by the agent alone.
        application_uri: what it certifies.
        expires: end of its validity, nanoseconds UTC.
    """

    certificate: Path
    key: Path
    application_uri: str
    expires: int


def own_certificate(folder: Path, publisher: str, now: int) -> OwnCertificate:
    """Return the agent's certificate, made now if the folder has none.

    Args:
        folder: where it is kept; created when absent.
        publisher: the agent's identifier, part of its application URI.
        now: the present.

    Raises:
        CertificateUnusableError: when it has expired, is damaged or cannot be written.
    """
    paths = folder / _CERTIFICATE, folder / _KEY
    try:
        if not any(path.exists() for path in paths):
            folder.mkdir(parents=True, exist_ok=True)
            _make(*paths, f"urn:officina:edge:{publisher}", now)
        certificate = x509.load_der_x509_certificate(paths[0].read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
        paths[1].read_bytes()
    except (OSError, ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise CertificateUnusableError(f"the agent's own certificate in {folder} cannot be used ({error}): let the "
                                       f"agent write there, or remove {_CERTIFICATE} and {_KEY} to have new ones made "
                                       f"and trusted by the machines") from error  # fmt: skip
    expires = int(certificate.not_valid_after_utc.timestamp()) * 1_000_000_000
    if expires <= now:
        raise CertificateUnusableError(f"the agent's own certificate {paths[0]} has expired: remove {_CERTIFICATE} and "
                                       f"{_KEY} to have new ones made, then let the machines trust it")  # fmt: skip
    return OwnCertificate(paths[0], paths[1], uri, expires)


def _make(certificate_file: Path, key_file: Path, uri: str, now: int) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Officina edge agent"),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Officina")])  # fmt: skip
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # a self-signed certificate signs itself
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(to_datetime(now - DAY))
        .not_valid_after(to_datetime(now) + dt.timedelta(days=_VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), x509.DNSName(socket.gethostname())]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(key_file, pem, 0o600)
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.DER), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is whole or absent, whatever happens."""
    draft = path.with_suffix(path.suffix + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
