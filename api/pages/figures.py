"""How pages write numbers and units."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from api import formats

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
    least = decimals or 0
    if decimals is None:
        decimals = max(0, _SHOWN_DIGITS - len(str(int(abs(value)))))
    written = formats.number(Decimal(repr(value)), say.language, least=least, most=decimals)
    return written.replace("-", MINUS)


def label(signal: Signal, say: Words) -> str:
    """Return what a signal is called."""
    return signal.label_it if say.language == "it" else signal.label_en
