"""Calendars, files of machines, and versions of records, alike on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.access.tokens import new_id
from api.audit import service as audit
from api.audit.service import CONSOLE
from api.records import calendars, files, service
from api.records.database import Records, open_records
from api.records.rules import InvalidRecordError
from api.records.versions import ChangedMeanwhileError, Guard, VersionNeededError, guard_of, version_of
from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000 * SECOND
PDF, PNG, JPEG = b"%PDF-1.7 ...", b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff\xe0..."
WEEK: dict[str, Any] = {
    "id": "officina",
    "name": "Officina",
    "zone": "Europe/Rome",
    "hours": [
        {"weekday": 0, "starts": "13:00", "ends": "24:00"},
        {"weekday": 0, "starts": "06:00", "ends": "12:00"},
    ],
    "days": [{"day": "2026-12-25", "kind": "holiday", "name": "Natale"}],
}


@pytest.fixture
def records(records_address: str) -> Iterator[Records]:
    opened = open_records(records_address)
    with opened.writing() as session:
        for kind, values in (
            ("sites", {"id": "nord", "name": "Nord"}),
            ("edges", {"id": "edge", "site_id": "nord"}),
            ("machines", {"id": "mill", "name": "M 1", "site_id": "nord", "agent_id": "edge", "signals": []}),
        ):
            service.put(session, CONSOLE, kind, values, now=NOW)
    yield opened
    opened.close()


def put(records: Records, guard: Guard = Guard(), **other: Any) -> tuple[str, dict[str, Any]]:  # noqa: B008 - immutable
    from datetime import date

    values = WEEK | other
    values["days"] = [each | {"day": date.fromisoformat(each["day"])} for each in values["days"]]
    with records.writing() as session:
        return calendars.put(session, CONSOLE, values, now=NOW, guard=guard)


def add(records: Records, content: bytes, purpose: str = "manual", name: str = "Manuale") -> dict[str, Any]:
    with records.writing() as session:
        return files.add(session, CONSOLE, "mill", files.New(purpose, name, content), file_id=new_id(), now=NOW)


def newest(records: Records) -> dict[str, Any]:
    ((_, document),) = audit.page(records, before=None, limit=1)
    return dict(document)


def test_a_calendar_is_kept_in_order_changed_and_removed_and_the_trail_tells(records: Records) -> None:
    action, kept = put(records)
    assert action == "add"
    assert [each["starts"] for each in kept["hours"]] == ["06:00", "13:00"]
    assert put(records)[0] == "same"
    assert put(records, days=[])[0] == "change"
    assert (newest(records)["before"], newest(records)["after"]) == ({"days": WEEK["days"]}, {"days": []})
    with records.writing() as session:
        calendars.remove(session, CONSOLE, "officina", now=NOW)
    with records.reading() as session:
        assert calendars.every(session) == []


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"hours": [{"weekday": 1, "starts": "08:00", "ends": "08:00"}]}, "ends before it begins"),
        ({"hours": WEEK["hours"] + [{"weekday": 0, "starts": "11:59", "ends": "12:30"}]}, "overlap"),
        ({"days": WEEK["days"] * 2}, "named twice"),
        ({"zone": "Europe/Roma"}, "time zone"),
        ({"id": "A b"}, "id"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_refused(records: Records, other: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRecordError, match=says):
        put(records, **other)


def test_who_changes_what_another_one_has_just_changed_is_told(records: Records) -> None:
    _, seen = put(records)
    mine = guard_of(f'"{version_of(seen)}"', None, is_needed=True)
    put(records, mine, name="Sede")
    with pytest.raises(ChangedMeanwhileError):
        put(records, mine, name="Capannone")
    with pytest.raises(VersionNeededError):
        put(records, Guard(is_needed=True), name="Capannone")
    with pytest.raises(ChangedMeanwhileError):
        put(records, guard_of(None, "*", is_needed=True), name="Capannone")
    with records.reading() as session:
        assert calendars.one(session, "officina")["name"] == "Sede"
    assert put(records, guard_of("*", None, is_needed=True), name="Capannone")[0] == "change"


def test_a_version_is_the_same_however_often_a_record_is_read(records: Records) -> None:
    values = {"id": "mill", "name": "M 1", "site_id": "nord", "agent_id": "edge", "nominal_power_kw": 12.3456}
    versions = set()
    for _ in range(2):
        with records.writing() as session:
            service.put(session, CONSOLE, "machines", values | {"signals": []}, now=NOW)
            session.flush()
            session.expire_all()
            versions.add(version_of(service.values_of(service.find(session, "machines", "mill"))))
        with records.reading() as session:
            versions.add(version_of(service.values_of(service.find(session, "machines", "mill"))))
    assert len(versions) == 1


def test_a_file_is_taken_for_what_it_is_and_for_nothing_else(records: Records) -> None:
    assert add(records, PDF)["media_type"] == "application/pdf"
    assert "sha256" in newest(records)["after"]
    for content, purpose in ((b"<svg onload=alert(1)>", "photo"), (b"MZ", "manual"), (b"", "manual"), (PDF, "photo")):
        with pytest.raises(files.FileTypeError, match="types"):
            add(records, content, purpose)
    with records.reading() as session:
        assert len(files.listed(session, "mill")) == 1


def test_a_new_photo_takes_the_place_of_the_old_one(records: Records) -> None:
    first, second = add(records, PNG, "photo"), add(records, JPEG, "photo")
    with records.reading() as session:
        assert [each["id"] for each in files.listed(session, "mill")] == [second["id"]]
        assert files.content_of(session, "mill", second["id"]).content == JPEG
        for machine, file in (("mill", first["id"]), ("other", second["id"]), ("mill", "*"), ("mill", "")):
            with pytest.raises(service.UnknownRecordError):
                files.content_of(session, machine, file)


def test_files_have_bounds(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_MAX", 2)
    monkeypatch.setattr(files, "BYTES_MAX", 100)
    with pytest.raises(files.FileSizeError, match="at most"):
        add(records, PDF + b"x" * 100)
    kept = [add(records, PDF) for _ in range(2)]
    with pytest.raises(files.FileSizeError, match="remove an old one"):
        add(records, PDF)
    with records.writing() as session:
        files.remove(session, CONSOLE, "mill", kept[0]["id"], now=NOW)
    assert add(records, PDF)["bytes"] == len(PDF)


def test_a_machine_with_files_is_not_removed(records: Records) -> None:
    add(records, PDF)
    with pytest.raises(service.RecordInUseError), records.writing() as session:
        service.remove(session, CONSOLE, "machines", "mill", now=NOW)
