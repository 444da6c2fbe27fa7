"""Links by e-mail: to who is invited, and to who has forgotten the password. Says to nobody which addresses exist."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import structlog
from sqlalchemy import select

from api.access import people
from api.access.tables import Person
from api.access.throttle import FORGOTTEN, FORGOTTEN_ACCOUNT, Spent, network_of
from api.audit.service import NOBODY, Actor
from api.maintenance.channels import Channel, ChannelError, Channels
from api.maintenance.outbox import Answer
from api.maintenance.wording import Words
from api.records.database import RecordsUnavailableError
from shopfloor.settings import SettingsError, read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from api.access.people import Link
    from api.records.database import Records
    from api.settings import MailSettings

SECONDS_MAX = 15.0
"""How long the mail server has for its answer."""
AT_ONCE = 2
WAITING_MAX = 50
"""Most letters that wait to be sent; one more is dropped: who wants it asks again."""
_CHANNEL = "mail"

log = structlog.get_logger(__name__)


_TEXTS: Mapping[tuple[str, bool], Words] = {
    ("it", True): Words(
        "Il tuo accesso a Officina",
        "Sei invitato a usare Officina{house}.\n\nApri questo collegamento per scegliere la password; funziona una "
        "volta sola e per una settimana:\n\n{address}\n\nSe non sai di che cosa si tratta, non fare nulla.",
    ),
    ("it", False): Words(
        "Una nuova password per Officina",
        "Qualcuno, forse tu, ha chiesto una nuova password per Officina{house}.\n\nApri questo collegamento per "
        "sceglierla; funziona una volta sola e per due ore:\n\n{address}\n\nSe non l'hai chiesta, non fare nulla: la "
        "password resta quella di prima.",
    ),
    ("en", True): Words(
        "Your access to Officina",
        "You are invited to use Officina{house}.\n\nOpen this link to choose a password; it works once, and for a "
        "week:\n\n{address}\n\nIf you do not know what this is about, do nothing.",
    ),
    ("en", False): Words(
        "A new password for Officina",
        "Somebody, perhaps you, has asked for a new password for Officina{house}.\n\nOpen this link to choose it; it "
        "works once, and for two hours:\n\n{address}\n\nIf you have not asked for it, do nothing: the password stays "
        "as it is.",
    ),
}


class Letters:
    """Sends links.

    Args:
        records: where people are.
        settings: how.
        house: name of the consortium.

    Raises:
        SettingsError: the server's address cannot be used, or the pages' is none.
    """

    def __init__(self, records: Records, settings: MailSettings, *, house: str) -> None:
        self._records = records
        self._server = mail_server(settings.server_file)
        self._house = f" ({house})" if house else ""
        self.pages = _pages(settings.pages)
        self._spent = Spent()
        self._waiting = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="letters")

    def send(self, email: str, language: str, link: Link, *, is_first: bool) -> bool:
        """Send somebody a link and wait for the mail server.

        Args:
            email: where it goes.
            language: that its reader has chosen.
            link: what it brings.
            is_first: it invites; otherwise it lets somebody choose another password.

        Returns:
            Whether the server took the letter.
        """
        subject, body = _TEXTS[language, is_first]
        words = Words(subject, body.format(house=self._house, address=f"{self.pages}{link.path}"))
        try:
            reply = Channels({_CHANNEL: self._server.to(email)}, timeout_seconds=SECONDS_MAX).send(
                _CHANNEL, words, key=link.id
            )
        except ChannelError:
            log.warning("letters.not_sent", link=link.id, said="the address cannot be written to")
            return False
        if reply.answer is not Answer.ACCEPTED:
            log.warning("letters.not_sent", link=link.id, said=reply.words.replace(email, "***"))
        return reply.answer is Answer.ACCEPTED

    def forgotten(self, email: str, address: str, *, now: int) -> float:
        """Send whoever signs in with an address a link, a little later; nothing tells whether anybody does.

        Args:
            email: as it was typed, in lower case.
            address: that the request comes from.
            now: the present.

        Returns:
            0; or the seconds to wait, when this address has asked too often.
        """
        with self._lock:
            place = [(("forgotten", network_of(address)), FORGOTTEN)]
            if (wait_seconds := self._spent.take(place, now=now)) > 0:
                return wait_seconds
            account = [(("forgotten account", email), FORGOTTEN_ACCOUNT)]
            if self._waiting >= WAITING_MAX or self._spent.take(account, now=now) > 0:
                return 0.0
            self._waiting += 1
        self._threads.submit(self._find_and_send, email, address, now)
        return 0.0

    def close(self) -> None:
        """Send nothing more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _find_and_send(self, email: str, address: str, now: int) -> None:
        try:
            self._send_to_whoever(email, address, now)
        except RecordsUnavailableError as error:
            log.warning("letters.records_unavailable", error=str(error))
        finally:
            with self._lock:
                self._waiting -= 1

    def _send_to_whoever(self, email: str, address: str, now: int) -> None:
        with self._records.writing() as session:
            person = session.scalars(select(Person).where(Person.email == email, Person.is_active)).one_or_none()
            if person is None or not email:
                return
            is_first = not person.password_hash
            link = people.new_link(session, Actor(NOBODY, address), person, now=now, keeps_factor=True)
        self.send(person.email, person.language, link, is_first=is_first)


def mail_server(file: Path) -> Channel:
    """Return the house's mail server, which a secret file names.

    Raises:
        SettingsError: the file cannot be read, or holds something else.
    """
    address = read_secret(file)
    parts = urlsplit(address)
    if not parts.scheme.startswith("mailto") or "to" in parse_qs(parts.query) or parts.path.strip("/"):
        raise SettingsError(
            f"{file} is to hold the mail server as mailtos://user:password@host?from=address, and nobody to write to"
        )
    server = Channel(address, is_ours=True)
    try:
        Channels({_CHANNEL: server})
    except ChannelError as error:
        raise SettingsError(
            f"the mail server in {file} cannot be read: write mailtos://user:password@host?from=address"
        ) from error
    return server


def _pages(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        raise SettingsError(f"[mail] pages = {address!r} is no address of the pages: write https://officina.example")
    return f"{parts.scheme}://{parts.netloc}"
