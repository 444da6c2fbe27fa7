"""Cases that a bookkeeper can check by hand: a scenario, and the table that it has to give to the cent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api.billing.scenarios.reader import load
from api.billing.scenarios.report import to_text

if TYPE_CHECKING:
    from api.billing.statements import Statement

CASES = sorted((Path(__file__).parent / "billing").iterdir())
BY_HAND = {
    "01-states-of-a-morning": {("A", "2026-10"): ("96.22", "117.39")},
    "02-energy-by-band-around-a-holiday": {("A", "2026-12"): ("49.00", "59.78")},
    "04-increment-minimum-cap": {("B", "2026-11"): ("900.00", "1098.00")},
    "04b-order-of-sessions": {("B", "2026-11"): ("900.00", "1098.00")},
    "04c-one-session-less": {("B", "2026-11"): ("900.00", "1098.00")},
    "06-tariff-and-month-boundary": {("A", "2026-10"): ("72.00", "87.84"), ("A", "2026-11"): ("118.80", "144.94")},
    "07a-gap-filled-from-counters": {("A", "2026-10"): ("90.69", "110.64")},
    "07b-gap-unknown": {("A", "2026-10"): ("71.19", "86.85")},
    "09-overlapping-evidence": {("A", "2026-10"): ("44.75", "54.60"), ("B", "2026-10"): ("46.50", "56.73")},
    "10-graduated-tiers": {("A", "2026-10"): ("1030.00", "1256.60")},
    "11-volume-tiers": {("A", "2026-10"): ("900.00", "1098.00")},
    "12-night-of-25-hours": {("A", "2026-10"): ("90.00", "109.80")},
    "13-night-of-23-hours": {("A", "2026-03"): ("50.00", "61.00")},
    "14-late-data": {("A", "2026-10"): ("118.55", "144.63"), ("A", "2026-11"): ("-9.05", "-11.04"),
                     ("B", "2026-11"): ("36.50", "44.53")},
    "15-common-costs": {("A", "2026-10"): ("3.09", "-7.23"), ("B", "2026-10"): ("171.27", "197.95"),
                        ("C", "2026-10"): ("110.64", "123.98")},
    "16-minimum-and-cap-over-vat": {("A", "2026-10"): ("100.00", "121.26"), ("B", "2026-10"): ("300.00", "363.26"),
                                    ("C", "2026-10"): ("100.00", "122.00")},
    "17-session-over-month-end": {("A", "2026-10"): ("6.00", "7.32"), ("A", "2026-11"): ("6.00", "7.32")},
    "18-year-end-true-up": {("A", "2026-11"): ("600.00", "732.00"), ("A", "2026-12"): ("66.67", "81.34"),
                            ("B", "2026-12"): ("333.33", "406.66")},
    "19-contested-line": {("A", "2026-10"): ("36.00", "43.92"), ("A", "2026-11"): ("18.00", "21.96")},
}  # fmt: skip
"""Net and total of each statement, worked by hand."""


def figures(statements: list[Statement]) -> dict[tuple[str, str], tuple[str, str]]:
    return {(each.member, each.month): (str(each.net), str(each.total)) for each in statements}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_its_table_to_the_cent(case: Path) -> None:
    scenario = load(case / "scenario.toml")

    assert figures(scenario.statements()) == BY_HAND[case.name]
    assert to_text(scenario) == (case / "expected.txt").read_text(encoding="utf-8")


def test_every_case_is_worked_by_hand() -> None:
    assert {case.name for case in CASES} == set(BY_HAND)
