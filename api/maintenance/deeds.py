"""What people did with alarms, taken in beside samples: at its time, and again whenever that is judged. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from api.maintenance.alarms import ActionRefusedError, Alarm, Change
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEED = "deed"
"""Signal of a deed: its value is a `Deed` as JSON, its stamp when it was done."""
Kind: TypeAlias = Literal["take", "confirm", "shelve", "unshelve", "assign", "out_of_service", "in_service", "close"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Deed(NamedTuple):
    """Something a person did with alarms of one machine.

    Attributes:
        kind: see `Kind`; `close` says that the cause has been dealt with.
        alarms: rule and subject of each.
        by: who.
        note: what they wrote.
        until: end of a shelving.
        to: to whom it is assigned.
    """

    kind: str
    alarms: tuple[tuple[str, str], ...]
    by: str
    note: str = ""
    until: int = 0
    to: str = ""

    def sample(self, machine: str, stamp: int) -> Sample:
        """Return it as a sample of the machine."""
        return Sample(machine, DEED, stamp, json.dumps(self))


def perform(
    text: str, alarms: Mapping[tuple[str, str], Alarm], stamp: int, worked: float
) -> Iterator[tuple[tuple[str, str], Change]]:
    """Do a deed to the alarms that are still open; what cannot be done to one any more is left out.

    Args:
        text: of the sample.
        alarms: of the machine by rule and subject.
        stamp: when it was done.
        worked: how much the machine had worked by then.
    """
    kind, keys, *more = json.loads(text)
    deed = Deed(kind, tuple((rule, subject) for rule, subject in keys), *more)
    for key in deed.alarms:
        alarm = alarms.get(key)
        if alarm is None:
            continue
        try:
            change = _do(deed, alarm, stamp, worked)
        except ActionRefusedError:
            continue
        if change is not None:
            yield key, change


def _do(deed: Deed, alarm: Alarm, stamp: int, worked: float) -> Change | None:
    by = deed.by
    deeds: dict[str, Callable[[], Change]] = {
        "take": lambda: alarm.acknowledge(stamp, by, deed.note, worked),
        "confirm": lambda: alarm.confirm(stamp, by, worked),
        "shelve": lambda: alarm.shelve(stamp, until=deed.until, by=by, reason=deed.note, worked=worked),
        "unshelve": lambda: alarm.unshelve(stamp, by, worked),
        "assign": lambda: alarm.assign(stamp, deed.to, by, worked),
        "out_of_service": lambda: alarm.take_out_of_service(stamp, by, worked),
        "in_service": lambda: alarm.put_in_service(stamp, by, worked),
        "close": lambda: alarm.close(stamp, worked, by),
    }
    return None if deed.kind == "close" and not alarm.is_open else deeds[deed.kind]()
