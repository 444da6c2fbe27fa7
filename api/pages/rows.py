"""Rows of the machines page as texts and numbers, in order of need; templates get nothing else. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.pages.strips import COLUMNS, Strip, Tick, strip, ticks
from api.pages.times import ago, clock, duration, local, since
from api.pages.words import NB, word_of
from shopfloor.periods import MINUTE, SECOND, Period
from shopfloor.states import SILENCE_SECONDS_MAX, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from api.pages.words import Words
    from shopfloor.samples import Value
    from shopfloor.states import Stretch

WINDOW_MINUTES = 480
"""What a strip shows."""
NEEDS = (State.INTERRUPTED, State.UNKNOWN)
"""States that want a person."""
_ORDER = (
    State.INTERRUPTED,
    State.UNKNOWN,
    State.MAINTENANCE,
    State.OUT_OF_SERVICE,
    State.SETUP,
    State.IDLE,
    State.PROCESSING,
    State.UNREACHABLE,
    State.OFF,
)


class Facts(NamedTuple):
    """What a row is made of.

    Attributes:
        id: identifier of the machine.
        name: its short name.
        kind: what it is.
        site: where it stands.
        state: its state now.
        since: when that began, None when further back than anybody looked.
        seen: stamp of its newest data, None when it never sent any.
        stretches: its states in the window.
        work: last values of what it is working on, None for who may not see them.
        parts_today: parts since midnight, None when not known.
        is_attended: it says nothing itself: its state is who checked in.
        checked_in: whom somebody is checked in for, empty for nobody or for who may not see it.
    """

    id: str
    name: str
    kind: str
    site: str
    state: State
    since: int | None
    seen: int | None
    stretches: Sequence[Stretch]
    work: Mapping[str, Value | None] | None
    parts_today: int | None
    is_attended: bool = False
    checked_in: str = ""


class Row(NamedTuple):
    """One machine as the page shows it."""

    id: str
    mark: str
    word: str
    since: str
    duration: str
    since_milliseconds: int | None
    name: str
    kind: str
    site: str
    now: str
    now_detail: str
    age: str
    is_stale: bool
    strip: Strip
    totals: list[str]


class Table(NamedTuple):
    """All of the page that changes by itself."""

    needs: list[Row]
    fine: list[Row]
    ticks: list[Tick]
    totals: list[str]
    length: str
    window: str
    fresh: str
    clock: str


def table(facts: Iterable[Facts], *, now: int, zone: ZoneInfo, say: Words) -> Table:
    """Lay out the page: what wants a person first, what is off last."""
    window = Period(now - WINDOW_MINUTES * MINUTE, now)
    ordered = sorted(facts, key=lambda each: (_ORDER.index(each.state), each.name))
    rows = {each.id: row(each, window, zone, say) for each in ordered}
    sums = [sum(each.strip.minutes[column] for each in rows.values()) for column in COLUMNS]
    start, end = local(window.start, zone), local(now, zone)
    newest = _newest(ordered, now)
    return Table(
        needs=[rows[each.id] for each in ordered if each.state in NEEDS],
        fine=[rows[each.id] for each in ordered if each.state not in NEEDS],
        ticks=ticks(window, zone),
        totals=[clock(each) if each else "" for each in sums],
        length=clock(sum(sums)),
        window=f"{start:%H:%M}\N{EN DASH}{end:%H:%M}",
        fresh=f"{local(newest, zone):%H:%M:%S}" if newest is not None else "\N{EN DASH}",
        clock=f"{end:%H:%M}",
    )


def row(facts: Facts, window: Period, zone: ZoneInfo, say: Words) -> Row:
    """Lay out one machine."""
    now = window.end
    if facts.since is not None:
        began, lasts = since(facts.since, now, zone, say), duration(now - facts.since, say)
    else:
        is_unheard = facts.seen is None and not facts.is_attended
        began, lasts = say("no data received yet") if is_unheard else say("for more than 32 days"), ""
    age, is_stale = (say("by check-in"), False) if facts.is_attended else age_of(facts.seen, now, zone, say)
    title, detail = _work(facts, say)
    laid_out = strip(facts.stretches, window, zone, say)
    return Row(
        id=facts.id,
        mark=facts.state.value,
        word=say(word_of(facts.state, is_attended=facts.is_attended)),
        since=began,
        duration=lasts,
        since_milliseconds=None if facts.since is None else facts.since // 1_000_000,
        name=facts.name,
        kind=facts.kind,
        site=facts.site,
        now=title,
        now_detail=detail,
        age=age,
        is_stale=is_stale,
        strip=laid_out,
        totals=[clock(laid_out.minutes[name]) if laid_out.minutes[name] else "" for name in COLUMNS],
    )


def age_of(seen: int | None, now: int, zone: ZoneInfo, say: Words) -> tuple[str, bool]:
    """Write the age of the newest data; beyond the silence that makes a state unknown it says since when instead."""
    if seen is None:
        return say("no data received yet"), True
    age = max(0, now - seen)
    if age > SILENCE_SECONDS_MAX * SECOND:
        missing = say("no data")
        return f"{missing} {since(seen, now, zone, say)}", True
    return ago(age, say), False


def _newest(facts: Sequence[Facts], now: int) -> int | None:
    return max((min(each.seen, now) for each in facts if each.seen is not None), default=None)


def _work(facts: Facts, say: Words) -> tuple[str, str]:
    """Write what a machine is working on: an alarm in the way first."""
    if facts.checked_in:
        return say("checked in: %(name)s", name=facts.checked_in), ""
    if facts.work is None:
        return "", ""
    program, alarm = facts.work.get("program"), facts.work.get("alarm")
    is_alarmed = bool(alarm) and facts.state is State.INTERRUPTED
    details = [str(program)] if program and is_alarmed else []
    if job := facts.work.get("job"):
        details.append(say("job %(name)s", name=job))
    elif order := facts.work.get("order"):
        details.append(say("order %(name)s", name=order))
    if facts.parts_today is not None:
        parts = say.plural("%(n)s part today", "%(n)s parts today", facts.parts_today)
        details.append(parts.replace(" ", NB, 1))
    return str((alarm if is_alarmed else program) or ""), ", ".join(details)
