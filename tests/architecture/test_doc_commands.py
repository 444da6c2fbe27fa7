"""Every `officina …` command of the documentation is one that the programs take, and what needs no server is run."""

from __future__ import annotations

import importlib
import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer._click.exceptions import MissingParameter
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from shopfloor.cli import COMMANDS
from shopfloor.settings import write_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from typer._click.core import Command

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_LINE = re.compile(r"^(\S*/)?(officina|sudo|docker compose)\s.*", re.MULTILINE)
INLINE = re.compile(r"`(officina\s[^`]+)`")
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ABSENT = re.compile(r"(file|dir|path) '(.+)' does not exist")

ENDS = {"|", "||", "&&", ";", ">", ">>"}

RUN = {
    "audit export", "audit verify",
    "billing rate",
    "dashboards render",
    "init",
    "records export", "records import", "records upgrade",
    "rules list",
}  # fmt: skip
"""Commands that need a folder and nothing else."""

NOT_RUN = {
    "api": "serves until it is ended",
    "api key add": "needs the site in the records",
    "api link": "needs a person in the records",
    "api login add": "needs the broker's files",
    "api login invite": "needs the broker's files",
    "api login list": "needs the broker's files",
    "api login remove": "needs the broker's files",
    "backup": "needs an installation with its store",
    "billing close": "needs a house with use in its store",
    "billing export": "needs a closed month",
    "billing preview": "needs a house with use in its store",
    "billing send": "needs a closed month",
    "billing verify": "needs a house with use in its store",
    "collector": "needs a broker",
    "collector quarantine list": "needs a collector's folder",
    "collector quarantine retry": "needs a collector's folder",
    "dashboards diff": "needs Grafana",
    "dashboards push": "needs Grafana",
    "demo": "starts everything, and serves until it is ended",
    "doctor": "looks at an agent's computer",
    "edge check": "needs a machine",
    "edge enroll": "needs the API",
    "edge init": "needs a machine",
    "edge install": "writes a unit for systemd",
    "edge meter": "needs a meter",
    "edge run": "needs a machine and a broker",
    "edge trust accept": "needs what a machine has shown",
    "edge trust list": "needs what a machine has shown",
    "edge trust revoke": "needs what a machine has shown",
    "records person erase": "needs a person in the records",
    "records person export": "needs a person in the records",
    "restore": "needs a backup",
    "rules test": "needs a recording or a store",
    "simulate": "serves until it is ended, or needs a recording",
    "store copy": "needs InfluxDB",
    "store init": "needs InfluxDB",
    "usage report": "needs a store with use in it",
    "watch": "works until it is ended",
}


@dataclass(frozen=True)
class Written:
    """A command as a page has it."""

    page: str
    words: tuple[str, ...]
    is_line: bool
    """Of a block that is copied into a shell, where nothing may be left out."""

    def __str__(self) -> str:
        return f"{self.page}: officina {' '.join(self.words)}"


@cache
def app(program: str) -> typer.Typer:
    found = importlib.import_module(COMMANDS[program][0]).app
    assert isinstance(found, typer.Typer)
    return found


@cache
def command_of(program: str) -> Command:
    return get_command(app(program))


def words_of(line: str) -> Iterator[tuple[str, ...]]:
    """Yield the words after each `officina` that stands where a shell looks for a program."""
    lexer = shlex.shlex(re.sub(r"<[^<>\n]*>", "X…", line), posix=True, punctuation_chars="|&;>")
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word not in ENDS:
            command.append(word)
            continue
        if command[:1] == ["sudo"]:
            del command[0]
        if command and Path(command[0]).name == "officina":
            yield tuple(command[1:])
        command = []


def written() -> list[Written]:
    found: list[Written] = []
    for path in PAGES:
        page, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        for block in FENCE.findall(text):
            for line in SHELL_LINE.finditer(block.replace("\\\n", " ")):
                container = re.sub(r"^docker compose .*?run --rm (--?\S+ \S+ )*\S+", "officina", line[0])
                found += [Written(page, words, is_line=True) for words in words_of(container)]
        for span in INLINE.findall(FENCE.sub("", text)):
            plain = re.sub(r"[\[\]]", "", " ".join(span.split()))  # brackets: may be left out
            found += [Written(page, words, is_line=False) for words in words_of(plain)]
    return found


WRITTEN = written()


def found_in(words: tuple[str, ...]) -> tuple[Command, str, tuple[str, ...]]:
    """Return the command, its name, and what is left for it: ("edge trust list", ("edge.toml",))."""
    assert words[0] in COMMANDS, f"there is no program {words[0]!r}"
    command = command_of(words[0])
    taken = 1
    while isinstance(command, TyperGroup) and taken < len(words) and words[taken] in command.commands:
        command = command.commands[words[taken]]
        taken += 1
    return command, " ".join(words[:taken]), words[taken:]


def parse(words: tuple[str, ...]) -> None:
    """Let the program's own parser read the command, level by level, without running it."""
    command, context, rest = command_of(words[0]), None, list(words[1:])
    while True:
        context = command.make_context(command.name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
        if not isinstance(command, TyperGroup) or not rest:
            return
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found


def wrong_with(each: Written, folder: Path) -> str | None:
    """Say what the parser has against a command; files that an example names are made up in the folder."""
    words = each.words
    while True:
        try:
            _, _, rest = found_in(words)
            if each.is_line or rest:  # else it is only named
                parse(words)
        except typer.Exit:
            return None  # --help
        except MissingParameter as error:
            return None if "…" in each.words else error.format_message()  # "…": and so on
        except typer.TyperException as error:
            absent = ABSENT.match(error.message)
            if absent is None:
                return error.message
            stand_in = folder if absent[1] == "dir" else folder / "file"
            words = tuple(str(stand_in) if word == absent[2] else word for word in words)
        else:
            return None


def name_of(each: Written) -> str | None:
    """Return what the command is classified by; None for a group that is named and does nothing by itself."""
    command, name, _ = found_in(each.words)
    return None if isinstance(command, TyperGroup) and not command.invoke_without_command else name


def test_every_command_of_the_pages_is_one_that_the_programs_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert len(WRITTEN) > 100
    assert [f"{each}: {wrong}" for each in WRITTEN if (wrong := wrong_with(each, tmp_path))] == []


def test_every_program_is_named_in_the_pages() -> None:
    assert set(COMMANDS) - {each.words[0] for each in WRITTEN} == set()


def test_each_command_of_the_pages_is_either_run_here_or_it_is_said_why_not() -> None:
    assert {name_of(each) for each in WRITTEN} - {None} == RUN | set(NOT_RUN)
    assert RUN.isdisjoint(NOT_RUN)


def workshop(folder: Path) -> dict[str, str]:
    """Make what the pages' commands read, and return what stands in the place of the reader's own words."""
    (folder / "api.toml").write_text(
        f'store = "sqlite://:memory:"\nrecords = "sqlite://{folder}/records.db"\n[broker]\nhost = "127.0.0.1"\n'
    )
    (folder / "firms.csv").write_text("id;legal_name;partita_iva;sdi_code;active_from\n")
    for name in ("grafana-store-token", "grafana-token"):
        write_secret(folder / name, "a-password-of-this-test")
    boards = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    (folder / "dashboards.toml").write_text(TOML.findall(boards)[0])
    scenarios = TOML.findall((ROOT / "docs" / "scenario.md").read_text(encoding="utf-8"))
    for number, scenario in enumerate(scenarios):
        (folder / f"scenario-{number}.toml").write_text(scenario)
    return {
        "FOLDER": str(folder / "made"),
        "/srv/officina/api.toml": str(folder / "api.toml"),
    }


def runnable(each: Written) -> bool:
    _, name, rest = found_in(each.words)
    if name == "init":
        return each.is_line  # elsewhere the choices of a first run are left out
    return "--help" in rest or (name in RUN and (bool(rest) or name == "rules list"))


def test_the_commands_that_need_no_server_do_what_the_pages_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = workshop(tmp_path)
    lines = {each.words: each for each in WRITTEN if runnable(each) and not any("…" in word for word in each.words)}
    failed, done = [], set()
    for number, (words, each) in enumerate(lines.items()):
        values["/srv/officina"] = str(tmp_path / f"officina-{number}")  # each has the folder for itself
        done.add(found_in(words)[1])
        for scenario in sorted(tmp_path.glob("scenario-*.toml"))[: None if "SCENARIO" in words else 1]:
            values["SCENARIO"] = str(scenario)
            program, *arguments = (values.get(word, word) for word in words)
            ended = CliRunner().invoke(app(program), arguments)
            if ended.exit_code != 0:
                failed.append(f"{each}: {ended.exit_code} {ended.exception!r} {ended.output[-400:]}")
    assert not failed, "\n".join(failed)
    assert set(done) >= RUN
