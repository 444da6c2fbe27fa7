"""The address space of a simulated server, built from the names and ids of the companion specifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from asyncua import ua

from simulators.jobs import dice
from simulators.tree import (
    ADD_INS,
    CNC_OBJECTS,
    METER_OBJECTS,
    NAMESPACES,
    OBJECTS,
    ORDER_OBJECTS,
    PLAN_OBJECTS,
    has_plan,
    object_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asyncua import Server

    from simulators.tree import BuiltIn, Identity, Variable

HAS_COMPONENT, HAS_PROPERTY, HAS_ORDERED_COMPONENT, HAS_ADD_IN, ORGANIZES = 47, 46, 49, 17604, 35
_HAS_SUBTYPE = 45
_PROPERTY_TYPE, _VARIABLE_TYPE, _ANALOG_UNIT_TYPE, _ANALOG_RANGE_TYPE, _STATE_VARIABLE_TYPE = 68, 63, 17497, 17570, 2760
_OBJECTS_FOLDER = 85

BUILT_IN_IDS: Mapping[str, int] = {
    "Boolean": 1, "UInt16": 5, "Int32": 6, "UInt32": 7, "UInt64": 9, "Float": 10, "Double": 11, "String": 12,
    "DateTime": 13, "NodeId": 17, "LocalizedText": 21,
}  # fmt: skip
"""OPC 10000-6, 5.1.2, Table 1."""


class TypeNode(NamedTuple):
    """An object, variable or data type: node id, name, super-type, and the states or enumeration values it defines."""

    node: str
    name: str
    parent: str
    attributes: Any = ua.ObjectTypeAttributes
    abstract: bool = False
    states: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()


_DATA, _VARIABLE = ua.DataTypeAttributes, ua.VariableTypeAttributes
_CLASSES = {
    ua.ObjectAttributes: ua.NodeClass.Object,
    ua.VariableAttributes: ua.NodeClass.Variable,
    ua.ObjectTypeAttributes: ua.NodeClass.ObjectType,
    ua.VariableTypeAttributes: ua.NodeClass.VariableType,
    ua.DataTypeAttributes: ua.NodeClass.DataType,
}
_RUNS = ("Initializing", "Running", "Ended", "Interrupted", "Aborted")


def _states(prefix: str, names: Iterable[str], numbers: Iterable[int]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{prefix}:{number}", name) for number, name in zip(numbers, names, strict=True))


_MODES = ("None", "Maintenance", "Setup", "Processing")

TYPES = (
    TypeNode("DI:1005", "FunctionalGroupType", "UA:61"),
    TypeNode("MY:1004", "MachineryItemIdentificationType", "DI:1005", abstract=True),
    TypeNode("MY:1012", "MachineIdentificationType", "MY:1004"),
    TypeNode("MY:1009", "MachineryOperationCounterType", "DI:1005"),
    TypeNode("MY:1014", "MonitoringType", "UA:61"),
    TypeNode("MY:1002", "MachineryItemState_StateMachineType", "UA:2771", states=_states(
        "MY", ("NotAvailable", "OutOfService", "NotExecuting", "Executing"), (5005, 5004, 5007, 5006))),
    TypeNode("MY:1008", "MachineryOperationModeStateMachineType", "UA:2771", states=_states(
        "MY", _MODES, (5024, 5025, 5027, 5026))),
    TypeNode("MT:1003", "MachineOperationModeStateMachineType", "MY:1008", states=_states(
        "MT", _MODES, (5059, 5058, 5061, 5060))),
    TypeNode("ECM:1006", "EnergyMeasurementType", "UA:58"),
    TypeNode("IJ:1002", "ISA95JobOrderReceiverObjectType", "UA:2771"),
    TypeNode("IJ:1003", "ISA95JobResponseProviderObjectType", "UA:58"),
    TypeNode("IJ:3015", "ISA95JobOrderAndStateDataType", "UA:22", _DATA),
    TypeNode("IJ:3008", "ISA95JobOrderDataType", "UA:22", _DATA),
    TypeNode("IJ:3006", "ISA95StateDataType", "UA:22", _DATA),
    TypeNode("IJ:3013", "ISA95JobResponseDataType", "UA:22", _DATA),
    TypeNode("MJ:1003", "JobManagementType", "UA:58"),
    TypeNode("MT:13", "MachineToolType", "UA:58"),
    TypeNode("MT:11", "MachineToolIdentificationType", "MY:1012"),
    TypeNode("MT:14", "MonitoringType", "UA:58"),
    TypeNode("MT:26", "MachineOperationMonitoringType", "UA:58"),
    TypeNode("MT:23", "ElementMonitoringType", "UA:58", abstract=True),
    TypeNode("MT:16", "ChannelMonitoringType", "MT:23"),
    TypeNode("MT:41", "WorkingUnitMonitoringType", "MT:23", abstract=True),
    TypeNode("MT:22", "SpindleMonitoringType", "MT:41"),
    TypeNode("SIM:1001", "AxisMonitoringType", "MT:23"),
    TypeNode("MT:21", "ProductionType", "UA:58"),
    TypeNode("MT:59", "ProductionProgramType", "UA:58"),
    TypeNode("MT:32", "ProductionActiveProgramType", "MT:59"),
    TypeNode("MT:24", "ProductionStateMachineType", "UA:2771", states=_states(
        "MT", _RUNS, (135, 138, 140, 139, 141))),
    TypeNode("MT:15", "ProductionProgramStateMachineType", "MT:24", states=_states(
        "MT", _RUNS, (5039, 5041, 5038, 5040, 5037))),
    TypeNode("MT:28", "ProductionJobStateMachineType", "MT:24", states=_states(
        "MT", _RUNS, (5015, 5017, 5014, 5016, 5013))),
    TypeNode("MT:29", "ProductionJobType", "UA:58"),
    TypeNode("MT:30", "ProductionJobListType", "UA:23518"),
    TypeNode("MT:20", "ProductionStatisticsType", "UA:58"),
    TypeNode("MT:12", "EquipmentType", "UA:58"),
    TypeNode("MT:44", "ToolListType", "UA:58"),
    TypeNode("MT:49", "BaseToolType", "UA:58", abstract=True),
    TypeNode("MT:50", "ToolType", "MT:49"),
    TypeNode("MT:61", "ToolLifeType", "UA:63", _VARIABLE),
    TypeNode("MT:7", "NotificationType", "UA:58"),
    TypeNode("MT:38", "MessagesType", "UA:58"),
    TypeNode("MT:2", "PrognosisListType", "UA:58"),
    TypeNode("MT:3", "PrognosisType", "UA:58", abstract=True),
    TypeNode("MT:9", "MaintenancePrognosisType", "MT:3"),
    TypeNode("MT:39", "AlertType", "UA:2915"),
    TypeNode("MT:31", "ProductionJobTransitionEventType", "UA:2311", abstract=True),
    TypeNode("MT:17", "ProductionProgramTransitionEventType", "UA:2311", abstract=True),
    TypeNode("SIM:1031", "JobTransitionEventType", "MT:31"),
    TypeNode("SIM:1017", "ProgramTransitionEventType", "MT:17"),
    TypeNode("IJ:1006", "ISA95JobOrderStatusEventType", "UA:2041", abstract=True),
    TypeNode("SIM:1006", "JobOrderStatusEventType", "IJ:1006"),
    TypeNode("MT:64", "ChannelState", "UA:29", _DATA, values=("Active", "Interrupted", "Reset")),
    TypeNode("MT:65", "MachineOperationMode", "UA:29", _DATA, values=(
        "Manual", "Automatic", "Setup", "AutoWithManualIntervention", "Service", "Other")),
    TypeNode("MT:66", "ToolLocked", "UA:29", _DATA, values=(
        "CapabilityUnavailable", "ByOperator", "ToolBreak", "ToolLife", "MeasurementError", "Other")),
    TypeNode("MT:67", "ChannelMode", "UA:29", _DATA, values=(
        "Automatic", "MdaMdi", "JogManual", "JogIncrement", "TeachingHandle", "Remote", "Reference", "Other")),
    TypeNode("MT:68", "ToolLifeIndication", "UA:29", _DATA, values=(
        "Time", "NumberOfParts", "NumberOfUsages", "Feed_Distance", "Cutting_Distance", "Length", "Diameter", "Other")),
    TypeNode("MT:69", "ToolManagement", "UA:29", _DATA, values=("NumberBased", "GroupBased", "Other")),
)  # fmt: skip
"""The types that the simulated machines use, super-types first."""

CNC_TYPES = (
    TypeNode("CNC:1001", "CncComponentType", "UA:58", abstract=True),
    TypeNode("CNC:1002", "CncChannelType", "CNC:1001"),
    TypeNode("CNC:1003", "CncDriveType", "CNC:1001", abstract=True),
    TypeNode("CNC:1004", "CncAxisType", "CNC:1003"),
    TypeNode("CNC:1005", "CncSpindleType", "CNC:1003"),
    TypeNode("CNC:1007", "CncInterfaceType", "UA:58"),
    TypeNode("CNC:1008", "CncAxisListType", "UA:58"),
    TypeNode("CNC:1009", "CncSpindleListType", "UA:58"),
    TypeNode("CNC:1010", "CncChannelListType", "UA:58"),
    TypeNode("CNC:1006", "CncAlarmType", "UA:10523"),
    TypeNode("CNC:1011", "CncMessageType", "UA:2041"),
    TypeNode("CNC:3001", "CncSpindleTurnDirection", "UA:29", _DATA, values=("None", "CW", "CCW")),
    TypeNode("CNC:3002", "CncChannelProgramStatus", "UA:29", _DATA, values=(
        "Stopped", "Running", "Waiting", "Interrupted", "Canceled")),
    TypeNode("CNC:3003", "CncChannelStatus", "UA:29", _DATA, values=("Active", "Interrupted", "Reset")),
    TypeNode("CNC:3006", "CncOperationMode", "UA:29", _DATA, values=("Manual", "MDA", "Automatic")),
)  # fmt: skip
"""The types of OPC 40502 that the simulated controls use; only servers with a control have them."""

EVENT_FIELDS: Mapping[str, Mapping[str, str]] = {
    "MT:39": {"MT:ErrorCode": "String"},
    "MT:31": {"MT:Identifier": "String", "MT:OrderIdentifier": "String", "MT:CustomerOrderIdentifier": "String",
              "MT:RunsPlanned": "UInt32", "MT:RunsCompleted": "UInt32"},
    "MT:17": {"MT:Name": "String", "MT:JobIdentifier": "String"},
    "CNC:1006": {"CNC:AlarmIdentifier": "String", "CNC:HelpSource": "String"},
    "IJ:1006": {"IJ:JobOrder": "IJ:3008", "IJ:JobState": "IJ:3006", "IJ:JobResponse": "IJ:3013"},
}  # fmt: skip
"""What the types of events declare: field and its data type; numbers are components, all others are properties."""

_UNITS = {
    "P1": ("%", "percent"), "RPM": ("r/min", "revolutions per minute"), "CEL": ("°C", "degree Celsius"),
    "MMT": ("mm", "millimetre"), "DD": ("°", "degree"), "C16": ("mm/s", "millimetre per second"), "WTT": ("W", "watt"),
    "WHR": ("W·h", "watt hour"), "KWT": ("kW", "kilowatt"), "KWH": ("kW·h", "kilowatt hour"),
    "SEC": ("s", "second"), "MIN": ("min", "minute"),
}  # fmt: skip


def engineering_units(code: str) -> Any:
    """Return a unit by its UNECE code (OPC 10000-8, 5.6.3): the id is made of the characters of the code."""
    symbol, description = _UNITS[code]
    return ua.EUInformation(
        NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
        UnitId=int.from_bytes(code.encode()),
        DisplayName=ua.LocalizedText(symbol),
        Description=ua.LocalizedText(description),
    )


def namespace_order(server: str) -> list[str]:
    """Return the prefixes of the namespaces in the order in which a server of this name registers them."""
    prefixes = [prefix for prefix in NAMESPACES if prefix != "UA"]
    dice(server, "namespaces").shuffle(prefixes)
    return prefixes


def variant(value: Any, built_in: BuiltIn | str) -> Any:
    """Return a value in a built-in type, whole where the type is."""
    if built_in in {"Double", "Float"}:
        value = float(value)
    elif built_in in {"Int32", "UInt16", "UInt32", "UInt64"} and not isinstance(value, list):
        value = int(value)
    return ua.Variant(value, ua.VariantType(BUILT_IN_IDS[built_in]))


class AddressSpace:
    """Adds nodes to a server by prefixed names.

    The namespaces are registered in an order that depends on the server's name, so that no client can rely on an index.
    """

    def __init__(self, server: Server) -> None:
        self._session = server.iserver.isession
        self._server = server
        self._index = {"UA": 0}

    async def open(self, name: str, *, cnc: bool = False) -> None:
        """Register the namespaces and add the types and the folder of the machines.

        Args:
            name: that the order of the namespaces depends on.
            cnc: with the types of OPC 40502.
        """
        for prefix in namespace_order(name):
            self._index[prefix] = await self._server.register_namespace(NAMESPACES[prefix])
        for each in (*TYPES, *(CNC_TYPES if cnc else ())):
            await self._add_type(each)
            for field, data_type in EVENT_FIELDS.get(each.node, {}).items():
                await self._add_field(self.node(each.node), field, data_type)
        machines = self.node("MY:1001")
        await self.add_object(machines, ua.NodeId(_OBJECTS_FOLDER), "MY:Machines", "UA:61", ORGANIZES)

    def node(self, text: str) -> Any:
        """Return the node id of `<prefix>:<number>`, or of `SIM:<text>` for an instance."""
        prefix, _, identifier = text.partition(":")
        return ua.NodeId(int(identifier) if identifier.isdigit() else identifier, self._index[prefix])

    def name(self, text: str) -> Any:
        """Return the qualified name of `<prefix>:<name>`."""
        prefix, _, name = text.partition(":")
        return ua.QualifiedName(name, self._index[prefix])

    async def add_object(
        self,
        node: Any,
        parent: Any,
        name: str,
        type_definition: str,
        reference: int = HAS_COMPONENT,
        *,
        notifier: int = 0,
    ) -> None:
        """Add an object below a parent."""
        attributes = ua.ObjectAttributes()
        attributes.EventNotifier = notifier
        kind = self.node(type_definition)
        await self._add(node, parent, name, reference=reference, attributes=attributes, type_definition=kind)

    async def add_variable(
        self,
        node: Any,
        parent: Any,
        name: str,
        value: Any,
        data_type: Any = None,
        *,
        type_definition: Any = None,
        is_property: bool = False,
    ) -> None:
        """Add a variable below a parent; its data type is that of its value unless another is named."""
        attributes = ua.VariableAttributes()
        attributes.Value = value
        attributes.DataType = ua.NodeId(value.VariantType.value) if data_type is None else data_type
        attributes.ValueRank = 1 if isinstance(value.Value, list) else -1
        attributes.AccessLevel = attributes.UserAccessLevel = 1  # CurrentRead
        attributes.Historizing = False
        if type_definition is None:
            type_definition = ua.NodeId(_PROPERTY_TYPE if is_property else _VARIABLE_TYPE)
        reference = HAS_PROPERTY if is_property else HAS_COMPONENT
        await self._add(node, parent, name, reference=reference, attributes=attributes, type_definition=type_definition)

    async def add_property(self, parent: Any, name: str, value: Any, data_type: Any = None) -> Any:
        """Add a property whose value does not change and return its node id."""
        # Types have numbers, which are unique within their namespace only.
        place = (
            f"{parent.NamespaceIndex}:{parent.Identifier}" if isinstance(parent.Identifier, int) else parent.Identifier
        )
        node = ua.NodeId(f"{place}/{name.partition(':')[2]}", self._index["SIM"])
        await self.add_variable(node, parent, name, value, data_type, is_property=True)
        return node

    async def add_reference(self, source: Any, target: Any, reference: int) -> None:
        """Add a reference in both directions."""
        for start, end, forward in ((source, target, True), (target, source, False)):
            item = ua.AddReferencesItem()
            item.SourceNodeId, item.TargetNodeId, item.IsForward = start, end, forward
            item.ReferenceTypeId, item.TargetNodeClass = ua.NodeId(reference), ua.NodeClass.Object
            for status in await self._session.add_references([item]):
                status.check()

    async def _add_field(self, kind: Any, name: str, data_type: str) -> None:
        """Add what an event type declares."""
        if data_type == "String":
            await self.add_property(kind, name, variant("", data_type))
        elif data_type in BUILT_IN_IDS:
            node = ua.NodeId(f"{kind.NamespaceIndex}:{kind.Identifier}/{name.partition(':')[2]}", self._index["SIM"])
            await self.add_variable(node, kind, name, variant(0, data_type))
        else:
            await self.add_property(kind, name, ua.Variant(None, ua.VariantType.Null), self.node(data_type))

    async def _add(
        self, node: Any, parent: Any, name: str, *, reference: int, attributes: Any, type_definition: Any
    ) -> None:
        item = ua.AddNodesItem()
        item.RequestedNewNodeId, item.ParentNodeId = node, parent
        item.BrowseName, item.ReferenceTypeId = self.name(name), ua.NodeId(reference)
        item.NodeClass, item.TypeDefinition = _CLASSES[type(attributes)], type_definition
        attributes.DisplayName = ua.LocalizedText(item.BrowseName.Name)
        attributes.Description = ua.LocalizedText("")
        attributes.WriteMask = attributes.UserWriteMask = 0
        item.NodeAttributes = attributes
        for result in await self._session.add_nodes([item]):
            result.StatusCode.check()

    async def _add_type(self, each: TypeNode) -> None:
        node, parent = self.node(each.node), self.node(each.parent)
        prefix = each.node.partition(":")[0]
        attributes = each.attributes()
        attributes.IsAbstract = each.abstract
        name, nothing = f"{prefix}:{each.name}", ua.NodeId()
        await self._add(node, parent, name, reference=_HAS_SUBTYPE, attributes=attributes, type_definition=nothing)
        for number, (state, name) in enumerate(each.states):
            type_definition = "UA:2309" if name == "Initializing" else "UA:2307"
            await self.add_object(self.node(state), node, f"{state.partition(':')[0]}:{name}", type_definition)
            await self.add_property(self.node(state), "UA:StateNumber", variant(number, "UInt32"))
        if each.values:
            values = [
                ua.EnumValueType(Value=number, DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(""))
                for number, name in enumerate(each.values)
            ]
            value = ua.Variant(values, ua.VariantType.ExtensionObject)
            await self.add_property(node, "UA:EnumValues", value, ua.NodeId(ua.ObjectIds.EnumValueType))


class MachineNodes:
    """The nodes of one machine.

    Args:
        space: where they are.
        identity: who the machine is.
    """

    def __init__(self, space: AddressSpace, identity: Identity) -> None:
        self._space = space
        self._identity = identity

    def at(self, path: str) -> Any:
        """Return the node id of what stands at a path below the machine; the empty path is the machine itself."""
        names = [part.partition(":")[2] for part in path.split("/") if part]
        return self._space.node("SIM:" + "/".join([self._identity.id, *names]))

    async def build(self, variables: Iterable[Variable], *, full: bool) -> None:
        """Add the machine with its identification, its fixed objects and these variables.

        Args:
            variables: what the machine has.
            full: with the building blocks of OPC 40001-1, which servers of MachineTool 1.00 do not have.
        """
        await self._space.add_object(self.at(""), self._space.node("MY:1001"), f"SIM:{self._identity.id}", "MT:13")
        variables = tuple(variables)
        meters = [path for path in METER_OBJECTS if any(each.path.startswith(f"{path}/") for each in variables)]
        objects = (*OBJECTS, *(PLAN_OBJECTS if has_plan(variables) else ORDER_OBJECTS), *meters)
        for path in objects:
            if full or not path.startswith("MY:"):
                await self._add_object(path)
        for path, parent in ADD_INS.items():
            if full:
                await self._space.add_reference(self.at(parent), self.at(path), HAS_ADD_IN)
        await self._identify()
        added = set(objects)
        for each in variables:
            parent = each.path.rpartition("/")[0]
            if parent not in added:
                added.add(parent)
                await self._add_object(parent)
                name = variant(parent.rpartition(":")[2], "String")
                await self._space.add_property(self.at(parent), "MT:Name", name)
            await self._add_variable(each)

    async def build_control(self, variables: Iterable[Variable]) -> None:
        """Add a control of OPC 40502, which stands below Objects itself, with its lists and these variables."""
        objects = ua.NodeId(_OBJECTS_FOLDER)
        kinds = dict(CNC_OBJECTS)
        for each in variables:
            kinds.setdefault(each.path.rpartition("/")[0], "CNC:1004")
        for path, kind in kinds.items():
            above, _, name = path.rpartition("/")
            parent, reference = (self.at(above), HAS_COMPONENT) if path else (objects, ORGANIZES)
            name = name or f"SIM:{self._identity.id}"
            await self._space.add_object(self.at(path), parent, name, kind, reference)
        named = {"VendorName": self._identity.manufacturer, "VendorRevision": self._identity.software_revision,
                 "Version": "1.00", "CncTypeName": self._identity.model, "Fix": "0"}  # fmt: skip
        for name, text in named.items():
            await self._space.add_property(self.at(""), f"CNC:{name}", variant(text, "String"))
        for each in variables:
            await self._add_variable(each)

    async def _add_object(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        add_in = path in {*ADD_INS, "DI:Identification"}
        notifier = 1 if path.endswith("MT:Messages") else 0  # SubscribeToEvents
        await self._space.add_object(
            self.at(path),
            self.at(parent),
            name,
            object_type(path),
            HAS_ADD_IN if add_in else HAS_COMPONENT,
            notifier=notifier,
        )

    async def _identify(self) -> None:
        identity, parent = self._identity, self.at("DI:Identification")
        texts = {
            "DI:ProductInstanceUri": identity.product_instance_uri,
            "DI:SerialNumber": identity.serial_number,
            "DI:ProductCode": identity.model.replace(" ", "-").upper(),
            "DI:SoftwareRevision": identity.software_revision,
            "DI:DeviceClass": "MachineTool",
            "DI:AssetId": identity.id,
            "MY:Location": identity.location,
        }
        for name, text in texts.items():
            await self._space.add_property(parent, name, variant(text, "String"))
        names = {
            "DI:Manufacturer": identity.manufacturer,
            "DI:Model": identity.model,
            "DI:ComponentName": identity.name,
        }
        for name, text in names.items():
            await self._space.add_property(
                parent, name, ua.Variant(ua.LocalizedText(text), ua.VariantType.LocalizedText)
            )
        await self._space.add_property(parent, "MY:YearOfConstruction", variant(identity.year, "UInt16"))

    async def _add_variable(self, each: Variable) -> None:
        parent, _, name = each.path.rpartition("/")
        node, space = self.at(each.path), self._space
        nothing = ua.Variant(None, ua.VariantType.Null)
        data_type = space.node(each.data_type) if each.data_type else ua.NodeId(BUILT_IN_IDS[each.built_in])
        type_definition = ua.NodeId(_VARIABLE_TYPE)
        if each.states:
            data_type, type_definition = ua.NodeId(BUILT_IN_IDS["LocalizedText"]), ua.NodeId(_STATE_VARIABLE_TYPE)
        elif each.is_property:
            type_definition = ua.NodeId(_PROPERTY_TYPE)
        elif each.unit:
            type_definition = ua.NodeId(_ANALOG_RANGE_TYPE if each.limits else _ANALOG_UNIT_TYPE)
        await space.add_variable(
            node,
            self.at(parent),
            name,
            nothing,
            data_type,
            type_definition=type_definition,
            is_property=each.is_property,
        )
        if each.states:
            await space.add_property(node, "UA:Id", nothing, ua.NodeId(BUILT_IN_IDS["NodeId"]))
            await space.add_property(node, "UA:Number", nothing, ua.NodeId(BUILT_IN_IDS["UInt32"]))
        if each.unit:
            await add_units(space, node, "UA:EngineeringUnits", each.unit)
        if each.limits:
            limits = ua.Variant(ua.Range(Low=each.limits[0], High=each.limits[1]), ua.VariantType.ExtensionObject)
            await space.add_property(node, "UA:EURange", limits, ua.NodeId(ua.ObjectIds.Range))
        if each.measurement:
            await space.add_property(node, "ECM:MeasurementID", variant(each.measurement, "UInt16"))


async def add_units(space: AddressSpace, node: Any, name: str, code: str) -> None:
    """Add the property that names the unit of a variable."""
    value = ua.Variant(engineering_units(code), ua.VariantType.ExtensionObject)
    await space.add_property(node, name, value, ua.NodeId(ua.ObjectIds.EUInformation))
