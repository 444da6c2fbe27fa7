"""What asyncua's server leaves out and a machine's does: overflow bit, limits of calls, paged history, repeated alarms.

OPC 10000-4: 5.13.1.5 (queue and overflow bit), 5.14.1.2 (MaxNotificationsPerPublish), 7.38.1 (info bits); OPC 10000-5,
6.3.11 (OperationLimits).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AttributeService, AttributeValue, NodeData, ViewService
from asyncua.server.history import HistoryDict
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

OVERFLOW = 0x480
"""Info type DataValue with the overflow bit."""

HISTORY_VALUES_MAX = 100_000
"""Values of one node that are remembered; the oldest are forgotten first."""

LIMITS = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
)
"""The limits that are served and kept."""

_standard_nodes: list[NodeData] = []
"""The nodes of OPC 10000-5 as asyncua makes them, in over a second: made once a process, copied for each server."""


class HonestServer(InternalServer):  # type: ignore[misc]  # asyncua is not typed
    """A server that keeps its operation limits and tells of lost values.

    Args:
        limit: most nodes or items in one call.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.attribute_service = _Attributes(self.aspace, limit)
        self.view_service = _Views(self.aspace, limit)
        self.subscription_service = _Subscriptions(self.aspace, self)
        self.isession.subscription_service = self.subscription_service
        self._history = _History()
        self.history_manager.set_storage(self._history)

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Fill the address space with the nodes that the standard asks of every server."""
        if not _standard_nodes:
            await super().load_standard_address_space(shelf_file)
            _standard_nodes[:] = _copies(self.aspace[each] for each in self.aspace.keys())  # noqa: SIM118 - no mapping
            return
        for node in _copies(_standard_nodes):
            self.aspace[node.nodeid] = node

    @property
    def watched_items(self) -> int:
        """How many items clients watch."""
        services = (each.monitored_item_srv for each in self.subscription_service.subscriptions.values())
        return sum(len(each._monitored_items) for each in services)  # noqa: SLF001  # asyncua counts them nowhere else

    def sessions_of_clients(self) -> list[Any]:
        """Return the sessions that came over a connection."""
        return list(self._external_sessions.values())

    async def remember(self, node: Any, value: Any) -> None:
        """Keep a value in the history of a node, and let the history be read (OPC 10000-11, 5.2)."""
        if self._history.knows(node):
            await self._history.save_node_value(node, value)
            return
        await self._history.new_historized_node(node, None, HISTORY_VALUES_MAX)
        await self._history.save_node_value(node, value)
        read, write = self.aspace.read_attribute_value, self.aspace.write_attribute_value
        for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            level = read(node, attribute).Value
            granted = ua.Variant(level.Value | 1 << ua.AccessLevel.HistoryRead, level.VariantType)
            await write(node, attribute, ua.DataValue(granted))
        await write(node, ua.AttributeIds.Historizing, ua.DataValue(ua.Variant(True)))  # noqa: FBT003 - a value

    async def serve_limits(self) -> None:
        """Write the limits into the address space."""
        for limit in LIMITS:
            value = ua.DataValue(ua.Variant(self.limit, ua.VariantType.UInt32))
            await self.aspace.write_attribute_value(ua.NodeId(limit), ua.AttributeIds.Value, value)


class _History(HistoryDict):  # type: ignore[misc]  # asyncua is not typed
    """Hands out at most as many values as asked for, and a continuation point when there are more."""

    def knows(self, node: Any) -> bool:
        return node in self._datachanges

    async def read_node_history(self, node_id: Any, start: Any, end: Any, nb_values: int) -> tuple[list[Any], Any]:
        values, more = await super().read_node_history(node_id, start, end, 0)
        if not nb_values or len(values) <= nb_values:
            return values, more
        cut = values[nb_values].SourceTimestamp
        # The continuation point is a time, so values of one time are never parted, but when they alone fill a page.
        return [each for each in values[:nb_values] if each.SourceTimestamp < cut] or values[:nb_values], cut


def _check(asked: Sequence[Any], limit: int) -> None:
    if len(asked) > limit:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)


class _Attributes(AttributeService):  # type: ignore[misc]  # asyncua is not typed
    def __init__(self, aspace: Any, limit: int) -> None:
        super().__init__(aspace)
        self._limit = limit

    def read(self, params: Any) -> Any:
        _check(params.NodesToRead, self._limit)
        return super().read(params)


class _Views(ViewService):  # type: ignore[misc]  # asyncua is not typed
    def __init__(self, aspace: Any, limit: int) -> None:
        super().__init__(aspace)
        self._limit = limit

    def browse(self, params: Any) -> Any:
        _check(params.NodesToBrowse, self._limit)
        return super().browse(params)

    def translate_browsepaths_to_nodeids(self, browsepaths: Any) -> Any:
        _check(browsepaths, self._limit)
        return super().translate_browsepaths_to_nodeids(browsepaths)


class _Subscriptions(SubscriptionService):  # type: ignore[misc]  # asyncua is not typed
    """Makes honest subscriptions."""

    def __init__(self, aspace: Any, iserver: HonestServer) -> None:
        super().__init__(aspace, iserver=iserver)
        self._limit = iserver.limit

    async def create_subscription(
        self,
        params: Any,
        callback: Callable[..., Any],
        session_id: Any,
        request_callback: Callable[..., Any] | None = None,
    ) -> Any:
        result = await super().create_subscription(params, callback, session_id, request_callback)
        # The service can only make its own kind of subscription, which has just begun and holds nothing yet.
        await self.subscriptions[result.SubscriptionId].stop()
        subscription = HonestSubscription(
            result,
            self.aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(result.SubscriptionId, None),
            no_acks_limit=self.iserver.max_unacked_messages_per_subscription,
            max_queue_size=self.iserver.max_monitored_item_queue_size,
            publishing_enabled=params.PublishingEnabled,
        )
        subscription.notifications_max = params.MaxNotificationsPerPublish
        await subscription.start()
        self.subscriptions[result.SubscriptionId] = subscription
        return result

    async def trigger_event(self, event: Any, subscription_id: int | None = None) -> None:
        """Tell an event, and remember a condition for each notifier that tells it, so that all of them repeat it."""
        if hasattr(event, "Retain") and hasattr(event, "NodeId"):
            key = event.NodeId, event.emitting_node
            self._conditions.pop(key, None)
            if event.Retain:
                self._conditions[key] = event
        chosen = self.subscriptions if subscription_id is None else {subscription_id} & self.subscriptions.keys()
        for each in list(chosen):
            await self.subscriptions[each].monitored_item_srv.trigger_event(event)

    async def create_monitored_items(self, params: Any) -> Any:
        _check(params.ItemsToCreate, self._limit)
        return await super().create_monitored_items(params)


class HonestSubscription(InternalSubscription):  # type: ignore[misc]  # asyncua is not typed
    """A subscription that marks lost values and fills no message beyond what the client asked for."""

    notifications_max = 0

    async def publish_results(self, requestdata: Any = None) -> bool:
        """Publish what is queued, in as many messages as it takes and the client has asked for.

        Returns:
            Whether the given request was answered; if not, it waits for the next message.
        """
        answered: bool = await super().publish_results(requestdata)
        more = answered
        while more and self.notifications_max and self._triggered_datachanges and self._publishing_enabled:
            more = await super().publish_results()
        return answered

    def _pop_publish_result(self) -> Any:
        result = super()._pop_publish_result()
        result.MoreNotifications = self._publishing_enabled and bool(self._triggered_datachanges)
        return result

    def _pop_triggered_datachanges(self, result: Any) -> None:
        queues = self._triggered_datachanges
        if not self.notifications_max or sum(map(len, queues.values())) <= self.notifications_max:
            super()._pop_triggered_datachanges(result)
            return
        notification = ua.DataChangeNotification()
        for item in list(queues):
            room = self.notifications_max - len(notification.MonitoredItems)
            notification.MonitoredItems += queues[item][:room]
            queues[item] = queues[item][room:]
            if queues[item]:
                break
            del queues[item]
        result.NotificationMessage.NotificationData.append(notification)

    async def _enqueue_event(self, mid: int, eventdata: Any, size: int, queue: dict[int, list[Any]]) -> None:
        waiting = queue.get(mid)
        if waiting is None or not size or len(waiting) < size or queue is not self._triggered_datachanges:
            await super()._enqueue_event(mid, eventdata, size, queue)
            return
        waiting.append(eventdata)
        del waiting[0]
        if size > 1:  # a queue of one value says nothing of what it replaced
            oldest = waiting[0]
            marked = ua.StatusCode(oldest.Value.StatusCode.value | OVERFLOW)
            waiting[0] = replace(oldest, Value=replace(oldest.Value, StatusCode=marked))


def _copies(nodes: Iterable[NodeData]) -> list[NodeData]:
    """Copy nodes that no server has used yet; what they hold is replaced by servers, never changed."""
    made = []
    for node in nodes:
        copy = NodeData(node.nodeid)
        copy.references = list(node.references)
        copy.attributes = {each: AttributeValue(kept.value) for each, kept in node.attributes.items()}
        made.append(copy)
    return made
