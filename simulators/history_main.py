"""The process that fills in the demonstration's history and then keeps its books.

`python -m simulators.history_main FOLDER`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from api.billing.cli import open_ledger
from shopfloor.periods import DAY
from shopfloor.runtime import clock, logs
from shopfloor.stores.open import open_store
from simulators.books import keep_books
from simulators.demo import State
from simulators.history import fill
from simulators.workshop import HISTORY_DAYS

NICE = 10
"""The live chain comes first."""


def main() -> int:
    """Fill in the history of the demonstration in a folder, and close the months that are over."""
    logs.configure(program="history")
    os.nice(NICE)
    folder = Path(sys.argv[1])
    state = msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    store = open_store(f"sqlite:///{folder / 'telemetry.db'}")

    def tell(done: int, total: int) -> None:
        sys.stdout.write(f"{done} of {total} machine days\n")

    def say(sentence: str) -> None:
        sys.stdout.write(f"{sentence}\n")

    fill(store, started=state.started, progress_file=folder / "history.json", clock=clock.now, tell=tell)
    store.close()
    sys.stdout.write("history: done\n")
    sys.stdout.flush()
    since = state.started - HISTORY_DAYS * DAY
    with open_ledger(folder / "api.toml") as ledger:
        keep_books(ledger, since=since, now=clock.now(), tell=say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
