"""A renewed certificate is taken while the server runs."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger(__name__)


class Renewal:
    """Gives each new connection the certificate that lies there at that time.

    Each handshake looks at the two files: nothing has to be told to any of several processes. What cannot be used,
    as while only one of the files is new, is said once; the certificate before it stays in use. It is another context
    each time: one that is loaded twice would keep a certificate of another kind of key beside the new one.

    Args:
        context: of the server that listens, loaded with the same files.
        certificate: file of the certificate and those between it and its authority.
        key: file of its key.
    """

    def __init__(self, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._current = context
        self._seen = self._look()
        context.sni_callback = self._choose  # called also for a client that names no server

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._take()
        connection.context = self._current

    def _look(self) -> list[tuple[int, int, int]] | None:
        try:
            found = [file.stat() for file in self._files]
        except OSError:
            return None
        return [(each.st_ino, each.st_size, each.st_mtime_ns) for each in found]

    def _take(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key, password="")  # never asked for at a terminal
        except OSError as error:  # an SSLError is one
            log.warning("api.certificate_refused", file=str(certificate), reason=str(error))
            return
        self._current = context
        log.info("api.certificate_renewed", file=str(certificate))
