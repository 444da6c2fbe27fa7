"""The settings of metering and attribution, each with its default; a statement prints them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from api.usage.segments import Claim

PRECEDENCE = (Claim.CORRECTION, Claim.CONSORTIUM, Claim.JOB, Claim.BADGE, Claim.BOOKING)
"""Who pays for a second: the first of these that exists (DESIGN.md, section 5)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How time is metered and attributed.

    Attributes:
        zone: IANA name of the civil zone, in which periods, bands and holidays are cut.
        payer_precedence: the claims, strongest first; a claim that is not named never pays.
        silence_seconds_max: longer silence of a machine is a gap, from its last sample to its next one.
        badge_off_seconds_max: a badge or check-in ends when the machine has been off for so long.
        badge_seconds_max: a badge or check-in ends after so long in any case.
        inferred_off_seconds_max: an unreachable machine was off when powered time advanced by less than this.
        estimate_gaps: charge gaps by what the counters say, flagged to the document.
        estimate_seconds_max: no longer gap is estimated.
        gap_evidence: what counters advanced by across a gap is evidence of use; False where a month was closed by a
            version that did not know of it. It decides what is asked about, never a price, and is not printed.
    """

    zone: str = "Europe/Rome"
    payer_precedence: tuple[Claim, ...] = PRECEDENCE
    silence_seconds_max: int = 60
    badge_off_seconds_max: int = 15 * 60
    badge_seconds_max: int = 12 * 3600
    inferred_off_seconds_max: int = 60
    estimate_gaps: bool = False
    estimate_seconds_max: int = 24 * 3600
    gap_evidence: bool = True

    def printed(self) -> dict[str, str]:
        """Return each setting by name as text, as a statement shows it."""
        return {
            "zone": self.zone,
            "payer_precedence": " > ".join((*self.payer_precedence, "unattributed")),
            "silence_seconds_max": str(self.silence_seconds_max),
            "badge_off_seconds_max": str(self.badge_off_seconds_max),
            "badge_seconds_max": str(self.badge_seconds_max),
            "inferred_off_seconds_max": str(self.inferred_off_seconds_max),
            "estimate_gaps": "yes" if self.estimate_gaps else "no",
            "estimate_seconds_max": str(self.estimate_seconds_max),
            "rounding": "once per line, half away from zero",
            "vat_rounding": "once per rate, on the sum of its lines",
            "shares": "largest remainder, to the cent",
        }
