"""What the layout of the repository promises."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from shopfloor import cli

ROOT = Path(__file__).resolve().parents[2]
with (ROOT / "pyproject.toml").open("rb") as _file:
    PROJECT = tomllib.load(_file)
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
HEAVY = ("alembic", "amqtt", "apprise", "asyncio", "asyncua", "babel", "cryptography", "fastapi", "influxdb_client",
         "jinja2", "msgspec", "paho", "prometheus_client", "pydantic", "sqlalchemy", "sqlite3", "ssl", "structlog",
         "typer", "typst", "uvicorn", "xlsxwriter")  # fmt: skip
"""What `officina --help` has no need of."""
HELP_SECONDS_MAX = 0.3

CLIENTS: dict[str, tuple[str, ...]] = {
    "alembic": ("api/records/database.py", "api/records/migrations/*"),
    "amqtt": ("simulators/broker.py",),
    "argon2": ("api/access/passwords.py",),
    "apprise": ("api/maintenance/channels.py",),
    "asyncua": ("edge_agent/opcua_*.py", "simulators/*.py"),
    "grafana_api": ("dashboards/publish.py",),
    "icalendar": ("api/bookings/ical.py",),
    "influxdb_client": ("shopfloor/stores/influx_server.py", "shopfloor/stores/influx_setup.py"),
    "itsdangerous": ("api/access/sign_in.py",),
    "babel": ("api/formats.py", "api/pages/words.py", "api/pages/times.py"),
    "jinja2": ("api/pages/service.py",),
    "paho": ("shopfloor/mqtt.py",),
    "pymodbus": ("edge_agent/modbus.py",),
    "pyotp": ("api/access/second_factor.py",),
    "prometheus_client": ("*/metrics.py", "collector/cli.py"),
    "segno": ("api/access/second_factor.py",),
    "sqlalchemy": (
        "api/records/*",
        "api/access/*",
        "api/bookings/calendars.py",
        "api/bookings/feeds.py",
        "api/bookings/lock_outs.py",
        "api/bookings/prices.py",
        "api/bookings/reading.py",
        "api/bookings/views.py",
        "api/backup/records.py",
        "api/edges/store.py",
        "api/watch/leader.py",
        "api/*/tables.py",
        "api/maintenance/*_records.py",
        "api/maintenance/dispatch.py",
        "api/maintenance/journal.py",
        "api/maintenance/roster.py",
        "api/maintenance/rulebook.py",
        "api/maintenance/watching.py",
        "api/*/service.py",
        "api/billing/closing.py",
        "api/billing/deciding.py",
        "api/billing/handing.py",
        "api/billing/ledger.py",
        "api/billing/budgets.py",
        "api/billing/posting.py",
        "api/billing/previews.py",
        "api/billing/runs.py",
        "api/billing/verifying.py",
        "api/usage/attending.py",
        "api/usage/kept.py",
        "api/cli.py",
        "simulators/records.py",
    ),
    "stdnum": ("api/records/identifiers.py",),
    "sqlite3": (
        "shopfloor/stores/sqlite*.py",
        "edge_agent/spool.py",
        "collector/quarantine.py",
    ),
    "typer": ("*/cli.py", "simulators/demo_cli.py"),
    "typst": ("api/billing/documents/typeset.py",),
    "urllib3": (
        "shopfloor/stores/influx_server.py",
        "shopfloor/stores/influx_setup.py",
        "edge_agent/enroll.py",
        "simulators/demo.py",
    ),
    "uvicorn": ("api/server.py",),
    "xlsxwriter": ("api/billing/documents/xlsx.py",),
    "zxcvbn": ("api/access/passwords.py",),
}
"""Where each third-party client, and each file format, is known."""


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository, also one that is not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for name in listed.splitlines() if (path := ROOT / name).is_file())


def modules() -> list[Path]:
    """Every module of the product."""
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PACKAGES]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_nobody_imports_what_its_layer_may_not() -> None:
    program = shutil.which("lint-imports", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert program is not None, "import-linter is missing: make dev"
    checked = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_each_third_party_client_is_known_in_its_place_alone() -> None:
    strays = [
        f"{name_of(path)} imports {client}"
        for path in modules()
        for client in imported(ast.parse(path.read_text(encoding="utf-8"))) & CLIENTS.keys()
        if not any(fnmatch(name_of(path), place) for place in CLIENTS[client])
    ]
    assert strays == []


def test_every_requirement_is_imported_somewhere_and_every_import_is_required() -> None:
    required = {re.split(r"[^a-z0-9-]", each)[0] for each in PROJECT["project"]["dependencies"]}
    names = {
        "argon2-cffi": "argon2",
        "grafana-api": "grafana_api",
        "influxdb-client": "influxdb_client",
        "paho-mqtt": "paho",
        "prometheus-client": "prometheus_client",
        "python-stdnum": "stdnum",
    }
    # Read through the standard library's zoneinfo; named by an address; what starlette reads forms with a file by.
    at_run_time = {"tzdata", "psycopg", "python-multipart"}
    needed = {names.get(each, each) for each in required} - at_run_time
    used = {name for path in modules() for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    own = {*PACKAGES, "tests", "starlette"}  # the last is what fastapi is made of
    assert needed - used == set(), "required and never imported"
    assert used - needed - own - sys.stdlib_module_names == set(), "imported and not required"


def public(body: list[ast.stmt], owner: str) -> list[tuple[str, ast.AST]]:
    """Return what is public in a module or class, with its name."""
    found: list[tuple[str, ast.AST]] = []
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if any(isinstance(each, ast.Name) and each.id in {"overload", "override"} for each in node.decorator_list):
                continue
            found.append((f"{owner}.{node.name}", node))
            if isinstance(node, ast.ClassDef):
                found += public(node.body, f"{owner}.{node.name}")
    return found


def test_everything_public_says_what_it_is_for() -> None:
    silent: list[str] = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body or path.name != "__init__.py":
            silent += [name_of(path)] * (ast.get_docstring(tree) is None)
        silent += [
            f"{name_of(path)}: {name}"
            for name, node in public(tree.body, path.stem)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not ast.get_docstring(node)
        ]
    assert silent == []


def test_no_function_has_more_than_sixty_lines_and_no_file_more_than_six_hundred() -> None:
    long: list[str] = []
    for path in modules():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 600:
            long.append(f"{name_of(path)}: {text.count(chr(10))} lines")
        is_migration = path.parent.name == "versions"  # which lists what a version adds, table by table
        for node in ast.walk(ast.parse(text)) if not is_migration else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1 - (ast.get_docstring(node, clean=False) or "").count("\n")
                if lines > 60:
                    long.append(f"{name_of(path)}: {node.name} has {lines} lines")
    assert long == []


MACHINE_PATH = re.compile(r"(?<![\w.:>}*])/(?:work|tmp|root|home)/")
INDEX_HOST = re.compile(r"python" + r"hosted\.org|pypi" + r"\.org|registry\.npm" + r"js\.")
TEXTS = {".py", ".md", ".toml", ".txt", ".json", ".sh", ".cjs", ".js", ".css", ".html", ".yml", ".yaml", ".conf", ""}


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name_of(path)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        if path.suffix in TEXTS and path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_no_file_names_a_package_index() -> None:
    assert lines_with(INDEX_HOST) == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_locked_by_version_and_hash(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    logical = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip() and line[0] != "#"]
    assert logical
    locked = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+( ; [^-]+?)?( +--hash=sha256:[0-9a-f]{64})+", re.IGNORECASE)
    assert [line[:80] for line in logical if not locked.fullmatch(line)] == []


def test_the_lock_holds_every_package_that_the_project_names() -> None:
    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", name.strip())[0].lower())

    def locked(name: str) -> set[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return {plain(line.partition("==")[0]) for line in text.splitlines() if "==" in line}

    assert {plain(each) for each in PROJECT["project"]["dependencies"]} <= locked("requirements.txt")
    assert {plain(each) for each in PROJECT["dependency-groups"]["dev"]} <= locked("requirements-dev.txt")


_HELP = "import sys; sys.argv = ['officina', '--help']; from shopfloor.cli import main; main()"


def test_help_answers_at_once() -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _HELP], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}
    assert "shopfloor" in loaded
    assert loaded & set(HEAVY) == set()
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", _HELP], cwd=ROOT, capture_output=True, check=True)
        took.append(time.perf_counter() - begun)
    print(f"officina --help answers in {min(took):.3f} s, {HELP_SECONDS_MAX} s allowed")


def test_every_command_has_a_module() -> None:
    for name, (module, _) in cli.COMMANDS.items():
        assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file(), name


def pages() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def test_every_link_of_a_page_leads_somewhere() -> None:
    broken = [
        f"{name_of(path)}: {target}"
        for path in pages()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert broken == []


def test_what_a_page_tells_to_type_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong: list[str] = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        typed = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
        for line in (line.strip() for block in typed for line in block.splitlines()):
            if (match := re.match(r"(?:\$ )?make ([a-z-]+)", line)) and match[1] not in targets:
                wrong.append(f"{name_of(path)}: {match[0]}")
            command = re.match(r"(?:\$ )?(?:\.venv/bin/)?officina ([a-z-]+)", line)
            if command and command[1] not in cli.COMMANDS:
                wrong.append(f"{name_of(path)}: {command[0]}")
    assert wrong == []


def test_every_target_of_the_makefile_says_what_it_is_for() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [phony] = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    for target in phony.split():
        assert re.search(rf"^{target}:.*## \w", text, re.MULTILINE), target


CHANGING = re.compile(
    r"\.(?:write|write_value|write_values|write_attribute|write_params|set_value|set_values|set_writable|set_attributes"
    r"|call_method|call_method_full|history_update|add_nodes|delete_nodes|add_references|delete_references|add_object"
    r"|add_variable|add_property|transfer_subscriptions)\("
)
CALLS = re.compile(r"\.call\(|CallMethodRequest\(|MethodId=(\S+)")


def test_nothing_in_the_agent_changes_a_machine_and_it_calls_one_method_which_only_repeats_conditions() -> None:
    clients = [path for path in modules() if re.match(r"edge_agent/opcua\w*\.py", name_of(path))]
    assert clients
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in clients}
    assert [name for name, text in texts.items() if CHANGING.search(text)] == []
    calling = {name: CALLS.findall(text) for name, text in texts.items() if CALLS.search(text)}
    assert list(calling) == ["edge_agent/opcua_client.py"]
    methods = [each for each in calling["edge_agent/opcua_client.py"] if each]
    assert methods == ["ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh),"]
    assert texts["edge_agent/opcua_client.py"].count("CallMethodRequest(") == 1


def defined_tests() -> set[tuple[str, str]]:
    """Return file and name of every test."""
    return {
        (name_of(path), name)
        for path in tracked()
        if path.name.startswith("test_") and path.suffix == ".py"
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_task_of_people_names_a_test_that_exists_and_takes_no_more_clicks_than_allowed() -> None:
    page = (ROOT / "docs" / "pages.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| [^|]+\| [^|]+\| ([^|]+) \| ([^|]+) \|(.+)\|$", page, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == [*range(1, 21)]
    assert [number for number, taken, allowed, _ in rows if taken.isdigit() and int(taken) > int(allowed)] == []
    named = [(place, name) for *_, last in rows for place, name in re.findall(r"`(tests/\S+?)::(\w+)`", last)]
    assert [each for each in named if each not in defined_tests()] == []


def test_every_fault_of_the_matrix_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|(.+)\|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 9), *range(9, 23), 25]
    defined = defined_tests()
    named = [(number, place, name) for number, row in rows for place, name in re.findall(r"`(tests/\S+?)::(\w+)`", row)]
    assert {number for number, _, _ in named} == {number for number, _ in rows}, "a row without a test"
    assert [f"{number}: {place}::{name}" for number, place, name in named if (place, name) not in defined] == []
