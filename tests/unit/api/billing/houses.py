"""Generated scenarios: gaps, late data, overlapping evidence, clock changes, changes of tariff, tiers, limits."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
LENGTH = 3000
"""Seconds in which things happen."""
AFTER = 1300
"""Seconds after them in which a badge may still hold."""
BADGE_SECONDS, BADGE_OFF_SECONDS = 1200, 120
BASES = (
    datetime(2026, 10, 13, 5, 40, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 35, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 35, tzinfo=UTC),
    datetime(2026, 10, 31, 22, 35, tzinfo=UTC),
    datetime(2026, 12, 24, 22, 40, tzinfo=UTC),
)
"""An ordinary morning, the nights of 25 and of 23 hours, the end of a month, the eve of a holiday."""
STATES = ("processing", "setup", "idle", "off", "interrupted", "maintenance", "out_of_service", "unknown", None)
_HOURS = ["00:00 low", "01:30 high", "02:15 mid", "02:45 low", "08:00 high", "23:45 mid"]
_CALENDAR = {
    "name": "own",
    **dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), _HOURS),
    "holiday": ["00:00 low", "00:15 mid"],
    "holidays": ["12-25"],
}

_price = st.integers(0, 9999).map(lambda cents: Decimal(cents) / 100)
_amount = st.integers(0, 3000).map(lambda cents: Decimal(cents) / 100)
_member = st.sampled_from(["A", "B", "C"])


def examples(few: int, many: int) -> settings:
    """Return how many examples a property is tried with: few in `make test`, the same each time, many at full size."""
    return settings(
        max_examples=many if LONG else few,
        deadline=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def _spans(draw: st.DrawFn, most: int) -> list[tuple[int, int]]:
    """Disjoint spans within the length, in order."""
    cuts = sorted(draw(st.sets(st.integers(0, LENGTH), min_size=0, max_size=2 * most)))
    return list(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def _time_price(draw: st.DrawFn, *, tiers: bool) -> Any:
    kind = draw(st.sampled_from(["flat", "bands", "tiers"] if tiers else ["flat", "bands"]))
    if kind == "flat":
        return draw(_price)
    if kind == "bands":
        return {band: draw(_price) for band in ("low", "mid", "high")}
    limits = sorted(draw(st.sets(st.integers(1, 40), min_size=1, max_size=3)))
    steps = [{"up_to": Decimal(limit) / 40, "price": draw(_price)} for limit in limits]
    mode = draw(st.sampled_from(["graduated", "volume"]))
    return {"mode": mode, "tiers": [*steps, {"price": draw(_price)}]}


@st.composite
def _version(draw: st.DrawFn) -> dict[str, Any]:
    has_minimum = draw(st.booleans())
    version: dict[str, Any] = {"calendar": "own", "vat": {"default": 22, "energy": draw(st.sampled_from([10, 22]))}}
    version["time"] = {
        state: draw(_time_price(tiers=not has_minimum))
        for state in draw(st.sets(st.sampled_from(["processing", "setup", "idle", "maintenance"]), min_size=1))
    }
    if has_minimum:
        version["session_minimum"] = draw(_amount)
    if draw(st.booleans()):
        version["energy"] = draw(_price)
    if draw(st.booleans()):
        version["booked_unused"] = draw(_price)
    if draw(st.booleans()):
        version["start_up"] = draw(_amount.filter(bool))
    if draw(st.booleans()):
        version["increment_seconds"] = draw(st.sampled_from([60, 360, 900, 7]))
    if draw(st.booleans()):
        version["free_below_seconds"] = draw(st.sampled_from([60, 300]))
    limits = sorted([draw(_amount), draw(_amount)])
    if draw(st.booleans()):
        version["monthly_minimum"] = limits[0]
    if draw(st.booleans()):
        version["monthly_cap"] = limits[1]
    return version


@st.composite
def houses(draw: st.DrawFn) -> tuple[dict[str, Any], datetime]:
    """A scenario of one machine as TOML would give it, and the instant at which things begin."""
    base = draw(st.sampled_from(BASES))

    def at(second: int) -> datetime:
        return base + timedelta(seconds=second)

    def rows(spans: list[tuple[int, int]], **more: Any) -> list[dict[str, Any]]:
        return [{"from": at(a), "to": at(b), **{key: draw(each) for key, each in more.items()}} for a, b in spans]

    cuts = sorted({0, LENGTH, *draw(st.sets(st.integers(0, LENGTH), max_size=12))})
    states = [
        {"from": at(a), "to": at(b), "state": state}
        for a, b in pairwise(cuts)
        if (state := draw(st.sampled_from(STATES))) is not None
    ]
    late = rows(draw(_spans(2)), state=st.sampled_from(["processing", "idle", "off"]))
    states += [{**row, "arrives": base + timedelta(days=60 + number)} for number, row in enumerate(late)]
    times = draw(st.lists(st.integers(0, LENGTH), unique=True, max_size=8))
    badges = [
        {"at": at(each), "member": draw(_member), "event": draw(st.sampled_from(["in", "in", "out"]))} for each in times
    ]
    corrections = []
    for number, (a, b) in enumerate(draw(_spans(2))):
        asked = {"from": at(a), "to": at(b), "payer": draw(_member), "reason": "the wrong badge was read"}
        approved = {"approved_by": "bruno", "approved_at": base + timedelta(days=65 + number)}
        corrections.append({**asked, "requested_by": "anna", **(approved if draw(st.booleans()) else {})})
    energy = [
        {"from": at(a), "to": at(b), "kwh": Decimal(draw(st.integers(0, 10_000_000))) / 1_000_000}
        for a, b in draw(_spans(4))
    ]
    first, second = draw(_version()), draw(_version())
    changes = datetime(2026, 11, 1, tzinfo=UTC) - timedelta(hours=1)
    first |= {"from": datetime(2026, 1, 1, tzinfo=UTC), "to": changes}
    second |= {"from": changes}
    table = {
        "members": {"A": {}, "B": {}, "C": {}},
        "policy": {"badge_seconds_max": BADGE_SECONDS, "badge_off_seconds_max": BADGE_OFF_SECONDS},
        "job_rules": [{"kind": "prefix", "text": f"{each}-", "member": each} for each in "ABC"],
        "calendars": [_CALENDAR],
        "machines": [
            {
                "id": "M1",
                "states": states,
                "badges": badges,
                "bookings": rows(draw(_spans(2)), member=_member),
                "jobs": rows(draw(_spans(2)), id=_member.map(lambda member: f"{member}-7")),
                "corrections": corrections,
                "energy_used": energy,
            }
        ],
        "tariffs": [{"name": "mill", "versions": [first, second]}],
        "months": sorted({f"{at(each) + timedelta(hours=1):%Y-%m}" for each in (0, LENGTH + AFTER)}),
    }
    return table, base
