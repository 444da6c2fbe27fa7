"""The page of what tells who pays: what job numbers mean, whose badges are, and numbers that nobody knows yet."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.billing.calendars import day_of
from api.pages.deciding import Names
from api.pages.page import Form, Page, PageDep  # noqa: TC001 - read when routes are made
from api.pages.times import day, local, moment
from api.pages.words import mark
from api.records.endpoints import WriterDep  # noqa: TC001 - read when routes are made
from api.records.rules import InvalidRecordError
from api.usage import service
from api.usage.endpoints import write
from api.usage.evidence import JobRule, RuleKind
from api.usage.schemas import BadgeIn, JobRuleIn

if TYPE_CHECKING:
    from collections.abc import Mapping


router = APIRouter(prefix="/administration/attribution", include_in_schema=False, default_response_class=HTMLResponse)
RuleId = Annotated[str, Path(max_length=16)]
UNKNOWN_DAYS = 31
"""How far back numbers are looked for that no rule knows."""
UNKNOWN_MAX = 50
KINDS: Mapping[str, str] = {
    RuleKind.EXACT: mark("the whole number is"),
    RuleKind.PREFIX: mark("the number begins with"),
    RuleKind.PATTERN: mark("the number is as the regular expression"),
    RuleKind.CUSTOMER: mark("this customer number stands in it"),
}
"""How a rule reads a number, the strongest first."""
_DONE: Mapping[str, str] = {
    "rule": mark("The rule is kept. What it concerns in open months is attributed anew."),
    "removed": mark("The rule is removed. What it decided in open months is decided anew."),
    "badge": mark("It is kept whose the badge is."),
}
_MENDS: Mapping[str, str] = {
    "text": mark("Write what to look for; another rule may say the same, or this cannot be read."),
    "member": mark("Choose the firm."),
    "badge": mark("Write the number of the badge, as the reader says it."),
    "payer": mark("Choose whose it is."),
    "all": mark("It cannot be kept like this: look at each field again."),
}


class Unknown(NamedTuple):
    """A number that a machine showed and that means nobody yet."""

    text: str
    machines: str
    last: str


@router.get("")
async def attribution_page(page: PageDep) -> Response:
    """Rules, badges, and what is not known."""
    return await _show(page)


@router.post("")
async def keep(page: PageDep, writer: WriterDep) -> Response:
    """Keep a rule, or whose a badge is from now on."""
    form = await page.form()
    is_badge = form.has("badge")
    try:
        if is_badge:
            given = BadgeIn.model_validate({"badge": form.text("badge"), "payer": form.text("payer", 63)})
            await write(
                writer,
                lambda session: service.give_badge(
                    session, writer.actor, given.badge, given.payer, writer.now, now=writer.now
                ),
            )
        else:
            wanted = JobRuleIn.model_validate({name: form.text(name) for name in ("kind", "text", "member")})
            rule = JobRule(RuleKind(wanted.kind), wanted.text, wanted.member)
            await write(writer, lambda session: service.add_rule(session, writer.actor, rule, now=writer.now))
    except ValidationError as error:
        return await _show(page, [str(each["loc"][-1]) for each in error.errors() if each["loc"]], form)
    except InvalidRecordError as error:
        return await _show(page, [each.field for each in error.problems], form)
    return page.go(f"/administration/attribution?done={'badge' if is_badge else 'rule'}")


@router.post("/{rule_id}/remove")
async def remove(page: PageDep, writer: WriterDep, rule_id: RuleId) -> Response:
    """Remove a rule."""
    await write(writer, lambda session: service.remove_rule(session, writer.actor, rule_id, now=writer.now))
    return page.go("/administration/attribution?done=removed")


async def _show(page: Page, places: list[str] | None = None, form: Form | None = None) -> Response:
    names = await asyncio.to_thread(Names, page)
    tried = page.asked("number")

    def read() -> dict[str, Any]:
        rules, badges = service.rules(page.found.records), service.badges(page.found.records)
        with page.found.records.reading() as session:
            known = service.job_rules(session)
            return {
                "rules": [
                    {"id": each.id, "says": page.say(KINDS[each.kind]), "text": each.text,
                     "member": names.payer(each.member_id), "added": _when(page, each.added)}
                    for each in sorted(rules, key=lambda each: (list(KINDS).index(each.kind), each.text))
                ],
                "badges": [
                    {"badge": each.badge, "payer": names.payer(each.payer), "since": _when(page, each.since)}
                    for each in {row.badge: row for row in badges}.values()
                ],
                "unknown": _unknown(session, page, names),
                "means": "" if not tried else names.payer(known.member(tried) or "nobody"),
            }  # fmt: skip

    found = await asyncio.to_thread(read)
    errors = {place if place in _MENDS else "all": "" for place in places or ()}
    done = _DONE.get(page.asked("done"))
    typed = {name: form.text(name) for name in ("kind", "text", "member", "badge", "payer")} if form else {}
    return page.show(
        "administration/attribution.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        **found,
        tried=tried,
        kinds=[(str(kind), page.say(said)) for kind, said in KINDS.items()],
        members=[each for each in names.payers if each[0] != "consortium"],
        payers=[*names.payers, ("nobody", page.say("nobody: it is lost"))],
        typed={"text": page.asked("text"), **typed},
        errors={place: page.say(_MENDS[place]) for place in errors},
        done=page.say(done) if done else "",
    )


def _unknown(session: Any, page: Page, names: Names) -> list[Unknown]:
    """Return numbers that machines showed lately and that mean nobody, the newest first."""
    since = day_of(page.now, page.found.ledger.zone) - timedelta(days=UNKNOWN_DAYS)
    return [
        Unknown(text, ", ".join(sorted(names.machine(each) for each in machines)), day(last, page.say))
        for text, machines, last in service.unknown_jobs(session, since)[:UNKNOWN_MAX]
    ]


def _when(page: Page, stamp: int) -> str:
    return moment(stamp, local(page.now, page.zone).date(), page.zone, page.say)
