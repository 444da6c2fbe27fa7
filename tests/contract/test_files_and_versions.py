"""Files of machines and versions of records, alike on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.access.tokens import new_id
from api.audit import service as audit
from api.audit.service import CONSOLE
from api.records import files, service
from api.records.database import Records, open_records
from api.records.rules import InvalidRecordError
from api.records.versions import ANYHOW, ChangedMeanwhileError, Guard, VersionNeededError, guard_of, version_of
from shopfloor.periods import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000 * SECOND
PDF, PNG, JPEG = b"%PDF-1.7 ...", b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff\xe0..."


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


def put(records: Records, name: str, guard: Guard = ANYHOW, **more: Any) -> str:
    with records.writing() as session:
        return service.put(session, CONSOLE, "sites", {"id": "nord", "name": name, **more}, now=NOW, guard=guard)


def seen(records: Records) -> str:
    with records.reading() as session:
        return version_of(service.values_of(service.find(session, "sites", "nord")))


def add(records: Records, content: bytes, purpose: str = "manual", name: str = "Manuale") -> dict[str, Any]:
    with records.writing() as session:
        return files.add(session, CONSOLE, "mill", files.New(purpose, name, content), file_id=new_id(), now=NOW)


def newest(records: Records) -> dict[str, Any]:
    ((_, document),) = audit.page(records, before=None, limit=1)
    return dict(document)


def test_who_changes_what_another_one_has_just_changed_is_told(records: Records) -> None:
    mine = guard_of(f'"{seen(records)}"', None, is_needed=True)
    assert put(records, "Sede", mine) == "change"
    for stale in (mine, guard_of(None, "*", is_needed=True), guard_of("no tag", None, is_needed=True)):
        with pytest.raises(ChangedMeanwhileError):
            put(records, "Capannone", stale)
    with pytest.raises(VersionNeededError):
        put(records, "Capannone", Guard(is_needed=True))
    with records.reading() as session:
        assert service.values_of(service.find(session, "sites", "nord"))["name"] == "Sede"
    assert put(records, "Capannone", guard_of("*", None, is_needed=True)) == "change"
    assert put(records, "Nord") == "change"  # a program that owns what it writes says nothing


@pytest.mark.parametrize("name", ["A", "*", "%", "a\0", "a" * 64, "", "x/y"])
def test_nothing_is_kept_under_what_is_no_identifier(records: Records, name: str) -> None:
    with pytest.raises(InvalidRecordError), records.writing() as session:
        service.put(session, CONSOLE, "sites", {"id": name, "name": "X"}, now=NOW)


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
