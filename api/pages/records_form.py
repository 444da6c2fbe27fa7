"""What the administration shows and asks of each kind of record: columns, fields, and the mend of each field. Pure."""

from __future__ import annotations

from itertools import zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from api.pages.words import mark

if TYPE_CHECKING:
    from collections.abc import Mapping


class Field(NamedTuple):
    """A field of a form.

    Attributes:
        name: of the record's field.
        label: what it is called.
        kind: `text`, `date`, `number`, `email`, `lines` (one value on each line), `contacts` (one of them on each line)
            or the kind of record it names.
        hint: what is accepted; also the mend when it is not.
        required: whether it must be filled in.
    """

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    required: bool = False


class Screen(NamedTuple):
    """The pages of a kind of record.

    Attributes:
        title: of the list.
        new: of the form for a new one, and of the button that leads there.
        empty: what the list says when there is none.
        columns: fields of the list with their heads.
        fields: of the form, after the identifier.
    """

    title: str
    new: str
    empty: str
    columns: tuple[tuple[str, str], ...]
    fields: tuple[Field, ...]


ID_HINT = mark("lower-case letters, digits and inner hyphens; it never changes")
_DAY_TO = mark("the first day on which it is over; empty while it lasts")
_CAP = mark("five digits")
_PROVINCE = mark("two capital letters, as MO")
_VAT = mark("eleven digits, the last is a check digit")
_PEC = mark("an address as ufficio@pec.example.it")
_COUNTRY = mark("two capital letters, as IT")
_REA = mark("digits alone; it goes together with its office")
_STREET = (
    Field("street", mark("Street")),
    Field("postal_code", mark("CAP"), hint=_CAP),
    Field("town", mark("Town")),
    Field("province", mark("Province"), hint=_PROVINCE),
)

SCREENS: Mapping[str, Screen] = MappingProxyType(
    {
        "members": Screen(
            mark("Members"),
            mark("Add a member firm"),
            mark("No firm is a member yet."),
            (("legal_name", mark("Firm")), ("partita_iva", mark("VAT number")), ("town", mark("Town")),
             ("active_from", mark("Since")), ("active_to", mark("Ends on"))),
            (
                Field("legal_name", mark("Firm"), required=True),
                Field("active_from", mark("Member since"), "date", required=True),
                Field("active_to", mark("Member until"), "date", _DAY_TO),
                Field("group_name", mark("Group for tariffs")),
                Field("partita_iva", mark("VAT number"), hint=_VAT),
                Field("codice_fiscale", mark("Tax code")),
                Field("sdi_code", mark("SdI code"), hint=mark("seven characters; without it give the PEC")),
                Field("pec", mark("Certified e-mail"), "email", _PEC),
                Field("email", mark("E-mail of the office"), "email", mark("an address as ufficio@example.it")),
                *_STREET,
                Field("country", mark("Country"), hint=_COUNTRY),
                Field("rea_office", mark("REA office"), hint=_PROVINCE),
                Field("rea_number", mark("REA number"), hint=_REA),
            ),
        ),
        "sites": Screen(
            mark("Sites"),
            mark("Add a site"),
            mark("There is no site yet."),
            (("name", mark("Name")), ("street", mark("Street")), ("town", mark("Town"))),
            (Field("name", mark("Name"), required=True), *_STREET),
        ),
        "edges": Screen(
            mark("Agents"),
            mark("Add an agent"),
            mark("No agent speaks for a machine yet."),
            (("name", mark("Name")), ("site_id", mark("Site")), ("state", mark("Login at the broker"))),
            (
                Field("name", mark("Name")),
                Field("site_id", mark("Site"), "sites", required=True),
                Field("is_active", mark("It may speak"), "tick"),
            ),
        ),
        "machines": Screen(
            mark("Machines"),
            mark("Add a machine"),
            mark("No machine is shared yet."),
            (("name", mark("Name")), ("kind", mark("What it is")), ("site_id", mark("Site")),
             ("agent_id", mark("Agent")), ("active_to", mark("Ends on"))),
            (
                Field("name", mark("Name"), required=True, hint=mark("short, as people call it; once at a site")),
                Field("kind", mark("What it is")),
                Field("site_id", mark("Site"), "sites", required=True),
                Field("agent_id", mark("Agent"), "edges",
                      mark("the only one that speaks for it; none for equipment that people check in to")),
                Field("maker", mark("Maker")),
                Field("model", mark("Model")),
                Field("serial_number", mark("Serial number")),
                Field("built_year", mark("Built in"), "number", mark("a year of four digits")),
                Field("nominal_power_kw", mark("Nominal power, kW"), "number", mark("of the nameplate")),
                Field("tariff_group", mark("Group for tariffs")),
                Field("contacts", mark("Whom to call"), "contacts",
                      mark("one on each line: name; what for; telephone; e-mail")),
                Field("active_from", mark("Shared since"), "date"),
                Field("active_to", mark("Shared until"), "date", _DAY_TO),
                Field("signals", mark("Signals"), "lines",
                      mark("names of signals, one on each line; empty for all of the standard table")),
            ),
        ),
    },
)  # fmt: skip
"""The pages of each kind of record, by the name of the kind."""

CONSORTIUM = Screen(
    mark("Consortium"),
    "",
    "",
    (),
    (
        Field("legal_name", mark("Name"), required=True),
        Field("legal_form", mark("Legal form"), "legal_form", required=True),
        Field("partita_iva", mark("VAT number"), hint=_VAT),
        Field("codice_fiscale", mark("Tax code")),
        Field("regime", mark("Tax regime"), hint=mark("RF01 to RF20; RF01 is the ordinary one"), required=True),
        Field("sdi_code", mark("SdI code")),
        Field("pec", mark("Certified e-mail"), "email", _PEC),
        *_STREET,
        Field("country", mark("Country"), hint=_COUNTRY),
        Field("rea_office", mark("REA office"), hint=_PROVINCE),
        Field("rea_number", mark("REA number"), hint=_REA),
        Field("iban", mark("IBAN"), hint=mark("where members pay; without blanks, with its check digits")),
        Field("payment_days", mark("Days to pay"), "number", mark("from 0 to 365"), required=True),
        Field("payment_method", mark("Way of payment"), hint=mark("MP01 to MP23; MP05 is a transfer"), required=True),
        Field("invoices", mark("Its statements are electronic invoices too"), "tick"),
    ),
)
"""The page of the consortium as issuer of statements."""

PARTS: Mapping[str, str] = MappingProxyType(
    {"members": "members", "sites": "sites", "agents": "edges", "machines": "machines"}
)
"""The kind of record of each part of the administration, by its address."""


CONTACT = ("name", "purpose", "phone", "email")
"""What the line of a contact holds, in its order."""


def typed(screen: Screen, values: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return what a form said, in the shape that a record has: nothing typed is nothing kept."""
    said: dict[str, Any] = {}
    for field in screen.fields:
        text = values.get(field.name, [""])[0].strip()
        if field.kind == "tick":
            said[field.name] = field.name in values
        elif field.kind == "lines":
            said[field.name] = [line for line in text.replace(",", "\n").split() if line]
        elif field.kind in SCREENS:  # a record that it names
            said[field.name] = text or None
        elif field.kind == "contacts":
            parts = (line.split(";") for line in text.splitlines() if line.strip())
            said[field.name] = [dict(zip_longest(CONTACT, map(str.strip, each), fillvalue="")) for each in parts]
        elif field.kind in {"date", "number"}:
            said[field.name] = text.replace(",", ".") if text else None
        else:
            said[field.name] = text
    return said
