"""Finds and reads the lists of a machine: its tools, lifetimes and prognoses.

They are read every few seconds instead of watched: a magazine has hundreds of nodes that seldom change, and small
controls allow few monitored items. Their members are looked for again when the server says that its nodes changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from edge_agent.lists import KINDS, LIFE, PREDICTED, TOOL, TOOL_LIVES, VERSIONS, Member, Place, kind_address
from edge_agent.nodemap import index_of, parse_path
from shopfloor.periods import from_datetime

if TYPE_CHECKING:
    from edge_agent.alarms import Told
    from edge_agent.lists import Lists
    from edge_agent.notifications import NodeIdentity
    from edge_agent.opcua_client import Answer, Reference, Session
    from edge_agent.resolve import Walker

MEMBERS_MAX = 2000
"""Most members of one list that are read."""
_DEPTH = 3
_GONE = {0x8033_0000, 0x8034_0000}  # BadNodeIdInvalid, BadNodeIdUnknown
_TOOL_PATHS = {key: parse_path(path) for key, path in TOOL.items()}
_LIFE_PATHS = [(key, parse_path(path)) for key, paths in LIFE.items() for path in paths]
_LIVES = parse_path(TOOL_LIVES)


class Inventory:
    """The lists of one machine, over one session.

    Args:
        root: the machine's node.
        lists: what was said of them before.
    """

    def __init__(self, root: NodeIdentity, lists: Lists) -> None:
        self._root = root
        self._lists = lists
        self._members: list[Member] = []
        self._present: set[Place] = set()
        self._versions: dict[NodeIdentity, object] = {}

    async def find(self, walker: Walker) -> None:
        """Look for the members of every list."""
        self._members, self._present = [], set()
        for each in Place:
            for path in each.paths:
                steps = parse_path(path)
                (fitting, found), = await walker.find(self._root, [steps])  # fmt: skip
                if found >= len(steps) - 1:
                    self._present.add(each)
                await walker.prefetch([one.node for one in fitting[:MEMBERS_MAX]], _DEPTH)
                for one in fitting[:MEMBERS_MAX]:
                    self._members.append(await _member(walker, each, one))
        ends = await walker.find(self._root, VERSIONS)
        self._versions = {fitting[0].node: None for fitting, _ in ends if fitting}

    async def read(self, session: Session, stamp: int) -> tuple[list[Told], bool]:
        """Read all members.

        Args:
            session: an open session.
            stamp: the present, on the clock that stamps.

        Returns:
            What is new, and whether the members have to be looked for again.
        """
        nodes = list(dict.fromkeys(node for each in self._members for node in each.all_nodes()))
        answers = await session.read([*nodes, *self._versions])
        values = {node: _value(answer) for node, answer in zip(nodes, answers, strict=False) if not answer.status >> 30}
        gone = any(answer.status in _GONE for answer in answers)
        return self._lists.look(self._present, self._members, values, stamp), self._has_new_version(answers) or gone

    def _has_new_version(self, answers: list[Answer]) -> bool:
        versions = {node: answer.value for node, answer in
                    zip(self._versions, answers[len(answers) - len(self._versions) :], strict=True)}  # fmt: skip
        changed = any(known is not None and known != versions[node] for node, known in self._versions.items())
        self._versions = versions
        return changed


async def _member(walker: Walker, which: Place, found: Reference) -> Member:
    member = Member(which, found.name)
    if which is Place.PROGNOSES:
        for number, kind in KINDS.items():
            base = index_of(kind_address(number), walker.table)
            if base is not None and walker.is_kind_of(found.type, base):
                member.kind = kind
        member.nodes = {each.name if each.name == PREDICTED else _snake(each.name): each.node
                        for each in await walker.children(found.node) if each.is_variable}  # fmt: skip
    elif which is Place.LIFETIMES:
        member.nodes = await _life(walker, found.node)
    else:
        ends = await walker.find(found.node, [*_TOOL_PATHS.values(), _LIVES])
        member.nodes = {key: fitting[0].node for key, (fitting, _) in zip(_TOOL_PATHS, ends, strict=False) if fitting}
        member.lives = {each.name: await _life(walker, each.node) for each in ends[-1][0]}
    return member


async def _life(walker: Walker, node: NodeIdentity) -> dict[str, NodeIdentity]:
    ends = await walker.find(node, [path for _, path in _LIFE_PATHS])
    told = {key: fitting[0].node for (key, _), (fitting, _) in zip(_LIFE_PATHS, ends, strict=True) if fitting}
    return {"value": node, **told}


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")


def _value(answer: Answer) -> object:
    return from_datetime(answer.value) if isinstance(answer.value, datetime) else answer.value
