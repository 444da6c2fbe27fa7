"""From a signal's name to the nodes that may carry it, and from a node's value to the signal's.

A path is written as in `shopfloor.signals`: BrowseNames with a prefix, `/` between them, and `<MT:16>` for any child of
that type or a subtype. A `/` or `&` inside of a name is written `&/` or `&&` (OPC 10000-4, A.2).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias
from uuid import UUID

from edge_agent.notifications import NodeIdentity, Structure, Structures, Unsupported
from shopfloor.samples import BAD_OUT_OF_RANGE
from shopfloor.signals import NAMESPACES as SIGNAL_NAMESPACES
from shopfloor.signals import SIGNALS, NotANumberError, Signal, UnknownSignalError, WrongTypeError, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_agent.notifications import Scalar
    from shopfloor.samples import Value

NAMESPACES = SIGNAL_NAMESPACES
"""Prefixes that every path may use; a configuration adds those of the machine's maker."""

Kind: TypeAlias = Literal["double", "counter", "int64", "boolean", "string"]
"""What an added signal holds: the end of its name."""


class PathError(ValueError):
    """The path or node id cannot be read; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class Address:
    """A NodeId that does not depend on the order of a server's namespaces."""

    namespace: str
    identifier: int | str | bytes | UUID


class Named(NamedTuple):
    """A step of a path: the child with this BrowseName."""

    namespace: str
    name: str


class OfType(NamedTuple):
    """A step of a path: any child whose type definition is this type or a subtype."""

    type: Address


Step: TypeAlias = "Named | OfType"
Path: TypeAlias = "tuple[Step, ...]"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place where a signal may be found.

    Attributes:
        place: path from the machine's node, or the node itself.
        text: the place as it was written, for reports.
        scale: what a number is multiplied with.
        states: state ids to numbers, for a state variable.
        codes: what its numbers stand for, where they are not the signal's own.
    """

    place: Path | Address
    text: str
    scale: float = 1.0
    states: Mapping[Address, int] = field(default_factory=dict)
    codes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A signal that a machine should deliver.

    Attributes:
        signal: from the signal table, or added by the node map.
        candidates: where it may be found, best first.
        mapped: whether the node map names it, so that its absence is a mistake and not an older edition.
        deadband: smallest absolute change that counts, 0 for every change.
        sampling_milliseconds: how often the server looks.
        values: raw value to value, for texts and codes that stand for something else.
        true_from: for a Boolean read from a number, the smallest number that is true.
    """

    signal: Signal
    candidates: tuple[Candidate, ...]
    mapped: bool
    deadband: float
    sampling_milliseconds: int
    values: Mapping[str, Value] = field(default_factory=dict)
    true_from: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a node map, as configured. Exactly one of `path` and `nodeid` is given."""

    path: str | None = None
    nodeid: str | None = None
    scale: float = 1.0
    deadband: float | None = None
    sampling_milliseconds: int | None = None
    kind: Kind | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    true_from: float | None = None


_PREFIXED = re.compile(r"([A-Za-z][A-Za-z0-9_]*):(.+)", re.DOTALL)
_TYPE = re.compile(r"<([A-Za-z][A-Za-z0-9_]*):(?:(\d+)|i=(\d+)|s=(.+))>", re.DOTALL)


def parse_path(text: str, namespaces: Mapping[str, str] = NAMESPACES) -> Path:
    """Read a path.

    Raises:
        PathError: naming the step and the prefixes that exist.
    """
    steps = [part for part in _split(text) if part]
    if not steps:
        raise PathError("the path is empty: write BrowseNames like MT:Monitoring/MT:MachineTool/MT:FeedOverride")
    return tuple(_step(part, namespaces) for part in steps)


def _split(text: str) -> list[str]:
    parts, part, escaped = [], "", False
    for character in text:
        if escaped:
            part, escaped = part + character, False
        elif character == "&":
            escaped = True
        elif character == "/":
            parts.append(part)
            part = ""
        else:
            part += character
    return [*parts, part]


def _step(part: str, namespaces: Mapping[str, str]) -> Step:
    of_type = _TYPE.fullmatch(part)
    if of_type:
        prefix, short, numeric, text = of_type.groups()
        number = short or numeric
        return OfType(Address(_namespace(prefix, part, namespaces), int(number) if number else text))
    named = _PREFIXED.fullmatch(part)
    if named is None or part.startswith("<"):
        raise PathError(f"{part!r} is no step of a path: write prefix:BrowseName, or <prefix:number> for a type")
    return Named(_namespace(named[1], part, namespaces), named[2])


def _namespace(prefix: str, part: str, namespaces: Mapping[str, str]) -> str:
    try:
        return namespaces[prefix]
    except KeyError:
        raise PathError(f"the prefix of {part!r} is unknown: use one of {', '.join(namespaces)}, "
                        f"or add it to [machine.namespaces]") from None  # fmt: skip


def escape(name: str) -> str:
    """Write a BrowseName so that a path may contain it."""
    return name.replace("&", "&&").replace("/", "&/")


_NODE_ID = re.compile(r"(?:nsu=([^;]+);)?([isgb])=(.+)", re.DOTALL)


def parse_node_id(text: str) -> Address:
    """Read a NodeId with its namespace URI (OPC 10000-6, 5.1.12), such as `nsu=urn:maker:control;s=Spindle.Load`.

    Raises:
        PathError: also for `ns=`, whose meaning changes with every start of a server.
    """
    if text.startswith("ns="):
        raise PathError(f"{text!r} names a namespace by its index, which a server may change: write nsu=<URI>;...")
    match = _NODE_ID.fullmatch(text)
    if match is None:
        raise PathError(f"{text!r} is no node id: write nsu=<URI>;s=<text> or nsu=<URI>;i=<number>")
    namespace = match[1] or NAMESPACES["UA"]
    kind, identifier = match[2], match[3]
    try:
        if kind == "i":
            return Address(namespace, int(identifier))
        if kind == "g":
            return Address(namespace, UUID(identifier))
        return Address(namespace, identifier if kind == "s" else bytes.fromhex(identifier))
    except ValueError:
        raise PathError(f"{identifier!r} is no identifier of the kind {kind}=") from None


def signal_of(name: str, kind: str | None) -> Signal:
    """Find the signal that a line of a node map names.

    Raises:
        UnknownSignalError: when no signal has that name.
    """
    return find(name if kind is None or name.endswith(f".{kind}") else f"{name}.{kind}")


def wanted(entries: Mapping[str, Entry], namespaces: Mapping[str, str] = NAMESPACES) -> list[Wanted]:
    """List what a machine should deliver: the signal table, unless the node map says otherwise, and what that adds.

    Args:
        entries: the node map, by signal name.
        namespaces: URIs by prefix.

    Raises:
        PathError: for a place that cannot be read.
        UnknownSignalError: for a name that no signal has.
    """
    mapped = {(signal := signal_of(name, entry.kind)).name: _mapped(signal, entry, namespaces)
              for name, entry in entries.items()}  # fmt: skip
    standard = [_standard(signal) for signal in SIGNALS.values() if signal.paths and signal.name not in mapped]
    return [*standard, *mapped.values()]


def _mapped(signal: Signal, entry: Entry, namespaces: Mapping[str, str]) -> Wanted:
    if entry.path is not None:
        place: Path | Address = parse_path(entry.path, namespaces)
        text = entry.path
    else:
        text = entry.nodeid or ""
        place = parse_node_id(text)
    return Wanted(
        signal,
        (Candidate(place, text, entry.scale, _states(signal)),),
        mapped=True,
        deadband=signal.deadband if entry.deadband is None else entry.deadband,
        sampling_milliseconds=entry.sampling_milliseconds or signal.sampling_milliseconds,
        values=entry.values,
        true_from=entry.true_from,
    )


def _standard(signal: Signal) -> Wanted:
    candidates = tuple(
        Candidate(parse_path(path), path, signal.scale.get(path, 1.0), _states(signal), signal.codes.get(path, {}))
        for path in signal.paths
    )
    return Wanted(signal, candidates, mapped=False, deadband=signal.deadband,
                  sampling_milliseconds=signal.sampling_milliseconds)  # fmt: skip


def _states(signal: Signal) -> dict[Address, int]:
    states = {}
    for text, number in signal.states.items():
        prefix, _, identifier = text.partition(":")
        states[Address(NAMESPACES[prefix], int(identifier))] = number
    return states


def index_of(address: Address, table: Sequence[str]) -> NodeIdentity | None:
    """Express an address in a server's namespace table; None when the server does not know the namespace."""
    try:
        return NodeIdentity(table.index(address.namespace), address.identifier)
    except ValueError:
        return None


class Refused(NamedTuple):
    """A value that does not become a reading.

    Attributes:
        status: the quality that stands in its place.
        reason: for the log and the page.
    """

    status: int
    reason: str


BAD_NO_DATA = 0x809B_0000
"""There is no value (OPC 10000-4, 7.38.2)."""
BAD_TYPE_MISMATCH = 0x8074_0000
"""The value is of another type than its signal (OPC 10000-4, 7.38.2)."""


class Converter:
    """Turns a node's value into the signal's.

    Args:
        wish: the signal.
        candidate: where it was found.
        table: the server's namespaces in their order, because state ids are indexed by it.
    """

    __slots__ = ("_accept", "_codes", "_divisor", "_is_text", "_numbers", "_scale", "_true_from", "_values", "is_plain")

    def __init__(self, wish: Wanted, candidate: Candidate, table: Sequence[str]) -> None:
        self._is_text = wish.signal.type == "String"
        self._scale, self._divisor = _ratio(candidate.scale)
        self._values = wish.values
        self._codes = candidate.codes
        self._true_from = wish.true_from
        self._accept = wish.signal.accept
        known = ((index_of(address, table), number) for address, number in candidate.states.items())
        self._numbers = {identity: number for identity, number in known if identity is not None}
        self.is_plain = wish.signal.type == "Double" and not wish.values and candidate.scale == 1.0

    def __call__(self, raw: Scalar) -> Value | Refused:
        """Return the signal's value, or why there is none."""
        if raw is None and self._is_text:
            return ""  # a null text is an empty one (OPC 10000-3, 8.31)
        value = self._mapped(raw)
        if isinstance(value, Refused):
            return value
        try:
            return self._accept(value)
        except NotANumberError as error:
            return Refused(BAD_OUT_OF_RANGE, str(error))
        except WrongTypeError as error:
            return Refused(BAD_TYPE_MISMATCH, str(error))

    def _mapped(self, raw: Scalar) -> Value | Refused:
        """Apply states, the values of the node map, its threshold and its scale."""
        if isinstance(raw, NodeIdentity):
            unknown = Refused(BAD_OUT_OF_RANGE, f"the state ns={raw.namespace};i={raw.identifier!r} is not known")
            return self._numbers.get(raw, unknown)
        if raw is None or isinstance(raw, Unsupported | Structure | Structures):
            what = raw.what if isinstance(raw, Unsupported) else "structured"
            return Refused(BAD_TYPE_MISMATCH, f"the value is {what}") if raw else Refused(BAD_NO_DATA, "no value")
        if self._values:
            unknown = Refused(BAD_OUT_OF_RANGE, f"{raw!r} is not among the values of the node map")
            return self._values.get(_key(raw), unknown)
        return raw if isinstance(raw, bool | str) else self._measured(raw)

    def _measured(self, raw: float) -> Value | Refused:
        """Apply codes, threshold and scale to a number."""
        if self._codes:
            unknown = Refused(BAD_OUT_OF_RANGE, f"{raw!r} is no number that the standard knows here")
            return self._codes[int(raw)] if raw in self._codes else unknown
        if self._true_from is not None:
            return raw >= self._true_from
        return raw if self._scale == self._divisor else raw * self._scale / self._divisor


def _ratio(scale: float) -> tuple[float, float]:
    """Return numerator and divisor of a scale: 1 and 1000 for 0.001, which no float is, so that 1100 ms are 1.1 s."""
    if not math.isfinite(scale):
        return scale, 1.0
    numerator, divisor = Fraction(scale).limit_denominator().as_integer_ratio()
    return (float(numerator), float(divisor)) if numerator / divisor == scale else (scale, 1.0)


def _key(raw: bool | float | str) -> str:  # noqa: FBT001 - a value of the machine
    return ("false", "true")[raw] if isinstance(raw, bool) else f"{raw!s}"


def problems(name: str, entry: Entry, namespaces: Mapping[str, str]) -> Iterable[str]:
    """Say what is wrong with one line of a node map, each with its mend; nothing when it is right."""
    try:
        signal = signal_of(name, entry.kind)
    except UnknownSignalError as error:
        yield str(error.args[0])
    else:
        if signal.derived:
            yield f"the agent itself makes {name!r}: leave it out"
        if entry.true_from is not None and signal.type != "Boolean":
            yield f"true_from is for Boolean signals, {name!r} is {signal.type}: leave it out"
        for raw, value in entry.values.items():
            try:
                signal.accept(value)
            except (WrongTypeError, NotANumberError) as error:
                yield f"values.{raw}: {error}"
    if (entry.path is None) == (entry.nodeid is None):
        yield "it needs exactly one of path and nodeid"
        return
    try:
        _ = parse_path(entry.path, namespaces) if entry.path is not None else parse_node_id(entry.nodeid or "")
    except PathError as error:
        yield str(error)
