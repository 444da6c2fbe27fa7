"""People, keys and wall screens by plain forms, as an administrator keeps them."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.journey.api_world import Stream, World, world
from tests.journey.people import PASSWORD, add_people, sign_in, signed_in
from tests.services.records import partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

PEOPLE, KEYS, PAYERS = "/administration/people", "/administration/keys", "/administration/attribution"
HOURS = "/administration/hours"
CHAIN = "/administration/escalation"
WAYS = (
    ("GET", PEOPLE), ("GET", f"{PEOPLE}/new"), ("POST", f"{PEOPLE}/new"), ("POST", f"{PEOPLE}/x/deeds"), ("GET", KEYS),
    ("POST", KEYS), ("POST", f"{KEYS}/x/remove"), ("GET", "/administration/consortium"),
    ("POST", "/administration/consortium"), ("GET", "/administration/import/members"),
    ("POST", "/administration/import/members"), ("GET", PAYERS), ("POST", PAYERS), ("POST", f"{PAYERS}/x/remove"),
    ("GET", HOURS), ("GET", f"{HOURS}/new"), ("POST", f"{HOURS}/new"), ("POST", f"{HOURS}/x/remove"),
)  # fmt: skip


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    more = 'second_factor = "optional"'
    with world(tmp_path_factory.mktemp("people"), live="heartbeat_seconds = 1", more=more) as made:
        add_people(made)
        yield made


@pytest.fixture(scope="module")
def ada(it: World) -> Iterator[httpx.Client]:
    with signed_in(it.url, "administrator@example.it") as browser:
        browser.headers["Accept"], browser.headers["Accept-Language"] = "text/html", "it"
        yield browser


def send(browser: httpx.Client, path: str, to: str = "", **form: Any) -> httpx.Response:
    """Send the form of a page, with what the page put in it."""
    text = browser.get(path).text
    hidden = dict(re.findall(r'type="hidden" name="(csrf|version)" value="([^"]*)"', text))
    kept = {"keep": re.findall(r'name="keep" value="(\d+)" checked|name="keep" value="(\d+)"[^>]*checked', text)}
    marked = {"keep": [one or two for one, two in kept["keep"]]}
    return browser.post(to or path, data={**hidden, **marked, **form})


def code_of(answer: httpx.Response) -> str:
    found = re.search(r'class="code mono">([^<]+)<', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


def invited(ada: httpx.Client, email: str, **role: Any) -> str:
    """Invite somebody by the form, and choose a password by the link. Returns the page of that person."""
    answer = send(ada, f"{PEOPLE}/new", name=email, email=email, language="it", **role)
    assert answer.status_code == 200, answer.text
    taken = httpx.post(
        code_of(answer), data={"password": PASSWORD, "again": PASSWORD}, headers={"Origin": ada.headers["Origin"]}
    )
    assert taken.status_code == 303, taken.text
    found = re.search(rf'href="({PEOPLE}/[0-9a-f]+)">{re.escape(email)}<', answer.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("who", ["operator@example.it", "member@example.it", "kiosk@example.it"])
def test_only_administrators_have_these_pages(it: World, who: str) -> None:
    with signed_in(it.url, who) as browser:
        csrf = browser.get("/api/v1/me").json()["csrf_token"]
        for method, path in WAYS:
            assert browser.request(method, path, headers={"X-CSRF-Token": csrf}).status_code == 404, (method, path)


def test_somebody_is_invited_with_a_role_at_a_site_and_seen_in_the_list(it: World, ada: httpx.Client) -> None:
    invited(ada, "eva@example.it", role="operator", site=["sud"])

    assert re.search(r"eva@example.it</td>.*?Operatore, Sud</td>.*?può entrare", ada.get(PEOPLE).text)
    with signed_in(it.url, "eva@example.it") as eva:
        assert [each["id"] for each in eva.get("/api/v1/machines").json()["items"]] == ["lathe-1"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"email": "no address"}, "Non è un indirizzo e-mail"),
        ({"email": "operator@example.it"}, "Non è un indirizzo e-mail"),
        ({"name": ""}, "Scrivi un nome"),
        ({"role": ""}, "Scegli un ruolo"),
        ({"role": "member"}, "Scegli l&#39;impresa"),
        ({"member": "firm-a"}, "Scegli l&#39;impresa"),
        ({"role": "administrator", "site": ["sud"]}, "hanno tutte le sedi"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(
    ada: httpx.Client, wrong: dict[str, Any], said: str
) -> None:
    typed = {"name": "Gino", "email": "gino@example.it", "language": "it", "role": "operator"} | wrong

    answer = send(ada, f"{PEOPLE}/new", **typed)

    assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert f'value="{typed["email"]}"' in answer.text
    assert "gino@example.it" not in ada.get(PEOPLE).text


def test_roles_are_added_and_taken_away_and_who_saw_an_older_state_is_told(it: World, ada: httpx.Client) -> None:
    page = invited(ada, "ugo@example.it", role="operator", site=["nord"])
    text = ada.get(page).text
    assert send(ada, page, name="Ugo", language="en", role="member", member="firm-a").status_code == 303
    assert "Socio, Officina Rossi S.r.l." in ada.get(page).text
    hidden = dict(re.findall(r'type="hidden" name="(csrf|version)" value="([^"]*)"', text))
    stale = ada.post(page, data={**hidden, "name": "Ugo", "language": "it", "role": "administrator"})
    assert (stale.status_code, "qualcun altro" in stale.text) == (422, True)
    with signed_in(it.url, "ugo@example.it") as ugo:
        assert send(ada, page, name="Ugo", language="en", keep=[]).status_code == 303
        assert ugo.get("/api/v1/me").status_code == 401
    assert "senza ruolo" in ada.get(page).text


def test_an_administrator_signs_somebody_out_keeps_them_out_and_lets_them_in_again(
    it: World, ada: httpx.Client
) -> None:
    page = invited(ada, "ida@example.it", role="maintenance")
    with signed_in(it.url, "ida@example.it") as ida:
        assert send(ada, page, f"{page}/deeds", deed="ended").headers["location"] == f"{page}?done=ended"
        assert ida.get("/api/v1/me").status_code == 401
    assert send(ada, page, f"{page}/deeds", deed="out").status_code == 303
    assert sign_in(it.url, "ida@example.it").status_code == 422
    assert "senza accesso" in ada.get(page).text
    assert send(ada, page, f"{page}/deeds", deed="in").status_code == 303
    again = send(ada, page, f"{page}/deeds", deed="link")
    assert "/invitation/" in code_of(again)
    assert code_of(again) not in ada.get(page).text
    assert sign_in(it.url, "ida@example.it").status_code == 303
    assert ada.get(f"{PEOPLE}/none").status_code == 404


def test_the_last_administrator_cannot_be_kept_out(ada: httpx.Client) -> None:
    me = re.search(rf'href="({PEOPLE}/[0-9a-f]+)"><b>administrator<', ada.get(PEOPLE).text)
    assert me is not None
    for answer in (
        send(ada, me[1], f"{me[1]}/deeds", deed="out"),
        send(ada, me[1], name="Ada", language="it", keep=[], role="operator"),
    ):
        assert (answer.status_code, "Almeno una persona deve amministrare" in answer.text) == (422, True)


def test_a_key_is_shown_once_its_use_is_told_and_it_ends_when_it_is_removed(it: World, ada: httpx.Client) -> None:
    wrong = send(ada, KEYS, name="", role="operator", days="365")
    assert (wrong.status_code, "Scrivi un nome" in wrong.text) == (422, True)
    made = send(ada, KEYS, name="Gestionale", role="operator", site=["nord"], days="365")
    token = code_of(made)
    listed = ada.get(KEYS).text
    assert token not in listed
    assert re.search(r"Gestionale</th>.*?Operatore, Nord</td>.*?>no</td>.*?>mai</td>", listed)
    key = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{it.url}/api/v1/machines", headers=key).status_code == 200
    assert httpx.put(f"{it.url}/api/v1/sites/est", json={"name": "Est"}, headers=key).status_code == 404
    assert not re.search(r"Gestionale</th>(?:(?!</tr>).)*>mai</td>", ada.get(KEYS).text)
    assert send(ada, KEYS, f"{KEYS}/{token.split('_')[1]}/remove").headers["location"] == f"{KEYS}?done=removed"
    assert httpx.get(f"{it.url}/api/v1/machines", headers=key).status_code == 401


def test_a_wall_link_shows_states_alone_on_a_screen_until_it_is_removed(it: World, ada: httpx.Client) -> None:
    link = code_of(send(ada, KEYS, wall="yes", name="Reparto", site=["nord"]))
    token = link.rpartition("/")[2]
    opened = httpx.get(link)
    assert (opened.status_code, opened.headers["location"]) == (303, "/wall")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(opened.headers["set-cookie"].split("; "))
    with httpx.Client(base_url=it.url, cookies=dict(opened.cookies), headers={"Origin": it.url}, timeout=20) as wall:
        assert "M 1" in wall.get("/wall").text
        assert "L 1" not in wall.get("/wall").text
        assert "calls-head" not in wall.get("/wall").text
        assert wall.get("/api/v1/machines").json()["items"][0]["work"] is None
        for path in ("/api/v1/members", "/administration", "/bookings", "/api/v1/machines/mill-1/signals", "/account"):
            assert wall.get(path).status_code == 404, path
        csrf = {"X-CSRF-Token": wall.get("/api/v1/me").json()["csrf_token"]}
        assert wall.put("/api/v1/sites/est", json={"name": "Est"}, headers=csrf).status_code in {403, 404}
        with wall.stream("GET", "/api/v1/live") as response:
            stream = Stream(response)
            stream.read()
            assert send(ada, KEYS, f"{KEYS}/{token.split('_')[1]}/remove").status_code == 303
            with pytest.raises((EOFError, httpx.RemoteProtocolError)):
                stream.until(lambda *_: False)
        assert wall.get("/wall", headers={"Accept": "text/html"}).headers["location"] == "/sign-in"
    assert httpx.get(link).status_code == 404


def test_no_other_key_goes_into_a_browser_and_no_other_site_makes_one_a_wall(it: World, ada: httpx.Client) -> None:
    for holder in ("administrator", "operator", "kiosk"):  # the last may write: it was not made for a wall
        assert httpx.get(f"{it.url}/wall/open/{it.keys[holder]}").status_code == 404
        assert httpx.get(f"{it.url}/api/v1/me", cookies={"officina": it.keys[holder]}).status_code == 401
    link = code_of(send(ada, KEYS, wall="yes", name="Ingresso"))
    foreign = httpx.get(link, headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, "set-cookie" in foreign.headers, "<button" in foreign.text) == (200, False, True)
    assert httpx.post(link, headers={"Origin": "https://evil.example"}).status_code == 403
    assert httpx.post(link, headers={"Origin": it.url}).headers["location"] == "/wall"
    assert "set-cookie" not in ada.get(link).headers  # who is signed in stays so
    assert httpx.get(f"{it.url}/wall/open/none").status_code == 404
    assert link.rpartition("/")[2] not in it.log.read_text()


def test_the_consortium_is_filled_in_as_issuer_by_a_form(it: World, ada: httpx.Client) -> None:
    path = "/administration/consortium"
    said = {
        "legal_name": "Consorzio Brenta", "legal_form": "consorzio", "partita_iva": partita_iva(7), "regime": "RF01",
        "country": "IT", "iban": "IT60X0542811101000000123456", "payment_days": "60", "payment_method": "MP05",
    }  # fmt: skip

    wrong = send(ada, path, **said | {"iban": "IT60X0542811101000000123457"})
    assert wrong.status_code == 422
    assert wrong.text.count('aria-invalid="true"') == 1
    assert "Consorzio Brenta" in wrong.text, "what was typed is still there"
    assert "Salvato." in ada.get(send(ada, path, **said).headers["Location"]).text
    kept = it.get("/api/v1/consortium").json()
    assert (kept["iban"], kept["payment_days"], kept["invoices"]) == (said["iban"], 60, False)
    seen = re.findall(r'name="version" value="([^"]*)"', ada.get(path).text)[0]
    assert it.send("PUT", "/api/v1/consortium", json=kept | {"town": "Vignola"}).status_code == 200
    assert send(ada, path, **said | {"version": seen}).status_code == 422, "somebody else has changed it"


def test_cells_of_a_spreadsheet_are_tried_and_then_kept_whole(it: World, ada: httpx.Client) -> None:
    path = "/administration/import/members"
    head = "id\tlegal_name\tpartita_iva\tsdi_code\tactive_from"
    good = [f"new-{n}\tPer\u00f2 & Figli\t{partita_iva(700 + n)}\tABC1234\t2026-01-01" for n in (1, 2)]
    bad = "\r\n".join([head, good[0], good[0], "new-3\t\t123\tABC1234\tieri\tx", "new-3\t\t123\tABC1234\tieri"])

    assert path in ada.get("/administration/members").text
    for deed in ("try", "write"):
        wrong = send(ada, path, table=bad, do=deed)
        assert wrong.status_code == 422
        found = re.findall(r'<th scope="row">(\d+)</th><td data-l="Colonna"><code>(\w*)</code>', wrong.text)
        assert found == [
            ("3", "id"),
            ("4", ""),
            ("5", "active_from"),
            ("5", "id"),
            ("5", "legal_name"),
            ("5", "partita_iva"),
        ]
        assert 'value="write"' not in wrong.text
    assert "tabella" in send(ada, path, table="Officina").text

    tried = send(ada, path, table="\r\n".join([head, *good]), do="try")
    assert "2 da aggiungere" in tried.text
    assert it.get("/api/v1/members/new-1").status_code == 404
    kept = html.unescape(re.findall(r"<textarea[^>]*>([^<]*)</textarea>", tried.text)[0])
    assert "2 aggiunti" in ada.get(send(ada, path, table=kept, do="write").headers["Location"]).text
    assert it.get("/api/v1/members/new-2").json()["legal_name"] == "Per\u00f2 & Figli"
    assert ada.get("/administration/import/sites").status_code == 404


def test_a_number_means_a_firm_by_a_rule_that_is_added_tried_and_removed_on_a_page(ada: httpx.Client) -> None:
    assert "Nessun numero indica ancora" in ada.get(PAYERS).text
    refused = send(ada, PAYERS, kind="pattern", text="A-[", member="firm-a")
    assert (refused.status_code, 'value="A-["' in refused.text) == (422, True)
    assert send(ada, PAYERS, kind="prefix", text="", member="firm-a").status_code == 422
    assert send(ada, PAYERS, kind="prefix", text="A-", member="").status_code == 422

    assert send(ada, PAYERS, kind="prefix", text="A-", member="firm-a").status_code == 303
    shown = ada.get(f"{PAYERS}?number=A-4711").text
    assert "Questo è <b>" in shown
    assert "Questo è <b>nessuno</b>" not in shown
    assert "Questo è <b>nessuno</b>" in ada.get(f"{PAYERS}?number=B-1").text
    assert send(ada, PAYERS, kind="prefix", text="A-", member="firm-b").status_code == 422

    rule = re.search(rf"{PAYERS}/([^/]+)/remove", shown)
    assert rule is not None
    assert send(ada, PAYERS, f"{PAYERS}/{rule[1]}/remove").status_code == 303
    assert "Questo è <b>nessuno</b>" in ada.get(f"{PAYERS}?number=A-4711").text


def test_a_badge_is_given_and_taken_away_from_now_on(ada: httpx.Client) -> None:
    for payer in ("firm-a", "nobody"):
        assert send(ada, PAYERS, badge="04A1", payer=payer).status_code == 303
        assert "04A1" in ada.get(PAYERS).text
    assert send(ada, PAYERS, badge="", payer="firm-a").status_code == 422


def test_the_chain_is_ticked_and_the_address_of_the_sign_of_life_is_set_tested_and_never_shown(
    it: World, ada: httpx.Client
) -> None:
    shown = ada.get(CHAIN).text
    assert "Nessuna catena impostata" in shown
    first, *_ = re.findall(r'name="step-0" value="([^"]+)"', shown)
    form = {"minutes-high": "10", "minutes-medium": "", "minutes-low": "", "ping_minutes": "5", "step-0": first}
    for wrong, why in (
        ({"minutes-high": "soon"}, "da 1 a 10080"),
        ({"ping": "certainly"}, "non si legge"),
        ({"step-0": "stranger"}, "non ha più il ruolo"),
        ({"ping_minutes": "0"}, "da 1 a 1440"),
    ):
        answer = send(ada, CHAIN, **(form | wrong))
        assert (answer.status_code, why in answer.text) == (422, True), wrong
    nothing = send(ada, CHAIN, f"{CHAIN}/test")
    assert (nothing.status_code, "salvarne prima uno" in nothing.text) == (422, True)

    assert send(ada, CHAIN, ping="https://127.0.0.1:9/secret-of-it", **form).status_code == 303
    kept = it.get("/api/v1/maintenance/escalation").json()
    assert (kept["steps"], kept["step_minutes"], kept["pings"]) == ([[first]], {"high": 10.0}, True)
    assert send(ada, CHAIN, f"{CHAIN}/test").status_code == 303
    shown = ada.get(CHAIN).text
    assert "La prova è in viaggio" in shown
    assert "secret-of-it" not in shown
    assert 'name="step-1"' in shown
    assert send(ada, CHAIN, **(form | {"version": "0" * 16})).status_code == 422
    assert send(ada, CHAIN, **form).status_code == 303
    assert it.get("/api/v1/maintenance/escalation").json()["pings"]
    assert send(ada, CHAIN, no_ping="yes", **{**form, "step-0": ""}).status_code == 303
    kept = it.get("/api/v1/maintenance/escalation").json()
    assert (kept["steps"], kept["pings"]) == ([], False)


def test_opening_hours_are_typed_as_people_write_them_and_mistakes_keep_what_was_typed(
    it: World, ada: httpx.Client
) -> None:
    there = it.get("/api/v1/calendars").json()["items"]
    assert "Aperte in ogni momento" in ada.get(HOURS).text
    typed = {f"hours-{number}": "6:00-14:00 14:30-22:00" for number in range(5)} | {"hours-5": "8-12"}
    form = {"id": "shifts", "name": "Turni", "zone": "Europe/Rome", "days": "2026-12-08 chiuso Immacolata", **typed}
    refused = send(ada, f"{HOURS}/new", machine="mill-1", **form)
    assert refused.status_code == 422
    assert 'value="8-12"' in refused.text
    assert "Scrivere orari come" in refused.text
    for wrong, field in (("2026-13-40 chiuso", "days"), ("tomorrow", "days"), ("2026-12-08 sometimes", "days")):
        answer = send(ada, f"{HOURS}/new", **(form | {"hours-5": "", field: wrong}))
        assert (answer.status_code, "Scrivere un giorno per riga" in answer.text) == (422, True)

    saved = send(ada, f"{HOURS}/new", machine="mill-1", **(form | {"hours-5": "8:00-12:00"}))
    assert saved.status_code == 303, saved.text
    kept = it.get("/api/v1/calendars/shifts").json()
    assert kept["machines"] == ["mill-1"]
    assert kept["days"] == [{"day": "2026-12-08", "kind": "closed", "name": "Immacolata"}]
    assert {"weekday": 5, "starts_minute": 480, "ends_minute": 720} in kept["hours"]
    assert len(kept["hours"]) == 11

    shown = ada.get(f"{HOURS}/shifts").text
    assert 'value="6:00-14:00 14:30-22:00"' in shown
    again = send(ada, f"{HOURS}/shifts", machine="mill-1", **(form | {"hours-5": "", "name": "Turni nuovi"}))
    assert again.status_code == 303, again.text
    stale = ada.post(f"{HOURS}/shifts", data={"csrf": shown.split('name="csrf" value="')[1].split('"')[0], **form,
                                             "version": "0" * 16, "hours-5": ""})  # fmt: skip
    assert stale.status_code == 422
    assert len(it.get("/api/v1/calendars/shifts").json()["hours"]) == 10
    assert send(ada, f"{HOURS}/new", **(form | {"hours-5": ""})).status_code == 422
    taken = send(ada, f"{HOURS}/new", machine="mill-1", **(form | {"hours-5": "", "id": "other"}))
    assert "Una macchina segue un solo calendario" in taken.text

    assert send(ada, f"{HOURS}/shifts", f"{HOURS}/shifts/remove").status_code == 303
    assert it.get("/api/v1/calendars").json()["items"] == there
