"""Browser sessions: a signed cookie that names the API key that opened it."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

from itsdangerous import BadData, URLSafeTimedSerializer

from api.files import replace

if TYPE_CHECKING:
    from pathlib import Path

SESSION_SECONDS = 12 * 3600
"""A session ends with the working day, and whenever its key is removed."""
_SECRET_BYTES = 32
_SHA256 = {"digest_method": hashlib.sha256}


class SessionSecretError(Exception):
    """The secret that signs sessions cannot be used; the sentence says what to do."""


class Sessions:
    """Opens and reads sessions.

    Args:
        secret: signs them; whoever has it can make one.
    """

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="officina.session", signer_kwargs=_SHA256)

    def open(self, key_id: str) -> str:
        """Return the value of the cookie of a session that a key opens now."""
        return str(self._serializer.dumps(key_id))

    def key_id(self, cookie: str) -> str | None:
        """Return the key that opened a session; None when it is forged, damaged or too old."""
        try:
            key_id = self._serializer.loads(cookie, max_age=SESSION_SECONDS)
        except BadData:
            return None
        return key_id if isinstance(key_id, str) else None


def read_secret(path: Path) -> str:
    """Read the secret, which is made, for its owner alone, at the first start.

    Raises:
        SessionSecretError: when it is readable by others, too short, or cannot be read or made.
    """
    try:
        if not path.exists():
            replace(path, secrets.token_urlsafe(_SECRET_BYTES).encode())
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read().strip()
    except OSError as error:
        raise SessionSecretError(f"the session secret {path} cannot be read or made: {error.strerror}") from error
    if mode & 0o077:
        raise SessionSecretError(f"the session secret {path} may be read by others (mode {mode:04o}): remove it")
    if len(secret) < _SECRET_BYTES:
        raise SessionSecretError(f"the session secret {path} is empty or too short: remove it, a new one is made")
    return secret.decode("ascii", errors="replace")
