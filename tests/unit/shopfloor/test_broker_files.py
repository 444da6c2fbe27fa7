"""The broker's files: written whole, read strictly, and closed when in doubt."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from shopfloor.broker_files import (
    PROGRAMS,
    PUBLISHERS,
    RIGHTS,
    BrokerFilesError,
    Login,
    ReloadError,
    hash_password,
    is_password,
    make_password,
    read_files,
    reload,
    write_files,
)
from shopfloor.wire.rights import Kind, Principal, rights

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = make_password()
PRINCIPALS = [Principal("site-a", Kind.AGENT), Principal("collector", Kind.COLLECTOR), Principal("screen", Kind.READER)]
LOGINS = [Login(each, hash_password(PASSWORD)) for each in PRINCIPALS]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_files(tmp_path, LOGINS)
    found = read_files(tmp_path)
    assert {name: entry.rights for name, entry in found.items()} == rights(PRINCIPALS)
    assert all(is_password(PASSWORD, entry.password_hash) for entry in found.values())


@pytest.mark.parametrize(("folder", "file"), [(0o700, 0o600), (0o750, 0o640), (0o755, 0o640)])
def test_the_group_reads_the_files_where_it_may_enter_the_folder_and_no_password_is_in_them(
    tmp_path: Path, folder: int, file: int
) -> None:
    tmp_path.chmod(folder)
    write_files(tmp_path, LOGINS)
    for name in (PUBLISHERS, PROGRAMS, RIGHTS):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == file
        assert PASSWORD not in (tmp_path / name).read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([PUBLISHERS, PROGRAMS, RIGHTS])


def test_logins_that_are_none_leave_the_files_as_they_were(tmp_path: Path) -> None:
    write_files(tmp_path, LOGINS)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    for wrong in ([], [*LOGINS, Login(Principal("a/#", Kind.AGENT), LOGINS[0].password_hash)]):
        with pytest.raises(BrokerFilesError, match="cannot be written"):
            write_files(tmp_path, wrong)
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerFilesError, match="file"):
        write_files(tmp_path / "file" / "folder", LOGINS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (RIGHTS, ""),
        (RIGHTS, "topic write a\n"),
        (RIGHTS, "user site-a\npattern write %u/#\n"),
        (RIGHTS, "user site-a\nuser site-a\n"),
        (PUBLISHERS, "site-a\n"),
        (PUBLISHERS, "site-a:\n"),
        (PUBLISHERS, "site-a:plain\n"),
        (PUBLISHERS, "stranger:$7$101$YQ==$YQ==\n"),
        (PROGRAMS, "site-a:$7$101$YQ==$YQ==\n"),
    ],
)
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, name: str, text: str) -> None:
    write_files(tmp_path, LOGINS)
    (tmp_path / name).write_text(text)
    with pytest.raises(BrokerFilesError):
        read_files(tmp_path)


def test_a_file_that_everybody_can_use_lets_nobody_in(tmp_path: Path) -> None:
    write_files(tmp_path, LOGINS)
    (tmp_path / RIGHTS).chmod(0o644)
    with pytest.raises(BrokerFilesError, match="chmod 640"):
        read_files(tmp_path)


def test_no_login_lets_nobody_in(tmp_path: Path) -> None:
    write_files(tmp_path, LOGINS)
    (tmp_path / PUBLISHERS).write_text("")
    (tmp_path / PROGRAMS).write_text("")
    with pytest.raises(BrokerFilesError, match="no login"):
        read_files(tmp_path)


def test_one_password_is_kept_differently_each_time() -> None:
    assert hash_password(PASSWORD) != hash_password(PASSWORD)
    assert not is_password("another", hash_password(PASSWORD))


@pytest.mark.parametrize(
    "kept",
    ["", "$", "$7$", "$6$101$YQ==$YQ==", "$7$0$YQ==$YQ==", "$7$x$YQ==$YQ==", "$7$1$YQ==$", "$7$999999999$YQ==$YQ=="],
)
def test_a_hash_that_cannot_be_read_fits_no_password(kept: str) -> None:
    assert not is_password("", kept)


@pytest.mark.parametrize("text", ["", "none", "0", "1", "-1"])
def test_a_broker_that_cannot_be_told_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    with pytest.raises(ReloadError, match="reload it"):
        reload(tmp_path / "pid")


def test_a_process_that_has_ended_cannot_be_told(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "pid").write_text(str(ended.pid))
    with pytest.raises(ReloadError):
        reload(tmp_path / "pid")
