"""Monitored items (OPC 10000-4, 5.13), as the agent asks for them and as the library writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_agent.notifications import NodeIdentity


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


class EventField(NamedTuple):
    """A field of events to select (OPC 10000-4, 7.4.4.5).

    Attributes:
        type: the event type that has it.
        path: namespace index and BrowseName of each step; empty for the NodeId of the condition itself.
    """

    type: NodeIdentity
    path: tuple[tuple[int, str], ...]


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


def node_id(node: NodeIdentity) -> ua.NodeId:
    """Write a node's identity."""
    return ua.NodeId(node.identifier, node.namespace)


def item_to_create(item: ItemRequest) -> ua.MonitoredItemCreateRequest:
    """Write the wish to watch the value of a node."""
    parameters = ua.MonitoringParameters(
        ClientHandle=item.handle, SamplingInterval=float(item.sampling_milliseconds), QueueSize=item.queue_size,
        DiscardOldest=True,
    )  # fmt: skip
    if item.deadband or item.repeats:
        trigger = ua.DataChangeTrigger.StatusValueTimestamp if item.repeats else ua.DataChangeTrigger.StatusValue
        absolute = ua.DeadbandType.Absolute if item.deadband else ua.DeadbandType.None_
        parameters.Filter = ua.DataChangeFilter(Trigger=trigger, DeadbandType=absolute, DeadbandValue=item.deadband)
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node_id(item.node), AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=parameters,
    )


def selected(field: EventField) -> ua.SimpleAttributeOperand:
    """Write a field of events."""
    return ua.SimpleAttributeOperand(
        TypeDefinitionId=node_id(field.type),
        BrowsePath=[ua.QualifiedName(name, namespace) for namespace, name in field.path],
        AttributeId=ua.AttributeIds.Value if field.path else ua.AttributeIds.NodeId,
    )


def of_types(types: Sequence[ua.NodeId]) -> ua.ContentFilter:
    """Let pass what is of any of these types: one OfType each, joined by Or from the first element on."""
    each = [ua.ContentFilterElement(FilterOperator=ua.FilterOperator.OfType,
                                    FilterOperands=[ua.LiteralOperand(Value=ua.Variant(kind, ua.VariantType.NodeId))])
            for kind in types]  # fmt: skip
    joints = max(len(each) - 1, 0)
    elements = []
    for index in range(joints):
        next_joint = index + 1 if index + 1 < joints else joints + len(each) - 1
        operands = [ua.ElementOperand(Index=joints + index), ua.ElementOperand(Index=next_joint)]
        elements.append(ua.ContentFilterElement(FilterOperator=ua.FilterOperator.Or, FilterOperands=operands))
    return ua.ContentFilter(Elements=[*elements, *each])


def item_result(result: ua.MonitoredItemCreateResult) -> ItemResult:
    """Read what became of a wish; whatever is not Good is a refusal."""
    status = int(result.StatusCode.value)
    created = not status >> 30
    return ItemResult(int(result.MonitoredItemId) if created else None, 0 if created else status,
                      float(result.RevisedSamplingInterval), int(result.RevisedQueueSize))  # fmt: skip
