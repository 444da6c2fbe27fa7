"""Tokens: made at random, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

TOKEN_BYTES = 32
"""Entropy of a token: 256 bits, so that a fast hash is enough to keep it."""
TOKEN_MAX = 200
"""Longest token that is looked at, in characters."""
_ID_BYTES = 6
_PREFIX = "officina"


class Token(NamedTuple):
    """A new token.

    Attributes:
        id: names it in logs and lists.
        text: the token itself, which is nowhere else.
        sha256: what is kept, in hexadecimal.
    """

    id: str
    text: str
    sha256: str


def new_id() -> str:
    """Make an identifier at random."""
    return secrets.token_hex(_ID_BYTES)


def new_token() -> Token:
    """Make a token for a browser or a link."""
    text = secrets.token_urlsafe(TOKEN_BYTES)
    return Token(new_id(), text, digest(text))


def new_key() -> Token:
    """Make an API key: it names itself, so that one that leaked can be found by its beginning."""
    name = new_id()
    text = f"{_PREFIX}_{name}_{secrets.token_urlsafe(TOKEN_BYTES)}"
    return Token(name, text, digest(text))


def digest(text: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_id(text: str) -> str | None:
    """Return the identifier that an API key names, None when it is none."""
    parts = text.split("_", 2)
    is_key = len(text) <= TOKEN_MAX and len(parts) == 3 and parts[0] == _PREFIX and parts[1].isalnum()  # noqa: PLR2004
    return parts[1] if is_key and text.isascii() else None
