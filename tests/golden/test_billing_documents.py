"""What worked cases look like as CSV and as electronic invoice: files that a bookkeeper can read beside the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from api.billing.documents.csv_file import to_csv
from api.billing.documents.fatturapa import to_fatturapa
from api.billing.scenarios.papers import documents
from api.billing.scenarios.reader import load
from tests.unit.api.billing.documents.papers import CUSTOMER, ISSUER

FOLDERS = sorted((Path(__file__).parent / "billing").glob("*/documents"))


def written(case: Path) -> dict[str, bytes]:
    """Every document of a case, without the versions of what calculated it, which its digest would change with."""
    files: dict[str, bytes] = {}
    for paper in documents(load(case / "scenario.toml")):
        statement = replace(paper.statement, basis_versions={}, policy={})
        fixed = replace(paper, statement=statement, issuer=ISSUER, customer=CUSTOMER)
        name = f"{paper.number.replace('/', '-')}-{statement.member}"
        files[f"{name}.csv"] = to_csv(fixed, "it")
        files[f"{name}.xml"] = to_fatturapa(fixed, len(files)).content
    return files


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_case_gives_its_documents_to_the_byte(folder: Path) -> None:
    expected = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}

    assert written(folder.parent) == expected


def test_there_are_documents_of_bands_of_corrections_of_natura_and_of_limits() -> None:
    assert [folder.parent.name for folder in FOLDERS] == [
        "02-energy-by-band-around-a-holiday",
        "14-late-data",
        "15-common-costs",
        "16-minimum-and-cap-over-vat",
    ]
