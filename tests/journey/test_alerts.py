"""Alerts, work orders and rules over HTTP, beside a watch that judges real data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.access.service import shared_secret
from api.maintenance.links import LASTS, Link, sign
from api.maintenance.tables import IncidentRow
from api.maintenance.watching import Watching
from api.records.database import open_records
from shopfloor.periods import HOUR, MINUTE, SECOND, format_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample, slices
from tests.journey.api_world import World, world
from tests.journey.people import PASSWORD, add_people, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.records.database import Records

pytestmark = pytest.mark.services


class Beside:
    """The API, and a watch in this process on the same store and records."""

    def __init__(self, it: World) -> None:
        self.it = it
        self.records: Records = open_records(f"sqlite://{it.folder}/records.db")
        self.watching = Watching(it.store, self.records, self.records.writing, zone="Europe/Rome")
        self.now = clock.now() - 15 * MINUTE  # what people do comes after it
        for machine in ("mill-1", "lathe-1"):
            start = self.now - 10 * MINUTE
            samples = [
                Sample(machine, "observed", stamp, start) for stamp in range(start, self.now + 5 * MINUTE, 20 * SECOND)
            ]
            samples += [
                Sample(machine, "spindle_temperature", stamp, 30.0) for stamp in range(start, start + MINUTE, SECOND)
            ]
            it.store.write(slices(samples), now=self.now)
        self.rounds(5)
        hot = [Sample(machine, "spindle_temperature", self.now + at * SECOND, 91.0)
               for machine in ("mill-1", "lathe-1") for at in range(0, 120, 10)]  # fmt: skip
        it.store.write(slices(hot), now=self.now)
        self.rounds(130)

    def rounds(self, seconds: int) -> None:
        for _ in range(0, seconds, 5):
            self.now += 5 * SECOND
            self.watching.run(self.now)

    def alert(self, machine: str = "mill-1", state: str = "open") -> dict[str, Any]:
        found = self.it.get("/api/v1/alerts", "maintenance", state=state, machine=machine).json()["items"]
        [alert] = [each for each in found if each["rule"] == "spindle-hot"]
        return dict(alert)

    def act(self, alert: str, holder: str = "maintenance", **action: Any) -> httpx.Response:
        return self.it.send("POST", f"/api/v1/alerts/{alert}/actions", holder, json=action)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    folder = tmp_path_factory.mktemp("alerts")
    with world(folder) as it:
        made = Beside(it)
        yield made
        made.records.close()


def test_an_alert_says_what_since_when_by_which_rule_and_what_to_do(beside: Beside) -> None:
    alert = beside.alert()
    assert (alert["machine"], alert["severity"], alert["state"], alert["name"]) == ("mill-1", "high", "active", "M 1")
    assert alert["rule_words"] == "sopra 75 Cel"
    assert alert["advice"]
    whole = beside.it.get(f"/api/v1/alerts/{alert['id']}", "operator").json()
    assert whole["alarms"][0]["evidence"]["value"] == 91.0


def test_staff_of_one_site_see_its_alerts_alone_and_firms_none_that_is_not_theirs(beside: Beside) -> None:
    north, south = beside.alert()["id"], beside.alert("lathe-1")["id"]
    seen = beside.it.get("/api/v1/alerts", "operator of Sud").json()["items"]
    assert {each["machine"] for each in seen} == {"lathe-1"}
    assert beside.it.get(f"/api/v1/alerts/{north}", "operator of Sud").status_code == 404
    assert beside.it.get(f"/api/v1/alerts/{south}", "operator of Sud").status_code == 200
    assert beside.it.get("/api/v1/alerts", "member").json()["items"] == []
    assert beside.it.get(f"/api/v1/alerts/{north}", "member").status_code == 404


def test_what_is_taken_is_taken_once_and_its_alarm_knows(beside: Beside) -> None:
    alert = beside.alert()["id"]
    assert beside.act(alert, "operator", kind="take").status_code == 404  # who only looks on
    assert beside.act(alert, kind="take", note="on my way").json()["taken_by"] == "maintenance"
    again = beside.act(alert, "administrator", kind="take")
    assert again.status_code == 409
    assert "maintenance has taken it" in again.json()["detail"]
    assert beside.act(alert, kind="shelve", shelve_for="hour").status_code == 409  # without a reason
    shelved = beside.act(alert, kind="shelve", shelve_for="hour", note="cools down").json()
    assert shelved["shelved_until"] is not None
    beside.now = max(beside.now, clock.now())
    beside.rounds(20)
    alarm = beside.watching.alarm_of("mill-1", "spindle-hot", "spindle_temperature")
    assert alarm is not None
    assert alarm.isa_state == "E"


def test_closing_a_work_order_closes_its_alert(beside: Beside) -> None:
    alert = beside.alert("lathe-1")["id"]
    order = {"machine": "lathe-1", "title": "Chiller", "alert": alert, "due": format_instant(beside.now + HOUR)}
    made = beside.it.send("POST", "/api/v1/work-orders", "maintenance", json=order)
    assert made.status_code == 201, made.text
    number = made.json()["number"]
    assert (
        beside.it.send("POST", "/api/v1/work-orders", "maintenance", json=order | {"machine": "mill-1"}).status_code
        == 409
    )
    locked = beside.it.send("POST", f"/api/v1/work-orders/{number}/lock-out", "maintenance", json={"reason": "hot"})
    assert locked.json()["is_locked_out"], locked.text
    assert beside.it.send("POST", f"/api/v1/work-orders/{number}/close", "maintenance", json={}).status_code == 409
    back = beside.it.send("POST", f"/api/v1/work-orders/{number}/give-back", "maintenance", json={"check": "runs cool"})
    assert back.json()["return_check"] == "runs cool", back.text
    done = beside.it.send("POST", f"/api/v1/work-orders/{number}/close", "maintenance", json={"text": "filled up"})
    assert done.json()["state"] == "closed", done.text
    beside.now = max(beside.now, clock.now())
    beside.rounds(20)
    assert beside.alert("lathe-1", "closed")["state"] == "closed"
    kept = beside.it.get("/api/v1/machines/lathe-1/maintenance", "maintenance").json()
    assert [each["number"] for each in kept["history"]] == [number]
    assert kept["reliability"]["failures"] == 1
    assert beside.it.send("POST", f"/api/v1/work-orders/{number}/close", "maintenance", json={}).status_code == 409


def test_the_plan_is_a_calendar_for_who_knows_its_address_until_it_is_revoked(beside: Beside) -> None:
    it = beside.it
    day = {"machine": "mill-1", "title": "Change the belt", "due": "2027-03-01T09:00:00Z"}
    number = it.send("POST", "/api/v1/work-orders", "maintenance", json=day).json()["number"]
    answer = it.send("POST", "/api/v1/booking-feeds", "maintenance", json={})
    assert answer.status_code == 201, answer.text
    made = answer.json()

    shown = httpx.get(f"{it.url}{made['path']}", headers={"Accept-Language": "en"})

    lines = shown.text.replace("\r\n ", "").splitlines()
    assert f"UID:work-order-{number}@officina" in lines
    assert {"DTSTART;VALUE=DATE:20270301", f"SUMMARY:M 1 · Change the belt ({number})"} <= set(lines)
    assert any("Maintenance plan" in line for line in lines)
    planned = it.get("/api/v1/maintenance/plan", "maintenance").json()["items"]
    dated = [each for each in planned if each["due"] is not None]
    assert sum(line.startswith("UID:plan-") for line in lines) == len(dated)
    assert it.send("DELETE", f"/api/v1/booking-feeds/{made['id']}", "member").status_code == 404
    assert it.send("DELETE", f"/api/v1/booking-feeds/{made['id']}", "maintenance").status_code == 204
    assert httpx.get(f"{it.url}{made['path']}").status_code == 404


def test_a_rule_is_changed_for_one_machine_as_a_version_and_tried_over_the_past(beside: Beside) -> None:
    it = beside.it
    put = it.send("PUT", "/api/v1/rules/spindle-hot", "maintenance",
                  json={"machine": "mill-2", "values": {"limit": {"high": 60.0}}, "source": "manual"})  # fmt: skip
    assert (put.json()["values"]["high"], put.json()["version"]) == (60.0, 2), put.text
    rule = it.get("/api/v1/rules/spindle-hot", "maintenance").json()
    assert (rule["values"]["high"], rule["machines"]["mill-2"]["values"]["high"]) == (75.0, 60.0)
    wrong = it.send("PUT", "/api/v1/rules/spindle-hot", "maintenance", json={"values": {"limit": {"hi": 1}}})
    assert wrong.status_code == 422
    assert "there is no 'hi'" in wrong.json()["detail"]
    span = {"machine": "mill-1", "start": format_instant(beside.now - HOUR), "end": format_instant(beside.now)}
    tried = it.send("POST", "/api/v1/rules/spindle-hot/backtest", "maintenance", json=span).json()
    assert tried["count"] == 1, tried
    none = it.send("POST", "/api/v1/rules/spindle-hot/backtest", "maintenance",
                   json=span | {"values": {"limit": {"high": 95.0}}}).json()  # fmt: skip
    assert none["count"] == 0


def test_people_keep_channels_whose_addresses_nobody_sees_again_and_test_them(beside: Beside) -> None:
    add_people(beside.it.folder)
    with signed_in(beside.it.url, "operator@example.it", PASSWORD) as browser:
        token = {"X-CSRF-Token": browser.get("/api/v1/me").json()["csrf_token"]}
        wrong = browser.post("/api/v1/me/channels", json={"name": "x", "address": "syslog://"}, headers=token)
        assert wrong.status_code == 422
        address = "json://user:very-secret@127.0.0.1:9/hidden"
        made = browser.post("/api/v1/me/channels", json={"name": "hook", "address": address}, headers=token)
        assert made.status_code == 201, made.text
        assert browser.post(f"/api/v1/me/channels/{made.json()['id']}/test", headers=token).status_code == 202
        listed = browser.get("/api/v1/me/channels")
        assert listed.json()["items"][0]["test"] == "queued"
        assert "very-secret" not in listed.text + made.text
        night = {"days": [0, 1, 2, 3, 4, 5, 6], "start": 1320, "end": 360}
        assert browser.put("/api/v1/me/duty", json={"quiet": [night]}, headers=token).json()["quiet"] == [night]


def test_a_link_of_a_message_takes_the_alert_once_and_only_by_its_button(beside: Beside) -> None:
    with beside.records.reading() as session:
        row = next(each for each in session.query(IncidentRow) if each.name == "mill-1" and each.rule == "spindle-hot")
    beside.act(row.id, kind="unshelve")
    secret, until = shared_secret(beside.records, "links"), clock.now() + LASTS
    wanted = {"email": "vera@example.it", "name": "Vera", "roles": [{"role": "maintenance", "sites": ["nord"]}]}
    vera = beside.it.send("POST", "/api/v1/users", json=wanted).json()["user"]["id"]

    def address(person: str) -> str:
        return f"{beside.it.url}/tap/{sign(Link('snooze', row.key, person, 'message', until), secret)}"

    assert "<button>" in httpx.get(address(vera)).text
    assert "<button>" in httpx.get(address(vera)).text  # looking at it is no use
    assert httpx.post(address("nobody")).status_code == 404
    for kept_out in (
        {"roles": [{"role": "maintenance", "sites": ["sud"]}]},
        {"roles": [{"role": "operator"}]},
        {"is_active": False},
    ):
        assert beside.it.send("PATCH", f"/api/v1/users/{vera}", json=kept_out).status_code == 200
        assert httpx.post(address(vera)).status_code == 404
    back = {"is_active": True, "roles": wanted["roles"]}
    assert beside.it.send("PATCH", f"/api/v1/users/{vera}", json=back).status_code == 200
    assert httpx.post(address(vera)).status_code == 200
    assert httpx.post(address(vera)).status_code == 409
    assert httpx.get(f"{beside.it.url}/tap/forged.link").status_code == 403


def test_a_firm_sees_what_stopped_its_job_and_not_who_says_what_to_whom(beside: Beside) -> None:
    with beside.records.writing() as session:
        row = next(each for each in session.query(IncidentRow) if each.name == "mill-1" and each.rule == "spindle-hot")
        row.payer = "firm-a"
    noted = beside.act(row.id, kind="comment", note="ask Luca of Rossi")
    assert noted.status_code == 200
    seen = beside.it.get(f"/api/v1/alerts/{row.id}", "member")
    assert seen.json()["deeds"]
    assert seen.json()["deliveries"] == seen.json()["work_orders"] == []
    for text in (seen.text, beside.it.get("/api/v1/alerts", "member", state="all").text):
        assert "Luca" not in text
        assert "Vera" not in text
        assert "cools down" not in text
    assert "Luca" in beside.it.get(f"/api/v1/alerts/{row.id}", "maintenance").text
    assert beside.it.get(f"/api/v1/alerts/{row.id}", "other member").status_code == 404


def test_the_pages_of_a_firm_say_that_staff_care_for_its_alert_and_not_who(beside: Beside) -> None:
    with beside.records.reading() as session:
        row = next(each for each in session.query(IncidentRow) if each.name == "mill-1" and each.rule == "spindle-hot")
    with signed_in(beside.it.url, "member@example.it") as firm:
        pages = [
            firm.get(f"/alerts/{row.id}").text,
            *(firm.get(f"/inbox?tab={tab}").text for tab in ("taken", "closed")),
        ]
    assert "manutenzione" in pages[0]
    for text in pages:
        assert "Luca" not in text
        assert "Vera" not in text
    with signed_in(beside.it.url, "operator@example.it") as staff:
        assert "Luca" in staff.get(f"/alerts/{row.id}").text


def test_rules_of_a_machine_are_seen_by_who_sees_the_machine(beside: Beside) -> None:
    assert beside.it.get("/api/v1/rules", "operator of Sud", machine="mill-2").status_code == 404
    assert beside.it.get("/api/v1/rules", "operator of Nord", machine="mill-2").status_code == 200
    made = {"name": "south", "role": "maintenance", "sites": ["sud"]}
    key = {"Authorization": f"Bearer {beside.it.send('POST', '/api/v1/api-keys', json=made).json()['token']}"}
    rule = httpx.get(f"{beside.it.url}/api/v1/rules/spindle-hot", headers=key)
    assert rule.status_code == 200
    assert "mill-2" not in rule.text
    assert "mill-2" in beside.it.get("/api/v1/rules/spindle-hot", "maintenance").text
