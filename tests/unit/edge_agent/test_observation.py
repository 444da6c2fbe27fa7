"""Proofs and holes of a machine's watching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.observation import Missed, Observation, Proof
from shopfloor.periods import SECOND, Period

if TYPE_CHECKING:
    from edge_agent.observation import Event

SLACK = SECOND // 2


def at(seconds: float) -> int:
    return 1_800_000_000 * SECOND + int(seconds * SECOND)


def watching(proven: int | None = None) -> Observation:
    observation = Observation(proven, SLACK)
    observation.subscribed({"item_state", "program_state"}, at(0))
    observation.said("item_state", good=True, stamp=at(-5), now=at(1), latest=at(1))
    observation.said("program_state", good=True, stamp=at(-5), now=at(2), latest=at(2))
    return observation


def test_observation_begins_when_the_last_deciding_signal_has_spoken() -> None:
    observation = Observation(None, SLACK)
    observation.subscribed({"item_state", "program_state"}, at(0))
    observation.said("item_state", good=True, stamp=at(-5), now=at(1), latest=at(1))
    assert observation.since is None
    observation.said("program_state", good=True, stamp=at(-5), now=at(2), latest=at(2))
    assert observation.since == at(2)


def test_a_machine_without_deciding_signals_is_never_observed() -> None:
    observation = Observation(None, SLACK)
    observation.subscribed(set(), at(0))
    assert observation.alive(at(30)) == []
    assert observation.since is None


def test_the_first_sign_of_life_proves_up_to_what_surely_has_arrived() -> None:
    assert watching().alive(at(5)) == [Proof(at(2), at(4.5))]


def test_proofs_follow_every_twenty_seconds() -> None:
    observation = watching()
    proofs = [event for second in range(3, 63) for event in observation.alive(at(second))]
    assert proofs == [Proof(at(2), at(2.5)), Proof(at(2), at(22.5)), Proof(at(2), at(42.5))]


def test_a_lost_session_leaves_a_last_proof_of_the_last_sign_of_life() -> None:
    observation = watching()
    observation.alive(at(5))
    observation.alive(at(9))
    assert observation.lost("session") == [Proof(at(2), at(8.5))]
    assert observation.lost("session") == []


def test_after_a_break_a_hole_reaches_from_the_last_proof_to_the_new_start() -> None:
    observation = watching()
    observation.alive(at(9))
    observation.lost("session")
    observation.subscribed({"item_state"}, at(30))
    events = observation.said("item_state", good=True, stamp=at(25), now=at(31), latest=at(31))
    assert events == [Missed(Period(at(8.5), at(31)), (), "session")]


def test_a_server_that_did_not_answer_meanwhile_gives_the_cause() -> None:
    observation = watching()
    observation.alive(at(9))
    observation.lost("session")
    observation.lost("unreachable")
    observation.subscribed({"item_state"}, at(30))
    events = observation.said("item_state", good=True, stamp=at(25), now=at(31), latest=at(31))
    assert events == [Missed(Period(at(8.5), at(31)), (), "unreachable")]


def test_after_a_restart_of_the_agent_the_hole_starts_at_the_last_durable_proof() -> None:
    observation = Observation(at(-100), SLACK)
    observation.subscribed({"item_state"}, at(0))
    events = observation.said("item_state", good=True, stamp=at(-5), now=at(1), latest=at(1))
    assert events == [Missed(Period(at(-100), at(1)), (), "agent_restart")]


def test_the_very_first_observation_leaves_no_hole() -> None:
    observation = Observation(None, SLACK)
    observation.subscribed({"item_state"}, at(0))
    assert observation.said("item_state", good=True, stamp=at(-5), now=at(1), latest=at(1)) == []


def test_a_deciding_signal_that_turns_bad_ends_the_observation_where_it_did() -> None:
    observation = watching()
    observation.alive(at(5))
    assert observation.said("item_state", good=False, stamp=at(9.25), now=at(9.5), latest=at(9.5)) == [
        Proof(at(2), at(9))
    ]
    assert observation.since is None
    events = observation.said("item_state", good=True, stamp=at(20), now=at(20.2), latest=at(20.2))
    assert events == [Missed(Period(at(9), at(20.2)), ("item_state",), "bad_status")]
    assert observation.since == at(20.2)


def test_nothing_is_observed_while_one_of_two_bad_signals_is_still_bad() -> None:
    observation = watching()
    observation.alive(at(8))
    observation.said("item_state", good=False, stamp=at(9), now=at(9), latest=at(9))
    observation.said("program_state", good=False, stamp=at(10), now=at(10), latest=at(10))
    observation.said("item_state", good=True, stamp=at(11), now=at(11), latest=at(11))
    assert observation.since is None
    events = observation.said("program_state", good=True, stamp=at(12), now=at(12), latest=at(12))
    assert events == [Missed(Period(at(8.5), at(12)), ("item_state", "program_state"), "bad_status")]
    assert observation.since == at(12)


def test_a_signal_that_is_read_anew_interrupts_until_it_speaks() -> None:
    observation = watching()
    observation.alive(at(5))
    observation.alive(at(8))
    assert observation.expects("channel_state") == [Proof(at(2), at(7.5))]
    observation.said("item_state", good=True, stamp=at(9), now=at(9), latest=at(9))
    assert observation.since is None
    observation.said("channel_state", good=True, stamp=at(9), now=at(10), latest=at(10))
    assert observation.since == at(10)


def test_a_stepped_clock_begins_a_new_span_at_once() -> None:
    observation = watching()
    observation.alive(at(5))
    observation.alive(at(9))
    events = observation.clock_changed(at(40), at(40))
    assert events == [Proof(at(2), at(8.5)), Missed(Period(at(8.5), at(40)), (), "clock")]
    assert observation.since == at(40)


def test_a_clock_that_was_set_back_leaves_no_hole_and_is_proven_on() -> None:
    observation = watching()
    observation.alive(at(100))
    assert observation.clock_changed(at(50), at(50)) == []
    assert observation.alive(at(55)) == [Proof(at(50), at(54.5))]


def happen(observation: Observation, step: str, now: int) -> list[Event]:
    if step == "alive":
        return observation.alive(now)
    if step == "lost":
        return observation.lost("session")
    if step == "subscribed":
        return observation.subscribed({"item_state"}, now)
    return observation.said("item_state", good=step == "good", stamp=now - SECOND, now=now, latest=now)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alive", "bad", "good", "lost", "subscribed"]),
            st.floats(0.01, 40),
        ),
        max_size=60,
    ),
)
def test_proofs_never_overlap_a_hole_and_never_reach_beyond_the_present(steps: list[tuple[str, float]]) -> None:
    observation, now = Observation(None, SLACK), at(0)
    spans: dict[int, int] = {}
    holes: list[Period] = []
    for step, seconds in steps:
        now += int(seconds * SECOND)
        for event in happen(observation, step, now):
            if isinstance(event, Proof):
                assert event.since < event.at <= now
                spans[event.since] = event.at
            else:
                holes.append(event.period)
    assert not any(hole.overlaps(Period(since, end)) for hole in holes for since, end in spans.items())


def test_a_new_span_begins_where_the_clock_is_sure_to_be_by_then() -> None:
    observation = Observation(None, SECOND)
    observation.subscribed(["item_state"], at(0))

    observation.said("item_state", good=True, stamp=at(-5), now=at(1), latest=at(2.5))

    assert observation.since == at(2.5)
