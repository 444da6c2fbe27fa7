"""How long the documents of a statement take: a month of one member on three machines, and a long one.

The member uses each machine four hours on every working day, and its state changes every ten minutes. A PDF is set in a
process of its own, so that beside it stands what starting such a process takes by itself. All times are of a processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

from api.billing.documents.csv_file import to_csv
from api.billing.documents.document import Document, Firm, Issuer
from api.billing.documents.fatturapa import to_fatturapa
from api.billing.documents.pdf import to_pdf
from api.billing.documents.xlsx import to_xlsx
from api.billing.scenarios.reader import read

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
PDF_SECONDS_MAX = 1.0
"""Of a processor, for the month of three machines: the PDFs of 140 members are set within three minutes by one core."""
STATES = ("setup", "processing", "processing", "idle")
STEP = timedelta(minutes=10)
SEAT: dict[str, Any] = {"street": "Via Forni 3", "postal_code": "36061", "town": "Bassano del Grappa", "province": "VI"}


def month_of(machines: int) -> Document:
    """A month of one member."""
    days = [day for day in (date(2026, 10, 1) + timedelta(days=each) for each in range(31)) if day.weekday() < 5]
    table = {
        "members": {"alfa": {}},
        "machines": [_machine(f"m{number:02}", days) for number in range(machines)],
        "tariffs": [
            {
                "name": "shop",
                "versions": [
                    {
                        "from": date(2026, 1, 1),
                        "calendar": "arera",
                        "time": {"setup": Decimal(18), "processing": Decimal("36.50"), "idle": Decimal("9.90")},
                        "energy": {band: Decimal("0.2450") for band in ("F1", "F2", "F3")},
                        "vat": {"default": 22, "energy": 10},
                    }
                ],
            }
        ],
    }
    [statement] = read(table).statements()
    issuer = Issuer(legal_name="Consorzio", partita_iva="02345670364", legal_form="consorzio", invoices=True, **SEAT)
    customer = Firm(legal_name="Alfa S.r.l.", partita_iva="01234560363", sdi_code="ABC1234", **SEAT)
    day = date(2026, 11, 4)
    return Document(statement=statement, issuer=issuer, customer=customer, number="2026/10-01", day=day, due=day)


def _machine(name: str, days: list[date]) -> dict[str, Any]:
    starts = [datetime(day.year, day.month, day.day, 8) for day in days]
    ends = [start + timedelta(hours=4) for start in starts]
    return {
        "id": name,
        "badges": [[start, end, "alfa"] for start, end in zip(starts, ends, strict=True)],
        "states": [
            [start + number * STEP, start + (number + 1) * STEP, STATES[number % len(STATES)]]
            for start in starts
            for number in range(24)
        ],
        "energy_used": [[start, end, 40] for start, end in zip(starts, ends, strict=True)],
    }


def main() -> None:
    """Measure and print; fail when a PDF takes longer than it may."""
    bare = _seconds(lambda: subprocess.run([sys.executable, "-I", "-c", "import typst"], check=True))
    print(f"documents: starting a process with typst {bare:.3f} s")
    writers: dict[str, Callable[[Document], object]] = {
        "PDF": lambda paper: to_pdf(paper, "it"),
        "XLSX": lambda paper: to_xlsx(paper, "it"),
        "CSV": lambda paper: to_csv(paper, "it"),
        "FatturaPA": lambda paper: to_fatturapa(paper, 1),
    }
    for machines in (3, 30):
        paper = month_of(machines)
        lines = len(paper.statement.lines)
        parts = sum(len(line.parts) for line in paper.statement.lines)
        taken = {name: _seconds(lambda write=write, paper=paper: write(paper)) for name, write in writers.items()}  # type: ignore[misc]
        written = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in taken.items())
        print(f"documents: {machines} machines, {lines} lines, {parts} days and sessions: {written}")
        if machines == 3:
            print(f"documents: {1 / taken['PDF']:.1f} PDF/s per core, {1 / PDF_SECONDS_MAX:.1f} are asked for")
            assert taken["PDF"] <= PDF_SECONDS_MAX, "a PDF takes too long"


def _seconds(work: Callable[[], object]) -> float:
    """Return the median of the processor time that a few runs take, with the processes that they start."""
    taken = []
    for _ in range(ROUNDS):
        begun = os.times()
        work()
        ended = os.times()
        taken.append(sum(ended[:4]) - sum(begun[:4]))
    return median(taken)


if __name__ == "__main__":
    main()
