"""Asking a program of this machine whether it is well: what health checks of containers run.

`python -m shopfloor.runtime.probe URL [--ca FILE] [--line TEXT]` exits with 0 when the answer is a success and, where a
line is named, holds it; `python -m shopfloor.runtime.probe FILE`, when the program has touched that file of late
(`shopfloor.runtime.notify.ALIVE_FILE`).
"""

from __future__ import annotations

import argparse
import ssl
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from shopfloor.periods import SECOND
from shopfloor.runtime import clock

SECONDS = 5.0
AGE_SECONDS_MAX = 30.0
"""How long ago a program that works has touched its file at the most: five times may be missed."""


def probe(url: str, *, ca: str | None = None, line: str | None = None) -> str | None:
    """Return why a program is not well, None when it is.

    Args:
        url: what is asked, http or https.
        ca: authority of its certificate.
        line: a line that the answer has to hold.
    """
    if not url.startswith(("http://", "https://")):
        return f"{url} is no address and no file: write http://127.0.0.1:9101/metrics or /run/alive, or the like"
    context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
    try:
        with urlopen(url, timeout=SECONDS, context=context) as answer:  # noqa: S310 - the scheme is looked at above
            text = answer.read().decode("utf-8", "replace")
    except (URLError, OSError) as error:
        return f"{url}: {error}"
    if line is not None and line not in text.splitlines():
        return f"{url} does not say {line!r}"
    return None


def look(file: Path, now: float) -> str | None:
    """Return why a program that touches a file is not well, None when it is.

    Args:
        file: what it touches.
        now: seconds since 1970, as the clock of files counts.
    """
    try:
        age = now - file.stat().st_mtime
    except OSError as error:
        return f"{file}: {error.strerror}: the program has not begun, or is not told to touch it"
    return f"{file} was touched {age:.0f} s ago: the program hangs" if age > AGE_SECONDS_MAX else None


def main() -> None:
    """Ask as the command line says, and exit with what was found."""
    parser = argparse.ArgumentParser(prog="probe", description="Ask a program whether it is well.")
    parser.add_argument("place", help="address, or path of a file")
    parser.add_argument("--ca")
    parser.add_argument("--line")
    asked = parser.parse_args()
    if asked.place.startswith("/"):
        problem = look(Path(asked.place), clock.now() / SECOND)
    else:
        problem = probe(asked.place, ca=asked.ca, line=asked.line)
    if problem is not None:
        sys.exit(problem)


if __name__ == "__main__":
    main()
