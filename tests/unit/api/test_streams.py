from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from api.access.scope import Caller, Role, Scope
from api.live.present import Present
from api.live.streams import FRAMES_MAX, Change, Stream, Streams, TooManyStreamsError, View
from api.machines.ownership import Running
from api.machines.park import Machine
from shopfloor.periods import SECOND, Period
from shopfloor.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_800_000_000 * SECOND
NORTH = Machine(id="a", name="A", kind="mill", site="north", publisher="edge")
SOUTH = Machine(id="b", name="B", kind="lathe", site="south", publisher="edge")
OPERATOR = Caller("op", "operator", Scope(Role.OPERATOR))
MEMBER = Caller("me", "member", Scope(Role.MEMBER, "firm"))
KIOSK = Caller("wall", "wall", Scope(Role.KIOSK))
BOUND = Caller("no", "north", Scope(Role.OPERATOR, sites=frozenset({"north"})))


class NoSessions:
    """Knows of no session."""

    def __init__(self) -> None:
        self.known: dict[str, Running] = {}

    def running(self, machine: str) -> Running | None:
        return self.known.get(machine)

    def own(self, member: str, machine: str, period: Period) -> Sequence[Period]:
        del member, machine, period
        return ()

    def refresh(self, *, now: int) -> None:
        del now


def present() -> Present:
    it = Present(NOW)
    it.learn(Sample("a", "observed", NOW, NOW - 60 * SECOND))
    it.learn(Sample("a", "item_state", NOW - 60 * SECOND, 3))
    it.learn(Sample("a", "program", NOW - 30 * SECOND, "O4711"))
    it.learn(Sample("a", "spindle_load", NOW - SECOND, 41.5))
    it.evaluate(NOW)
    return it


@pytest.fixture
def streams() -> Streams:
    return Streams(per_caller_max=2, heartbeat_seconds=10, sessions=NoSessions())


def events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in data.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


async def read(streams: Streams, stream: Stream) -> list[tuple[str, dict[str, Any]]]:
    """Read all that waits for a stream."""
    stream.close()
    stream.is_closed = False
    taken: list[tuple[str, dict[str, Any]]] = []
    snapshot = streams.snapshot(stream.view, [(NORTH, present())], now=NOW)
    iterator = stream.frames(lambda _: snapshot)
    while stream.is_behind or stream._frames:
        taken += events(await anext(iterator))
    return taken


async def test_a_stream_begins_with_all_that_its_view_shows(streams: Streams) -> None:
    stream = streams.open(OPERATOR, None)

    ((kind, data),) = await read(streams, stream)

    assert kind == "snapshot"
    (machine,) = data["machines"]
    assert (machine["id"], machine["site"], machine["state"]) == ("a", "north", "processing")
    assert machine["values"]["spindle_load"]["value"] == 41.5


async def test_a_change_holds_what_changed_and_nothing_else(streams: Streams) -> None:
    stream = streams.open(OPERATOR, None)
    await read(streams, stream)

    streams.publish([Change(NORTH, present(), state=False, names={"spindle_load"})], now=NOW)

    ((kind, data),) = await read(streams, stream)
    assert kind == "machine"
    assert set(data["values"]) == {"spindle_load"}
    assert "name" not in data


@pytest.mark.parametrize("names", [None, frozenset({"program", "spindle_load"})])
async def test_a_member_is_sent_states_and_never_what_a_machine_works_on(
    streams: Streams, names: frozenset[str] | None
) -> None:
    stream = streams.open(MEMBER, names)

    streams.publish([Change(NORTH, present(), state=True, names={"program", "spindle_load"})], now=NOW)
    sent = await read(streams, stream)
    streams.publish([Change(NORTH, present(), state=True, names={"program"})], now=NOW)
    sent += await read(streams, stream)

    assert [kind for kind, _ in sent] == ["snapshot", "machine"]
    assert "values" not in json.dumps(sent)
    assert "O4711" not in json.dumps(sent)


class Rented(NoSessions):
    """A session of one firm at every machine."""

    def __init__(self, member: str, period: Period) -> None:
        super().__init__()
        self.known = {NORTH.id: Running(member, period)}


@pytest.mark.parametrize(
    ("member", "since", "until", "shown"),
    [
        ("firm", 60, 0, {"program", "spindle_load"}),
        ("firm", 10, 0, {"spindle_load"}),  # the program was started in the session before
        ("firm", 60, 20, {"program"}),  # whose the last seconds are is not known yet
        ("other", 60, 0, None),
    ],
)
async def test_a_member_is_sent_what_is_stamped_within_its_own_running_session_and_nothing_else(
    member: str, since: int, until: int, shown: set[str] | None
) -> None:
    session = Period(NOW - since * SECOND, NOW - until * SECOND)
    streams = Streams(per_caller_max=2, heartbeat_seconds=10, sessions=Rented(member, session))
    stream, kiosk = streams.open(MEMBER, None), streams.open(KIOSK, None)
    names = {"program", "spindle_load"}

    ((_, snapshot),) = await read(streams, stream)
    streams.publish([Change(NORTH, present(), state=True, names=names)], now=NOW)
    streams.publish([Change(SOUTH, present(), state=True, names=names)], now=NOW)
    (_, north), (_, south) = await read(streams, stream)

    first = snapshot["machines"][0].get("values")
    assert (None if first is None else set(first) & names) == shown
    assert (None if "values" not in north else set(north["values"])) == shown
    assert "values" not in south
    assert "values" not in json.dumps(await read(streams, kiosk))


async def test_values_alone_are_no_event_for_a_member_except_that_data_still_arrives_now_and_then(
    streams: Streams,
) -> None:
    stream = streams.open(MEMBER, None)
    await read(streams, stream)

    for _ in range(20):
        streams.publish([Change(NORTH, present(), state=False, names={"spindle_load"})], now=NOW)

    assert len(await read(streams, stream)) == 1


async def test_a_stream_bound_to_a_site_hears_of_that_site_alone(streams: Streams) -> None:
    stream = streams.open(BOUND, None)
    await read(streams, stream)

    streams.publish([Change(SOUTH, present(), state=True, names={"program"})], now=NOW)

    assert await read(streams, stream) == []


async def test_a_stream_hears_of_the_signals_that_it_asked_for(streams: Streams) -> None:
    stream = streams.open(OPERATOR, frozenset({"program"}))
    ((_, snapshot),) = await read(streams, stream)
    streams.publish([Change(NORTH, present(), state=True, names={"program", "spindle_load"})], now=NOW)

    ((_, change),) = await read(streams, stream)

    assert set(snapshot["machines"][0]["values"]) == {"program"}
    assert set(change["values"]) == {"program"}


async def test_those_who_see_the_same_share_one_encoding(streams: Streams) -> None:
    first, second = streams.open(OPERATOR, None), streams.open(OPERATOR, None)
    for stream in (first, second):
        await read(streams, stream)

    streams.publish([Change(NORTH, present(), state=True, names=set())], now=NOW)

    assert first._frames[0] is second._frames[0]


async def test_a_slow_reader_is_sent_a_snapshot_in_place_of_what_waits_and_holds_nobody_up(streams: Streams) -> None:
    slow, quick = streams.open(OPERATOR, None), streams.open(BOUND, None)
    for stream in (slow, quick):
        await read(streams, stream)
    for _ in range(FRAMES_MAX + 5):
        streams.publish([Change(NORTH, present(), state=True, names=set())], now=NOW)
        assert len(await read(streams, quick)) == 1

    assert [kind for kind, _ in await read(streams, slow)] == ["snapshot"]
    assert streams.overflows == 1


def test_one_stream_more_than_a_caller_may_have_is_refused_until_one_ends(streams: Streams) -> None:
    first = streams.open(OPERATOR, None)
    streams.open(OPERATOR, None)
    with pytest.raises(TooManyStreamsError, match="limit"):
        streams.open(OPERATOR, None)
    streams.open(MEMBER, None)

    streams.release(first)

    streams.open(OPERATOR, None)


async def test_a_silent_stream_is_sent_a_heartbeat(streams: Streams) -> None:
    stream = streams.open(OPERATOR, None)
    await read(streams, stream)

    for seconds in range(25):
        streams.beat(lambda _: True, now=NOW + seconds * SECOND)

    assert [kind for kind, _ in await read(streams, stream)] == ["heartbeat", "heartbeat"]


async def test_the_stream_of_a_key_that_is_gone_ends(streams: Streams) -> None:
    stream = streams.open(OPERATOR, None)
    await read(streams, stream)

    streams.beat(lambda caller: caller is not OPERATOR, now=NOW)

    assert [part async for part in stream.frames(lambda _: b"")] == []
    assert len(streams) == 0


async def test_a_stop_ends_a_reader_that_waits_and_lets_nobody_in_any_more(streams: Streams) -> None:
    stream = streams.open(OPERATOR, None)
    await read(streams, stream)
    waiting = asyncio.create_task(anext(stream.frames(lambda _: b""), None))
    await asyncio.sleep(0)

    streams.close()

    assert await waiting is None
    with pytest.raises(TooManyStreamsError, match="stopping"):
        streams.open(OPERATOR, None)


def test_an_event_is_one_line_whatever_a_program_is_called(streams: Streams) -> None:
    it = present()
    it.learn(Sample("a", "program", NOW, "A\nevent: forged\r\n\r\ndata: x"))
    view = View(OPERATOR.scope, None)

    data = streams.snapshot(view, [(NORTH, it)], now=NOW)

    assert [kind for kind, _ in events(data)] == ["snapshot"]
