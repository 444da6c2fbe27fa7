"""Ten thousand wrong passwords against one account: what they cost everybody else, and whether its owner gets in.

They come from five hundred addresses as fast as eight connections send them. Beside it, another key asks for the
machines every 20 ms; the same before the storm is the limit that it is compared with.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.journey.api_world import world
from tests.journey.people import PASSWORD, add_people

if TYPE_CHECKING:
    from collections import Counter

    from tests.journey.api_world import World

GUESSES = 10_000
ADDRESSES = 500
SENDERS = 8
QUIET_SECONDS = 5.0
LIMIT_SECONDS = 0.25
OWNER = "member@example.it"
_sent = threading.Event()
"""A third of the guesses is sent."""


def main() -> None:
    """Run the storm and print what it cost."""
    with (
        tempfile.TemporaryDirectory() as folder,
        world(Path(folder), more='trusted_proxies = ["127.0.0.1"]') as it,
    ):
        add_people(Path(folder))
        quiet = _watch(it, threading.Event(), QUIET_SECONDS)
        over, watched = threading.Event(), list[float]()
        watcher = threading.Thread(target=lambda: watched.extend(_watch(it, over)))
        watcher.start()
        began = time.perf_counter()
        with ThreadPoolExecutor(SENDERS + 1) as senders:
            owner = senders.submit(_owner_waits, it, over)
            parts = list(senders.map(lambda first: _guess(it, first), range(SENDERS)))
            seconds = time.perf_counter() - began
            over.set()
            waited, was_during = owner.result()
        watcher.join()
        statuses = sum(parts[1:], parts[0])
    print(
        f"sign-in: {GUESSES} wrong passwords from {ADDRESSES} addresses in {seconds:.1f} s, "
        f"{statuses[422]} of them hashed; p99 of other requests {_p99(watched):.3f} s during it, {_p99(quiet):.3f} s "
        f"before ({LIMIT_SECONDS} s allowed, {len(watched)} requests); the owner, from an address that was never seen, "
        f"asks when a third is sent and is in after {waited:.1f} s, {'during' if was_during else 'AFTER'} the storm"
    )


def _watch(it: World, over: threading.Event, seconds: float = 600.0) -> list[float]:
    took: list[float] = []
    deadline = time.perf_counter() + seconds
    with httpx.Client(base_url=it.url, headers=it.headers("operator"), timeout=30) as client:
        while not over.is_set() and time.perf_counter() < deadline:
            began = time.perf_counter()
            assert client.get("/api/v1/machines").status_code == 200
            took.append(time.perf_counter() - began)
            over.wait(0.02)
    return took


def _guess(it: World, first: int) -> Counter[int]:
    from collections import Counter

    found: Counter[int] = Counter()
    with httpx.Client(base_url=it.url, timeout=60) as client:
        for number in range(first, GUESSES, SENDERS):
            headers = {"Origin": it.url, "X-Forwarded-For": f"198.51.{number % ADDRESSES // 250}.{number % 250}"}
            form = {"email": OWNER, "password": f"wrong password {number}"}
            found[client.post("/sign-in", data=form, headers=headers).status_code] += 1
            if number > GUESSES // 3:
                _sent.set()
    assert found.keys() <= {422, 429}, found
    return found


def _owner_waits(it: World, over: threading.Event) -> tuple[float, bool]:
    """Try as the owner, waiting as told.

    Returns:
        How long it took until the account opened, and whether the storm still went on.
    """
    _sent.wait()
    began = time.perf_counter()
    while time.perf_counter() - began < 60:
        headers = {"Origin": it.url, "X-Forwarded-For": "203.0.113.5"}
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.post(f"{it.url}/sign-in", data={"email": OWNER, "password": PASSWORD}, headers=headers)
            if answer.status_code == 303:
                return time.perf_counter() - began, not over.is_set()
            time.sleep(float(answer.headers.get("retry-after", "1")))
    raise AssertionError("the owner cannot sign in")


def _p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]
