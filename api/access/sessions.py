"""Browser sessions: a signed cookie that names the API key that opened it. The only file that knows itsdangerous."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from itsdangerous import BadData, URLSafeTimedSerializer

from shopfloor.settings import SettingsError, read_secret, write_secret

if TYPE_CHECKING:
    from pathlib import Path

SESSION_SECONDS = 12 * 3600
"""A session ends with the working day, and whenever its key is removed."""
_SECRET_BYTES = 32


class Sessions:
    """Opens and reads sessions.

    Args:
        secret: signs them; whoever has it can make one.
    """

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeTimedSerializer(
            secret, salt="officina.session", signer_kwargs={"digest_method": hashlib.sha256}
        )

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


def session_secret(path: Path) -> str:
    """Return the secret, which is made, for its owner alone, at the first start.

    Raises:
        SettingsError: when it is readable by others or too short.
    """
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(_SECRET_BYTES))
    secret = read_secret(path)
    if len(secret) < _SECRET_BYTES:
        raise SettingsError(f"the session secret {path} is too short to keep anybody out: remove it, a new one is made")
    return secret
