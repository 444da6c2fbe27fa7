"""How to talk to an InfluxDB server: version 1 by its own endpoints, version 2 with its client; InfluxQL to both.

A bucket is called `<database>/record` and `<database>/gauge`: in version 1 a database and its retention policies, in
version 2 buckets whose names the server maps to a database and its retention policies by itself.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec
import urllib3

from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shopfloor.samples import Value
    from shopfloor.signals import SignalClass

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 30.0
QUERY_SECONDS = 60.0
CONNECTIONS_MAX = 16
"""Connections that are kept open; calls beyond open one of their own."""
CHUNK_ROWS = 10_000
"""Rows that a query's answer holds in one piece."""
REASON_MAX = 500
"""Characters of a server's reason that are kept."""
DEFAULT_BUCKET = "record"
"""Which one answers a query that names none."""
GAUGE_DAYS = 90
"""How long raw gauges are kept in a store that this program has set up."""
GAUGE_SHARD_DAYS, RECORD_SHARD_DAYS = 1, 7
"""How much time one file of the server covers."""

_DROPPED = re.compile(r"dropped[ =](\d+)")
_FIELD = re.compile(r'input field "([^"]+)"')


class BatchRefusedError(Exception):
    """The server takes some of these points as little later as now.

    Attributes:
        reason: its own words.
        dropped: how many points it left out, None when it does not say; the others are stored.
        field: the field that it names, None when it names none.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason[:REASON_MAX]
        dropped, field = _DROPPED.search(reason), _FIELD.search(reason)
        self.dropped = int(dropped[1]) if dropped else None
        self.field = field[1] if field else None


class Series(NamedTuple):
    """A piece of a query's answer.

    Attributes:
        statement: which of the statements it answers, from 0.
        tags: tags that it was grouped by.
        columns: `time`, then the selected fields.
        rows: values in the order of the columns; times in nanoseconds.
    """

    statement: int
    tags: Mapping[str, str]
    columns: Sequence[str]
    rows: Sequence[Sequence[Value | None]]


class _Series(msgspec.Struct):
    columns: list[str] = []
    tags: dict[str, str] = {}
    values: list[list[bool | int | float | str | None]] = []


class _Result(msgspec.Struct):
    statement_id: int = 0
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


_decode_lines = msgspec.json.Decoder(_Answer).decode_lines


class Server(Protocol):
    """What the store needs of a server."""

    def write(self, bucket: SignalClass, lines: bytes) -> None:
        """Commit lines, and return once they are durable.

        Raises:
            BatchRefusedError: some points will never be taken.
            StoreUnavailableError: no answer, or not now.
            StoreRefusedError: not this program, or not set up.
        """

    def query(self, bucket: SignalClass, statements: str) -> Iterator[Series]:
        """Yield the answers to statements in InfluxQL, separated by semicolons.

        Raises:
            StoreUnavailableError: no answer, or not now.
            StoreRefusedError: not this program, not set up, or not understood.
        """

    def setup(self) -> None:
        """Create what is missing of both buckets.

        Raises:
            StoreUnavailableError: no answer, or not now.
            StoreRefusedError: this program may not.
        """

    def close(self) -> None:
        """Let go of the connections."""


class _Http:
    """Requests over connections that are kept open."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS_MAX, retries=False, headers=dict(headers))

    def post(self, path: str, body: bytes | str, seconds: float, content_type: str = "text/plain") -> tuple[int, bytes]:
        """Send and return status and body."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds)
        headers = {**self._pool.headers, "Content-Type": content_type}
        with _reaching(self.url):
            answer = self._pool.request("POST", self.url + path, body=body, headers=headers, timeout=timeout)
            return answer.status, answer.data

    def query(self, database: str, bucket: str, statements: str) -> Iterator[Series]:
        """Ask in InfluxQL, which both versions answer alike."""
        form = {"db": database, "rp": bucket, "epoch": "ns", "chunked": "true", "chunk_size": str(CHUNK_ROWS)}
        body = urlencode({**form, "q": statements})
        status, data = self.post("/query", body, QUERY_SECONDS, "application/x-www-form-urlencoded")
        if status != 200:  # noqa: PLR2004 - OK
            raise refusal(status, _reason(data), f"{database}/{bucket}") or StoreRefusedError(
                f"{self.url} does not understand a query: {_reason(data)}",
            )
        for answer in _decode_lines(data):
            for result in answer.results:
                if result.error:
                    raise _query_error(result.error, f"{database}/{bucket}")
                for series in result.series:
                    yield Series(result.statement_id, series.tags, series.columns, series.values)

    def close(self) -> None:
        self._pool.clear()


class Version1:
    """InfluxDB 1.x, and what speaks its endpoints."""

    def __init__(self, url: str, database: str, *, username: str = "", password: str = "") -> None:
        credentials = urllib3.make_headers(basic_auth=f"{username}:{password}") if username else {}
        self._http = _Http(url, credentials)
        self._database = database

    def write(self, bucket: SignalClass, lines: bytes) -> None:
        """See `Server`."""
        target = urlencode({"db": self._database, "rp": bucket, "precision": "ns"})
        status, data = self._http.post(f"/write?{target}", lines, WRITE_SECONDS)
        check_write(status, _reason(data), f"{self._database}/{bucket}")

    def query(self, bucket: SignalClass, statements: str) -> Iterator[Series]:
        """See `Server`."""
        return self._http.query(self._database, bucket, statements)

    def setup(self) -> None:
        """See `Server`."""
        name = identifier(self._database)
        existing = {row[0] for each in self._policies() for row in each.rows}
        statements = [f"CREATE DATABASE {name}"]
        for policy, duration, days, end in (
            ("record", "INF", RECORD_SHARD_DAYS, " DEFAULT"),
            ("gauge", f"{GAUGE_DAYS}d", GAUGE_SHARD_DAYS, ""),
        ):
            if policy not in existing:
                policy_of = f'CREATE RETENTION POLICY "{policy}" ON {name}'
                statements.append(f"{policy_of} DURATION {duration} REPLICATION 1 SHARD DURATION {days}d{end}")
        for statement in statements:
            list(self._http.query("", "", statement))

    def _policies(self) -> list[Series]:
        try:
            return list(self._http.query("", "", f"SHOW RETENTION POLICIES ON {identifier(self._database)}"))
        except StoreRefusedError as error:
            if "database not found" in str(error):
                return []
            raise

    def close(self) -> None:
        """See `Server`."""
        self._http.close()


class Version2:
    """InfluxDB 2.x."""

    def __init__(self, url: str, database: str, *, org: str, token: str) -> None:
        # Imported here: it takes half a second that a program on another store need not wait.
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        timeout = (int(CONNECT_SECONDS * 1000), int(WRITE_SECONDS * 1000))
        self._client: Any = InfluxDBClient(
            url,
            token,
            org=org,
            timeout=timeout,
            connection_pool_maxsize=CONNECTIONS_MAX,
        )
        self._write: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._http = _Http(url, {"Authorization": f"Token {token}"})
        self._database = database
        self._org = org

    def write(self, bucket: SignalClass, lines: bytes) -> None:
        """See `Server`."""
        with self._translated(f"{self._database}/{bucket}"):
            self._write.write(f"{self._database}/{bucket}", self._org, lines)

    def query(self, bucket: SignalClass, statements: str) -> Iterator[Series]:
        """See `Server`."""
        return self._http.query(self._database, bucket, statements)

    def setup(self) -> None:
        """See `Server`."""
        for bucket, days in (("record", 0), ("gauge", GAUGE_DAYS)):
            name = f"{self._database}/{bucket}"
            with self._translated(name):
                found = self._bucket(name, days)
            self._map(bucket, found.id)

    def _bucket(self, name: str, days: int) -> Any:
        buckets = self._client.buckets_api()
        found = buckets.find_bucket_by_name(name)
        if found is None:
            rules = [{"type": "expire", "everySeconds": days * 86_400}] if days else None
            try:
                found = buckets.create_bucket(bucket_name=name, retention_rules=rules, org=self._org)
            except Exception:
                found = buckets.find_bucket_by_name(name)
                if found is None:  # no other process was quicker
                    raise
        return found

    def _map(self, bucket: str, bucket_id: str) -> None:
        """Make the bucket answer InfluxQL, where the server does not so by itself.

        From 2.2 it does, but for what names no bucket, as boards do: the records answer that.
        """
        asked = "" if bucket == DEFAULT_BUCKET else bucket
        try:
            list(self._http.query(self._database, asked, "SELECT at FROM arrival LIMIT 1"))
        except StoreRefusedError as error:
            if "is not set up" not in str(error):
                raise
            mapping = {"org": self._org, "bucketID": bucket_id, "database": self._database, "retention_policy": bucket}
            body = msgspec.json.encode({**mapping, "default": bucket == DEFAULT_BUCKET})
            status, data = self._http.post("/api/v2/dbrps", body, WRITE_SECONDS, "application/json")
            check_write(status, _reason(data), f"{self._database}/{bucket}")

    @contextmanager
    def _translated(self, bucket: str) -> Iterator[None]:
        from influxdb_client.client.exceptions import InfluxDBError
        from influxdb_client.rest import ApiException

        try:
            with _reaching(self._http.url):
                yield
        except ApiException as error:
            body = error.body or error.reason or ""
            check_write(error.status or 0, _reason(body.encode() if isinstance(body, str) else body), bucket)
            raise StoreUnavailableError(f"{self._http.url}: {error.reason}") from error
        except InfluxDBError as error:  # raised by the client itself, when the token does not show the organisation
            raise StoreRefusedError(f"{error.message} (organisation {self._org}, bucket {bucket})") from error

    def close(self) -> None:
        """See `Server`."""
        self._write.close()
        self._client.close()
        self._http.close()


def identifier(name: str) -> str:
    """Quote a name for InfluxQL."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def literal(text: str) -> str:
    """Quote a text for InfluxQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def check_write(status: int, reason: str, bucket: str) -> None:
    """Raise what a write's HTTP status means, nothing when it is a success."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return
    raise refusal(status, reason, bucket) or BatchRefusedError(reason)


def refusal(status: int, reason: str, bucket: str) -> Exception | None:
    """Return what an HTTP status says of the whole store; None when it says something of the request's content."""
    if status in (401, 403):
        mend = f"give this program a token or login that may read and write {bucket}"
        return StoreRefusedError(f"the store lets nobody in ({status}, {reason[:REASON_MAX]}): {mend}")
    if status == 404 or "policy not found" in reason:  # noqa: PLR2004 - Not Found
        return _query_error(f"not found: {reason}", bucket)
    if status in (400, 413, 422):
        return None
    return StoreUnavailableError(f"the store answers {status}: {reason[:REASON_MAX]}")


def _query_error(reason: str, bucket: str) -> Exception:
    if "not found" in reason or "policy not set" in reason:
        mend = f"create {bucket}, or let this program do it: start it once with an administrator's token or login"
        return StoreRefusedError(f"the store is not set up ({reason[:REASON_MAX]}): {mend}")
    if "parsing" in reason or "not authorized" in reason:
        return StoreRefusedError(f"the store refuses a query: {reason[:REASON_MAX]}")
    return StoreUnavailableError(f"the store cannot answer: {reason[:REASON_MAX]}")


def _reason(data: bytes) -> str:
    try:
        answer: Any = msgspec.json.decode(data)
        return str(answer.get("message") or answer.get("error") or answer)
    except (msgspec.DecodeError, AttributeError):
        return data.decode("utf-8", "replace").strip()


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailableError(f"{url} does not answer: {error}"[:REASON_MAX]) from error
