"""How much work rules are: 300 machines of 40 rules on live data, and a year of 5-minute data through one rule."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace

from api.maintenance.backtest import run
from api.maintenance.catalogue import shipped_classes, shipped_rules
from api.maintenance.fold import MachineFold
from api.maintenance.rules import Rule, for_kind
from shopfloor.periods import DAY, MINUTE, SECOND
from shopfloor.samples import Sample

MACHINES = 300
RULES = 40
LIVE_SECONDS = 30
GAUGES = ("spindle_load", "spindle_speed", "spindle_temperature", "spindle_vibration", "power_watts",
          "coolant_temperature", "axis_x_load", "axis_y_load", "axis_z_load", "tool_life")  # fmt: skip
"""Each told once a second by each machine."""
CORE_SHARE_MAX = 0.25
YEAR_SECONDS_MAX = 2.0
START = 20_000 * DAY


def forty() -> list[Rule]:
    """The shipped rules, some of them again under other names, as an owner's additions would be."""
    shipped = list(for_kind(shipped_rules(), ""))
    again = [replace(rule, id=f"{rule.id}-{number}") for number in range(3) for rule in shipped]
    return [*shipped, *again][:RULES]


def live() -> None:
    """Feed every machine second by second, and say what share of a core that takes."""
    rules, classes = forty(), shipped_classes()
    folds = [MachineFold(f"m{number:03}", rules, classes, "Mazak") for number in range(MACHINES)]
    draw = random.Random(1)
    taken, samples = 0.0, 0
    for second in range(LIVE_SECONDS + 1):
        stamp = START + second * SECOND
        values = {name: 50.0 + draw.random() for name in GAUGES} | {"spindle_speed": 3000.0 + draw.random()}
        for fold in folds:
            told = [Sample(fold.machine, name, stamp, value) for name, value in sorted(values.items())]
            if second == 0:
                told += [Sample(fold.machine, "item_state", stamp, 3), Sample(fold.machine, "program", stamp, "O1")]
            if second % 10 == 0:
                told.append(Sample(fold.machine, "operation_seconds", stamp, 1e6 + second))
            if second % 20 == 0:
                told.append(Sample(fold.machine, "observed", stamp, START))
            told.sort(key=lambda sample: sample.signal)
            begun = time.process_time()
            fold.take(told)
            fold.advance(stamp + 1)
            fold.drain()
            if second:  # in the first, every rule meets its signals
                taken += time.process_time() - begun
                samples += len(told)
    share = taken / LIVE_SECONDS
    print(
        f"maintenance: {MACHINES} machines x {RULES} rules, {samples / LIVE_SECONDS:,.0f} samples a second: "
        f"{share:.1%} of one core ({CORE_SHARE_MAX:.0%} allowed), {taken / samples * 1e6:.1f} us a sample"
    )


def year() -> None:
    """Backtest the heaviest rule over a year of a temperature at five minutes."""
    draw = random.Random(2)
    samples = [
        Sample("m1", "spindle_temperature", START + step * 5 * MINUTE, 40 + 5 * math.sin(step / 46) + draw.random())
        for step in range(365 * 288)
    ]
    rules = [rule for rule in shipped_rules() if rule.id == "temperature-unusual"]
    begun = time.process_time()
    result = run(MachineFold("m1", rules), samples)
    taken = time.process_time() - begun
    print(f"maintenance: a year of 5-minute data ({len(samples):,} samples) backtested in {taken:.2f} s "
          f"({YEAR_SECONDS_MAX:.0f} s allowed), {len(result.episodes)} episodes")  # fmt: skip


def main() -> None:
    """Run both."""
    live()
    year()
