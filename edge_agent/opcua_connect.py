"""Opens a session with an OPC UA server: secured as configured, and only with a server that is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies, uacrypto
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge_agent.certificate import OwnCertificate, own_certificates
from edge_agent.opcua_client import REQUEST_SECONDS, NoAnswerError, Peer, RefusedError, Session, answered, status_name
from edge_agent.opcua_failures import OwnCertificateRefusedError, blames_own_certificate, explained, login_refused
from edge_agent.trust import (
    SUFFIXES,
    TrustError,
    TrustList,
    application_uris,
    certified_hosts,
    certifies_host,
    read_certificates,
    thumbprint,
)
from shopfloor.periods import format_instant, from_datetime
from shopfloor.settings import SettingsError, read_secret
from shopfloor.wire.edge import Cause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.config import ServerConfig

SESSION_MILLISECONDS = 60_000
CHANNEL_MILLISECONDS = 600_000
_WATCHDOG_SECONDS = 10.0
_POLICIES = {
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
}
"""The best first, by OPC 10000-7, 6.6: high, medium to high, and average needs of security."""
PREFERENCE = (*_POLICIES, "none")
"""Security policies that the agent knows, the best first."""

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

    async def told() -> list[Offer]:
        return [_offer(description, endpoint) for description in await _endpoints(endpoint)]

    return await answered(told())


async def _endpoints(endpoint: str) -> list[ua.EndpointDescription]:
    client = Client(endpoint, timeout=REQUEST_SECONDS)
    asked = answered(client.connect_and_get_server_endpoints())
    descriptions: list[ua.EndpointDescription] = await explained(endpoint, asked)
    return descriptions


def _offer(description: ua.EndpointDescription, endpoint: str) -> Offer:
    uri = description.SecurityPolicyUri
    policy = next(
        (name for name, policy in _POLICIES.items() if uri == policy.URI), "none" if uri == _NO_POLICY else uri
    )
    return Offer(
        policy,
        description.SecurityMode.name.rstrip("_"),
        thumbprint(_presented(description, endpoint)) if description.ServerCertificate else "",
        any(token.TokenType == ua.UserTokenType.Anonymous for token in description.UserIdentityTokens),
    )


async def open_session(config: ServerConfig, now: int) -> Session:
    """Open a session with the newest of the agent's certificates that the server trusts.

    Args:
        config: which server, with which security.
        now: the present.

    Raises:
        NoAnswerError: when the server does not answer.
        RefusedError: when it refuses, or is not trusted.
        CertificateUnusableError: when the agent's own certificate cannot be used.
    """
    if config.policy == "none":
        return await connect(config, None, now)
    known_longest, *successors = own_certificates(config.own_certificates, config.publisher, now)
    for own in reversed(successors):
        try:
            return await connect(config, own, now)
        except OwnCertificateRefusedError:
            continue
    return await connect(config, known_longest, now)


async def connect(config: ServerConfig, own: OwnCertificate | None, now: int) -> Session:
    """Open a session.

    Args:
        config: which server, with which security.
        own: the agent's certificate; None only for a policy of `none`.
        now: the present.

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
    await _log_in_with(client, config)
    if config.policy == "none":
        return await _connect_plain(client, config)
    if own is None:
        raise RefusedError("a secured session needs the agent's own certificate")
    peer = await answered(_secure(client, config, own, now))
    try:
        await answered(client.connect())
    except NoAnswerError as error:
        raise _closed(config, own, error) from error  # it has just told its endpoints, so it does answer
    except RefusedError as error:
        raise _refused(config, own, error) from error
    session = Session(client)
    session.peer = peer
    return session


async def _connect_plain(client: Client, config: ServerConfig) -> Session:
    try:
        await explained(config.endpoint, answered(client.connect()))
    except RefusedError as error:
        raise _login(config, error) or error from error.__cause__
    return Session(client)


async def _log_in_with(client: Client, config: ServerConfig) -> None:
    try:
        if config.user and config.password_file is not None:
            client.set_user(config.user)
            client.set_password(read_secret(config.password_file))
        elif config.user_certificate and config.user_key:
            await client.load_client_certificate(config.user_certificate)
            await client.load_private_key(config.user_key)
    except (SettingsError, OSError, ValueError, TypeError) as error:
        raise RefusedError(f"the login for {config.endpoint} cannot be read: {error}") from error


def _closed(config: ServerConfig, own: OwnCertificate, error: Exception) -> RefusedError:
    reason = str(error.__cause__ or error) or "it closed the connection"
    return OwnCertificateRefusedError(f"{config.endpoint} answers, but opens no secure channel ({reason}): let it "
                                      f"trust the agent's certificate {own.certificate}",
                                      code=Cause.OWN_CERTIFICATE)  # fmt: skip


def _refused(config: ServerConfig, own: OwnCertificate, error: RefusedError) -> RefusedError:
    if isinstance(error.__cause__, AssertionError):  # the library's way to say that the connection was closed
        return _closed(config, own, error)
    if blames_own_certificate(str(error)):
        return OwnCertificateRefusedError(f"{config.endpoint} does not trust the agent ({error}): let the machine "
                                          f"trust its certificate {own.certificate}",
                                          code=Cause.OWN_CERTIFICATE)  # fmt: skip
    return _login(config, error) or RefusedError(f"{config.endpoint}: the server refuses ({error})")


def _login(config: ServerConfig, error: RefusedError) -> RefusedError | None:
    """Explain a refusal that is of the login; None when it is of something else."""
    reason = login_refused(config, str(error))
    return RefusedError(reason, code=Cause.LOGIN) if reason else None


async def _secure(client: Client, config: ServerConfig, own: OwnCertificate, now: int) -> Peer:
    """Choose the endpoint as configured, and trust its certificate before anything is said to it."""
    chosen, name = _choose(await _endpoints(config.endpoint), config)
    certificate = _presented(chosen, config.endpoint)
    trust = await _Trust.of(config)
    _judge(certificate, chosen.Server, config, trust, now)
    client.certificate_validator = _validator(trust)
    try:
        await client.certificate_validator.validate(certificate, chosen.Server)
    except ServiceError as error:
        raise _not_accepted(config, certificate, f"({status_name(error.code)}): issue it anew on the machine, with the "
                            f"key usages of OPC 10000-6, 6.2.2") from error  # fmt: skip
    der = certificate.public_bytes(serialization.Encoding.DER)
    server_certificate = uacrypto.CertProperties(der, "der")
    mode = ua.MessageSecurityMode[config.mode]
    await answered(
        client.set_security(_POLICIES[name], own.certificate, own.key, server_certificate=server_certificate, mode=mode)
    )
    return Peer(name, config.mode, der, from_datetime(certificate.not_valid_after_utc), own.certificate.name)


def _choose(descriptions: Sequence[ua.EndpointDescription], config: ServerConfig) -> tuple[ua.EndpointDescription, str]:
    """Take the endpoint of the best policy that is both offered and configured."""
    mode = ua.MessageSecurityMode[config.mode]
    for name in _POLICIES if config.policy == "best" else (config.policy,):
        for each in descriptions:
            is_tcp = str(each.EndpointUrl).startswith("opc.tcp://")
            if is_tcp and each.SecurityMode == mode and each.SecurityPolicyUri == _POLICIES[name].URI:
                return each, name
    told = [_offer(each, config.endpoint) for each in descriptions]
    offered = ", ".join(sorted({f"{offer.policy}/{offer.mode}" for offer in told})) or "nothing"
    wanted = "none of the agent's security policies" if config.policy == "best" else config.policy
    verb = "offers" if config.policy == "best" else "does not offer"
    raise RefusedError(f"{config.endpoint} {verb} {wanted} with mode {config.mode}, but {offered}: "
                       f"set security and mode to one of them, or switch another one on at the machine")  # fmt: skip


def _presented(chosen: ua.EndpointDescription, endpoint: str) -> x509.Certificate:
    """Read the certificate of an endpoint, the first one where a chain is presented."""
    der = chosen.ServerCertificate or b""
    try:
        return x509.load_der_x509_certificate(der[: int.from_bytes(der[2:4], "big") + 4])
    except ValueError as error:
        raise RefusedError(f"{endpoint} presents no certificate that can be read: have one made on the "
                           f"machine") from error  # fmt: skip


def _judge(
    certificate: x509.Certificate, server: ua.ApplicationDescription, config: ServerConfig, trust: _Trust, now: int
) -> None:
    """Compare a server's certificate with what is trusted, with the time and with what the server says it is."""
    if not trust.is_trusted(certificate):
        raise _untrusted(config, certificate)
    if trust.is_revoked(certificate):
        raise _not_accepted(config, certificate, "was revoked by its issuer: have a new one issued for the machine")
    starts, ends = from_datetime(certificate.not_valid_before_utc), from_datetime(certificate.not_valid_after_utc)
    if not starts <= now < ends:
        raise _not_accepted(config, certificate, f"is valid from {format_instant(starts)} to {format_instant(ends)}: "
                            f"renew it on the machine, and see that this computer's clock is right")  # fmt: skip
    if server.ApplicationUri not in application_uris(certificate):
        named = ", ".join(application_uris(certificate)) or "none"
        raise _not_accepted(config, certificate, f"is for the application {named}, and the server calls itself "
                            f"{server.ApplicationUri}: have it issued anew on the machine")  # fmt: skip
    host = urlsplit(config.endpoint).hostname or ""
    if not trust.names(certificate) and not certifies_host(certificate, host):
        named = ", ".join(certified_hosts(certificate)) or "no host"
        raise _not_accepted(config, certificate, f"is trusted for its issuer's sake and names {named}, not {host}: "
                            f"write a name that it has into the endpoint, or accept this very certificate")  # fmt: skip


def _untrusted(config: ServerConfig, certificate: x509.Certificate) -> RefusedError:
    """Put a certificate aside for a person to decide, and say how."""
    shown, where = thumbprint(certificate), ""
    try:
        trust_list = TrustList(config.own_certificates)
        where = f" (kept in {trust_list.reject(certificate.public_bytes(serialization.Encoding.DER)).parent})"
    except TrustError as error:
        where = f" ({error})"
    if config.trusted_certificate:
        mend = "name it in trusted_certificate"
    else:
        mend = f"run: officina edge trust accept {config.file or 'FILE'} {shown}"
    return _not_accepted(config, certificate, f"is not trusted{where}: compare it with what the machine shows; if it "
                         f"is the right one, {mend}", Cause.UNTRUSTED)  # fmt: skip


def _not_accepted(
    config: ServerConfig, certificate: x509.Certificate, why: str, cause: Cause = Cause.CERTIFICATE
) -> RefusedError:
    shown = thumbprint(certificate)
    return RefusedError(f"the certificate {shown} of {config.endpoint} is not accepted, it {why}", code=cause)


def _validator(trust: _Trust) -> CertificateValidator:
    options = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_SERVER
    return CertificateValidator(options, trust)


async def is_trusted(config: ServerConfig, der: bytes) -> bool:
    """Tell whether a certificate that a server presented is trusted now.

    Raises:
        RefusedError: when what is trusted cannot be read.
    """
    trust, certificate = await _Trust.of(config), x509.load_der_x509_certificate(der)
    return trust.is_trusted(certificate) and not trust.is_revoked(certificate)


class _Trust(TrustStore):  # type: ignore[misc] # the library is not typed
    """Trusts the certificates of a file or folder and what they issued, or the one with a thumbprint."""

    def __init__(self, trusted: str, *, may_be_empty: bool) -> None:
        self._pinned = {trusted.lower()} if trusted.startswith("sha256:") else set()
        self._may_be_empty = may_be_empty
        path = Path(trusted)
        revoked = [path / "crl"] if not self._pinned and (path / "crl").is_dir() else []
        super().__init__([] if self._pinned else [path], revoked)

    @classmethod
    async def of(cls, config: ServerConfig) -> _Trust:
        """Load what is trusted for a server: what its configuration names, else the trust list.

        Raises:
            RefusedError: when there is nothing that can be read.
        """
        trust_list = TrustList(config.own_certificates).trusted
        trusted = config.trusted_certificate or str(trust_list)
        trust = cls(trusted, may_be_empty=not config.trusted_certificate)
        try:
            await trust.load_trust()
            await trust.load_crl()
        except (OSError, ValueError) as error:
            name = "trusted_certificate" if config.trusted_certificate else "the trust list"
            raise RefusedError(f"{name} {trusted} cannot be used: {error}") from error
        return trust

    async def load_trust(self) -> None:
        """(Re)load the trusted certificates."""
        found = [each for location in self.trust_locations for each in self._certificates(location)]
        self._pinned |= {thumbprint(certificate) for certificate in found}
        self._trust_store = x509.verification.Store(found) if found else None

    def is_trusted(self, certificate: x509.Certificate) -> bool:
        """Tell whether this is one of the certificates, or issued by one of them."""
        return self.names(certificate) or bool(super().is_trusted(certificate))

    def names(self, certificate: x509.Certificate) -> bool:
        """Tell whether this very certificate is trusted, not only its issuer."""
        return thumbprint(certificate) in self._pinned

    def _certificates(self, location: Path) -> list[x509.Certificate]:
        """Read the certificates of a file or of every file in a folder."""
        if location.is_dir():
            files = sorted(file for file in location.iterdir() if file.suffix.lower() in SUFFIXES)
        else:
            files = [location] if location.exists() or not self._may_be_empty else []
        certificates = [each for file in files for each in read_certificates(file)]
        if not certificates and not self._may_be_empty:
            raise ValueError(f"it holds no certificate ({', '.join(sorted(SUFFIXES))})")
        return certificates
