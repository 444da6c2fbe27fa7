"""Files as spreadsheets write them: read in whole, or every problem told by its line and nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.access.scope import Role, Scope
from api.audit.service import CONSOLE
from api.records import sheets
from api.records.service import every, put
from shopfloor.periods import SECOND
from tests.services.records import firm, partita_iva, records_in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.records.database import Records

STAFF = Scope(Role.ADMINISTRATOR)
NOW = 1_800_000_000 * SECOND
HEAD = "id;legal_name;partita_iva;sdi_code;active_from;town"
PERO = f"pero;Officina Però S.r.l.;{partita_iva(1)};ABC1234;2026-01-01;Forlì"
BASSI = f"bassi;Bassi;{partita_iva(2)};ABC1234;2026-01-01;Modena"


@pytest.fixture
def records() -> Iterator[Records]:
    opened = records_in_memory()
    with opened.writing() as session:
        put(session, CONSOLE, "sites", {"id": "nord", "name": "Nord"}, now=NOW)
        put(session, CONSOLE, "edges", {"id": "edge", "site_id": "nord"}, now=NOW)
    yield opened
    opened.close()


def read(records: Records, data: bytes, kind: str = "members", *, dry_run: bool = False) -> sheets.Outcome:
    return sheets.read_in(records, CONSOLE, kind, data, now=NOW, dry_run=dry_run)


def places(records: Records, data: bytes, kind: str = "members") -> list[tuple[int, str]]:
    """Where something is wrong, when a file is tried and when it is read in; nothing of it is kept."""
    tried, done = (read(records, data, kind, dry_run=each) for each in (True, False))
    assert tried == done
    with records.reading() as session:
        assert every(session, kind) == []
    return [each[:2] for each in done.problems]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_what_spreadsheets_write_is_read(records: Records, end: str, encoding: str, delimiter: str) -> None:
    data = end.join((HEAD, PERO, "", ";;;;;", BASSI)).replace(";", delimiter).encode(encoding)

    assert read(records, data, dry_run=True)[:3] == (2, 0, 0)
    assert read(records, data) == (2, 0, 0, [])
    assert read(records, data) == (0, 0, 2, [])
    with records.reading() as session:
        names = {row.id: (row.legal_name, row.town) for row in every(session, "members")}
    assert names == {"pero": ("Officina Però S.r.l.", "Forlì"), "bassi": ("Bassi", "Modena")}


def test_what_is_written_out_makes_the_same_records_in_an_empty_database(records: Records) -> None:
    called = [
        {"name": "Anna Bianchi", "purpose": "mandrino", "phone": "+39 059 12 34", "email": "anna@example.it"},
        {"name": "Centralino", "purpose": "", "phone": "059/555", "email": ""},
    ]
    machine = {
        "id": "mill-1", "name": 'Fresa "grande"; nuova', "kind": "mill", "site_id": "nord", "agent_id": "edge",
        "signals": ["vibration_x.double", "program"], "tariff_group": "mills", "contacts": called, "maker": "DMG, Mori",
        "model": "A|B", "serial_number": "007", "built_year": 2019, "nominal_power_kw": 22.5, "writer_id": 7,
        "active_from": "2026-01-01", "active_to": "2030-12-31",
    }  # fmt: skip
    member = firm("alfa", 1) | {
        "town": "Forlì",
        "pec": "alfa@pec.example",
        "rea_office": "MO",
        "rea_number": "123456",
        "group_name": "soci",
    }
    wanted = {"machines": machine, "members": member}
    fields = {kind: sheets.SHAPES[kind].model_fields.keys() for kind in wanted}
    for kind, values in wanted.items():
        assert values.keys() - fields[kind] == set(), kind
        with records.writing() as session:
            put(session, CONSOLE, kind, sheets.SHAPES[kind].model_validate(values).model_dump(), now=NOW)
    texts = {kind: sheets.write(records, STAFF, kind) for kind in wanted}

    empty = records_in_memory()
    with empty.writing() as session:
        put(session, CONSOLE, "sites", {"id": "nord", "name": "Nord"}, now=NOW)
        put(session, CONSOLE, "edges", {"id": "edge", "site_id": "nord"}, now=NOW)
    outcomes = {kind: read(empty, text.encode(), kind) for kind, text in texts.items()}

    assert outcomes == {kind: (1, 0, 0, []) for kind in wanted}
    for kind in wanted:
        with records.reading() as before, empty.reading() as after:
            (first,), (second,) = every(before, kind), every(after, kind)
            assert {name: getattr(first, name) for name in fields[kind]} == {
                name: getattr(second, name) for name in fields[kind]
            }
    empty.close()


def test_a_contact_with_a_part_too_many_is_refused_in_its_column(records: Records) -> None:
    data = b"id;name;site_id;agent_id;contacts\nm;M;nord;edge;Anna | mandrino | 059 | a@example.it | more\n"
    assert places(records, data, "machines") == [(2, "contacts")]


def test_every_problem_of_every_line_is_told_where_the_line_begins(records: Records) -> None:
    lines = [
        HEAD,
        f'a;"Officina\nRossi";{partita_iva(1)};ABC1234;yesterday;Modena',
        f"b;Bianchi;{partita_iva(1)[:-1]}x;!;01/02/2026;=SUM(A1)",
        BASSI,
        BASSI,
        f"c;Verdi;{partita_iva(2)};ABC1234;2026-01-01;Modena;one too many",
        f"d;Neri;{partita_iva(2)};AB;;Modena",
        "E E;Gialli;;;;",
        ";Rosa;;;;",
        f"f;Viola;{partita_iva(3)}",
    ]

    assert sorted(places(records, "\r\n".join(lines).encode())) == [
        (2, "active_from"),
        (2, "legal_name"),
        (4, "active_from"),
        (4, "partita_iva"),
        (4, "sdi_code"),
        (4, "town"),
        (6, "id"),
        (7, ""),
        (8, "active_from"),
        (8, "partita_iva"),  # bassi has it
        (8, "sdi_code"),
        (9, "active_from"),
        (9, "id"),
        (10, "active_from"),
        (10, "id"),
        (11, "active_from"),
        (11, "sdi_code"),
    ]


def test_a_line_that_cannot_be_read_is_looked_at_beside_the_others_too(records: Records) -> None:
    lines = [
        "id,name,site_id,agent_id,writer_id,built_year,signals,active_from,active_to",
        "m1,M 1,nord,edge,7,2020,item_state program,,",
        "m2,M 1,nord,edge,7,MMXX,item_state nonsense,2026-02-01,2026-01-01",
        "m3,M 3,sud,edge,7.0,1e99,,,",
    ]

    assert sorted(places(records, "\n".join(lines).encode(), "machines")) == [
        (3, "active_to"),
        (3, "built_year"),
        (3, "name"),
        (3, "signals"),
        (3, "writer_id"),
        (4, "built_year"),
        (4, "site_id"),
        (4, "writer_id"),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (f"{HEAD}\n{PERO}\n".encode("utf-16"), "no text"),
        (f"{HEAD}\n{PERO}\n".encode() + b"b;Caff\xe8;;;;\n", "line 3"),
        (b"\xef\xbb\xbf" + f"{HEAD}\n{PERO}\n".encode("cp1252"), "line 2"),
        (b"id;legal_name\na;\x81\n", "line 2"),
        (f'{HEAD}\na;"Rossi;;;;\nb;;;;;\n'.encode(), "line 2"),
        (b"id;name\n", "not 'name'"),
        (b"id;id\n", "each once"),
        (b"legal_name\nRossi\n", "id among them"),
        ("\n".join([HEAD, *[BASSI] * (sheets.LINES_MAX + 1)]).encode(), "part it"),
        (b"id\n" + b"a" * sheets.BYTES_MAX, "part it"),
    ],
)
def test_what_is_no_such_table_is_told_in_a_sentence(records: Records, data: bytes, said: str) -> None:
    with pytest.raises(sheets.SheetError, match=said):
        read(records, data)
