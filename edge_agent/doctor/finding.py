"""What a doctor finds, and how it is told."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Level(StrEnum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        area: what it is about, for example `clock`.
        level: how it stands.
        what: what was found.
        mend: what to do; empty when all is well.
    """

    area: str
    level: Level
    what: str
    mend: str = ""


def good(area: str, what: str) -> Finding:
    """Find nothing wrong."""
    return Finding(area, Level.GOOD, what)


def warning(area: str, what: str, mend: str) -> Finding:
    """Find what will be wrong soon, or may be."""
    return Finding(area, Level.WARNING, what, mend)


def fault(area: str, what: str, mend: str) -> Finding:
    """Find what is wrong."""
    return Finding(area, Level.FAULT, what, mend)


def text(findings: Sequence[Finding]) -> str:
    """Write findings for people, a line each, with the mend below."""
    lines = []
    for each in findings:
        lines.append(f"{each.level:<8} {each.area:<12} {each.what}")
        if each.mend:
            lines.append(f"{'':<21} → {each.mend}")
    return "\n".join(lines)
