from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.billing.scenarios.reader import load, parse
from api.billing.scenarios.report import to_json
from shopfloor.errors import ExpectedError

CASES = Path(__file__).parents[4] / "tests" / "golden" / "billing"
MEMBERS = "[members.A]\n[members.B]\n"
MACHINE = MEMBERS + '[[machines]]\nid = "M1"\nstates = [[2026-10-13T08:00:00, 2026-10-13T09:00:00, "processing"]]\n'
TARIFF = '[[tariffs]]\nname = "t"\n[[tariffs.versions]]\nfrom = 2026-01-01\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[members", "is no TOML"),
        ('title = "x"', "lacks 'members'"),
        ("[members]", "names nobody"),
        ("[members.nobody]", "a word of its own"),
        (MEMBERS, "nothing is told of any month"),
        (MEMBERS + "[policy]\nzone = 'Europe/Roma'", "policy, zone: no time zone"),
        (MEMBERS + "[policy]\ncolour = 1", "has no key 'colour'"),
        (MEMBERS + "[policy]\npayer_precedence = ['luck']", "'luck' is none of"),
        ("months = ['10-2026']\n" + MEMBERS, "months, row 1: is a month like"),
        (MEMBERS + "[[job_rules]]\nkind = 'prefix'\ntext = 'x'\nmember = 'Z'", "no member is called 'Z'"),
        (MACHINE + "jobs = [[2026-10-13T09:00:00, 2026-10-13T08:00:00, 'x']]", "jobs, row 1: ends"),
        (MACHINE + "jobs = [[2026-10-25T02:30:00, 2026-10-25T08:00:00, 'x']]", "exists twice in Europe/Rome"),
        (MACHINE + "jobs = [[2026-03-29T02:30:00, 2026-03-29T08:00:00, 'x']]", "does not exist in Europe/Rome"),
        (MACHINE + "jobs = [[2026-03-29T02:30:00, 'x']]", "is a row of from, to, id"),
        (MACHINE + "jobs = 3", "is a list"),
        (MACHINE + "bookings = [[2026-10-13T08:00:00, 2026-10-13T09:00:00, 'A'], "
                   "[2026-10-13T08:30:00, 2026-10-13T09:00:00, 'B']]", "overlap: cancel or move one"),
        (MACHINE.replace('"processing"]]', '"dancing"]]'), "'dancing' is none of"),
        (MACHINE.replace('"processing"]]', '"idle"], [2026-10-13T08:30:00, 2026-10-13T08:40:00, "off"]]'),
         "one state at a time"),
        (MACHINE + "samples = [{ from = 2026-10-13T08:00:00, to = 2026-10-13T09:00:00, state = 'idle', every = 0 }]",
         "one second or more"),
        (MACHINE + "counters = { heat = [] }", "no counter is called 'heat'"),
        (MACHINE + "counters = { energy = [[2026-10-13T08:00:00, -1]] }", "is below 0 or finer"),
        (MACHINE + "corrections = [{ from = 2026-10-13T08:00:00, to = 2026-10-13T09:00:00, reason = 'short', "
                   "requested_by = 'x', payer = 'A' }]", "has no reason"),
        (MACHINE + MACHINE.removeprefix(MEMBERS), "two machines have one id"),
        (MACHINE + TARIFF + "time = { off = 1 }", "'off' is no state with a rate"),
        (MACHINE + TARIFF + "time = { cutting = 1, processing = 2 }", "has a rate twice"),
        (MACHINE + TARIFF + "time = { idle = { F1 = 1 } }\ncalendar = 'arera'", "the band F2 of the calendar arera"),
        (MACHINE + TARIFF + "time = { idle = -1 }", "tariffs, row 1, versions, row 1: .* is no price"),
        (MACHINE + TARIFF + "calendar = 'mine'", "'mine' is none of arera"),
        (MACHINE + TARIFF + "monthly_cap = 5.001", "whole cents"),
        (MACHINE + TARIFF + "monthly_minimum = 9\nmonthly_cap = 5", "above the monthly cap"),
        (MACHINE + TARIFF + "to = 2025-01-01", "ends no later"),
        (MACHINE + TARIFF + "vat = 0", "needs a Natura"),
        (MACHINE + TARIFF + "vat = { beer = 22 }", "nothing is called 'beer'"),
        (MACHINE + TARIFF + "energy = { tiers = [] }", "has no tiers"),
        (MACHINE + TARIFF + "\n[[tariffs.versions]]\nfrom = 2026-06-01", "overlap"),
        (MACHINE + "[[quotas]]\nitem = 'x'\nfirst = '2026-01'", "give one `amount`"),
        (MACHINE + "[[shared_costs]]\nitem = 'x'\nmonth = '2026-10'\namount = 1\nweights = { A = 0 }", "give a weight"),
        (MACHINE + "[[lent_hours]]\nlender='A'\nborrower='A'\nitem='x'\nday=2026-10-01\nhours=1\nrate=1", "to itself"),
        (MACHINE + "[[closings]]\nmonth='2026-10'\nat=2026-11-01\n[[closings]]\nmonth='2026-10'\nat=2026-11-02",
         "closed twice"),
    ],
)  # fmt: skip
def test_a_bad_scenario_is_refused_with_place_and_reason(text: str, why: str) -> None:
    with pytest.raises(ExpectedError, match=why):
        parse(text).statements()


def test_use_without_a_tariff_is_refused_when_it_is_rated() -> None:
    text = MACHINE + "badges = [[2026-10-13T08:00:00, 2026-10-13T09:00:00, 'A']]"

    with pytest.raises(ExpectedError, match="no tariff version is valid"):
        parse(text).statements()


def test_a_gap_in_samples_of_more_than_a_minute_is_unknown_and_of_a_minute_is_not() -> None:
    rows = "[2026-10-13T08:00:00, 'idle'], [2026-10-13T08:01:00, 'idle'], [2026-10-13T08:02:01, 'idle']"
    house = parse(MEMBERS + f'[[machines]]\nid = "M1"\nsamples = [{rows}]\n').house(None)

    known = [each.period.seconds for each in house.machines["M1"] if each.state == "idle"]

    assert known == [60]


def test_everything_opens_from_the_total_to_the_samples_and_adds_at_every_level() -> None:
    for case in sorted(CASES.iterdir()):
        for statement in to_json(load(case / "scenario.toml"))["statements"]:
            for line in statement["lines"]:
                assert sum(part["quantity"] for part in line["parts"]) == line["quantity"]
                assert sum(round(float(part["amount"]) * 100) for part in line["parts"]) == round(
                    float(line["amount"]) * 100
                )
                if line["basis"] in {"time", "energy"}:
                    assert all(segment["sources"] for part in line["parts"] for segment in part["segments"])


def test_the_command_prints_the_table_or_json_and_refuses_with_exit_code_2(tmp_path: Path) -> None:
    case = CASES / "01-states-of-a-morning"
    bad = tmp_path / "bad.toml"
    bad.write_text("[members]")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shopfloor", "billing", "rate", *arguments]
        environment = {"TZ": "America/New_York", "LC_ALL": "C.UTF-8", "PATH": ""}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert run(str(case / "scenario.toml")).stdout == (case / "expected.txt").read_text(encoding="utf-8")
    assert json.loads(run(str(case / "scenario.toml"), "--json").stdout)["statements"][0]["total"] == "117.39"
    refused = run(str(bad))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "names nobody who could pay" in refused.stderr
