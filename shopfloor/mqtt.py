"""One MQTT 3.1.1 connection, over paho, for every program: the only file that knows paho.

paho's network loop runs in a thread of its own. What happens there reaches the event loop as `Event`s, in order and in
batches. Nothing is queued for sending while there is no connection, and nothing is resent by itself: who needs that
(the spool's window) does it, with its own memory. Each connection is a new paho client, so that none of paho's own
queues outlives it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import structlog
from cryptography.x509 import load_pem_x509_certificates
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from shopfloor.periods import INSTANT_MAX, SECOND, from_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_SECONDS = 15
"""A dead peer is noticed after one and a half times this."""
CONNECT_TIMEOUT_SECONDS = 10.0
RECONNECT_SECONDS_MIN, RECONNECT_SECONDS_MAX = 0.2, 30.0
"""Bounds of the wait before the next attempt, doubled each time, with full jitter, reset by a steady connection."""
STEADY_SECONDS = 2.0
"""A connection that ended sooner was none: two programs of one client id would take it from each other without end."""
INBOX_BYTES_MAX = 64 * 1024 * 1024
"""Received and not yet taken; a message beyond it is dropped unacknowledged, and counted: its publisher sends again."""
READ_AHEAD_BYTES = 256 * 1024
PACKETS_AT_ONCE = 64
"""Packets read before what is to be written has its turn."""
_PUBLISH_QOS_1 = 0x32
_PUBLISH_QOS_1_MASK = 0xF6
"""First byte of a PUBLISH packet with QoS 1, less its DUP and RETAIN flags (MQTT 3.1.1, 3.3.1)."""
_PUBACK = 0x40
_LOOP_SECONDS = 1.0

log = structlog.get_logger(__name__)


class InsecureBrokerError(Exception):
    """The settings would send logins and data in the clear over a network."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What secures the connection.

    Attributes:
        ca_file: authority that signed the broker's certificate; None for the system's authorities.
        cert_file: own certificate, None to log in by password alone.
        key_file: key of the own certificate.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are to it.

    Attributes:
        host: name or address.
        port: TCP port.
        username: login name, empty for none.
        password: its password.
        tls: None for plain text, which is for loopback alone.
        insecure: allow plain text over a network, for this connection, knowingly.

    Raises:
        InsecureBrokerError: plain text to another host without `insecure`.
    """

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.tls is None and not self.insecure and not is_loopback(self.host):
            raise InsecureBrokerError(
                f"the connection to the broker {self.host}:{self.port} is not encrypted: give it a `tls` section, or "
                f"set `insecure = true` for this connection if its network is yours alone",
            )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Will(NamedTuple):
    """What the broker publishes, retained, when this connection dies."""

    topic: str
    payload: bytes


class Connected(NamedTuple):
    """The broker let us in."""

    session_present: bool


class Disconnected(NamedTuple):
    """The connection is gone, or could not be made."""

    reason: str


class Message(NamedTuple):
    """A message arrived. It stays unacknowledged until `Client.acknowledge`."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    mid: int
    connection: int


class Published(NamedTuple):
    """The broker took a message with QoS 1: it says nothing of whether anybody stored it."""

    mid: int


class Subscribed(NamedTuple):
    """The broker answered a subscription.

    Attributes:
        refused: it granted nothing of at least one filter.
    """

    mid: int
    refused: bool


Event: TypeAlias = Connected | Disconnected | Message | Published | Subscribed


class _Publish(NamedTuple):
    retain: bool
    topic: bytes
    mid: int
    payload: bytes


class _ReadAhead:
    """A socket that reads as much as there is, and hands it out in the small pieces that paho asks for.

    paho reads a packet in four or more calls to the system, and each of them lets go of the interpreter and has to wait
    for it again: measured, that was a third of what the collector spends on a message. Packets of data that are here as
    a whole are not read in pieces at all: `publishes` takes them straight out of what was read ahead.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._at = 0

    def recv(self, size: int) -> bytes:
        if self._at == len(self._buffer):
            self._buffer, self._at = self._connection.recv(READ_AHEAD_BYTES), 0
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def publishes(self) -> Iterator[_Publish]:
        """Take whole PUBLISH packets with QoS 1 that come next, up to the first packet that is something else."""
        while True:
            buffer, at = self._buffer, self._at
            if len(buffer) - at < 2 or buffer[at] & _PUBLISH_QOS_1_MASK != _PUBLISH_QOS_1:  # noqa: PLR2004 - fixed header
                return
            start, length = _remaining_length(buffer, at + 1)
            end = start + length
            if length < 0 or end > len(buffer):
                return
            body = start + 2 + int.from_bytes(buffer[start : start + 2]) + 2
            if not start + 4 < body <= end:
                return  # malformed: paho says so
            self._at = end
            yield _Publish(
                retain=bool(buffer[at] & 1),
                topic=buffer[start + 2 : body - 2],
                mid=int.from_bytes(buffer[body - 2 : body]),
                payload=buffer[body:end],
            )

    def pending(self) -> int:
        """Return how many bytes are read and not handed out; the layer of TLS may hold more."""
        held = len(self._buffer) - self._at
        return held or (self._connection.pending() if isinstance(self._connection, ssl.SSLSocket) else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Paho(paho.Client):
    """paho, reading ahead. The method is paho's own place for wrapping a socket, as it does for websockets."""

    def _create_socket(self) -> Any:
        return _ReadAhead(super()._create_socket())  # type: ignore[arg-type]

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Send a PUBACK for each message (MQTT 3.1.1, 3.4), all in one piece: each of its own would wake the thread."""
        packets = b"".join(b"%c\x02%b" % (_PUBACK, mid.to_bytes(2)) for mid in mids)
        if packets:
            self._packet_queue(_PUBACK, packets, 0, 1)


def _remaining_length(buffer: bytes, at: int) -> tuple[int, int]:
    """Read a Remaining Length (MQTT 3.1.1, 2.2.3): where the rest begins and its length, -1 when not all is here."""
    length = 0
    for index, byte in enumerate(buffer[at : at + 4]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return at + index + 1, length
    return at, -1


def _turn(client: paho.Client, take: Callable[[Iterable[_Publish]], None]) -> MQTTErrorCode:
    """Wait for the network once, then read on while whole packets may be at hand."""
    result = client.loop(_LOOP_SECONDS)
    connection: Any = client.socket()
    for _ in range(PACKETS_AT_ONCE):
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or connection is None or not connection.pending():
            break
        take(connection.publishes())
        if connection.pending():
            result = client.loop_read()
        connection = client.socket()
    return result


class Client:
    """A connection that comes back by itself, as an asynchronous context manager.

    Args:
        broker: where and who.
        client_id: unique at the broker: a second one with the same id ends the first one's connection.
        clean: whether the broker forgets this client's subscriptions and queue when it leaves.
        will: last will.
    """

    def __init__(self, broker: Broker, *, client_id: str, clean: bool = True, will: Will | None = None) -> None:
        self.client_id = client_id
        self.dropped_messages = 0
        self._broker = broker
        self._clean = clean
        self._will = will
        self._events: deque[Event] = deque()
        self._received_bytes = 0  # written by the network thread alone
        self._taken_bytes = 0  # written by the event loop alone
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._own_wish = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mqtt.{client_id}", daemon=True)
        self._client: _Paho | None = None
        self._connection = 0
        self._connected = False
        self._secured_until: int | None = None
        self._own_end = INSTANT_MAX
        self._obstacle = ""

    async def __aenter__(self) -> Self:
        """Start connecting; the first `Connected` event tells when it has."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye to the broker, so that the last will is not sent, and end the thread."""
        self._stopping.set()
        if self._client is not None:
            self._client.disconnect()
        await asyncio.to_thread(self._thread.join, CONNECT_TIMEOUT_SECONDS + 2 * _LOOP_SECONDS)

    @property
    def is_connected(self) -> bool:
        """Whether the broker has let us in, as far as this side knows."""
        return self._connected

    @property
    def secured_until(self) -> int | None:
        """When the first of the certificates ends that the newest connection rests on, nanoseconds UTC.

        These are the broker's, one's own, and the authority of `Tls.ca_file` that signed the broker's. None before the
        first connection and in plain text. `look_at_certificate` brings it to what a connection of today rests on.
        """
        return self._secured_until

    async def look_at_certificate(self) -> None:
        """Look by a handshake, after which nothing is said, which certificate the broker shows by now.

        A connection outlives the certificate that it was made with, and nothing else tells that there is a new one.
        Nothing changes without a connection, without TLS, or when the handshake fails.
        """
        if self._connected and self._broker.tls is not None:
            found = await asyncio.to_thread(self._shown_now, self._broker.tls)
            if found is not None:
                self._secured_until = found

    def _shown_now(self, tls: Tls) -> int | None:
        address = (self._broker.host, self._broker.port)
        try:
            with (
                socket.create_connection(address, CONNECT_TIMEOUT_SECONDS) as plain,
                tls_context(tls).wrap_socket(plain, server_hostname=self._broker.host) as secured,
            ):
                return _first_end(secured, tls, _own_end(tls))
        except (OSError, ValueError):  # the connection goes on, and the next one says what is wrong
            return None

    async def events(self) -> list[Event]:
        """Wait for something to happen and return all that has, in order."""
        while not self._events:
            self._woken.clear()
            if not self._events:
                await self._woken.wait()
        batch: list[Event] = []
        while self._events:
            event = self._events.popleft()
            if type(event) is Message:
                self._taken_bytes += len(event.payload)
            batch.append(event)
        return batch

    def subscribe(self, *filters: str, qos: Literal[0, 1] = 1) -> int | None:
        """Ask for topics; the answer is a `Subscribed` event. Returns its mid, None without a connection."""
        client = self._client
        if client is None or not self._connected:
            return None
        result, mid = client.subscribe([(each, int(qos)) for each in filters])
        return mid if result == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def publish(self, topic: str, payload: bytes, *, qos: Literal[0, 1] = 1, retain: bool = False) -> int | None:
        """Send a message now. Returns the mid that `Published` will name, None when it could not be sent."""
        client = self._client
        if client is None or not self._connected:
            return None
        info = client.publish(topic, payload, qos=qos, retain=retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def acknowledge(self, *received: Message) -> None:
        """Tell the broker that messages are dealt with; those of an earlier connection are left alone."""
        client = self._client
        if client is not None:
            client.acknowledge([each.mid for each in received if each.qos and each.connection == self._connection])

    def reconnect(self) -> None:
        """Drop this connection and make a new one, with no longer wait than after a steady one."""
        client = self._client
        if client is not None:
            self._own_wish.set()
            client.disconnect()

    # What follows runs in the network thread.

    def _run(self) -> None:
        wait_seconds = RECONNECT_SECONDS_MIN
        while not self._stopping.is_set():
            begun = time.monotonic()
            was_connected = self._connect_once()
            if was_connected and (self._own_wish.is_set() or time.monotonic() - begun >= STEADY_SECONDS):
                wait_seconds = RECONNECT_SECONDS_MIN
            self._own_wish.clear()
            if self._stopping.wait(random.uniform(0, wait_seconds)):  # noqa: S311 - jitter is no secret
                return
            wait_seconds = min(wait_seconds * 2, RECONNECT_SECONDS_MAX)

    def _connect_once(self) -> bool:
        """Live through one connection, from the attempt to its end. Returns whether the broker let us in."""
        self._connection += 1
        was_connected = False
        try:
            client = self._make()
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_SECONDS)
            self._client = client
            if self._stopping.is_set():
                client.disconnect()
            while _turn(client, self._take) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                was_connected = was_connected or self._connected
        except (OSError, ssl.SSLError, ValueError) as error:
            self._not_connected(str(error))
        finally:
            was_connected = was_connected or self._connected
            self._connected = False
            self._client = None
        return was_connected

    def _make(self) -> _Paho:
        client = _Paho(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=self._clean,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_SECONDS
        client.max_inflight_messages_set(0)  # the window of the spool is the limit
        if self._broker.username:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls is not None:
            client.tls_set_context(tls_context(self._broker.tls))
            self._own_end = _own_end(self._broker.tls)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_register_write = _leave_writing_to_the_network_thread
        return client

    def _on_connect(
        self, client: paho.Client, _: object, flags: ConnectFlags, reason: ReasonCode, __: Properties | None
    ) -> None:
        if reason.is_failure:
            self._not_connected(f"the broker refused the connection: {reason}")
            client.disconnect()
            return
        self._connected = True
        tls, secured = self._broker.tls, client.socket()
        self._secured_until = None if tls is None else _first_end(secured, tls, self._own_end)
        self._obstacle = ""
        self._push(Connected(flags.session_present))

    def _not_connected(self, reason: str) -> None:
        """Tell what stands in the way, and log it when it is something new: attempts go on for ever."""
        if reason != self._obstacle:
            log.warning("mqtt.not_connected", broker=f"{self._broker.host}:{self._broker.port}", reason=reason)
        self._obstacle = reason
        self._push(Disconnected(reason))

    def _on_disconnect(
        self, _: paho.Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        self._connected = False
        self._push(Disconnected(str(reason)))

    def _on_message(self, _: paho.Client, __: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._receive(
            Message(topic, bytes(message.payload), message.retain, message.qos, message.mid, self._connection)
        )

    def _take(self, publishes: Iterable[_Publish]) -> None:
        for retain, topic, mid, payload in publishes:
            self._receive(Message(topic.decode(errors="replace"), payload, retain, 1, mid, self._connection))

    def _receive(self, message: Message) -> None:
        if self._received_bytes - self._taken_bytes + len(message.payload) > INBOX_BYTES_MAX:
            self.dropped_messages += 1
            return
        self._received_bytes += len(message.payload)
        self._push(message)

    def _on_publish(self, _: paho.Client, __: object, mid: int, ___: ReasonCode, ____: Properties | None) -> None:
        self._push(Published(mid))

    def _on_subscribe(
        self, _: paho.Client, __: object, mid: int, reasons: list[ReasonCode], ___: Properties | None
    ) -> None:
        self._push(Subscribed(mid, any(reason.is_failure for reason in reasons)))

    def _push(self, event: Event) -> None:
        self._events.append(event)
        if self._loop is not None and not self._woken.is_set():
            try:
                self._loop.call_soon_threadsafe(self._woken.set)
            except RuntimeError:  # the event loop has ended before this thread
                self._stopping.set()


def _leave_writing_to_the_network_thread(_: paho.Client, __: object, ___: object) -> None:
    """Do nothing: with such a callback paho leaves a packet to its loop, else it writes from the thread that publishes.

    Two threads that write to one socket tear each other's packets apart as soon as it takes a packet in parts.
    """


def _end(certificate: dict[str, Any]) -> int:
    return ssl.cert_time_to_seconds(certificate["notAfter"]) * SECOND


def _own_end(tls: Tls) -> int:
    """Return when one's own certificate ends.

    Raises:
        OSError: the file is gone.
        ValueError: it is damaged.
    """
    if tls.cert_file is None:
        return INSTANT_MAX
    return min(
        from_datetime(each.not_valid_after_utc) for each in load_pem_x509_certificates(tls.cert_file.read_bytes())
    )


def _first_end(connection: Any, tls: Tls, own_end: int) -> int:
    """Return when the first certificate ends that a connection rests on."""
    shown = connection.getpeercert()
    signers = [each for each in connection.context.get_ca_certs() if each["subject"] == shown["issuer"]]
    # While an authority is replaced its file holds the old one and the new one: one that lasts is enough.
    lasting = max((_end(each) for each in signers), default=INSTANT_MAX) if tls.ca_file else INSTANT_MAX
    return min(own_end, _end(shown), lasting)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Load the files that secure a connection; for each connection anew, so that a renewed certificate is taken up.

    Raises:
        OSError: a file is missing, unreadable or damaged, or key and certificate are no pair; `ssl.SSLError` is one.
    """
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")  # nobody is there to type one
    return context
