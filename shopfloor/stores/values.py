"""What the adapters share: how values come back, what none of them takes, how minutes fill expired steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shopfloor.samples import GOOD, Sample, Slice
from shopfloor.samples import samples as opened
from shopfloor.samples import slices as gathered
from shopfloor.signals import UnknownSignalError, find
from shopfloor.states import Hole
from shopfloor.stores.port import Reduced, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shopfloor.samples import Run, Value
    from shopfloor.signals import SignalType

MINUTE_SECONDS = 60
PROOFS = ("observed", "unreachable")
"""Signals whose value is the start of a span that their stamp proves."""
NUMBERS: frozenset[SignalType] = frozenset({"Int32", "UInt32", "Int64", "Double"})
"""Types that can be reduced."""
DECODERS: Mapping[SignalType, Callable[[Value], Value] | None] = {
    "Boolean": bool,
    "Int32": int,
    "UInt32": int,
    "Int64": int,
    "Double": float,
    "String": None,
    "DateTime": int,
}
"""What turns a value, as an engine returns it, into the type of the record; None where it has it already."""

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1


def flaw(sample: Sample) -> str | None:
    """Say why no store can take this sample, None when it can be taken."""
    try:
        find(sample.signal)
        _check(sample)
    except UnknownSignalError as error:
        return str(error.args[0])
    except UnicodeEncodeError:
        return "the text is not valid Unicode"
    except ValueError as error:
        return str(error)
    return None


def _check(sample: Sample) -> None:
    value = sample.value
    if value is None and sample.status == GOOD:
        raise ValueError("there is neither a value nor a quality that says why")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    if isinstance(value, int) and not _INTEGER_MIN <= value <= _INTEGER_MAX:
        raise ValueError("the number needs more than 64 bits")
    if isinstance(value, str):
        value.encode()
        if sample.signal == "hole":
            Hole.decode(sample.machine, value)


def sift(slices: Sequence[Slice | Run]) -> tuple[list[Slice], list[Rejection]]:
    """Part what a store can take from what it cannot, with the reason."""
    kept: list[Sample] = []
    rejections: list[Rejection] = []
    for sample in opened(slices):
        reason = flaw(sample)
        if reason is None:
            kept.append(sample)
        else:
            rejections.append(Rejection(sample, reason))
    return gathered(kept), rejections


def fuller(
    raw: Mapping[str, Iterable[Reduced]],
    stored: Mapping[str, Iterable[Reduced]],
) -> dict[str, list[Reduced]]:
    """Choose, per step, raw samples or stored minutes: what counts more samples, raw when equal."""
    chosen: dict[str, list[Reduced]] = {}
    for signal in {**raw, **stored}:
        steps = {reduced.stamp: reduced for reduced in stored.get(signal, ())}
        for reduced in raw.get(signal, ()):
            if reduced.stamp not in steps or reduced.n >= steps[reduced.stamp].n:
                steps[reduced.stamp] = reduced
        if steps:
            chosen[signal] = [steps[stamp] for stamp in sorted(steps)]
    return chosen
