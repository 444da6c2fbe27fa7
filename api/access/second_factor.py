"""The second factor: six digits that change every 30 s (RFC 6238). The only file that knows pyotp and segno."""

from __future__ import annotations

import hmac
import io

import pyotp
import segno

from shopfloor.periods import SECOND

STEP_SECONDS = 30
DRIFT_STEPS = 1
"""How far the clock of a telephone may be off, either way."""


def new_secret() -> str:
    """Make a secret: 160 bits in base 32."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, *, now: int, used: int) -> int | None:
    """Return the time step whose code this is.

    Args:
        secret: in base 32.
        code: what was typed.
        now: the present.
        used: the newest step whose code was used already: it, and those before, work no more.

    Returns:
        The step, to be kept as used; None when the code is wrong.
    """
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    present = now // SECOND // STEP_SECONDS
    found = None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.encode()) and step > used:
            found = step
    return found


def address(secret: str, *, email: str, house: str) -> str:
    """Return the address that an authenticator app reads."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=email, issuer_name=house or "Officina")


def picture(text: str) -> str:
    """Draw an address as a QR code: an SVG element for a page."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", xmldecl=False, svgns=False, scale=4, border=4, svgclass="qr")
    return out.getvalue().decode()
