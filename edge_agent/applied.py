"""The machines that a request brought, kept beside the administrator's file, and which of the two is in force.

The agent never writes the administrator's file: its comments stay. What a request brought lies beside it, in
`<name>.applied.toml`, with a digest of the machines that the administrator's file had at that time. It is in force
while the administrator's machines are still those; when somebody changes them there, the file wins, and what the
request brought is set aside as `<name>.applied.toml.old`. So the latest decision holds, and none is lost.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_agent.certificate import write_whole
from edge_agent.config import EdgeConfig, load
from edge_agent.document import ConfigError, Document, Problem, open_document
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_agent.document import Key

_MARK = "\n[applied]\n"
_OURS = ("agent", "broker", "spool")
"""Tables that a request may repeat, but not change."""
_KEPT = ("trusted_certificate", "user", "password_file", "user_certificate", "user_key", "nodes_file")
"""What a request may only say as the administrator's file says it for the same machine: trust, logins, local files."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration that holds.

    Attributes:
        config: checked.
        request: the request that brought its machines; empty when the file did.
        text: as written, without the agent's own marks.
        superseded: machines that a request brought lie beside it and no longer hold.
        problem: why machines that a request brought do not hold though they should, empty when there are none such.
    """

    config: EdgeConfig
    request: str
    text: str
    superseded: bool = False
    problem: str = ""


def applied_path(path: Path) -> Path:
    """Name the file beside the administrator's that keeps what a request brought."""
    return path.with_name(f"{path.stem}.applied.toml")


def in_force(path: Path) -> InForce:
    """Read the configuration that holds: the administrator's file with its own machines or those of a request.

    Raises:
        ConfigError: with everything that is wrong with the administrator's file.
    """
    brought = applied_path(path)
    if not brought.exists():
        return InForce(load(path), "", _text(path))
    found: list[Problem] = []
    document = open_document(brought, found)
    meta = document.data.get("applied") if document is not None else None
    if document is None or not isinstance(meta, dict):
        why = str(found[0]) if found else f"{brought}: the table [applied] is missing"
        return InForce(load(path), "", _text(path), problem=why)
    if meta.get("over") != _digest(_tables(path)):
        return InForce(load(path), "", _text(path), superseded=True)
    try:
        config = load(path, document)
    except ConfigError as error:
        return InForce(load(path), "", _text(path), problem=str(error.problems[0]))
    return InForce(config, str(meta.get("request", "")), _text(brought).rpartition(_MARK)[0])


def proposed(path: Path, text: str, name: str) -> EdgeConfig:
    """Read a configuration that a request proposes, as it would be in force.

    Args:
        path: the administrator's file.
        text: TOML with tables `[[machine]]`.
        name: of the request, for the places of mistakes.

    Raises:
        ConfigError: with everything that is wrong, also that it decides what only the administrator may.
    """
    try:
        document = Document(name, text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(name, 1, f"is no TOML: {error}")]) from None
    mistakes = [document.problem(key, what) for key, what in _trespasses(document.data, _tables(path))]
    if mistakes:
        raise ConfigError(mistakes)
    return load(path, document)


def keep(path: Path, text: str, request: str, now: int) -> None:
    """Write down what a request brought. It holds from now on, also after a restart.

    Raises:
        OSError: when it cannot be written; nothing is changed then.
    """
    meta = {"over": _digest(_tables(path)), "request": request, "at": format_instant(now)}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in meta.items())
    write_whole(applied_path(path), f"{text.rstrip()}\n{_MARK}{lines}".encode(), 0o640)


def set_aside(path: Path) -> Path:
    """Put away what a request brought, because the administrator's file holds. Returns where it is.

    Raises:
        OSError: when it cannot be moved.
    """
    brought = applied_path(path)
    return brought.replace(brought.with_name(f"{brought.name}.old"))


def _trespasses(data: dict[str, Any], own: dict[str, Any]) -> Iterator[tuple[Key, str]]:
    """Find what a request may not decide."""
    for table in data.keys() - {"machine"}:
        if table not in _OURS:
            yield (table,), "is not known here: a request brings tables [[machine]]"
        elif data[table] != own.get(table):
            yield (table,), "is decided on the agent's computer: leave it out, or as it is there"
    machines = data.get("machine")
    known = {str(each.get("id")): each for each in _machines(own)}
    for index, machine in enumerate(machines if isinstance(machines, list) else []):
        if isinstance(machine, dict):
            yield from _machine_trespasses(("machine", index), machine, known.get(str(machine.get("id")), {}))


def _machine_trespasses(key: Key, machine: dict[str, Any], own: dict[str, Any]) -> Iterator[tuple[Key, str]]:
    where = "is decided on the agent's computer: write it into its configuration there first"
    for name in _KEPT:
        if machine.get(name, "") != own.get(name, ""):
            yield (*key, name), where
    is_plain = machine.get("security") == "none"
    if is_plain and (own.get("security") != "none" or own.get("endpoint") != machine.get("endpoint")):
        yield (*key, "security"), f"none {where}"


def _machines(data: dict[str, Any]) -> list[dict[str, Any]]:
    machines = data.get("machine")
    return [each for each in machines if isinstance(each, dict)] if isinstance(machines, list) else []


def _tables(path: Path) -> dict[str, Any]:
    found: list[Problem] = []
    document = open_document(path, found)
    if document is None:
        raise ConfigError(found)
    return document.data


def _digest(data: dict[str, Any]) -> str:
    """Digest the machines of the administrator's file, whatever their layout and comments."""
    canonical = json.dumps(data.get("machine", []), sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
