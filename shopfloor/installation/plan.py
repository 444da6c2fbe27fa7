"""What an installation consists of: the choices that were made, and the text of every file that follows. Pure texts."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from string import Template
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Layout: TypeAlias = Literal["compose", "machine"]
_Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]

INSIDE = PurePosixPath("/etc/officina")
"""Where containers find the folder."""
STATE = PurePosixPath("/var/lib/officina")
"""Where containers keep what is theirs."""
COLLECTORS = (1, 2)
HTTPS = 443
SECRETS = {
    "api-password": "login of the API and of the watch at the broker",
    "collector-password": "login of the collectors at the broker",
    "database-password": "owner of the records in PostgreSQL",
    "store-admin-password": "administrator of InfluxDB, for its own pages",
    "store-admin-token": "the same for programs; only `officina store init` uses it",
    "grafana-admin-password": "first administrator of Grafana, called `admin`",
}
"""What is random and long, and made by `officina init`."""
STORE_TOKENS = {
    "store-api-token": "API and watch: read both buckets, write the records bucket",
    "store-collector-token": "collectors: read and write both buckets",
    "store-grafana-token": "Grafana: read both buckets",
}
"""What `officina store init` makes when the store answers."""
CERTIFICATES = {
    "web": "what browsers and agents see: put a certificate of a public authority in its place if there is one",
    "broker": "what agents and programs see of the broker",
    "api": "between the server in front and the API",
}
_TEMPLATES = Path(__file__).with_name("templates")


class Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The choices of one installation, kept in `installation.toml`.

    Attributes:
        host: name under which browsers and agents reach it.
        house: name of the consortium, as pages show it.
        layout: `compose`, where each program is a container and reaches the others by their names; or `machine`, where
            programs and servers run on this machine.
        language: of pages and boards.
        time_zone: of times on them.
        https_port: of the pages, from outside.
        agents_port: of the broker's listener for agents, from outside.
        programs_port: of its listener for programs.
        api_port: of the API, behind the server in front.
        metrics_port: of the first collector's metrics; the second has the next one.
        broker: host of the broker, for programs.
        store: address of the telemetry store; empty for the InfluxDB 2.x that compose brings along.
        records: address of the records; empty for the PostgreSQL that compose brings along.
    """

    host: _Name
    house: Annotated[str, msgspec.Meta(max_length=120)] = ""
    layout: Layout = "compose"
    language: Literal["it", "en"] = "it"
    time_zone: str = "Europe/Rome"
    https_port: _Port = 443
    agents_port: _Port = 8883
    programs_port: _Port = 8884
    api_port: _Port = 8000
    metrics_port: _Port = 9101
    broker: str = ""
    store: str = ""
    records: str = ""

    def written(self) -> str:
        """Return the choices as `installation.toml` keeps them."""
        lines = (f"{name} = {_quoted(value)}\n" for name, value in msgspec.structs.asdict(self).items() if value != "")
        return "# What was chosen when this folder was made. `officina init` reads it again.\n" + "".join(lines)


class File(NamedTuple):
    """A file of the installation.

    Attributes:
        path: below the folder.
        text: what it holds.
        purpose: what it is for, in a few words.
    """

    path: str
    text: str
    purpose: str


_PURPOSES = {
    "api.toml": "settings of the API and of the watch",
    "mosquitto.conf": "settings of the broker: two listeners with TLS, logins and rights from `broker/`",
    "Caddyfile": "settings of the server in front, which speaks HTTPS",
    "dashboards.toml": "settings of the boards in Grafana",
    "prometheus.yml": "what Prometheus asks, and how often",
    "alerts.yml": "when Prometheus says that the platform itself is not well",
}


def files(plan: Plan, folder: Path, *, owner: tuple[int, int], version: str) -> list[File]:
    """Return every file of settings, without secrets.

    Args:
        plan: the choices.
        folder: where the installation is on this machine.
        owner: user and group that the programs run as.
        version: of Officina.
    """
    words = {**_words(plan, folder), "uid": str(owner[0]), "gid": str(owner[1]), "version": version}
    found = [File(name, _filled(name, words), purpose) for name, purpose in _PURPOSES.items()]
    for number in COLLECTORS:
        own = {
            "quarantine": _quoted(str(_state(plan, folder) / f"quarantine-{number}.db")),
            "metrics_port": str(plan.metrics_port if plan.layout == "compose" else plan.metrics_port + number - 1),
        }
        text = _filled("collector.toml", {**words, **own})
        found.append(File(f"collector-{number}.toml", text, f"settings of collector {number}"))
    if plan.layout == "compose":
        found.append(File(".env", _filled("env", words), "what docker-compose.yml is told of this installation"))
    return found


def names(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return the hosts that each server's certificate names, by server."""
    local = ("localhost", "127.0.0.1")
    if plan.layout == "machine":
        return {"web": (plan.host, *local), "broker": _once(plan.host, plan.broker, *local), "api": ("api", *local)}
    return {"web": (plan.host, *local), "broker": (plan.host, "mosquitto", *local), "api": ("api", *local)}


def _once(*wanted: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, wanted)))


def _words(plan: Plan, folder: Path) -> dict[str, str]:
    """Return what stands for each name in a template."""
    is_compose = plan.layout == "compose"
    base = INSIDE if is_compose else folder
    local = "127.0.0.1"
    records = f"postgresql://officina@{'postgres' if is_compose else local}:5432/officina"
    server = "http://influxdb:8086" if is_compose else f"http://{local}:8086"
    store = f"influx+{server}/officina?org=officina&token_file={base}/secrets"
    collectors = [f"collector-{number}:{plan.metrics_port}" for number in COLLECTORS]
    if not is_compose:
        collectors = [f"{local}:{plan.metrics_port + number - 1}" for number in COLLECTORS]
    return {
        "base": str(base),
        "folder": str(folder),
        "host": plan.host,
        "url": _quoted(f"https://{plan.host}" + ("" if plan.https_port == HTTPS else f":{plan.https_port}")),
        "house": _quoted(plan.house),
        "language": plan.language,
        "time_zone": _quoted(plan.time_zone),
        "https_port": str(plan.https_port),
        "https_listen": "443" if is_compose else str(plan.https_port),
        "agents_port": str(plan.agents_port),
        "agents_listen": "8883" if is_compose else str(plan.agents_port),
        "programs_port": str(plan.programs_port),
        "programs_listen": str(plan.programs_port) if is_compose else f"{plan.programs_port} {local}",
        "broker_host": plan.broker or ("mosquitto" if is_compose else local),
        "pid_file": "/run/mosquitto/mosquitto.pid" if is_compose else f"{folder}/broker/mosquitto.pid",
        "api_store": _quoted(plan.store or f"{store}/store-api-token"),
        "collector_store": _quoted(plan.store or f"{store}/store-collector-token"),
        "store_url": _quoted(server),
        "records": _quoted(plan.records or f"{records}?password_file={base}/secrets/database-password"),
        "api_bind": "0.0.0.0" if is_compose else local,  # noqa: S104 - inside the containers' own network
        "api_port": str(plan.api_port),
        "api": f"{'api' if is_compose else local}:{plan.api_port}",
        "proxy": "172.31.255.2" if is_compose else local,
        "metrics_bind": "0.0.0.0" if is_compose else local,  # noqa: S104 - the same
        "collectors": json.dumps(collectors),
        "metrics_url": _quoted("http://prometheus:9090" if is_compose else f"http://{local}:9090"),
    }


def _state(plan: Plan, folder: Path) -> PurePosixPath:
    return STATE if plan.layout == "compose" else PurePosixPath(folder) / "state"


def _filled(name: str, words: Mapping[str, str]) -> str:
    return Template((_TEMPLATES / name).read_text(encoding="utf-8")).substitute(words)


def _quoted(value: object) -> str:
    """Write a text or a number as TOML has it."""
    return json.dumps(value, ensure_ascii=False)
