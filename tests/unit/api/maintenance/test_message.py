"""What a message carries: words in two languages, a picture of the evidence, links that work once."""

from __future__ import annotations

from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from api.maintenance.alarms import Change, What
from api.maintenance.catalogue import shipped_rules
from api.maintenance.links import Link, LinkRefusedError, read, sign
from api.maintenance.notifications import Message
from api.maintenance.plot import COLUMNS, draw
from api.maintenance.wording import LANGUAGES, Links, describe, write
from shopfloor.periods import DAY, HOUR, MINUTE, SECOND, Period, parse_instant
from shopfloor.samples import Sample, Value

NOW = parse_instant("2026-11-23T09:00:00Z")
ROME = ZoneInfo("Europe/Rome")
RULES = {rule.id: rule for rule in shipped_rules()}
SECRET = bytes(range(32))
LINK = Link("mine", "m1@2026/spindle-hot", "anna", "k1", NOW + DAY)


def message(rule: str = "spindle-hot") -> Message:
    evidence: dict[str, Value] = {"value": 81.5, "unit": "Cel", "limit": 75.0}
    raised = Change(NOW, "m1", rule, "spindle_temperature", What.RAISED, NOW - HOUR, "high", evidence, 0.0)
    return Message("k1", "incident", "escalated", NOW, NOW, "anna", ("mail",), (raised,), "high")


def test_an_italian_reads_italian() -> None:
    links = Links("https://o.example/i", "https://o.example/m", "https://o.example/s")
    words = write(message(), RULES, machine="Fresa 3", zone=ROME, links=links, language="it")
    assert words.subject == "Nessuno ha risposto: Fresa 3: Il mandrino è troppo caldo (temperatura mandrino)"
    assert "Dal 2026-11-23 09:00 (60 min)." in words.body
    assert "valore 81.5 Cel, limite 75.0" in words.body
    assert "Regola: sopra 75 Cel (spindle-hot, versione 1)." in words.body
    assert "Che cosa fare: Farlo raffreddare" in words.body
    assert words.body.splitlines()[-3:] == [
        "Dettagli: https://o.example/i", "Me ne occupo io: https://o.example/m", "Non ora: https://o.example/s",
    ]  # fmt: skip


def test_links_that_are_not_there_are_left_out() -> None:
    body = write(message(), RULES, machine="Mill 3", zone=ROME, links=Links(mine="https://o.example/m")).body
    assert body.endswith("I take it: https://o.example/m")
    assert "Details" not in body


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_shipped_rule_is_told_in_both_languages(rule: object) -> None:
    told = RULES[getattr(rule, "id", "")]
    english, italian = (describe(told, language) for language in LANGUAGES)
    assert english
    assert italian
    assert english != italian
    assert "{" not in english + italian
    assert told.title_it
    assert bool(told.advice_it) == bool(told.advice)


def test_a_service_is_told_by_hours_and_days() -> None:
    assert describe(RULES["service-small"]) == "every 500 h or every 91 days, whichever comes first"


def test_a_message_that_is_written_down_is_the_same() -> None:
    assert Message.decode(message().encode()) == message()


def test_a_link_says_what_it_was_signed_for_until_it_expires() -> None:
    text = sign(LINK, SECRET)
    assert read(text, SECRET, NOW) == LINK
    assert read(text, SECRET, NOW + DAY - 1) == LINK
    with pytest.raises(LinkRefusedError, match="expired"):
        read(text, SECRET, NOW + DAY)


def test_a_link_that_was_changed_or_made_by_somebody_else_is_refused() -> None:
    text = sign(LINK, SECRET)
    other = sign(LINK._replace(person="ben"), SECRET)
    forged = f"{other.partition('.')[0]}.{text.partition('.')[2]}"
    for damaged in (forged, text[:-1], text[1:], "", ".", "x.y", "é.é", sign(LINK, bytes(32))):
        with pytest.raises(LinkRefusedError, match="damaged"):
            read(damaged, SECRET, NOW)


def test_links_of_two_messages_deeds_or_people_are_used_up_apart() -> None:
    others = [LINK._replace(deed="snooze"), LINK._replace(message="k2"), LINK._replace(person="ben")]
    assert len({LINK.id, *(each.id for each in others)}) == 4
    assert read(sign(LINK, SECRET), SECRET, NOW).id == LINK.id


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 are needed"):
        sign(LINK, b"short")


def picture(samples: list[Sample], period: Period, **how: object) -> ET.Element:
    text = draw(samples, period, title="Spindle <1>", unit="Cel", zone=ROME, **how)  # type: ignore[arg-type]
    return ET.fromstring(text)  # noqa: S314 - our own


def paths(root: ET.Element, stroke: str) -> list[str]:
    return [each.attrib["d"] for each in root.iter("{http://www.w3.org/2000/svg}path") if each.get("stroke") == stroke]


def test_the_picture_shows_values_limit_and_since_and_breaks_at_gaps() -> None:
    period = Period(NOW - 6 * HOUR, NOW)
    samples = [Sample("m1", "t", NOW - 6 * HOUR + minute * MINUTE, 40.0 + minute / 10) for minute in range(120)]
    samples += [Sample("m1", "t", NOW - HOUR + minute * MINUTE, 80.0) for minute in range(30)]
    samples[40] = samples[40]._replace(value=None, status=0x80310000)
    root = picture(samples, period, limits=[75.0], since=NOW - HOUR)
    assert len(paths(root, "#1f4e79")) == 3  # two gaps
    assert len(paths(root, "#b00020")) == 2
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Spindle <1> (Cel)"
    assert "2026-11-23 10:00" in texts


def test_the_picture_of_a_month_stays_small_and_keeps_its_peak() -> None:
    period = Period(NOW - 30 * DAY, NOW)
    samples = [
        Sample("m1", "t", period.start + 20 * SECOND * n, 1_000.0 if n == 60_001 else n % 7) for n in range(70_000)
    ]
    root = picture(samples, period)
    [line] = paths(root, "#1f4e79")
    assert line.count("L") <= 2 * COLUMNS + 2
    assert "1000" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_there_is_no_picture_of_nothing() -> None:
    assert draw([], Period(NOW - HOUR, NOW), title="t", zone=ROME) == ""
