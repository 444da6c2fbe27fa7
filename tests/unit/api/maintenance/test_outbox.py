"""Messages on their way, and what they say."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from api.maintenance.alarms import Change, What
from api.maintenance.catalogue import shipped_rules
from api.maintenance.notifications import Message
from api.maintenance.outbox import ATTEMPTS_MAX, Answer, MemoryOutbox, Status
from api.maintenance.wording import Links, write
from shopfloor.periods import HOUR, SECOND, parse_instant

NOW = parse_instant("2026-11-23T09:00:00Z")
RAISED = Change(
    NOW, "m1", "spindle-hot", "spindle_temperature", What.RAISED, NOW - HOUR, "high",
    {"value": 81.5, "unit": "Cel", "limit": 75.0}, 0.0,
)  # fmt: skip


def message(key: str = "k", severity: str = "high") -> Message:
    return Message(key, "incident", "new", NOW, NOW, "anna", ("mail", "sms"), (RAISED,), severity)


def test_a_key_is_queued_once() -> None:
    outbox = MemoryOutbox()
    assert outbox.add([message(), message()]) == 2  # two channels
    assert outbox.add([message()]) == 0
    assert [each.channel for each in outbox.due(NOW, 10)] == ["mail", "sms"]


def test_a_refusal_is_tried_again_later_and_not_for_ever() -> None:
    outbox = MemoryOutbox()
    outbox.add([message()])
    delivery, pauses = outbox.due(NOW, 1)[0], []
    while delivery.status is Status.QUEUED:
        begun = delivery.due
        assert outbox.begin(delivery, begun)
        delivery.end(Answer.REFUSED, "451 try later", is_repeatable=False)
        pauses.append((delivery.due - begun) // SECOND)
    assert delivery.status is Status.DEAD
    assert len(delivery.attempts) == ATTEMPTS_MAX
    assert pauses[:5] == [15, 60, 240, 960, 3600]
    assert delivery.attempts[0].words == "451 try later"


def test_no_answer_is_unknown_and_not_sent_twice() -> None:
    outbox = MemoryOutbox()
    outbox.add([message()])
    mail, sms = outbox.due(NOW, 2)
    assert outbox.begin(mail, NOW)
    mail.recover(is_repeatable=False)
    assert outbox.begin(sms, NOW)
    sms.recover(is_repeatable=True)
    assert (mail.status, sms.status) == (Status.UNKNOWN, Status.QUEUED)
    assert outbox.due(NOW + HOUR, 9) == [sms]


def test_what_somebody_has_taken_is_cancelled_and_the_grave_goes_first() -> None:
    outbox = MemoryOutbox()
    outbox.add([message("a", "low")._replace(incident="other"), message("b")])
    assert [each.message.key for each in outbox.due(NOW, 9)] == ["b", "b", "a", "a"]
    assert outbox.cancel("incident") == 2
    assert [each.message.key for each in outbox.due(NOW, 9)] == ["a", "a"]


def test_the_message_says_what_since_when_by_what_and_what_to_do() -> None:
    rules = {rule.id: rule for rule in shipped_rules()}
    words = write(
        message(), rules, machine="Mill 3", zone=ZoneInfo("Europe/Rome"), links=Links("https://example.org/i/1")
    )
    assert words.subject == "Mill 3: The spindle is too hot (spindle temperature)"
    assert "Since 2026-11-23 09:00 (60 min)." in words.body
    assert "value 81.5 Cel" in words.body
    assert "limit 75.0" in words.body
    assert "Rule: above 75 Cel (spindle-hot, version 1)." in words.body
    assert "What to do: Let it cool" in words.body
    assert words.body.endswith("https://example.org/i/1")
