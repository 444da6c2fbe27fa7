"""What goes wrong with a machine, slowly, until it fails: seeded, and added to what the sound model measures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400 * SECOND
LEVEL_PERCENT = 85.0
"""Coolant in the tank of a sound machine."""
FILTER_BAR = 6.0
"""Pressure behind a clean filter while the pump runs."""
_SPINDLE_TURNS = 100.0


class Fault(StrEnum):
    """What can go wrong."""

    BEARING_WEAR = "bearing_wear"
    COOLANT_LOSS = "coolant_loss"
    TOOL_WEAR = "tool_wear"
    SPINDLE_OVERHEATING = "spindle_overheating"
    CLOGGED_FILTER = "clogged_filter"
    NONE = "none"
    """A sound machine with the same additional sensors."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """A fault that grows.

    Attributes:
        fault: see `Fault`.
        start: when it begins.
        days: from there to failure: vibration three times, tank empty, spindle at 90 degrees and more, filter closed,
            tool broken.
        seed: of the noise.
        tool: the tool that wears, where that is the fault.
    """

    fault: Fault
    start: int
    days: float
    seed: int = 1
    tool: int = 1

    @property
    def failure(self) -> int:
        """When the machine fails."""
        return self.start + round(self.days * DAY)

    def damage(self, stamp: int) -> float:
        """Return how far it has come: 0 sound, 1 failed; it goes faster towards the end."""
        share = min(1.0, max(0.0, (stamp - self.start) / (self.days * DAY)))
        return float(share**1.5)

    def apply(self, gauges: Mapping[str, float], stamp: int, tool: int) -> dict[str, float]:
        """Return what a machine with this fault measures.

        Args:
            gauges: of the sound machine.
            stamp: when.
            tool: in the spindle.
        """
        found, damage = dict(gauges), self.damage(stamp)
        noise = Random(f"{self.seed}|{stamp // SECOND}").uniform(-1.0, 1.0)  # noqa: S311 - repeatable, not secret
        turns = found["spindle_speed"] > _SPINDLE_TURNS
        level, pressure = LEVEL_PERCENT + 1.5 * noise, FILTER_BAR + 0.1 * noise
        if self.fault is Fault.BEARING_WEAR and turns:
            found["spindle_vibration"] = round(found["spindle_vibration"] * (1 + 2 * damage), 2)
            found["spindle_temperature"] = round(found["spindle_temperature"] + 6 * damage, 1)
        elif self.fault is Fault.COOLANT_LOSS:
            level -= 80.0 * damage
            found["coolant_temperature"] = round(found["coolant_temperature"] + 5 * damage, 1)
        elif self.fault is Fault.TOOL_WEAR and turns and tool == self.tool:
            found["spindle_load"] = round(found["spindle_load"] * (1 + 0.6 * damage), 1)
        elif self.fault is Fault.SPINDLE_OVERHEATING and turns:
            found["spindle_temperature"] = round(found["spindle_temperature"] + 55 * damage, 1)
        elif self.fault is Fault.CLOGGED_FILTER:
            pressure -= 4.5 * damage
            found["power_watts"] = float(round(found["power_watts"] + 250 * damage))
        return found | {
            "coolant_level.double": round(max(0.0, level), 1),
            "coolant_pressure.double": round(pressure, 2),
        }
