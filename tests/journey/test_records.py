"""Files of machines, and two administrators at one record, over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.journey.api_world import World, world
from tests.journey.people import add_people, signed_in
from tests.services.records import partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

pytestmark = pytest.mark.services

PNG = b"\x89PNG\r\n\x1a\n and so on"
WEEK: dict[str, Any] = {
    "name": "Officina",
    "zone": "Europe/Rome",
    "hours": [{"weekday": 0, "starts_minute": 360, "ends_minute": 1440}],
    "days": [{"day": "2026-12-25", "kind": "holiday", "name": "Natale"}],
    "machines": [],
}
FILES = "/api/v1/machines/mill-1/files"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, kept_in: str) -> Iterator[World]:
    more = 'second_factor = "optional"'
    with world(tmp_path_factory.mktemp("records"), more=more, records=kept_in) as made:
        add_people(made)
        yield made


@pytest.fixture
def ada(it: World) -> Iterator[httpx.Client]:
    """Sign an administrator in, by a browser that sends its token along."""
    with signed_in(it.url, "administrator@example.it") as browser:
        browser.headers["X-CSRF-Token"] = browser.get("/api/v1/me").json()["csrf_token"]
        yield browser


def test_two_administrators_do_not_overwrite_each_other(it: World, ada: httpx.Client) -> None:
    for path, fields in (
        ("/api/v1/sites/nord", {"name": "Nord"}),
        ("/api/v1/consortium", {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(7)}),
        ("/api/v1/calendars/sede", WEEK),
    ):
        it.send("PUT", path, json=fields)
        seen = ada.get(path).headers["etag"]
        assert ada.put(path, json=fields | {"town": "Modena"}).status_code in {422, 428}
        other = fields | ({"name": "Altro"} if "name" in fields else {"town": "Altrove"})
        assert it.send("PUT", path, json=other).status_code == 200

        refused = ada.put(path, json=fields, headers={"If-Match": seen})

        assert (refused.status_code, refused.headers["content-type"]) == (412, "application/problem+json")
        now = ada.get(path)
        assert now.json() == now.json() | other
        changed = ada.put(path, json=fields, headers={"If-Match": now.headers["etag"]})
        assert (changed.status_code, changed.headers["etag"]) == (200, seen)
        assert ada.put(path, json=fields, headers={"If-None-Match": "*"}).status_code == 412


def test_a_change_of_somebodys_roles_names_what_was_seen(it: World, ada: httpx.Client) -> None:
    (bob,) = [each["id"] for each in ada.get("/api/v1/users").json()["items"] if each["name"] == "operator"]
    path, seen = f"/api/v1/users/{bob}", ada.get(f"/api/v1/users/{bob}").headers["etag"]
    assert ada.patch(path, json={"name": "Bob"}).status_code == 428
    assert it.send("PATCH", path, json={"name": "Roberto"}).status_code == 200
    assert ada.patch(path, json={"roles": []}, headers={"If-Match": seen}).status_code == 412
    assert len(ada.get(path).json()["roles"]) == 1


def test_a_photo_is_kept_for_who_may_see_the_machine_and_runs_nothing(it: World) -> None:
    asked = {"purpose": "photo", "name": 'vista "da davanti" è\u00e0.png'}
    made = it.send("POST", FILES, params=asked, content=PNG).json()
    assert (made["media_type"], made["bytes"]) == ("image/png", len(PNG))
    for holder, status in (("member", 200), ("kiosk", 200), ("operator", 200), ("operator of Sud", 404), (None, 401)):
        answer = it.get(f"{FILES}/{made['id']}", holder)
        assert answer.status_code == status
        assert it.get(FILES, holder).status_code == status
        assert it.get(f"/api/v1/machines/lathe-1/files/{made['id']}", holder).status_code in {404, 401}
        if status == 200:
            assert answer.content == PNG
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers.get_list("content-security-policy", split_commas=False)[1:] == []
            assert answer.headers["content-disposition"].isascii()
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert it.send("DELETE", f"{FILES}/{made['id']}", "operator").status_code == 404
    assert it.send("DELETE", f"{FILES}/{made['id']}").status_code == 204


def test_what_is_no_manual_or_too_large_is_refused(it: World) -> None:
    asked = {"purpose": "manual", "name": "Manuale"}
    large = b"%PDF-" + bytes(20_000_000)
    assert it.send("POST", FILES, params=asked, content=b"<html><script>").status_code == 415
    assert it.send("POST", FILES, params=asked, content=large).status_code == 413
    assert it.send("POST", FILES, "member", params=asked, content=b"%PDF-").status_code == 404
    assert it.send("POST", FILES, params=asked | {"name": "a\r\nSet-Cookie: x=1"}, content=b"%PDF-").status_code == 422
    assert it.send("PUT", "/api/v1/sites/nord", content=large[:2_100_001]).status_code == 413
    assert it.get(FILES).json()["items"] == []


def test_whom_to_call_is_written_on_a_form_and_stands_on_the_machine_with_its_manuals(
    it: World, ada: httpx.Client
) -> None:
    path, html = "/administration/machines/mill-2", {"Accept": "text/html", "Accept-Language": "en"}
    record = it.get("/api/v1/machines/mill-2/record").json()
    typed = {"csrf": ada.headers["X-CSRF-Token"], "name": record["name"], "kind": record["kind"],
             "site_id": record["site_id"], "agent_id": record["agent_id"]}  # fmt: skip

    def save(contacts: str) -> httpx.Response:
        version = re.findall(r'name="version" value="([^"]*)"', ada.get(path, headers=html).text)[0]
        return ada.post(path, data=typed | {"version": version, "contacts": contacts}, headers=html)

    assert save("Anna Bassi; elettricista; 059 12 34 56; anna@example.it; di troppo").status_code == 422
    assert save("Anna Bassi; elettricista; chiama tu").status_code == 422
    assert save("Anna Bassi; elettricista; 059 12 34 56; anna@example.it\r\n\r\nSportello\r\n").status_code == 303
    assert it.get("/api/v1/machines/mill-2/record").json()["contacts"] == [
        {"name": "Anna Bassi", "purpose": "elettricista", "phone": "059 12 34 56", "email": "anna@example.it"},
        {"name": "Sportello", "purpose": "", "phone": "", "email": ""},
    ]
    assert "Anna Bassi; elettricista; 059 12 34 56; anna@example.it\nSportello</textarea>" in ada.get(path).text
    for purpose, content in (("manual", b"%PDF-1.7 and so on"), ("photo", PNG)):
        asked = {"purpose": purpose, "name": "Uso"}
        assert it.send("POST", "/api/v1/machines/mill-2/files", params=asked, content=content).status_code == 201
    shown = ada.get("/machines/mill-2", headers=html).text
    assert 'href="tel:059123456"' in shown
    assert shown.count("/api/v1/machines/mill-2/files/") == 2
    assert "Help with this machine" not in ada.get("/machines/lathe-1", headers=html).text
