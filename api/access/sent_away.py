"""Who was sent away unheard for trying too often: counted for a while, so that a storm is one entry of the audit trail.

Pure: who writes the entries is `api.access.sign_in`.
"""

from __future__ import annotations

from typing import NamedTuple

from shopfloor.periods import MINUTE

WINDOW_MINUTES = 10
"""So long is what one account was sent away counted together, from the first time on."""
ACCOUNTS_MAX = 1_000
"""Most accounts that are counted each by itself; those beyond are counted together."""
ADDRESSES_MAX = 1_000
"""Most addresses that are told apart for one account."""
OTHERS = ""
"""Stands for the accounts beyond the bound."""


class Count(NamedTuple):
    """How often one account was sent away.

    Attributes:
        what: `password` or `code`.
        account: what was typed, or `OTHERS`.
        first: when it was for the first time.
        last: and for the last.
        tries: how often.
        addresses: from where, `ADDRESSES_MAX` at most.
    """

    what: str
    account: str
    first: int
    last: int
    tries: int
    addresses: frozenset[str]

    def with_other(self, other: Count) -> Count:
        """Return both as one, under the name of the first."""
        return self._replace(
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            tries=self.tries + other.tries,
            addresses=frozenset(sorted(self.addresses | other.addresses)[:ADDRESSES_MAX]),
        )


class SentAway:
    """What has not been written down yet."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Count] = {}

    def __len__(self) -> int:
        """Return how many counts there are."""
        return len(self._counts)

    def add(self, what: str, account: str, address: str, *, now: int) -> None:
        """Count that somebody was sent away."""
        key = (what, account)
        if key not in self._counts and len(self._counts) >= ACCOUNTS_MAX:
            key = (what, OTHERS)
        known = self._counts.get(key)
        if known is None:
            self._counts[key] = Count(*key, now, now, 1, frozenset({address}))
            return
        is_new = address not in known.addresses and len(known.addresses) < ADDRESSES_MAX
        addresses = known.addresses | {address} if is_new else known.addresses
        self._counts[key] = known._replace(last=max(known.last, now), tries=known.tries + 1, addresses=addresses)

    def take(self, *, now: int, is_end: bool = False) -> list[Count]:
        """Take out what has been counted for long enough; everything at the end."""
        due = [each for each in self._counts.values() if is_end or now - each.first >= WINDOW_MINUTES * MINUTE]
        for each in due:
            del self._counts[each.what, each.account]
        return due

    def give_back(self, counts: list[Count]) -> None:
        """Count on with what could not be written."""
        for each in counts:
            known = self._counts.get((each.what, each.account))
            self._counts[each.what, each.account] = each if known is None else each.with_other(known)
