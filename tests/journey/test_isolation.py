"""Every route, every role: own, foreign and no identity, made from the document of the API.

A new route with an identifier in its address fails here until it is said whose it is.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.access.permissions import Rule, allows, rule_of
from tests.journey.api_world import HOLDERS, MACHINES, SITES, World, world
from tests.services.records import BOOKINGS, CALENDAR

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

BAD_IDS = ("*", "%25", "0", "none", "x" * 200, "..%2F..", "%00", "'", "a%2Fb", "-1", "null", "mill_1")
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
        "lock_out_id",
        "notice_id",
        "feed_id",
        "user_id",
        "session_id",
        "key_id",
        "rule_id",
        "correction_id",
        "time_id",
    }  # there is nobody, and a key has no sessions
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
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("isolation")) as made:
        yield made


@pytest.fixture(scope="module")
def operations(it: World) -> list[tuple[str, str]]:
    document: dict[str, Any] = it.get("/api/v1/openapi.json", None).json()
    found = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    assert len(found) > 40
    return [(method, path) for method, path in found if path != "/api/v1/live"]


def addresses(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield an address for every identifier, good and bad, with its parameter."""
    names = re.findall(r"{(\w+)}", path)
    assert len(names) <= 1, "say how two identifiers belong together"
    for name in names:
        for each in (*everything(name), *BAD_IDS):
            yield path.replace(f"{{{name}}}", each), name, each
    if not names:
        yield path, "", ""


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
                is_own = may and (not name or each in own(name, holder))
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
