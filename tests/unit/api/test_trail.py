"""What the audit trail keeps of settings that are changed: as they were, and as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from api.access.tables import Person
from api.audit.service import CONSOLE
from api.audit.tables import AuditEntry
from api.floor.service import keep_reasons
from api.floor.tables import StopList
from api.maintenance import rulebook
from api.maintenance.settings_records import set_duty, set_escalation
from tests.services.records import records_in_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

NOW = 1_800_000_000_000_000_000
PALLET = [{"id": "pallet", "it": "Cambio pallet", "en": "Pallet change"}]


@pytest.fixture
def session() -> Iterator[Session]:
    records = records_in_memory()
    with records.writing() as writing:
        writing.add(Person(id="anna", email="anna@example.it", name="Anna", language="it", created=NOW))
        writing.flush()
        yield writing
    records.close()


def change_duty(session: Session, number: int) -> None:
    set_duty(session, CONSOLE, "anna", {"least": ("low", "high")[number], "shifts": [[number]]}, now=NOW)


def change_escalation(session: Session, number: int) -> None:
    steps = {"steps": [], "ping": "", "ping_minutes": 5 + number}
    set_escalation(session, CONSOLE, steps, now=NOW)


def change_rule(session: Session, number: int) -> None:
    rulebook.change(session, CONSOLE, "spindle-hot", rulebook.Wanted("", {"quiet_days": 3.0 + number}, "Anna"), now=NOW)


def change_reasons(session: Session, number: int) -> None:
    keep_reasons(session, CONSOLE, StopList(site="sud", kind="", reasons=[] if number else PALLET), now=NOW)


@pytest.mark.parametrize("change", [change_duty, change_escalation, change_rule, change_reasons])
def test_a_change_is_kept_with_what_was_there_before(session: Session, change: Callable[[Session, int], None]) -> None:
    for number in range(2):
        change(session, number)
        session.flush()

    bodies: list[Any] = [
        json.loads(each) for each in session.scalars(select(AuditEntry.body).order_by(AuditEntry.number))
    ]

    assert bodies[1]["before"] == bodies[0]["after"]
    assert bodies[1]["before"] != bodies[1]["after"]
