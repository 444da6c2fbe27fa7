"""Passwords: which may be chosen, and how they are kept. The only file that knows argon2 and zxcvbn.

Rules: OWASP ASVS 5.0, 6.2.1 (length), 6.2.4 (common ones), 6.2.9 (long ones), 6.2.10 (no forced change).
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH_MIN = 12
LENGTH_MAX = 200
"""Longest password; longer ones cost time and add nothing."""
WAITING_MAX = 40
"""Most tries of this process that wait for their turn to be hashed; one more is sent away."""

Problem: TypeAlias = Literal["short", "long", "common", "own"]
"""Why a password may not be chosen: too short, too long, among the common ones, or made of what everybody knows."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
"""Argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet)."""


class BusyError(Exception):
    """Too many passwords wait to be hashed."""


@cache
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def password_problem(password: str, *, email: str, house: str) -> Problem | None:
    """Tell why a password may not be chosen.

    Args:
        password: the password.
        email: its owner's address.
        house: name of the consortium.
    """
    if len(password) < LENGTH_MIN:
        return "short"
    if len(password) > LENGTH_MAX:
        return "long"
    plain = password.casefold()
    if plain in _common() or plain.strip("0123456789!?.-_ ") in _common() or len(set(plain)) <= LENGTH_MIN // 4:
        return "common"
    known = [email, email.partition("@")[0], house, "officina"]
    rest = plain
    for word in sorted((each.casefold() for each in known if each), key=len, reverse=True):
        rest = rest.replace(word, "")
    return "own" if len(rest) < LENGTH_MIN // 2 and rest != plain else None


class Passwords:
    """Hashes and checks, one at a time in this process: whoever tries many slows himself down and nobody else."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobodys = hash_now("a password that opens nothing")

    async def hash(self, password: str) -> str:
        """Return what is kept of a password.

        Raises:
            BusyError: too many wait already.
        """
        return await self._in_turn(lambda: hash_now(password))

    async def verify(self, kept: str, password: str) -> bool:
        """Tell whether a password is the one that was kept; it takes as long when nothing was.

        Raises:
            BusyError: too many wait already.
        """
        found = await self._in_turn(lambda: _matches(kept or self._nobodys, password[: LENGTH_MAX + 1]))
        return found == "yes" and bool(kept)

    async def _in_turn(self, work: Callable[[], str]) -> str:
        if self._waiting >= WAITING_MAX:
            raise BusyError
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def hash_now(password: str) -> str:
    """Return what is kept of a password, in this thread."""
    return _HASHER.hash(password)


def is_outdated(kept: str) -> bool:
    """Tell whether a hash was made with other costs than today's."""
    return _HASHER.check_needs_rehash(kept)


def _matches(kept: str, password: str) -> str:
    try:
        _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return "no"
    return "yes"
