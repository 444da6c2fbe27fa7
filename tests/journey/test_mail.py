"""Invited and forgotten over HTTP, with a real mail server; the pages never tell whether an address is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from shopfloor.settings import write_secret
from tests.journey.api_world import World, until, world
from tests.journey.people import PASSWORD, add_people, sign_in
from tests.services.mail import Mails, mail_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services

PAGES = "https://officina.example.it"


@pytest.fixture
def mailed(tmp_path: Path) -> Iterator[tuple[World, Mails]]:
    with mail_server() as (mails, address):
        write_secret(tmp_path / "mail-server", address)
        with world(tmp_path, more=f'[mail]\nserver_file = "mail-server"\npages = "{PAGES}"') as it:
            add_people(it)
            yield it, mails


def ask(it: World, email: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{it.url}/forgotten", data={"email": email}, headers={"Origin": it.url} | headers)


def test_who_is_invited_and_who_has_forgotten_are_written_to_and_nobody_else(mailed: tuple[World, Mails]) -> None:
    it, mails = mailed
    wanted = {"email": "eva@example.it", "name": "Eva", "roles": [{"role": "operator"}]}
    link = it.send("POST", "/api/v1/users", json=wanted).json()["link"]
    assert (link["is_mailed"], link["url"].startswith(f"{PAGES}/invitation/")) == (True, True)
    assert [to for to, _, _ in mails.received] == [["eva@example.it"]]
    assert "/forgotten" in httpx.get(f"{it.url}/sign-in").text

    known, unknown, none = (ask(it, each) for each in ("Member@example.it", "nobody@example.it", "nothing"))

    assert (known.status_code, unknown.status_code, none.status_code) == (200, 200, 422)
    assert known.text == unknown.text
    assert ask(it, "member@example.it", Origin="https://evil.example").status_code == 403
    until(lambda: len(mails.received) == 2, "the letter")
    to, _, body = mails.received[1]
    assert to == ["member@example.it"]
    (path,) = re.findall(rf"{PAGES}(/invitation/[A-Za-z0-9_-]+)", body)
    new = "tre torni e una pressa"
    form = {"password": new, "again": new}
    with httpx.Client(base_url=it.url, headers={"Origin": it.url}) as mine:
        for expected in (303, 404):
            assert mine.post(path, data=form).status_code == expected
        device = dict(mine.cookies)
    assert sign_in(it.url, "member@example.it", PASSWORD).status_code == 422
    assert sign_in(it.url, "member@example.it", new).status_code == 303
    waits = [ask(it, f"n{number}@example.it").status_code for number in range(10)]
    assert 429 in waits

    until(lambda: sign_in(it.url, "member@example.it", "a wrong password").status_code == 429, "strangers have to wait")
    assert sign_in(it.url, "member@example.it", new).status_code == 429
    with httpx.Client(base_url=it.url, headers={"Origin": it.url}, cookies=device) as mine:
        came = mine.post("/sign-in", data={"email": "member@example.it", "password": new})
    assert came.status_code == 303, "the browser in which the link was opened is tried apart"
