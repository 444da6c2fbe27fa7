"""The routes of what has to be decided before a month is closed: use, corrections, contests, each decided in place."""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from api.access import people
from api.billing import service as billing
from api.billing.deciding import Answer, decide, questions
from api.deps import ServicesDep  # noqa: TC001 - read when routes are made
from api.pages import times
from api.pages.page import Form, Page, PageDep
from api.pages.words import STATES, mark
from api.records import service as records
from api.records.rules import InvalidRecordError
from api.records.service import UnknownRecordError
from api.usage import service as usage
from api.usage.doubts import Reason
from api.usage.evidence import REASON_LENGTH_MIN
from api.usage.segments import CONSORTIUM, UNATTRIBUTED, payer_named
from shopfloor.periods import Period, to_datetime
from shopfloor.states import State
from shopfloor.wire.reading import Reason as Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.billing.deciding import Question
    from api.billing.tables import LineContest
    from api.deps import Services
    from api.usage.tables import CorrectionRequest
    from shopfloor.wire.messages import PutAside

router = APIRouter(prefix="/decide", include_in_schema=False, default_response_class=HTMLResponse)
WHILES_SHOWN = 50
"""Most whiles of a question that the page opens."""
DECIDED_SHOWN = 20
"""Most corrections that the page lists as decided."""
IN_TRUTH = (State.OFF, State.IDLE, State.SETUP, State.PROCESSING)
"""What a machine can have done in time of which nothing is known."""

_REGISTER = mark("Enter machine and agent in the records: what waits is then stored by itself.")
_CONFIGURATION = mark("Correct the configuration of the agent, or find out who sends in its name.")
_MAP = mark("Correct the node map of the machine, then try what waits again.")
EVIDENCE: Mapping[str, str] = {
    "job": mark("a job on the control"),
    "badge": mark("a badge"),
    "booking": mark("a booking"),
    "powered": mark("powered time went on"),
    "operating": mark("operating time went on"),
    "cutting": mark("cutting time went on"),
    "energy": mark("energy was used"),
    "parts": mark("parts were made"),
    "cycles": mark("cycles were made"),
}
"""What speaks of use, in words: every meter, and every claim that unknown time can have."""
PUT_ASIDE: Mapping[Refused, tuple[str, str]] = {
    Refused.TRUNCATED: (mark("the message cannot be read"), mark("Look at the network and the version of the sender.")),
    Refused.OVERSIZE: (mark("the message is too large"), mark("Let the sender send smaller messages.")),
    Refused.WRONG_PUBLISHER: (mark("the sender is not who the message says"), _CONFIGURATION),
    Refused.UNKNOWN_PUBLISHER: (mark("nobody knows the sender"), _REGISTER),
    Refused.UNKNOWN_MACHINE: (mark("nobody knows the machine"), _REGISTER),
    Refused.FOREIGN_MACHINE: (mark("the machine belongs to another agent"), _CONFIGURATION),
    Refused.UNKNOWN_SIGNAL: (
        mark("nobody knows the signal"),
        mark("Save the machine again, so that its signals are known."),
    ),
    Refused.WRONG_TYPE: (mark("a value is not of its signal's kind"), _MAP),
    Refused.NO_TIME: (mark("a value has no time"), _MAP),
    Refused.BAD_TIME: (mark("a time cannot be read"), _MAP),
    Refused.FAR_FUTURE: (mark("a time is more than a day ahead"), mark("Set the clock of the machine.")),
    Refused.BAD_STATUS: (mark("a status cannot be read"), _MAP),
    Refused.NOT_A_NUMBER: (mark("a value is not a number"), _MAP),
    Refused.STORE_REFUSED: (mark("the store refuses it"), mark("The collector's log and quarantine say why.")),
    Refused.MOVED: (mark("it is of a time in which another agent had the machine"), _REGISTER),
}
"""Why a collector put something aside, and what mends it."""
_WHO = mark("Say who pays.")
_WHY = mark("Say why in ten characters or more.")
_GONE = mark("This was decided meanwhile; the list is up to date again.")
_REFUSED = mark("It was not kept: somebody has decided meanwhile, or the same person asked for it.")


@router.get("")
async def decide_page(page: PageDep, found: ServicesDep) -> Response:
    """What somebody has to decide, the longest first."""
    return await _shown(page, found)


@router.post("/use")
async def decide_use(page: PageDep, found: ServicesDep) -> Response:
    """Answer one question for all of its whiles."""
    form = await page.form()
    answer = Answer(form.text("payer", 63), form.has("rule"), form.text("state", 20), form.text("why", 500))
    key = form.text("key", 16)
    if not answer.payer:
        return await _shown(page, found, {key: page.say(_WHO)})
    if form.has("state") and len(answer.why) < REASON_LENGTH_MIN:
        return await _shown(page, found, {key: page.say(_WHY)}, form)
    try:
        count = await asyncio.to_thread(decide, found.ledger, page.actor, page.scope, key, answer, now=page.now)
    except InvalidRecordError:
        return await _shown(page, found, {key: page.say(_REFUSED)}, form)
    if not count:
        return await _shown(page, found, {"all": page.say(_GONE)})
    return page.go(f"/decide?done={count}")


@router.post("/corrections")
async def decide_corrections(page: PageDep, found: ServicesDep) -> Response:
    """Approve or refuse the corrections that are ticked, all or none."""
    form = await page.form()
    ids, approve = form.many("id")[:100], form.text("decision", 10) == "approve"
    why = form.text("why", 500)
    if not ids:
        return await _shown(page, found, {"corrections": page.say(mark("Tick what you decide."))}, form)
    if not approve and len(why) < REASON_LENGTH_MIN:
        return await _shown(page, found, {"corrections": page.say(_WHY)}, form)

    def change() -> None:
        with found.records.writing() as session:
            for each in ids:
                usage.decide_correction(session, page.actor, each, why, approve=approve, now=page.now)

    try:
        await asyncio.to_thread(change)
    except (InvalidRecordError, UnknownRecordError):
        return await _shown(page, found, {"corrections": page.say(_REFUSED)}, form)
    await asyncio.to_thread(_refresh, found, page)
    return page.go(f"/decide?done={len(ids)}")


@router.post("/contests")
async def decide_contest(page: PageDep, found: ServicesDep) -> Response:
    """Decide on a contested line, with a reason."""
    form = await page.form()
    key, why = form.text("id", 16), form.text("why", 500)
    if len(why) < REASON_LENGTH_MIN:
        return await _shown(page, found, {key: page.say(_WHY)}, form)

    def change() -> None:
        with found.records.writing() as session:
            billing.decide_contest(session, page.actor, key, why, now=page.now)

    try:
        await asyncio.to_thread(change)
    except (InvalidRecordError, UnknownRecordError):
        return await _shown(page, found, {key: page.say(_REFUSED)}, form)
    return page.go("/decide?done=1")


def _refresh(found: Services, page: Page) -> None:
    """Bring the days up to date that decided corrections concern, so that the list shows what is left."""
    rows = usage.corrections(found.records, page.scope, only_open=False)[:100]
    for machine in sorted({row.machine_id for row in rows}):
        days = [
            to_datetime(each).date() for row in rows if row.machine_id == machine for each in (row.starts, row.ends)
        ]
        found.usage.refresh([machine], min(days), max(days), now=page.now)


async def _shown(
    page: Page, found: Services, errors: Mapping[str, str] | None = None, form: Form | None = None
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    values = await asyncio.to_thread(_values, page, found)
    done = page.asked("done", 6)
    return page.show(
        "closing/decide.html",
        status,
        errors=errors or {},
        typed=form or Form({}),
        is_asked=page.asked("asked", 1) == "1",
        done=int(done) if done.isdecimal() and done.isascii() else 0,
        **values,
    )


def _values(page: Page, found: Services) -> dict[str, Any]:
    asked = questions(found.ledger, page.scope, now=page.now)
    corrections = usage.corrections(found.records, page.scope, only_open=False)
    contested = billing.contests(found.records, page.scope, only_open=True)
    names = Names(page)
    return {
        "unpaid": [_question(page, names, each) for each in asked if each.reason is Reason.UNATTRIBUTED],
        "unknown": [_question(page, names, each) for each in asked if each.reason is Reason.UNKNOWN],
        "waiting": [_correction(page, found, names, row) for row in corrections if row.is_approved is None],
        "decided": [
            _correction(page, found, names, row)
            for row in sorted(corrections, key=lambda row: -(row.decided or 0))[:DECIDED_SHOWN]
            if row.is_approved is not None
        ],
        "contests": [_contest(page, names, row) for row in contested],
        "aside": [_put_aside(page, names, each) for each in found.live.put_aside(now=page.now)],
        "command": "officina collector quarantine",
        "payers": names.payers,
        "states": [("", page.say("choose")), *((each.value, page.say(STATES[each])) for each in IN_TRUTH)],
    }


def _put_aside(page: Page, names: Names, held: PutAside) -> dict[str, Any]:
    known = [Refused(each) for each in held.reasons.split(",") if each in set(Refused)]
    whys = [tuple(map(page.say, PUT_ASIDE[each])) for each in known]
    return {
        "machine": names.machine(held.machine),
        "publisher": held.publisher,
        "why": ", ".join(dict.fromkeys(why for why, _ in whys)) or held.reasons,
        "mends": list(dict.fromkeys(mend for _, mend in whys)),
        "entries": held.entries,
        "samples": held.samples,
        "span": span(page, held.first, held.last),
    }


class Names:
    """What people call members, machines and one another.

    Args:
        page: who reads.
    """

    def __init__(self, page: Page) -> None:
        self._say = page.say
        self._me = page.caller.id
        kept = page.found.records
        self._members: dict[str, str] = {row.id: row.legal_name for row in records.visible(kept, page.scope, "members")}
        self._machines: dict[str, str] = {row.id: row.name for row in records.visible(kept, page.scope, "machines")}
        with kept.reading() as session:
            self._people = people.names(session)

    @property
    def payers(self) -> list[tuple[str, str]]:
        """Who can be chosen to pay: nobody yet, members by name, the consortium."""
        members = sorted(self._members.items(), key=lambda each: each[1].casefold())
        return [("", self._say("choose")), *members, ("consortium", self._say("the consortium"))]

    @property
    def machines(self) -> list[tuple[str, str]]:
        """The machines, by name."""
        return sorted(self._machines.items(), key=lambda each: each[1].casefold())

    def machine(self, machine: str) -> str:
        """Return what a machine is called."""
        return self._machines.get(machine, machine)

    def payer(self, payer: str) -> str:
        """Return what a payer is called."""
        if payer in {CONSORTIUM, "consortium"}:
            return self._say("the consortium")
        if payer in {UNATTRIBUTED, "nobody"}:
            return self._say("nobody")
        return self._members.get(payer, payer)

    def person(self, actor: str) -> str:
        """Return what somebody is called; what is no person is shown as the audit trail has it."""
        return self._people.get(actor.partition(":")[2], actor)

    def is_me(self, actor: str) -> bool:
        """Tell whether it is who reads."""
        return actor == self._me


def span(page: Page, start: int, end: int) -> str:
    """Write from when to when; on one civil day the day is written once."""
    today = times.local(page.now, page.zone).date()
    first, last = times.local(start, page.zone), times.local(end, page.zone)
    written = times.moment(start, today, page.zone, page.say)
    until = f"{last:%H:%M}" if first.date() == last.date() else times.moment(end, today, page.zone, page.say)
    return f"{written}\N{EN DASH}{until}"


def hours(seconds: int) -> str:
    """Write seconds as hours and minutes of a table."""
    return times.clock(round(seconds / 60)) if seconds else "\N{EN DASH}"


def _question(page: Page, names: Names, asked: Question) -> dict[str, Any]:
    evidence = [STATES[State(each)] if each in set(State) else EVIDENCE[each] for each in asked.evidence]
    machines = list(dict.fromkeys(each.machine for each in asked.whiles))
    first, last = asked.whiles[0].period.start, asked.whiles[-1].period.end
    return {
        "key": asked.key,
        "job": asked.job,
        "machines": ", ".join(names.machine(each) for each in machines),
        "count": len(asked.whiles),
        "span": span(page, first, last),
        "hours": hours(asked.seconds),
        "evidence": ", ".join(dict.fromkeys(page.say(each) for each in evidence)).lower(),
        "whiles": [
            (
                names.machine(each.machine),
                f"/machines/{each.machine}/history?day={times.local(each.period.start, page.zone):%Y-%m-%d}",
                span(page, *_bounds(each.period)),
                hours(each.period.seconds),
            )
            for each in asked.whiles[:WHILES_SHOWN]
        ],
        "more": max(0, len(asked.whiles) - WHILES_SHOWN),
    }


def _bounds(period: Period) -> tuple[int, int]:
    return period.start, period.end


def _correction(page: Page, found: Services, names: Names, row: CorrectionRequest) -> dict[str, Any]:
    wanted = [names.payer(payer_named(row.payer))] if row.payer else []
    if row.state:
        wanted.append(page.say(STATES[State(row.state)]).lower())
    return {
        "id": row.id,
        "machine": names.machine(row.machine_id),
        "span": span(page, row.starts, row.ends),
        "wanted": ", ".join(wanted),
        "now": _charged(page, found, names, row),
        "reason": row.reason,
        "by": names.person(row.requested_by),
        "is_mine": names.is_me(row.requested_by),
        "at": times.moment(row.requested, times.local(page.now, page.zone).date(), page.zone, page.say),
        "is_approved": row.is_approved,
        "decided_by": names.person(row.decided_by or ""),
        "decided": ""
        if row.decided is None
        else times.moment(row.decided, times.local(page.now, page.zone).date(), page.zone, page.say),
        "decision_reason": row.decision_reason,
    }


def _charged(page: Page, found: Services, names: Names, row: CorrectionRequest) -> str:
    """Say who is charged for a period as it is recorded today, and for what."""
    whole = Period(row.starts, row.ends)
    first, last = (times.local(each, page.zone).date() for each in (row.starts, row.ends))
    spent: Counter[tuple[str, State]] = Counter()
    with found.records.reading() as session:
        segments = found.usage.segments(session, first, last, machine=row.machine_id).get(row.machine_id, [])
    for each in segments:
        if inside := each.period.clip(whole):
            spent[each.payer, each.state] += inside.seconds
    return "; ".join(
        f"{names.payer(payer)}, {page.say(STATES[state]).lower()} {hours(seconds)}"
        for (payer, state), seconds in spent.most_common(3)
    )


def _contest(page: Page, names: Names, row: LineContest) -> dict[str, Any]:
    return {
        "id": row.id,
        "member": names.payer(row.member_id),
        "month": times.month(to_datetime(0).date().replace(int(row.month[:4]), int(row.month[5:]), 1), page.say),
        "line": row.reference,
        "reason": row.reason,
        "is_mine": names.is_me(row.by),
        "at": times.moment(row.at, times.local(page.now, page.zone).date(), page.zone, page.say),
    }
