from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from api.audit import cli as audit
from api.records import cli as records
from api.records.database import RecordsError
from shopfloor.hashed_log import BrokenLogError
from tests.services.records import partita_iva

if TYPE_CHECKING:
    from pathlib import Path

    import typer
    from typer.testing import Result

MEMBERS = "id;legal_name;partita_iva;sdi_code;active_from\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "api.toml"
    file.write_text(
        f'store = "sqlite://:memory:"\nrecords = "sqlite://{tmp_path}/records.db"\n[broker]\nhost = "127.0.0.1"\n'
    )
    return file


def run(app: typer.Typer, *arguments: object) -> Result:
    ended = CliRunner().invoke(app, [str(each) for each in arguments])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended


def sheet(config: Path, *lines: str) -> Path:
    file = config.with_name("firms.csv")
    file.write_text(MEMBERS + "".join(f"{line}\n" for line in lines))
    return file


def test_a_file_is_tried_read_in_and_written_out_again(config: Path) -> None:
    file = sheet(config, f"a;Rossi S.r.l.;{partita_iva(1)};ABC1234;2026-01-01")

    assert "1 would be added" in run(records.app, "import", config, "members", file, "--dry-run").output
    assert "id,legal_name" in run(records.app, "export", config, "members").output
    assert "1 added" in run(records.app, "import", config, "members", file).output
    assert f"a,Rossi S.r.l.,{partita_iva(1)}" in run(records.app, "export", config, "members").output


def test_every_problem_is_told_by_line_and_nothing_is_written(config: Path) -> None:
    file = sheet(config, f"a;Rossi S.r.l.;{partita_iva(1)};ABC1234;2026-01-01", "b;Bianchi;123;ABC1234;yesterday")

    ended = run(records.app, "import", config, "members", file)

    assert ended.exit_code == 1
    assert f"{file}:3: active_from: " in ended.output
    assert "Rossi" not in run(records.app, "export", config, "members").output


def test_an_upgrade_says_from_what_to_what(config: Path) -> None:
    first, second = (run(records.app, "upgrade", config).output.split() for _ in range(2))

    assert first[:2] == ["from", "empty"]
    assert second == ["from", first[3], "to", first[3]]


def test_the_trail_is_verified_and_written_out(config: Path) -> None:
    run(records.app, "import", config, "members", sheet(config, f"a;Rossi;{partita_iva(1)};ABC1234;2026-01-01"))

    noted = run(audit.app, "verify", config).output.strip()
    entries = [json.loads(line) for line in run(audit.app, "export", config).output.splitlines()]

    assert noted == f"{entries[-1]['number']}:{entries[-1]['digest']}"
    assert json.loads(entries[0]["body"])["who"] == "console"
    assert run(audit.app, "verify", config, "--known", noted).exit_code == 0
    with pytest.raises(BrokenLogError):
        run(audit.app, "verify", config, "--known", f"9:{'0' * 64}")
    assert run(audit.app, "verify", config, "--known", "x").exit_code == 2


def test_records_that_cannot_be_opened_are_told_in_a_sentence(config: Path) -> None:
    config.write_text(config.read_text().replace("records.db", "none/records.db"))
    with pytest.raises(RecordsError, match="make its folder first"):
        run(records.app, "upgrade", config)
