"""What a simulated machine serves below its node: browse paths, types, units and the signal behind each variable. Pure.

Names and node ids are those of OPC 40501-1 MachineTool 1.02, OPC 40001-1 Machinery 1.03, OPC 40001-4 Energy Management
and OPC 34100; what the standards lack (loads, temperatures, vibration, alarms as variables) stands in the namespace
`SIM`, so that a node map has to name it, as with any vendor. Paths are BrowseNames with the prefixes of `NAMESPACES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simulators.machine import PlannedJob, Value

NAMESPACES: Mapping[str, str] = {
    "UA": "http://opcfoundation.org/UA/",
    "DI": "http://opcfoundation.org/UA/DI/",
    "MY": "http://opcfoundation.org/UA/Machinery/",
    "MT": "http://opcfoundation.org/UA/MachineTool/",
    "IA": "http://opcfoundation.org/UA/IA/",
    "ECM": "http://opcfoundation.org/UA/ECM/",
    "ME": "http://opcfoundation.org/UA/Machinery/Energy/",
    "IJ": "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/",
    "MJ": "http://opcfoundation.org/UA/Machinery/Jobs/",
    "CNC": "http://opcfoundation.org/UA/CNC",
    "SIM": "http://officina.example/UA/Simulator/",
}
"""Namespace URIs by the prefix that paths use."""

Edition = Literal["1.00", "1.02", "jobs", "cnc"]
"""What a server speaks: an edition of OPC 40501-1, or OPC 40502 alone, as controls without a machine tool's model do.

Servers of 1.00 have no item state, no operation mode and no operation counters; those of OPC 40502 have no jobs, tools
or prognoses either. `jobs` is 1.02 without what that edition deprecates: jobs are told by OPC 40001-3 alone.

Energy is told as each edition's age has it: by a metering point of OPC 34100 somewhere below Monitoring (1.00), below
Consumption (1.02), or by the main metering point of OPC 40001-4 with one for the spindle beside it (`jobs`).
"""

BuiltIn = Literal["Boolean", "UInt16", "Int32", "UInt32", "UInt64", "Float", "Double", "String"]

BLOCKS = "MY:MachineryBuildingBlocks"
TOOL = "MT:Monitoring/MT:MachineTool"
ITEM_STATE = f"{BLOCKS}/MY:MachineryItemState"
OPERATION_MODE = f"{BLOCKS}/MY:MachineryOperationMode"
COUNTERS = f"{BLOCKS}/DI:OperationCounters"
MONITORING = f"{BLOCKS}/MY:Monitoring"
ELECTRICITY = f"{MONITORING}/MY:Consumption/SIM:Electricity"
METERED = f"{MONITORING}/MY:Consumption/ME:Electricity"
MAIN_METER = f"{METERED}/ME:Main"
SPINDLE_METER = f"{METERED}/SIM:SpindleDrive"
OLD_METER = "MT:Monitoring/SIM:PowerMeter"
CHANNEL = "MT:Monitoring/SIM:Channel"
PROGRAM = "MT:Production/MT:ActiveProgram"
PLAN = "MT:Production/MT:ProductionPlan"
JOBS = f"{BLOCKS}/MJ:JobManagement"
ORDERS = f"{JOBS}/MJ:JobOrderControl/IJ:JobOrderList"
RESPONSES = f"{JOBS}/MJ:JobOrderResults/IJ:JobOrderResponseList"
NOTIFICATION = "MT:Notification"
MESSAGES = f"{NOTIFICATION}/MT:Messages"
TOOLS = "MT:Equipment/MT:Tools"
PROGNOSIS = f"{NOTIFICATION}/MT:Prognoses/SIM:Lubrication"

OBJECTS: Mapping[str, str] = {
    "DI:Identification": "MT:11",
    BLOCKS: "UA:61",
    ITEM_STATE: "MY:1002",
    OPERATION_MODE: "MT:1003",
    COUNTERS: "MY:1009",
    MONITORING: "MY:1014",
    f"{MONITORING}/MY:Consumption": "UA:61",
    "MT:Monitoring": "MT:14",
    TOOL: "MT:26",
    "MT:Equipment": "MT:12",
    TOOLS: "MT:44",
    NOTIFICATION: "MT:7",
    MESSAGES: "MT:38",
    f"{NOTIFICATION}/MT:Prognoses": "MT:2",
}
"""Type definition of every fixed object but those of the jobs and of the energy."""

METER_OBJECTS: Mapping[str, str] = {
    ELECTRICITY: "ECM:1006",
    METERED: "UA:61",
    MAIN_METER: "ECM:1006",
    SPINDLE_METER: "ECM:1006",
    OLD_METER: "ECM:1006",
}
"""Metering points and the folder of those of one resource (OPC 40001-4, 6.2 and 6.3); a machine has its edition's."""

PLAN_OBJECTS: Mapping[str, str] = {
    "MT:Production": "MT:21",
    PROGRAM: "MT:32",
    f"{PROGRAM}/MT:State": "MT:15",
    PLAN: "MT:30",
    "MT:Production/MT:Statistics": "MT:20",
}
"""Jobs by the tree that edition 1.02 of OPC 40501-1 deprecates."""

ORDER_OBJECTS: Mapping[str, str] = {
    JOBS: "MJ:1003",
    f"{JOBS}/MJ:JobOrderControl": "IJ:1002",
    f"{JOBS}/MJ:JobOrderResults": "IJ:1003",
}
"""Jobs by its successor, OPC 40001-3."""

ADD_INS: Mapping[str, str] = {ITEM_STATE: TOOL, OPERATION_MODE: TOOL, COUNTERS: TOOL, MONITORING: ""}
"""Objects that are reachable a second time below another node (OPC 40501-1, 8.3.9); empty is the machine itself."""


class State(NamedTuple):
    """A state of a state machine: its name and node id."""

    name: str
    node: str


_ITEM_STATES = (
    State("NotAvailable", "MY:5005"),
    State("OutOfService", "MY:5004"),
    State("NotExecuting", "MY:5007"),
    State("Executing", "MY:5006"),
)
_MODES = (
    State("None", "MT:5059"),
    State("Maintenance", "MT:5058"),
    State("Setup", "MT:5061"),
    State("Processing", "MT:5060"),
)
_RUNS = ("Initializing", "Running", "Ended", "Interrupted", "Aborted")
_PROGRAM_STATES = tuple(map(State, _RUNS, ("MT:5039", "MT:5041", "MT:5038", "MT:5040", "MT:5037")))
_OLD_PROGRAM_STATES = tuple(map(State, _RUNS, ("MT:135", "MT:138", "MT:140", "MT:139", "MT:141")))
JOB_STATES = tuple(map(State, _RUNS, ("MT:5015", "MT:5017", "MT:5014", "MT:5016", "MT:5013")))
"""States of a job by number (OPC 40501-1, 8.4.1)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and the signal whose values it shows.

    Attributes:
        path: BrowseNames below the machine.
        signal: whose values it shows; several variables may show one.
        built_in: type of its values.
        data_type: node id of its data type, where that is not the built-in type.
        unit: UNECE code of its unit, empty when it has none.
        limits: lowest and highest value, where the standard asks for them.
        is_property: HasProperty leads to it, else HasComponent.
        states: of a state machine's CurrentState, which has Id and Number below it; by number.
        scale: what values are multiplied with.
        measurement: id of the measured quantity in OPC 34100, 0 for none.
        codes: what is served for each value of the signal, where the standard numbers them otherwise.
    """

    path: str
    signal: str
    built_in: BuiltIn
    data_type: str = ""
    unit: str = ""
    limits: tuple[float, float] | None = None
    is_property: bool = False
    states: tuple[State, ...] = ()
    scale: float = 1
    measurement: int = 0
    codes: tuple[int, ...] = ()


class Identity(NamedTuple):
    """Who a machine is (OPC 40501-1, 8.1; OPC 40001-1, 8).

    Attributes:
        id: short name, the BrowseName of the machine's node.
        name: what people call it.
        manufacturer: of the machine.
        model: of the machine.
        serial_number: of the machine.
        location: where it stands.
        year: of construction.
        software_revision: of its control.
    """

    id: str
    name: str
    manufacturer: str
    model: str
    serial_number: str
    location: str = ""
    year: int = 2019
    software_revision: str = "1.0"

    @property
    def product_instance_uri(self) -> str:
        """The worldwide unique identity."""
        return f"urn:officina.example:machine:{self.id}"


class Served(NamedTuple):
    """A value to be served.

    Attributes:
        stamp: source time.
        signal: whose variables get it.
        value: None for no communication.
        status: OPC UA StatusCode; a value of None with status 0 is BadNoCommunication.
    """

    stamp: int
    signal: str
    value: Value | None
    status: int = 0


class Source(Protocol):
    """What a server asks of the machine that it serves."""

    @property
    def identity(self) -> Identity:
        """Who the machine is."""

    @property
    def variables(self) -> Sequence[Variable]:
        """What it has."""

    def open(self, now: int) -> Iterable[Served]:
        """Begin, and return the value that each signal has now; signals left out have none."""

    def due(self, now: int) -> Iterable[Served]:
        """Return what is to be served since the last call, in order."""

    def instant(self, now: int) -> int:
        """Return what time it is at the machine: now, or the instant that is played of a recording."""

    def jobs(self, now: int) -> Sequence[PlannedJob]:
        """Return the jobs on the control."""

    def tools(self, now: int) -> Sequence[float]:
        """Return the minutes that each tool of the magazine has left, by place."""

    def service_due(self, now: int) -> int | None:
        """Return when the next maintenance is expected."""


def machine_variables(axes: Sequence[str], edition: Edition = "1.02") -> tuple[Variable, ...]:
    """Return what a simulated machine with these axes serves."""
    if edition == "cnc":
        return cnc_variables(axes)
    variables = (
        *_status(_OLD_PROGRAM_STATES if edition == "1.00" else _PROGRAM_STATES),
        *_overrides(),
        *_spindle("Spindle", "spindle"),
        *(each for axis in axes for each in _axis(axis)),
        Variable("MT:Monitoring/SIM:CoolantTemperature", "coolant_temperature", "Double", unit="CEL"),
        Variable("MT:Monitoring/SIM:Spindle/SIM:Vibration", "spindle_vibration", "Double", unit="C16"),
        Variable("MT:Monitoring/SIM:Spindle/MT:IsRotating", "spindle_rotating", "Boolean"),
        Variable(f"{CHANNEL}/SIM:ToolLife", "tool_life", "Double", unit="P1"),
        Variable(f"{COUNTERS}/DI:OperationCycleCounter", "operation_cycles", "UInt32", is_property=True),
        Variable(f"{COUNTERS}/MT:PartsProducedInLifetime", "parts", "UInt64"),
        Variable("MT:Production/MT:Statistics/MT:PartsProducedInLifetime", "parts", "UInt32"),
        Variable(f"{TOOL}/MT:PowerOnDuration", "power_on_seconds", "UInt32", scale=1 / 3600),
        Variable(f"{TOOL}/MT:IsWarmUp", "is_warm_up", "Boolean"),
        Variable(f"{PROGRAM}/MT:JobIdentifier", "job", "String"),
        *_metering(edition),
    )
    return tuple(each for each in variables if not _is_missing(each.path, edition))


def _metering(edition: Edition) -> tuple[Variable, ...]:
    if edition == "1.00":
        return _metering_point(OLD_METER, _KILO, precise=False)
    if edition == "jobs":  # the drive's share comes first, so that who takes any metering point takes the wrong one
        return (*_metering_point(SPINDLE_METER, _KILO, share=0.4), *_metering_point(MAIN_METER, _KILO))
    return _metering_point(ELECTRICITY, _PLAIN)


_Energy: TypeAlias = tuple[str, BuiltIn, int]
_PRECISE: _Energy = ("AcActiveEnergyTotalImportHp", "Double", 1002)
_COARSE: _Energy = ("AcActiveEnergyTotalImportLp", "Float", 1001)


class _Units(NamedTuple):
    power: str
    energy: str
    scale: float


_PLAIN, _KILO = _Units("WTT", "WHR", 1.0), _Units("KWT", "KWH", 0.001)


def _metering_point(path: str, units: _Units, *, share: float = 1.0, precise: bool = True) -> tuple[Variable, Variable]:
    """Return a metering point's power and imported energy: high-precision Double or low-precision Float (OPC 34100)."""
    scale = share * units.scale
    name, kind, number = _PRECISE if precise else _COARSE
    return (
        Variable(f"{path}/ECM:AcActivePowerTotal", "power_watts", "Float", unit=units.power, scale=scale,
                 measurement=1412),
        Variable(f"{path}/ECM:{name}", "energy_watt_hours", kind, unit=units.energy, scale=scale, measurement=number),
    )  # fmt: skip


_DEPRECATED = ("MT:Production", f"{TOOL}/MT:PowerOnDuration")


def _is_missing(path: str, edition: Edition) -> bool:
    return path.startswith({"1.00": (BLOCKS,), "jobs": _DEPRECATED}.get(edition, ()))


CNC_CHANNEL = "CNC:CncChannelList/SIM:Channel"
CNC_SPINDLE = "CNC:CncSpindleList/SIM:Spindle"
CNC_AXES = "CNC:CncAxisList"
CNC_OBJECTS: Mapping[str, str] = {
    "": "CNC:1007",
    "CNC:CncAxisList": "CNC:1008",
    "CNC:CncSpindleList": "CNC:1009",
    "CNC:CncChannelList": "CNC:1010",
    CNC_CHANNEL: "CNC:1002",
    CNC_SPINDLE: "CNC:1005",
}
"""Type definition of every object of a control but its axes (OPC 40502, 6)."""


def cnc_variables(axes: Sequence[str]) -> tuple[Variable, ...]:
    """Return what a control serves that speaks OPC 40502 alone: its channel, its spindle and these axes."""
    stopped, running, interrupted, canceled = 0, 1, 3, 4
    manual, mda, automatic = 0, 1, 2
    return (
        Variable(f"{CNC_CHANNEL}/CNC:ActStatus", "channel_state", "Int32", "CNC:3003"),
        Variable(f"{CNC_CHANNEL}/CNC:ActProgramStatus", "program_state", "Int32", "CNC:3002",
                 codes=(stopped, running, stopped, interrupted, canceled)),
        Variable(f"{CNC_CHANNEL}/CNC:ActOperationMode", "channel_mode", "Int32", "CNC:3006",
                 codes=(automatic, mda, *(manual,) * 6)),
        Variable(f"{CNC_CHANNEL}/CNC:ActMainProgramName", "program", "String"),
        Variable(f"{CNC_CHANNEL}/CNC:ActProgramName", "program", "String"),
        Variable(f"{CNC_CHANNEL}/CNC:ActFeedrate", "feed", "Double", unit="C16"),
        Variable(f"{CNC_CHANNEL}/CNC:ActOverride", "feed_override", "Double", unit="P1", limits=(0.0, 150.0)),
        Variable(f"{CNC_CHANNEL}/CNC:ToolId", "tool_number", "UInt32"),
        Variable(f"{CNC_SPINDLE}/CNC:ActSpeed", "spindle_speed", "Double", unit="RPM"),
        Variable(f"{CNC_SPINDLE}/CNC:ActOverride", "spindle_override", "Double", unit="P1", limits=(0.0, 150.0)),
        Variable(f"{CNC_SPINDLE}/CNC:ActLoad", "spindle_load", "Double", unit="P1"),
        Variable(f"{CNC_SPINDLE}/CNC:ActTurnDirection", "spindle_rotating", "Int32", "CNC:3001", codes=(0, 1)),
        *(Variable(f"{CNC_AXES}/SIM:{axis.upper()}/CNC:ActLoad", f"axis_{axis}_load", "Double", unit="P1")
          for axis in axes),
    )  # fmt: skip


def recorded_variables(axes: Sequence[str]) -> tuple[Variable, ...]:
    """Return what a recording of a two-spindle turning centre with these axes serves."""
    return (
        *_status(_PROGRAM_STATES),
        *_overrides(),
        *_spindle("Spindle", "spindle"),
        *(each for each in _spindle("Spindle2", "spindle2") if each.signal != "spindle2_override"),
        *(each for axis in axes for each in _axis(axis)),
        *(
            Variable(f"MT:Monitoring/SIM:{axis.upper()}/SIM:ActFeed", f"axis_{axis}_feed", "Double", unit="C16")
            for axis in axes
        ),
        Variable(f"{TOOL}/SIM:AutomaticTime", "automatic_seconds", "Double", unit="SEC"),
        Variable(f"{TOOL}/SIM:CuttingTime", "cutting_seconds", "Double", unit="SEC"),
        Variable(f"{CHANNEL}/SIM:ProgramBlock", "program_block", "Int32"),
        Variable(f"{CHANNEL}/SIM:Execution", "execution_text", "String"),
        Variable(f"{CHANNEL}/SIM:Mode", "mode_text", "String"),
        Variable(f"{CHANNEL}/SIM:Power", "power_text", "String"),
        Variable(f"{CHANNEL}/SIM:Availability", "availability_text", "String"),
    )


def has_plan(variables: Iterable[Variable]) -> bool:
    """Tell whether a machine with these variables tells its jobs by a production plan, else by job orders."""
    return any(each.path.startswith("MT:Production") for each in variables)


def object_type(path: str) -> str:
    """Return the type definition of the object at a path: a fixed one, a channel, a spindle or else an axis."""
    fixed = {**OBJECTS, **PLAN_OBJECTS, **ORDER_OBJECTS, **METER_OBJECTS}
    if path in fixed:
        return fixed[path]
    if path == CHANNEL:
        return "MT:16"
    return "MT:22" if path.startswith("MT:Monitoring/SIM:Spindle") else "SIM:1001"


def _status(program_states: tuple[State, ...]) -> tuple[Variable, ...]:
    return (
        Variable(f"{ITEM_STATE}/UA:CurrentState", "item_state", "Int32", states=_ITEM_STATES),
        Variable(f"{OPERATION_MODE}/UA:CurrentState", "operation_mode", "Int32", states=_MODES),
        Variable(f"{TOOL}/MT:OperationMode", "control_mode", "Int32", "MT:65"),
        Variable(f"{TOOL}/SIM:EmergencyStop", "emergency_stop", "Boolean"),
        Variable(f"{PROGRAM}/MT:State/UA:CurrentState", "program_state", "Int32", states=program_states),
        Variable(f"{PROGRAM}/MT:Name", "program", "String", is_property=True),
        Variable(f"{CHANNEL}/MT:ChannelState", "channel_state", "Int32", "MT:64"),
        Variable(f"{CHANNEL}/MT:ChannelMode", "channel_mode", "Int32", "MT:67"),
        Variable(f"{CHANNEL}/SIM:ActFeed", "feed", "Double", unit="C16"),
        Variable(f"{CHANNEL}/SIM:ToolNumber", "tool_number", "UInt32"),
        Variable(
            f"{COUNTERS}/DI:PowerOnDuration", "power_on_seconds", "Double", "UA:290", is_property=True, scale=1000
        ),
        Variable(
            f"{COUNTERS}/DI:OperationDuration", "operation_seconds", "Double", "UA:290", is_property=True, scale=1000
        ),
        Variable("MT:Production/MT:Statistics/SIM:PartCount", "part_count", "UInt32"),
        Variable(f"{NOTIFICATION}/SIM:Alarm", "alarm", "String"),
        Variable(f"{NOTIFICATION}/SIM:AlarmBlocking", "alarm_blocking", "Boolean"),
    )


def _overrides() -> tuple[Variable, ...]:
    limits = (0.0, 150.0)
    return (
        Variable(f"{TOOL}/MT:FeedOverride", "feed_override", "Double", unit="P1", limits=limits),
        Variable(f"{CHANNEL}/MT:FeedOverride", "feed_override", "Double", unit="P1", limits=limits),
        Variable(f"{CHANNEL}/MT:RapidOverride", "rapid_override", "Double", unit="P1", limits=limits),
    )


def _spindle(name: str, signal: str) -> tuple[Variable, ...]:
    path = f"MT:Monitoring/SIM:{name}"
    return (
        Variable(f"{path}/MT:Override", f"{signal}_override", "Double", unit="P1", limits=(0.0, 150.0)),
        Variable(f"{path}/SIM:ActLoad", f"{signal}_load", "Double", unit="P1"),
        Variable(f"{path}/SIM:ActSpeed", f"{signal}_speed", "Double", unit="RPM"),
        Variable(f"{path}/SIM:BearingTemperature", f"{signal}_temperature", "Double", unit="CEL"),
    )


def _axis(axis: str) -> tuple[Variable, ...]:
    path, unit = f"MT:Monitoring/SIM:{axis.upper()}", "DD" if axis in "abc" else "MMT"
    return (
        Variable(f"{path}/SIM:ActLoad", f"axis_{axis}_load", "Double", unit="P1"),
        Variable(f"{path}/SIM:ActPos", f"axis_{axis}_position", "Double", unit=unit),
    )
