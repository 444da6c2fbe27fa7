from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from api.access.keys import KeyFileError, Keys, add_key, make_key, read_keys
from api.access.scope import Role, Scope
from api.access.service import Access

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_proves_its_own_key_and_no_other() -> None:
    token, key = make_key(role=Role.OPERATOR, now=0)
    other, _ = make_key(role=Role.OPERATOR, now=0)
    keys = Keys([key])

    assert keys.by_token(token) == key
    assert keys.by_token(other) is None


@pytest.mark.parametrize(
    "wrong", ["", "officina", "officina__", "officina_{id}_", "officina_{id}_x", "x_{id}_{rest}", "{t}x"]
)
def test_a_damaged_token_proves_nothing(wrong: str) -> None:
    token, key = make_key(role=Role.OPERATOR, now=0)

    text = wrong.format(id=key.id, rest=token.split("_", 2)[2], t=token)

    assert Keys([key]).by_token(text) is None


def test_the_file_holds_no_token(tmp_path: Path) -> None:
    token, key = make_key(role=Role.OPERATOR, now=0)
    add_key(tmp_path / "keys.json", key)

    assert token.split("_", 2)[2] not in (tmp_path / "keys.json").read_text()
    assert read_keys(tmp_path / "keys.json").by_token(token) == key


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    _, key = make_key(role=Role.OPERATOR, now=0)
    add_key(tmp_path / "keys.json", key)

    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_further_key_leaves_the_others(tmp_path: Path) -> None:
    made = [make_key(role=Role.OPERATOR, now=0) for _ in range(3)]
    for _, key in made:
        add_key(tmp_path / "keys.json", key)

    keys = read_keys(tmp_path / "keys.json")

    assert [keys.by_token(token) for token, _ in made] == [key for _, key in made]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    _, key = make_key(role=Role.OPERATOR, now=0)
    add_key(tmp_path / "keys.json", key)
    (tmp_path / "keys.json").chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        read_keys(tmp_path / "keys.json")


@pytest.mark.parametrize("text", ["", "{}", '{"keys": [{"id": 1}]}', "\xff"])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text, encoding="latin-1")
    (tmp_path / "keys.json").chmod(0o600)

    with pytest.raises(KeyFileError, match="damaged"):
        read_keys(tmp_path / "keys.json")


def test_a_missing_or_empty_file_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="officina api key add"):
        read_keys(tmp_path / "keys.json")

    (tmp_path / "keys.json").write_text('{"keys": []}')
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(KeyFileError, match="officina api key add"):
        read_keys(tmp_path / "keys.json")


@pytest.mark.parametrize(("role", "member"), [(Role.MEMBER, None), (Role.OPERATOR, "firm"), (Role.KIOSK, "firm")])
def test_a_key_names_a_firm_exactly_when_it_is_a_members(role: Role, member: str | None) -> None:
    with pytest.raises(ValueError, match="member"):
        make_key(role=role, member=member, now=0)


def test_the_scope_of_a_key_is_what_it_was_made_with() -> None:
    _, key = make_key(role=Role.MEMBER, member="firm", sites=["b", "a", "a"], now=0)

    assert key.caller(by_cookie=False).scope == Scope(Role.MEMBER, "firm", frozenset({"a", "b"}))


class TestAccess:
    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[Path, Path, str]:
        token, key = make_key(role=Role.OPERATOR, now=0)
        add_key(tmp_path / "keys.json", key)
        return tmp_path / "keys.json", tmp_path / "secret", token

    def test_a_session_is_its_keys_holder(self, files: tuple[Path, Path, str]) -> None:
        access = Access(files[0], files[1])
        by_token = access.by_token(files[2])
        assert by_token is not None

        cookie = access.open_session(files[2])

        assert cookie is not None
        by_cookie = access.by_cookie(cookie)
        assert by_cookie is not None
        assert (by_cookie.key_id, by_cookie.scope, by_cookie.by_cookie) == (by_token.key_id, by_token.scope, True)

    @pytest.mark.parametrize("cookie", ["", "x", "x.y.z", '"abc"'])
    def test_a_forged_session_is_nobody(self, files: tuple[Path, Path, str], cookie: str) -> None:
        assert Access(files[0], files[1]).by_cookie(cookie) is None

    def test_a_session_signed_by_another_secret_is_nobody(self, files: tuple[Path, Path, str], tmp_path: Path) -> None:
        cookie = Access(files[0], tmp_path / "other").open_session(files[2])

        assert cookie is not None
        assert Access(files[0], files[1]).by_cookie(cookie) is None

    def test_a_session_outlives_a_restart(self, files: tuple[Path, Path, str]) -> None:
        cookie = Access(files[0], files[1]).open_session(files[2])

        assert cookie is not None
        assert Access(files[0], files[1]).by_cookie(cookie) is not None

    def test_a_removed_key_loses_access_and_its_sessions(self, files: tuple[Path, Path, str]) -> None:
        access = Access(files[0], files[1])
        caller, cookie = access.by_token(files[2]), access.open_session(files[2])
        assert caller is not None
        assert cookie is not None
        keys = json.loads(files[0].read_text())
        _, other = make_key(role=Role.OPERATOR, now=0)
        keys["keys"] = []
        files[0].write_text(json.dumps(keys))
        add_key(files[0], other)

        access.refresh()

        assert access.by_token(files[2]) is None
        assert access.by_cookie(cookie) is None
        assert not access.is_valid(caller)

    def test_a_key_file_that_became_readable_by_others_lets_nobody_in(self, files: tuple[Path, Path, str]) -> None:
        access = Access(files[0], files[1])
        files[0].chmod(0o644)

        access.refresh()

        assert access.by_token(files[2]) is None
