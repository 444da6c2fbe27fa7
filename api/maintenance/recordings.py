"""Recordings as samples: text of MTConnect adapters and tables of values. Pure but for opening the file.

A line of an adapter is `time|item|value`, several pairs to a line, or a condition
`time|item|level|native code|native severity|qualifier|text`. A table is CSV with a `timestamp` column; stamps without a
zone are taken for UTC, which the source should be asked about.
"""

from __future__ import annotations

import csv
import gzip
import re
from typing import TYPE_CHECKING

from api.maintenance.conditions import CONDITION, Condition
from shopfloor.errors import ExpectedError
from shopfloor.periods import InvalidInstantError, parse_instant
from shopfloor.samples import BAD_NO_COMMUNICATION, GOOD, Sample
from shopfloor.signals import UnknownSignalError, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from shopfloor.samples import Value

_LEVELS = {"normal", "warning", "fault", "unavailable"}
_CONDITION_FIELDS = 5
_EXECUTING, _NOT_EXECUTING = 3, 2
_ACTIVE = {"ACTIVE", "WAIT", "RUNNING"}

ITEMS = {
    **dict.fromkeys(("execution", "pexecution", "p1execution", "Program_Status"), "item_state"),
    **dict.fromkeys(("program", "pprogram", "Program_Name_Running"), "program"),
    **dict.fromkeys(("Tool_number", "Current_Tool", "p1CurrentTool"), "tool_number"),
    **dict.fromkeys(("PartCountAct", "Part_Count", "ppartcount"), "parts"),
    **dict.fromkeys(("Srpm", "S1speed", "Spindle_Speed"), "spindle_speed"),
    **dict.fromkeys(("Sload", "S1load"), "spindle_load"),
    **dict.fromkeys(("Stemp", "S1temp"), "spindle_temperature"),
    "S2rpm": "spindle2_speed", "S2speed": "spindle2_speed", "S2load": "spindle2_load", "S2temp": "spindle2_temperature",
    "total_time": "power_on_seconds", "auto_time": "operation_seconds", "cut_time": "cutting_seconds",
    "pCuttingTime": "cutting_seconds", "Spindle_Time": "spindle_seconds.counter",
    **{f"{axis.upper()}load": f"axis_{axis}_load" for axis in "xyzbc"},
    **{f"{axis.upper()}1load": f"axis_{axis}_load" for axis in "xyzbc"},
}  # fmt: skip
"""Items of adapters by the signal that they are."""

_TEXTS = {"program"}


class UnreadableRecordingError(ExpectedError):
    """The file is no recording that can be read; the sentence says why and what is read."""


def read_recording(paths: Sequence[Path], machine: str, signal: str = "") -> list[Sample]:
    """Read a recording into samples in the order of stamp and signal.

    Args:
        paths: files, plain or gzipped; `.csv` for tables, anything else for an adapter's text.
        machine: identifier that the samples get.
        signal: what the one value column of a table is, for example `machine_temperature.double`; else the column's
            own name, or the file's name where the column is called `value`.

    Raises:
        UnreadableRecordingError: when a file cannot be opened or holds no samples.
    """
    found: dict[tuple[int, str], Sample] = {}
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8", errors="replace") as file:
                is_table = ".csv" in path.suffixes
                samples = _table(file, machine, signal, path.name) if is_table else read_adapter(file, machine)
                for each in samples:
                    found[each.stamp, each.signal] = each
        except (OSError, EOFError) as error:
            raise UnreadableRecordingError(f"{path} cannot be read: {error}") from error
    if not found:
        raise UnreadableRecordingError(f"{', '.join(map(str, paths))}: no samples; an adapter's lines are "
                                       "time|item|value, a table is CSV with a column timestamp")  # fmt: skip
    return [found[key] for key in sorted(found)]


def read_adapter(lines: Iterable[str], machine: str) -> Iterator[Sample]:
    """Go over the samples of an adapter's text; two values of one signal and stamp are kept apart by a nanosecond."""
    last: dict[str, int] = {}
    asset_end = ""
    for line in lines:
        text = line.rstrip("\r\n")
        if asset_end:
            asset_end = "" if text == asset_end else asset_end
            continue
        stamp_text, _, rest = text.partition("|")
        if rest.startswith("@"):
            asset_end = match[0] if (match := re.search(r"--multiline--\S+$", text)) else ""
            continue
        try:
            stamp = parse_instant(stamp_text)
        except InvalidInstantError:
            continue
        for name, value in _pairs(rest.split("|")):
            at = max(stamp, last.get(name, 0) + 1) if stamp == last.get(name, 0) // 1000 * 1000 else stamp
            if name == CONDITION:
                at = stamp if stamp > last.get(name, 0) or stamp < last[name] // 1000 * 1000 else last[name] + 1
            last[name] = at
            status = GOOD if value is not None else BAD_NO_COMMUNICATION
            yield Sample(machine, name, at, value, status)


def _pairs(fields: list[str]) -> Iterator[tuple[str, Value | None]]:
    if len(fields) > _CONDITION_FIELDS and fields[1].strip().lower() in _LEVELS:
        item, level, code, severity, _, *texts = fields
        yield CONDITION, Condition(item, level.lower(), code, "|".join(texts).strip(), severity).encode()
        return
    for item, text in zip(fields[::2], fields[1::2], strict=False):
        name = ITEMS.get(item)
        if name is None:
            if item == "power" and text == "OFF":
                yield "item_state", 0
            continue
        value = _value(name, text.strip())
        if value is not None or text == "UNAVAILABLE":
            yield name, value


def _value(name: str, text: str) -> Value | None:
    if text == "UNAVAILABLE":
        return None
    if name in _TEXTS:
        return text
    if name == "item_state":
        return _EXECUTING if text in _ACTIVE else _NOT_EXECUTING
    try:
        number = float(text)
    except ValueError:
        return None
    if number - number != 0.0:
        return None
    return int(number) if name in {"tool_number", "parts"} else number


def _table(file: Iterable[str], machine: str, signal: str, name: str) -> Iterator[Sample]:
    rows = csv.DictReader(file)
    columns = [each for each in rows.fieldnames or () if each != "timestamp"]
    if "timestamp" not in (rows.fieldnames or ()) or not columns:
        raise UnreadableRecordingError(f"{name} has no column timestamp beside one of values")
    names = {column: _signal(signal if len(columns) == 1 and signal else column, name) for column in columns}
    for number, row in enumerate(rows, 2):
        text = (row["timestamp"] or "").strip()
        try:
            stamp = parse_instant(text if re.search(r"[Zz]$|[+-]\d\d:\d\d$", text) else f"{text}Z")
        except InvalidInstantError as error:
            raise UnreadableRecordingError(f"{name}, line {number}: {error}") from error
        for column, of in names.items():
            value = _value(of, (row[column] or "").strip())
            if value is not None:
                yield Sample(machine, of, stamp, value)


def _signal(column: str, name: str) -> str:
    stem = name.partition(".")[0] if column == "value" else column
    wanted = column if "." in column else re.sub(r"[^a-z0-9_]+", "_", stem.lower()).strip("_")[:60]
    try:
        return find(wanted).name
    except UnknownSignalError:
        try:
            return find(f"{wanted}.double").name
        except UnknownSignalError as error:
            raise UnreadableRecordingError(f"{name}: {error.args[0]}") from error
