"""What members do on their pages of money, over HTTP as a browser without script does it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from api.billing.calendars import civil_zone, month_of
from shopfloor.periods import MINUTE, format_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.journey.api_world import World, world
from tests.journey.people import add_people, signed_in
from tests.services.records import partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.services
MONTH = month_of(clock.now(), civil_zone("Europe/Rome"))
TARIFF = """name = "mills"
[[versions]]
from = 2025-01-01
calendar = "arera"
time = { setup = 18.00, processing = { tiers = [ { up_to = 10, price = 40.00 }, { price = 36.50 } ] }, idle = 9.90 }
energy = { F1 = 0.30, F2 = 0.25, F3 = 0.20 }
monthly_cap = 900.00
vat = { default = 22, energy = 10 }
"""
QUOTA = 'item = "Quota"\nfirst = "2025-01"\namount = 120.00\n'


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("charges"), more='second_factor = "optional"') as made:
        add_people(made.folder)
        for kind, text in (("tariffs", TARIFF), ("quotas", QUOTA)):
            answer = made.send("POST", "/api/v1/tariffs", json={"kind": kind, "text": text})
            assert answer.status_code == 201, answer.text
        yield made


@pytest.fixture(scope="module")
def member(it: World) -> Iterator[httpx.Client]:
    with signed_in(it.url, "member@example.it") as browser:
        yield browser


@pytest.fixture(scope="module")
def administrator(it: World) -> Iterator[httpx.Client]:
    with signed_in(it.url, "administrator@example.it") as browser:
        yield browser


def csrf(browser: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get(path).text)
    assert found is not None
    return found.group(1)


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    form = {"csrf": csrf(browser, path.replace("/charges/budget", "/charges")), **fields}
    return browser.post(path, data=form)


def test_a_member_sees_what_the_month_has_cost_and_opens_it(member: httpx.Client) -> None:
    for by in ("machine", "order", "job", "part", "day"):
        page = member.get("/charges", params={"lang": "it", "by": by})
        assert page.status_code == 200, page.text
        assert "Addebiti di" in page.text
        assert "120,00" in page.text

    opened = member.get("/charges/month", params={"part": "common"})
    assert opened.status_code == 200
    assert "Quota fissa: Quota" in opened.text
    assert "Contesta la riga 1" in opened.text


def test_a_member_sets_a_budget_and_is_told_what_is_no_amount(member: httpx.Client) -> None:
    saved = send(member, "/charges/budget", amount="1.000,50", warn="10")
    wrong = send(member, "/charges/budget", amount="a lot", warn="10")

    assert (saved.status_code, saved.headers["location"]) == (303, "/charges?&budget=saved#budget")
    page = member.get("/charges?budget=wrong")
    assert wrong.headers["location"].endswith("budget=wrong#budget")
    assert "1.000,50" in page.text
    assert "Non è un importo" in page.text
    assert "L'avviso della soglia è raggiunto." in page.text


def test_a_member_contests_a_line_once_and_follows_it(member: httpx.Client) -> None:
    page = member.get("/charges/month?part=common").text
    found = re.search(r'href="(/charges/contest[^"]+)"', page)
    assert found is not None
    path = found.group(1).replace("&amp;", "&")

    assert send(member, path, reason="no").status_code == 422
    done = send(member, path, reason="La quota di questo mese è già pagata")
    again = send(member, path, reason="La quota di questo mese è già pagata")

    assert done.status_code == 303
    assert again.status_code == 422
    assert "già contestata" in again.text
    followed = member.get(done.headers["location"].partition("#")[0]).text
    assert "Righe contestate" in followed
    assert "attende una decisione" in followed
    assert member.get("/charges/contest?reference=quota/None").status_code == 404


def test_prices_are_read_by_members_and_written_by_the_administrator(
    it: World, member: httpx.Client, administrator: httpx.Client
) -> None:
    text = member.get("/prices").text
    assert "F1 0,30" in text
    assert "36,50" in text
    assert "900,00" in text
    assert "/prices/new" not in text
    assert member.get("/prices/new").status_code == 404
    assert member.post("/prices/new", data={"kind": "fees"}).status_code in {403, 404}

    entry = 'item = "Consumables"\nmember = "firm-a"\nday = 2026-01-10\namount = 12.30\n'
    tried = send(administrator, "/prices/new", kind="fees", text=entry, month="2026-01", **{"try": "yes"})
    assert tried.status_code == 200, tried.text
    assert "12,30" in tried.text
    wrong = send(administrator, "/prices/new", kind="fees", text='item = "X"\n', month="2026-01")
    assert wrong.status_code == 422
    assert "aria-invalid" in wrong.text or "field bad" in wrong.text
    assert len(it.get("/api/v1/tariffs").json()["items"]) == 2

    saved = send(administrator, "/prices/new", kind="fees", text=entry, month="2026-01")
    assert saved.headers["location"] == "/prices?said=saved"
    [fee] = [each for each in it.get("/api/v1/tariffs").json()["items"] if each["kind"] == "fees"]
    removed = send(administrator, f"/prices/{fee['id']}", kind="fees", text=entry, remove="yes")
    assert removed.headers["location"] == "/prices?said=removed"


def test_the_administrator_sees_every_firm_and_opens_one(administrator: httpx.Client, member: httpx.Client) -> None:
    house = administrator.get("/charges").text

    assert "/charges?member=firm-b" in house
    assert administrator.get("/charges?member=firm-a").status_code == 200
    assert administrator.get("/charges/month?member=firm-b").status_code == 200
    for nobody in ("nobody", "%00", "..%2Ffirm-a"):
        assert administrator.get(f"/charges?member={nobody}").status_code == 404
    assert member.get("/charges?member=firm-b").status_code == 404
    assert member.get("/charges/month?member=firm-b").status_code == 404


def test_statements_are_listed_or_said_to_be_still_to_come(member: httpx.Client) -> None:
    page = member.get("/statements")

    assert page.status_code == 200
    assert "Nessun mese è ancora chiuso." in page.text
    assert member.get("/statements/1").status_code == 404


def test_a_closed_month_is_read_down_to_its_days_with_its_files_and_its_digest(
    it: World, member: httpx.Client, administrator: httpx.Client
) -> None:
    firm = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(9)}
    assert it.send("PUT", "/api/v1/consortium", json=firm).status_code in {200, 201}
    order = {"month": "2026-01", "accepted": {"*": "nothing was shared yet"}}
    closed = it.send("POST", "/api/v1/closings", json=order)
    assert closed.status_code == 201, closed.text
    [row] = it.get("/api/v1/statements", "member").json()["items"]

    listed = member.get("/statements").text
    page = member.get(f"/statements/{row['id']}", params={"part": "common"})
    assert f"/statements/{row['id']}" in listed
    assert "da pagare" in listed
    assert page.status_code == 200, page.text
    assert row["number"] in page.text
    assert "Imponibile 22" in page.text
    assert "Impronta" in page.text
    assert "Contesta" not in page.text
    assert administrator.get(f"/statements/{row['id']}").status_code == 200
    assert "Gennaio 2026" in page.text
    assert "gennaio 2026" in member.get("/charges?month=2026-02").text
    assert "bloccata" in administrator.get("/prices").text


def test_use_is_exported_as_a_file(it: World) -> None:
    answer = it.get("/api/v1/usage.csv", "member", by="machine,day")

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.lstrip("\ufeff").splitlines()[0] == "machine;day;seconds;energy_kwh;parts;net;currency"


def test_a_firm_is_not_told_whose_use_without_a_price_keeps_its_month_from_being_calculated(tmp_path: Path) -> None:
    with world(tmp_path) as it:
        shared = {"kind": "shared_costs", "text": f'item = "Rent"\nmonth = "{MONTH}"\namount = 100.00\n'}
        assert it.send("POST", "/api/v1/tariffs", json=shared).status_code == 201
        now = clock.now()
        begun = now - 30 * MINUTE
        it.say(Sample("mill-1", "item_state", begun, 2), Sample("mill-1", "observed", now, begun))
        said = {"machine": "mill-1", "at": format_instant(begun + MINUTE), "payer": "firm-b"}
        assert it.send("POST", "/api/v1/check-ins", json=said).status_code == 201

        told = {holder: it.get("/api/v1/previews", holder) for holder in ("member", "administrator")}

        assert {holder: answer.status_code for holder, answer in told.items()} == {"member": 409, "administrator": 409}
        assert "firm-b" in told["administrator"].text
        assert told["member"].json()["title"] == "There is use without a price"
        assert "firm-b" not in told["member"].text
        assert "mill-1" not in told["member"].text
