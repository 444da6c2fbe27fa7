"""The price list: entries in the text form of a scenario file, checked together. Pure."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from api.billing.calendars import civil_month
from api.billing.scenarios.prices import read_book, read_calendar, read_common
from api.billing.scenarios.values import BadScenarioError, Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any
    from zoneinfo import ZoneInfo

    from api.billing.calendars import Calendar
    from api.billing.common import Common
    from api.billing.tariffs import Book, Version

KINDS = ("tariffs", "calendars", "quotas", "shared_costs", "lent_hours", "fees", "true_ups")
"""What an entry may be: a row of one of these tables of a scenario file."""


class BadPriceError(BadScenarioError):
    """An entry cannot be kept; the sentence names the place, the reason and the mend."""


class Entry(NamedTuple):
    """One entry of the price list.

    Attributes:
        id: identifier; empty for one that is not kept yet.
        kind: one of `KINDS`.
        text: TOML: one row, without its heading.
    """

    id: str
    kind: str
    text: str


class PriceList(NamedTuple):
    """All that things cost, as it is at one moment."""

    entries: tuple[Entry, ...]
    book: Book
    common: Common
    calendars: Mapping[str, Calendar]

    @property
    def versions(self) -> dict[str, str]:
        """What a statement names as the ground it stands on."""
        return {
            "calendars": " ".join(f"{each.name}@{each.version}" for _, each in sorted(self.calendars.items())),
            "tzdata": version("tzdata"),
            "officina": version("officina"),
        }


class _Anything(set[str]):
    """Names that were checked when an entry was kept, and are checked no more: a machine may be gone since."""

    def __contains__(self, name: object) -> bool:
        return True


def read_prices(
    entries: Iterable[Entry], zone: ZoneInfo, members: Iterable[str], machines: Iterable[str] | None = None
) -> PriceList:
    """Read the price list.

    Args:
        entries: in any order.
        zone: of times without an offset.
        members: who pays; a quota that names nobody is for all of them.
        machines: which there are; None where the entries were checked before.

    Raises:
        BadScenarioError: naming the entry, the place, the reason and the mend.
    """
    ordered = tuple(sorted(entries, key=lambda entry: (KINDS.index(entry.kind), entry.id)))
    rows: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for entry in ordered:
        rows[entry.kind].append(table_of(entry))
    root = Node(rows, "", zone)
    named = set(members)
    known_members = _Anything(named) if machines is None else named
    known_machines = _Anything() if machines is None else set(machines)
    calendars = {calendar.name: calendar for calendar in _calendars(root)}
    book = read_book(list(root.rows("tariffs")), calendars, known_machines, known_members)
    return PriceList(ordered, book, read_common(root, known_machines, known_members), calendars)


def table_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as the table that its text is.

    Raises:
        BadPriceError: it is no TOML, or holds a heading of its own.
    """
    try:
        table: dict[str, Any] = tomllib.loads(entry.text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadPriceError(f"{entry.kind}: is no TOML: {error}") from error
    if not table:
        raise BadPriceError(f"{entry.kind}: is empty: write one row of it, without the heading [[{entry.kind}]]")
    return table


def _calendars(root: Node) -> Iterator[Calendar]:
    shipped = files("api.billing.scenarios").joinpath("arera.toml").read_text(encoding="utf-8")
    yield read_calendar(Node(tomllib.loads(shipped), "calendar arera", root.zone))
    names = {"arera"}
    for node in root.rows("calendars"):
        calendar = read_calendar(node)
        if calendar.name in names:
            raise node.refuse(f"there is a calendar {calendar.name!r} already: give this one another name")
        names.add(calendar.name)
        yield calendar


def check_change(before: PriceList, after: PriceList, closed: str | None, zone: ZoneInfo) -> None:
    """Refuse a change of what a closed month was charged by; a version may be ended after it, and others added.

    Args:
        before: the list as it is.
        after: the list as it would be.
        closed: the last month that is closed, None when none is.
        zone: whose months they are.

    Raises:
        BadPriceError: naming the version or entry.
    """
    if closed is None:
        return
    until = civil_month(closed, zone).end
    was = {each.label: each for each in before.book.versions if each.valid.start < until}
    now = {each.label: each for each in after.book.versions if each.valid.start < until}
    for label, version_before in was.items():
        follower = now.get(label)
        limited = None if follower is None else replace(follower, valid=version_before.valid)
        is_kept = limited == version_before and follower is not None and _same_past(follower, version_before, until)
        if not is_kept:
            raise BadPriceError(f"tariffs, {label}: is used by closed months up to {closed}: end it with `to` after "
                                "that, and add another version")  # fmt: skip
    added = sorted(now.keys() - was.keys())
    if added:
        raise BadPriceError(f"tariffs, {added[0]}: begins before the end of {closed}, which is closed: begin it later")
    _check_common(before.common, after.common, closed)


def _same_past(one: Version, other: Version, until: int) -> bool:
    return one.valid.start == other.valid.start and min(one.valid.end, until) == min(other.valid.end, until)


def _check_common(before: Common, after: Common, closed: str) -> None:
    """Refuse that something charged with a closed month is changed or taken back; more may be added."""
    for name in ("shared_costs", "lent_hours", "fees", "true_ups", "quotas"):
        left = [repr(each) for each in getattr(after, name)]
        for each in getattr(before, name):
            month = getattr(each, "month", None) or getattr(each, "first", None) or f"{each.day:%Y-%m}"
            if month > closed:
                continue
            if name == "quotas" and any(_continues(each, other, closed) for other in after.quotas):
                continue
            if repr(each) not in left:
                raise BadPriceError(f"{name}: {getattr(each, 'item', getattr(each, 'section', ''))} of {month} is "
                                    "charged already: add what sets it right, such as a fee below 0")  # fmt: skip


def _continues(quota: Any, other: Any, closed: str) -> bool:
    """Tell whether a quota is the same but for a later end."""
    return bool(quota._replace(last="") == other._replace(last="") and min(quota.last, other.last) >= closed)
