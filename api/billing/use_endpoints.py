"""The routes of use with money: told apart by whatever a member charges its own customers by, also as a file."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.billing.calendars import day_of
from api.billing.documents.csv_file import harmless
from api.billing.endpoints import CURRENCY, OfMember, whose
from api.billing.previews import used
from api.billing.reports import By
from api.billing.schemas import UsageList
from api.deps import NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.paging import page
from api.machines.service import InvalidQueryError
from api.records.endpoints import Cursor, Limit  # noqa: TC001 - read when routes are made

if TYPE_CHECKING:
    from api.billing.reports import Sum

router = APIRouter(prefix="/api/v1")
DAYS_MAX = 100
"""Longest range of use with money."""
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]


class Use(NamedTuple):
    """Use that was asked for.

    Attributes:
        keys: what it is told apart by.
        since: first day.
        until: first day that is not in it.
        rows: by key.
    """

    keys: list[By]
    since: date
    until: date
    rows: list[tuple[tuple[str, ...], Sum]]


async def use_of(
    found: ServicesDep,
    scope: ScopeDep,
    now: NowDep,
    *,
    by: Annotated[str, Query(max_length=80, description="Comma-separated: " + ", ".join(By))] = "member,machine",
    start: Annotated[Day | None, Query(alias="from", description="First day; by default that of the month.")] = None,
    end: Annotated[Day | None, Query(alias="to", description="First day that is not in it.")] = None,
    member: OfMember = None,
    machine: Annotated[str | None, Query(max_length=63, description="Only of this machine.")] = None,
) -> Use:
    """Add up the use that is asked for."""
    asked = whose(scope, member)
    today = day_of(now, found.ledger.zone)
    until = min(end or today + timedelta(days=1), today + timedelta(days=1))
    since = start or (until - timedelta(days=1)).replace(day=1)
    if not 0 < (until - since).days <= DAYS_MAX:
        raise InvalidQueryError(f"the range is empty or longer than {DAYS_MAX} days: ask for another one")
    keys = _keys(by)
    days = (since, until - timedelta(days=1))
    rows = await asyncio.to_thread(used, found.ledger, keys, days, now=now, member=asked, machine=machine)
    return Use(keys, since, until, rows)


UseDep = Annotated[Use, Depends(use_of)]


@router.get("/usage", tags=["usage"], response_model=UsageList)
async def list_usage(use: UseDep, *, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Use and money, by any of member, machine, site, state, day, job, order and part; a member sees its own."""
    items, following = page(use.rows, lambda row: "\n".join(row[0]), after=cursor, limit=limit)
    return {
        "items": [
            {
                "key": dict(zip(use.keys, key, strict=True)),
                "seconds": total.seconds,
                "energy_kwh": str(Decimal(total.energy) / 1_000_000),
                "parts": total.pieces,
                "net": str(total.net),
                "currency": CURRENCY,
            }
            for key, total in items
        ],
        "next_cursor": following,
        "from": use.since,
        "to": use.until,
        "by": use.keys,
    }


@router.get("/usage.csv", tags=["usage"], response_class=Response)
async def export_usage(use: UseDep) -> Response:
    """The same as a file that a spreadsheet opens: semicolons, decimal points, every row."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow([*use.keys, "seconds", "energy_kwh", "parts", "net", "currency"])
    for key, total in use.rows:
        energy = f"{Decimal(total.energy) / 1_000_000:f}"
        writer.writerow([*map(harmless, key), total.seconds, energy, total.pieces, str(total.net), CURRENCY])
    name = f"usage-{use.since}-{use.until - timedelta(days=1)}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(b"\xef\xbb\xbf" + file.getvalue().encode(), media_type="text/csv; charset=utf-8", headers=headers)


def _keys(by: str) -> list[By]:
    names = list(dict.fromkeys(by.split(",")))
    unknown = [name for name in names if name not in set(By)]
    if unknown:
        raise InvalidQueryError(f"use is not told apart by {unknown[0]!r}: name some of {', '.join(By)}")
    return [By(name) for name in names]
