"""Exact amounts, the one rounding, and the sharing of cents. Pure.

An exact amount is a `Decimal` of 3600ths of a euro: seconds times a rate per hour is then finite, so that a sum of
segments carries no rounding of its own and is divided once, when its line is rounded.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS_OF_EURO = 3600
"""Exact amounts count 3600ths of a euro."""
CENT = Decimal("0.01")
ZERO = Decimal("0.00")

_WIDE = Context(prec=60, rounding=ROUND_HALF_UP)


def exact(euros: Decimal | int) -> Decimal:
    """Return an amount of euros as an exact amount."""
    return _WIDE.multiply(Decimal(euros), Decimal(PARTS_OF_EURO))


def times(price: Decimal, quantity: int | Decimal) -> Decimal:
    """Multiply without rounding: seconds by a rate per hour, or 3600ths by a number."""
    return _WIDE.multiply(price, Decimal(quantity))


def to_cents(amount: Decimal) -> Decimal:
    """Round an exact amount to whole cents: half away from zero, the one rounding of a line."""
    return _WIDE.quantize(_WIDE.divide(amount, Decimal(PARTS_OF_EURO)), CENT)


def euros(amount: Decimal) -> Decimal:
    """Return an exact amount in euros with six digits, to be read and never to be calculated with."""
    return _WIDE.quantize(_WIDE.divide(amount, Decimal(PARTS_OF_EURO)), Decimal("0.000001"))


def vat_on(base: Decimal, rate: Decimal) -> Decimal:
    """Return the tax on a base in whole cents: half away from zero, once per rate (SdI check 00421).

    Args:
        base: euros in whole cents.
        rate: per cent, 22 for instance.
    """
    return _WIDE.quantize(_WIDE.divide(_WIDE.multiply(base, rate), Decimal(100)), CENT)


def share(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Share whole cents by weights, so that the shares add to the amount and each lies within a cent of its own.

    Each share is cut to the cent; the cents that are missing go to the largest remainders, of equal ones to the first
    in the order given. A negative amount is shared like its opposite. Weights that add to zero count as equal.

    Args:
        amount: euros in whole cents.
        weights: none negative, in the order that decides between equal remainders.

    Raises:
        ValueError: when there is nobody to share with, or a weight is negative.
    """
    if not weights or any(weight < 0 for weight in weights):
        raise ValueError("an amount is shared by one weight or more, none of them negative")
    numerators = _whole(weights)
    total = sum(numerators)
    sign, cents = (-1 if amount < 0 else 1), int(abs(amount).scaleb(2))
    shares, remainders = [], []
    for index, weight in enumerate(numerators):
        quotient, remainder = divmod(cents * weight, total)
        shares.append(quotient)
        remainders.append((-remainder, index))
    for _, index in sorted(remainders)[: cents - sum(shares)]:
        shares[index] += 1
    return [Decimal(sign * each).scaleb(-2) + ZERO for each in shares]


def share_line(amount: Decimal, exacts: Sequence[Decimal]) -> list[Decimal]:
    """Share a line's rounded cents to the exact amounts that it sums up, by largest remainder.

    Args:
        amount: the line in whole cents: the rounded sum of the exact amounts.
        exacts: none negative, or none positive.

    Raises:
        ValueError: when the exact amounts round to another sum.
    """
    sign = -1 if amount < 0 or any(each < 0 for each in exacts) else 1
    whole = [divmod(abs(each), exact(CENT)) for each in exacts]
    shares = [int(cents) for cents, _ in whole]
    missing = int(abs(amount).scaleb(2)) - sum(shares)
    if not 0 <= missing <= len(shares):
        raise ValueError(f"{amount} is not what {len(shares)} parts add to")
    order = sorted(range(len(whole)), key=lambda index: (-whole[index][1], index))
    for index in order[:missing]:
        shares[index] += 1
    return [Decimal(sign * each).scaleb(-2) + ZERO for each in shares]


def _whole(weights: Sequence[Decimal]) -> list[int]:
    """Scale weights to whole numbers in the same proportion; all alike when they add to nothing."""
    if not any(weights):
        return [1] * len(weights)
    ratios = [weight.as_integer_ratio() for weight in weights]
    common = 1
    for _, denominator in ratios:
        common *= denominator
    return [numerator * (common // denominator) for numerator, denominator in ratios]
