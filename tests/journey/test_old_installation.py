"""An installation that an earlier version left behind, opened by today's programs: nothing of it is lost.

`old/` holds databases as SQL, dumped when their version was the newest. They are never changed; a dump of a later
version may be laid beside them.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from typer.testing import CliRunner

from api.billing import cli as billing_cli
from api.records import database
from shopfloor.periods import parse_instant
from tests.contract.test_compatibility import SAID, old_spool
from tests.journey.api_world import DEADLINE_SECONDS, NO_TLS, api
from tests.services import brokers
from tests.services.programs import agent_and_collector

OLD = Path(__file__).with_name("old")
MACHINE = "mc-1"
SIGNALS = ["item_state", "program", "alarm", "unreachable"]
TOKEN = "officina_e5ab2ac1470a_r7-qvhTgtfDbsYDwvlAhve6lfkIpiAaocwFQpSnpKv8"  # noqa: S105 - its digest is in the dumps
NOWHERE = 'endpoint = "opc.tcp://127.0.0.1:9"\nsecurity = "none"\n'
EVER = "[spool]\nage_days_max = 3660\n"


def officina(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("officina")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def one_version_back() -> str:
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_revision(scripts.get_current_head() or "")
    assert isinstance(newest.down_revision, str)
    return newest.down_revision


def restored(dump: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as old:
        old.executescript(dump.read_text(encoding="utf-8"))


def rows(file: Path) -> dict[str, list[Any]]:
    """Return every row of every table."""
    with closing(sqlite3.connect(file)) as kept:
        names = [name for (name,) in kept.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(kept.execute(f"SELECT * FROM {name}"), key=repr) for name in names}  # noqa: S608


@pytest.fixture(params=sorted(OLD.glob("records-*.sql")), ids=lambda dump: dump.stem)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Lay an old installation out, its records exactly one version back."""
    restored(request.param, tmp_path / "records.db")
    with closing(database.connect(f"sqlite://{tmp_path}/records.db")) as records:
        database.upgrade(records, one_version_back())
    restored(OLD / "telemetry-1.sql", tmp_path / "telemetry.db")
    old_spool(tmp_path / "spool.sqlite")
    (tmp_path / "api.toml").write_text(
        f'store = "sqlite://{tmp_path}/telemetry.db"\nrecords = "sqlite://{tmp_path}/records.db"\nport = 0\n'
        '[broker]\nhost = "127.0.0.1"\nport = 9\ninsecure = true\n'
    )
    return tmp_path


@pytest.mark.services
async def test_an_old_installation_is_refused_upgraded_and_served_with_everything_in_it(folder: Path) -> None:
    assert "officina records upgrade" in refused(folder)

    upgraded = officina("records", "upgrade", folder / "api.toml")
    assert upgraded.stdout.startswith(f"from {one_version_back()} to "), upgraded.stderr

    async with agent_and_collector(
        folder, machine=MACHINE, settings=NOWHERE + EVER, nodes="[nodes]\n", signals=SIGNALS
    ):
        with api(folder) as (_, url, _), httpx.Client(base_url=url, verify=NO_TLS, timeout=DEADLINE_SECONDS) as asked:
            asked.headers["Authorization"] = f"Bearer {TOKEN}"
            await brokers.until(lambda: spooled(asked) == len(SAID), "what waited in the spool is served")
            served(asked)

    proved = CliRunner().invoke(billing_cli.app, ["verify", "--config", str(folder / "api.toml")])
    assert "2 statements" in proved.output
    assert "All of them are what they were." in proved.output, proved.output


def refused(folder: Path) -> str:
    """Try to run the API; return what it said. Nothing is changed."""
    before = rows(folder / "records.db")
    done = officina("api", "--config", folder / "api.toml")
    assert done.returncode != 0
    assert rows(folder / "records.db") == before
    return done.stderr + done.stdout


def spooled(asked: httpx.Client) -> int:
    """Return how many samples of the old spool the API serves."""
    day = {"from": "2026-09-21T00:00:00Z", "to": "2026-09-22T00:00:00Z"}
    found = asked.get(f"/api/v1/machines/{MACHINE}/signals", params=day).raise_for_status().json()["items"]
    return sum(len(each["points"]) for each in found)


def served(asked: httpx.Client) -> None:
    """Hold what the API serves against what was in the old records and the old store."""

    def items(path: str, **parameters: str) -> list[dict[str, Any]]:
        found = asked.get(f"/api/v1/{path}", params=parameters).raise_for_status().json()
        return list(found["items"])

    assert {each["id"] for each in items("members")} == {"alfa", "beta"}
    assert [each["id"] for each in items("machines")] == [MACHINE]
    assert [each["email"] for each in items("users")] == ["ada@example.it"]
    assert len(items("statements")) == 2
    day = {"from": "2026-10-13T00:00:00Z", "to": "2026-10-14T00:00:00Z"}
    (jobs,) = items(f"machines/{MACHINE}/signals", names="job", **day)
    assert [each["value"] for each in jobs["points"]] == ["A-1", "B-2", ""]
    assert parse_instant(jobs["points"][0]["at"]) == parse_instant("2026-10-13T06:00:00Z")
