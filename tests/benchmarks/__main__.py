"""`make bench`: every figure with its settings, beside a limit of the same run. Names of parts may be given.

The month of load takes an hour, and runs when it is named: `python -m tests.benchmarks month`.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from tests.benchmarks import (
    chain,
    closing,
    collector,
    documents,
    gateway,
    maintenance,
    messages,
    month,
    read_side,
    sign_in,
    streams,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[], None]] = {
    "closing": closing.main,
    "collector": collector.main,
    "chain": chain.main,
    "documents": documents.main,
    "gateway": gateway.main,
    "maintenance": maintenance.main,
    "messages": messages.main,
    "month": month.main,
    "read_side": lambda: read_side.main([]),
    "sign_in": sign_in.main,
    "streams": streams.main,
}
LONG = {"month"}
"""Parts that run only when they are named."""


def main() -> None:
    """Run the parts that are named, or all but the longest."""
    wanted = sys.argv[1:] or [name for name in PARTS if name not in LONG]
    unknown = set(wanted) - PARTS.keys()
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}: choose of {', '.join(PARTS)}.")
    print(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.platform()}")
    for name in wanted:
        PARTS[name]()


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
