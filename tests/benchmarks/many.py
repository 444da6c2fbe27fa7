"""An OPC UA server of many changing numbers, as lean as asyncua allows: `python -m tests.benchmarks.many`.

Arguments: folder for key and certificate, port, how many items, how often a second they change.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from datetime import UTC, timedelta
from datetime import datetime as DateTime  # noqa: N812
from pathlib import Path

from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from shopfloor.periods import SECOND, to_datetime
from shopfloor.runtime import clock, lifecycle

NAMESPACE = "urn:officina:bench"
MACHINE = "bench-1"
ROOT = f"nsu={NAMESPACE};s=root"


def signal(number: int) -> str:
    """Return the name of an item's signal."""
    return f"item_{number:04d}.double"


def nodes(items: int) -> str:
    """Write the node map."""
    lines = ["[nodes]"]
    lines += [f'"{signal(number)}" = {{ nodeid = "nsu={NAMESPACE};s=item-{number}" }}' for number in range(items)]
    return "\n".join(lines) + "\n"


async def serve(folder: Path, port: int, items: int, hertz: int, stop: asyncio.Event) -> None:
    """Serve until stopped."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    gc.disable()
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    await server.set_application_uri(NAMESPACE)
    await _secure(server, folder)
    index = await server.register_namespace(NAMESPACE)
    root = await server.nodes.objects.add_object(ua.NodeId("root", index), "Root")
    ids = []
    for number in range(items):
        node = await root.add_variable(ua.NodeId(f"item-{number}", index), f"Item{number}", 0.0)
        ids.append(node.nodeid)
    gc.freeze()
    gc.enable()
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        changing = asyncio.create_task(_change(server, ids, hertz))
        await stop.wait()
        changing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await changing


async def _secure(server: Server, folder: Path) -> None:
    key, certificate = folder / "server.pem", folder / "server.der"
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    await setup_self_signed_certificate(key, certificate, NAMESPACE, "localhost", usages, {"commonName": "bench"})
    await server.load_certificate(certificate)
    await server.load_private_key(key)
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])


async def _change(server: Server, ids: list[ua.NodeId], hertz: int) -> None:
    every = SECOND // hertz
    beat = clock.now() // every + 1
    while True:
        await asyncio.sleep(max(0.0, (beat * every - clock.now()) / SECOND))
        moment = to_datetime(beat * every).astimezone(UTC) + timedelta()
        await _write(server, ids, float(beat % 1_000_000), moment)
        beat += 1


async def _write(server: Server, ids: list[ua.NodeId], number: float, moment: DateTime) -> None:
    good = ua.StatusCode()
    for count, node in enumerate(ids):
        variant = ua.Variant(number + count, ua.VariantType.Double)
        value = ua.DataValue(variant, good, moment, moment)
        await server.write_attribute_value(node, value)
        if count % 250 == 0:
            await asyncio.sleep(0)  # let publishing go on


def main() -> int:
    """Run it."""
    folder, port, items, hertz = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    folder.mkdir(parents=True, exist_ok=True)

    async def program(stop: asyncio.Event) -> None:
        await serve(folder, port, items, hertz, stop)

    return lifecycle.run(program)


if __name__ == "__main__":
    sys.exit(main())
