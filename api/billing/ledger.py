"""The ledger: what months are charged by, previews of those that are open, and what has changed in closed ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from api.billing.adjustments import charged
from api.billing.calendars import civil_day, civil_month, day_of
from api.billing.pricelist import Entry, PriceList, read_prices
from api.billing.rating import rate_machine
from api.billing.statements import Line, Statement, line_of
from api.billing.stating import OF_MACHINES, Again, Contested, MachineUse, MonthGround, state_month
from api.billing.tables import IssuedStatement, LineContest, MonthClosing, PriceEntry, RatedSegments
from api.records.tables import Machine, Member
from api.usage.packing import digest_of, in_order, unpack
from api.usage.policy import Policy
from api.usage.segments import Claim
from api.usage.tables import UsagePart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from api.records.database import Records
    from api.usage.kept import UsageDays
    from api.usage.segments import Segment
    from shopfloor.periods import Period

_ONE_DAY = timedelta(days=1)


class TamperedError(Exception):
    """Segments are not those that were rated."""


class Ledger:
    """Previews and closes months.

    Args:
        records: where everything is kept.
        usage: the kept day segments.
        review_days: how long after its end a month stays open for members to contest lines.
        mails: statements go to their members by e-mail when a month is closed: there is a mail server.
    """

    def __init__(self, records: Records, usage: UsageDays, *, review_days: int = 0, mails: bool = False) -> None:
        self.records, self.usage, self.review_days, self.mails = records, usage, review_days, mails
        self.zone = usage.zone

    # What a month is charged by.

    def prices(self, session: Session, members: Iterable[str]) -> PriceList:
        """Return the price list as it is kept."""
        rows = session.scalars(select(PriceEntry))
        return read_prices((Entry(row.id, row.kind, row.text) for row in rows), self.zone, members)

    def ground(self, session: Session, month: str, prices: PriceList | None = None) -> tuple[MonthGround, PriceList]:
        """Return what a month is charged by: a closed one keeps the members and settings of its closing."""
        closing = session.get(MonthClosing, month)
        if closing is not None:
            groups, policy = dict(closing.ground["groups"]), policy_of(closing.ground["policy"])
        else:
            groups, policy = groups_of(session, civil_month(month, self.zone), self.zone), self.usage.policy
        listed = prices or self.prices(session, groups)
        return MonthGround(month, groups, listed.book, listed.common, policy), listed

    # Open months.

    def preview(
        self,
        month: str,
        *,
        now: int,
        member: str | None = None,
        tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
    ) -> list[Statement]:
        """State an open month as if it ended now.

        Args:
            month: as `2026-10`.
            now: the present.
            member: only this member's, which is quick; None for the whole house.
            tell: told of progress: what is done, how many of how many machines.

        Raises:
            UnpricedError: there is use that no tariff covers.
            StoreUnavailableError: the store did not answer.
        """
        self.bring_up(month, month, now=now, tell=tell)
        with self.records.reading() as session:
            return self.preview_with(session, month, member=member, tell=tell)

    def bring_up(
        self,
        first: str,
        last: str,
        *,
        now: int,
        deadline: float = math.inf,
        tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
    ) -> int:
        """Bring what is kept of all machines up to date, from a month to another.

        Args:
            first: first month, as `2026-10`.
            last: last month.
            now: the present.
            deadline: when to begin with nothing more, on the clock of `time.monotonic`.
            tell: told of progress: what is done, how many of how many machines.

        Returns:
            How many days of machines are left: 0 unless the deadline passed.

        Raises:
            StoreUnavailableError: the store did not answer.
        """
        begin, end = self.days(first)[0] - _ONE_DAY, self.days(last)[1] + _ONE_DAY
        return self.usage.refresh(
            self.usage.machines(),
            begin,
            end,
            now=now,
            deadline=deadline,
            tell=lambda done, of: tell("segments", done, of),
        )

    def preview_with(
        self,
        session: Session,
        month: str,
        *,
        member: str | None = None,
        prices: PriceList | None = None,
        tell: Callable[[str, int, int], None] = lambda _step, _done, _all: None,
    ) -> list[Statement]:
        """State an open month from what is kept, with other prices where they are given."""
        ground, listed = self.ground(session, month, prices)
        is_shared = any(cost.month == month and cost.weights is None for cost in ground.common.shared_costs)
        alone = member if member is not None and not is_shared else None
        use = MachineUse()
        terms = ground.terms()
        machines = list(session.scalars(select(Machine.id).order_by(Machine.id)))
        for done, (machine, segments) in enumerate(self._of_month(session, month, machines, alone), 1):
            use.take(machine, segments, terms)
            tell("rating", done, len(machines))
        again = self.again(session, month, listed) if session.get(MonthClosing, month) is None else {}
        held = self.contested(session)
        members = None if member is None else [member]
        return state_month(ground, use, again, held, versions=listed.versions, members=members)

    def _of_month(
        self, session: Session, month: str, machines: Sequence[str], member: str | None
    ) -> Iterator[tuple[str, list[Segment]]]:
        """Yield machines with their segments in a month, as far as the sessions at its ends reach."""
        first, last = self.days(month)
        if member is None:
            for machine in machines:
                yield machine, self.kept(session, month, machine)[1]
            return
        own = self.usage.segments(session, first - _ONE_DAY, last + _ONE_DAY, payer=member)
        edges = {civil_day(first - _ONE_DAY, self.zone).start, civil_day(last + _ONE_DAY, self.zone).end}
        for machine in machines:
            segments = own.get(machine, [])
            if segments and edges & {segments[0].period.start, segments[-1].period.end}:
                start, end = self.usage.reaching(session, machine, first, last)
                segments = self.usage.segments(session, start, end, machine=machine, payer=member).get(machine, [])
            yield machine, segments

    def kept(
        self, session: Session, month: str, machine: str, *, payer: str | None = None
    ) -> tuple[list[str], list[Segment]]:
        """Return a machine's segments of a month, as far as the sessions at its ends reach, and their digests."""
        start, end = self.usage.reaching(session, machine, *self.days(month))
        wanted = select(UsagePart.digest, UsagePart.body).where(
            UsagePart.is_current, UsagePart.machine_id == machine, UsagePart.day >= start, UsagePart.day <= end
        )
        rows = session.execute(wanted if payer is None else wanted.where(UsagePart.payer == payer)).all()
        return [row.digest for row in rows], in_order(each for row in rows for each in unpack(row.body))

    def frozen(
        self, session: Session, closing: str, month: str, machine: str, *, with_sources: bool = False
    ) -> list[Segment]:
        """Return what a closing rated of a machine in a month.

        Raises:
            TamperedError: something of it was changed since.
        """
        rows = session.execute(
            select(UsagePart.digest, UsagePart.body)
            .join(RatedSegments, RatedSegments.digest == UsagePart.digest)
            .where(RatedSegments.closing == closing, RatedSegments.month == month, RatedSegments.machine_id == machine)
        )
        segments: list[Segment] = []
        for digest, body in rows:
            if digest_of(body) != digest:
                raise TamperedError(f"{month}, {machine}: segments {digest[:12]} are not what they were when rated")
            segments += unpack(body, with_sources=with_sources)
        return in_order(segments)

    def opened(
        self, session: Session, month: str, member: str, reference: str, *, closing: str | None = None
    ) -> list[Segment]:
        """Return what a line was measured in, with the samples that this comes from; nothing for a line of no machine.

        Args:
            session: of the records.
            month: of the use.
            member: whose line.
            reference: of the line.
            closing: the month whose closing rated it; None for an open month.
        """
        found = self.rated(session, month, member, machine_of(reference), closing=closing)
        return [
            segment for line in found if line.reference == reference for part in line.parts for segment in part.segments
        ]

    def rated(
        self, session: Session, month: str, member: str, machine: str, *, closing: str | None = None
    ) -> list[Line]:
        """Return what a machine's use costs a member, each part with its segments and the samples they come from.

        Args:
            session: of the records.
            month: of the use.
            member: whose lines.
            machine: which; nothing is returned for none.
            closing: the month whose closing rated it; None for an open month.
        """
        if not machine:
            return []
        if closing is None:
            segments = self._with_sources(session, month, machine, member)
        else:
            rated = select(func.max(RatedSegments.closing)).where(
                RatedSegments.closing <= closing, RatedSegments.month == month, RatedSegments.machine_id == machine
            )
            latest = session.scalar(rated) or closing
            segments = self.frozen(session, latest, month, machine, with_sources=True)
        ground, _ = self.ground(session, month)
        return [line for line in rate_machine(machine, segments, ground.terms()) if line.member == member]

    def _with_sources(self, session: Session, month: str, machine: str, member: str) -> list[Segment]:
        start, end = self.usage.reaching(session, machine, *self.days(month))
        bodies = session.scalars(
            select(UsagePart.body).where(
                UsagePart.is_current,
                UsagePart.machine_id == machine,
                UsagePart.payer == member,
                UsagePart.day >= start,
                UsagePart.day <= end,
            )
        )
        return in_order(each for body in bodies for each in unpack(body, with_sources=True))

    def beside(self, session: Session, month: str) -> list[Line]:
        """Return what is charged beside the use of machines; without what is shared by use, and true-ups."""
        ground, _ = self.ground(session, month)
        fixed = replace(ground.common, shared_costs=[each for each in ground.common.shared_costs if each.weights])
        return fixed.lines(month, [])

    def period(self, month: str) -> tuple[int, int]:
        """Return the first instant of a month, and the first after it."""
        period = civil_month(month, self.zone)
        return period.start, period.end

    def days(self, month: str) -> tuple[date, date]:
        """Return the first and the last day of a month."""
        period = civil_month(month, self.zone)
        return day_of(period.start, self.zone), day_of(period.end - 1, self.zone)

    # Closed months that are looked at again.

    def again(self, session: Session, month: str, prices: PriceList) -> dict[str, Again]:
        """Rate again what has changed in closed months, and gather what a true-up needs of them."""
        closings = list(session.scalars(select(MonthClosing).where(MonthClosing.month < month)))
        changed = self._changed(session, month)
        years = {str(up.year) for up in prices.common.true_ups if up.month == month}
        wanted = {each.month for each in closings if each.month in changed or each.month[:4] in years}
        wanted |= self._other_common(session, closings, prices)
        if not wanted:
            return {}
        stated = self.charged(session, month, wanted)
        again: dict[str, Again] = {}
        for name in sorted(wanted):
            ground, _ = self.ground(session, name)
            use = MachineUse()
            machines = frozenset(changed.get(name, ()))
            for machine in sorted(machines):
                use.take(machine, self.kept(session, name, machine)[1], ground.terms())
            again[name] = Again(ground, stated.get(name, []), machines, use)
        return again

    def _other_common(self, session: Session, closings: Sequence[MonthClosing], prices: PriceList) -> set[str]:
        """Return the closed months for which a common cost was added since the last closing."""
        if not closings:
            return set()
        latest = max(closings, key=lambda each: each.month)
        entries = [Entry(*row) for row in latest.ground["entries"]]
        if entries == [*prices.entries]:
            return set()
        found = set()
        for each in closings:
            ground, _ = self.ground(session, each.month)
            before = read_prices(entries, self.zone, ground.groups).common
            if before.of(each.month) != ground.common.of(each.month):
                found.add(each.month)
        return found

    def _changed(self, session: Session, month: str) -> dict[str, set[str]]:
        """Return the machines of closed months whose segments are other ones now, or of which a line was contested."""
        found: dict[str, set[str]] = {}
        latest = (
            select(RatedSegments.month, RatedSegments.machine_id, func.max(RatedSegments.closing).label("closing"))
            .group_by(RatedSegments.month, RatedSegments.machine_id)
            .subquery()
        )
        gone = (
            select(RatedSegments.month, RatedSegments.machine_id)
            .join(UsagePart, UsagePart.digest == RatedSegments.digest)
            .join(
                latest,
                (latest.c.month == RatedSegments.month)
                & (latest.c.machine_id == RatedSegments.machine_id)
                & (latest.c.closing == RatedSegments.closing),
            )
            .where(UsagePart.is_current.is_(False), RatedSegments.month < month)
        )
        for name, machine in session.execute(gone.distinct()):
            found.setdefault(name, set()).add(machine)
        new = select(UsagePart.machine_id, UsagePart.day).where(
            UsagePart.is_current, UsagePart.is_pinned.is_(False), UsagePart.day < self.days(month)[0]
        )
        closed = set(session.scalars(select(MonthClosing.month)))
        for machine, day in session.execute(new.distinct()):
            name = f"{day:%Y-%m}"
            if name in closed and name < month:
                found.setdefault(name, set()).add(machine)
        return self._with_contested(session, month, found)

    def _with_contested(self, session: Session, month: str, found: dict[str, set[str]]) -> dict[str, set[str]]:
        contested = select(LineContest.month, LineContest.reference, LineContest.member_id)
        rows = session.execute(contested.where(LineContest.month < month)).all()
        stated = self.charged(session, month, {row.month for row in rows}) if rows else {}
        for row in rows:
            lines = {(line.member, line.reference) for line in stated.get(row.month, ())}
            if (row.member_id, row.reference) in lines:
                continue
            machine = machine_of(row.reference)
            found.setdefault(row.month, set()).update({machine} if machine else set())
        return found

    def charged(self, session: Session, before: str, months: set[str]) -> dict[str, list[Line]]:
        """Return what was charged for some months by the statements of the closings before one."""
        wanted = select(IssuedStatement.body).where(
            IssuedStatement.closing < before, IssuedStatement.closing >= min(months, default=before)
        )
        lines: list[Line] = []
        for body in session.scalars(wanted.order_by(IssuedStatement.number)):
            statement = json.loads(body)["statement"]
            own = (line for line in statement["lines"] if line["month"] in months)
            lines += [line_of(line, statement["member"]) for line in own]
        found: dict[str, list[Line]] = {}
        for line in charged(lines):
            found.setdefault(line.month, []).append(line)
        return found

    def contested(self, session: Session) -> frozenset[Contested]:
        """Return the lines that nobody has decided on."""
        rows = session.scalars(select(LineContest).where(LineContest.decided_by.is_(None)))
        return frozenset(Contested(row.month, row.member_id, row.reference) for row in rows)


def groups_of(session: Session, period: Period, zone: Any) -> dict[str, str]:
    """Return the members of a period, each with its group."""
    first, last = day_of(period.start, zone), day_of(period.end - 1, zone)
    rows = session.scalars(
        select(Member).where(Member.active_from <= last, or_(Member.active_to.is_(None), Member.active_to > first))
    )
    return {row.id: row.group_name for row in sorted(rows, key=lambda row: row.id)}


def policy_of(data: Mapping[str, Any]) -> Policy:
    """Return settings as a closing has recorded them."""
    return Policy(
        **{"gap_evidence": False, **data, "payer_precedence": tuple(Claim(each) for each in data["payer_precedence"])}
    )


def settled(session: Session) -> dict[str, Policy]:
    """Return the settings of closed months."""
    rows = session.execute(select(MonthClosing.month, MonthClosing.ground))
    return {month: policy_of(ground["policy"]) for month, ground in rows}


def machine_of(reference: str) -> str:
    """Return the machine that a line's reference names; empty for a line of none."""
    basis, _, rest = reference.partition("/")
    return rest.partition("/")[0] if basis in OF_MACHINES else ""
