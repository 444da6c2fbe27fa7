"""Units as servers write them, and what they are in the signal table's. Pure."""

from __future__ import annotations

from types import MappingProxyType

UNITS = MappingProxyType({
    "%": ("%", 1.0), "mm": ("mm", 1.0), "m": ("mm", 1000.0), "°": ("deg", 1.0), "deg": ("deg", 1.0),
    "mm/s": ("mm/s", 1.0), "mm/min": ("mm/s", 1 / 60), "m/min": ("mm/s", 1000 / 60), "m/s": ("mm/s", 1000.0),
    "/min": ("/min", 1.0), "1/min": ("/min", 1.0), "r/min": ("/min", 1.0), "rev/min": ("/min", 1.0),
    "min-1": ("/min", 1.0), "min⁻¹": ("/min", 1.0), "u/min": ("/min", 1.0), "rpm": ("/min", 1.0),
    "°c": ("Cel", 1.0), "cel": ("Cel", 1.0), "w": ("W", 1.0), "kw": ("W", 1000.0),
    "wh": ("W.h", 1.0), "w.h": ("W.h", 1.0), "w·h": ("W.h", 1.0), "kwh": ("W.h", 1000.0), "kw·h": ("W.h", 1000.0),
    "kw.h": ("W.h", 1000.0), "mwh": ("W.h", 1e6), "j": ("W.h", 1 / 3600), "kj": ("W.h", 1 / 3.6),
    "mj": ("W.h", 1e3 / 3.6),
    "ms": ("s", 0.001), "s": ("s", 1.0), "min": ("s", 60.0), "h": ("s", 3600.0),
})  # fmt: skip
"""Units in lower case: the signal table's unit and the factor to it. No meter counts in milli: `mwh`, `mj` are mega."""


def factor(told: str, wanted: str) -> float | None:
    """Return what a number in one unit is multiplied with to be in another.

    Args:
        told: as the server writes it; empty when it does not, which leaves the number as it is.
        wanted: UCUM symbol of the signal table.

    Returns:
        None when the unit is not known, or is not one of the same quantity.
    """
    if not told.strip():
        return 1.0
    unit, found = UNITS.get(told.strip().lower(), ("", 1.0))
    return found if unit == wanted else None


def seconds(value: float | None, unit: str) -> tuple[float | None, str]:
    """Turn a duration into seconds; what is no duration stays as it is."""
    found, scale = UNITS.get(unit.strip().lower(), ("", 1.0))
    if found != "s":
        return value, unit
    return (None if value is None else value * scale), "s"
