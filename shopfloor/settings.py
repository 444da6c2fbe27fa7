"""Reading TOML settings: validated whole, unknown keys refused, secrets from files that others cannot read."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shopfloor.errors import ExpectedError
from shopfloor.mqtt import Broker, InsecureBrokerError, Tls

T = TypeVar("T")


class SettingsError(ExpectedError):
    """The settings cannot be used; the sentence names the file, the place and the mend."""


class TlsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What secures the connection to the broker; without a `ca_file` the system's authorities are trusted."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class BrokerSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the broker is, and who we are to it."""

    host: str
    port: int = 8883
    username: str = ""
    password_file: Path | None = None
    tls: TlsSettings | None = None
    insecure: bool = False

    def open(self) -> Broker:
        """Read the password and return what `mqtt.Client` takes.

        Raises:
            SettingsError: password missing or readable by others, or plain text over a network.
        """
        password = read_secret(self.password_file) if self.password_file else ""
        tls = Tls(self.tls.ca_file, self.tls.cert_file, self.tls.key_file) if self.tls else None
        try:
            return Broker(self.host, self.port, self.username, password, tls, self.insecure)
        except InsecureBrokerError as error:
            raise SettingsError(str(error)) from error


def read_secret(path: Path) -> str:
    """Read a secret of one line.

    Raises:
        SettingsError: when the file is missing, empty, or readable by others than its owner and group.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the secret {path} cannot be read ({error}): write it there, one line, mode 0600"
        ) from error
    if mode & stat.S_IRWXO:
        raise SettingsError(f"everybody can read the secret {path}: chmod 600 {path}")
    if not text:
        raise SettingsError(f"the secret {path} is empty: an empty password lets everybody in")
    return text


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step, so that nobody sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load(path: Path, shape: type[T]) -> T:
    """Read a TOML file as a shape; paths in it are relative to the file.

    Raises:
        SettingsError: naming the file, the key and what is wrong with it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error

    def decode(kind: type[Any], value: object) -> object:
        if kind is Path and isinstance(value, str):
            return (path.parent / value).absolute()
        raise TypeError(f"{kind} cannot be read from TOML")

    try:
        return msgspec.convert(table, shape, dec_hook=decode)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from error
