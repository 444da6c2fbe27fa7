"""How the items of a Mazak's MTConnect adapter become signals. Pure.

The recordings are those of the NIST Smart Manufacturing Systems test bed (Integrex 100-IV); values and conditions
follow MTConnect 1.3, Part 2. Every line of an item named here becomes at least one value with the stamp of the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulators.tree import Served, Variable, recorded_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulators.machine import Value
    from simulators.replay import Line

AXES = ("x", "y", "z", "b", "c")
UNAVAILABLE = "UNAVAILABLE"


class UnreadableValueError(ValueError):
    """The item is known, the value is not."""


class Execution(NamedTuple):
    """What a value of `execution` means: item state, program state, channel state."""

    item_state: int
    program_state: int
    channel_state: int


_NOT_EXECUTING, _EXECUTING = 2, 3
_RUNNING, _ENDED, _INTERRUPTED, _ABORTED = 1, 2, 3, 4
_CHANNEL_ACTIVE, _CHANNEL_INTERRUPTED, _CHANNEL_RESET = 0, 1, 2
_HELD = Execution(_NOT_EXECUTING, _INTERRUPTED, _CHANNEL_INTERRUPTED)

EXECUTIONS: Mapping[str, Execution] = {
    "ACTIVE": Execution(_EXECUTING, _RUNNING, _CHANNEL_ACTIVE),
    "WAIT": Execution(_EXECUTING, _RUNNING, _CHANNEL_ACTIVE),
    "READY": Execution(_NOT_EXECUTING, _ENDED, _CHANNEL_RESET),
    "PROGRAM_COMPLETED": Execution(_NOT_EXECUTING, _ENDED, _CHANNEL_RESET),
    "STOPPED": Execution(_NOT_EXECUTING, _ABORTED, _CHANNEL_RESET),
    "INTERRUPTED": _HELD,
    "FEED_HOLD": _HELD,
    "PROGRAM_STOPPED": _HELD,
    "OPTIONAL_STOP": _HELD,
}
"""MTConnect 1.3, Part 2, 6.8: Execution."""


class Mode(NamedTuple):
    """What a value of `mode` means: channel mode, operation mode of the control, operation mode of the machine."""

    channel_mode: int
    control_mode: int
    operation_mode: int


MODES: Mapping[str, Mode] = {
    "AUTOMATIC": Mode(0, 1, 3),
    "SEMI_AUTOMATIC": Mode(0, 3, 3),
    "MANUAL_DATA_INPUT": Mode(1, 0, 2),
    "MANUAL": Mode(2, 0, 2),
    "EDIT": Mode(7, 5, 0),
}
"""MTConnect 1.3, Part 2, 6.8: ControllerMode."""

NUMBERS: Mapping[str, tuple[str, type[int | float]]] = {
    "total_time": ("power_on_seconds", float),
    "auto_time": ("operation_seconds", float),
    "cut_time": ("cutting_seconds", float),
    "PartCountAct": ("part_count", int),
    "Tool_number": ("tool_number", int),
    "line": ("program_block", int),
    "Fovr": ("feed_override", float),
    "Frapidovr": ("rapid_override", float),
    "Sovr": ("spindle_override", float),
    "Fact": ("feed", float),
    "Sload": ("spindle_load", float),
    "Srpm": ("spindle_speed", float),
    "Stemp": ("spindle_temperature", float),
    "S2load": ("spindle2_load", float),
    "S2rpm": ("spindle2_speed", float),
    "S2temp": ("spindle2_temperature", float),
    **{f"{axis.upper()}load": (f"axis_{axis}_load", float) for axis in AXES},
    **{f"{axis.upper()}frt": (f"axis_{axis}_feed", float) for axis in AXES},
    **{f"{axis.upper()}{'deg' if axis in 'bc' else 'abs'}": (f"axis_{axis}_position", float) for axis in AXES},
}
"""Items that are numbers: their signal and type."""

_ALSO = {"auto_time": "automatic_seconds"}
_FAULT, _WARNING, _NORMAL, _GONE = "Fault", "Warning", "Normal", "Unavailable"


class Mazak:
    """Translates the lines of one recording, in their order."""

    variables: tuple[Variable, ...] = recorded_variables(AXES)
    """What a server of such a recording serves."""

    def __init__(self) -> None:
        self._execution: str | None = None
        self._powered: bool | None = None
        self._alarms: dict[tuple[str, str], tuple[str, bool]] = {}
        self._texts: Mapping[str, Callable[[int, str | None], Iterator[Served]]] = {
            "execution": self._on_execution,
            "mode": self._on_mode,
            "estop": self._on_emergency_stop,
            "power": self._on_power,
            "program": self._on_program,
            "avail": self._on_availability,
            "Mazak01-dtop_1": self._on_availability,
        }

    def translate(self, line: Line) -> list[Served] | None:
        """Return the values that a line stands for, one or more; None when the item is not mapped.

        Raises:
            UnreadableValueError: when the value is none that the item can have.
        """
        if len(line.fields) > 1:
            return list(self._on_condition(line))
        text = None if line.fields[0] == UNAVAILABLE else line.fields[0]
        if line.item in NUMBERS:
            return list(self._on_number(line, text))
        handler = self._texts.get(line.item)
        return None if handler is None else list(handler(line.stamp, text))

    def _on_number(self, line: Line, text: str | None) -> Iterator[Served]:
        signal, number = NUMBERS[line.item]
        value: Value | None = None
        if text is not None:
            try:
                value = number(float(text))
            except (ValueError, OverflowError):
                raise UnreadableValueError(f"{line.item} is no number: {text[:40]!r}") from None
        yield Served(line.stamp, signal, value)
        if line.item in _ALSO:
            yield Served(line.stamp, _ALSO[line.item], value)

    def _on_execution(self, stamp: int, text: str | None) -> Iterator[Served]:
        if text is not None and text not in EXECUTIONS:
            raise UnreadableValueError(f"execution is none of {', '.join(EXECUTIONS)}: {text[:40]!r}")
        self._execution = text
        facts = EXECUTIONS[text] if text is not None else None
        yield Served(stamp, "execution_text", text)
        yield self._item_state(stamp)
        yield Served(stamp, "program_state", facts.program_state if facts else None)
        yield Served(stamp, "channel_state", facts.channel_state if facts else None)

    def _on_mode(self, stamp: int, text: str | None) -> Iterator[Served]:
        if text is not None and text not in MODES:
            raise UnreadableValueError(f"mode is none of {', '.join(MODES)}: {text[:40]!r}")
        mode = MODES[text] if text is not None else None
        yield Served(stamp, "mode_text", text)
        yield Served(stamp, "channel_mode", mode.channel_mode if mode else None)
        yield Served(stamp, "control_mode", mode.control_mode if mode else None)
        yield Served(stamp, "operation_mode", mode.operation_mode if mode else None)

    def _on_emergency_stop(self, stamp: int, text: str | None) -> Iterator[Served]:
        if text not in {None, "ARMED", "TRIGGERED"}:
            raise UnreadableValueError(f"estop is neither ARMED nor TRIGGERED: {text!r}")
        yield Served(stamp, "emergency_stop", None if text is None else text == "TRIGGERED")

    def _on_power(self, stamp: int, text: str | None) -> Iterator[Served]:
        if text not in {None, "ON", "OFF"}:
            raise UnreadableValueError(f"power is neither ON nor OFF: {text!r}")
        self._powered = None if text is None else text == "ON"
        yield Served(stamp, "power_text", text)
        yield self._item_state(stamp)

    def _on_program(self, stamp: int, text: str | None) -> Iterator[Served]:
        yield Served(stamp, "program", text)

    def _on_availability(self, stamp: int, text: str | None) -> Iterator[Served]:
        yield Served(stamp, "availability_text", text)

    def _item_state(self, stamp: int) -> Served:
        if self._powered is False:
            return Served(stamp, "item_state", 0)
        return Served(stamp, "item_state", EXECUTIONS[self._execution].item_state if self._execution else None)

    def _on_condition(self, line: Line) -> Iterator[Served]:
        """Keep the set of active codes and show the newest.

        `Normal` without a code clears all codes of the item, with one that code alone; `Unavailable` says that the
        adapter has lost the control.
        """
        level, code, text = line.fields[0], line.fields[1], line.fields[-1].strip()
        if level not in {_FAULT, _WARNING, _NORMAL, _GONE}:
            raise UnreadableValueError(f"{line.item} has the level {level[:40]!r}")
        if level in {_FAULT, _WARNING}:
            self._alarms.pop((line.item, code), None)
            self._alarms[line.item, code] = (f"{code} {text}".strip(), level == _FAULT)
        elif level == _NORMAL and code:
            self._alarms.pop((line.item, code), None)
        else:
            self._alarms = {key: alarm for key, alarm in self._alarms.items() if key[0] != line.item}
        lost = level == _GONE
        newest = next(reversed(self._alarms.values()), ("", False))[0]
        yield Served(line.stamp, "alarm_blocking", None if lost else any(fault for _, fault in self._alarms.values()))
        yield Served(line.stamp, "alarm", None if lost else newest)
