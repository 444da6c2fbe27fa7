"""Sender, mail server and webhook receiver as processes, killed at random and slow: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from api.maintenance.outbox import Status
from api.maintenance.outbox_records import RecordsOutbox, short
from api.records.database import open_records
from tests.services.programs import ROOT
from tests.services.receivers import Book
from tests.services.stores import free_port
from tests.services.test_delivery import message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.services
LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
MESSAGES, KILLS = (60, 24) if LONG else (8, 3)
WAIT = 240.0 if LONG else 90.0


class Storm:
    """The processes; of each receiver the next one stands by for its port."""

    def __init__(self, address: str, folder: Path) -> None:
        self._ports = {"mail": free_port(), "hook": free_port()}
        self.books = {kind: Book(folder / kind) for kind in self._ports}
        self._folder = folder
        self._address = address
        self._lives = 0
        self._running: list[subprocess.Popen[bytes]] = []
        self._receivers = {kind: [self._receive(kind), self._receive(kind)] for kind in self._ports}
        self._sender = self._send()

    def kill(self, kind: str) -> None:
        """Kill one at once; another takes its place."""
        if kind == "sender":
            self._sender.kill()
            self._sender.wait()
            self._sender = self._send()
            return
        first = self._receivers[kind].pop(0)
        first.kill()
        first.wait()
        self._receivers[kind].append(self._receive(kind))

    def stop(self) -> None:
        """End what was started."""
        for each in self._running:
            each.kill()
            each.wait()

    def _receive(self, kind: str) -> subprocess.Popen[bytes]:
        return self._start("receivers", kind, str(self._ports[kind]), str(self._folder / kind))

    def _send(self) -> subprocess.Popen[bytes]:
        self._lives += 1
        ports = (str(port) for port in self._ports.values())
        return self._start("sender", self._address, *ports, str(self._lives))

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        started = subprocess.Popen([sys.executable, "-m", f"tests.services.{program}", *arguments], cwd=ROOT)
        self._running.append(started)
        return started


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_whoever_is_killed_no_message_is_lost_and_none_is_taken_twice(records_address: str, tmp_path: Path) -> None:
    draw = random.Random(11)
    records = open_records(records_address)
    outbox = RecordsOutbox(records)
    keys = [f"k{number}" for number in range(MESSAGES)]
    outbox.add([message(key, "mail", "hook") for key in keys])
    storm = Storm(records_address, tmp_path)
    try:
        for number in range(KILLS):
            sent = (number + 1) * MESSAGES // (KILLS + 1)
            until(lambda sent=sent: len(storm.books["hook"].keys()) >= sent, "it stands")  # type: ignore[misc]
            time.sleep(draw.uniform(0.0, 0.05))  # not always between two messages
            storm.kill(("sender", "mail", "hook")[number % 3])
        until(lambda: str(Status.QUEUED) not in outbox.counts(), "not everything has been tried")
        deliveries = {each.key: each.status for each in outbox.of_incident(short("incident"))}
        taken = {kind: Counter(book.keys()) for kind, book in storm.books.items()}
    finally:
        storm.stop()
        records.close()
    assert {deliveries[f"{key}|hook"] for key in keys} == {Status.SENT}
    assert taken["hook"] == Counter(f"{key}|hook" for key in keys)
    assert set(taken["mail"].values()) == {1}
    for key in keys:
        status = deliveries[f"{key}|mail"]
        assert status is Status.UNKNOWN or (status is Status.SENT and taken["mail"][f"{key}|mail"] == 1)
    assert Status.UNKNOWN in deliveries.values()  # the slow ones: they say so, and are not sent again
