"""From a one-time code to an agent that speaks at the broker, and to one that does so no more."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from api.audit.service import CONSOLE
from api.edges.store import EdgeStore
from api.records.database import open_records
from shopfloor import mqtt
from shopfloor.broker_files import Login, hash_password
from shopfloor.wire import topics
from shopfloor.wire.rights import Principal
from simulators.broker import PID_FILE
from tests.journey import api_world
from tests.services.brokers import amqtt, mosquitto, peer, until, usual_logins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.brokers import Server

pytestmark = pytest.mark.services
OFFICINA = str(Path(sys.executable).with_name("officina"))


class World(NamedTuple):
    folder: Path
    server: Server
    url: str
    keys: dict[str, str]

    def ask(self, method: str, path: str, holder: str | None = "administrator", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[holder]}"} if holder else {}
        return httpx.request(method, f"{self.url}/api/v1/edges{path}", headers=headers, timeout=15, **more)

    def invite(self, name: str) -> str:
        answer = self.ask("POST", f"/{name}/code")
        assert answer.status_code == 201
        return str(answer.json()["code"])

    def enrolled(self) -> set[str]:
        return {each["id"] for each in self.ask("GET", "").json()["items"] if each["enrolled"] is not None}

    def enroll(self, code: str) -> subprocess.CompletedProcess[str]:
        command = [OFFICINA, "edge", "enroll", self.url, code, "--config", str(self.folder / "edge.toml")]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def login(self, name: str) -> mqtt.Broker:
        return mqtt.Broker("127.0.0.1", self.server.port, name, (self.folder / f"password-{name}").read_text())


@pytest.fixture(scope="module", params=["mosquitto", "amqtt"])
def it(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("enrolment")
    records = open_records(f"sqlite://{folder}/records.db")
    for name, (password, kind) in usual_logins().items():
        EdgeStore(records).put_login(CONSOLE, Login(Principal(name, kind), hash_password(password)), now=1)
    records.close()
    run = mosquitto if request.param == "mosquitto" else amqtt
    with run(folder / "broker", logins=usual_logins()) as server:
        more = (
            f'[edges]\nbroker_files = "broker"\npid_file = "broker/{PID_FILE}"\n'
            f'host = "127.0.0.1"\nport = {server.port}\ninsecure = true\n'
        )
        keys = api_world.write_files(folder, mqtt.Broker("127.0.0.1", server.port), more=more)
        with api_world.api(folder) as (_, url, _):
            it = World(folder, server, url, keys)
            for name in ("modena", "parma", "bologna"):
                assert it.ask("PUT", f"/{name}", json={"site_id": "nord"}).status_code == 201
            yield it


async def test_an_enrolled_agent_speaks_and_a_revoked_one_is_disconnected(it: World) -> None:
    code = it.invite("modena")
    done = it.enroll(code)
    assert done.returncode == 0, done.stderr
    password = (it.folder / "password-modena").read_text()
    assert password not in done.stdout + done.stderr
    assert (it.folder / "password-modena").stat().st_mode & 0o777 == 0o600
    before = (it.folder / "edge.toml").read_bytes()
    assert tomllib.loads(before.decode())["broker"]["username"] == "modena"

    assert it.enroll(code).returncode == 0, "the same command again"
    assert (it.folder / "edge.toml").read_bytes() == before
    assert (it.folder / "password-modena").read_text() == password
    assert sorted(each.name for each in it.folder.glob("*pending*")) == []

    async with peer(it.login("modena"), "modena") as agent:
        assert await agent.subscribe(topics.stored("modena"))
        async with peer(it.server.broker("collector"), "some-collector") as collector:
            await collector.publish(topics.stored("modena"), b"stored")
        await until(lambda: agent.on(topics.stored("modena")), "its own acknowledgement")
        assert it.enrolled() == {"modena"}
        assert it.ask("DELETE", "/modena/login").status_code == 204
        await until(lambda: agent.refused, "ended")
    assert it.enrolled() == set()
    assert it.ask("DELETE", "/modena/login").status_code == 404
    again = it.enroll(code)
    assert again.returncode == 2
    assert "ask the administrator for a new one" in again.stderr


@pytest.mark.parametrize("change", ["not active", "removed"])
async def test_an_agent_that_may_speak_no_more_is_disconnected(it: World, change: str) -> None:
    assert it.ask("PUT", "/ferrara", json={"site_id": "nord"}).status_code in {200, 201}
    body = {"code": it.invite("ferrara"), "password": "p" * 40}
    assert it.ask("POST", "/enroll", None, json=body).status_code == 200
    async with peer(mqtt.Broker("127.0.0.1", it.server.port, "ferrara", "p" * 40), "ferrara") as agent:
        assert await agent.subscribe(topics.stored("ferrara"))
        if change == "removed":
            assert it.ask("DELETE", "/ferrara").status_code == 204
        else:
            assert it.ask("PUT", "/ferrara", json={"site_id": "nord", "is_active": False}).status_code == 200
        await until(lambda: agent.refused, "ended")


def test_only_administrators_invite_see_and_revoke(it: World) -> None:
    for holder in ("operator", "maintenance", "member", "kiosk", None):
        for method, path in (("POST", "/bologna/code"), ("DELETE", "/bologna/login")):
            assert it.ask(method, path, holder).status_code == (404 if holder else 401), (holder, method)
    assert it.ask("GET", "/bologna").json()["code_expires"] is None


@pytest.mark.parametrize("name", ["*", "%25", "A", "collector", "x" * 64])
def test_an_agent_that_cannot_be_called_so_is_refused_with_a_reason(it: World, name: str) -> None:
    answer = it.ask("POST", f"/{name}/code")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_request_that_is_none_is_refused_and_a_wrong_code_says_nothing_more(it: World) -> None:
    password = "p" * 40
    for body in ({}, {"code": "x"}, {"code": "x", "password": "short"}, {"code": "x", "password": password, "more": 1}):
        assert it.ask("POST", "/enroll", None, json=body).status_code == 422
    unknown = {"code": "nobody.ABCDEF-GHJKLM-NPQRST-UVWXYZ", "password": password}
    it.invite("parma")
    wrong = {"code": "parma.ABCDEF-GHJKLM-NPQRST-UVWXYZ", "password": password}
    answers = [it.ask("POST", "/enroll", None, json=each) for each in (unknown, wrong)]
    assert [each.status_code for each in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()
    statuses = [it.ask("POST", "/enroll", None, json=wrong).status_code for _ in range(12)]
    assert statuses[-1] == 429
