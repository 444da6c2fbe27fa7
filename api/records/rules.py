"""What a record must be before it is kept. Pure but for the check digits."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from api.records.identifiers import (
    codice_fiscale_problem,
    email_problem,
    iban_problem,
    partita_iva_problem,
    sdi_code_problem,
)
from api.usage.segments import PAYERS
from shopfloor.signals import UnknownSignalError, find, is_identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NO_SDI_CODE = "0000000"
"""CodiceDestinatario of a firm that is reached by PEC, or not known at all."""
_NO_ID = "an id has lower-case letters, digits and inner hyphens, 63 at most"
_NO_PROVINCE = "a province has two capital letters, as MO"
_SAYS_NOTHING = "no agent speaks for it: name one, or leave this empty"
_EMPTY: tuple[object, ...] = (None, [], ())

Values: TypeAlias = "Mapping[str, Any]"


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        field: which field, empty for the whole record.
        detail: what is wrong with it, and the mend.
    """

    field: str
    detail: str


class InvalidRecordError(ValueError):
    """A record cannot be kept.

    Attributes:
        problems: everything that is wrong with it.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{field}: {detail}" if field else detail for field, detail in problems))
        self.problems = problems


def _matching(pattern: str, sentence: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern)
    return lambda text: None if compiled.fullmatch(text) else sentence


_FIELDS: Mapping[str, Callable[[str], str | None]] = {
    "id": lambda text: None if is_identifier(text) else _NO_ID,
    "partita_iva": partita_iva_problem,
    "codice_fiscale": codice_fiscale_problem,
    "sdi_code": sdi_code_problem,
    "pec": email_problem,
    "email": email_problem,
    "iban": iban_problem,
    "postal_code": _matching("[0-9]{5}", "a CAP has five digits"),
    "province": _matching("[A-Z]{2}", _NO_PROVINCE),
    "country": _matching("[A-Z]{2}", "a country has two capital letters, as IT"),
    "rea_office": _matching("[A-Z]{2}", _NO_PROVINCE),
    "rea_number": _matching("[0-9]{1,20}", "a REA number has digits alone, its office goes into rea_office"),
    "regime": _matching("RF(0[1-9]|1[0-9]|20)", "a regime is one of RF01 to RF20"),
    "payment_method": _matching("MP(0[1-9]|1[0-9]|2[0-3])", "a payment method is one of MP01 to MP23"),
    "zone": lambda text: None if _is_zone(text) else "this is no time zone: write one like Europe/Rome",
}
"""What is wrong with the text of a field that is not empty."""


def _is_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _fields(values: Values) -> Iterator[Problem]:
    for name, check in _FIELDS.items():
        text = values.get(name)
        if text and isinstance(text, str) and (detail := check(text)) is not None:
            yield Problem(name, detail)


def _span(values: Values) -> Iterator[Problem]:
    start, end = values.get("active_from"), values.get("active_to")
    if isinstance(start, date) and isinstance(end, date) and end < start:
        yield Problem("active_to", "it ends before it begins: active_to is the first day on which it is over")


def _firm(values: Values) -> Iterator[Problem]:
    if bool(values.get("rea_office")) != bool(values.get("rea_number")):
        yield Problem("rea_number", "REA office and number go together: give both or neither")
    if values.get("country", "IT") == "IT" and not (values.get("partita_iva") or values.get("codice_fiscale")):
        yield Problem("partita_iva", "an Italian firm has a partita IVA or a codice fiscale")


def member_problems(values: Values) -> list[Problem]:
    """Return everything that is wrong with a member firm."""
    problems = [*_fields(values), *_firm(values), *_span(values)]
    if values.get("id") in PAYERS:
        problems.append(Problem("id", f"{values['id']!r} is a payer of its own: give the firm another code"))
    if (
        values.get("country", "IT") == "IT"
        and values.get("sdi_code", "") in {"", NO_SDI_CODE}
        and not values.get("pec")
    ):
        problems.append(Problem("sdi_code", "an invoice reaches an Italian firm by its SdI code or its PEC: give one"))
    return problems


def consortium_problems(values: Values) -> list[Problem]:
    """Return everything that is wrong with the consortium."""
    return [*_fields(values), *_firm(values)]


def site_problems(values: Values) -> list[Problem]:
    """Return everything that is wrong with a site, or an edge agent."""
    return list(_fields(values))


def machine_problems(values: Values) -> list[Problem]:
    """Return everything that is wrong with a machine."""
    problems = [*_fields(values), *_span(values)]
    if values.get("agent_id") is None:
        problems += [
            Problem(name, _SAYS_NOTHING) for name in ("signals", "writer_id") if values.get(name) not in _EMPTY
        ]
    for name in values.get("signals") or ():
        try:
            find(name)
        except UnknownSignalError as error:
            problems.append(Problem("signals", str(error.args[0])))
    return problems
