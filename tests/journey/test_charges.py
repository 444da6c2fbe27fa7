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
from tests.services.records import firm as invented
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
PAGES = {
    "/charges/budget": "/charges",
    "/closing/events": "/closing?month=2026-01",
    "/decide/contests": "/decide",
}
"""Where the forms stand that go to an address without a page of its own."""
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


@pytest.fixture(scope="module")
def statement(it: World) -> str:
    """The statement of firm-a in a closed month, of a consortium that invoices."""
    seat = {"street": "Via dell'Artigiano 12", "postal_code": "41012", "town": "Carpi", "province": "MO"}
    firm = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(9), **seat,
            "invoices": True, "rea_office": "MO", "rea_number": "123456"}  # fmt: skip
    assert it.send("PUT", "/api/v1/consortium", json=firm).status_code in {200, 201}
    customer = {name: value for name, value in invented("firm-a", 1, **seat).items() if name != "id"}
    answer = it.send("PUT", "/api/v1/members/firm-a", json=customer | {"active_from": "2020-01-01"})
    assert answer.status_code == 200, answer.text
    order = {"month": "2026-01", "accepted": {"*": "nothing was shared yet"}}
    closed = it.send("POST", "/api/v1/closings", json=order)
    assert closed.status_code == 201, closed.text
    [row] = it.get("/api/v1/statements", "member").json()["items"]
    return str(row["id"])


def csrf(browser: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get(path).text)
    assert found is not None
    return found.group(1)


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    form = {"csrf": csrf(browser, PAGES.get(path.partition("?")[0], path)), **fields}
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
    it: World, member: httpx.Client, administrator: httpx.Client, statement: str
) -> None:
    [row] = it.get("/api/v1/statements", "member").json()["items"]
    assert row["id"] == statement

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


def happens(administrator: httpx.Client, statement: str, kind: str, note: str = "") -> httpx.Response:
    """Note on the page of the closed month what became of its statement."""
    return send(administrator, "/closing/events?lang=en", month="2026-01", number=statement, kind=kind, note=note)


def offered(page: str, statement: str) -> list[str]:
    """What may be noted of a statement, as its buttons have it."""
    forms = re.findall(r'<form class="fate".*?</form>', page, re.DOTALL)
    own = "".join(each for each in forms if f'name="number" value="{statement}"' in each)
    return re.findall(r'name="kind" value="(\w+)"', own)


def test_an_invoice_that_sdi_rejects_is_sent_again_under_its_number_in_a_file_of_another_name(
    it: World, member: httpx.Client, administrator: httpx.Client, statement: str
) -> None:
    before = it.get(f"/api/v1/statements/{statement}.xml")
    seen = []
    for kind, note in (("sent", ""), ("rejected", "00417: recapito"), ("sent", ""), ("accepted", "")):
        seen.append(offered(administrator.get("/closing?month=2026-01").text, statement)[:-1])
        noted = happens(administrator, statement, kind, note)
        assert noted.headers["location"] == f"/closing?month=2026-01&done={kind}"
    told = administrator.get("/closing?month=2026-01&done=rejected&lang=it").text
    late = happens(administrator, statement, "rejected", "too late")
    after = it.get(f"/api/v1/statements/{statement}.xml")

    assert seen == [["sent"], ["rejected", "accepted"], ["sent"], ["rejected", "accepted"]]
    assert "invialo con lo stesso numero" in told
    assert offered(told, statement) == ["paid"]
    assert late.status_code == 422
    assert "does not follow from what became of the statement" in late.text
    files = [each.headers["content-disposition"] for each in (before, after)]
    numbers = [re.findall(r"<Numero>([^<]+)</Numero>", each.text) for each in (before, after)]
    assert files[0] != files[1]
    assert numbers[0] == numbers[1] != []
    own = member.get(f"/statements/{statement}?lang=it").text
    assert "scartato dal Sistema di Interscambio: 00417: recapito" in re.sub(r"\s+", " ", own)


def test_a_payment_is_noted_and_taken_back_and_its_member_sees_it(
    member: httpx.Client, administrator: httpx.Client, statement: str
) -> None:
    def shown() -> tuple[str, bool]:
        closed = administrator.get("/closing?month=2026-01&lang=en").text
        return offered(closed, statement)[-1], "da pagare" in member.get("/statements?lang=it").text

    was = shown()
    paid = happens(administrator, statement, "paid")
    then = shown()
    twice = happens(administrator, statement, "paid")
    happens(administrator, statement, "unpaid")

    assert paid.headers["location"] == "/closing?month=2026-01&done=paid"
    assert (was, then, shown()) == (("paid", True), ("unpaid", False), ("paid", True))
    assert twice.status_code == 422
    assert happens(administrator, statement, "burnt").status_code == 404


def test_a_contest_is_decided_with_a_reason_by_another_person_and_the_member_reads_it(
    member: httpx.Client, administrator: httpx.Client
) -> None:
    path = "/charges/contest?month={}&member={}&reference=quota/Quota"
    send(member, path.format(MONTH, "firm-a"), reason="La quota di questo mese è già pagata")
    send(administrator, path.format(MONTH, "firm-b"), reason="Il socio lo ha detto a voce")
    page = administrator.get("/decide?lang=en").text
    forms = re.findall(r'<form class="question" method="post" action="/decide/contests">.*?</form>', page, re.DOTALL)
    [theirs] = [each for each in forms if "già pagata" in each]
    [own] = [each for each in forms if "a voce" in each]
    id_, own_id = (re.search(r'name="id" value="(\w+)"', each)[1] for each in (theirs, own))  # type: ignore[index]

    assert ("<button" in theirs, "<button" in own) == (True, False)
    assert "another person decides" in own
    short = send(administrator, "/decide/contests?lang=en", id=id_, why="no")
    assert (short.status_code, "Say why in ten characters" in short.text) == (422, True)
    assert send(administrator, "/decide/contests", id=own_id, why="I say so myself").status_code == 422
    done = send(administrator, "/decide/contests", id=id_, why="Non risulta alcun pagamento")
    again = send(administrator, "/decide/contests", id=id_, why="Non risulta alcun pagamento")
    assert (done.status_code, done.headers["location"]) == (303, "/decide?done=1")
    assert again.status_code == 422
    assert "già pagata" not in administrator.get("/decide").text
    assert "Non risulta alcun pagamento" in member.get(f"/charges/month?month={MONTH}&part=common").text


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
