"""API keys: made once, shown once, kept as hashes in a file that nobody else may read."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from typing import TYPE_CHECKING, Annotated

import msgspec

from api.access.scope import Caller, Role, Scope
from shopfloor.errors import ExpectedError
from shopfloor.periods import format_instant
from shopfloor.settings import write_secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TOKEN_BYTES = 32
"""Entropy of a key: 256 bits, so that a fast hash is enough to keep it."""
KEYS_MAX = 10_000
NAME_MAX = 80
_PREFIX = "officina"
_ID_BYTES = 6


class KeyFileError(ExpectedError):
    """The key file cannot be used; the sentence says what to do."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key as it is kept.

    Attributes:
        id: names the key in logs and in the file; part of the token.
        name: who or what holds it.
        role: what the holder may do.
        sha256: hash of the whole token, in hexadecimal.
        created: RFC 3339.
        member: firm of a member.
        sites: sites that the holder is bound to; empty means every site.
    """

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
    role: Role
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    created: str
    member: str | None = None
    sites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a member without a firm, and a firm on any other role."""
        if (self.role is Role.MEMBER) != bool(self.member):
            raise ValueError("a key names a member exactly when its role is member")

    def caller(self, *, by_cookie: bool) -> Caller:
        """Return who holds this key."""
        return Caller(self.id, self.name, Scope(self.role, self.member, frozenset(self.sites)), by_cookie)


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    keys: Annotated[list[Key], msgspec.Meta(max_length=KEYS_MAX)]


class Keys:
    """The keys of one reading of the file."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.id: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def by_token(self, token: str) -> Key | None:
        """Return the key that a token proves; the time taken does not tell how close a wrong one came."""
        parts = token.split("_", 2)
        known = self._keys.get(parts[1]) if len(parts) == 3 and parts[0] == _PREFIX else None  # noqa: PLR2004
        matches = hmac.compare_digest(_digest(token), known.sha256 if known else _NOBODY)
        return known if matches else None

    def by_id(self, key_id: str) -> Key | None:
        """Return a key by its name, for a session that was opened with it."""
        return self._keys.get(key_id)


_NOBODY = "0" * 64


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make_key(
    *, role: Role, now: int, name: str = "", member: str | None = None, sites: Iterable[str] = ()
) -> tuple[str, Key]:
    """Make a new key.

    Returns:
        The token, which is nowhere else, and what is kept of it.

    Raises:
        ValueError: a member without a firm, or a firm on any other role.
    """
    key_id = secrets.token_hex(_ID_BYTES)
    token = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(TOKEN_BYTES)}"
    known_as = name or (f"{role} {member}" if member else role.value)
    return token, Key(
        id=key_id,
        name=known_as[:NAME_MAX],
        role=role,
        sha256=_digest(token),
        created=format_instant(now),
        member=member,
        sites=tuple(sorted(set(sites))),
    )


def read_keys(path: Path) -> Keys:
    """Read the key file.

    Raises:
        KeyFileError: when it is missing, empty, damaged or readable by others.
    """
    keys = _read(path)
    if not keys:
        raise KeyFileError(
            f"{path} holds no key: make the first one with `officina api key add FILE --role administrator`"
        )
    return Keys(keys)


def add_key(path: Path, key: Key) -> None:
    """Add a key to the file, which is made, for its owner alone, when it does not exist.

    Raises:
        KeyFileError: when the file that exists is damaged or readable by others.
    """
    keys = _read(path) if path.exists() else []
    write_secret(path, msgspec.json.format(msgspec.json.encode(_KeyFile([*keys, key])), indent=1).decode())


def _read(path: Path) -> list[Key]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read()
    except OSError as error:
        raise KeyFileError(
            f"the key file {path} cannot be read ({error.strerror}): make it, with its first key, by "
            f"`officina api key add FILE --role administrator`",
        ) from error
    if mode & 0o077:
        raise KeyFileError(f"the key file {path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`")
    try:
        keys = msgspec.json.decode(data, type=_KeyFile).keys
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeyFileError(f"the key file {path} is damaged ({error}): restore it, or make new keys") from error
    if len({key.id for key in keys}) != len(keys):
        raise KeyFileError(f"the key file {path} holds one key twice: remove one of them")
    return keys
