"""The page that says what is read of each standard is true to the NodeSets and to what the agent looks for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from edge_agent.events import Kind, selection
from edge_agent.listen import ORDERS, RESPONSES
from edge_agent.lists import LIFE, PREDICTED, TOOL
from edge_agent.nodemap import NAMESPACES, Named
from shopfloor.signals import SIGNALS
from tests.services.peer.peer import PeerError, find_node, install_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nodes.md"
SPECS = {
    "OPC 40501-1": ("Opc.Ua.MachineTool.NodeSet2.xml", "MT"),
    "OPC 40001-1": ("Opc.Ua.Machinery.NodeSet2.xml", "MY"),
    "OPC 40001-3": ("Opc.Ua.Machinery.Jobs.Nodeset2.xml", "MJ"),
    "OPC 10031-4": ("opc.ua.isa95-jobcontrol.nodeset2.xml", "IJ"),
}
UA = {"u": "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"}
IDENTITY = {"Manufacturer", "Model", "SerialNumber", "ProductInstanceUri", "ComponentName"}


@cache
def nodeset_nodes() -> tuple[tuple[str, str], ...]:
    """List every variable that a type of the standards declares: the standard, and the type's name with the path."""
    folder = install_packages(find_node()) / "node-opcua-nodesets" / "nodesets"
    return tuple((spec, path) for spec, (file, _) in SPECS.items() for path in declared(folder / file))


def declared(file: Path) -> Iterator[str]:
    root = ET.parse(file).getroot()  # noqa: S314 - the OPC Foundation's own file, from a locked package
    nodes = {each.attrib["NodeId"]: each for each in root if "NodeId" in each.attrib}
    for node in nodes.values():
        if not node.tag.endswith("UAVariable"):
            continue
        steps: list[str] = []
        at: ET.Element | None = node
        while at is not None and not at.tag.endswith("Type"):
            steps.append(at.attrib["BrowseName"].rpartition(":")[2])
            at = nodes.get(at.attrib.get("ParentNodeId", ""))
        if at is not None and at.tag.endswith(("ObjectType", "VariableType")):
            steps.append(at.attrib["BrowseName"].rpartition(":")[2])
            yield "/".join(reversed(steps))


def read_leaves() -> dict[str, set[str]]:
    """Return the BrowseNames that the agent looks for in the standards' namespaces, with what they become."""
    pairs = [(path, name) for name, signal in SIGNALS.items() for path in signal.paths]
    pairs = [(path, name) for path, name in pairs if "CNC:" not in path and "ECM:" not in path]
    pairs += [(path, "tool") for path in TOOL.values()]
    pairs += [(path, "tool") for paths in LIFE.values() for path in paths]
    pairs += [(path, "job") for path in ORDERS] + [(path, "job_parts") for path in RESPONSES]
    pairs += [(f"MT:{PREDICTED}", "prognoses")]
    pairs += [
        (f"UA:{step.name}", "event")
        for each in selection([*NAMESPACES.values()])
        for step in each.path
        if isinstance(step, Named)
    ]
    found: dict[str, set[str]] = {}
    for path, name in pairs:
        names = [step for step in path.split("/") if not step.startswith("<")]
        found.setdefault(names[-1].partition(":")[2], set()).add(name)
    return found


OWNERS = {
    "AlertType": "alarms", "NotificationEventType": "message", "ISA95JobOrderStatusEventType": "job",
    "ProductionJobTransitionEventType": "job", "ProductionProgramTransitionEventType": "program",
    "BaseToolType": "tool", "ToolType": "tool", "MultiToolType": "tool", "MachineryLifetimeCounterType": "lifetimes",
    "ToolLifeType": "tool", "ToolListType": "tools", "PrognosisListType": "prognoses",
}  # fmt: skip
"""What the nodes of some types become, where that is not one signal of the table for each."""


OTHERS = ("PartSet", "ProductionPart", "Prognosis>", "IsValid", "SoftwareI")
PARENTS = {"MachineryItemState": "item_state", "MachineryOperationMode": "operation_mode"}


def becomes(path: str) -> str:
    """Return the signal that a declared variable becomes, empty when it is not read."""
    owner, _, rest = path.partition("/")
    leaf = rest.rpartition("/")[2]
    is_identity = leaf in IDENTITY and owner.startswith(("Machine", "IMachineVendor"))
    if is_identity:
        return "" if "Component" in path or "Equipment" in path else "identification"
    if owner.endswith("PrognosisType"):
        return "" if leaf.endswith("NodeId") else "prognoses"
    if owner in OWNERS:
        is_read = leaf in read_leaves() or leaf in {"NodeVersion", "<LifetimeVariable>", "<ToolLifeEntry>"}
        return OWNERS[owner] if is_read else ""
    return _of_the_table(path, rest)


def _of_the_table(path: str, rest: str) -> str:
    if path == "ProductionActiveProgramType/JobNodeId":
        return "job"  # by it the job in hand is found where JobIdentifier is not told
    if "/".join(rest.split("/")[-2:]) in {"CurrentState/Id", "CurrentState/Number"}:
        rest = rest.rpartition("/")[0]
    above, _, leaf = rest.rpartition("/")
    is_program = "ActiveProgram" in path
    if leaf == "CurrentState":
        parent = "" if "Status/" in rest else above.rpartition("/")[2]
        return PARENTS.get(parent, "program_state" if is_program else "")
    if leaf == "Name" or any(part in path for part in OTHERS):
        return "program" if is_program and leaf == "Name" else ""
    return min(read_leaves().get(leaf, set()) - {"event", "tool"}, default="")


def read_names() -> dict[str, str]:
    return {path: signal for _, path in nodeset_nodes() if (signal := becomes(path))}


def rows() -> list[tuple[str, str, str]]:
    pattern = r"^\| `([^`]+)` \| (?:`([^`]+)`)? ?\| ?(.*?) ?\|$"
    return [(match[1], match[2] or "", match[3]) for match in re.finditer(pattern, PAGE.read_text(), re.MULTILINE)]


@pytest.fixture(scope="module", autouse=True)
def nodesets() -> None:
    """The NodeSets come with the peer's packages."""
    try:
        nodeset_nodes()
    except PeerError as error:
        pytest.skip(str(error))


def test_every_variable_of_the_standards_is_on_the_page_once() -> None:
    assert sorted(path for path, _, _ in rows()) == sorted({path for _, path in nodeset_nodes()})


def test_what_the_page_says_is_read_is_what_the_agent_looks_for() -> None:
    told = {path: signal for path, signal, _ in rows() if signal}
    assert told == read_names()
    assert set(told.values()) - {"identification"} <= set(SIGNALS)


def test_whatever_is_not_read_has_a_reason() -> None:
    assert [path for path, signal, reason in rows() if bool(signal) == bool(reason)] == []


def test_every_name_that_the_agent_looks_for_is_declared() -> None:
    declared_names = {path.rpartition("/")[2] for _, path in nodeset_nodes()}
    paths = [path for signal in SIGNALS.values() for path in signal.paths]
    ours = {path.rpartition("/")[2] for path in [*paths, *TOOL.values(), *ORDERS, *RESPONSES]}
    names = {leaf.partition(":")[2] for leaf in ours if leaf.partition(":")[0] in {"MT", "MY", "MJ", "IJ"}}
    assert names - declared_names == set()


def test_every_kind_of_event_has_a_type_of_a_standard() -> None:
    assert {kind.value.partition(":")[0] for kind in Kind} <= set(NAMESPACES)
