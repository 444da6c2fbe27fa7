"""A session with one OPC UA server, reduced to what an agent that only reads needs.

It offers no service that writes or changes a server's address space, and calls one method: ConditionRefresh, which
makes a server repeat the events of the conditions that it retains (OPC 10000-9, 5.5.7).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeAlias, TypeVar

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaError

from edge_agent import history_data
from edge_agent.notifications import NodeIdentity, Published, decode
from edge_agent.opcua_items import item_result, item_to_create, node_id, of_types, selected
from shopfloor.errors import ExpectedError
from shopfloor.periods import from_datetime, to_datetime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from asyncua import Client

    from edge_agent.history_data import HistoryPage
    from edge_agent.opcua_items import EventField, ItemRequest, ItemResult
    from shopfloor.periods import Period

logging.getLogger("asyncua").setLevel(
    logging.CRITICAL + 1
)  # what goes wrong is raised here and logged once by the caller

REQUEST_SECONDS = 8.0
"""How long a server may take to answer."""
CLOSE_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 2.0
"""How long a subscription with nothing to say may stay silent."""
LIFETIME_SECONDS = 60.0
"""How long a server keeps a subscription whose agent is silent."""
NOTIFICATIONS_MAX = 10_000
"""Most values in one publish response."""
BATCH_MAX = 1000
"""Most nodes or items in one request, where the server sets no limit of its own."""
EVENTS_MAX = 1000
"""Most events that a server keeps between two sendings: a refresh sends all that it retains at once."""
_PAGES_MAX = 10_000
_HIERARCHICAL, _HAS_SUBTYPE = 33, 45
_HISTORY_READ = 4
"""Bit of UserAccessLevel (OPC 10000-3, 8.57)."""
_OVERFULL = {"BadTooManyOperations", "BadEncodingLimitsExceeded", "BadResponseTooLarge", "BadRequestTooLarge"}

_OWN_SIDE = {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}


_Item = TypeVar("_Item")
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class NoAnswerError(ExpectedError):
    """The server does not answer, or no longer does.

    Attributes:
        own_side: the fault is the agent's own network, so that nothing is known of the server.
    """

    def __init__(self, reason: str, *, own_side: bool = False, code: str = "") -> None:
        super().__init__(reason, code=code)
        self.own_side = own_side


class RefusedError(ExpectedError):
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


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the server revised it."""

    id: int
    publishing_seconds: float
    keep_alive_seconds: float
    lifetime_seconds: float


class Peer(NamedTuple):
    """Who is at the other end of a secured session.

    Attributes:
        policy: security policy.
        mode: what it protects.
        certificate: DER, as the server presented it.
        expires: end of its validity, nanoseconds UTC.
        own: file name of the agent's own certificate that the server took.
    """

    policy: str
    mode: str
    certificate: bytes
    expires: int
    own: str


def status_name(status: int) -> str:
    """Name a StatusCode as OPC 10000-4 does, for example `BadNodeIdUnknown`."""
    return str(ua.StatusCode(ua.UInt32(status & 0xFFFF_0000)).name)


_Method: TypeAlias = "Callable[Concatenate[Session, _Parameters], Coroutine[Any, Any, _Result]]"


def _understood(method: _Method[_Parameters, _Result]) -> _Method[_Parameters, _Result]:
    """Let a method refuse an answer that the library decodes and that holds something else than was asked."""

    @wraps(method)
    async def asking(self: Session, /, *arguments: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
        return await answered(method(self, *arguments, **options))

    return asking


class Session:
    """A session that is open. Every method raises `NoAnswerError` when it breaks and `RefusedError` on a bad answer.

    Attributes:
        peer: who is at the other end; None without security.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._session = client.uaclient.session
        self.peer: Peer | None = None
        self._read_max = self._browse_max = self._items_max = BATCH_MAX

    async def close(self) -> None:
        """End the session, in good order when the server still answers."""
        try:
            await asyncio.wait_for(self._client.disconnect(), CLOSE_SECONDS)
        except (TimeoutError, OSError, UaError):
            self._client.disconnect_socket()

    @_understood
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

    @_understood
    async def current_time(self, clock: Callable[[], int]) -> tuple[int, int, int]:
        """Read the server's clock: own clock before, the server's, own clock after."""
        sent = clock()
        (answer,) = await self.read([NodeIdentity(0, ua.ObjectIds.Server_ServerStatus_CurrentTime)])
        received = clock()
        if answer.value is None:
            raise RefusedError(f"the server does not tell its time: {status_name(answer.status)}")
        return sent, from_datetime(answer.value), received

    @_understood
    async def read(self, nodes: Sequence[NodeIdentity], attribute: int = ua.AttributeIds.Value) -> list[Answer]:
        """Read an attribute of each node."""

        async def batch(part: Sequence[NodeIdentity]) -> list[Answer]:
            asked = [ua.ReadValueId(NodeId=node_id(node), AttributeId=attribute) for node in part]
            parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=asked)
            return [_answer(value) for value in await self._session.read(parameters)]

        return await _in_batches(nodes, self._read_max, batch)

    @_understood
    async def value_ranks(self, nodes: Sequence[NodeIdentity]) -> list[Answer]:
        """Read the ValueRank of each node: 0 and more is an array; the status is Bad when it is no Variable."""
        return await self.read(nodes, ua.AttributeIds.ValueRank)

    @_understood
    async def children(self, nodes: Sequence[NodeIdentity]) -> list[list[Reference]]:
        """List what lies below each node, in the server's order."""
        return await self._browse(nodes, _HIERARCHICAL, ua.BrowseDirection.Forward)

    @_understood
    async def supertypes(self, types: Sequence[NodeIdentity]) -> list[list[Reference]]:
        """List the direct supertypes of each type: one or none."""
        return await self._browse(types, _HAS_SUBTYPE, ua.BrowseDirection.Inverse)

    async def _browse(
        self, nodes: Sequence[NodeIdentity], references: int, direction: ua.BrowseDirection
    ) -> list[list[Reference]]:
        async def batch(part: Sequence[NodeIdentity]) -> list[list[Reference]]:
            parameters = ua.BrowseParameters(View=ua.ViewDescription(), RequestedMaxReferencesPerNode=0)
            parameters.NodesToBrowse = [
                ua.BrowseDescription(NodeId=node_id(node), BrowseDirection=direction, IncludeSubtypes=True,
                                     ReferenceTypeId=ua.NodeId(references), ResultMask=ua.BrowseResultMask.All)
                for node in part
            ]  # fmt: skip
            return [await self._all_pages(result) for result in await self._session.browse(parameters)]

        return await _in_batches(nodes, self._browse_max, batch)

    async def _all_pages(self, result: ua.BrowseResult) -> list[Reference]:
        found = list(result.References or [])
        for _ in range(_PAGES_MAX):
            if not result.ContinuationPoint:
                break
            parameters = ua.BrowseNextParameters(ContinuationPoints=[result.ContinuationPoint])
            (result,) = await self._session.browse_next(parameters)
            found += result.References or []
        return [_reference(each) for each in found]

    @_understood
    async def remembered(self, nodes: Sequence[NodeIdentity]) -> set[NodeIdentity]:
        """Return those of these nodes whose values the server keeps and lets be read (OPC 10000-3, 5.6.2)."""
        historizing = await self.read(nodes, ua.AttributeIds.Historizing)
        levels = await self.read(nodes, ua.AttributeIds.UserAccessLevel)
        return {
            node
            for node, kept, level in zip(nodes, historizing, levels, strict=True)
            if kept.value is True and isinstance(level.value, int) and level.value & _HISTORY_READ
        }

    @_understood
    async def history(
        self, node: NodeIdentity, period: Period, limit: int, point: bytes = b"", *, release: bool = False
    ) -> HistoryPage:
        """Read raw values that the server remembers, oldest first.

        Args:
            node: whose.
            period: of their source times; the server may take its bounds in.
            limit: most values in the answer.
            point: continuation point of the page before.
            release: let go of the continuation point and read nothing.
        """
        # Times go out in whole microseconds, so the period is widened to them and the caller leaves out what is beside.
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False, StartTime=to_datetime(period.start), EndTime=to_datetime(period.end + 999),
            NumValuesPerNode=limit, ReturnBounds=False,
        )  # fmt: skip
        asked = ua.HistoryReadValueId(NodeId=node_id(node), ContinuationPoint=point or None)
        request = ua.HistoryReadRequest()
        request.Parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details, TimestampsToReturn=ua.TimestampsToReturn.Source,
            ReleaseContinuationPoints=release, NodesToRead=[asked],
        )  # fmt: skip
        buffer = await self._protocol().send_request(request)
        return history_data.decode(bytes(buffer))

    @_understood
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
        data = await self._protocol().send_request(request)
        result = struct_from_binary(ua.CreateSubscriptionResponse, data).Parameters
        seconds = result.RevisedPublishingInterval / 1000
        return Subscription(int(result.SubscriptionId), seconds, seconds * result.RevisedMaxKeepAliveCount,
                            seconds * result.RevisedLifetimeCount)  # fmt: skip

    @_understood
    async def unsubscribe(self, subscription: Subscription) -> None:
        """Delete a subscription; one that is already gone is no error."""
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [subscription.id]
        await self._protocol().send_request(request)

    @_understood
    async def create_items(self, subscription: Subscription, items: Sequence[ItemRequest]) -> list[ItemResult]:
        """Create monitored items."""

        async def batch(part: Sequence[ItemRequest]) -> list[ItemResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription.id, TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[item_to_create(item) for item in part],
            )  # fmt: skip
            results = await self._session.create_monitored_items(parameters)
            return [item_result(result) for result in results]

        return await _in_batches(items, self._items_max, batch)

    @_understood
    async def create_event_item(
        self,
        subscription: Subscription,
        node: NodeIdentity,
        handle: int,
        fields: Sequence[EventField],
        types: Sequence[NodeIdentity],
    ) -> ItemResult:
        """Create a monitored item for the events of a node.

        Args:
            subscription: which one delivers them.
            node: the notifier.
            handle: number by which events name it.
            fields: what to tell of each event.
            types: only events of these types and their subtypes; empty for all.
        """  # fmt: skip
        event_filter = ua.EventFilter(
            SelectClauses=[selected(field) for field in fields], WhereClause=of_types([node_id(each) for each in types])
        )
        parameters = ua.CreateMonitoredItemsParameters(
            SubscriptionId=subscription.id,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[
                ua.MonitoredItemCreateRequest(
                    ItemToMonitor=ua.ReadValueId(NodeId=node_id(node), AttributeId=ua.AttributeIds.EventNotifier),
                    MonitoringMode=ua.MonitoringMode.Reporting,
                    RequestedParameters=ua.MonitoringParameters(
                        ClientHandle=handle, SamplingInterval=0.0, Filter=event_filter, QueueSize=EVENTS_MAX,
                        DiscardOldest=True,
                    ),
                )
            ],
        )  # fmt: skip
        (result,) = await self._session.create_monitored_items(parameters)
        return item_result(result)

    @_understood
    async def refresh_conditions(self, subscription: Subscription) -> int:
        """Ask the server to repeat, to this subscription, the events of every condition that it retains.

        Returns:
            StatusCode of the refusal, 0 when they come.
        """
        request = ua.CallMethodRequest(
            ObjectId=ua.NodeId(ua.ObjectIds.ConditionType),
            MethodId=ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh),
            InputArguments=[ua.Variant(subscription.id, ua.VariantType.UInt32)],
        )
        (result,) = await self._session.call([request])
        status = int(result.StatusCode.value)
        return status if status >> 30 else 0

    @_understood
    async def notifiers(self, nodes: Sequence[NodeIdentity]) -> list[NodeIdentity]:
        """Pick the nodes whose events can be subscribed to (OPC 10000-3, 5.5.1, EventNotifier)."""
        answers = await self.read(nodes, ua.AttributeIds.EventNotifier)
        return [node for node, answer in zip(nodes, answers, strict=True)
                if not answer.status >> 30 and isinstance(answer.value, int) and answer.value & 1]  # fmt: skip

    @_understood
    async def subtypes(self, types: Sequence[NodeIdentity]) -> list[list[Reference]]:
        """List the direct subtypes of each type."""
        return await self._browse(types, _HAS_SUBTYPE, ua.BrowseDirection.Forward)

    @_understood
    async def delete_items(self, subscription: Subscription, items: Sequence[int]) -> None:
        """Delete monitored items; one that is already gone is no error."""

        async def batch(part: Sequence[int]) -> list[int]:
            parameters = ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription.id, MonitoredItemIds=list(part))
            await self._session.delete_monitored_items(parameters)
            return list(part)

        await _in_batches(items, self._items_max, batch)

    @_understood
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
        buffer = await self._protocol().send_request(request, timeout=0)
        return decode(bytes(buffer))

    def _protocol(self) -> Any:
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise NoAnswerError("the connection is closed")
        return protocol


async def answered(awaitable: Awaitable[_Result]) -> _Result:
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
    except ExpectedError:
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
            answers = await answered(call(part))
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
