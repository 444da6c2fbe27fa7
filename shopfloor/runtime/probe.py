"""Asking a program of this machine whether it is well: what health checks of containers run.

`python -m shopfloor.runtime.probe URL [--ca FILE] [--line TEXT]` exits with 0 when the answer is a success and, where a
line is named, holds it.
"""

from __future__ import annotations

import argparse
import ssl
import sys
from urllib.error import URLError
from urllib.request import urlopen

SECONDS = 5.0


def probe(url: str, *, ca: str | None = None, line: str | None = None) -> str | None:
    """Return why a program is not well, None when it is.

    Args:
        url: what is asked, http or https.
        ca: authority of its certificate.
        line: a line that the answer has to hold.
    """
    if not url.startswith(("http://", "https://")):
        return f"{url} is no address: write http://127.0.0.1:9101/metrics or the like"
    context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
    try:
        with urlopen(url, timeout=SECONDS, context=context) as answer:  # noqa: S310 - the scheme is looked at above
            text = answer.read().decode("utf-8", "replace")
    except (URLError, OSError) as error:
        return f"{url}: {error}"
    if line is not None and line not in text.splitlines():
        return f"{url} does not say {line!r}"
    return None


def main() -> None:
    """Ask as the command line says, and exit with what was found."""
    parser = argparse.ArgumentParser(prog="probe", description="Ask a program whether it is well.")
    parser.add_argument("url")
    parser.add_argument("--ca")
    parser.add_argument("--line")
    asked = parser.parse_args()
    problem = probe(asked.url, ca=asked.ca, line=asked.line)
    if problem is not None:
        sys.exit(problem)


if __name__ == "__main__":
    main()
