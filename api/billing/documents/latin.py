"""Text as the electronic invoice admits it: Basic Latin and Latin-1, or Basic Latin alone. Pure.

The schema's Latin types (FatturaPA 1.2.2, String*LatinType) end at U+00FF, so that the euro sign, curly quotes and
typographic dashes, which everybody types, would make the whole invoice be refused (SdI 00200).
"""

from __future__ import annotations

import unicodedata

_SPELLED = {
    "€": "EUR", "…": "...", "•": "-", "™": "(TM)", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),  # single quotes and the prime
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),  # double quotes and the double prime
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),  # hyphens, dashes, the minus sign
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    "\N{MULTIPLICATION SIGN}": "x",  # in Latin-1, and yet not in every printer's font
    "\N{SOFT HYPHEN}": "",
}  # fmt: skip
_LATIN_1 = 0xFF
_ASCII = 0x7E
_FIRST_PRINTABLE = 0x20
_CONTROLS = range(0x7F, 0xA0)


def latin(text: str, length: int) -> str:
    """Return text in Latin-1, at most so long, with single blanks: what cannot be spelled becomes a question mark."""
    return _cut("".join(_spell(each, _LATIN_1) for each in unicodedata.normalize("NFC", text)), length)


def basic(text: str, length: int) -> str:
    """Return text in Basic Latin, at most so long, with single blanks: accents are dropped."""
    return _cut("".join(_spell(each, _ASCII) for each in unicodedata.normalize("NFC", text)), length)


def _spell(character: str, last: int) -> str:
    if character in _SPELLED:
        return _SPELLED[character]
    if character.isspace():
        return " "
    code = ord(character)
    if _FIRST_PRINTABLE <= code <= last and code not in _CONTROLS:
        return character
    base = "".join(each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each))
    if base and all(_FIRST_PRINTABLE <= ord(each) <= _ASCII for each in base):
        return base
    return "" if unicodedata.category(character) in {"Cc", "Cf", "Mn"} else "?"


def _cut(text: str, length: int) -> str:
    return " ".join(text.split())[:length].rstrip()
