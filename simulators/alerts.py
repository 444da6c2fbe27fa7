"""Alarms and messages of a simulated machine: OPC 40501-1, 9.1, and of a control: OPC 40502, 6.10 and 6.11."""

from __future__ import annotations

import uuid
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from asyncua import ua

from simulators.transitions import Notifier
from simulators.tree import MESSAGES, NOTIFICATION

if TYPE_CHECKING:
    from asyncua import Server

    from simulators.address_space import AddressSpace, MachineNodes
    from simulators.tree import Served

ALARM_SEVERITY, WARNING_SEVERITY = 900, 300
"""OPC UA event severities of alarms that stop the machine, which are high (OPC 10000-5, 6.4.2), and of others."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDED = 2


class Alerts:
    """Alarm events of one machine, raised where its kind tells them and at the Server object.

    A machine tool tells them at its Messages object as AlertType, a control at its interface as CncAlarmType.

    Attributes:
        blocking: an alarm that stops the machine is active; told before the alarm itself.

    Args:
        server: where the events are raised.
        space: where the nodes are.
        nodes: of the machine.
        is_control: it speaks OPC 40502 alone.
    """

    def __init__(self, server: Server, space: AddressSpace, nodes: MachineNodes, *, is_control: bool) -> None:
        self._server = server
        self._kind = space.node("CNC:1006" if is_control else "MT:39")
        self._code = "AlarmIdentifier" if is_control else "ErrorCode"
        self._emitter = nodes.at("" if is_control else MESSAGES)
        self._nodes = nodes
        self._event: Any = None
        self._active = ""
        self.blocking = False

    async def build(self) -> None:
        """Make the node a notifier of the alarms."""
        generator = await self._server.get_event_generator(self._kind, self._emitter)
        self._event = generator.event
        self._event.SourceNode = self._emitter
        self._event.ConditionName = "Alert"

    async def show(self, served: Served) -> None:
        """Raise what became active and settle what was."""
        text = str(served.value or "")
        if text == self._active:
            return
        if self._active:
            await self._raise(self._active, served.stamp, active=False)
        if text:
            self._event.Severity = ALARM_SEVERITY if self.blocking else WARNING_SEVERITY
            await self._raise(text, served.stamp, active=True)
        self._active = text

    async def _raise(self, alarm: str, stamp: int, *, active: bool) -> None:
        code, _, text = alarm.partition(" ")
        event = self._event
        event.EventId = uuid.uuid4().bytes
        event.Time = event.ReceiveTime = _EPOCH + timedelta(microseconds=stamp // 1000)
        event.Message = ua.LocalizedText(text)
        setattr(event, self._code, code)
        event.Retain = active
        event.NodeId = self._nodes.at(f"{NOTIFICATION}/SIM:Alert-{code}")
        event.ActiveState = ua.LocalizedText("Active" if active else "Inactive")
        setattr(event, "ActiveState/Id", active)
        for emitter in (self._emitter, ua.NodeId(ua.ObjectIds.Server)):
            told = copy(event)
            told.emitting_node = emitter
            await self._server.iserver.subscription_service.trigger_event(told)


class ControlMessages:
    """Messages of a control: it says which program has ended (CncMessageType).

    Args:
        server: where the events are raised.
        space: where the nodes are.
        nodes: of the control.
    """

    def __init__(self, server: Server, space: AddressSpace, nodes: MachineNodes) -> None:
        self._source = nodes.at("")
        self._notifier = Notifier(server, space.node("CNC:1011"), self._source)
        self._facts: dict[str, Any] = {"program": None, "program_state": None}

    async def build(self) -> None:
        """Make the control a notifier of its messages."""
        await self._notifier.build()

    async def show(self, served: Served) -> None:
        """Take in a value, and say what it means."""
        if served.signal not in self._facts:
            return
        before, self._facts[served.signal] = self._facts[served.signal], served.value
        if served.signal == "program_state" and served.value == _ENDED and before not in {None, _ENDED}:
            text = f"Program {self._facts['program']} ended"
            await self._notifier.tell(self._source, "Control", served.stamp, {}, text)
