"""Lets the postman set out with what is due, writes each message for its reader, and says that Officina is alive."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from api.maintenance import journal, links, outbox_records, rulebook
from api.maintenance.channels import Attachment, Channel, Channels
from api.maintenance.outbox import MAIL, Answer
from api.maintenance.outbox_records import RecordsOutbox, short
from api.maintenance.plot import draw
from api.maintenance.postman import Letter, Postman
from api.maintenance.tables import Escalation
from api.maintenance.wording import Links, Words, write
from api.records.tables import EdgeAgent, Machine
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period
from shopfloor.signals import UnknownSignalError, find

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from api.maintenance.alarms import Change
    from api.maintenance.notifications import Message
    from api.maintenance.roster import Roster
    from api.records.database import Records
    from shopfloor.stores.port import Store

EVIDENCE_SPAN = 24 * HOUR
"""How much before the alarm its picture shows, in nanoseconds."""
PLOT_SAMPLES_MAX = 100_000
TEST = "test|"
"""Before the key of a test message, whose channel is the rest."""
PING = "ping"
"""Channel of the dead-man's ping."""
ALIVE = Words("Officina", "alive")
"""What that address hears."""
KEPT_DAYS = 400
"""How long deliveries that ended stay on record."""

log = structlog.get_logger(__name__)


class Dispatch:
    """Sends what is in the outbox.

    Args:
        store: for the pictures of the evidence.
        records: the database.
        writing: begins a transaction as the leader.
        zone: civil time of readers.
        url: how people reach the pages; empty leaves links out.
        secret: signs one-tap links.
        inside: hosts of one's own network that channels may call.
        mail: the house's mail server, None where there is none.
        writers: what writes messages of other subjects, by their kind.
    """

    def __init__(
        self,
        store: Store,
        records: Records,
        writing: Callable[[], AbstractContextManager[Session]],
        *,
        zone: str,
        url: str,
        secret: bytes,
        inside: Collection[str] = (),
        mail: Channel | None = None,
        writers: Mapping[str, Callable[[Message], Letter]] | None = None,
    ) -> None:
        self._store = store
        self._records = records
        self._writing = writing
        self._zone = ZoneInfo(zone)
        self._url = url.rstrip("/")
        self._secret = secret
        self._languages: Mapping[str, str] = {}
        self._inside = inside
        self._house = {} if mail is None else {MAIL: mail}
        self._writers = dict(writers or {})
        self._channels = Channels({}, inside=inside)
        self._postman: Postman | None = None
        self._pinged = 0
        self._pinging: threading.Thread | None = None

    def __call__(self, roster: Roster, now: int) -> None:
        """Set out with what is due; returns at once.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        self._languages = roster.languages
        ping = {PING: Channel(roster.ping, drops_repeats=True)} if roster.ping else {}
        self._channels.renew({**roster.channels, **self._house, **ping})
        if self._postman is None:
            outbox = RecordsOutbox(self._records, self._writing)
            self._postman = Postman(outbox, self._channels, self.compose)
        self._postman.run(now)
        self._ping(roster, now)

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is under way; False when something still is after so many seconds."""
        return self._postman is None or self._postman.wait(seconds)

    def compose(self, message: Message) -> Letter:
        """Write a message for its reader; called from several threads."""
        if message.kind in self._writers:
            return self._writers[message.kind](message)
        language = self._languages.get(message.person, "it")
        if message.key.startswith(f"{TEST}{PING}|"):
            return Letter(ALIVE)
        if message.key.startswith(TEST):
            return Letter(_test_words(language))
        first = message.alarms[0]
        with self._records.reading() as session:
            book = rulebook.read(session)
            machine = _called(session, first.machine)
        rules = {rule.id: rule for rule in book.every(first.machine)}
        words = write(message, rules, machine=machine, zone=self._zone, links=self._links(message), language=language)
        plot = self._plot(first, message.at).encode()
        return Letter(words, (Attachment("evidence.svg", "image/svg+xml", plot),) if plot else ())

    def _links(self, message: Message) -> Links:
        """Return where a message leads; the one-tap links carry in whose name they act, and until when."""
        if not self._url:
            return Links()
        number = short(message.incident)
        until = message.at + links.LASTS
        mine, snooze = (
            f"{self._url}/tap/{links.sign(links.Link(deed, number, message.person, message.key, until), self._secret)}"
            for deed in links.DEEDS
        )
        return Links(f"{self._url}/alerts/{number}", mine, snooze)

    def _plot(self, change: Change, until: int) -> str:
        """Return the picture of what was measured, empty where the alarm is about no single signal."""
        signal = change.subject.partition("|")[0]
        try:
            found = find(signal)
        except UnknownSignalError:
            return ""
        if found.type not in {"Double", "Int32", "UInt32", "Int64"}:
            return ""
        period = Period(min(change.since, until) - EVIDENCE_SPAN, max(until, change.since) + MINUTE)
        samples = self._store.read([change.machine], [signal], period, limit=PLOT_SAMPLES_MAX)
        limit = change.evidence.get("limit")
        limits = [float(limit)] if isinstance(limit, int | float) and "distance" not in change.evidence else []
        return draw(samples, period, title=found.label_it, unit=found.unit, limits=limits, since=change.since,
                    zone=self._zone)  # fmt: skip

    def _ping(self, roster: Roster, now: int) -> None:
        """Call the address that expects to hear that Officina is alive; a dead man does not."""
        is_due = now - self._pinged >= roster.ping_minutes * MINUTE
        if not roster.ping or not is_due or (self._pinging is not None and self._pinging.is_alive()):
            return
        self._pinged = now
        self._pinging = threading.Thread(target=self._call, args=(roster.ping, now), name="ping", daemon=True)
        self._pinging.start()

    def _call(self, address: str, now: int) -> None:
        channels = Channels({}, inside=self._inside)
        channels.renew({PING: Channel(address, drops_repeats=True)})
        reply = channels.send(PING, ALIVE, key=f"ping-{now // SECOND}")
        try:
            with self._writing() as session:
                row = session.get(Escalation, 1)
                if row is not None:
                    row.ping_answer = reply.words[:200]
                    row.pinged = now if reply.answer is Answer.ACCEPTED else row.pinged
        except Exception as error:  # noqa: BLE001 - the next call says so as well, and the job notices what is wrong
            log.warning("maintenance.ping_not_kept", error=type(error).__name__)


def tidy(session: Session, now: int) -> None:
    """Drop what ended long ago."""
    outbox_records.forget(session, now - KEPT_DAYS * DAY)
    journal.tidy(session, now)


def _test_words(language: str) -> Words:
    if language == "it":
        return Words("Officina: prova del canale", "Questo canale riceve i messaggi della manutenzione.")
    return Words("Officina: test of the channel", "This channel receives the messages of maintenance.")


def _called(session: Session, name: str) -> str:
    if name.startswith("edge/"):
        edge = session.get(EdgeAgent, name.removeprefix("edge/"))
        return edge.name or edge.id if edge is not None else name
    machine = session.get(Machine, name)
    return machine.name if machine is not None else name
