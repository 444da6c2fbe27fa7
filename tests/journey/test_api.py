"""Questions to the real API over HTTP, beside a real store and a real broker."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from shopfloor.periods import HOUR, MINUTE, SECOND, Period, format_instant, parse_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from shopfloor.states import Hole
from shopfloor.wire import messages
from tests.journey.api_world import EDGE, HOLDERS, MACHINES, World, until, world

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

STAFF = {"administrator", "operator", "operator of Nord", "operator of Sud", "maintenance"}
AT_ONE_SITE = {"operator of Nord": {"mill-1", "mill-2"}, "operator of Sud": {"lathe-1"}}


def observed(machine: str, since: int, at: int) -> Sample:
    return Sample(machine, "observed", at, since)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, kept_in: str) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("api"), records=kept_in) as made:
        now = clock.now()
        start = now - 2 * HOUR
        made.say(
            *(Sample("mill-1", "item_state", start + number * MINUTE, 2 + number % 2) for number in range(31)),
            Sample("mill-1", "item_state", now - MINUTE, 3),
            Sample("mill-1", "program", now - MINUTE, "O4711 SEGRETO"),
            Sample("mill-1", "job", now - MINUTE, "ODL 26"),
            *(Sample("mill-1", "spindle_load", now - number * SECOND, float(number)) for number in range(120)),
            observed("mill-1", start, now),
        )
        made.say(
            Sample("lathe-1", "item_state", now - HOUR, 0), observed("lathe-1", now - HOUR, now), publisher="south-1"
        )
        until(lambda: made.get("/api/v1/machines/lathe-1").json()["state"] == "off", "the lathe")
        yield made


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    return document


def test_the_list_holds_every_machine_as_it_is_now(it: World) -> None:
    answer = it.get("/api/v1/machines").json()

    assert [each["id"] for each in answer["items"]] == ["lathe-1", "mill-1", "mill-2"]
    assert answer["next_cursor"] is None
    mill = answer["items"][1]
    assert (mill["name"], mill["kind"], mill["site"], mill["site_name"]) == ("M 1", "Fresatrice", "nord", "Nord")
    assert mill["state"] == "processing"
    assert 60 <= mill["seconds_in_state"] < 120
    assert 0 <= mill["data_age_seconds"] < 60
    assert mill["work"]["program"] == "O4711 SEGRETO"


def test_a_machine_that_never_sent_data_is_unknown_since_nobody_knows_when(it: World) -> None:
    answer = it.get("/api/v1/machines/mill-2").json()

    assert (answer["state"], answer["since"], answer["seen"]) == ("unknown", None, None)


def test_the_list_comes_in_pages(it: World) -> None:
    first = it.get("/api/v1/machines", limit=2).json()
    second = it.get("/api/v1/machines", limit=2, cursor=first["next_cursor"]).json()

    assert [each["id"] for each in (*first["items"], *second["items"])] == ["lathe-1", "mill-1", "mill-2"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("machine", ["mill-1", "mill-2", "lathe-1"])
def test_the_present_and_the_end_of_the_history_agree(it: World, machine: str) -> None:
    for _ in range(5):
        now = it.get(f"/api/v1/machines/{machine}").json()
        last = it.get(f"/api/v1/machines/{machine}/states").json()["items"][-1]

        assert now["state"] == last["state"]
        assert now["since"] in {last["from"], None}


def test_states_tile_the_period_and_their_totals_add_to_its_length(it: World) -> None:
    end = clock.now() - MINUTE // 2
    start = end - 3 * HOUR

    answer = it.get(
        "/api/v1/machines/mill-1/states", **{"from": format_instant(start), "to": format_instant(end)}
    ).json()

    items = answer["items"]
    assert (items[0]["from"], items[-1]["to"]) == (format_instant(start), format_instant(end))
    assert all(left["to"] == right["from"] for left, right in itertools.pairwise(items))
    assert sum(each["seconds"] for each in items) == sum(answer["totals"].values()) == end // SECOND - start // SECOND
    assert set(answer["totals"]) == {"unknown", "idle", "processing"}


def test_states_come_in_pages_with_the_totals_of_the_whole_period(it: World) -> None:
    whole = it.get("/api/v1/machines/mill-1/states").json()
    pages, cursor = [], None
    while True:
        page = it.get("/api/v1/machines/mill-1/states", limit=7, **({"cursor": cursor} if cursor else {})).json()
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [each["state"] for each in pages] == [each["state"] for each in whole["items"]]
    assert set(page["totals"]) == set(whole["totals"])


def test_a_hole_is_unknown_in_the_present_and_in_the_history(it: World) -> None:
    now = clock.now()
    hole = Hole("mill-1", Period(now - 40 * SECOND, now - 20 * SECOND), ("item_state",), "overflow")
    it.say(Sample("mill-1", "hole", hole.period.end, hole.encode()), observed("mill-1", now - 2 * HOUR, now))

    until(lambda: it.get("/api/v1/machines/mill-1").json()["state"] == "unknown", "the hole")
    assert it.get("/api/v1/machines/mill-1/states").json()["items"][-1]["state"] == "unknown"

    it.say(Sample("mill-1", "item_state", now - SECOND, 3))
    until(lambda: it.get("/api/v1/machines/mill-1").json()["state"] == "processing", "the end of the hole")


def test_a_short_range_of_signals_is_raw_and_a_resolution_reduces_it(it: World) -> None:
    raw = it.get("/api/v1/machines/mill-1/signals", names="spindle_load,program").json()["items"]
    reduced = it.get("/api/v1/machines/mill-1/signals", names="spindle_load", resolution=3600).json()["items"]

    assert [(each["name"], each["unit"], each["resolution"]) for each in raw] == [
        ("spindle_load", "%", 30),
        ("program", "", None),
    ]
    assert sum(each["n"] for each in reduced[0]["points"]) == 120
    assert (min(each["min"] for each in reduced[0]["points"]), max(each["max"] for each in reduced[0]["points"])) == (
        0,
        119,
    )


def test_raw_samples_carry_their_quality(it: World) -> None:
    start = format_instant(clock.now() - HOUR)

    (series,) = it.get("/api/v1/machines/mill-1/signals", names="spindle_load", **{"from": start}).json()["items"]

    assert series["resolution"] is None
    assert {each["quality"] for each in series["points"]} == {"good"}
    stamps = [parse_instant(each["at"]) for each in series["points"]]
    assert stamps == sorted(stamps)
    assert len(stamps) == 120


@pytest.mark.parametrize(
    ("path", "parameters", "says"),
    [
        ("states", {"from": "yesterday"}, "yesterday"),
        ("states", {"from": "2026-11-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"}, "exchange"),
        ("states", {"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "100 days"),
        ("states", {"limit": 0}, "limit"),
        ("states", {"cursor": "*"}, "cursor"),
        ("signals", {"names": "no_such"}, "no_such"),
        ("signals", {"names": ","}, "names"),
        ("signals", {"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "400 days"),
        ("signals", {"names": "spindle_load", "resolution": 1, "from": "2026-01-01T00:00:00Z"}, "20000 points"),
        ("signals", {"resolution": 0}, "resolution"),
    ],
)
def test_a_question_beyond_a_bound_is_refused_with_a_sentence(
    it: World, path: str, parameters: dict[str, Any], says: str
) -> None:
    document = is_problem(it.get(f"/api/v1/machines/mill-1/{path}", **parameters), 422)

    assert says in document["detail"]


@pytest.mark.parametrize("machine", ["none", "*", "%2e%2e", "0", "x" * 63, "MILL-1", "mill-1%00"])
def test_a_machine_that_does_not_exist_is_not_found(it: World, machine: str) -> None:
    for path in ("", "/states", "/signals"):
        is_problem(it.get(f"/api/v1/machines/{machine}{path}"), 404)


def test_every_error_is_a_problem_document(it: World) -> None:
    is_problem(it.get("/api/v1/nothing"), 404)
    is_problem(it.get("/nothing", None), 404)
    page = httpx.get(f"{it.url}/nothing", headers=it.headers("operator") | {"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    is_problem(it.get("/api/v1/machines", None), 401)
    is_problem(it.get("/api/v1/machines", limit="many"), 422)
    answer = httpx.delete(f"{it.url}/api/v1/machines", headers=it.headers("administrator"))
    is_problem(answer, 405)
    assert "GET" in answer.headers["allow"]


def test_who_is_not_known_is_told_how_to_say_who_it_is(it: World) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
        for path in ("/machines", "/machines/mill-1", "/machines/none", "/live"):
            answer = httpx.get(f"{it.url}/api/v1{path}", headers=headers)
            is_problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("holder", HOLDERS)
def test_each_role_sees_what_is_its_own_and_the_rest_does_not_exist_for_it(it: World, holder: str) -> None:
    visible = {each["id"] for each in it.get("/api/v1/machines", holder).json()["items"]}

    assert visible == AT_ONE_SITE.get(holder, {each["id"] for each in MACHINES})
    for machine in (each["id"] for each in MACHINES):
        found = machine in visible
        assert it.get(f"/api/v1/machines/{machine}", holder).status_code == (200 if found else 404)
        assert it.get(f"/api/v1/machines/{machine}/states", holder).status_code == (200 if found else 404)
        signals = 200 if found and holder in STAFF else 404
        assert it.get(f"/api/v1/machines/{machine}/signals", holder).status_code == signals


@pytest.mark.parametrize("holder", ["member", "other member", "kiosk"])
def test_nothing_of_what_a_machine_works_on_reaches_who_may_not_see_it(it: World, holder: str) -> None:
    for path in (
        "/api/v1/machines",
        "/api/v1/machines/mill-1",
        "/api/v1/machines/mill-1/states",
        "/",
        "/fragments/machines",
    ):
        answer = it.get(path, holder)

        assert answer.status_code == 200
        assert "SEGRETO" not in answer.text
        assert "ODL" not in answer.text
    assert it.get("/api/v1/machines/mill-1", holder).json()["work"] is None


def test_a_signal_and_a_machine_that_do_not_exist_look_the_same_to_a_member(it: World) -> None:
    answers = [it.get(f"/api/v1/machines/{name}/signals", "member") for name in ("mill-1", "none")]

    assert answers[0].json() | {"instance": ""} == answers[1].json() | {"instance": ""}


def test_callers_who_take_turns_on_one_connection_are_never_mixed_up(it: World) -> None:
    with httpx.Client(base_url=it.url) as client:
        for holder in ("administrator", "member", None, "operator of Sud") * 5:
            headers = it.headers(holder) if holder else {}
            answer = client.get("/api/v1/machines/mill-1", headers=headers)

            assert answer.status_code == {"administrator": 200, "member": 200, None: 401}.get(holder, 404)
            if answer.status_code == 200:
                assert (answer.json()["work"] is None) == (holder == "member")


def test_probes_say_what_is_ready_a_line_for_each_thing(it: World) -> None:
    assert it.get("/healthz", None).status_code == 200
    ready = it.get("/readyz", None)
    assert ready.text.splitlines() == ["records: ready", "store: ready", "broker: ready", "live feed: ready"]
    metrics = it.get("/metrics", None).text
    assert "officina_api_live_samples_total" in metrics
    assert 'route="/api/v1/machines/{machine_id}"' in metrics


def test_metrics_are_for_this_machine_and_for_who_watches_over_it(it: World) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.5"}

    assert httpx.get(f"{it.url}/metrics", headers=forwarded).status_code == 401
    assert httpx.get(f"{it.url}/metrics", headers=forwarded | it.headers("member")).status_code == 404
    assert httpx.get(f"{it.url}/metrics", headers=forwarded | it.headers("maintenance")).status_code == 200


def test_the_document_describes_every_route_and_the_events_of_the_stream(it: World) -> None:
    document = it.get("/api/v1/openapi.json", None).json()

    assert {"/api/v1/machines", "/api/v1/machines/{machine_id}/signals", "/api/v1/live", "/readyz"} <= set(
        document["paths"]
    )
    assert {"SnapshotEvent", "MachineEvent", "HeartbeatEvent", "MachineList"} <= set(document["components"]["schemas"])


def test_every_answer_protects_the_browser_that_reads_it(it: World) -> None:
    for path in ("/", "/sign-in", "/api/v1/machines", "/nothing", "/static/officina.js"):
        headers = it.get(path).headers

        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


class TestRegistry:
    def test_it_is_retained_and_names_what_each_publisher_may_say(self, it: World) -> None:
        found = it.retained("officina/registry/+", count=2)

        registry = messages.decode_registry(found[f"officina/registry/{EDGE}"])
        assert [each.machine for each in registry.machines] == ["mill-1", "mill-2"]
        assert {"observed", "hole", "item_state", "spindle_load"} <= set(registry.machines[0].signals)

    def test_it_follows_the_records_and_forgets_who_left(self, it: World) -> None:
        assert it.send("PUT", "/api/v1/sites/est", json={"name": "Est"}).status_code == 201
        assert it.send("PUT", "/api/v1/edges/east-1", json={"site_id": "est"}).status_code == 201
        saw = {"name": "S 1", "kind": "Sega", "site_id": "est", "agent_id": "east-1"}
        try:
            assert it.send("PUT", "/api/v1/machines/saw-1", json=saw).status_code == 201
            until(lambda: it.get("/api/v1/machines/saw-1").status_code == 200, "the new machine")
            assert set(it.retained("officina/registry/+", count=3)) >= {"officina/registry/east-1"}

            south = {"site_id": "sud", "is_active": False}
            assert it.send("PUT", "/api/v1/edges/south-1", json=south).status_code == 200
            found = it.retained("officina/registry/+", count=2)
            assert set(found) == {f"officina/registry/{EDGE}", "officina/registry/east-1"}
            assert it.get("/api/v1/machines/lathe-1").status_code == 200
        finally:
            it.send("PUT", "/api/v1/edges/south-1", json={"site_id": "sud"})
            it.send("DELETE", "/api/v1/machines/saw-1")
            it.send("DELETE", "/api/v1/edges/east-1")
            it.send("DELETE", "/api/v1/sites/est")
        it.retained("officina/registry/+", count=2)
        until(lambda: it.get("/api/v1/machines/saw-1").status_code == 404, "the end of the saw")
