"""The recordings that can be played: which items each machine has, what its server serves, how its files are read.

The machines are those of the NIST Smart Manufacturing Systems test bed (Mazak Integrex 100-IV, Hurco VMX24), of the
MTConnect agent's demonstration (Okuma Multus U3000) and of the University of Michigan's SMART lab (a small mill).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from simulators.adapter_log import Line, Tally, read_adapter, read_table
from simulators.mtconnect import EXECUTIONS, Items, Translator, UnreadableValueError
from simulators.tree import CHANNEL, COUNTERS, Identity, Served, Variable, recorded_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_MICROSECOND = 1000
_SPINDLE = "MT:Monitoring/SIM:Spindle"


@dataclass(frozen=True, slots=True)
class Recording:
    """A kind of recording.

    Attributes:
        identity: who the machine is.
        items: which items it has, and what they say.
        variables: what a server of it serves.
        read: goes over the lines of its files.
    """

    identity: Identity
    items: Items
    variables: tuple[Variable, ...]
    read: Callable[[Iterable[Path], Tally], Iterator[Line]] = read_adapter


def mapped_lines(paths: Iterable[Path], recording: Recording, tally: Tally | None = None) -> Iterator[Served]:
    """Go over all values that a recording stands for, in the order of its lines: what a client must receive.

    Stamps are cut to the microsecond, the precision of the server. A value whose signal, stamp and content are those of
    the signal's value before it is the same value said twice, and left out.

    Raises:
        OSError: when a file cannot be read.
    """
    tally = Tally() if tally is None else tally
    translator = Translator(recording.items)
    last: dict[str, Served] = {}
    for line in recording.read(paths, tally):
        try:
            values = translator.translate(line)
        except UnreadableValueError as error:
            tally.complain(str(error))
            continue
        if values is None:
            tally.unmapped += 1
            continue
        for exact in values:
            value = exact._replace(stamp=exact.stamp // _MICROSECOND * _MICROSECOND)
            if last.get(value.signal) == value:
                tally.repeats += 1
                continue
            last[value.signal] = value
            yield value


def _variables(axes: Sequence[str], items: Items, *more: Variable) -> tuple[Variable, ...]:
    """Return what a server serves of a machine with these axes and items."""
    return tuple(each for each in (*recorded_variables(axes), *more) if each.signal in items.signals)


def _axes(axes: str, pattern: str, signal: str) -> dict[str, tuple[str, ...]]:
    return {pattern.format(axis.upper()): (signal.format(axis),) for axis in axes}


_MAZAK_ITEMS = Items(
    measured={
        "total_time": ("power_on_seconds",),
        "auto_time": ("operation_seconds", "automatic_seconds"),
        "cut_time": ("cutting_seconds",),
        "Fovr": ("feed_override",),
        "Frapidovr": ("rapid_override",),
        "Sovr": ("spindle_override",),
        "Fact": ("feed",),
        "Sload": ("spindle_load",),
        "Srpm": ("spindle_speed",),
        "Stemp": ("spindle_temperature",),
        "S2load": ("spindle2_load",),
        "S2rpm": ("spindle2_speed",),
        "S2temp": ("spindle2_temperature",),
        **_axes("xyzbc", "{}load", "axis_{}_load"),
        **_axes("xyzbc", "{}frt", "axis_{}_feed"),
        **_axes("xyz", "{}abs", "axis_{}_position"),
        **_axes("bc", "{}deg", "axis_{}_position"),
    },
    counted={"PartCountAct": ("part_count",), "Tool_number": ("tool_number",), "line": ("program_block",)},
    texts={"program": "program", "avail": "availability_text", "Mazak01-dtop_1": "availability_text"},
    execution="execution",
    mode="mode",
    emergency_stop="estop",
    power="power",
    conditions=True,
)

_HURCO_ITEMS = Items(
    measured={
        "Spindle_Speed": ("spindle_speed",),
        "Spindle_Override": ("spindle_override",),
        "Feed_Override": ("feed_override",),
        "Rapid_Override": ("rapid_override",),
        "Feed_Rate": ("feed",),
        "Program_Runtime_Seconds": ("program_seconds",),
        "Spindle_Time": ("cutting_seconds",),
    },
    counted={"Part_Count": ("parts",), "Current_Tool": ("tool_number",), "Block_Number": ("program_block",)},
    texts={
        "Program_Name_Running": "program",
        "Program_Name_Editing": "program_edited_text",
        "avail": "availability_text",
    },
    execution="Program_Status",
    emergency_stop="EStop_State",
)

_OKUMA_ITEMS = Items(
    measured={
        "pFovr": ("feed_override",),
        "p1Fact": ("feed",),
        "S1speed": ("spindle_speed",),
        "S1load": ("spindle_load",),
        "S1ovr": ("spindle_override",),
        "S2speed": ("spindle2_speed",),
        "pCuttingTime": ("cutting_seconds",),
        "X1load": ("axis_x_load",),
        "YS1load": ("axis_y_load",),
        "Z1load": ("axis_z_load",),
        "B1load": ("axis_b_load",),
        "C3load": ("axis_c_load",),
        "X1actm": ("axis_x_position",),
        "YI1actm": ("axis_y_position",),
        "Z1actm": ("axis_z_position",),
        "B1actw": ("axis_b_position",),
        "C3actm": ("axis_c_position",),
    },
    counted={"ppartcount": ("part_count",), "p1CurrentTool": ("tool_number",), "p1BlockNumber": ("program_block",)},
    texts={"pprogram": "program", "fmode": "functional_mode_text", "avail": "availability_text"},
    execution="pexecution",
    mode="pmode",
    emergency_stop="estop",
    conditions=True,
)

_LAYERS = tuple(f"Layer {number} {way}" for number in (1, 2, 3) for way in ("Up", "Down"))
_CNC_MILL_ITEMS = Items(
    measured={
        **_axes("xyz", "{}1_ActualPosition", "axis_{}_position"),
        **_axes("xyz", "{}1_ActualVelocity", "axis_{}_feed"),
        **_axes("xyz", "{}1_CurrentFeedback", "axis_{}_current"),
        "S1_CurrentFeedback": ("spindle_current",),
        "S1_ActualVelocity": ("spindle_velocity",),
        "S1_OutputPower": ("spindle_kilowatts",),
        "M1_CURRENT_FEEDRATE": ("feed",),
    },
    counted={"M1_sequence_number": ("program_block",)},
    texts={"M1_CURRENT_PROGRAM_NUMBER": "program"},
    execution="Machining_Process",
    executions={
        "Starting": EXECUTIONS["READY"],
        **dict.fromkeys(("Prep", "Repositioning", *_LAYERS), EXECUTIONS["ACTIVE"]),
        **dict.fromkeys(("End", "end"), EXECUTIONS["PROGRAM_COMPLETED"]),
    },
)

MAZAK = Recording(
    Identity("integrex", "Integrex", "Mazak", "Integrex 100-IV", "recorded", "NIST", 2004),
    _MAZAK_ITEMS,
    _variables("xyzbc", _MAZAK_ITEMS),
)
HURCO = Recording(
    Identity("hurco", "VMX24", "Hurco", "VMX24", "recorded", "NIST", 2005),
    _HURCO_ITEMS,
    _variables(
        "xyz",
        _HURCO_ITEMS,
        Variable(f"{COUNTERS}/MT:PartsProducedInLifetime", "parts", "UInt64"),
        Variable("MT:Production/MT:Statistics/MT:PartsProducedInLifetime", "parts", "UInt32"),
        Variable(f"{CHANNEL}/SIM:ProgramTime", "program_seconds", "Double", unit="SEC"),
        Variable(f"{CHANNEL}/SIM:ProgramEdited", "program_edited_text", "String"),
    ),
)
OKUMA = Recording(
    Identity("okuma", "Multus", "Okuma", "Multus U3000", "recorded", "Chicago", 2021),
    _OKUMA_ITEMS,
    _variables("xyzbc", _OKUMA_ITEMS, Variable(f"{CHANNEL}/SIM:FunctionalMode", "functional_mode_text", "String")),
)
CNC_MILL = Recording(
    Identity("cnc-mill", "CNC mill", "University of Michigan", "SMART lab mill", "recorded", "Ann Arbor", 2017),
    _CNC_MILL_ITEMS,
    _variables(
        "xyz",
        _CNC_MILL_ITEMS,
        *(Variable(f"MT:Monitoring/SIM:{a.upper()}/SIM:Current", f"axis_{a}_current", "Double") for a in "xyz"),
        Variable(f"{_SPINDLE}/SIM:Current", "spindle_current", "Double"),
        Variable(f"{_SPINDLE}/SIM:Velocity", "spindle_velocity", "Double"),
        Variable(f"{_SPINDLE}/SIM:OutputPower", "spindle_kilowatts", "Double"),
    ),
    read_table,
)

RECORDINGS: Mapping[str, Recording] = MappingProxyType(
    {each.identity.id: each for each in (MAZAK, HURCO, OKUMA, CNC_MILL)}
)
"""Every kind of recording by name."""

ADDED: Mapping[str, str] = MappingProxyType(
    {
        "part_count": "part_count.int64",
        "program_block": "program_block.int64",
        "execution_text": "execution_text.string",
        "mode_text": "mode_text.string",
        "functional_mode_text": "functional_mode_text.string",
        "power_text": "power_text.string",
        "availability_text": "availability_text.string",
        "program_edited_text": "program_edited_text.string",
        "program_seconds": "program_seconds.double",
        **{f"axis_{axis}_current": f"axis_{axis}_current.double" for axis in "xyz"},
        "spindle_current": "spindle_current.double",
        "spindle_velocity": "spindle_velocity.double",
        "spindle_kilowatts": "spindle_kilowatts.double",
    }
)
"""What a node map calls the signals of the recordings that are not in the signal table."""
