"""How pages write numbers and units."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from babel.numbers import format_decimal

from api.pages.times import LOCALES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.pages.words import Words
    from shopfloor.signals import Signal

_UNITS: Mapping[str, str] = MappingProxyType(
    {"Cel": "°C", "/min": "1/min", "W.h": "Wh", "kW.h": "kWh", "deg": "°", "um": "µm"}
)
"""How people write a unit where UCUM writes it otherwise."""
MINUS = "\N{MINUS SIGN}"
_SHOWN_DIGITS = 3


def unit(ucum: str) -> str:
    """Write a unit of UCUM as people do."""
    return _UNITS.get(ucum, ucum)


def number(value: float, say: Words, *, decimals: int | None = None) -> str:
    """Write a number, as precisely as it is read at one glance unless told how many decimals."""
    if decimals is None:
        whole = len(str(int(abs(value)))) if abs(value) >= 1 else 1
        decimals = max(0, _SHOWN_DIGITS - whole)
        text = f"#,##0.{'#' * decimals}" if decimals else "#,##0"
    else:
        text = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
    return str(format_decimal(value, text, LOCALES[say.language])).replace("-", MINUS)


def label(signal: Signal, say: Words) -> str:
    """Return what a signal is called."""
    return signal.label_it if say.language == "it" else signal.label_en
