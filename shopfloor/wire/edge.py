"""What is said to an edge agent and what it says of itself: requests, replies, health. JSON below `officina/edge/`.

A request names itself; the reply carries that name. One that arrives twice is carried out once and answered twice.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from shopfloor.wire.messages import WireError

REQUEST_BYTES_MAX = 256 * 1024
"""A longer request is refused unread."""
REPLY_BYTES_MAX = 1024 * 1024
"""A longer reply is not sent: it says instead to ask for fewer machines."""
CONFIGURATION_MAX = 200_000
"""Longest configuration in a request, characters."""

Kind: TypeAlias = Literal["discover", "check", "apply"]


class Cause(StrEnum):
    """Why a machine could not be looked at: a stable word beside the sentence, which may be worded anew at any time."""

    NAME = "name"
    """The name in the address cannot be resolved."""
    CLOSED = "closed"
    """The computer is there, and nothing listens at the port."""
    NO_WAY = "no_way"
    """The network has no way to the address."""
    NO_ANSWER = "no_answer"
    """Nothing came back."""
    NOT_OPCUA = "not_opcua"
    """What listens does not speak OPC UA."""
    PATH = "path"
    """The server has no endpoint with this path."""
    ADDRESS = "address"
    """It is no address of a server."""
    LOGIN = "login"
    """The server wants a login, or refuses the one it was given."""
    UNTRUSTED = "untrusted"
    """Nobody accepted the server's certificate yet."""
    CERTIFICATE = "certificate"
    """The server's certificate cannot be accepted: it ended, was revoked or is another's."""
    OWN_CERTIFICATE = "own_certificate"
    """The server does not trust the agent's certificate."""
    NO_MACHINE = "no_machine"
    """The server shows no machine."""
    NEVER_HEARD = "never_heard"
    """The agent was never heard. This and the two below are said in the agent's place."""
    SILENT = "silent"
    """The agent is silent."""
    LATE = "late"
    """The agent did not answer in time."""


class Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What an agent is asked to do.

    Attributes:
        id: chosen by whoever asks, different for each request.
        kind: `discover` looks at one server, `check` at the machines of a configuration, `apply` puts one in force.
        endpoint: of `discover`: the server, opc.tcp://host:port/path.
        configuration: of `check` and `apply`: TOML with the tables `[[machine]]`; empty lets `check` look at what is in
            force.
        machines: of `check`: those to look at; empty for all.
        must_connect: of `apply`: whether the previous configuration comes back when a machine cannot be reached.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
    kind: Kind
    endpoint: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    configuration: Annotated[str, msgspec.Meta(max_length=CONFIGURATION_MAX)] = ""
    machines: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=1000)] = []
    must_connect: bool = True


class Reply(msgspec.Struct, omit_defaults=True):
    """What an agent answers.

    Attributes:
        id: of the request; empty when it could not be read.
        timestamp: when it was answered, nanoseconds UTC.
        error: what is wrong and how to mend it; empty when the request was carried out.
        problems: all mistakes of the configuration, one sentence each with its line.
        configuration: of `discover`: a configuration to correct and apply; of `check` without one: what is in force.
        machines: of `check`: what was seen of each machine, as `officina edge check --json` writes it.
        touched: of `apply`: the machines whose watching began anew or ended; the others' went on.
        code: why it was not carried out, a `Cause` where there is one for it; an older agent says none, and a newer one
            may say one that is not known here.
    """

    id: str
    timestamp: int
    error: str = ""
    problems: list[str] = []
    configuration: str = ""
    machines: list[dict[str, Any]] = []
    touched: list[str] = []
    code: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the request was carried out."""
        return not self.error


class MachineHealth(msgspec.Struct):
    """How the watching of one machine goes.

    Attributes:
        machine: its identifier.
        endpoint: its server.
        connected: whether a session with a subscription for it is open.
        reason: why it is not being observed, empty when it is.
        observed_since: start of the unbroken observation on the machine's clock, None when it is not observed.
        offset_seconds: how far the machine's clock is ahead, None while unknown.
        trusted: whether the machine's clock stamps what it says.
        desired: how many signals should be watched.
        actual: how many are.
        refused: reason by signal.
        overflows: how often the server's queue lost values.
        filled: how many values were read from the server's history since the agent started.
        wrong_values: how many values did not fit their signal.
        identification: what the machine says it is.
        security: policy and mode of the session, `none` for none, empty while there is no session.
        certificate_days: whole days that the server's certificate is still valid, None while unknown.
        successor_trusted: whether the server takes the successor of the agent's certificate, None while there is none
            or it is unknown.
    """

    machine: str
    endpoint: str
    connected: bool
    reason: str
    observed_since: int | None
    offset_seconds: float | None
    trusted: bool
    desired: int
    actual: int
    refused: dict[str, str]
    overflows: int
    wrong_values: int
    identification: dict[str, str]
    security: str = ""
    certificate_days: int | None = None
    successor_trusted: bool | None = None
    filled: int = 0


class OwnCertificate(msgspec.Struct):
    """One of the agent's own certificates: its file's name and the whole days that it is still valid."""

    file: str
    days: int


class Configuration(msgspec.Struct):
    """Which configuration is in force.

    Attributes:
        source: `file` for the administrator's, `applied` for one that a request brought.
        since: when it came in force, nanoseconds UTC.
        request: the request that brought it, empty for the file.
        problem: why a newer one is not in force, empty when there is none.
    """

    source: Literal["file", "applied"]
    since: int
    request: str = ""
    problem: str = ""


class Health(msgspec.Struct):
    """How an agent is. Retained, sent every ten seconds, outside the spool.

    Attributes:
        timestamp: when it was written, nanoseconds UTC.
        version: of the agent.
        rows: how many rows wait in the spool.
        bytes: how large they are together.
        bytes_max: how large they may become.
        hours_left: how long the spool takes what comes in until it is full, None while the rate is unknown.
        rows_in_flight: how many of the rows are on their way.
        oldest_unstored: the oldest stamp that no collector has stored yet, by machine.
        losses: counters by machine and name: holes, evicted samples, dead samples.
        configuration: which one is in force.
        certificates: the agent's own.
        machines: how the watching of each goes.
        broker_days: whole days until the first certificate ends that the connection to the broker rests on; None in
            plain text, and from an older agent.
        clock_ahead_seconds: how far the clock of its computer is ahead of what the agent goes by, because it was
            stepped and the machines' clocks do not bear that out; 0 where both are one, and from an older agent.
        clock_steps: how often it was stepped by more than a minute since the agent started.
        run: drawn anew at each start of the agent, so that two of one name are told from one that was started again;
            empty from an older agent, like the next two.
        host: name of the agent's computer.
        epoch: names its spool, in the names of rows too.
    """

    timestamp: int
    version: str
    rows: int
    bytes: int
    bytes_max: int
    hours_left: float | None
    rows_in_flight: int
    oldest_unstored: dict[str, int]
    losses: dict[str, dict[str, int]]
    configuration: Configuration
    certificates: list[OwnCertificate]
    machines: list[MachineHealth]
    broker_days: int | None = None
    clock_ahead_seconds: float = 0.0
    clock_steps: int = 0
    run: str = ""
    host: str = ""
    epoch: str = ""


_decode_request = msgspec.json.Decoder(Request).decode
_decode_reply = msgspec.json.Decoder(Reply).decode
_decode_health = msgspec.json.Decoder(Health).decode


def encode(message: Request | Reply | Health) -> bytes:
    """Write any of the three."""
    return msgspec.json.encode(message)


def decode_request(payload: bytes) -> Request:
    """Read a request.

    Raises:
        WireError: when it is none, or too long.
    """
    if len(payload) > REQUEST_BYTES_MAX:
        raise WireError(f"a request has at most {REQUEST_BYTES_MAX} bytes, this one has {len(payload)}")
    try:
        return _decode_request(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"this is no request: {error}") from error


def decode_reply(payload: bytes) -> Reply:
    """Read a reply.

    Raises:
        WireError: when it is none.
    """
    try:
        return _decode_reply(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"this is no reply: {error}") from error


def decode_health(payload: bytes) -> Health:
    """Read an agent's health.

    Raises:
        WireError: when it is none.
    """
    try:
        return _decode_health(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"this is no health of an agent: {error}") from error
