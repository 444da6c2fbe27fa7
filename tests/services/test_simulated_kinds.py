"""Every kind of simulated server is found, mapped and read completely by the agent."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from edge_agent import check
from edge_agent.config import load
from shopfloor.entries import Alarm, Message, Tool, decode, decode_all
from shopfloor.runtime import clock
from shopfloor.signals import DECIDING, SIGNALS
from shopfloor.states import State, state_of
from simulators.job_orders import OrderTable
from simulators.machine import PlannedJob
from simulators.tree import machine_variables
from tests.services.test_opcua_source import MACHINE, PLANS, Notebook, Script, reach, serving, until, watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_agent.check import MachineSeen
    from edge_agent.config import ServerConfig
    from simulators.jobs import Job
    from simulators.tree import Edition

pytestmark = pytest.mark.services

SET = ("job", "order", "customer_order", "program", "execution_mode")
ALARMS = {"alarm", "alarm_blocking", "alarms"}
LISTED = {"tool", "tools", "prognoses", *ALARMS}


def script_of(edition: Edition) -> Script:
    """Make a machine of an edition that says something of each of its variables."""
    script = Script()
    script.variables = machine_variables(("x", "z"), edition)
    return script


async def configured(folder: Path, endpoint: str) -> tuple[ServerConfig, MachineSeen]:
    """Let `edge init` write a configuration and `edge check` look at it; return both."""
    path = folder / "edge.toml"
    path.write_text(await check.init(endpoint, clock.now), encoding="utf-8")
    report = await check.check(path, clock.now)
    assert report.exit_code == check.EXIT_GOOD, report.text()
    (server,) = load(path).servers
    return server, report.machines[0]


async def test_a_server_of_the_first_edition_is_read_and_its_state_is_that_of_its_program(tmp_path: Path) -> None:
    script, notebook = script_of("1.00"), Notebook()
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.proofs, "observed")
        assert not notebook.health[MACHINE].refused
        script.say("program_state", 3)
        await until(lambda: notebook.last("program_state") == 3, "changed")
    assert not notebook.values["operation_seconds"]
    assert notebook.last("power_on_seconds") == 7200.0
    facts = {signal: notebook.last(signal) for signal in DECIDING if notebook.values[signal]}
    assert set(facts) == {"alarm_blocking", "control_mode", "program_state", "channel_state"}
    assert state_of(facts) is State.INTERRUPTED  # type: ignore[arg-type]


@pytest.mark.parametrize("edition", ["1.00", "1.02", "jobs", "cnc"])
async def test_every_signal_that_a_server_of_any_kind_serves_is_found_by_init_seen_by_check_and_read(
    tmp_path: Path, edition: Edition
) -> None:
    script, notebook = script_of(edition), Notebook()
    told = dict.fromkeys(ALARMS if edition == "cnc" else LISTED)
    served = {each.signal for each in script.variables if each.signal in SIGNALS and each.signal != "alarm"}
    async with serving(tmp_path, script) as server:
        config, seen = await configured(tmp_path, server.endpoint)
        missing = (served | told.keys()) - {each.signal for each in seen.signals}
        assert missing == set(), "check does not see it"
        async with watching(config, notebook):
            await until(lambda: notebook.proofs, "observed")
            await until(lambda: (served | told.keys()) <= {name for name, said in notebook.values.items() if said},
                        "every signal is read")  # fmt: skip
            (health,) = notebook.health.values()
            assert health.refused == {}


async def test_the_jobs_of_a_server_without_the_deprecated_tree_are_consistent_sets(tmp_path: Path) -> None:
    script, notebook = script_of("jobs"), Notebook()
    first, second = (PLANS.job(number, date(2026, 11, 20), number) for number in range(2))
    script.planned = (PlannedJob(first, 1, 3, 2, clock.now()), PlannedJob(second, 0, 0, 0, clock.now()))
    async with serving(tmp_path, script) as server:
        config, seen = await configured(tmp_path, server.endpoint)
        async with watching(config, notebook):
            await until(lambda: notebook.last("job") == first.id, "the list is read")
            await until(lambda: notebook.last("job_parts_good") == 2, "the response is read")
            now = clock.now()
            script.planned = (PlannedJob(first, 2, 4, 3, now), PlannedJob(second, 1, 0, 0, now))
            await until(lambda: notebook.last("job") == second.id, "the next job is in hand")
            script.planned = ()
            await until(lambda: notebook.last("job") == "", "no job is in hand")
    values = {each.signal: each.value for each in seen.signals}
    for job in (first, second):
        (stamp,) = {each.source for each in notebook.values["job"] if each.value == job.id}
        said = {name: each.value for name in SET for each in notebook.values[name] if each.source == stamp}
        assert said == {"job": job.id, "order": job.order, "customer_order": job.customer_order,
                        "program": job.program, "execution_mode": 2}  # fmt: skip
    assert {name: values[name] for name in ("job", "runs_planned", "job_parts", "job_parts_good")} == {
        "job": first.id, "runs_planned": first.runs_planned, "job_parts": 3, "job_parts_good": 2,
    }  # fmt: skip


async def test_the_alarms_and_messages_of_a_control_are_read_also_after_a_new_connection(tmp_path: Path) -> None:
    script, notebook, again = script_of("cnc"), Notebook(), Notebook()
    async with serving(tmp_path, script) as server:
        config, _ = await configured(tmp_path, server.endpoint)
        async with watching(config, notebook):
            await until(lambda: notebook.proofs, "observed")
            assert notebook.last("alarms") == "[]"
            script.say("alarm_blocking", value=True)
            script.say("alarm", "25000 Axis X: encoder")
            ended = script.say("program_state", 2)
            await until(lambda: notebook.last("alarm_blocking") is True, "the alarm")
            await until(lambda: notebook.last("message"), "the message")
        async with watching(config, again):
            await until(lambda: again.last("alarm") == "25000 Axis X: encoder", "the alarm is repeated")
            script.say("alarm", "")
            await until(lambda: again.last("alarms") == "[]", "it is over")
            assert again.health[next(iter(again.health))].refused == {}
    (alarm,), more = decode_all(Alarm, str(notebook.last("alarms")))
    assert (alarm.code, alarm.text, alarm.severity, alarm.blocking, more) == ("25000", "Axis X: encoder", 900, True, 0)
    (message,) = notebook.values["message"]
    assert decode(Message, str(message.value)) == Message("", "Program O1234 ended", 100, "Control")
    assert message.source == ended // 1000 * 1000
    assert again.values["message"] == [], "what was said is not said again"


async def test_check_tells_active_alarms_and_tools_as_the_agent_would_store_them(tmp_path: Path) -> None:
    script = script_of("jobs")
    async with serving(tmp_path, script) as server:
        script.say("alarm_blocking", value=False)
        script.say("alarm", "700123 Lube oil low")
        await until(lambda: not script.said, "the alarm is raised")
        _, seen = await configured(tmp_path, server.endpoint)
    values = {each.signal: str(each.value) for each in seen.signals}
    assert [each.code for each in decode_all(Alarm, values["alarms"])[0]] == ["700123"]
    assert values["tools"] == '["T01"]'
    assert decode(Tool, values["tool"]).life[0].value == 600.0


@pytest.mark.parametrize("edition", ["1.00", "1.02", "jobs"])
async def test_the_energy_of_the_main_metering_point_is_read_in_its_unit_wherever_an_edition_has_it(
    tmp_path: Path, edition: Edition
) -> None:
    script, notebook = script_of(edition), Notebook()
    script.say("power_watts", 4250.0)
    script.say("energy_watt_hours", 96_750.0)
    async with serving(tmp_path, script) as server:
        config, _ = await configured(tmp_path, server.endpoint)
        async with watching(config, notebook):
            await until(lambda: notebook.last("power_watts") == 4250.0, "the power, not that of the spindle alone")
            await until(lambda: notebook.last("energy_watt_hours") == 96_750.0, "the energy")
            script.say("energy_watt_hours", 97_000.0)
            await until(lambda: notebook.last("energy_watt_hours") == 97_000.0, "the energy goes on")
    assert notebook.health[MACHINE].refused == {}


def at_once(notebook: Notebook, job: str) -> dict[str, object]:
    """Return what was said when a job came in hand; the last that was said of an instant is what is stored."""
    stamp = next(each.source for each in notebook.values["job"] if each.value == job)
    return {name: each.value for name in SET for each in notebook.values[name] if each.source == stamp}


def two_jobs() -> tuple[Job, Job]:
    first, second = (PLANS.job(number, date(2026, 11, 20), number) for number in range(2))
    return first, second


@pytest.mark.parametrize("edition", ["1.00", "1.02"])
async def test_a_job_is_one_set_when_its_event_comes_before_the_nodes_of_the_program(
    tmp_path: Path, edition: Edition
) -> None:
    script, notebook = script_of(edition), Notebook()
    first, second = two_jobs()
    script.planned = (PlannedJob(first, 1, 3, 2, clock.now()), PlannedJob(second, 0, 0, 0, clock.now()))
    script.say("job", first.id)
    script.say("program", first.program)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.last("order") == first.order, "the first job is in hand")
        now = clock.now()
        script.planned = (PlannedJob(first, 2, 4, 3, now), PlannedJob(second, 1, 0, 0, now))
        await until(lambda: notebook.last("job") == second.id, "the event of the job is heard")
        heard = at_once(notebook, second.id)
        assert {name: heard[name] for name in ("job", "order", "customer_order")} == {
            "job": second.id, "order": second.order, "customer_order": second.customer_order}  # fmt: skip
        for signal, value in (("job", second.id), ("program", second.program), ("program_state", 0)):
            script.say(signal, value, now)
        script.say("program_state", 1, now)
        await until(lambda: notebook.last("program") == second.program, "the program's event and nodes come after it")
        await until(lambda: notebook.last("program_state") == 1, "the program runs")
        assert notebook.last("order") == second.order
    assert at_once(notebook, second.id) == {
        "job": second.id, "order": second.order, "customer_order": second.customer_order, "program": second.program,
    }  # fmt: skip
    assert notebook.last("runs_planned") == second.runs_planned
    assert notebook.health[MACHINE].refused == {}


async def test_a_program_that_begins_tells_its_job_and_keeps_no_order_of_the_one_before(tmp_path: Path) -> None:
    script, notebook = script_of("1.02"), Notebook()
    first, second = two_jobs()
    script.planned = (PlannedJob(first, 1, 3, 2, clock.now()),)
    script.say("job", first.id)
    script.say("program", first.program)
    script.say("program_state", 0)
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.last("order") == first.order, "the first job is in hand")
        now = clock.now()
        for signal, value in (("program", second.program), ("job", second.id), ("program_state", 1)):
            script.say(signal, value, now)
        await until(lambda: notebook.last("order") == "", "a job that is not in the plan has no order")
    assert at_once(notebook, second.id) == {
        "job": second.id, "order": "", "customer_order": "", "program": second.program,
    }  # fmt: skip


async def test_a_job_order_is_one_set_when_its_event_comes_before_the_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, notebook = script_of("jobs"), Notebook()
    first, second = two_jobs()
    script.planned = (PlannedJob(first, 1, 3, 2, clock.now()), PlannedJob(second, 0, 0, 0, clock.now()))
    async with serving(tmp_path, script) as server, watching(reach(server, tmp_path), notebook):
        await until(lambda: notebook.last("job") == first.id, "the list is read")
        show = OrderTable.show
        monkeypatch.setattr(OrderTable, "show", _later)
        now = clock.now()
        script.planned = (PlannedJob(first, 2, 4, 3, now), PlannedJob(second, 1, 0, 0, now))
        await until(lambda: notebook.last("job") == second.id, "the event is heard, the list is as it was")
        by_event = at_once(notebook, second.id)
        said = {name: len(notebook.values[name]) for name in SET}
        monkeypatch.setattr(OrderTable, "show", show)
        script.planned = (PlannedJob(first, 2, 4, 3, now), PlannedJob(second, 1, 1, 1, clock.now()))
        await until(lambda: notebook.last("job_parts_good") == 1, "the lists follow")
    assert by_event == {"job": second.id, "order": second.order, "customer_order": second.customer_order,
                        "program": second.program, "execution_mode": 2}  # fmt: skip
    assert {name: len(notebook.values[name]) for name in SET} == said, "the lists repeat nothing"


async def _later(table: OrderTable, jobs: Sequence[PlannedJob], now: int) -> None:
    """Leave the lists as they are: a control may be slower with them than with its events."""
    del table, jobs, now
