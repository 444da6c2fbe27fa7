from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyotp
import pytest

from api.access import people
from api.access.passwords import hash_now, password_problem
from api.access.scope import Role
from api.access.service import IDLE_MINUTES, SESSION_MINUTES, Access
from api.access.sign_in import CodeNeeded, Opened, Policy, Refused, SignIn, Visitor
from api.access.tables import Person
from api.audit import service as audit
from api.audit.service import CONSOLE
from api.records.database import Records, RecordsUnavailableError, open_records
from api.records.service import put
from shopfloor.periods import DAY, MINUTE, SECOND, from_datetime, to_datetime
from tests.services.records import firm, new_records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000 * SECOND
PASSWORD = "un tornio e due frese"  # noqa: S105 - of a test
KEPT = hash_now(PASSWORD)
HOME = Visitor("203.0.113.5", "Firefox")
ADA, BOB = "ada@example.it", "bob@example.it"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = open_records(new_records(tmp_path))
    with opened.writing() as session:
        put(session, CONSOLE, "members", firm("a", 1), now=NOW)
        for email, wanted in ((ADA, people.Wanted(Role.ADMINISTRATOR)), (BOB, people.Wanted(Role.MEMBER, "a"))):
            people.add_person(session, CONSOLE, email, email, [wanted], now=NOW).password_hash = KEPT
    yield opened
    opened.close()


def door(records: Records, policy: Policy = "optional") -> SignIn:
    return SignIn(records, second_factor_policy=policy)


def words(records: Records) -> list[str]:
    return [document["what"] for _, document in audit.page(records, before=None, limit=50)]


async def opened(it: SignIn, email: str = BOB, *, now: int = NOW) -> Opened:
    answer = await it.with_password(email, PASSWORD, HOME, now=now)
    assert isinstance(answer, Opened)
    return answer


async def test_a_right_password_opens_a_session_whose_scope_is_the_persons(records: Records) -> None:
    cookie = (await opened(door(records), " Bob@Example.IT ")).cookie

    caller = await Access(records).by_cookie(cookie, now=NOW)

    assert caller is not None
    assert (caller.scope.role, caller.scope.member, caller.by_cookie) == (Role.MEMBER, "a", True)
    assert words(records)[0] == "sign in"


@pytest.mark.parametrize(("email", "password"), [(BOB, "x"), (BOB, ""), ("eve@example.it", PASSWORD), ("", "")])
async def test_whatever_is_wrong_is_refused_alike_and_audited_without_what_was_typed(
    records: Records, email: str, password: str
) -> None:
    assert await door(records).with_password(email, password, HOME, now=NOW) == Refused()

    ((_, newest),) = audit.page(records, before=None, limit=1)
    assert newest["what"] == "refuse password"
    assert "eve" not in str(newest)


async def test_an_unknown_account_takes_a_hash_as_a_known_one_does(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = door(records)
    asked: list[str] = []
    verify = it.passwords.verify

    async def count(kept: str, password: str) -> bool:
        asked.append(kept)
        return await verify(kept, password)

    monkeypatch.setattr(it.passwords, "verify", count)
    for email in (BOB, "nobody@example.it"):
        await it.with_password(email, "wrong", HOME, now=NOW)

    assert asked == [KEPT, ""]


async def test_a_session_ends_when_it_idles_and_with_the_day_and_not_before(records: Records) -> None:
    access, cookie = Access(records), (await opened(door(records))).cookie
    step = (IDLE_MINUTES - 1) * MINUTE

    for at in range(NOW, NOW + SESSION_MINUTES * MINUTE, step):
        assert await access.by_cookie(cookie, now=at) is not None
    assert await access.by_cookie(cookie, now=NOW + SESSION_MINUTES * MINUTE) is None
    cookie = (await opened(door(records))).cookie
    assert await access.by_cookie(cookie, now=NOW + IDLE_MINUTES * MINUTE) is None
    assert await Access(records).by_cookie(cookie, now=NOW + IDLE_MINUTES * MINUTE) is None


async def test_whoever_is_kept_out_loses_every_session_and_cannot_come_back(records: Records) -> None:
    access, it = Access(records), door(records)
    cookie = (await opened(it)).cookie
    caller = await access.by_cookie(cookie, now=NOW)
    assert caller is not None
    with records.writing() as session:
        bob = people.find_person(session, caller.id.partition(":")[2])
        people.set_active(session, CONSOLE, bob, is_active=False, now=NOW)

    await access.refresh(now=NOW)

    assert not access.is_valid(caller, now=NOW)
    assert await access.by_cookie(cookie, now=NOW) is None
    assert await it.with_password(BOB, PASSWORD, HOME, now=NOW) == Refused()


async def test_the_last_day_of_a_firm_ends_what_is_open_without_anybody_changing_a_record(records: Records) -> None:
    last = to_datetime(NOW).date()
    midnight = from_datetime(datetime.combine(last + timedelta(days=1), time.min, UTC))
    with records.writing() as session:
        put(session, CONSOLE, "members", firm("a", 1, active_to=last + timedelta(days=1)), now=NOW)
        wanted = people.Wanted(Role.MEMBER, "a")
        key, _ = people.add_key(session, CONSOLE, "board", wanted, writes=False, days=None, now=NOW)
    access, cookie = Access(records), (await opened(door(records), now=midnight - MINUTE)).cookie
    callers = await access.by_cookie(cookie, now=midnight - 1), await access.by_token(key, now=midnight - 1)

    for caller in callers:
        assert caller is not None
        assert access.is_valid(caller, now=midnight - 1)
        assert not access.is_valid(caller, now=midnight), "its streams are closed"
    assert await access.by_cookie(cookie, now=midnight) is None
    assert await access.by_token(key, now=midnight) is None


async def test_a_key_opens_until_it_expires(records: Records) -> None:
    with records.writing() as session:
        wanted = people.Wanted(Role.OPERATOR)
        key, kept = people.add_key(session, CONSOLE, "board", wanted, writes=False, days=30, now=NOW)
    access = Access(records)

    assert await access.by_token(key, now=NOW + 30 * DAY - 1) is not None
    assert await access.by_token(key, now=NOW + 30 * DAY) is None
    assert await Access(records).by_token(key, now=NOW + 30 * DAY) is None
    assert key not in str(vars(kept)), "it is kept as a digest"


async def test_a_role_that_is_taken_away_ends_the_sessions_in_it_alone(records: Records) -> None:
    access, it = Access(records), door(records)
    cookie, other = (await opened(it)).cookie, (await opened(it, ADA)).cookie
    caller = await access.by_cookie(cookie, now=NOW)
    assert caller is not None
    with records.writing() as session:
        bob = people.find_person(session, caller.id.partition(":")[2])
        people.set_roles(session, CONSOLE, bob, [people.Wanted(Role.KIOSK)], now=NOW)
    await access.refresh(now=NOW)

    assert not access.is_valid(caller, now=NOW)
    assert await access.by_cookie(other, now=NOW) is not None


async def test_an_administrator_sets_a_second_factor_up_before_anything_opens(records: Records) -> None:
    it = door(records, "required")
    asked = await it.with_password(ADA, PASSWORD, HOME, now=NOW)
    assert isinstance(asked, CodeNeeded)
    code = pyotp.TOTP(asked.secret).at(NOW // SECOND)

    assert isinstance(await it.with_code(asked.ticket, "000000", HOME, now=NOW), CodeNeeded)
    assert isinstance(await it.with_code(asked.ticket, code, HOME, now=NOW), Opened)

    again = await it.with_password(ADA, PASSWORD, HOME, now=NOW)
    assert isinstance(again, CodeNeeded)
    assert again.secret == ""
    reused = await it.with_code(again.ticket, code, HOME, now=NOW)
    assert isinstance(reused, CodeNeeded)
    assert reused.is_wrong
    later = NOW + 60 * SECOND
    fresh = pyotp.TOTP(asked.secret).at(later // SECOND)
    assert isinstance(await it.with_code(again.ticket, fresh, HOME, now=later), Opened)
    assert "set up second factor" in words(records)


async def test_codes_cannot_be_guessed_and_a_ticket_cannot_be_forged(records: Records) -> None:
    it = door(records, "required")
    asked = await it.with_password(ADA, PASSWORD, HOME, now=NOW)
    assert isinstance(asked, CodeNeeded)

    answers = [await it.with_code(asked.ticket, f"{number:06d}", HOME, now=NOW) for number in range(30)]

    assert any(isinstance(each, Refused) and each.wait_seconds > 0 for each in answers)
    for forged in ("", "x", asked.ticket[:-2] + "xx", "é"):
        assert await it.with_code(forged, "000000", HOME, now=NOW) == Refused()


async def test_a_storm_on_an_account_is_sent_away_unhashed_and_its_owner_comes_in_by_the_known_browser(
    records: Records,
) -> None:
    it = door(records)
    device = (await opened(it)).device
    for number in range(200):
        await it.with_password(BOB, "wrong", Visitor(f"198.51.100.{number % 100}"), now=NOW)
    assert words(records).count("refuse password") < 50
    it.note_sent_away(now=NOW, is_end=True)
    assert words(records).count("throttle password") == 1

    away = HOME._replace(address="192.0.2.77")
    refused = await it.with_password(BOB, PASSWORD, away, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.wait_seconds > 0
    assert isinstance(await it.with_password(BOB, PASSWORD, away._replace(device=device), now=NOW), Opened)


async def test_a_browser_is_not_known_any_more_when_the_password_is_another_one(records: Records) -> None:
    it = door(records)
    device = (await opened(it)).device
    with records.writing() as session:
        person = session.get_one(Person, it._find(BOB).id)  # type: ignore[union-attr]
        people.set_password(session, person, hash_now("another long sentence"))

    assert it._device_of(it._find(BOB), device) == ""


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short", "short"),
        ("x" * 201, "long"),
        ("password1234", "common"),
        ("aaaaaaaaaaaaaaaa", "common"),
        ("Officina2026!", "own"),
        ("bob@example.it", "own"),
        ("Consorzio Prova 26", "own"),
        ("un tornio e due frese", None),
        ("7f3k-92mq-xa11", None),
    ],
)
def test_a_password_is_long_enough_and_not_what_everybody_would_try(password: str, problem: str | None) -> None:
    assert password_problem(password, email=BOB, house="Consorzio Prova") == problem


async def test_a_storm_is_one_entry_of_the_audit_trail_for_each_account_and_while(records: Records) -> None:
    it = door(records)
    for number in range(10_000):
        it.sent_away.add("password", BOB, f"198.51.100.{number % 100}", now=NOW + number)
        it.sent_away.add("password", f"guessed-{number}@example.it", "198.51.100.1", now=NOW)
    assert len(it.sent_away) <= 1_001
    before = len(words(records))
    it.note_sent_away(now=NOW + MINUTE)
    assert len(words(records)) == before  # it may go on

    it.note_sent_away(now=NOW + 10 * MINUTE)

    entries = {entry["subject"]: entry for _, entry in audit.page(records, before=None, limit=50)
               if entry["what"] == "throttle password"}  # fmt: skip
    [bob] = [entry["after"] for subject, entry in entries.items() if subject != "users"]
    assert (bob["tries"], bob["addresses"]) == (10_000, 100)
    assert (entries["users"]["after"]["tries"], entries["users"]["from"]) == (10_000, "198.51.100.1")
    assert "guessed" not in str(entries)
    assert len(words(records)) == before + 2
    assert len(it.sent_away) == 0


async def test_who_tries_too_many_codes_is_in_the_audit_trail_too(records: Records) -> None:
    it = door(records)
    with records.writing() as session:
        person = people.add_person(
            session, CONSOLE, "eva@example.it", "Eva", [people.Wanted(Role.MEMBER, "a")], now=NOW
        )
        person.password_hash, person.totp_secret = KEPT, pyotp.random_base32()
    asked = await it.with_password("eva@example.it", PASSWORD, HOME, now=NOW)
    assert isinstance(asked, CodeNeeded)
    for number in range(15):
        await it.with_code(asked.ticket, f"{number:06d}", HOME, now=NOW)

    it.note_sent_away(now=NOW, is_end=True)

    assert words(records)[0] == "throttle code"


async def test_what_could_not_be_written_down_is_counted_on(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    it = door(records)
    it.sent_away.add("password", BOB, "198.51.100.1", now=NOW)
    it.sent_away.add("code", BOB, "198.51.100.1", now=NOW)

    def refuse() -> None:
        raise RecordsUnavailableError("they are away")

    with monkeypatch.context() as patch:
        patch.setattr(records, "writing", refuse)
        with pytest.raises(RecordsUnavailableError):
            it.note_sent_away(now=NOW, is_end=True)
    it.sent_away.add("password", BOB, "198.51.100.2", now=NOW + SECOND)

    it.note_sent_away(now=NOW, is_end=True)

    [entry] = [each for _, each in audit.page(records, before=None, limit=5) if each["what"] == "throttle password"]
    assert (entry["after"]["tries"], entry["after"]["addresses"]) == (2, 2)
