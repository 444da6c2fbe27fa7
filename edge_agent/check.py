"""`officina edge init` and `officina edge check`: look at servers once, read-only, and tell what was seen."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from edge_agent.applied import in_force
from edge_agent.certificate import CertificateUnusableError
from edge_agent.clock import OffsetEstimate
from edge_agent.config import MachineConfig, ServerConfig, endpoint_mistake
from edge_agent.discovery import Draft, FoundVariable, Way, render, suggest
from edge_agent.document import ConfigError
from edge_agent.nodemap import Converter, Refused, parse_node_id, wanted
from edge_agent.notifications import Unsupported
from edge_agent.opcua_client import NoAnswerError, RefusedError, status_name
from edge_agent.opcua_connect import PREFERENCE, offers, open_session
from edge_agent.opcua_failures import OwnCertificateRefusedError
from edge_agent.overheard import overhear
from edge_agent.resolve import Walker
from shopfloor.periods import SECOND
from shopfloor.signals import SIGNALS
from shopfloor.wire.edge import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from edge_agent.config import SecurityPolicy
    from edge_agent.opcua_client import Answer, Session
    from edge_agent.opcua_connect import Offer
    from edge_agent.resolve import FoundMachine, FoundSignal

EXIT_GOOD, EXIT_REFUSED, EXIT_INVALID = 0, 1, 2
"""All is well; a server or signal is refused or does not answer; the configuration cannot be used."""

_COMPARISONS = 3
_MODES = ("SignAndEncrypt", "Sign", "None")
_VALUE_SHOWN_MAX = 60
_TOLD = "its lists and events"


@dataclass(frozen=True, slots=True)
class SignalSeen:
    """A signal as it was when looked at.

    Attributes:
        signal: its name.
        value: its value, None when there is none.
        unit: its unit, empty for none.
        age_seconds: how long ago the machine last said it, None when it does not tell.
        quality: name of its StatusCode.
        place: where it was found.
        note: what else there is to know, for example that more nodes fit.
    """

    signal: str
    value: bool | float | str | None
    unit: str
    age_seconds: float | None
    quality: str
    place: str
    note: str = ""


@dataclass(slots=True)
class MachineSeen:
    """A machine as it was when looked at.

    Attributes:
        machine: its identifier.
        endpoint: its server.
        error: why it could not be looked at, empty when it could.
        offset_seconds: how far its clock is ahead, None when unknown.
        identification: what it says it is.
        signals: what it delivers.
        refused: reason by signal.
        code: stable word of the cause of `error`, empty where there is none.
    """

    machine: str
    endpoint: str
    error: str = ""
    offset_seconds: float | None = None
    identification: dict[str, str] = field(default_factory=dict)
    signals: list[SignalSeen] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What `edge check` found.

    Attributes:
        file: the configuration.
        problems: what is wrong with it, one sentence each with file and line.
        machines: what was seen of each machine; empty when the configuration is wrong.
    """

    file: str
    problems: Sequence[str]
    machines: Sequence[MachineSeen]

    @property
    def exit_code(self) -> int:
        """0 when all is well, 1 when something is refused or does not answer, 2 when the configuration is wrong."""
        if self.problems:
            return EXIT_INVALID
        return EXIT_REFUSED if any(each.error or each.refused for each in self.machines) else EXIT_GOOD

    def json(self) -> str:
        """Write it for programs."""
        machines = [asdict(each) for each in self.machines]
        report = {"file": self.file, "exit_code": self.exit_code, "problems": list(self.problems), "machines": machines}
        return json.dumps(report, indent=2, ensure_ascii=False)

    def text(self) -> str:
        """Write it for people."""
        lines = list(self.problems)
        for machine in self.machines:
            lines += _machine_lines(machine)
        return "\n".join(lines)


def _machine_lines(machine: MachineSeen) -> list[str]:
    who = " ".join(
        filter(None, (machine.identification.get(key) for key in ("manufacturer", "model", "serial_number")))
    )
    lines = [f"{machine.machine}  {machine.endpoint}  {who}".rstrip()]
    if machine.error:
        return [*lines, f"  NOT READ  {machine.error}"]
    if machine.offset_seconds is not None:
        lines.append(f"  clock {machine.offset_seconds:+.1f} s against this computer's")
    for seen in machine.signals:
        value = "-" if seen.value is None else str(seen.value)
        value = value if len(value) <= _VALUE_SHOWN_MAX else f"{value[: _VALUE_SHOWN_MAX - 1]}…"
        age = "" if seen.age_seconds is None else f"{seen.age_seconds:.0f} s ago"
        quality = "" if seen.quality == "Good" else seen.quality
        line = f"  {seen.signal:<24} {value:>20} {seen.unit:<6} {age:<12} {quality} {seen.note}"
        lines.append(line.rstrip())
    lines += [f"  REFUSED {signal}: {reason}" for signal, reason in machine.refused.items()]
    return lines


async def check(path: Path, clock: Callable[[], int]) -> Report:
    """Validate a configuration, connect to its servers and look at every signal, without changing anything.

    Args:
        path: the configuration file.
        clock: the present, nanoseconds UTC.
    """
    try:
        config = in_force(path).config
    except ConfigError as error:
        return Report(str(path), [str(problem) for problem in error.problems], [])
    return Report(str(path), [], await look_at(config.servers, clock))


async def look_at(
    servers: Sequence[ServerConfig], clock: Callable[[], int], machines: Collection[str] = ()
) -> list[MachineSeen]:
    """Look at the machines of these servers once, over sessions of its own.

    Args:
        servers: where they are.
        clock: the present, nanoseconds UTC.
        machines: the identifiers of those to look at; empty for all.
    """
    seen: list[MachineSeen] = []
    for server in servers:
        chosen = tuple(each for each in server.machines if not machines or each.id in machines)
        if chosen:
            seen += await _look_at(replace(server, machines=chosen), clock)
    return seen


async def _look_at(server: ServerConfig, clock: Callable[[], int]) -> list[MachineSeen]:
    seen = [MachineSeen(machine.id, server.endpoint) for machine in server.machines]
    try:
        session = await open_session(server, clock())
    except (NoAnswerError, RefusedError, CertificateUnusableError) as error:
        for each in seen:
            each.error, each.code = str(error), error.code
        return seen
    try:
        walker = Walker(session, await session.namespaces())
        offset = OffsetEstimate()
        for _ in range(_COMPARISONS):
            offset.compare(*await session.current_time(clock))
        for machine, each in zip(server.machines, seen, strict=True):
            each.offset_seconds = round(offset.offset / SECOND, 3)
            await _look_at_machine(walker, machine, each, clock() + offset.offset)
    except (NoAnswerError, RefusedError) as error:
        for each in seen:
            if not each.error:
                each.error, each.code = str(error), error.code
    finally:
        await session.close()
    return seen


async def _look_at_machine(walker: Walker, machine: MachineConfig, seen: MachineSeen, now: int) -> None:
    try:
        found = await walker.machine(machine, parse_node_id(machine.root) if machine.root else None)
    except RefusedError as error:
        seen.error, seen.code = str(error), error.code
        return
    seen.identification = dict(found.identification)
    jobs = await walker.jobs(found.node)
    job = next((each.node for each in jobs if each.runs), jobs[0].node if jobs else None)
    resolution = await walker.resolve(found.node, wanted(machine.nodes, machine.namespaces), job)
    seen.refused = dict(resolution.refused)
    answers = await walker.session.read([each.node for each in resolution.found])
    units = await walker.units([each.node for each in resolution.found])
    for each, answer, unit in zip(resolution.found, answers, units, strict=True):
        convert = Converter(each.wish, each.candidate, walker.table)
        _see(seen, each, answer, convert, unit=unit, now=now)
    await _overhear(walker, machine, found, seen, now)


async def _overhear(walker: Walker, machine: MachineConfig, found: FoundMachine, seen: MachineSeen, now: int) -> None:
    """Add what the machine tells by its lists and events; of what it tells twice, what the agent would store."""
    told, refused = await overhear(walker, machine, found, seen.endpoint, now)
    seen.refused.update(refused)
    seen.signals = [each for each in seen.signals if each.signal not in told]
    for name, reading in told.items():
        age = None if reading.source is None else round((now - reading.source) / SECOND, 1)
        unit = SIGNALS[name].unit
        seen.signals.append(SignalSeen(name, reading.value, unit, age, status_name(reading.status), _TOLD))


def _see(seen: MachineSeen, found: FoundSignal, answer: Answer, convert: Converter, *, unit: str, now: int) -> None:
    signal = found.wish.signal
    value, quality = None, status_name(answer.status)
    if not answer.status >> 31:
        raw = Unsupported("of a type that no signal can hold")
        plain = answer.value is None or isinstance(answer.value, bool | int | float | str | tuple)
        converted = convert(answer.value if plain else raw)
        if isinstance(converted, Refused):
            seen.refused[signal.name] = f"{found.candidate.text}: {converted.reason}"
            return
        value = converted
    age = None if answer.source is None else round((now - answer.source) / SECOND, 1)
    note = f"{found.others} more nodes fit {found.candidate.text}" if found.others else ""
    seen.signals.append(SignalSeen(signal.name, value, signal.unit or unit, age, quality, found.candidate.text, note))


class Identity(NamedTuple):
    """Who looks: an agent with its identifier, its folder of certificates and its configuration file."""

    publisher: str
    certificates: Path
    file: Path


async def init(endpoint: str, clock: Callable[[], int], identity: Identity | None = None) -> str:
    """Write a configuration from what a server shows.

    Args:
        endpoint: its address, opc.tcp://host:port/path.
        clock: the present, nanoseconds UTC.
        identity: the agent that looks, which trusts what its trust list holds; None looks with a certificate made for
            this once, and leaves the server's for the reader to compare.

    Raises:
        NoAnswerError: when it does not answer.
        RefusedError: when its answer cannot be used.
    """
    wrong = endpoint_mistake(endpoint)
    if wrong:
        raise RefusedError(wrong, code=Cause.ADDRESS)
    ways = sorted(await offers(endpoint), key=_rank)
    known = [way for way in ways if way.policy in PREFERENCE]
    if not known:
        offered = ", ".join(sorted({f"{way.policy}/{way.mode}" for way in ways})) or "nothing"
        raise RefusedError(f"{endpoint} offers no security policy that the agent knows, but {offered}: switch one of "
                           f"{', '.join(PREFERENCE[:-1])} on at the machine")  # fmt: skip
    best = known[0]
    if identity is not None:
        drafts = await _discover(endpoint, best, clock, identity)
        return _rendered(endpoint, best._replace(thumbprint=""), drafts, "")
    drafts, note = list[Draft](), ""
    for way in [best, *(each for each in known if each.policy == "none" and each != best)]:
        try:
            drafts = await _discover(endpoint, way, clock)
        except OwnCertificateRefusedError:
            note = ("Its machines could not be listed, for it does not trust this agent yet: start the agent with "
                    "this file, let the machine trust agent.der of its certificates, and discover again.")  # fmt: skip
        except (NoAnswerError, RefusedError) as error:
            note = f"Its machines could not be listed: {error}"
        else:
            note = ""
            break
    return _rendered(endpoint, best, drafts, note)


def _rendered(endpoint: str, best: Offer, drafts: Sequence[Draft], note: str) -> str:
    if not drafts and not note:
        note = "It shows no machine tools: name the machine's node with root, and its signals below."
    mode = best.mode if best.policy != "none" else "SignAndEncrypt"
    return render(Way(endpoint, best.policy, mode, best.thumbprint), drafts, " ".join(note.split()))


def _rank(way: Offer) -> tuple[int, int]:
    """Order what is offered, the best first: encrypted before signed, then by policy."""
    policy = PREFERENCE.index(way.policy) if way.policy in PREFERENCE else len(PREFERENCE)
    return _MODES.index(way.mode) if way.mode in _MODES else len(_MODES), policy


async def _discover(
    endpoint: str, way: Offer, clock: Callable[[], int], identity: Identity | None = None
) -> list[Draft]:
    """Look at a server, as an agent or with a certificate made for this once; nothing secret is told to it."""
    with tempfile.TemporaryDirectory(prefix="officina-init-") as folder:
        server = ServerConfig(
            endpoint=endpoint,
            policy=cast("SecurityPolicy", way.policy),
            mode="Sign" if way.mode == "Sign" else "SignAndEncrypt",
            user="",
            password_file=None,
            trusted_certificate="" if way.policy == "none" or identity else way.thumbprint,
            own_certificates=identity.certificates if identity else Path(folder),
            publisher=identity.publisher if identity else "init",
            file=identity.file if identity else None,
            machines=(),
        )
        session = await open_session(server, clock())
        try:
            walker = Walker(session, await session.namespaces())
            return [await _draft(walker, machine, endpoint, clock) for machine in await walker.machines()]
        finally:
            await session.close()


_BARE = MachineConfig(
    id="machine", product_instance_uri="", root="", clock_limit_seconds=None, publishing_milliseconds=250,
    queue_size=100, repeats=False, namespaces={}, nodes={},
)  # fmt: skip
"""What a machine is looked at with before it is configured."""


async def _draft(walker: Walker, machine: FoundMachine, endpoint: str, clock: Callable[[], int]) -> Draft:
    jobs = await walker.jobs(machine.node)
    resolution = await walker.resolve(machine.node, wanted({}), jobs[0].node if jobs else None)
    told, _ = await overhear(walker, _BARE, machine, endpoint, clock())
    standard = list(dict.fromkeys([*(found.wish.signal.name for found in resolution.found), *told]))
    variables = await _others(walker.session, walker, machine)
    name = machine.identification.get("component_name") or machine.name
    return Draft(name, machine.product_instance_uri, machine.identification, standard, suggest(variables, standard))


async def _others(session: Session, walker: Walker, machine: FoundMachine) -> list[FoundVariable]:
    """List the variables of a machine that the signal table does not lead to."""
    variables = await walker.variables(machine.node)
    places = [
        place for wish in wanted({}) for place in (each.place for each in wish.candidates) if isinstance(place, tuple)
    ]
    known = {each.node for fitting, _ in await walker.find(machine.node, places) for each in fitting}
    others = [(path, node) for path, node in variables if node not in known]
    nodes = [node for _, node in others]
    answers, units, ranks = await session.read(nodes), await walker.units(nodes), await session.value_ranks(nodes)
    found = []
    for (path, _), answer, unit, rank in zip(others, answers, units, ranks, strict=True):
        readable = isinstance(answer.value, bool | int | float | str) and not answer.status >> 31
        if not (isinstance(rank.value, int) and rank.value >= 0) and (readable or answer.value is None):
            found.append(FoundVariable(path, unit, answer.value if readable else None))
    return found
