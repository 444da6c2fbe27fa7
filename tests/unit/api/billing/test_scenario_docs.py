from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.billing.scenarios.reader import parse

PAGE = Path(__file__).parents[4] / "docs" / "scenario.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
NETS = [{"A 2026-10": "57.98"}, {"A 2026-10": "31.25", "B 2026-10": "58.25"},
        {"A 2026-10": "118.55", "A 2026-11": "27.45"}]  # fmt: skip


@pytest.mark.parametrize(("text", "nets"), list(zip(EXAMPLES, NETS, strict=True)))
def test_the_worked_scenarios_of_the_page_run_and_give_its_figures(text: str, nets: dict[str, str]) -> None:
    stated = parse(text).statements()

    assert {f"{each.member} {each.month}": str(each.net) for each in stated} == nets
