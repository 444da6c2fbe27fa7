from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.records import identifiers
from api.records.rules import consortium_problems, machine_problems, member_problems
from tests.services.records import firm, partita_iva


@given(st.integers(1, 9_999_999), st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_of_a_partita_iva_is_found(number: int, place: int, off: int) -> None:
    right = partita_iva(number)
    wrong = right[:place] + str((int(right[place]) + off) % 10) + right[place + 1 :]

    assert identifiers.partita_iva_problem(right) is None
    assert identifiers.partita_iva_problem(wrong) is not None


@pytest.mark.parametrize(
    "text",
    ["", "IT00743110157", "0074311015", "007431101577", "0074311015A", "\N{FULLWIDTH DIGIT ZERO}" + "0743110157"],
)
def test_what_is_no_partita_iva_is_told(text: str) -> None:
    assert "eleven digits" in str(identifiers.partita_iva_problem(text))


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("RCCMNL83S18D969H", True),
        ("RCCMNL83S18D969A", False),
        ("RCCMNL83S18D96", False),
        ("rccmnl83s18d969h", False),
        ("00743110157", True),
        ("00743110158", False),
    ],
)
def test_the_check_letter_of_a_codice_fiscale_is_verified(text: str, *, is_right: bool) -> None:
    assert (identifiers.codice_fiscale_problem(text) is None) == is_right


@pytest.mark.parametrize(
    ("text", "is_right"), [("IT60X0542811101000000123456", True), ("IT61X0542811101000000123456", False)]
)
def test_the_check_digits_of_an_iban_are_verified(text: str, *, is_right: bool) -> None:
    assert (identifiers.iban_problem(text) is None) == is_right


@pytest.mark.parametrize("text", ["a", "a@b", "a@b.", "a b@c.it", "@c.it", "a@-c.it", "a@c..it", "a@c.it\n", 'a"@c.it'])
def test_what_is_no_address_is_told(text: str) -> None:
    assert identifiers.email_problem(text) is not None
    assert identifiers.email_problem("ufficio.acquisti+2@officina-rossi.example") is None


def test_a_firm_that_is_complete_has_no_problem() -> None:
    assert member_problems(firm("a", 1)) == []


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"sdi_code": ""}, "sdi_code"),
        ({"sdi_code": "0000000"}, "sdi_code"),
        ({"sdi_code": "abc1234"}, "sdi_code"),
        ({"partita_iva": ""}, "partita_iva"),
        ({"rea_office": "MO"}, "rea_number"),
        ({"province": "Modena"}, "province"),
        ({"postal_code": "4105"}, "postal_code"),
        ({"active_to": date(2019, 1, 1)}, "active_to"),
        ({"id": "Firm A"}, "id"),
    ],
)
def test_what_is_wrong_with_a_firm_is_told_by_field(other: dict[str, object], field: str) -> None:
    assert [each.field for each in member_problems(firm("a", 1) | other)] == [field]


def test_a_firm_without_a_code_is_reached_by_pec_and_a_foreign_one_by_neither() -> None:
    assert member_problems(firm("a", 1) | {"sdi_code": "", "pec": "rossi@pec.example"}) == []
    assert member_problems(firm("a", 1) | {"sdi_code": "", "partita_iva": "", "country": "DE"}) == []


def test_the_consortium_has_its_own_codes() -> None:
    found = consortium_problems(
        {"partita_iva": partita_iva(1), "regime": "RF21", "payment_method": "MP24", "iban": "x"}
    )

    assert {each.field for each in found} == {"regime", "payment_method", "iban"}


def test_a_signal_that_does_not_exist_is_told_by_name() -> None:
    (found,) = machine_problems({"id": "m", "agent_id": "north-1", "signals": ["parts", "no_such_signal"]})

    assert "no_such_signal" in found.detail
