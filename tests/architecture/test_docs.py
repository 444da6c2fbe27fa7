"""The documentation site: what it names is there, every link leads to a page, and it builds where its builder is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def leaves(nav: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for entry in nav:
        for value in entry.values():
            found += [value] if isinstance(value, str) else leaves(value)
    return found


def test_the_site_names_each_page_once_and_only_pages_that_are_there() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    placed = leaves(project["nav"])
    assert len(placed) == len(set(placed))
    assert [page for page in placed if not (DOCS / page).is_file()] == []


def test_every_link_of_the_site_leads_to_a_page_of_it() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in DOCS.rglob("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).resolve().is_relative_to(DOCS)
    ]
    assert broken == []


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    builder = shutil.which("zensical", path=str(Path(sys.executable).parent))
    if builder is None:
        pytest.skip("the site's builder is not installed: make docs")
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    built = subprocess.run(
        [builder, "build", "--strict", "--config-file", "zensical.toml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "site" / "it" / "operatori" / "index.html").is_file()
