"""The live view must say of every moment what the history says once it has the same facts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.live import present as present_module
from api.live.present import SAMPLES_MAX, WINDOW_SECONDS, Present
from shopfloor.periods import MINUTE, SECOND, Period, union
from shopfloor.samples import Sample, Value
from shopfloor.states import Coverage, Hole, State, Stretch, timeline

NOW = 1_800_000_000 * SECOND
M = "m"


def sample(signal: str, at: int, value: Value) -> Sample:
    return Sample(M, signal, NOW + at * SECOND, value)


def observed(since: int, until: int) -> Sample:
    return sample("observed", until, NOW + since * SECOND)


def unreachable(since: int, until: int) -> Sample:
    return sample("unreachable", until, NOW + since * SECOND)


def hole(since: int, until: int, *signals: str) -> Sample:
    period = Period(NOW + since * SECOND, NOW + until * SECOND)
    return sample("hole", until, Hole(M, period, signals, "test").encode())


def present(*samples: Sample, now: int = 0) -> Present:
    it = Present(NOW)
    for each in samples:
        it.learn(each)
    it.evaluate(NOW + now * SECOND)
    return it


def test_a_machine_that_never_sent_anything_is_unknown_since_nobody_knows_when() -> None:
    it = present()

    assert (it.state, it.since, it.seen) == (State.UNKNOWN, None, None)


def test_a_state_begins_with_the_sample_that_decides_it() -> None:
    it = present(observed(-600, -5), sample("item_state", -600, 2), sample("item_state", -60, 3))

    assert (it.state, it.since) == (State.PROCESSING, NOW - 60 * SECOND)


def test_the_present_lasts_sixty_seconds_after_the_last_proof_and_then_was_unknown_from_that_proof_on() -> None:
    it = present(observed(-600, 0), sample("item_state", -600, 3))

    assert not it.needs_evaluation(NOW + 60 * SECOND)
    it.evaluate(NOW + 60 * SECOND)
    assert it.state is State.PROCESSING
    assert it.needs_evaluation(NOW + 60 * SECOND + 1)
    assert it.evaluate(NOW + 60 * SECOND + 1)
    assert (it.state, it.since) == (State.UNKNOWN, NOW)


def test_a_watching_that_begins_after_the_last_look_is_noticed() -> None:
    it = present(sample("item_state", -600, 3))
    it.learn(observed(5, 6))

    assert it.needs_evaluation(NOW + 10 * SECOND)
    it.evaluate(NOW + 10 * SECOND)
    assert (it.state, it.since) == (State.PROCESSING, NOW + 5 * SECOND)
    assert not it.needs_evaluation(NOW + 11 * SECOND)


def test_a_later_proof_of_the_same_observation_fills_the_silence() -> None:
    it = present(observed(-600, 0), sample("item_state", -600, 3), now=90)
    assert it.state is State.UNKNOWN

    it.learn(observed(-600, 80))
    it.evaluate(NOW + 90 * SECOND)

    assert (it.state, it.since) == (State.PROCESSING, NOW - 600 * SECOND)


def test_a_proof_of_a_new_observation_leaves_the_silence_unknown() -> None:
    it = present(observed(-600, 0), sample("item_state", -600, 3), observed(70, 80), now=90)

    assert (it.state, it.since) == (State.PROCESSING, NOW + 70 * SECOND)
    assert State.UNKNOWN in {each.state for each in it.stretches(NOW + 90 * SECOND)}


def test_a_machine_whose_server_does_not_answer_is_unreachable() -> None:
    it = present(observed(-600, -100), sample("item_state", -600, 3), unreachable(-90, -5))

    assert (it.state, it.since) == (State.UNREACHABLE, NOW - 90 * SECOND)


def test_nothing_is_carried_across_a_hole_that_ends_within_an_observation() -> None:
    it = present(observed(-600, -5), sample("item_state", -600, 3), hole(-100, -50, "item_state"))
    assert it.state is State.UNKNOWN

    it.learn(sample("item_state", -20, 2))
    it.evaluate(NOW)

    assert (it.state, it.since) == (State.IDLE, NOW - 20 * SECOND)


def test_what_a_hole_made_doubtful_is_known_again_when_the_next_observation_starts() -> None:
    it = present(observed(-600, -40), sample("item_state", -600, 3), hole(-100, -50, "item_state"))
    assert it.state is State.UNKNOWN

    it.learn(observed(-20, -5))
    it.evaluate(NOW)

    assert (it.state, it.since) == (State.PROCESSING, NOW - 20 * SECOND)


def test_what_a_hole_made_doubtful_stays_so_while_the_window_moves_on() -> None:
    it = present(observed(-600, 0), sample("item_state", -600, 3), hole(-100, -50, "item_state"))
    for minute in range(2 * WINDOW_SECONDS // 60):
        it.learn(observed(-600, minute * 60))
        it.learn(hole(minute * 60 - 1, minute * 60, "channel_state"))
        it.evaluate(NOW + minute * MINUTE)

    assert (it.state, it.since) == (State.UNKNOWN, NOW - 100 * SECOND)
    assert len(it._holes) < 1.1 * WINDOW_SECONDS / 60


def test_a_sample_that_comes_late_changes_the_past_and_not_the_present() -> None:
    it = present(observed(-600, -5), sample("item_state", -600, 2), sample("item_state", -60, 3))

    it.learn(sample("item_state", -300, 0))

    assert not it.evaluate(NOW)
    assert [each.state for each in it.stretches(NOW)][-3:] == [State.IDLE, State.OFF, State.PROCESSING]


def test_a_repeated_sample_changes_nothing() -> None:
    samples = [observed(-600, -5), sample("item_state", -600, 2), sample("item_state", -60, 3), hole(-500, -400)]
    it = present(*samples)
    before = it.stretches(NOW)

    for each in samples:
        assert not it.learn(each)

    assert it.stretches(NOW) == before


def test_the_age_of_the_data_is_the_machines_own_and_not_the_agents_word_about_it() -> None:
    it = present(sample("spindle_load", -300, 5), unreachable(-200, 0))

    assert it.seen == NOW - 300 * SECOND


def test_a_state_that_began_before_the_window_began_when_the_store_says() -> None:
    it = present(observed(-90_000, 0), sample("item_state", -80_000, 3))
    assert it.since is None

    it.begin(Stretch(Period(NOW - 80_000 * SECOND, it.start), State.PROCESSING))
    it.evaluate(NOW)

    assert it.since == NOW - 80_000 * SECOND


def test_the_window_moves_on_and_the_beginning_of_the_state_stays_known() -> None:
    it = present(observed(-600, 0), sample("item_state", -600, 3))
    for minute in range(3 * WINDOW_SECONDS // 60):
        it.learn(observed(-600, minute * 60))
        it.evaluate(NOW + minute * MINUTE)

    assert (it.state, it.since) == (State.PROCESSING, NOW - 600 * SECOND)
    assert it.start > NOW + WINDOW_SECONDS * SECOND


def test_more_changes_than_are_kept_fold_into_the_last_known_values() -> None:
    it = Present(NOW)
    for number in range(3 * SAMPLES_MAX):
        it.learn(sample("item_state", number, 2 + number % 2))
        it.learn(observed(0, number))
        if number % 100 == 0:
            it.evaluate(NOW + number * SECOND)

    it.evaluate(NOW + 3 * SAMPLES_MAX * SECOND)

    assert it.state is State.PROCESSING
    assert len(it._changes) <= SAMPLES_MAX + 200


_AT = st.integers(-400, 400)
_FACTS = st.one_of(
    st.builds(lambda at, value: sample("item_state", at, value), _AT, st.integers(0, 3)),
    st.builds(lambda at, value: sample("operation_mode", at, value), _AT, st.integers(0, 3)),
    st.builds(lambda at, value: sample("alarm_blocking", at, value), _AT, st.booleans()),
    st.builds(lambda at, length: unreachable(at, at + length), _AT, st.integers(0, 100)),
    st.builds(
        lambda at, length, one: hole(at, at + length, *one),
        _AT,
        st.integers(1, 60),
        st.sampled_from([(), ("item_state",), ("operation_mode", "alarm_blocking"), ("program",)]),
    ),
)


def observations(edges: list[int]) -> list[Sample]:
    """Proofs of disjoint spans of observation, several for each."""
    ordered = sorted(set(edges))
    proofs: list[Sample] = []
    for start, end in zip(ordered[::2], ordered[1::2], strict=False):
        proofs += [observed(start, at) for at in (*range(start, end, 20), end)]
    return proofs


def history(facts: list[Sample], now: int) -> list[Stretch]:
    known = [fact for fact in facts if fact.stamp <= now]
    changes = {
        (each.stamp, each.signal): each
        for each in known
        if each.signal in {"item_state", "operation_mode", "alarm_blocking"}
    }
    spans = {
        name: union(Period(int(each.value or 0), each.stamp) for each in known if each.signal == name)
        for name in ("observed", "unreachable")
    }
    holes = sorted(
        {Hole.decode(M, str(each.value)) for each in known if each.signal == "hole"}, key=lambda each: each.period
    )
    window = Period(NOW - WINDOW_SECONDS * SECOND, now)
    ordered = [changes[key] for key in sorted(changes, key=lambda key: key[0])]
    return timeline(window, {}, ordered, Coverage(spans["observed"], spans["unreachable"], holes), now=now)


@settings(max_examples=200, deadline=None)
@given(st.lists(_FACTS, max_size=15), st.lists(_AT, max_size=8), st.randoms(use_true_random=False), st.data())
def test_live_and_history_agree_however_late_twice_and_mixed_the_facts_come(
    facts: list[Sample], edges: list[int], random: object, data: st.DataObject
) -> None:
    unique = {(each.stamp, each.signal): each for each in (*facts, *observations(edges))}
    arriving = list(unique.values())
    getattr(random, "shuffle")(arriving)  # noqa: B009 - hypothesis types it as Random or its own
    it = Present(NOW)
    heard: list[Sample] = []
    for fact in arriving:
        it.learn(fact)
        heard.append(fact)
        if data.draw(st.booleans()):
            it.evaluate(max(each.stamp for each in heard))
    now = NOW + data.draw(st.integers(505, 700)) * SECOND

    it.evaluate(now)

    assert it.stretches(now) == history(list(unique.values()), now)


@pytest.mark.parametrize("samples_max", [2, SAMPLES_MAX])
@settings(max_examples=200, deadline=None)
@given(st.lists(_FACTS, max_size=15), st.lists(_AT, max_size=8), st.data())
def test_live_and_history_agree_on_what_is_left_when_the_window_has_moved(
    samples_max: int, facts: list[Sample], edges: list[int], data: st.DataObject
) -> None:
    unique = {(each.stamp, each.signal): each for each in (*facts, *observations(edges))}
    arriving = data.draw(st.permutations(list(unique.values())))
    now = NOW + data.draw(st.integers(505, 700)) * SECOND
    it = Present(NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(present_module, "SAMPLES_MAX", samples_max)
        latest = NOW - 400 * SECOND
        for fact in arriving:
            it.learn(fact)
            latest = max(latest, fact.stamp)
            if data.draw(st.booleans()):
                it.evaluate(latest)
        it.evaluate(now)
        left = Period(it.start, now)

    assert clipped(it.stretches(now), left) == clipped(history(list(unique.values()), now), left)


def clipped(stretches: list[Stretch], period: Period) -> list[Stretch]:
    parts = [(each.period.clip(period), each.state) for each in stretches]
    return [Stretch(part, state) for part, state in parts if part is not None]
