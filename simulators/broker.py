"""The embedded MQTT broker: amqtt in a process of its own, on loopback, with logins and topic rights.

For one machine and one collector on a plain subscription. amqtt speaks MQTT 3.1.1, keeps nothing on disk, and grants a
shared subscription without ever delivering to it. The only file that knows amqtt.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext, BrokerConfig, ListenerConfig
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin

from shopfloor.runtime import lifecycle, logs
from simulators.logins import allows, digest, read_logins

if TYPE_CHECKING:
    from amqtt.session import Session

_EXPIRED_SESSION_SECONDS = 3600
_MODULE = "simulators.broker"  # also when this file runs as __main__


class Logins(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who has a login; checks client id and last will at CONNECT."""

    @dataclass
    class Config:
        """Where the login file is."""

        file: str = field(default="")

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._logins = read_logins(Path(self.config.file))

    async def authenticate(self, *, session: Session) -> bool | None:
        """Check name, password, client id and last will."""
        login = self._logins.get(session.username or "")
        if login is None or not hmac.compare_digest(login.password_sha256, digest(session.password or "")):
            return False
        claimed = {each for other in self._logins.values() if other is not login for each in other.client_ids}
        if session.client_id in claimed or (login.client_ids and session.client_id not in login.client_ids):
            return False
        will = session.will_topic if session.will_flag else None
        return will is None or any(allows(each, will) for each in login.publish)


class Rights(BaseTopicPlugin):  # type: ignore[misc]
    """Lets a login publish and subscribe to what is its own."""

    @dataclass
    class Config:
        """Where the login file is."""

        file: str = field(default="")

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._logins = read_logins(Path(self.config.file))

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Check one topic."""
        login = self._logins.get(session.username or "") if session else None
        if login is None or topic is None:
            return False
        filters = login.publish if action == Action.PUBLISH else login.subscribe
        return any(allows(each, topic) for each in filters)


async def serve(logins: Path, port: int, stop: asyncio.Event) -> None:
    """Serve on 127.0.0.1 until stopped; writes `ready` to standard output when it listens."""
    plugin = {"file": str(logins)}
    broker = Broker(
        BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"127.0.0.1:{port}")},
            session_expiry_interval=_EXPIRED_SESSION_SECONDS,
            plugins={f"{_MODULE}.Logins": plugin, f"{_MODULE}.Rights": plugin},
        ),
    )
    await broker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(broker.shutdown(), 5)


def main() -> int:
    """Run it: `python -m simulators.broker LOGINS PORT`."""
    logs.configure(program="broker")
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    logins, port = Path(sys.argv[1]), int(sys.argv[2])

    async def program(stop: asyncio.Event) -> None:
        await serve(logins, port, stop)

    return lifecycle.run(program)


if __name__ == "__main__":
    sys.exit(main())
