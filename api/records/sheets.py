"""Members and machines as CSV: out for a spreadsheet, in all at once or not at all."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ValidationError

from api.records.rules import InvalidRecordError
from api.records.schemas import MachineFields, MemberFields
from api.records.service import every, put, visible
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.records.database import Records

BYTES_MAX = 2_000_000
"""Largest file that is read in."""
PROBLEMS_MAX = 500
"""Most problems that are listed; what is beyond shows when these are mended."""
SHAPES: Mapping[str, type[BaseModel]] = {"members": MemberFields, "machines": MachineFields}
"""What can be read in and written out, and the columns of each: its fields."""
_NESTED = frozenset({"contacts"})
_LISTS = frozenset({"signals"})


class SheetError(ExpectedError):
    """The file is no table that can be read; the sentence says why."""


class LineProblem(NamedTuple):
    """One thing that is wrong with a line.

    Attributes:
        line: number of the line in the file, the header is 1.
        field: which column, empty for the whole line.
        detail: what is wrong, and the mend.
    """

    line: int
    field: str
    detail: str


class Outcome(NamedTuple):
    """What reading a file in has done, or would do.

    Attributes:
        added: records that were not there.
        changed: records that were otherwise.
        same: records that stay as they are.
        problems: all that is wrong; when there is any, nothing was written.
    """

    added: int
    changed: int
    same: int
    problems: list[LineProblem]


class _Undo(Exception):  # noqa: N818 - it is no error: it ends a transaction without keeping it
    pass


def _undo() -> None:
    raise _Undo


def columns(kind: str) -> list[str]:
    """Return the columns of a kind."""
    return ["id", *(name for name in SHAPES[kind].model_fields if name not in _NESTED and name != "id")]


def write(records: Records, scope: Scope, kind: str) -> str:
    """Write the records that a caller may see as CSV, in the columns that can be read in again."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns(kind), extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in visible(records, scope, kind):
        writer.writerow({name: _cell(getattr(row, name)) for name in columns(kind)})
    return out.getvalue()


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def read_in(records: Records, actor: Actor, kind: str, data: bytes, *, now: int, dry_run: bool) -> Outcome:
    """Read a CSV file in: every line, or none of them.

    A record whose id is there already is changed in the columns of the file; other columns stay as they are.

    Args:
        records: the database.
        actor: who does it.
        kind: `members` or `machines`.
        data: the file, UTF-8 or Windows-1252, columns parted by comma or semicolon.
        now: when.
        dry_run: find every problem, and write nothing.

    Raises:
        SheetError: the file is no such table.
    """
    lines = _lines(kind, data)
    problems: list[LineProblem] = []
    counts = {"add": 0, "change": 0, "same": 0}
    try:
        with records.writing() as session:
            known = {row.id: row for row in every(session, kind)}
            seen: dict[str, int] = {}
            for number, cells in lines:
                try:
                    values = _values(kind, cells, known)
                    if (first := seen.setdefault(values["id"], number)) != number:
                        problems.append(LineProblem(number, "id", f"line {first} has the same id"))
                    else:
                        counts[put(session, actor, kind, values, now=now)] += 1
                except (ValidationError, InvalidRecordError) as error:
                    problems += _problems(number, error)
            if problems or dry_run:
                _undo()
    except _Undo:
        pass
    return Outcome(counts["add"], counts["change"], counts["same"], problems[:PROBLEMS_MAX])


def _problems(line: int, error: ValidationError | InvalidRecordError) -> list[LineProblem]:
    if isinstance(error, InvalidRecordError):
        return [LineProblem(line, each.field, each.detail) for each in error.problems]
    return [LineProblem(line, str(each["loc"][0]) if each["loc"] else "", each["msg"]) for each in error.errors()]


def _values(kind: str, cells: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    row = known.get(cells.get("id", ""))
    fields: dict[str, Any] = {}
    if row is not None:
        fields = {name: getattr(row, name) for name in SHAPES[kind].model_fields}
    fields |= {name: text.split() if name in _LISTS else text for name, text in cells.items()}
    for name, field in SHAPES[kind].model_fields.items():
        if fields.get(name) == "" and field.annotation is not str:
            fields[name] = None  # an empty cell of a date or number is none
    return SHAPES[kind].model_validate(fields).model_dump()


def _lines(kind: str, data: bytes) -> list[tuple[int, dict[str, str]]]:
    if len(data) > BYTES_MAX:
        raise SheetError(f"the file has more than {BYTES_MAX} bytes: part it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" in text or not text.strip():
        raise SheetError("the file is empty, or no text")
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        _check_header(kind, header)
        return [
            (reader.line_num, _cells(header, cells, reader.line_num))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise SheetError(f"line {reader.line_num}: {error}") from error


def _cells(header: list[str], cells: list[str], line: int) -> dict[str, str]:
    if len(cells) > len(header):
        raise SheetError(f"line {line} has {len(cells)} cells, the header has {len(header)}")
    return dict(zip(header, map(str.strip, cells), strict=False))


def _check_header(kind: str, header: list[str]) -> None:
    unknown = [name for name in header if name not in columns(kind)]
    if unknown or "id" not in header or len(set(header)) != len(header):
        raise SheetError(
            f"line 1 names the columns, each once, id among them, out of: {', '.join(columns(kind))}"
            + (f"; not {', '.join(repr(name) for name in unknown)}" if unknown else "")
        )
