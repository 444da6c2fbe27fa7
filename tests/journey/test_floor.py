"""What is said at a machine, over HTTP: reasons of stops, who can pay, calls for maintenance and their answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from api.maintenance.watching import Watching
from api.records.database import open_records
from shopfloor.periods import MINUTE, SECOND, format_instant, parse_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.browser.screens import chromium, screen
from tests.journey.api_world import World, until, world
from tests.journey.people import add_people, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("floor"), more='second_factor = "optional"') as made:
        add_people(made.folder)
        now = clock.now()
        begun = now - 90 * MINUTE
        made.say(
            Sample("mill-1", "item_state", begun, 3),
            Sample("mill-1", "item_state", now - 60 * MINUTE, 2),
            Sample("mill-1", "item_state", now - 40 * MINUTE, 3),
            Sample("mill-1", "item_state", now - 20 * MINUTE, 2),
            Sample("mill-1", "observed", now, begun),
        )
        until(lambda: stops(made), "the stops")
        yield made


def stops(it: World) -> list[dict[str, Any]]:
    return list(it.get("/api/v1/machines/mill-1/stops", "operator").json()["items"])


def tag(it: World, **said: Any) -> httpx.Response:
    return it.send("POST", "/api/v1/machines/mill-1/stops", "operator", json=said)


def test_a_stop_has_the_reason_that_was_given_last(it: World) -> None:
    earlier = stops(it)[-1]
    assert (earlier["reason"], earlier["lasts"]) == (None, False)

    assert tag(it, at=earlier["from"], reason="tool").status_code == 201
    assert tag(it, at=earlier["from"], reason="material").status_code == 201

    assert stops(it)[-1]["reason"]["it"] == "Attesa materiale"
    assert stops(it)[0]["reason"] is None


def test_a_reason_that_is_none_of_the_list_or_of_the_future_is_refused_with_a_sentence(it: World) -> None:
    ahead = format_instant(clock.now() + 10 * MINUTE)
    answer = tag(it, at=ahead, reason="laziness")

    assert answer.status_code == 422
    assert {each["detail"] for each in answer.json()["errors"]} >= {"it lies in the future: enter what has happened"}
    assert "material" in answer.text


def test_the_list_that_says_most_about_a_machine_is_its_own(it: World) -> None:
    own = [{"id": "pallet", "it": "Cambio pallet", "en": "Pallet change"}]
    wanted = {"site": "sud", "kind": "Tornio", "reasons": own}
    assert it.send("PUT", "/api/v1/stop-reasons", json=wanted).status_code == 204

    assert it.get("/api/v1/stop-reasons", "operator", machine="lathe-1").json()["items"] == own
    assert len(it.get("/api/v1/stop-reasons", "operator", machine="mill-1").json()["items"]) == 9

    it.send("PUT", "/api/v1/stop-reasons", json=wanted | {"reasons": []})
    assert len(it.get("/api/v1/stop-reasons", "operator", machine="lathe-1").json()["items"]) == 9


def test_staff_learn_the_names_of_firms_and_nothing_else_and_firms_learn_none(it: World) -> None:
    items = it.get("/api/v1/payers", "operator").json()["items"]

    assert {each["id"] for each in items} == {"firm-a", "firm-b"}
    assert all(set(each) == {"id", "name"} for each in items)
    assert it.get("/api/v1/payers", "member").status_code == 404


def test_staff_of_another_site_call_nobody_and_see_no_stops(it: World) -> None:
    assert it.get("/api/v1/machines/mill-1/stops", "operator of Sud").status_code == 404
    assert it.send("POST", "/api/v1/machines/mill-1/calls", "operator of Sud", json={}).status_code == 404
    assert it.get("/tablet/mill-1", "operator of Sud").status_code == 404
    assert it.get("/tablet/mill-1", "member").status_code == 404


def test_a_call_becomes_an_alert_and_its_answer_is_seen_and_it_can_be_taken_back(it: World) -> None:
    records = open_records(f"sqlite://{it.folder}/records.db")
    watching = Watching(it.store, records, records.writing, zone="Europe/Rome")
    watching.run(clock.now())

    made = it.send("POST", "/api/v1/machines/mill-1/calls", "operator", json={"note": "perde olio"}).json()
    again = it.send("POST", "/api/v1/machines/mill-1/calls", "operator", json={}).json()
    assert (again["id"], made["taken_by"], made["alert"]) == (made["id"], "", None)
    for seconds in (3, 5, 8):
        watching.run(parse_instant(made["at"]) + seconds * SECOND)

    [alert] = [each for each in it.get("/api/v1/alerts", "maintenance").json()["items"] if each["rule"] == "call"]
    assert (alert["machine"], alert["severity"]) == ("mill-1", "high")
    assert alert["title"] == "Dalla macchina chiamano la manutenzione"
    wall = it.get("/wall", "operator", lang="it").text
    assert alert["title"] in wall
    assert "Nessun responsabile" in wall
    for reader in ("kiosk", "member", "operator of Sud"):
        for path in ("/wall", "/machines/mill-1"):
            assert alert["title"] not in it.get(path, reader, lang="it").text, (reader, path)
    assert alert["title"] in it.get("/machines/mill-1", "operator", lang="it").text
    taken = {"kind": "take", "note": "cinque minuti"}
    assert it.send("POST", f"/api/v1/alerts/{alert['id']}/actions", "maintenance", json=taken).status_code == 200

    [answered] = it.get("/api/v1/machines/mill-1/calls", "operator").json()["items"]
    assert (answered["taken_by"], answered["note"], answered["alert"]) == ("maintenance", "cinque minuti", alert["id"])
    assert "In carico a " in it.get("/wall", "operator", lang="it").text
    assert "Arriva maintenance" in it.get("/tablet/mill-1", "operator", lang="it").text

    assert it.send("DELETE", "/api/v1/machines/mill-1/calls", "operator").status_code == 204
    assert it.get("/api/v1/machines/mill-1/calls", "operator").json()["items"][0]["is_over"]
    for minutes in (1, 20, 40):
        watching.run(clock.now() + minutes * MINUTE)
    assert not [each for each in it.get("/api/v1/alerts", "maintenance").json()["items"] if each["rule"] == "call"]
    records.close()


def test_the_tablet_changes_who_pays_and_gives_reasons_without_a_script(it: World) -> None:
    with signed_in(it.url, "operator@example.it") as client:
        shown = client.get("/tablet/mill-1?lang=it").text
        assert "Chi paga adesso" in shown
        token = shown.split('name="csrf" value="')[1].split('"')[0]

        chosen = client.post("/tablet/mill-1/payer", data={"csrf": token, "payer": "firm-a"})
        assert chosen.status_code == 303
        assert "per badge o ingresso" in client.get("/fragments/tablet/mill-1/payer").text
        assert client.post("/tablet/mill-1/payer", data={"csrf": token, "out": "yes"}).status_code == 303
        assert "Nessuno" in client.get("/fragments/tablet/mill-1/payer").text

        lasting = stops(it)[0]
        stop = parse_instant(lasting["from"])
        told = client.post("/tablet/mill-1/stops", data={"csrf": token, "at": str(stop), "reason": "break"})
        assert told.status_code == 303
        assert stops(it)[0]["reason"]["id"] == "break"
        assert client.post("/tablet/mill-1/payer", data={"payer": "firm-b"}).status_code == 403


def test_the_page_of_a_machine_says_who_pays_to_who_may_know_it(it: World) -> None:
    def head(holder: str) -> str:
        return it.get("/fragments/machines/mill-1/payer", holder, lang="it").text

    assert "Nessuno" in head("operator")
    assert "nessuno si è presentato" in head("operator") or "non è attribuito" in head("operator")
    for payer, is_own in (("firm-a", True), ("firm-b", False)):
        with signed_in(it.url, "operator@example.it") as client:
            token = client.get("/tablet/mill-1?lang=it").text.split('name="csrf" value="')[1].split('"')[0]
            client.post("/tablet/mill-1/payer", data={"csrf": token, "payer": payer})
            assert all(word in head("operator") for word in ("Chi paga adesso", "per badge o ingresso", "Cambia chi"))
            assert ("Chi paga adesso" in head("member")) is is_own
            assert "Cambia chi" not in head("member")
            assert "Chi paga" not in it.get("/machines/mill-1", "kiosk", lang="it").text
            client.post("/tablet/mill-1/payer", data={"csrf": token, "out": "yes"})


def test_ten_stops_get_their_reasons_with_one_touch_each_and_one_to_begin(it: World) -> None:
    now, stopped = clock.now(), 10
    begun = now - (stopped + 1) * 20 * MINUTE
    changes = [(begun, 3)]
    for number in range(stopped):
        changes += [(begun + (20 * number + 5) * MINUTE, 2), (begun + (20 * number + 15) * MINUTE, 3)]
    it.say(
        *(Sample("mill-2", "item_state", at, state) for at, state in changes), Sample("mill-2", "observed", now, begun)
    )
    until(lambda: len(it.get("/api/v1/machines/mill-2/stops", "operator").json()["items"]) == stopped, "the stops")
    with chromium() as browser, screen(browser, it, "operator", "tablet") as shown:
        shown.open("/tablet/mill-2?lang=it")
        began = time.monotonic()
        for left in range(stopped, 0, -1):
            assert shown.page.locator("h2.ask >> text=Perché").count() == 1, left
            shown.click("button[name=reason][value=material]")
            shown.page.wait_for_load_state()
        print(f"tablet: {stopped} stops in {time.monotonic() - began:.1f} s of a robot's time")
        shown.page.wait_for_selector("text=Ogni fermo ha la sua causale.")
        assert shown.clicks <= 1 + stopped  # task 4
        assert shown.complaints == []


def test_who_called_maintenance_sees_on_the_tablet_who_comes_without_loading_it_again(it: World) -> None:
    records = open_records(f"sqlite://{it.folder}/records.db")
    watching = Watching(it.store, records, records.writing, zone="Europe/Rome")
    watching.run(clock.now())
    with chromium() as browser, screen(browser, it, "operator", "tablet") as shown:
        shown.open("/tablet/mill-2?lang=it")
        shown.click("#call")
        shown.page.wait_for_selector("text=Manutenzione chiamata")
        shown.page.evaluate("window.isStillThere = true")
        [call, *_] = it.get("/api/v1/machines/mill-2/calls", "operator").json()["items"]
        for seconds in (3, 5, 8):
            watching.run(parse_instant(call["at"]) + seconds * SECOND)
        alerts = it.get("/api/v1/alerts", "maintenance").json()["items"]
        [alert] = [each["id"] for each in alerts if (each["rule"], each["machine"]) == ("call", "mill-2")]
        answer = {"kind": "take", "note": "arrivo"}
        assert it.send("POST", f"/api/v1/alerts/{alert}/actions", "maintenance", json=answer).status_code == 200

        shown.page.wait_for_selector("#calling >> text=Arriva maintenance")
        assert shown.page.evaluate("window.isStillThere")
        assert shown.clicks <= 2  # task 5
        shown.click("#calling button[name=over]")
        shown.page.wait_for_selector("#call")
    records.close()


def test_equipment_without_an_agent_is_used_by_check_in_alone_and_is_free_else(it: World) -> None:
    arm = {"name": "B 1", "kind": "Braccio di misura", "site_id": "nord", "agent_id": None}
    assert it.send("PUT", "/api/v1/machines/arm-1", json=arm).status_code == 201
    until(lambda: it.get("/api/v1/machines/arm-1").status_code == 200, "the arm")

    def now(holder: str = "operator") -> dict[str, Any]:
        return dict(it.get("/api/v1/machines/arm-1", holder).json())

    assert (now()["state"], now()["by_check_in"], now()["seen"]) == ("off", True, None)
    assert "è libera: chi entra paga da quel momento" in it.get("/tablet/arm-1", "operator", lang="it").text
    at = format_instant(clock.now() - 10 * MINUTE)
    said = {"machine": "arm-1", "at": at, "payer": "firm-a"}
    assert it.send("POST", "/api/v1/check-ins", "operator", json=said).status_code == 201
    until(lambda: now()["state"] == "processing", "its use")

    assert now("member")["since"] == at
    board = it.get("/", "operator", lang="it").text
    assert "In uso" in board
    assert "ingresso: Officina Rossi S.r.l." in board
    assert "Officina Rossi" not in it.get("/", "other member", lang="it").text
    assert "In uso" in it.get("/wall", "kiosk", lang="it").text
    assert "Attrezzature senza agente" in it.get("/fleet", "administrator", lang="it").text
    shown = it.get("/tablet/arm-1", "operator", lang="it").text
    assert "Finisce da solo alle" in shown
    assert "da spenta" not in shown
    states = it.get("/api/v1/machines/arm-1/states", "operator").json()
    assert [each["state"] for each in states["items"]] == ["off", "processing"]
    assert it.get("/machines/arm-1", "operator").status_code == 200
    assert it.get("/machines/arm-1/history", "operator").status_code == 200
    assert it.get("/api/v1/machines/arm-1/stops", "operator").json()["items"] == []

    assert it.send("POST", "/api/v1/check-ins", "operator", json={"machine": "arm-1", "out": True}).status_code == 201
    until(lambda: now()["state"] == "off", "its end")
    assert "Libera" in it.get("/", "operator", lang="it").text
