"""The agent's own OPC UA application instance certificate (OPC 10000-6, 6.2.2): made at the first start, then renewed.

Machines trust a certificate because a person told them to. So a renewal never takes an old certificate away: its
successor lies beside it months ahead, is offered first at each connection, and a machine that does not trust it yet is
reached with the old one for as long as that is valid.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shopfloor.errors import ExpectedError
from shopfloor.periods import DAY, from_datetime, to_datetime

if TYPE_CHECKING:
    from pathlib import Path

RENEW_DAYS = 90
"""So long before a certificate ends its successor is made, so that there is time to let every machine trust it."""
_KEY_BITS = 2048  # the most that every policy of OPC 10000-7 and the older controls accept
_VALID_DAYS = 3650
_CERTIFICATE, _KEY = "agent.der", "agent.pem"
_NAME = re.compile(r"agent(?:-([1-9]\d{0,4}))?\.der")


class CertificateUnusableError(ExpectedError):
    """The agent's own certificate cannot be read, made or used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """One of the agent's own certificates.

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


class CertificateExpiredError(CertificateUnusableError):
    """All of the agent's own certificates have ended.

    Args:
        newest: the one that ended last.
    """

    def __init__(self, newest: OwnCertificate) -> None:
        super().__init__(
            f"the agent's own certificate {newest.certificate} has expired: remove {_CERTIFICATE} and {_KEY} to have "
            "new ones made, then let the machines trust it"
        )
        self.newest = newest


def own_certificates(folder: Path, publisher: str, now: int) -> tuple[OwnCertificate, ...]:
    """Return the agent's valid certificates, the oldest first; one is made now if the folder has none.

    Args:
        folder: where they are kept; created when absent.
        publisher: the agent's identifier, part of its application URI.
        now: the present.

    Raises:
        CertificateUnusableError: when they have expired, are damaged or cannot be written.
    """
    try:
        numbers = _numbers(folder)
        if not numbers:
            folder.mkdir(parents=True, exist_ok=True)
            _make(*_paths(folder, 1), f"urn:officina:edge:{publisher}", now)
            numbers = [1]
        found = [_read(*_paths(folder, number)) for number in numbers]
    except (OSError, ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise CertificateUnusableError(f"the agent's own certificate in {folder} cannot be used ({error}): let the "
                                       f"agent write there, or remove {_CERTIFICATE} and {_KEY} to have new ones made "
                                       f"and trusted by the machines") from error  # fmt: skip
    valid = tuple(each for each in found if each.expires > now)
    if not valid:
        raise CertificateExpiredError(found[-1])
    return valid


def own_certificate(folder: Path, publisher: str, now: int) -> OwnCertificate:
    """Return the certificate that machines know longest, made now if the folder has none. See `own_certificates`."""
    return own_certificates(folder, publisher, now)[0]


def renew(folder: Path, publisher: str, now: int) -> OwnCertificate | None:
    """Make a successor when the newest certificate ends within `RENEW_DAYS`.

    Returns:
        The successor when it was made now.

    Raises:
        CertificateUnusableError: when it cannot be written; what there is stays in use.
    """
    newest = own_certificates(folder, publisher, now)[-1]
    if newest.expires - now > RENEW_DAYS * DAY:
        return None
    paths = _paths(folder, _numbers(folder)[-1] + 1)
    try:
        _make(*paths, newest.application_uri, now)
        return _read(*paths)
    except OSError as error:
        raise CertificateUnusableError(f"the successor of the agent's own certificate cannot be written in {folder} "
                                       f"({error}): let the agent write there") from error  # fmt: skip


def _numbers(folder: Path) -> list[int]:
    """Number the certificates that there are: `agent.der` is the first, `agent-2.der` its successor."""
    if not folder.is_dir():
        return []
    keys = [1] if (folder / _KEY).exists() else []  # a certificate that was lost is told, and not replaced
    found = (match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))
    return sorted({*keys, *(int(match[1] or 1) for match in found)})


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    name = "agent" if number == 1 else f"agent-{number}"
    return folder / f"{name}.der", folder / f"{name}.pem"


def _read(certificate_file: Path, key_file: Path) -> OwnCertificate:
    certificate = x509.load_der_x509_certificate(certificate_file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if key.public_key() != certificate.public_key():
        raise ValueError(f"{key_file.name} is not the key of {certificate_file.name}")
    return OwnCertificate(certificate_file, key_file, uri, from_datetime(certificate.not_valid_after_utc))


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
    write_whole(key_file, pem, 0o600)
    write_whole(certificate_file, certificate.public_bytes(serialization.Encoding.DER), 0o644)


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is whole or absent, whatever happens, and durable when this returns."""
    draft = path.with_suffix(path.suffix + ".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
