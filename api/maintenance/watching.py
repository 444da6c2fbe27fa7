"""The job of the watch: follows every machine, writes the four stages down, and lets the postman set out.

All of a round's news is kept in one transaction, messages to people among it. When that fails, or another process has
led meanwhile, what is in memory is thrown away and taken up again from the records: judging the same data again comes
to the same end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from api.maintenance import journal, outbox_records, roster, rulebook
from api.maintenance.alarms import Change, What
from api.maintenance.catalogue import shipped_classes
from api.maintenance.feed import Feed
from api.maintenance.fold import MachineFold
from api.maintenance.following import EDGE, Follower, Kept, News
from api.maintenance.notifications import NotificationFold
from api.maintenance.outbox_records import short
from api.maintenance.stored import signals_of
from api.maintenance.tables import Watched
from api.maintenance.watcher import LATENESS_SECONDS, PAST_SECONDS, identity
from api.records.tables import Machine
from shopfloor.periods import DAY, MINUTE, SECOND, to_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from api.maintenance.alarms import Alarm
    from api.maintenance.incidents import Incident
    from api.maintenance.notifications import Message
    from api.maintenance.rules import Rule
    from api.maintenance.service import ServiceEvaluator
    from api.maintenance.tables import PlannedWindow
    from api.records.database import Records
    from shopfloor.stores.port import Store

EVERY_SECONDS = 1.0
SETTINGS_SECONDS = 5.0
"""How often rules, machines and people are looked at for changes."""
ABSENT_SECONDS = 8.0
"""After so long without a round another process may have led: everything is taken up from the records again."""
STATES_AT_ONCE = 10
"""Machines whose state is written down in one round: each a little, instead of all at once."""


class _Place(NamedTuple):
    """A machine as the watch knows it."""

    id: str
    name: str
    described: str
    maker: str
    site: str
    edge: str
    signals: tuple[str, ...]


class _Wanted(NamedTuple):
    """How something is to be watched."""

    machines: tuple[str, ...]
    rules: tuple[Rule, ...]
    signals: tuple[str, ...]
    maker: str


class _Settings(NamedTuple):
    """What was read from the records last."""

    places: Mapping[str, _Place]
    book: rulebook.Rulebook
    roster: roster.Roster
    windows: Sequence[PlannedWindow]


class Watching:
    """Maintenance, as the leader of the watch does it.

    Args:
        store: the telemetry store.
        records: the database.
        writing: begins a transaction as the leader.
        zone: civil time of people.
        payer_of: the firm whose job runs on a machine at an instant, empty for none known.
        deliver: given the roster and the time, lets the postman set out.
    """

    def __init__(
        self,
        store: Store,
        records: Records,
        writing: Callable[[], AbstractContextManager[Session]],
        *,
        zone: str,
        payer_of: Callable[[str, int], str] = lambda _machine, _instant: "",
        deliver: Callable[[roster.Roster, int], None] = lambda _roster, _now: None,
    ) -> None:
        self._store = store
        self._records = records
        self._writing = writing
        self._zone = zone
        self._payer_of = payer_of
        self._deliver = deliver
        self._classes = shipped_classes()
        self._last_round = 0
        self._reset()

    def run(self, now: int) -> None:
        """Do a round.

        Raises:
            StoreUnavailableError: the store does not answer; nothing is lost, it is read from where it was.
            RecordsUnavailableError: the database does not answer; the same.
            LeaseLostError: another process leads.
        """
        if now - self._last_round > ABSENT_SECONDS * SECOND:
            self._reset()
        try:
            self._round(now)
        except BaseException:
            self._reset()
            raise
        self._last_round = now

    def service_of(self, machine: str, rule: str) -> ServiceEvaluator | None:
        """Return the service work of a machine as it stands, None for none."""
        each = self._follower.followed.get(machine)
        return each.watcher.fold.services().get(rule) if each is not None else None

    def alarm_of(self, machine: str, rule: str, subject: str) -> Alarm | None:
        """Return an alarm of a machine as it stands, None for none."""
        each = self._follower.followed.get(machine)
        return each.watcher.fold.alarms.get((rule, subject)) if each is not None else None

    def _reset(self) -> None:
        """Forget everything: it is taken up from the records again."""
        self._follower = Follower(self._store)
        self._notifications: NotificationFold | None = None
        self._settings: _Settings | None = None
        self._settings_at = 0
        self._entries = journal.Entries()
        self._kept_states: dict[str, set[int]] = {}
        self._since: dict[str, int] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._wanted: dict[str, _Wanted] = {}
        self._followed: tuple[Mapping[str, _Place], str] | None = None

    def _round(self, now: int) -> None:
        if now - self._settings_at >= SETTINGS_SECONDS * SECOND:
            self._look_at_settings(now)
        self._look_at_entries(now)
        news = self._follower.round(now)
        self._keep(news, now)
        if self._settings is not None:
            self._deliver(self._settings.roster, now)

    # What is set.

    def _look_at_settings(self, now: int) -> None:
        with self._records.reading() as session:
            places = {row.id: _place(row) for row in session.scalars(select(Machine)) if not _has_left(row, now)}
            book = rulebook.read(session)
            people = roster.read(session, self._zone)
            windows = journal.windows(session, now - DAY)
            kept = None
            if self._notifications is None:
                kept = journal.told_of(session, now)
                self._entries = journal.newest_entries(session)
        self._settings, self._settings_at = _Settings(places, book, people, windows), now
        if self._notifications is None:
            self._notifications = NotificationFold(people.policy)
            for incident, told in kept or ():
                self._notifications.load(incident, told)
                self._told[short(incident.id)] = told
            self._follower.look_for_arrivals(now)
        self._notifications.decide_by(people.policy)
        self._notifications.look_at_windows(self._expected_until, now)
        self._follow_all(places, book, now)

    def _follow_all(self, places: Mapping[str, _Place], book: rulebook.Rulebook, now: int) -> None:
        """Follow who is new or has other rules, and let go of who has left."""
        if self._followed == (places, book.digest):
            return
        wanted: dict[str, _Wanted] = {}
        for place in places.values():
            rules = book.of_machine(place.id, place.described)
            wanted[place.id] = _Wanted((place.id,), rules, signals_of(rules, place.signals), place.maker)
        for edge in sorted({place.edge for place in places.values()} - wanted.keys()):
            machines = tuple(sorted(place.id for place in places.values() if place.edge == edge))
            wanted[edge] = _Wanted(machines, book.of_edge(), (), "")
        for name in [name for name in self._follower.followed if name not in wanted]:
            del self._follower.followed[name]
            del self._wanted[name]
        for name, each in wanted.items():
            if self._wanted.get(name) != each:
                self._follow(name, each, now)
                self._wanted[name] = each
        self._followed = (places, book.digest)

    def _follow(self, name: str, wanted: _Wanted, now: int) -> None:
        with self._records.reading() as session:
            kept = journal.load(session, name)
        if kept is None:
            with self._writing() as session:
                journal.begin(session, name, now)
            kept = Kept(now)

        def make() -> MachineFold:
            return MachineFold(name, wanted.rules, self._classes, wanted.maker, keeps_judgements=True)

        self._since[name] = kept.since
        self._kept_states[name] = {each.position for each in kept.states}
        self._follower.follow(Feed(self._store, name, wanted.machines, wanted.signals), make, kept)

    def _look_at_entries(self, now: int) -> None:
        """Take in what people have done, and service that was entered, since the last round."""
        with self._records.reading() as session:
            newest = journal.newest_entries(session)
            if newest == self._entries:
                return
            events = journal.events(session, self._entries)
        if newest.erased != self._entries.erased:  # what is in memory has a name that must not be written again
            self._reset()
            self._look_at_settings(now)
            return
        self._entries = newest
        for event in events:
            self._follower.tell(event)

    # What is new.

    def _keep(self, news: Mapping[str, News], now: int) -> None:
        """Write down what a round has made known, all of it or nothing."""
        if self._notifications is None or self._settings is None:
            return
        watermark = now - int(LATENESS_SECONDS * SECOND)
        due = self._notifications.deadline
        unsaved = self._unsaved()
        has_changes = {name for name, each in news.items() if any(each.outcome)}
        has_judged = any(each.judgements or each.judged_since for each in news.values())
        if not (has_changes or has_judged or unsaved or (due is not None and due < watermark)):
            return
        with self._writing() as session:
            for name, each in news.items():
                if each.judged_since:
                    journal.forget_judgements(session, name, each.judged_since)
                journal.keep_judgements(session, name, each.judgements)
                journal.keep_changes(session, name, each.outcome, now)
            messages: list[Message] = []
            for edge in sorted({self._edge_of(name) for name in has_changes}):
                messages += self._gather(session, edge, news, watermark, now)
            messages += self._notifications.advance(watermark)
            outbox_records.add(session, messages)
            told = self._keep_told(session)
            for name in unsaved:
                self._save(session, name)
        self._told |= told
        for name in unsaved:
            self._kept_states[name] = {each.position for each in self._follower.followed[name].watcher.states}

    def _edge_of(self, name: str) -> str:
        place = self._settings.places.get(name) if self._settings else None
        return place.edge if place is not None else name

    def _gather(self, session: Session, edge: str, news: Mapping[str, News], watermark: int, now: int) -> list[Message]:
        """Compute the incidents of an agent and its machines again, and decide who is told of what is new."""
        assert self._settings is not None  # noqa: S101 - the round has read it
        assert self._notifications is not None  # noqa: S101
        machines = [place.id for place in self._settings.places.values() if place.edge == edge]
        outcomes = {name: news[name].outcome for name in (edge, *machines) if name in news}
        every = [change for each in outcomes.values() for part in each for change in part]
        oldest = min((change.since for change in every), default=now)
        found = journal.gather(session, edge, machines, oldest, now)
        for number in found.withdrawn:
            self._withdraw(session, number)
        for incident in found.incidents.values():
            self._notifications.renew(incident)
        changes = [change for each in outcomes.values() for change in (*each.past, *each.fresh)]
        messages: list[Message] = []
        for change in sorted(changes, key=lambda each: (each.stamp, not each.machine.startswith(EDGE))):
            its = found.of_change.get(identity(change))
            if its is not None:
                messages += self._decide(session, its, change, watermark, now)
        return messages

    def _withdraw(self, session: Session, number: str) -> None:
        key = journal.key_of(session, number)
        if self._notifications is not None and key:
            self._notifications.forget(key)
        outbox_records.cancel(session, number)

    def _decide(self, session: Session, incident: Incident, change: Change, watermark: int, now: int) -> list[Message]:
        """Decide whether somebody is told: not of what is over, nor of what was before the watching began."""
        assert self._notifications is not None  # noqa: S101 - the round has read it
        if change.stamp < self._since.get(change.machine, 0):
            self._notifications.adopt(incident, now)
            return []
        is_late = now - change.stamp > PAST_SECONDS * SECOND
        if is_late and not incident.is_active:
            return []
        if change.what in {What.ACKNOWLEDGED, What.CLOSED, What.SHELVED}:
            outbox_records.cancel(session, short(incident.id))
        if change.what is What.RAISED and not incident.payer and not change.machine.startswith(EDGE):
            incident.payer = self._payer_of(change.machine, change.stamp)
            journal.keep_payer(session, short(incident.id), incident.payer)
        told = change._replace(stamp=max(change.stamp, watermark - MINUTE)) if is_late else change
        return self._notifications.take(incident, told, self._expected_until(change))

    def _expected_until(self, change: Change) -> int:
        """Return the end of the planned window that a change lies in, 0 for none."""
        assert self._settings is not None  # noqa: S101 - the round has read it
        place = self._settings.places.get(change.machine)
        if place is None:
            return 0
        ends = [
            window.end
            for window in self._settings.windows
            if window.start <= change.stamp < window.end
            and (window.machine == place.id or (window.machine is None and window.site == place.site))
        ]
        return max(ends, default=0)

    def _keep_told(self, session: Session) -> dict[str, dict[str, Any]]:
        """Write down what has been said of each incident, where that has changed."""
        assert self._notifications is not None  # noqa: S101 - the round has read it
        found: dict[str, dict[str, Any]] = {}
        known = {short(key): key for key in self._notifications.known}
        for number in {*self._told, *known}:
            told = self._notifications.save(known[number]) if number in known else {}
            if told != self._told.get(number, {}):
                journal.keep_told(session, number, told)
                found[number] = told
        return found

    def _unsaved(self) -> list[str]:
        """Return some of those whose newest state is not written down yet, the longest waiting first."""
        found = [
            (max(self._kept_states.get(name, {0}), default=0), name)
            for name, each in self._follower.followed.items()
            if not each.is_behind and {state.position for state in each.watcher.states} != self._kept_states.get(name)
        ]
        return [name for _, name in sorted(found)[:STATES_AT_ONCE]]

    def _save(self, session: Session, name: str) -> None:
        each = self._follower.followed[name]
        journal.keep_states(session, name, each.watcher.states, self._kept_states.get(name, set()))
        row = session.get(Watched, name)
        if row is not None:
            row.arrived = each.arrivals_judged(self._follower.newest_arrival)
            row.unknown_codes = each.watcher.fold.unknown_codes()
            row.plan = [_planned(rule, work, each.watcher.position)
                        for rule, work in each.watcher.fold.services().items()]  # fmt: skip


def _place(row: Machine) -> _Place:
    added = tuple(name for name in row.signals if "." in name)
    edge = row.id if row.agent_id is None else f"{EDGE}{row.agent_id}"  # nobody's silence hides one that says nothing
    return _Place(row.id, row.name, row.kind, row.maker, row.site_id, edge, added)


def _planned(rule: str, work: ServiceEvaluator, stamp: int) -> dict[str, Any]:
    due = work.due(stamp)
    return {"rule": rule, "since": work.since, "used": due.used, "left": due.left, "due": due.at, "by": due.by,
            "unit": work.rule.unit}  # fmt: skip


def _has_left(row: Machine, now: int) -> bool:
    return row.active_to is not None and row.active_to <= to_datetime(now).date()
