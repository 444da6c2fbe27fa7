"""Every route, every role: own, foreign and no identity, made from the document of the API.

A new route with an identifier in its address fails here until it is said whose it is.
"""

from __future__ import annotations

import itertools
import json
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.access.permissions import Rule, allows, rule_of
from api.access.scope import Role
from api.billing.tables import IssuedStatement, LineContest, MonthClosing
from api.records.database import open_records
from shopfloor.periods import HOUR
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.journey.api_world import EDGE, HOLDERS, MACHINES, SITES, World, follow, until, world
from tests.services.records import BOOKINGS, CALENDAR, partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

BAD_IDS = ("", "*", "%25", "0", "none", "x" * 200, "..%2F..", "%00", "'", "a%2Fb", "-1", "null", "mill_1")
SITE_OF = {machine["id"]: machine["site_id"] for machine in MACHINES}
NOBODYS = frozenset[str]()
VARIANTS = (
    "//api/v1/members/{0}", "/api/v1//members/{0}", "/api/v1/members/./{0}", "/api/v1/sites/../members/{0}",
    "/API/V1/members/{0}", "/api/v1/members/{0}/", "/api/v1/members/{0}%00", "/api/v1/members/%66irm-b",
    "/api/v1/members/{0};a=b", "/api/v1/members/{0}%20", "/api/v1/members%2F{0}",
)  # fmt: skip


def own(parameter: str, holder: str) -> frozenset[str]:
    """Say which identifiers a holder may ask for, by the name of the place that they stand in."""
    _, member, bound = HOLDERS[holder]
    sites = frozenset(SITES) if bound is None else frozenset(bound)
    if parameter == "member_id":
        return frozenset({"firm-a", "firm-b"}) if holder == "administrator" else frozenset({member or "-"} - {"-"})
    if parameter == "machine_id":
        return frozenset(machine for machine, site in SITE_OF.items() if site in sites)
    if parameter == "site_id":
        return sites
    if parameter == "edge_id":
        return frozenset(machine["agent_id"] for machine in MACHINES if machine["site_id"] in sites)
    if parameter in {"booking_id", "calendar_id"}:
        return NOBODYS if holder == "kiosk" else _of_bookings(parameter, member, sites)
    nobodys = {
        "file_id",
        "lock_out_id",
        "notice_id",
        "feed_id",
        "user_id",
        "session_id",
        "key_id",
        "rule_id",
        "correction_id",
        "time_id",
        "entry_id",
        "statement_id",
        "contest_id",
        "alert_id",
        "order_number",
        "channel_id",
        "window_id",
    }  # there is nobody, a key has no sessions, and nothing of the others was added
    assert parameter in nobodys, f"say whose a {parameter} is"
    return NOBODYS


def _of_bookings(parameter: str, member: str | None, sites: frozenset[str]) -> frozenset[str]:
    if parameter == "calendar_id":
        return frozenset({CALENDAR})
    return frozenset(
        each for each, (machine, firm) in BOOKINGS.items() if SITE_OF[machine] in sites and member in {None, firm}
    )


def everything(parameter: str) -> frozenset[str]:
    return own(parameter, "administrator") | {"none"}


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory, kept_in: str) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("isolation"), records=kept_in) as made:
        yield made


@pytest.fixture(scope="module")
def operations(it: World) -> list[tuple[str, str]]:
    document: dict[str, Any] = it.get("/api/v1/openapi.json", None).json()
    found = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    assert len(found) > 60
    return [(method, path) for method, path in found if path != "/api/v1/live"]


def addresses(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield an address for every identifier, good and bad, with its parameter."""
    names = re.findall(r"{(\w+)}", path)
    if not names:
        yield path, "", ""
        return
    name, *inner = names
    assert inner in ([], ["file_id"]), "say whose what lies within is"
    if not inner:
        for each in (*everything(name), *BAD_IDS):
            yield path.replace(f"{{{name}}}", each), name, each
    for outer in everything(name) if inner else ():
        for each in BAD_IDS:  # there are no files: what another machine has is tested beside real ones
            yield path.replace(f"{{{name}}}", outer).replace(f"{{{inner[0]}}}", each), inner[0], each


def test_nobody_is_let_in_nowhere(it: World, operations: list[tuple[str, str]]) -> None:
    with httpx.Client(base_url=it.url) as client:
        for method, path in operations:
            rule = rule_of(method, path)
            if rule in {Rule.PUBLIC, Rule.METRICS}:
                continue
            for address, _, _ in addresses(path):
                answer = client.request(method, address)
                assert answer.status_code in {401, 404, 405}, (method, address, answer.text)
                assert "firm-" not in answer.text.replace(address, "")


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_is_not_yours_does_not_exist(it: World, operations: list[tuple[str, str]], holder: str) -> None:
    role, member, _ = HOLDERS[holder]
    with httpx.Client(base_url=it.url, headers=it.headers(holder), timeout=20) as client:
        for method, path in operations:
            rule = rule_of(method, path)
            may = allows(rule, role) or rule is Rule.METRICS  # which is open to a program on this machine
            for address, name, each in addresses(path):
                if may and (method != "GET" or path == "/api/v1/me" or path.startswith("/api/v1/me/")):
                    continue
                answer = client.request(method, address)
                is_work = path.endswith("/signals") and role is Role.MEMBER  # which has no session here
                is_own = may and not is_work and (not name or each in own(name, holder))
                if is_own and path != "/api/v1/consortium":
                    assert answer.status_code == 200, (holder, method, address, answer.text)
                else:
                    assert answer.status_code in {404, 422} if name else answer.status_code == 404, (
                        address,
                        answer.text,
                    )
                _holds_nothing_foreign(answer, member)


def _holds_nothing_foreign(answer: httpx.Response, member: str | None) -> None:
    for firm in {"firm-a", "firm-b"} - {member} if member else ():
        assert firm not in answer.text.replace(answer.request.url.path, "")


BODIES: dict[str, dict[str, Any]] = {
    "member_id": {"legal_name": "X", "partita_iva": partita_iva(9), "sdi_code": "ABC1234", "active_from": "2026-01-01"},
    "site_id": {"name": "X"},
    "edge_id": {"site_id": "nord"},
    "machine_id": {"name": "X", "site_id": "nord", "agent_id": EDGE},
    "calendar_id": {"name": "X"},
}
"""What could be kept, under an identifier that can be."""


def test_no_change_is_made_under_what_is_no_identifier(it: World, operations: list[tuple[str, str]]) -> None:
    """Asked by who may change everything: a pattern, another's name or nothing at all never hits anything."""
    before = it.get("/api/v1/audit", limit=1).json()["items"][0]["number"]
    with httpx.Client(base_url=it.url, headers=it.headers("administrator"), timeout=20) as client:
        for method, path in operations:
            for address, name, each in addresses(path) if method != "GET" else ():
                if name and each in BAD_IDS and each not in {"0", "none", "null"}:  # which somebody could be called
                    answer = client.request(method, address, json=BODIES.get(name, {}))
                    assert 400 <= answer.status_code < 500, (method, address, answer.text)
    assert it.get("/api/v1/audit", limit=1).json()["items"][0]["number"] == before


def test_machines_that_are_called_the_same_are_never_mixed(it: World) -> None:
    """Two machines of one name and number, at the same instants, at two sites: told apart everywhere."""
    at = clock.now()
    north = {"name": "L 1", "site_id": "nord", "agent_id": EDGE}
    assert it.send("PUT", "/api/v1/machines/lathe-2", json=north).status_code == 201
    until(lambda: it.get("/api/v1/machines/lathe-2").status_code == 200, "the second lathe")
    for machine, state, program, publisher in (("lathe-1", 3, "SUD", "south-1"), ("lathe-2", 2, "NORD", EDGE)):
        it.say(
            Sample(machine, "observed", at, at - HOUR), Sample(machine, "item_state", at - HOUR, state),
            Sample(machine, "program", at - HOUR, program), publisher=publisher,
        )  # fmt: skip
    try:
        for holder, own_one, other, program, foreign in (
            ("operator of Nord", "lathe-2", "lathe-1", "NORD", "SUD"),
            ("operator of Sud", "lathe-1", "lathe-2", "SUD", "NORD"),
        ) * 2:
            seen = until(lambda: _with_program(it, holder, program), "the program")  # noqa: B023 - used at once
            (only,) = [each for each in seen if each["name"] == "L 1"]
            assert (only["id"], only["work"]["program"]) == (own_one, program)
            texts = [json.dumps(seen)]
            with follow(it, holder) as stream:
                texts.append(json.dumps(stream.read()))
            paths = (f"machines/{own_one}/states", f"machines/{own_one}/signals?names=program", "machines?site=sud",
                     "machines?site=nord", "edges", "sites", f"machines/{own_one}/signals?names=x")  # fmt: skip
            texts += [it.get(f"/api/v1/{path}", holder).text for path in paths]
            totals = it.get(f"/api/v1/machines/{own_one}/states", holder).json()["totals"]
            assert totals.keys() - {"unknown"} == {"processing" if program == "SUD" else "idle"}
            texts.append(it.get("/", holder, site="nord" if program == "SUD" else "sud").text)
            for text in texts:
                assert other not in text
                assert f'"{foreign}"' not in text
    finally:
        it.send("DELETE", "/api/v1/machines/lathe-2")


def _with_program(it: World, holder: str, program: str) -> list[dict[str, Any]] | None:
    items: list[dict[str, Any]] = it.get("/api/v1/machines", holder).json()["items"]
    return items if any((each["work"] or {}).get("program") == program for each in items) else None


def test_two_firms_of_one_name_are_never_mixed(it: World) -> None:
    for holder, firm in (("member", "firm-a"), ("other member", "firm-b")) * 3:
        (only,) = it.get("/api/v1/members", holder).json()["items"]

        assert (only["id"], only["legal_name"]) == (firm, "Officina Rossi S.r.l.")


def test_callers_who_take_turns_on_one_connection_keep_their_own(it: World) -> None:
    with httpx.Client(base_url=it.url) as client:
        for holder in itertools.chain(*itertools.repeat(("member", "other member", None, "administrator"), 5)):
            answer = client.get("/api/v1/members/firm-a", headers=it.headers(holder) if holder else {})

            assert answer.status_code == {"member": 200, "administrator": 200, None: 401}.get(holder, 404)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_way_of_writing_an_address_leads_around_the_rules(it: World, variant: str) -> None:
    for holder in ("member", None):
        headers = it.headers(holder) if holder else {}
        answer = httpx.get(it.url + variant.format("firm-b"), headers=headers)

        assert answer.status_code in {400, 401, 404, 405}, answer.text
        assert "legal_name" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost/api/v1/members/firm-a?"},
        {"X-HTTP-Method-Override": "PUT"},
        {"X-Original-URL": "/healthz"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Cookie": "officina=; officina_device=x; __Host-officina=x"},
    ],
)
def test_no_header_leads_around_the_rules(it: World, headers: dict[str, str]) -> None:
    answer = it.send("GET", "/api/v1/members/firm-b", "member", headers=headers)

    assert answer.status_code in {400, 404}
    assert "legal_name" not in answer.text


def test_payer_job_program_and_signals_are_invisible_to_members(it: World) -> None:
    for holder in ("member", "other member", "kiosk"):
        for machine in SITE_OF:
            assert it.get(f"/api/v1/machines/{machine}/signals", holder).status_code == 404
            assert it.get(f"/api/v1/machines/{machine}", holder).json()["work"] is None
        text = json.dumps(it.get("/api/v1/machines", holder).json())
        assert not {"program", "job", "payer", "order"} & set(re.findall(r'"(\w+)":', text.replace('"work": null', "")))


LOCKS = "lock-outs?from=2030-01-07T00:00:00Z&to=2030-01-08T00:00:00Z"
NOTE = "Segreto di un altro"
AHEAD = {"from": "2030-01-07T09:00:00Z", "to": "2030-01-07T10:00:00Z"}
PAST = {"from": "2026-01-07T09:00:00Z", "to": "2026-01-07T10:00:00Z"}
START_END = {"start": AHEAD["from"], "end": AHEAD["to"]}


def _of_firm_b(it: World) -> dict[str, list[tuple[str, str]]]:
    """Keep what firm-b alone may see, and return where each single one is asked for, or changed, by list."""
    body = json.dumps({"number": "7/2026", "issued": "2026-02-04", "note": NOTE})
    records = open_records(it.records)
    try:
        with records.writing() as session:
            session.add(
                MonthClosing(month="2026-01", issued=date(2026, 2, 4), closed=1, by="console", ground={}, accepted={})
            )
            session.flush()
            one = IssuedStatement(
                number=7, year=2026, sequence=7, closing="2026-01", member_id="firm-b", net=1, total=1
            )
            one.body, one.digest = body, "0" * 64
            session.add(one)
            contest = {"id": "c0ffee", "member_id": "firm-b", "month": "2026-03", "reference": "-", "reason": NOTE}
            session.add(LineContest(**contest, by="console", at=1, decided_by=None, decided=None))
    finally:
        records.close()
    made = it.send(
        "POST",
        "/api/v1/corrections",
        "other member",
        json=PAST | {"machine": "mill-1", "payer": "firm-b", "reason": NOTE},
    )
    assert made.status_code == 201, made.text
    feed = it.send("POST", "/api/v1/booking-feeds", "other member", json={"machine": "mill-1"}).json()["id"]
    budget = {"amount": "77.77", "warn_percent": 80}
    assert it.send("PUT", "/api/v1/budgets/firm-b", "other member", json=budget).status_code == 200
    forms = [("GET", f"/api/v1/statements/7{form}") for form in ("", ".pdf", ".xlsx", ".csv", ".xml", "/segments")]
    return {
        "/api/v1/statements": forms,
        "/api/v1/statements?member=firm-b": [],
        "/api/v1/contests": [],
        "/api/v1/corrections": [],
        "/api/v1/booking-feeds": [("DELETE", f"/api/v1/booking-feeds/{feed}")],
        "/api/v1/previews?month=2026-02&member=firm-b": [("GET", "/api/v1/budgets/firm-b")],
        "/api/v1/usage?member=firm-b&from=2026-01-01&to=2026-01-03": [("PUT", "/api/v1/budgets/firm-b")],
    }


def test_what_one_firm_was_charged_and_asked_for_does_not_exist_for_another(it: World) -> None:
    for path, single in _of_firm_b(it).items():
        if "member=" not in path:
            assert NOTE in it.get(path, "other member").text or path in {"/api/v1/statements", "/api/v1/booking-feeds"}
        theirs = it.send("GET", path, "member")
        assert theirs.status_code == (404 if "member=" in path else 200), (path, theirs.text)
        for text in (NOTE, "firm-b", "7/2026", "77.77"):
            assert text not in theirs.text.replace(path, ""), path
        for method, address in single:
            answer = it.send(method, address, "member", **({"json": {"amount": "1"}} if method == "PUT" else {}))
            assert answer.status_code == 404, (method, address, answer.text)
            assert NOTE not in answer.text
    assert it.get("/api/v1/statements/7", "other member").status_code == 200
    assert it.get("/api/v1/budgets/firm-b", "other member").json()["amount"] == "77.77"


def test_what_is_at_one_site_does_not_exist_for_who_looks_after_another(it: World) -> None:
    key = it.send(
        "POST", "/api/v1/api-keys", json={"name": "north", "role": "maintenance", "sites": ["nord"], "writes": True}
    )
    north = {"Authorization": f"Bearer {key.json()['token']}"}
    order = it.send("POST", "/api/v1/work-orders", "maintenance", json={"machine": "lathe-1", "title": NOTE}).json()[
        "number"
    ]
    lock = it.send(
        "POST", "/api/v1/lock-outs", "maintenance", json=AHEAD | {"machine": "lathe-1", "reason": NOTE}
    ).json()["id"]
    window = it.send(
        "POST", "/api/v1/maintenance/windows", "maintenance", json=START_END | {"site": "sud", "reason": NOTE}
    )
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"work-orders/{order}", {}),
        ("PATCH", f"work-orders/{order}", {"title": "X"}),
        ("POST", f"work-orders/{order}/close", {}),
        ("POST", f"work-orders/{order}/lock-out", {"reason": "X"}),
        ("POST", f"work-orders/{order}/give-back", {"check": "X"}),
        ("POST", "work-orders", {"machine": "lathe-1", "title": "X"}),
        ("DELETE", f"lock-outs/{lock}", {}),
        ("POST", "lock-outs", AHEAD | {"machine": "lathe-1", "reason": "X"}),
        ("DELETE", f"maintenance/windows/{window.json()['id']}", {}),
        ("POST", "maintenance/windows", START_END | {"site": "sud", "reason": "X"}),
        ("POST", "maintenance/spares", {"machine": "lathe-1", "name": "X"}),
        ("PUT", "rules/spindle-hot", {"machine": "lathe-1", "values": {"enabled": False}, "source": "X"}),
        ("POST", "rules/spindle-hot/backtest", {"machine": "lathe-1"} | START_END),
        ("GET", "machines/lathe-1/maintenance", {}),
        ("GET", "machines/lathe-1/bookings.ics", {}),
    ]
    with httpx.Client(base_url=f"{it.url}/api/v1/", headers=north, timeout=20) as client:
        for method, path, body in changes:
            answer = client.request(method, path, json=body if method not in {"GET", "DELETE"} else None)
            assert answer.status_code in {404, 422}, (method, path, answer.text)  # as where there is none at all
        for path in (
            "work-orders",
            LOCKS,
            "maintenance/windows",
            "maintenance/plan",
            "alerts?state=all",
            "bookings",
        ):
            text = client.get(path).text
            assert NOTE not in text, path
            assert "lathe-1" not in text, path
    for path in ("work-orders", LOCKS, "maintenance/windows"):
        assert NOTE in it.send("GET", f"/api/v1/{path}", "maintenance").text, path
