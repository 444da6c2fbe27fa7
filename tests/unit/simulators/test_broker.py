"""What the embedded broker adds to amqtt."""

from __future__ import annotations

from amqtt.session import Session

from simulators.broker import Subscriptions


def test_who_leaves_while_a_message_is_handed_round_keeps_nobody_else_from_hearing_it() -> None:
    leaves, stays = Session(), Session()
    subscriptions = Subscriptions({"a/#": [(leaves, 1), (stays, 1)], "a/b": [(leaves, 1)], "a/c": [(stays, 1)]})
    heard = []
    for each, subscribers in subscriptions.items():
        for session, _ in subscribers:
            heard.append((each, session is stays))
            dict.__getitem__(subscriptions, "a/#")[:] = [(stays, 1)]
            subscriptions.pop("a/b", None)
    assert heard == [("a/#", False), ("a/#", True), ("a/b", False), ("a/c", True)]


def test_who_comes_meanwhile_ends_no_walk_over_the_filters() -> None:
    subscriptions = Subscriptions({"a": [], "b": []})
    walked = []
    for each in subscriptions:
        subscriptions[f"{each}/new"] = []
        walked.append(each)
    assert walked == ["a", "b"]
    assert list(subscriptions) == ["a", "b", "a/new", "b/new"]
