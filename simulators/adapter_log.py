"""What recordings of real machines are made of: lines of an MTConnect adapter, or rows of a table. Pure but for files.

An adapter's line is `time|item|value`, with more items in pairs behind it, or for a condition
`time|item|level|native code|native severity|qualifier|text` (MTConnect 1.3, Part 1, 6: SHDR). An asset spans several
lines between two `--multiline--` marks; no signal holds one. A table has no times: its rows are a step apart.
"""

from __future__ import annotations

import csv
import gzip
import re
from calendar import timegm
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import TextIO

COMPLAINTS_KEPT = 20
"""How many bad lines are kept word for word; all are counted."""
LEVELS = ("Fault", "Warning", "Normal", "Unavailable")
"""Of a condition, as they are read; adapters write them in any case."""
UNAVAILABLE = "UNAVAILABLE"

TABLE_BEGAN = 1_514_764_800 * SECOND
"""When a table is taken to begin, which says nothing of it itself: 2018-01-01T00:00:00Z."""
TABLE_STEP = SECOND // 10
"""Between two rows of a table."""
TABLE_PAUSE = 60 * SECOND
"""Between the last row of a file and the first of the next."""

_MULTILINE = "|--multiline--"
_CONDITION_FIELDS = 5
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")


class BadLineError(ValueError):
    """A line is not what a recording is made of; the text says what is wrong."""


class Line(NamedTuple):
    """What a recording says of one item.

    Attributes:
        stamp: when.
        item: what.
        fields: the value, or the five fields of a condition.
    """

    stamp: int
    item: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What became of the lines.

    Attributes:
        lines: read.
        bad: lines that could not be read, or values that their item cannot have.
        unmapped: values of items that are served nowhere.
        repeats: values left out because stamp, signal and value were those of the value before.
        served: values handed to the server.
        complaints: the first bad lines, with what is wrong.
    """

    lines: int = 0
    bad: int = 0
    unmapped: int = 0
    repeats: int = 0
    served: int = 0
    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        """Count a bad line and keep it if it is among the first."""
        self.bad += 1
        if len(self.complaints) < COMPLAINTS_KEPT:
            self.complaints.append(text)


def parse_line(text: str) -> list[Line]:
    """Read a line, which may name several items.

    Raises:
        BadLineError: when the stamp is no instant in UTC, an item has no name or the last has no value.
    """
    stamp, *rest = text.rstrip("\r\n").split("|")
    instant = _instant(stamp, text)
    if _is_condition(rest):
        level, *native, words = rest[1], *rest[2:5], "|".join(rest[5:])
        return [Line(instant, rest[0], (level.capitalize(), *native, words))]
    items, values = rest[::2], rest[1::2]
    if not values or len(items) != len(values) or not all(items):
        raise BadLineError(f"neither time|item|value nor a condition of seven fields: {text[:80]!r}")
    return [Line(instant, item, (value,)) for item, value in zip(items, values, strict=True)]


def read_adapter(paths: Iterable[Path], tally: Tally) -> Iterator[Line]:
    """Go over the lines of an adapter's log; bad ones are counted and left out.

    Raises:
        OSError: when a file cannot be read.
    """
    for path in paths:
        end = ""
        with _opened(path) as file:
            for text in file:
                if not text.strip():
                    continue
                tally.lines += 1
                if end or _MULTILINE in text:
                    end = _end_of_asset(text, end, tally)
                    continue
                if text.startswith("*"):  # what the adapter says of itself
                    tally.unmapped += 1
                    continue
                try:
                    yield from parse_line(text)
                except BadLineError as error:
                    tally.complain(str(error))


def read_table(paths: Iterable[Path], tally: Tally) -> Iterator[Line]:
    """Go over the cells of tables with a head, row by row; each file goes on after the one before.

    Raises:
        OSError: when a file cannot be read.
    """
    stamp = TABLE_BEGAN
    for path in paths:
        with _opened(path) as file:
            rows = csv.reader(file)
            head = next(rows, [])
            for row in rows:
                tally.lines += 1
                if len(row) != len(head):
                    tally.complain(f"a row of {len(row)} cells below a head of {len(head)}: {','.join(row)[:80]!r}")
                    continue
                for item, value in zip(head, row, strict=True):
                    yield Line(stamp, item, (value,))
                stamp += TABLE_STEP
        stamp += TABLE_PAUSE


def _opened(path: Path) -> TextIO:
    opened = gzip.open if path.suffix == ".gz" else open
    return opened(path, "rt", encoding="utf-8", errors="replace", newline=None)


def _end_of_asset(text: str, end: str, tally: Tally) -> str:
    """Return the mark at which the asset ends that this line begins or belongs to; empty when this line is it."""
    if not end:
        tally.unmapped += 1
        return text.strip().rpartition("|")[2]
    return "" if text.strip() == end else end


def _is_condition(rest: list[str]) -> bool:
    """Tell a condition from three pairs, the first of which may be unavailable too."""
    if len(rest) <= _CONDITION_FIELDS or not rest[0] or rest[1].capitalize() not in LEVELS:
        return False
    return rest[1].upper() != UNAVAILABLE or not rest[2]


def _instant(stamp: str, text: str) -> int:
    found = _STAMP.fullmatch(stamp)
    if found is None:
        raise BadLineError(f"no instant like 2017-10-31T09:00:33.124Z at the start: {text[:80]!r}")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):  # noqa: PLR2004
        raise BadLineError(f"no such date or time: {text[:80]!r}")
    fraction = int((found[7] or "0").ljust(9, "0"))
    return timegm((year, month, day, hour, minute, second)) * SECOND + fraction
