"""What `officina edge trust list` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.document import ConfigError, Problem, open_document
from edge_agent.expiry import days_left
from shopfloor.periods import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_agent.trust import Known


def certificates_of(path: Path) -> Path:
    """Return the folder of certificates that a configuration names, also when the rest of it is wrong.

    Raises:
        ConfigError: when the file cannot be read.
    """
    found: list[Problem] = []
    document = open_document(path, found)
    if document is None:
        raise ConfigError(found)
    agent = document.data.get("agent")
    name = agent.get("certificates", "pki") if isinstance(agent, dict) else "pki"
    if not isinstance(name, str) or not name:
        raise ConfigError([document.problem(("agent", "certificates"), f"{name!r} is no folder: name one")])
    return path.parent / name


def table(known: Sequence[Known], now: int) -> str:
    """Write certificates for people, one block each."""
    if not known:
        return "No server's certificate is known yet: start the agent, and what servers show is listed here."
    return "\n".join(_block(each, now) for each in known)


def _block(each: Known, now: int) -> str:
    left = days_left(each.expires, now)
    end = (
        f"ends {format_instant(each.expires)}, in {left} days" if left >= 0 else f"ENDED {format_instant(each.expires)}"
    )
    hosts = ", ".join(each.hosts) or "none"
    return (f"{each.standing:<8}  {each.thumbprint}\n"
            f"          {each.subject}\n"
            f"          application {each.application_uri or 'none'}, hosts {hosts}, {end}\n"
            f"          SHA-1, to compare with what the machine shows: {each.sha1}")  # fmt: skip
