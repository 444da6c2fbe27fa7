from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from api.pages.libraries import __main__ as libraries

if TYPE_CHECKING:
    from pathlib import Path


def test_what_pages_load_is_what_was_recorded() -> None:
    assert libraries.is_whole(), "fetch the page libraries: make install"


def test_a_file_that_is_not_the_recorded_one_is_refused_and_nothing_is_installed(tmp_path: Path) -> None:
    modules, target = tmp_path / "node_modules", tmp_path / "vendor"
    for path in libraries.wanted():
        file = modules / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("alert('somebody else wrote this')")

    with pytest.raises(libraries.LibrariesError, match=r"htmx\.min\.js is not the file whose checksum is recorded"):
        libraries.take(modules, target)

    assert not target.exists()


def test_a_library_that_was_changed_after_it_was_fetched_is_noticed(tmp_path: Path) -> None:
    for path in libraries.wanted():
        (tmp_path / path.rpartition("/")[2]).write_text("changed")

    assert not libraries.is_whole(tmp_path)


def test_every_package_is_locked_by_its_digest_and_by_no_address() -> None:
    lock = json.loads((libraries.HERE / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}

    assert {path.split("/")[0] for path in libraries.wanted()} == {
        name.removeprefix("node_modules/") for name in packages
    }
    assert all(each["integrity"].startswith("sha512-") and "resolved" not in each for each in packages.values())
