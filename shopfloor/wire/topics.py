"""Topic names (OPC 10000-14, 7.3.4.7, and Officina's own below `officina/`)."""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "opcua"
DATA = f"{PREFIX}/json/data"
STORED = "officina/stored"
REGISTRY = "officina/registry"
ECHO = "officina/echo"
QUARANTINE = "officina/quarantine"
EDGE = "officina/edge"
DATA_FILTER = f"{DATA}/#"
REGISTRY_FILTER = f"{REGISTRY}/+"
QUARANTINE_FILTER = f"{QUARANTINE}/+"

_DATA_LEVELS_MIN = 4


class DataTopic(NamedTuple):
    """What the levels of a data topic name; empty where the topic does not say."""

    publisher: str
    writer_group: str
    writer: str


def data(publisher: str, writer_group: str, writer: str) -> str:
    """Name the topic of one machine's data of one signal class."""
    return f"{DATA}/{publisher}/{writer_group}/{writer}"


def parse_data(topic: str) -> DataTopic:
    """Split a data topic.

    Raises:
        ValueError: when it is no data topic with a publisher.
    """
    levels = topic.split("/")
    if not topic.startswith(f"{DATA}/") or len(levels) < _DATA_LEVELS_MIN or not levels[3]:
        raise ValueError(f"{topic!r} is no data topic: expected {DATA}/<PublisherId>[/<WriterGroup>[/<Writer>]]")
    group, writer = [*levels[4:6], "", ""][:2]
    return DataTopic(levels[3], group, writer)


def status(publisher: str) -> str:
    """Name the retained status topic of a publisher, which its last will is set on."""
    return f"{PREFIX}/json/status/{publisher}"


def connection(publisher: str) -> str:
    """Name the retained connection topic of a publisher."""
    return f"{PREFIX}/json/connection/{publisher}"


def metadata(publisher: str, writer_group: str, writer: str) -> str:
    """Name the retained metadata topic of one machine's signals of one class."""
    return f"{PREFIX}/json/metadata/{publisher}/{writer_group}/{writer}"


def stored(publisher: str) -> str:
    """Name the topic on which collectors tell a publisher what they have stored."""
    return f"{STORED}/{publisher}"


def registry(publisher: str) -> str:
    """Name the retained topic on which the API says what a publisher may publish."""
    return f"{REGISTRY}/{publisher}"


def echo(collector: str) -> str:
    """Name the topic on which a collector hears itself."""
    return f"{ECHO}/{collector}"


def quarantine(file: str) -> str:
    """Name the retained topic on which a collector tells what its quarantine file holds."""
    return f"{QUARANTINE}/{file}"


def health(publisher: str) -> str:
    """Name the retained topic on which an agent tells how it is."""
    return f"{EDGE}/{publisher}/health"


def request(publisher: str) -> str:
    """Name the topic on which the API asks an agent to do something."""
    return f"{EDGE}/{publisher}/request"


def reply(publisher: str) -> str:
    """Name the topic on which an agent answers a request."""
    return f"{EDGE}/{publisher}/reply"


def last_level(topic: str) -> str:
    """Return the last level: the publisher, of the topics that end with one."""
    return topic.rpartition("/")[2]
