"""The whole API beside a real PostgreSQL: asked, changed, followed, ended. At full size all journeys do so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.journey.api_world import follow, world
from tests.journey.people import add_people, signed_in

if TYPE_CHECKING:
    from tests.services.postgres import Cluster

pytestmark = pytest.mark.services

OFFICINA = str(Path(sys.executable).with_name("officina"))


def test_records_people_and_the_trail_are_kept_on_postgresql(tmp_path: Path, postgres_cluster: Cluster) -> None:
    address = postgres_cluster.new_database()
    with world(tmp_path, more='second_factor = "optional"', records=address) as it:
        assert not (tmp_path / "records.db").exists()
        add_people(it)
        with signed_in(it.url, "member@example.it") as browser:
            assert [each["id"] for each in browser.get("/api/v1/members").json()["items"]] == ["firm-a"]
            assert browser.get("/api/v1/members/firm-b").status_code == 404
        assert it.send("PUT", "/api/v1/sites/est", json={"name": "Est"}).status_code == 201
        photo = {"purpose": "photo", "name": "M 1"}
        made = it.send("POST", "/api/v1/machines/mill-1/files", params=photo, content=b"\xff\xd8\xff\xe0").json()
        assert it.get(f"/api/v1/machines/mill-1/files/{made['id']}", "member").content == b"\xff\xd8\xff\xe0"
        for bad in ("a%00", "'", "%25"):
            assert it.send("PUT", f"/api/v1/sites/{bad}", json={"name": "X"}).status_code == 422
        for path in (
            "bookings/%00",
            "machines/mill-1%00",
            "statements/%00",
            "alerts/%00",
            "bookings?machine=%00",
        ):
            assert it.get(f"/api/v1/{path}").status_code < 500, path
        with follow(it, "operator") as stream:
            stream.read()
            name = it.keys["operator"].split("_")[1]
            assert it.send("DELETE", f"/api/v1/api-keys/{name}").status_code == 204
            with pytest.raises(EOFError):
                stream.until(lambda *_: False)
        newest = it.get("/api/v1/audit", limit=1).json()["items"][0]
    command = [OFFICINA, "audit", "verify", str(tmp_path / "api.toml")]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert verified.strip() == f"{newest['number']}:{newest['digest']}"
