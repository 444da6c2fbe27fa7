"""What boards call things, and the colours of states: those of the product's pages, held equal by a test."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

Language: TypeAlias = Literal["it", "en"]
Theme: TypeAlias = Literal["light", "night"]

TAG = "managed-by:officina"
"""Marks what `officina dashboards push` may change and remove."""

STATES: Mapping[Language, Mapping[State, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                State.PROCESSING: "In lavorazione",
                State.SETUP: "Attrezzaggio",
                State.IDLE: "In attesa",
                State.INTERRUPTED: "Interrotta",
                State.MAINTENANCE: "In manutenzione",
                State.OUT_OF_SERVICE: "Fuori servizio",
                State.OFF: "Spenta",
                State.UNREACHABLE: "Spenta o non risponde",
            },
        ),
        "en": MappingProxyType(
            {
                State.PROCESSING: "Running",
                State.SETUP: "Setup",
                State.IDLE: "Idle",
                State.INTERRUPTED: "Interrupted",
                State.MAINTENANCE: "In maintenance",
                State.OUT_OF_SERVICE: "Out of service",
                State.OFF: "Off",
                State.UNREACHABLE: "Off or not answering",
            },
        ),
    },
)
"""The word of each state that is known; what is unknown is a gap, and has none."""

TOKENS = MappingProxyType(
    {
        State.PROCESSING: "--run",
        State.SETUP: "--run --idle",
        State.IDLE: "--idle",
        State.INTERRUPTED: "--ink",
        State.MAINTENANCE: "--ink-2",
        State.OUT_OF_SERVICE: "--rule",
        State.OFF: "--grid",
        State.UNREACHABLE: "--hair",
        "none": "--track",
    },
)
"""Which of the pages' colours a state has; of two, the middle, as setup is half filled there.

All are grey: an interruption that is over is ink, and a lane is history.
"""

COLOURS: Mapping[Theme, Mapping[str, str]] = MappingProxyType(
    {
        "light": MappingProxyType(
            {
                State.PROCESSING: "#66717C",
                State.SETUP: "#98A0A8",
                State.IDLE: "#C9CFD4",
                State.INTERRUPTED: "#1F2933",
                State.MAINTENANCE: "#4A5560",
                State.OUT_OF_SERVICE: "#67727C",
                State.OFF: "#D2D7DB",
                State.UNREACHABLE: "#BFC6CC",
                "none": "#C3C9CE",
            },
        ),
        "night": MappingProxyType(
            {
                State.PROCESSING: "#9AA5AF",
                State.SETUP: "#6C7780",
                State.IDLE: "#3E4851",
                State.INTERRUPTED: "#E4E7EB",
                State.MAINTENANCE: "#AEB7C0",
                State.OUT_OF_SERVICE: "#8C98A3",
                State.OFF: "#3B444C",
                State.UNREACHABLE: "#434C55",
                "none": "#434C55",
            },
        ),
    },
)
"""Those colours by theme; Grafana draws no hatching, so the word stands in the lane."""
