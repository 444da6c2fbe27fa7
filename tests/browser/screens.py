"""What every screen has to keep, as a real browser sees it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, sync_playwright

from tests.journey.people import PASSWORD
from tests.services.peer.peer import find_node, install_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.journey.api_world import World

SIZES = {
    "desktop": (1440, 900), "phone": (390, 844), "small phone": (360, 740), "tablet": (1280, 800), "wall": (1920, 1080),
}  # fmt: skip
SERIOUS = ("serious", "critical")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
WAIT_MILLISECONDS = 20_000


class Screen:
    """A browser page that notes what it complains about, whom it asks, and how often it was clicked.

    Attributes:
        page: the page of Playwright.
        complaints: errors and violations of the content policy.
        strangers: requests that left the server.
        clicks: how many there were.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.clicks = 0
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._ask)

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"} and "Service Worker" not in message.text:
            self.complaints.append(message.text)

    def _ask(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strangers.append(request.url)

    def open(self, path: str) -> int:
        """Go to a page. Returns its status."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        return answer.status

    def click(self, selector: str) -> None:
        """Click, and count it."""
        self.clicks += 1
        self.page.click(selector)

    def sign_in(self, holder: str) -> None:
        """Sign in as somebody."""
        self.open("/sign-in?lang=it")
        self.page.fill("#email", f"{holder}@example.it")
        self.page.fill("#password", PASSWORD)
        self.page.press("#password", "Enter")
        self.page.wait_for_selector(".nav a")

    def width(self) -> int:
        """Return how wide the page is, whatever is seen of it."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def barriers(self) -> list[str]:
        """Return what axe finds that keeps people out, serious or worse."""
        self.page.evaluate(axe())  # in the debugger's own way: the content policy of the page stays as it is
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {node['html'][:120]}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"][:3]
        ]

    def texts(self) -> str:
        """Return what is read on the page."""
        return re.sub(r"\s+", " ", self.page.inner_text("main"))


def axe() -> str:
    """Return the source of axe-core, installed as its lock says."""
    folder = Path(__file__).with_name("axe")
    modules = install_packages(find_node(), Path(__file__).parents[2] / ".cache" / "axe", named_in=folder)
    return (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def screen(
    browser: Browser, it: World, holder: str, size: str, *, script: bool = True, keeps: bool = False
) -> Iterator[Screen]:
    """Open a browser window of a size, signed in as somebody; one that keeps pages has its service worker."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        java_script_enabled=script,
        service_workers="allow" if keeps else "block",
    )
    try:
        made = Screen(context.new_page(), it.url)
        made.sign_in(holder)
        yield made
    finally:
        context.close()
