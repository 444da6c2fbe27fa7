"""The one table of what a machine says: name, type, unit, class, sampling, where it comes from, how it is shown.

Paths are BrowseNames from the machine's node, with the prefixes of `NAMESPACES`; the first that resolves is used, so
the successor stands before what it replaces. A name with a dot is a signal that a node map adds: the part after the
last dot is its type (`coolant_pressure.double`), so that a store can never meet one name with two types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from shopfloor.periods import InvalidInstantError, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shopfloor.samples import Value

NAMESPACES = MappingProxyType(
    {
        "UA": "http://opcfoundation.org/UA/",
        "DI": "http://opcfoundation.org/UA/DI/",
        "MY": "http://opcfoundation.org/UA/Machinery/",
        "MT": "http://opcfoundation.org/UA/MachineTool/",
        "IA": "http://opcfoundation.org/UA/IA/",
        "MJ": "http://opcfoundation.org/UA/Machinery/Jobs/",
        "IJ": "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/",
        "CNC": "http://opcfoundation.org/UA/CNC",
        "ECM": "http://opcfoundation.org/UA/ECM/",
        "ME": "http://opcfoundation.org/UA/Machinery/Energy/",
    },
)
"""Namespace URIs by the prefix that paths use."""

SignalClass: TypeAlias = Literal["record", "gauge"]
"""`record` is kept for ever and evicted last; `gauge` is kept raw for 90 days, then as minutes, and evicted first."""

SignalType: TypeAlias = Literal["Boolean", "Int32", "UInt32", "Int64", "Double", "String", "DateTime"]
"""OPC UA built-in type on the wire and in the record. A DateTime value is an instant."""

BUILT_IN_TYPES: Mapping[SignalType, int] = MappingProxyType(
    {"Boolean": 1, "Int32": 6, "UInt32": 7, "Int64": 8, "Double": 11, "String": 12, "DateTime": 13},
)
"""OPC 10000-6, 5.1.2, Table 1."""

TEXT_MAX = 4096
"""Longest text value, in characters; longer ones are refused."""

_RANGES = {"Int32": (-(2**31), 2**31 - 1), "UInt32": (0, 2**32 - 1), "Int64": (-(2**63), 2**63 - 1)}


class UnknownSignalError(KeyError):
    """No signal has this name."""


class WrongTypeError(ValueError):
    """The value does not fit the signal's type."""


class NotANumberError(ValueError):
    """The value is NaN or infinite: that is a quality, not a number."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One row of the table.

    Attributes:
        name: the field name on the wire and in the store.
        type: OPC UA built-in type.
        unit: UCUM symbol, empty when it has none.
        signal_class: decides bucket, retention, eviction, writer group and roll-up.
        label_en: what an English page calls it.
        label_it: what an Italian page calls it.
        paths: where it is found below the machine's node, best first.
        states: node ids of states (prefix:number) to their number, for state variables read by `CurrentState/Id`.
        scale: what a number from a path is multiplied with, by path, where the unit differs.
        codes: what the numbers of a path stand for here, by path, where it numbers the same things otherwise.
        unit_told: whether the node tells its unit, in which the number is then read, whatever it is.
        deadband: smallest absolute change that counts, 0 for every change.
        sampling_milliseconds: how often the server looks.
        derived: made by the agent of its own watching, never read from a node.
    """

    name: str
    type: SignalType
    unit: str
    signal_class: SignalClass
    label_en: str
    label_it: str
    paths: tuple[str, ...] = ()
    states: Mapping[str, int] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    unit_told: bool = False
    deadband: float = 0.0
    sampling_milliseconds: int = 250
    derived: bool = False

    def accept(self, value: object) -> Value:
        """Check a value read from the wire and return it in the type of the record.

        Int64 may arrive as text (OPC 10000-6, 5.4.2.3), a DateTime as RFC 3339, a whole number for a Double.

        Raises:
            WrongTypeError: when it is of another type, out of range or longer than `TEXT_MAX`.
            NotANumberError: for NaN and infinity, also as the texts of OPC 10000-6, 5.4.2.4.
        """
        return _ACCEPT[self.type](self, value)


def _boolean(signal: Signal, value: object) -> Value:
    if isinstance(value, bool):
        return value
    raise WrongTypeError(f"{signal.name} is Boolean, not {_describe(value)}")


def _integer(signal: Signal, value: object) -> Value:
    low, high = _RANGES[signal.type]
    if isinstance(value, str) and signal.type == "Int64" and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise WrongTypeError(f"{signal.name} is {signal.type}, not {_describe(value)}")


def _double(signal: Signal, value: object) -> Value:
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        raise NotANumberError(f"{signal.name} is {value}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongTypeError(f"{signal.name} is Double, not {_describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise WrongTypeError(f"{signal.name} is too large a number") from None
    if number - number != 0.0:
        raise NotANumberError(f"{signal.name} is {number}")
    return number


def _string(signal: Signal, value: object) -> Value:
    if not isinstance(value, str):
        raise WrongTypeError(f"{signal.name} is String, not {_describe(value)}")
    if len(value) > TEXT_MAX:
        raise WrongTypeError(f"{signal.name} has {len(value)} characters, {TEXT_MAX} are allowed")
    return value


def _date_time(signal: Signal, value: object) -> Value:
    if not isinstance(value, str):
        raise WrongTypeError(f"{signal.name} is DateTime, not {_describe(value)}")
    try:
        return parse_instant(value)
    except InvalidInstantError as error:
        raise WrongTypeError(f"{signal.name}: {error}") from error


_ACCEPT = {
    "Boolean": _boolean,
    "Int32": _integer,
    "UInt32": _integer,
    "Int64": _integer,
    "Double": _double,
    "String": _string,
    "DateTime": _date_time,
}


def _describe(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"


_ITEM_STATE = "UA:CurrentState"
_BLOCKS = "MY:MachineryBuildingBlocks"
_TOOL = "MT:Monitoring/MT:MachineTool"
_COUNTERS = f"{_BLOCKS}/DI:OperationCounters"
_MORE_COUNTERS = f"{_TOOL}/DI:OperationCounters"
_PROGRAM = "MT:Production/MT:ActiveProgram"
_MILLISECOND, _HOUR = 0.001, 3600.0


def _cnc(*paths: str) -> tuple[str, ...]:
    """Find a place of the CNC companion (OPC 40502) in a machine that has a control, and in one that is a control."""
    return tuple(f"{start}{path}" for path in paths for start in ("", "<CNC:1007>/", "MY:Components/<CNC:1007>/"))


def _cnc_codes(path: str, codes: Mapping[int, int]) -> dict[str, Mapping[int, int]]:
    return dict.fromkeys(_cnc(path), codes)


_CNC_CHANNEL = "CNC:CncChannelList/<CNC:1002>"
_CNC_SPINDLE = "CNC:CncSpindleList/<CNC:1005>"
_CNC_PROGRAM_STATE = {0: 2, 1: 1, 2: 1, 3: 3, 4: 4}
"""OPC 40502 ActProgramStatus (Stopped, Running, Waiting, Interrupted, Canceled) as OPC 40501-1, 8.4 program states: a
program that waits, for another channel or a time, is still running."""
_CNC_CONTROL_MODE = {0: 0, 1: 0, 2: 1}
_CNC_CHANNEL_MODE = {0: 2, 1: 1, 2: 0}
"""OPC 40502 ActOperationMode (Manual, MDA, Automatic) as OPC 40501-1 OperationMode and ChannelMode."""


def _metered(*names: str) -> tuple[str, ...]:
    """Find a value of the main electricity meter (OPC 40001-4, 6.2 and 6.3; OPC 34100 EnergyMeasurementType)."""
    homes = [f"{start}MY:Consumption/ME:Electricity" for start in (f"{_BLOCKS}/MY:Monitoring/", "MY:Monitoring/")]
    meters = [
        *(f"{home}/{meter}" for home in homes for meter in ("ME:Main", "<ECM:1006>")),
        *(home.replace("ME:Electricity", "<ECM:1006>") for home in homes),
        "MT:Monitoring/<ECM:1006>",
    ]
    return tuple(f"{meter}/ECM:{name}" for meter in meters for name in names)


_TABLE = (
    # What decides the state.
    Signal("item_state", "Int32", "", "record", "Item state", "Stato della macchina",
           (f"{_BLOCKS}/MY:MachineryItemState/UA:CurrentState", f"{_TOOL}/MY:MachineryItemState/UA:CurrentState"),
           {"MY:5005": 0, "MY:5004": 1, "MY:5007": 2, "MY:5006": 3}),
    Signal("operation_mode", "Int32", "", "record", "Operation mode", "Modo operativo",
           (f"{_BLOCKS}/MY:MachineryOperationMode/UA:CurrentState",
            f"{_TOOL}/MY:MachineryOperationMode/UA:CurrentState"),
           {"MY:5024": 0, "MY:5025": 1, "MY:5027": 2, "MY:5026": 3,
            "MT:5059": 0, "MT:5058": 1, "MT:5061": 2, "MT:5060": 3}),
    Signal("control_mode", "Int32", "", "record", "Control mode", "Modo del controllo",
           (f"{_TOOL}/MT:OperationMode", *_cnc(f"{_CNC_CHANNEL}/CNC:ActOperationMode")),
           codes=_cnc_codes(f"{_CNC_CHANNEL}/CNC:ActOperationMode", _CNC_CONTROL_MODE)),
    Signal("program_state", "Int32", "", "record", "Program state", "Stato del programma",
           (f"{_PROGRAM}/MT:State/UA:CurrentState", *_cnc(f"{_CNC_CHANNEL}/CNC:ActProgramStatus")),
           {"MT:5039": 0, "MT:5041": 1, "MT:5038": 2, "MT:5040": 3, "MT:5037": 4,
            "MT:135": 0, "MT:138": 1, "MT:139": 3, "MT:140": 2, "MT:141": 4},
           codes=_cnc_codes(f"{_CNC_CHANNEL}/CNC:ActProgramStatus", _CNC_PROGRAM_STATE)),
    Signal("channel_state", "Int32", "", "record", "Channel state", "Stato del canale",
           ("MT:Monitoring/<MT:16>/MT:ChannelState", *_cnc(f"{_CNC_CHANNEL}/CNC:ActStatus"))),
    Signal("channel_mode", "Int32", "", "record", "Channel mode", "Modo del canale",
           ("MT:Monitoring/<MT:16>/MT:ChannelMode", *_cnc(f"{_CNC_CHANNEL}/CNC:ActOperationMode")),
           codes=_cnc_codes(f"{_CNC_CHANNEL}/CNC:ActOperationMode", _CNC_CHANNEL_MODE)),
    Signal("is_warm_up", "Boolean", "", "record", "Warm-up", "Riscaldamento", (f"{_TOOL}/MT:IsWarmUp",)),
    Signal("emergency_stop", "Boolean", "", "record", "Emergency stop", "Emergenza"),
    Signal("alarm", "String", "", "record", "Active alarm", "Allarme attivo"),
    Signal("alarm_blocking", "Boolean", "", "record", "Blocking alarm", "Allarme bloccante"),
    Signal("alarms", "String", "", "record", "All active alarms", "Tutti gli allarmi attivi"),
    Signal("message", "String", "", "record", "Message of the control", "Messaggio del controllo"),
    # Who and what for.
    Signal("program", "String", "", "record", "Program", "Programma",
           (f"{_PROGRAM}/MT:Name", *_cnc(f"{_CNC_CHANNEL}/CNC:ActMainProgramName",
                                         f"{_CNC_CHANNEL}/CNC:ActProgramName"))),
    Signal("job", "String", "", "record", "Job", "Commessa",
           (f"{_PROGRAM}/MT:JobIdentifier", "MT:Production/MT:ProductionPlan/<MT:29>/MT:Identifier")),
    Signal("order", "String", "", "record", "Order", "Ordine",
           ("MT:Production/MT:ProductionPlan/<MT:29>/MT:OrderIdentifier",)),
    Signal("customer_order", "String", "", "record", "Customer order", "Ordine cliente",
           ("MT:Production/MT:ProductionPlan/<MT:29>/MT:CustomerOrderIdentifier",)),
    Signal("runs_planned", "UInt32", "", "record", "Runs planned", "Cicli previsti",
           ("MT:Production/MT:ProductionPlan/<MT:29>/MT:RunsPlanned",)),
    Signal("runs_completed", "UInt32", "", "record", "Runs completed", "Cicli completati",
           ("MT:Production/MT:ProductionPlan/<MT:29>/MT:RunsCompleted",)),
    Signal("execution_mode", "Int32", "", "record", "Execution mode of the job", "Modo di esecuzione della commessa"),
    Signal("job_state", "Int32", "", "record", "State of the job order", "Stato dell'ordine di lavoro"),
    Signal("job_name", "String", "", "record", "Name of the job", "Nome della commessa"),
    Signal("job_parts", "Double", "", "record", "Parts of the job", "Pezzi della commessa",
           ("MT:Production/MT:ProductionPlan/<MT:29>/MT:PartsCompleted",)),
    Signal("job_parts_good", "Double", "", "record", "Good parts of the job", "Pezzi buoni della commessa",
           ("MT:Production/MT:ProductionPlan/<MT:29>/MT:PartsGood",)),
    Signal("badge", "String", "", "record", "Badge", "Badge"),
    # Counters.
    Signal("parts", "Int64", "", "record", "Parts in its lifetime", "Pezzi dalla messa in servizio",
           (f"{_COUNTERS}/MT:PartsProducedInLifetime", f"{_MORE_COUNTERS}/MT:PartsProducedInLifetime",
            "MT:Production/MT:Statistics/MT:PartsProducedInLifetime")),
    Signal("power_on_seconds", "Double", "s", "record", "Powered on", "Accesa",
           (f"{_COUNTERS}/DI:PowerOnDuration", f"{_MORE_COUNTERS}/DI:PowerOnDuration", f"{_TOOL}/MT:PowerOnDuration"),
           scale={f"{_COUNTERS}/DI:PowerOnDuration": _MILLISECOND, f"{_MORE_COUNTERS}/DI:PowerOnDuration": _MILLISECOND,
                  f"{_TOOL}/MT:PowerOnDuration": _HOUR}),
    Signal("operation_seconds", "Double", "s", "record", "In operation", "In funzione",
           (f"{_COUNTERS}/DI:OperationDuration", f"{_MORE_COUNTERS}/DI:OperationDuration"),
           scale={f"{each}/DI:OperationDuration": _MILLISECOND for each in (_COUNTERS, _MORE_COUNTERS)}),
    Signal("operation_cycles", "Int64", "", "record", "Operation cycles", "Cicli",
           (f"{_COUNTERS}/DI:OperationCycleCounter", f"{_MORE_COUNTERS}/DI:OperationCycleCounter")),
    Signal("automatic_seconds", "Double", "s", "record", "In automatic", "In automatico"),
    Signal("cutting_seconds", "Double", "s", "record", "Cutting", "In taglio"),
    Signal("energy_watt_hours", "Double", "W.h", "record", "Energy", "Energia",
           _metered("AcActiveEnergyTotalImportHp", "AcActiveEnergyTotalImportLp"), unit_told=True),
    Signal("tool_number", "UInt32", "", "record", "Tool", "Utensile", _cnc(f"{_CNC_CHANNEL}/CNC:ToolId")),
    # What there is of it: shopfloor.entries.
    Signal("tools", "String", "", "record", "Tools", "Utensili"),
    Signal("tool", "String", "", "record", "A tool and its life", "Un utensile e la sua vita"),
    Signal("lifetimes", "String", "", "record", "Lifetime counters", "Contatori di vita"),
    Signal("prognoses", "String", "", "record", "What the control expects", "Previsioni del controllo"),
    # What the agent says of its own watching.
    Signal("observed", "DateTime", "", "record", "Observed since", "Osservata da", derived=True),
    Signal("unreachable", "DateTime", "", "record", "Unreachable since", "Non risponde da", derived=True),
    Signal("hole", "String", "", "record", "Hole", "Lacuna", derived=True),
    Signal("filled", "String", "", "record", "Filled from history", "Colmata dallo storico", derived=True),
    Signal("clock_offset_seconds", "Double", "s", "record", "Clock offset", "Scarto dell'orologio", derived=True),
    # Gauges.
    Signal("feed_override", "Double", "%", "gauge", "Feed override", "Override avanzamento",
           (f"{_TOOL}/MT:FeedOverride", "MT:Monitoring/<MT:16>/MT:FeedOverride",
            *_cnc(f"{_CNC_CHANNEL}/CNC:ActOverride"))),
    Signal("rapid_override", "Double", "%", "gauge", "Rapid override", "Override rapido",
           ("MT:Monitoring/<MT:16>/MT:RapidOverride",)),
    Signal("spindle_override", "Double", "%", "gauge", "Spindle override", "Override mandrino",
           ("MT:Monitoring/<MT:22>/MT:Override", *_cnc(f"{_CNC_SPINDLE}/CNC:ActOverride"))),
    Signal("spindle_load", "Double", "%", "gauge", "Spindle load", "Carico mandrino",
           _cnc(f"{_CNC_SPINDLE}/CNC:ActLoad")),
    *(Signal(f"{name}load", "Double", "%", "gauge", en + "load", "Carico " + it)
      for name, en, it in (("spindle2_", "Spindle 2 ", "mandrino 2"),
                           ("axis_x_", "X axis ", "asse X"), ("axis_y_", "Y axis ", "asse Y"),
                           ("axis_z_", "Z axis ", "asse Z"), ("axis_b_", "B axis ", "asse B"),
                           ("axis_c_", "C axis ", "asse C"))),
    *(Signal(f"axis_{a}_{name}", "Double", unit, "gauge", f"{a.upper()} axis {en}", f"{it} asse {a.upper()}")
      for a, unit in (("x", "mm"), ("y", "mm"), ("z", "mm"), ("b", "deg"), ("c", "deg"))
      for name, en, it in (("position", "position", "Posizione"),)),
    *(Signal(f"axis_{a}_feed", "Double", "mm/s", "gauge", f"{a.upper()} axis feed", f"Avanzamento asse {a.upper()}")
      for a in "xyzbc"),
    Signal("feed", "Double", "mm/s", "gauge", "Feed", "Avanzamento", _cnc(f"{_CNC_CHANNEL}/CNC:ActFeedrate"),
           unit_told=True),
    Signal("spindle_speed", "Double", "/min", "gauge", "Spindle speed", "Giri mandrino",
           _cnc(f"{_CNC_SPINDLE}/CNC:ActSpeed"), unit_told=True),
    Signal("spindle2_speed", "Double", "/min", "gauge", "Spindle 2 speed", "Giri mandrino 2"),
    Signal("spindle_temperature", "Double", "Cel", "gauge", "Spindle temperature", "Temperatura mandrino"),
    Signal("spindle2_temperature", "Double", "Cel", "gauge", "Spindle 2 temperature", "Temperatura mandrino 2"),
    Signal("coolant_temperature", "Double", "Cel", "gauge", "Coolant temperature", "Temperatura refrigerante"),
    Signal("spindle_vibration", "Double", "mm/s", "gauge", "Spindle vibration", "Vibrazione mandrino"),
    Signal("power_watts", "Double", "W", "gauge", "Power", "Potenza", _metered("AcActivePowerTotal"),
           unit_told=True),
    Signal("tool_life", "Double", "%", "gauge", "Tool life left", "Vita utensile residua"),
)  # fmt: skip

SIGNALS: Mapping[str, Signal] = MappingProxyType({signal.name: signal for signal in _TABLE})
"""Every standard signal by name."""

DECIDING = ("item_state", "operation_mode", "control_mode", "program_state", "channel_state", "alarm_blocking")
"""The signals that the state of a machine is derived from."""

_ADDED: Mapping[str, tuple[SignalType, SignalClass]] = MappingProxyType(
    {
        "double": ("Double", "gauge"),
        "counter": ("Double", "record"),
        "int64": ("Int64", "record"),
        "boolean": ("Boolean", "record"),
        "string": ("String", "record"),
    },
)
"""Types that a node map may add: the end of the name, then type and class."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MACHINE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@lru_cache(maxsize=8192)
def find(name: str) -> Signal:
    """Return the signal of this name, from the table or by the type at the end of the name.

    Raises:
        UnknownSignalError: naming the signal and the ends that a node map may use.
    """
    if name in SIGNALS:
        return SIGNALS[name]
    stem, _, end = name.rpartition(".")
    if not _NAME.fullmatch(stem) or end not in _ADDED or stem in SIGNALS:
        raise UnknownSignalError(f"no signal is called {name!r}: use a name of the signal table, or a new lower-case "
                                 f"name that ends in one of {', '.join('.' + each for each in _ADDED)}")  # fmt: skip
    signal_type, signal_class = _ADDED[end]
    label = stem.replace("_", " ").capitalize()
    return Signal(name, signal_type, "", signal_class, label, label)


def is_identifier(text: str) -> bool:
    """Tell whether a machine or publisher may be called so: lower-case letters, digits, inner hyphens, 63 at most."""
    return _MACHINE.fullmatch(text) is not None
