"""Rules as data: what is refused, and how each way of judging judges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from api.maintenance.alarms import What
from api.maintenance.catalogue import shipped_classes, shipped_rules
from api.maintenance.conditions import CONDITION, ClassMap, Condition
from api.maintenance.fold import MachineFold
from api.maintenance.rulebook import Rulebook
from api.maintenance.rules import ISO_20816_3, Limit, RuleError, parse_rules
from api.maintenance.service import SERVICED
from api.maintenance.stored import read_stored, signals_of
from shopfloor import entries
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period, format_instant
from shopfloor.samples import Minute, Sample, slices
from shopfloor.stores.open import open_store

if TYPE_CHECKING:
    from api.maintenance.alarms import Change
    from shopfloor.samples import Value

START = 20_000 * DAY
HEAD = 'version = 1\n[[rule]]\nid = "r"\ntitle = "t"\nsource = "s"\n'


def fold(text: str) -> MachineFold:
    return MachineFold("m1", parse_rules(HEAD + text, origin="own.toml"))


def told(signal: str, *values: tuple[float, Value | None]) -> list[Sample]:
    """Samples at seconds after the start."""
    return [Sample("m1", signal, START + int(at * SECOND), value, 0 if value is not None else 1 << 31)
            for at, value in values]  # fmt: skip


def changes(machine: MachineFold, samples: list[Sample], until_seconds: float) -> list[tuple[str, float, str]]:
    machine.take(sorted(samples, key=lambda sample: (sample.stamp, sample.signal)))
    machine.advance(START + int(until_seconds * SECOND))
    return [(str(each.what), (each.stamp - START) / SECOND, each.subject) for each in machine.drain()]


def test_the_shipped_rules_each_name_a_source_and_unit() -> None:
    rules = shipped_rules()
    assert len(rules) >= 15
    assert all(rule.source and rule.title for rule in rules)
    assert {each.name for each in shipped_classes()} >= {"battery", "drive", "tool_changer", "service_due"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('signal = "spindle_load"\nunit = "Cel"\n[rule.limit]\nhigh = 1', "spindle_load is in '%'"),
        ('signal = "spindle_load"\nunit = "%"\n[rule.limit]\nhi = 1', "there is no 'hi'; known are high, low"),
        ('signal = "spindle_load"\nunit = "%"\n[rule.limit]\nhigh = "a"', "high must be float"),
        ('signal = "spindle_load"\nunit = "%"\n[rule.limit]\nhigh = nan', "finite"),
        ('signal = "spindle_load"\nunit = "%"\n[rule.limit]', "give high, low or both"),
        ('signal = "x.double"', "must have one of the tables"),
        ("[rule.limit]\nhigh = 1", "names no signal"),
        ('signal = "x.double"\nseverity = "grave"\n[rule.limit]\nhigh = 1', "severity is one of"),
        ('signal = "x.double"\n[rule.zones]\nboundaries = [1, 3, 2]', "three rising numbers"),
        ("[rule.service]\ninterval = 5", "give interval with counters"),
        ('signal = "x.double"\non_delay_seconds = -1\n[rule.limit]\nhigh = 1', "on_delay_seconds is less than 0"),
    ],
)
def test_a_bad_rule_is_refused_with_its_place_and_the_mend(text: str, words: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse_rules(HEAD + text, origin="own.toml")
    assert "own.toml: rule r" in str(refused.value)
    assert words in str(refused.value)


def test_an_owner_changes_one_number_and_keeps_the_rest() -> None:
    own = 'version = 1\n[[rule]]\nid = "spindle-hot"\nversion = 2\n[rule.limit]\nhigh = 65.0'
    [rule] = [each for each in parse_rules(own, origin="own", base=shipped_rules()) if each.id == "spindle-hot"]
    [before] = [each for each in shipped_rules() if each.id == "spindle-hot"]
    assert rule.how == Limit(high=65.0, deadband=5.0)
    assert (rule.version, rule.source, rule.off_delay_seconds) == (2, before.source, before.off_delay_seconds)


def test_a_limit_has_a_delay_a_dead_band_and_does_not_count_time_without_data() -> None:
    text = 'signal = "spindle_temperature"\nunit = "Cel"\non_delay_seconds = 5400\nhold_seconds = 600\n[rule.limit]\nhigh = 60\ndeadband = 5'  # noqa: E501
    gap = told("spindle_temperature", (0, 70.0), (300, 70.0), (10_000, 55.0), (10_300, 50.0))
    assert changes(fold(text), gap, 90_000) == []
    steady = told("spindle_temperature", *((at, 70.0) for at in range(0, 6000, 300)), (6000, 58.0), (6300, 54.0))
    assert changes(fold(text), steady, 7000) == [("raised", 5400, "spindle_temperature"),
                                                 ("returned", 6300, "spindle_temperature")]  # fmt: skip


def test_zones_tell_long_term_from_damage() -> None:
    assert ISO_20816_3[2, "rigid"] == (1.4, 2.8, 4.5)
    text = 'signal = "pump_velocity_rms.double"\nunit = "mm/s"\n[rule.zones]\ngroup = 2'
    seen = changes(fold(text), told("pump_velocity_rms.double", (0, 1.0), (10, 3.0), (20, 5.0), (30, 2.0)), 40)
    assert [(what, at, subject[-1]) for what, at, subject in seen] == [
        ("raised", 10, "C"), ("raised", 20, "D"), ("returned", 30, "C"), ("returned", 30, "D")]  # fmt: skip
    own = fold(text + "\nboundaries = [2.0, 6.0, 9.0]")
    assert changes(own, told("pump_velocity_rms.double", (0, 5.0)), 40) == []


def test_a_rate_is_not_drawn_across_a_gap() -> None:
    text = (
        'signal = "spindle_temperature"\nunit = "Cel"\nhold_seconds = 600\n[rule.rate]\nspan_seconds = 1800\nrise = 20'
    )
    climb = told("spindle_temperature", *((at, 20 + at / 120) for at in range(0, 3600, 60)))
    assert changes(fold(text), climb, 3600)[0] == ("raised", 1800, "spindle_temperature")
    leap = told("spindle_temperature", (0, 20.0), (60, 20.0), (7200, 60.0), (7260, 60.0))
    assert changes(fold(text), leap, 9000) == []


def test_a_gauge_that_stands_still_while_the_machine_works_is_frozen() -> None:
    text = 'signal = "spindle_load"\nunit = "%"\nwhen = [{ signal = "item_state", one_of = [3] }]\n[rule.frozen]\nstill_seconds = 600\nchanges = 5'  # noqa: E501
    moves = told(
        "spindle_load", *((at * 10, float(at)) for at in range(10)), *((at, 9.0) for at in range(100, 900, 10))
    )
    assert changes(fold(text), [*told("item_state", (0, 3)), *moves], 890) == [("raised", 690, "spindle_load")]
    assert changes(fold(text), [*told("item_state", (0, 3), (95, 2)), *moves], 890) == []


SERVICE = 'unit = "s"\n[rule.service]\ncounters = ["operation_seconds"]\ninterval = 360000\nlead_days = 3'


def hours(first: float, *steps: float) -> list[Sample]:
    """Counter readings once a day."""
    found, value = [], first
    for day, step in enumerate((0.0, *steps)):
        value += step * 3600
        found.append(Sample("m1", "operation_seconds", START + day * DAY + HOUR, value))
    return found


def test_service_starts_in_mid_life_and_is_forecast_from_recent_use() -> None:
    machine = fold(SERVICE)
    machine.take(hours(27_000 * 3600.0, *[10.0] * 8))
    machine.advance(START + 9 * DAY + 2 * HOUR)
    [change] = machine.drain()
    assert (change.what, change.subject) == (What.RAISED, "")
    due = machine.services()["r"].due(machine.position)
    assert due.used == 80 * 3600
    assert due.at is not None
    assert abs(due.at - (START + 11 * DAY)) < DAY


def test_small_steps_back_are_not_metered_and_a_replaced_counter_asks() -> None:
    machine = fold(SERVICE)
    readings = [1000.0, 1100.0, 1097.0, 1200.0, 50.0, 60.0, 70.0, 80.0]
    machine.take([Sample("m1", "operation_seconds", START + at * HOUR, value) for at, value in enumerate(readings)])
    machine.advance(START + HOUR * 10)
    assert [(each.what, each.subject) for each in machine.drain()] == [(What.RAISED, "counter")]
    assert machine.services()["r"].used == 230


def test_a_zero_that_stands_for_nothing_is_not_a_new_counter() -> None:
    machine = fold(SERVICE)
    readings = [1000.0, 0.0, 1100.0, 0.0, 0.0, 0.0, 1300.0]
    machine.take([Sample("m1", "operation_seconds", START + at * HOUR, value) for at, value in enumerate(readings)])
    assert machine.drain() == []
    assert machine.services()["r"].used == 300


def test_a_service_entry_ends_the_alarm_and_moves_the_due_date() -> None:
    machine = fold(SERVICE)
    samples = hours(0.0, *[10.0] * 10)
    entry = Sample("m1", SERVICED, START + 9 * DAY + 12 * HOUR, "r")
    machine.take(sorted([*samples, entry], key=lambda sample: sample.stamp))
    machine.advance(START + 11 * DAY)
    assert [each.what for each in machine.drain()] == [What.RAISED, What.RETURNED]
    assert machine.services()["r"].used == 10 * 3600


def spoken(*said: tuple[float, str, str, str]) -> list[Sample]:
    return [Sample("m1", CONDITION, START + int(at * SECOND), Condition("servo", level, code, text).encode())
            for at, level, code, text in said]  # fmt: skip


def heard(*said: tuple[float, str, str, str]) -> list[Change]:
    rules = [rule for rule in shipped_rules() if rule.id == "control"]
    machine = MachineFold("m1", rules, shipped_classes(), "Fanuc")
    machine.take(spoken(*said))
    machine.advance(START + HOUR)
    return machine.drain()


def test_conditions_follow_their_semantics() -> None:
    again = heard((0, "fault", "1", "SERVO ALARM X"), (1, "fault", "1", "SERVO ALARM X"),
                  (2, "fault", "2", "SERVO ALARM Y"),
                  (3, "normal", "1", ""), (4, "normal", "", ""))  # fmt: skip
    assert [(each.what, each.subject[6]) for each in again] == [
        (What.RAISED, "1"), (What.RAISED, "2"), (What.RETURNED, "1"), (What.RETURNED, "2")]  # fmt: skip
    lost = heard((0, "fault", "1", "SERVO ALARM X"), (1, "unavailable", "", ""))
    assert [each.what for each in lost] == [What.RAISED]


def test_the_class_map_wants_maker_item_code_and_text_together() -> None:
    classes = ClassMap(shipped_classes(), "Mazak")
    known = classes.find(Condition("logic_cond", "warning", "212", "MAGAZINE DRUM MALFUNCTION"))
    assert known is not None
    assert known.name == "tool_changer"
    assert classes.find(Condition("logic_cond", "warning", "212", "DOOR IS OPEN")) is None
    assert ClassMap(shipped_classes(), "Okuma").find(Condition("logic_cond", "warning", "468", "X")) is None


def test_unknown_codes_are_counted_and_wake_nobody() -> None:
    machine = MachineFold("m1", [rule for rule in shipped_rules() if rule.id == "control"], shipped_classes(), "Fanuc")
    machine.take(spoken((0, "fault", "9", "STRANGE"), (5, "normal", "", ""), (9, "fault", "9", "STRANGE")))
    machine.advance(START + HOUR)
    assert machine.drain() == []
    assert machine.unknown_codes() == {"servo|9|STRANGE": 2}


def test_a_stored_span_is_judged_as_it_was_live() -> None:
    rules = [rule for rule in shipped_rules() if rule.id in {"spindle-hot", "machine-silent"}]
    live = [
        *(Sample("m1", "spindle_temperature", START + at * MINUTE, 90.0 if at > 30 else 40.0) for at in range(60)),
        *(Sample("m1", "observed", START + at * 20 * SECOND, START) for at in range(180)),
        *(Sample("m1", "observed", START + 3 * HOUR + at * 20 * SECOND, START + 3 * HOUR) for at in range(9)),
    ]
    store = open_store("sqlite://:memory:")
    store.write(slices(live), now=START + DAY)
    stored = list(read_stored(store, "m1", signals_of(rules), Period(START, START + DAY)))
    store.close()
    found = []
    for samples in (sorted(live, key=lambda sample: (sample.stamp, sample.signal)), stored):
        machine = MachineFold("m1", rules)
        machine.take(samples)
        machine.advance(START + 4 * HOUR)
        found.append([(each.rule, each.what, each.stamp) for each in machine.drain()])
    assert found[0] == found[1]
    assert {rule for rule, _, _ in found[0]} == {"spindle-hot", "machine-silent"}


def told_all(*alarms: entries.Alarm) -> str:
    return entries.encode_all(list(alarms))


def of_control(samples: list[Sample], maker: str = "Fanuc", until: int = HOUR) -> tuple[list[Change], MachineFold]:
    rules = [rule for rule in shipped_rules() if rule.id == "control"]
    machine = MachineFold("m1", rules, shipped_classes(), maker)
    machine.take(samples)
    machine.advance(START + until)
    return machine.drain(), machine


def test_the_set_of_alarms_of_an_agent_says_what_has_come_and_what_is_over() -> None:
    servo = entries.Alarm("a/1", "401", "SERVO ALARM: axis X", 900, blocking=True, source="nc")
    by_class = entries.Alarm("a/2", "77", "xyz", 300, source="plc", kind="MaintenanceConditionClassType")
    strange = entries.Alarm("a/3", "9", "qwerty", 300, source="plc")
    samples = told("alarms", (0, told_all(servo, by_class, strange)), (60, told_all(strange)))
    changes_seen, machine = of_control(samples)
    assert [(each.what, each.subject, each.stamp) for each in changes_seen] == [
        (What.RAISED, "nc|401|SERVO ALARM: axis X", START),
        (What.RAISED, "plc|77|xyz", START + 10 * SECOND),
        (What.RETURNED, "nc|401|SERVO ALARM: axis X", START + 60 * SECOND),
        (What.RETURNED, "plc|77|xyz", START + 60 * SECOND),
    ]  # fmt: skip
    assert machine.unknown_codes() == {"plc|9|qwerty": 1}


def test_the_first_alarm_alone_is_not_heard_beside_the_whole_set() -> None:
    samples = told("alarm", (1, "401 SERVO ALARM")) + told("alarms", (0, told_all()))
    changes_seen, _ = of_control(sorted(samples, key=lambda each: each.stamp))
    assert changes_seen == []


def test_what_the_control_expects_is_said_two_weeks_ahead_and_the_operators_work_not() -> None:
    due = entries.Prognosis("p1", "maintenance", format_instant(START + 30 * DAY), {"activity": "Inspection"})
    load = entries.Prognosis("p2", "part_load", format_instant(START + HOUR))
    changes_seen, _ = of_control(told("prognoses", (0, entries.encode_all([due, load]))), until=20 * DAY)
    [raised] = changes_seen
    assert (raised.what, raised.stamp) == (What.RAISED, START + 16 * DAY)
    assert raised.evidence["predicted"] == due.predicted


def test_the_tool_in_the_spindle_is_judged_by_the_life_that_the_control_counts() -> None:
    def tools(value: float) -> str:
        life = entries.Life("life", value, "s", limit=3600.0, measure="time", counts_up=True)
        return entries.encode_all([entries.Tool("t1", 1, life=(life,)), entries.Tool("t2", 2, life=(life,))])

    rules = [rule for rule in shipped_rules() if rule.id == "tool-used-up"]
    machine = MachineFold("m1", rules)
    samples = (
        told("item_state", (0, 3)) + told("tool_number", (0, 2)) + told("tools", (0, tools(3000)), (60, tools(4000)))
    )
    machine.take(sorted(samples, key=lambda each: (each.stamp, each.signal)))
    machine.advance(START + 2 * HOUR)
    assert [(each.what, each.subject, each.stamp) for each in machine.drain()] == [
        (What.RAISED, "2|life", START + 60 * SECOND + 1800 * SECOND)]  # fmt: skip


def test_an_expired_minute_in_which_the_spindle_stood_and_turned_tells_of_neither() -> None:
    store = open_store("sqlite://:memory:")
    minutes = [
        Minute("m1", "spindle_speed", START, 60, 0.0, 1500.0, 3000.0),
        Minute("m1", "spindle_speed", START + MINUTE, 60, 2990.0, 3000.0, 3010.0),
    ]
    store.write([], minutes, now=START)
    found = list(read_stored(store, "m1", ["spindle_speed"], Period(START, START + HOUR)))
    store.close()
    assert [each.value for each in found] == [None, 3000.0]


def test_a_gate_that_a_machine_need_not_tell_is_closed_while_what_it_told_is_not_known() -> None:
    text = 'signal = "power_watts"\nunit = "W"\nwhen = [{ signal = "spindle_speed", below = 1.0, required = false }]\n[rule.limit]\nhigh = 100'  # noqa: E501
    high = told("power_watts", (10, 500.0), (20, 500.0))
    assert changes(fold(text), high, 25) == [("raised", 10, "power_watts")]
    assert changes(fold(text), [*told("spindle_speed", (0, 900.0), (5, None)), *high], 25) == []


def test_a_compressor_and_an_arm_get_no_service_of_machining_centres_unless_their_owner_enters_one() -> None:
    shipped = shipped_rules()
    book = Rulebook(shipped, {}, "")
    services = {"service-small", "service-yearly"}
    for described in (
        "Centro di lavoro a 5 assi",
        "Tornio CNC",
        "Rettificatrice",
        "Grinding machine",
        "Sega a nastro",
        "",
    ):
        assert services <= {rule.id for rule in book.of_machine("m", described)}, described
    for described in ("Compressore a vite", "Air compressor", "Braccio di misura", "Measuring arm", "CMM"):
        names = {rule.id for rule in book.of_machine("m", described)}
        assert not names & services, described
        assert names >= {"control", "call", "vibration-zones", "machine-silent"}, described
    [yearly] = (rule for rule in shipped if rule.id == "service-yearly")
    entered = Rulebook(shipped, {"c": {yearly.id: replace(yearly, kinds=("compressor",))}}, "")
    assert "service-yearly" in {rule.id for rule in entered.of_machine("c", "Compressore a vite")}
