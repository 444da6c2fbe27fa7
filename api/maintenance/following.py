"""Follows every machine and agent live: reads what is new in the store, judges it, and notices what came late."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from api.maintenance.feed import REMEMBERED, Feed, read_batch
from api.maintenance.watcher import LATENESS_SECONDS, Outcome, Watcher
from shopfloor.periods import DAY, HOUR, INSTANT_MAX, MINUTE, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.maintenance.alarms import Change
    from api.maintenance.fold import MachineFold
    from api.maintenance.judging import Judgement
    from api.maintenance.watcher import State
    from shopfloor.samples import Sample
    from shopfloor.stores.port import Store

EDGE = "edge/"
"""Before an agent's id, where machines are named too."""
CATCHING_UP_SECONDS = 1.0
"""How long one round may spend on the past, so that the present is not kept waiting."""
REST = 10 * SECOND
"""Data of earlier days are judged as they come; those of one machine so often at most, in nanoseconds."""
REST_TIMES = 3
"""And all machines rest so many times as long as judging again took: a quarter of a core goes into it at most."""
DOUBTFUL = 20 * SECOND
"""Where nothing was proven it is looked again so often."""
ARRIVALS_OVERLAP = 60 * SECOND
"""An arrival may be committed later than it says."""
SWEEPS = ((MINUTE, 2 * MINUTE), (30 * MINUTE, 3 * HOUR), (12 * HOUR, 25 * HOUR))
"""How often, and how far back, what was read is read again to see whether something of it came late."""

FIRST_SWEEP = 5 * MINUTE
"""So soon after a start the hours before it are looked at for what came late, in nanoseconds."""
UNCHANGED = 6
"""Where nothing was proven for a while is looked at so often without a difference before it is believed."""


log = structlog.get_logger(__name__)


class Kept(NamedTuple):
    """What is kept of something that is watched.

    Attributes:
        since: when the watching began.
        arrived: everything that was marked as arrived up to then has been judged.
        states: of its fold.
        said: every change of its alarms that holds.
        events: service entries and deeds.
    """

    since: int
    arrived: int = 0
    states: Sequence[State] = ()
    said: Sequence[Change] = ()
    events: Sequence[Sample] = ()


class News(NamedTuple):
    """What came to be known of a machine or agent.

    Attributes:
        outcome: changes of its alarms.
        judgements: what its rules said.
        judged_since: what rules said from here on is said anew; 0 for what is added.
    """

    outcome: Outcome
    judgements: Sequence[Judgement]
    judged_since: int


class Followed:
    """A machine or agent that is followed.

    Args:
        feed: what is stored of it.
        watcher: judges it.
    """

    def __init__(self, feed: Feed, watcher: Watcher) -> None:
        self.feed = feed
        self.watcher = watcher
        self.is_behind = True
        self.judged_since = watcher.position
        self.late_from = self.late_until = 0  # first and last of the days that late data are of
        self.late_since = 0  # when the first mark of them came
        self.seconds = 0.0  # that judging has taken since it fell behind
        self.rests_until = 0
        self.has_news = False
        self.is_broken = False  # until its rules change, or the watch begins anew
        self.judged_arrivals = 0
        self.looked_back = self.unchanged = 0
        self.swept = [0] * len(SWEEPS)

    def arrivals_judged(self, newest: int) -> int:
        """Return up to which arrival everything has been judged, when `newest` was seen."""
        return min(newest, self.late_since - ARRIVALS_OVERLAP) if self.late_since else newest - ARRIVALS_OVERLAP

    def revise(self, since: int) -> None:
        """Judge again from an instant on."""
        self.watcher.revise(since)
        self.judged_since = min(self.judged_since or INSTANT_MAX, self.watcher.position) or 1
        self.is_behind = True

    def revise_late(self) -> None:
        """Judge again what late data change, and keep the state where more of them will go on."""
        self.watcher.frontier = self.late_until
        self.revise(self.late_from)
        self.late_from = self.late_until = self.late_since = 0


class Follower:
    """Follows machines and agents.

    Args:
        store: the telemetry store.
    """

    def __init__(self, store: Store) -> None:
        self.followed: dict[str, Followed] = {}
        self._store = store
        self._arrivals_since = 0
        self._arrived: dict[tuple[str, int], int] = {}

    def follow(self, feed: Feed, make: Callable[[], MachineFold], kept: Kept) -> None:
        """Begin to follow a machine or agent, or go on with other rules.

        Args:
            feed: what is stored of it.
            make: makes a new fold of it, with the rules of today.
            kept: what was written down of it.
        """
        days = [day for machine, day in self._arrived if machine in feed.machines]
        feed.first_day = min(days) * DAY if days else None
        feed.events = sorted(kept.events, key=lambda sample: sample.stamp)
        followed = self.followed[feed.name] = Followed(feed, Watcher(make, feed, kept.states, kept.said))
        followed.judged_arrivals = kept.arrived
        late = [day for (machine, day), at in self._arrived.items() if machine in feed.machines and at > kept.arrived]
        if late and min(late) * DAY < followed.watcher.position // DAY * DAY:
            followed.revise(min(late) * DAY)

    def tell(self, event: Sample) -> None:
        """Take in a deed or a service entry, also one that was entered late."""
        each = self.followed.get(event.machine)
        if each is None:
            return
        each.feed.events = sorted([*each.feed.events, event], key=lambda sample: sample.stamp)
        if event.stamp < each.watcher.position:
            each.revise(event.stamp)

    def round(self, now: int) -> dict[str, News]:
        """Read and judge what is new, and return what came to be known; what is behind comes later.

        Raises:
            StoreUnavailableError: the store does not answer; nothing is lost, call again.
        """
        self.look_for_arrivals(now)
        self._revise_late(now)
        self._prefetch(now)
        found: dict[str, News] = {}
        deadline = clock.monotonic_seconds() + CATCHING_UP_SECONDS
        for name, each in sorted(
            self.followed.items(), key=lambda item: (item[1].is_behind, not item[0].startswith(EDGE))
        ):
            if each.is_behind and clock.monotonic_seconds() > deadline:
                break
            outcome = self._see(each, now, deadline)
            if outcome is None:
                continue
            if each.is_behind:
                machines = sum(bool(other.late_from) for other in self.followed.values())
                each.rests_until = now + max(REST, int(REST_TIMES * max(1, machines) * each.seconds * SECOND))
                each.is_behind, each.seconds = False, 0.0
            found[name] = News(outcome, each.watcher.drain_judgements(), each.judged_since)
            each.judged_since = 0
        self._sweep(now)
        return found

    @property
    def newest_arrival(self) -> int:
        """The newest mark of data that was seen."""
        return self._arrivals_since

    def _see(self, each: Followed, now: int, deadline: float) -> Outcome | None:
        """Let a machine's watcher see; None while there is more to see. What breaks one holds up no other."""
        if each.is_broken:
            return None
        begun = clock.monotonic_seconds()
        try:
            while (outcome := each.watcher.see(now)) is None:
                each.is_behind = True
                if clock.monotonic_seconds() > deadline:
                    return None
        except (StoreUnavailableError, StoreRefusedError):
            raise
        except Exception:
            log.exception("maintenance.machine_cannot_be_judged", machine=each.feed.name)
            each.is_broken = each.is_behind = True
            return None
        finally:
            each.seconds += clock.monotonic_seconds() - begun
        return outcome

    def look_for_arrivals(self, now: int) -> None:
        """Note which days of data were written to, and which of them lie before what has been judged."""
        for machine, day, at in self._store.arrivals(max(0, self._arrivals_since - ARRIVALS_OVERLAP)):
            self._arrivals_since = max(self._arrivals_since, at)
            if self._arrived.get((machine, day), 0) >= at:
                continue
            self._arrived[machine, day] = at
            for each in self._of(machine):
                first = each.feed.first_day
                each.feed.first_day = min(day * DAY, first) if first is not None else day * DAY
                each.has_news = True
                if at > each.judged_arrivals and each.watcher.position >= (day + 1) * DAY:
                    each.late_from = min(each.late_from or INSTANT_MAX, max(day * DAY, 1))
                    each.late_until = max(each.late_until, day * DAY)
                    each.late_since = each.late_since or now

    def _of(self, machine: str) -> list[Followed]:
        return [each for each in self.followed.values() if machine in each.feed.machines]

    def _revise_late(self, now: int) -> None:
        """Judge late data as they come: what is being judged comes to its end first, and each machine rests between."""
        for each in self.followed.values():
            if each.late_from and not each.is_behind and now >= each.rests_until:
                each.revise_late()

    def _prefetch(self, now: int) -> None:
        """Read all that are up to date at once, and see whether proofs came late."""
        watermark = now - int(LATENESS_SECONDS * SECOND)
        current = [each for each in self.followed.values() if not each.is_behind and each.watcher.position]
        for position in {each.watcher.position for each in current}:
            if not 0 < watermark - position < HOUR:
                continue
            group = [each for each in current if each.watcher.position == position]
            machines = sorted({machine for each in group for machine in each.feed.machines})
            signals = sorted({signal for each in group for signal in each.feed.signals})
            batch = read_batch(self._store, machines, signals, Period(position, watermark))
            for each in group:
                each.feed.prefetch(batch)
        self._find_late_proofs(current)

    def _find_late_proofs(self, current: Sequence[Followed]) -> None:
        """Go back where a watching is proven only now, though its time was passed as one in which nothing was known."""
        silent = [each for each in current if each.has_news and each.feed.proven_until and _is_silent(each)]
        if not silent:
            return
        since = max(
            min(each.feed.proven_until for each in silent), min(each.watcher.position for each in silent) - 2 * DAY
        )
        machines = sorted({machine for each in silent for machine in each.feed.machines})
        coverage = self._store.gaps(machines, Period(since, max(each.watcher.position for each in silent) + DAY))
        for each in silent:
            each.has_news = False
            if late := each.feed.proofs_came_late(coverage, each.watcher.position):
                each.feed.doubtful_since = each.feed.doubtful_since or each.feed.proven_until
                each.revise(late)

    def _sweep(self, now: int) -> None:
        """Read again what was read, now and then, and where nothing was proven often, and judge again what differs."""
        for each in self.followed.values():
            if each.is_behind or not each.watcher.position:
                continue
            since = self._look_back_from(each, now)
            if since is None:
                continue
            position = each.watcher.position
            late = each.feed.changed_since(max(since, position - REMEMBERED), position)
            if late:
                each.unchanged = 0
                each.revise(late)
            elif each.feed.doubtful_since and since <= each.feed.doubtful_since and not _is_silent(each):
                each.unchanged += 1
                if each.unchanged >= UNCHANGED:
                    each.feed.doubtful_since = each.unchanged = 0

    def _look_back_from(self, each: Followed, now: int) -> int | None:
        """Return from where on it is to be read again now, None for not now."""
        if each.feed.doubtful_since and now - each.looked_back >= DOUBTFUL:
            each.looked_back = now
            return each.feed.doubtful_since
        for number in reversed(range(len(SWEEPS))):
            every, back = SWEEPS[number]
            if not each.swept[number]:
                soon = every - FIRST_SWEEP if number == 1 else 0  # what came while nobody watched is looked for first
                each.swept[number] = now - soon - hash(each.feed.name) % min(every, FIRST_SWEEP)  # not all at once
            if now - each.swept[number] >= every:
                each.swept[: number + 1] = [now] * (number + 1)
                each.feed.forget(each.watcher.position - REMEMBERED)
                return each.watcher.position - back
        return None


def _is_silent(each: Followed) -> bool:
    return each.watcher.position - each.feed.proven_until > MINUTE
