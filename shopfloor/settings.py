"""Reading TOML settings: validated whole, unknown keys refused, secrets from files that others cannot read."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography import x509

from shopfloor.errors import ExpectedError
from shopfloor.mqtt import Broker, InsecureBrokerError, Tls, tls_context
from shopfloor.periods import from_datetime

T = TypeVar("T")
_SAMPLES = frozenset(
    {"admin", "changeme", "changethis", "default", "example", "officina", "password", "sample", "secret"}
)


class SettingsError(ExpectedError):
    """The settings cannot be used; the sentence names the file, the place and the mend."""


class TlsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What secures the connection to the broker; without a `ca_file` the system's authorities are trusted."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def open(self, *, now: int) -> Tls:
        """Check that the files can be used now, and name them for `mqtt.Client`, which reads them at each connection.

        Raises:
            SettingsError: a file is missing, unreadable, damaged or expired, or key and certificate are no pair.
        """
        if self.key_file is not None and self.cert_file is None:
            raise SettingsError(f"the key {self.key_file} has no certificate: name its `cert_file` too")
        if self.ca_file is not None and not any(expires > now for expires in _expiries(self.ca_file)):
            raise SettingsError(f"every certificate in {self.ca_file} has expired: put the broker's present CA there")
        if self.cert_file is not None and _expiries(self.cert_file)[0] <= now:
            raise SettingsError(f"the certificate {self.cert_file} has expired: renew it")
        tls = Tls(self.ca_file, self.cert_file, credential(self.key_file) if self.key_file else None)
        try:
            tls_context(tls)
        except OSError as error:
            files = ", ".join(str(path) for path in (self.ca_file, self.cert_file, self.key_file) if path is not None)
            raise SettingsError(
                f"the connection to the broker cannot be secured with {files or 'the authorities of this system'} "
                f"({error}): put PEM files there that this program may read, the key without a passphrase"
            ) from error
        return tls


class BrokerSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the broker is, and who we are to it."""

    host: str
    port: int = 8883
    username: str = ""
    password_file: Path | None = None
    tls: TlsSettings | None = None
    insecure: bool = False

    def open(self, *, now: int) -> Broker:
        """Read the password, check the certificates and return what `mqtt.Client` takes.

        Raises:
            SettingsError: password missing or readable by others, certificates that cannot be used or have expired, or
                plain text over a network.
        """
        password = read_secret(self.password_file) if self.password_file else ""
        tls = self.tls.open(now=now) if self.tls else None
        try:
            return Broker(self.host, self.port, self.username, password, tls, self.insecure)
        except InsecureBrokerError as error:
            raise SettingsError(str(error)) from error


def _expiries(path: Path) -> list[int]:
    """Read when each certificate of a PEM file expires.

    Raises:
        SettingsError: when the file cannot be read or holds none.
    """
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the certificate file {path} cannot be read ({error}): put a PEM file there that this program may read"
        ) from error
    return [from_datetime(certificate.not_valid_after_utc) for certificate in certificates]


def read_secret(path: Path) -> str:
    """Read a secret of one line; as a service of systemd, the credential of the same name where there is one.

    Raises:
        SettingsError: when the file is missing, empty, or readable by others than its owner and group.
    """
    path = credential(path)
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
    if text.lower().replace("-", "").replace("_", "") in _SAMPLES:
        raise SettingsError(f"the secret {path} is a sample that everybody knows: write a long, random one there")
    return text


def credential(path: Path) -> Path:
    """Return where a file is read from: the copy that systemd made for this service (LoadCredential=), or the file."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if given and (copy := Path(given) / path.name).is_file():
        return copy
    return path


def write_secret(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, in one step, so that nobody sees half of it.

    Args:
        path: the file.
        text: what it holds.
        mode: 0o640 where the group of the folder has to read it too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
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
