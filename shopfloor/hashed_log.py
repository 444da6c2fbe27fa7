"""An append-only log whose entries are chained by their digests: who changes one breaks all that follow. Pure.

A digest covers the digest before it, the number and the body. Whoever may write to the whole log can still cut off its
end or build another one from the start: keep the newest number and digest somewhere else, and verify against it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORM = "officina.log.1"


class BrokenLogError(ExpectedError):
    """The log is not as it was written; the sentence names the entry."""


class Entry(NamedTuple):
    """One entry.

    Attributes:
        number: 1, 2, 3 and so on, without a gap.
        body: what is logged, as it was written.
        digest: SHA-256 of this entry and, through the digest before it, of all before; hexadecimal.
    """

    number: int
    body: str
    digest: str


START = Entry(0, "", hashlib.sha256(_FORM.encode()).hexdigest())
"""What the first entry follows."""


def canonical(document: Mapping[str, Any]) -> str:
    """Write a document as the one JSON text that it has: keys sorted, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def seal(last: Entry, body: str) -> Entry:
    """Return the entry that follows another one.

    Args:
        last: the newest entry, `START` before the first.
        body: what is logged.
    """
    number = last.number + 1
    text = f"{_FORM}\n{last.digest}\n{number}\n{body}"
    return Entry(number, body, hashlib.sha256(text.encode()).hexdigest())


def verify(entries: Iterable[Entry], *, last: Entry = START) -> Entry:
    """Check a chain.

    Args:
        entries: in order.
        last: what the first of them follows.

    Returns:
        The newest entry; `last` when there is none.

    Raises:
        BrokenLogError: an entry was changed, is missing, or was put in.
    """
    for entry in entries:
        expected = seal(last, entry.body)
        if entry.number != expected.number:
            raise BrokenLogError(f"entry {expected.number} is missing: {entry.number} follows {last.number}")
        if entry.digest != expected.digest:
            raise BrokenLogError(f"entry {entry.number}, or one before it, is not as it was written")
        last = entry
    return last
