"""What only the InfluxDB store does: bisects refusals, classifies errors, sets up both versions."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import urllib3

from shopfloor.periods import DAY, HOUR, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.samples import BAD_NO_COMMUNICATION, Sample, Slice, slices
from shopfloor.stores import influx
from shopfloor.stores.influx import InfluxStore
from shopfloor.stores.influx_server import Version1, Version2
from shopfloor.stores.open import open_store
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError
from tests.contract.conftest import INFLUX, version_1, version_2
from tests.services.stores import free_port, influxdb, victoria_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shopfloor.samples import Value
    from shopfloor.signals import SignalClass
    from shopfloor.stores.influx_server import Series, Server

pytestmark = pytest.mark.services

NOW = clock.now() // DAY * DAY
CLASSES = ("record", "gauge")
EVER = Period(NOW - 80 * DAY, NOW + DAY)


@pytest.fixture(params=INFLUX)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "influxdb-1":
        with version_1(request.getfixturevalue("influxdb_1")) as server_1:
            server_1.setup()
            yield server_1
    else:
        with version_2() as server_2:
            server_2.setup()
            yield server_2


def written_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Watch the requests that are written."""
    sent: list[bytes] = []
    original = server.write

    def write(bucket: SignalClass, lines: bytes) -> None:
        sent.append(lines)
        original(bucket, lines)

    monkeypatch.setattr(server, "write", write)
    return sent


def rows(server: Server, statement: str) -> list[list[object]]:
    return [[*row] for series in server.query("record", statement) for row in series.rows]


# Refused batches.


def test_a_field_of_another_type_is_found_and_all_else_is_stored(server: Server) -> None:
    server.write("gauge", b'telemetry,machine=x feed="a text" %d' % NOW)
    server.write("record", b"telemetry,machine=x parts=1.5 %d" % NOW)
    values: dict[str, Value | None] = {"feed": 1.0, "spindle_load": 2.0, "parts": 3, "job": "A"}
    written = [Slice(f"m{n % 7}", NOW + n, values) for n in range(300)]
    store = InfluxStore(server)

    rejections = store.write(written, now=NOW)

    assert {each.sample.signal for each in rejections} == {"feed", "parts"}
    assert len(rejections) == 600
    assert all("type conflict" in each.reason for each in rejections)
    machines = [f"m{n}" for n in range(7)]
    found = store.read(machines, list(values), EVER, limit=10**6)
    assert sorted(found) == sorted(
        Sample(each.machine, name, each.stamp, values[name]) for each in written for name in ("spindle_load", "job")
    )


def test_a_conflict_in_one_day_rejects_that_day_only(server: Server) -> None:
    server.write("record", b"telemetry,machine=x parts=1.5 %d" % (NOW - 30 * DAY))
    written = [Slice("m1", NOW - day * DAY, {"parts": day, "job": "A"}) for day in range(60)]
    store = InfluxStore(server)

    rejections = store.write(written, now=NOW)

    assert 1 <= len(rejections) <= 7
    assert NOW - 30 * DAY in {each.sample.stamp for each in rejections}
    assert len(store.read(["m1"], ["parts"], EVER, limit=99)) == 60 - len(rejections)
    assert len(store.read(["m1"], ["job"], EVER, limit=99)) == 60


def test_gauges_beyond_the_retention_are_rejected_without_their_neighbours(server: Server) -> None:
    days = [3, 200, 4, 300, 5]
    written = [Slice("m1", NOW - day * DAY, {"feed": float(day), "spindle_load": 1.0, "parts": day}) for day in days]
    store = InfluxStore(server)

    rejections = store.write(written, now=NOW)

    assert sorted(each.sample[1:3] for each in rejections) == sorted(
        (name, NOW - day * DAY) for name in ("feed", "spindle_load") for day in (200, 300)
    )
    assert "etention" in rejections[0].reason
    long = Period(NOW - 400 * DAY, NOW + DAY)
    assert [sample.value for sample in store.read(["m1"], ["feed"], long, limit=9)] == [5.0, 4.0, 3.0]
    assert len(store.read(["m1"], ["parts"], long, limit=9)) == 5


def test_a_batch_that_is_bad_in_many_ways_takes_a_bounded_number_of_requests(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.write("record", b'telemetry,machine=x parts="t",operation_cycles=true,job=1i %d' % NOW)
    sent = written_to(server, monkeypatch)
    values: dict[str, Value | None] = {"parts": 1, "operation_cycles": 2, "job": "A", "program": "O1"}
    written = [
        Slice(f"m{n}", NOW + n, {name: values[name] for k, name in enumerate(values) if (n >> k) & 1 or k == 3})
        for n in range(200)
    ]

    rejections = InfluxStore(server).write(written, now=NOW)

    assert len(sent) <= 100
    assert {each.sample.signal for each in rejections} == {"parts", "operation_cycles", "job"}
    assert rows(server, "SELECT count(program) FROM telemetry")[0][1] == 200


def test_a_write_of_many_lines_goes_in_bounded_requests(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx, "LINES_MAX", 100)
    monkeypatch.setattr(influx, "BYTES_MAX", 3_000)
    sent = written_to(server, monkeypatch)
    written = [Slice("m1", NOW + n, {"job": "x" * (n % 200)}) for n in range(500)]
    store = InfluxStore(server)

    assert store.write(written, now=NOW) == []

    assert max(len(lines) for lines in sent) <= 3_300
    assert len(store.read(["m1"], ["job"], EVER, limit=999)) == 500


# Quality.


def test_status_fields_are_written_only_where_they_are_needed(server: Server) -> None:
    store = InfluxStore(server)
    store.write([Slice("m1", NOW, {"feed": 1.0, "parts": 1}), Slice("m2", NOW, {"feed": 1.0})], now=NOW)
    assert [row[0] for row in rows(server, "SHOW FIELD KEYS FROM telemetry")] == ["parts"]

    store.write([Slice("m1", NOW + 5, {"parts": None}, {"parts": BAD_NO_COMMUNICATION})], now=NOW)
    store.write([Slice("m1", NOW + n, {"parts": n}) for n in (3, 7)] + [Slice("m2", NOW + 1, {"parts": 9})], now=NOW)

    found = rows(server, 'SELECT "parts", "parts.status" FROM telemetry')
    bad = BAD_NO_COMMUNICATION + 2**32
    assert [row[1:] for row in found] == [[1, None], [9, None], [3, 0], [None, bad], [7, None]]


def test_what_another_collector_wrote_is_learned_within_a_minute(server: Server) -> None:
    first, second = InfluxStore(server), InfluxStore(server)
    first.write([Slice("m1", NOW, {"parts": 1})], now=NOW)
    second.write([Slice("m1", NOW + 1, {"parts": None}, {"parts": BAD_NO_COMMUNICATION}, {"parts": NOW - 1})], now=NOW)

    first.write([Slice("m1", NOW + 1, {"parts": 2})], now=NOW + 61 * SECOND)

    assert first.read(["m1"], ["parts"], Period(NOW + 1, NOW + 2), limit=9) == [Sample("m1", "parts", NOW + 1, 2)]


def test_a_span_of_a_month_is_found_from_few_proofs(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = InfluxStore(server)
    start = NOW - 30 * DAY
    proofs = [Sample("m1", "observed", stamp, start) for stamp in range(start, NOW, 20 * SECOND)]
    store.write(slices(proofs), now=NOW)
    asked: list[str] = []
    original = server.query

    def query(bucket: SignalClass, statements: str) -> Iterator[Series]:
        asked.append(statements)
        return original(bucket, statements)

    monkeypatch.setattr(server, "query", query)

    coverage = store.gaps(["m1"], Period(start, NOW + HOUR))["m1"]

    assert coverage.observed == [Period(start, proofs[-1].stamp)]
    assert len(asked) <= 6


# Setting up, and what goes wrong.


def test_setting_up_twice_changes_nothing(server: Server) -> None:
    store = InfluxStore(server)
    store.write([Slice("m1", NOW, {"parts": 1, "feed": 2.0})], now=NOW)

    server.setup()

    assert len(store.read(["m1"], ["parts", "feed"], EVER, limit=9)) == 2


def test_a_token_that_may_create_nothing_is_enough_for_what_is_there() -> None:
    with version_2() as server:
        server.setup()
        found = [server._client.buckets_api().find_bucket_by_name(f"{server._database}/{name}") for name in CLASSES]
        permissions = [
            {"action": action, "resource": {"type": "buckets", "id": bucket.id, "orgID": bucket.org_id}}
            for bucket in found
            for action in ("read", "write")
        ]
        made = server._client.authorizations_api().create_authorization(found[0].org_id, permissions)
        scoped = Version2(server._http.url, server._database, org=server._org, token=made.token)
        store = InfluxStore(scoped)

        assert store.write([Slice("m1", NOW, {"parts": 1, "feed": 2.0})], now=NOW) == []
        assert len(store.read(["m1"], ["parts", "feed"], EVER, limit=9)) == 2
        scoped._database = "nobody-made-this"
        with pytest.raises(StoreRefusedError, match="create nobody-made-this/record"):
            InfluxStore(scoped).write([Slice("m1", NOW, {"parts": 1})], now=NOW)
        with pytest.raises(StoreRefusedError, match="create nobody-made-this/record"):
            InfluxStore(scoped).read(["m1"], ["parts"], EVER, limit=9)
        store.close()
        server._client.authorizations_api().delete_authorization(made)


def test_a_wrong_token_is_refused_with_what_to_do() -> None:
    with version_2() as server:
        server.setup()
        wrong = InfluxStore(Version2(server._http.url, server._database, org=server._org, token="wrong"))  # noqa: S106

        with pytest.raises(StoreRefusedError, match="token"):
            wrong.write([Slice("m1", NOW, {"parts": 1})], now=NOW)
        with pytest.raises(StoreRefusedError, match="token"):
            wrong._server.write("record", b"telemetry,machine=m1 parts=1i")
        with pytest.raises(StoreRefusedError, match="token"):
            wrong._server.setup()
        wrong.close()


def test_a_server_that_is_away_is_unavailable_and_then_has_everything(tmp_path: Path) -> None:
    port = free_port()
    with influxdb(tmp_path / "influxdb", port) as address:
        store = InfluxStore(Version1(address, "officina"))
        store.write([Slice("m1", NOW, {"parts": 1, "feed": 2.0})], now=NOW)
    with pytest.raises(StoreUnavailableError):
        store.write([Slice("m1", NOW + 1, {"parts": 2})], now=NOW)
    with pytest.raises(StoreUnavailableError):
        store.read(["m1"], ["parts"], EVER, limit=9)
    with influxdb(tmp_path / "influxdb", port):
        assert store.write([Slice("m1", NOW + 1, {"parts": 2})], now=NOW) == []
        assert [sample.value for sample in store.read(["m1"], ["parts"], EVER, limit=9)] == [1, 2]
        store.close()


@pytest.fixture
def answering() -> Iterator[tuple[str, list[int]]]:
    """Answer every request with the first status of a list: what real servers say only under distress."""
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"error": "as told"}'
            self.send_response(statuses[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}", statuses
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, StoreUnavailableError),
        (500, StoreUnavailableError),
        (503, StoreUnavailableError),
        (401, StoreRefusedError),
        (403, StoreRefusedError),
        (404, StoreRefusedError),
    ],
)
def test_an_answer_says_whether_to_come_back_or_to_call_a_person(
    answering: tuple[str, list[int]], version: int, status: int, expected: type[Exception]
) -> None:
    address, statuses = answering
    statuses[:] = [status]
    one, two = Version1(address, "officina"), Version2(address, "officina", org="o", token="t")  # noqa: S106
    server: Server = one if version == 1 else two

    with pytest.raises(expected, match="as told"):
        server.write("record", b"telemetry,machine=m1 parts=1i")
    with pytest.raises(expected, match="as told"):
        list(server.query("record", "SELECT parts FROM telemetry"))
    one.close()
    two.close()


def test_a_store_opens_from_its_address_and_sets_itself_up(influxdb_1: str) -> None:
    address = influxdb_1.replace("http://", "influx1+http://") + "/opened-by-address"

    store = open_store(address)

    assert store.write([Slice("m1", NOW, {"parts": 1})], now=NOW) == []
    store.close()


def test_the_client_writes_numbers_that_victoria_metrics_reads(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path / "vm") as address, urllib3.PoolManager() as pool:
        server = Version2(address, "officina", org="any", token="any")  # noqa: S106
        for n in range(3):
            server.write("gauge", b"telemetry,machine=m1 feed=%d.5,parts=%di %d" % (n, n, NOW + n * SECOND))
        server.close()
        pool.request("GET", f"{address}/internal/force_flush")

        exported = pool.request("GET", f"{address}/api/v1/export", fields={"match[]": '{machine="m1"}'}).data

    found = {series["metric"]["__name__"]: series for series in map(json.loads, exported.splitlines())}
    assert found["telemetry_feed"]["values"] == [0.5, 1.5, 2.5]
    assert found["telemetry_parts"]["values"] == [0, 1, 2]
    assert found["telemetry_feed"]["timestamps"] == [(NOW + n * SECOND) // 1_000_000 for n in range(3)]
