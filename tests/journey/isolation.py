"""Whose every identifier is that stands in an address: what the walk over all routes is made from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from api.access import people
from api.access.scope import Role
from api.audit.service import CONSOLE
from api.billing.tables import LineContest
from api.bookings.tables import BookingNotice
from api.maintenance.tables import IncidentRow
from api.records.database import open_records
from shopfloor.periods import DAY, HOUR, MINUTE, format_instant, parse_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample, slices
from tests.journey.api_world import HOLDERS, MACHINES, SITES, World
from tests.journey.people import add_people
from tests.services.records import BOOKINGS, CALENDAR, FIRMS, firm, partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

    from tests.services.records import Holder

NORTH_CARE = "maintenance of Nord"
LOOKERS: dict[str, Holder] = HOLDERS | {NORTH_CARE: (Role.MAINTENANCE, None, ("nord",))}
"""Everybody who asks: every role, and of those that can be bound to a site one that is."""
SITE_OF = {machine["id"]: machine["site_id"] for machine in MACHINES}
OF_SITE = {"nord": "mill-1", "sud": "lathe-1"}
OF_FIRM = {"firm-a": "nord", "firm-b": "sud"}
"""Where each firm has what is both a site's and a firm's."""
NOTE = "Segreto di"
"""How every text begins that is kept for one site or one firm, with its identifier behind it."""
AHEAD = {"from": "2030-02-04T09:00:00Z", "to": "2030-02-04T10:00:00Z"}
START_END = {"start": AHEAD["from"], "end": AHEAD["to"]}
PAST = {"from": "2026-01-07T12:00:00Z", "to": "2026-01-07T13:00:00Z"}
BAD_IDS = ("", "*", "%25", "0", "none", "x" * 200, "..%2F..", "%00", "'", "a%2Fb", "-1", "null", "mill_1")
_PARAMETERS = re.compile(r"{.*}")

Whose = dict[str, dict[str, frozenset[str]]]
"""By what stands in an address between its first and its last parameter: what may stand there, and who may ask it."""

EVERYBODY = frozenset(LOOKERS)
NOBODY = frozenset[str]()
ADMINISTRATOR = frozenset({"administrator"})


def at_site(site: str) -> frozenset[str]:
    """Return who may know what there is at a site."""
    return frozenset(name for name, (_, _, bound) in LOOKERS.items() if bound is None or site in bound)


def of_firm(member: str, site: str) -> frozenset[str]:
    """Return who may know what is a firm's, at a site."""
    return frozenset(name for name in at_site(site) if LOOKERS[name][1] in {None, member})


def place_of(path: str) -> str:
    """Return what stands in an address between its first and its last parameter; empty where it has none."""
    found = _PARAMETERS.search(path)
    return found.group() if found is not None else ""


def among(whose: Whose, path: str) -> Mapping[str, frozenset[str]]:
    """Return what may stand in an address, and who may ask for it; one that nobody has told of is refused."""
    place = place_of(path)
    beginning = path[: path.index(place)].strip("/").rpartition("/")[2]
    found = whose.get(f"{beginning}/{place}", whose.get(place))
    assert found is not None, f"say in tests/journey/isolation.py whose a {place} is: {path}"
    assert found, f"there is no {place} that could be asked for: {path}"
    return found


def addresses(whose: Whose, path: str, bad: tuple[str, ...] = BAD_IDS) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield an address for every identifier, good and bad, with who may ask it."""
    place = place_of(path)
    if not place:
        yield path, EVERYBODY
        return
    own = among(whose, path)
    for each, holders in own.items():
        yield path.replace(place, each), holders
    outer = next(iter(own)).rpartition("/")
    for each in bad:
        if each not in own:
            yield path.replace(place, f"{outer[0]}{outer[1]}{each}"), NOBODY


def fill(it: World) -> Whose:
    """Keep one of everything for each of two sites and firms, and return whose each is."""
    persons = add_people(it)
    records = open_records(it.records)
    try:
        with records.writing() as session:
            wanted = people.Wanted(*LOOKERS[NORTH_CARE])
            it.keys[NORTH_CARE], _ = people.add_key(
                session, CONSOLE, NORTH_CARE, wanted, writes=True, days=None, now=clock.now()
            )
        whose = _known(persons) | _at_sites(it) | _administrators(it)
        _of_firms(it, whose)
        with records.writing() as session:
            whose |= _rows(session, next(iter(whose["{lock_out_id}"])))
    finally:
        records.close()
    parts = {f"members/{each}": ADMINISTRATOR for each in FIRMS} | {f"sites/{each}": ADMINISTRATOR for each in SITES}
    whose["{part}/{row_id}"] = parts
    return whose


def _known(persons: Mapping[str, str]) -> Whose:
    """Return whose that is which every world of these tests has."""
    machines = {each: at_site(site) for each, site in SITE_OF.items()}
    firms = {
        each: ADMINISTRATOR | {name for name, (_, member, _) in LOOKERS.items() if member == each} for each in FIRMS
    }
    administrators = dict.fromkeys(persons.values(), ADMINISTRATOR)
    return {
        "{machine_id}": machines,
        "tablet/{machine_id}/{part}": {f"{each}/payer": who for each, who in machines.items()},
        "{site_id}": {each: at_site(each) for each in SITES},
        "{edge_id}": {machine["agent_id"]: at_site(machine["site_id"]) for machine in MACHINES},
        "agents/{row_id}": {machine["agent_id"]: NOBODY for machine in MACHINES},  # this server enrols none
        "{member_id}": firms,
        "{booking_id}": {each: of_firm(of, SITE_OF[machine]) for each, (machine, of) in BOOKINGS.items()},
        "{calendar_id}": {CALENDAR: EVERYBODY},
        "rules/{rule_id}": {"spindle-hot": EVERYBODY},
        "{user_id}": administrators,
        "{person_id}": administrators,
        "{session_id}": {"0a": NOBODY},  # a key has none: what is a person's own is asked by persons
        "{channel_id}": {"0a": NOBODY},
        "administration/{part}": dict.fromkeys(("members", "sites", "agents", "machines"), ADMINISTRATOR),
        "import/{part}": dict.fromkeys(("members", "machines"), ADMINISTRATOR),
    }


def made(it: World, path: str, holder: str = "administrator", **body: Any) -> dict[str, Any]:
    """Keep something over HTTP, and return it."""
    answer = it.send("POST", f"/api/v1/{path}", holder, json=body)
    assert answer.status_code == 201, (path, answer.text)
    return dict(answer.json())


def _at_sites(it: World) -> Whose:
    found: Whose = {}
    feeders = {"nord": "operator of Nord", "sud": "operator of Sud"}
    staff = frozenset(name for name, (_, member, _) in LOOKERS.items() if member is None)
    for site, machine in OF_SITE.items():
        note, who = f"{NOTE} {site}", at_site(site)
        lock = made(it, "lock-outs", **AHEAD, machine=machine, reason=note)["id"]
        order = made(it, "work-orders", machine=machine, title=note)["number"]
        window = made(it, "maintenance/windows", **START_END, site=site, reason=note)["id"]
        begun = {"from": format_instant(clock.now() - MINUTE), "cause": "alarm", "note": note}
        time = made(it, "maintenance-times", machine=machine, **begun)["id"]
        feed = made(it, "booking-feeds", feeders[site], machine=machine)["id"]
        rule = {"machine": machine, "values": {"limit": {"high": 70}}, "source": note}
        assert it.send("PUT", "/api/v1/rules/spindle-hot", json=rule).status_code == 200
        kept = it.send(
            "POST", f"/api/v1/machines/{machine}/files", params={"purpose": "manual", "name": note}, content=b"%PDF-1.7"
        )
        assert kept.status_code == 201, kept.text
        photo = it.send("POST", f"/api/v1/work-orders/{order}/photos", params={"name": note}, content=b"\xff\xd8\xff")
        assert photo.status_code == 201, photo.text
        for place, each, holders in (
            ("{lock_out_id}", lock, who),
            ("{order_number}", order, who),
            ("{order_number}/{deed}", f"{order}/start", who),
            ("{order_number}/photos/{photo_id}", f"{order}/photos/{photo.json()['id']}", who),
            ("{window_id}", window, who),
            ("{time_id}", time, who),
            ("{feed_id}", feed, who & staff),
            ("{machine_id}/files/{file_id}", f"{machine}/files/{kept.json()['id']}", who),
            ("{machine_id}/files/{file_id}", f"mill-2/files/{kept.json()['id']}", NOBODY),
        ):
            found.setdefault(place, {})[str(each)] = holders
    return found


def _of_firms(it: World, whose: Whose) -> None:
    whose["{correction_id}"] = {}
    for holder, member in (("member", "firm-a"), ("other member", "firm-b")):
        wish = PAST | {"machine": OF_SITE[OF_FIRM[member]], "payer": member, "reason": f"{NOTE} {member}"}
        whose["{correction_id}"][made(it, "corrections", holder, **wish)["id"]] = ADMINISTRATOR
        feed = made(it, "booking-feeds", holder, machine=wish["machine"])["id"]
        whose["{feed_id}"][feed] = frozenset({holder, "administrator"})


def _administrators(it: World) -> Whose:
    """Keep what administrators alone have."""
    rules = {made(it, "job-rules", kind="exact", text=f"LOTTO-{each}", member=each)["id"] for each in FIRMS}
    entries = {
        made(it, "tariffs", kind=kind, text=text)["id"] for kind, text in (("tariffs", TARIFF), ("quotas", QUOTA))
    }
    keys = {each["id"] for each in it.get("/api/v1/api-keys").json()["items"]}
    return {
        "job-rules/{rule_id}": dict.fromkeys(rules, ADMINISTRATOR),
        "attribution/{rule_id}": dict.fromkeys(rules, ADMINISTRATOR),
        "{entry_id}": dict.fromkeys(entries, ADMINISTRATOR),
        "{key_id}": dict.fromkeys(keys, ADMINISTRATOR),
    }


def _rows(session: Session, lock: str) -> Whose:
    """Keep what nobody makes by asking for it: notices, alerts and contests."""
    found: Whose = {"{notice_id}": {}, "{alert_id}": {}, "{contest_id}": {}}
    now = clock.now()
    for booking, member in (("booking-a", "firm-a"), ("booking-s", "firm-b")):
        letter, note = member[-1], f"{NOTE} {member}"
        machine = BOOKINGS[booking][0]
        session.add(
            BookingNotice(
                id=f"notice{letter}", member_id=member, booking_id=booking, lock_out_id=lock, kind="freed", at=now,
                machine_id=machine, starts=now + DAY, ends=now + DAY + HOUR, reason=note,
            )
        )  # fmt: skip
        contest = {"id": f"c0ffee{letter}", "member_id": member, "month": "2026-03", "reference": "-", "reason": note}
        session.add(LineContest(**contest, by="console", at=1, decided_by=None, decided=None))
        stamps = dict.fromkeys(("since", "raised", "activity", "known"), now - MINUTE)
        session.add(
            IncidentRow(
                id=f"a1e47{letter}", key=f"{machine} {now}", name=machine, rule="spindle-hot", subject=note, **stamps,
                severity="high", activations=1, returned=0, closed=0, is_past=False, withdrawn=None, alarms=[],
                hides=[], payer=member,
            )
        )  # fmt: skip
        who = of_firm(member, SITE_OF[machine])
        found["{notice_id}"][f"notice{letter}"] = found["{alert_id}"][f"a1e47{letter}"] = who
        found["{contest_id}"][f"c0ffee{letter}"] = ADMINISTRATOR
    return found


# Two firms alike.

MONTH = "2026-01"
BEGAN = parse_instant("2026-01-12T08:00:00Z")
TARIFF = """name = "all"
[[versions]]
from = 2025-01-01
time = { setup = 18.00, processing = 40.00, idle = 9.90 }
vat = { default = 22 }
"""
QUOTA = 'item = "Quota"\nfirst = "2025-01"\namount = 120.00\n'
TWINS = {"firm-a": ("mill-2", 1), "firm-b": ("lathe-1", 3)}
"""On which machine each of two firms alike worked from the same instant on, and how many hours."""
SEAT = {"street": "Via dell'Artigiano 12", "postal_code": "41012", "town": "Carpi", "province": "MO"}


def work_alike(it: World) -> dict[str, str]:
    """Let two firms of one name work from one instant on on machines of one name, and close the month.

    Returns:
        The statement of each.
    """
    house = {"legal_name": "Consorzio", "legal_form": "consorzio", "partita_iva": partita_iva(9), **SEAT,
             "invoices": True, "rea_office": "MO", "rea_number": "123456"}  # fmt: skip
    assert it.send("PUT", "/api/v1/consortium", json=house).status_code in {200, 201}
    _call_mill(it, "L 1")
    for number, (member, (machine, hours)) in enumerate(TWINS.items(), 1):
        values = firm(member, number, **SEAT, active_from="2020-01-01")
        del values["id"]
        assert it.send("PUT", f"/api/v1/members/{member}", json=values).status_code == 200
        samples = [Sample(machine, "observed", BEGAN + each * HOUR, BEGAN - HOUR) for each in range(0, 24 * 21, 6)]
        samples += [
            Sample(machine, "item_state", BEGAN, 3), Sample(machine, "item_state", BEGAN + hours * HOUR, 0),
            Sample(machine, "job", BEGAN, f"LOTTO-{member}"), Sample(machine, "job", BEGAN + hours * HOUR, ""),
            Sample(machine, "order", BEGAN, f"{NOTE} {member}"),
        ]  # fmt: skip
        it.store.write(slices(samples), now=BEGAN + DAY)
    answer = it.send("POST", "/api/v1/closings", json={"month": MONTH, "accepted": {"*": "all is well"}})
    assert answer.status_code == 201, answer.text
    _call_mill(it, "M 2")
    rows = it.get("/api/v1/statements").json()["items"]
    return {row["member"]: str(row["id"]) for row in rows}


def _call_mill(it: World, name: str) -> None:
    values = {"name": name, "site_id": "nord", "agent_id": MACHINES[1]["agent_id"], "kind": MACHINES[1]["kind"]}
    assert it.send("PUT", "/api/v1/machines/mill-2", json=values).status_code == 200
