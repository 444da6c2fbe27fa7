"""Real OPC UA servers whose security a test decides, and certificates of every kind."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shopfloor.periods import to_datetime
from shopfloor.runtime import clock
from simulators.opcua_server import MachineServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from simulators.tree import Source

POLICIES = {
    "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Aes128_Sha256_RsaOaep": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    "Aes256_Sha256_RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}


class Issued:
    """A certificate, its key and what it was issued for."""

    def __init__(self, certificate: x509.Certificate, key: RSAPrivateKey, folder: Path, name: str) -> None:
        self.certificate = certificate
        self.key = key
        self.file, self.key_file = folder / f"{name}.der", folder / f"{name}.pem"
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        self.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def issue(
    folder: Path,
    name: str,
    *,
    uri: str = "urn:officina:simulator:test",
    hosts: Sequence[str] = ("127.0.0.1",),
    days: int = 30,
    issuer: Issued | None = None,
    is_authority: bool = False,
) -> Issued:
    """Issue a certificate; `days` from now it ends, which may be in the past."""
    now = to_datetime(clock.now())
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    for host in hosts:
        is_address = host[0].isdigit()
        names.append(x509.IPAddress(ipaddress.ip_address(host)) if is_address else x509.DNSName(host))
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=is_authority, crl_sign=is_authority, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    signer = issuer.key if issuer else key
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=100))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Issued(certificate, key, folder, name)


class Logins:
    """Who may log in at a server: users by password, or by certificate."""

    def __init__(self, passwords: dict[str, str], certificate: Issued | None = None) -> None:
        self._passwords = passwords
        self._certificate = certificate

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> Any:
        """Say who it is; None for nobody."""
        del iserver
        if username is not None:
            return User(role=UserRole.User) if self._passwords.get(username) == password else None
        if self._certificate is None or certificate is None:
            return None
        der = certificate if isinstance(certificate, bytes) else certificate.public_bytes(serialization.Encoding.DER)
        return User(role=UserRole.User) if der == self._certificate.file.read_bytes() else None


class SecuredServer(MachineServer):
    """A machine's server that offers what a test says, and trusts those clients that it says.

    Attributes:
        trusts: file names' contents of the client certificates that are let in; None lets everybody in.
    """

    trusts: set[bytes] | None = None

    def secure(self, *policies: str, presents: Issued | None = None, logins: Logins | None = None) -> SecuredServer:
        """Choose the security before the server starts."""
        self._policies = [POLICIES[each] for each in policies] or list(POLICIES.values())
        self._presents = presents
        self._logins = logins
        return self

    async def _secure(self) -> None:
        await super()._secure()
        self._server.set_security_policy(self._policies)
        if self._presents is not None:
            await self._server.load_certificate(self._presents.file)
            await self._server.load_private_key(self._presents.key_file)
        if self._logins is not None:
            self._server.iserver.set_user_manager(self._logins)
        self._server.set_certificate_validator(self._judge)

    async def _judge(self, certificate: x509.Certificate, description: Any) -> None:
        del description
        if self.trusts is not None and certificate.public_bytes(serialization.Encoding.DER) not in self.trusts:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


def secured(folder: Path, *sources: Source) -> SecuredServer:
    """Make a server that is not started yet."""
    return SecuredServer("test", sources, folder / "server", clock.now, tick_seconds=0.02)
