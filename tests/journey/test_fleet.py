"""What an agent says of itself and is asked to do, over HTTP: a real broker, a real agent, a real machine server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.service import Agent
from edge_agent.trust import TrustList
from shopfloor.periods import SECOND, parse_instant
from shopfloor.runtime import clock
from tests.browser.screens import chromium, screen
from tests.journey.api_world import EDGE, World, until, world
from tests.journey.people import add_people, signed_in
from tests.services.test_changeover import serving, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services


class Beside:
    """The API, an agent that watches a machine, and a server with another one that it does not trust yet."""

    def __init__(self, it: World, folder: Path) -> None:
        self.it, self.folder, self.endpoint = it, folder, ""
        self.trust = TrustList(folder / "pki")

    def run(self, head: str, started: threading.Event) -> None:
        asyncio.run(self._run(head, started))

    async def _run(self, head: str, started: threading.Event) -> None:
        async with serving(self.folder / "first", "mill-1") as first, serving(self.folder / "other", "mill-9") as other:
            self.trust.reject(first.certificate.read_bytes())
            self.trust.accept(self.trust.known()[0].thumbprint)
            (self.folder / "edge.toml").write_text(head + table(first, "mill-1"), encoding="utf-8")
            self.endpoint, self.loop, self.end = other.endpoint, asyncio.get_running_loop(), asyncio.Event()
            work = asyncio.create_task(Agent(self.folder / "edge.toml").run(self.end))
            started.set()
            await work

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.end.set)

    def ask(self, holder: str = "administrator", agent: str = EDGE, **wanted: Any) -> Any:
        return self.it.send("POST", f"/api/v1/edges/{agent}/requests", holder, json=wanted)

    def health(self, agent: str = EDGE, holder: str = "operator") -> dict[str, Any]:
        return dict(self.it.get(f"/api/v1/edges/{agent}/health", holder).json())


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    folder = tmp_path_factory.mktemp("fleet")
    with world(folder, more='second_factor = "optional"') as it:
        add_people(it.folder)
        head = f'[agent]\nid = "{EDGE}"\n\n[broker]\nhost = "127.0.0.1"\nport = {it.broker.port}\ninsecure = true\n'
        made = Beside(it, folder)
        started = threading.Event()
        running = threading.Thread(target=made.run, args=(head, started))
        running.start()
        with contextlib.ExitStack() as ending:
            ending.callback(running.join)
            assert started.wait(60)
            ending.callback(made.stop)
            until(lambda: not made.health()["silent"], "the agent's health")
            yield made


def test_staff_see_how_an_agent_is_and_that_another_was_never_heard(beside: Beside) -> None:
    said = beside.health()
    assert clock.now() - parse_instant(said["heard"]) < 60 * SECOND
    assert (said["health"]["rows_in_flight"] >= 0, bool(said["health"]["version"])) == (True, True)

    assert beside.health("south-1") == {"silent": True, "heard": None, "health": None}
    assert beside.it.get(f"/api/v1/edges/{EDGE}/health", "operator of Sud").status_code == 404
    assert beside.it.get(f"/api/v1/edges/{EDGE}/health", "member").status_code == 404


def test_the_fleet_page_says_who_is_silent_first(beside: Beside) -> None:
    with signed_in(beside.it.url, "operator@example.it") as client:
        page = client.get("/fleet?lang=it").text

    assert "mai sentito" in page
    assert page.index("mai sentito") < page.index("sentito ", page.index("mai sentito") + 12)
    assert beside.it.get("/fleet", "member").status_code == 404


def test_an_agent_that_is_silent_is_not_waited_for(beside: Beside) -> None:
    answer = beside.ask(agent="south-1", kind="check")

    assert answer.status_code == 409
    assert "has never been heard" in answer.json()["detail"]


def test_only_administrators_ask_agents(beside: Beside) -> None:
    assert beside.ask("operator", kind="check").status_code == 404
    assert beside.ask("maintenance", kind="check").status_code == 404


def test_a_machine_is_discovered_trusted_checked_and_applied_without_a_restart(beside: Beside) -> None:
    nowhere = beside.ask(kind="discover", endpoint="opc.tcp://127.0.0.1:1/").json()
    assert not nowhere["done"]
    assert ("nothing listens" in nowhere["error"], nowhere["code"]) == (True, "closed")

    stranger = beside.ask(kind="discover", endpoint=beside.endpoint).json()
    assert ("sha256:" in stranger["error"], stranger["code"]) == (True, "untrusted")
    beside.trust.accept(beside.trust.known()[-1].thumbprint)

    found = beside.ask(kind="discover", endpoint=beside.endpoint).json()
    assert found["done"], found["error"]
    tables = "[[machine]]" + found["configuration"].partition("[[machine]]")[2]
    seen = beside.ask(kind="check", configuration=tables).json()
    [machine] = seen["machines"]
    assert (machine["error"], bool(machine["signals"])) == ("", True)

    present = beside.ask(kind="check", machines=["mill-1"]).json()["configuration"]
    applied = beside.ask(kind="apply", configuration=present + "\n" + tables).json()
    assert (applied["error"], applied["touched"]) == ("", [machine["machine"]])
    until(lambda: [each["connected"] for each in beside.health()["health"]["machines"]] == [True] * 2, "the machine")
    trail = beside.it.get("/api/v1/audit", subject=f"edges/{EDGE}").json()["items"]
    assert any(each["what"] == "apply configuration" for each in trail)
    assert beside.ask(kind="apply", configuration=present).json()["touched"] == [machine["machine"]]


def test_a_machine_is_added_by_its_address_with_two_forms_and_read_without_a_restart(beside: Beside) -> None:
    with signed_in(beside.it.url, "administrator@example.it") as client:
        token = client.get("/fleet/add?lang=it").text.split('name="csrf" value="')[1].split('"')[0]
        form = {"csrf": token, "agent": EDGE, "address": beside.endpoint}

        found = client.post("/fleet/add", data=form, timeout=60)
        assert found.status_code == 200, found.text
        assert 'name="found" value="mill-9"' in found.text
        assert "item_state" in found.text

        own = form | {"found": "mill-9", "id": "mill-2", "name": "F 9", "kind": "Fresatrice", "site_id": "nord"}
        taken = client.post("/fleet/add/save", data=own, timeout=60)
        assert (taken.status_code, "Questo identificativo è già usato" in taken.text) == (422, True)

    with chromium() as browser, screen(browser, beside.it, "administrator", "desktop") as shown:
        began = time.monotonic()
        shown.click('.nav a[href="/fleet"]')
        shown.click('a[href="/fleet/add"]')
        shown.page.select_option("select[name=agent]", EDGE)
        shown.page.fill("input[name=address]", beside.endpoint)
        shown.click(".form .btn.main")
        shown.page.wait_for_selector(".found .vitals")
        shown.page.fill("#id-1", "nuova-9")
        shown.page.fill("#name-1", "F 9")
        shown.click(".found .btn.main")
        shown.page.wait_for_selector("text=F 9")
        assert shown.clicks <= 6  # task 18
        print(f"fleet: a machine is added in {time.monotonic() - began:.1f} s of a robot's time")
    until(lambda: "nuova-9" in {each["machine"] for each in beside.health()["health"]["machines"]}, "it")
    assert beside.it.get("/api/v1/machines/nuova-9").json()["name"] == "F 9"


@pytest.mark.parametrize(
    ("agent", "address", "mend", "detail"),
    [
        (EDGE, "opc.tcp://127.0.0.1:1/", "nessun server ascolta su questa porta", "nothing listens at 127.0.0.1"),
        (EDGE, "127.0.0.1", "Scriverlo come opc.tcp://192.0.2.10:4840", "is no endpoint"),
        ("south-1", "opc.tcp://127.0.0.1:1/", "non è mai stato sentito", "has never been heard"),
    ],
)
def test_why_nothing_was_found_is_said_in_the_reader_s_language_and_in_the_agent_s_words_below(
    beside: Beside, agent: str, address: str, mend: str, detail: str
) -> None:
    with signed_in(beside.it.url, "administrator@example.it") as client:
        token = client.get("/fleet/add?lang=it").text.split('name="csrf" value="')[1].split('"')[0]

        shown = client.post("/fleet/add", data={"csrf": token, "agent": agent, "address": address}, timeout=60)

    assert shown.status_code == 422
    assert 0 < shown.text.find(mend) < shown.text.find(detail)


def test_what_its_agent_cannot_read_is_not_kept(beside: Beside) -> None:
    with signed_in(beside.it.url, "administrator@example.it") as client:
        token = client.get("/fleet/add?lang=it").text.split('name="csrf" value="')[1].split('"')[0]
        own = {"csrf": token, "agent": EDGE, "address": "opc.tcp://127.0.0.1:1/", "found": "x", "id": "fantasma",
               "name": "Fantasma", "site_id": "nord"}  # fmt: skip

        refused = client.post("/fleet/add/save", data=own, timeout=60)

        assert (refused.status_code, "Non è stato salvato nulla" in refused.text) == (422, True)
        assert "nessun server ascolta su questa porta" in refused.text
        assert beside.it.get("/api/v1/machines/fantasma/record").status_code == 404
