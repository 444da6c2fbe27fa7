"""The program that sets one document with typst: data as JSON comes in, PDF goes out, the template lies beside it.

It is a process of its own, because typst keeps what it has worked out for as long as its process lives: a month of long
statements would fill the memory of whoever wrote them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typst

TEMPLATE = Path(__file__).with_name("statement.typ")


def main() -> None:
    """Read data, write PDF/A-2b; the argument is its date, in seconds since 1970."""
    written = typst.compile(
        TEMPLATE.read_bytes(),
        format="pdf",
        font_paths=typst.Fonts(include_system_fonts=False),  # it looks the same on every machine
        sys_inputs={"document": sys.stdin.buffer.read().decode()},
        pdf_standards="a-2b",
        timestamp=int(sys.argv[1]),
        pdf_tags=False,  # they make a long appendix twenty times as large
    )
    sys.stdout.buffer.write(bytes(written))


if __name__ == "__main__":
    main()
