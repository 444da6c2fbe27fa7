"""The jobs of the watch: each subject brings its own, and this is the one list of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from api.access import people
from api.access.letters import mail_server
from api.access.service import shared_secret
from api.billing import budgets, posting
from api.billing.ledger import Ledger, settled
from api.maintenance import dispatch
from api.maintenance.watching import EVERY_SECONDS, Watching
from api.usage.kept import UsageDays
from api.usage.segments import CONSORTIUM, UNATTRIBUTED
from api.watch import minutes
from api.watch.service import Job
from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from api.records.database import Records
    from api.settings import Settings
    from api.watch.leader import Leader
    from shopfloor.stores.port import Listed

TIDY_SECONDS = 3_600.0
USAGE_SECONDS = 60.0


def jobs_of(leader: Leader, settings: Settings, records: Records, store: Listed) -> list[Job]:
    """Return what the leader does."""

    def tidy(now: int) -> None:
        with leader.writing() as session:
            people.forget_ended(session, now=now)
            dispatch.tidy(session, now)

    usage = UsageDays(records, store, settings.policy, settled, writing=leader.writing)
    mail = settings.mail
    ledger = Ledger(records, usage, review_days=settings.review_days)
    pages = mail.pages if mail is not None else settings.url
    send = dispatch.Dispatch(
        store, records, leader.writing, zone=settings.time_zone, url=settings.url,
        secret=shared_secret(records, "links"), inside=settings.message_hosts,
        mail=None if mail is None else mail_server(mail.server_file),
        writers={
            posting.KIND: posting.StatementWriter(records, url=pages),
            budgets.KIND: budgets.WarningWriter(records, url=pages),
        },
    )  # fmt: skip
    maintenance = Watching(
        store, records, leader.writing, zone=settings.time_zone, payer_of=partial(_payer, usage), deliver=send
    )
    warn = budgets.Warnings(ledger, leader.writing)
    return [
        Job("access", TIDY_SECONDS, tidy),
        Job("usage", USAGE_SECONDS, usage.run),
        Job("maintenance", EVERY_SECONDS, maintenance.run),
        Job(minutes.NAME, minutes.EVERY_SECONDS, minutes.Minutes(records, store).run),
        *([Job("budgets", budgets.EVERY_SECONDS, warn.run)] if mail is not None else []),  # else nobody is written to
    ]


def _payer(usage: UsageDays, machine: str, instant: int) -> str:
    """Return the firm whose job ran on a machine at an instant, empty for none."""
    segment = usage.last_segment(machine, now=instant + SECOND)
    is_firm = segment is not None and segment.payer not in {UNATTRIBUTED, CONSORTIUM}
    return segment.payer if segment is not None and is_firm else ""
