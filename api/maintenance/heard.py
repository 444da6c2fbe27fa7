"""What is to be found in an agent's own words; the end of a certificate is one finding for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.maintenance.findings import CERTIFICATE, CLOCK, IDENTITY, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from api.edges.identity import Run
    from shopfloor.wire.edge import Health

WARN_DAYS = (1, 7, 30)
"""How many days before its end a certificate is warned of."""
_SEVERITIES = ("high", "high", "medium", "low")


def findings_of(health: Health) -> dict[tuple[str, str], Found]:
    """Return what an agent's health gives to find, by kind and subject."""
    found = [each for each in _all(health) if each is not None]
    return {(each.of, each.subject): each for each in found}


def doubles_found(both: Sequence[Run]) -> dict[tuple[str, str], Found]:
    """Return the finding that two agents live under one name; which of them spoke last makes no other one of it."""
    ones = sorted(f"{run.host} ({run.epoch})" for run in both)
    found = Found(IDENTITY, " + ".join(ones), "high", {"first": ones[0], "second": ones[1]})
    return {(found.of, found.subject): found}


def _all(health: Health) -> Iterator[Found | None]:
    if health.certificates:
        first = min(health.certificates, key=lambda each: each.days)
        yield _end("agent", first.file, first.days)
    if health.broker_days is not None:
        yield _end("broker", "", health.broker_days)
    for machine in health.machines:
        if machine.certificate_days is not None:
            yield _end("machine", machine.machine, machine.certificate_days)
    if health.clock_ahead_seconds:
        yield Found(CLOCK, "", "medium", {"seconds_ahead": health.clock_ahead_seconds})


def _end(whose: str, name: str, days: int) -> Found | None:
    """Return the step that a certificate has come to, None for none."""
    steps = (-1, *WARN_DAYS)
    step = next((number for number, limit in enumerate(steps) if days <= limit), None)
    if step is None:
        return None
    subject = "|".join((whose, name, str(max(0, steps[step]))))
    return Found(CERTIFICATE, subject, _SEVERITIES[step], {"whose": whose, "name": name, "days_left": days})
