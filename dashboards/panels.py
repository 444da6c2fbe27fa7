"""Panels and boards as Grafana's JSON (schema version 42, read by Grafana 11 to 13): pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from dashboards.queries import CODES, machines
from dashboards.words import COLOURS, STATES, TAG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dashboards.words import Language, Theme

Json: TypeAlias = "dict[str, Any]"

SCHEMA_VERSION = 42
STORE_UID, METRICS_UID, FOLDER_UID = "officina-store", "officina-metrics", "officina"
STORE = {"type": "influxdb", "uid": STORE_UID}
METRICS = {"type": "prometheus", "uid": METRICS_UID}
WIDTH = 24
"""Columns of Grafana's grid."""


class Query(NamedTuple):
    """One question of a panel.

    Attributes:
        text: InfluxQL, or PromQL on the metrics' data source.
        label: name of its curves; `$tag_machine` is the machine, `{{name}}` a label of a metric.
        form: `time_series` for curves, `table` for rows.
    """

    text: str
    label: str = "$tag_machine"
    form: Literal["time_series", "table"] = "time_series"


class Panel(NamedTuple):
    """A panel before it has a place.

    Attributes:
        content: its JSON without id and place.
        width: columns, of `WIDTH`.
        height: rows of 30 px.
    """

    content: Json
    width: int = WIDTH
    height: int = 8


def _panel(kind: str, title: str, queries: Sequence[Query], source: Mapping[str, str], **more: Any) -> Json:
    return {
        "type": kind,
        "title": title,
        "datasource": dict(source),
        "targets": [_target(number, query, source) for number, query in enumerate(queries)],
        **more,
    }


def _target(number: int, query: Query, source: Mapping[str, str]) -> Json:
    common = {"refId": chr(ord("A") + number), "datasource": dict(source)}
    if source is METRICS:
        return {**common, "expr": query.text, "legendFormat": query.label, "range": True}
    return {
        **common,
        "rawQuery": True,
        "query": query.text,
        "resultFormat": query.form,
        "alias": query.label,
    }


def state_timeline(title: str, query: Query, *, language: Language, theme: Theme, description: str = "") -> Json:
    """Draw states as lanes, in the words and colours of the pages; a step without a state stays empty."""
    options = {
        str(code): {"text": STATES[language][state], "color": COLOURS[theme][state], "index": index}
        for index, (state, code) in enumerate(CODES.items())
    }
    return _panel(
        "state-timeline",
        title,
        [query],
        STORE,
        description=description,
        interval="1m",
        maxDataPoints=720,
        options={
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.8,
            "alignValue": "left",
            "perPage": 40,
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        fieldConfig={
            "defaults": {
                "mappings": [{"type": "value", "options": options}],
                "color": {"mode": "fixed", "fixedColor": COLOURS[theme]["none"]},
                "custom": {"fillOpacity": 100, "lineWidth": 0, "spanNulls": False, "insertNulls": False},
            },
            "overrides": [],
        },
    )


def curves(
    title: str,
    queries: Sequence[Query],
    *,
    unit: str = "short",
    stepped: bool = False,
    bars: bool = False,
    metrics: bool = False,
    description: str = "",
) -> Json:
    """Draw curves, steps or bars over time; a gap is never bridged, and a lonely value is a point."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "lineInterpolation": "stepAfter" if stepped else "linear",
        "lineWidth": 1,
        "fillOpacity": 80 if bars else 0,
        "spanNulls": False,
        "showPoints": "never" if bars else "auto",
        "pointSize": 3,
        "stacking": {"mode": "normal" if bars else "none", "group": "A"},
    }
    return _panel(
        "timeseries",
        title,
        queries,
        METRICS if metrics else STORE,
        description=description,
        interval="1m",
        options={
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        fieldConfig={"defaults": {"unit": unit, "custom": custom}, "overrides": []},
    )


def table(
    title: str,
    query: Query,
    *,
    columns: Mapping[str, str],
    units: Mapping[str, str] | None = None,
    link: bool = False,
    empty: str = "",
    description: str = "",
) -> Json:
    """List rows.

    Args:
        title: of the panel.
        query: what is listed.
        columns: head by the query's column; the others are hidden.
        units: Grafana's unit by column.
        link: let the machine's name lead to its board.
        empty: what it says when there is no row.
        description: shown at the title.
    """
    overrides: list[Json] = [
        {"matcher": {"id": "byName", "options": head}, "properties": [{"id": "unit", "value": (units or {})[column]}]}
        for column, head in columns.items()
        if column in (units or {})
    ]
    if link:
        target = {"title": "", "url": "/d/officina-machine?var-machine=${__value.text}&${__url_time_range}"}
        matcher = {"id": "byName", "options": columns["machine"]}
        overrides.append({"matcher": matcher, "properties": [{"id": "links", "value": [target]}]})
    organise = {"renameByName": dict(columns), "includeByName": dict.fromkeys(columns, True)}
    return _panel(
        "table",
        title,
        [query._replace(form="table")],
        STORE,
        description=description,
        options={"showHeader": True, "cellHeight": "sm"},
        fieldConfig={"defaults": {"noValue": empty, "custom": {"align": "auto"}}, "overrides": overrides},
        transformations=[{"id": "organize", "options": organise}],
    )


def figures(title: str, query: Query, *, unit: str, metrics: bool = False, description: str = "") -> Json:
    """Show the newest figure of each curve, without colour."""
    return _panel(
        "stat",
        title,
        [query],
        METRICS if metrics else STORE,
        description=description,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "none",
            "graphMode": "none",
            "textMode": "value_and_name",
            "justifyMode": "auto",
            "orientation": "auto",
        },
        fieldConfig={"defaults": {"unit": unit}, "overrides": []},
    )


def text(title: str, words: str) -> Json:
    """Say something that no query answers."""
    return {"type": "text", "title": title, "options": {"mode": "markdown", "content": words}}


def machine_variable(label: str, *, several: bool) -> Json:
    """Let the reader choose one machine, or several and at first all."""
    every = {"includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}
    return {
        "type": "query",
        "name": "machine",
        "label": label,
        "datasource": dict(STORE),
        "query": machines(),
        "definition": machines(),
        "refresh": 2,
        "sort": 1,
        "multi": several,
        **(every if several else {"includeAll": False}),
    }


def annotation(title: str, query: str, *, column: str, colour: str) -> Json:
    """Mark instants on every panel with a text from the store."""
    target = {"refId": "Anno", "fromAnnotations": True, "query": query, "textColumn": column, "rawQuery": True}
    return {
        "name": title,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "datasource": dict(STORE),
        "target": target,
    }


def board(
    uid: str,
    title: str,
    rows: Iterable[Sequence[Panel]],
    *,
    since: str,
    refresh: str,
    zone: str,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
) -> Json:
    """Lay panels out, row by row, and make the board.

    Args:
        uid: its own identifier, which does not change.
        title: what people call it.
        rows: panels beside one another; a row is as high as its highest.
        since: start of the shown range, for example `now-24h`.
        refresh: how often it asks again.
        zone: civil time of its axis.
        variables: what the reader may choose.
        annotations: what is marked on all panels.
    """
    panels: list[Json] = []
    y = 0
    for row in rows:
        x = 0
        for panel in row:
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **panel.content})
            x += panel.width
        y += max(panel.height for panel in row)
    link = {"type": "dashboards", "tags": [TAG], "asDropdown": False, "includeVars": False, "keepTime": True}
    return {
        "uid": uid,
        "title": title,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "timezone": zone,
        "time": {"from": since, "to": "now"},
        "refresh": refresh,
        "graphTooltip": 1,
        "links": [
            {**link, "title": "Officina", "icon": "external link", "targetBlank": False, "tooltip": "", "url": ""}
        ],
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": panels,
    }
