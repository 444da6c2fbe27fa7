"""The embedded MQTT broker: amqtt in a process of its own, on loopback, with logins and topic rights.

It reads the same files as Mosquitto does. For one machine and one collector on a plain subscription. amqtt speaks MQTT
3.1.1, keeps nothing on disk, and grants a shared subscription without ever delivering to it. The only file that knows
amqtt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import amqtt.broker
import structlog
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig
from amqtt.errors import MQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin

from shopfloor.broker_files import BrokerFilesError, is_password, read_files
from shopfloor.runtime import lifecycle, logs
from shopfloor.wire.rights import covers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from amqtt.session import ApplicationMessage, Session

    from shopfloor.broker_files import Entry

PID_FILE = "broker.pid"
"""In the folder of the broker's files."""

_EXPIRED_SESSION_SECONDS = 3600

log = structlog.get_logger(__name__)


class Doors:
    """Who may do what, from the files as they were last read; files that cannot be used let nobody in.

    Args:
        folder: of the broker's files.

    Raises:
        BrokerFilesError: the files cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logins: Mapping[str, Entry] = read_files(folder)

    def refresh(self) -> None:
        """Read the files again."""
        try:
            self._logins = read_files(self._folder)
        except BrokerFilesError as error:
            self._logins = {}
            log.error("broker.closed", reason=str(error))
        else:
            log.info("broker.logins_read", logins=len(self._logins))

    def knows(self, session: Session) -> bool:
        """Tell whether name and password of a session hold."""
        login = self._logins.get(session.username or "")
        return login is not None and is_password(session.password or "", login.password_hash)

    def lets_in(self, session: Session) -> bool:
        """Check name, password, client id and last will of who connects."""
        if not self.knows(session):
            return False
        login, name = self._logins[session.username], session.username
        is_own = session.client_id == name or (not login.rights.is_bound and session.client_id not in self._logins)
        return is_own and (not session.will_flag or self.may_publish(session, session.will_topic or ""))

    def may_publish(self, session: Session | None, topic: str) -> bool:
        """Tell whether a session may publish on a topic."""
        login = self._logins.get(session.username or "") if session else None
        return login is not None and any(covers(each, topic) for each in login.rights.publish)

    def may_hear(self, session: Session | None, topic: str) -> bool:
        """Tell whether a session may hear a topic, or all that a filter covers."""
        login = self._logins.get(session.username or "") if session else None
        return login is not None and any(covers(each, topic) for each in login.rights.subscribe)


@cache
def doors(folder: str) -> Doors:
    """Return what stands for a folder in this process: amqtt makes its plugins by itself, with settings alone."""
    return Doors(Path(folder))


@dataclass
class Config:
    """Settings of the plugins.

    Attributes:
        folder: of the broker's files.
    """

    folder: str = field(default="")


class Logins(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who has a login; checks client id and last will at CONNECT."""

    Config = Config

    async def authenticate(self, *, session: Session) -> bool | None:
        """Check name, password, client id and last will, and that a session that is taken over is of the same login."""
        kept = self.context.get_session(session.client_id)
        is_own = kept is None or kept.username == session.username
        return is_own and doors(self.config.folder).lets_in(session)


class Rights(BaseTopicPlugin):  # type: ignore[misc]
    """Lets a login publish and hear what is its own."""

    Config = Config

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Check one topic."""
        own = doors(self.config.folder)
        if topic is None:
            return False
        return own.may_publish(session, topic) if action == Action.PUBLISH else own.may_hear(session, topic)


class Doorkeeper(BrokerProtocolHandler):  # type: ignore[misc]
    """Refuses a connection before it touches anything.

    amqtt by itself ends the session of the client id that a CONNECT names, and only then asks who it is.
    """

    @classmethod
    async def init_from_connect(
        cls, reader: Any, writer: Any, plugins_manager: Any, loop: asyncio.AbstractEventLoop | None = None
    ) -> tuple[BrokerProtocolHandler, Session]:
        """Read a CONNECT, and refuse who may not come in.

        Raises:
            MQTTError: refused, and told so.
        """
        handler, session = await super().init_from_connect(reader, writer, plugins_manager, loop)
        answers = await plugins_manager.map_plugin_auth(session=session)
        if not answers or not all(answers.values()):
            await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
            raise MQTTError("not authorised")
        return handler, session


class Subscriptions(dict[str, list[tuple["Session", int]]]):
    """Who hears what by filter, as it is when one begins to go through it.

    amqtt asks for rights in between while it hands a message round. Whoever comes or goes meanwhile would end its loop,
    or make it leave somebody out: a message that it had acknowledged would be lost.
    """

    def __iter__(self) -> Iterator[str]:
        """Go through the filters of now."""
        return iter(list(super().__iter__()))

    def items(self) -> list[tuple[str, list[tuple[Session, int]]]]:  # type: ignore[override]
        """Return the filters and subscribers of now."""
        return [(each, list(subscribers)) for each, subscribers in super().items()]


class EmbeddedBroker(Broker):  # type: ignore[misc]
    """Sends a message to all who hear it, and a client the retained messages of its own subscriptions alone.

    amqtt sends it those of everybody's.
    """

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self._subscriptions = Subscriptions()
        self._taken: dict[BrokerProtocolHandler, list[ApplicationMessage]] = {}

    async def _client_message_loop(self, session: Session, handler: BrokerProtocolHandler) -> None:
        """Hand round what a client says, the last of it too: amqtt forgets what it has acknowledged to who leaves."""
        await super()._client_message_loop(session, handler)
        for message in self._taken.pop(handler, []):
            taken = asyncio.get_running_loop().create_future()
            taken.set_result(message)
            if not await self._handle_message_delivery(session, handler, taken):
                break

    async def _handle_disconnect(
        self, session: Session, handler: BrokerProtocolHandler, waiter: asyncio.Future[Any]
    ) -> None:
        """Keep what is still to be handed round, before the session is cleared; a message at hand comes before it."""
        queue = session.delivered_message_queue
        self._taken[handler] = [queue.get_nowait() for _ in range(queue.qsize())]
        await super()._handle_disconnect(session, handler, waiter)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        if any(subscriber is session for subscriber, _ in self._subscriptions.get(subscription[0], [])):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def _reload(broker: Broker, own: Doors) -> None:
    """Read the files again and end the connection of whoever has lost its login."""
    own.refresh()
    for session, handler in list(broker.sessions.values()):
        if not own.knows(session) and session.transitions.is_connected():
            await handler.handle_connection_closed()
            await handler.stop()


async def serve(folder: Path, port: int, stop: asyncio.Event) -> None:
    """Serve on 127.0.0.1 until stopped; writes `ready` to standard output when it listens.

    Args:
        folder: of the broker's files; SIGHUP reads them again, and `PID_FILE` in it says to which process.
        port: TCP port.
        stop: ends it.

    Raises:
        BrokerFilesError: the files cannot be used.
    """
    plugin = {"folder": str(folder)}
    own = doors(str(folder))
    amqtt.broker.BrokerProtocolHandler = Doorkeeper
    broker = EmbeddedBroker(
        BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"127.0.0.1:{port}")},
            session_expiry_interval=_EXPIRED_SESSION_SECONDS,
            plugins={f"{__name__}.Logins": plugin, f"{__name__}.Rights": plugin},
        ),
    )
    await broker.start()
    reloading: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = asyncio.create_task(_reload(broker, own))
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
    (folder / PID_FILE).write_text(f"{os.getpid()}\n", encoding="ascii")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    (folder / PID_FILE).unlink(missing_ok=True)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(broker.shutdown(), 5)


def main() -> int:
    """Run it: `python -m simulators.broker FOLDER PORT`."""
    logs.configure(program="broker")
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    folder, port = Path(sys.argv[1]), int(sys.argv[2])

    async def program(stop: asyncio.Event) -> None:
        await serve(folder, port, stop)

    try:
        return lifecycle.run(program)
    except BrokerFilesError as error:
        log.error("broker.refused", reason=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
