"""The inbox, an alert's page, the plan and work orders, beside a watch that judges real data."""

from __future__ import annotations

import base64
import html
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from api.access import people
from api.access.passwords import hash_now
from api.access.scope import Role
from api.audit.service import CONSOLE
from api.records.database import open_records
from shopfloor.periods import HOUR, to_datetime
from shopfloor.runtime import clock
from tests.browser.screens import SIZES, chromium, screen
from tests.journey.api_world import world
from tests.journey.people import PASSWORD, add_people
from tests.journey.test_alerts import Beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from playwright.sync_api import Browser, FilePayload

pytestmark = pytest.mark.services
WIDTHS = ("desktop", "phone", "small phone")
DECIDE_SECONDS_MAX = 10.0


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    with world(tmp_path_factory.mktemp("upkeep"), more='second_factor = "optional"') as it:
        add_people(it.folder)
        records = open_records(it.records)
        with records.writing() as session:
            wanted = [people.Wanted(Role.MAINTENANCE)]
            person = people.add_person(session, CONSOLE, "fitter@example.it", "Marta Conti", wanted, now=clock.now())
            person.password_hash = hash_now(PASSWORD)
        records.close()
        made = Beside(it)
        yield made
        made.records.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def read(beside: Beside, path: str, holder: str = "maintenance") -> str:
    path, _, asked = path.partition("?")
    answer = beside.it.get(path, holder, lang="it", **dict(parse_qsl(asked)))
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", answer.text)


def test_the_inbox_shows_what_nobody_has_and_an_alert_tells_why(beside: Beside) -> None:
    alert = beside.alert("lathe-1")
    inbox = read(beside, "/inbox")
    assert "Critica" in inbox
    assert f'href="/alerts/{alert["id"]}"' in inbox
    assert "91" in inbox
    page = read(beside, f"/alerts/{alert['id']}")
    assert "sopra 75 °C" in page
    assert "Fonte del limite" in page
    assert "limite 75" in page  # on the line of the drawing
    assert "Nessun responsabile." in page


def test_an_operator_reads_alerts_and_is_offered_nothing_that_it_may_not_do(beside: Beside) -> None:
    alert = beside.alert("lathe-1")["id"]
    assert "Prendi in carico" not in read(beside, f"/alerts/{alert}", "operator")
    assert "Prendi in carico" not in read(beside, "/inbox", "operator")
    assert beside.it.send("POST", f"/alerts/{alert}", "operator", data={"deed": "take"}).status_code == 404


def test_a_member_sees_nothing_that_did_not_concern_its_own_job(beside: Beside) -> None:
    alert = beside.alert("lathe-1")["id"]
    inbox = read(beside, "/inbox", "member")
    assert "Nessun avviso nuovo." in inbox
    assert alert not in inbox
    assert beside.it.get(f"/alerts/{alert}", "member").status_code == 404


def test_shelving_asks_why_and_keeps_what_was_chosen(beside: Beside) -> None:
    alert = beside.alert("lathe-1")["id"]
    refused = beside.it.send("POST", f"/alerts/{alert}", "maintenance", data={"deed": "shelve:hour", "note": ""})
    assert refused.status_code == 422
    assert "Scrivi perché" in refused.text
    past = {"deed": "shelve:date", "note": "waits for a part", "until": "2020-01-01"}
    answer = beside.it.send("POST", f"/alerts/{alert}", "maintenance", data=past)
    assert "Scegli un giorno" in answer.text
    assert "waits for a part" in answer.text
    tomorrow = (to_datetime(clock.now()) + timedelta(days=2)).date().isoformat()
    kept = beside.it.send("POST", f"/alerts/{alert}", "maintenance", data=past | {"until": tomorrow})
    assert kept.status_code == 303
    assert f'id="alert-{alert}"' in read(beside, "/inbox?tab=shelved")
    assert f'id="alert-{alert}"' not in read(beside, "/inbox")
    back = beside.it.send("POST", f"/alerts/{alert}", "maintenance", data={"deed": "unshelve"})
    assert back.status_code == 303


def test_a_work_order_is_closed_with_its_time_parts_and_check(beside: Beside) -> None:
    alert = beside.alert("lathe-1")["id"]
    send = beside.it.send
    made = send("POST", "/work-orders", "maintenance", data={"machine": "lathe-1", "title": "Chiller", "alert": alert})
    path = made.headers["location"].partition("?")[0]
    assert "Chiller" in read(beside, "/work-orders")
    assert send("POST", f"{path}/lock-out", "maintenance", data={"reason": ""}).status_code == 422
    assert send("POST", f"{path}/lock-out", "maintenance", data={"reason": "no coolant"}).status_code == 303
    assert "Nessuno può prenotarla." in read(beside, path)
    assert send("POST", f"{path}/give-back", "maintenance", data={"check": "runs cool"}).status_code == 303
    ahead = to_datetime(clock.now() + 50 * HOUR).date().isoformat()
    done = {"day": ahead, "time": "10:00", "minutes": "40", "report": "filled up", "parts": "2 Filtro\nOlio"}
    assert "deve ancora venire" in send("POST", f"{path}/close", "maintenance", data=done).text
    done["day"] = to_datetime(clock.now() - 30 * HOUR).date().isoformat()
    assert send("POST", f"{path}/close", "maintenance", data=done).status_code == 303
    order = beside.it.get(f"/api/v1{path}", "maintenance").json()
    assert order["state"] == "closed"
    assert [(each["name"], each["quantity"]) for each in order["parts"]] == [("Filtro", 2), ("Olio", 1)]
    assert "runs cool" in read(beside, path)


def test_a_form_of_a_work_order_says_what_is_missing(beside: Beside) -> None:
    answer = beside.it.send("POST", "/work-orders", "maintenance", data={"machine": "", "title": ""})
    assert answer.status_code == 422
    assert "Scegli una macchina." in answer.text


def test_from_the_message_an_alert_is_taken_in_two_clicks(beside: Beside, browser: Browser) -> None:
    alert = beside.alert("mill-1")["id"]
    with screen(browser, beside.it, "fitter", "phone") as it:
        begun = time.monotonic()
        assert it.open(f"/alerts/{alert}") == 200  # the message's own link is the first click
        assert (
            it.page.locator(".evidence svg.curve path.over").count() == 1
        )  # task 12: the chart with the limit crossed
        assert it.page.locator(".evidence svg.marks line").count() >= 1
        assert "Casi simili" in it.texts()
        it.page.fill("#note", "arrivo")
        it.click("button[value=take]")
        it.page.wait_for_selector(".done")
        assert 1 + it.clicks <= 2  # task 13
        assert time.monotonic() - begun <= DECIDE_SECONDS_MAX
        assert "In carico a Marta Conti" in it.texts()
        assert it.complaints == []


def test_an_alert_is_shelved_from_its_message_in_three_clicks(beside: Beside, browser: Browser) -> None:
    alert = beside.alert("mill-1")["id"]
    beside.it.send("POST", f"/alerts/{alert}", "maintenance", data={"deed": "unshelve"})
    with screen(browser, beside.it, "fitter", "desktop") as it:
        it.open(f"/alerts/{alert}")
        it.page.fill("#note", "aspetta il ricambio")
        it.click("button[value='shelve:shift']")
        it.page.wait_for_selector(".done")
        assert 1 + it.clicks <= 3  # task 14
        it.click("button[value=unshelve]")
        it.page.wait_for_selector(".done")


def test_machines_by_what_is_left_before_their_service_are_one_click_away(beside: Beside, browser: Browser) -> None:
    with screen(browser, beside.it, "fitter", "desktop") as it:
        it.click(".nav a[href='/plan']")
        it.page.wait_for_selector("h1 >> text=Piano")
        assert it.clicks == 1  # task 15


def test_work_is_closed_from_the_list_in_three_clicks_and_stays_on_record(beside: Beside, browser: Browser) -> None:
    order = beside.it.send("POST", "/work-orders", "maintenance", data={"machine": "mill-2", "title": "Cambio filtro"})
    path = order.headers["location"].partition("?")[0]
    with screen(browser, beside.it, "fitter", "desktop") as it:
        it.click(".nav a[href='/work-orders']")
        it.click(f"main a[href='{path}']")
        it.page.fill("#report", "filtro sostituito")
        it.click("#close .btn.main")
        it.page.wait_for_selector(".done")
        assert it.clicks <= 3  # task 16
    trail = beside.it.get("/api/v1/audit", subject=path.removeprefix("/")).json()["items"]
    assert trail


def test_every_page_of_maintenance_holds_on_every_width_and_keeps_nobody_out(beside: Beside, browser: Browser) -> None:
    alert = beside.alert("mill-1")["id"]
    order = beside.it.send("POST", "/work-orders", "maintenance", data={"machine": "mill-2", "title": "Oil " * 30})
    paths = (
        "/inbox",
        "/inbox?tab=closed",
        f"/alerts/{alert}",
        "/plan",
        "/plan/windows",
        "/plan/figures?days=7",
        "/rules",
        "/rules/spindle-hot",
        "/account/messages",
        "/work-orders",
        order.headers["location"],
    )
    for size in WIDTHS:
        with screen(browser, beside.it, "fitter", size) as it:
            for path in paths:
                assert it.open(path) == 200
                assert it.width() <= SIZES[size][0], (size, path)
                if size == "desktop":
                    assert it.barriers() == [], path
            assert it.complaints == []
            assert it.strangers == []


def test_figures_stand_beside_their_targets_with_their_meaning_over_a_period_that_is_chosen(beside: Beside) -> None:
    page = html.unescape(read(beside, "/plan/figures?days=7"))
    assert 'href="/plan/figures?days=7" aria-current="page"' in page
    for said in ("al più 144", "IEC 62682:2014", "Tra i guasti (MTBF)", "M 1", "circa 80, 15 e 5 %"):
        assert said in page
    kept = beside.it.get("/api/v1/maintenance/figures", "maintenance", days="7").json()
    assert kept["peak_minute"] <= kept["peak_hour"] <= kept["came"]
    assert beside.it.get("/plan/figures", "operator").status_code == 404


def test_a_window_is_planned_without_script_keeps_what_was_typed_and_ends_early(
    beside: Beside, browser: Browser
) -> None:
    with screen(browser, beside.it, "fitter", "small phone", script=False) as it:
        assert it.open("/plan/windows") == 200
        it.page.fill("#reason", "rodaggio del mandrino")
        it.click("text=Programma >> nth=-1")
        assert "Scegliere una macchina" in it.texts()
        assert it.page.input_value("#reason") == "rodaggio del mandrino"
        it.page.select_option("#where", "nord/mill-1")
        it.click("text=Programma >> nth=-1")
        assert "in corso, ancora" in it.texts()
        it.click("text=Termina adesso")
        assert "La finestra è finita" in it.texts()
        assert "Finite negli ultimi 30 giorni" in it.texts()
        assert it.width() <= SIZES["small phone"][0]
    send, day = beside.it.send, to_datetime(clock.now() + 50 * HOUR).date().isoformat()
    ahead = {"where": "nord", "start_day": day, "start_time": "08:00", "end_day": day, "reason": "stop"}
    refused = send("POST", "/plan/windows", "maintenance", data=ahead | {"end_time": "07:00"})
    assert (refused.status_code, "La fine viene dopo" in html.unescape(refused.text)) == (422, True)
    assert send("POST", "/plan/windows", "maintenance", data=ahead | {"end_time": "18:00"}).status_code == 303
    (kept,) = beside.it.get("/api/v1/maintenance/windows", "maintenance").json()["items"]
    assert (kept["site"], kept["machine"], kept["reason"]) == ("nord", None, "stop")
    assert "Tutte le macchine di" in read(beside, "/plan/windows")
    taken = send("POST", f"/plan/windows/{kept['id']}", "maintenance")
    assert taken.headers["location"] == "/plan/windows?done=removed"
    assert beside.it.get("/api/v1/maintenance/windows", "maintenance").json()["items"] == []
    assert beside.it.get("/plan/windows", "operator").status_code == 404


def test_the_inbox_follows_without_being_loaded_again(beside: Beside, browser: Browser) -> None:
    alert = beside.alert("mill-1")["id"]
    with screen(browser, beside.it, "fitter", "desktop") as it:
        it.open("/inbox?tab=shelved")
        assert alert not in it.page.inner_html("#inbox .pane")
        beside.act(alert, kind="shelve", shelve_for="hour", note="waits")
        it.page.wait_for_selector(f"#alert-{alert}", timeout=15_000)


def test_the_span_of_the_evidence_is_chosen(beside: Beside) -> None:
    alert = beside.alert("mill-1")["id"]
    assert 'href="?hours=24" aria-current="true"' in read(beside, f"/alerts/{alert}?hours=24")


def test_a_person_adds_a_channel_tests_it_and_sets_quiet_hours(beside: Beside, browser: Browser) -> None:
    with screen(browser, beside.it, "fitter", "phone", script=False) as it:
        assert it.open("/account/messages") == 200
        it.page.fill("#name", "telefono")
        it.page.fill("#address", "not an address")
        it.click("text=Aggiungi il canale")
        assert "Questo indirizzo non si legge" in it.texts()
        it.page.fill("#address", "json://127.0.0.1:9/secret-of-it")
        it.click("text=Aggiungi il canale")
        it.click("button[value=test]")
        assert "La prova è in viaggio" in it.texts()
        assert "secret-of-it" not in it.page.content()
        it.page.fill("#quiet-0-start", "22:00")
        it.click("text=Salva le tue ore")
        assert "spunta almeno un giorno" in it.texts()
        assert it.page.input_value("#quiet-0-start") == "22:00"
        it.page.check("input[name=quiet-0-day][value='5']")
        it.page.fill("#quiet-0-end", "06:00")
        it.click("text=Salva le tue ore")
        assert "Le tue ore sono salvate." in it.texts()
        assert it.page.input_value("#quiet-0-start") == "22:00"
        assert it.page.is_checked("input[name=quiet-0-day][value='5']")
        assert it.width() <= SIZES["phone"][0]


def test_a_rule_is_tried_over_the_past_and_then_changed_for_one_machine(beside: Beside) -> None:
    assert "usual switch-off of motor spindles" in read(beside, "/rules")
    send = beside.it.send
    tried = {"deed": "try", "machine": "lathe-1", "days": "7", "upper": "60,5"}
    answer = send("POST", "/rules/spindle-hot", "maintenance", data=tried)
    assert answer.status_code == 200, answer.text
    assert "1 episodio" in answer.text
    assert 'class="found"' in answer.text
    calm = send("POST", "/rules/spindle-hot", "maintenance", data=tried | {"upper": "95"})
    assert "Non avrebbe detto nulla." in calm.text
    assert (
        beside.it.get("/api/v1/rules", machine="lathe-1").json()["items"]
        == beside.it.get("/api/v1/rules").json()["items"]
    )


def test_a_limit_is_kept_with_its_source_and_a_rule_switched_off_keeps_it(beside: Beside) -> None:
    send = beside.it.send
    kept = {"deed": "save", "machine": "mill-2", "upper": "warm"}
    answer = send("POST", "/rules/spindle-hot", "maintenance", data=kept)
    assert "Scrivi un numero" in answer.text
    assert "Scrivi chi lo dice" in answer.text
    saved = send("POST", "/rules/spindle-hot", "maintenance", data=kept | {"upper": "64", "source": "Kessler 4.2"})
    assert saved.status_code == 303, saved.text
    assert (
        send("POST", "/rules/spindle-hot", "maintenance", data={"deed": "off", "machine": "mill-2"}).status_code == 303
    )
    whole = beside.it.get("/api/v1/rules/spindle-hot", "maintenance").json()["machines"]["mill-2"]
    assert (whole["enabled"], whole["values"]["high"], whole["source"]) == (False, 64.0, "Kessler 4.2")
    assert "spenta, non avvisa" in read(beside, "/rules/spindle-hot?machine=mill-2")
    assert beside.it.get("/rules", "operator").status_code == 404


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_a_photo_of_the_work_is_kept_with_its_order_and_what_is_none_is_refused(beside: Beside) -> None:
    send, get = beside.it.send, beside.it.get
    made = send("POST", "/work-orders", "maintenance", data={"machine": "mill-1", "title": "Belt"})
    path = made.headers["location"].partition("?")[0]

    def give(content: bytes, name: str = "photo.png", holder: str = "maintenance") -> httpx.Response:
        sent = {"photo": (name, content, "image/png")}
        return send("POST", f"{path}/photos", holder, files=sent, headers={"Accept-Language": "it"})

    assert give(PNG, "C:\\foto\\../=cinghia.png").status_code == 303
    (kept,) = get(f"/api/v1{path}/photos", "maintenance").json()["items"]
    assert (kept["name"], kept["media_type"], kept["bytes"]) == ("cinghia.png", "image/png", len(PNG))
    page = read(beside, path)
    assert 'accept="image/*" capture="environment"' in page
    assert f'src="/api/v1{path}/photos/{kept["id"]}"' in page
    picture = get(f"/api/v1{path}/photos/{kept['id']}", "maintenance")
    assert picture.content == PNG
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in picture.headers["content-security-policy"]
    for wrong in (b"<script>alert(1)</script>", b"%PDF-1.7", b"RIFF\x00\x00\x00\x00WAVE"):
        refused = give(wrong)
        assert refused.status_code == 422
        assert "Il contenuto di questo file non è JPEG" in refused.text
    over = give(PNG + bytes(20_000_000))
    assert (over.status_code, "al più 20 MB" in over.text) == (422, True)
    assert "Scatta una foto, o scegline una." in give(b"").text
    for holder in ("operator", "member"):
        assert give(PNG, holder=holder).status_code == 404
        assert get(f"/api/v1{path}/photos/{kept['id']}", holder).status_code == 404
    webp = b"RIFF\x1a\x00\x00\x00WEBPVP8L"
    second = send("POST", f"/api/v1{path}/photos", "maintenance", content=webp).json()
    assert (second["name"], second["media_type"]) == ("Photo", "image/webp")
    assert send("POST", f"{path}/photos/{second['id']}/remove", "maintenance").status_code == 303
    said = get("/api/v1/audit", subject=f"{path[1:]}/photos").json()["items"]
    assert [each["what"] for each in said] == ["remove", "add", "add"]
    assert send("POST", f"{path}/cancel", "maintenance").status_code == 303
    assert send("POST", f"{path}/photos/{kept['id']}/remove", "maintenance").status_code == 422
    assert send("DELETE", f"/api/v1{path}/photos/{kept['id']}", "maintenance").status_code == 409
    assert len(get(f"/api/v1{path}/photos", "maintenance").json()["items"]) == 1


def test_a_form_with_a_file_needs_the_sessions_token_and_our_own_page(beside: Beside, browser: Browser) -> None:
    made = beside.it.send("POST", "/work-orders", "maintenance", data={"machine": "mill-1", "title": "Guard"})
    path = made.headers["location"].partition("?")[0]
    with screen(browser, beside.it, "fitter", "small phone", script=False) as it:
        it.open(path)
        it.page.set_input_files("#photo", {"name": "riparo.png", "mimeType": "image/png", "buffer": PNG})
        it.click("text=Salva la foto")
        assert "La foto è salvata." in it.texts()
        assert it.width() <= SIZES["small phone"][0]
        picture: FilePayload = {"name": "x.png", "mimeType": "image/png", "buffer": PNG}
        token = it.page.input_value(f"form[action='{path}/photos'] [name=csrf]")
        for csrf, origin in (("", beside.it.url), ("0" * 32, beside.it.url), (token, "https://elsewhere.example")):
            answer = it.page.request.post(
                f"{beside.it.url}{path}/photos", multipart={"photo": picture, "csrf": csrf}, headers={"Origin": origin}
            )
            assert answer.status == 403
    assert len(beside.it.get(f"/api/v1{path}/photos", "maintenance").json()["items"]) == 1


def test_manuals_and_the_photo_of_a_machine_are_brought_by_a_form(beside: Beside) -> None:
    send, page = beside.it.send, "/administration/machines/mill-2/files"

    def give(purpose: str, content: bytes, name: str, holder: str = "administrator") -> httpx.Response:
        said = {"purpose": purpose}
        return send("POST", page, holder, headers={"Accept-Language": "it"}, data=said, files={"file": (name, content)})

    assert f'href="{page}"' in read(beside, "/administration/machines/mill-2", "administrator")
    assert "Non c'è ancora nessun manuale." in html.unescape(read(beside, page, "administrator"))
    assert give("manual", b"%PDF-1.7 and so on", "Uso e manutenzione.pdf").status_code == 303
    assert give("photo", PNG, "davanti.png").status_code == 303
    assert give("photo", PNG, "di lato.png").status_code == 303
    shown = read(beside, page, "administrator")
    assert ("Uso e manutenzione.pdf" in shown, "davanti.png" in shown, "di lato.png" in shown) == (True, False, True)
    assert "non è JPEG" in give("photo", b"%PDF-1.7", "foto.png").text
    assert "non è PDF" in give("manual", b"<html>", "manuale.pdf").text
    assert give("manual", b"%PDF-1.7", "x.pdf", "maintenance").status_code == 404
    kept = beside.it.get("/api/v1/machines/mill-2/files").json()["items"]
    assert send("POST", f"{page}/{kept[0]['id']}/remove").status_code == 303
    assert len(beside.it.get("/api/v1/machines/mill-2/files").json()["items"]) == 1
