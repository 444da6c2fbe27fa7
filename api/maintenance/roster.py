"""Who is told, when and where: people's channels and hours, the chain, and the one address of the dead-man's ping."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select

from api.access.scope import Role
from api.access.tables import Grant
from api.access.tables import Person as Somebody
from api.maintenance.channels import Channel
from api.maintenance.notifications import Hours, Person, Policy
from api.maintenance.tables import ChannelRow, Duty, Escalation
from api.records.tables import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

STEP_MINUTES: Mapping[str, float] = {"high": 15.0, "medium": 60.0}
"""How long each step of the chain has where nothing is set; slight incidents do not go on."""


class Roster(NamedTuple):
    """Who is told.

    Attributes:
        policy: the chain.
        channels: by id, with their secret addresses.
        languages: of people, by id.
        ping: address of the dead-man's ping, empty for none.
        ping_minutes: how often.
    """

    policy: Policy
    channels: Mapping[str, Channel]
    languages: Mapping[str, str]
    ping: str
    ping_minutes: int


def read(session: Session, zone: str) -> Roster:
    """Return who is told today."""
    rows = session.scalars(select(ChannelRow).order_by(ChannelRow.person, ChannelRow.name)).all()
    somebody = {each.id: each for each in session.scalars(select(Somebody).where(Somebody.is_active))}
    channels = {row.id: Channel(row.address, row.drops_repeats) for row in rows if row.person in somebody}
    of_person: dict[str, list[str]] = {}
    for row in rows:
        if row.person in somebody:
            of_person.setdefault(row.person, []).append(row.id)
    duties = {each.person: each for each in session.scalars(select(Duty))}
    people = {
        person: found
        for person, ids in of_person.items()
        if (found := _person(session, person, tuple(ids), duties.get(person))) is not None
    }
    chain = session.get(Escalation, 1)
    return Roster(
        Policy(_steps(people, chain), _seconds(chain), ZoneInfo(zone)),
        channels,
        {person: each.language for person, each in somebody.items()},
        chain.ping if chain else "",
        chain.ping_minutes if chain else 0,
    )


def _person(session: Session, person: str, channels: tuple[str, ...], duty: Duty | None) -> Person | None:
    """Return somebody who may be told, None for whose role has nothing to do with maintenance."""
    grants = session.scalars(select(Grant).where(Grant.person_id == person)).all()
    staff = [each for each in grants if each.role in {Role.MAINTENANCE, Role.ADMINISTRATOR}]
    members = [each for each in grants if each.role == Role.MEMBER]
    if not staff and not members:
        return None
    seen = staff or members
    sites = None if any(each.every_site for each in seen) else {site.site_id for each in seen for site in each.sites}
    machines: frozenset[str] | None = None
    if sites is not None:
        found = session.execute(select(Machine.id, Machine.agent_id).where(Machine.site_id.in_(sites))).all()
        agents = {f"edge/{agent}" for _, agent in found if agent is not None}
        machines = frozenset({machine for machine, _ in found} | agents)
    return Person(
        name=person,
        channels=channels,
        least=duty.least if duty else "low",
        machines=machines,
        member="" if staff else str(members[0].member_id),
        shifts=hours(duty.shifts) if duty else (),
        quiet=hours(duty.quiet) if duty else (),
        on_call=hours(duty.on_call) if duty else (),
    )


def name_of(session: Session, person: str) -> str:
    """Return what people call somebody, their id when they are not known any more."""
    row = session.get(Somebody, person)
    return row.name if row is not None else person


def hours(kept: Sequence[Mapping[str, object]]) -> tuple[Hours, ...]:
    """Return weekly spans as they are kept: objects with days, start and end."""
    return tuple(
        Hours(tuple(each["days"]), int(str(each["start"])), int(str(each["end"])))  # type: ignore[arg-type]
        for each in kept
    )


def _steps(people: Mapping[str, Person], chain: Escalation | None) -> tuple[tuple[Person, ...], ...]:
    """Return the chain: as it is set, else everybody of the staff at once; a firm's people are told with the first."""
    firms = tuple(each for each in people.values() if each.member)
    staff = {name: each for name, each in people.items() if not each.member}
    named = [tuple(staff[name] for name in step if name in staff) for step in chain.steps] if chain else []
    steps = [each for each in named if each] or [tuple(staff.values())]
    return (steps[0] + firms, *steps[1:])


def _seconds(chain: Escalation | None) -> dict[str, float]:
    minutes = chain.step_minutes if chain and chain.step_minutes else STEP_MINUTES
    return {severity: each * 60.0 for severity, each in minutes.items()}
