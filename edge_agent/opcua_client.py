"""A session with one OPC UA server, reduced to what an agent that only reads needs. The one file that imports asyncua.

It offers no service that writes, calls a method or changes a server's address space.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies, uacrypto
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_agent.config import read_secret
from edge_agent.notifications import MalformedError, NodeIdentity, Published, decode
from shopfloor.periods import from_datetime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from edge_agent.certificate import OwnCertificate
    from edge_agent.config import ServerConfig

logging.getLogger("asyncua").setLevel(
    logging.CRITICAL + 1
)  # what goes wrong is raised here and logged once by the caller

REQUEST_SECONDS = 8.0
"""How long a server may take to answer."""
CLOSE_SECONDS = 2.0
SESSION_MILLISECONDS = 60_000
CHANNEL_MILLISECONDS = 600_000
KEEP_ALIVE_SECONDS = 2.0
"""How long a subscription with nothing to say may stay silent."""
LIFETIME_SECONDS = 60.0
"""How long a server keeps a subscription whose agent is silent."""
NOTIFICATIONS_MAX = 10_000
"""Most values in one publish response."""
BATCH_MAX = 1000
"""Most nodes or items in one request, where the server sets no limit of its own."""
_PAGES_MAX = 10_000
_WATCHDOG_SECONDS = 10.0
_HIERARCHICAL, _HAS_SUBTYPE = 33, 45
_OVERFULL = {"BadTooManyOperations", "BadEncodingLimitsExceeded", "BadResponseTooLarge", "BadRequestTooLarge"}

_POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}

_OWN_SIDE = {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}

_NO_POLICY = security_policies.SecurityPolicyNone.URI

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class NoAnswerError(Exception):
    """The server does not answer, or no longer does.

    Attributes:
        own_side: the fault is the agent's own network, so that nothing is known of the server.
    """

    def __init__(self, reason: str, *, own_side: bool = False) -> None:
        super().__init__(reason)
        self.own_side = own_side


class RefusedError(Exception):
    """The server answers, but not with what was asked; the message says why and, where known, what to do."""


class Reference(NamedTuple):
    """A node below another one.

    Attributes:
        node: its identity.
        namespace: index of the namespace of its BrowseName.
        name: its BrowseName.
        is_variable: whether it is a Variable.
        is_object: whether it is an Object.
        type: its type definition, None when it has none.
    """

    node: NodeIdentity
    namespace: int
    name: str
    is_variable: bool
    is_object: bool
    type: NodeIdentity | None


class Answer(NamedTuple):
    """An attribute as read.

    Attributes:
        value: in Python's types; LocalizedText is its text, an EUInformation the text of its unit.
        status: StatusCode, 0 when Good.
        source: source time, None when absent.
    """

    value: Any
    status: int
    source: int | None


class ItemRequest(NamedTuple):
    """A monitored item to create.

    Attributes:
        node: what to watch.
        handle: number by which changes name it.
        sampling_milliseconds: how often the server looks.
        queue_size: how many values it keeps between two sendings.
        deadband: smallest absolute change that counts, 0 for every change.
        repeats: whether a value that repeats with a newer time counts as a change.
    """

    node: NodeIdentity
    handle: int
    sampling_milliseconds: float
    queue_size: int
    deadband: float
    repeats: bool


class ItemResult(NamedTuple):
    """What became of a monitored item.

    Attributes:
        item: the server's number of it, None when refused.
        status: StatusCode of the refusal, 0 when created.
        sampling_milliseconds: as revised by the server.
        queue_size: as revised by the server.
    """

    item: int | None
    status: int
    sampling_milliseconds: float
    queue_size: int


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


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the server revised it."""

    id: int
    publishing_seconds: float
    keep_alive_seconds: float
    lifetime_seconds: float


def status_name(status: int) -> str:
    """Name a StatusCode as OPC 10000-4 does, for example `BadNodeIdUnknown`."""
    return str(ua.StatusCode(ua.UInt32(status & 0xFFFF_0000)).name)


async def offers(endpoint: str) -> list[Offer]:
    """Ask a server how it lets itself be reached.

    Raises:
        NoAnswerError: when it does not answer.
        RefusedError: when its answer cannot be used.
    """
    return [_offer(description) for description in await _endpoints(endpoint)]


async def _endpoints(endpoint: str) -> list[ua.EndpointDescription]:
    client = Client(endpoint, timeout=REQUEST_SECONDS)
    descriptions: list[ua.EndpointDescription] = await _answered(client.connect_and_get_server_endpoints())
    return descriptions


def _offer(description: ua.EndpointDescription) -> Offer:
    uri = description.SecurityPolicyUri
    policy = next((name for name, policy in _POLICIES.items() if policy.URI == uri), "none" if uri == _NO_POLICY else uri)
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
        await _answered(client.connect())
    except RefusedError as error:
        raise RefusedError(f"{error}{_mend(str(error), own)}") from error
    return Session(client)


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
    await _answered(
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
        files = sorted(location.iterdir()) if location.is_dir() else [location]
        certificates: list[x509.Certificate] = []
        for file in files:
            if file.suffix.lower() in {".der", ".pem", ".crt", ".cer"}:
                content = file.read_bytes()
                certificates += (x509.load_pem_x509_certificates(content) if content.lstrip().startswith(b"-----")
                                 else [x509.load_der_x509_certificate(content)])  # fmt: skip
        if not certificates:
            raise ValueError("it holds no certificate (.der, .pem, .crt, .cer)")
        self._pinned |= {thumbprint(certificate) for certificate in certificates}
        return certificates

    def is_trusted(self, certificate: x509.Certificate) -> bool:
        """Tell whether this is one of the certificates, or issued by one of them."""
        return thumbprint(certificate) in self._pinned or bool(super().is_trusted(certificate))


class Session:
    """A session that is open. Every method raises `NoAnswerError` when it breaks and `RefusedError` on a bad answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._session = client.uaclient.session
        self._read_max = self._browse_max = self._items_max = BATCH_MAX

    async def close(self) -> None:
        """End the session, in good order when the server still answers."""
        try:
            await asyncio.wait_for(self._client.disconnect(), CLOSE_SECONDS)
        except (TimeoutError, OSError, UaError):
            self._client.disconnect_socket()

    async def namespaces(self) -> list[str]:
        """Read the server's namespace table, and its operation limits with it."""
        names = ("MaxNodesPerRead", "MaxNodesPerBrowse", "MaxMonitoredItemsPerCall")
        limits = [getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}") for name in names]
        table, *found = await self.read([NodeIdentity(0, ua.ObjectIds.Server_NamespaceArray),
                                         *(NodeIdentity(0, int(limit)) for limit in limits)])  # fmt: skip
        if not isinstance(table.value, list):
            raise RefusedError(f"the server has no namespace table: {status_name(table.status)}")
        usable = [min(answer.value, BATCH_MAX) if isinstance(answer.value, int) and answer.value > 0 else BATCH_MAX
                  for answer in found]  # fmt: skip
        self._read_max, self._browse_max, self._items_max = usable
        return [str(uri) for uri in table.value]

    async def current_time(self, clock: Callable[[], int]) -> tuple[int, int, int]:
        """Read the server's clock: own clock before, the server's, own clock after."""
        sent = clock()
        (answer,) = await self.read([NodeIdentity(0, ua.ObjectIds.Server_ServerStatus_CurrentTime)])
        received = clock()
        if answer.value is None:
            raise RefusedError(f"the server does not tell its time: {status_name(answer.status)}")
        return sent, from_datetime(answer.value), received

    async def read(self, nodes: Sequence[NodeIdentity], attribute: int = ua.AttributeIds.Value) -> list[Answer]:
        """Read an attribute of each node."""

        async def batch(part: Sequence[NodeIdentity]) -> list[Answer]:
            asked = [ua.ReadValueId(NodeId=_node_id(node), AttributeId=attribute) for node in part]
            parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=asked)
            return [_answer(value) for value in await _answered(self._session.read(parameters))]

        return await _in_batches(nodes, self._read_max, batch)

    async def value_ranks(self, nodes: Sequence[NodeIdentity]) -> list[Answer]:
        """Read the ValueRank of each node: 0 and more is an array; the status is Bad when it is no Variable."""
        return await self.read(nodes, ua.AttributeIds.ValueRank)

    async def children(self, nodes: Sequence[NodeIdentity]) -> list[list[Reference]]:
        """List what lies below each node, in the server's order."""
        return await self._browse(nodes, _HIERARCHICAL, ua.BrowseDirection.Forward)

    async def supertypes(self, types: Sequence[NodeIdentity]) -> list[list[Reference]]:
        """List the direct supertypes of each type: one or none."""
        return await self._browse(types, _HAS_SUBTYPE, ua.BrowseDirection.Inverse)

    async def _browse(
        self, nodes: Sequence[NodeIdentity], references: int, direction: ua.BrowseDirection
    ) -> list[list[Reference]]:
        async def batch(part: Sequence[NodeIdentity]) -> list[list[Reference]]:
            parameters = ua.BrowseParameters(View=ua.ViewDescription(), RequestedMaxReferencesPerNode=0)
            parameters.NodesToBrowse = [
                ua.BrowseDescription(NodeId=_node_id(node), BrowseDirection=direction, IncludeSubtypes=True,
                                     ReferenceTypeId=ua.NodeId(references), ResultMask=ua.BrowseResultMask.All)
                for node in part
            ]  # fmt: skip
            return [await self._all_pages(result) for result in await _answered(self._session.browse(parameters))]

        return await _in_batches(nodes, self._browse_max, batch)

    async def _all_pages(self, result: ua.BrowseResult) -> list[Reference]:
        found = list(result.References or [])
        for _ in range(_PAGES_MAX):
            if not result.ContinuationPoint:
                break
            parameters = ua.BrowseNextParameters(ContinuationPoints=[result.ContinuationPoint])
            (result,) = await _answered(self._session.browse_next(parameters))
            found += result.References or []
        return [_reference(each) for each in found]

    async def subscribe(self, publishing_milliseconds: float) -> Subscription:
        """Create a subscription that keeps itself alive every two seconds.

        asyncua's own publish loop stays asleep: it acknowledges before the values are kept, and decodes too slowly.
        """
        keep_alive = max(1, round(KEEP_ALIVE_SECONDS * 1000 / publishing_milliseconds))
        lifetime = max(3 * keep_alive, round(LIFETIME_SECONDS * 1000 / publishing_milliseconds))
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=float(publishing_milliseconds),
            RequestedLifetimeCount=lifetime,
            RequestedMaxKeepAliveCount=keep_alive,
            MaxNotificationsPerPublish=NOTIFICATIONS_MAX,
            PublishingEnabled=True,
            Priority=0,
        )
        data = await _answered(self._protocol().send_request(request))
        result = struct_from_binary(ua.CreateSubscriptionResponse, data).Parameters
        seconds = result.RevisedPublishingInterval / 1000
        return Subscription(int(result.SubscriptionId), seconds, seconds * result.RevisedMaxKeepAliveCount,
                            seconds * result.RevisedLifetimeCount)  # fmt: skip

    async def create_items(self, subscription: Subscription, items: Sequence[ItemRequest]) -> list[ItemResult]:
        """Create monitored items."""

        async def batch(part: Sequence[ItemRequest]) -> list[ItemResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription.id, TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[_create_request(item) for item in part],
            )  # fmt: skip
            results = await _answered(self._session.create_monitored_items(parameters))
            return [_item_result(result) for result in results]

        return await _in_batches(items, self._items_max, batch)

    async def delete_items(self, subscription: Subscription, items: Sequence[int]) -> None:
        """Delete monitored items; one that is already gone is no error."""

        async def batch(part: Sequence[int]) -> list[int]:
            parameters = ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription.id, MonitoredItemIds=list(part))
            await _answered(self._session.delete_monitored_items(parameters))
            return list(part)

        await _in_batches(items, self._items_max, batch)

    async def publish(self, acknowledgements: Sequence[tuple[int, int]]) -> Published:
        """Wait for the next notification or keep-alive of any subscription of this session.

        Args:
            acknowledgements: subscription and sequence number of notifications that are kept and may be forgotten.
        """
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(SubscriptionId=subscription, SequenceNumber=sequence)
            for subscription, sequence in acknowledgements
        ]
        buffer = await _answered(self._protocol().send_request(request, timeout=0))
        try:
            return decode(bytes(buffer))
        except MalformedError as error:
            raise RefusedError(str(error)) from error

    def _protocol(self) -> Any:
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise NoAnswerError("the connection is closed")
        return protocol


async def _answered(awaitable: Awaitable[_Result]) -> _Result:
    """Wait for an answer, and tell a server that is silent from one that refuses."""
    try:
        return await awaitable
    except UaError as error:
        raise RefusedError(_reason(error)) from error
    except TimeoutError as error:
        raise NoAnswerError(f"no answer within {REQUEST_SECONDS:g} s") from error
    except OSError as error:
        own_side = isinstance(error, socket.gaierror) or error.errno in _OWN_SIDE
        raise NoAnswerError(str(error) or type(error).__name__, own_side=own_side) from error
    except (NoAnswerError, RefusedError):
        raise
    except Exception as error:  # the library lets many kinds through when a server's answer is not what it expects
        raise RefusedError(f"the answer cannot be read ({type(error).__name__}: {error})") from error


def _reason(error: UaError) -> str:
    if isinstance(error, ServiceError):
        return status_name(error.code)
    if isinstance(error, ua.UaStatusCodeError):
        return status_name(int(error.code))
    return str(error) or type(error).__name__


async def _in_batches(
    items: Sequence[_Item], size: int, call: Callable[[Sequence[_Item]], Awaitable[list[_Result]]]
) -> list[_Result]:
    """Call with at most `size` items at a time, and with fewer when the server finds that too many."""
    results: list[_Result] = []
    at = 0
    while at < len(items):
        part = items[at : at + size]
        try:
            answers = await call(part)
        except RefusedError as error:
            if len(part) == 1 or not any(name in str(error) for name in _OVERFULL):
                raise
            size = max(1, len(part) // 2)
            continue
        if len(answers) != len(part):
            raise RefusedError(f"the server answers {len(answers)} of {len(part)} questions")
        results += answers
        at += len(part)
    return results


def _node_id(node: NodeIdentity) -> ua.NodeId:
    return ua.NodeId(node.identifier, node.namespace)


def _identity(node: ua.NodeId) -> NodeIdentity:
    return NodeIdentity(int(node.NamespaceIndex), node.Identifier)


def _reference(found: ua.ReferenceDescription) -> Reference:
    kind = _identity(found.TypeDefinition)
    return Reference(
        _identity(found.NodeId),
        int(found.BrowseName.NamespaceIndex),
        str(found.BrowseName.Name),
        found.NodeClass == ua.NodeClass.Variable,
        found.NodeClass == ua.NodeClass.Object,
        kind if kind.identifier else None,
    )


def _answer(value: ua.DataValue) -> Answer:
    status = int(value.StatusCode.value) if value.StatusCode is not None else 0
    raw = value.Value.Value if value.Value is not None else None
    source = from_datetime(value.SourceTimestamp) if value.SourceTimestamp is not None else None
    return Answer(_plain(raw), status, source)


def _plain(raw: Any) -> Any:
    if isinstance(raw, ua.EUInformation):
        raw = raw.DisplayName
    if isinstance(raw, ua.LocalizedText):
        return raw.Text or ""
    return _identity(raw) if isinstance(raw, ua.NodeId) else raw


def _create_request(item: ItemRequest) -> ua.MonitoredItemCreateRequest:
    parameters = ua.MonitoringParameters(
        ClientHandle=item.handle, SamplingInterval=float(item.sampling_milliseconds), QueueSize=item.queue_size,
        DiscardOldest=True,
    )  # fmt: skip
    if item.deadband or item.repeats:
        trigger = ua.DataChangeTrigger.StatusValueTimestamp if item.repeats else ua.DataChangeTrigger.StatusValue
        absolute = ua.DeadbandType.Absolute if item.deadband else ua.DeadbandType.None_
        parameters.Filter = ua.DataChangeFilter(Trigger=trigger, DeadbandType=absolute, DeadbandValue=item.deadband)
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=_node_id(item.node), AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=parameters,
    )


def _item_result(result: ua.MonitoredItemCreateResult) -> ItemResult:
    status = int(result.StatusCode.value)
    created = not status >> 30
    return ItemResult(int(result.MonitoredItemId) if created else None, 0 if created else status,
                      float(result.RevisedSamplingInterval), int(result.RevisedQueueSize))  # fmt: skip
