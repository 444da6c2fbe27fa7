"""A TOML file compared with the tables that it should hold: every mistake at once, each with its line."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_DEPTH_MAX = 16
"""Deepest nesting of tables and arrays; no configuration has a use for as much."""
_TOO_DEEP = "it is nested too deeply (at line 1, column 1)"
_LINE_MAX = 2000
"""In a longer line no keys are looked for; a mistake in it is told at the line of its table."""

Key: TypeAlias = "tuple[str | int, ...]"
"""Names of tables and keys from the outside in; positions in arrays of tables count from 0."""


class Problem(NamedTuple):
    """One mistake in a configuration file.

    Attributes:
        file: where.
        line: its line, 1 when the whole file is concerned.
        what: what is wrong and how to mend it.
    """

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class ConfigError(ExpectedError):
    """The configuration cannot be used.

    Attributes:
        problems: everything that is wrong, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a file."""


class Document:
    """A parsed TOML file that knows the line of each key.

    Args:
        name: of the file.
        text: what it holds.

    Raises:
        TOMLDecodeError: when it is no TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.data = _parse(text)
        self._lines = lines_of(text)
        self._others: dict[str, Document] = {}

    def take(self, table: str, other: Document) -> None:
        """Let one table be that of another file."""
        self.data = {**self.data, table: other.data.get(table, [])}
        self._others[table] = other

    def problem(self, key: Key, what: str) -> Problem:
        """Make a problem at the line of this key, or of the nearest table around it."""
        if key and key[0] in self._others:
            return self._others[str(key[0])].problem(key, what)
        around = key
        while around and around not in self._lines:
            around = around[:-1]
        name = _spell(key)
        return Problem(self.name, self._lines.get(around, 1), f"{name}: {what}" if name else what)

    def build(self, kind: Any, found: list[Problem]) -> Any:
        """Convert the whole file, or note all that is wrong and return None."""
        mistakes = list(_shape_mistakes(self.data, kind, ()))
        found += [self.problem(key, what) for key, what in mistakes]
        return None if mistakes else msgspec.convert(self.data, kind)

    def partial(self, kind: Any, table: str) -> dict[int, Any]:
        """Convert those tables of an array that are right, by their position."""
        entries = self.data.get(table)
        return {
            index: msgspec.convert(entry, kind)
            for index, entry in enumerate(entries if isinstance(entries, list) else [])
            if not any(_shape_mistakes(entry, kind, ()))
        }


def _parse(text: str) -> dict[str, Any]:
    """Parse TOML; whatever is wrong with it is told in one way."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError(_TOO_DEEP) from None
    except ValueError as error:  # the parser lets through what Python says of a number with thousands of digits
        raise tomllib.TOMLDecodeError(f"{error} (at line 1, column 1)") from None
    layer: list[object] = [data]
    for _ in range(_DEPTH_MAX):
        layer = [inner for outer in layer for inner in _children(outer)]
    if layer:
        raise tomllib.TOMLDecodeError(_TOO_DEEP)
    return data


def _children(outer: object) -> list[Any]:
    values = outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
    return [each for each in values if isinstance(each, dict | list)]


def open_document(path: Path, found: list[Problem]) -> Document | None:
    """Read a TOML file, or note why it cannot be read and return None."""
    try:
        return Document(str(path), path.read_text(encoding="utf-8"))
    except OSError as error:
        found.append(Problem(str(path), 1, f"cannot be read: {error.strerror or error}"))
    except UnicodeDecodeError:
        found.append(Problem(str(path), 1, "is no UTF-8 text: save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        found.append(Problem(str(path), int(line[1]) if line else 1, f"is no TOML: {error}"))
    return None


def _spell(key: Key) -> str:
    """Write a key as people do: `machine[0].endpoint`, counted from 1."""
    name = ""
    for part in key:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return name


_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?")
_ASSIGNMENT = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_INLINE = re.compile(r"""[{,]\s*([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*=""")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|\#.*""")


def lines_of(text: str) -> dict[Key, int]:
    """Find the line of each table and key of a TOML text; keys of inline tables lie on their table's line."""
    lines: dict[Key, int] = {}
    table: Key = ()
    counts: dict[Key, int] = {}
    open_until = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LINE_MAX:
            continue
        if open_until:
            if open_until in line:
                open_until = ""
            continue
        if depth > 0:
            depth += _depth(line)
            continue
        header = _HEADER.fullmatch(line)
        if header:
            table = _table_key(_parts(header[2]), header[1] == "[[", counts)
            lines.setdefault(table, number)
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment is None:
            continue
        key = (*table, *_parts(assignment[1]))
        lines.setdefault(key, number)
        rest = assignment[2]
        for inner in _INLINE.finditer(rest):
            lines.setdefault((*key, inner[1].strip("\"'")), number)
        open_until = next((mark for mark in ('"""', "'''") if rest.count(mark) == 1), "")
        depth = 0 if open_until else max(_depth(rest), 0)
    return lines


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _depth(line: str) -> int:
    bare = _QUOTED.sub("", line)
    return sum(map(bare.count, "[{")) - sum(map(bare.count, "]}"))


def _table_key(parts: tuple[str, ...], is_array: bool, counts: dict[Key, int]) -> Key:  # noqa: FBT001 - private
    key: Key = ()
    for position, part in enumerate(parts):
        key = (*key, part)
        if is_array and position == len(parts) - 1:
            counts[key] = counts.get(key, -1) + 1
        if key in counts:
            key = (*key, counts[key])
    return key


def _shape_mistakes(data: object, kind: Any, key: Key) -> Iterator[tuple[Key, str]]:
    """Compare data with a table's fields, one by one, so that every mistake is found."""
    if not isinstance(data, dict):
        yield key, "must be a table"
        return
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name in data.keys() - fields.keys():
        yield (*key, name), f"is not known here: use one of {', '.join(fields)}"
    for name, field in fields.items():
        if name not in data:
            if field.required:
                yield key, f"{name} is missing: add it"
            continue
        yield from _value_mistakes(data[name], field.type, (*key, name))


def _value_mistakes(value: object, kind: Any, key: Key) -> Iterator[tuple[Key, str]]:
    inner = (getattr(kind, "__args__", ()) or (None,))[-1]
    if _is_table(kind):
        yield from _shape_mistakes(value, kind, key)
    elif isinstance(value, list) and _is_table(inner):
        for index, each in enumerate(value):
            yield from _shape_mistakes(each, inner, (*key, index))
    elif isinstance(value, dict) and _is_table(inner):
        for name, each in value.items():
            yield from _shape_mistakes(each, inner, (*key, name))
    else:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield key, f"{value!r} does not fit: {str(error)[:1].lower()}{str(error)[1:]}"


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Table)
