"""A rule tried over a stored span before it is at work, next to the work that is known to have been done."""

from __future__ import annotations

from threading import Semaphore
from typing import TYPE_CHECKING, Any, NamedTuple

from api.maintenance import orders_records, rulebook
from api.maintenance.alarms import ActionRefusedError
from api.maintenance.backtest import run
from api.maintenance.catalogue import shipped_classes
from api.maintenance.fold import MachineFold
from api.maintenance.stored import read_stored, signals_of
from api.records.service import UnknownRecordError
from shopfloor.periods import DAY, SECOND, format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.access.scope import Scope
    from api.records.database import Records
    from shopfloor.periods import Period
    from shopfloor.stores.port import Store

SPAN_DAYS_MAX = 400
"""Longest span that is tried at once."""
EPISODES_MAX = 500
LEAD = 30 * DAY
"""So long before known work an alarm counts as having said it, in nanoseconds."""
_one_at_a_time = Semaphore(1)


class Trial(NamedTuple):
    """What is tried.

    Attributes:
        rule: its id; it does not have to be at work.
        machine: over whose data.
        period: the span.
        values: that differ from the rule as it holds, None for none.
    """

    rule: str
    machine: str
    period: Period
    values: Mapping[str, Any] | None


def run_trial(records: Records, store: Store, scope: Scope, wanted: Trial) -> dict[str, Any]:
    """Try a rule; blocks.

    Raises:
        UnknownRecordError: there is no such rule or machine, or it is not the caller's to see.
        ActionRefusedError: the span is empty or too long, or nothing is stored in it.
        RuleError: the values do not fit the rule.
        StoreUnavailableError: the store does not answer.
    """
    if not 0 < wanted.period.end - wanted.period.start <= SPAN_DAYS_MAX * DAY:
        raise ActionRefusedError(f"try it over a span of at most {SPAN_DAYS_MAX} days that ends after it begins")
    with records.reading() as session:
        machine = orders_records.machine_of(session, scope, wanted.machine)
        book = rulebook.read(session)
        orders = [
            (row.done, row.number)
            for row in orders_records.listed(session, scope, state="closed", machine=wanted.machine)
            if row.done is not None and row.done in wanted.period
        ]
    rule = next((each for each in book.every(wanted.machine) if each.id == wanted.rule), None)
    if rule is None:
        raise UnknownRecordError(wanted.rule)
    if wanted.values:
        rule = rulebook.changed(rule, rule.id, wanted.values, rule.version, "")
    signals = signals_of([rule], [name for name in machine.signals if "." in name])
    with _one_at_a_time:
        samples = list(read_stored(store, wanted.machine, signals, wanted.period))
        if not samples:
            raise ActionRefusedError(f"nothing is stored of {wanted.machine} in this span")
        result = run(MachineFold(wanted.machine, [rule], shipped_classes(), machine.maker), samples, wanted.period.end)
    raised = [each.raised for each in result.episodes]
    return {
        "episodes": [
            {
                "subject": each.subject,
                "since": format_instant(each.since),
                "raised": format_instant(each.raised),
                "returned": format_instant(each.returned) if each.returned else None,
                "evidence": dict(each.change.evidence),
            }
            for each in result.episodes[:EPISODES_MAX]
        ],
        "count": len(result.episodes),
        "incidents_per_month": result.per_month,
        "messages": len(result.messages),
        "known": [
            {"done": format_instant(done), "work_order": number, "lead_seconds": _lead(raised, done)}
            for done, number in sorted(orders)
        ],
    }


def _lead(raised: list[int], done: int) -> int | None:
    before = [each for each in raised if done - LEAD <= each <= done]
    return (done - min(before)) // SECOND if before else None
