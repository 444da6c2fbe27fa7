"""Simulated machines on an OPC UA server, as OPC 40501-1 MachineTool asks for them.

What stands where is in `simulators.tree`; where the values come from is a `Source`: a model (`simulators.live`) or a
recording (`simulators.replay`). The server writes changes only, with the source's instant as SourceTimestamp.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.address_space import AddressSpace, MachineNodes, variant
from simulators.alerts import Alerts, ControlMessages
from simulators.honest import HonestServer
from simulators.job_orders import OrderTable
from simulators.machine_tables import JobTable, ToolTable
from simulators.transitions import ProgramTransitions
from simulators.tree import BLOCKS, PROGNOSIS, Served, has_plan
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from simulators.tree import Source, Variable

_log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECURE = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
_VALUE = ua.AttributeIds.Value
_GOOD = ua.StatusCode()
_NO_COMMUNICATION = ua.StatusCode(ua.StatusCodes.BadNoCommunication)


class MachineServer:
    """An OPC UA server of one or more machines.

    It makes its own key and certificate in its folder, offers Basic256Sha256 with signature and encryption, and answers
    on the loopback interface unless told otherwise. Clients may read and subscribe, never write.

    Args:
        name: of the server: application URI `urn:officina:simulator:<name>` and order of the namespaces.
        sources: what it serves.
        folder: where key and certificate are kept; made when it is not there.
        clock: what time it is, integer nanoseconds UTC.
        host: interface to listen on.
        port: port to listen on, 0 for a free one.
        allow_none: offer an endpoint without security as well.
        tick_seconds: how often the sources are asked what is due.
        limit: most nodes or items that a client may name in one call.
        generation: how often it has been started: each time it registers its namespaces in another order.
        history: whether it remembers the values that it served, and lets them be read.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[Source],
        folder: Path,
        clock: Callable[[], int],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_none: bool = False,
        tick_seconds: float = 0.5,
        limit: int = 100,
        generation: int = 0,
        history: bool = False,
    ) -> None:
        self.certificate = folder / "server.der"
        self._name = name
        self._order = f"{name}.{generation}" if generation else name
        self._folder = folder
        self._clock = clock
        self._host, self._port = host, port
        self._allow_none = allow_none
        self._tick_seconds = tick_seconds
        self._server = Server(HonestServer(limit))
        self._machines = [_MachineOnServer(self._server, source, clock, remembers=history) for source in sources]
        self._ticking: asyncio.Task[None] | None = None
        self._told = 0

    @property
    def endpoint(self) -> str:
        """Where clients find it; the port is known once the server has started."""
        return f"opc.tcp://{self._host}:{self._port}/officina/simulator/"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def application_uri(self) -> str:
        """The identity of the server."""
        return f"urn:officina:simulator:{self._name}"

    @property
    def watched_items(self) -> int:
        """How many items clients watch."""
        return int(self._server.iserver.watched_items)

    async def start(self) -> None:
        """Build the address space, listen and begin to serve.

        Raises:
            OSError: when the port is taken.
        """
        server = self._server
        server.set_server_name(f"Officina simulator {self._name}")
        server.iserver.bind_condition_methods = True
        server.disable_clock()  # the server tells the time of its own clock, which may be set wrong on purpose
        await server.init()
        await server.set_application_uri(self.application_uri)
        await server.iserver.serve_limits()
        await self._secure()
        space = AddressSpace(server)
        await space.open(self._order, cnc=any(machine.is_control for machine in self._machines))
        now = self._clock()
        for machine in self._machines:
            await machine.build(space, now)
        server.set_endpoint(self.endpoint)
        await server.start()
        await self._tell_time(now)
        self._port = server.bserver.port
        self._ticking = asyncio.create_task(self._tick(), name=f"simulator.{self._name}.tick")

    async def stop(self) -> None:
        """Stop serving and close all connections; without effect when it has not started."""
        if self._ticking is None:
            return
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        self._ticking = None
        await self._server.stop()

    async def vanish(self, machine: str, signal: str) -> None:
        """Take the nodes of a signal away from a machine, or from all of them when none is named."""
        for each in self._named(machine):
            await each.vanish(signal)

    async def come_back(self, machine: str, signal: str) -> None:
        """Put them back."""
        for each in self._named(machine):
            await each.come_back(signal)

    async def lose_sessions(self) -> None:
        """Forget all sessions and their subscriptions, as a server does that has had too many."""
        for session in list(self._server.iserver.sessions_of_clients()):
            await session.close_session(delete_subs=True)

    def connections(self) -> list[Any]:
        """Return the protocols of the open connections, for whoever means them harm."""
        return list(self._server.bserver.clients) if self._server.bserver else []

    def _named(self, machine: str) -> list[_MachineOnServer]:
        return [each for each in self._machines if machine in {"", each.id}]

    async def wait(self) -> None:
        """Wait until serving fails.

        Raises:
            Exception: what made it fail.
        """
        if self._ticking is not None:
            await self._ticking

    async def _secure(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = self._folder / "server.pem"
        await setup_self_signed_certificate(
            key,
            self.certificate,
            self.application_uri,
            socket.gethostname(),
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
            {"commonName": f"Officina simulator {self._name}", "organizationName": "Officina"},
        )
        key.chmod(0o600)
        await self._server.load_certificate(self.certificate)
        await self._server.load_private_key(key)
        policies = [_SECURE, ua.SecurityPolicyType.NoSecurity] if self._allow_none else [_SECURE]
        self._server.set_security_policy(policies)

    async def _tell_time(self, now: int) -> None:
        """Serve CurrentTime (OPC 10000-5, 12.10), once a second."""
        if now // SECOND == self._told // SECOND:
            return
        self._told = now
        status = copy(await self._server.iserver.server_status_node.read_value())
        status.CurrentTime = _time(now)
        await self._server.iserver.server_status_node.write_value(status)
        await self._server.iserver.current_time_node.write_value(status.CurrentTime)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            now = self._clock()
            try:
                await self._tell_time(now)
                for machine in self._machines:
                    await machine.serve(now)
            except Exception:
                _log.exception("simulator.tick_failed")
                raise


class _MachineOnServer:
    """One source and its nodes."""

    def __init__(self, server: Server, source: Source, clock: Callable[[], int], *, remembers: bool) -> None:
        self._server = server
        self._remembers = remembers
        self._source = source
        self._clock = clock
        self._nodes: MachineNodes
        self._variables: dict[str, list[_Binding]] = {}
        self._jobs: JobTable | OrderTable | None = None
        self._tools: ToolTable
        self._alerts: Alerts
        self._programs: ProgramTransitions | None = None
        self._messages: ControlMessages | None = None
        self._prognosis: int | None = None
        self._vanished: dict[Any, Any] = {}
        self._unseen: dict[Any, tuple[Any, int, int]] = {}

    @property
    def id(self) -> str:
        """Identifier of the machine."""
        return self._source.identity.id

    @property
    def is_control(self) -> bool:
        """Whether it speaks OPC 40502 alone."""
        return any(each.path.startswith("CNC:") for each in self._source.variables)

    async def build(self, space: AddressSpace, now: int) -> None:
        source = self._source
        self._nodes = MachineNodes(space, source.identity)
        if self.is_control:
            await self._nodes.build_control(source.variables)
            self._bind(space)
            self._messages = ControlMessages(self._server, space, self._nodes)
            await self._messages.build()
        else:
            await self._build_machine_tool(space, now)
        self._alerts = Alerts(self._server, space, self._nodes, is_control=self.is_control)
        await self._alerts.build()
        await self._open(now)

    def _bind(self, space: AddressSpace) -> None:
        for each in self._source.variables:
            self._variables.setdefault(each.signal, []).append(_Binding(self._nodes, space, each))

    async def _build_machine_tool(self, space: AddressSpace, now: int) -> None:
        source = self._source
        full = any(each.path.startswith(BLOCKS) for each in source.variables)
        await self._nodes.build(source.variables, full=full)
        self._bind(space)
        self._jobs = (
            JobTable(self._server, space, self._nodes, self._write)
            if has_plan(source.variables)
            else OrderTable(self._server, space, self._nodes, self._write)
        )
        self._tools = ToolTable(space, self._nodes, self._write)
        await self._jobs.build()
        states = {each.signal: each.states for each in source.variables}
        if isinstance(self._jobs, JobTable) and "job" in states:  # recordings know of no jobs
            self._programs = ProgramTransitions(self._server, space, self._nodes, states["program_state"])
            await self._programs.build()
        await self._tools.build(source.tools(now))
        if source.service_due(now) is not None:
            await self._build_prognosis(space)

    async def _build_prognosis(self, space: AddressSpace) -> None:
        """Add the only prognosis, for a machine that knows when its next maintenance is due."""
        parent, _, name = PROGNOSIS.rpartition("/")
        prognosis = self._nodes.at(PROGNOSIS)
        await space.add_object(prognosis, self._nodes.at(parent), name, "MT:9")
        await space.add_variable(
            self._nodes.at(f"{PROGNOSIS}/MT:PredictedTime"),
            prognosis,
            "MT:PredictedTime",
            ua.Variant(None, ua.VariantType.Null),
            ua.NodeId(ua.ObjectIds.UtcTime),
            is_property=True,
        )
        activity = ua.Variant(ua.LocalizedText("Lubrication and spindle check"), ua.VariantType.LocalizedText)
        await space.add_variable(self._nodes.at(f"{PROGNOSIS}/MT:Activity"), prognosis, "MT:Activity", activity)

    async def serve(self, now: int) -> None:
        """Serve what is due: first the events of jobs and programs, then the nodes."""
        due = list(self._source.due(now))
        if self._jobs is not None:
            await self._jobs.tell(self._source.jobs(now))
        if self._programs is not None:
            await self._programs.tell(due)
        for each in due:
            await self._show(each)
        await self._show_tables(now)

    async def _open(self, now: int) -> None:
        missing = set(self._variables)
        first = list(self._source.open(now))
        if self._programs is not None:
            self._programs.know(first)
        if self._jobs is not None:
            await self._jobs.tell(self._source.jobs(now))
        for each in first:
            missing.discard(each.signal)
            await self._show(each)
        for signal in missing:
            await self._show(Served(now, signal, None))
        await self._show_tables(now)

    async def _show(self, served: Served) -> None:
        for binding in self._variables.get(served.signal, ()):
            for node, value in binding.encode(served.value):
                await self._write(node, value, served.stamp, served.status)
        if self._messages is not None:
            await self._messages.show(served)
        if served.signal == "job" and isinstance(self._jobs, JobTable):
            await self._write(self._jobs.job_node_id, self._jobs.reference(served.value), served.stamp)
        elif served.signal == "alarm_blocking":
            self._alerts.blocking = bool(served.value)
        elif served.signal == "alarm":
            await self._alerts.show(served)

    async def _show_tables(self, now: int) -> None:
        if self._jobs is None:
            return
        await self._jobs.show(self._source.jobs(now), now)
        await self._tools.show(self._source.tools(now), now)
        due = self._source.service_due(now)
        if due is not None and due != self._prognosis:
            self._prognosis = due
            value = ua.Variant(_time(due), ua.VariantType.DateTime)
            await self._write(self._nodes.at(f"{PROGNOSIS}/MT:PredictedTime"), value, now)

    async def vanish(self, signal: str) -> None:
        """Take the nodes of a signal away; who watches them is told that they are unknown.

        Raises:
            KeyError: when the machine does not serve it.
        """
        aspace = self._server.iserver.aspace
        for node in [node for binding in self._variables[signal] for node in binding.nodes if node in aspace]:
            await self._write(node, None, self._clock(), ua.StatusCodes.BadNodeIdUnknown)
            self._vanished[node] = aspace[node]
            for handle in list(aspace[node].attributes[_VALUE].datachange_callbacks):
                aspace.delete_datachange_callback(handle)
            del aspace[node]

    async def come_back(self, signal: str) -> None:
        """Put the nodes of a signal back where they were, with the value that it has by now."""
        for node in [node for binding in self._variables[signal] for node in binding.nodes]:
            if node in self._vanished:
                self._server.iserver.aspace[node] = self._vanished.pop(node)
            if node in self._unseen:
                await self._write(node, *self._unseen.pop(node))

    async def _write(self, node: Any, value: Any, stamp: int, status: int = 0) -> None:
        """Serve a value; None without a status is no communication."""
        if node in self._vanished:
            self._unseen[node] = value, stamp, status
            return
        silent = _NO_COMMUNICATION if value is None else _GOOD
        data = ua.DataValue(
            Value=ua.Variant(None, ua.VariantType.Null) if value is None else value,
            StatusCode=ua.StatusCode(status) if status else silent,
            SourceTimestamp=_time(stamp),
            ServerTimestamp=_time(self._clock()),
        )
        result = await self._server.iserver.aspace.write_attribute_value(node, _VALUE, data)
        result.check()
        if self._remembers:
            await self._server.iserver.remember(node, data)


class _Binding:
    """A variable's nodes and how values become theirs."""

    def __init__(self, nodes: MachineNodes, space: AddressSpace, variable: Variable) -> None:
        self._variable = variable
        self._node = nodes.at(variable.path)
        self._below = (nodes.at(f"{variable.path}/UA:Id"), nodes.at(f"{variable.path}/UA:Number"))
        self._states = [
            (ua.Variant(ua.LocalizedText(state.name)), ua.Variant(space.node(state.node)), variant(number, "UInt32"))
            for number, state in enumerate(variable.states)
        ]

    @property
    def nodes(self) -> list[Any]:
        """The nodes that show it."""
        return [self._node, *(self._below if self._states else ())]

    def encode(self, value: Any) -> list[tuple[Any, Any]]:
        """Return what to write to which node; None for no communication."""
        if self._states:
            values = (None, None, None) if value is None else self._states[value]
            return list(zip((self._node, *self._below), values, strict=True))
        if value is None:
            return [(self._node, None)]
        if self._variable.codes:
            value = self._variable.codes[value]
        scaled = value * self._variable.scale if self._variable.scale != 1 else value
        return [(self._node, variant(scaled, self._variable.built_in))]


def _time(stamp: int) -> datetime:
    return _EPOCH + timedelta(microseconds=stamp // 1000)
