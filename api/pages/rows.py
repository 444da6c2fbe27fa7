"""Rows of the machines page as texts and numbers, in order of need; templates get nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from api.pages import words
from shopfloor.periods import MINUTE, SECOND, Period, to_datetime
from shopfloor.states import SILENCE_SECONDS_MAX, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from api.pages.words import Language
    from shopfloor.samples import Value
    from shopfloor.states import Stretch

WINDOW_MINUTES = 480
"""What a strip shows."""
COLUMNS = ("processing", "setup", "idle", "interrupted", "maintenance", "off", "unknown")
"""Columns of totals; a state without its own goes to the one that it looks like."""
_COLUMN = {State.OUT_OF_SERVICE: "maintenance", State.UNREACHABLE: "off"}
_NEEDS = (State.INTERRUPTED, State.UNKNOWN)
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
_NOTCH_PERCENT = 2.2  # about 6 px of a strip: hatching would not be seen


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


class Shape(NamedTuple):
    """A piece of a strip: x and width in percent."""

    state: str
    x: str
    width: str
    end: str
    is_now: bool
    is_notch: bool


class Row(NamedTuple):
    """One machine as the page shows it."""

    id: str
    mark: str
    word: str
    since: str
    duration: str
    name: str
    kind: str
    site: str
    now: str
    now_detail: str
    age: str
    is_stale: bool
    shapes: list[Shape]
    strip: str
    totals: list[str]


class Table(NamedTuple):
    """All of the page that changes by itself."""

    needs: list[Row]
    fine: list[Row]
    hours: list[tuple[str, str]]
    totals: list[str]
    length: str
    window: str
    fresh: str


def table(facts: Iterable[Facts], *, now: int, zone: ZoneInfo, language: Language) -> Table:
    """Lay out the page: what wants a person first, what is off last."""
    window = Period(now - WINDOW_MINUTES * MINUTE, now)
    ordered = sorted(facts, key=lambda each: (_ORDER.index(each.state), each.name))
    minutes = {each.id: _minutes(each.stretches, window) for each in ordered}
    rows = {each.id: _row(each, minutes[each.id], window, zone, language) for each in ordered}
    sums = [sum(each[column] for each in minutes.values()) for column in COLUMNS]
    start, end = _local(window.start, zone), _local(now, zone)
    return Table(
        needs=[rows[each.id] for each in ordered if each.state in _NEEDS],
        fine=[rows[each.id] for each in ordered if each.state not in _NEEDS],
        hours=_hours(window, zone),
        totals=[words.clock(each) if each else "" for each in sums],
        length=words.clock(sum(sums)),
        window=f"{start:%H:%M}\N{EN DASH}{end:%H:%M}",
        fresh=f"{_local(newest, zone):%H:%M:%S}" if (newest := _newest(ordered, now)) is not None else "\N{EN DASH}",
    )


def _newest(facts: Sequence[Facts], now: int) -> int | None:
    return max((min(each.seen, now) for each in facts if each.seen is not None), default=None)


def _local(stamp: int, zone: ZoneInfo) -> datetime:
    return to_datetime(stamp).astimezone(zone)


def _row(facts: Facts, minutes: Mapping[str, int], window: Period, zone: ZoneInfo, language: Language) -> Row:
    text = words.WORDS[language]
    states = words.STATES[language]
    now = window.end
    today = _local(now, zone)
    if facts.since is not None:
        since = words.since(_local(facts.since, zone), today, language)
        lasts = words.duration(now - facts.since, language)
    else:
        since, lasts = text["never" if facts.seen is None else "long_ago"], ""
    age, is_stale = _age(facts, now, zone, language)
    title, detail = _work(facts, language)
    spoken = ", ".join(f"{text['col_' + name]} {words.clock(minutes[name])}" for name in COLUMNS if minutes[name])
    return Row(
        id=facts.id,
        mark=facts.state.value,
        word=states[facts.state],
        since=since,
        duration=lasts,
        name=facts.name,
        kind=facts.kind,
        site=facts.site,
        now=title,
        now_detail=detail,
        age=age,
        is_stale=is_stale,
        shapes=_shapes(facts.stretches, window),
        strip=f"{text['last_hours']}: {spoken}",
        totals=[words.clock(minutes[name]) if minutes[name] else "" for name in COLUMNS],
    )


def _age(facts: Facts, now: int, zone: ZoneInfo, language: Language) -> tuple[str, bool]:
    """Write the age of the newest data; beyond the silence that makes a state unknown it says since when instead."""
    text = words.WORDS[language]
    if facts.seen is None:
        return text["never"], True
    age = max(0, now - facts.seen)
    if age > SILENCE_SECONDS_MAX * SECOND:
        since = words.since(_local(facts.seen, zone), _local(now, zone), language)
        return f"{text['no_data_since']} {since}", True
    return f"{words.duration(age, language)} {text['ago']}", False


def _work(facts: Facts, language: Language) -> tuple[str, str]:
    """Write what a machine is working on: an alarm in the way first."""
    if facts.work is None:
        return "", ""
    text = words.WORDS[language]
    program, alarm = facts.work.get("program"), facts.work.get("alarm")
    details = [str(program)] if program and alarm and facts.state is State.INTERRUPTED else []
    details += [f"{text[name]} {facts.work[name]}" for name in ("job", "order") if facts.work.get(name)][:1]
    if facts.parts_today is not None:
        details.append(f"{facts.parts_today}{words.NB}{text['parts_today']}")
    title = alarm if alarm and facts.state is State.INTERRUPTED else program
    return str(title or ""), ", ".join(details)


def _minutes(stretches: Iterable[Stretch], window: Period) -> dict[str, int]:
    """Return whole minutes by column that add to the window, by largest remainder; what is not tiled is unknown."""
    lengths = dict.fromkeys(COLUMNS, 0)
    for stretch in stretches:
        part = stretch.period.clip(window)
        if part is not None:
            lengths[_COLUMN.get(stretch.state, stretch.state.value)] += part.end - part.start
    lengths["unknown"] += window.end - window.start - sum(lengths.values())
    minutes = {name: length // MINUTE for name, length in lengths.items()}
    left = WINDOW_MINUTES - sum(minutes.values())
    for name in sorted(COLUMNS, key=lambda each: lengths[each] % MINUTE, reverse=True)[:left]:
        minutes[name] += 1
    return minutes


def _shapes(stretches: Iterable[Stretch], window: Period) -> list[Shape]:
    shapes: list[Shape] = []
    length = window.end - window.start
    for stretch in stretches:
        part = stretch.period.clip(window)
        if part is None:
            continue
        x, width = (part.start - window.start) / length * 100, (part.end - part.start) / length * 100
        shapes.append(
            Shape(
                state=stretch.state.value,
                x=f"{x:.3f}%",
                width=f"{width:.3f}%",
                end=f"{x + width:.3f}%",
                is_now=part.end == window.end,
                is_notch=stretch.state is State.UNKNOWN and width < _NOTCH_PERCENT,
            ),
        )
    return shapes


def _hours(window: Period, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return the full hours of civil time in the window: where, and what they are called."""
    step = 60 * MINUTE
    first = -(-window.start // step) * step
    marks = range(first, window.end, step)
    length = window.end - window.start
    return [(f"{(mark - window.start) / length * 100:.3f}%", f"{_local(mark, zone):%H}") for mark in marks]
