"""Opens a session with an OPC UA server: secured as configured, and only with a server that is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies, uacrypto
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_agent.config import read_secret
from edge_agent.opcua_client import REQUEST_SECONDS, NoAnswerError, RefusedError, Session, answered, status_name

if TYPE_CHECKING:
    from edge_agent.certificate import OwnCertificate
    from edge_agent.config import ServerConfig

SESSION_MILLISECONDS = 60_000
CHANNEL_MILLISECONDS = 600_000
_WATCHDOG_SECONDS = 10.0
_POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}

_NO_POLICY = security_policies.SecurityPolicyNone.URI


class Offer(NamedTuple):
    """A way in which a server lets itself be reached.

    Attributes:
        policy: security policy as configured, or its URI when the agent does not know it.
        mode: `None`, `Sign` or `SignAndEncrypt`.
        thumbprint: of the certificate it presents, empty for none.
        anonymous: whether it accepts sessions without a login.
    """

    policy: str
    mode: str
    thumbprint: str
    anonymous: bool


async def offers(endpoint: str) -> list[Offer]:
    """Ask a server how it lets itself be reached.

    Raises:
        NoAnswerError: when it does not answer.
        RefusedError: when its answer cannot be used.
    """
    return [_offer(description) for description in await _endpoints(endpoint)]


async def _endpoints(endpoint: str) -> list[ua.EndpointDescription]:
    client = Client(endpoint, timeout=REQUEST_SECONDS)
    descriptions: list[ua.EndpointDescription] = await answered(client.connect_and_get_server_endpoints())
    return descriptions


def _offer(description: ua.EndpointDescription) -> Offer:
    uri = description.SecurityPolicyUri
    policy = next(
        (name for name, policy in _POLICIES.items() if uri == policy.URI), "none" if uri == _NO_POLICY else uri
    )
    certificate = description.ServerCertificate
    return Offer(
        policy,
        description.SecurityMode.name.rstrip("_"),
        thumbprint(uacrypto.x509_from_der(certificate)) if certificate else "",
        any(token.TokenType == ua.UserTokenType.Anonymous for token in description.UserIdentityTokens),
    )


def thumbprint(certificate: x509.Certificate) -> str:
    """Write a certificate's SHA-256 thumbprint as a configuration names it."""
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


async def connect(config: ServerConfig, own: OwnCertificate | None) -> Session:
    """Open a session.

    Args:
        config: which server, with which security.
        own: the agent's certificate; None only for a policy of `none`.

    Raises:
        NoAnswerError: when the server does not answer.
        RefusedError: when it refuses, or is not trusted.
    """
    client = Client(config.endpoint, timeout=REQUEST_SECONDS, watchdog_intervall=_WATCHDOG_SECONDS)
    client.name = client.description = "Officina edge agent"
    client.product_uri = "urn:officina:edge"
    client.application_uri = own.application_uri if own else f"urn:officina:edge:{config.publisher}"
    client.session_timeout = SESSION_MILLISECONDS
    client.secure_channel_timeout = CHANNEL_MILLISECONDS
    if config.user:
        if config.password_file is None:
            raise RefusedError("a user needs a password_file")
        client.set_user(config.user)
        client.set_password(read_secret(config.password_file))
    if config.policy != "none":
        if own is None:
            raise RefusedError("a secured session needs the agent's own certificate")
        await _secure(client, config, own)
    try:
        await answered(client.connect())
    except NoAnswerError as error:
        if own is None or config.policy == "none":
            raise
        raise _closed(own, error) from error  # it has just told its endpoints, so it does answer
    except RefusedError as error:
        if own is not None and isinstance(error.__cause__, AssertionError):  # the library's way to say the same
            raise _closed(own, error) from error
        raise RefusedError(f"{error}{_mend(str(error), own)}") from error
    return Session(client)


def _closed(own: OwnCertificate, error: Exception) -> RefusedError:
    reason = str(error.__cause__ or error) or "it closed the connection"
    return RefusedError(f"the server answers, but opens no secure channel ({reason}): let it trust the agent's "
                        f"certificate {own.certificate}")  # fmt: skip


async def _secure(client: Client, config: ServerConfig, own: OwnCertificate) -> None:
    """Choose the endpoint as configured, and trust its certificate before anything is said to it."""
    descriptions = await _endpoints(config.endpoint)
    mode, policy = ua.MessageSecurityMode[config.mode], _POLICIES[config.policy]
    try:
        chosen = Client.find_endpoint(descriptions, mode, policy.URI)
    except UaError:
        offered = sorted({f"{offer.policy}/{offer.mode}" for offer in map(_offer, descriptions)})
        raise RefusedError(f"the server does not offer {config.policy}/{config.mode}, but {', '.join(offered)}: "
                           f"choose one of them") from None  # fmt: skip
    certificate = uacrypto.x509_from_der(chosen.ServerCertificate)
    if certificate is None:
        raise RefusedError(f"the server presents no certificate for {config.policy}/{config.mode}")
    trust = await _Trust.of(config.trusted_certificate)
    options = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_SERVER
    validator = CertificateValidator(options, trust)
    try:
        await validator.validate(certificate, chosen.Server)
    except ServiceError as error:
        raise RefusedError(f"the server's certificate {thumbprint(certificate)} is not accepted "
                           f"({status_name(error.code)}): compare it with what the machine shows; if it is the right "
                           f"one, name it in trusted_certificate") from error  # fmt: skip
    client.certificate_validator = validator
    der = uacrypto.der_from_x509(certificate)
    await answered(
        client.set_security(
            policy, own.certificate, own.key, server_certificate=uacrypto.CertProperties(der, "der"), mode=mode
        )
    )


def _mend(reason: str, own: OwnCertificate | None) -> str:
    untrusted = (
        "BadSecurityChecksFailed",
        "BadCertificateUntrusted",
        "BadCertificateUriInvalid",
        "BadCertificateInvalid",
    )
    if own is not None and any(name in reason for name in untrusted):
        return f". Let the server trust the agent's certificate {own.certificate}"
    if "BadIdentityToken" in reason or "BadUserAccessDenied" in reason:
        return ". Check user and password_file"
    return ""


class _Trust(TrustStore):  # type: ignore[misc] # the library is not typed
    """Trusts the certificates of a file or folder and what they issued, or the one with a thumbprint."""

    def __init__(self, trusted: str) -> None:
        self._pinned = {trusted.lower()} if trusted.startswith("sha256:") else set()
        path = Path(trusted)
        revoked = [path / "crl"] if not self._pinned and (path / "crl").is_dir() else []
        super().__init__([] if self._pinned else [path], revoked)

    @classmethod
    async def of(cls, trusted: str) -> _Trust:
        """Load what is trusted.

        Raises:
            RefusedError: when there is nothing that can be read.
        """
        trust = cls(trusted)
        try:
            if not trust._pinned:
                await trust.load_trust()
            await trust.load_crl()
        except (OSError, ValueError) as error:
            raise RefusedError(f"trusted_certificate {trusted} cannot be used: {error}") from error
        return trust

    async def _load_trust_location(self, location: Path) -> list[x509.Certificate]:
        certificates = _certificates(location)
        self._pinned |= {thumbprint(certificate) for certificate in certificates}
        return certificates

    def is_trusted(self, certificate: x509.Certificate) -> bool:
        """Tell whether this is one of the certificates, or issued by one of them."""
        return thumbprint(certificate) in self._pinned or bool(super().is_trusted(certificate))


def _certificates(location: Path) -> list[x509.Certificate]:
    """Read the certificates of a file or of every file in a folder.

    Raises:
        ValueError: when there is none.
    """
    certificates: list[x509.Certificate] = []
    for file in sorted(location.iterdir()) if location.is_dir() else [location]:
        if file.suffix.lower() in {".der", ".pem", ".crt", ".cer"}:
            content = file.read_bytes()
            is_text = content.lstrip().startswith(b"-----")
            certificates += (x509.load_pem_x509_certificates(content) if is_text
                             else [x509.load_der_x509_certificate(content)])  # fmt: skip
    if not certificates:
        raise ValueError("it holds no certificate (.der, .pem, .crt, .cer)")
    return certificates
