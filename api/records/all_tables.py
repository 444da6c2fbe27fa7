"""Every table of the database, imported once, so that migrations and models can be compared."""

from __future__ import annotations

from api.access import tables as access
from api.audit import tables as audit
from api.billing import tables as billing
from api.bookings import tables as bookings
from api.edges import tables as edges
from api.floor import tables as floor
from api.maintenance import tables as maintenance
from api.records import tables as records
from api.records.base import Base
from api.usage import tables as usage
from api.watch import tables as watch

__all__ = [
    "METADATA",
    "access",
    "audit",
    "billing",
    "bookings",
    "edges",
    "floor",
    "maintenance",
    "records",
    "usage",
    "watch",
]

METADATA = Base.metadata
"""What the newest version of the database looks like."""
