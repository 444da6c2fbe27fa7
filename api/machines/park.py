"""The machine park: every machine, its site, and which agent may speak for which of its signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from shopfloor.errors import ExpectedError
from shopfloor.periods import InvalidInstantError, parse_instant
from shopfloor.signals import SIGNALS, UnknownSignalError, find, is_identifier
from shopfloor.wire.messages import RegisteredMachine, Registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from api.access.scope import Scope

_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
_DERIVED = tuple(name for name, signal in SIGNALS.items() if signal.derived)


class ParkError(ExpectedError):
    """The machines cannot be used; the sentence says what to do."""


class UnknownMachineError(LookupError):
    """There is no such machine, or none that this caller may know of."""


class Former(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agent that spoke for a machine before.

    Attributes:
        publisher: the agent.
        until: RFC 3339, the newest stamp that it may still deliver out of its spool.
    """

    publisher: str
    until: str


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One machine of the park.

    Attributes:
        id: its identifier, for ever.
        name: what people call it, short.
        kind: what it is, in the consortium's words.
        site: where it stands, the identifier of its site.
        site_name: what people call that site.
        publisher: the agent that speaks for it, and the only one that may; None for equipment that says nothing.
        signals: what that agent may publish; empty means every signal of the standard table.
        writer_id: DataSetWriterId that a third-party publisher uses for it.
        formerly: the agents that it was moved away from, while their spools may hold data of it.
        may_speak: whether its present agent is in use; what one that is not says is refused.
    """

    id: str
    name: _Text
    kind: Annotated[str, msgspec.Meta(max_length=120)]
    site: _Text
    publisher: str | None
    signals: tuple[str, ...] = ()
    writer_id: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    formerly: tuple[Former, ...] = ()
    site_name: str = ""
    may_speak: bool = True

    @property
    def place(self) -> str:
        """What people call where it stands."""
        return self.site_name or self.site

    @property
    def is_attended(self) -> bool:
        """Whether its use is what people say when they check in and out, and nothing else."""
        return self.publisher is None

    @property
    def allowed(self) -> tuple[str, ...]:
        """The signals that its agent may publish, with those that every agent adds; none without an agent."""
        if self.is_attended:
            return ()
        return tuple(dict.fromkeys((*(self.signals or SIGNALS), *_DERIVED)))


class Park:
    """The machines of one reading of the records.

    Raises:
        ParkError: when two machines share an identifier, or one cannot be called so.
    """

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = {machine.id: machine for machine in sorted(machines, key=lambda each: each.id)}
        if len(self._machines) != len(machines):
            raise ParkError("two machines have one id: give each its own")
        for machine in machines:
            _check(machine)

    def __iter__(self) -> Iterator[Machine]:
        return iter(self._machines.values())

    def __len__(self) -> int:
        return len(self._machines)

    def find(self, machine_id: str) -> Machine | None:
        """Return a machine whoever asks: for the feed, never for a caller."""
        return self._machines.get(machine_id)

    def visible(self, scope: Scope) -> list[Machine]:
        """Return the machines whose state a caller may see, by their identifiers."""
        return [machine for machine in self if scope.sees(machine.site)]

    def get(self, scope: Scope, machine_id: str) -> Machine:
        """Return one machine whose state a caller may see.

        Raises:
            UnknownMachineError: when there is none, or it is not the caller's to see.
        """
        machine = self._machines.get(machine_id)
        if machine is None or not scope.sees(machine.site):
            raise UnknownMachineError(machine_id)
        return machine

    def registries(self) -> dict[str, Registry]:
        """Return what each publisher may publish."""
        registries: dict[str, Registry] = {}
        for machine in self:
            present = [(machine.publisher, None)] if machine.publisher is not None and machine.may_speak else []
            for publisher, until in (*present, *((each.publisher, each.until) for each in machine.formerly)):
                registry = registries.setdefault(publisher, Registry(publisher, []))
                entry = RegisteredMachine(machine.id, list(machine.allowed), machine.writer_id, until)
                registry.machines.append(entry)
        return registries


def _check(machine: Machine) -> None:
    publishers = [each.publisher for each in machine.formerly]
    if machine.publisher is not None:
        publishers.append(machine.publisher)
    if len(set(publishers)) != len(publishers):
        raise ParkError(f"machine {machine.id!r}: formerly names an agent twice, or its present one: remove it there")
    for each in machine.formerly:
        try:
            parse_instant(each.until)
        except InvalidInstantError as error:
            raise ParkError(f"machine {machine.id!r}: formerly until: {error}") from error
    for field, text in (("id", machine.id), *(("publisher", each) for each in publishers)):
        if not is_identifier(text):
            raise ParkError(
                f"machine {machine.id!r}: {field} {text!r} is no identifier: use lower-case letters, digits and inner "
                f"hyphens, 63 at most",
            )
    for name in machine.signals:
        try:
            find(name)
        except UnknownSignalError as error:
            raise ParkError(f"machine {machine.id!r}: {error.args[0]}") from error
