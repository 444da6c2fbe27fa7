"""What agents say of themselves becomes alerts: ends of certificates step by step, two agents of one name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from api.audit.tables import AuditEntry
from api.edges.asking import Asking
from api.edges.identity import HELD
from api.maintenance import rulebook
from api.maintenance.findings import Found
from api.maintenance.findings_records import Noting
from api.maintenance.heard import findings_of
from api.maintenance.tables import AlarmChange, DeliveryRow, EdgeFinding, IncidentRow
from api.maintenance.wording import title_of
from shopfloor.periods import DAY, MINUTE, SECOND
from shopfloor.wire import edge, topics
from tests.unit.api.maintenance.test_watching import MACHINES, START, Shop, proofs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EDGE = "north-1"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()


def machine(name: str, days: int | None) -> edge.MachineHealth:
    return edge.MachineHealth(name, f"opc.tcp://{name}:4840", True, "", None, None, True, 1, 1, {}, 0, 0, {},  # noqa: FBT003
                              certificate_days=days)  # fmt: skip


def health(
    now: int = START,
    *,
    broker: int | None = None,
    own: int | None = None,
    mill: int | None = None,
    run: str = "",
    host: str = "",
    epoch: str = "",
) -> edge.Health:
    certificates = [] if own is None else [edge.OwnCertificate("agent.der", own)]
    return edge.Health(now, "1", 0, 0, 1, None, 0, {}, {}, edge.Configuration("file", now), certificates,
                       [machine("m1", mill)], broker, run=run, host=host, epoch=epoch)  # fmt: skip


class Desk:
    """What an API does with what agents say, beside the watch."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.now = START
        self.asking = Asking(lambda _topic, _payload: None, lambda: self.now)
        self.noting = Noting(shop.records, self.asking)

    async def hear(self, said: edge.Health, now: int) -> None:
        """An agent says how it is; the API writes down what it finds, the watch makes alerts of it."""
        self.now = now
        self.asking.hear(topics.health(EDGE), edge.encode(said))
        await self.noting.look(now)
        self.shop.rounds(now, now + 9 * SECOND, 3 * SECOND)

    def raised(self) -> list[tuple[str, str, str]]:
        rows = self.shop.rows(AlarmChange)
        return [(row.rule, row.subject, row.severity) for row in rows if row.what == "raised"]


async def test_each_step_of_a_certificate_is_one_alert_and_one_that_is_renewed_takes_it_back(shop: Shop) -> None:
    desk = Desk(shop)
    steps = [31, 30, 30, 29, 8, 7, 7, 6, 1, 1, 0, -1, -2]
    for number, days in enumerate(steps):
        at = START + number * DAY
        await desk.hear(health(at, broker=days), at)
        await desk.hear(health(at + MINUTE, broker=days), at + MINUTE)
    assert desk.raised() == [
        ("edge-certificate", "broker||30", "low"),
        ("edge-certificate", "broker||7", "medium"),
        ("edge-certificate", "broker||1", "high"),
        ("edge-certificate", "broker||0", "high"),
    ]
    at = START + len(steps) * DAY
    await desk.hear(health(at, broker=365), at)
    assert shop.rows(EdgeFinding)[-1].is_over
    assert [row.returned > 0 for row in shop.rows(IncidentRow)] == [True] * len(shop.rows(IncidentRow))


async def test_an_alert_is_raised_once_however_many_processes_hear_the_agent_and_start_again(shop: Shop) -> None:
    for _ in range(3):  # other processes of the API, each with no memory of its own
        desk = Desk(shop)
        await desk.hear(health(broker=7, own=7, mill=7), START)
        shop.watching = shop.new()
        shop.rounds(START + 10 * SECOND, START + 20 * SECOND, 3 * SECOND)
    subjects = ["agent|agent.der|7", "broker||7", "machine|m1|7"]
    assert sorted(subject for _, subject, _ in desk.raised()) == subjects
    [incident] = shop.rows(IncidentRow)
    assert (incident.name, incident.rule) == ("edge/north-1", "edge-certificate")
    assert len(shop.rows(DeliveryRow)) <= 1


async def test_an_agent_that_found_something_is_not_taken_to_be_silent(shop: Shop) -> None:
    desk = Desk(shop)
    for name in MACHINES:
        shop.write(proofs(name, START, START + 40 * MINUTE) if name == "m1" else proofs(name, START, START + MINUTE),
                   START)  # fmt: skip
    await desk.hear(health(broker=0), START + 2 * MINUTE)
    shop.rounds(START + 3 * MINUTE, START + 30 * MINUTE, 30 * SECOND)
    assert {(row.name, row.rule) for row in shop.rows(IncidentRow)} == {
        ("edge/north-1", "edge-certificate"), ("m2", "machine-silent"),
    }  # fmt: skip


async def test_an_unknown_agent_is_heard_and_nothing_is_written_of_it(shop: Shop) -> None:
    desk = Desk(shop)
    desk.asking.hear(topics.health("stranger"), edge.encode(health(broker=1)))
    await desk.noting.look(START)
    assert shop.rows(EdgeFinding) == []


async def test_two_agents_of_one_name_are_found_named_audited_and_told_once(shop: Shop) -> None:
    desk = Desk(shop)
    first = {"run": "aa", "host": "officina-1", "epoch": "e1"}
    second = {"run": "bb", "host": "clone", "epoch": "e2"}
    for number in range(6):
        at = START + number * 10 * SECOND
        await desk.hear(health(at, **(second if number % 2 else first)), at)  # type: ignore[arg-type]
    assert desk.raised() == [("edge-twice", "clone (e2) + officina-1 (e1)", "high")]
    with shop.records.reading() as session:
        entries = [json.loads(each) for each in session.scalars(select(AuditEntry.body))]
    [entry] = [each for each in entries if each["what"] == "found"]
    assert (entry["subject"], entry["after"]) == (
        "edges/north-1", {"first": "clone (e2)", "second": "officina-1 (e1)"},
    )  # fmt: skip
    for later in (START + MINUTE, START + 2 * MINUTE + HELD):  # the second one was stopped
        await desk.hear(health(later, **first), later)  # type: ignore[arg-type]
    assert [row.is_over for row in shop.rows(EdgeFinding)] == [False, True]


async def test_an_agent_that_is_started_again_and_what_a_broker_says_again_are_no_second_agent(shop: Shop) -> None:
    desk = Desk(shop)
    old = health(START, run="aa", host="officina-1", epoch="e1")
    await desk.hear(old, START)
    await desk.hear(health(START + MINUTE, run="bb", host="officina-1", epoch="e1"), START + MINUTE)
    await desk.hear(old, START + 2 * MINUTE)  # a broker came back with what it had retained long ago
    await desk.hear(health(START + 3 * MINUTE, run="cc", host="officina-1", epoch="e1"), START + 3 * MINUTE)
    await desk.hear(health(START + 4 * MINUTE), START + 4 * MINUTE)  # an agent from before, that names no run
    assert shop.rows(EdgeFinding) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (health(broker=7), "Un certificato sta per scadere (del collegamento al broker, scade fra 7 giorni)"),
        (health(own=1), "Un certificato sta per scadere (quello dell'agente, scade fra 1 giorno)"),
        (health(mill=-1), "Un certificato sta per scadere (della macchina m1, scaduto)"),
    ],
)
def test_a_finding_is_worded_in_italian(shop: Shop, said: edge.Health, words: str) -> None:
    with shop.records.reading() as session:
        rules = {rule.id: rule for rule in rulebook.read(session).of_edge()}
    [found] = findings_of(said).values()
    assert isinstance(found, Found)
    assert title_of(rules["edge-certificate"], "", found.subject, found.evidence, "it") == words
