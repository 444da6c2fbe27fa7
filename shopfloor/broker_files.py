"""The files that tell a broker who may do what, in Mosquitto's format: Mosquitto and the embedded broker read the same.

Three files in one folder: `publishers.passwords` holds the logins whose client id is their name, for the listener that
they connect to (`use_username_as_clientid`); `programs.passwords` holds all others; `rights` is the access list of
both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import signal
import stat
from typing import TYPE_CHECKING, NamedTuple

from shopfloor.errors import ExpectedError
from shopfloor.settings import write_secret
from shopfloor.wire.rights import Principal, Rights, rights

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PUBLISHERS, PROGRAMS, RIGHTS = "publishers.passwords", "programs.passwords", "rights"
ITERATIONS = 101
"""As mosquitto_passwd 2.0 counts; passwords are random and long, so that a fast hash is enough to keep them."""
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 32, 128
_SALT_BYTES = 12
_ITERATIONS_MAX = 1_000_000


class BrokerFilesError(ExpectedError):
    """The files cannot be used or written; the sentence names the file and what to do."""


class ReloadError(BrokerFilesError):
    """The files are written, and the broker could not be told so."""


class Login(NamedTuple):
    """A login as it is kept.

    Attributes:
        principal: its name and what it is.
        password_hash: of its password, by `hash_password`.
    """

    principal: Principal
    password_hash: str


class Entry(NamedTuple):
    """A login as a broker reads it."""

    password_hash: str
    rights: Rights


def make_password() -> str:
    """Return a new password, random and long."""
    return secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """Return what is kept of a password: PBKDF2 with SHA-512, as Mosquitto 2 writes it (`$7$`)."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def is_password(password: str, password_hash: str) -> bool:
    """Tell whether a password is the one that a hash was made of; a hash that cannot be read fits none."""
    try:
        _, scheme, iterations, salt, key = password_hash.split("$")
        rounds, expected = int(iterations), base64.b64decode(key, validate=True)
        if scheme != "7" or not 1 <= rounds <= _ITERATIONS_MAX or not expected:
            return False
        found = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt, validate=True), rounds)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(found, expected)


def write_files(folder: Path, logins: Iterable[Login]) -> None:
    """Write the files anew, each in one step; the access list first, so that no login is there without its rights.

    A broker runs as a user of its own and reads them by the folder's group: where the group may enter the folder, it
    may read them.

    Raises:
        BrokerFilesError: no rights follow from the logins, or the files cannot be written; what was there stays.
    """
    logins = list(logins)
    kept = {login.principal.name: login.password_hash for login in logins}
    try:
        granted = rights(login.principal for login in logins)
        folder.mkdir(parents=True, exist_ok=True)
        mode = 0o640 if folder.stat().st_mode & stat.S_IXGRP else 0o600
        write_secret(folder / RIGHTS, _access_list(granted), mode=mode)
        for name, is_bound in ((PUBLISHERS, True), (PROGRAMS, False)):
            lines = (f"{user}:{kept[user]}\n" for user, each in granted.items() if each.is_bound is is_bound)
            write_secret(folder / name, "".join(lines), mode=mode)
    except ValueError as error:
        raise BrokerFilesError(f"the broker's logins cannot be written: {error}") from error
    except OSError as error:
        raise BrokerFilesError(
            f"the broker's files in {folder} cannot be written ({error.strerror}): let Officina write in that folder"
        ) from error


def _access_list(granted: dict[str, Rights]) -> str:
    lines: list[str] = []
    for user, each in granted.items():
        lines += [f"user {user}", *(f"topic write {one}" for one in each.publish)]
        lines += [f"topic read {one}" for one in each.subscribe]
    return "\n".join(lines) + "\n"


def read_files(folder: Path) -> dict[str, Entry]:
    """Read the files as a broker does.

    Returns:
        What each login may do, by name.

    Raises:
        BrokerFilesError: a file is missing, unreadable, damaged or readable by everybody, or there is no login: such
            files let nobody in.
    """
    said, heard = _read_access_list(folder / RIGHTS)
    found: dict[str, Entry] = {}
    for name, is_bound in ((PUBLISHERS, True), (PROGRAMS, False)):
        for number, line in enumerate(_read(folder / name).splitlines(), 1):
            user, colon, password_hash = line.partition(":")
            if not colon or user in found or user not in said or not password_hash.startswith("$7$"):
                raise BrokerFilesError(f"line {number} of {folder / name} is no login with rights: write the file anew")
            found[user] = Entry(password_hash, Rights(tuple(said[user]), tuple(heard[user]), is_bound))
    if not found:
        raise BrokerFilesError(f"{folder} holds no login: write the files anew, nobody is let in meanwhile")
    return found


def _read_access_list(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read what each user may publish and hear."""
    said: dict[str, list[str]] = {}
    heard: dict[str, list[str]] = {}
    user = ""
    for number, line in enumerate(_read(path).splitlines(), 1):
        match line.split(" "):
            case ["user", name] if name and name not in said:
                user = name
                said[user], heard[user] = [], []
            case ["topic", "write", one] if user and one:
                said[user].append(one)
            case ["topic", "read", one] if user and one:
                heard[user].append(one)
            case _:
                raise BrokerFilesError(f"line {number} of {path} grants nothing that is known: write the file anew")
    if not said:
        raise BrokerFilesError(f"the access list {path} is empty: write it anew, nobody is let in meanwhile")
    return said, heard


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise BrokerFilesError(f"everybody can use {path}: run `chmod 640 {path}`")
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerFilesError(f"{path} cannot be read ({error}): write it anew, or let the broker read it") from error


def reload(pid_file: Path) -> None:
    """Tell a broker to read its files again (SIGHUP); who lost the login is disconnected by it.

    Raises:
        ReloadError: the broker could not be told.
    """
    try:
        os.kill(_process(pid_file), signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise ReloadError(
            f"the broker of {pid_file} could not be told to read its logins ({error}): reload it, until then the old "
            f"ones hold"
        ) from error


def _process(pid_file: Path) -> int:
    number = int(pid_file.read_text(encoding="ascii"))
    if number <= 1:
        raise ValueError(f"{number} is no broker")
    return number
