from __future__ import annotations

import re
from pathlib import Path

import pytest

from api import pages

SHEETS = sorted((Path(pages.__file__).parent / "static").glob("*.css"))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_a_width_begins_where_nothing_else_is_open_and_everything_is_closed(sheet: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        assert depth == 0 or not line.lstrip().startswith("@media"), f"line {number}: {line}"
        depth += line.count("{") - line.count("}")
    assert depth == 0
