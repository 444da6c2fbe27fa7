"""The process that fills in the demonstration's history: `python -m simulators.history_main FOLDER`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from shopfloor.runtime import clock, logs
from shopfloor.stores.open import open_store
from simulators.demo import State
from simulators.history import fill

NICE = 10
"""The live chain comes first."""


def main() -> int:
    """Fill in the history of the demonstration in a folder."""
    logs.configure(program="history")
    os.nice(NICE)
    folder = Path(sys.argv[1])
    state = msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    store = open_store(f"sqlite:///{folder / 'telemetry.db'}")

    def tell(done: int, total: int) -> None:
        sys.stdout.write(f"{done} of {total} machine days\n")

    fill(store, started=state.started, progress_file=folder / "history.json", clock=clock.now, tell=tell)
    store.close()
    sys.stdout.write("history: done\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
