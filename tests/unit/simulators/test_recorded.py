"""What a store holds of a recording, and what the report makes of it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from api.billing.calendars import civil_month
from api.usage import cli
from api.usage.doubts import Reason, doubts
from api.usage.evidence import Evidence, JobRules
from api.usage.hidden import BLIND
from api.usage.policy import Policy
from api.usage.reading import Grounds, Recorded, build, touched_days
from shopfloor.periods import HOUR, SECOND, Period, parse_instant
from shopfloor.signals import DECIDING
from shopfloor.states import State
from shopfloor.stores.open import open_store
from simulators.recorded import load, recorded_samples
from simulators.recordings import HURCO, MAZAK, OKUMA, Recording
from simulators.tree import Served

if TYPE_CHECKING:
    from api.usage.report import Month
    from shopfloor.samples import Value

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("OFFICINA_SHARED", ROOT.parent / "shared")) / "data"
LONG = os.environ.get("OFFICINA_TEST_SIZE") == "long"
NOW = parse_instant("2026-11-22T00:00:00Z")
BEGIN = parse_instant("2017-10-31T09:00:00Z")
GOOD: dict[str, Value] = {"item_state": 3, "operation_mode": 3, "control_mode": 1, "program_state": 1,
                          "channel_state": 0, "alarm_blocking": False}  # fmt: skip


def lines(at: int, **values: Value | None) -> list[Served]:
    return [Served(BEGIN + at, signal, value) for signal, value in values.items()]


def test_the_watching_of_a_recording_breaks_while_a_deciding_item_is_unavailable() -> None:
    said = [*lines(0, **GOOD), *lines(60, item_state=None), *lines(90, item_state=2), *lines(200, program="O1")]

    samples = list(recorded_samples("m", MAZAK, said))

    assert [(each.stamp - BEGIN, each.value) for each in samples if each.signal == "observed"] == [
        (60, BEGIN), (200, BEGIN + 90),
    ]  # fmt: skip
    (hole,) = [str(each.value) for each in samples if each.signal == "hole"]
    assert '"bad_status"' in hole


def test_an_hour_without_a_line_is_not_taken_for_watching() -> None:
    said = [*lines(0, **GOOD), *lines(10, item_state=2), *lines(2 * HOUR, program="O1"), *lines(2 * HOUR + 5, job="")]

    samples = list(recorded_samples("m", MAZAK, said[:-1]))

    proofs = [(each.stamp - BEGIN, each.value) for each in samples if each.signal == "observed"]
    assert proofs == [(10, BEGIN)]


def asked_about(folder: Path, recording: Recording, month: str) -> list[tuple[int, int]]:
    """Return the times without data that billing asks somebody about in a month, on whole seconds."""
    zone = ZoneInfo("Europe/Rome")
    period = civil_month(month, zone)
    with closing(open_store(f"sqlite:///{folder / 'telemetry.db'}")) as store:
        recorded = Recorded(store, recording.identity.id, period, now=NOW)
        grounds = Grounds(JobRules(()), lambda _badge, _at: None, Evidence(), Policy())
        built = [build(recorded, day, grounds) for day in touched_days(period, zone)]
    segments = [segment for each in built if each is not None for segment in each.day.segments]
    return [(each.period.start, each.period.end) for each in doubts(segments) if each.reason is Reason.UNKNOWN]


def test_what_the_report_says_a_gap_hides_is_what_billing_asks_somebody_about(tmp_path: Path) -> None:
    may = next(each for each in months_of(tmp_path, HURCO, "nist-sms-hurco01/raw/*.txt.gz") if each.month == "2017-05")

    asked = asked_about(tmp_path, HURCO, "2017-05")

    begun = [start for start, _ in asked if start > civil_month("2017-05", ZoneInfo("Europe/Rome")).start]
    assert len(begun) == may.hiding_gaps == 15
    assert (
        sum(end - start for start, end in asked)
        < sum(seconds for state, seconds in may.seconds.items() if state in BLIND) * SECOND
    )


def months_of(folder: Path, recording: Recording, files: str) -> list[Month]:
    paths = sorted(SHARED.glob(files))
    if not paths:
        pytest.skip(f"the recording {files} is not there")
    address = f"sqlite:///{folder / 'telemetry.db'}"
    with closing(open_store(address)) as store:
        loaded = load(store, recording, paths, recording.identity.id, now=NOW)
        assert loaded.tally.bad == 0, loaded.tally.complaints
        span = Period(parse_instant("2016-09-30T22:00:00Z"), parse_instant("2022-12-31T23:00:00Z"))
        return cli._months(store, recording.identity.id, span, "Europe/Rome")


@pytest.mark.parametrize(
    ("recording", "files", "seen"),
    [
        pytest.param(
            MAZAK, "nist-sms-mazak01/events_*.txt.gz", 27, id="mazak",
            marks=pytest.mark.skipif(not LONG, reason="27 months take half a minute: make test-long"),
        ),
        pytest.param(HURCO, "nist-sms-hurco01/raw/*.txt.gz", 7, id="hurco"),
        pytest.param(OKUMA, "mtconnect-okuma/okuma.txt.gz", 1, id="okuma"),
    ],
)  # fmt: skip
def test_at_most_two_decisions_a_month_are_put_to_a_person(
    tmp_path: Path, recording: Recording, files: str, seen: int
) -> None:
    months = months_of(tmp_path, recording, files)

    assert sum(month.is_known for month in months) >= seen - 1
    assert max(month.questions for month in months) <= 2
    assert any(month.seconds.get(State.IDLE) for month in months)
    assert set(DECIDING) & recording.items.signals
