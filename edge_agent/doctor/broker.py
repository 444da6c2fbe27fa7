"""Whether the broker lets the agent in, and the platform knows its machines."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from edge_agent.doctor.finding import fault, good, warning
from edge_agent.service import open_broker
from edge_agent.spool import Spool, SpoolError
from shopfloor import mqtt
from shopfloor.settings import SettingsError
from shopfloor.wire import messages, topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.config import EdgeConfig
    from edge_agent.doctor.finding import Finding

ANSWER_SECONDS = 10.0
_ENROL = "enrol it anew, with a code from the administrator: officina edge enroll https://HOST CODE"


def is_running(config: EdgeConfig) -> bool:
    """Tell whether the agent runs: it alone has its spool open, and would lose its connection to a second one."""
    if not config.spool.path.exists():
        return False
    try:
        Spool(config.spool.path).close()
    except SpoolError:
        return True
    return False


async def rights(config: EdgeConfig) -> list[Finding]:
    """Look whether the broker takes the login, and which machines the platform lets it publish."""
    if is_running(config):
        return [
            good(
                "broker", "the agent runs and holds its spool; its log tells of the broker: journalctl -u officina-edge"
            )
        ]
    try:
        broker = open_broker(config.broker)
    except SettingsError as error:
        return [fault("broker", str(error), _ENROL)]
    async with mqtt.Client(broker, client_id=config.publisher) as client:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await _heard(client, config)
        except TimeoutError:
            if not client.is_connected:
                return [
                    fault(
                        "broker",
                        f"{config.broker.host} does not answer as a broker",
                        "see host, port and ca of [broker]",
                    )
                ]
            return [
                good("broker", "it takes the login"),
                fault(
                    "broker",
                    "the platform names no machine of this agent: nothing that it says is stored",
                    "add the machines to the records, with this agent; then see that the API runs",
                ),
            ]


async def _heard(client: mqtt.Client, config: EdgeConfig) -> list[Finding]:
    while True:
        for event in await client.events():
            match event:
                case mqtt.Connected():
                    client.subscribe(topics.registry(config.publisher))
                case mqtt.Disconnected(reason=reason):
                    return [fault("broker", f"it does not take the login {config.broker.username}: {reason}", _ENROL)]
                case mqtt.Subscribed(refused=True):
                    return [
                        fault(
                            "broker",
                            "the login may not hear what the platform lets it publish",
                            "let Officina write the broker's rights: docs/brokers.md",
                        )
                    ]
                case mqtt.Message(payload=payload):
                    return [good("broker", "it takes the login"), *_named(payload, config)]
                case _:
                    pass


def _named(payload: bytes, config: EdgeConfig) -> Iterator[Finding]:
    """Compare what the platform lets the agent publish with what it is configured for."""
    named: set[str] = set()
    with contextlib.suppress(messages.WireError):
        named = {machine.machine for machine in messages.decode_registry(payload).machines}
    for machine in config.machines:
        if machine.id in named:
            yield good("broker", f"{machine.id} may be published")
        else:
            yield fault(
                "broker",
                f"{machine.id} is not among this agent's machines in the records: it goes to quarantine",
                "add it to the records with this agent, or correct its id",
            )
    for missing in sorted(named - {machine.id for machine in config.machines}):
        yield warning(
            "broker",
            f"{missing} is this agent's in the records, and is not in its configuration",
            "add its table [[machine]], or take it off the records",
        )
