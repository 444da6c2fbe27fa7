"""Finds machines in a server's address space, and the nodes of their signals: by namespace URI, type and BrowseName.

Nothing is remembered across connections: a server may number its namespaces and nodes anew at every start.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.nodemap import NAMESPACES, Address, Candidate, Named, OfType, Path, Wanted, index_of, parse_path
from edge_agent.notifications import NodeIdentity
from edge_agent.opcua_client import RefusedError, status_name
from edge_agent.units import factor
from shopfloor.wire.edge import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_agent.config import MachineConfig
    from edge_agent.opcua_client import Reference, Session

_MACHINE_TOOL = Address(NAMESPACES["MT"], 13)  # OPC 40501-1, 8.1: MachineToolType
_CNC = Address(NAMESPACES["CNC"], 1007)  # OPC 40502: CncInterfaceType
_OBJECTS, _SERVER = NodeIdentity(0, 85), NodeIdentity(0, 2253)
_MACHINES = Address(NAMESPACES["MY"], 1001)  # OPC 40001-1: the folder Machines below Objects
JOB = OfType(Address(NAMESPACES["MT"], 29))
"""The step of a path that stands for a job of the production plan (OPC 40501-1, 8.4)."""
_JOBS = (*parse_path("MT:Production/MT:ProductionPlan"), JOB)
_JOB_IDENTIFIER = parse_path("MT:Identifier")
_JOB_STATE = parse_path("MT:State/UA:CurrentState/UA:Number")
_JOB_NODE_ID = parse_path("MT:Production/MT:ActiveProgram/MT:JobNodeId")
_RUNNING = 1
_PROPERTY = NodeIdentity(0, 68)  # PropertyType
_NOT_MEASURED = frozenset({"Identification", "ProductionPlan", "Tools", "Prognoses", "Messages", "JobManagement",
                           "HA Configuration", "Components", "CurrentState"})  # fmt: skip
NODES_MAX = 20_000
"""Most nodes of one machine that are looked at for suggestions."""
_DEPTH_MAX = 64

_IDENTIFICATION = {
    "manufacturer": "DI:Manufacturer",
    "model": "DI:Model",
    "serial_number": "DI:SerialNumber",
    "product_instance_uri": "DI:ProductInstanceUri",
    "component_name": "DI:ComponentName",
}


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """A machine of a server.

    Attributes:
        node: its node.
        name: its BrowseName.
        identification: manufacturer, model, serial number, ProductInstanceUri and component name, as far as told.
    """

    node: NodeIdentity
    name: str
    identification: Mapping[str, str] = field(default_factory=dict)

    @property
    def product_instance_uri(self) -> str:
        """The machine's identity, empty when it does not tell it."""
        return self.identification.get("product_instance_uri", "")


class FoundSignal(NamedTuple):
    """The node of a signal.

    Attributes:
        wish: the signal.
        candidate: the place that it was found at.
        node: the node whose Value carries it.
        others: how many more nodes fit the same path.
    """

    wish: Wanted
    candidate: Candidate
    node: NodeIdentity
    others: int


class Resolution(NamedTuple):
    """What became of the wishes for a machine.

    Attributes:
        found: nodes to watch.
        refused: reason by signal name.
    """

    found: list[FoundSignal]
    refused: dict[str, str]


class Job(NamedTuple):
    """A job of a production plan.

    Attributes:
        node: its node.
        identifier: its Identifier, empty when it has none.
        runs: whether its state is Running.
    """

    node: NodeIdentity
    identifier: str
    runs: bool


class Walker:
    """Walks the address space of one session and remembers what it saw.

    Args:
        session: an open session.
        table: the server's namespaces in their order.
    """

    def __init__(self, session: Session, table: Sequence[str]) -> None:
        self.session = session
        self.table = table
        self._children: dict[NodeIdentity, list[Reference]] = {}
        self._supertypes: dict[NodeIdentity, NodeIdentity | None] = {}

    async def children(self, node: NodeIdentity) -> list[Reference]:
        """List what lies below a node."""
        await self._look_below([node])
        return self._children[node]

    async def prefetch(self, nodes: Iterable[NodeIdentity], depth: int) -> None:
        """Look at everything down to a depth below these nodes, level by level, so that paths there cost nothing."""
        level = list(nodes)
        for _ in range(depth):
            await self._look_below(level)
            level = [each.node for node in level for each in self._children[node] if each.is_variable or each.is_object]

    async def _look_below(self, nodes: Iterable[NodeIdentity]) -> None:
        unseen = [node for node in dict.fromkeys(nodes) if node not in self._children]
        if unseen:
            self._children.update(zip(unseen, await self.session.children(unseen), strict=True))

    async def _climb(self, types: Iterable[NodeIdentity]) -> None:
        """Learn the supertypes of these types, up to the root of all types."""
        unseen = [each for each in dict.fromkeys(types) if each not in self._supertypes]
        for _ in range(_DEPTH_MAX):
            if not unseen:
                return
            found = await self.session.supertypes(unseen)
            for each, supertypes in zip(unseen, found, strict=True):
                self._supertypes[each] = supertypes[0].node if supertypes else None
            parents = [self._supertypes[each] for each in unseen]
            unseen = [each for each in dict.fromkeys(parents) if each is not None and each not in self._supertypes]

    def is_kind_of(self, kind: NodeIdentity | None, base: NodeIdentity) -> bool:
        """Tell whether a type is `base` or a subtype of it; the types above it must have been learned."""
        for _ in range(_DEPTH_MAX):
            if kind is None or kind == base:
                return kind is not None
            kind = self._supertypes.get(kind)
        return False

    async def kinds(self, references: Iterable[Reference], base: NodeIdentity) -> list[Reference]:
        """Pick the nodes whose type definition is `base` or a subtype."""
        listed = list(references)
        await self._climb(each.type for each in listed if each.type is not None)
        return [each for each in listed if self.is_kind_of(each.type, base)]

    async def find(self, root: NodeIdentity, paths: Sequence[Path]) -> list[tuple[list[Reference], int]]:
        """Follow paths, all at once, level by level.

        Returns:
            For each path the nodes that fit it, in the server's order, and how many steps of it exist.
        """
        ends: list[tuple[list[Reference], int]] = [([], 0) for _ in paths]
        at: list[list[NodeIdentity]] = [[root] for _ in paths]
        for depth in range(max(map(len, paths), default=0)):
            await self._look_below(node for path, nodes in zip(paths, at, strict=True) if depth < len(path)
                                   for node in nodes)  # fmt: skip
            for index, path in enumerate(paths):
                if depth < len(path) and at[index]:
                    fitting = await self._fitting(at[index], path[depth])
                    at[index] = [each.node for each in fitting]
                    ends[index] = (fitting if depth == len(path) - 1 else [], depth + bool(fitting))
        return ends

    async def _fitting(self, nodes: Sequence[NodeIdentity], step: Named | OfType) -> list[Reference]:
        below = list({each.node: each for node in nodes for each in self._children[node]}.values())
        if isinstance(step, OfType):
            base = index_of(step.type, self.table)
            return await self.kinds(below, base) if base is not None else []
        indexes = {index for index, uri in enumerate(self.table) if uri == step.namespace}
        return [each for each in below if each.name == step.name and each.namespace in indexes]

    async def machines(self) -> list[FoundMachine]:
        """List the machine tools below Objects/Machines; else the machines there; else the controls of the server.

        Raises:
            RefusedError: when the server knows none of them.
        """
        folder, kind = index_of(_MACHINES, self.table), index_of(_MACHINE_TOOL, self.table)
        control = index_of(_CNC, self.table)
        if folder is None and control is None:
            why = "the server knows no machine tools (OPC 40501-1): name the machine's node in root"
            raise RefusedError(why, code=Cause.NO_MACHINE)
        there = [each for each in await self.children(folder) if each.is_object] if folder is not None else []
        found = (await self.kinds(there, kind) if kind is not None else []) or there
        if not found and control is not None:
            found = await self._controls(control)
        return [await self.identify(each.node, each.name) for each in found]

    async def _controls(self, kind: NodeIdentity) -> list[Reference]:
        """List the CNC interfaces (OPC 40502) below Objects, two levels deep: some servers put them in DeviceSet."""
        below = [each for each in await self.children(_OBJECTS) if each.is_object and each.node != _SERVER]
        await self.prefetch([each.node for each in below], 1)
        deeper = [each for one in below for each in await self.children(one.node) if each.is_object]
        unique = {each.node: each for each in (*below, *deeper)}
        return await self.kinds(unique.values(), kind)

    async def identify(self, node: NodeIdentity, name: str = "") -> FoundMachine:
        """Read a machine's identification."""
        paths = [parse_path(f"DI:Identification/{place}") for place in _IDENTIFICATION.values()]
        ends = await self.find(node, paths)
        known = {key: fitting[0].node for key, (fitting, _) in zip(_IDENTIFICATION, ends, strict=True) if fitting}
        answers = await self.session.read(list(known.values()))
        texts = {key: str(answer.value) for key, answer in zip(known, answers, strict=True)
                 if answer.value is not None and not answer.status >> 30}  # fmt: skip
        return FoundMachine(node, name, texts)

    async def machine(self, config: MachineConfig, root: Address | None) -> FoundMachine:
        """Find the machine that a configuration means.

        Raises:
            RefusedError: when it is not there, or which one is meant is not clear.
        """
        if root is not None:
            node = index_of(root, self.table)
            if node is None:
                raise RefusedError(f"the server does not know the namespace {root.namespace} of root")
            return await self.identify(node)
        machines = await self.machines()
        wanted = config.product_instance_uri
        fitting = [each for each in machines if not wanted or each.product_instance_uri == wanted]
        there = ", ".join(each.product_instance_uri or each.name for each in machines) or "none"
        if not fitting:
            why = f"the machine {wanted or config.id} is not there; the server has: {there}"
            raise RefusedError(why, code=Cause.NO_MACHINE)
        if len(fitting) > 1:
            raise RefusedError(
                f"the server has several machines, so product_instance_uri must say which; it has: {there}"
            )
        return fitting[0]

    async def jobs(self, root: NodeIdentity) -> list[Job]:
        """List the jobs of a machine's production plan, in its order."""
        ((fitting, _),) = await self.find(root, [_JOBS])
        nodes = [each.node for each in fitting]
        ends = [await self.find(node, [_JOB_IDENTIFIER, _JOB_STATE]) for node in nodes]
        places = [found[0].node for end in ends for found, _ in end if found]
        values = dict(zip(places, await self.session.read(places), strict=True))

        def value(found: list[Reference]) -> object:
            return values[found[0].node].value if found else None

        return [Job(node, str(value(identifier) or ""), value(state) == _RUNNING)
                for node, ((identifier, _), (state, _)) in zip(nodes, ends, strict=True)]  # fmt: skip

    async def resolve(
        self, root: NodeIdentity, wishes: Sequence[Wanted], job: NodeIdentity | None = None
    ) -> Resolution:
        """Find the nodes of signals. What a standard does not oblige a machine to have is left out in silence.

        Args:
            root: the machine's node.
            wishes: the signals.
            job: the job in hand, which paths through the production plan lead to; None leaves them out.
        """
        resolution = Resolution([], {})
        places = {candidate.place for wish in wishes for candidate in wish.candidates}
        paths = [place for place in places if isinstance(place, tuple) and JOB not in place]
        ends = dict(zip(paths, await self.find(root, paths), strict=True))
        through = [place for place in places if isinstance(place, tuple) and JOB in place]
        tails = [place[place.index(JOB) + 1 :] for place in through]
        below = await self.find(job, tails) if job is not None else [([], 0) for _ in tails]
        ends.update(zip(through, below, strict=True))
        for wish in wishes:
            self._choose(wish, ends, resolution)
        await self._read_states(resolution)
        await self._check_shape(resolution)
        await self._read_units(resolution)
        return resolution

    async def _read_units(self, resolution: Resolution) -> None:
        """Turn numbers whose node tells its unit into the unit of their signal; refuse a unit that is not known."""
        told = [found for found in resolution.found if found.wish.signal.unit_told and not found.wish.mapped]
        units = await self.units([found.node for found in told])
        for found, unit in zip(told, units, strict=True):
            signal, place = found.wish.signal, resolution.found.index(found)
            scale = factor(unit, signal.unit)
            if scale is None:
                resolution.found.remove(found)
                place_text = found.candidate.text
                resolution.refused[signal.name] = f"{place_text} is in {unit!r}, not known as {signal.unit}: map it"
            else:
                resolution.found[place] = found._replace(candidate=replace(found.candidate, scale=scale))

    def _choose(self, wish: Wanted, ends: Mapping[Path, tuple[list[Reference], int]], resolution: Resolution) -> None:
        for candidate in wish.candidates:
            place = candidate.place
            if isinstance(place, Address):
                node = index_of(place, self.table)
                if node is None:
                    resolution.refused[wish.signal.name] = f"the server does not know the namespace {place.namespace}"
                else:
                    resolution.found.append(FoundSignal(wish, candidate, node, 0))
                return
            fitting, steps = ends[place]
            if fitting:
                resolution.found.append(FoundSignal(wish, candidate, fitting[0].node, len(fitting) - 1))
                return
            if wish.mapped:
                there = self._unknown_namespace(place) or f"the server has {steps} of its {len(place)} steps"
                resolution.refused[wish.signal.name] = f"no node fits {candidate.text}: {there}"

    def _unknown_namespace(self, path: Path) -> str:
        """Say which namespace of a path the server does not have, nothing when it has them all."""
        named = (step.type.namespace if isinstance(step, OfType) else step.namespace for step in path)
        missing = next((uri for uri in named if uri not in self.table), None)
        return f"the server does not know the namespace {missing}" if missing is not None else ""

    async def units(self, nodes: Sequence[NodeIdentity]) -> list[str]:
        """Read the engineering unit of each node as the server writes it, empty where it has none."""
        await self._look_below(nodes)
        places = [next((each.node for each in self._children[node] if each.name == "EngineeringUnits"), None)
                  for node in nodes]  # fmt: skip
        known = [place for place in places if place is not None]
        texts = dict(zip(known, await self.session.read(known), strict=True))
        return [str(texts[place].value or "") if place is not None else "" for place in places]

    async def variables(self, root: NodeIdentity) -> list[tuple[tuple[tuple[str, str], ...], NodeIdentity]]:
        """List the variables below a machine that measure or tell something, with their paths.

        Left out are properties, what belongs to jobs, tools and the identification, and all beyond `NODES_MAX` nodes.
        """
        found: list[tuple[tuple[tuple[str, str], ...], NodeIdentity]] = []
        seen = {root}
        level: list[tuple[tuple[tuple[str, str], ...], NodeIdentity]] = [((), root)]
        while level and len(seen) < NODES_MAX:
            await self._look_below(node for _, node in level)
            below: list[tuple[tuple[tuple[str, str], ...], NodeIdentity]] = []
            for path, node in level:
                for each in self._children[node]:
                    if each.node in seen or each.name in _NOT_MEASURED or each.type == _PROPERTY:
                        continue
                    seen.add(each.node)
                    place = (*path, (self.table[each.namespace], each.name))
                    if each.is_variable:
                        found.append((place, each.node))
                    elif each.is_object:
                        below.append((place, each.node))
            level = below
        return found

    async def below(self, root: NodeIdentity) -> set[NodeIdentity]:
        """List every object and variable below a machine, `NODES_MAX` at most."""
        seen, level = {root}, [root]
        while level and len(seen) < NODES_MAX:
            await self._look_below(level)
            level = [each.node for node in level for each in self._children[node]
                     if (each.is_object or each.is_variable) and each.node not in seen]  # fmt: skip
            seen.update(level)
        return seen

    async def active_job(self, root: NodeIdentity) -> NodeIdentity | None:
        """Read which job of the plan the running program belongs to (OPC 40501-1, JobNodeId), where it is told."""
        ((fitting, _),) = await self.find(root, [_JOB_NODE_ID])
        if not fitting:
            return None
        (answer,) = await self.session.read([fitting[0].node])
        return answer.value if isinstance(answer.value, NodeIdentity) and not answer.status >> 30 else None

    async def _read_states(self, resolution: Resolution) -> None:
        """Read a state variable by the Id of its state, else by its Number (OPC 10000-16, 4.4.2)."""
        states = [index for index, found in enumerate(resolution.found) if found.candidate.states]
        ends = [resolution.found[index] for index in states]
        await self._look_below(found.node for found in ends)
        for index, found in zip(states, ends, strict=True):
            below = {each.name: each.node for each in self._children[found.node] if each.namespace == 0}
            node = below.get("Id") or below.get("Number") or found.node
            resolution.found[index] = found._replace(node=node)

    async def _check_shape(self, resolution: Resolution) -> None:
        """Refuse what is no variable, or an array."""
        ranks = await self.session.value_ranks([found.node for found in resolution.found])
        for found, rank in list(zip(resolution.found, ranks, strict=True)):
            reason = ""
            if rank.status >> 30:
                reason = f"{found.candidate.text} cannot be read: {status_name(rank.status)}"
            elif isinstance(rank.value, int) and rank.value >= 0:
                reason = f"{found.candidate.text} is an array, a signal is one value"
            if reason:
                resolution.found.remove(found)
                resolution.refused[found.wish.signal.name] = reason
