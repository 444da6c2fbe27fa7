"""The settings of the API, from a TOML file, validated whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from api.bookings.rules import Rules
from api.edges.service import EdgesSettings
from api.usage.policy import PRECEDENCE, Policy
from api.usage.segments import Claim
from shopfloor.mqtt import is_loopback
from shopfloor.settings import BrokerSettings, SettingsError
from shopfloor.settings import load as load_toml

_Port: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class LiveSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the present is sent out.

    Attributes:
        coalesce_milliseconds: changes within this go out together.
        heartbeat_seconds: a stream is never silent for longer.
        streams_per_caller_max: open streams of one API key; one more is refused.
    """

    coalesce_milliseconds: Annotated[int, msgspec.Meta(ge=10, le=5_000)] = 100
    heartbeat_seconds: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    streams_per_caller_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 12


_RULES = Rules()


class BookingSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What members may book, as `api.bookings.rules.Rules` has it; who works at the desk is not bound by all of it."""

    step_minutes: Literal[1, 5, 10, 15, 20, 30, 60] = 15
    lead_minutes_min: Annotated[int, msgspec.Meta(ge=0, le=10_080)] = _RULES.lead_minutes_min
    length_minutes_min: Annotated[int, msgspec.Meta(ge=1, le=1_440)] = _RULES.length_minutes_min
    length_hours_max: Annotated[int, msgspec.Meta(ge=1, le=720)] = _RULES.length_hours_max
    ahead_days_max: Annotated[int, msgspec.Meta(ge=1, le=730)] = _RULES.ahead_days_max
    free_cancel_hours: Annotated[int, msgspec.Meta(ge=0, le=720)] = _RULES.free_cancel_hours
    grace_minutes: Annotated[int, msgspec.Meta(ge=0, le=1_440)] = _RULES.grace_minutes
    series_weeks_max: Annotated[int, msgspec.Meta(ge=1, le=104)] = _RULES.series_weeks_max

    def rules(self) -> Rules:
        """Return them as the rules of bookings."""
        return Rules(**msgspec.structs.asdict(self))


class UsageSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How time is metered and attributed, see `api.usage.policy.Policy`; the zone is that of the pages.

    Closed months keep what they were closed by.
    """

    payer_precedence: tuple[Claim, ...] = PRECEDENCE
    badge_off_seconds_max: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 15 * 60
    badge_seconds_max: Annotated[int, msgspec.Meta(ge=60, le=86_400)] = 12 * 3600
    inferred_off_seconds_max: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 60
    estimate_gaps: bool = False
    estimate_seconds_max: Annotated[int, msgspec.Meta(ge=0, le=604_800)] = 24 * 3600


class MailSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How links are sent by e-mail.

    Attributes:
        server_file: a secret file with the mail server's address, `mailtos://user:password@host:port?from=address`.
        pages: address of the pages as people reach it, `https://officina.example`; links begin with it, whatever a
            request says it was sent to.
    """

    server_file: Path
    pages: Annotated[str, msgspec.Meta(min_length=8, max_length=200)]


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the API needs to know.

    Attributes:
        store: address of the telemetry store, see `shopfloor.stores.open`.
        broker: where the present comes from and the registry goes to.
        records: address of the database of records, see `api.records.database`.
        bind: address to listen on; any but this machine's own needs TLS.
        port: TCP port, 0 for a free one.
        tls_cert: certificate chain, none for plain HTTP.
        tls_key: its key.
        house: name of the consortium, as pages show it.
        language: of pages, where the browser asks for neither.
        time_zone: of the times on pages.
        url: how people reach the pages, as https://officina.example.org; links of messages begin with it.
        second_factor: whether administrators have to show one.
        trusted_proxies: addresses of servers in front, whose X-Forwarded-For and X-Forwarded-Proto are believed.
        live: how the present is sent out.
        bookings: what members may book.
        edges: how agents are enrolled; None where the broker's logins are made otherwise.
        mail: how links are sent by e-mail; None where the administrator hands them on.
        message_hosts: hosts of one's own network, by name or address as channels write them, that messages may be sent
            to; any other host that somebody names for a channel has to be public.
        usage: how time is metered and attributed.
        review_days: how long after its end a month stays open, for members to contest lines.
    """

    store: str
    broker: BrokerSettings
    records: str
    bind: str = "127.0.0.1"
    port: _Port = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    house: str = ""
    language: Literal["it", "en"] = "it"
    time_zone: str = "Europe/Rome"
    url: str = ""
    second_factor: Literal["required", "optional"] = "required"
    trusted_proxies: tuple[str, ...] = ()
    live: LiveSettings = LiveSettings()
    bookings: BookingSettings = BookingSettings()
    edges: EdgesSettings | None = None
    mail: MailSettings | None = None
    message_hosts: tuple[str, ...] = ()
    usage: UsageSettings = UsageSettings()
    review_days: Annotated[int, msgspec.Meta(ge=0, le=60)] = 3

    @property
    def policy(self) -> Policy:
        """How time is metered and attributed."""
        return Policy(zone=self.time_zone, **msgspec.structs.asdict(self.usage))


def load_settings(path: Path, *, tls_cert: Path | None = None, tls_key: Path | None = None) -> Settings:
    """Read the settings file.

    Args:
        path: the file.
        tls_cert: takes the place of the file's.
        tls_key: takes the place of the file's.

    Raises:
        SettingsError: when it cannot be read or used.
    """
    settings = load_toml(path, Settings)
    if tls_cert is not None or tls_key is not None:
        settings = msgspec.structs.replace(settings, tls_cert=tls_cert, tls_key=tls_key)
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Refuse what would send keys in the clear, and a zone that does not exist.

    Raises:
        SettingsError: saying what to do.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise SettingsError("the TLS certificate and its key go together: give both or neither")
    if settings.tls_cert is None and not is_loopback(settings.bind):
        raise SettingsError(
            f"plain HTTP is served to this machine alone, and {settings.bind} is open to others: give --tls, or "
            f"--tls-cert and --tls-key, or bind to 127.0.0.1 and put a server that speaks HTTPS in front",
        )
    for file in (settings.tls_cert, settings.tls_key):
        if file is not None and not file.is_file():
            raise SettingsError(f"the TLS file {file} does not exist: make a certificate, or leave TLS out on loopback")
    try:
        ZoneInfo(settings.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"{settings.time_zone!r} is no time zone: write one like Europe/Rome") from error
