"""Every query of every board is asked of a real server that holds demonstration data, and answers with rows."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
import urllib3
from prometheus_client import generate_latest

from api.metrics import Metrics as ApiMetrics
from collector.metrics import Metrics as CollectorMetrics
from dashboards import boards, queries
from dashboards.boards import Style
from dashboards.panels import METRICS_UID
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.samples import Slice
from shopfloor.states import Hole, State, state_of
from shopfloor.stores.influx import InfluxStore
from simulators import history, workshop
from tests.contract.conftest import INFLUX, version_1, version_2
from tests.services.stores import victoria_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dashboards.panels import Json
    from shopfloor.samples import Value
    from shopfloor.stores.influx_server import Server

pytestmark = pytest.mark.services

NAMES = {State(state): code for state, code in queries.CODES.items()}
MADE = {board["uid"]: board for board in boards.boards(Style(), metrics=True)}


def asked(board: Json) -> Iterator[tuple[str, Json]]:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield f"{board['uid']}: {panel['title']} {target['refId']}", target
    for note in board["annotations"]["list"]:
        yield f"{board['uid']}: {note['name']}", note["target"]
    for variable in board["templating"]["list"]:
        yield f"{board['uid']}: {variable['name']}", {"query": variable["query"]}


INFLUXQL = {name: target["query"] for board in MADE.values() for name, target in asked(board) if "query" in target}
PROMQL = {name: target["expr"] for board in MADE.values() for name, target in asked(board) if "expr" in target}


def filled_in(query: str, period: Period, *, machines: str = ".*", step: str = "1m") -> str:
    """Fill in what Grafana does before it asks."""
    since, until = period.start // 1_000_000, period.end // 1_000_000
    for word, text in {
        "$timeFilter": f"time >= {since}ms AND time <= {until}ms",
        "${__from}": str(since),
        "${__to}": str(until),
        "$__interval": step,
        "${machine:regex}": machines,
    }.items():
        query = query.replace(word, text)
    assert "$" not in query.replace("$/", "")
    return query


@pytest.fixture(scope="module", params=INFLUX)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "influxdb-1":
        with version_1(request.getfixturevalue("influxdb_1")) as server_1:
            server_1.setup()
            yield server_1
    else:
        with version_2() as server_2:
            server_2.setup()
            yield server_2


@pytest.fixture(scope="module")
def shown(server: Server) -> Period:
    """Fill in two hours of the demonstration's machines, and what befalls an agent; return a range that shows them."""
    store = InfluxStore(server)
    noon = clock.now() // DAY * DAY + 12 * HOUR
    places = [place for place in workshop.PLACES if place.identity.id in {"mc-1", "tn-1"}]
    worked = (noon - back * DAY for back in range(1, 30))
    end = next(
        day for day in worked if all(workshop.machine(place, day + 30 * DAY).gauges(day - HOUR) for place in places)
    )
    period = Period(end - 2 * HOUR, end)
    for place in places:
        name, machine = place.identity.id, workshop.machine(place, end + 30 * DAY)
        store.write(list(history._records(name, machine, period)), now=end)
        store.write([], list(history._minutes(name, machine, period)), now=end)
        store.write(list(history._gauges(name, machine, Period(end - 10 * MINUTE, end))), now=end)
    hole = Hole("mc-1", Period(end - 40 * MINUTE, end - 20 * MINUTE), (), "agent_restart")
    watched = [
        Slice("mc-1", stamp, {"observed": period.start if stamp < hole.period.start else hole.period.end})
        for stamp in range(period.start, end, 20 * SECOND)
        if stamp not in hole.period
    ]
    store.write(watched, now=end)
    store.write(
        [
            Slice("mc-1", hole.period.end, {"hole": hole.encode()}),
            Slice("mc-1", end - 30 * SECOND, {"alarm": "2041 SPINDLE CHILLER", "clock_offset_seconds": 0.4}),
            *(
                Slice("mc-1", end - n * HOUR, {"automatic_seconds": 9000.0 - n, "cutting_seconds": 6000.0 - n})
                for n in range(3)
            ),
            *(Slice("tn-1", end - n * MINUTE, {"unreachable": end - HOUR}) for n in range(1, 5)),
        ],
        now=end,
    )
    return Period(end - 13 * HOUR, end)


def answered(server: Server, query: str) -> dict[str, list[list[object]]]:
    return {series.tags.get("machine", ""): [[*row] for row in series.rows] for series in server.query("record", query)}


@pytest.mark.parametrize("name", INFLUXQL)
def test_every_query_of_the_store_returns_rows(server: Server, shown: Period, name: str) -> None:
    found = answered(server, filled_in(INFLUXQL[name], shown))
    assert any(value is not None for rows in found.values() for row in rows for value in row[1:]), name


def test_a_lane_is_empty_where_nobody_was_watching(server: Server, shown: Period) -> None:
    lane = {row[0]: row[1] for row in answered(server, filled_in(queries.states(), shown))["mc-1"]}

    before, after = shown.end - 39 * MINUTE, shown.end - 21 * MINUTE
    assert {lane[stamp] for stamp in range(before // MINUTE * MINUTE, after, MINUTE)} == {None}
    assert lane[shown.end - 45 * MINUTE] is not None
    assert lane[shown.end - 15 * MINUTE] is not None
    assert lane[shown.end - 5 * HOUR] is None


def test_a_machine_that_does_not_answer_is_shown_so(server: Server, shown: Period) -> None:
    lane = {row[0]: row[1] for row in answered(server, filled_in(queries.states(), shown))["tn-1"]}
    assert lane[shown.end - 2 * MINUTE] == NAMES[State.UNREACHABLE]


def test_only_the_chosen_machines_are_shown(server: Server, shown: Period) -> None:
    found = answered(server, filled_in(queries.states(), shown, machines="(mc-1|mc-2)"))
    assert list(found) == ["mc-1"]


def test_lanes_say_what_the_product_derives_from_the_same_facts(server: Server) -> None:
    choices: dict[str, tuple[Value | None, ...]] = {
        "item_state": (None, 0, 1, 2, 3),
        "operation_mode": (None, 0, 1, 2, 3),
        "control_mode": (None, 0, 1, 2, 3, 4),
        "program_state": (None, 0, 1, 2, 3, 4),
        "channel_state": (None, 0, 1, 2),
        "alarm_blocking": (None, False, True),
    }
    every = list(itertools.product(*choices.values()))
    chosen = random.Random(40501).sample(every, 150)
    facts = {
        f"case-{n}": {name: value for name, value in zip(choices, each, strict=True) if value is not None}
        for n, each in enumerate(chosen)
    }
    begun = clock.now() // DAY * DAY - 10 * DAY
    told = [Slice(machine, begun, {**said}) for machine, said in facts.items() if said]
    proofs = [Slice(machine, begun + HOUR + MINUTE, {"observed": begun}) for machine in facts]
    InfluxStore(server).write([*told, *proofs], now=begun + DAY)

    period = Period(begun + HOUR, begun + 2 * HOUR)
    found = answered(server, filled_in(queries.states(), period, machines="case-.*", step="1h"))

    shown = {machine: [row[1] for row in found.get(machine, ()) if row[1] is not None] for machine in facts}
    expected = {
        machine: [NAMES[state]] if (state := state_of(said)) in NAMES else [] for machine, said in facts.items()
    }
    assert shown == expected
    assert len({*map(tuple, expected.values())}) == 8


def test_every_query_of_the_metrics_returns_rows(tmp_path: Path) -> None:
    collector, api = CollectorMetrics(), ApiMetrics()
    api.watch("officina_api_live_streams", "Open live streams", lambda: 3.0)
    now = clock.now() // SECOND * SECOND
    with victoria_metrics(tmp_path) as address, urllib3.PoolManager() as pool:
        for age in range(30, -1, -1):
            for counter in (collector.samples, collector.store_failures, collector.deaf, collector.dropped):
                counter.inc()
            collector.put_aside.labels("no_time", "mc-1").inc()
            collector.foreign.labels("site-b").inc()
            api.requests.labels("GET", "/machines", "200").inc()
            api.duration.labels("/machines").observe(0.02)
            api.lag.observe(0.1)
            body = generate_latest(collector.registry) + api.render()
            stamp = (now - age * 30 * SECOND) // 1_000_000
            query = urlencode({"timestamp": stamp, "extra_label": "instance=one"})
            sent = pool.request("POST", f"{address}/api/v1/import/prometheus?{query}", body=body)
            assert sent.status == 204, sent.data
        pool.request("GET", f"{address}/internal/force_flush")
        for name, expression in PROMQL.items():
            span = {"start": (now - 10 * MINUTE) // SECOND, "end": now // SECOND, "step": "30s", "nocache": "1"}
            found = pool.request("GET", f"{address}/api/v1/query_range?{urlencode({**span, 'query': expression})}")
            answer = json.loads(found.data)
            assert answer["status"] == "success", name
            assert answer["data"]["result"], name


def test_the_platform_alone_asks_the_metrics() -> None:
    assert {name.partition(":")[0] for name in PROMQL} == {"officina-platform"}
    assert METRICS_UID not in json.dumps(boards.boards(Style(), metrics=False))
