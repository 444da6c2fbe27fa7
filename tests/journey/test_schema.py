"""What the document of the API says is what it does, whatever is sent, whoever sends it (Schemathesis)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from tests.journey.api_world import HOLDERS, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import APIOperation

pytestmark = pytest.mark.services

IS_LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
EXAMPLES = 40 if IS_LONG else 3
"""Requests of each operation in each mode: forty take two to three minutes of a core for a role."""
ENDLESS = "/api/v1/live"
"""A stream has no end to wait for; its events are tested beside real data."""
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
"""How a request that is against the document may be refused: as Schemathesis knows, and as too large to be read."""
UNFIT = ["2xx", "303", "401", "403", "404", "409", "412", "413", "422", "429"]
"""How a request that keeps to the document may be answered: a number with a wrong check digit, or a version that is not
the present one, fits every schema and is refused all the same, in words that name it."""
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "negative_data_rejection": {"expected-statuses": REFUSALS},
            "positive_data_acceptance": {"expected-statuses": UNFIT},
        }
    }
)
IN_MAKE_TEST = ("administrator", "member")


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("schema")) as made:
        yield made


@pytest.mark.parametrize(
    "holder",
    [
        *IN_MAKE_TEST,
        *(pytest.param(each, marks=pytest.mark.long) for each in (*HOLDERS, None) if each not in IN_MAKE_TEST),
    ],
)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_is_answered_by_a_fault_or_against_the_document(
    it: World, holder: str | None, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{it.url}/api/v1/openapi.json", config=CONFIG).exclude(path=ENDLESS)
    headers = it.headers(holder) if holder else {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=not IS_LONG,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def holds(case: Case[Any]) -> None:
            case.call_and_validate(headers=headers)

        with contextlib.suppress(Unsatisfiable) if takes_nothing(operation) else contextlib.nullcontext():
            holds()


def takes_nothing(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Tell whether there is nothing in a request that could be wrong."""
    raw = operation.definition.raw
    return not raw.get("parameters") and "requestBody" not in raw
