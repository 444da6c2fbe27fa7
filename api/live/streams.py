"""Who is watching, and what is sent to them: one encoding for all who see the same, a bounded queue for each."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi.sse import format_sse_event

from api.machines.ownership import visible_now
from api.machines.past import shown_value
from shopfloor.periods import SECOND, format_instant
from shopfloor.samples import quality

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from api.access.scope import Caller, Scope
    from api.live.present import Present
    from api.machines.ownership import Sessions
    from api.machines.park import Machine
    from shopfloor.samples import Sample

STREAMS_MAX = 1_000
"""Most open streams of this process; one more is refused."""
FRAMES_MAX = 50
"""Most batches that wait for one slow reader. At the bound they are dropped, counted, and replaced by one snapshot: of
the present only the newest matters, and a slow reader never holds up another one."""
SEEN_STEP_SECONDS = 5
"""How often a viewer who sees states alone is told that data still arrives."""


class TooManyStreamsError(Exception):
    """No further stream is opened; the sentence says why."""


class View(NamedTuple):
    """What a stream shows.

    Attributes:
        scope: what its caller may see.
        names: signals that it asked for, None for all of them.
    """

    scope: Scope
    names: frozenset[str] | None


class Change(NamedTuple):
    """What became different of one machine since the last batch.

    Attributes:
        machine: which.
        present: how it is now.
        state: whether its state, or when that began, is another one.
        names: signals with a newer value.
    """

    machine: Machine
    present: Present
    state: bool
    names: set[str]


class Stream:
    """One open stream."""

    def __init__(self, caller: Caller, view: View) -> None:
        self.caller = caller
        self.view = view
        self.is_behind = True  # it begins with a snapshot
        self.is_closed = False
        self.sent = 0
        self._frames: deque[bytes] = deque()
        self._woken = asyncio.Event()

    def put(self, frame: bytes, *, now: int) -> bool:
        """Queue a batch. Returns whether the bound was reached and all that waited gave way to a snapshot."""
        self.sent = now
        self._woken.set()
        if self.is_behind:
            return False
        if len(self._frames) >= FRAMES_MAX:
            self._frames.clear()
            self.is_behind = True
            return True
        self._frames.append(frame)
        return False

    def restart(self) -> None:
        """Begin again with a snapshot."""
        self.is_behind = True
        self._frames.clear()
        self._woken.set()

    def close(self) -> None:
        """End it: what waits is not sent."""
        self.is_closed = True
        self._woken.set()

    async def frames(self, snapshot: Callable[[View], bytes]) -> AsyncIterator[bytes]:
        """Yield what there is to send until the stream is closed.

        Args:
            snapshot: encodes all that a view shows now.
        """
        while not self.is_closed:
            if self.is_behind:
                self.is_behind = False
                yield snapshot(self.view)
            elif self._frames:
                joined = b"".join(self._frames)
                self._frames.clear()
                yield joined
            else:
                self._woken.clear()
                await self._woken.wait()


class Streams:
    """All open streams.

    Args:
        per_caller_max: most streams of one person or API key.
        heartbeat_seconds: a stream is never silent for longer.
        sessions: whose work a machine is doing.
    """

    def __init__(self, *, per_caller_max: int, heartbeat_seconds: int, sessions: Sessions) -> None:
        self.overflows = 0
        self._sessions = sessions
        self._per_caller_max = per_caller_max
        self._heartbeat_seconds = heartbeat_seconds
        self._streams: set[Stream] = set()
        self._sequence = 0
        self._seen: dict[str, int] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, caller: Caller, names: frozenset[str] | None) -> Stream:
        """Open a stream for a caller.

        Raises:
            TooManyStreamsError: when the caller, or this process, has as many as it may.
        """
        if self._is_closed:
            raise TooManyStreamsError("the server is stopping: connect again in a moment")
        own = sum(stream.caller.id == caller.id for stream in self._streams)
        if own >= self._per_caller_max:
            raise TooManyStreamsError(
                f"{own} streams of this person or key are open, and that is the limit: close one of them"
            )
        if len(self._streams) >= STREAMS_MAX:
            raise TooManyStreamsError(f"{STREAMS_MAX} streams are open, and that is the limit: try again later")
        stream = Stream(caller, View(caller.scope, names))
        self._streams.add(stream)
        return stream

    def release(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        stream.close()
        self._streams.discard(stream)

    def close(self) -> None:
        """End every stream, and open none any more."""
        self._is_closed = True
        for stream in self._streams:
            stream.close()

    def restart(self) -> None:
        """Send everybody a snapshot next: there are other machines now."""
        for stream in self._streams:
            stream.restart()

    def publish(self, changes: list[Change], *, now: int) -> None:
        """Send what changed to everybody who may see it, encoded once for all who see the same."""
        self._sequence += 1
        told_seen = self._tell_seen(changes)
        frames: dict[View, bytes] = {}
        for stream in self._streams:
            frame = frames.get(stream.view)
            if frame is None:
                frame = frames[stream.view] = self._frame(stream.view, changes, told_seen)
            if frame:
                self.overflows += stream.put(frame, now=now)

    def beat(self, is_valid: Callable[[Caller], bool], *, now: int) -> None:
        """Send a heartbeat where nothing was sent for a while, and end the streams of keys that are gone."""
        beat = format_sse_event(event="heartbeat", data_str=_json({"now": format_instant(now)}))
        for stream in list(self._streams):
            if not is_valid(stream.caller):
                self.release(stream)
            elif not stream.sent:
                stream.sent = now  # its snapshot is on the way
            elif now - stream.sent >= self._heartbeat_seconds * SECOND:
                self.overflows += stream.put(beat, now=now)

    def snapshot(self, view: View, machines: Iterable[tuple[Machine, Present]], *, now: int) -> bytes:
        """Encode all that a view shows."""
        shown = [
            _named(machine) | _describe(machine, present, self._values(machine, present, view, present.values))
            for machine, present in machines
        ]
        return self._event("snapshot", {"now": format_instant(now), "machines": shown})

    def _tell_seen(self, changes: list[Change]) -> set[str]:
        """Choose the machines of which it is time to tell that data still arrives."""
        chosen: set[str] = set()
        for machine, present, _, _ in changes:
            seen = present.seen or 0
            if seen - self._seen.get(machine.id, 0) >= SEEN_STEP_SECONDS * SECOND:
                self._seen[machine.id] = seen
                chosen.add(machine.id)
        return chosen

    def _frame(self, view: View, changes: list[Change], told_seen: set[str]) -> bytes:
        parts: list[bytes] = []
        for machine, present, is_other, names in changes:
            if not view.scope.sees(machine.site):
                continue
            values = self._values(machine, present, view, names)
            if is_other or values or machine.id in told_seen:
                parts.append(self._event("machine", _describe(machine, present, values)))
        return b"".join(parts)

    def _values(
        self, machine: Machine, present: Present, view: View, names: Iterable[str]
    ) -> dict[str, dict[str, Any]] | None:
        """Return the newest values of some signals that a view shows; None where it shows of none what it works on."""
        visible = visible_now(view.scope, self._sessions.running(machine.id))
        if visible is None:
            return None
        wanted = sorted(name for name in names if view.names is None or name in view.names)
        shown = {name: present.values[name] for name in wanted}
        return {name: _value(each) for name, each in shown.items() if visible.start <= each.stamp < visible.end}

    def _event(self, event: str, data: dict[str, Any]) -> bytes:
        return format_sse_event(event=event, data_str=_json(data), id=str(self._sequence))


_encode = msgspec.json.Encoder().encode


def _json(data: dict[str, Any]) -> str:
    return _encode(data).decode()


def _named(machine: Machine) -> dict[str, Any]:
    """Describe what never changes of a machine."""
    return {
        "name": machine.name,
        "kind": machine.kind,
        "site": machine.site,
        "site_name": machine.place,
        "by_check_in": machine.is_attended,
    }


def _describe(machine: Machine, present: Present, values: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    """Describe how a machine is, with the values that are shown of it; None for who may not see any."""
    since, seen = present.since, present.seen
    data: dict[str, Any] = {
        "id": machine.id,
        "state": present.state.value,
        "since": None if since is None else format_instant(since),
        "seen": None if seen is None else format_instant(seen),
    }
    return data if values is None else data | {"values": values}


def _value(sample: Sample) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": shown_value(sample), "at": format_instant(sample.stamp)}
    if sample.status:
        entry["quality"] = quality(sample.status)
    return entry
