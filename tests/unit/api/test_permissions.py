from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.access.permissions import ROLES, RULES, Rule, allows, rule_of
from api.access.scope import STAFF, Role
from api.app import create_app
from api.settings import Settings
from shopfloor.settings import BrokerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.routing import BaseRoute


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(
        Settings(
            store=f"sqlite://{tmp_path}/store.db",
            broker=BrokerSettings("127.0.0.1", 1),
            records=f"sqlite://{tmp_path}/records.db",
        ),
    )


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in found:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner.routes)
        else:
            for method in getattr(route, "methods", None) or {"?"}:
                yield method, getattr(route, "path", "?")


def test_every_route_of_the_application_has_a_rule(app: FastAPI) -> None:
    found = set(routes(app.routes))

    assert len(found) > 10
    assert {route for route in found if rule_of(*route) is None} == set()


def test_every_rule_is_for_a_route_that_there_is(app: FastAPI) -> None:
    assert set(RULES) == set(routes(app.routes))


def test_every_rule_says_who_passes_it() -> None:
    assert set(ROLES) == set(Rule)


@pytest.mark.parametrize("role", Role)
def test_a_route_without_a_rule_lets_nobody_pass(role: Role) -> None:
    assert not allows(rule_of("GET", "/api/v1/new"), role)
    assert not allows(rule_of("DELETE", "/api/v1/machines"), role)


@pytest.mark.parametrize("role", Role)
def test_signals_are_for_staff_and_in_its_own_sessions_for_a_member(role: Role) -> None:
    assert allows(Rule.SIGNALS, role) == (role in STAFF | {Role.MEMBER})


def test_only_what_shows_nothing_is_public() -> None:
    public = {path for (_, path), rule in RULES.items() if rule is Rule.PUBLIC}

    assert public == {
        "/healthz",
        "/readyz",
        "/api/v1/openapi.json",
        "/sign-in",
        "/sign-in/code",
        "/sign-out",
        "/forgotten",
        "/invitation/{token}",
        "/wall/open/{token}",
        "/static/{name}",
        "/service-worker.js",
        "/manifest.webmanifest",
        "/offline",
    }
