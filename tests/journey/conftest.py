"""Where the records of a journey are kept: in a file, and at full size on a real PostgreSQL too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.services.postgres import Cluster


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def kept_in(request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database for a world's records; empty for a file of its own."""
    if request.param == "sqlite":
        return ""
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    return cluster.new_database()
