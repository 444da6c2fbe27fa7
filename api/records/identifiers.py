"""The numbers by which Italian firms are known, with their check digits. The only file that knows python-stdnum."""

from __future__ import annotations

import re

import stdnum.iban
from stdnum.it import codicefiscale, iva

_SDI_CODE = re.compile(r"[A-Z0-9]{7}")
"""CodiceDestinatario of format FPR12: seven characters, 0000000 where the firm is reached otherwise."""
_EMAIL = re.compile(
    r"[^@\s,;<>\"()]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)


def partita_iva_problem(text: str) -> str | None:
    """Tell what is wrong with a partita IVA: eleven digits, the last a check digit (Luhn)."""
    if not re.fullmatch(r"[0-9]{11}", text):
        return "a partita IVA has eleven digits, without IT before them"
    return None if iva.is_valid(text) else "the check digit of this partita IVA is wrong: look for a mistyped digit"


def codice_fiscale_problem(text: str) -> str | None:
    """Tell what is wrong with a codice fiscale: eleven digits of a firm, or sixteen characters of a person."""
    if re.fullmatch(r"[0-9]{11}", text):
        return (
            None if iva.is_valid(text) else "the check digit of this codice fiscale is wrong: look for a mistyped digit"
        )
    if not re.fullmatch(r"[A-Z0-9]{16}", text):
        return "a codice fiscale has eleven digits, or sixteen letters and digits in capitals"
    if codicefiscale.is_valid(text):
        return None
    return "the check letter, or the date, of this codice fiscale is wrong: look for a mistyped character"


def sdi_code_problem(text: str) -> str | None:
    """Tell what is wrong with a code at the exchange system."""
    return None if _SDI_CODE.fullmatch(text) else "an SdI code has seven characters, A to Z and 0 to 9"


def iban_problem(text: str) -> str | None:
    """Tell what is wrong with an IBAN (ISO 13616: two check digits, modulo 97)."""
    return None if stdnum.iban.is_valid(text) else "this is no IBAN: look for a mistyped character"


def email_problem(text: str) -> str | None:
    """Tell what is wrong with an e-mail address."""
    return None if _EMAIL.fullmatch(text) else "this is no e-mail address"
