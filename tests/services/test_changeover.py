"""An agent whose configuration changes while it runs: real servers, a real broker, requests as the API sends them."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from edge_agent import changeover, keeper, service, uplink
from edge_agent.alarms import AlarmBook
from edge_agent.applied import applied_path, in_force
from edge_agent.opcua_client import Session
from edge_agent.service import Agent
from edge_agent.trust import TrustList
from shopfloor.periods import SECOND
from shopfloor.runtime import clock
from shopfloor.settings import write_secret
from shopfloor.wire import edge, topics
from simulators.opcua_server import MachineServer
from simulators.tree import Identity
from tests.faults.counting import Counting
from tests.services.brokers import peer, run_broker, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from edge_agent.alarms import Told
    from edge_agent.opcua_client import Subscription
    from tests.services.brokers import Peer

pytestmark = pytest.mark.services

SITE = "site-a"
PATIENCE_SECONDS = 30.0
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changeover, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(changeover, "CONNECT_SECONDS", 5.0)
    monkeypatch.setattr(keeper, "TRUST_SECONDS", 0.2)
    monkeypatch.setattr(uplink, "STATUS_SECONDS", 1)


class Machine(Counting):
    """A machine whose state is told and whose counters rise."""

    def __init__(self, name: str) -> None:
        super().__init__(None, 2, 5)
        self.identity = Identity(name, name, "Officina", "Counter", "1")


@asynccontextmanager
async def serving(folder: Path, *names: str) -> AsyncIterator[MachineServer]:
    server = MachineServer("test", [Machine(each) for each in names], folder, clock.now, tick_seconds=0.05)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def table(server: MachineServer, name: str, more: str = "") -> str:
    """Write a machine as an administrator does who trusts what is on the trust list."""
    return (
        f'\n# {name} stands in hall 2\n[[machine]]\nid = "{name}"\nendpoint = "{server.endpoint}"\n'
        f'product_instance_uri = "{Machine(name).identity.product_instance_uri}"\npublishing_milliseconds = 50\n{more}'
    )


class Plant:
    """A running agent, and the API at its broker."""

    def __init__(self, folder: Path, agent: Agent, api: Peer) -> None:
        self.path = folder / "edge.toml"
        self.agent = agent
        self.api = api

    def health(self) -> edge.Health:
        return edge.decode_health(self.api.on(topics.health(SITE))[-1])

    def since(self, machine: str) -> int | None:
        """Return since when a machine is observed without a break."""
        found = [each for each in self.health().machines if each.machine == machine] if self.said else []
        return found[0].observed_since if found else None

    @property
    def said(self) -> list[bytes]:
        return self.api.on(topics.health(SITE))

    async def observed(self, *machines: str) -> dict[str, int | None]:
        await until(lambda: all(map(self.since, machines)), f"observed: {machines}", PATIENCE_SECONDS)
        return {each: self.since(each) for each in machines}

    async def heard_again(self) -> edge.Health:
        """Wait for a health message that was written after this."""
        now = clock.now()
        await until(lambda: self.said and self.health().timestamp > now, "health", PATIENCE_SECONDS)
        return self.health()

    async def heard_by(self, off: int) -> edge.Health:
        """Wait for health that was written after this, where the agent's time is so far from the computer's."""
        now = clock.now() - off
        await until(lambda: self.health().timestamp > now, "health", PATIENCE_SECONDS)
        return self.health()

    def write(self, *tables: str) -> None:
        head = self.path.read_text(encoding="utf-8").partition("\n# ")[0]
        self.path.write_text(head + "".join(tables), encoding="utf-8")

    async def ask(self, **request: object) -> edge.Reply:
        name = f"r{next(_numbers)}"
        asked = edge.encode(edge.Request(id=name, **request))  # type: ignore[arg-type]
        await self.api.publish(topics.request(SITE), asked)
        await until(lambda: self.replies(name), f"answered: {request}", PATIENCE_SECONDS)
        return self.replies(name)[-1]

    def replies(self, name: str = "") -> list[edge.Reply]:
        found = map(edge.decode_reply, self.api.on(topics.reply(SITE)))
        return [each for each in found if each.id == name]


@asynccontextmanager
async def running(folder: Path, *tables: str, trusted: MachineServer) -> AsyncIterator[Plant]:
    """Run Mosquitto and an agent that trusts one server."""
    trust_list = TrustList(folder / "pki")
    trust_list.reject(trusted.certificate.read_bytes())
    trust_list.accept(trust_list.known()[0].thumbprint)
    with run_broker("mosquitto", folder / "broker", SITE) as broker:
        write_secret(folder / "password", broker.broker(SITE).password)
        (folder / "edge.toml").write_text(
            f'[agent]\nid = "{SITE}"\n\n[broker]\nhost = "127.0.0.1"\nport = {broker.port}\ninsecure = true\n'
            f'username = "{SITE}"\npassword_file = "password"\n' + "".join(tables),
            encoding="utf-8",
        )
        async with peer(broker.broker("api"), "api") as api:
            assert await api.subscribe(f"{topics.EDGE}/#")
            stop = asyncio.Event()
            agent = Agent(folder / "edge.toml")
            work = asyncio.create_task(agent.run(stop))
            try:
                yield Plant(folder, agent, api)
            finally:
                stop.set()
                await work


@pytest.fixture
def names() -> tuple[str, str, str]:
    return "mill-1", "mill-2", "mill-3"


async def test_a_changed_file_touches_only_the_machines_that_changed(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    first, second, third = names
    async with serving(tmp_path / "s", *names) as server:
        before = [table(server, first), table(server, second)]
        async with running(tmp_path, *before, trusted=server) as plant:
            was = await plant.observed(first, second)
            plant.write(table(server, first), table(server, second, "queue_size = 50\n"), table(server, third))
            await until(lambda: plant.since(third) and plant.since(second) != was[second], "changed", PATIENCE_SECONDS)
            await plant.observed(second)
            plant.write(table(server, first), table(server, third))
            await until(
                lambda: [each.machine for each in plant.health().machines] == [first, third], "gone", PATIENCE_SECONDS
            )
            health = await plant.heard_again()
            assert plant.since(first) == was[first]
            assert "holes" not in health.losses.get(first, {})
            assert health.losses[second]["holes"] == 1
            assert health.configuration.source == "file"
            (own,) = health.certificates
            assert (own.file, own.days > 3000) == ("agent.der", True)
            assert {each.security for each in health.machines} == {"Basic256Sha256/SignAndEncrypt"}
            assert all(each.certificate_days is not None for each in health.machines)


class Computer:
    """The computer of an agent, whose clock is put wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = 0
        self._true = clock.now
        monkeypatch.setattr(clock, "now", lambda: self._true() + self.off)
        monkeypatch.setattr(service, "CLOCK_SECONDS", 0.1)

    @asynccontextmanager
    async def plant(self, folder: Path, *names: str) -> AsyncIterator[Plant]:
        """Machines that go by true time, and an agent that goes by this computer's."""
        machines = MachineServer("test", [Machine(each) for each in names], folder / "s", self._true, tick_seconds=0.05)
        await machines.start()
        try:
            async with running(folder, *(table(machines, each) for each in names), trusted=machines) as plant:
                yield plant
        finally:
            await machines.stop()


async def test_a_computer_whose_clock_is_put_wrong_changes_nothing_and_is_told(
    tmp_path: Path, names: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = names
    computer = Computer(monkeypatch)
    async with computer.plant(tmp_path, first, second) as plant:
        was = await plant.observed(first, second)
        computer.off = 600 * SECOND
        await until(lambda: plant.health().clock_steps == 1, "seen", PATIENCE_SECONDS)
        health = await plant.heard_by(computer.off)
        assert round(health.clock_ahead_seconds) == 600
        assert {each: plant.since(each) for each in was} == was
        assert health.losses.get(first, {}) == {}
        assert all(abs(each.offset_seconds or 0.0) < 5 for each in health.machines)


async def test_a_computer_whose_clock_is_put_right_is_followed_and_every_machine_observed_anew(
    tmp_path: Path, names: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = names
    computer = Computer(monkeypatch)
    computer.off = 600 * SECOND
    async with computer.plant(tmp_path, first, second) as plant:
        wrong = await plant.observed(first, second)
        computer.off, at = 0, min(map(int, filter(None, wrong.values())))
        await until(lambda: all(0 < (plant.since(each) or 0) < at for each in wrong), "observed anew", PATIENCE_SECONDS)
        health = plant.health()
        assert (health.clock_steps, health.clock_ahead_seconds) == (1, 0.0)
        assert all(abs(each.offset_seconds or 0.0) < 5 for each in health.machines)


async def test_a_machine_is_observed_also_when_its_alarms_are_all_told_before_the_server_answers(
    tmp_path: Path, names: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = names
    told = asyncio.Event()
    end, refresh = AlarmBook.end, Session.refresh_conditions

    def end_and_tell(book: AlarmBook, stamp: int) -> list[Told]:
        told.set()
        return end(book, stamp)

    async def answer_late(session: Session, subscription: Subscription) -> int:
        status = await refresh(session, subscription)
        await told.wait()
        return status

    async with (
        serving(tmp_path / "s", *names) as server,
        running(tmp_path, table(server, first), trusted=server) as plant,
    ):
        await plant.observed(first)
        told.clear()
        monkeypatch.setattr(AlarmBook, "end", end_and_tell)
        monkeypatch.setattr(Session, "refresh_conditions", answer_late)
        plant.write(table(server, first), table(server, second))
        await plant.observed(second)


async def test_a_changed_machine_that_is_not_found_over_an_open_session_brings_the_previous_configuration_back(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    first, second, _ = names
    async with (
        serving(tmp_path / "s", *names) as server,
        running(tmp_path, table(server, first), table(server, second), trusted=server) as plant,
    ):
        was = await plant.observed(first, second)
        uri = Machine(second).identity.product_instance_uri
        plant.write(table(server, first), table(server, second).replace(uri, "urn:nobody"))
        await until(lambda: "the previous one is back (mill-2: " in plant.health().configuration.problem, "back")
        assert plant.since(first) == was[first]
        await plant.observed(second)


async def test_a_wrong_file_is_told_and_changes_nothing(tmp_path: Path, names: tuple[str, str, str]) -> None:
    first, second, _ = names
    async with (
        serving(tmp_path / "s", *names) as server,
        running(tmp_path, table(server, first), trusted=server) as plant,
    ):
        was = await plant.observed(first)
        plant.write(table(server, first, "speed = 3\n"))
        await until(lambda: "speed: is not known here" in plant.health().configuration.problem, "told")
        plant.write(table(server, first), table(server, second).replace(str(server.endpoint), "opc.tcp://127.0.0.1:1/"))
        await until(
            lambda: "the previous one is back (mill-2: nothing listens" in plant.health().configuration.problem, "back"
        )
        assert [each.machine for each in (await plant.heard_again()).machines] == [first]
        plant.write(table(server, first), '\n# the spool\n[spool]\npath = "other.sqlite"\n')
        await until(lambda: "[spool]" in plant.health().configuration.problem, "told")
        assert "restart the agent" in plant.health().configuration.problem
        assert plant.since(first) == was[first]
        plant.write(table(server, first))
        await until(lambda: not plant.health().configuration.problem, "mended")
        assert plant.since(first) == was[first]


async def test_a_configuration_is_discovered_checked_and_applied_on_request(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    first, second, _ = names
    async with serving(tmp_path / "s", first) as server, serving(tmp_path / "t", second) as other:
        async with running(tmp_path, table(server, first), trusted=server) as plant:
            was = await plant.observed(first)
            found = await plant.ask(kind="discover", endpoint=other.endpoint)
            assert f"officina edge trust accept {plant.path} sha256:" in found.error
            trust_list = TrustList(tmp_path / "pki")
            trust_list.accept(trust_list.known()[-1].thumbprint)
            found = await plant.ask(kind="discover", endpoint=other.endpoint)
            assert found.is_done, found.error
            text = f"[[machine]]{found.configuration.partition('[[machine]]')[2]}"
            seen = await plant.ask(kind="check", configuration=text)
            assert [each["machine"] for each in seen.machines] == [second]
            assert not seen.machines[0]["error"]
            applied = await plant.ask(kind="apply", configuration=table(server, first) + text)
            assert (applied.error, applied.touched) == ("", [second])
            await plant.observed(first, second)
            health = await plant.heard_again()
            assert (health.configuration.source, health.configuration.request) == ("applied", applied.id)
            present = await plant.ask(kind="check", machines=[first])
            assert "stands in hall 2" in present.configuration
            assert present.machines[0]["machine"] == first
            assert plant.since(first) == was[first]
        assert second not in plant.path.read_text(encoding="utf-8")
        assert second in applied_path(plant.path).read_text(encoding="utf-8")


async def test_what_is_applied_holds_after_a_restart_until_the_administrator_changes_machines(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    first, second, third = names
    async with serving(tmp_path / "s", *names) as server:
        async with running(tmp_path, table(server, first), trusted=server) as plant:
            await plant.observed(first)
            applied = await plant.ask(kind="apply", configuration=table(server, first) + table(server, second))
            assert applied.is_done, applied.error
            text = plant.path.read_text(encoding="utf-8")
            plant.path.write_text(f"# a word of the administrator\n{text}", encoding="utf-8")
            after_a_restart = in_force(plant.path)
            assert after_a_restart.request == applied.id
            assert {each.id for each in after_a_restart.config.machines} == {first, second}
            plant.path.write_text(text + table(server, third), encoding="utf-8")
            await plant.observed(third)
            assert (await plant.heard_again()).configuration.source == "file"
            assert {each.machine for each in plant.health().machines} == {first, third}
        assert not applied_path(plant.path).exists()
        assert second in (tmp_path / "edge.applied.toml.old").read_text(encoding="utf-8")


async def test_an_apply_that_cannot_connect_or_decides_too_much_is_refused_and_changes_nothing(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    first, second, _ = names
    async with (
        serving(tmp_path / "s", first) as server,
        running(tmp_path, table(server, first), trusted=server) as plant,
    ):
        was = await plant.observed(first)
        away = table(server, second).replace(server.endpoint, "opc.tcp://127.0.0.1:1/")
        refused = await plant.ask(kind="apply", configuration=table(server, first) + away)
        assert "the previous one is back (mill-2: nothing listens at 127.0.0.1 port 1" in refused.error
        for trespass in ('password_file = "edge.toml"', 'security = "none"', 'trusted_certificate = "sha256:00"'):
            refused = await plant.ask(kind="apply", configuration=table(server, second, trespass))
            assert any("is decided on the agent's computer" in each for each in refused.problems), refused
        for request in ({"kind": "apply"}, {"kind": "discover"}, {"kind": "check", "machines": ["nobody"]}):
            assert (await plant.ask(**request)).error
        accepted = await plant.ask(kind="apply", configuration=table(server, first) + away, must_connect=False)
        assert accepted.touched == [second]
        assert plant.since(first) == was[first]


async def test_a_request_that_is_none_is_answered_and_one_that_comes_twice_is_carried_out_once(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    first, *_ = names
    async with (
        serving(tmp_path / "s", first) as server,
        running(tmp_path, table(server, first), trusted=server) as plant,
    ):
        await plant.observed(first)
        for payload in (b"", b"\xff", b"[]", b'{"id": "a b", "kind": "check"}', b'{"id": "a", "kind": "delete"}'):
            known = len(plant.replies())
            await plant.api.publish(topics.request(SITE), payload)
            await until(lambda known=known: len(plant.replies()) > known, "answered")  # type: ignore[misc]
            assert "this is no request" in plant.replies()[-1].error
        twice = edge.encode(edge.Request("twice", "check"))
        for count in (1, 2):
            await plant.api.publish(topics.request(SITE), twice)
            await until(lambda count=count: len(plant.replies("twice")) == count, "answered")  # type: ignore[misc]
        one, other = plant.replies("twice")
        assert one.timestamp == other.timestamp


async def test_a_server_that_is_revoked_is_left_within_seconds(tmp_path: Path, names: tuple[str, str, str]) -> None:
    first, *_ = names
    async with (
        serving(tmp_path / "s", first) as server,
        running(tmp_path, table(server, first), trusted=server) as plant,
    ):
        await plant.observed(first)
        trust_list = TrustList(tmp_path / "pki")
        trust_list.revoke(trust_list.known()[0].thumbprint)
        await until(lambda: "is not trusted" in plant.health().machines[0].reason, "left", PATIENCE_SECONDS)
        trust_list.accept(trust_list.known()[0].thumbprint)
        await plant.observed(first)
