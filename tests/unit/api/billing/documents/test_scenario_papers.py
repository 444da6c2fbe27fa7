from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.billing.documents.document import Issued
from api.billing.scenarios.papers import documents, save
from api.billing.scenarios.reader import load, parse
from shopfloor.errors import ExpectedError
from tests.unit.api.billing.documents.papers import CASES
from tests.unit.api.billing.documents.reading import of_csv, of_pdf, of_xlsx, of_xml

PAGE = Path(__file__).parents[5] / "docs" / "statements.md"
[EXAMPLE] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FEE = "[members.A]\n[[fees]]\nmember = 'A'\nitem = 'x'\nday = 2026-10-01\namount = 1\n"


def test_the_page_shows_a_scenario_whose_documents_carry_the_figures_that_it_works_out(tmp_path: Path) -> None:
    assert save(parse(EXAMPLE), tmp_path / "out", "it") == []

    read = {".pdf": of_pdf, ".xlsx": of_xlsx, ".csv": of_csv, ".xml": of_xml}
    files = sorted((tmp_path / "out").iterdir())
    assert [each.name for each in files] == [
        "2026-10-01-dalmolin.csv", "2026-10-01-dalmolin.pdf", "2026-10-01-dalmolin.xlsx", "IT02345670364_00001.xml",
    ]  # fmt: skip
    assert [tuple(map(str, read[each.suffix](each.read_bytes()))) for each in files] == [
        ("312.03", "67.42", "379.45")
    ] * 4
    for amount in ("10.30", "168.39", "3.11", "9.28", "0.95", "301.80", "66.40", "1.02", "379.45"):
        assert amount in PAGE.read_text(encoding="utf-8").rpartition("```")[2]


def test_a_scenario_without_an_issuer_has_statements_only_and_says_why_once(tmp_path: Path) -> None:
    case = CASES / "15-common-costs" / "scenario.toml"

    [reason] = save(load(case), tmp_path, "en")

    assert "issues statements only" in reason
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".csv"] * 3 + [".pdf"] * 3 + [".xlsx"] * 3


def test_a_month_is_issued_when_it_is_closed_and_names_what_it_corrects() -> None:
    papers = documents(load(CASES / "14-late-data" / "scenario.toml"))

    assert [(each.number, str(each.day), str(each.due)) for each in papers] == [
        ("2026/10-01", "2026-11-05", "2026-12-05"),
        ("2026/11-01", "2026-11-30", "2026-12-30"),
        ("2026/11-02", "2026-11-30", "2026-12-30"),
    ]
    assert papers[1].issued == {"2026-10": Issued("2026/10-01", papers[0].day)} if papers[0].day else False
    assert papers[2].issued == {}


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        ("[issuer]", "issuer: lacks 'name'"),
        ("[issuer]\nname = 'C'\ncolour = 'x'", "issuer: has no key 'colour'"),
        ("[issuer]\nname = 'C'\npartita_iva = '02345670369'", "issuer, partita_iva: the check digit"),
        ("[issuer]\nname = 'C'\npayment_days = 1.5", "issuer, payment_days: is a whole number"),
        ("[members.B]\npostal_code = '4101'", "members, B, postal_code: a CAP has five digits"),
    ],
)
def test_what_is_wrong_with_a_firm_is_refused_with_its_place(issuer: str, why: str) -> None:
    with pytest.raises(ExpectedError, match=why):
        parse(FEE + issuer)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ExpectedError, match="cannot be written"):
        save(parse(FEE), tmp_path / "file" / "out", "it")


def test_the_command_writes_documents_beside_its_table(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(FEE, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "shopfloor",
        "billing",
        "rate",
        str(scenario),
        "--documents",
        str(tmp_path / "out"),
    ]

    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("{")
    assert "No invoice: Consorzio issues statements only" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 3
