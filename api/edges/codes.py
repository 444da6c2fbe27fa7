"""One-time codes: each enrols one edge agent, once, for a while."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from shopfloor.signals import is_identifier

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is read as another
_GROUPS, _GROUP_LENGTH = 4, 6  # 120 bits: not to be guessed, so that a fast hash is enough to keep it
CODE_LENGTH_MAX = 120


class InvalidCodeError(Exception):
    """The code enrols nobody: wrong, used or expired; which of them is not said."""

    def __init__(self) -> None:
        super().__init__("it is wrong, used or expired: ask the administrator for a new one")


class Code(NamedTuple):
    """What a code says.

    Attributes:
        publisher: the agent that it enrols.
        digest: what is kept of it.
    """

    publisher: str
    digest: str


def make_code(publisher: str) -> str:
    """Return a new code for an agent, to be shown once: `modena.7KQ2MX-…`."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return f"{publisher}.{'-'.join(groups)}"


def read_code(text: str) -> Code:
    """Read a code as somebody typed it: spaces, hyphens and lower case do not matter.

    Raises:
        InvalidCodeError: it is none.
    """
    publisher, dot, typed = text.strip().partition(".")
    letters = typed.upper().replace("-", "").replace(" ", "")
    is_whole = len(text) <= CODE_LENGTH_MAX and len(letters) == _GROUPS * _GROUP_LENGTH and set(letters) <= {*_LETTERS}
    if not dot or not is_whole or not is_identifier(publisher):
        raise InvalidCodeError
    return Code(publisher, hashlib.sha256(f"{publisher}.{letters}".encode()).hexdigest())
