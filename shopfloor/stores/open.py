"""Opening a telemetry store from its address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from shopfloor.stores.port import Listed

DATABASE = "officina"
"""Database, and first part of the buckets' names, where the address names none."""

_FORMS = """a store's address is one of
  sqlite:///srv/officina/telemetry.db   the file /srv/officina/telemetry.db
  sqlite:var/telemetry.db               a file below the working directory
  sqlite://:memory:                     this process, nothing is kept
  influx+http://HOST:PORT[/DATABASE]?org=ORG&token_file=FILE            InfluxDB 2.x
  influx1+http://[USER@]HOST:PORT[/DATABASE][?password_file=FILE]       InfluxDB 1.x
with https instead of http over a network"""


class StoreAddressError(ExpectedError):
    """The address of the store cannot be used; the sentence names the forms."""


def open_store(address: str, *, secret: str = "") -> Listed:
    """Open a telemetry store.

    Args:
        address: `sqlite:///absolute/path.db`, `sqlite:relative/path.db`, `sqlite://:memory:`,
            `influx+http://host:8086/officina?org=consortium&token_file=/etc/officina/token` for InfluxDB 2.x, or
            `influx1+http://user@host:8086/officina?password_file=/etc/officina/password` for 1.x.
        secret: token (2.x) or password (1.x), in place of a file.

    Raises:
        StoreAddressError: when the address is of none of these forms.
        SettingsError: when the file with the secret is missing or everybody can read it.
        StoreUnavailableError: when another process holds the file; a server is not asked yet.
        StoreRefusedError: when the file may not be used.
    """
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        from shopfloor.stores.sqlite import SqliteStore

        return SqliteStore(_file(parts))
    if parts.scheme in _SCHEMES:
        return _open_influx(parts, secret)
    raise StoreAddressError(f"{parts.scheme or 'nothing'} is no kind of store: {_FORMS}")


_SCHEMES = ("influx+http", "influx+https", "influx1+http", "influx1+https")


def _file(parts: SplitResult) -> str:
    if parts.netloc == ":memory:":
        return ":memory:"
    if parts.netloc or not parts.path.strip("/"):
        raise StoreAddressError(f"no file: {_FORMS}")
    return unquote(parts.path)


def _open_influx(parts: SplitResult, secret: str) -> Listed:
    from shopfloor.stores.influx import InfluxStore
    from shopfloor.stores.influx_server import Server, Version1, Version2

    version, _, scheme = parts.scheme.partition("+")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = options.keys() - ({"org", "token_file"} if version == "influx" else {"password_file"})
    try:
        port = parts.port
    except ValueError as error:
        raise StoreAddressError(f"{error}: {_FORMS}") from error
    if not parts.hostname or unknown:
        raise StoreAddressError(f"no host, or an unknown option ({', '.join(sorted(unknown))}): {_FORMS}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = f"{scheme}://{host}" + (f":{port}" if port else "")
    database = unquote(parts.path.strip("/")) or DATABASE
    secret = (
        secret or _secret(options.get("token_file") or options.get("password_file")) or unquote(parts.password or "")
    )
    server: Server
    if version == "influx1":
        server = Version1(url, database, username=unquote(parts.username or ""), password=secret)
    else:
        if not secret or "org" not in options:
            raise StoreAddressError(f"InfluxDB 2.x asks for an organisation and a token: {_FORMS}")
        server = Version2(url, database, org=options["org"], token=secret)
    return InfluxStore(server)


def _secret(path: str | None) -> str:
    if path is None:
        return ""
    from shopfloor.settings import read_secret

    return read_secret(Path(path))
