"""A scenario file: a house with its machines, evidence and tariffs, small enough to be checked by hand.

The format is described in docs/scenario.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from api.billing.calendars import BadCalendarError, civil_month, civil_zone, month_of, next_month
from api.billing.months import Closing, Held, House, bill
from api.billing.scenarios.machines import Machine, read_machine
from api.billing.scenarios.papers import FIRM_KEYS, Papers, read_firm, read_issuer
from api.billing.scenarios.prices import known, read_book, read_calendar, read_common
from api.billing.scenarios.values import BadScenarioError, Node
from api.usage.evidence import BadEvidenceError, JobRule, JobRules, RuleKind
from api.usage.policy import Policy
from api.usage.segments import Claim
from shopfloor.periods import Period

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from api.billing.calendars import Calendar
    from api.billing.common import Common
    from api.billing.statements import Statement
    from api.billing.tariffs import Book

MONTHS_MAX = 120
"""Most months of one scenario."""


@dataclass(frozen=True, slots=True)
class Close:
    """When a month was closed, and what was contested then."""

    month: str
    at: int | None
    held: frozenset[Held]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario file tells.

    Attributes:
        title: what it is about.
        policy: metering and attribution.
        groups: the group of each member.
        rules: which member a job means.
        machines: what is told of each.
        book: all tariffs.
        common: what is charged beside.
        closings: the months to state, in order.
        calendars: by name.
        papers: what documents say beside the figures.
    """

    title: str
    policy: Policy
    groups: Mapping[str, str]
    rules: JobRules
    machines: tuple[Machine, ...]
    book: Book
    common: Common
    closings: tuple[Close, ...]
    calendars: Mapping[str, Calendar]
    papers: Papers

    def house(self, at: int | None) -> House:
        """Return the house as it was known at an instant; None for everything that is ever known.

        Raises:
            BadScenarioError: evidence that contradicts itself.
        """
        span = self._span()
        try:
            machines = {each.name: each.segments(span, self.rules, self.policy, at) for each in self.machines}
        except BadEvidenceError as error:
            raise BadScenarioError(str(error)) from error
        return House(machines, self.groups, self.book, self.common, self.policy, self._versions())

    def statements(self) -> list[Statement]:
        """State all months, each with the adjustments of those before.

        Raises:
            ExpectedError: what the scenario tells cannot be charged.
        """
        closings = [Closing(each.month, self.house(each.at), each.held) for each in self.closings]
        stated = bill(closings)
        last = self.closings[-1]
        if last.at is None and not last.held:
            return stated
        following = Closing(next_month(last.month), self.house(None))
        later = [each for each in bill([*closings, following]) if each.month == following.month and each.lines]
        return [*stated, *later]

    def _span(self) -> Period:
        """Return the months that are stated, and those in which anything is told of a machine."""
        zone = civil_zone(self.policy.zone)
        told = [month_of(stamp, zone) for machine in self.machines for stamp in machine.touched()]
        months = sorted({*told, *(each.month for each in self.closings)})
        return Period(civil_month(months[0], zone).start, civil_month(months[-1], zone).end)

    def _versions(self) -> dict[str, str]:
        return {
            "calendars": " ".join(f"{each.name}@{each.version}" for _, each in sorted(self.calendars.items())),
            "tzdata": _version_of("tzdata"),
            "officina": _version_of("officina"),
        }


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of the system"


def load(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        BadScenarioError: naming the file, the place, the reason and the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadScenarioError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadScenarioError(f"{path} is no text in UTF-8: {error}") from error
    try:
        return parse(text)
    except BadScenarioError as error:
        raise BadScenarioError(f"{path}: {error}") from error


def parse(text: str) -> Scenario:
    """Read a scenario from TOML.

    Raises:
        BadScenarioError: naming the place, the reason and the mend.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadScenarioError(f"is no TOML: {error}") from error
    return read(table)


def read(table: dict[str, Any]) -> Scenario:
    """Read a scenario from a table as TOML gives it, with every number exact.

    Raises:
        BadScenarioError: naming the place, the reason and the mend.
    """
    policy_table = table.get("policy")
    name = policy_table.get("zone", Policy().zone) if isinstance(policy_table, dict) else Policy().zone
    try:
        zone = civil_zone(str(name))
    except BadCalendarError as error:
        raise BadScenarioError(f"policy, zone: {error}") from error
    root = Node(table, "", zone).table(
        "title", "policy", "months", "job_rules", "calendars", "tariffs", "quotas", "shared_costs", "lent_hours",
        "fees", "true_ups", "closings", "machines", "issuer", required=("members",),
    )  # fmt: skip
    return _scenario(root)


def _scenario(root: Node) -> Scenario:
    groups = dict(_members(root["members"]))
    members = set(groups)
    machines = [read_machine(node, members) for node in root.rows("machines")]
    names = {machine.name for machine in machines}
    if len(names) != len(machines):
        raise root["machines"].refuse("two machines have one id")
    calendars = {calendar.name: calendar for calendar in _calendars(root)}
    common = read_common(root, names, members)
    issuer, payment_days = read_issuer(root.get("issuer"))
    tariffs = list(root.rows("tariffs"))
    scenario = Scenario(
        title=root["title"].text() if "title" in root else "",
        policy=_policy(root.get("policy")),
        groups=groups,
        rules=_rules(root, members),
        machines=tuple(machines),
        book=read_book(tariffs, calendars, names, members),
        common=common,
        closings=(),
        calendars=calendars,
        papers=Papers(
            issuer=issuer,
            payment_days=payment_days,
            firms={code: read_firm(node, code) for code, node in root["members"].items()},
            machines={machine.name: machine.called for machine in machines},
        ),
    )
    return _with_closings(scenario, root)


def _members(node: Node) -> Iterator[tuple[str, str]]:
    for code, member in node.items():
        if code in {"maintenance", "consortium", "nobody"} or not code.strip():
            raise member.refuse(f"{code!r} is a word of its own: give the member another code")
        member.table("name", "group", *FIRM_KEYS)
        yield code, member["group"].text() if "group" in member else ""
    if not node.value:
        raise node.refuse("names nobody who could pay")


def _calendars(root: Node) -> Iterator[Calendar]:
    shipped = files("api.billing.scenarios").joinpath("arera.toml").read_text(encoding="utf-8")
    yield read_calendar(Node(tomllib.loads(shipped), "calendar arera", root.zone))
    for node in root.rows("calendars"):
        yield read_calendar(node)


def _policy(node: Node | None) -> Policy:
    if node is None:
        return Policy()
    names = tuple(each.name for each in fields(Policy) if each.name != "gap_evidence")  # a scenario says its evidence
    node.table(*names)
    claims = {claim.value: claim for claim in Claim if claim is not Claim.NONE}
    chosen: dict[str, Any] = {}
    for name, value in node.items():
        if name == "payer_precedence":
            chosen[name] = tuple(row.one_of(claims) for row in value.each())
        elif name == "estimate_gaps":
            chosen[name] = value.flag()
        elif name == "zone":
            chosen[name] = value.text()
        else:
            chosen[name] = value.whole()
    return Policy(**chosen)


def _rules(root: Node, members: set[str]) -> JobRules:
    kinds = {kind.value: kind for kind in RuleKind}
    rules = [
        JobRule(row["kind"].one_of(kinds), row["text"].text(), known(row["member"], members, "member"))
        for row in (each.as_table("kind", "text", "member") for each in root.rows("job_rules"))
    ]
    try:
        return JobRules(rules)
    except BadEvidenceError as error:
        raise root["job_rules"].refuse(str(error)) from error


def _with_closings(scenario: Scenario, root: Node) -> Scenario:
    """Add the months to state: those named, else those in which anything is told, each as it was closed."""
    closed: dict[str, Close] = {}
    for row in root.rows("closings"):
        row.table("held", required=("month", "at"))
        month = row["month"].month()
        if month in closed:
            raise row.refuse(f"{month} is closed twice: what comes later belongs on the next month")
        held = frozenset(
            Held(known(line["member"], set(scenario.groups), "member"), line["line"].text())
            for line in (each.as_table("member", "line") for each in row.rows("held"))
        )
        closed[month] = Close(month, row["at"].instant(), held)
    named = [row.month() for row in root["months"].each()] if "months" in root else _told_months(scenario, root.zone)
    months = sorted({*named, *closed})
    if not months:
        raise root.refuse("nothing is told of any month: give a machine its `states`, or name the `months`")
    if len(months) > MONTHS_MAX:
        raise root.refuse(f"tells of {len(months)} months; {MONTHS_MAX} is the most")
    closings = [closed.get(month, Close(month, None, frozenset())) for month in months]
    stamps = [each.at for each in closings if each.at is not None]
    if stamps != sorted(stamps):
        raise root["closings"].refuse("a later month is closed before an earlier one")
    return replace(scenario, closings=tuple(closings))


def _told_months(scenario: Scenario, zone: ZoneInfo) -> list[str]:
    common = scenario.common
    return [
        *(month_of(stamp, zone) for machine in scenario.machines for stamp in machine.touched()),
        *(cost.month for cost in common.shared_costs),
        *(up.month for up in common.true_ups),
        *(f"{each.day:%Y-%m}" for each in common.lent_hours),
        *(f"{each.day:%Y-%m}" for each in common.fees),
    ]
