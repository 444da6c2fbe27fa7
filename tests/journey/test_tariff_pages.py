"""A tariff in fields, on pages alone: a new version from the one in force, tried on last month, kept, corrected."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest

from api.pages.charges import month_before
from tests.journey.api_world import World, world
from tests.journey.test_closing_pages import furnish, last_month

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tariffs")) as made:
        furnish(made)
        rule = {"kind": "exact", "text": "X-77", "member": "firm-a"}
        assert made.send("POST", "/api/v1/job-rules", json=rule).status_code == 201
        yield made


def entry(it: World, name: str = "mills") -> dict[str, str]:
    """Return the entry of a tariff."""
    found: dict[str, str] = next(each for each in it.get("/api/v1/tariffs").json()["items"] if each["name"] == name)
    return found


def filled(text: str) -> dict[str, str]:
    """Return what a browser would send of the form as the page shows it."""
    found = {
        re.search(r'name="([^"]+)"', each)[1]: re.search(r' value="([^"]*)"', each)[1]  # type: ignore[index]
        for each in re.findall(r"<input [^>]*>", text)
        if 'type="checkbox"' not in each
    }
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        found[name] = re.search(r'value="([^"]*)" selected', options)[1]  # type: ignore[index]
    return {name: unescape(value) for name, value in found.items()}


def seen(it: World, path: str, language: str = "it", **asked: str) -> tuple[str, dict[str, str]]:
    answer = it.get(path, lang=language, **asked)
    assert answer.status_code == 200, answer.text
    return answer.text, filled(answer.text)


def sent(it: World, path: str, values: dict[str, str], language: str = "it") -> tuple[int, str]:
    answer = it.send("POST", path, data=values, params={"lang": language})
    return answer.status_code, unescape(answer.text)


def read(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", unescape(text)))


def test_a_version_is_tried_on_a_past_month_before_anything_is_kept(it: World) -> None:
    before, path = entry(it), f"/prices/{entry(it)['id']}/version"
    _, values = seen(it, path)
    assert (values["tariff"], values["name"], values["rate-processing"]) == ("mills", "2", "36,50")
    assert date.fromisoformat(values["from"]) > date.today()

    status, text = sent(it, path, values | {"rate-processing": "40", "month": last_month(), "try": "yes"})

    assert status == 200
    tried = read(text[text.index('id="tried"') :])
    assert "292,00 320,00 28,00" in tried, tried  # two days of four hours, at 36.50 and at 40.00
    assert 'value="40"' in text
    assert entry(it) == before


def test_what_is_wrong_is_said_at_its_field_in_both_languages_and_nothing_is_kept(it: World) -> None:
    before, path = entry(it), f"/prices/{entry(it)['id']}/version"
    for language, price, band, cap in (
        ("it", "Scrivi un prezzo", "La fascia F2 non ha prezzo", "Il minimo del mese supera il tetto"),
        ("en", "Write a price", "The band F2 has no price", "The minimum of the month is above its cap"),
    ):
        _, values = seen(it, path, language)
        wrong = {"rate-setup": "x", "rate-idle": "", "rate-idle-F1": "9", "rate-idle-F3": "8"}

        status, text = sent(it, path, values | wrong | {"monthly_minimum": "20", "monthly_cap": "10"}, language)

        assert status == 422
        for field, why in (("rate-setup", price), ("rate-idle-F2", band), ("monthly_minimum", cap)):
            said = re.search(rf'id="{field}-why">(.*?)</p>', text, re.DOTALL)
            assert said is not None, field
            assert why in read(said[1])
            assert f'<a href="#{field}">' in text
        assert 'value="x"' in text
    assert entry(it) == before


def test_another_calendar_shows_its_bands_without_script_and_keeps_what_was_typed(it: World) -> None:
    path = "/prices/new/version"
    _, values = seen(it, path)
    assert "rate-setup-F1" in values

    status, text = sent(it, path, values | {"calendar": "", "tariff": "presse", "show": "yes"})

    shown = filled(text)
    assert status == 200
    assert "rate-setup-F1" not in shown
    assert shown["tariff"] == "presse"


def test_a_new_tariff_a_new_version_and_its_correction_are_kept_and_what_no_field_shows_stays(it: World) -> None:
    path = "/prices/new/version"
    assert it.send("PUT", "/api/v1/members/firm-b", json=_grouped(it)).status_code == 200
    _, values = seen(it, path)
    status, text = sent(it, path, values | {"tariff": "presse", "rate-processing": "50", "from": "2020-01-01"})
    assert status == 422
    assert "Un'altra tariffa vale per le stesse macchine" in text, "for all members there is one already"
    status, _ = sent(
        it, path, values | {"tariff": "presse", "rate-processing": "50", "groups": "presse", "from": "2021-01-01"}
    )
    assert status == 303
    kept = entry(it, "presse")
    own = kept["text"].replace("[[versions]]", "[[versions]]\n# agreed in May\nstart_up = 4.00")
    assert it.send("PUT", f"/api/v1/tariffs/{kept['id']}", json={"kind": "tariffs", "text": own}).status_code == 200

    path = f"/prices/{kept['id']}/version"
    text, values = seen(it, path)
    assert "Nessun campo lo mostra" in text
    assert "4,00" in read(text)
    ahead = (date.today().replace(day=1) + timedelta(days=70)).replace(day=1).isoformat()
    plus = {"plus-F1": "20", "from": ahead, "groups": "presse"}
    assert sent(it, path, values | plus)[0] == 303

    found = entry(it, "presse")["text"]
    assert found.startswith(own.rstrip().replace("from = 2021-01-01", f"from = 2021-01-01\nto = {ahead}"))
    assert "time = { processing = { F1 = 60.00, F2 = 50.00, F3 = 50.00 } }" in found
    assert found.count("start_up = 4.00") == 2

    _, values = seen(it, path, correct="yes", **{"from": "2"})
    assert values["rate-processing-F1"] == "60,00"
    assert sent(it, path, values | {"rate-processing-F1": "61", "groups": "presse"})[0] == 303
    assert entry(it, "presse")["text"] == found.replace("F1 = 60.00", "F1 = 61")


def _grouped(it: World) -> dict[str, object]:
    values = it.get("/api/v1/members/firm-b").json()
    return {key: value for key, value in values.items() if key not in {"id", "version"}} | {"group_name": "presse"}


def test_a_tariff_that_somebody_else_has_changed_is_not_overwritten(it: World) -> None:
    kept = entry(it)
    path = f"/prices/{kept['id']}/version"
    _, values = seen(it, path)
    text = kept["text"] + "# seen by another person\n"
    assert it.send("PUT", f"/api/v1/tariffs/{kept['id']}", json={"kind": "tariffs", "text": text}).status_code == 200

    status, page = sent(it, path, values)

    assert status == 422
    assert "qualcun altro" in page
    assert entry(it)["text"] == text


def test_what_closed_months_were_charged_by_is_neither_corrected_nor_begun_within(it: World) -> None:
    month = month_before(last_month())
    closed = it.send("POST", "/api/v1/closings", json={"month": month, "accepted": {"*": "no data was kept"}})
    assert closed.status_code == 201, closed.text
    path = f"/prices/{entry(it)['id']}/version"

    text, values = seen(it, path, correct="yes")
    assert "Nuova versione di mills" in read(text)
    status, text = sent(it, path, values | {"from": f"{month}-10", "tariff": "fresatrici"})

    assert status == 422
    assert "è chiuso: comincia dopo" in re.sub(r"\s+", " ", text[text.index('id="from-why"') :][:400])
    assert "Mesi chiusi sono stati addebitati" in text[text.index('id="tariff-why"') :][:400]
    assert sent(it, path, values)[0] == 303
