"""Reading and changing records: checked, audited, in one transaction each."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from api.access.scope import Role
from api.audit.service import record
from api.machines.park import Former, Park
from api.machines.park import Machine as ParkMachine
from api.records import rules
from api.records.database import mark_changed
from api.records.rules import InvalidRecordError, Problem
from api.records.tables import Consortium, EdgeAgent, Machine, MachineMove, Member, Site
from api.records.versions import ANYHOW
from api.usage.tables import CheckIn, UsageDay
from shopfloor.periods import format_instant, to_datetime
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from sqlalchemy.orm import Session

    from api.access.scope import Scope
    from api.audit.service import Actor
    from api.records.base import Base
    from api.records.database import Records
    from api.records.versions import Guard

ROWS_MAX = 5_000
"""Most records of one kind; one more is refused."""


class UnknownRecordError(LookupError):
    """There is no such record, or none that this caller may know of."""


class RecordInUseError(Exception):
    """Other records refer to it; the sentence says what to do instead."""


class Kind(NamedTuple):
    """A kind of record that is kept under an id.

    Attributes:
        table: where.
        problems: what is wrong with the values of one.
        refers: fields that name another record, and of which kind.
        unique: fields that no two records may share, as a group.
        changes: what processes have to read again.
    """

    table: type[Base]
    problems: Callable[[rules.Values], list[Problem]]
    refers: Mapping[str, str]
    unique: tuple[tuple[str, ...], ...]
    changes: tuple[str, ...]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "members": Kind(Member, rules.member_problems, {}, (("partita_iva",),), ("access",)),
        "sites": Kind(Site, rules.site_problems, {}, (("name",),), ("machines",)),
        "edges": Kind(EdgeAgent, rules.site_problems, {"site_id": "sites"}, (), ("machines",)),
        "machines": Kind(
            Machine,
            rules.machine_problems,
            {"site_id": "sites", "agent_id": "edges"},
            (("site_id", "name"), ("agent_id", "writer_id")),
            ("machines",),
        ),
    },
)
"""Every kind, by the name that its routes and its audit entries have."""


def values_of(row: Base) -> dict[str, Any]:
    """Return the fields of a record, its id first."""
    return {column.key: getattr(row, column.key) for column in row.__mapper__.columns}


def put(
    session: Session, actor: Actor, kind_name: str, values: Mapping[str, Any], *, now: int, guard: Guard = ANYHOW
) -> str:
    """Keep a record under its id, in place of what was kept there.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        kind_name: one of `KINDS`.
        values: every field, `id` among them.
        now: when.
        guard: what is expected to be there.

    Returns:
        `add`, `change`, or `same` when nothing was different.

    Raises:
        InvalidRecordError: naming everything that is wrong.
        ChangedMeanwhileError: there is not what is expected.
        VersionNeededError: what is expected has to be said.
    """
    kind = KINDS[kind_name]
    if not is_identifier(values["id"]):  # nothing else is looked at: no database is asked for what cannot be an id
        raise InvalidRecordError(kind.problems(values) or [Problem("id", "a record has an id")])
    row = session.get(kind.table, values["id"])
    guard.check(values_of(row) if row is not None else None)
    problems = problems_of(session, kind_name, values)
    if row is None and not problems and _count(session, kind) >= ROWS_MAX:
        problems.append(Problem("", f"there are {ROWS_MAX} of these, and that is the limit"))
    if problems:
        raise InvalidRecordError(problems)
    before = values_of(row) if row is not None else {}
    other = {name: value for name, value in values.items() if row is None or before[name] != value}
    if not other:
        return "same"
    if row is None:
        session.add(kind.table(**values))
    if isinstance(row, Machine) and "agent_id" in other and row.agent_id is not None:
        _move(session, row, row.agent_id, values["agent_id"], now=now)
    for name, value in other.items() if row is not None else ():
        setattr(row, name, value)
    action = "add" if row is None else "change"
    old = {name: before[name] for name in other} if row is not None else None
    record(session, actor, action, f"{kind_name}/{values['id']}", now=now, before=old, after=other)
    for name in kind.changes:
        mark_changed(session, name)
    return action


def problems_of(session: Session, kind_name: str, values: Mapping[str, Any]) -> list[Problem]:
    """Return everything that is wrong with a record by itself and beside the others; all but its id may be missing."""
    kind = KINDS[kind_name]
    problems = kind.problems(values) + _broken_references(session, kind, values) + _doubles(session, kind, values)
    row = session.get(kind.table, values["id"])
    if isinstance(row, Machine) and "agent_id" in values:
        problems += _silenced(session, row, values["agent_id"])
    return problems


def _silenced(session: Session, machine: Machine, agent_id: str | None) -> list[Problem]:
    """Refuse that what is measured becomes what is said, or the other way: its past would be told in another way."""
    if (machine.agent_id is None) == (agent_id is None):
        return []
    days = select(UsageDay.day).where(UsageDay.machine_id == machine.id).limit(1)
    said = select(CheckIn.id).where(CheckIn.machine_id == machine.id).limit(1)
    if session.scalar(days) is None and session.scalar(said) is None:
        return []
    sentence = "it has been used already, with an agent or without: end it by its dates, and add another machine"
    return [Problem("agent_id", sentence)]


def _move(session: Session, machine: Machine, before: str, agent_id: str | None, *, now: int) -> None:
    """Remember from when on a machine is its agent's no more, before it is given to another one."""
    session.merge(MachineMove(machine_id=machine.id, agent_id=before, until=now))
    back = MachineMove.machine_id == machine.id, MachineMove.agent_id == agent_id
    session.execute(delete(MachineMove).where(*back))


def remove(session: Session, actor: Actor, kind_name: str, row_id: str, *, now: int, guard: Guard = ANYHOW) -> None:
    """Remove a record that nothing refers to: one that was a mistake.

    Raises:
        UnknownRecordError: there is none.
        RecordInUseError: something refers to it.
        ChangedMeanwhileError: there is not what is expected.
        VersionNeededError: what is expected has to be said.
    """
    kind = KINDS[kind_name]
    row = find(session, kind_name, row_id)
    before = values_of(row)
    guard.check(before)
    session.delete(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise RecordInUseError("other records refer to it: end it by its dates, or mend those first") from error
    record(session, actor, "remove", f"{kind_name}/{row_id}", now=now, before=before)
    for name in kind.changes:
        mark_changed(session, name)


def find(session: Session, kind_name: str, row_id: str) -> Base:
    """Return a record by its id.

    Raises:
        UnknownRecordError: there is none.
    """
    row = session.get(KINDS[kind_name].table, row_id) if is_identifier(row_id) else None
    if row is None:
        raise UnknownRecordError(row_id)
    return row


def _count(session: Session, kind: Kind) -> int:
    return len(session.scalars(select(kind.table.__mapper__.primary_key[0])).all())


def _broken_references(session: Session, kind: Kind, values: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(field, f"there is no such record among the {target}: add it first")
        for field, target in kind.refers.items()
        if field in values
        and not (values[field] is None and kind.table.__mapper__.columns[field].nullable)
        and session.get(KINDS[target].table, values[field]) is None
    ]


def _doubles(session: Session, kind: Kind, values: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    columns = kind.table.__mapper__.columns
    for group in kind.unique:
        if any(values.get(field) in {None, ""} for field in group):
            continue
        same = select(columns["id"]).where(*(columns[field] == values[field] for field in group))
        other = session.scalars(same.where(columns["id"] != values["id"])).first()
        if other is not None:
            problems.append(Problem(group[-1], f"{other} has the same {' and '.join(group)}: give each its own"))
    return problems


def put_consortium(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: int, guard: Guard = ANYHOW
) -> None:
    """Keep what the consortium is as issuer.

    Raises:
        InvalidRecordError: naming everything that is wrong.
        ChangedMeanwhileError: there is not what is expected.
        VersionNeededError: what is expected has to be said.
    """
    row = session.get(Consortium, 1)
    before = _without_id(row) if row is not None else {}
    guard.check(before or None)
    if problems := rules.consortium_problems(values):
        raise InvalidRecordError(problems)
    other = {name: value for name, value in values.items() if before.get(name) != value}
    if not other:
        return
    if row is None:
        session.add(Consortium(id=1, **values))
    for name, value in other.items() if row is not None else ():
        setattr(row, name, value)
    old = {name: before[name] for name in other} if before else None
    record(session, actor, "change" if before else "add", "consortium", now=now, before=old, after=other)


def consortium(records: Records) -> dict[str, Any]:
    """Return what the consortium is as issuer.

    Raises:
        UnknownRecordError: nobody has filled it in yet.
    """
    with records.reading() as session:
        row = session.get(Consortium, 1)
    if row is None:
        raise UnknownRecordError("consortium")
    return _without_id(row)


def _without_id(row: Consortium) -> dict[str, Any]:
    return {name: value for name, value in values_of(row).items() if name != "id"}


def visible(records: Records, scope: Scope, kind_name: str) -> list[Any]:
    """Return the records of a kind that a caller may see, by their ids."""
    columns = KINDS[kind_name].table.__mapper__.columns
    wanted = select(KINDS[kind_name].table).order_by(columns["id"])
    if kind_name == "members" and scope.role is not Role.ADMINISTRATOR:
        wanted = wanted.where(columns["id"] == scope.member)
    elif kind_name != "members" and scope.sites is not None:
        wanted = wanted.where(columns["id" if kind_name == "sites" else "site_id"].in_(scope.sites))
    with records.reading() as session:
        return list(session.scalars(wanted))


def every(session: Session, kind_name: str) -> list[Any]:
    """Return every record of a kind: for imports and checks, never for a caller."""
    return list(session.scalars(select(KINDS[kind_name].table)))


def one(records: Records, scope: Scope, kind_name: str, row_id: str) -> Any:
    """Return one record that a caller may see.

    Raises:
        UnknownRecordError: when there is none, or it is not the caller's to see.
    """
    with records.reading() as session:
        row = find(session, kind_name, row_id)
    values = values_of(row)
    may = scope.sees_member(row_id) if kind_name == "members" else scope.sees(values.get("site_id", row_id))
    if not may:
        raise UnknownRecordError(row_id)
    return row


def read_park(records: Records, *, now: int) -> Park:
    """Return the machines that are shared on the day of an instant, in UTC, as the live view knows them."""
    today = to_datetime(now).date()
    with records.reading() as session:
        found = session.execute(
            select(Machine, Site.name, EdgeAgent.is_active)
            .join(Site, Machine.site_id == Site.id)
            .outerjoin(EdgeAgent, Machine.agent_id == EdgeAgent.id)
        ).all()
        moves: dict[str, list[Former]] = {}
        for move in session.scalars(select(MachineMove).order_by(MachineMove.agent_id)):
            moves.setdefault(move.machine_id, []).append(Former(move.agent_id, format_instant(move.until)))
    return Park([_in_park(row, site, may_speak=bool(may), formerly=moves.get(row.id, ()))
                 for row, site, may in found if _is_shared(row, today)])  # fmt: skip


def _is_shared(machine: Machine, today: date) -> bool:
    return machine.active_to is None or today < machine.active_to


def _in_park(row: Machine, site_name: str, *, may_speak: bool, formerly: Sequence[Former]) -> ParkMachine:
    return ParkMachine(
        id=row.id,
        name=row.name,
        kind=row.kind,
        site=row.site_id,
        site_name=site_name,
        publisher=row.agent_id,
        signals=tuple(row.signals),
        writer_id=row.writer_id,
        may_speak=may_speak,
        formerly=tuple(formerly),
    )
