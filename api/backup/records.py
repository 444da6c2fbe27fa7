"""The records as one file of lines, the same for SQLite and PostgreSQL: taken from one state, put back whole."""

from __future__ import annotations

import base64
import gzip
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import MetaData, Table, func, insert, select, text

from api.records import database
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from api.records.database import Records

LEFT_OUT = frozenset({"alembic_version", "leases"})
"""What tells of the running installation, not of what it knows."""
ROWS = 1_000
"""Rows that are read or entered at a time."""


class RestoreError(ExpectedError):
    """A backup cannot be put back; the sentence says why, and nothing was changed."""


def dump(records: Records, file: Path) -> dict[str, int]:
    """Write every row of one state of the records. Returns how many there are, by table.

    Raises:
        RecordsUnavailableError: the database does not answer.
    """
    counts: dict[str, int] = {}
    with records.reading() as session, gzip.open(file, "wb", compresslevel=6) as out:
        for table in _tables(session.connection()):
            name = str(table.name)
            counts[name] = 0
            for row in _rows(session, table):
                out.write(msgspec.json.encode([name, [_plain(value) for value in row]]) + b"\n")
                counts[name] += 1
    return counts


def load(records: Records, file: Path, *, revision: str) -> dict[str, int]:
    """Put rows back into an empty database, all or none. Returns how many there are now, by table.

    Args:
        records: of a database without tables.
        file: as `dump` wrote it.
        revision: of the tables that the rows are of; afterwards the database is of the newest.

    Raises:
        RestoreError: the database holds something already, or the rows do not fit its tables.
    """
    version = database.version_of(records)
    if version.found is not None:
        raise RestoreError("the database of records is not empty: name an empty one as `records`, and restore again")
    database.upgrade(records, revision)
    with records.migrating() as connection:
        tables = {str(table.name): table for table in _tables(connection)}
        for table in reversed(list(tables.values())):  # what migrations entered is in the backup too
            if connection.execute(select(table).limit(1)).first() is not None:
                connection.execute(table.delete())
        for name, rows in _grouped(file):
            if name not in tables:
                raise RestoreError(f"the backup holds a table {name} that version {revision} does not have")
            columns = list(tables[name].columns)
            values = [{c.name: _typed(c.type, v) for c, v in zip(columns, row, strict=True)} for row in rows]
            connection.execute(insert(tables[name]), values)
        counts = {
            name: connection.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()
        }
        _advance_sequences(connection, tables.values())
    database.upgrade(records)
    return counts


def _tables(connection: Connection) -> list[Table]:
    """Return the tables as they are, those that others refer to first."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]


def _rows(session: Session, table: Table) -> Iterator[Any]:
    ordered = select(table).order_by(*table.primary_key.columns)
    with session.execute(ordered, execution_options={"yield_per": ROWS}) as found:
        yield from found


def _grouped(file: Path) -> Iterator[tuple[str, list[list[Any]]]]:
    """Yield rows of one table at a time, so many at once."""
    name = ""
    rows: list[list[Any]] = []
    with gzip.open(file, "rb") as lines:
        for line in lines:
            table, row = msgspec.json.decode(line)
            if rows and (table != name or len(rows) == ROWS):
                yield name, rows
                rows = []
            name = table
            rows.append(row)
    if rows:
        yield name, rows


def _plain(value: Any) -> Any:
    """Write a value as JSON has it; what is none of JSON's kinds is told apart by its column when it is read."""
    match value:
        case bytes() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case Decimal():
            return str(value)
        case date():
            return value.isoformat()
        case _:
            return value


def _typed(kind: Any, value: Any) -> Any:
    """Read a value as its column has it."""
    try:
        wanted = kind.python_type
    except NotImplementedError:
        return value
    if value is None or isinstance(value, dict | list):
        return value
    if wanted is bytes:
        return base64.b64decode(value)
    if wanted in (date, datetime):
        return wanted.fromisoformat(value)
    return Decimal(value) if wanted is Decimal else value


def _advance_sequences(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL count on from the highest number that a row has."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in table.primary_key.columns:
            sequence = connection.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
            )
            highest = connection.scalar(select(func.max(column))) if sequence else None
            if sequence and highest is not None:
                connection.execute(
                    text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest}
                )
