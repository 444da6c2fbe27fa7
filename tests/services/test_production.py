"""The programs of production, as `officina init` sets them up, on TLS Mosquitto, PostgreSQL and InfluxDB."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from shopfloor.settings import read_secret, write_secret
from shopfloor.stores.open import open_store
from tests.contract.conftest import ORG, TOKEN, URL
from tests.faults.judge import everything_is_stored, judge, read_served
from tests.services.brokers import peer
from tests.services.postgres import postgres
from tests.services.production import AGENT, Production
from tests.services.stores import influxdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services
TAKEOVER_SECONDS = 15.0
ENGINES = ["influxdb-1", *(["influxdb-2"] if URL in os.environ else [])]


@contextmanager
def telemetry(engine: str, folder: Path) -> Iterator[str]:
    """Yield the address of a store of its own; InfluxDB 2.x is prepared by its command."""
    if engine == "influxdb-1":
        with influxdb(folder / "influxdb") as address:
            yield f"influx1+{address}/officina"
        return
    database, place = f"test-{secrets.token_hex(4)}", folder / "store-secrets"
    write_secret(place / "store-admin-token", os.environ[TOKEN])
    write_secret(place / "store-admin-password", secrets.token_urlsafe(24))
    from shopfloor.stores.influx_setup import Wanted, prepare

    prepare(Wanted(os.environ[URL], os.environ[ORG], database), place)
    yield f"influx+{os.environ[URL]}/{database}?org={os.environ[ORG]}&token_file={place / 'store-collector-token'}"


@pytest.fixture(params=ENGINES)
def production(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Production]:
    with ExitStack() as stack:
        store = stack.enter_context(telemetry(request.param, tmp_path))
        records = stack.enter_context(postgres()).new_database()
        yield Production(tmp_path, store=store, records=records)


def workers(it: Production) -> list[psutil.Process]:
    return [each for each in psutil.Process(it.processes["api"].pid).children() if each.is_running()]


async def is_let_in(it: Production, **changed: Any) -> bool:
    async with peer(replace(it.broker(), **changed), "stranger", wait=False) as stranger:
        await it.until(lambda: stranger.refused or stranger.client.is_connected, "an answer")
        return stranger.client.is_connected


async def test_nothing_is_lost_while_each_program_dies_in_turn(production: Production) -> None:
    async with production as it:
        await it.until(lambda: all(it.metric(n, "officina_stored_samples_total") for n in (1, 2)), "both have stored")

        assert it.get("/api/v1/machines").json()["items"][0]["id"] == "counting-1"
        if it.has_front:
            assert it.get("/metrics").status_code == httpx.codes.NOT_FOUND
            assert "strict-transport-security" in it.get("/healthz").headers
        assert not await is_let_in(it, password="wrong")  # noqa: S106
        assert not await is_let_in(it, username="")

        for role in ("collector-1", "broker", "api"):
            it.kill(role)
            await asyncio.sleep(1.0)
            said = len(it.log(role))
            it.start(role)
            await it.until(it.answers, f"the pages are there after {role} died")

        # Until they notice it, the workers of the killed program answer in the stead of the new one's.
        await it.until(lambda: it.log("api")[said:].count('"live.connected"') >= 2, "both workers serve")
        first, second = workers(it)
        first.kill()
        await it.until(lambda: it.answers("/healthz"), "the other worker answers")
        await it.until(lambda: len(workers(it)) == 2 and first not in workers(it), "a new worker")
        assert second in workers(it)

        await everything_is_stored(it)  # type: ignore[arg-type]
        it.kill("machine")
        judge(open_store(it.store), lambda: read_served(it), set())  # type: ignore[arg-type]

        own = {"username": AGENT, "password": read_secret(it.folder / f"password-{AGENT}"), "port": it.ports["agents"]}
        it.run("api", "login", "remove", str(it.folder / "api.toml"), AGENT)
        await it.until(lambda: it.log("broker").count(f"Client {AGENT} disconnected") > 0, "the broker ends it")
        assert not await is_let_in(it, **own)


async def test_a_standby_of_the_watch_leads_within_15_seconds(tmp_path: Path) -> None:
    with postgres() as cluster:
        it = Production(tmp_path, store=f"sqlite:///{tmp_path / 'telemetry.db'}", records=cluster.new_database())
        try:
            it.start("watch-1")
            await it.until(lambda: "watch.leads" in it.log("watch-1"), "the first leads")
            it.start("watch-2")
            standby = psutil.Process(it.processes["watch-2"].pid)

            def asks() -> bool:
                return any(getattr(each.raddr, "port", 0) == cluster.port for each in standby.net_connections())

            await it.until(asks, "the standby asks the records")
            await asyncio.sleep(4.0)  # a beat or two of the leader, which the standby sees
            assert "watch.leads" not in it.log("watch-2")

            it.kill("watch-1")
            died = time.monotonic()
            await it.until(lambda: "watch.leads" in it.log("watch-2"), "the standby leads", TAKEOVER_SECONDS)
            print(f"the standby leads {time.monotonic() - died:.1f} s after the leader died")
        finally:
            await it.__aexit__()
