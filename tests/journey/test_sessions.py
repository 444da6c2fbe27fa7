"""Sessions of browsers over HTTP: what opens one, what it may be made to do, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.journey.api_world import World, world
from tests.journey.people import PASSWORD, add_people, sign_in, signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

MEMBER, OPERATOR = "member@example.it", "operator@example.it"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("sessions"), more='second_factor = "optional"') as made:
        add_people(made.folder)
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
        assert browser.delete("/api/v1/sites/est", headers=headers).status_code == 204


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
