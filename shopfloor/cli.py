"""The console script `officina`: one command line for every program.

A subcommand is imported when it is asked for, so that `officina --help` answers at once.
"""

from __future__ import annotations

import gc
import sys

COMMANDS = {
    "init": ("shopfloor.installation.cli", "Make an installation: secrets, certificates and settings, in one folder."),
    "edge": ("edge_agent.cli", "Read machines over OPC UA and publish what they say: init, check, run."),
    "doctor": ("edge_agent.doctor.cli", "What keeps an edge agent from working, and what mends it."),
    "collector": ("collector.cli", "From the broker to the store, and the quarantine."),
    "api": ("api.cli", "Serve HTTP: machines, live stream, pages."),
    "store": ("shopfloor.stores.cli", "The telemetry store: prepare InfluxDB 2.x, move what a store holds."),
    "watch": ("api.watch.cli", "Keep what is derived current, judge the rules, send messages."),
    "usage": ("api.usage.cli", "What machines did, month by month, and what waits for a person."),
    "records": ("api.records.cli", "The database of members, machines and people: upgrade, import, export."),
    "backup": ("api.backup.cli", "Records, telemetry and keys into one folder, while everything runs."),
    "restore": ("api.backup.restore.cli", "A backup into an empty installation, counted and compared."),
    "audit": ("api.audit.cli", "Who did what: verify, export."),
    "billing": ("api.billing.cli", "What use costs: rate a scenario, preview, close, verify."),
    "rules": ("api.maintenance.cli", "What is watched; what a rule would have said over the past."),
    "dashboards": ("dashboards.cli", "Boards of the staff for Grafana: render, push, diff."),
    "simulate": ("simulators.cli", "Machines that stand in for hardware, or replay a recorded log."),
    "demo": ("simulators.demo_cli", "A workshop at work on this machine, everything included."),
}
"""Each subcommand: the module whose `app` it is, and what it is for."""

USAGE_ERROR = 2
GC_THRESHOLD = 100_000
"""New objects between two looks for cyclic garbage: programs read and rate many objects at once, few in cycles."""


def main() -> None:
    """Run the console script; exits with the code of the subcommand."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        sys.stdout.write(usage())
        sys.exit(0)
    if arguments[0] in {"-V", "--version"}:
        from importlib.metadata import version

        sys.stdout.write(f"officina {version('officina')}\n")
        sys.exit(0)
    if arguments[0] not in COMMANDS:
        sys.stderr.write(f"officina: there is no command {arguments[0]!r}.\n\n{usage()}")
        sys.exit(USAGE_ERROR)
    _run(arguments[0], arguments[1:])


def usage() -> str:
    """Return what `officina --help` prints."""
    rows = "".join(f"  {name:<11} {text}\n" for name, (_, text) in COMMANDS.items())
    return (
        "Usage: officina COMMAND [ARGS]\n\n"
        "Shared machine tools: read live, billed to the second, maintained early.\n\n"
        f"Commands:\n{rows}\n"
        "officina COMMAND --help says more of one; officina --version names the version.\n"
    )


def _run(name: str, arguments: list[str]) -> None:
    from importlib import import_module

    from shopfloor.errors import ExpectedError

    gc.set_threshold(GC_THRESHOLD)
    try:
        module = import_module(COMMANDS[name][0])
        module.app(args=arguments, prog_name=f"officina {name}")
    except ModuleNotFoundError as error:
        sys.stderr.write(f"officina {name}: the Python package {error.name} is missing: run `make install`\n")
        sys.exit(USAGE_ERROR)
    except ExpectedError as error:
        sys.stderr.write(f"officina {name}: {error}\n")
        sys.exit(USAGE_ERROR)
