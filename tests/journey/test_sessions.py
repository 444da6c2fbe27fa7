"""Sessions of browsers over HTTP: what opens one, what it may be made to do, and what ends it."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import pyotp
import pytest

from tests.journey.api_world import Stream, World, world
from tests.journey.people import PASSWORD, add_people, sign_in, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

MEMBER, OPERATOR = "member@example.it", "operator@example.it"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, kept_in: str) -> Iterator[World]:
    with world(
        tmp_path_factory.mktemp("sessions"),
        live="heartbeat_seconds = 1",
        more='second_factor = "optional"',
        records=kept_in,
    ) as made:
        add_people(made)
        yield made


def token(browser: httpx.Client) -> dict[str, str]:
    return {"X-CSRF-Token": browser.get("/api/v1/me").json()["csrf_token"]}


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(it: World) -> None:
    answer = httpx.get(f"{it.url}/", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_password_opens_a_session_that_script_cannot_read(it: World) -> None:
    answer = sign_in(it.url, MEMBER)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    session, _ = answer.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(session.split("; "))
    with signed_in(it.url, MEMBER) as browser:
        assert browser.get("/", headers={"Accept": "text/html"}).status_code == 200
        assert browser.get("/api/v1/machines").json()["items"][0]["work"] is None
        assert browser.get("/api/v1/me").json()["member"] == "firm-a"


def test_a_wrong_password_opens_nothing_and_says_nothing_of_the_account(it: World) -> None:
    answers = [sign_in(it.url, email, "wrong") for email in ("nobody@example.it", "kiosk@example.it")]

    assert {each.status_code for each in answers} == {422}
    assert all("set-cookie" not in each.headers for each in answers)
    texts = {each.text.replace("nobody@example.it", "").replace("kiosk@example.it", "") for each in answers}
    assert len(texts) == 1


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_can_neither_sign_in_nor_out(it: World, path: str, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{it.url}{path}", data={"email": MEMBER, "password": PASSWORD}, headers=headers)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_change_by_a_session_needs_the_token_of_that_session(it: World) -> None:
    with signed_in(it.url, "administrator@example.it") as browser, signed_in(it.url, OPERATOR) as other:
        for headers in ({}, {"X-CSRF-Token": "x"}, token(other)):
            assert browser.put("/api/v1/sites/est", json={"name": "Est"}, headers=headers).status_code == 403
        headers = token(browser)
        assert browser.put("/api/v1/sites/est", json={"name": "Est"}, headers=headers).status_code == 201
        foreign = headers | {"Origin": "https://evil.example"}
        assert browser.delete("/api/v1/sites/est", headers=foreign).status_code == 403
        assert browser.delete("/api/v1/sites/est", headers=headers).status_code == 428  # which version of it?
        assert browser.delete("/api/v1/sites/est", headers=headers | {"If-Match": "*"}).status_code == 204


def test_a_sign_out_ends_the_session_wherever_its_cookie_is(it: World) -> None:
    with signed_in(it.url, MEMBER) as browser:
        cookies = dict(browser.cookies)
        answer = browser.post("/sign-out", data={"csrf": token(browser)["X-CSRF-Token"]})

        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert "Max-Age=0" in answer.headers["set-cookie"]
    assert httpx.get(f"{it.url}/api/v1/me", cookies=cookies).status_code == 401


def test_somebody_sees_where_they_are_signed_in_and_ends_what_is_not_theirs_any_more(it: World) -> None:
    with signed_in(it.url, OPERATOR) as here, signed_in(it.url, OPERATOR) as there, signed_in(it.url, MEMBER) as other:
        sessions = here.get("/api/v1/me/sessions").json()["items"]
        assert [each["is_this"] for each in sessions].count(True) == 1
        lost = there.get("/api/v1/me/sessions").json()["items"]
        (lost_id,) = [each["id"] for each in lost if each["is_this"]]

        assert other.delete(f"/api/v1/me/sessions/{lost_id}", headers=token(other)).status_code == 404
        assert here.delete(f"/api/v1/me/sessions/{lost_id}", headers=token(here)).status_code == 204
        assert there.get("/api/v1/me").status_code == 401
        assert here.get("/api/v1/me").status_code == 200


def test_somebody_ends_every_session_but_this_one(it: World) -> None:
    with signed_in(it.url, OPERATOR) as here, signed_in(it.url, OPERATOR) as there, signed_in(it.url, MEMBER) as other:
        assert here.delete("/api/v1/me/sessions", headers=token(here)).status_code == 204
        assert there.get("/api/v1/me").status_code == 401
        assert [each["is_this"] for each in here.get("/api/v1/me/sessions").json()["items"]] == [True]
        assert other.get("/api/v1/me").status_code == 200


def test_a_second_sign_in_of_a_browser_ends_its_first_session(it: World) -> None:
    first = {"officina": sign_in(it.url, MEMBER).cookies["officina"]}
    again = sign_in(it.url, OPERATOR, headers={"Cookie": f"officina={first['officina']}"})
    second = {"officina": again.cookies["officina"]}

    assert httpx.get(f"{it.url}/api/v1/me", cookies=second).json()["role"] == "operator"
    assert httpx.get(f"{it.url}/api/v1/me", cookies=first).status_code == 401


def test_a_second_factor_is_set_up_and_removed_by_who_knows_the_password(it: World) -> None:
    with signed_in(it.url, "kiosk@example.it") as browser:
        headers, again = token(browser), {"password": PASSWORD}
        path = "/api/v1/me/second-factor"
        assert browser.post(path, json={"password": "x"}, headers=headers).status_code == 422
        made = browser.post(path, json=again, headers=headers).json()
        code = {"ticket": made["ticket"], "code": pyotp.TOTP(made["secret"]).now()}
        for wrong in (code | {"code": "000000"}, code | {"ticket": "x"}):
            assert browser.post(f"{path}/confirm", json=wrong, headers=headers).status_code == 422
        assert browser.post(f"{path}/confirm", json=code, headers=headers).status_code == 204
        assert browser.post(path, json=again, headers=headers).status_code == 422  # there is one
        asked = sign_in(it.url, "kiosk@example.it")
        assert 'name="ticket"' in asked.text
        assert "set-cookie" not in asked.headers
        assert browser.post(f"{path}/remove", json={"password": "x"}, headers=headers).status_code == 422
        assert browser.post(f"{path}/remove", json=again, headers=headers).status_code == 204
    assert sign_in(it.url, "kiosk@example.it").status_code == 303


def test_another_password_is_chosen_by_who_knows_the_present_one_and_ends_every_session(it: World) -> None:
    new = "tre torni e una pressa"
    wanted = {"email": "carla@example.it", "name": "Carla", "roles": [{"role": "operator"}]}
    link = it.send("POST", "/api/v1/users", json=wanted).json()["link"]
    assert link["is_mailed"] is False
    form = {"password": PASSWORD, "again": PASSWORD}
    assert httpx.post(link["url"], data=form, headers={"Origin": it.url}).status_code == 303
    with signed_in(it.url, "carla@example.it") as here, signed_in(it.url, "carla@example.it") as there:
        for old, chosen in (("wrong", new), (PASSWORD, "short"), (PASSWORD, "carla@example.it")):
            answer = here.post("/api/v1/me/password", json={"old": old, "new": chosen}, headers=token(here))
            assert answer.status_code == 422
        changed = here.post("/api/v1/me/password", json={"old": PASSWORD, "new": new}, headers=token(here))
        assert changed.status_code == 204
        assert {each.get("/api/v1/me").status_code for each in (here, there)} == {401}
    assert sign_in(it.url, "carla@example.it").status_code == 422
    assert sign_in(it.url, "carla@example.it", new).status_code == 303


@contextlib.contextmanager
def following(browser: httpx.Client) -> Iterator[Stream]:
    with browser.stream("GET", "/api/v1/live", timeout=20) as response:
        stream = Stream(response)
        assert stream.read()[0] == "snapshot"
        yield stream


@pytest.mark.parametrize("change", [{"is_active": False}, {"roles": [{"role": "kiosk"}]}])
def test_whoever_is_kept_out_or_loses_a_role_loses_open_streams_within_seconds(
    it: World, change: dict[str, Any]
) -> None:
    email = f"{'role' if 'roles' in change else 'out'}@example.it"
    wanted = {"email": email, "name": "X", "roles": [{"role": "operator"}]}
    made = it.send("POST", "/api/v1/users", json=wanted).json()
    form = {"password": PASSWORD, "again": PASSWORD}
    assert httpx.post(made["link"]["url"], data=form, headers={"Origin": it.url}).status_code == 303
    with signed_in(it.url, email) as browser, signed_in(it.url, OPERATOR) as other:
        with following(other) as goes_on, following(browser) as ends:
            began = time.monotonic()
            assert it.send("PATCH", f"/api/v1/users/{made['user']['id']}", json=change).status_code == 200
            with pytest.raises(EOFError):
                ends.until(lambda *_: False)
            assert time.monotonic() - began < 5
            assert goes_on.read()[0] in {"heartbeat", "machine"}
        assert browser.get("/api/v1/me").status_code == 401


def test_nothing_that_opens_anything_is_in_the_log(it: World) -> None:
    sign_in(it.url, MEMBER)
    sign_in(it.url, MEMBER, "a wrong secret password")
    httpx.get(f"{it.url}/invitation/wrong-secret-token")

    said = it.log.read_text()

    for secret in (PASSWORD, "a wrong secret password", "wrong-secret-token", MEMBER, *it.keys.values()):
        assert secret not in said


def test_an_invitation_lets_somebody_in_and_what_they_may_is_taken_away_again(it: World) -> None:
    wanted = {"email": "Eva@Example.it", "name": "Eva", "roles": [{"role": "operator", "sites": ["sud"]}]}
    made = it.send("POST", "/api/v1/users", json=wanted).json()
    assert made["user"]["has_password"] is False
    link, headers = made["link"]["url"], {"Origin": it.url}
    for short in ("short", "password1234"):
        form = {"password": short, "again": short}
        assert httpx.post(link, data=form, headers=headers).status_code == 422
    assert httpx.post(link, data={"password": PASSWORD, "again": PASSWORD}, headers=headers).status_code == 303
    with signed_in(it.url, "eva@example.it") as browser:
        assert [each["id"] for each in browser.get("/api/v1/machines").json()["items"]] == ["lathe-1"]
        path = f"/api/v1/users/{made['user']['id']}"
        roles = [{"role": "operator", "sites": ["nord"]}]
        assert it.send("PATCH", path, json={"roles": roles}).json()["roles"][0]["sites"] == ["nord"]
        assert browser.get("/api/v1/machines").status_code == 401
    with signed_in(it.url, "eva@example.it") as browser:
        assert [each["id"] for each in browser.get("/api/v1/machines").json()["items"]] == ["mill-1", "mill-2"]
        assert it.send("PATCH", path, json={"is_active": False}).status_code == 200
        assert browser.get("/api/v1/machines").status_code == 401
    assert sign_in(it.url, "eva@example.it").status_code == 422


def test_an_api_key_that_is_wrong_is_not_helped_by_a_cookie(it: World) -> None:
    with signed_in(it.url, OPERATOR) as browser:
        assert browser.get("/api/v1/machines", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_key_that_may_not_write_changes_nothing(it: World) -> None:
    fields = {"name": "reader", "role": "administrator"}
    key = {"Authorization": f"Bearer {it.send('POST', '/api/v1/api-keys', json=fields).json()['token']}"}

    assert httpx.get(f"{it.url}/api/v1/users", headers=key).status_code == 200
    assert httpx.put(f"{it.url}/api/v1/sites/est", json={"name": "Est"}, headers=key).status_code == 403
    assert it.get("/api/v1/sites/est").status_code == 404


def test_the_audit_trail_tells_who_came_in_and_what_was_changed(it: World) -> None:
    sign_in(it.url, MEMBER)
    it.send("PUT", "/api/v1/sites/trail", json={"name": "Trail"})
    it.send("DELETE", "/api/v1/sites/trail")

    removed, added, came = it.get("/api/v1/audit", limit=3).json()["items"]

    assert [each["what"] for each in (came, added, removed)] == ["sign in", "add", "remove"]
    assert (came["address"], added["after"]["name"], removed["before"]["name"]) == ("127.0.0.1", "Trail", "Trail")
    assert len(it.get("/api/v1/audit.jsonl").text.splitlines()) == removed["number"]


def field(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', text)
    assert found is not None, text
    return found[1]


def test_the_account_page_ends_sessions_by_plain_forms_in_both_languages(it: World) -> None:
    with signed_in(it.url, OPERATOR) as here, signed_in(it.url, OPERATOR) as there, signed_in(it.url, OPERATOR) as far:
        there_id = next(each["id"] for each in there.get("/api/v1/me/sessions").json()["items"] if each["is_this"])
        page = here.get("/account?lang=en", headers={"Accept": "text/html"}).text
        assert "Where you are signed in" in page
        assert "this browser" in page
        assert "Dove hai fatto l" in here.get("/account?lang=it").text
        form = {"csrf": field(page, "csrf"), "session": there_id}
        assert here.post("/account/sessions/end", data=form | {"csrf": "x"}).status_code == 403
        ended = here.post("/account/sessions/end", data=form)
        assert (ended.status_code, ended.headers["location"]) == (303, "/account?done=ended")
        assert there.get("/api/v1/me").status_code == 401
        assert here.post("/account/sessions/end", data=form | {"others": "yes"}).status_code == 303
        assert far.get("/api/v1/me").status_code == 401
        assert here.get("/api/v1/me").status_code == 200
    answer = httpx.get(f"{it.url}/account", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert it.get("/account", "operator").status_code == 404


def test_password_and_second_factor_are_changed_by_plain_forms(it: World) -> None:
    wanted = {"email": "dora@example.it", "name": "Dora", "roles": [{"role": "maintenance"}]}
    link = it.send("POST", "/api/v1/users", json=wanted).json()["link"]["url"]
    form = {"password": PASSWORD, "again": PASSWORD}
    assert httpx.post(link, data=form, headers={"Origin": it.url}).status_code == 303
    with signed_in(it.url, "dora@example.it") as browser:
        csrf = {"csrf": field(browser.get("/account").text, "csrf")}
        wrong = browser.post("/account/second-factor", data=csrf | {"factor_password": "x"})
        assert (wrong.status_code, "aria-invalid" in wrong.text) == (422, True)
        asked = browser.post("/account/second-factor", data=csrf | {"factor_password": PASSWORD}).text
        secret = re.findall(r'id="secret">(\w+)<', asked)[0]
        code = csrf | {"ticket": field(asked, "ticket"), "code": "000000"}
        assert browser.post("/account/second-factor/confirm", data=code).status_code == 422
        code["code"] = pyotp.TOTP(secret).now()
        assert browser.post("/account/second-factor/confirm", data=code).headers["location"] == "/account?done=set-up"
        assert "/account/second-factor/remove" in browser.get("/account").text
        removed = browser.post("/account/second-factor/remove", data=csrf | {"factor_password": PASSWORD})
        assert removed.headers["location"] == "/account?done=removed"
        new = {"old": PASSWORD, "new": "tre torni e una pressa", "again": "tre torni e una pressa"}
        for bad in ({"old": "x"}, {"again": "y"}, {"new": "short", "again": "short"}):
            assert browser.post("/account/password", data=csrf | new | bad).status_code == 422
        changed = browser.post("/account/password", data=csrf | new)
        assert (changed.status_code, changed.headers["location"]) == (303, "/sign-in")
        assert browser.get("/api/v1/me").status_code == 401
    assert sign_in(it.url, "dora@example.it", "tre torni e una pressa").status_code == 303


def test_without_a_mail_server_nobody_is_promised_a_letter(it: World) -> None:
    assert httpx.get(f"{it.url}/forgotten").status_code == 404
    assert httpx.post(f"{it.url}/forgotten", data={"email": MEMBER}, headers={"Origin": it.url}).status_code == 404
    assert "/forgotten" not in httpx.get(f"{it.url}/sign-in").text
