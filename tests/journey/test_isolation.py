"""Every route and page, every role: own, foreign and no identity, made from the document of the API.

A new route with an identifier in its address fails here until `tests/journey/isolation.py` says whose it is.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from pypdf import PdfReader

from api.access.permissions import ROLES, RULES, Rule, allows, rule_of
from api.access.scope import Role
from shopfloor.periods import HOUR
from shopfloor.runtime import clock
from shopfloor.samples import Sample
from tests.journey.api_world import EDGE, NO_TLS, SITES, Stream, World, follow, until, world
from tests.journey.isolation import (
    AHEAD,
    BAD_IDS,
    LOOKERS,
    MONTH,
    NOBODY,
    NORTH_CARE,
    NOTE,
    PAST,
    SITE_OF,
    START_END,
    TWINS,
    Whose,
    addresses,
    among,
    fill,
    place_of,
    work_alike,
)
from tests.journey.people import signed_in
from tests.services.records import partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

VARIANTS = (
    "//api/v1/members/{0}", "/api/v1//members/{0}", "/api/v1/members/./{0}", "/api/v1/sites/../members/{0}",
    "/API/V1/members/{0}", "/api/v1/members/{0}/", "/api/v1/members/{0}%00", "/api/v1/members/%66irm-b",
    "/api/v1/members/{0};a=b", "/api/v1/members/{0}%20", "/api/v1/members%2F{0}",
)  # fmt: skip
FEW_BAD = ("", "*", "%25", "0", "x" * 200)
"""Tried of who is refused before anybody looks at the identifier, and of pages."""
OPEN = frozenset({Rule.PUBLIC, Rule.CODE, Rule.FEED})
"""What asks for nobody's session or key."""
NO_KEYS = frozenset({Rule.OWN})
"""What a person alone has, and no key."""
SENT: dict[str, dict[str, Any]] = {
    "POST /api/v1/machines/{machine_id}/stops": {"at": PAST["from"], "reason": "setup"},
    "POST /api/v1/machines/{machine_id}/calls": {"note": "X"},
    "DELETE /api/v1/machines/{machine_id}/calls": {},
    "POST /api/v1/maintenance-times/{time_id}/end": {"to": PAST["to"]},
    "PUT /api/v1/budgets/{member_id}": {"amount": "1", "warn_percent": 80},
    "PATCH /api/v1/bookings/{booking_id}": {"note": "X"},
    "DELETE /api/v1/bookings/{booking_id}": {},
    "DELETE /api/v1/lock-outs/{lock_out_id}": {},
    "DELETE /api/v1/booking-notices/{notice_id}": {},
    "DELETE /api/v1/booking-feeds/{feed_id}": {},
    "POST /api/v1/alerts/{alert_id}/actions": {"kind": "take"},
    "PUT /api/v1/rules/{rule_id}": {},
    "POST /api/v1/rules/{rule_id}/backtest": {},
    "PATCH /api/v1/work-orders/{order_number}": {"title": "X"},
    "POST /api/v1/work-orders/{order_number}/close": {},
    "POST /api/v1/work-orders/{order_number}/lock-out": {"reason": "X"},
    "POST /api/v1/work-orders/{order_number}/give-back": {"check": "X"},
    "DELETE /api/v1/maintenance/windows/{window_id}": {},
    "POST /plan/windows/{window_id}": {},
    "POST /bookings/calendars/{feed_id}": {},
    "POST /bookings/notices/{notice_id}": {},
    "POST /bookings/{booking_id}": {
        "machine": "mill-1", "day": "2030-03-04", "start": "09:00", "end_day": "2030-03-04", "end": "10:00"
    },
    "POST /bookings/{booking_id}/cancel": {},
    "POST /alerts/{alert_id}": {"deed": "take", "kind": "take", "note": "X"},
    "POST /rules/{rule_id}": {},
    "POST /api/v1/work-orders/{order_number}/photos": {},
    "POST /work-orders/{order_number}/photos": {},
    "DELETE /api/v1/work-orders/{order_number}/photos/{photo_id}": {},
    "POST /work-orders/{order_number}/photos/{photo_id}/remove": {},
    "POST /work-orders/{order_number}": {"title": "X"},
    "POST /work-orders/{order_number}/{deed}": {},
    "POST /tablet/{machine_id}/payer": {"payer": "firm-a"},
    "POST /tablet/{machine_id}/stops": {"at": "1", "reason": "setup"},
    "POST /tablet/{machine_id}/calls": {},
    "DELETE /api/v1/me/sessions/{session_id}": {},
    "DELETE /api/v1/me/channels/{channel_id}": {},
    "POST /api/v1/me/channels/{channel_id}/test": {},
    "POST /account/messages/channels/{channel_id}": {"deed": "test"},
}  # fmt: skip
"""What is sent to what changes one thing, by who may change its own: with it, what is a stranger's does not exist."""


UNASKED = {"/administration": {303}, "/charges/month": {303}, "/charges/contest": {404}}
"""What leads on to another page, or shows nothing to who does not say of what."""


class Park(NamedTuple):
    """The world, with one of everything for each of two sites and firms.

    Attributes:
        it: see there.
        whose: what stands in addresses, and who may ask for it.
    """

    it: World
    whose: Whose


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory, kept_in: str) -> Iterator[Park]:
    with world(tmp_path_factory.mktemp("isolation"), more='second_factor = "optional"', records=kept_in) as made:
        whose = fill(made)
        statements = work_alike(made)
        whose["{statement_id}"] = {each: whose["{member_id}"][member] for member, each in statements.items()}
        yield Park(made, whose)


@pytest.fixture(scope="module")
def it(park: Park) -> World:
    return park.it


@pytest.fixture(scope="module")
def operations(it: World) -> list[tuple[str, str]]:
    """What the document lists, and the pages beside it: the table of rules has every route, as a test of it sees to."""
    document: dict[str, Any] = it.get("/api/v1/openapi.json", None).json()
    found = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    assert len(found) > 60
    pages = sorted(RULES.keys() - set(found))
    assert len(pages) > 60
    return [each for each in (*found, *pages) if each[1] != "/api/v1/live"]


def is_page(path: str) -> bool:
    return not path.startswith("/api/")


def test_every_identifier_in_an_address_is_somebodys(park: Park, operations: list[tuple[str, str]]) -> None:
    """A route whose parameter the table does not know fails here, and a change that a stranger has not tried."""
    for method, path in operations:
        rule = rule_of(method, path)
        if place_of(path) and rule not in OPEN:
            assert among(park.whose, path)
        if place_of(path) and method != "GET" and rule not in OPEN and rule is not None:
            is_shared = ROLES[rule] != {Role.ADMINISTRATOR}
            assert (f"{method} {path}" in SENT) == is_shared, f"say what is sent to {method} {path}"


def test_nobody_is_let_in_nowhere(park: Park, operations: list[tuple[str, str]]) -> None:
    with httpx.Client(verify=NO_TLS, base_url=park.it.url) as client:
        for method, path in operations:
            if rule_of(method, path) in OPEN | {Rule.METRICS}:
                continue
            for address, _ in addresses(park.whose, path, ("*",)):
                answer = client.request(method, address)
                if is_page(path) and method == "GET" and answer.status_code == 303:
                    assert answer.headers["location"].startswith("/sign-in")
                else:
                    assert answer.status_code in {401, 403, 404, 405}, (method, address, answer.text)
                assert "firm-" not in answer.text.replace(address, "")


@pytest.mark.parametrize("holder", LOOKERS)
def test_what_is_not_yours_does_not_exist(park: Park, operations: list[tuple[str, str]], holder: str) -> None:
    role = LOOKERS[holder][0]
    with httpx.Client(verify=NO_TLS, base_url=park.it.url, headers=park.it.headers(holder), timeout=20) as client:
        for method, path in operations:
            rule = rule_of(method, path)
            may = allows(rule, role) or rule is Rule.METRICS  # which is open to a program on this machine
            if rule in OPEN or (may and (method != "GET" or rule in NO_KEYS)):
                continue
            bad = BAD_IDS if may and not is_page(path) else FEW_BAD if may else FEW_BAD[:2]
            for address, holders in addresses(park.whose, path, bad):
                answer = client.request(method, address)
                is_work = path.endswith("/signals") and role is Role.MEMBER  # which has no session here
                if may and not is_work and holder in holders:
                    expected = {200} | UNASKED.get(path, set())
                    assert answer.status_code in expected, (holder, method, address, answer.text)
                else:
                    expected = {404, 422} if place_of(path) else {404}
                    assert answer.status_code in expected, (holder, method, address, answer.text)
                _holds_nothing_foreign(answer, holder)


def _foreign(holder: str) -> list[str]:
    """Return what no answer to a holder may hold."""
    _, member, bound = LOOKERS[holder]
    sites = set(SITES) - set(SITES if bound is None else bound)
    firms = {"firm-a", "firm-b"} - {member} if member else set()
    found = [f"{NOTE} {each}" for each in (*sites, *firms)]
    return [*found, *firms, *sites, *(machine for machine, site in SITE_OF.items() if site in sites)]


def _holds_nothing_foreign(answer: httpx.Response, holder: str, *said: str) -> None:
    """Find what is not the holder's in an answer, beside what it said itself."""
    text = answer.text.replace(answer.request.url.path.replace("\0", "\ufffd"), "")
    for each in _foreign(holder):
        if each in said:
            continue
        assert not re.search(rf"(?<![\w-]){each}(?![\w-])", text), (holder, answer.request.url, each, text)


@pytest.mark.parametrize("holder", [name for name, (_, member, bound) in LOOKERS.items() if member or bound])
def test_no_change_is_made_of_what_is_not_yours(park: Park, operations: list[tuple[str, str]], holder: str) -> None:
    before = last_change(park.it)
    with httpx.Client(verify=NO_TLS, base_url=park.it.url, headers=park.it.headers(holder), timeout=20) as client:
        for method, path in operations:
            body = SENT.get(f"{method} {path}")
            if body is None or not allows(rule_of(method, path), LOOKERS[holder][0]):
                continue
            for each, holders in among(park.whose, path).items():
                if holder in holders:
                    continue
                more: dict[str, Any] = {"data" if is_page(path) else "json": body} if method != "DELETE" else {}
                answer = client.request(method, path.replace(place_of(path), each), **more)
                assert answer.status_code == 404, (holder, method, path, each, answer.text)
                _holds_nothing_foreign(answer, holder)
    assert last_change(park.it) == before


def last_change(it: World) -> int:
    return int(it.get("/api/v1/audit", limit=1).json()["items"][0]["number"])


BODIES: dict[str, dict[str, Any]] = {
    "{member_id}": {
        "legal_name": "X", "partita_iva": partita_iva(9), "sdi_code": "ABC1234", "active_from": "2026-01-01"
    },
    "{site_id}": {"name": "X"},
    "{edge_id}": {"site_id": "nord"},
    "{machine_id}": {"name": "X", "site_id": "nord", "agent_id": EDGE},
    "{calendar_id}": {"name": "X"},
}  # fmt: skip
"""What could be kept, under an identifier that can be."""
FORMS = {"/administration/people/{person_id}/deeds": {"deed": "out"}}
"""What an administrator's form says that would change something."""


def test_no_change_is_made_under_what_is_no_identifier(park: Park, operations: list[tuple[str, str]]) -> None:
    """Asked by who may change everything: a pattern, another's name or nothing at all never hits anything."""
    before = last_change(park.it)
    with httpx.Client(
        verify=NO_TLS, base_url=park.it.url, headers=park.it.headers("administrator"), timeout=20
    ) as client:
        for method, path in operations:
            if method == "GET" or not place_of(path) or rule_of(method, path) in OPEN:
                continue
            form: dict[str, Any] = {"data": SENT.get(f"{method} {path}", FORMS.get(path, {}))}
            more = form if is_page(path) else {"json": BODIES.get(place_of(path), {})}
            for address, holders in addresses(park.whose, path):
                each = address.rpartition("/")[2]
                if holders == NOBODY and each not in {"0", "none", "null"}:  # which somebody could be called
                    answer = client.request(method, address, **more)
                    assert 400 <= answer.status_code < 500, (method, address, answer.text)
    assert last_change(park.it) == before


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
    with httpx.Client(verify=NO_TLS, base_url=it.url) as client:
        for holder in itertools.chain(*itertools.repeat(("member", "other member", None, "administrator"), 5)):
            answer = client.get("/api/v1/members/firm-a", headers=it.headers(holder) if holder else {})

            assert answer.status_code == {"member": 200, "administrator": 200, None: 401}.get(holder, 404)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_way_of_writing_an_address_leads_around_the_rules(it: World, variant: str) -> None:
    for holder in ("member", None):
        headers = it.headers(holder) if holder else {}
        answer = httpx.get(it.url + variant.format("firm-b"), headers=headers, verify=NO_TLS)

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


LOCKS = "lock-outs?from=2030-02-04T00:00:00Z&to=2030-02-05T00:00:00Z"
NORTH = "operator of Nord"
FIRM_B = frozenset({"administrator", "other member"})


def test_what_one_firm_was_charged_and_asked_for_does_not_exist_for_another(park: Park) -> None:
    it = park.it
    [own] = [each for each, holders in park.whose["{statement_id}"].items() if holders == FIRM_B]
    budget = {"amount": "77.77", "warn_percent": 80}
    assert it.send("PUT", "/api/v1/budgets/firm-b", "other member", json=budget).status_code == 200
    for path, text in {
        "/api/v1/statements": f'"id":"{own}"',
        "/api/v1/contests": f"{NOTE} firm-b",
        "/api/v1/corrections": f"{NOTE} firm-b",
        "/api/v1/booking-notices": f"{NOTE} firm-b",
        "/api/v1/budgets/firm-b": "77.77",
        f"/api/v1/previews?month={MONTH}&member=firm-b": "firm-b",
        f"/api/v1/statements?member=firm-b&month={MONTH}": "firm-b",
        "/api/v1/usage?member=firm-b&from=2026-01-12&to=2026-01-13": "firm-b",
        "/api/v1/usage.csv?member=firm-b&from=2026-01-12&to=2026-01-13": "firm-b",
        f"/charges?month={MONTH}&member=firm-b": "",
        f"/charges/month?month={MONTH}&member=firm-b": "",
        "/statements?member=firm-b": "",
    }.items():
        if text:
            assert text in it.send("GET", path, "other member").text, path
        theirs = it.send("GET", path, "member")
        assert theirs.status_code == (404 if "firm-b" in path else 200), (path, theirs.text)
        for each in (f"{NOTE} firm-b", "firm-b", "77.77", f"{own}/2026"):
            assert each not in theirs.text.replace(path.partition("?")[0], ""), path


def test_a_member_cannot_learn_which_firms_there_are_by_naming_them(it: World) -> None:
    wish = PAST | {"machine": "mill-1", "reason": "it was somebody else"}
    answers = [it.send("POST", "/api/v1/corrections", "member", json=wish | {"payer": each})
               for each in ("firm-b", "firm-z")]  # fmt: skip
    assert [each.status_code for each in answers] == [422, 422]
    assert answers[0].text.replace("firm-b", "") == answers[1].text.replace("firm-z", "")


def test_two_firms_alike_have_each_their_own_totals_exports_and_streams(park: Park) -> None:
    """One name, one name of machine, one instant: what tells them apart is whose it is, and that never mixes."""
    it, asked = park.it, {"from": "2026-01-12T08:00:00Z", "to": "2026-01-12T12:00:00Z"}
    ours = {"member": ("firm-a", "160", "195,20", partita_iva(1)), "other member": ("firm-b", "240", "292,80",
            partita_iva(2))}  # fmt: skip
    streams = _live_of_twins(it, list(ours))
    for holder, (firm, _, total, number) in ours.items():
        [(other, foreign_net, foreign_total, foreign_number)] = [each for each in ours.values() if each[0] != firm]
        (machine, hours), foreign = TWINS[firm], TWINS[other][0]
        [statement] = [each for each, who in park.whose["{statement_id}"].items() if who == {holder, "administrator"}]
        texts = {kind: _text_of(it, holder, f"/api/v1/statements/{statement}{kind}") for kind in EXPORTS}
        for kind in ("", ".pdf", ".xlsx", ".xml"):
            assert f"{total[:3]}" in texts[kind], (kind, texts[kind])
            assert number in texts[kind] or kind == ".xlsx", kind
        for path in ("/api/v1/statements", f"/api/v1/previews?month={MONTH}", "/api/v1/bookings", "/statements",
                     "/api/v1/usage?from=2026-01-12&to=2026-01-13", "/api/v1/usage.csv?from=2026-01-12&to=2026-01-13",
                     f"/charges?month={MONTH}", f"/charges/month?month={MONTH}&part={machine}", "/bookings",
                     f"/statements/{statement}"):  # fmt: skip
            texts[path] = _text_of(it, holder, path)
        rows = it.get("/api/v1/usage", holder, **{"from": "2026-01-12", "to": "2026-01-13"}).json()["items"]
        [used] = [each for each in rows if machine in each["key"].values()]
        assert used["seconds"] == hours * 3600, used
        assert f"firm-{firm[-1]};{machine};{hours * 3600};" in texts["/api/v1/usage.csv?from=2026-01-12&to=2026-01-13"]
        texts["signals"] = _text_of(it, holder, f"/api/v1/machines/{machine}/signals", names="order", **asked)
        assert f"{NOTE} {firm}" in texts["signals"]
        theirs = it.get(f"/api/v1/machines/{foreign}/signals", holder, names="order", **asked)
        assert theirs.status_code == 404, theirs.text
        texts |= _calendars(it, holder) | {"stream": streams[holder]}
        for name, text in texts.items():
            for each in (f"{NOTE} {other}", f"LOTTO-{other}", other, foreign_number, foreign_total, f"{foreign_net},00",
                         f"{foreign_net}.00"):  # fmt: skip
                assert each not in text, (holder, name, each)


EXPORTS = ("", ".csv", ".xlsx", ".pdf", ".xml", "/segments")


def _text_of(it: World, holder: str, path: str, **asked: str) -> str:
    """Return what a person would read of an answer, whatever its form."""
    answer = it.send("GET", path, holder, params=asked) if asked else it.send("GET", path, holder)
    assert answer.status_code == 200, (holder, path, answer.text)
    if path.endswith(".xlsx"):
        with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
            return "".join(book.read(each).decode() for each in book.namelist())
    if path.endswith(".pdf"):
        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    return answer.text


def _calendars(it: World, holder: str) -> dict[str, str]:
    """Return the calendars of a machine on which both have booked: the other's time is busy, and no more."""
    path = it.send("POST", "/api/v1/booking-feeds", holder, json={"machine": "mill-1"}).json()["path"]
    found = {name: _text_of(it, holder, name) for name in (path, "/api/v1/machines/mill-1/bookings.ics")}
    for text in found.values():
        assert text.count("BEGIN:VEVENT") == 2
        assert text.count("Lotto 7") == 1
        assert "Officina Rossi" not in text
    return found


def _live_of_twins(it: World, holders: list[str]) -> dict[str, str]:
    """Return what each hears live while the machines of both begin the same at the same instant."""
    with contextlib.ExitStack() as stack:
        heard = {each: stack.enter_context(follow(it, each)) for each in holders}
        for each in heard.values():
            each.read()
        at = clock.now()
        for firm, (machine, _) in TWINS.items():
            it.say(
                Sample(machine, "observed", at, at - HOUR), Sample(machine, "item_state", at, 2),
                Sample(machine, "job", at, f"LOTTO-{firm}"), Sample(machine, "order", at, f"{NOTE} {firm}"),
                publisher=EDGE if machine == "mill-2" else "south-1",
            )  # fmt: skip
        for stream in heard.values():
            stream.until(lambda *_: {machine for machine, _ in TWINS.values()} <= _idle(stream))  # noqa: B023 - at once
        return {holder: json.dumps(stream.events) for holder, stream in heard.items()}


def _idle(stream: Stream) -> set[str]:
    """Return the machines that a stream has told of as idle: none was when it began."""
    return {data["id"] for kind, data in stream.events if kind == "machine" and data["state"] == "idle"}


def test_what_is_a_persons_own_is_not_even_a_colleagues(park: Park) -> None:
    """Sessions, and where messages go to: of two who may see the same, each has its own."""
    it = park.it
    with signed_in(it.url, "administrator@example.it") as one, signed_in(it.url, "operator@example.it") as other:
        for each in (one, other):
            each.headers["X-CSRF-Token"] = each.get("/api/v1/me").json()["csrf_token"]
        mine = one.get("/api/v1/me/sessions").json()["items"]
        channel = one.post("/api/v1/me/channels", json={"name": "X", "address": "mailto://a:b@example.it"})
        assert channel.status_code == 201, channel.text
        name = channel.json()["id"]
        before = last_change(it)
        changes = [("DELETE", f"/api/v1/me/sessions/{each['id']}") for each in mine]
        changes += [("DELETE", f"/api/v1/me/channels/{name}"), ("POST", f"/api/v1/me/channels/{name}/test"),
                    ("POST", f"/account/messages/channels/{name}")]  # fmt: skip
        changes += [(method, path.replace(name, each)) for method, path in changes for each in BAD_IDS if name in path]
        for method, path in changes:
            answer = other.request(method, path)
            assert answer.status_code in {404, 405, 422}, (method, path, answer.text)
        over_long = one.post(f"/account/messages/channels/{name}{'x' * 20}", data={"deed": "remove"})
        assert over_long.status_code == 404
        for path in ("/api/v1/me/sessions", "/api/v1/me/channels", "/account", "/account/messages"):
            assert name not in other.get(path).text
            assert not any(each["id"] in other.get(path).text for each in mine)
        assert last_change(it) == before
        assert one.delete(f"/api/v1/me/channels/{name}").status_code == 204


def test_what_is_at_one_site_does_not_exist_for_who_looks_after_another(park: Park) -> None:
    """What names a machine, a site or an alert in its body or its query is refused as where there is none at all."""
    it = park.it
    [alert] = [each for each, who in park.whose["{alert_id}"].items() if NORTH_CARE not in who]
    lathe = {"machine": "lathe-1"}
    changes: list[tuple[str, str, str, dict[str, Any]]] = [
        (NORTH_CARE, "POST", "/api/v1/work-orders", lathe | {"title": "X"}),
        (NORTH_CARE, "POST", "/api/v1/work-orders", {"machine": "mill-1", "title": "X", "alert": alert}),
        (NORTH_CARE, "POST", "/api/v1/lock-outs", lathe | AHEAD | {"reason": "X"}),
        (NORTH_CARE, "POST", "/api/v1/maintenance/windows", START_END | {"site": "sud", "reason": "X"}),
        (NORTH_CARE, "POST", "/api/v1/maintenance/spares", lathe | {"name": "X"}),
        (NORTH_CARE, "POST", "/api/v1/maintenance-times", lathe | {"from": PAST["from"], "cause": "alarm"}),
        (NORTH_CARE, "PUT", "/api/v1/rules/spindle-hot", lathe | {"values": {"enabled": False}, "source": "X"}),
        (NORTH_CARE, "POST", "/api/v1/rules/spindle-hot/backtest", lathe | START_END),
        (NORTH_CARE, "POST", "/rules/spindle-hot", lathe | {"deed": "off"}),
        (NORTH_CARE, "POST", "/work-orders", lathe | {"title": "X"}),
        (NORTH_CARE, "POST", "/inbox", {"alert": alert}),
        (NORTH, "POST", "/api/v1/check-ins", lathe | {"payer": "firm-a"}),
        (NORTH, "POST", "/api/v1/corrections", lathe | PAST | {"payer": "firm-a", "reason": "it was somebody else"}),
        (NORTH, "POST", "/api/v1/bookings", lathe | AHEAD | {"member": "firm-a"}),
        (NORTH, "POST", "/api/v1/booking-feeds", lathe),
        (NORTH, "POST", "/bookings/calendars", lathe),
    ]
    before = last_change(it)
    for holder, method, path, body in changes:
        answer = it.send(method, path, holder, **{"data" if is_page(path) else "json": body})
        assert answer.status_code in {404, 422}, (method, path, answer.text)  # as where there is none at all
        _holds_nothing_foreign(answer, holder, *body.values())
    assert last_change(it) == before
    for page in ("/?site=sud", "/wall?site=sud", "/bookings?machine=lathe-1", "/work-orders?machine=lathe-1",
                 f"/work-orders?alert={alert}", "/rules/spindle-hot?machine=lathe-1"):  # fmt: skip
        answer = it.send("GET", page, NORTH_CARE)
        assert answer.status_code in {200, 404}, (page, answer.text)
        _holds_nothing_foreign(answer, NORTH_CARE, re.split("[?=]", page)[-1])
    answer = it.send("GET", "/bookings/new?machine=lathe-1", NORTH)
    assert answer.status_code in {200, 404}
    _holds_nothing_foreign(answer, NORTH, "lathe-1")
    for path in ("work-orders", LOCKS, "maintenance/windows", "maintenance/plan", "maintenance-times",
                 "alerts?state=all", "bookings", "rules/spindle-hot", "rules?machine=mill-1"):  # fmt: skip
        _holds_nothing_foreign(it.send("GET", f"/api/v1/{path}", NORTH_CARE), NORTH_CARE)
    for path in ("work-orders", LOCKS, "maintenance/windows", "maintenance-times", "rules/spindle-hot"):
        assert f"{NOTE} sud" in it.send("GET", f"/api/v1/{path}", "maintenance").text, path
