"""The settings file of the API, `api.toml`: read whole, checked whole, refused with sentences."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from shopfloor.mqtt import Broker, InsecureBrokerError, Tls, is_loopback

if TYPE_CHECKING:
    from pathlib import Path

_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
_Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=10, le=5_000)]


class SettingsError(Exception):
    """The settings cannot be used; the sentences say what to do."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class _Broker(_Table):
    """The table `[broker]`: TLS with `ca`, or plain on this machine or with `insecure = true`."""

    host: _Text
    port: _Port
    username: str = ""
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    insecure: bool = False


class _Live(_Table):
    """The table `[live]`: how the present is sent out."""

    coalesce_milliseconds: _Milliseconds = 100
    heartbeat_seconds: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10
    streams_per_caller_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12


class _File(_Table):
    store: _Text
    broker: _Broker
    machines_file: _Text = "machines.toml"
    keys_file: _Text = "keys.json"
    session_secret_file: _Text = "session.secret"
    bind: _Text = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    tls_cert: str = ""
    tls_key: str = ""
    client_id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,40}$")] = "api"
    house: str = ""
    language: Literal["it", "en"] = "it"
    time_zone: _Text = "Europe/Rome"
    live: _Live = _Live()


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How the present is sent out.

    Attributes:
        coalesce_milliseconds: changes within this go out together.
        heartbeat_seconds: a stream is never silent for longer.
        streams_per_caller_max: open streams of one API key; one more is refused.
    """

    coalesce_milliseconds: int = 100
    heartbeat_seconds: int = 10
    streams_per_caller_max: int = 12


@dataclass(frozen=True, slots=True)
class Settings:
    """What the API needs to know.

    Attributes:
        store: address of the telemetry store.
        broker: where the present comes from and the registry goes to.
        machines_file: the machines, by publisher.
        keys_file: the API keys.
        session_secret_file: signs sessions; made at the first start.
        bind: address to listen on.
        port: TCP port, 0 for a free one.
        tls_cert: certificate chain, None for plain HTTP.
        tls_key: its key.
        client_id: name at the broker, one for each process.
        house: name of the consortium, as pages show it.
        language: of pages, where the browser does not ask for another one.
        time_zone: of the times on pages.
        live: how the present is sent out.
    """

    store: str
    broker: Broker
    machines_file: Path
    keys_file: Path
    session_secret_file: Path
    bind: str = "127.0.0.1"
    port: int = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_id: str = "api"
    house: str = ""
    language: Literal["it", "en"] = "it"
    time_zone: str = "Europe/Rome"
    live: LiveSettings = LiveSettings()

    def __post_init__(self) -> None:
        """Refuse what would send keys in the clear, and a zone that does not exist.

        Raises:
            SettingsError: saying what to do.
        """
        if bool(self.tls_cert) != bool(self.tls_key):
            raise SettingsError("tls_cert and tls_key go together: give both or neither")
        if self.tls_cert is None and not is_loopback(self.bind):
            raise SettingsError(
                f"plain HTTP is served on this machine alone, and {self.bind} is not: give --tls-cert and --tls-key, or "
                f"bind to 127.0.0.1 and put a server that speaks HTTPS in front",
            )
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(f"time_zone: {self.time_zone!r} is no time zone, write one like Europe/Rome") from error


def load(path: Path, *, tls_cert: Path | None = None, tls_key: Path | None = None) -> Settings:
    """Read the settings file; paths in it are relative to its folder.

    Args:
        path: the file.
        tls_cert: takes the place of the file's.
        tls_key: takes the place of the file's.

    Raises:
        SettingsError: when it cannot be read or used.
    """
    try:
        file = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    folder = path.parent
    return Settings(
        store=_in_folder(file.store, folder),
        broker=_broker(file.broker, folder),
        machines_file=folder / file.machines_file,
        keys_file=folder / file.keys_file,
        session_secret_file=folder / file.session_secret_file,
        bind=file.bind,
        port=file.port,
        tls_cert=tls_cert or _optional(file.tls_cert, folder),
        tls_key=tls_key or _optional(file.tls_key, folder),
        client_id=file.client_id,
        house=file.house,
        language=file.language,
        time_zone=file.time_zone,
        live=LiveSettings(
            file.live.coalesce_milliseconds,
            file.live.heartbeat_seconds,
            file.live.streams_per_caller_max,
        ),
    )


def _optional(name: str, folder: Path) -> Path | None:
    return folder / name if name else None


def _in_folder(store: str, folder: Path) -> str:
    """Resolve the path of an embedded store; any other address is left as it is."""
    scheme, separator, rest = store.partition(":")
    if scheme != "sqlite" or not separator or rest == ":memory:":
        return store
    return f"sqlite:{folder / rest.removeprefix('///').removeprefix('//')}"


def _broker(table: _Broker, folder: Path) -> Broker:
    if bool(table.username) != bool(table.password_file):
        raise SettingsError("[broker] username and password_file go together: give both or neither")
    if bool(table.certificate) != bool(table.key):
        raise SettingsError("[broker] certificate and key go together: give both or neither")
    tls = None
    if table.ca:
        tls = Tls(folder / table.ca, _optional(table.certificate, folder), _optional(table.key, folder))
    password = _password(folder / table.password_file) if table.password_file else ""
    try:
        return Broker(table.host, table.port, table.username, password, tls, table.insecure)
    except InsecureBrokerError as error:
        raise SettingsError(str(error)) from error


def _password(path: Path) -> str:
    try:
        with path.open("r", encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            password = file.read().rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"the broker's password file {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise SettingsError(f"the password file {path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`")
    if not password:
        raise SettingsError(f"the password file {path} is empty: write the password into it")
    return password
