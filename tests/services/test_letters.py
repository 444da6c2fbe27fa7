"""Links by e-mail, through a real mail server; nobody learns which addresses there are."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from api.access import people
from api.access.letters import Letters
from api.access.scope import Role
from api.audit import service as audit
from api.audit.service import CONSOLE
from api.records.database import Records, open_records
from api.settings import MailSettings
from shopfloor.periods import HOUR, SECOND
from shopfloor.settings import SettingsError, write_secret
from tests.services.mail import Mails, mail_server
from tests.services.records import new_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services

NOW = 1_800_000_000 * SECOND
ADA = "ada@example.it"
PAGES = "https://officina.example.it"
DEADLINE_SECONDS = 15.0


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[Mails]:
    with mail_server() as (kept, address):
        write_secret(tmp_path / "server", address)
        yield kept


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = open_records(new_records(tmp_path))
    with opened.writing() as session:
        ada = people.add_person(session, CONSOLE, ADA, "Ada", [people.Wanted(Role.ADMINISTRATOR)], now=NOW)
        people.set_password(session, ada, "kept")
        ada.totp_secret = "SECRET"  # noqa: S105 - of a test
        out = people.add_person(session, CONSOLE, "out@example.it", "Out", [people.Wanted(Role.KIOSK)], now=NOW)
        out.is_active = False
    yield opened
    opened.close()


@pytest.fixture
def letters(tmp_path: Path, mails: Mails, records: Records) -> Iterator[Letters]:
    del mails
    opened = Letters(records, MailSettings(tmp_path / "server", f"{PAGES}/"), house="Consorzio Prova")
    yield opened
    opened.close()


def wait_for(mails: Mails, count: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(mails.received) < count:
        assert time.monotonic() < deadline, "the letter never came"
        time.sleep(0.02)


@pytest.mark.parametrize(("language", "says"), [("it", "Sei invitato"), ("en", "You are invited")])
def test_an_invitation_comes_in_the_readers_language_with_its_link(
    mails: Mails, letters: Letters, language: str, says: str
) -> None:
    link = people.Link("id", "/invitation/token", NOW)

    assert letters.send(ADA, language, link, is_first=True)

    ((to, _, body),) = mails.received
    assert to == [ADA]
    assert says in body
    assert f"{PAGES}/invitation/token" in body
    assert "Consorzio Prova" in body


def test_a_forgotten_password_is_chosen_anew_by_mail_and_the_second_factor_stays(
    mails: Mails, letters: Letters, records: Records
) -> None:
    assert letters.forgotten(ADA, "203.0.113.5", now=NOW) == 0

    wait_for(mails, 1)
    ((to, _, body),) = mails.received
    (token,) = re.findall(rf"{PAGES}/invitation/([A-Za-z0-9_-]+)", body)
    assert to == [ADA]
    with records.writing() as session:
        ada = people.take_up(session, CONSOLE, token, "another", now=NOW + HOUR, email="", name="")
        assert ada is not None
        assert (ada.password_hash, ada.totp_secret) == ("another", "SECRET")
        assert people.take_up(session, CONSOLE, token, "third", now=NOW + HOUR, email="", name="") is None
    _, (_, asked), *_ = audit.page(records, before=None, limit=3)
    assert (asked["who"], asked["what"], asked["from"]) == ("nobody", "reset", "203.0.113.5")


def test_nobody_learns_which_addresses_there_are_and_nobody_is_flooded(
    mails: Mails, letters: Letters, records: Records
) -> None:
    before = audit.length(records)
    for number, email in enumerate(["nobody@example.it", "out@example.it", "", ADA, ADA, ADA, ADA, ADA]):
        assert letters.forgotten(email, f"203.0.113.{number}", now=NOW) == 0
    waits = [letters.forgotten(f"n{number}@example.it", "198.51.100.7", now=NOW) for number in range(12)]
    assert waits[:10] == [0.0] * 10
    assert min(waits[10:]) > 0
    wait_for(mails, 3)
    letters._threads.shutdown(wait=True)

    assert [to for to, _, _ in mails.received] == [[ADA]] * 3
    assert audit.length(records) == before + 3


def test_a_mail_server_that_does_not_answer_is_no_fault_of_who_is_invited(
    tmp_path: Path, records: Records, capfd: pytest.CaptureFixture[str]
) -> None:
    write_secret(tmp_path / "server", "mailto://user:hush-hush@127.0.0.1:1?from=officina@example.it&mode=insecure")
    letters = Letters(records, MailSettings(tmp_path / "server", PAGES), house="")

    assert not letters.send(ADA, "it", people.Link("id", "/invitation/token", NOW), is_first=False)

    letters.close()
    said = "".join(capfd.readouterr())
    assert "hush-hush" not in said
    assert "invitation/token" not in said
    assert ADA not in said


@pytest.mark.parametrize(
    ("server", "pages"),
    [
        ("https://mail.example", PAGES),
        ("mailtos://user:hush-hush@mail.example?to=a@example.it", PAGES),
        ("mailtos://user:hush-hush@mail.example/a@example.it", PAGES),
        ("mailtos://", PAGES),
        ("mailtos://user:hush-hush@mail.example", "officina.example.it"),
        ("mailtos://user:hush-hush@mail.example", "https://officina.example.it/below?x=1"),
    ],
)
def test_what_letters_cannot_be_sent_with_is_refused_at_the_start(
    tmp_path: Path, records: Records, server: str, pages: str
) -> None:
    write_secret(tmp_path / "server", server)
    with pytest.raises(SettingsError) as refused:
        Letters(records, MailSettings(tmp_path / "server", pages), house="")
    assert "hush-hush" not in str(refused.value)
