"""What every telemetry store does: one suite for all of them."""

from __future__ import annotations

import itertools
import random
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period
from shopfloor.runtime import clock
from shopfloor.samples import BAD_NO_COMMUNICATION, UNCERTAIN, Minute, Run, Sample, Slice, samples, slices
from shopfloor.states import Hole
from shopfloor.stores.port import Reduced

if TYPE_CHECKING:
    from shopfloor.samples import Value
    from shopfloor.stores.port import Store
    from tests.contract.conftest import Engine

NOW = clock.now() // DAY * DAY + 12 * HOUR
MORNING = NOW - DAY
"""A day that every server still takes gauges of."""
EVER = Period(NOW - 80 * DAY, NOW + DAY)
MANY = 1_000_000
NUMBERS = itertools.count()
"""For names that no other example uses: all examples of a test share one store."""

VALUES: dict[str, st.SearchStrategy[Value]] = {
    "item_state": st.integers(-(2**31), 2**31 - 1),
    "runs_planned": st.integers(0, 2**32 - 1),
    "parts": st.integers(-(2**63), 2**63 - 1),
    "alarm_blocking": st.booleans(),
    "job": st.text(st.characters(codec="utf-8"), max_size=40),
    "power_on_seconds": st.floats(allow_nan=False, allow_infinity=False),
    "spindle_load": st.floats(allow_nan=False, allow_infinity=False),
    "coolant_pressure.double": st.floats(allow_nan=False, allow_infinity=False),
    "pallet.string": st.text(st.characters(codec="utf-8"), max_size=10),
}
STATUSES = st.sampled_from([0, 0, 0, UNCERTAIN, BAD_NO_COMMUNICATION, 0xFFFF_FFFF])
PROPERTY = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def some_samples(draw: st.DrawFn) -> list[Sample]:
    """Samples that often meet at one identity or stamp."""
    found = []
    for _ in range(draw(st.integers(1, 30))):
        signal = draw(st.sampled_from(sorted(VALUES)))
        status = draw(STATUSES)
        value = None if status and draw(st.booleans()) else draw(VALUES[signal])
        stamp = MORNING + draw(st.sampled_from([0, 1, 999_999_999, SECOND, MINUTE, DAY - 1, -DAY]))
        source = draw(st.none() | st.integers(MORNING - 2**50, MORNING - 2**49))
        found.append(Sample(draw(st.sampled_from(["", "-b"])), signal, stamp, value, status, source))
    return found


def read_all(store: Store, *machines: str, period: Period = EVER) -> list[Sample]:
    return store.read(machines, sorted(VALUES), period, limit=MANY)


def exactly(found: list[Sample]) -> list[tuple[object, ...]]:
    """Samples with the type of each value, so that 1, 1.0 and True differ."""
    return [(type(sample.value), *sample) for sample in sorted(found, key=lambda sample: sample[:3])]


def alone(sample: Sample) -> Slice:
    return slices([sample])[0]


def write(store: Store, *written: Sample, now: int = NOW) -> None:
    assert store.write(slices(written), now=now) == []


# What is written is what is read.


@PROPERTY
@given(data=st.data())
def test_random_samples_written_twice_in_two_orders_come_back_once_and_equal(store: Store, data: st.DataObject) -> None:
    name = f"m{next(NUMBERS)}"
    drawn = [sample._replace(machine=name + sample.machine) for sample in data.draw(some_samples())]
    expected = list({sample[:3]: sample for sample in drawn}.values())
    aligned = slices(drawn)

    assert store.write([alone(sample) for sample in drawn] if data.draw(st.booleans()) else aligned, now=NOW) == []
    assert store.write(data.draw(st.permutations(aligned)), now=NOW) == []

    assert exactly(read_all(store, name, name + "-b")) == exactly(expected)
    assert store.last([name, name + "-b"], sorted(VALUES), NOW + DAY) == {
        each[:2]: each for each in sorted(expected, key=lambda sample: sample.stamp)
    }


@st.composite
def some_runs(draw: st.DrawFn) -> list[Run]:
    """Runs of one class or of both, of numbers or with a text among them, that often meet at one identity."""
    stamps = st.sampled_from([MORNING, MORNING + 1, MORNING + SECOND, MORNING + DAY - 1, MORNING - DAY])
    found = []
    for names in draw(st.lists(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, unique=True), min_size=1)):
        values = {name: draw(VALUES[name]) for name in names}
        found.append(Run(draw(st.sampled_from(["", "-b"])), [draw(stamps) for _ in names], values))
    return found


@PROPERTY
@given(data=st.data())
def test_a_run_of_values_is_stored_as_its_samples_one_by_one_would_be(store: Store, data: st.DataObject) -> None:
    name = f"m{next(NUMBERS)}"
    earlier = slices(sample._replace(machine=name + sample.machine) for sample in data.draw(some_samples()))
    runs = [run._replace(machine=name + run.machine) for run in data.draw(some_runs())]
    batch: list[Slice | Run] = [*earlier, *runs]
    expected = {sample[:3]: sample for sample in samples(batch)}

    if data.draw(st.booleans()):
        assert store.write(earlier, now=NOW) == []
        batch = [*runs]
    assert store.write(batch, now=NOW) == []

    assert exactly(read_all(store, name, name + "-b")) == exactly(list(expected.values()))
    marked = {(each.machine, each.day) for each in store.arrivals(NOW) if each.machine.startswith(name)}
    assert marked >= {(machine, stamp // DAY) for machine, _, stamp in expected}


def test_a_proof_and_a_hole_in_a_run_are_found_again(store: Store) -> None:
    hole = Hole("m1", Period(MORNING, MORNING + MINUTE), ("feed",), "test")
    assert (
        store.write(
            [Run("m1", [MORNING + HOUR, MORNING + MINUTE], {"observed": MORNING, "hole": hole.encode()})], now=NOW
        )
        == []
    )

    coverage = store.gaps(["m1"], Period(MORNING, MORNING + 2 * HOUR))["m1"]

    assert (list(coverage.observed), list(coverage.holes)) == ([Period(MORNING, MORNING + HOUR)], [hole])


def test_of_a_run_only_what_cannot_be_stored_comes_back(store: Store) -> None:
    run = Run("m1", [MORNING, MORNING + 1, MORNING + 2], {"feed": 1.0, "no_such_signal": 2.0, "spindle_load": 3.0})

    rejections = store.write([run], now=NOW)

    assert [each.sample[:3] for each in rejections] == [("m1", "no_such_signal", MORNING + 1)]
    assert [each.value for each in store.read(["m1"], ["feed", "spindle_load"], EVER, limit=9)] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("signal", "value"),
    [
        ("item_state", -(2**31)),
        ("runs_planned", 2**32 - 1),
        ("parts", 2**63 - 1),
        ("parts", -(2**63)),
        ("parts", 9_007_199_254_740_993),
        ("alarm_blocking", True),
        ("is_warm_up", False),
        ("spindle_load", 5.0),
        ("spindle_load", -0.1),
        ("energy_watt_hours", 1.7976931348623157e308),
        ("energy_watt_hours", 5e-324),
        ("observed", 1_790_000_000_123_456_789),
        ("job", ""),
        ("job", "Vite M8 \u00d8\u2009\U0001f529"),
        ("job", 'quote " apostrophe \' backslash \\ both \\" end \\'),
        ("job", "two\nlines, a\ttab\rand=equals #"),
        ("job", "nul \0 inside"),
        ("pallet.string", "%s %d %b %"),
    ],
)
def test_a_value_keeps_its_exact_value_and_type(store: Store, signal: str, value: Value) -> None:
    sample = Sample("m1", signal, MORNING + 123_456_789, value)
    write(store, sample)

    found = store.read(["m1"], [signal], EVER, limit=10)

    assert exactly(found) == exactly([sample])


@pytest.mark.parametrize("signal", ["spindle_load", "power_on_seconds"])
@pytest.mark.parametrize("together", [True, False])
def test_the_last_write_of_a_sample_wins_with_its_quality(store: Store, signal: str, *, together: bool) -> None:
    own = MORNING - DAY
    story = [
        Sample("m1", signal, MORNING, 1.0, UNCERTAIN),
        Sample("m1", signal, MORNING, 2.0),
        Sample("m1", signal, MORNING, None, BAD_NO_COMMUNICATION),
        Sample("m1", signal, MORNING, 3.0, 0, own),
        Sample("m1", signal, MORNING, None, BAD_NO_COMMUNICATION, own),
        Sample("m1", signal, MORNING, 4.0),
    ]
    for length in range(1, len(story) + 1):
        batches = [story[:length]] if together else [[sample] for sample in story[:length]]
        for batch in batches:
            assert store.write([alone(sample) for sample in batch], now=NOW) == []

        assert store.read(["m1"], [signal], EVER, limit=10) == [story[length - 1]]
        assert store.last(["m1"], [signal], NOW) == {("m1", signal): story[length - 1]}


def test_quality_and_source_time_of_one_signal_leave_its_neighbours_alone(store: Store) -> None:
    values = {"spindle_load": 1.0, "feed": None, "job": "A", "parts": 5}
    bad = Slice("m1", MORNING, values, {"feed": BAD_NO_COMMUNICATION}, {"parts": MORNING - 7})
    assert store.write([bad], now=NOW) == []

    found = store.read(["m1"], list(values), EVER, limit=10)

    assert exactly(found) == exactly(list(samples([bad])))


def test_a_slice_may_hold_records_and_gauges(store: Store) -> None:
    both = Slice("m1", MORNING, {"job": "A", "spindle_load": 1.5, "parts": 3, "feed": 2.5})
    assert store.write([both], now=NOW) == []

    assert exactly(store.read(["m1"], list(both.values), EVER, limit=10)) == exactly(list(samples([both])))


def test_what_is_written_is_there_when_the_store_is_opened_again(engine: Engine) -> None:
    if not engine.keeps:
        pytest.skip("what is in memory goes with its process")
    write(engine.store, Sample("m1", "parts", MORNING, 3), Sample("m1", "feed", MORNING, 2.5))

    again = engine.open_again()

    assert {sample.value for sample in again.read(["m1"], ["parts", "feed"], EVER, limit=10)} == {2.5, 3}
    assert len(again.last(["m1"], ["parts", "feed"], NOW)) == 2


def test_a_good_sample_overwrites_a_bad_one_that_another_process_wrote(engine: Engine) -> None:
    if not engine.keeps:
        pytest.skip("memory has one process")
    write(engine.store, Sample("m1", "feed", MORNING, None, BAD_NO_COMMUNICATION, MORNING - 5))
    again = engine.open_again()
    write(again, Sample("m1", "feed", MORNING, 2.5))

    assert again.read(["m1"], ["feed"], EVER, limit=10) == [Sample("m1", "feed", MORNING, 2.5)]


@pytest.mark.parametrize("machine", ["a,b=c d", "x' OR machine != '", 'q"q', "back\\slash", "caf\u00e9", "%d%%"])
def test_a_machine_name_cannot_break_out_of_a_statement(store: Store, machine: str) -> None:
    write(store, Sample("other", "parts", MORNING, 1), Sample(machine, "parts", MORNING, 2))
    observed = Sample(machine, "observed", MORNING + HOUR, MORNING)
    write(store, observed)

    assert [sample[3] for sample in store.read([machine], ["parts"], EVER, limit=10)] == [2]
    assert store.last([machine], ["parts"], NOW) == {(machine, "parts"): Sample(machine, "parts", MORNING, 2)}
    assert store.gaps([machine], EVER)[machine].observed == [Period(MORNING, MORNING + HOUR)]
    assert store.reduce(machine, ["parts"], EVER, step_seconds=60)["parts"][0].minimum == 2
    assert {arrival.machine for arrival in store.arrivals(0)} == {"other", machine}


# What no store takes.


@pytest.mark.parametrize(
    "bad",
    [
        Sample("m1", "feed", MORNING + 1, None),
        Sample("m1", "feed", MORNING + 1, float("nan")),
        Sample("m1", "feed", MORNING + 1, float("nan"), UNCERTAIN),
        Sample("m1", "feed", MORNING + 1, float("inf")),
        Sample("m1", "feed", MORNING + 1, float("-inf"), UNCERTAIN),
        Sample("m1", "parts", MORNING + 1, 2**63),
        Sample("m1", "job", MORNING + 1, "half a pair \ud83d"),
        Sample("m1", "hole", MORNING + 1, "no hole"),
        Sample("m1", "no_such_signal", MORNING + 1, 1.0),
    ],
)
def test_a_sample_that_cannot_be_stored_comes_back_with_a_reason_and_its_neighbours_are_stored(
    store: Store, bad: Sample
) -> None:
    good = [Sample("m1", "feed", MORNING + n, float(n)) for n in (0, 2)]
    beside = Sample("m1", "spindle_load", bad.stamp, 9.0)

    rejections = store.write(slices([good[0], bad, beside, good[1]]), now=NOW)

    assert [(each.sample[:3], bool(each.reason)) for each in rejections] == [(bad[:3], True)]
    assert exactly(read_all(store, "m1") + store.read(["m1"], ["feed"], EVER, limit=9)) == exactly([*good, beside])


# Reading.


def test_a_period_holds_its_start_and_not_its_end(store: Store) -> None:
    stamps = [MORNING - 1, MORNING, MORNING + 1, MORNING + HOUR - 1, MORNING + HOUR]
    for signal in ("feed", "power_on_seconds"):
        write(store, *(Sample("m1", signal, stamp, 1.0) for stamp in stamps))

        found = store.read(["m1"], [signal], Period(MORNING, MORNING + HOUR), limit=10)

        assert [sample.stamp for sample in found] == stamps[1:-1]
        assert store.read(["m1"], [signal], Period(MORNING, MORNING), limit=10) == []


def test_a_limit_keeps_the_earliest_of_each_machine(store: Store) -> None:
    for machine in ("m1", "m2"):
        write(store, *(Sample(machine, "parts", MORNING + n * MINUTE, n) for n in range(20)))
        write(store, *(Sample(machine, "feed", MORNING + n * MINUTE + 1, float(n)) for n in range(20)))

    found = store.read(["m2", "m1"], ["parts", "feed"], EVER, limit=5)

    assert [(sample.machine, sample.value) for sample in found] == [
        (machine, value) for machine in ("m2", "m1") for value in (0, 0.0, 1, 1.0, 2)
    ]


def test_samples_come_by_machine_and_stamp_over_days(store: Store) -> None:
    order = random.Random(1)
    stamps = [MORNING - day * DAY + n * HOUR for day in (0, 3, 30) for n in range(10)]
    written = [Sample(machine, "feed", stamp, stamp / 7) for machine in ("m1", "m2") for stamp in stamps]
    write(store, *order.sample(written, len(written)))

    assert store.read(["m1", "m2"], ["feed"], EVER, limit=MANY) == sorted(written)


def test_what_was_never_written_is_not_found(store: Store) -> None:
    assert store.read(["m1"], ["feed", "parts"], EVER, limit=10) == []
    assert store.read([], ["feed"], EVER, limit=10) == []
    assert store.last(["m1"], ["feed", "parts"], NOW) == {}
    assert store.last([], ["feed"], NOW) == {}
    assert store.reduce("m1", ["feed"], EVER, step_seconds=60) == {}
    assert store.arrivals(0) == []
    assert store.gaps([], EVER) == {}
    coverage = store.gaps(["m1"], EVER)["m1"]
    assert (list(coverage.observed), list(coverage.unreachable), list(coverage.holes)) == ([], [], [])


def test_writing_nothing_leaves_nothing(store: Store) -> None:
    assert store.write([], now=NOW) == []
    assert store.arrivals(0) == []


@pytest.mark.parametrize("signal", ["feed", "power_on_seconds"])
def test_the_last_sample_is_the_newest_before_an_instant_also_after_long_silence(store: Store, signal: str) -> None:
    old = Sample("m1", signal, MORNING - 60 * DAY, 1.0)
    new = Sample("m1", signal, MORNING, None, BAD_NO_COMMUNICATION)
    write(store, old, new, Sample("m2", "spindle_load", MORNING - DAY, 4.0))

    assert store.last(["m1"], [signal], NOW) == {("m1", signal): new}
    assert store.last(["m1"], [signal], MORNING + 1) == {("m1", signal): new}
    assert store.last(["m1"], [signal], MORNING) == {("m1", signal): old}
    assert store.last(["m1"], [signal], old.stamp) == {}


# Reducing.


def reference(found: list[Sample], step: int) -> list[Reduced]:
    steps: dict[int, list[float]] = {}
    for sample in found:
        if not sample.status:
            steps.setdefault(sample.stamp // step * step, []).append(float(str(sample.value)))
    return [Reduced(at, len(of), min(of), sum(of) / len(of), max(of)) for at, of in sorted(steps.items())]


def rounded(found: list[Reduced]) -> list[Reduced]:
    """Means add up in another order on each engine."""
    return [each._replace(mean=round(each.mean, 9)) for each in found]


@pytest.mark.parametrize("signal", ["spindle_load", "parts"])
@pytest.mark.parametrize("step_seconds", [1, 7, 60, 3600])
def test_steps_hold_number_minimum_mean_and_maximum_of_good_samples(
    store: Store, signal: str, step_seconds: int
) -> None:
    order = random.Random(2)
    number = int if signal == "parts" else float
    written = [
        Sample("m1", signal, MORNING + n * 733 * SECOND // 100, number(order.randrange(-50, 50)), status)
        for n, status in enumerate(order.choices([0, 0, 0, 0, UNCERTAIN], k=600))
    ]
    write(store, *written, Sample("m1", signal, MORNING + 5, None, BAD_NO_COMMUNICATION))
    period = Period(MORNING + 30 * SECOND, MORNING + HOUR)

    found = store.reduce("m1", [signal], period, step_seconds=step_seconds)

    expected = reference([sample for sample in written if sample.stamp in period], step_seconds * SECOND)
    assert list(found) == [signal]
    assert rounded(found[signal]) == rounded(expected)


def test_stored_minutes_fill_what_raw_samples_no_longer_hold(store: Store) -> None:
    old, new = MORNING - 300 * DAY, MORNING
    minutes = [Minute("m1", "feed", old + n * MINUTE, 60 + n, 1.0 + n, 2.0 + n, 3.0 + n) for n in range(10)]
    minutes += [Minute("m1", "feed", new, 1, 7.0, 7.0, 7.0), Minute("m2", "feed", old, 5, 9.0, 9.0, 9.0)]
    assert store.write([], minutes, now=NOW) == []
    write(store, *(Sample("m1", "feed", new + n, float(n)) for n in range(3)))
    ever = Period(old, NOW)

    fine = store.reduce("m1", ["feed"], ever, step_seconds=60)["feed"]
    coarse = store.reduce("m1", ["feed"], ever, step_seconds=3600)["feed"]

    assert fine == [*(Reduced(m.stamp, *m[3:]) for m in minutes[:10]), Reduced(new, 3, 0.0, 1.0, 2.0)]
    weighted = sum(m.n * m.mean for m in minutes[:10]) / 645
    assert rounded(coarse) == rounded([Reduced(old, 645, 1.0, weighted, 12.0), Reduced(new, 3, 0.0, 1.0, 2.0)])
    assert store.reduce("m1", ["feed"], ever, step_seconds=30) == {"feed": [Reduced(new, 3, 0.0, 1.0, 2.0)]}


def test_a_minute_written_again_replaces_itself_and_marks_no_arrival(store: Store) -> None:
    for mean in (1.0, 2.0):
        assert store.write([], [Minute("m1", "feed", MORNING, 4, 0.0, mean, 5.0)], now=NOW) == []

    found = store.reduce("m1", ["feed"], EVER, step_seconds=60)

    assert found == {"feed": [Reduced(MORNING, 4, 0.0, 2.0, 5.0)]}
    assert store.arrivals(0) == []


# What is known of the watching.


def proofs(signal: str, start: int, end: int, every: int = 20 * SECOND) -> list[Sample]:
    return [Sample("m1", signal, stamp, start) for stamp in (*range(start, end, every), end)]


@pytest.mark.parametrize("signal", ["observed", "unreachable"])
def test_proven_spans_are_found_and_clipped_to_the_period(store: Store, signal: str) -> None:
    spans = [Period(MORNING - HOUR, MORNING + HOUR), Period(MORNING + 2 * HOUR, MORNING + 3 * HOUR + 7)]
    spans += [Period(MORNING + 4 * HOUR, MORNING + 9 * HOUR)]
    for span in spans:
        write(store, *proofs(signal, span.start, span.end))
    asked = Period(MORNING, MORNING + 5 * HOUR)

    coverage = store.gaps(["m1"], asked)["m1"]

    found, other = coverage.observed, coverage.unreachable
    if signal == "unreachable":
        found, other = other, found
    assert list(found) == [span.clip(asked) for span in spans]
    assert list(other) == []
    within = Period(MORNING + 5 * MINUTE, MORNING + 6 * MINUTE)
    assert within in (store.gaps(["m1"], within)["m1"].observed or store.gaps(["m1"], within)["m1"].unreachable)
    between = Period(MORNING + HOUR, MORNING + 2 * HOUR)
    assert list(store.gaps(["m1"], between)["m1"].observed) == []


@PROPERTY
@given(data=st.data())
def test_spans_do_not_depend_on_the_order_in_which_their_proofs_arrive(store: Store, data: st.DataObject) -> None:
    name = f"m{next(NUMBERS)}"
    edges = data.draw(st.lists(st.integers(0, 5000), min_size=2, max_size=16, unique=True).map(sorted))
    spans = [Period(MORNING + a * SECOND, MORNING + b * SECOND) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    all_proofs = [
        proof._replace(machine=name)
        for span in spans
        for proof in proofs("observed", span.start, span.end, 100 * SECOND)
    ]
    first = data.draw(st.permutations(all_proofs))
    write(store, *first[: len(first) // 2])
    write(store, *first)
    low, high = sorted((data.draw(st.integers(-10, 5010)), data.draw(st.integers(-10, 5010))))
    asked = Period(MORNING + low * SECOND, MORNING + high * SECOND)

    coverage = store.gaps([name], asked)[name]

    assert list(coverage.observed) == [clipped for span in spans if (clipped := span.clip(asked))]


def test_holes_that_touch_the_period_are_found_in_order(store: Store) -> None:
    periods = [Period(MORNING - HOUR, MORNING), Period(MORNING - HOUR, MORNING + 1), Period(MORNING, MORNING + HOUR)]
    periods += [Period(MORNING + 90 * MINUTE, MORNING + 5 * HOUR), Period(MORNING + 2 * HOUR, MORNING + 3 * HOUR)]
    holes = [Hole("m1", period, ("parts", "job") if n % 2 else (), "overflow") for n, period in enumerate(periods)]
    for hole in holes:
        write(store, Sample("m1", "hole", hole.period.end, hole.encode()))

    found = store.gaps(["m1", "m2"], Period(MORNING, MORNING + 2 * HOUR))

    assert list(found["m1"].holes) == [holes[1], holes[2], holes[3]]
    assert list(found["m2"].holes) == []


# Arrivals.


def test_each_day_of_data_carries_the_newest_arrival(store: Store) -> None:
    write(store, Sample("m1", "feed", MORNING, 1.0), Sample("m1", "parts", MORNING - DAY, 1), now=NOW)
    write(store, Sample("m2", "parts", MORNING, 1), now=NOW + 5)
    write(store, Sample("m1", "parts", MORNING + 1, 1), now=NOW + 9)
    today = MORNING // DAY

    assert store.arrivals(0) == [("m1", today - 1, NOW), ("m2", today, NOW + 5), ("m1", today, NOW + 9)]
    assert store.arrivals(NOW + 9) == [("m1", today, NOW + 9)]
    assert store.arrivals(NOW + 10) == []


# Several at once.


def test_threads_read_while_others_write(store: Store) -> None:
    ended = threading.Event()
    counts: list[int] = []

    def read() -> None:
        while not ended.is_set():
            counts.append(len(store.read(["m1"], ["parts", "feed"], EVER, limit=MANY)))

    def write_one(signal: str) -> None:
        for n in range(40):
            write(store, Sample("m1", signal, MORNING + n, n if signal == "parts" else float(n)))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write_one, args=(signal,)) for signal in ("parts", "feed")]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()

    assert counts == sorted(counts)
    assert len(store.read(["m1"], ["parts", "feed"], EVER, limit=MANY)) == 80
