"""Values of a scenario file, each with its place, so that every refusal says where and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from shopfloor.errors import ExpectedError
from shopfloor.periods import Period, from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo


class BadScenarioError(ExpectedError):
    """The scenario cannot be rated; the sentence names the place, the reason and the mend."""


class Node:
    """A value of the file and where it stands."""

    def __init__(self, value: Any, place: str, zone: ZoneInfo) -> None:
        """Wrap a value read from TOML; `zone` is that of times without an offset."""
        self.value, self.place, self.zone = value, place, zone

    def refuse(self, why: str) -> BadScenarioError:
        """Return the error that names this place."""
        return BadScenarioError(f"{self.place}: {why}")

    def named(self, key: str) -> Node:
        """Return a key of a table as a value of its own, to be checked at the same place."""
        return Node(key, self.place, self.zone)

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def table(self, *known: str, required: tuple[str, ...] = ()) -> Node:
        """Check that it is a table with no other keys than these, and all of those required.

        Raises:
            BadScenarioError: naming the key.
        """
        if not isinstance(self.value, dict):
            raise self.refuse(f"is a table, not {_kind(self.value)}")
        unknown = sorted(set(self.value) - {*known, *required})
        if unknown:
            raise self.refuse(f"has no key {unknown[0]!r}; it has {', '.join(sorted({*known, *required}))}")
        missing = [key for key in required if key not in self.value]
        if missing:
            raise self.refuse(f"lacks {missing[0]!r}")
        return self

    def __getitem__(self, key: str) -> Node:
        return Node(self.value[key], f"{self.place}, {key}" if self.place else key, self.zone)

    def get(self, key: str) -> Node | None:
        """Return the value of a key, None when it is not there."""
        return self[key] if key in self else None  # noqa: SIM401 - a node is no mapping

    def items(self) -> Iterator[tuple[str, Node]]:
        """Go over a table.

        Raises:
            BadScenarioError: when it is none.
        """
        if not isinstance(self.value, dict):
            raise self.refuse(f"is a table, not {_kind(self.value)}")
        for key in self.value:
            yield key, self[key]

    def rows(self, key: str) -> Iterator[Node]:
        """Go over the rows of a list in a table; none when it is not there.

        Raises:
            BadScenarioError: when it is no list.
        """
        if key in self:
            yield from self[key].each()

    def each(self) -> Iterator[Node]:
        """Go over a list.

        Raises:
            BadScenarioError: when it is none.
        """
        if not isinstance(self.value, list):
            raise self.refuse(f"is a list, not {_kind(self.value)}")
        for number, value in enumerate(self.value, 1):
            yield Node(value, f"{self.place}, row {number}", self.zone)

    def as_table(self, *names: str, optional: tuple[str, ...] = ()) -> Node:
        """Read a row that is either a list of values in this order, or a table with these names and more.

        Args:
            names: of the values of a list; those that may be left out at its end are in `optional`.
            optional: what a table may leave out, beside `arrives`.

        Raises:
            BadScenarioError: when it is neither, or something is missing.
        """
        value = self.value
        required = tuple(name for name in names if name not in optional)
        if isinstance(value, list):
            if not len(required) <= len(value) <= len(names):
                raise self.refuse(f"is a row of {', '.join(names)}, not of {len(value)} values")
            value = dict(zip(names, value, strict=False))
        return Node(value, self.place, self.zone).table(*names, *optional, "arrives", required=required)

    def text(self) -> str:
        """Return a text that is not empty.

        Raises:
            BadScenarioError: when it is none.
        """
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.refuse(f"is a text, not {_kind(self.value)}")
        return self.value

    def one_of(self, names: dict[str, Any]) -> Any:
        """Return what a word stands for.

        Raises:
            BadScenarioError: when it is none of the names.
        """
        if not isinstance(self.value, str) or self.value not in names:
            raise self.refuse(f"{self.value!r} is none of {', '.join(names)}")
        return names[self.value]

    def flag(self) -> bool:
        """Return yes or no.

        Raises:
            BadScenarioError: when it is neither true nor false.
        """
        if not isinstance(self.value, bool):
            raise self.refuse(f"is true or false, not {_kind(self.value)}")
        return self.value

    def decimal(self) -> Decimal:
        """Return a number exactly as written.

        Raises:
            BadScenarioError: when it is none, or not finite.
        """
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self.refuse(f"is a number, not {_kind(value)}")
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise self.refuse(f"is a number, not {value!r}") from None
        if not number.is_finite():
            raise self.refuse(f"is a finite number, not {value}")
        return number

    def amount(self) -> Decimal:
        """Return euros in whole cents, 0 or more.

        Raises:
            BadScenarioError: when it is none.
        """
        number = self.decimal()
        if number < 0 or number != number.quantize(Decimal("0.01")):
            raise self.refuse(f"is an amount in euros and whole cents, 0 or more, not {number}")
        return number.quantize(Decimal("0.01"))

    def whole(self, scale: int = 1) -> int:
        """Return a number times a scale, which has to be whole and 0 or more.

        Raises:
            BadScenarioError: when it is not.
        """
        number = self.decimal() * scale
        if number < 0 or number != number.to_integral_value():
            raise self.refuse(f"{self.value} is below 0 or finer than it is counted (1/{scale})" if scale > 1
                              else f"is a whole number, 0 or more, not {self.value}")  # fmt: skip
        return int(number)

    def day(self) -> date:
        """Return a civil day.

        Raises:
            BadScenarioError: when it is none.
        """
        if isinstance(self.value, datetime) or not isinstance(self.value, date):
            raise self.refuse(f"is a day like 2026-10-13, not {_kind(self.value)}")
        return self.value

    def month(self) -> str:
        """Return a month as `2026-10`.

        Raises:
            BadScenarioError: when it is none.
        """
        text = self.text()
        try:
            return f"{date.fromisoformat(text + '-01'):%Y-%m}"
        except ValueError:
            raise self.refuse(f'is a month like "2026-10", not {text!r}') from None

    def instant(self) -> int:
        """Return an instant: a time without an offset is of the scenario's zone, a day its first second.

        Raises:
            BadScenarioError: when it is none, or when the clock change leaves that time out or shows it twice.
        """
        value = self.value
        if isinstance(value, date) and not isinstance(value, datetime):
            return from_datetime(datetime.combine(value, time(), self.zone))
        if not isinstance(value, datetime):
            raise self.refuse(f"is a time like 2026-10-13T08:00:00, not {_kind(value)}")
        if value.tzinfo is not None:
            return from_datetime(value)
        first, second = (value.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if first.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != value:
            raise self.refuse(f"{value.isoformat()} does not exist in {self.zone.key}: the clock goes forward over it")
        if first.utcoffset() != second.utcoffset():
            raise self.refuse(
                f"{value.isoformat()} exists twice in {self.zone.key}: write it with its offset, as "
                f"{first.isoformat()} or {second.isoformat()}"
            )
        return from_datetime(first)

    def period(self) -> Period:
        """Return the period of a row with `from` and `to`.

        Raises:
            BadScenarioError: when it ends before it starts, or at once.
        """
        start, end = self["from"].instant(), self["to"].instant()
        if start >= end:
            raise self.refuse(f"ends ({self.value['to']}) no later than it starts ({self.value['from']})")
        return Period(start, end)


def _kind(value: object) -> str:
    names = {
        dict: "a table",
        list: "a list",
        bool: "true or false",
        datetime: "a time",
        date: "a day",
        time: "a time of day",
    }
    return names.get(type(value), repr(value))
