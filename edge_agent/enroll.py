"""Enrolling an agent: a one-time code becomes its login at the broker. The only file of the agent that speaks HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import urllib3

from shopfloor.errors import ExpectedError
from shopfloor.mqtt import is_loopback
from shopfloor.settings import write_secret
from shopfloor.signals import is_identifier

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_SECONDS = 30.0
ANSWER_BYTES_MAX = 256 * 1024
_PATH = "/api/v1/edges/enroll"
_SECTION = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")


class EnrollError(ExpectedError):
    """The agent could not be enrolled; the sentence says what to do. Nothing of its configuration has changed."""


class Enrolled(msgspec.Struct, frozen=True):
    """What the server answers.

    Attributes:
        publisher: the agent's PublisherId.
        host: of the broker.
        port: TCP port.
        ca: PEM text of the authority of the broker's certificate, None for plain text.
    """

    publisher: str
    host: str
    port: int
    ca: str | None


def enroll(url: str, code: str, file: Path, *, ca: Path | None = None) -> Enrolled:
    """Give the agent of a configuration its login: the table `[broker]`, the password and the broker's authority.

    The password is made here, and sent once. It is kept before it is sent, so that after a lost answer the same command
    ends what was begun, and after that changes nothing. The files that exist stay as they are until the server has
    agreed.

    Args:
        url: of the API, https except on this machine.
        code: the one-time code, which begins with the agent's id.
        file: the configuration; made when it does not exist.
        ca: authority of the API's certificate; None for those of the system.

    Raises:
        EnrollError: the code, the server or the configuration does not allow it.
    """
    publisher = code.strip().partition(".")[0]
    if not is_identifier(publisher):
        raise EnrollError("this is no code: it begins with the id of the agent and a dot, as the administrator saw it")
    text = _read(file)
    _checked(file, text, publisher)
    password_file = file.with_name(f"password-{publisher}")
    pending = file.with_name(f".password-{publisher}.pending")
    enrolled_by = file.with_name(f".enrolled-{publisher}")
    try:
        password = _password(code, password_file, pending, enrolled_by)
        answer = _ask(_address(url), {"code": code.strip(), "password": password}, ca)
        if answer.publisher != publisher:
            raise EnrollError(f"the server answered for {answer.publisher!r}, the code is for {publisher!r}")
        ca_file = file.with_name("broker-ca.pem")
        wanted = with_broker(text, publisher, answer, password_file=password_file.name, ca_file=ca_file.name)
        _checked(file, wanted, publisher)
        if answer.ca is not None:
            write_secret(ca_file, answer.ca)
        write_secret(password_file, password)
        write_secret(file, wanted, mode=file.stat().st_mode & 0o777 if file.exists() else 0o600)
        write_secret(enrolled_by, _digest(code))
        pending.unlink(missing_ok=True)
    except (OSError, UnicodeDecodeError) as error:
        raise EnrollError(
            f"the files beside {file} cannot be written ({error}): run it as the agent's user, with the same code"
        ) from error
    return answer


def with_broker(text: str, publisher: str, answer: Enrolled, *, password_file: str, ca_file: str) -> str:
    """Return a configuration with another table `[broker]`; every other line stays, comments too.

    Args:
        text: TOML, may be empty.
        publisher: the agent's id, which is added where the text has no table `[agent]`.
        answer: where the broker is.
        password_file: name of the file beside the configuration.
        ca_file: likewise.
    """
    security = f"ca = {json.dumps(ca_file)}" if answer.ca is not None else "insecure = true"
    table = [
        "[broker]", f"host = {json.dumps(answer.host)}", f"port = {answer.port}", f"username = {json.dumps(publisher)}",
        f"password_file = {json.dumps(password_file)}", security,
    ]  # fmt: skip
    lines = text.splitlines()
    sections = [(index, match[1]) for index, line in enumerate(lines) if (match := _SECTION.match(line))]
    if not any(name == "agent" for _, name in sections):
        lines = [*lines, *([""] if lines else []), "[agent]", f"id = {json.dumps(publisher)}"]
    begins = next((index for index, name in sections if name == "broker"), None)
    if begins is None:
        return "\n".join([*lines, "", *table]) + "\n"
    ends = next((index for index, _ in sections if index > begins), len(lines))
    while ends > begins + 1 and (not lines[ends - 1].strip() or lines[ends - 1].lstrip().startswith("#")):
        ends -= 1  # what stands above the next table belongs to that
    return "\n".join([*lines[:begins], *table, *lines[ends:]]) + "\n"


def _password(code: str, password_file: Path, pending: Path, enrolled_by: Path) -> str:
    """Return the password to send: the one that this code has brought already, the one that was begun, or a new one."""
    if enrolled_by.exists() and password_file.exists() and enrolled_by.read_text(encoding="ascii") == _digest(code):
        return password_file.read_text(encoding="ascii").strip()
    if not pending.exists():
        write_secret(pending, secrets.token_urlsafe(32))
    return pending.read_text(encoding="ascii").strip()


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().encode()).hexdigest()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise EnrollError(f"the configuration {file} cannot be read ({error}): put it right first") from error


def _checked(file: Path, text: str, publisher: str) -> None:
    """Refuse a configuration that is none, or of another agent.

    Raises:
        EnrollError: saying which.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EnrollError(f"the configuration {file} is no TOML ({error}): put it right first") from error
    agent = table.get("agent", {"id": publisher})
    known = agent.get("id") if isinstance(agent, dict) else None
    if known != publisher:
        raise EnrollError(
            f"the code is for the agent {publisher!r}, and {file} is of {known!r}: use the file of that one"
        )


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        is_safe = False
    if not is_safe or not parts.hostname or parts.username is not None:
        raise EnrollError(f"{url!r} cannot be used: write https://host, for the code and the password are secrets")
    return url.rstrip("/") + _PATH


def _ask(address: str, request: dict[str, str], ca: Path | None) -> Enrolled:
    try:
        with urllib3.PoolManager(retries=False, ca_certs=None if ca is None else str(ca)) as pool:
            response = pool.request(
                "POST", address, json=request, timeout=ANSWER_SECONDS, redirect=False, preload_content=False
            )
            body = response.read(ANSWER_BYTES_MAX)
            status = response.status
            response.close()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise EnrollError(
            f"{address} does not answer ({error}): check the address, with --ca the authority of its certificate, and "
            f"run the same command again"
        ) from error
    if status != 200:  # noqa: PLR2004
        raise EnrollError(f"{address} refused: {_reason(body) or f'HTTP {status}'}")
    try:
        return msgspec.json.decode(body, type=Enrolled)
    except msgspec.DecodeError as error:
        raise EnrollError(f"{address} is no Officina server that enrols agents ({error}): check the address") from error


def _reason(body: bytes) -> str:
    """Return what a problem document says (RFC 9457), without what a terminal would obey."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return ""
    said = ": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name))
    return "".join(letter for letter in said if letter.isprintable())[:300]
