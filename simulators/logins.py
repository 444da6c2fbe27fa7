"""Who may do what at the embedded broker."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from shopfloor.settings import write_secret
from shopfloor.wire import topics

if TYPE_CHECKING:
    from pathlib import Path


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """What one login may do.

    Attributes:
        password_sha256: of its password, which is random and long.
        publish: topic filters that it may publish to, its last will included.
        subscribe: topic filters that it may subscribe to.
        client_ids: client ids it may use; empty for any that no other login claims.
    """

    password_sha256: str
    publish: list[str]
    subscribe: list[str]
    client_ids: list[str] = msgspec.field(default_factory=list)


def edge_login(password: str, publisher: str, *, reads_all: bool = False) -> Login:
    """Return the rights of an edge agent or third-party publisher: its own topics, its own acknowledgements.

    Args:
        password: of the login.
        publisher: its PublisherId, and its client id unless `reads_all`.
        reads_all: whether it may read what all publishers say, under any client id.
    """
    return Login(
        digest(password),
        publish=[
            f"{topics.DATA}/{publisher}/#",
            topics.metadata(publisher, "+", "+"),
            topics.status(publisher),
            topics.connection(publisher),
            topics.health(publisher),
            topics.reply(publisher),
        ],
        subscribe=[topics.stored(publisher), topics.registry(publisher), topics.request(publisher)]
        + ([f"{topics.PREFIX}/#"] if reads_all else []),
        client_ids=[] if reads_all else [publisher],
    )


def collector_login(password: str) -> Login:
    """Return the rights of a collector: read data and registries, say what is stored, hear itself."""
    return Login(
        digest(password),
        publish=[f"{topics.STORED}/+", f"{topics.ECHO}/+"],
        subscribe=[topics.DATA_FILTER, topics.REGISTRY_FILTER, f"{topics.ECHO}/+"],
    )


def api_login(password: str) -> Login:
    """Return the rights of the API: read everything of the machines, publish the registry, ask agents."""
    return Login(
        digest(password),
        publish=[f"{topics.REGISTRY}/+", f"{topics.ECHO}/+", topics.request("+")],
        subscribe=[f"{topics.PREFIX}/#", f"{topics.EDGE}/#", topics.REGISTRY_FILTER, f"{topics.ECHO}/+"],
    )


def digest(password: str) -> str:
    """Return what is kept of a password: it is random and long, so that a fast hash is enough."""
    return hashlib.sha256(password.encode()).hexdigest()


def write_logins(path: Path, logins: dict[str, Login]) -> None:
    """Write the login file, readable by its owner alone."""
    write_secret(path, msgspec.json.encode(logins).decode())


def read_logins(path: Path) -> dict[str, Login]:
    """Read a login file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Login])


def allows(allowed: str, wanted: str) -> bool:
    """Tell whether a filter covers a topic or a narrower filter."""
    ours, theirs = allowed.split("/"), wanted.split("/")
    for index, level in enumerate(ours):
        if level == "#":
            return True
        if index >= len(theirs) or theirs[index] == "#" or (level not in ("+", theirs[index])):
            return False
    return len(ours) == len(theirs)
