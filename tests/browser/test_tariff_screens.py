"""A tariff in fields, in a browser: whole at every size, with script and without; clicks counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.screens import SIZES, chromium, screen
from tests.journey.api_world import World, world
from tests.journey.people import add_people
from tests.journey.test_closing_pages import furnish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytestmark = pytest.mark.services
CLICKS_MAX = 5
"""Charges, prices, the version, try, keep."""
REFUSED = "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tariff-screens"), more='second_factor = "optional"') as made:
        add_people(made.folder)
        furnish(made)
        rule = {"kind": "exact", "text": "X-77", "member": "firm-a"}
        assert made.send("POST", "/api/v1/job-rules", json=rule).status_code == 201
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize("size", ["desktop", "phone", "small phone"])
def test_the_fields_are_whole_at_every_size_in_both_languages_by_day_and_at_night(
    it: World, browser: Browser, size: str
) -> None:
    with screen(browser, it, "administrator", size) as seen:
        for language, theme, title in (("it", "light", "Aggiungi una tariffa"), ("en", "night", "Add a tariff")):
            assert seen.open(f"/prices?lang={language}&theme={theme}") == 200
            assert seen.width() <= SIZES[size][0]
            assert seen.barriers() == []
            assert seen.open("/prices/new/version") == 200
            assert title in seen.texts()
            assert seen.width() <= SIZES[size][0]
            assert seen.barriers() == []
        assert seen.complaints == []
        seen.page.click("aside .btn.main")
        seen.page.wait_for_selector(".summary")
        assert seen.width() <= SIZES[size][0]
        assert seen.barriers() == []
        assert seen.complaints == [REFUSED]


@pytest.mark.parametrize("script", [True, False])
def test_a_price_is_changed_tried_and_kept_in_few_clicks(it: World, browser: Browser, *, script: bool) -> None:
    with screen(browser, it, "administrator", "desktop", script=script) as seen:
        seen.click(".nav a[href='/charges']")
        seen.click("main a[href='/prices']")
        seen.click("text=Nuova versione da questa >> nth=-1")
        seen.page.fill("#rate-processing", "40,00")
        seen.click("button[name=try]")
        seen.page.wait_for_selector("#tried")
        assert "28,00" in seen.page.inner_text("#tried tfoot")
        seen.page.fill("#rate-processing", "molto")
        seen.page.click("aside .btn.main")
        seen.page.wait_for_selector("#rate-processing-why")
        assert "Scrivi un prezzo" in seen.page.inner_text("#rate-processing-why")
        seen.page.fill("#rate-processing", "40,00")
        seen.click("aside .btn.main")
        seen.page.wait_for_selector(".done")
        assert "40,00 €/h" in seen.texts().replace("\N{NO-BREAK SPACE}", " ")
        assert seen.clicks <= CLICKS_MAX
        assert seen.strangers == []
        assert set(seen.complaints) <= {REFUSED}
