"""Telling who asks: by API key or by session, with the key file as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from api.access.keys import KeyFileError, Keys, read_keys
from api.access.sessions import Sessions, session_secret

if TYPE_CHECKING:
    from pathlib import Path

    from api.access.scope import Caller
    from api.watched import Version

from api.watched import version

log = structlog.get_logger(__name__)


class Access:
    """Who may come in.

    Args:
        keys_file: the API keys; read again when it changes.
        secret_file: signs sessions; made when it does not exist.

    Raises:
        KeyFileError: the key file cannot be used.
        SettingsError: the secret cannot be used.
    """

    def __init__(self, keys_file: Path, secret_file: Path) -> None:
        self._file = keys_file
        self._version: Version | None = version(keys_file)
        self._keys = read_keys(keys_file)
        self._sessions = Sessions(session_secret(secret_file))

    def by_token(self, token: str) -> Caller | None:
        """Return who holds an API key; None when there is no such key."""
        key = self._keys.by_token(token)
        return key.caller(by_cookie=False) if key else None

    def by_cookie(self, cookie: str) -> Caller | None:
        """Return who opened a session; None when it is over, forged, or its key is gone."""
        key_id = self._sessions.key_id(cookie)
        key = self._keys.by_id(key_id) if key_id else None
        return key.caller(by_cookie=True) if key else None

    def open_session(self, token: str) -> str | None:
        """Return the cookie of a new session for who holds an API key; None when there is no such key."""
        key = self._keys.by_token(token)
        return self._sessions.open(key.id) if key else None

    def is_valid(self, caller: Caller) -> bool:
        """Tell whether a caller's key is still there and still allows the same."""
        key = self._keys.by_id(caller.key_id)
        return key is not None and key.caller(by_cookie=caller.by_cookie).scope == caller.scope

    def refresh(self) -> None:
        """Read the key file again when it has changed; one that cannot be used lets nobody in."""
        current = version(self._file)
        if current == self._version:
            return
        self._version = current
        try:
            self._keys = read_keys(self._file)
        except KeyFileError as error:
            self._keys = Keys([])
            log.error("access.closed", reason=str(error))
        else:
            log.info("access.keys_read", keys=len(self._keys))
