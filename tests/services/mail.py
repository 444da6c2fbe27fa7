"""A real mail server for tests, on a free port."""

from __future__ import annotations

from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


class Mails:
    """What a mail server took in: to whom, subject and text of each letter, and the files that went with it."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], str, str]] = []
        self.files: list[dict[str, bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        part = message.get_body(("plain", "html"))
        assert part is not None
        self.files.append({str(each.get_filename()): each.get_content() for each in message.iter_attachments()})
        self.received.append((envelope.rcpt_tos, str(message["subject"]), part.get_content()))
        return "250 kept"


@contextmanager
def mail_server() -> Iterator[tuple[Mails, str]]:
    """Run one; yields what it takes in, and its address as the settings name it."""
    mails, port = Mails(), free_port()
    server = Controller(mails, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield mails, f"mailto://127.0.0.1:{port}?from=officina@example.it&mode=insecure"
    finally:
        server.stop()
