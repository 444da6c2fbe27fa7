"""Whatever a request or a configuration holds: it is understood, or refused with a sentence. Nothing else happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_agent.applied import in_force, proposed
from edge_agent.config import EdgeConfig, load
from edge_agent.document import ConfigError, Problem
from edge_agent.requests import Desk
from shopfloor.errors import ExpectedError
from shopfloor.wire import edge
from shopfloor.wire.messages import WireError

IS_LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
AGENT = '[agent]\nid = "site-a"\n\n[broker]\nhost = "127.0.0.1"\ninsecure = true\n'
MACHINE = '[[machine]]\nid = "m01"\nendpoint = "opc.tcp://10.0.0.5:4840/"\n'

if TYPE_CHECKING:
    from collections.abc import Callable

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["id", "kind", "endpoint", "configuration", "machines", "must_connect", "else"])
scalars = st.one_of(
    st.sampled_from(['"none"', '"best"', '"opc.tcp://[::1"', '"opc.tcp://h:99999/"', '"sha256:00"', "{}", "[]", "-1",
                     "nan", "1979-05-27", '"\\u0000"', "[[1]]", "{ a = { b = 1 } }", '"../../etc/x"', "9" * 5000]),
    st.integers().map(str),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(repr),
)  # fmt: skip
names = st.sampled_from(["id", "endpoint", "security", "mode", "user", "password_file", "user_certificate", "user_key",
                         "trusted_certificate", "root", "clock", "queue_size", "nodes_file", "namespaces", "nodes",
                         "nodes.feed.path", "nodes.feed", '"nodes"."x.double".nodeid', "publishing_milliseconds",
                         "unknown"])  # fmt: skip
tables = st.lists(st.tuples(names, scalars), max_size=5).map(
    lambda pairs: "[[machine]]\n" + "".join(f"{name} = {value}\n" for name, value in dict(pairs).items())
)
texts = st.one_of(
    st.lists(tables, max_size=3).map("".join),
    st.text(st.sampled_from("[]{}=\"'.#\n machine_id1-") | st.characters(exclude_categories=["Cs"]), max_size=80),
    st.tuples(st.just(MACHINE), st.integers(0, len(MACHINE)), st.text(max_size=6)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
    ),
)


@given(st.binary(max_size=200) | st.dictionaries(keys, values, max_size=6).map(lambda each: json.dumps(each).encode()))
@example(b'{"id":' * 5000)
@example(b"[" * 100_000)
@example(b" " * (edge.REQUEST_BYTES_MAX + 1))
@settings(max_examples=3000 if IS_LONG else 40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_request_is_understood_or_refused(payload: bytes) -> None:
    with contextlib.suppress(WireError):
        request = edge.decode_request(payload)
        assert edge.decode_request(edge.encode(request)) == request


class _Refuses:
    """Fails at every request, each time differently."""

    async def discover(self, request: edge.Request) -> edge.Reply:
        raise ExpectedError(f"no {request.id}")

    async def check(self, request: edge.Request) -> edge.Reply:
        raise ConfigError([Problem(request.id, 1, "is wrong")])

    async def apply(self, request: edge.Request) -> edge.Reply:
        raise ZeroDivisionError(request.id)


@given(st.lists(st.binary(max_size=60) | st.builds(edge.Request, st.sampled_from("abc"), st.sampled_from(
    ["discover", "check", "apply"])).map(edge.encode), max_size=20))  # fmt: skip
@settings(max_examples=500 if IS_LONG else 25, deadline=None)
def test_every_request_is_answered_whatever_becomes_of_it(payloads: list[bytes]) -> None:
    answers: list[edge.Reply] = []

    def answer(payload: bytes) -> bool:
        answers.append(edge.decode_reply(payload))
        return True

    async def serve() -> None:
        desk = Desk(_Refuses(), answer, lambda: 1)
        for payload in payloads:
            desk.asked(payload)
        work = asyncio.create_task(desk.run())
        for _ in range(3 * len(payloads) + 3):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(serve())
    asked = set()
    for payload in payloads:
        with contextlib.suppress(WireError):
            asked.add(edge.decode_request(payload).id)
    assert asked <= {each.id for each in answers}
    assert all(each.error for each in answers)


@given(texts)
@example("a" + ".a" * 20_000 + " = 1")
@example("machine = " + "[" * 2000)
@example("[" + " " * 100_000)
@example("machine = 3")
@example("[applied]\nover = 1")
@settings(max_examples=5000 if IS_LONG else 100, deadline=None)
def test_a_configuration_is_understood_or_refused_with_its_places(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edge.toml"
        path.write_text(AGENT + MACHINE, encoding="utf-8")
        for read in (lambda: proposed(path, text, "request"), lambda: load(_written(path, AGENT + text))):
            problems = _problems(read)
            assert problems is None or problems
            assert all(problem.line >= 1 and problem.what for problem in problems or ())


@given(texts)
@settings(max_examples=1500 if IS_LONG else 50, deadline=None)
def test_a_kept_configuration_that_is_damaged_leaves_the_administrators_in_force(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edge.toml"
        path.write_text(AGENT + MACHINE, encoding="utf-8")
        (Path(folder) / "edge.applied.toml").write_text(text, encoding="utf-8")
        found = in_force(path)
        assert [machine.id for machine in found.config.machines] == ["m01"]
        assert found.problem
        assert not found.request


def _problems(read: Callable[[], EdgeConfig]) -> tuple[Problem, ...] | None:
    try:
        read()
    except ConfigError as error:
        return error.problems
    return None


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path
