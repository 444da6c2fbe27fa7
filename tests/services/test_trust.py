"""Whom the agent trusts, as whom it logs in, and what it says when it may not: with servers that are really there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent import certificate, check
from edge_agent.certificate import own_certificates, renew
from edge_agent.config import ServerConfig
from edge_agent.opcua_client import NoAnswerError, RefusedError
from edge_agent.opcua_connect import is_trusted, open_session
from edge_agent.opcua_renewal import offer_successor
from edge_agent.trust import TrustList, thumbprint
from shopfloor.periods import DAY
from shopfloor.runtime import clock
from shopfloor.settings import write_secret
from shopfloor.wire.edge import Cause
from tests.services.secured import POLICIES, Issued, Logins, SecuredServer, issue, secured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.services


@asynccontextmanager
async def serving(server: SecuredServer) -> AsyncIterator[SecuredServer]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def reach(server: SecuredServer, folder: Path, **options: Any) -> ServerConfig:
    settings: dict[str, Any] = {
        "endpoint": server.endpoint, "policy": "best", "mode": "SignAndEncrypt", "user": "", "password_file": None,
        "trusted_certificate": str(server.certificate), "own_certificates": folder / "pki", "publisher": "site-a",
        "machines": (), "file": folder / "edge.toml",
    }  # fmt: skip
    return ServerConfig(**(settings | options))


async def refusal(config: ServerConfig) -> str:
    with pytest.raises(RefusedError) as caught:
        await open_session(config, clock.now())
    return str(caught.value)


async def peer_of(config: ServerConfig) -> tuple[str, str]:
    """Open a session and return its policy and which of the agent's certificates the server took."""
    session = await open_session(config, clock.now())
    await session.close()
    assert session.peer is not None
    return session.peer.policy, session.peer.own


async def test_the_best_policy_that_is_offered_is_taken_and_each_can_be_chosen(tmp_path: Path) -> None:
    async with serving(secured(tmp_path).secure()) as server:
        assert await peer_of(reach(server, tmp_path)) == ("Aes256_Sha256_RsaPss", "agent.der")
        for policy in POLICIES:
            assert await peer_of(reach(server, tmp_path, policy=policy)) == (policy, "agent.der")


async def test_a_policy_that_is_not_offered_is_told_with_those_that_are(tmp_path: Path) -> None:
    async with serving(secured(tmp_path).secure("Basic256Sha256")) as server:
        said = await refusal(reach(server, tmp_path, policy="Aes256_Sha256_RsaPss"))
        assert "does not offer Aes256_Sha256_RsaPss with mode SignAndEncrypt, but Basic256Sha256/SignAndEncrypt" in said
        said = await refusal(reach(server, tmp_path, mode="Sign"))
        assert "offers none of the agent's security policies with mode Sign" in said
        assert "does not offer the security that the configuration names" in await refusal(
            reach(server, tmp_path, policy="none", mode="None")
        )


async def test_first_contact_is_rejected_with_the_command_that_accepts_and_a_revoked_server_is_refused_again(
    tmp_path: Path,
) -> None:
    trust_list = TrustList(tmp_path / "pki")
    async with serving(secured(tmp_path).secure("Basic256Sha256")) as server:
        config = reach(server, tmp_path, trusted_certificate="")
        said = await refusal(config)
        (waiting,) = trust_list.known()
        assert waiting.standing == "rejected"
        assert f"officina edge trust accept {tmp_path / 'edge.toml'} {waiting.thumbprint}" in said
        assert await refusal(config) == said
        assert len(trust_list.known()) == 1
        trust_list.accept(waiting.thumbprint)
        session = await open_session(config, clock.now())
        await session.close()
        assert session.peer is not None
        assert await is_trusted(config, session.peer.certificate)
        trust_list.revoke(waiting.thumbprint)
        assert not await is_trusted(config, session.peer.certificate)
        assert "is not trusted" in await refusal(config)


async def trusting(server: SecuredServer, folder: Path, trusted: Issued) -> ServerConfig:
    """Reach a server with one certificate on the trust list."""
    trust_list = TrustList(folder / "pki")
    trust_list.reject(trusted.file.read_bytes())
    trust_list.accept(thumbprint(trusted.certificate))
    return reach(server, folder, trusted_certificate="")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"days": -1}, "renew it on the machine, and see that this computer's clock is right"),
        ({"uri": "urn:another"}, "is for the application urn:another, and the server calls itself"),
    ],
)
async def test_a_trusted_certificate_is_refused_when_it_has_ended_or_is_of_another_application(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    shown = issue(tmp_path / "issued", "machine", **options)
    async with serving(secured(tmp_path).secure("Basic256Sha256", presents=shown)) as server:
        assert said in await refusal(await trusting(server, tmp_path, shown))


async def test_a_host_is_compared_only_where_an_issuer_is_trusted_and_not_the_certificate_itself(
    tmp_path: Path,
) -> None:
    authority = issue(tmp_path / "issued", "authority", is_authority=True)
    elsewhere = issue(tmp_path / "issued", "elsewhere", hosts=("mill-7.example",), issuer=authority)
    here = issue(tmp_path / "issued", "here", issuer=authority)
    async with serving(secured(tmp_path / "a").secure("Basic256Sha256", presents=elsewhere)) as server:
        config = await trusting(server, tmp_path, authority)
        assert "names mill-7.example, not 127.0.0.1" in await refusal(config)
        await trusting(server, tmp_path, elsewhere)
        assert (await peer_of(config))[0] == "Basic256Sha256"
    async with serving(secured(tmp_path / "b").secure("Basic256Sha256", presents=here)) as server:
        assert (await peer_of(reach(server, tmp_path, trusted_certificate="")))[0] == "Basic256Sha256"


async def test_users_log_in_with_a_password_or_a_certificate_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    user, stranger = (issue(tmp_path / "users", name, uri=f"urn:{name}") for name in ("user", "stranger"))
    for name, password in (("right", "7-frese-e-1-tornio"), ("wrong", "guess")):
        write_secret(tmp_path / name, password)
    logins = Logins({"officina": "7-frese-e-1-tornio"}, user)
    async with serving(secured(tmp_path).secure("Aes256_Sha256_RsaPss", logins=logins)) as server:
        by_password = {"user": "officina", "password_file": tmp_path / "right"}
        await peer_of(reach(server, tmp_path, **by_password))
        said = await refusal(reach(server, tmp_path, **(by_password | {"password_file": tmp_path / "wrong"})))
        assert "refuses the login of user 'officina'" in said
        assert str(tmp_path / "wrong") in said
        with pytest.raises(RefusedError, match="wants a login") as nobody:
            await open_session(reach(server, tmp_path), clock.now())
        assert nobody.value.code == Cause.LOGIN
        await peer_of(reach(server, tmp_path, user_certificate=user.file, user_key=user.key_file))
        said = await refusal(reach(server, tmp_path, user_certificate=stranger.file, user_key=stranger.key_file))
        assert f"refuses the login with {stranger.file}" in said


async def test_a_renewed_certificate_is_used_where_it_is_trusted_and_the_old_one_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = own_certificates(tmp_path / "pki", "site-a", clock.now())
    monkeypatch.setattr(certificate, "RENEW_DAYS", 4000)
    new = renew(tmp_path / "pki", "site-a", clock.now())
    assert new is not None
    answers: list[bool | None] = []
    async with serving(secured(tmp_path).secure("Basic256Sha256")) as server:
        config = reach(server, tmp_path)
        server.trusts = set()
        said = await refusal(config)
        assert "does not trust the agent" in said
        assert str(old.certificate) in said
        server.trusts = {old.certificate.read_bytes()}
        session = await open_session(config, clock.now())
        assert session.peer is not None
        assert session.peer.own == "agent.der"
        await first_answer(config, session.peer, answers)
        server.trusts |= {new.certificate.read_bytes()}
        await first_answer(config, session.peer, answers)
        await session.close()
        assert await peer_of(config) == ("Basic256Sha256", "agent-2.der")
    assert answers == [False, True]


async def first_answer(config: ServerConfig, peer: Any, answers: list[bool | None]) -> None:
    """Offer the successor once."""
    told: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
    work = asyncio.create_task(offer_successor(config, peer, clock.now, told.set_result))
    answers.append(await told)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_the_old_certificate_ends_and_its_successor_goes_on_alone(tmp_path: Path) -> None:
    now = clock.now()
    (old,) = own_certificates(tmp_path, "site-a", now)
    late = old.expires - 80 * DAY
    assert renew(tmp_path, "site-a", old.expires - 91 * DAY) is None
    new = renew(tmp_path, "site-a", late)
    assert renew(tmp_path, "site-a", late + DAY) is None
    assert own_certificates(tmp_path, "site-a", late) == (old, new)
    assert own_certificates(tmp_path, "site-a", old.expires) == (new,)


async def no_answer(endpoint: str) -> str:
    with pytest.raises((NoAnswerError, RefusedError)) as caught:
        await check.init(endpoint, clock.now)
    return str(caught.value)


async def test_discovery_that_reaches_no_server_names_the_place_and_the_mend() -> None:
    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    port = web.sockets[0].getsockname()[1]
    async with web:
        assert f"127.0.0.1 port {port} (opc.tcp://127.0.0.1:{port}/) closed the connection" in await no_answer(
            f"opc.tcp://127.0.0.1:{port}/"
        )
    said = await no_answer(f"opc.tcp://127.0.0.1:{port}/")
    assert f"nothing listens at 127.0.0.1 port {port}" in said
    assert "switch the machine's OPC UA server on" in said
    assert "cannot be resolved: correct it" in await no_answer("opc.tcp://no-such-machine.invalid:4840/")
    assert "write opc.tcp://host:port/path" in await no_answer("127.0.0.1:4840")
