"""Jobs, alarms, prognoses and tools of a server that the project did not write, from the OPC Foundation's NodeSets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge_agent import opcua
from shopfloor.entries import Alarm, Life, Message, Prognosis, Tool, decode, decode_all
from tests.services.test_foreign_server import configure, introduce, play, server, server_config
from tests.services.test_opcua_source import Notebook, until, watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.peer.peer import NodeOpcuaServer

pytestmark = pytest.mark.services
__all__ = ["server"]

JOB: dict[str, Any] = {
    "id": "J-7",
    "state": "Running",
    "work_master": "O7007",
    "parameters": {
        "OrderNumbers": ["String", ["PO-1", "PO-2"]],
        "CustomerOrderNumbers": ["String", ["FER-0042"]],
        "JobExecutionMode": ["Int32", 2],
        "RunsPlanned": ["UInt32", 12],
    },
}
SET = ("job", "order", "customer_order", "program", "execution_mode")


def at(notebook: Notebook, stamp: int | None) -> dict[str, object]:
    """Return what the signals of a job say at one stamp."""
    return {each.signal: each.value for signal in SET for each in notebook.values[signal] if each.source == stamp}


async def test_a_job_order_is_one_set_at_one_stamp_by_its_list_and_by_its_event(
    tmp_path: Path, server: NodeOpcuaServer
) -> None:
    notebook = Notebook()
    introduce(server, tmp_path)
    play(server, {"job_orders": [], "job": "", "program": "", "job_responses": []})
    async with watching(server_config(configure(tmp_path, server)), notebook):
        await until(lambda: notebook.proofs, "observed")
        play(server, {"job_orders": [JOB]})
        await until(lambda: notebook.last("job") == "J-7", "the list is read")
        first = notebook.values["job"][-1].source
        server.happen("jobStatus", {**JOB, "id": "J-8", "state": "Running"})
        play(server, {"job_orders": [{**JOB, "state": "Ended"}, {**JOB, "id": "J-8"}]})
        await until(lambda: notebook.last("job") == "J-8", "the event is heard")
        play(server, {"job_responses": [{"id": "J-8", "state": "Running", "data": {"GoodQuantity": ["Double", 5.0]}}]})
        await until(lambda: notebook.last("job_parts_good") == 5.0, "the response is read")
        play(server, {"job_orders": []})
        await until(lambda: notebook.last("job") == "", "it ends")
    expected = {"job": "J-7", "order": "PO-1, PO-2", "customer_order": "FER-0042", "program": "O7007",
                "execution_mode": 2}  # fmt: skip
    assert at(notebook, first) == expected
    assert at(notebook, next(each.source for each in notebook.values["job"] if each.value == "J-8")) == {
        **expected,
        "job": "J-8",
    }
    assert notebook.last("order") == ""
    assert notebook.last("execution_mode") is None


async def test_alarms_are_told_whole_also_after_a_new_connection(tmp_path: Path, server: NodeOpcuaServer) -> None:
    introduce(server, tmp_path)
    config = server_config(configure(tmp_path, server))
    server.happen("alarm", {"name": "Lube", "code": "700123", "text": "oil low", "severity": 500, "active": True})
    notebook = Notebook()
    async with watching(config, notebook):
        await until(lambda: notebook.proofs, "observed")
        assert notebook.last("alarm_blocking") is False
        server.happen("alarm", {"name": "Crash", "code": "25000", "text": "axis", "severity": 900, "active": True})
        await until(lambda: notebook.last("alarm_blocking") is True, "blocking")
        server.happen("message", {"code": "M1", "text": "door open", "severity": 100})
        await until(lambda: notebook.last("message"), "a message")
    alarms, more = decode_all(Alarm, str(notebook.last("alarms")))
    assert [(each.code, each.text, each.severity, each.blocking) for each in alarms] == [
        ("25000", "axis", 900, True),
        ("700123", "oil low", 500, False),
    ]
    assert more == 0
    assert decode(Message, str(notebook.last("message"))) == Message("M1", "door open", 100, "Messages")
    assert notebook.last("alarm") == "25000 axis"
    server.happen("alarm", {"name": "Crash", "code": "25000", "text": "axis", "severity": 900, "active": False})
    again = Notebook()
    async with watching(config, again):
        await until(lambda: again.last("alarms"), "told again")
        assert [each.code for each in decode_all(Alarm, str(again.last("alarms")))[0]] == ["700123"]
        assert again.last("alarm_blocking") is False
        server.happen("alarm", {"name": "Lube", "code": "700123", "text": "oil", "severity": 500, "active": False})
        await until(lambda: again.last("alarms") == "[]", "over")
    assert again.health["m01"].refused == {}


async def test_tools_and_prognoses_come_and_go_without_a_new_connection(
    tmp_path: Path, server: NodeOpcuaServer
) -> None:
    notebook = Notebook()
    introduce(server, tmp_path)
    server.happen("tool", {"name": "Drill", "number": 4, "locked": True, "life": 30.0, "limit": 60.0})
    async with watching(server_config(configure(tmp_path, server)), notebook):
        await until(lambda: notebook.last("tools") == '["Drill"]', "the tool")
        drill = decode(Tool, str(notebook.last("tool")))
        server.happen("tool", {"name": "Mill", "number": 5, "locked": False, "life": 0.0, "limit": 60.0})
        await until(lambda: notebook.last("tools") == '["Drill","Mill"]', "a second tool")
        told = {"ToolName": ["String", "Drill"], "Location": ["LocalizedText", "Magazine"]}
        predicted = "2026-11-22T18:00:00.000Z"
        server.happen("prognosis", {"name": "Change", "type": 45, "predicted": predicted, "details": told})
        await until(lambda: "Change" in str(notebook.last("prognoses")), "a prognosis")
        (prognosis,), _ = decode_all(Prognosis, str(notebook.last("prognoses")))
        for name in ("Drill", "Mill", "Change"):
            server.happen("remove", name)
        await until(lambda: notebook.last("tools") == notebook.last("prognoses") == "[]", "gone")
    assert (drill.number, drill.place, drill.place_number, drill.locked) == (4, "Magazine", 4, "tool_life")
    (life,) = drill.life
    assert (life.value, life.limit, life.unit, life.measure, life.counts_up) == (1800.0, 3600.0, "s", "time", True)
    assert (prognosis.kind, prognosis.predicted) == ("tool_change", "2026-11-22T18:00:00Z")
    assert prognosis.details == {"tool_name": "Drill", "location": "Magazine"}


async def test_lifetime_counters_are_read_whole_as_they_count_on_and_go(
    tmp_path: Path, server: NodeOpcuaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opcua, "LISTS_SECONDS", 0.1)
    notebook = Notebook()
    introduce(server, tmp_path)
    bearing = {"name": "SpindleBearing", "value": 1500.0, "start": 0.0, "limit": 12000.0, "warnings": [9000.0, 11000.0],
               "unit": {"id": 4740434, "symbol": "h"}}  # fmt: skip
    clamps = {"name": "Clamps", "value": 8.0, "start": 500.0, "limit": 0.0, "unit": {"id": 17225, "symbol": "{pieces}"}}
    server.happen("lifetime", bearing)
    server.happen("lifetime", clamps)
    async with watching(server_config(configure(tmp_path, server)), notebook):
        await until(lambda: notebook.last("lifetimes"), "the counters")
        server.happen("lifetime", {**bearing, "value": 1501.0})
        await until(lambda: len(notebook.values["lifetimes"]) > 1, "one counts on")
        for name in ("SpindleBearing", "Clamps"):
            server.happen("remove", name)
        await until(lambda: notebook.last("lifetimes") == "[]", "gone")
        assert notebook.health["m01"].refused == {}
    told = [decode_all(Life, str(each.value))[0] for each in notebook.values["lifetimes"][:2]]
    hours: dict[str, Any] = {"unit": "s", "start": 0.0, "warning": 9000 * 3600.0, "limit": 12000 * 3600.0}
    for value, lives in zip((1500, 1501), told, strict=True):
        assert sorted(lives, key=lambda each: each.id) == [
            Life("Clamps", 8.0, "{pieces}", start=500.0, limit=0.0),
            Life("SpindleBearing", value * 3600.0, **hours),
        ]
