"""The telemetry store on an InfluxDB server, 1.x or 2.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shopfloor.periods import DAY, INSTANT_MAX, INSTANT_MIN, SECOND, Period, union
from shopfloor.samples import Sample, Slice
from shopfloor.samples import samples as opened
from shopfloor.signals import UnknownSignalError, find
from shopfloor.states import Coverage, Hole
from shopfloor.stores import influx_lines as line
from shopfloor.stores.influx_server import BatchRefusedError, Server, Series, literal
from shopfloor.stores.port import Arrival, Reduced, Rejection
from shopfloor.stores.values import MINUTE_SECONDS, NUMBERS, PROOFS, fuller, sift

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shopfloor.samples import Minute
    from shopfloor.signals import SignalClass

LINES_MAX = 10_000
"""Lines of one request."""
BYTES_MAX = 4_000_000
"""Size of one request; servers refuse 25 MB."""
TRIES_MAX = 500
"""Requests that one write spends on finding bad points; beyond, what the server refuses goes as a whole."""
LEARN_SECONDS = 60
"""How often it is learned from the server at which stamps there is a status."""
