"""What differs between two configurations of an agent. Pure but for the types of the configuration."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.config import EdgeConfig, MachineConfig, ServerConfig


def connection(server: ServerConfig) -> tuple[object, ...]:
    """Name what makes a session: everything of a server but its machines."""
    return tuple(getattr(server, each.name) for each in fields(server) if each.name != "machines")


def touched(before: EdgeConfig, after: EdgeConfig) -> set[str]:
    """Return the machines whose watching begins, ends or begins anew."""
    old, new = _by_machine(before), _by_machine(after)
    return {machine for machine in old.keys() | new.keys() if old.get(machine) != new.get(machine)}


def needs_restart(before: EdgeConfig, after: EdgeConfig) -> str:
    """Name the tables that are read at the start alone and differ; empty when none does."""
    is_same_agent = (before.publisher, before.certificates) == (after.publisher, after.certificates)
    found = [] if is_same_agent else ["[agent]"]
    if before.spool != after.spool:
        found.append("[spool]")
    return " and ".join(found)


def _by_machine(config: EdgeConfig) -> dict[str, tuple[tuple[object, ...], MachineConfig]]:
    return {machine.id: (connection(server), machine) for server in config.servers for machine in server.machines}
