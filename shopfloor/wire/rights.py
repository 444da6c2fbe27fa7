"""Who may say and hear what at the broker: from a list of logins to topic filters, the same for every kind of broker.

Topics by OPC 10000-14, 7.3.4.7, and Officina's own. What is not granted here is refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.signals import is_identifier
from shopfloor.wire import topics

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(StrEnum):
    """What a login of the broker is."""

    AGENT = "agent"
    """An edge agent; its name is its PublisherId and its client id."""
    PUBLISHER = "publisher"
    """A third party's publisher of OPC UA PubSub, which knows nothing of acknowledgements; named likewise."""
    INTEGRATION = "integration"
    """A system that publishes under its own name and hears every publisher."""
    READER = "reader"
    """A system that hears every publisher and says nothing."""
    COLLECTOR = "collector"
    """Collectors: they alone say what is stored."""
    API = "api"
    """The API: it alone says who may publish what, and asks agents to do something."""


class Principal(NamedTuple):
    """One login.

    Attributes:
        name: its user name, and its PublisherId where it publishes.
        kind: what it is.
    """

    name: str
    kind: Kind


class Rights(NamedTuple):
    """What one login may do.

    Attributes:
        publish: topic filters that cover what it may publish, its last will included.
        subscribe: topic filters that cover what it may hear.
        is_bound: whether its client id must be its name. Any other login is of a program that may run several times,
            each under a client id of its own.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    is_bound: bool


class RightsError(ValueError):
    """No rights follow from the list of logins; the sentence names the login."""


def rights(principals: Iterable[Principal]) -> dict[str, Rights]:
    """Return what each login may do, by name.

    Raises:
        RightsError: a name is no identifier (a `+`, `#` or `/` in it would reach into the topics of others) or is
            there twice, or there is no login at all, which some brokers take for leave to do anything.
    """
    found: dict[str, Rights] = {}
    for principal in principals:
        if not is_identifier(principal.name):
            raise RightsError(
                f"{principal.name!r} is no login: use lower-case letters, digits and inner hyphens, 63 at most"
            )
        if principal.name in found:
            raise RightsError(f"there are two logins {principal.name!r}: give each its own name")
        found[principal.name] = _rights(principal)
    if not found:
        raise RightsError("there is no login: add one, for nobody could connect without")
    return found


def _rights(principal: Principal) -> Rights:
    name = principal.name
    match principal.kind:
        case Kind.AGENT:
            own = (*_own_topics(name), topics.health(name), topics.reply(name))
            return Rights(own, (topics.stored(name), topics.registry(name), topics.request(name)), is_bound=True)
        case Kind.PUBLISHER:
            return Rights(_own_topics(name), (topics.stored(name), topics.registry(name)), is_bound=True)
        case Kind.INTEGRATION:
            heard = (f"{topics.PREFIX}/#", topics.stored(name), topics.registry(name))
            return Rights(_own_topics(name), heard, is_bound=False)
        case Kind.READER:
            return Rights((), (f"{topics.PREFIX}/#",), is_bound=True)
        case Kind.COLLECTOR:
            heard = (topics.DATA_FILTER, topics.REGISTRY_FILTER, f"{topics.ECHO}/+")
            said = (f"{topics.STORED}/+", f"{topics.ECHO}/+", topics.QUARANTINE_FILTER)
            return Rights(said, heard, is_bound=False)
        case Kind.API:
            said = (f"{topics.REGISTRY}/+", topics.request("+"), f"{topics.ECHO}/+")
            own = (topics.REGISTRY_FILTER, f"{topics.ECHO}/+", topics.QUARANTINE_FILTER)
            all_heard = (f"{topics.PREFIX}/#", f"{topics.EDGE}/#", *own)
            return Rights(said, all_heard, is_bound=False)


def _own_topics(publisher: str) -> tuple[str, ...]:
    return (
        f"{topics.DATA}/{publisher}/#",
        topics.metadata(publisher, "+", "+"),
        topics.status(publisher),
        topics.connection(publisher),
    )


def covers(allowed: str, wanted: str) -> bool:
    """Tell whether a filter covers a topic or a narrower filter.

    A filter that begins with a wildcard covers no topic that begins with `$` (MQTT 3.1.1, 4.7.2).
    """
    ours, theirs = allowed.split("/"), wanted.split("/")
    if theirs[0].startswith("$") and ours[0] in {"+", "#"}:
        return False
    for index, level in enumerate(ours):
        if level == "#":
            return True
        if index >= len(theirs) or theirs[index] == "#" or (level not in ("+", theirs[index])):
            return False
    return len(ours) == len(theirs)
