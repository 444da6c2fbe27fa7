"""The routes of work orders, the plan and its calendar, spares, and how maintenance fares."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.tokens import new_id
from api.deps import CallerDep, NowDep, ScopeDep, ServicesDep  # noqa: TC001 - read when routes are made
from api.machines.paging import page
from api.maintenance import orders_records, photos_records, show
from api.maintenance.endpoints import OfMachine, read, write
from api.maintenance.figures import (
    FLOOD_SHARE_MAX,
    INCIDENTS_PER_MACHINE_MONTH_MAX,
    PEAK_HOUR_MAX,
    PEAK_MINUTE_MAX,
    PER_DAY_MAX,
)
from api.maintenance.schemas import (
    FiguresFields,
    GiveBackPost,
    LockOutPost,
    MachineMaintenance,
    PlanList,
    SpareFields,
    SparePost,
    WorkOrderClose,
    WorkOrderFields,
    WorkOrderList,
    WorkOrderPatch,
    WorkOrderPost,
    WorkPhotoList,
    WorkPhotoOut,
)
from api.records import files
from api.records.endpoints import Cursor, Limit, MachineId, WriterDep  # noqa: TC001 - read when routes are made
from api.records.file_endpoints import answer
from api.records.schemas import Name  # noqa: TC001 - read when routes are made
from shopfloor.periods import INSTANT_MAX, parse_instant

router = APIRouter(prefix="/api/v1", tags=["maintenance"])

OrderNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the work order.")]
PhotoId = Annotated[str, Path(max_length=16, description="Identifier of the photo.")]
_PICTURE = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted(files.PICTURES)}
OrderState = Annotated[Literal["open", "in_progress", "closed", "cancelled"] | None,
                       Query(description="`open`: also what is in progress.")]  # fmt: skip
Days = Annotated[int, Query(ge=1, le=400, description="Of the period that ends now.")]


@router.get("/work-orders", response_model=WorkOrderList)
async def list_work_orders(
    found: ServicesDep,
    scope: ScopeDep,
    *,
    state: OrderState = None,
    machine: OfMachine = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    """Work orders, the newest first."""
    rows = await read(found, lambda session: orders_records.listed(session, scope, state=state, machine=machine))
    chosen, following = page(rows, lambda row: f"{INSTANT_MAX - row.number:020d}", after=cursor, limit=limit)
    return {"items": [show.work_order(each) for each in chosen], "next_cursor": following}


@router.post("/work-orders", response_model=WorkOrderFields, status_code=HTTPStatus.CREATED)
async def open_work_order(writer: WriterDep, scope: ScopeDep, fields: WorkOrderPost) -> Any:
    """Open a work order: from an alert, from the plan, or by itself."""
    values = fields.model_dump() | {"incident": fields.alert, "due": parse_instant(fields.due) if fields.due else None}
    del values["alert"]

    def change(session: Any) -> Any:
        row = orders_records.open_order(session, scope, writer.actor, values, now=writer.now)
        return show.work_order(row)

    return await write(writer, change)


@router.get("/work-orders/{order_number}", response_model=WorkOrderFields)
async def get_work_order(found: ServicesDep, scope: ScopeDep, order_number: OrderNumber) -> Any:
    """One work order."""
    return await read(found, lambda session: show.work_order(orders_records.one(session, scope, order_number)))


@router.patch("/work-orders/{order_number}", response_model=WorkOrderFields)
async def change_work_order(
    writer: WriterDep, scope: ScopeDep, order_number: OrderNumber, fields: WorkOrderPatch
) -> Any:
    """Change a work order; what is left out stays."""
    values = fields.model_dump(exclude_unset=True, exclude_none=True)
    if "due" in values:
        values["due"] = parse_instant(values["due"])

    def change(session: Any) -> Any:
        row = orders_records.one(session, scope, order_number)
        orders_records.change(session, writer.actor, row, values, now=writer.now)
        return show.work_order(row)

    return await write(writer, change)


@router.post("/work-orders/{order_number}/close", response_model=WorkOrderFields)
async def close_work_order(
    writer: WriterDep, caller: CallerDep, order_number: OrderNumber, fields: WorkOrderClose
) -> Any:
    """Say that the work was done: the counter starts anew at that time, the alert closes, the next due date moves."""
    at = parse_instant(fields.done) if fields.done else writer.now
    parts = [each.model_dump() for each in fields.parts]
    done = orders_records.Done(at, fields.text, fields.minutes, parts, caller.name)

    def change(session: Any) -> Any:
        row = orders_records.one(session, caller.scope, order_number)
        orders_records.close(session, writer.actor, caller.scope, row, done, now=writer.now)
        return show.work_order(row)

    return await write(writer, change)


@router.post("/work-orders/{order_number}/lock-out", response_model=WorkOrderFields)
async def lock_machine_out(writer: WriterDep, scope: ScopeDep, order_number: OrderNumber, fields: LockOutPost) -> Any:
    """Lock the machine out: nobody can book it, and who had booked it is told."""

    def change(session: Any) -> Any:
        row = orders_records.one(session, scope, order_number)
        orders_records.lock_out(session, writer.actor, row, fields.reason, now=writer.now)
        return show.work_order(row)

    return await write(writer, change)


@router.post("/work-orders/{order_number}/give-back", response_model=WorkOrderFields)
async def give_machine_back(writer: WriterDep, scope: ScopeDep, order_number: OrderNumber, fields: GiveBackPost) -> Any:
    """Give the machine back after a check, which stays on record."""

    def change(session: Any) -> Any:
        row = orders_records.one(session, scope, order_number)
        orders_records.give_back(session, writer.actor, row, fields.check, now=writer.now)
        return show.work_order(row)

    return await write(writer, change)


@router.get("/work-orders/{order_number}/photos", response_model=WorkPhotoList)
async def list_work_photos(found: ServicesDep, scope: ScopeDep, order_number: OrderNumber) -> Any:
    """The photos of a work order."""

    def ask(session: Any) -> Any:
        return {"items": photos_records.listed(session, orders_records.one(session, scope, order_number).number)}

    return await read(found, ask)


@router.post(
    "/work-orders/{order_number}/photos",
    status_code=HTTPStatus.CREATED,
    response_model=WorkPhotoOut,
    openapi_extra={"requestBody": {"required": True, "content": _PICTURE}},
)
async def add_work_photo(
    writer: WriterDep,
    scope: ScopeDep,
    request: Request,
    order_number: OrderNumber,
    *,
    name: Annotated[Name, Query(description="What it is called.")] = "Photo",
) -> Any:
    """Keep a photo of a work order: the body is the picture, a JPEG, PNG or WebP, whatever it is said to be."""
    new = name, await request.body()

    def change(session: Any) -> Any:
        row = orders_records.one(session, scope, order_number)
        return photos_records.add(session, writer.actor, row, new, photo_id=new_id(), now=writer.now)

    return await write(writer, change)


@router.get(
    "/work-orders/{order_number}/photos/{photo_id}", response_class=Response, responses={200: {"content": _PICTURE}}
)
async def get_work_photo(found: ServicesDep, scope: ScopeDep, order_number: OrderNumber, photo_id: PhotoId) -> Response:
    """A photo of a work order."""

    def ask(session: Any) -> files.Kept:
        return photos_records.content_of(session, orders_records.one(session, scope, order_number).number, photo_id)

    return answer(await read(found, ask))


@router.delete("/work-orders/{order_number}/photos/{photo_id}", status_code=HTTPStatus.NO_CONTENT)
async def remove_work_photo(writer: WriterDep, scope: ScopeDep, order_number: OrderNumber, photo_id: PhotoId) -> None:
    """Remove a photo of an order that is still open."""

    def change(session: Any) -> None:
        row = orders_records.one(session, scope, order_number)
        photos_records.remove(session, writer.actor, row, photo_id, now=writer.now)

    await write(writer, change)


@router.get("/maintenance/plan", response_model=PlanList)
async def get_plan(
    found: ServicesDep, scope: ScopeDep, *, machine: OfMachine = None, cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """Service of every machine by counter and calendar, whichever comes first, the next first."""
    rows = await read(found, lambda session: orders_records.plan(session, scope, machine))
    chosen, following = page(
        rows,
        lambda each: f"{each['due'] if each['due'] is not None else INSTANT_MAX:020d}{each['machine']}/{each['rule']}",
        after=cursor,
        limit=limit,
    )
    return {"items": [show.planned(each) for each in chosen], "next_cursor": following}


@router.get("/machines/{machine_id}/maintenance", response_model=MachineMaintenance)
async def get_machine_maintenance(found: ServicesDep, scope: ScopeDep, now: NowDep, machine_id: MachineId) -> Any:
    """A machine's plan, history, spare parts, contacts, and how it held out over a year."""

    def ask(session: Any) -> Any:
        machine = orders_records.machine_of(session, scope, machine_id)
        closed = orders_records.listed(session, scope, state="closed", machine=machine_id)
        return {
            "plan": [show.planned(each) for each in orders_records.plan(session, scope, machine_id)],
            "history": [show.work_order(each) for each in closed],
            "spares": [show.spare(each) for each in orders_records.spares(session, machine_id)],
            "contacts": list(machine.contacts),
            "reliability": orders_records.reliability_of(session, machine_id, now=now)._asdict(),
            "unknown_codes": orders_records.unknown_codes(session, [machine_id]),
        }

    return await read(found, ask)


@router.post("/maintenance/spares", response_model=SpareFields, status_code=HTTPStatus.CREATED)
async def add_spare(writer: WriterDep, scope: ScopeDep, fields: SparePost) -> Any:
    """Keep a spare part, of a machine or of all."""

    def change(session: Any) -> Any:
        values = fields.model_dump()
        return show.spare(orders_records.add_spare(session, scope, writer.actor, values, now=writer.now))

    return await write(writer, change)


@router.get("/maintenance/figures", response_model=FiguresFields)
async def get_figures(found: ServicesDep, scope: ScopeDep, now: NowDep, *, days: Days = 30) -> Any:
    """Alarms of the last days beside their targets, messages by what became of them, and codes nobody has classed."""
    kept = await read(found, lambda session: orders_records.figures(session, scope, days=days, now=now))
    return kept | {
        "since": show.instant(kept["since"]),
        "per_day_target": PER_DAY_MAX,
        "peak_hour_target": PEAK_HOUR_MAX,
        "peak_minute_target": PEAK_MINUTE_MAX,
        "flood_share_target": FLOOD_SHARE_MAX,
        "incidents_per_machine_month_target": INCIDENTS_PER_MACHINE_MONTH_MAX,
    }
