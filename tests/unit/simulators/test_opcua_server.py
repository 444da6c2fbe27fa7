from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.observer import Observer
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.address_space import namespace_order
from simulators.live import LiveSource
from simulators.opcua_server import MachineServer
from simulators.plan import Phase
from simulators.recordings import MAZAK, mapped_lines
from simulators.replay import Pace, Replay
from simulators.tree import NAMESPACES, Identity
from simulators.workdays import SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from simulators.machine import Machine

pytestmark = pytest.mark.services

MACHINE = Identity("m01", "Fresatrice 1", "Officina", "V5", "4711", location="Modena", year=2021)
EVERY_CHANGE = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start servers and stop them at the end."""
    servers: list[MachineServer] = []

    async def start(source: Any, clock: Callable[[], int], name: str = "s1", **options: Any) -> MachineServer:
        settings = {"tick_seconds": 0.02, "allow_none": True, **options}
        server = MachineServer(name, [source], tmp_path / name, clock, **settings)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


class Browser:
    """Finds nodes by prefixed names, as a client must."""

    def __init__(self, client: Client, namespaces: list[str]) -> None:
        self.client = client
        self._index = {prefix: namespaces.index(uri) for prefix, uri in NAMESPACES.items()}

    def node_id(self, text: str) -> ua.NodeId:
        prefix, _, number = text.partition(":")
        return ua.NodeId(int(number), self._index[prefix])

    async def at(self, path: str) -> Any:
        names = [f"{self._index[part.partition(':')[0]]}:{part.partition(':')[2]}" for part in path.split("/")]
        return await self.client.nodes.objects.get_child(names)

    async def below(self, path: str) -> Any:
        return await self.at(f"MY:Machines/SIM:{MACHINE.id}/{path}")

    async def value(self, path: str) -> Any:
        return await (await self.below(path)).read_value()


@asynccontextmanager
async def connected(server: MachineServer) -> AsyncIterator[Browser]:
    async with Client(server.endpoint) as client:
        yield Browser(client, await client.get_namespace_array())


class Listener:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.values: dict[ua.NodeId, list[ua.DataValue]] = {}
        self.events: list[Any] = []

    def datachange_notification(self, node: Any, _value: Any, data: Any) -> None:
        self.values.setdefault(node.nodeid, []).append(data.monitored_item.Value)

    def event_notification(self, event: Any) -> None:
        self.events.append(event)

    def of(self, node: Any) -> list[ua.DataValue]:
        return self.values.get(node.nodeid, [])


async def watch(browser: Browser, listener: Listener, nodes: list[Any], queue: int = 100, **options: int) -> None:
    """Subscribe to every change of value, status or source time."""
    parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=50,
        RequestedLifetimeCount=1000,
        RequestedMaxKeepAliveCount=10,
        PublishingEnabled=True,
    )
    parameters.MaxNotificationsPerPublish = options.get("notifications_max", 0)
    subscription = await browser.client.create_subscription(parameters, listener)
    for node in nodes:
        item = ua.MonitoredItemCreateRequest(MonitoringMode=ua.MonitoringMode.Reporting)
        item.ItemToMonitor = ua.ReadValueId(NodeId=node.nodeid, AttributeId=ua.AttributeIds.Value)
        item.RequestedParameters = ua.MonitoringParameters(
            ClientHandle=1000 + len(subscription._monitored_items),
            SamplingInterval=0,
            QueueSize=queue,
            DiscardOldest=True,
            Filter=EVERY_CHANGE,
        )
        for result in await subscription.create_monitored_items([item]):
            assert isinstance(result, int)


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is true; fail when it takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # polls a server, with a deadline
            await asyncio.sleep(0.02)  # polls a server, with a deadline


def time_of(stamp: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=stamp // 1000)


@pytest.fixture
def live(make_machine: Callable[..., Machine], instant: Callable[..., int], hand_clock: type[Any]) -> tuple[Any, Any]:
    """A mill on a working morning and the clock that it lives by."""
    machine = make_machine(busy_from=date(2026, 10, 6), origin=date(2026, 10, 1), unmarked_share=0.0)
    return machine, hand_clock(instant(2026, 10, 7, 8, 20))


async def test_a_client_finds_the_machine_by_its_type_over_an_encrypted_connection(
    serve: Callable[..., Any], live: tuple[Any, Any], tmp_path: Path
) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock, allow_none=False)
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    key, certificate = tmp_path / "client.pem", tmp_path / "client.der"
    await setup_self_signed_certificate(
        key, certificate, "urn:officina:test", "localhost", uses, {"commonName": "test"}
    )
    client = Client(server.endpoint)
    client.application_uri = "urn:officina:test"
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate,
        key,
        server_certificate=server.certificate,
        mode=ua.MessageSecurityMode(3),
    )

    async with client:
        browser = Browser(client, await client.get_namespace_array())
        children = await (await browser.at("MY:Machines")).get_children()
        found = [each for each in children if await each.read_type_definition() == browser.node_id("MT:13")]
        state = await browser.below("MY:MachineryBuildingBlocks/MY:MachineryItemState/UA:CurrentState")
        again = await browser.below("MT:Monitoring/MT:MachineTool/MY:MachineryItemState/UA:CurrentState")
        number = await browser.value("MY:MachineryBuildingBlocks/MY:MachineryItemState/UA:CurrentState/UA:Number")
        state_id = await browser.value("MY:MachineryBuildingBlocks/MY:MachineryItemState/UA:CurrentState/UA:Id")
        mode_id = await browser.value("MY:MachineryBuildingBlocks/MY:MachineryOperationMode/UA:CurrentState/UA:Id")
        program_id = await browser.value("MT:Production/MT:ActiveProgram/MT:State/UA:CurrentState/UA:Id")
        names = [
            await browser.value(f"DI:Identification/{name}") for name in ("DI:Manufacturer", "DI:ProductInstanceUri")
        ]
        text = (await state.read_value()).Text

    records = machine.records(clock.now - 1)
    assert len(found) == 1
    assert state.nodeid == again.nodeid
    assert (number, text) == (
        records["item_state"],
        ("NotAvailable", "OutOfService", "NotExecuting", "Executing")[number],
    )
    assert state_id == browser.node_id(f"MY:{(5005, 5004, 5007, 5006)[number]}")
    assert mode_id == browser.node_id(f"MT:{(5059, 5058, 5061, 5060)[records['operation_mode']]}")
    assert program_id == browser.node_id(f"MT:{(5039, 5041, 5038, 5040, 5037)[records['program_state']]}")
    assert (names[0].Text, names[1]) == ("Officina", "urn:officina.example:machine:m01")


async def test_without_being_asked_there_is_no_endpoint_without_security(
    serve: Callable[..., Any], live: tuple[Any, Any]
) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock, allow_none=False)

    endpoints = await Client(server.endpoint).connect_and_get_server_endpoints()

    assert {each.SecurityMode for each in endpoints} == {ua.MessageSecurityMode.SignAndEncrypt}


async def test_namespace_indexes_differ_from_server_to_server(serve: Callable[..., Any], live: tuple[Any, Any]) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock)

    async with connected(server) as browser:
        served = await browser.client.get_namespace_array()

    assert served[:2] == [NAMESPACES["UA"], "urn:officina:simulator:s1"]
    assert served[2:] == [NAMESPACES[prefix] for prefix in namespace_order("s1")]
    assert len({tuple(namespace_order(f"s{number}")) for number in range(1, 9)}) > 4


async def test_a_server_of_the_first_edition_has_programs_but_no_building_blocks(
    serve: Callable[..., Any], live: tuple[Any, Any]
) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE, edition="1.00"), clock)

    async with connected(server) as browser:
        program = await browser.value("MT:Production/MT:ActiveProgram/MT:State/UA:CurrentState/UA:Id")
        hours = await browser.value("MT:Monitoring/MT:MachineTool/MT:PowerOnDuration")
        with pytest.raises(ua.UaStatusCodeError):
            await browser.below("MY:MachineryBuildingBlocks")

    records = machine.records(clock.now - 1)
    assert program == browser.node_id(f"MT:{(135, 138, 140, 139, 141)[records['program_state']]}")
    assert hours == int(records["power_on_seconds"] / 3600)


async def test_a_control_alone_stands_below_objects_and_speaks_its_own_numbers(
    serve: Callable[..., Any], live: tuple[Any, Any]
) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE, edition="cnc"), clock)

    async with connected(server) as browser:
        control = await browser.at(f"SIM:{MACHINE.id}")
        kind = await control.read_type_definition()
        channel = f"SIM:{MACHINE.id}/CNC:CncChannelList/SIM:Channel"
        found = {
            name: await (await browser.at(f"{channel}/CNC:{name}")).read_value()
            for name in ("ActStatus", "ActProgramStatus", "ActOperationMode", "ActMainProgramName", "ToolId")
        }
        machines = await (await browser.at("MY:Machines")).get_children()

    records = machine.records(clock.now - 1)
    assert kind == browser.node_id("CNC:1007")
    assert machines == []
    assert found == {
        "ActStatus": records["channel_state"],
        "ActProgramStatus": (0, 1, 0, 3, 4)[records["program_state"]],
        "ActOperationMode": (2, 1, 0)[records["channel_mode"]],
        "ActMainProgramName": records["program"],
        "ToolId": records["tool_number"],
    }


async def test_changes_arrive_with_the_instants_of_the_model(serve: Callable[..., Any], live: tuple[Any, Any]) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock)
    listener, begin = Listener(), clock.now

    async with connected(server) as browser:
        parts = await browser.below("MY:MachineryBuildingBlocks/DI:OperationCounters/MT:PartsProducedInLifetime")
        powered = await browser.below("MY:MachineryBuildingBlocks/DI:OperationCounters/DI:PowerOnDuration")
        await watch(browser, listener, [parts, powered], queue=1000)
        clock.now += 3600 * SECOND
        expected = list(machine.changes(begin, clock.now))
        made = [(time_of(each.stamp), each.value) for each in expected if each.signal == "parts"]
        on = [(time_of(each.stamp), each.value * 1000) for each in expected if each.signal == "power_on_seconds"]
        await until(lambda: len(listener.of(parts)) > len(made) and len(listener.of(powered)) > len(on))

    assert [(each.SourceTimestamp, each.Value.Value) for each in listener.of(parts)[1:]] == made != []
    assert [(each.SourceTimestamp, each.Value.Value) for each in listener.of(powered)[1:]] == on


async def test_jobs_come_and_go_and_who_watches_one_is_told(serve: Callable[..., Any], live: tuple[Any, Any]) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock)
    listener, plan = Listener(), "MT:Production/MT:ProductionPlan"

    async with connected(server) as browser:
        before = machine.job_list(clock.now)
        name = f"{plan}/SIM:{before[0].job.id}"
        identifier = await browser.value(f"{name}/MT:Identifier")
        completed = await browser.below(f"{name}/MT:RunsCompleted")
        node = await browser.below(f"{plan}/SIM:{before[1].job.id}")
        active = await browser.value("MT:Production/MT:ActiveProgram/MT:JobNodeId")
        await watch(browser, listener, [completed])
        while before[0].job.id in {each.job.id for each in machine.job_list(clock.now)}:
            clock.now += 1800 * SECOND
        await until(lambda: bool(listener.of(completed)) and listener.of(completed)[-1].StatusCode.is_bad())
        listed = [(await each.read_browse_name()).Name for each in await (await browser.below(plan)).get_children()]
        version = await browser.value(f"{plan}/UA:NodeVersion")

    assert identifier == before[0].job.id
    assert active == node.nodeid
    assert before[0].job.id not in listed
    assert {each.job.id for each in machine.job_list(clock.now)} <= set(listed)
    assert int(version) > 1


async def test_an_alarm_is_an_event_with_its_code_and_says_when_it_goes(
    serve: Callable[..., Any], live: tuple[Any, Any]
) -> None:
    machine, clock = live
    alarm = next(each for each in machine.alarms(clock.now, clock.now + 86400 * SECOND) if each.blocking)
    clock.now = alarm.start - SECOND
    server = await serve(LiveSource(machine, MACHINE), clock)
    listener = Listener()

    async with connected(server) as browser:
        subscription = await browser.client.create_subscription(50, listener)
        await subscription.subscribe_events(
            browser.client.nodes.server, browser.client.get_node(browser.node_id("MT:39"))
        )
        clock.now = alarm.end + SECOND
        await until(lambda: sum(each.ErrorCode == alarm.code for each in listener.events) > 1)

    events = [each for each in listener.events if each.ErrorCode == alarm.code]
    assert [(each.Time, each.Retain, each.Severity) for each in events[:2]] == [
        (time_of(alarm.start), True, 900),
        (time_of(alarm.end), False, 900),
    ]
    assert events[0].Message.Text == alarm.text


async def test_the_server_tells_the_time_of_its_own_clock(serve: Callable[..., Any], live: tuple[Any, Any]) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock)

    async with connected(server) as browser:
        node = browser.client.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime))
        before = await node.read_value()
        clock.now += 90 * SECOND
        async with asyncio.timeout(5):
            while await node.read_value() == before:  # noqa: ASYNC110  # polls a server, with a deadline
                await asyncio.sleep(0.02)
        after = await node.read_value()

    assert (before, after) == (time_of(clock.now - 90 * SECOND), time_of(clock.now))


async def test_a_client_may_not_write(serve: Callable[..., Any], live: tuple[Any, Any]) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock)

    async with connected(server) as browser:
        mode = await browser.below("MT:Monitoring/MT:MachineTool/MT:OperationMode")
        with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
            await mode.write_value(ua.Variant(2, ua.VariantType.Int32))


async def test_the_operation_limits_are_served_and_kept(serve: Callable[..., Any], live: tuple[Any, Any]) -> None:
    machine, clock = live
    server = await serve(LiveSource(machine, MACHINE), clock, limit=5)

    async with connected(server) as browser:
        limit = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead
        served = await browser.client.get_node(ua.NodeId(limit)).read_value()
        state = await browser.below("MT:Monitoring/MT:MachineTool/MT:OperationMode")
        await browser.client.read_values([state] * 5)
        with pytest.raises(ua.UaStatusCodeError) as refusal:
            await browser.client.read_values([state] * 6)

    assert served == 5
    assert refusal.value.code == ua.StatusCodes.BadTooManyOperations


async def test_a_machine_that_is_off_says_so_and_its_gauges_have_no_value(
    serve: Callable[..., Any], make_machine: Callable[..., Machine], hand_clock: type[Any], instant: Callable[..., int]
) -> None:
    machine, clock = make_machine(origin=date(2026, 10, 1)), hand_clock(instant(2026, 10, 7, 1))
    server = await serve(LiveSource(machine, MACHINE), clock)

    async with connected(server) as browser:
        number = await browser.value("MY:MachineryBuildingBlocks/MY:MachineryItemState/UA:CurrentState/UA:Number")
        load = await browser.below("MT:Monitoring/SIM:Spindle/SIM:ActLoad")
        data = await load.read_data_value(raise_on_bad_status=False)

    assert machine.activity(clock.now).phase is Phase.OFF
    assert number == 0
    assert data.StatusCode.value == ua.StatusCodes.BadNoCommunication


def recording(folder: Path) -> Path:
    """Write a small recording with equal stamps, equal values, a loss of communication and a burst."""
    lines = [f"2017-10-31T09:00:33.{each // 3:03d}Z|total_time|{1000 + each}" for each in range(300)]
    lines += [
        "2017-10-31T09:00:34Z|Srpm|1000",
        "2017-10-31T09:00:35Z|Srpm|1000",
        "2017-10-31T09:00:36Z|Srpm|UNAVAILABLE",
    ]
    lines += ["2017-10-31T09:00:36Z|execution|ACTIVE", "2017-10-31T09:00:37Z|Srpm|0"]
    path = folder / "day.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def test_every_line_of_a_recording_arrives_in_order_with_its_stamp(
    serve: Callable[..., Any], hand_clock: type[Any], tmp_path: Path
) -> None:
    path, clock = recording(tmp_path), hand_clock(1_800_000_000 * SECOND)
    replay = Replay([path], MAZAK, MACHINE, Pace(speed=100.0, burst=40, burst_seconds=0.5), held=True)
    server = await serve(replay, clock)
    listener = Listener()
    paths = {
        "power_on_seconds": "MY:MachineryBuildingBlocks/DI:OperationCounters/DI:PowerOnDuration",
        "spindle_speed": "MT:Monitoring/SIM:Spindle/SIM:ActSpeed",
        "program_state": "MT:Production/MT:ActiveProgram/MT:State/UA:CurrentState/UA:Number",
    }

    async with connected(server) as browser:
        nodes = {signal: await browser.below(place) for signal, place in paths.items()}
        await watch(browser, listener, list(nodes.values()), queue=100)
        replay.begin(clock.now)
        served = list(mapped_lines([path], MAZAK))

        def has_all_that_was_played() -> bool:
            played = sum(each.signal in nodes for each in served[: replay.tally.served])
            return sum(len(listener.of(node)) for node in nodes.values()) >= played

        while not replay.finished:
            before = replay.tally.served
            clock.now += SECOND // 2
            await until(lambda: replay.finished or replay.tally.served > before)  # noqa: B023 - awaited within the turn
            await until(has_all_that_was_played)
        await until(
            lambda: len(listener.of(nodes["power_on_seconds"])) > 300 and len(listener.of(nodes["spindle_speed"])) > 4
        )

    for signal, node in nodes.items():
        scale = 1000 if signal == "power_on_seconds" else 1
        expected = [
            (time_of(each.stamp), None if each.value is None else each.value * scale)
            for each in served
            if each.signal == signal
        ]
        arrived = [(each.SourceTimestamp, each.Value.Value) for each in listener.of(node)]
        assert arrived[-len(expected) :] == expected
        assert len(arrived) <= len(expected) + 1
    lost = [each for each in listener.of(nodes["spindle_speed"]) if each.Value.Value is None]
    assert {each.StatusCode.value for each in lost} == {ua.StatusCodes.BadNoCommunication}


async def test_a_queue_that_overflows_marks_the_oldest_value_it_kept(
    serve: Callable[..., Any], hand_clock: type[Any], tmp_path: Path
) -> None:
    path, clock = recording(tmp_path), hand_clock(1_800_000_000 * SECOND)
    replay = Replay([path], MAZAK, MACHINE, Pace(speed=1000.0, burst=1000), held=True)
    server = await serve(replay, clock)
    listener = Listener()

    async with connected(server) as browser:
        powered = await browser.below("MY:MachineryBuildingBlocks/DI:OperationCounters/DI:PowerOnDuration")
        await watch(browser, listener, [powered], queue=10)
        replay.begin(clock.now)
        clock.now += SECOND
        await until(lambda: bool(listener.of(powered)) and listener.of(powered)[-1].Value.Value == 1_299_000)

    kept = listener.of(powered)[-10:]
    assert [each.StatusCode.value & 0x480 for each in kept] == [0x480, *[0] * 9]


class Sizes(Observer):  # type: ignore[misc]  # asyncua is not typed
    """Notes how many values each message held."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    def on_notification(self, _subscription: int | None, event_count: int) -> None:
        self._sizes.append(event_count)


async def test_a_message_holds_no_more_than_the_client_asked_for(
    serve: Callable[..., Any], hand_clock: type[Any], tmp_path: Path
) -> None:
    path, clock = recording(tmp_path), hand_clock(1_800_000_000 * SECOND)
    replay = Replay([path], MAZAK, MACHINE, Pace(speed=1000.0, burst=1000), held=True)
    server = await serve(replay, clock)
    listener = Listener()
    sizes: list[int] = []

    async with connected(server) as browser:
        powered = await browser.below("MY:MachineryBuildingBlocks/DI:OperationCounters/DI:PowerOnDuration")
        await watch(browser, listener, [powered], queue=1000, notifications_max=25)
        browser.client.uaclient.observer = Sizes(sizes)
        replay.begin(clock.now)
        clock.now += SECOND
        await until(lambda: bool(listener.of(powered)) and listener.of(powered)[-1].Value.Value == 1_299_000)

    assert len(listener.of(powered)) == 301
    assert max(sizes) <= 25
