"""Preparing a real InfluxDB 2.x: twice, with tokens that open what they should and nothing else."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from shopfloor.periods import DAY, Period
from shopfloor.runtime import clock
from shopfloor.samples import Minute, Slice
from shopfloor.settings import read_secret, write_secret
from shopfloor.stores.influx import InfluxStore
from shopfloor.stores.influx_server import Version2
from shopfloor.stores.influx_setup import RIGHTS, Wanted, prepare, token_file
from shopfloor.stores.port import StoreRefusedError
from tests.contract.conftest import ORG, TOKEN, URL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(URL not in os.environ, reason=f"no InfluxDB 2.x: start one, then set {URL}, {TOKEN} and {ORG}"),
]
NOW = 1_800_000_000_000_000_000
SLICES = [Slice("mc-1", NOW - DAY, {"item_state": 3, "spindle_load": 41.5})]
MINUTES = [Minute("mc-1", "spindle_load", NOW - DAY, 1, 41.5, 41.5, 41.5)]


@pytest.fixture
def wanted(tmp_path: Path) -> Iterator[Wanted]:
    """Name buckets that go again, with their tokens."""
    database = f"test-{secrets.token_hex(4)}"
    write_secret(tmp_path / "store-admin-token", os.environ[TOKEN])
    write_secret(tmp_path / "store-admin-password", secrets.token_urlsafe(24))
    yield Wanted(os.environ[URL], os.environ[ORG], database, gauge_days=0)
    janitor = Version2(os.environ[URL], database, org=os.environ[ORG], token=os.environ[TOKEN])
    client = janitor._client
    for bucket in ("record", "gauge"):
        if found := client.buckets_api().find_bucket_by_name(f"{database}/{bucket}"):
            client.buckets_api().delete_bucket(found)
    for each in client.authorizations_api().find_authorizations():
        if each.description and f"({database})" in each.description:
            client.authorizations_api().delete_authorization(each)
    janitor.close()


def store_of(program: str, wanted: Wanted, folder: Path) -> InfluxStore:
    token = read_secret(token_file(folder, program))
    return InfluxStore(Version2(wanted.url, wanted.database, org=wanted.organisation, token=token))


def test_a_second_time_nothing_changes(wanted: Wanted, tmp_path: Path) -> None:
    made = {each.what: each.verb for each in prepare(wanted, tmp_path)}
    assert set(made.values()) == {"made", "kept"}
    before = {program: read_secret(token_file(tmp_path, program)) for program in RIGHTS}

    assert {each.verb for each in prepare(wanted, tmp_path)} == {"kept"}
    assert {program: read_secret(token_file(tmp_path, program)) for program in RIGHTS} == before


def test_a_retention_that_somebody_changed_is_mended(wanted: Wanted, tmp_path: Path) -> None:
    prepare(wanted, tmp_path)

    done = {each.what: each.verb for each in prepare(wanted._replace(gauge_days=90), tmp_path)}
    assert done[f"the bucket {wanted.database}/gauge, kept 90 days"] == "mended"
    assert done[f"the bucket {wanted.database}/record, kept for ever"] == "kept"


def test_a_token_that_was_lost_is_made_anew_and_the_old_one_is_void(wanted: Wanted, tmp_path: Path) -> None:
    prepare(wanted, tmp_path)
    old = store_of("collector", wanted, tmp_path)
    token_file(tmp_path, "collector").unlink()

    assert "mended" in {each.verb for each in prepare(wanted, tmp_path) if each.what == "store-collector-token"}
    with pytest.raises(StoreRefusedError):
        old.write(SLICES, now=clock.now())
    old.close()
    new = store_of("collector", wanted, tmp_path)
    assert new.write(SLICES, now=clock.now()) == []
    new.close()


def test_each_token_opens_what_its_program_needs_and_no_more(wanted: Wanted, tmp_path: Path) -> None:
    prepare(wanted, tmp_path)
    stores = {program: store_of(program, wanted, tmp_path) for program in RIGHTS}
    assert stores["collector"].write(SLICES, now=NOW) == []
    period = Period(NOW - 2 * DAY, NOW)
    for program, store in stores.items():
        found = store.read(["mc-1"], ["item_state", "spindle_load"], period, limit=10)
        assert {sample.signal for sample in found} == {"item_state", "spindle_load"}, program

    stores["api"].write((), MINUTES, now=NOW)
    with pytest.raises(StoreRefusedError):
        stores["api"].write([Slice("mc-1", NOW, {"spindle_load": 1.0})], now=NOW)
    for slices, minutes in ((SLICES, ()), ((), MINUTES)):
        with pytest.raises(StoreRefusedError):
            stores["grafana"].write(slices, minutes, now=NOW)
    for store in stores.values():
        store.close()


def test_another_administrators_token_is_refused_with_the_mend(wanted: Wanted, tmp_path: Path) -> None:
    write_secret(tmp_path / "store-admin-token", "not-the-administrators-token")

    with pytest.raises(StoreRefusedError, match="put the one that the server was set up with"):
        prepare(wanted, tmp_path)
