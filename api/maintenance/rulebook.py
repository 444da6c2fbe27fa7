"""The rules at work: those shipped, an owner's changes of them for all machines or for one, each version on record."""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from api.audit.service import record
from api.maintenance.catalogue import shipped_rules
from api.maintenance.rules import Rule, RuleError, for_edge, for_kind, override
from api.maintenance.tables import RuleChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.audit.service import Actor

KINDS: Mapping[str, tuple[str, ...]] = {
    "lathe": ("tornio", "torni", "lathe", "turning", "multus"),
    "grinder": ("rettific", "grind", "affilatrice"),
    "edm": ("elettroerosion", "edm", "erosion"),
    "mill": ("fresa", "mill", "centro di lavoro", "machining", "alesatrice", "vmc", "hmc"),
    "compressor": ("compressor",),
    "measuring": ("misura", "measur", "cmm"),
}
"""Words of the consortium by which a machine's kind is known, in the order in which they are looked for.

Rules name kinds in `kinds`; the empty one is that of a machine that no word tells.
"""


class Rulebook(NamedTuple):
    """The rules at work.

    Attributes:
        common: for all machines.
        own: those of single machines that differ, by machine and rule.
        digest: tells this book from every other one.
    """

    common: tuple[Rule, ...]
    own: Mapping[str, Mapping[str, Rule]]
    digest: str

    def of_machine(self, machine: str, described: str) -> tuple[Rule, ...]:
        """Return the enabled rules of a machine.

        Args:
            machine: its id.
            described: what it is, in the consortium's words.
        """
        return for_kind(self.every(machine), kind_of(described))

    def of_edge(self) -> tuple[Rule, ...]:
        """Return the enabled rules of edge agents."""
        return for_edge(self.common)

    def every(self, machine: str = "") -> tuple[Rule, ...]:
        """Return all rules as they hold for a machine, enabled or not."""
        own = self.own.get(machine, {})
        return tuple(own.get(rule.id, rule) for rule in self.common)


class Wanted(NamedTuple):
    """A change of a rule.

    Attributes:
        machine: for which, empty for all.
        values: what differs from the rule, as a `[[rule]]` of a file; None takes every change back.
        source: whose word the change is; empty keeps the rule's.
    """

    machine: str
    values: Mapping[str, Any] | None
    source: str = ""


def kind_of(described: str) -> str:
    """Return the kind of a machine by what the consortium calls it, empty when no word is known."""
    folded = unicodedata.normalize("NFKD", described.casefold())
    return next((kind for kind, words in KINDS.items() if any(word in folded for word in words)), "")


def read(session: Session) -> Rulebook:
    """Return the rules at work."""
    common = {rule.id: rule for rule in shipped_rules()}
    newest = select(func.max(RuleChange.id)).group_by(RuleChange.rule, RuleChange.machine)
    rows = session.scalars(select(RuleChange).where(RuleChange.id.in_(newest)).order_by(RuleChange.id)).all()
    own: dict[str, dict[str, Rule]] = {}
    for row in rows:
        if not row.machine:
            common[row.rule] = changed(common.get(row.rule), row.rule, row.values, row.version, row.source)
    for row in rows:
        if row.machine and row.values is not None and row.rule in common:
            own.setdefault(row.machine, {})[row.rule] = changed(
                common[row.rule], row.rule, row.values, row.version, row.source
            )
    digest = sha256(repr([(row.id, row.rule) for row in rows]).encode()).hexdigest()
    return Rulebook(tuple(common.values()), own, digest)


def changed(before: Rule | None, rule: str, values: Mapping[str, Any] | None, version: int, source: str) -> Rule:
    """Return a rule with a change.

    Raises:
        RuleError: the change does not fit the rule; the sentence says what does.
    """
    if before is None:
        raise RuleError(f"there is no rule {rule!r}")
    table = {**(values or {}), "version": version}
    if source:
        table["source"] = source
    return override(before, table, origin="the change")


def change(session: Session, actor: Actor, rule: str, wanted: Wanted, *, now: int) -> Rule:
    """Change a rule for all machines or for one, as a new version.

    Args:
        session: from `Records.writing`.
        actor: who does it.
        rule: its id.
        wanted: the change.
        now: when.

    Raises:
        RuleError: there is no such rule, or the change does not fit it.
    """
    if forbidden := {"id", "version", "source"} & set(wanted.values or ()):
        raise RuleError(f"{', '.join(sorted(forbidden))} cannot be changed by values")
    book = read(session)
    basis = book.common if wanted.machine else shipped_rules()
    before = next((each for each in basis if each.id == rule), None)
    same = RuleChange.rule == rule, RuleChange.machine == wanted.machine
    last = session.scalars(select(RuleChange).where(*same).order_by(RuleChange.id.desc()).limit(1)).first()
    newest = select(func.max(RuleChange.version)).where(RuleChange.rule == rule)
    version = max(session.scalar(newest) or 0, before.version if before else 0) + 1
    made = changed(before, rule, wanted.values, version, wanted.source)
    kept = dict(wanted.values) if wanted.values is not None else None
    session.add(RuleChange(rule=rule, machine=wanted.machine, version=version, values=kept, source=wanted.source,
                           at=now, by=actor.id))  # fmt: skip
    session.flush()
    was = None if last is None else {"machine": last.machine, "version": last.version, "values": last.values}
    after = {"machine": wanted.machine, "version": version, "values": kept}
    record(session, actor, "change", f"rules/{rule}", now=now, before=was, after=after)
    return made


def history(session: Session, rule: str) -> Sequence[RuleChange]:
    """Return every change of a rule, the newest first."""
    return session.scalars(select(RuleChange).where(RuleChange.rule == rule).order_by(RuleChange.id.desc())).all()
