"""A site gateway of 30 machines and its outage of 72 hours, compressed to one tick in 12 minutes."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.faults import gateway

TICKS = gateway.OUTAGE_HOURS * 5


def main() -> None:
    """Print what the gateway holds, and how fast it catches up beside live data."""
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(gateway.outage(Path(folder), ticks=TICKS)))
