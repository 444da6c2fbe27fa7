"""The state of equipment without a control, from its power or from a contact. Pure.

It speaks as a machine's item state (OPC 40001-1, 12), so that everything behind the spool reads it as a machine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shopfloor.samples import Value

NOT_AVAILABLE, NOT_EXECUTING, EXECUTING = 0, 2, 3
"""MachineryItemState numbers (OPC 40001-1, 12): off, idle, processing."""
_LEVELS = (NOT_AVAILABLE, NOT_EXECUTING, EXECUTING)


class StateRule(Protocol):
    """Tells the item state from the value of one signal."""

    def item_state(self, value: Value | None) -> int | None:
        """Take in a value; None, when there is none, has no state."""


@dataclass(slots=True)
class ByPower:
    """Off, idle and processing by two thresholds.

    Attributes:
        idle_from: watts at and above which it is powered.
        processing_from: watts at and above which it works.
        hysteresis: watts by which it must fall below a threshold to be under it again.
    """

    idle_from: float
    processing_from: float
    hysteresis: float
    _level: int | None = None

    def item_state(self, value: Value | None) -> int | None:
        """Take in a power in watts; without one there is no state, and the next one is judged afresh."""
        if value is None or isinstance(value, str):
            self._level = None
            return None
        thresholds = (self.idle_from, self.processing_from)
        level = self._level
        if level is None:
            level = sum(value >= threshold for threshold in thresholds)
        while level < len(thresholds) and value >= thresholds[level]:
            level += 1
        while level and value < thresholds[level - 1] - self.hysteresis:
            level -= 1
        self._level = level
        return _LEVELS[level]


@dataclass(frozen=True, slots=True)
class ByContact:
    """Processing while the contact is closed, else idle or off.

    Attributes:
        open_is: item state while the contact is open.
    """

    open_is: int

    def item_state(self, value: Value | None) -> int | None:
        """Take in a contact: true is closed."""
        if value is None:
            return None
        return EXECUTING if value else self.open_is
