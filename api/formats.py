"""How amounts, quantities, days and times are written for people, in Italian and English, by CLDR through Babel."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from api.pages.words import Language

LOCALES: Mapping[Language, Locale] = {"it": Locale("it", "IT"), "en": Locale("en", "GB")}
"""Whose habits are followed; English is that of Europe, so that a day comes before its month."""
_MINUTE, _HOUR = 60, 3600


@lru_cache(maxsize=64)
def _pattern(least: int, most: int) -> str:
    return f"#,##0.{'0' * least}{'#' * (most - least)}" if most else "#,##0"


def number(value: Decimal | int, language: Language, *, least: int = 0, most: int = 6) -> str:
    """Write a number: `1.234,5`.

    Args:
        value: exact; rounded half away from zero where it has more decimals than may be shown.
        language: of the reader.
        least: decimals that are always shown.
        most: decimals that are shown at most.
    """
    shown = Decimal(value)
    rounded = round_half_up(shown, most)
    return format_decimal(rounded or abs(rounded), _pattern(least, most), LOCALES[language])


def round_half_up(value: Decimal, decimals: int) -> Decimal:
    """Round half away from zero, for reading."""
    return value.quantize(Decimal(1).scaleb(-decimals), rounding="ROUND_HALF_UP")


def money(value: Decimal, language: Language) -> str:
    """Write euros in whole cents, without a sign of the currency: `1.234,50`."""
    return number(value, language, least=2, most=2)


def euros(value: Decimal, language: Language) -> str:
    """Write euros with their sign: `1.234,50 €`, in English `€1,234.50`."""
    sign, amount = ("-" if value < 0 else ""), money(abs(value), language)
    return f"{sign}€{amount}" if language == "en" else f"{sign}{amount}\N{NO-BREAK SPACE}€"


def day(value: date, language: Language) -> str:
    """Write a day: `13/10/2026`."""
    return format_date(value, "dd/MM/yyyy", LOCALES[language])


def weekday(value: date, language: Language) -> str:
    """Write a day with its day of the week: `mar 13/10/2026`."""
    return format_date(value, "EEE dd/MM/yyyy", LOCALES[language])


def month(value: str, language: Language) -> str:
    """Write a month such as `2026-10`: `ottobre 2026`."""
    return format_date(date.fromisoformat(f"{value}-01"), "MMMM yyyy", LOCALES[language])


def clock(value: datetime) -> str:
    """Write a time of day: `08:34:20`."""
    return f"{value:%H:%M:%S}"


def hms(seconds: int) -> str:
    """Write how long: `1:57:15`; hours go on beyond a day."""
    length = abs(seconds)
    written = f"{length // _HOUR}:{length % _HOUR // _MINUTE:02d}:{length % _MINUTE:02d}"
    return f"-{written}" if seconds < 0 else written
