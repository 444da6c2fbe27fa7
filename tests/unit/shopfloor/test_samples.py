from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shopfloor.samples import BAD_NO_COMMUNICATION, GOOD, NOTHING, UNCERTAIN, Sample, quality, samples, slices

one_sample = st.builds(
    Sample,
    st.sampled_from(["mill-1", "mill-2"]),
    st.sampled_from(["power_watts", "feed"]),
    st.integers(0, 3),
    st.none() | st.floats(0, 9),
    st.sampled_from([GOOD, UNCERTAIN, BAD_NO_COMMUNICATION]),
    st.none() | st.integers(0, 3),
)


@given(st.lists(one_sample, max_size=20))
def test_slices_hold_each_identity_once_as_it_was_said_last(items: list[Sample]) -> None:
    newest = {(each.machine, each.signal, each.stamp): each for each in items}
    gathered = list(samples(slices(items)))
    assert len(gathered) == len(newest)
    assert {(each.machine, each.signal, each.stamp): each for each in gathered} == newest


def test_a_good_slice_carries_neither_status_nor_source() -> None:
    [gathered] = slices([Sample("mill-1", "feed", 1, 2.0)])
    assert gathered.status is NOTHING
    assert gathered.source is NOTHING


def test_a_status_code_has_one_of_three_severities() -> None:
    assert [quality(code) for code in (GOOD, UNCERTAIN, BAD_NO_COMMUNICATION, 0xC000_0000)] == [
        "good",
        "uncertain",
        "bad",
        "bad",
    ]
