"""A machine's stored samples as rules take them in: proofs as whole spans, expired gauges as minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopfloor.samples import Sample
from shopfloor.signals import SIGNALS, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from api.maintenance.rules import Rule
    from shopfloor.periods import Period
    from shopfloor.states import Coverage
    from shopfloor.stores.port import Reduced, Store

DAY_LIMIT = 5_000_000
"""Most samples of one machine and day that are judged."""
PROOFS = ("observed", "unreachable")
"""Signals of the agent's own watching, taken in as whole spans."""
_ALWAYS = ("item_state", "cutting_seconds", "operation_seconds", "alarm", "alarm_blocking", "alarms", "prognoses")


def signals_of(rules: Iterable[Rule], more: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the signals that rules have to be told, of the signal table and of those that a node map added.

    Args:
        rules: to be tried.
        more: names of added signals, which the table does not know.
    """
    known = (*SIGNALS, *more)
    found = dict.fromkeys((*_ALWAYS, *more))
    for rule in rules:
        found |= dict.fromkeys(name for name in known if rule.signal and rule.judges(name))
        found |= dict.fromkeys(gate.signal for gate in rule.when)
        for names in ("counters", "bands"):
            found |= dict.fromkeys(getattr(rule.how, names, ()))
        if subject := getattr(rule.how, "subject_signal", ""):
            found[subject] = None
    return tuple(name for name in found if name not in PROOFS)


def read_stored(store: Store, machine: str, signals: Sequence[str], period: Period) -> Iterator[Sample]:
    """Go over a machine's samples in the order of stamp and signal, day by day.

    A span of proofs is one sample at its start whose value is its end. Gauges whose raw samples of a day have expired
    are their minutes' means; a minute in which something both stood at zero and moved tells of neither.

    Raises:
        StoreUnavailableError: when the store does not answer.
    """
    gauges = [name for name in signals if find(name).signal_class == "gauge"]
    for part in period.by_day():
        found = store.read([machine], signals, part, limit=DAY_LIMIT)
        told = {sample.signal for sample in found}
        if expired := [name for name in gauges if name not in told]:
            reduced = store.reduce(machine, expired, part, step_seconds=60)
            found += [Sample(machine, name, each.stamp, _mean(each)) for name, row in reduced.items() for each in row]
        found += spans(machine, store.gaps([machine], part).values())
        found.sort(key=lambda sample: (sample.stamp, sample.signal))
        yield from found


def _mean(minute: Reduced) -> float | None:
    """Return a minute's mean, None for a mixture: half a minute of turning is no slower turning."""
    return None if minute.minimum == 0 < minute.maximum else minute.mean


def spans(name: str, coverage: Iterable[Coverage]) -> Iterator[Sample]:
    """Return spans of proofs as samples at their start whose values are their ends."""
    for each in coverage:
        for signal, periods in zip(PROOFS, (each.observed, each.unreachable), strict=True):
            yield from (Sample(name, signal, span.start, span.end) for span in periods)
