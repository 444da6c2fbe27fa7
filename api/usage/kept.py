"""Day segments: built from samples and evidence, kept by machine and civil day, built again when either is newer."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_right
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import delete, insert, select, update

from api.billing.calendars import civil_day, civil_zone, day_of
from api.records.tables import Change, Machine
from api.usage import service
from api.usage.attending import first_said
from api.usage.doubts import doubts
from api.usage.evidence import BadEvidenceError
from api.usage.packing import in_order, pack, pack_work, unpack, unpack_work
from api.usage.reading import BuiltDay, Grounds, Recorded, build, build_attended
from api.usage.segments import CONSORTIUM, UNATTRIBUTED
from api.usage.tables import UsageDay, UsagePart
from shopfloor.periods import DAY, SECOND, Period, union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from sqlalchemy.orm import Session

    from api.records.database import Records
    from api.usage.packing import Packed
    from api.usage.policy import Policy
    from api.usage.segments import Segment, Work
    from shopfloor.stores.port import Store

CHUNK_DAYS = 31
"""Most days of one machine that are built from one reading."""
FRESH_SECONDS = 300
"""A day that is still going on is built again when it is older than this."""
MARGIN_SECONDS = 60
"""An arrival carries the `now` of its write, which may commit so much later."""
TRIES_MAX = 5
"""So often a day is built again when evidence changes while it is being built."""
SESSION_DAYS_MAX = 64
"""How far a session that reaches beyond a month is followed."""
log = structlog.get_logger(__name__)


class _Row(NamedTuple):
    """What is known of a kept day."""

    built: int
    until: int
    last_utc_day: int
    is_stale: bool
    policy: str


class _Arrivals:
    """When the newest sample of each machine and UTC day came in, kept up to date by asking for what is newer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at: dict[str, dict[int, int]] = {}
        self._newest_until: dict[str, tuple[list[int], list[int]]] = {}
        self._seen = 0
        self._lock = threading.Lock()

    def refresh(self) -> None:
        with self._lock:
            for arrival in self._store.arrivals(max(0, self._seen - MARGIN_SECONDS * SECOND)):
                days = self._at.setdefault(arrival.machine, {})
                if arrival.at > days.get(arrival.day, -1):
                    days[arrival.day] = arrival.at
                    self._newest_until.pop(arrival.machine, None)
                self._seen = max(self._seen, arrival.at)

    def first_day(self, machine: str) -> int | None:
        """Return the first UTC day of which a machine said anything."""
        days = self._at.get(machine)
        return min(days) if days else None

    def newest(self, machine: str, last_utc_day: int) -> int:
        """Return when the newest sample of any UTC day up to one came in."""
        if machine not in self._newest_until:
            days, newest, highest = sorted(self._at.get(machine, {}).items()), [], 0
            for _, at in days:
                highest = max(highest, at)
                newest.append(highest)
            self._newest_until[machine] = ([day for day, _ in days], newest)
        days_of_machine, newest_until = self._newest_until[machine]
        index = bisect_right(days_of_machine, last_utc_day) - 1
        return newest_until[index] if index >= 0 else 0


class UsageDays:
    """The kept day segments of all machines.

    Args:
        records: where they and the evidence are kept.
        store: the samples.
        policy: metering and attribution; days of closed months keep that of their closing.
        settled: returns the settings of closed months, by the month's name.
        writing: how they are kept, where that is not `Records.writing`.
    """

    def __init__(
        self,
        records: Records,
        store: Store,
        policy: Policy,
        settled: Callable[[Session], Mapping[str, Policy]] = lambda _: {},
        *,
        writing: Callable[[], AbstractContextManager[Session]] | None = None,
    ) -> None:
        self.records, self.store, self.policy = records, store, policy
        self._writing = writing or records.writing
        self._settled = settled
        self._arrivals = _Arrivals(store)
        self._said: dict[str, int] = {}
        self.zone = civil_zone(policy.zone)

    def run(self, now: int) -> None:
        """Bring every day of every machine up to date, the newest first; for `officina watch`.

        Raises:
            StoreUnavailableError: the store did not answer.
            RecordsUnavailableError: the records did not.
        """
        today = day_of(now, self.zone)
        self._look()
        for machine in self.machines():
            first = self._first_day(machine)
            if first is not None:
                try:
                    self.refresh([machine], first, today, now=now)
                except BadEvidenceError as error:
                    log.error("usage.refused", machine=machine, reason=str(error))

    def machines(self) -> list[str]:
        """Return every machine, by its identifier."""
        with self.records.reading() as session:
            return list(session.scalars(select(Machine.id).order_by(Machine.id)))

    def _look(self) -> None:
        """Learn of which days of which machines anything is known."""
        self._arrivals.refresh()
        with self.records.reading() as session:
            self._said = first_said(session)

    def _first_day(self, machine: str) -> date | None:
        if machine in self._said:
            return day_of(self._said[machine], self.zone)
        first = self._arrivals.first_day(machine)
        return None if first is None else day_of(first * DAY, self.zone)

    def refresh(
        self,
        machines: Sequence[str],
        first: date,
        last: date,
        *,
        now: int,
        deadline: float = math.inf,
        tell: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> int:
        """Build what is missing or stale of some machines and days; what is current stays.

        Args:
            machines: which.
            first: first civil day.
            last: last civil day; what has not begun is left out.
            now: the present.
            deadline: when to begin with nothing more, on the clock of `time.monotonic`.
            tell: told how many machines of how many are done.

        Returns:
            How many days of machines are left to be built: 0 unless the deadline passed.

        Raises:
            BadEvidenceError: evidence that contradicts itself.
            StoreUnavailableError: the store did not answer.
        """
        self._look()
        last = min(last, day_of(now, self.zone))
        left = 0
        for number, (machine, days) in enumerate(self._stale(machines, first, last, now).items(), 1):
            for chunk in _chunks(days):
                if time.monotonic() < deadline:
                    self._build(machine, chunk, now)
                else:
                    left += len(chunk)
            tell(number, len(machines))
        return left

    def _stale(self, machines: Sequence[str], first: date, last: date, now: int) -> dict[str, list[date]]:
        kept: dict[tuple[str, date], _Row] = {}
        with self.records.reading() as session:
            names = _policies(self._settled(session))
            columns = (UsageDay.machine_id, UsageDay.day, UsageDay.built, UsageDay.until, UsageDay.last_utc_day,
                       UsageDay.is_stale, UsageDay.policy)  # fmt: skip
            wanted = select(*columns).where(UsageDay.day >= first, UsageDay.day <= last)
            if len(machines) == 1:
                wanted = wanted.where(UsageDay.machine_id == machines[0])
            for row in session.execute(wanted):
                kept[row.machine_id, row.day] = _Row(row.built, row.until, row.last_utc_day, row.is_stale, row.policy)
        own = _digest(self.policy)
        found: dict[str, list[date]] = {}
        for machine in machines:
            begins = self._first_day(machine)
            day = max(first, begins) if begins is not None else last + timedelta(days=1)
            while day <= last:
                known = kept.get((machine, day))
                if known is None or self._is_stale(machine, day, known, names.get(f"{day:%Y-%m}", own), now):
                    found.setdefault(machine, []).append(day)
                day += timedelta(days=1)
        return found

    def _is_stale(self, machine: str, day: date, row: _Row, policy: str, now: int) -> bool:
        if row.is_stale or row.policy != policy:
            return True
        if row.until < civil_day(day, self.zone).end:
            return row.built < now - FRESH_SECONDS * SECOND
        return self._arrivals.newest(machine, row.last_utc_day) >= row.built - MARGIN_SECONDS * SECOND

    def _build(self, machine: str, days: Sequence[date], now: int) -> None:
        for _ in range(TRIES_MAX):
            with self.records.reading() as session:
                number = _change_number(session)
                policies = self._settled(session)
                grounds = self._grounds(session, machine, days)
            built = list(self._built(machine, days, grounds, policies, now))
            with self._writing() as session:
                if _change_number(session) == number:
                    _keep(session, machine, built, now)
                    return
        log.warning("usage.restless", machine=machine, reason="evidence goes on changing; built with the next run")

    def fresh(self, machine: str, days: Sequence[date], *, now: int) -> list[BuiltDay]:
        """Build days from samples and evidence, whatever is kept, and keep nothing."""
        with self.records.reading() as session:
            policies = self._settled(session)
            grounds = self._grounds(session, machine, days)
        return [each for each, _ in self._built(machine, days, grounds, policies, now)]

    def _built(
        self, machine: str, days: Sequence[date], grounds: Grounds, policies: Mapping[str, Policy], now: int
    ) -> Iterator[tuple[BuiltDay, str]]:
        recorded = None if grounds.is_attended else Recorded(self.store, machine, self._span(days, DAY), now=now)
        for day in days:
            policy = policies.get(f"{day:%Y-%m}", self.policy)
            own = replace(grounds, policy=policy)
            found = build_attended(machine, day, own, now=now) if recorded is None else build(recorded, day, own)
            if found is not None:
                yield found, _digest(policy)

    def _grounds(self, session: Session, machine: str, days: Sequence[date]) -> Grounds:
        evidence = service.evidence_of(session, machine, self._span(days, 40 * DAY))
        wanted = select(Machine.agent_id.is_(None)).where(Machine.id == machine)
        is_attended = bool(session.scalar(wanted))
        return Grounds(service.job_rules(session), service.badge_owner(session), evidence, self.policy, is_attended)

    def _span(self, days: Sequence[date], margin: int) -> Period:
        return Period(civil_day(days[0], self.zone).start - margin, civil_day(days[-1], self.zone).end + margin)

    def last_segment(self, machine: str, *, now: int) -> Segment | None:
        """Return the newest segment of a machine, from what is stored at this moment; None before its first day."""
        built = self.fresh(machine, [day_of(now - SECOND, self.zone)], now=now)
        return built[-1].day.segments[-1] if built else None

    def own_periods(self, machine: str, member: str, period: Period, *, now: int) -> list[Period]:
        """Return when a member paid for a machine: its own sessions, clipped to a period.

        Raises:
            StoreUnavailableError: the store did not answer.
        """
        first, last = day_of(period.start, self.zone), day_of(max(period.start, period.end - 1), self.zone)
        self.refresh([machine], first, last, now=now)
        with self.records.reading() as session:
            own = self.segments(session, first, last, machine=machine, payer=member).get(machine, [])
        return [part for each in union(segment.period for segment in own) if (part := each.clip(period)) is not None]

    # What is kept.

    def segments(
        self, session: Session, first: date, last: date, *, machine: str | None = None, payer: str | None = None
    ) -> dict[str, list[Segment]]:
        """Return kept segments by machine, in order.

        Args:
            session: to read with.
            first: first civil day.
            last: last civil day.
            machine: only of this machine.
            payer: only those of this payer.
        """
        wanted = select(UsagePart.machine_id, UsagePart.body).where(
            UsagePart.is_current, UsagePart.day >= first, UsagePart.day <= last
        )
        if machine is not None:
            wanted = wanted.where(UsagePart.machine_id == machine)
        if payer is not None:
            wanted = wanted.where(UsagePart.payer == payer)
        found: dict[str, list[Segment]] = {}
        for name, body in session.execute(wanted):
            found.setdefault(name, []).extend(unpack(body))
        return {name: in_order(own) for name, own in found.items()}

    def newest_days(self, session: Session, first: date) -> dict[str, tuple[date, int, int]]:
        """Return the newest kept day of each machine, when it was built and how far it reaches.

        Args:
            session: to read with.
            first: what is kept of days before is left out.
        """
        wanted = select(UsageDay.machine_id, UsageDay.day, UsageDay.built, UsageDay.until).where(UsageDay.day >= first)
        rows = session.execute(wanted.order_by(UsageDay.day)).all()
        return {row.machine_id: (row.day, row.built, row.until) for row in rows}

    def reaching(self, session: Session, machine: str, first: date, last: date) -> tuple[date, date]:
        """Return the days that hold the whole of the sessions that touch some days of a machine."""
        return self._edge(session, machine, first, -1), self._edge(session, machine, last, 1)

    def _edge(self, session: Session, machine: str, day: date, step: int) -> date:
        """Go on from a day for as long as one member has a whole day."""
        for _ in range(SESSION_DAYS_MAX):
            day += timedelta(days=step)
            wanted = select(UsagePart.payer).where(
                UsagePart.is_current, UsagePart.machine_id == machine, UsagePart.day == day
            )
            payers = list(session.scalars(wanted))
            if len(payers) != 1 or payers[0] in {UNATTRIBUTED, CONSORTIUM}:
                break
        return day

    def work(self, session: Session, machine: str, first: date, last: date) -> list[Work]:
        """Return what a machine was making, in order."""
        wanted = select(UsageDay.work).where(
            UsageDay.machine_id == machine, UsageDay.day >= first, UsageDay.day <= last
        )
        return [each for body in session.scalars(wanted.order_by(UsageDay.day)) for each in unpack_work(body)]


def _keep(session: Session, machine: str, built: Iterable[tuple[BuiltDay, str]], now: int) -> None:
    for each, policy in built:
        day = each.day.day
        session.execute(delete(UsageDay).where(UsageDay.machine_id == machine, UsageDay.day == day))
        doubtful = [
            [doubt.period.start, doubt.period.end, doubt.reason.value, list(doubt.evidence)]
            for doubt in doubts(each.day.segments)
        ]
        session.execute(
            insert(UsageDay).values(
                machine_id=machine,
                day=day,
                built=now,
                until=each.day.period.end,
                last_utc_day=each.last_utc_day,
                is_stale=False,
                policy=policy,
                texts=list(each.texts),
                work=pack_work(each.work),
                doubts=doubtful,
                has_doubts=bool(doubtful),
            )
        )
        _keep_parts(session, machine, day, pack(machine, day, each.day.segments))


def _keep_parts(session: Session, machine: str, day: date, packed: Sequence[Packed]) -> None:
    """Let these be the segments of a day; what a closed month was rated from stays beside them."""
    new = {each.digest: each for each in packed}
    rows = session.execute(
        select(UsagePart.digest, UsagePart.is_current, UsagePart.is_pinned).where(
            UsagePart.machine_id == machine, UsagePart.day == day
        )
    ).all()
    known = {row.digest for row in rows}
    for row in rows:
        same = UsagePart.digest == row.digest
        if row.digest in new or row.is_pinned:
            if row.is_current != (row.digest in new):
                session.execute(update(UsagePart).where(same).values(is_current=row.digest in new))
        else:
            session.execute(delete(UsagePart).where(same))
    added = [
        {"digest": each.digest, "machine_id": machine, "day": day, "payer": each.payer, "is_current": True,
         "is_pinned": False, "body": each.body}
        for each in packed
        if each.digest not in known
    ]  # fmt: skip
    if added:
        session.execute(insert(UsagePart), added)


def _change_number(session: Session) -> int:
    return session.scalar(select(Change.number).where(Change.name == service.CHANGED)) or 0


def _policies(settled: Mapping[str, Policy]) -> dict[str, str]:
    return {month: _digest(policy) for month, policy in settled.items()}


def _digest(policy: Policy) -> str:
    return sha256(repr(policy).encode()).hexdigest()


def _chunks(days: Sequence[date]) -> Iterator[list[date]]:
    """Gather days that follow one another, the newest first."""
    chunk: list[date] = []
    for day in reversed(days):
        if chunk and (chunk[0] - day != timedelta(days=1) or len(chunk) == CHUNK_DAYS):
            yield chunk
            chunk = []
        chunk.insert(0, day)
    if chunk:
        yield chunk
