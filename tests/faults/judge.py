"""What tests of faults ask of the store in the end: nothing lost, doubled or invented; holes name what is missing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.periods import DAY, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.stores.open import open_store
from tests.faults import counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shopfloor.states import Hole
    from shopfloor.stores.port import Store
    from tests.faults.chain import Chain

DRAIN_SECONDS = 180
MARGIN_SECONDS = 3
"""The newest values may still have been on their way when the machine ended."""

Said = dict[tuple[str, int], float]
"""Value by signal and stamp."""


class Verdict(NamedTuple):
    """How what is stored compares with what was served.

    Attributes:
        stored: what is stored.
        missing: what was served between the first and the last stored value, and is not stored.
        unsaid: what was served around that, and is not stored: much of it no agent has ever read.
        holes: what is known to be missing.
    """

    stored: Said
    missing: set[tuple[str, int]]
    unsaid: set[tuple[str, int]]
    holes: list[Hole]

    def within(self, keys: Iterable[tuple[str, int]], *causes: str) -> set[tuple[str, int]]:
        """Return those that lie in a hole, of these causes if there are any."""
        holes = [hole for hole in self.holes if not causes or hole.cause in causes]
        return {
            (signal, stamp)
            for signal, stamp in keys
            if any(stamp in hole.period and (not hole.signals or signal in hole.signals) for hole in holes)
        }


async def everything_is_stored(chain: Chain) -> None:
    """Wait until the agent has nothing left in its spool of the time before now."""
    calm = clock.now() + 2 * SECOND

    def drained() -> bool:
        oldest = chain.health.get("oldest_unstored", {})
        assert isinstance(oldest, dict)
        said_at = int(str(chain.health.get("timestamp", 0)))
        return said_at > calm and all(stamp > calm for stamp in oldest.values())

    await chain.until(drained, "the spool has drained", DRAIN_SECONDS)


def read_served(chain: Chain) -> Said:
    """Return what the machine wrote down."""
    full = {signal.partition(".")[0]: signal for signal in chain.counters}
    served: Said = {}
    whole = chain.served_log.read_text().rpartition("\n")[0]
    for line in whole.splitlines():
        stamp, name, value = line.split()
        served[full[name], int(stamp)] = float(value)
    return served


async def settled(chain: Chain, spooled: Iterable[tuple[str, str, int]] = ()) -> Verdict:
    """Wait until all that was served before now is stored or lost for good, with the machine going on, and judge."""
    now, keys = clock.now(), frozenset(spooled)
    found: list[Verdict] = []
    reason = ""
    for _ in range(DRAIN_SECONDS):
        await asyncio.sleep(1)
        store = open_store(chain.store_url)
        try:
            found.append(judge(store, lambda: read_served(chain), keys))
        except (AssertionError, ValueError) as error:  # not yet, or nothing at all yet
            reason = str(error)
            found.clear()
        finally:
            store.close()
        recent = [each for each in found[-2:] if _newest(each) > now + MARGIN_SECONDS * SECOND]
        if len(recent) > 1 and recent[0].missing == recent[1].missing:
            return recent[1]
    raise AssertionError(f"it does not settle: {reason[:2000]}")


def _newest(verdict: Verdict) -> int:
    return max(stamp for _, stamp in verdict.stored)


def judge(store: Store, say: Callable[[], Said], spooled: Iterable[tuple[str, str, int]] = ()) -> Verdict:
    """Compare what is stored with what was served.

    Args:
        store: with everything in it.
        say: returns what the machine wrote down; asked after the store, so that it may go on meanwhile.
        spooled: what was seen in the spool of an agent that had died.

    Raises:
        AssertionError: something is doubled, invented, lost after it was spooled, or missing outside of all holes.
    """
    counters = sorted({signal for signal, _ in say()})
    period = Period(clock.now() - DAY, clock.now() + DAY)
    samples = store.read([counting.MACHINE], counters, period, limit=10_000_000)
    served = say()
    stored = {(sample.signal, sample.stamp): float(sample.value or 0) for sample in samples}
    holes = list(store.gaps([counting.MACHINE], period)[counting.MACHINE].holes)
    first, last = (pick(stamp for _, stamp in stored) for pick in (min, max))

    assert len(stored) == len(samples), "doubled"
    assert {key: value for key, value in stored.items() if served.get(key) != value} == {}, "invented"
    lost = {(signal, stamp) for _, signal, stamp in spooled if signal in counters} - stored.keys()
    assert lost == set(), "spooled and not stored"
    absent = served.keys() - stored.keys()
    missing = {key for key in absent if first <= key[1] < last - MARGIN_SECONDS * SECOND}
    verdict = Verdict(stored, missing, absent - missing, holes)
    outside = missing - verdict.within(missing)
    assert outside == set(), f"{len(outside)} of {len(missing)} missing values lie in none of {len(holes)} holes"
    print(f"{len(stored)} stored, {len(missing)} missing inside {len(holes)} holes")
    return verdict
