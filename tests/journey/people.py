"""People who sign in, for the tests that do so over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from api.access import people
from api.access.passwords import hash_now
from api.access.scope import Role
from api.audit.service import CONSOLE
from api.records.database import open_records
from shopfloor.runtime import clock
from tests.journey.api_world import DEADLINE_SECONDS, NO_TLS, records_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.journey.api_world import World

PASSWORD = "un tornio e due frese"  # noqa: S105 - of a test
PEOPLE = {
    "administrator@example.it": people.Wanted(Role.ADMINISTRATOR),
    "operator@example.it": people.Wanted(Role.OPERATOR),
    "member@example.it": people.Wanted(Role.MEMBER, "firm-a"),
    "kiosk@example.it": people.Wanted(Role.KIOSK),
}


def add_people(place: World | Path, who: Mapping[str, people.Wanted] = PEOPLE) -> dict[str, str]:
    """Keep people, else somebody of each role, with one password, in a world or in the folder of one to come.

    Returns:
        Their identifiers by address.
    """
    records = open_records(place.records if isinstance(place, tuple) else records_of(place))
    kept = hash_now(PASSWORD)
    try:
        with records.writing() as session:
            found = {}
            for email, wanted in who.items():
                person = people.add_person(session, CONSOLE, email, email.partition("@")[0], [wanted], now=clock.now())
                person.password_hash = kept
                found[email] = person.id
            return found
    finally:
        records.close()


def sign_in(url: str, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    """Send the sign-in form as a browser does."""
    headers = {"Origin": url} | more.pop("headers", {})
    form = {"email": email, "password": password}
    settings: dict[str, Any] = {"timeout": DEADLINE_SECONDS, "verify": NO_TLS}
    return httpx.post(f"{url}/sign-in", data=form, headers=headers, **(settings | more))


def signed_in(url: str, email: str, password: str = PASSWORD) -> httpx.Client:
    """Return a browser that is signed in."""
    answer = sign_in(url, email, password)
    assert answer.status_code == 303, answer.text
    return httpx.Client(base_url=url, cookies=dict(answer.cookies), headers={"Origin": url}, timeout=20, verify=NO_TLS)
