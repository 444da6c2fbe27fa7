"""The administrator decides what is doubtful, closes the month and has its statements, on pages alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest

from api.audit.service import CONSOLE
from api.billing import service as billing
from api.billing.calendars import civil_month, day_of
from api.billing.closing import basis
from api.billing.pricelist import Entry
from api.billing.runs import SILENT_SECONDS_MAX
from api.billing.tables import MonthRun
from api.records.database import open_records
from api.records.service import put_consortium
from api.records.tables import Member
from shopfloor.periods import DAY, HOUR, SECOND, Period, format_instant
from shopfloor.runtime import clock
from shopfloor.samples import Sample, slices
from shopfloor.settings import write_secret
from shopfloor.wire import messages, topics
from shopfloor.wire.messages import PutAside
from tests.journey.api_world import World, until, world
from tests.services.records import partita_iva

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROME = ZoneInfo("Europe/Rome")
TARIFF = """
name = "mills"
[[versions]]
from = 2020-01-01
calendar = "arera"
time = { setup = 18.00, processing = 36.50, idle = 9.90 }
vat = { default = 22 }
"""
OFF, RUNS = 0, 3
LOST = "nobody was at the machines"


def last_month() -> str:
    first = civil_month(f"{day_of(clock.now(), ROME):%Y-%m}", ROME).start
    return f"{day_of(first - DAY, ROME):%Y-%m}"


def used(month: Period) -> list[Sample]:
    """Two machines that are watched all month; one makes a job of two days, one works without a number, one is lost."""
    found: list[Sample] = []
    for machine in ("mill-1", "mill-2"):
        for stamp in range(month.start - DAY, month.end + DAY, HOUR // 2):
            lost = machine == "mill-2" and month.start + 20 * DAY < stamp < month.start + 20 * DAY + 3 * HOUR
            found += [] if lost else [Sample(machine, "observed", stamp, _since(machine, stamp, month))]
        found.append(Sample(machine, "item_state", month.start - DAY, OFF))
    for day, job in ((5, "X-77"), (6, "X-77"), (8, "")):
        start = month.start + day * DAY + 8 * HOUR
        found += [Sample("mill-1", "item_state", start, RUNS), Sample("mill-1", "item_state", start + 4 * HOUR, OFF)]
        found += [Sample("mill-1", "job", start, job), Sample("mill-1", "job", start + 4 * HOUR, "")]
    return found


def _since(machine: str, stamp: int, month: Period) -> int:
    lost = month.start + 20 * DAY
    return lost + 3 * HOUR if machine == "mill-2" and stamp > lost else month.start - 2 * DAY


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("closing")
    write_secret(folder / "server", "mailto://127.0.0.1:9?from=officina@example.it")
    with world(folder, more='[mail]\nserver_file = "server"\npages = "https://officina.example"') as made:
        furnish(made)
        yield made


def furnish(made: World) -> None:
    records = open_records(made.records)
    now = clock.now()
    try:
        with records.writing() as session:
            values = {"legal_name": "Consorzio Pontalto", "legal_form": "consorzio", "partita_iva": partita_iva(9)}
            put_consortium(session, CONSOLE, values, now=now)
            billing.put_entry(session, CONSOLE, ROME, Entry("", "tariffs", TARIFF), now=now)
            session.get_one(Member, "firm-a").email = "ufficio@firm-a.example"
            session.get_one(Member, "firm-b").email = ""
    finally:
        records.close()
    made.store.write(slices(used(civil_month(last_month(), ROME))), now=now)


def page(it: World, path: str) -> str:
    """Return a page; one that says how far its calculation is, when that has ended."""
    parts = urlsplit(path)

    def answered() -> str:
        answer = it.get(parts.path, **dict(parse_qsl(parts.query)))
        assert answer.status_code == 200, answer.text
        return "" if "<progress" in answer.text else answer.text

    found: str = until(answered, path)
    return found


def press(it: World, path: str, **values: str | list[str]) -> str:
    """Send a form and follow where it leads; returns the page, also when it refuses."""
    answer = it.send("POST", path, data=values)
    assert answer.status_code in {303, 422}, answer.text
    return page(it, answer.headers["location"]) if answer.status_code == 303 else answer.text


def forms(text: str) -> list[tuple[str, str]]:
    """The key and the text of each question of the page."""
    return [
        (found[1], form)
        for form in re.findall(r'<form class="question".*?</form>', text, re.DOTALL)
        if (found := re.search(r'name="key" value="(\w+)"', form))
    ]


def test_a_calculation_says_how_far_it_is_and_one_whose_process_died_begins_anew(it: World) -> None:
    month, now = last_month(), clock.now()
    values = {"month": month, "kind": "look", "by": "console", "begun": now, "step": "rating", "done": 3, "machines": 7}
    records = open_records(it.records)
    try:
        with records.writing() as session:
            session.add(MonthRun(id="run", basis=basis(session), beat=now, **values))
        shown = it.get("/closing", lang="en").text
        with records.writing() as session:
            session.get_one(MonthRun, "run").beat = now - (SILENT_SECONDS_MAX + 1) * SECOND
    finally:
        records.close()
    assert "machine 3 of 7" in shown
    assert f'http-equiv="refresh" content="1; url=/closing?month={month}"' in shown, "without script"
    assert "Hours of each machine" in page(it, "/closing?lang=en")


def test_what_a_collector_could_not_store_is_listed_with_its_reason_until_it_is_gone(it: World) -> None:
    now = clock.now()
    held = [PutAside("north-1", "mill-1", "far_future,unknown_signal", 2, 15, now - DAY, now)]
    it.retain(topics.quarantine("a"), messages.encode_quarantine(messages.QuarantineHeld(now, 0, held)))
    [item] = until(lambda: it.get("/api/v1/quarantine").json()["items"], "heard")
    shown = page(it, "/decide?lang=en")
    it.retain(topics.quarantine("a"), messages.encode_quarantine(messages.QuarantineHeld(now, 0, [])))
    until(lambda: not it.get("/api/v1/quarantine").json()["items"], "gone")
    assert (item["machine"], item["samples"], item["last"]) == ("mill-1", 15, format_instant(now))
    assert "a time is more than a day ahead, nobody knows the signal" in shown
    assert "Set the clock of the machine." in shown
    assert "Data that could not be stored" not in page(it, "/decide?lang=en")


def test_a_month_is_decided_accepted_closed_and_proven_on_pages(it: World) -> None:
    month = last_month()
    page(it, "/closing")  # brings the days up to date
    asked = forms(page(it, "/decide?lang=en"))
    assert ["X-77" in form for _, form in asked] == [True, False]
    (job, form), (nameless, _) = asked
    assert "2 whiles" in form
    assert "disabled" in page(it, "/closing?lang=en")

    assert "Say who pays" in press(it, "/decide/use?lang=en", key=nameless, payer="")
    assert "X-77" not in press(it, "/decide/use", key=job, payer="firm-a", rule="yes").split("<main")[1]
    assert forms(press(it, "/decide/use", key=nameless, payer="firm-b")) == []
    assert [row["text"] for row in it.get("/api/v1/job-rules").json()["items"]] == ["X-77"]
    assert "meanwhile" in press(it, "/decide/use?lang=en", key=job, payer="firm-b")

    before = page(it, "/closing?lang=en")
    assert 'name="machine" value="mill-2"' in before
    assert "in ten characters" in press(it, "/closing?lang=en", month=month, machine=["mill-2"], why="no")
    after = press(it, "/closing", month=month, machine=["mill-2", "lathe-1", "mill-1"], why=LOST)
    assert "Chiusura di" in after
    assert LOST in after

    rows = it.get("/api/v1/statements").json()["items"]
    assert [(row["member"], row["net"]) for row in rows] == [("firm-a", "292.00"), ("firm-b", "146.00")]
    pdf = it.get("/api/v1/statements/1.pdf").content
    assert "2 statements are proven" in it.send("POST", "/closing/verify?lang=en", data={"month": month}).text
    assert press(it, "/closing", month=month) == page(it, f"/closing?month={month}&done=closed")
    assert it.get("/api/v1/statements/1.pdf").content == pdf

    assert "ufficio@firm-a.example" in after
    assert "nessun indirizzo" in after
    assert "Le e-mail sono in partenza" in press(it, "/closing/mails", month=month, number=["1", "2"])
    order = {"month": month}
    assert it.send("POST", "/api/v1/statements/mails", json=order).json() == {
        "sent": [], "waiting": ["1"], "without": ["firm-b"],
    }  # fmt: skip
    assert it.send("POST", "/api/v1/statements/mails", json={"month": "2001-01"}).status_code == 422
    [mailing] = it.get("/api/v1/statements/1").json()["mails"]
    assert (mailing["to"], mailing["status"], mailing["last"]) == ("ufficio@firm-a.example", "queued", None)

    assert "Annotato come pagato" in press(it, "/closing/events", month=month, number="1", kind="paid")
    assert [row["paid"] for row in it.get("/api/v1/statements").json()["items"]] == [True, False]
    assert it.send("POST", "/closing/events", data={"month": month, "number": "1", "kind": "paid"}).status_code == 422


def test_another_person_approves_a_correction_in_place(it: World) -> None:
    start = clock.now() - 3 * DAY
    wish = {"machine": "mill-1", "from": _at(start), "to": _at(start + HOUR), "payer": "firm-b", "state": "processing",
            "reason": "the wrong badge was read"}  # fmt: skip
    mine = it.send("POST", "/api/v1/corrections", json=wish).json()["id"]
    other = it.send("POST", "/api/v1/corrections", "member", json=wish | {"payer": "firm-a"}).json()["id"]

    shown = page(it, "/decide?lang=en")
    assert f'value="{other}"' in shown
    assert f'value="{mine}"' not in shown
    assert "Say why" in press(it, "/decide/corrections?lang=en", id=[other], decision="refuse", why="")
    decided = press(it, "/decide/corrections", id=[other], decision="approve", why="")
    assert "approvata" in decided
    assert [row["approved"] for row in it.get("/api/v1/corrections").json()["items"] if row["id"] == other] == [True]


def test_a_correction_is_asked_for_from_the_history_of_a_machine(it: World) -> None:
    day = day_of(clock.now() - 4 * DAY, ROME).isoformat()
    assert f"/decide/correction?machine=mill-1&amp;day={day}" in page(it, f"/machines/mill-1/history?day={day}")
    said = {"machine": "mill-1", "day": day, "end_day": day, "start": "08:00", "end": "07:00", "payer": "firm-a"}

    refused = press(it, "/decide/correction?lang=en", **said, why="no")
    assert "after it starts" in refused
    assert "ten characters" in refused
    assert "shows once" in press(it, "/decide/correction?lang=en", **said | {"end": "never"}, why="nobody checked in")
    asked = press(it, "/decide/correction", **said | {"end": "09:00"}, why="nobody checked in")
    assert "La correzione attende" in asked
    assert "nobody checked in" in asked


@pytest.mark.parametrize("path", ["/decide", "/decide/correction", "/closing"])
def test_who_does_not_close_finds_no_such_page(it: World, path: str) -> None:
    assert it.get(path, "member").status_code == 404
    assert it.get(path, "operator").status_code == 404


def _at(stamp: int) -> str:
    return format_instant(stamp)
