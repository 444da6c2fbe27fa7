"""Messages on their way: each key once, retried with a cap, every attempt on record. Pure; a channel sends.

A channel answers, refuses, or does not answer in time. No answer is neither sent nor failed: the message may have
arrived. Where the channel takes a key that makes a second delivery harmless it is tried again; elsewhere it is left as
unknown and shown, because a second message in the night is worse than a mark on a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shopfloor.periods import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from api.maintenance.notifications import Message

ATTEMPTS_MAX = 8
"""Then a message is dead, and counted."""
FIRST_RETRY_SECONDS = 15
LONGEST_RETRY_SECONDS = 3600
MAIL = "mail"
"""The house's own mail server: the channel of what goes to firms, not to a person's own channels."""


class Status(StrEnum):
    """Where a delivery is."""

    QUEUED = "queued"
    SENT = "sent"
    UNKNOWN = "unknown"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Answer(StrEnum):
    """What came of an attempt."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"


class Attempt(NamedTuple):
    """One try.

    Attributes:
        at: when it began.
        answer: see `Answer`.
        words: the channel's own, without secrets.
    """

    at: int
    answer: Answer
    words: str


@dataclass(slots=True)
class Delivery:
    """A message to a person through one channel.

    Attributes:
        message: what is said.
        channel: name of the channel.
        due: when it is to be tried next.
        status: see `Status`.
        attempts: on record, all of them.
        begun: when an attempt began whose answer is not on record; 0 for none. After a restart it is unknown.
    """

    message: Message
    channel: str
    due: int
    status: Status = Status.QUEUED
    attempts: list[Attempt] = field(default_factory=list)
    begun: int = 0

    @property
    def key(self) -> str:
        """Identity: the message's key and the channel."""
        return f"{self.message.key}|{self.channel}"

    def end(self, answer: Answer, words: str, *, is_repeatable: bool) -> None:
        """Note what came of the attempt, and decide on the next.

        Args:
            answer: of the channel.
            words: its own, for the record.
            is_repeatable: the channel delivers one key once, however often it is given it.
        """
        self.attempts.append(Attempt(self.begun, answer, words))
        begun, self.begun = self.begun, 0
        if answer is Answer.ACCEPTED:
            self.status = Status.SENT
        elif answer is Answer.NO_ANSWER and not is_repeatable:
            self.status = Status.UNKNOWN
        elif len(self.attempts) >= ATTEMPTS_MAX:
            self.status = Status.DEAD
        else:
            pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 4 ** (len(self.attempts) - 1))
            self.due = begun + pause * SECOND

    def recover(self, *, is_repeatable: bool) -> None:
        """Take up a delivery after a restart: an attempt without an answer on record had no answer."""
        if self.begun:
            self.end(Answer.NO_ANSWER, "the program stopped before the answer", is_repeatable=is_repeatable)


class Outbox(Protocol):
    """Where deliveries are kept. Each call is durable when it returns."""

    def add(self, messages: Iterable[Message]) -> int:
        """Queue messages, one delivery for each channel; a key that is known is left out. Returns how many are new."""

    def due(self, now: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        """Return queued deliveries whose time has come and that nobody tries, the gravest and oldest first.

        Args:
            now: the present.
            limit: how many at most.
            busy: channels that are left out.
        """

    def begin(self, delivery: Delivery, now: int) -> bool:
        """Note, before anything leaves, that an attempt begins; False when it was cancelled or begun meanwhile."""

    def note(self, delivery: Delivery) -> None:
        """Keep what has become of a delivery."""

    def begun(self) -> list[Delivery]:
        """Return deliveries with an attempt whose answer is not on record."""

    def cancel(self, incident: str) -> int:
        """Cancel what is still queued of an incident that somebody has taken. Returns how many."""


class MemoryOutbox:
    """An outbox without a file: for tests, and the form that a durable one has to follow."""

    def __init__(self) -> None:
        self.deliveries: dict[str, Delivery] = {}

    def add(self, messages: Iterable[Message]) -> int:
        """Queue messages; see `Outbox`."""
        before = len(self.deliveries)
        for message in messages:
            for channel in message.channels:
                delivery = Delivery(message, channel, message.not_before)
                self.deliveries.setdefault(delivery.key, delivery)
        return len(self.deliveries) - before

    def due(self, now: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        """Return what is due; see `Outbox`."""
        found = [
            each for each in self.deliveries.values()
            if each.status is Status.QUEUED and not each.begun and each.due <= now and each.channel not in busy
        ]  # fmt: skip
        found.sort(key=lambda each: (each.message.severity != "high", each.due, each.key))
        return found[:limit]

    def begin(self, delivery: Delivery, now: int) -> bool:
        """Begin an attempt; see `Outbox`."""
        is_free = delivery.status is Status.QUEUED and not delivery.begun
        if is_free:
            delivery.begun = now
        return is_free

    def begun(self) -> list[Delivery]:
        """Return what was begun; see `Outbox`."""
        return [each for each in self.deliveries.values() if each.begun]

    def note(self, delivery: Delivery) -> None:
        """Keep a delivery; see `Outbox`."""
        self.deliveries[delivery.key] = delivery

    def cancel(self, incident: str) -> int:
        """Cancel what is queued of an incident; see `Outbox`."""
        queued = [
            each for each in self.deliveries.values()
            if each.message.incident == incident and each.status is Status.QUEUED and not each.begun
        ]  # fmt: skip
        for each in queued:
            each.status = Status.CANCELLED
        return len(queued)


def overdue(outbox: Iterable[Delivery], now: int) -> int:
    """Count deliveries that should have been tried ten minutes ago: nobody sends."""
    return sum(each.status is Status.QUEUED and each.due < now - 10 * MINUTE for each in outbox)
