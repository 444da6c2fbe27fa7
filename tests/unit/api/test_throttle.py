from __future__ import annotations

from typing import TYPE_CHECKING

from api.access import throttle
from api.access.throttle import ADDRESS, FAILED, FRESH, KNOWN, Throttle, Try, network_of
from shopfloor.periods import MINUTE, SECOND

if TYPE_CHECKING:
    import pytest

NOW = 1_800_000_000 * SECOND
OWNER = "ada@example.it"


def guess(it: Throttle, address: str, *, at: int = NOW, account: str = OWNER) -> bool:
    """Try a wrong password; tell whether it would have been hashed."""
    asked = Try(account, address)
    if it.take(asked, now=at) > 0:
        return False
    it.failed(asked)
    return True


def test_ten_thousand_guesses_from_many_addresses_are_hashed_no_more_than_the_shares_allow() -> None:
    it = Throttle()

    hashed = sum(
        guess(it, f"198.51.{number % 50}.{number % 200}", at=NOW + number * SECOND // 100) for number in range(10_000)
    )

    assert hashed <= FRESH.tries + FAILED.tries + 100 / FRESH.seconds + 100 / FAILED.seconds


def test_the_owner_gets_in_from_a_known_browser_in_the_middle_of_a_storm() -> None:
    it = Throttle()
    for number in range(10_000):
        guess(it, f"198.51.{number % 256}.{number // 256}")

    assert it.take(Try(OWNER, "203.0.113.5", device="phone"), now=NOW) == 0


def test_the_owner_gets_in_from_an_address_that_opened_the_account_before() -> None:
    it = Throttle()
    home = Try(OWNER, "203.0.113.5")
    it.take(home, now=NOW)
    it.succeeded(home, now=NOW)
    for number in range(10_000):
        guess(it, f"198.51.{number % 256}.{number // 256}")

    assert it.take(home, now=NOW) == 0


def test_the_owner_gets_in_from_anywhere_soon_after_a_storm() -> None:
    it = Throttle()
    for number in range(10_000):
        guess(it, f"198.51.{number % 256}.{number // 256}")

    wait = it.take(Try(OWNER, "203.0.113.5"), now=NOW)

    assert 0 <= wait <= FRESH.seconds
    assert it.take(Try(OWNER, "203.0.113.5"), now=NOW + int((wait + 0.1) * SECOND)) == 0


def test_the_owner_gets_in_from_anywhere_while_a_storm_goes_on_by_waiting_as_told() -> None:
    it, asked = Throttle(), NOW + 20 * SECOND
    for number in range(30_000):
        at = NOW + number * SECOND // 300
        guess(it, f"198.51.{number % 500 // 250}.{number % 250}", at=at)
        if at >= asked:
            wait = it.take(Try(OWNER, "203.0.113.5"), now=at)
            if wait == 0:
                return
            asked = at + round(wait * SECOND)
    raise AssertionError("the owner was kept out until the storm was over")


def test_who_asks_again_too_soon_a_few_times_is_not_taken_for_a_storm() -> None:
    it = Throttle()
    for number in range(FRESH.tries):
        assert it.take(Try(OWNER, f"198.51.100.{number}"), now=NOW) == 0
    for _ in range(throttle.EARLY_MAX):
        assert it.take(Try(OWNER, "203.0.113.5"), now=NOW) > 0
    assert it.take(Try(OWNER, "203.0.113.5"), now=NOW + round(FRESH.seconds * SECOND)) == 0


def test_one_address_cannot_try_many_accounts() -> None:
    it = Throttle()

    assert sum(guess(it, "198.51.100.1", account=f"{number}@example.it") for number in range(1_000)) == ADDRESS.tries


def test_the_addresses_of_one_ipv6_network_count_as_one() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:203.0.113.5") == network_of("203.0.113.5") == "203.0.113.5"
    assert network_of("unheard") == "unheard"


def test_a_known_browser_has_no_endless_tries_either() -> None:
    it = Throttle()
    asked = Try(OWNER, "203.0.113.5", device="phone")

    assert sum(it.take(asked, now=NOW) == 0 for _ in range(100)) == KNOWN.tries
    assert it.take(asked, now=NOW + MINUTE) == 0


def test_what_opened_the_account_costs_nothing() -> None:
    it = Throttle()
    asked = Try(OWNER, "203.0.113.5")

    for _ in range(1_000):
        assert it.take(asked, now=NOW) == 0
        it.succeeded(asked, now=NOW)


def test_what_is_refused_spends_nothing() -> None:
    it = Throttle()
    asked = Try(OWNER, "203.0.113.5", device="phone")
    waits = [it.take(asked, now=NOW) for _ in range(50)]

    assert waits[-1] == waits[KNOWN.tries] > 0


def test_a_clock_that_goes_back_gives_no_tries() -> None:
    it = Throttle()
    asked = Try(OWNER, "203.0.113.5", device="phone")
    while it.take(asked, now=NOW) == 0:
        pass

    assert it.take(asked, now=NOW - 10 * MINUTE) > 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "BUCKETS_MAX", 100)
    it = Throttle()
    for number in range(1_000):
        guess(it, f"10.0.{number // 256}.{number % 256}", at=NOW + number * SECOND, account=str(number))

    assert max(len(it._spent), len(it._failed), len(it._opened)) <= 100
