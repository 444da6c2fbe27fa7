"""From what a server shows to a configuration that someone can read, correct and use. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from edge_agent.nodemap import NAMESPACES, escape
from edge_agent.units import UNITS
from shopfloor.signals import SIGNALS, is_identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shopfloor.samples import Value

IDENTIFIER_MAX = 63
"""Longest identifier of a machine, and longest name of a signal that a node map adds, without its type."""


class FoundVariable(NamedTuple):
    """A variable below a machine that the signal table does not lead to.

    Attributes:
        path: namespace URI and BrowseName of each step from the machine's node.
        unit: its unit as the server writes it, empty for none.
        value: what it held, None when it held nothing that can be read.
    """

    path: tuple[tuple[str, str], ...]
    unit: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A line of a node map.

    Attributes:
        signal: name of the signal.
        path: namespace URI and BrowseName of each step.
        scale: what its numbers are multiplied with.
        sure: whether name, type and unit fit a signal of the table; the others are for people to decide.
        unit: the unit as the server writes it.
    """

    signal: str
    path: tuple[tuple[str, str], ...]
    scale: float
    sure: bool
    unit: str


class Way(NamedTuple):
    """How a server is reached.

    Attributes:
        endpoint: its address.
        security: security policy, `none` for none.
        mode: what the policy protects.
        thumbprint: of the certificate that the server presents, empty where the trust list decides.
    """

    endpoint: str
    security: str
    mode: str
    thumbprint: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A machine as discovered.

    Attributes:
        name: what it calls itself.
        product_instance_uri: its identity, empty when it does not tell it.
        identification: manufacturer, model and serial number, as far as told.
        standard: names of the signals that the signal table finds by itself.
        suggestions: lines for its node map.
    """

    name: str
    product_instance_uri: str
    identification: Mapping[str, str] = field(default_factory=dict)
    standard: Sequence[str] = ()
    suggestions: Sequence[Suggestion] = ()


_RULES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"spindle_?1?/(?:act)?load", "spindle_load"),
        (r"spindle_?2/(?:act)?load", "spindle2_load"),
        (r"spindle_?1?/(?:act)?speed", "spindle_speed"),
        (r"spindle_?2/(?:act)?speed", "spindle2_speed"),
        (r"spindle_?1?/\w*temperature", "spindle_temperature"),
        (r"spindle_?2/\w*temperature", "spindle2_temperature"),
        (r"spindle_?1?/\w*vibration", "spindle_vibration"),
        (r"(?:axis_?)?([xyzbc])\d?(?:_?axis)?/(?:act)?load", "axis_{}_load"),
        (r"(?:axis_?)?([xyzbc])\d?(?:_?axis)?/(?:act)?pos(?:ition)?", "axis_{}_position"),
        (r"(?:axis_?)?([xyzbc])\d?(?:_?axis)?/(?:act)?feed(?:rate)?", "axis_{}_feed"),
        (r"channel\w*/(?:act)?feed(?:rate)?", "feed"),
        (r"\w+/toolnumber", "tool_number"),
        (r"\w+/toollife", "tool_life"),
        (r"\w+/coolanttemperature", "coolant_temperature"),
        (r"\w+/acactivepowertotal", "power_watts"),
        (r"\w+/acactiveenergytotalimport\w*", "energy_watt_hours"),
        (r"\w+/automatictime", "automatic_seconds"),
        (r"\w+/cuttingtime", "cutting_seconds"),
        (r"\w+/emergencystop", "emergency_stop"),
        (r"notification/alarm(?:text)?", "alarm"),
        (r"notification/alarmblocking", "alarm_blocking"),
    )
)
"""Last two BrowseNames of a path, in lower case, to the signal of the table that such a variable is."""

_NUMBERS = {"Double", "Int32", "UInt32", "Int64"}


def slug(name: str, taken: Iterable[str] = ()) -> str:
    """Make an identifier from what a machine calls itself, different from those that are taken."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: IDENTIFIER_MAX - 4].strip("-") or "machine"
    used, number, identifier = set(taken), 2, base
    while identifier in used or not is_identifier(identifier):
        identifier, number = f"{base}-{number}", number + 1
    return identifier


def suggest(variables: Iterable[FoundVariable], standard: Iterable[str] = ()) -> list[Suggestion]:
    """Suggest lines of a node map.

    Args:
        variables: what the machine has besides.
        standard: names of signals that are found without a node map.
    """
    taken = set(standard)
    suggestions = []
    for variable in variables:
        found = _known(variable)
        if found is None or found.signal in taken:
            found = _added(variable, taken)
        if found is not None:
            taken.add(found.signal)
            suggestions.append(found)
    return suggestions


def _known(variable: FoundVariable) -> Suggestion | None:
    """Recognise a signal of the table by name, type and unit."""
    tail = "/".join(name.lower() for _, name in variable.path[-2:])
    for pattern, template in _RULES:
        match = pattern.fullmatch(tail)
        if match is None:
            continue
        signal = SIGNALS[template.format(*match.groups())]
        unit, factor = UNITS.get(variable.unit.lower(), ("", 1.0)) if variable.unit else (signal.unit, 1.0)
        if unit == signal.unit and _fits(signal.type, variable.value):
            return Suggestion(signal.name, variable.path, factor, sure=True, unit=variable.unit)
    return None


def _fits(signal_type: str, value: Value | None) -> bool:
    if value is None:
        return True
    if isinstance(value, bool):
        return signal_type == "Boolean"
    return signal_type == "String" if isinstance(value, str) else signal_type in _NUMBERS


def _added(variable: FoundVariable, taken: set[str]) -> Suggestion | None:
    """Name a signal that the table does not have."""
    value = variable.value
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, str):
        kind = "string"
    elif variable.unit or value is not None:
        kind = "int64" if isinstance(value, int) and not variable.unit else "double"
    else:
        return None
    words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name) for _, name in variable.path[-2:]]
    stem = re.sub(r"[^a-z0-9]+", "_", "_".join(words).lower()).strip("_")
    stem = (stem if stem[:1].isalpha() else f"n_{stem}")[: IDENTIFIER_MAX - 4]
    number, name = 2, f"{stem}.{kind}"
    while name in taken or stem in SIGNALS:
        name, number = f"{stem}_{number}.{kind}", number + 1
        if name not in taken:
            break
    return Suggestion(name, variable.path, 1.0, sure=False, unit=variable.unit)


def prefixes(uris: Iterable[str]) -> dict[str, str]:
    """Give each namespace URI a prefix: the usual ones, else one made from its last words."""
    known = {uri: prefix for prefix, uri in NAMESPACES.items()}
    made: dict[str, str] = {}
    for uri in dict.fromkeys(uris):
        if uri in known:
            made[uri] = known[uri]
            continue
        words = re.findall(r"[A-Za-z][A-Za-z0-9]*", uri) or ["N"]
        base = words[-1].upper()[:12]
        prefix, number = base, 2
        while prefix in made.values() or prefix in NAMESPACES:
            prefix, number = f"{base}{number}", number + 1
        made[uri] = prefix
    return made


def spell(path: Sequence[tuple[str, str]], prefix_of: Mapping[str, str]) -> str:
    """Write a path as a node map does."""
    return "/".join(f"{prefix_of[uri]}:{escape(name)}" for uri, name in path)


_HEAD = """\
# What this agent reads, and where it sends it. Made from what {endpoint} shows; every line may be changed.
# Then: officina edge check FILE, officina edge run FILE.

[agent]
id = "edge-1"                     # its name in topics: lower-case letters, digits, hyphens; unique in the consortium
certificates = "pki"              # folder of its own certificate, made at the first start

[broker]
host = "127.0.0.1"
port = 1883
insecure = true                   # plain TCP, for a broker on this machine only; elsewhere remove it and set:
# port = 8883
# ca = "broker-ca.pem"            # file with the certificate that the broker's comes from
# username = "edge-1"
# password_file = "broker.password"

[spool]
path = "spool.sqlite"             # keeps what no collector has stored yet
bytes_max = 2_000_000_000
age_days_max = 60
"""


def render(way: Way, machines: Sequence[Draft], note: str = "") -> str:
    """Write a configuration file.

    Args:
        way: how the server is reached.
        machines: what it has.
        note: what could not be found out, empty when all could.
    """
    parts = [_HEAD.format(endpoint=_comment(way.endpoint))]
    if note:
        parts.append(f"\n# {note}\n")
    ids: list[str] = []
    for machine in machines or [Draft("machine", "")]:
        ids.append(slug(machine.name, ids))
        parts.append(_machine(ids[-1], way, machine))
    return "".join(parts)


def _machine(name: str, way: Way, machine: Draft) -> str:
    who = " ".join(machine.identification.get(key, "") for key in ("manufacturer", "model", "serial_number")).strip()
    lines = ["", f"# {_comment(who or machine.name)}", "[[machine]]", f"id = {_quote(name)}",
             f"endpoint = {_quote(way.endpoint)}"]  # fmt: skip
    if machine.product_instance_uri:
        lines.append(f"product_instance_uri = {_quote(machine.product_instance_uri)}")
    lines.append(f"security = {_quote(way.security)}")
    if way.security == "none":
        lines.append("# The server offers no security: what it says can be read and changed on the way.")
    else:
        lines.append(f"mode = {_quote(way.mode)}")
        if way.thumbprint:
            lines += ["# Compare this with what the machine shows before you trust it.",
                      f"trusted_certificate = {_quote(way.thumbprint)}"]  # fmt: skip
    lines += ['# user = "officina"', '# password_file = "machine.password"',
              'clock = "source"                  # stamps are the machine\'s own; "trust" for replays',
              "clock_limit_seconds = 60          # beyond this the agent's clock stamps",
              "publishing_milliseconds = 250", "queue_size = 100"]  # fmt: skip
    if machine.standard:
        lines.append(f"# Found without a node map: {', '.join(machine.standard)}")
    lines += _node_map(machine.suggestions)
    return "\n".join(lines) + "\n"


def _node_map(suggestions: Sequence[Suggestion]) -> list[str]:
    if not suggestions:
        return []
    prefix_of = prefixes(uri for each in suggestions for uri, _ in each.path)
    own = {prefix: uri for uri, prefix in prefix_of.items() if prefix not in NAMESPACES}
    lines = ["", "[machine.namespaces]", *(f"{prefix} = {_quote(uri)}" for prefix, uri in own.items())] if own else []
    lines += ["", "[machine.nodes]"]
    lines += [_line(each, prefix_of) for each in suggestions if each.sure]
    others = [each for each in suggestions if not each.sure]
    if others:
        lines.append(
            "# What else it has; remove the # from what you want. The end of the name is its type; a counter only"
        )
        lines.append("# rises and is kept for ever: rename x.double to x.counter for one.")
        lines += [f"# {_line(each, prefix_of)}" for each in others]
    return lines


def _line(each: Suggestion, prefix_of: Mapping[str, str]) -> str:
    name = each.signal if "." not in each.signal else _quote(each.signal)
    scale = "" if each.scale == 1.0 else f", scale = {each.scale!r}"
    unit = f"  # {_comment(each.unit)}" if each.unit else ""
    return f"{name} = {{ path = {_quote(spell(each.path, prefix_of))}{scale} }}{unit}"


def _quote(text: str) -> str:
    """Write a TOML basic string; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)
