"""The settings of the boards, from a TOML file, validated whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from shopfloor.mqtt import is_loopback
from shopfloor.settings import SettingsError, load, read_secret


class GrafanaSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where Grafana is, and who we are to it.

    Attributes:
        url: its address, with the path it is served below if there is one.
        token_file: token of a service account with the role Admin; or a user's name and password.
        username: of an administrator, in place of a token.
        password_file: goes with it.
        ca_file: authority that signed its certificate, where the system does not know it.
        organisation: number of the organisation, where a user belongs to several; a token belongs to one.
        viewers_are_staff: let the role Viewer see the boards; without this only editors and administrators do.
        insecure: allow plain HTTP over a network.
        timeout_seconds: how long an answer may take.
    """

    url: str
    token_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    organisation: Annotated[int, msgspec.Meta(ge=1)] | None = None
    viewers_are_staff: bool = False
    insecure: bool = False
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 30.0

    def secret(self) -> str | tuple[str, str]:
        """Read the token, or the user's name and password.

        Raises:
            SettingsError: neither or both are named, or the file cannot be used.
        """
        if self.token_file is not None and not self.username and self.password_file is None:
            return read_secret(self.token_file)
        if self.token_file is None and self.username and self.password_file is not None:
            return self.username, read_secret(self.password_file)
        raise SettingsError("[grafana] needs a token_file, or a username with its password_file")


class StoreSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The telemetry store, as Grafana reaches it.

    Attributes:
        url: address of InfluxDB from where Grafana runs.
        version: 2 for InfluxDB 2.x, 1 for 1.x.
        database: first part of the buckets' names.
        token_file: 2.x: a token that may read both buckets and nothing else.
        username: 1.x: a login that may read; empty where the server has no logins.
        password_file: goes with it.
    """

    url: str
    version: Literal[1, 2] = 2
    database: str = "officina"
    token_file: Path | None = None
    username: str = ""
    password_file: Path | None = None

    def secret(self) -> str:
        """Read the token or the password; empty for a 1.x server without logins.

        Raises:
            SettingsError: the file cannot be used.
        """
        file = self.token_file if self.version == 2 else self.password_file  # noqa: PLR2004 - InfluxDB 2.x
        return read_secret(file) if file is not None else ""


class MetricsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The Prometheus server, as Grafana reaches it.

    Attributes:
        url: its address from where Grafana runs.
    """

    url: str


class ProvisioningSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What rendered files say of the machine or container that Grafana runs in.

    Attributes:
        folder: where Grafana finds what `officina dashboards render` has written.
        secret_file: where Grafana finds the store's token or password.
    """

    folder: str = "/etc/grafana/officina"
    secret_file: str = "/run/secrets/grafana_store_token"  # noqa: S105 - a path


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the boards need to know.

    Attributes:
        store: the telemetry store.
        grafana: None where boards are only rendered.
        metrics: None where there is no Prometheus server, and so no board of the platform.
        provisioning: of rendered files.
        language: of titles, states and signals.
        theme: whose greys the states have.
        time_zone: civil time of days and axes.
    """

    store: StoreSettings
    grafana: GrafanaSettings | None = None
    metrics: MetricsSettings | None = None
    provisioning: ProvisioningSettings = ProvisioningSettings()
    language: Literal["it", "en"] = "it"
    theme: Literal["light", "night"] = "light"
    time_zone: str = "Europe/Rome"


def load_settings(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        SettingsError: when it cannot be read or used, or would send a secret in the clear.
    """
    settings = load(path, Settings)
    for place, url in (("store", settings.store), ("grafana", settings.grafana), ("metrics", settings.metrics)):
        if url is not None:
            _check_address(place, url.url)
    if settings.store.version == 2 and settings.store.token_file is None:  # noqa: PLR2004 - InfluxDB 2.x
        raise SettingsError(f"{path}: [store] InfluxDB 2.x asks for a token: name its token_file")
    if settings.store.version == 1 and bool(settings.store.username) != bool(settings.store.password_file):
        raise SettingsError(f"{path}: [store] username and password_file go together: give both or neither")
    if settings.grafana is not None:
        parts = urlsplit(settings.grafana.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not settings.grafana.insecure:
            raise SettingsError(
                f"{path}: [grafana] {settings.grafana.url} would carry the login in the clear: use https, or say "
                f"insecure = true where the network is trusted",
            )
    try:
        ZoneInfo(settings.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"{path}: {settings.time_zone!r} is no time zone: write one like Europe/Rome") from error
    return settings


def _check_address(place: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"[{place}] {url!r} is no address ({error}): write one like https://host:3000") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"[{place}] {url!r} is no address: write one like https://host:3000")
    if parts.username or parts.password:
        raise SettingsError(f"[{place}] an address holds no password: put it into a file, and name that here")
