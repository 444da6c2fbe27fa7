"""How the items of a machine's MTConnect adapter become signals. Pure.

Values and conditions follow MTConnect 1.3, Part 2. Which item of which machine says what is a map of its own (`Items`);
the maps of the recordings are in `simulators.recordings`. Every line of a mapped item becomes at least one value with
the stamp of the line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from simulators.adapter_log import UNAVAILABLE
from simulators.tree import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulators.adapter_log import Line
    from simulators.machine import Value


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Which items of an adapter say what; empty where it has none.

    Attributes:
        measured: numbers, and the signals that they become.
        counted: whole numbers, and the signals that they become.
        texts: texts, and the signal that each becomes.
        execution: what tells whether it executes.
        executions: what the values of `execution` mean.
        mode: of the control.
        emergency_stop: ARMED or TRIGGERED.
        power: ON or OFF.
        conditions: whether it sends conditions.
    """

    measured: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    execution: str
    executions: Mapping[str, Execution] = field(default_factory=lambda: EXECUTIONS)
    mode: str = ""
    emergency_stop: str = ""
    power: str = ""
    conditions: bool = False

    @property
    def signals(self) -> frozenset[str]:
        """Every signal that the items become."""
        signals = {signal for each in (*self.measured.values(), *self.counted.values()) for signal in each}
        signals |= {*self.texts.values(), "execution_text", "item_state", "program_state", "channel_state"}
        if self.mode:
            signals |= {"mode_text", "channel_mode", "control_mode", "operation_mode"}
        if self.emergency_stop:
            signals.add("emergency_stop")
        if self.power:
            signals.add("power_text")
        if self.conditions:
            signals |= {"alarm", "alarm_blocking"}
        return frozenset(signals)


_FAULT, _WARNING, _NORMAL, _GONE = "Fault", "Warning", "Normal", "Unavailable"


class Translator:
    """Translates the lines of one recording, in their order.

    Args:
        items: which items the machine has.
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        self._execution: str | None = None
        self._powered: bool | None = None
        self._alarms: dict[tuple[str, str], tuple[str, bool]] = {}
        handlers: dict[str, Callable[[int, str | None], Iterator[Served]]] = {
            items.execution: self._on_execution,
            items.mode: self._on_mode,
            items.emergency_stop: self._on_emergency_stop,
            items.power: self._on_power,
        }
        self._handlers = {item: handler for item, handler in handlers.items() if item}

    def translate(self, line: Line) -> list[Served] | None:
        """Return the values that a line stands for, one or more; None when the item is not mapped.

        Raises:
            UnreadableValueError: when the value is none that the item can have.
        """
        if len(line.fields) > 1:
            return list(self._on_condition(line)) if self._items.conditions else None
        text = None if line.fields[0] == UNAVAILABLE else line.fields[0]
        if line.item in self._items.measured:
            return list(_numbers(line, text, self._items.measured[line.item], float))
        if line.item in self._items.counted:
            return list(_numbers(line, text, self._items.counted[line.item], int))
        if line.item in self._items.texts:
            return [Served(line.stamp, self._items.texts[line.item], text)]
        handler = self._handlers.get(line.item)
        return None if handler is None else list(handler(line.stamp, text))

    def _on_execution(self, stamp: int, text: str | None) -> Iterator[Served]:
        executions = self._items.executions
        if text is not None and text not in executions:
            raise UnreadableValueError(
                f"{self._items.execution} is none of {', '.join(executions)}: {text[:40]!r}",
            )
        self._execution = text
        facts = executions[text] if text is not None else None
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

    def _item_state(self, stamp: int) -> Served:
        if self._powered is False:
            return Served(stamp, "item_state", 0)
        return Served(
            stamp, "item_state", self._items.executions[self._execution].item_state if self._execution else None
        )

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


def _numbers(line: Line, text: str | None, signals: tuple[str, ...], number: type[int | float]) -> Iterator[Served]:
    value: Value | None = None
    if text:  # an adapter writes nothing where the control says nothing
        try:
            value = number(float(text))
        except (ValueError, OverflowError):
            raise UnreadableValueError(f"{line.item} is no number: {text[:40]!r}") from None
    for signal in signals:
        yield Served(line.stamp, signal, value)
