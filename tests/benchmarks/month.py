"""A month of load in an hour: simulated machines through TLS Mosquitto and two collectors, while programs are killed.

Gateways send a past month as fast as the chain takes it; collectors, broker and API are killed and started again in
turn. In the end every sample is compared with what was said, and every line of every statement with an oracle that
knows only what the machines did in truth. Settings, as environment variables: `MACHINES` (300), `DAYS` (31: the whole
month), `ROUNDS` (4: how often each program is killed).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from api.billing.ledger import settled
from api.records.database import open_records
from api.usage.kept import UsageDays
from api.usage.policy import Policy
from shopfloor.periods import SECOND, Period, format_instant, to_datetime, union
from shopfloor.runtime import clock
from shopfloor.stores.open import open_store
from tests.benchmarks.month_house import House
from tests.benchmarks.month_life import MARGIN_SECONDS, ROME, SIGNALS, Block, Plan, life, machine_id, month_plan
from tests.benchmarks.month_oracle import Bills
from tests.services.postgres import postgres
from tests.services.stores import influxdb
from tests.unit.api.billing.oracle import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shopfloor.samples import Sample
    from shopfloor.states import Coverage
    from shopfloor.stores.port import Store
    from tests.benchmarks.month_oracle import Lines

TURNS = ("collector-1", "broker", "api", "collector-2")
"""Who is killed, in this order."""
AWAY_SECONDS = 1.0
"""How long it is away, while the gateways go on."""
REVIEW_DAYS = 4
"""So many days after its end a month may be closed: the default of the settings, and one more."""
PROOFS = ("observed", "unreachable")
SHOWN = 20
READ_MAX = 10_000_000
LOOK_SECONDS = 1.0
LOAD_SECONDS, BACK_SECONDS = 3 * 3600.0, 900.0


class Size(NamedTuple):
    """How large a run is.

    Attributes:
        machines: how many.
        days: of the month, its last ones; all that it has, when it has no more.
        sites: gateways that share the machines.
        members: firms that share their use.
        rounds: how often each program is killed.
    """

    machines: int
    days: int
    sites: int
    members: int
    rounds: int


@dataclass
class Report:
    """What a run came to.

    Attributes:
        samples: how many are stored.
        sent_seconds: from the first sample said to the last one stored.
        restarts: how often each program was killed and came back.
        segments_seconds: how long it took to build what the watch had not built yet.
        closing_seconds: how long the API took to close the month.
        verify_seconds: how long it took to build and rate everything again from the store.
        statements: how many were compared.
        differences: where what is there is not what it should be; empty when all is equal.
        megabytes: most memory that each kind of process held.
    """

    samples: int = 0
    sent_seconds: float = 0.0
    restarts: Counter[str] = field(default_factory=Counter)
    segments_seconds: float = 0.0
    closing_seconds: float = 0.0
    verify_seconds: float = 0.0
    statements: int = 0
    differences: list[str] = field(default_factory=list)
    megabytes: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Run the size that the environment names; ends with another code than 0 where anything differs."""
    machines, days, rounds = (
        int(os.environ.get(name, default)) for name, default in (("MACHINES", 300), ("DAYS", 31), ("ROUNDS", 4))
    )
    size = Size(machines, days, max(1, min(10, machines // 3)), max(3, machines // 3), rounds)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended then, too
    began = time.perf_counter()

    def tell(done: str) -> None:
        print(f"month: {time.perf_counter() - began:6,.0f} s, load {os.getloadavg()[0]:.1f}: {done}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        report = asyncio.run(run(Path(name), size, tell))
    wall = time.perf_counter() - began
    print(f"month: {size.machines} machines, {size.days} days, {size.sites} gateways, {size.members} members; TLS "
          f"Mosquitto, two collectors, InfluxDB 1.6, PostgreSQL")  # fmt: skip
    print(f"month: {report.samples:,} samples in {report.sent_seconds:,.0f} s: "
          f"{report.samples / report.sent_seconds:,.0f} a second")  # fmt: skip
    print(f"month: killed and back: {', '.join(f'{role} {times}' for role, times in sorted(report.restarts.items()))}")
    print(f"month: segments that were left {report.segments_seconds:.1f} s, closing {report.closing_seconds:.1f} s for "
          f"{report.statements} statements, verified from the store in {report.verify_seconds:.1f} s")  # fmt: skip
    print("month: MB at most: " + ", ".join(f"{role} {size:.0f}" for role, size in sorted(report.megabytes.items())))
    for each in report.differences[:SHOWN]:
        print(f"month: DIFFERS {each}")
    verdict = f"no, {len(report.differences)} differences" if report.differences else "yes"
    print(f"month: wall time {wall:,.0f} s; all equal: {verdict}", flush=True)
    if report.differences:
        sys.exit(1)


def last_month(now: datetime) -> str:
    """Return the newest month that may be closed, as `2026-10`."""
    inside = (now - timedelta(days=REVIEW_DAYS)).astimezone(ROME)
    return f"{inside.replace(day=1) - timedelta(days=1):%Y-%m}"


async def run(folder: Path, size: Size, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Run one size, in a folder of its own; `tell` hears how far it is."""
    month = last_month(to_datetime(clock.now()))
    plan = month_plan(month, days=size.days, members=size.members, seed=size.machines)
    turns = size.rounds * len(TURNS)
    span = plan.end - plan.start
    gates = [plan.start - MARGIN_SECONDS, *(plan.start + span * turn // (turns + 2) for turn in range(1, turns + 1))]
    report = Report()
    with ExitStack() as stack:
        store = f"influx1+{stack.enter_context(influxdb(folder / 'influxdb'))}/officina"
        records = stack.enter_context(postgres()).new_database()
        house = House(folder, store=store, records=records, plan=plan, machines=size.machines, sites=size.sites,
                      gates=gates)  # fmt: skip
        async with house as it:
            tell("everything is started")
            await _load(it, report, turns, tell)
            tell(f"everything is stored, as the gateways say, after {report.sent_seconds:,.0f} s")
            await _beside(it, _close, it, month, report, tell)
            await _beside(it, _judge, it, month, report)
            tell(f"{report.samples:,} samples and {report.statements} statements are compared, "
                 f"{len(report.differences)} differ")  # fmt: skip
            await _beside(it, _verify, it, report)
            report.megabytes = dict(it.peaks)
    return report


async def _load(it: House, report: Report, turns: int, tell: Callable[[str], None]) -> None:
    """Let the gateways send everything, and kill a program at each gate but the first; they go on while it is away."""
    began = time.perf_counter()
    it.open_gate()
    for turn in range(turns):
        role = TURNS[turn % len(TURNS)]
        await it.until(partial(it.are_at_gate, turn + 2), "the gateways are at a gate", LOAD_SECONDS)
        it.kill(role)
        it.open_gate()
        await asyncio.sleep(AWAY_SECONDS)
        it.start(role)
        await it.until(partial(it.is_back, role), f"{role} is back", BACK_SECONDS)
        report.restarts[role] += 1
        tell(f"{role} was killed and is back, at gate {turn + 1} of {turns}; {it.said():,} samples are said")

    def is_stored() -> bool:
        return all(each.ended and not each.rows for each in it.progress().values())

    await it.until(is_stored, "everything is stored", LOAD_SECONDS)
    report.sent_seconds = time.perf_counter() - began
    dead = {name: each.dead for name, each in it.progress().items() if each.dead}
    report.differences += [f"{name}: {count} messages were given up" for name, count in dead.items()]


async def _beside(it: House, work: Callable[..., None], *given: object) -> None:
    """Do some work, and measure what the programs hold meanwhile."""
    doing = asyncio.create_task(asyncio.to_thread(work, *given))
    while not doing.done():
        it.progress()
        await asyncio.wait({doing}, timeout=LOOK_SECONDS)
    doing.result()


def _close(it: House, month: str, report: Report, tell: Callable[[str], None]) -> None:
    """Build the segments that are left, and close the month by the API, as a person does."""
    first, last = (datetime.fromtimestamp(second, ROME).date() for second in (it.plan.start, it.plan.end))
    began = time.perf_counter()
    with closing(open_records(it.records)) as records, closing(open_store(it.store)) as store:
        usage = UsageDays(records, store, Policy(), settled)
        for machine in reversed(usage.machines()):  # the watch begins at the other end
            usage.refresh([machine], first.replace(day=1) - timedelta(days=1), last, now=clock.now())
    report.segments_seconds = time.perf_counter() - began
    tell(f"segments are built, after {report.segments_seconds:,.0f} s")
    began = time.perf_counter()
    answer = it.post("/api/v1/closings", {"month": month, "accepted": {"*": "the agents began within the month"}})
    report.closing_seconds = time.perf_counter() - began
    tell(f"{month} is closed, after {report.closing_seconds:,.0f} s")
    if answer.is_error:
        report.differences.append(f"{month} is not closed: {answer.text[:2000]}")


def _verify(it: House, report: Report) -> None:
    """Build and rate everything again from the store, by the command for it."""
    began = time.perf_counter()
    try:
        it.run("billing", "verify", "--config", str(it.folder / "api.toml"))
    except AssertionError as error:
        report.differences.append(f"billing verify: {str(error)[-2000:]}")
    report.verify_seconds = time.perf_counter() - began


def _judge(it: House, month: str, report: Report) -> None:
    """Compare what is stored, and what is charged, with what the machines did and said."""
    bills = Bills()
    with closing(open_store(it.store)) as store:
        for number in range(it.machines):
            blocks = list(life(it.plan, number))
            bills.take(
                machine_id(number),
                (piece for block in blocks for piece in block.pieces),
                (each for block in blocks for each in block.used),
            )
            differences, stored = judge_machine(store, it.plan, number, blocks)
            report.differences += differences
            report.samples += stored
    stated: Lines = {}
    nets: dict[str, Fraction] = {}
    for row in it.listed(f"/api/v1/statements?month={month}"):
        whole = it.get(f"/api/v1/statements/{row['id']}").json()["body"]["statement"]
        nets[row["member"]] = Fraction(row["net"])
        for line in whole["lines"]:
            stated[month, row["member"], line["reference"]] = Line(line["quantity"], Fraction(line["amount"]))
    report.statements = len(nets)
    report.differences += differing_lines(bills.lines(month), stated)
    due = bills.nets(month)
    report.differences += [
        f"{member}: the statement of {month} comes to {float(nets.get(member, 0)):.2f}, right is "
        f"{float(due.get(member, 0)):.2f}"
        for member in sorted(due.keys() | nets.keys())
        if due.get(member, 0) != nets.get(member, 0)
    ]


def judge_machine(store: Store, plan: Plan, number: int, blocks: Sequence[Block]) -> tuple[list[str], int]:
    """Compare what is stored of a machine with what it said. Returns what differs, and how many samples are there."""
    machine = machine_id(number)
    margin = MARGIN_SECONDS + 3600
    period = Period((plan.start - margin) * SECOND, (plan.end + margin) * SECOND)
    stored = store.read([machine], SIGNALS, period, limit=READ_MAX)
    said = [sample for block in blocks for sample in block.said]
    watched = [span for block in blocks for span in block.watched]
    found = differing_samples(machine, said, stored)
    return [*found, *differing_spans(machine, watched, store.gaps([machine], period)[machine])], len(stored)


def differing_samples(machine: str, said: Iterable[Sample], stored: Iterable[Sample]) -> list[str]:
    """Say which samples are missing, invented, doubled or another value; a store may have thinned proofs."""
    expected = {each[1:3]: each for each in said}
    rows = list(stored)
    there = {each[1:3]: each for each in rows}
    doubled = len(rows) - len(there)
    found = [f"{machine}: {doubled} samples are there twice"] if doubled else []
    for key in sorted(expected.keys() | there.keys(), key=lambda key: key[1]):
        signal, stamp = key
        right, read = expected.get(key), there.get(key)
        if right == read or (signal in PROOFS and read is None):
            continue
        found.append(f"{machine}: {signal} at {format_instant(stamp)} is {read and read[3:]}, said was "
                     f"{right and right[3:]}")  # fmt: skip
    return found


def differing_spans(machine: str, watched: Iterable[tuple[int, int]], coverage: Coverage) -> list[str]:
    """Say where what is proven to have been watched is not what was."""
    right = union(Period(start * SECOND, end * SECOND) for start, end in watched)
    found = [] if list(coverage.observed) == right else [
        f"{machine}: watched {each} is not in both" for each in {*coverage.observed} ^ {*right}
    ]  # fmt: skip
    return [*found, *(f"{machine}: a hole of {each.period}: {each.cause}" for each in coverage.holes)]


def differing_lines(right: Lines, stated: Lines) -> list[str]:
    """Say which lines of statements are not what the oracle comes to."""
    nothing = Line(0, Fraction(0))
    return [
        f"{month} {member} {reference}: stated {_line(stated.get(key))}, right is {_line(right.get(key))}"
        for key in sorted(right.keys() | stated.keys())
        if right.get(key, nothing) != stated.get(key, nothing)
        for month, member, reference in [key]
    ]


def _line(line: Line | None) -> str:
    return "nothing" if line is None else f"{line.quantity} for {float(line.amount):.2f}"


if __name__ == "__main__":
    main()
