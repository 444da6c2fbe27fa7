"""The agent's configuration file: read whole, checked whole, every mistake told at once with its line and its mend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from edge_agent.alarms import BLOCKING_SEVERITY
from edge_agent.document import ConfigError, Document, Table, open_document
from edge_agent.nodemap import NAMESPACES, Entry, PathError, parse_node_id, problems
from shopfloor.settings import SettingsError, read_secret
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from edge_agent.document import Key, Problem

SecurityPolicy: TypeAlias = Literal["best", "Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "none"]
"""`best` takes the first of the three that the server offers; never `none`, which has to be written."""
SecurityMode: TypeAlias = Literal["SignAndEncrypt", "Sign"]

_Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=10, le=60_000)]

_THUMBPRINT = re.compile(r"sha256:[0-9a-fA-F]{64}")


class Agent(Table, frozen=True):
    """The table `[agent]`: identity, and where the agent's own certificate is kept."""

    id: str
    certificates: _Text = "pki"


class Broker(Table, frozen=True):
    """The table `[broker]`: where samples go. TLS with `ca`, or plain with `insecure = true`."""

    host: _Text
    port: _Port = 8883
    username: str = ""
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    insecure: bool = False


class Spool(Table, frozen=True):
    """The table `[spool]`: where samples wait, and how much of them."""

    path: _Text = "spool.sqlite"
    bytes_max: Annotated[int, msgspec.Meta(ge=20_000)] = 2_000_000_000
    age_days_max: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 60


class Node(Table, frozen=True):
    """One line of a node map: where a signal is found and how it is read."""

    path: _Text | None = None
    nodeid: _Text | None = None
    scale: float = 1.0
    deadband: Annotated[float, msgspec.Meta(ge=0)] | None = None
    sampling_milliseconds: _Milliseconds | None = None
    kind: Literal["double", "counter", "int64", "boolean", "string"] | None = None
    values: dict[str, bool | int | float | str] = msgspec.field(default_factory=dict)
    true_from: float | None = None


class Machine(Table, frozen=True):
    """One table `[[machine]]`."""

    id: str
    endpoint: str
    product_instance_uri: str = ""
    root: str = ""
    security: SecurityPolicy = "best"
    mode: SecurityMode = "SignAndEncrypt"
    user: str = ""
    password_file: str = ""
    user_certificate: str = ""
    user_key: str = ""
    trusted_certificate: str = ""
    clock: Literal["source", "trust"] = "source"
    clock_limit_seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 60.0
    publishing_milliseconds: _Milliseconds = 250
    queue_size: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 100
    repeats: bool = False
    alarm_blocking_severity: Annotated[int, msgspec.Meta(ge=1, le=1001)] = BLOCKING_SEVERITY
    nodes_file: str = ""
    namespaces: dict[str, _Text] = msgspec.field(default_factory=dict)
    nodes: dict[str, Node] = msgspec.field(default_factory=dict)


class _File(Table, frozen=True):
    agent: Agent
    broker: Broker
    machine: list[Machine]
    spool: Spool = Spool()


class _NodesFile(Table, frozen=True):
    namespaces: dict[str, _Text] = msgspec.field(default_factory=dict)
    nodes: dict[str, Node] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Where samples go.

    Attributes:
        host: name or address.
        port: TCP port.
        username: login, empty for none.
        password_file: holds the password, None for none.
        ca: certificates that the broker's must come from, None when plain.
        certificate: own TLS certificate, None for none.
        key: its key.
        insecure: whether plain TCP was chosen.
    """

    host: str
    port: int
    username: str
    password_file: Path | None
    ca: Path | None
    certificate: Path | None
    key: Path | None
    insecure: bool


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """Where samples wait until they are stored, and how much of them."""

    path: Path
    bytes_max: int
    age_days_max: int


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """One machine.

    Attributes:
        id: its identifier.
        product_instance_uri: which machine of the server it is; empty when the server has one.
        root: its node, for servers whose machines are of no known type; empty to discover it.
        clock_limit_seconds: largest clock offset that is trusted; None trusts every clock.
        publishing_milliseconds: how often the server sends what changed.
        queue_size: how many values the server keeps per signal between two sendings.
        repeats: whether a value that repeats with a newer time is a sample too.
        namespaces: URIs by prefix for paths.
        nodes: the node map, by signal name.
        alarm_blocking_severity: least severity of an alarm that is taken to stop the machine.
    """

    id: str
    product_instance_uri: str
    root: str
    clock_limit_seconds: float | None
    publishing_milliseconds: int
    queue_size: int
    repeats: bool
    namespaces: Mapping[str, str]
    nodes: Mapping[str, Entry]
    alarm_blocking_severity: int = BLOCKING_SEVERITY


@dataclass(frozen=True, slots=True, eq=False)
class ServerConfig:
    """One OPC UA server, and the machines that are read over one session with it.

    Attributes:
        endpoint: its address, opc.tcp://host:port/path.
        policy: security policy, `best` for the best that it offers, `none` for none.
        mode: what the policy protects.
        user: login, empty for an anonymous session or one with a certificate.
        password_file: holds the password, None for none.
        trusted_certificate: file, folder or `sha256:` thumbprint of what the server may present; empty for what the
            trust list holds.
        own_certificates: folder of the agent's own certificates, keys and trust list.
        publisher: the agent's identifier, which its certificate carries.
        machines: at least one.
        user_certificate: file of the certificate that logs in in place of a password, None for none.
        user_key: its key.
        file: the configuration that it comes from, None when it comes from none.
    """

    endpoint: str
    policy: SecurityPolicy
    mode: SecurityMode
    user: str
    password_file: Path | None
    trusted_certificate: str
    own_certificates: Path
    publisher: str
    machines: tuple[MachineConfig, ...]
    user_certificate: Path | None = None
    user_key: Path | None = None
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """What an agent does.

    Attributes:
        publisher: its identifier.
        broker: where samples go.
        spool: where they wait.
        certificates: folder of its own certificates and its trust list.
        servers: what it reads.
        files: what this was read from, the configuration file first, then node maps.
    """

    publisher: str
    broker: BrokerConfig
    spool: SpoolConfig
    certificates: Path
    servers: tuple[ServerConfig, ...]
    files: tuple[Path, ...]

    @property
    def machines(self) -> tuple[MachineConfig, ...]:
        """All machines of all servers."""
        return tuple(machine for server in self.servers for machine in server.machines)


def load(path: Path, machines: Document | None = None) -> EdgeConfig:
    """Read and check a configuration file and the node maps that it names. Paths in it are relative to it.

    Args:
        path: the file.
        machines: another document, whose machines stand in place of the file's.

    Raises:
        ConfigError: with everything that is wrong.
    """
    found: list[Problem] = []
    document = open_document(path, found)
    if document is None:
        raise ConfigError(found)
    if machines is not None:
        document.take("machine", machines)
    return _load(path, document, found)


def _load(path: Path, document: Document, found: list[Problem]) -> EdgeConfig:
    file = document.build(_File, found)
    folder = path.parent
    machines = dict(enumerate(file.machine)) if file is not None else document.partial(Machine, "machine")
    maps = {index: _node_map(document, index, machine, folder, found) for index, machine in machines.items()}
    if file is not None:
        found += [document.problem(key, what) for key, what in _mistakes(file, folder)]
    else:
        found += [document.problem(key, what) for index, machine in machines.items()
                  for key, what in _machine_mistakes(("machine", index), machine, folder)]  # fmt: skip
    if found or file is None:
        raise ConfigError(sorted(set(found), key=lambda each: (each.file != str(path), each.file, each.line)))
    return _assemble(file, path, maps)


def _mistakes(file: _File, folder: Path) -> Iterator[tuple[Key, str]]:
    if not is_identifier(file.agent.id):
        yield ("agent", "id"), f"{file.agent.id!r} is no identifier: use lower-case letters, digits and inner hyphens"
    yield from _broker_mistakes(file.broker, folder)
    if not file.machine:
        yield (), "there is no machine: add a table [[machine]]"
    seen: dict[str, int] = {}
    for index, machine in enumerate(file.machine):
        key = ("machine", index)
        yield from _machine_mistakes(key, machine, folder)
        if machine.id in seen:
            yield (*key, "id"), f"{machine.id!r} is also the id of machine {seen[machine.id] + 1}: each needs its own"
        seen.setdefault(machine.id, index)
    for server, members in _by_server(file.machine).items():
        for index in members if len(members) > 1 else ():
            machine = file.machine[index]
            if not machine.product_instance_uri and not machine.root:
                yield ("machine", index), (f"{server[0]} has several machines here, so it needs product_instance_uri, "
                                           f"which officina edge init prints, or root")  # fmt: skip


def _broker_mistakes(broker: Broker, folder: Path) -> Iterator[tuple[Key, str]]:
    if broker.insecure and broker.ca:
        yield ("broker", "insecure"), "contradicts ca: remove one of them"
    if not broker.insecure and not broker.ca:
        yield ("broker",), "ca is missing: name the file of the broker's CA, or choose plain TCP with insecure = true"
    if bool(broker.certificate) != bool(broker.key):
        yield ("broker",), "certificate and key go together: give both or neither"
    if bool(broker.username) != bool(broker.password_file):
        yield ("broker",), "username and password_file go together: give both or neither"
    for name in ("ca", "certificate", "key"):
        yield from _file_mistakes(("broker", name), getattr(broker, name), folder)
    yield from _secret_mistakes(("broker", "password_file"), broker.password_file, folder)


def _file_mistakes(key: Key, name: str, folder: Path) -> Iterator[tuple[Key, str]]:
    if name and not (folder / name).is_file():
        yield key, f"there is no file {folder / name}: put it there or correct the path"


def _secret_mistakes(key: Key, name: str, folder: Path) -> Iterator[tuple[Key, str]]:
    if not name:
        return
    try:
        read_secret(folder / name)
    except SettingsError as error:
        yield key, str(error)


def _machine_mistakes(key: Key, machine: Machine, folder: Path) -> Iterator[tuple[Key, str]]:
    if not is_identifier(machine.id):
        yield (*key, "id"), f"{machine.id!r} is no identifier: use lower-case letters, digits and inner hyphens"
    yield from _endpoint_mistakes((*key, "endpoint"), machine.endpoint)
    if bool(machine.user) != bool(machine.password_file):
        yield key, "user and password_file go together: give both or neither"
    yield from _secret_mistakes((*key, "password_file"), machine.password_file, folder)
    yield from _user_mistakes(key, machine, folder)
    if machine.root:
        try:
            parse_node_id(machine.root)
        except PathError as error:
            yield (*key, "root"), str(error)
    yield from _trust_mistakes(key, machine, folder)


def _user_mistakes(key: Key, machine: Machine, folder: Path) -> Iterator[tuple[Key, str]]:
    if bool(machine.user_certificate) != bool(machine.user_key):
        yield key, "user_certificate and user_key go together: give both or neither"
    if machine.user_certificate and machine.user:
        yield (*key, "user_certificate"), "a session logs in by certificate or by password: remove one of them"
    if machine.user_certificate and machine.security == "none":
        yield (*key, "user_certificate"), "needs a secured session: choose another security than none"
    for name in ("user_certificate", "user_key"):
        yield from _file_mistakes((*key, name), getattr(machine, name), folder)


def _trust_mistakes(key: Key, machine: Machine, folder: Path) -> Iterator[tuple[Key, str]]:
    trusted = machine.trusted_certificate
    if machine.security == "none":
        if trusted:
            yield (*key, "trusted_certificate"), 'has no effect with security = "none": remove one of them'
    elif trusted.startswith("sha256:"):
        if not _THUMBPRINT.fullmatch(trusted):
            yield (*key, "trusted_certificate"), "a thumbprint is sha256: and 64 hexadecimal digits"
    elif trusted and not (folder / trusted).exists():
        yield (*key, "trusted_certificate"), f"there is no file or folder {folder / trusted}"


def _endpoint_mistakes(key: Key, endpoint: str) -> Iterator[tuple[Key, str]]:
    wrong = endpoint_mistake(endpoint)
    if wrong:
        yield key, wrong


def endpoint_mistake(endpoint: str) -> str:
    """Say what is wrong with the address of a server; empty when it is right."""
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme == "opc.tcp" and bool(parts.hostname) and parts.port is not None and endpoint.isprintable()
    except ValueError:
        valid = False
    if not valid:
        return f"{endpoint!r} is no endpoint: write opc.tcp://host:port/path"
    return "" if parts.username is None else "it must not contain a login: use user and password_file"


def _node_map(
    document: Document, index: int, machine: Machine, folder: Path, found: list[Problem]
) -> tuple[dict[str, str], dict[str, Entry]]:
    """Gather the node map of one machine from its file and its table; the table wins."""
    namespaces = {**NAMESPACES, **machine.namespaces}
    entries: dict[str, Entry] = {}
    if machine.nodes_file:
        other = open_document(folder / machine.nodes_file, found)
        nodes = None if other is None else other.build(_NodesFile, found)
        if other is not None and nodes is not None:
            namespaces |= nodes.namespaces
            entries |= _entries(nodes.nodes)
            found += [other.problem(("nodes", *key), what) for key, what in _node_mistakes(entries, namespaces)]
    own = _entries(machine.nodes)
    place = ("machine", index, "nodes")
    found += [document.problem((*place, *key), what) for key, what in _node_mistakes(own, namespaces)]
    return namespaces, entries | own


def _entries(nodes: Mapping[str, Node]) -> dict[str, Entry]:
    return {name: Entry(**msgspec.structs.asdict(node)) for name, node in nodes.items()}


def _node_mistakes(entries: Mapping[str, Entry], namespaces: Mapping[str, str]) -> Iterator[tuple[Key, str]]:
    for name, entry in entries.items():
        for what in problems(name, entry, namespaces):
            yield (name,), what


_Server: TypeAlias = tuple[str, ...]


def _by_server(machines: Sequence[Machine]) -> dict[_Server, list[int]]:
    """Group machines that share a session: same endpoint, same security, same login."""
    servers: dict[_Server, list[int]] = {}
    for index, machine in enumerate(machines):
        key = (machine.endpoint, machine.security, machine.mode, machine.user, machine.password_file,
               machine.trusted_certificate, machine.user_certificate, machine.user_key)  # fmt: skip
        servers.setdefault(key, []).append(index)
    return servers


def _assemble(file: _File, source: Path, maps: Mapping[int, tuple[dict[str, str], dict[str, Entry]]]) -> EdgeConfig:
    folder = source.parent

    def path(name: str) -> Path | None:
        return folder / name if name else None

    servers = tuple(
        ServerConfig(
            endpoint=first.endpoint,
            policy=first.security,
            mode=first.mode,
            user=first.user,
            password_file=path(first.password_file),
            trusted_certificate=_trusted(first.trusted_certificate, folder),
            own_certificates=folder / file.agent.certificates,
            publisher=file.agent.id,
            machines=tuple(_machine(file.machine[index], *maps[index]) for index in members),
            user_certificate=path(first.user_certificate),
            user_key=path(first.user_key),
            file=source,
        )
        for members in _by_server(file.machine).values()
        for first in (file.machine[members[0]],)
    )
    broker = file.broker
    return EdgeConfig(
        publisher=file.agent.id,
        broker=BrokerConfig(broker.host, broker.port, broker.username, path(broker.password_file), path(broker.ca),
                            path(broker.certificate), path(broker.key), broker.insecure),
        spool=SpoolConfig(folder / file.spool.path, file.spool.bytes_max, file.spool.age_days_max),
        certificates=folder / file.agent.certificates,
        servers=servers,
        files=(source, *sorted({folder / each.nodes_file for each in file.machine if each.nodes_file})),
    )  # fmt: skip


def _trusted(trusted: str, folder: Path) -> str:
    return trusted if not trusted or trusted.startswith("sha256:") else str(folder / trusted)


def _machine(machine: Machine, namespaces: Mapping[str, str], nodes: Mapping[str, Entry]) -> MachineConfig:
    return MachineConfig(
        id=machine.id,
        product_instance_uri=machine.product_instance_uri,
        root=machine.root,
        clock_limit_seconds=None if machine.clock == "trust" else machine.clock_limit_seconds,
        publishing_milliseconds=machine.publishing_milliseconds,
        queue_size=machine.queue_size,
        repeats=machine.repeats,
        alarm_blocking_severity=machine.alarm_blocking_severity,
        namespaces=namespaces,
        nodes=nodes,
    )
