"""Members and machines as CSV: out for a spreadsheet, in all at once or not at all."""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ValidationError, create_model

from api.records.rules import InvalidRecordError, Problem
from api.records.schemas import MachineFields, MemberFields
from api.records.service import every, problems_of, put, visible
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.records.database import Records

BYTES_MAX = 2_000_000
"""Largest file that is read in."""
LINES_MAX = 1_000
"""Most records of one file: nobody else can write while they are written, for some seconds."""
SHAPES: Mapping[str, type[BaseModel]] = {"members": MemberFields, "machines": MachineFields}
"""What can be read in and written out, and the columns of each: its fields."""
_LISTS = frozenset({"signals"})
_CONTACT = ("name", "purpose", "phone", "email")
"""What a line of the cell of contacts says, parted by `|`; what is at the end may be left out."""
_DELIMITERS = ",;\t"
_TWICE_ENCODED = re.compile("[\u00c2-\u00c3][\u0080-\u00bf\u0152-\u0178\u2013-\u2122]")
"""A letter of UTF-8 read as Windows-1252: the file holds both."""


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
    return ["id", *(name for name in SHAPES[kind].model_fields if name != "id")]


def write(records: Records, scope: Scope, kind: str) -> str:
    """Write the records that a caller may see as CSV, in the columns that can be read in again."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns(kind), extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in visible(records, scope, kind):
        writer.writerow({name: _cell(name, getattr(row, name)) for name in columns(kind)})
    return out.getvalue()


def _cell(name: str, value: Any) -> Any:
    if name == "contacts":
        return "\n".join(_contact_line(each) for each in value)
    return " ".join(value) if name in _LISTS else value


def _contact_line(contact: Mapping[str, str]) -> str:
    said = [contact.get(name, "").replace("|", "/") for name in _CONTACT]  # a bar would part it
    while said and not said[-1]:
        said.pop()
    return " | ".join(said)


def _read_cell(name: str, text: str) -> Any:
    if name == "contacts":
        return [_contact(line) for line in text.splitlines() if line.strip()]
    return text.split() if name in _LISTS else text


def _contact(line: str) -> dict[str, str]:
    """Return a contact from its line; a part too many is a field that no contact has, and is refused as such."""
    parts = [each.strip() for each in line.split("|")]
    return {(*_CONTACT, *(f"part {number + 1}" for number in range(len(_CONTACT), len(parts))))[at]: part
            for at, part in enumerate(parts)}  # fmt: skip


def read_in(records: Records, actor: Actor, kind: str, data: bytes, *, now: int, dry_run: bool) -> Outcome:
    """Read a CSV file in: every line, or none of them.

    A record whose id is there already is changed in the columns of the file; other columns stay as they are.

    Args:
        records: the database.
        actor: who does it.
        kind: `members` or `machines`.
        data: the file, UTF-8 or Windows-1252, columns parted by comma, semicolon or tabulator.
        now: when.
        dry_run: find every problem, and write nothing.

    Raises:
        SheetError: the file is no such table.
    """
    header, lines = _table(kind, data)
    problems: list[LineProblem] = []
    counts = {"add": 0, "change": 0, "same": 0}
    try:
        with records.writing() as session:
            known = {row.id: row for row in every(session, kind)}
            seen: dict[str, int] = {}
            for number, cells in lines:
                fields = _fields(kind, header, cells, known)
                first = seen.setdefault(fields.get("id") or f"line {number}", number)
                wrong = [] if first == number else [Problem("id", f"line {first} has the same id")]
                if len(cells) > len(header):
                    wrong.append(Problem("", f"it has {len(cells)} cells, the header has {len(header)}"))
                else:
                    wrong += _misread(session, kind, fields)
                if not wrong:
                    try:
                        values = SHAPES[kind].model_validate(fields).model_dump()
                        counts[put(session, actor, kind, values, now=now)] += 1
                    except InvalidRecordError as error:
                        wrong = error.problems
                problems += [LineProblem(number, *each) for each in wrong]
            if problems or dry_run:
                _undo()
    except _Undo:
        pass
    return Outcome(counts["add"], counts["change"], counts["same"], problems)


def _misread(session: Session, kind: str, fields: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a line that has fields that cannot be read: in these, and in all others."""
    try:
        SHAPES[kind].model_validate(fields)
    except ValidationError as error:
        found = [Problem(str(each["loc"][0]) if each["loc"] else "", each["msg"]) for each in error.errors()]
    else:
        return []
    unread = {each.field for each in found}
    if "id" in unread:
        return found
    read = _partial(kind).model_validate({name: value for name, value in fields.items() if name not in unread})
    others = problems_of(session, kind, read.model_dump(exclude_unset=True))
    return found + [each for each in others if each.field not in unread]


@cache
def _partial(kind: str) -> type[BaseModel]:
    """Return the shape of a record of which fields may be missing."""
    needed = {name: field for name, field in SHAPES[kind].model_fields.items() if field.is_required()}
    optional: dict[str, Any] = {name: (field.annotation, None) for name, field in needed.items()}
    return create_model(f"Partial{SHAPES[kind].__name__}", __base__=SHAPES[kind], **optional)


def _fields(kind: str, header: list[str], cells: list[str], known: Mapping[str, Any]) -> dict[str, Any]:
    said = dict(zip(header, map(str.strip, cells), strict=False))
    row = known.get(said.get("id", ""))
    fields: dict[str, Any] = {}
    if row is not None:
        fields = {name: getattr(row, name) for name in SHAPES[kind].model_fields}
    fields |= {name: _read_cell(name, text) for name, text in said.items()}
    for name, field in SHAPES[kind].model_fields.items():
        if fields.get(name) == "" and field.annotation is not str:
            fields[name] = None  # an empty cell of a date or number is none
    return fields


def _table(kind: str, data: bytes) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and the cells of each line with the number at which it begins."""
    text = _text(data)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        header = [name.strip() for name in next(reader)]
        _check_header(kind, header)
        begins = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((begins, cells))
            begins = reader.line_num + 1
            if len(lines) > LINES_MAX:
                raise SheetError(f"the file has more than {LINES_MAX} {kind}: part it")
    except csv.Error as error:
        raise SheetError(f"line {begins}: {error}") from error
    return header, lines


def _text(data: bytes) -> str:
    """Decode a file: UTF-8, or Windows-1252 where no byte speaks against it."""
    if len(data) > BYTES_MAX:
        raise SheetError(f"the file has more than {BYTES_MAX} bytes: part it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            text = ""
        if not text or data.startswith(BOM_UTF8) or _TWICE_ENCODED.search(text):
            raise SheetError(f"line {line}: a letter is no UTF-8, as others are: save the file as CSV UTF-8") from error
    if "\0" in text or not text.strip():
        raise SheetError("the file is empty, or no text: save it as CSV UTF-8")
    return text


def _check_header(kind: str, header: list[str]) -> None:
    unknown = [name for name in header if name not in columns(kind)]
    if unknown or "id" not in header or len(set(header)) != len(header):
        raise SheetError(
            f"line 1 names the columns, each once, id among them, out of: {', '.join(columns(kind))}"
            + (f"; not {', '.join(repr(name) for name in unknown)}" if unknown else "")
        )
