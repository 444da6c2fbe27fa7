"""The postman: takes due deliveries to their channels, one at a time each, and notes every answer.

A slow channel holds up only itself. What was begun by a program that died is taken up first.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.outbox import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.maintenance.channels import Attachment, Channels
    from api.maintenance.notifications import Message
    from api.maintenance.outbox import Delivery, Outbox
    from api.maintenance.wording import Words

CHANNELS_AT_ONCE = 16
"""Channels that are waited for at a time."""


class Letter(NamedTuple):
    """What a message looks like to its reader.

    Attributes:
        words: see `Words`.
        attachments: files that go with it, such as the evidence.
        to: its reader's e-mail address, where it goes by the house's own mail server.
    """

    words: Words
    attachments: tuple[Attachment, ...] = ()
    to: str = ""


class Postman:
    """Delivers what is in an outbox.

    Args:
        outbox: where deliveries are kept.
        channels: how they are sent.
        compose: writes a message for its reader, when it is sent; called from several threads.
    """

    def __init__(self, outbox: Outbox, channels: Channels, compose: Callable[[Message], Letter]) -> None:
        self._outbox = outbox
        self._channels = channels
        self._compose = compose
        self._busy: set[str] = set()
        self._lock = threading.Condition()
        self._failed: Exception | None = None
        self._threads = ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="postman")
        for delivery in outbox.begun():
            delivery.recover(is_repeatable=channels.drops_repeats(delivery.channel))
            outbox.note(delivery)

    def run(self, now: int) -> int:
        """Set out with what is due, and return at once how many deliveries that are.

        Raises:
            Exception: of the outbox, when its file cannot be used; also when it could not be since the last call.
        """
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        count = 0
        while True:
            with self._lock:
                busy = set(self._busy)
            if len(busy) >= CHANNELS_AT_ONCE:
                return count
            due = self._outbox.due(now, 1, busy)
            if not due:
                return count
            [delivery] = due
            if not self._outbox.begin(delivery, now):
                continue  # cancelled meanwhile
            with self._lock:
                self._busy.add(delivery.channel)
            self._threads.submit(self._deliver, delivery)
            count += 1

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way; False when something still is after so many seconds."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._busy, seconds)

    def close(self) -> None:
        """Wait for what is under way, at most as long as a channel has for its answer, and stop."""
        self._threads.shutdown()

    def _deliver(self, delivery: Delivery) -> None:
        try:
            answer, words = self._send(delivery)
            delivery.end(answer, words, is_repeatable=self._channels.drops_repeats(delivery.channel))
            self._outbox.note(delivery)
        except Exception as error:  # noqa: BLE001 - it is raised where somebody hears it; the delivery stays begun
            self._failed = error
        finally:
            with self._lock:
                self._busy.discard(delivery.channel)
                self._lock.notify_all()

    def _send(self, delivery: Delivery) -> tuple[Answer, str]:
        try:
            letter = self._compose(delivery.message)
        except Exception as error:  # noqa: BLE001 - one message that cannot be written must not stop the others
            return Answer.REFUSED, f"the message cannot be written: {type(error).__name__}"
        try:
            return self._channels.send(
                delivery.channel, letter.words, key=delivery.key, attachments=letter.attachments, to=letter.to
            )
        except Exception as error:  # noqa: BLE001 - a channel's own mistake; whether it was sent is not known
            return Answer.NO_ANSWER, type(error).__name__
