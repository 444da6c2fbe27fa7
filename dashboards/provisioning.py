"""What Grafana reads at its start: data sources, and files for its folder of provisioning. Pure.

The YAML files are written as JSON, which is YAML as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from dashboards.panels import FOLDER_UID, METRICS_UID, STORE_UID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dashboards.panels import Json

FOLDER_TITLE = "Officina"
STEP = "10s"
"""How often a machine says something at the most: Grafana's lower bound of a step."""


class StoreLogin(NamedTuple):
    """How Grafana signs in to InfluxDB.

    Attributes:
        version: 1 or 2.
        username: of a 1.x server, empty where it has no logins.
        secret: token or password, or how a provisioning file refers to it; empty for none.
    """

    version: int
    username: str
    secret: str


def store_source(url: str, database: str, login: StoreLogin) -> Json:
    """Describe the telemetry store as a data source that speaks InfluxQL to InfluxDB 1.x or 2.x."""
    source: Json = {
        "uid": STORE_UID,
        "name": "Officina",
        "type": "influxdb",
        "access": "proxy",
        "url": url,
        "isDefault": False,
        "jsonData": {"dbName": database, "httpMode": "POST", "timeInterval": STEP},
    }
    if login.version == 2:  # noqa: PLR2004 - InfluxDB 2.x
        source["jsonData"]["httpHeaderName1"] = "Authorization"
        source["secureJsonData"] = {"httpHeaderValue1": f"Token {login.secret}"}
    elif login.username:
        source["user"] = login.username
        source["secureJsonData"] = {"password": login.secret}
    return source


def metrics_source(url: str) -> Json:
    """Describe the Prometheus server as a data source."""
    return {
        "uid": METRICS_UID,
        "name": "Officina metrics",
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "isDefault": False,
        "jsonData": {"httpMethod": "POST"},
    }


def files(boards: Iterable[Json], sources: Iterable[Json], *, folder: str) -> Mapping[str, str]:
    """Write everything that Grafana provisions itself from.

    Args:
        boards: as `dashboards.boards` makes them.
        sources: data sources whose secrets are references, for example `$__file{path}`.
        folder: where Grafana finds these files.

    Returns:
        The text of each file by its path below that folder.
    """
    provider = {
        "name": "officina",
        "type": "file",
        "folder": FOLDER_TITLE,
        "folderUid": FOLDER_UID,
        "allowUiUpdates": False,
        "disableDeletion": False,
        "updateIntervalSeconds": 60,
        "options": {"path": f"{folder.rstrip('/')}/boards"},
    }
    data_sources = [{**source, "orgId": 1, "editable": False} for source in sources]
    written = {
        "provisioning/dashboards/officina.yaml": {"apiVersion": 1, "providers": [provider]},
        "provisioning/datasources/officina.yaml": {"apiVersion": 1, "prune": True, "datasources": data_sources},
        **{f"boards/{board['uid']}.json": board for board in boards},
    }
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in written.items()}
