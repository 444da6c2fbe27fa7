"""What a copy has done, a line for each day, so that it goes on where it was ended."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import msgspec

from shopfloor.errors import ExpectedError
from shopfloor.stores.copy import Copied

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Progress:
    """The open file of one copy.

    Args:
        path: the file; made when missing.
        what: from where to where; a file of another copy is refused.

    Raises:
        ExpectedError: the file is of another copy, or cannot be used.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._newest: dict[tuple[str, int], Copied] = {}
        try:
            text = path.read_bytes() if path.exists() else b""
            lines = text.splitlines()
            heading = msgspec.json.encode(what)
            if lines and lines[0] != heading:
                raise ExpectedError(f"{path} is of another copy ({lines[0].decode()}): name another file, --progress")
            self._file = path.open("ab")
        except OSError as error:
            raise ExpectedError(f"{path} cannot be used ({error.strerror}): name another file, --progress") from error
        if not lines:
            self._append(heading)
        elif not text.endswith(b"\n"):
            self._append(b"")
        for line in lines[1:]:
            with suppress(msgspec.DecodeError, TypeError):  # a line that was cut off: that day is copied again
                self._keep(Copied(*msgspec.json.decode(line)))

    @property
    def done(self) -> set[tuple[str, int, int]]:
        """Machine, day and arrival of each day that was copied."""
        return {(each.machine, each.day, each.at) for each in self._newest.values()}

    @property
    def days(self) -> list[Copied]:
        """Each day as it was copied last."""
        return list(self._newest.values())

    def add(self, copied: Copied) -> None:
        """Note a day, durably."""
        self._keep(copied)
        self._append(msgspec.json.encode(tuple(copied)))

    def _keep(self, copied: Copied) -> None:
        self._newest[copied.machine, copied.day] = copied

    def _append(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        """Hold the file open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.close()
