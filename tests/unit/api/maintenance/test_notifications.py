"""Incidents and who is told of them."""

from __future__ import annotations

from typing import Any

from api.maintenance.alarms import Change, What
from api.maintenance.catalogue import shipped_rules
from api.maintenance.fold import MachineFold
from api.maintenance.incidents import IncidentFold
from api.maintenance.notifications import Hours, Message, NotificationFold, Person, Policy
from api.maintenance.rules import for_edge, for_kind
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, parse_instant
from shopfloor.samples import Sample

MONDAY = parse_instant("2026-11-23T09:00:00Z")  # 10:00 in Rome
ANNA = Person("anna", ("mail",))
BEN = Person("ben", ("sms",))


def change(stamp: int, what: What, subject: str = "a", **more: object) -> Change:
    values = {"machine": "m1", "rule": "hot", "since": MONDAY, "severity": "medium", "evidence": {},
              "worked_seconds": 1e6 + stamp / SECOND, **more}  # fmt: skip
    return Change(stamp=stamp, subject=subject, what=what, **values)  # type: ignore[arg-type]


def told(policy: Policy, changes: list[Change], until: int) -> list[Message]:
    incidents, notifications, found = IncidentFold(), NotificationFold(policy), []
    for each in changes:
        found += notifications.advance(each.stamp)
        for incident, one in incidents.take([each]):
            found += notifications.take(incident, one)
    return found + notifications.advance(until)


def test_one_incident_is_said_once_and_again_after_a_day_and_two() -> None:
    raised = [change(MONDAY, What.RAISED), change(MONDAY + SECOND, What.RAISED, "b")]
    messages = told(Policy(((ANNA,),), {}), raised, MONDAY + 8 * DAY)
    assert [(each.kind, round((each.at - MONDAY) / DAY)) for each in messages] == [
        ("new", 0), ("again", 1), ("again", 3), ("again", 7)]  # fmt: skip
    assert [each.subject for each in messages[0].alarms] == ["a", "b"]
    assert len({each.key for each in messages}) == len(messages)


def test_what_is_over_and_slight_is_not_sent() -> None:
    slight = [change(MONDAY, What.RAISED, severity="low"), change(MONDAY + 5 * SECOND, What.RETURNED, severity="low")]
    assert told(Policy(((ANNA,),), {}), slight, MONDAY + DAY) == []
    grave = [each._replace(severity="high") for each in slight]
    assert [each.kind for each in told(Policy(((ANNA,),), {}), grave, MONDAY + DAY)] == ["new"]


def test_a_window_that_is_ended_early_says_what_still_stands_and_nothing_that_is_over() -> None:
    incidents, notifications = IncidentFold(), NotificationFold(Policy(((ANNA,),), {}))
    changes = [change(MONDAY, What.RAISED), change(MONDAY, What.RAISED, machine="m2"),
               change(MONDAY + MINUTE, What.RETURNED, machine="m2")]  # fmt: skip
    for incident, one in incidents.take(changes):
        assert notifications.take(incident, one, MONDAY + DAY) == []
    early = MONDAY + HOUR
    notifications.look_at_windows(lambda _: MONDAY + DAY, early)
    assert notifications.advance(early + MINUTE) == []  # it still runs
    notifications.look_at_windows(lambda _: early, early)
    assert [(each.alarms[0].machine, each.at) for each in notifications.advance(early + MINUTE)] == [("m1", early)]
    assert notifications.advance(MONDAY + DAY) == []


def test_the_chain_goes_on_until_somebody_answers() -> None:
    policy = Policy(((ANNA,), (BEN,)), {"medium": 1800})
    alone = told(policy, [change(MONDAY, What.RAISED)], MONDAY + HOUR)
    assert [(each.kind, each.person) for each in alone] == [("new", "anna"), ("escalated", "ben")]
    answered = [change(MONDAY, What.RAISED), change(MONDAY + 10 * MINUTE, What.ACKNOWLEDGED, by="anna")]
    assert [each.person for each in told(policy, answered, MONDAY + 9 * DAY)] == ["anna"]


def test_quiet_hours_delay_and_grave_incidents_reach_those_on_call() -> None:
    night = Hours(tuple(range(7)), 22 * 60, 6 * 60)
    carla = Person("carla", ("ntfy",), quiet=(night,), on_call=(night,))
    at = parse_instant("2026-11-23T22:30:01Z")  # 23:30 in Rome
    for severity, expected in (("medium", "2026-11-24T05:00:00Z"), ("high", "2026-11-23T22:30:02Z")):
        [first] = told(Policy(((carla,),), {}), [change(at, What.RAISED, severity=severity)], at + HOUR)
        assert first.not_before == parse_instant(expected)


def test_more_alarms_of_an_incident_are_said_at_most_hourly() -> None:
    changes = [change(MONDAY + number * 5 * MINUTE, What.RAISED, f"s{number:02}") for number in range(24)]
    messages = told(Policy(((ANNA,),), {}), changes, MONDAY + 4 * HOUR)
    assert [each.kind for each in messages] == ["new", "more", "more"]
    assert len(messages[-1].alarms) == 24


def test_a_silent_edge_hides_its_machines() -> None:
    incidents = IncidentFold({"m1": "edge-1", "m2": "edge-1"})
    silent: dict[str, Any] = {"rule": "silent", "evidence": {"last_proof": "x"}}
    changes = [change(MONDAY + HOUR, What.RAISED, machine=name, **silent) for name in ("m1", "m2", "edge-1")]
    incidents.take(sorted(changes, key=incidents.order))
    [incident] = incidents.incidents
    assert incident.machine == "edge-1"
    assert incident.hides == {"m1", "m2"}


def test_what_comes_while_a_machine_stands_is_of_the_same_incident() -> None:
    incidents = IncidentFold()
    first = change(MONDAY, What.RAISED, severity="high", worked_seconds=500.0)
    incidents.take([first, change(MONDAY + HOUR, What.RETURNED, severity="high", worked_seconds=500.0)])
    incidents.take([change(MONDAY + 60 * DAY, What.RAISED, "b", worked_seconds=900.0)])
    assert len(incidents.incidents) == 1
    incidents.take([change(MONDAY + 70 * DAY, What.RAISED, "c", worked_seconds=90_000.0)])
    assert len(incidents.incidents) == 2


def test_a_lost_edge_is_one_incident_from_the_proofs_on() -> None:
    rules, edges = shipped_rules(), {"m1": "edge-1", "m2": "edge-1"}
    folds = {name: MachineFold(name, for_kind(rules, "")) for name in edges} | {
        "edge-1": MachineFold("edge-1", for_edge(rules))
    }
    for at in range(10):
        stamp = MONDAY + at * 20 * SECOND
        for fold in folds.values():  # the edge's fold takes the proofs of all its machines
            fold.take([Sample(fold.machine, "observed", stamp, MONDAY)])
    for fold in folds.values():
        fold.advance(MONDAY + HOUR)
    incidents = IncidentFold(edges)
    incidents.take(sorted((each for fold in folds.values() for each in fold.drain()), key=incidents.order))
    [incident] = incidents.incidents
    assert (incident.machine, incident.first.rule) == ("edge-1", "edge-silent")
    assert incident.hides == {"m1", "m2"}
