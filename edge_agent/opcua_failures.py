"""Why a server could not be reached or used, as one sentence with the place and the mend."""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from edge_agent.opcua_client import REQUEST_SECONDS, NoAnswerError, RefusedError
from shopfloor.wire.edge import Cause

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from edge_agent.config import ServerConfig

_Result = TypeVar("_Result")

_ERRNO = re.compile(r"\[Errno (-?\d+)\]")
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
_NOT_OFFERED = "No matching endpoints"
_WRONG_PATH = ("BadTcpEndpointUrlInvalid", "BadServerUriInvalid", "BadServiceUnsupported")
_LOGIN = ("BadIdentityToken", "BadUserAccessDenied", "BadUserSignatureInvalid")
_OWN_CERTIFICATE = ("BadSecurityChecksFailed", "BadCertificateUntrusted", "BadCertificateUriInvalid",
                    "BadCertificateInvalid", "BadCertificateTimeInvalid", "BadApplicationSignatureInvalid")  # fmt: skip


class OwnCertificateRefusedError(RefusedError):
    """The server does not trust the certificate that the agent showed."""


async def explained(endpoint: str, awaitable: Awaitable[_Result]) -> _Result:
    """Wait for a first answer of a server, and say what a failure means.

    Raises:
        NoAnswerError: when it does not answer.
        RefusedError: when what answers refuses, or is no OPC UA server.
    """
    try:
        return await awaitable
    except NoAnswerError as error:
        cause = _cause(error.__cause__)
        raise NoAnswerError(_no_answer(endpoint, error), own_side=error.own_side, code=cause) from error.__cause__
    except RefusedError as error:
        code, reason = _refusal(endpoint, error)
        raise RefusedError(reason, code=code) from error.__cause__


def login_refused(config: ServerConfig, reason: str) -> str:
    """Say what to do about a login that a server does not take; empty when the reason is another."""
    if not any(name in reason for name in _LOGIN):
        return ""
    if config.user:
        return (f"{config.endpoint} refuses the login of user {config.user!r} ({reason}): correct user or the password "
                f"in {config.password_file}")  # fmt: skip
    if config.user_certificate:
        return (f"{config.endpoint} refuses the login with {config.user_certificate} ({reason}): let the machine trust "
                f"that user certificate, or name another")  # fmt: skip
    return (f"{config.endpoint} wants a login ({reason}): set user and password_file, or user_certificate and "
            f"user_key, for this machine")  # fmt: skip


def blames_own_certificate(reason: str) -> bool:
    """Tell whether a server's refusal is of the certificate that the agent showed."""
    return any(name in reason for name in _OWN_CERTIFICATE)


def _no_answer(endpoint: str, error: NoAnswerError) -> str:
    cause, place = error.__cause__, _place(endpoint)
    number = _number(cause)
    if isinstance(cause, socket.gaierror):
        host = urlsplit(endpoint).hostname
        return (f"the name {host} of {endpoint} cannot be resolved: correct it, write the machine's address in its "
                f"place, or ask for it to be entered in the DNS")  # fmt: skip
    if number == errno.ECONNREFUSED:
        return (f"nothing listens at {place} ({endpoint}): correct host or port, or switch the machine's OPC UA server "
                f"on")  # fmt: skip
    if number in _NO_WAY:
        return (f"there is no way from this computer to {place} ({endpoint}): correct the address, or mend this "
                f"computer's network")  # fmt: skip
    if isinstance(cause, TimeoutError):
        return (f"no answer from {place} ({endpoint}) within {REQUEST_SECONDS:g} s: switch the machine on, correct the "
                f"address, or let the firewall between pass TCP port {urlsplit(endpoint).port}")  # fmt: skip
    if isinstance(cause, ConnectionError):
        return (
            f"{place} ({endpoint}) closed the connection without an answer in OPC UA: correct the port, or wait until "
            f"the machine's server has started"
        )
    return f"{place} ({endpoint}) does not answer ({error}): correct the address, or look at the machine"


def _cause(cause: BaseException | None) -> Cause:
    """Name what `_no_answer` says, for programs."""
    number = _number(cause)
    if isinstance(cause, socket.gaierror):
        return Cause.NAME
    if number == errno.ECONNREFUSED:
        return Cause.CLOSED
    if number in _NO_WAY:
        return Cause.NO_WAY
    is_closed = isinstance(cause, ConnectionError) and not isinstance(cause, TimeoutError)
    return Cause.NOT_OPCUA if is_closed else Cause.NO_ANSWER


def _refusal(endpoint: str, error: RefusedError) -> tuple[str, str]:
    reason = str(error)
    if any(name in reason for name in _WRONG_PATH):
        path = urlsplit(endpoint).path or "/"
        return Cause.PATH, (f"the server at {_place(endpoint)} has no endpoint with the path {path} ({reason}): write "
                            f"the endpoint as the machine shows it")  # fmt: skip
    if _NOT_OFFERED in reason:
        return "", (f"the server at {_place(endpoint)} does not offer the security that the configuration names "
                    f"({reason}): name one that it offers, or none at all to take the best")  # fmt: skip
    if "Bad" in reason:
        return "", f"{endpoint}: the server refuses ({reason})"
    return Cause.NOT_OPCUA, _no_server(endpoint, reason)


def _no_server(endpoint: str, reason: str) -> str:
    return (f"what listens at {_place(endpoint)} does not speak OPC UA ({reason}): correct the port of {endpoint}, "
            f"which the machine shows; 4840 is usual")  # fmt: skip


def _place(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.hostname} port {parts.port}"


def _number(cause: BaseException | None) -> int | None:
    """Find the error number, also where the failures of several addresses came together as text."""
    if isinstance(cause, OSError) and cause.errno is not None:
        return cause.errno
    found = _ERRNO.search(str(cause))
    return int(found[1]) if found else None
