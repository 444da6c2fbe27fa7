"""What is said at a machine: kept as it came, with its entry in the audit trail."""

from __future__ import annotations

import functools
import secrets
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, select

from api.audit.service import record
from api.bookings import views
from api.floor.stops import Stop, Tag, stops
from api.floor.tables import StopList, StopTag
from api.maintenance import alerts_records
from api.maintenance.tables import DeedRow, IncidentRow, MaintenanceCall
from api.records.rules import InvalidRecordError, Problem
from api.records.tables import Member
from api.usage.evidence import Held, presences
from api.usage.segments import UNATTRIBUTED, Claim, Source
from api.usage.service import badge_of
from api.usage.tables import CheckIn
from shopfloor.periods import DAY, SECOND, Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from api.audit.service import Actor
    from api.machines.park import Machine
    from api.machines.service import Machines
    from api.records.database import Records
    from api.usage.policy import Policy
    from api.usage.segments import Segment
    from shopfloor.states import Stretch

CALL_RULE = "call"
"""Rule whose alarm a call raises."""
CALL_DAYS = 7
"""A call that nobody closed is shown for so long."""
TAG_DAYS_MAX = 31
"""How far back a reason may be given; what is older is the matter of a correction."""
RECENT_DAYS = 14
"""Firms that used a machine in the last days are offered first."""
RECENT_MAX = 6


class Reason(NamedTuple):
    """Why a machine stands still, in both languages."""

    id: str
    it: str
    en: str

    def said(self, language: str) -> str:
        """Return it in a language."""
        return self.it if language == "it" else self.en


class Call(NamedTuple):
    """A call for maintenance, and what became of it.

    Attributes:
        id: of the call.
        at: when it was made.
        by: by whom, as people call them.
        alert: the alert that it became; None in the first seconds.
        taken_by: who comes, empty for nobody yet.
        taken: when that was said, None for not yet.
        note: what they wrote.
        is_over: it was taken back, or somebody has dealt with it.
    """

    id: str
    at: int
    by: str
    alert: str | None
    taken_by: str
    taken: int | None
    note: str
    is_over: bool


class PayerNow(NamedTuple):
    """Who pays for a machine now.

    Attributes:
        payer: a member, `UNATTRIBUTED` or `CONSORTIUM`.
        name: of the member, empty for the other two.
        claim: why that one pays.
        since: from when, None for not known.
        ends: when a check-in or badge ends at the latest, None where the claim is another one.
        left: whose check-in was the last and has ended by itself, empty for nobody's.
        left_at: when it ended.
    """

    payer: str
    name: str
    claim: Claim
    since: int | None
    ends: int | None
    left: str
    left_at: int | None


# Why it stands still.


@functools.cache
def _default() -> tuple[Reason, ...]:
    text = resources.files("api.floor").joinpath("data", "reasons.toml").read_text(encoding="utf-8")
    return tuple(Reason(**each) for each in tomllib.loads(text)["reason"])


def reasons(session: Session, site: str, kind: str) -> Sequence[Reason]:
    """Return the reasons from which a person at a machine chooses: the list that says most about where and what."""
    rows = session.scalars(select(StopList).where(StopList.site.in_(["", site]), StopList.kind.in_(["", kind])))
    best = max(rows, key=lambda row: (row.kind != "", row.site != ""), default=None)
    return _default() if best is None else [Reason(**each) for each in best.reasons]


def keep_reasons(session: Session, actor: Actor, row: StopList, *, now: int) -> None:
    """Keep a list of reasons in place of the one before; an empty one takes that away.

    Raises:
        InvalidRecordError: two reasons have one name.
    """
    names = [each["id"] for each in row.reasons]
    if len(set(names)) < len(names):
        raise InvalidRecordError([Problem("reasons", "two reasons have the same id: give each its own")])
    here = StopList.site == row.site, StopList.kind == row.kind
    old = session.scalars(select(StopList).where(*here)).one_or_none()
    before = {"site": row.site, "kind": row.kind, "reasons": [] if old is None else list(old.reasons)}
    session.execute(delete(StopList).where(*here))
    if row.reasons:
        session.add(row)
    after = {"site": row.site, "kind": row.kind, "reasons": list(row.reasons)}
    record(session, actor, "put", "stop-reasons", now=now, before=before, after=after)


def tag(session: Session, actor: Actor, machine: Machine, at: int, reason: str, *, now: int) -> StopTag:
    """Keep the reason of a stop.

    Args:
        session: from `Records.writing`.
        actor: who gives it.
        machine: which stood still.
        at: an instant inside the stop.
        reason: one of the machine's list.
        now: when it is entered.

    Raises:
        InvalidRecordError: naming everything that is wrong.
    """
    known = {each.id: each for each in reasons(session, machine.site, machine.kind)}
    problems = []
    if reason not in known:
        problems.append(Problem("reason", f"the reasons of this machine are {', '.join(known)}"))
    if at > now:
        problems.append(Problem("at", "it lies in the future: enter what has happened"))
    if at < now - TAG_DAYS_MAX * DAY:
        problems.append(Problem("at", f"it is more than {TAG_DAYS_MAX} days ago"))
    if problems:
        raise InvalidRecordError(problems)
    _, it, en = known[reason]
    row = StopTag(machine_id=machine.id, at=at, reason=reason, it=it, en=en, by=actor.id, entered=now)
    session.add(row)
    record(session, actor, "give reason", f"machines/{machine.id}", now=now, after={"at": at, "reason": reason})
    session.flush()
    return row


def stops_of(
    records: Records, machines: Machines, machine: Machine, period: Period, *, now: int
) -> list[tuple[Stop, Reason | None]]:
    """Return the stops of a period with their reasons, the newest first.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    known = Period(period.start, min(period.end, now))
    if not known:
        return []
    stretches = machines.stretches(machine, known, now=now)
    with records.reading() as session:
        return stops_among(session, machine.id, stretches, now=now)


def stops_among(
    session: Session, machine: str, stretches: Sequence[Stretch], *, now: int
) -> list[tuple[Stop, Reason | None]]:
    """Return the stops among states of a machine with their reasons, the newest first."""
    if not stretches:
        return []
    start, end = stretches[0].period.start, stretches[-1].period.end
    wanted = select(StopTag).where(StopTag.machine_id == machine, StopTag.at >= start, StopTag.at < end)
    rows = list(session.scalars(wanted.order_by(StopTag.id)))
    words = {row.reason: Reason(row.reason, row.it, row.en) for row in rows}
    tags = [Tag(row.at, row.reason, row.entered) for row in rows]
    found = stops(stretches, tags, now=now - SECOND)
    return [(each, words[each.reason] if each.reason is not None else None) for each in found]


# Who pays.


def payers(session: Session, *, now: int) -> list[tuple[str, str]]:
    """Return the firms that somebody can be checked in for: identifier and name, and nothing else of them."""
    return views.members(session, on=Period(now, now + 1))


def payer_now(
    session: Session, segment: Segment | None, machine: str, off: Sequence[Period], policy: Policy, *, now: int
) -> PayerNow:
    """Return who pays for a machine now, why and until when, and whose check-in ended by itself lately.

    Args:
        session: of the records.
        segment: the newest of the machine.
        machine: identifier of the machine.
        off: when the machine was off lately.
        policy: how long a check-in holds.
        now: the present.
    """
    said = select(CheckIn).where(CheckIn.machine_id == machine, CheckIn.at > now - DAY).order_by(CheckIn.at)
    rows = list(session.scalars(said))
    spans = presences([badge_of(row) for row in rows], off, policy)
    last = spans[-1] if spans else None
    is_out = bool(rows) and rows[-1].is_out
    held = _held(session, segment, machine, last, rows[-1].at if is_out else 0, policy=policy, now=now)
    has_left = last is not None and last.period.end <= now and not is_out
    return PayerNow(
        payer=held.payer,
        name=_name_of(session, held.payer),
        claim=held.claim,
        since=None if held.claim is Claim.NONE else held.period.start,
        ends=held.period.start + policy.badge_seconds_max * SECOND if held.claim is Claim.BADGE else None,
        left=_name_of(session, last.payer) if last is not None and has_left else "",
        left_at=last.period.end if last is not None and has_left else None,
    )


def _held(
    session: Session, segment: Segment | None, machine: str, last: Held | None, left: int, *, policy: Policy, now: int
) -> Held:
    """Return who holds a machine: by its newest segment, and by what was said since the data that this rests on."""
    ranks = [*policy.payer_precedence, Claim.NONE]
    known = _of_segment(segment, now)
    if last is not None and now in last.period and ranks.index(known.claim) >= ranks.index(Claim.BADGE):
        is_newer = known.claim is not Claim.BADGE or last.period.start > known.period.start
        return Held(last.period, last.payer, Claim.BADGE, last.source) if is_newer else known
    if known.claim is Claim.BADGE and left > known.period.start:
        booked = [Held(period, member, Claim.BOOKING, Source("booking", period.start))
                  for member, period in views.booked_by(session, machine, Period(now, now + 1))]  # fmt: skip
        return booked[0] if booked else _of_segment(None, now)
    return known


def _of_segment(segment: Segment | None, now: int) -> Held:
    """Return what a segment says of who holds a machine, a check-in from its own beginning."""
    if segment is None:
        return Held(Period(now, now + 1), UNATTRIBUTED, Claim.NONE, Source("", now))
    begun = [each.stamp for each in segment.sources if each.signal == "badge"]
    is_present = segment.claim is Claim.BADGE and begun
    start = max(begun) if is_present else segment.period.start
    return Held(Period(start, max(start, segment.period.end)), segment.payer, segment.claim, Source("", start))


def _name_of(session: Session, payer: str) -> str:
    member = session.get(Member, payer)
    return member.legal_name if member is not None else ""


def recent_payers(session: Session, machine: str, *, now: int) -> list[str]:
    """Return who used a machine lately, by check-in or booking: the one whose booking runs first, then the newest."""
    said = select(CheckIn.payer).where(
        CheckIn.machine_id == machine, CheckIn.at > now - RECENT_DAYS * DAY, CheckIn.payer.is_not(None)
    )
    found = [payer for payer in session.scalars(said.order_by(CheckIn.at.desc())) if payer]
    booked = views.booked_by(session, machine, Period(now - RECENT_DAYS * DAY, now + DAY))
    running = [member for member, period in booked if now in period]
    near = [member for member, _ in booked[::-1]]
    return list(dict.fromkeys([*running, *found, *near]))[:RECENT_MAX]


# Calling maintenance.


def call(session: Session, actor: Actor, name: str, machine: str, note: str, *, now: int) -> Call:
    """Call maintenance to a machine; a call that is open already is not made twice.

    Args:
        session: from `Records.writing`.
        actor: who calls.
        name: what people call them.
        machine: to where.
        note: what is the matter, may be empty.
        now: when.
    """
    before = open_call(session, machine, now=now)
    if before is not None:
        return before
    _say(session, actor, MaintenanceCall(machine_id=machine, call=secrets.token_hex(8), at=now, is_over=False,
                                         by=actor.id, by_name=name, note=note), now)  # fmt: skip
    made = open_call(session, machine, now=now)
    assert made is not None, "it was just made"  # noqa: S101 - for the type checker
    return made


def take_back(session: Session, actor: Actor, name: str, machine: str, *, now: int) -> None:
    """Say that nobody is wanted any more; nothing happens where no call is open."""
    before = open_call(session, machine, now=now)
    if before is not None:
        _say(session, actor, MaintenanceCall(machine_id=machine, call=before.id, at=now, is_over=True, by=actor.id,
                                             by_name=name, note=""), now)  # fmt: skip


def _say(session: Session, actor: Actor, row: MaintenanceCall, now: int) -> None:
    session.add(row)
    session.flush()
    what = "take call back" if row.is_over else "call maintenance"
    record(session, actor, what, f"machines/{row.machine_id}", now=now, after={"call": row.call, "note": row.note})


def open_call(session: Session, machine: str, *, now: int) -> Call | None:
    """Return the call of a machine that somebody still has to deal with, None for none."""
    return next((each for each in calls(session, machine, now=now) if not each.is_over), None)


def calls(session: Session, machine: str, *, now: int) -> list[Call]:
    """Return the calls of the last days, the newest first."""
    wanted = select(MaintenanceCall).where(
        MaintenanceCall.machine_id == machine, MaintenanceCall.at > now - CALL_DAYS * DAY
    )
    rows = list(session.scalars(wanted.order_by(MaintenanceCall.id.desc())))
    over = {row.call for row in rows if row.is_over}
    begun = [row for row in rows if not row.is_over]
    alerts = _alerts(session, machine, min((row.at for row in begun), default=now))
    held = alerts_records.held_of(session, list({row.id: row for row in alerts.values()}.values()))
    deeds = _takes(session, [row.id for row in alerts.values()])
    return [_call(row, alerts.get(row.call), held, deeds, is_over=row.call in over) for row in begun]


def _alerts(session: Session, machine: str, since: int) -> dict[str, IncidentRow]:
    """Return the alerts that calls became, by the call."""
    wanted = select(IncidentRow).where(
        IncidentRow.name == machine, IncidentRow.activity >= since, IncidentRow.withdrawn.is_(None)
    )
    return {each[3]: row for row in session.scalars(wanted) for each in row.alarms if each[2] == CALL_RULE}


def _takes(session: Session, alerts: Sequence[str]) -> dict[str, DeedRow]:
    wanted = select(DeedRow).where(DeedRow.incident.in_(alerts), DeedRow.kind == "take").order_by(DeedRow.id)
    return {row.incident: row for row in session.scalars(wanted)}


def _call(
    row: MaintenanceCall,
    alert: IncidentRow | None,
    held: dict[str, alerts_records.Held],
    takes: dict[str, DeedRow],
    *,
    is_over: bool,
) -> Call:
    if alert is None:
        return Call(row.call, row.at, row.by_name, None, "", None, "", is_over)
    taken, deed = held.get(alert.id, alerts_records.Held()).taken_by, takes.get(alert.id)
    is_known = bool(taken) and deed is not None
    return Call(
        row.call, row.at, row.by_name, alert.id, taken, deed.at if deed is not None and is_known else None,
        deed.note if deed is not None and is_known else "", is_over or bool(alert.closed),
    )  # fmt: skip
