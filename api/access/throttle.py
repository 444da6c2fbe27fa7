"""How often a password or a one-time code may be tried before anything is hashed. Pure.

Nobody can lock an owner out: a browser, or an address, from which the account was opened before has a share of its own,
and an address that has not failed on the account yet has a wider one than those that have. Who goes on asking before
the time that it was told loses that one: a storm from many addresses does so, somebody who is told to wait does not.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = TypeVar("_T")
BUCKETS_MAX = 50_000
"""Most shares that are remembered; at the bound the one that was used longest ago is forgotten, and is full again."""


EARLY_MAX = 5
"""How often an address may ask again before the time it was told, until it counts as one that has failed."""


class Share(NamedTuple):
    """How many tries there are at once, and how soon one more.

    Attributes:
        tries: at once.
        seconds: until there is another one.
    """

    tries: int
    seconds: float


Claim: TypeAlias = tuple[tuple[str, ...], Share]
"""Whose share, and how large it is."""

EVERYBODY = Share(100, 0.2)
"""Tries from unknown browsers, on all accounts together."""
ADDRESS = Share(20, 15.0)
"""Tries from one address, on all accounts together."""
FRESH = Share(30, 3.0)
"""Tries on one account from addresses that have not failed on it yet."""
FAILED = Share(10, 30.0)
"""Tries on one account from addresses that have."""
KNOWN = Share(10, 30.0)
"""Tries on one account from one browser or address that has opened it before."""
FORGOTTEN = Share(10, 360.0)
"""Links for a forgotten password that one address may ask for."""
FORGOTTEN_ACCOUNT = Share(3, 1_200.0)
"""Links for one account, from wherever; what is beyond is not sent, and nobody is told."""
CODE = Share(10, 60.0)
"""Tries of one-time codes of edge agents from one address."""


class Try(NamedTuple):
    """One try.

    Attributes:
        account: what was typed as e-mail address.
        address: where it comes from.
        device: the browser, when it has opened this account before; else empty.
    """

    account: str
    address: str
    device: str = ""


def network_of(address: str) -> str:
    """Return what one household or office has: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


class Spent:
    """How much of each share is spent, in bounded memory."""

    def __init__(self) -> None:
        self._spent: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many shares are remembered."""
        return len(self._spent)

    def take(self, shares: Sequence[Claim], *, now: int) -> float:
        """Spend one try of every share.

        Returns:
            0 when it may be made; else the seconds to wait, and then nothing was spent.
        """
        wait = max(self._wait_seconds(key, share, now) for key, share in shares)
        if wait > 0:
            return wait
        for key, share in shares:
            self._spend(key, share, now)
        return 0.0

    def give_back(self, shares: Sequence[Claim], *, now: int) -> None:
        """Give back one try of every share."""
        for key, share in shares:
            self._spend(key, share, now, tries=-1)

    def _used(self, key: tuple[str, ...], share: Share, now: int) -> float:
        """Return how many tries of a share are spent and not there again yet."""
        used, at = self._spent.get(key, (0.0, now))
        return max(0.0, used - max(0, now - at) / SECOND / share.seconds)

    def _wait_seconds(self, key: tuple[str, ...], share: Share, now: int) -> float:
        return max(0.0, (self._used(key, share, now) - (share.tries - 1)) * share.seconds)

    def _spend(self, key: tuple[str, ...], share: Share, now: int, *, tries: int = 1) -> None:
        self._spent[key] = (max(0.0, self._used(key, share, now) + tries), now)
        self._spent.move_to_end(key)
        if len(self._spent) > BUCKETS_MAX:
            self._spent.popitem(last=False)


class Throttle:
    """Counts tries of passwords."""

    def __init__(self) -> None:
        self._spent = Spent()
        self._failed: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._opened: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def take(self, asked: Try, *, now: int) -> float:
        """Spend one try of every share that it needs.

        Returns:
            0 when it may be made; else the seconds to wait, and then nothing was spent.
        """
        wait = self._spent.take(self._shares(asked), now=now)
        if wait > 0 and not asked.device:
            self._refused((asked.account, network_of(asked.address)), wait, now)
        return wait

    def _refused(self, place: tuple[str, str], wait: float, now: int) -> None:
        """Remember until when an address was told to wait, and how often it did not."""
        until, early = self._told.get(place, (0.0, 0))
        early += now < until
        _remember(self._told, place, (now + wait * SECOND, early))
        if early >= EARLY_MAX:
            _remember(self._failed, place, None)

    def failed(self, asked: Try) -> None:
        """Remember that this address has failed on this account."""
        _remember(self._failed, (asked.account, network_of(asked.address)), None)

    def succeeded(self, asked: Try, *, now: int) -> None:
        """Give back what a try that opened the account had spent, and know its address from now on."""
        place = (asked.account, network_of(asked.address))
        self._spent.give_back(self._shares(asked), now=now)
        self._failed.pop(place, None)
        self._told.pop(place, None)
        _remember(self._opened, place, None)

    def _shares(self, asked: Try) -> list[Claim]:
        network = network_of(asked.address)
        place = (asked.account, network)
        if asked.device:
            return [(("device", asked.account, asked.device), KNOWN)]
        if place in self._opened:
            return [(("opened", *place), KNOWN)]
        own = (("failed", asked.account), FAILED) if place in self._failed else (("fresh", asked.account), FRESH)
        return [(("everybody",), EVERYBODY), (("address", network), ADDRESS), own]


def _remember(places: OrderedDict[tuple[str, str], _T], place: tuple[str, str], value: _T) -> None:
    places[place] = value
    places.move_to_end(place)
    if len(places) > BUCKETS_MAX:
        places.popitem(last=False)
