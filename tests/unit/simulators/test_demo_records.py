from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.access.passwords import hash_now
from api.access.service import Access
from api.access.sign_in import Opened, SignIn, Visitor
from api.records.database import open_records
from shopfloor.periods import SECOND
from simulators import records

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = 1_800_000_000 * SECOND


def test_people_and_keys_of_a_start_that_was_killed_get_secrets_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = dict[str, str]()
    monkeypatch.setattr(records, "hash_now", lambda password: kept.setdefault(password, hash_now(password)))
    some = list(records.holders())[:2]
    monkeypatch.setattr(records, "holders", lambda: iter(some))
    address = f"sqlite://{tmp_path}/records.db"
    records.fill(address, started=NOW, passwords={}, api_keys={})  # killed before it could write them down

    passwords, keys = dict[str, str](), dict[str, str]()
    users = records.fill(address, started=NOW, passwords=passwords, api_keys=keys)
    again = records.fill(address, started=NOW, passwords=passwords, api_keys=keys)

    assert again == users
    opened = open_records(address)
    try:
        door, access = SignIn(opened, second_factor_policy="optional"), Access(opened)
        for user in users:
            answer = asyncio.run(door.with_password(user["email"], user["password"], Visitor("127.0.0.1"), now=NOW))
            assert isinstance(answer, Opened)
        for token in keys.values():
            assert asyncio.run(access.by_token(token, now=NOW)) is not None
        assert len(keys) == len(users)
    finally:
        opened.close()
