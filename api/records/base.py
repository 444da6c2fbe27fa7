"""What every table shares: one catalogue, one way to name constraints, one way to keep an instant."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from sqlalchemy import BigInteger, MetaData
from sqlalchemy.orm import DeclarativeBase, mapped_column

Stamp: TypeAlias = Annotated[int, mapped_column(BigInteger)]
"""An instant: nanoseconds UTC."""


class Base(DeclarativeBase):
    """What tables are made of; constraints have names, so that a migration can find them on either database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
