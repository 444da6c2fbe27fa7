"""The job in hand, joined from job orders and the Production tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.isa95 import ENDED, INTERRUPTED, RUNNING, Job
from edge_agent.jobs import SET, JobJoin
from shopfloor.samples import Reading

if TYPE_CHECKING:
    from edge_agent.notifications import Field


def order(identifier: str, state: int = RUNNING, mode: int = 2) -> Job:
    told: dict[str, Field] = {
        "OrderNumbers": ("PO-1",),
        "CustomerOrderNumbers": ("FER-1",),
        "JobExecutionMode": mode,
        "RunsPlanned": 0,
    }
    return Job(identifier, state, ("O1",), told)


def plain(signal: str, value: str, stamp: int) -> Reading:
    return Reading(signal, value, 0, stamp, None, stamp)


def said(readings: list[Reading]) -> dict[str, object]:
    return {each.signal: each.value for each in readings}


def test_a_job_order_is_told_whole_at_one_stamp() -> None:
    found = JobJoin().listed([order("J1")], 10, 11)
    assert {each.source for each in found} == {10}
    assert said(found) == {"job": "J1", "order": "PO-1", "customer_order": "FER-1", "program": "O1",
                           "execution_mode": 2, "job_state": RUNNING}  # fmt: skip


def test_what_is_known_is_not_told_again_and_an_end_empties_the_whole_set() -> None:
    join = JobJoin()
    join.listed([order("J1")], 10, 10)
    assert join.listed([order("J1")], 20, 20) == []
    ended = said(join.listed([order("J1", ENDED)], 30, 30))
    assert {signal: ended[signal] for signal in SET} == {
        "job": "", "order": "", "customer_order": "", "program": "", "execution_mode": None,
    }  # fmt: skip


def test_a_job_that_came_and_went_between_two_looks_is_told_by_its_events() -> None:
    join = JobJoin()
    join.listed([order("J2")], 100, 100)
    assert said(join.status(order("J1"), None, 50, 101))["job"] == "J1"
    assert said(join.status(order("J1", ENDED), None, 60, 101))["job"] == ""
    assert join.listed([order("J2")], 110, 110) == []


def test_the_running_job_goes_before_an_interrupted_one_and_stays_in_hand() -> None:
    join = JobJoin()
    assert said(join.listed([order("J1", INTERRUPTED), order("J2")], 1, 1))["job"] == "J2"
    assert join.listed([order("J3"), order("J2")], 2, 2) == []


def test_without_a_job_order_the_production_tree_passes_and_a_new_job_repeats_the_program() -> None:
    join = JobJoin()
    assert join.plain([plain("program", "O5", 1)]) == [plain("program", "O5", 1)]
    assert join.plain([plain("job", "L1", 9)]) == [
        plain("job", "L1", 9),
        plain("program", "O5", 9)._replace(received=9),
    ]


def test_while_a_job_order_is_in_hand_the_production_tree_tells_only_the_program() -> None:
    join = JobJoin()
    join.listed([order("J1")], 10, 10)
    assert join.plain([plain("job", "legacy", 20)]) == []
    assert said(join.plain([plain("program", "O9", 30)]))["program"] == "O9"
    assert said(join.listed([], 40, 40))["job"] == "legacy"


def test_a_transition_tells_job_and_orders_at_its_own_time() -> None:
    found = JobJoin().transition({"job": "L1", "order": "PO", "customer_order": "C"}, 7, 8)
    assert said(found) == {"job": "L1", "order": "PO", "customer_order": "C"}
    assert {each.source for each in found} == {7}


def test_a_program_of_another_job_takes_no_order_along_from_the_one_before() -> None:
    join = JobJoin()
    join.plain([plain("job", "L1", 1), plain("order", "PO", 1), plain("program", "O5", 1)])
    assert said(join.transition({"job": "L2"}, 5, 5)) == {"job": "L2", "program": "O5"}
    assert said(join.transition({"job": "L2", "order": "PO-2"}, 6, 6)) == {
        "job": "L2", "order": "PO-2", "program": "O5",
    }  # fmt: skip
