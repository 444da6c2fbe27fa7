"""A sender as a process that a test kills: `python -m tests.services.sender RECORDS MAIL_PORT HOOK_PORT LIFE`."""

from __future__ import annotations

import sys
import time

from api.maintenance.channels import Channel, Channels
from api.maintenance.outbox_records import RecordsOutbox
from api.maintenance.postman import Letter, Postman
from api.maintenance.wording import Words
from api.records.database import open_records
from shopfloor.periods import DAY, MINUTE, parse_instant
from tests.services.receivers import TIMEOUT_SECONDS

NOW = parse_instant("2026-11-23T09:00:00Z")
_STEP = 30 * MINUTE


def main(address: str, mail_port: str, hook_port: str, life: int) -> None:
    """Send what is queued until killed; each life begins a day later, half an hour goes by with every round."""
    channels = Channels(
        {
            "mail": Channel(f"mailto://127.0.0.1:{mail_port}?from=o@example.org&to=anna@example.org&mode=insecure"),
            "hook": Channel(f"json://127.0.0.1:{hook_port}/", drops_repeats=True),
        },
        timeout_seconds=TIMEOUT_SECONDS,
    )
    outbox = RecordsOutbox(open_records(address))
    postman = Postman(outbox, channels, lambda told: Letter(Words(told.key, "body")))
    now = NOW + life * DAY
    while True:
        postman.run(now)
        postman.wait(30.0)
        now += _STEP
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
