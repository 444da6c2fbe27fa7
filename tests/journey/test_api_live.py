"""The live stream end to end: from an agent's message over a real broker to a reader."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.access import people
from api.audit.service import CONSOLE
from api.records.database import open_records
from shopfloor.periods import SECOND
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.journey.api_world import Stream, World, api, follow, mosquitto, until, world, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services

STREAMS_MAX = 3


def _world(folder: Path) -> contextlib.AbstractContextManager[World]:
    return world(folder, live=f"heartbeat_seconds = 1\nstreams_per_caller_max = {STREAMS_MAX}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with _world(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def it(house: World) -> World:
    """The world that the tests share, with a machine that stands."""
    now = clock.now()
    house.say(Sample("mill-1", "observed", now, now - 600 * SECOND), Sample("mill-1", "item_state", now, 2))
    return house


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """A world that a test may end."""
    with _world(tmp_path) as made:
        now = clock.now()
        made.say(Sample("mill-1", "observed", now, now - 600 * SECOND))
        yield made


def new_key(it: World, holder: str) -> str:
    """Make another key of an operator, and return its identifier."""
    token = it.send("POST", "/api/v1/api-keys", json={"name": holder, "role": "operator"}).json()["token"]
    it.keys[holder] = token
    return str(token).split("_")[1]


def test_a_reader_is_sent_a_snapshot_and_then_what_changes(it: World) -> None:
    with follow(it, "operator") as stream:
        kind, snapshot = stream.read()
        assert kind == "snapshot"
        assert [each["id"] for each in snapshot["machines"]] == ["lathe-1", "mill-1", "mill-2"]

        at = clock.now()
        it.say(Sample("mill-1", "item_state", at, 3), Sample("mill-1", "program", at, "O4711"))

        changed = stream.until(lambda kind, data: kind == "machine" and data["state"] == "processing")
        assert changed["id"] == "mill-1"
        assert changed["values"]["program"]["value"] == "O4711"


def test_what_is_sent_is_what_the_list_says(it: World) -> None:
    with follow(it, "operator") as stream:
        it.say(Sample("mill-1", "item_state", clock.now(), 3))
        changed = stream.until(lambda kind, data: kind == "machine" and data["state"] == "processing")

        listed = it.get("/api/v1/machines/mill-1").json()

        assert (listed["state"], listed["since"]) == (changed["state"], changed["since"])


def test_a_member_hears_of_states_and_of_nothing_else(it: World) -> None:
    with follow(it, "member") as stream:
        at = clock.now()
        it.say(
            Sample("mill-1", "item_state", at, 3),
            Sample("mill-1", "program", at, "SEGRETO"),
            Sample("mill-1", "spindle_load", at, 55.0),
        )

        stream.until(lambda kind, data: kind == "machine" and data["state"] == "processing")

        text = json.dumps(stream.events)
        assert "SEGRETO" not in text
        assert "values" not in text


def test_an_operator_of_one_site_hears_of_that_site_alone(it: World) -> None:
    with follow(it, "operator of Sud") as stream:
        assert [each["id"] for each in stream.read()[1]["machines"]] == ["lathe-1"]
        it.say(Sample("mill-1", "item_state", clock.now(), 3))
        at = clock.now()
        it.say(
            Sample("lathe-1", "item_state", at, 3), Sample("lathe-1", "observed", at, at - SECOND), publisher="south-1"
        )

        stream.until(lambda kind, data: kind == "machine" and data["state"] == "processing")

        assert "mill-1" not in json.dumps(stream.events)


def test_an_agent_cannot_speak_for_a_machine_of_another_one(it: World) -> None:
    with follow(it, "operator") as stream:
        at = clock.now()
        forged = [Sample("mill-1", "item_state", at, 0), Sample("mill-1", "program", at, "FORGED")]
        it.say(*forged, publisher="south-1", is_stored=False)
        it.say(Sample("lathe-1", "program", clock.now(), "HONEST"), publisher="south-1")

        stream.until(lambda _, data: "HONEST" in json.dumps(data))

        assert "FORGED" not in json.dumps(stream.events)

    def told() -> list[dict[str, Any]]:
        entries = it.get("/api/v1/audit", subject="edges/south-1", limit=10).json()["items"]
        return [each for each in entries if each["what"] == "name foreign machine"]

    entry = until(told, "the entry")[0]
    assert entry["who"] == "edge:south-1"
    assert entry["after"]["machines"].keys() == {"mill-1"}


def test_one_stream_more_than_a_key_may_have_is_refused_and_may_come_back_when_one_ends(it: World) -> None:
    new_key(it, "many")
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(follow(it, "many")) for _ in range(STREAMS_MAX)]
        assert {stream.read()[0] for stream in streams} == {"snapshot"}

        refused = it.get("/api/v1/live", "many")

        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0
        with follow(it, "member") as other:
            assert other.read()[0] == "snapshot"

    def reopened() -> bool:
        with follow(it, "many") as stream:
            return stream.response.status_code == 200

    until(reopened, "the place of a stream that ended")


def test_names_that_do_not_exist_are_refused(it: World) -> None:
    assert it.get("/api/v1/live", "operator", names="no_such").status_code == 422


def test_a_silent_stream_beats(it: World) -> None:
    with follow(it, "kiosk") as stream:
        assert [stream.read()[0], stream.read()[0], stream.read()[0]] == ["snapshot", "heartbeat", "heartbeat"]


def ends_within_seconds(stream: Stream) -> None:
    began = time.monotonic()

    with pytest.raises(EOFError):
        stream.until(lambda *_: False)

    assert time.monotonic() - began < 5


def test_a_removed_key_loses_its_open_stream_within_seconds(it: World) -> None:
    key = new_key(it, "removed")
    with follow(it, "removed") as stream:
        stream.read()
        assert it.send("DELETE", f"/api/v1/api-keys/{key}").status_code == 204

        ends_within_seconds(stream)
    assert it.get("/api/v1/machines", "removed").status_code == 401


def test_a_key_that_is_removed_in_another_process_loses_its_open_stream_too(it: World) -> None:
    key = new_key(it, "removed elsewhere")
    records = open_records(it.records)
    with follow(it, "removed elsewhere") as stream:
        stream.read()
        with records.writing() as session:
            people.remove_key(session, CONSOLE, key, now=clock.now())
        records.close()

        ends_within_seconds(stream)


def test_a_firm_that_has_left_loses_its_open_streams_within_seconds(it: World) -> None:
    firm = it.get("/api/v1/members/firm-a").json()
    gone = {name: value for name, value in firm.items() if name != "id"} | {"active_to": "2026-01-01"}
    with follow(it, "member") as stream, follow(it, "other member") as other:
        stream.read()
        other.read()
        assert it.send("PUT", "/api/v1/members/firm-a", json=gone).status_code == 200

        ends_within_seconds(stream)
        assert other.read()[0] == "heartbeat"
    assert it.get("/api/v1/machines", "member").status_code == 401
    assert it.get("/api/v1/machines", "other member").status_code == 200
    assert it.send("PUT", "/api/v1/members/firm-a", json=gone | {"active_to": None}).status_code == 200
    assert it.get("/api/v1/machines", "member").status_code == 200


def test_a_new_key_is_known_at_once(it: World) -> None:
    made = it.send("POST", "/api/v1/api-keys", json={"name": "new", "role": "operator"})
    it.keys["new"] = made.json()["token"]

    assert it.get("/api/v1/machines", "new").status_code == 200
    assert it.send("PUT", "/api/v1/sites/x", "new", json={"name": "X"}).status_code == 404
    assert made.json()["token"] not in it.get("/api/v1/api-keys").text


def test_it_stops_within_seconds_while_streams_are_open(own: World) -> None:
    with follow(own, "operator") as stream:
        stream.read()
        began = time.monotonic()
        own.process.send_signal(signal.SIGTERM)

        with pytest.raises((EOFError, httpx.RemoteProtocolError)):
            stream.until(lambda *_: False)

        assert own.process.wait(10) == 0
        assert time.monotonic() - began < 5


def test_a_restart_shows_at_once_what_the_store_knows(own: World) -> None:
    own.say(Sample("mill-1", "item_state", clock.now(), 3), Sample("mill-1", "program", clock.now(), "O4711"))
    before = until(lambda: _processing(own), "the state")
    own.process.send_signal(signal.SIGTERM)
    own.process.wait(10)

    with api(own.folder) as (process, url, _):
        again = own._replace(process=process, url=url)
        after = until(lambda: _processing(again), "the state after the restart")

    assert (after["state"], after["since"], after["work"]) == (before["state"], before["since"], before["work"])


def _processing(it: World) -> dict[str, object] | None:
    answer: dict[str, object] = it.get("/api/v1/machines/mill-1").json()
    return answer if answer["state"] == "processing" else None


def test_without_a_broker_it_serves_what_it_knows_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        keys = write_files(tmp_path, broker)
    with api(tmp_path) as (_, url, _):
        ready = httpx.get(f"{url}/readyz")

        assert ready.status_code == 503
        assert "broker: not ready, not connected" in ready.text.splitlines()
        assert "store: ready" in ready.text.splitlines()
        headers = {"Authorization": f"Bearer {keys['member']}"}
        assert len(httpx.get(f"{url}/api/v1/machines", headers=headers).json()["items"]) == 3
