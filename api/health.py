"""Whether the process lives, and whether it can serve: one line for each thing that it depends on."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from api.deps import NowDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.metrics import CONTENT_TYPE
from api.records.database import RecordsUnavailableError
from shopfloor.stores.port import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from api.records.database import Records
    from shopfloor.stores.port import Store

STORE_SECONDS = 3.0
"""How long the store may take to answer before it counts as not ready."""

router = APIRouter(tags=["operation"])


@router.get("/healthz", response_class=PlainTextResponse)
async def alive() -> str:
    """Answer that the process lives; it asks nobody else."""
    return "ok\n"


@router.get("/readyz", response_class=PlainTextResponse)
async def ready(found: ServicesDep, now: NowDep) -> Response:
    """One line for records, store, broker and live feed; 503 with the same lines when one of them is not ready."""
    problems = {
        "records": await records_problem(found.records),
        "store": await store_problem(found.store, now),
        "broker": found.live.broker_problem,
        "live feed": found.live.feed_problem,
    }
    text = "".join(
        f"{name}: {'ready' if problem is None else 'not ready, ' + problem}\n" for name, problem in problems.items()
    )
    status = HTTPStatus.SERVICE_UNAVAILABLE if any(problems.values()) else HTTPStatus.OK
    return PlainTextResponse(text, status)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(found: ServicesDep) -> Response:
    """Counters in the text format of Prometheus."""
    return Response(found.metrics.render(), media_type=CONTENT_TYPE)


async def store_problem(store: Store, now: int) -> str | None:
    """Return why the store is not ready, None when it answers."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await asyncio.to_thread(store.arrivals, now)
    except TimeoutError:
        return f"no answer within {STORE_SECONDS:.0f} s"
    except StoreUnavailableError:
        return "it does not answer"
    except StoreRefusedError:
        return "it refuses this server"
    return None


async def records_problem(records: Records) -> str | None:
    """Return why the records are not ready, None when they answer."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await asyncio.to_thread(records.change_number, "machines")
    except TimeoutError:
        return f"no answer within {STORE_SECONDS:.0f} s"
    except RecordsUnavailableError:
        return "they do not answer"
    return None
