from __future__ import annotations

import pytest

from api.access.scope import Role, Scope
from api.machines.park import Former, Machine, Park, ParkError, UnknownMachineError

EVERYWHERE = Scope(Role.OPERATOR)
NORTH = Scope(Role.OPERATOR, sites=frozenset({"north"}))


def machine(name: str, site: str = "north", publisher: str = "edge", **more: object) -> Machine:
    return Machine(id=name, name=name.upper(), kind="", site=site, publisher=publisher, **more)  # type: ignore[arg-type]


def test_a_scope_bound_to_a_site_sees_that_site_alone() -> None:
    park = Park([machine("a"), machine("b", "south")])

    assert [each.id for each in park.visible(EVERYWHERE)] == ["a", "b"]
    assert [each.id for each in park.visible(NORTH)] == ["a"]


def test_a_machine_of_another_site_is_as_unknown_as_one_that_does_not_exist() -> None:
    park = Park([machine("a"), machine("b", "south")])

    for name in ("b", "nowhere"):
        with pytest.raises(UnknownMachineError):
            park.get(NORTH, name)


def test_a_registry_names_what_its_publisher_may_say_and_what_every_agent_adds() -> None:
    park = Park([machine("a", signals=("parts",), writer_id=3), machine("b", publisher="other")])

    registries = park.registries()

    assert set(registries) == {"edge", "other"}
    entry = registries["edge"].machines[0]
    assert (entry.machine, entry.writer_id) == ("a", 3)
    assert set(entry.signals) == {"parts", "observed", "unreachable", "hole", "filled", "clock_offset_seconds"}
    assert "spindle_load" in registries["other"].machines[0].signals


def test_nobody_may_publish_for_equipment_without_an_agent() -> None:
    park = Park([machine("a"), Machine(id="arm", name="B 1", kind="", site="north", publisher=None)])

    assert [each.machine for registry in park.registries().values() for each in registry.machines] == ["a"]
    assert [(each.id, each.is_attended, bool(each.allowed)) for each in park] == [
        ("a", False, True),
        ("arm", True, False),
    ]


def test_an_agent_that_a_machine_was_moved_away_from_may_deliver_what_it_has_of_the_time_before() -> None:
    moved = Former("old", "2026-03-01T08:00:00Z")
    registries = Park([machine("a", publisher="new", formerly=(moved,))]).registries()

    assert {name: [each.until for each in registry.machines] for name, registry in registries.items()} == {
        "new": [None],
        "old": ["2026-03-01T08:00:00Z"],
    }


@pytest.mark.parametrize(
    ("former", "reason"),
    [
        (Former("edge", "2026-03-01T08:00:00Z"), "its present one"),
        (Former("Old", "2026-03-01T08:00:00Z"), "identifier"),
        (Former("old", "yesterday"), "until"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(former: Former, reason: str) -> None:
    with pytest.raises(ParkError, match=reason):
        Park([machine("a", publisher="edge", formerly=(former,))])


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a/b", "a+", "#", "x" * 64])
def test_a_machine_that_cannot_be_called_so_is_refused(name: str) -> None:
    with pytest.raises(ParkError, match="identifier"):
        Park([machine(name)])


def test_two_machines_with_one_id_are_refused() -> None:
    with pytest.raises(ParkError, match="one id"):
        Park([machine("a"), machine("a", "south")])


def test_a_signal_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ParkError, match="no_such_signal"):
        Park([machine("a", signals=("no_such_signal",))])


def test_an_agent_that_is_not_in_use_may_say_nothing() -> None:
    park = Park([machine("a", may_speak=False), machine("b", publisher="other")])

    assert set(park.registries()) == {"other"}
    assert len(park.visible(EVERYWHERE)) == 2


def test_a_role_that_is_bound_to_no_site_sees_none() -> None:
    assert Park([machine("a")]).visible(Scope(Role.OPERATOR, sites=frozenset())) == []
