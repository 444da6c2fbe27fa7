"""The records of the demonstration: its consortium, firms, machines and people, kept as an administrator would.

Firms, people and numbers are invented; the check digits are right.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from api.access import people
from api.access.passwords import hash_now
from api.access.scope import Role
from api.access.tables import ApiKey, Person
from api.audit.service import CONSOLE
from api.billing import service as billing
from api.billing.calendars import civil_zone
from api.billing.pricelist import Entry
from api.records.database import open_records
from api.records.identifiers import partita_iva_problem
from api.records.service import put, put_consortium
from api.usage import service as usage
from api.usage.evidence import JobRule, RuleKind
from shopfloor.runtime import clock
from simulators import workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from sqlalchemy.orm import Session

DOMAIN = "officine-panaro.example"
_TARIFF = """
name = "officina"
[[versions]]
name = "1"
from = {day}
calendar = "arera"
time = {{ setup = 28.00, processing = 42.50, idle = 11.00 }}
energy = {{ F1 = 0.31, F2 = 0.27, F3 = 0.22 }}
vat = {{ default = 22, energy = 10 }}
"""
_QUOTA = """
item = "Quota consortile"
first = "{month}"
amount = 120.00
"""
_OFFICE = "036"
"""Tax office of Modena, digits eight to ten of a partita IVA."""


def partita_iva(number: int) -> str:
    """Return an invented partita IVA with the right check digit."""
    start = f"{9_990_000 + number:07d}{_OFFICE}"
    return next(each for digit in range(10) if partita_iva_problem(each := f"{start}{digit}") is None)


def holders() -> Iterator[tuple[str, Role, str | None]]:
    """Yield every role, and every member, as `credentials.json` names them."""
    for role in Role:
        if role is not Role.MEMBER:
            yield role.value, role, None
    for firm in workshop.FIRMS:
        yield f"member:{firm.id}", Role.MEMBER, firm.id


def fill(
    address: str, *, started: int, passwords: MutableMapping[str, str], api_keys: MutableMapping[str, str]
) -> list[dict[str, Any]]:
    """Keep the workshop's records; people and keys are made at the first start and stay as they are.

    A start that ended before it kept what it had completed left people and keys whose secrets nobody knows: they get
    new ones.

    Args:
        address: of the database.
        started: first start of the demonstration.
        passwords: of people, by e-mail; completed.
        api_keys: tokens, by holder; completed.

    Returns:
        The people: role, email, password and member.
    """
    records = open_records(address)
    now = clock.now()
    try:
        with records.writing() as session:
            _put_firms(session, started, now)
            _put_machines(session, now)
            _put_prices(session, started, now)
            users = [_user(session, each, passwords, now) for each in holders()]
            for name, role, member in holders():
                if name not in api_keys:
                    api_keys[name] = _key(session, name, people.Wanted(role, member), now)
    finally:
        records.close()
    return users


def _put_firms(session: Session, started: int, now: int) -> None:
    begin = workshop.origin(started) - timedelta(days=365)
    put_consortium(
        session,
        CONSOLE,
        {
            "legal_name": workshop.HOUSE,
            "legal_form": "consorzio",
            "partita_iva": partita_iva(0),
            "pec": f"consorzio@pec.{DOMAIN}",
            "street": "Via dell'Officina 1",
            "postal_code": "41058",
            "town": "Vignola",
            "province": "MO",
        },
        now=now,
    )
    for number, firm in enumerate(workshop.FIRMS, 1):
        values = {
            "id": firm.id,
            "legal_name": firm.name,
            "partita_iva": partita_iva(number),
            "pec": f"{firm.id}@pec.{DOMAIN}",
            "email": f"{firm.id}@{DOMAIN}",
            "town": "Modena",
            "province": "MO",
            "active_from": begin,
        }
        put(session, CONSOLE, "members", values, now=now)


def _put_prices(session: Session, started: int, now: int) -> None:
    """Keep whose jobs are whose, and what use costs, at the first start: from then on they are the administrator's."""
    if not usage.job_rules(session).member(f"{workshop.FIRMS[0].prefix}-1"):
        for firm in workshop.FIRMS:
            usage.add_rule(session, CONSOLE, JobRule(RuleKind.PREFIX, f"{firm.prefix}-", firm.id), now=now)
    if not billing.entries(session):
        begin = workshop.origin(started) - timedelta(days=365)
        for kind, text in (("tariffs", _TARIFF), ("quotas", _QUOTA)):
            entry = Entry("", kind, text.format(day=begin.isoformat(), month=f"{begin:%Y-%m}"))
            billing.put_entry(session, CONSOLE, civil_zone(workshop.ZONE), entry, now=now)


def _put_machines(session: Session, now: int) -> None:
    for site, name in workshop.SITES.items():
        put(session, CONSOLE, "sites", {"id": site, "name": name, "province": "MO"}, now=now)
        put(session, CONSOLE, "edges", {"id": site, "site_id": site, "name": f"Gateway {name}"}, now=now)
    guest_site = workshop.GUEST_SITE
    put(session, CONSOLE, "edges", {"id": workshop.GUEST, "site_id": guest_site, "name": "Sala misure"}, now=now)
    for place in workshop.PLACES:
        identity = place.identity
        values = {
            "id": identity.id,
            "name": identity.name,
            "kind": place.described,
            "site_id": place.site,
            "agent_id": place.site,
            "signals": workshop.signals(),
            "maker": identity.manufacturer,
            "model": identity.model,
            "serial_number": identity.serial_number,
            "built_year": identity.year,
        }
        put(session, CONSOLE, "machines", values, now=now)
    arm = {
        "id": workshop.GUEST_MACHINE,
        "name": "BM 1",
        "kind": "Braccio di misura",
        "site_id": guest_site,
        "agent_id": workshop.GUEST,
        "writer_id": 1,
        "signals": [],
    }
    put(session, CONSOLE, "machines", arm, now=now)


def _user(
    session: Session, holder: tuple[str, Role, str | None], passwords: MutableMapping[str, str], now: int
) -> dict[str, Any]:
    name, role, member = holder
    email = f"{member or name}@{DOMAIN}"
    is_known = email in passwords
    password = passwords.setdefault(email, secrets.token_urlsafe(12))
    person = session.scalars(select(Person).where(Person.email == email)).one_or_none()
    if person is None:
        person = people.add_person(
            session, CONSOLE, email, _called(role, member), [people.Wanted(role, member)], now=now
        )
        person.password_hash = hash_now(password)
    elif not is_known:
        people.set_password(session, person, hash_now(password))
    return {"role": role.value, "email": email, "password": password, "member": member}


def _key(session: Session, name: str, wanted: people.Wanted, now: int) -> str:
    """Make the key of a holder, in place of one whose token nobody knows."""
    for key_id in session.scalars(select(ApiKey.id).where(ApiKey.name == name)).all():
        people.remove_key(session, CONSOLE, key_id, now=now)
    writes = wanted.role is Role.ADMINISTRATOR
    token, _ = people.add_key(session, CONSOLE, name, wanted, writes=writes, days=None, now=now)
    return token


def _called(role: Role, member: str | None) -> str:
    return next((firm.name for firm in workshop.FIRMS if firm.id == member), role.value)
