"""Channels that carry messages to people: e-mail, webhook, Telegram, ntfy and so on. The only file that knows apprise.

A channel is one address in apprise's form, which holds its secrets: it is never logged, shown or put on record, and
every part of it is blotted out of what a channel answers.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from api.maintenance.outbox import Answer
from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import apprise

    from api.maintenance.wording import Words

TIMEOUT_SECONDS = 60.0
"""How long a channel has for its answer; mail servers may take long over a message's end (RFC 5321, 4.5.3.2.6)."""
CONNECT_SECONDS = 10.0
WORDS_MAX = 500
"""Most characters of an answer that are put on record."""
KEY_HEADER = "Idempotency-Key"
"""Header with the delivery's key: of a webhook's request, and of a mail."""

_LOGGER = logging.getLogger("apprise")
_FAILED_BEFORE = re.compile(
    "Connection error while submitting"  # connecting to a mail server or logging in; the message comes after
    "|refused|NewConnectionError|ConnectTimeout|NameResolution|Name or service|unreachable|SSLError|certificate",
)
_SMTP_REPLY = re.compile(r"\([45]\d\d, b['\"]")
_GATEWAY_GAVE_UP = re.compile(r"error=50[24]\b")
_SHORTEST_SECRET = 4


class ChannelError(ExpectedError):
    """A channel cannot be used; the sentence names it, not its address."""


class Channel(NamedTuple):
    """Where messages can be sent.

    Attributes:
        address: in apprise's form, for example `mailtos://user:password@host?to=...`; a secret.
        drops_repeats: the receiver keeps one delivery of each `Idempotency-Key`, so that it can be tried again when no
            answer came. No mail server and no messenger does; an own webhook can.
        is_ours: settings name it, not people: it may be inside our own network.
    """

    address: str
    drops_repeats: bool = False
    is_ours: bool = False

    def to(self, email: str) -> Channel:
        """Return a mail server's channel to somebody, by e-mail address."""
        return self._replace(address=f"{self.address}{'&' if '?' in self.address else '?'}{urlencode({'to': email})}")


class Attachment(NamedTuple):
    """A file that goes with a message.

    Attributes:
        name: of the file.
        media_type: of its content.
        content: the file.
    """

    name: str
    media_type: str
    content: bytes


class Reply(NamedTuple):
    """What came of a try.

    Attributes:
        answer: see `Answer`.
        words: the channel's own, without secrets.
    """

    answer: Answer
    words: str


class Channels:
    """Every channel by name. Sends block; may be used from several threads.

    Args:
        channels: by name.
        timeout_seconds: for an answer.
        inside: hosts of one's own network that may be called, beside public ones: what people type must not make this
            server call its neighbours (OWASP ASVS 5.0, 15.3.2). None where addresses come from settings alone.

    Raises:
        ChannelError: an address cannot be read; the sentence names the channel.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        inside: Collection[str] | None = None,
    ) -> None:
        _LOGGER.propagate = False  # its lines quote addresses; what matters of them is in the reply,
        _LOGGER.setLevel(logging.DEBUG)  # which is made of those of every level
        self._channels = dict(channels)
        self._timeout = timeout_seconds
        self._inside = inside
        self._asset = _library().AppriseAsset(app_id="Officina", app_desc="Officina", async_mode=False)
        for name, channel in self._channels.items():
            self._open(name, channel)

    def renew(self, channels: Mapping[str, Channel]) -> None:
        """Take other channels, which may be under way in other threads; one whose address cannot be read refuses."""
        if channels == self._channels:
            return
        if not self._channels:  # the first address that is opened loads every service: no message is to wait for that
            with suppress(ChannelError):
                self._open(*next(iter(channels.items())))
        self._channels = dict(channels)

    def drops_repeats(self, name: str) -> bool:
        """Tell whether a delivery may be given to a channel again although it may have arrived."""
        channel = self._channels.get(name)
        return channel is not None and channel.drops_repeats

    def send(self, name: str, words: Words, *, key: str, attachments: Iterable[Attachment] = (), to: str = "") -> Reply:
        """Give a message to a channel and wait for its answer.

        Args:
            name: of the channel; one that is unknown refuses.
            words: what is said.
            key: of the delivery.
            attachments: left out where the channel takes none.
            to: e-mail address of the reader, where the channel is a mail server and nobody's own.
        """
        channel = self._channels.get(name)
        if channel is None:
            return Reply(Answer.REFUSED, "there is no such channel any more")
        channel = channel.to(to) if to else channel
        try:
            service = self._open(name, channel)
            self._check_host(channel, service)
        except ChannelError as error:
            return Reply(Answer.REFUSED, str(error))
        if isinstance(getattr(service, "headers", None), dict):
            service.headers[KEY_HEADER] = key
        apprise = _library()
        sender = apprise.Apprise(asset=self._asset)
        sender.add(service)
        memory = apprise.attachment.memory.AttachMemory
        files = attachments if service.attachment_support else ()
        attach = [memory(each.content, name=each.name, mimetype=each.media_type) for each in files]
        result = sender.notify(
            words.body,
            title=words.subject,
            body_format=apprise.NotifyFormat.TEXT,
            attach=attach or None,
            timeout=self._timeout + CONNECT_SECONDS,
            log_level=logging.DEBUG,
        )
        lines = [entry.message for entry in result.logs()]
        return Reply(_answer(result, lines), _blot(channel, _said(result, lines)))

    def _open(self, name: str, channel: Channel) -> Any:
        service = _library().Apprise.instantiate(channel.address, asset=self._asset)
        if service is None:
            raise ChannelError(f"the address of channel {name} cannot be read: write it in the form of its service")
        is_mail = hasattr(service, "smtp_host")  # it has one time-out for everything
        service.socket_connect_timeout = self._timeout if is_mail else min(CONNECT_SECONDS, self._timeout)
        service.socket_read_timeout = self._timeout
        service.redirects = False  # whoever answers does not choose where we call next
        return service

    def _check_host(self, channel: Channel, service: Any) -> None:
        host = _host(channel.address, service)
        if self._inside is None or channel.is_ours or not host or host in self._inside:
            return
        if not _is_public(host):
            raise ChannelError("this host is inside our own network: an administrator may name it in message_hosts")


_OWN_HOST = frozenset(
    {"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms", "ntfy", "ntfys", "gotify", "gotifys",
     "mmost", "mmosts", "rocket", "rockets", "signal", "signals"}
)  # fmt: skip
"""Services whose address names the host that is called."""
_SERVICES = _OWN_HOST | {"tgram", "slack", "discord", "pover"}
"""What people may name: apprise knows a hundred more, of which some act on this server or read its files."""
_READS_FILES = re.compile(r"template|pgp", re.IGNORECASE)
"""Parameters that name a file of this server, whose content would be sent."""


def check_address(address: str) -> None:
    """Refuse an address that no service of ours knows, or that would read or change something on this server.

    Raises:
        ChannelError: saying what to write instead; it does not quote the address.
    """
    names = [name.strip() for name, _ in parse_qsl(urlsplit(address).query, keep_blank_values=True)]
    is_ours = _scheme(address) in _SERVICES and not any(_READS_FILES.match(name) for name in names)
    if not is_ours or _library().Apprise.instantiate(address) is None:
        raise ChannelError("this address cannot be read: write it in the form of its service, for example "
                           "mailtos://USER:PASSWORD@HOST?to=NAME@EXAMPLE.ORG, tgram://TOKEN/CHAT, ntfys://HOST/TOPIC "
                           "or jsons://HOST/PATH")  # fmt: skip


def _library() -> Any:
    """Return apprise, which takes its time to load: only who sends waits for it."""
    import apprise.attachment.memory

    return apprise


def _scheme(address: str) -> str:
    return address.partition("://")[0].strip().lower()


def _host(address: str, service: Any) -> str:
    """Return the host that an address names, empty where the service has one of its own."""
    if _scheme(address) not in _OWN_HOST or getattr(service, "mode", "") == "cloud":
        return ""
    return str(getattr(service, "smtp_host", "") or service.host).strip("[]").lower()


def _is_public(host: str) -> bool:
    """Tell whether every address of a host is public; one that has none is called by nobody."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return True
    addresses = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
    plain = [getattr(each, "ipv4_mapped", None) or each for each in addresses]
    return all(each.is_global and not each.is_multicast for each in plain)


def _answer(result: apprise.AppriseResult, lines: Iterable[str]) -> Answer:
    """Tell whether the message arrived, did not, or may have."""
    if result:
        return Answer.ACCEPTED
    text = "\n".join(lines)
    if result.status == _library().AppriseResultStatus.TIMEOUT or _GATEWAY_GAVE_UP.search(text):
        return Answer.NO_ANSWER
    is_open = "Socket Exception" in text and not _FAILED_BEFORE.search(text) and not _SMTP_REPLY.search(text)
    return Answer.NO_ANSWER if is_open else Answer.REFUSED


def _said(result: apprise.AppriseResult, lines: Iterable[str]) -> str:
    if result:
        return "accepted"
    told = [line for line in lines if "Socket Exception" in line or "refused" in line or "error" in line.lower()
            or "failed" in line.lower()]  # fmt: skip
    return "; ".join(dict.fromkeys(told)) or result.status.name.lower()


def _blot(channel: Channel, text: str) -> str:
    for secret in _secrets(channel.address):
        text = text.replace(secret, "***")
    return text[:WORDS_MAX]


def _secrets(address: str) -> list[str]:
    """Return every part of an address that could be secret, the longest first."""
    parts = urlsplit(address)
    found = {
        address,
        parts.netloc,
        *parts.path.split("/"),
        parts.query,
        *(value for _, value in parse_qsl(parts.query)),
    }
    found |= {parts.username or "", parts.password or ""}
    if not parts.scheme.startswith(("mailto", "json", "xml", "form", "ntfy")):
        found.add(parts.netloc.rpartition("@")[2].partition(":")[0])  # a token stands where a host stands elsewhere
    found |= {unquote(each) for each in found}
    return sorted((each for each in found if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)
