"""What rules would have said over a stored span, by the very code that runs live. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from api.maintenance.alarms import Change, What
from api.maintenance.incidents import Incident, IncidentFold
from api.maintenance.notifications import Message, NotificationFold, Person, Policy
from shopfloor.periods import DAY, Period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.maintenance.fold import MachineFold
    from shopfloor.samples import Sample

MONTH_DAYS = 365.25 / 12
STAFF = Person("maintenance", ("log",))
"""Who is told in a backtest: one person, at any hour."""


class Episode(NamedTuple):
    """An alarm from raised to returned.

    Attributes:
        alarm: its identity.
        rule: id of the rule.
        subject: what it is about.
        since: when the condition began.
        raised: when the alarm came, its delay later.
        returned: when it went, None when it has not.
        change: that raised it, with the evidence.
    """

    alarm: str
    rule: str
    subject: str
    since: int
    raised: int
    returned: int | None
    change: Change


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it.

    Attributes:
        period: first sample with a value to the last.
        changes: of the alarms.
        episodes: by when they were raised.
        incidents: by when they were opened.
        messages: that one person would have had, at any hour.
        fold: as it was at the end.
    """

    period: Period
    changes: Sequence[Change]
    episodes: Sequence[Episode]
    incidents: Sequence[Incident]
    messages: Sequence[Message]
    fold: MachineFold

    @property
    def per_month(self) -> float:
        """Incidents in a month of 30.4 days."""
        return len(self.incidents) / max((self.period.end - self.period.start) / DAY, 1.0) * MONTH_DAYS


def run(fold: MachineFold, samples: Sequence[Sample], until: int = 0) -> Result:
    """Fold samples and gather what came of them.

    Args:
        fold: with the rules to try, new.
        samples: in the order of stamp and signal, at least one.
        until: let time pass to here after the last; 0 for not.
    """
    fold.take(samples)
    fold.advance(max(until, samples[-1].stamp + 1))
    changes = fold.drain()
    incidents = IncidentFold()
    notifications = NotificationFold(Policy(((STAFF,),), {}))
    messages: list[Message] = []
    for change in sorted(changes, key=incidents.order):
        messages += notifications.advance(change.stamp)
        for incident, each in incidents.take([change]):
            messages += notifications.take(incident, each)
    messages += notifications.advance(fold.position)
    # Adapters restate at the head of a file, with old stamps, that they knew nothing.
    first = next((sample.stamp for sample in samples if sample.value is not None), samples[0].stamp)
    period = Period(first, max(samples[-1].stamp, first))
    return Result(period, changes, episodes(changes), incidents.incidents, messages, fold)


def episodes(changes: Sequence[Change]) -> list[Episode]:
    """Pair what was raised with what returned."""
    found: list[Episode] = []
    running: dict[str, int] = {}
    for change in changes:
        if change.what in {What.RAISED, What.AGAIN}:
            running[change.alarm] = len(found)
            found.append(Episode(change.alarm, change.rule, change.subject, change.since, change.stamp, None, change))
        elif change.what in {What.RETURNED, What.CLOSED} and change.alarm in running:
            at = running.pop(change.alarm)
            found[at] = found[at]._replace(returned=change.stamp)
    return found
