"""One-time codes, their throttle, the store and the service of edge agents."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from api.access.throttle import CODE
from api.audit.service import CONSOLE
from api.audit.service import page as audit_page
from api.edges.codes import InvalidCodeError, make_code, read_code
from api.edges.service import Edges, EdgesSettings, LoginNameError, TooManyAttemptsError, UnknownEdgeError
from api.edges.store import EdgeStore
from api.records.database import open_records
from api.records.service import put
from shopfloor.broker_files import BrokerFilesError, ReloadError, is_password, make_password, read_files
from shopfloor.periods import HOUR, SECOND
from shopfloor.settings import SettingsError
from shopfloor.wire.rights import Kind
from tests.services.records import new_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.records.database import Records

NOW = 1_760_000_000_000_000_000
HERE = "192.0.2.1"


@pytest.fixture
def settings(tmp_path: Path) -> EdgesSettings:
    return EdgesSettings(tmp_path / "broker", "broker.example", insecure=True)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = open_records(new_records(tmp_path))
    with records.writing() as session:
        put(session, CONSOLE, "sites", {"id": "nord", "name": "Nord"}, now=NOW)
        for name in ("modena", "bologna", "collector"):
            put(session, CONSOLE, "edges", {"id": name, "site_id": "nord", "is_active": True}, now=NOW)
    yield records
    records.close()


@pytest.fixture
def edges(settings: EdgesSettings, records: Records) -> Edges:
    return Edges(settings, EdgeStore(records))


def enrolled(edges: Edges, name: str = "modena") -> str:
    """Enrol an agent. Returns its password."""
    password = make_password()
    edges.enroll(edges.invite(CONSOLE, name, now=NOW).code, password, address=HERE, now=NOW)
    return password


def test_a_code_is_read_however_it_is_typed() -> None:
    code = make_code("modena")
    name, _, letters = code.partition(".")
    typed = f"  {name}.{letters.lower().replace('-', ' ')} "
    assert read_code(typed) == read_code(code)
    assert letters.replace("-", "") not in repr(read_code(code))
    assert make_code("modena") != code


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "modena",
        "modena.",
        "modena.ABC",
        "a/b." + "A" * 24,
        "m." + "A" * 25,
        "m." + "1" * 24,
        "m." + "A" * 9999,
    ],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(InvalidCodeError):
        read_code(text)


def test_a_code_becomes_a_login_that_the_broker_reads(edges: Edges, settings: EdgesSettings) -> None:
    password = make_password()
    code = edges.invite(CONSOLE, "modena", now=NOW).code
    answer = edges.enroll(code, password, address=HERE, now=NOW)
    assert answer == ("modena", "broker.example", 8883, None)
    entry = read_files(settings.broker_files)["modena"]
    assert is_password(password, entry.password_hash)
    assert entry.rights.is_bound
    assert [(kept.login.principal.name, kept.since) for kept in edges.logins()] == [("modena", NOW)]
    for kept in (
        (settings.broker_files.parent / "records.db").read_bytes(),
        (settings.broker_files / "publishers.passwords").read_bytes(),
    ):
        assert password.encode() not in kept
        assert code.encode() not in kept


def test_a_code_is_used_once_and_its_own_agent_may_ask_again(edges: Edges) -> None:
    password, code = make_password(), edges.invite(CONSOLE, "modena", now=NOW).code
    first = edges.enroll(code, password, address=HERE, now=NOW)
    assert edges.enroll(code, password, address=HERE, now=NOW) == first
    with pytest.raises(InvalidCodeError):
        edges.enroll(code, make_password(), address=HERE, now=NOW)


def test_two_that_use_one_code_at_the_same_time_are_not_both_enrolled(
    settings: EdgesSettings, records: Records
) -> None:
    services = [Edges(settings, EdgeStore(records)) for _ in range(8)]
    code = services[0].invite(CONSOLE, "modena", now=NOW).code

    def attempt(edges: Edges) -> bool:
        try:
            edges.enroll(code, make_password(), address=HERE, now=NOW)
        except InvalidCodeError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, services)) == 1


def test_a_code_expires(edges: Edges, settings: EdgesSettings) -> None:
    code = edges.invite(CONSOLE, "modena", now=NOW).code
    with pytest.raises(InvalidCodeError):
        edges.enroll(code, make_password(), address=HERE, now=NOW + settings.code_hours * HOUR)


def test_a_new_code_voids_the_one_that_waits_and_the_login_holds_meanwhile(
    edges: Edges, settings: EdgesSettings
) -> None:
    password = enrolled(edges)
    old, new = (edges.invite(CONSOLE, "modena", now=NOW).code for _ in range(2))
    with pytest.raises(InvalidCodeError):
        edges.enroll(old, make_password(), address=HERE, now=NOW)
    assert is_password(password, read_files(settings.broker_files)["modena"].password_hash)
    edges.enroll(new, make_password(), address=HERE, now=NOW)
    assert not is_password(password, read_files(settings.broker_files)["modena"].password_hash)


def test_a_code_of_one_agent_enrols_no_other(edges: Edges) -> None:
    code = edges.invite(CONSOLE, "modena", now=NOW).code
    with pytest.raises(InvalidCodeError):
        edges.enroll(code.replace("modena", "bologna"), make_password(), address=HERE, now=NOW)


def test_a_revoked_agent_does_not_come_back_with_its_code(edges: Edges, settings: EdgesSettings) -> None:
    edges.add_login(CONSOLE, "collector", Kind.COLLECTOR, make_password(), now=NOW)
    password, code = make_password(), edges.invite(CONSOLE, "modena", now=NOW).code
    edges.enroll(code, password, address=HERE, now=NOW)
    edges.revoke(CONSOLE, "modena", now=NOW)
    assert "modena" not in read_files(settings.broker_files)
    with pytest.raises(InvalidCodeError):
        edges.enroll(code, password, address=HERE, now=NOW)
    with pytest.raises(UnknownEdgeError):
        edges.revoke(CONSOLE, "modena", now=NOW)


def test_the_login_of_a_program_is_neither_invited_nor_revoked_as_an_agent(edges: Edges) -> None:
    edges.add_login(CONSOLE, "collector", Kind.COLLECTOR, make_password(), now=NOW)
    with pytest.raises(LoginNameError, match="kind collector"):
        edges.invite(CONSOLE, "collector", now=NOW)
    with pytest.raises(UnknownEdgeError):
        edges.revoke(CONSOLE, "collector", now=NOW)


@pytest.mark.parametrize("name", ["", "*", "%", "+", "a/b", "A", "x" * 64])
def test_an_agent_that_cannot_be_called_so_is_not_invited(edges: Edges, name: str) -> None:
    with pytest.raises(LoginNameError):
        edges.invite(CONSOLE, name, now=NOW)


def test_who_is_wrong_too_often_waits_and_others_do_not(edges: Edges) -> None:
    code = edges.invite(CONSOLE, "modena", now=NOW).code
    for _ in range(CODE.tries):
        with pytest.raises(InvalidCodeError):
            edges.enroll(make_code("modena"), make_password(), address=HERE, now=NOW)
    with pytest.raises(TooManyAttemptsError, match="1 min"):
        edges.enroll(code, make_password(), address=HERE, now=NOW + 1)
    edges.enroll(code, make_password(), address="192.0.2.2", now=NOW)
    with pytest.raises(InvalidCodeError):
        edges.enroll(code, make_password(), address=HERE, now=NOW + 61 * SECOND)


def test_what_changes_who_may_speak_is_in_the_trail_and_holds_no_secret(edges: Edges, records: Records) -> None:
    edges.add_login(CONSOLE, "mes", Kind.INTEGRATION, make_password(), now=NOW)
    enrolled(edges)
    edges.revoke(CONSOLE, "modena", now=NOW)
    trail = [each for _, each in audit_page(records, before=None, limit=4)]
    assert [(each["who"], each["what"], each["subject"]) for each in reversed(trail)] == [
        ("console", "set password", "logins/mes"),
        ("console", "invite", "edges/modena"),
        ("nobody", "enroll", "edges/modena"),
        ("console", "revoke", "logins/modena"),
    ]
    assert trail[1]["from"] == HERE
    assert "$" not in str(trail)


def test_an_agent_that_is_not_active_is_not_let_in_and_keeps_its_login(
    edges: Edges, records: Records, settings: EdgesSettings
) -> None:
    enrolled(edges)
    enrolled(edges, "bologna")
    for is_active, let_in in ((False, {"bologna"}), (True, {"bologna", "modena"})):
        with records.writing() as session:
            put(session, CONSOLE, "edges", {"id": "modena", "site_id": "nord", "is_active": is_active}, now=NOW)
        edges.write()
        assert set(read_files(settings.broker_files)) == let_in


def test_an_agent_that_is_not_in_the_records_is_not_invited(edges: Edges) -> None:
    with pytest.raises(UnknownEdgeError):
        edges.invite(CONSOLE, "parma", now=NOW)


def test_a_broker_that_is_not_told_is_told_by_the_same_request_again(
    edges: Edges, records: Records, settings: EdgesSettings, tmp_path: Path
) -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda *_: told.append(1))
    try:
        with_pid = EdgesSettings(settings.broker_files, "broker.example", insecure=True, pid_file=tmp_path / "pid")
        again = Edges(with_pid, EdgeStore(records))
        password, code = make_password(), edges.invite(CONSOLE, "modena", now=NOW).code
        with pytest.raises(ReloadError):
            again.enroll(code, password, address=HERE, now=NOW)
        (tmp_path / "pid").write_text(str(os.getpid()))
        assert again.enroll(code, password, address=HERE, now=NOW).publisher == "modena"
        assert told == [1]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_server_without_any_login_does_not_start(edges: Edges) -> None:
    with pytest.raises(BrokerFilesError, match="officina api login add"):
        edges.start(now=NOW)


@pytest.mark.parametrize(("ca", "insecure"), [(None, False), ("ca.pem", True), ("missing.pem", False)])
def test_how_agents_reach_the_broker_is_said_without_doubt(
    tmp_path: Path, records: Records, ca: str | None, *, insecure: bool
) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    wrong = EdgesSettings(tmp_path, "broker.example", ca_file=tmp_path / ca if ca else None, insecure=insecure)
    with pytest.raises(SettingsError):
        Edges(wrong, EdgeStore(records))
