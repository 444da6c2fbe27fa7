"""Rights follow from what a login is, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopfloor.wire import topics
from shopfloor.wire.rights import Kind, Principal, RightsError, covers, rights

AGENTS = [Principal("site-a", Kind.AGENT), Principal("site-b", Kind.AGENT)]
EVERYBODY = [*AGENTS, *(Principal(kind.value, kind) for kind in Kind if kind is not Kind.AGENT)]


def may(name: str, topic: str) -> tuple[bool, bool]:
    """Tell whether a login may publish on a topic, and whether it may hear it."""
    found = rights(EVERYBODY)[name]
    return any(covers(each, topic) for each in found.publish), any(covers(each, topic) for each in found.subscribe)


def test_an_agent_says_and_hears_nothing_of_another() -> None:
    for filters in rights(AGENTS)["site-a"][:2]:
        assert all("site-a" in each.split("/") for each in filters)


@pytest.mark.parametrize("kind", list(Kind))
def test_only_collectors_say_what_is_stored_and_only_the_api_who_may_publish_what(kind: Kind) -> None:
    name = "site-a" if kind is Kind.AGENT else kind.value
    assert may(name, topics.stored("site-a"))[0] is (kind is Kind.COLLECTOR)
    assert may(name, topics.registry("site-a"))[0] is (kind is Kind.API)
    assert may(name, topics.request("site-a"))[0] is (kind is Kind.API)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("wanted", ["#", "+/#", "$SYS/#", "$SYS/broker/version", "+/+", "$share/g/#"])
def test_nobody_may_ask_for_everything_or_the_broker_itself(kind: Kind, wanted: str) -> None:
    assert may("site-a" if kind is Kind.AGENT else kind.value, wanted) == (False, False)


@pytest.mark.parametrize("name", ["", "+", "#", "a/b", "site+", "$SYS", "A", "x" * 64, "%u", "a\nb", "a b", "è"])
def test_a_name_that_would_reach_further_is_refused(name: str) -> None:
    with pytest.raises(RightsError, match="no login"):
        rights([Principal(name, Kind.AGENT)])


def test_one_name_is_one_login() -> None:
    with pytest.raises(RightsError, match="two logins 'site-a'"):
        rights([Principal("site-a", Kind.AGENT), Principal("site-a", Kind.API)])


def test_no_login_is_no_leave_to_do_anything() -> None:
    with pytest.raises(RightsError, match="nobody"):
        rights([])


@pytest.mark.parametrize(
    ("allowed", "wanted", "is_allowed"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a/#", True),
        ("a/#", "#", False),
        ("a/#", "ab/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a", False),
        ("", "a", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
    ],
)
def test_a_filter_covers_topics_and_narrower_filters(allowed: str, wanted: str, *, is_allowed: bool) -> None:
    assert covers(allowed, wanted) is is_allowed


_LEVELS = st.lists(st.sampled_from(["a", "b", "+", ""]), min_size=1, max_size=4)


@given(
    _LEVELS,
    _LEVELS,
    st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5),
    st.sampled_from([[], ["#"]]),
)
def test_what_a_covered_filter_matches_the_covering_one_matches_too(
    ours: list[str], theirs: list[str], topic: list[str], last: list[str]
) -> None:
    allowed, wanted = "/".join(ours + last), "/".join(theirs)
    if covers(allowed, wanted) and covers(wanted, "/".join(topic)):
        assert covers(allowed, "/".join(topic))
