"""The collector's settings, from a TOML file, validated whole."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from shopfloor.settings import BrokerSettings, load


class CollectorSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a collector needs to know.

    Attributes:
        broker: where messages come from.
        store: address of the telemetry store, see `shopfloor.stores.open`.
        quarantine: file for what cannot be stored; each collector has its own.
        shared: subscribe together with other collectors, so that each message reaches one of them. The embedded broker
            grants this and then delivers nothing: leave it off there.
        session: `clean` where publishers are Officina agents; `persistent` for one collector that serves publishers
            which know no acknowledgement: the broker then keeps what they send while this collector is away.
        name: client id of a persistent session.
        writers: batches written at the same time.
        metrics_port: where /metrics is served; 0 for nowhere.
        metrics_bind: address for that; what is served there is for monitoring alone and asks for no login.
    """

    broker: BrokerSettings
    store: str
    quarantine: Path
    shared: bool = False
    session: Literal["clean", "persistent"] = "clean"
    name: str = "collector"
    writers: int = 2
    metrics_port: int = 0
    metrics_bind: str = "127.0.0.1"


def load_settings(path: Path) -> CollectorSettings:
    """Read the settings file.

    Raises:
        SettingsError: with every problem, each with its place and its mend.
    """
    return load(path, CollectorSettings)
