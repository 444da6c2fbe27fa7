"""Links of a message that do one thing once: take charge, or put aside. Signed, so that nobody can make one. Pure.

Programs that look at mails before people do follow links: the page that a link leads to asks with one button, and only
that button counts as use. Who keeps the id of a used link is `api.maintenance.outbox_records.use_link`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import NamedTuple

from shopfloor.errors import ExpectedError
from shopfloor.periods import DAY

LASTS = 7 * DAY
"""How long a link works, in nanoseconds."""
DEEDS = ("mine", "snooze")
SECRET_BYTES_MIN = 32
_TAG_BYTES = 16
_CONTEXT = b"officina.maintenance.link\0"


class LinkRefusedError(ExpectedError):
    """A link does not work; the sentence says why and what to do instead."""


class Link(NamedTuple):
    """What a link may do.

    Attributes:
        deed: one of `DEEDS`.
        incident: its id.
        person: in whose name.
        message: key of the message that carried it; its links are used up apart from those of the next one.
        until: when it expires.
    """

    deed: str
    incident: str
    person: str
    message: str
    until: int

    @property
    def id(self) -> str:
        """Identity, by which its use is remembered."""
        return hashlib.sha256(_CONTEXT + _payload(self)).hexdigest()[:32]


def sign(link: Link, secret: bytes) -> str:
    """Return a link as the last part of its address.

    Args:
        link: what it may do.
        secret: at least `SECRET_BYTES_MIN` random bytes, of this purpose alone or not.

    Raises:
        ValueError: the secret is too short.
    """
    payload = _payload(link)
    return f"{_text(payload)}.{_text(_tag(payload, secret))}"


def read(text: str, secret: bytes, now: int) -> Link:
    """Read what `sign` wrote.

    Raises:
        LinkRefusedError: it is damaged, forged or expired.
    """
    payload_text, _, tag_text = text.partition(".")
    try:
        payload, tag = _bytes(payload_text), _bytes(tag_text)
    except ValueError:
        payload, tag = b"", b""
    if not hmac.compare_digest(tag, _tag(payload, secret)):
        raise LinkRefusedError("this link is damaged or not ours: open the incident in Officina instead")
    link = Link(*json.loads(payload))
    if now >= link.until:
        raise LinkRefusedError("this link has expired: open the incident in Officina instead")
    return link


def _payload(link: Link) -> bytes:
    return json.dumps(list(link), separators=(",", ":")).encode()


def _tag(payload: bytes, secret: bytes) -> bytes:
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(f"the secret of links has {len(secret)} bytes, {SECRET_BYTES_MIN} are needed")
    return hmac.new(secret, _CONTEXT + payload, hashlib.sha256).digest()[:_TAG_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
