"""A headless Chromium, driven over its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import time
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.client import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

START_SECONDS = 20.0
WAIT_SECONDS = 15.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Page:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []

    async def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        await self._send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def resize(self, width: int, height: int) -> None:
        """Show the page in a window of this size, in CSS pixels."""
        await self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def disable_script(self) -> None:
        """Run no script of pages from now on."""
        await self._send("Emulation.setScriptExecutionDisabled", value=True)

    async def evaluate(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        answer = await self._send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until an expression holds in the page."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not await self._holds(condition):
            assert time.monotonic() < deadline, f"it never came to hold that {condition}"
            await asyncio.sleep(0.05)

    async def _holds(self, condition: str) -> bool:
        try:
            return bool(await self.evaluate(f"Boolean({condition})"))
        except AssertionError:  # the page is just being replaced
            return False

    async def type(self, selector: str, text: str) -> None:
        """Put the focus on an element and type."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        await self._send("Input.insertText", text=text)

    async def press_enter(self) -> None:
        """Press the enter key where the focus is."""
        for kind in ("keyDown", "keyUp"):
            await self._send(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
            )

    async def text(self) -> str:
        """Return the text that a person sees."""
        return str(await self.evaluate("document.body.innerText"))

    async def screenshot(self, path: Path, *, is_whole: bool = False) -> None:
        """Save a picture."""
        answer = await self._send("Page.captureScreenshot", captureBeyondViewport=is_whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    async def start(self) -> Self:
        """Ask to be told of what the page complains about."""
        for domain in ("Page", "Runtime", "Log"):
            await self._send(f"{domain}.enable")
        return self

    async def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "sessionId": self._session, "method": method, "params": parameters}
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                answer: dict[str, Any] = json.loads(await self._socket.recv())
                self._listen(answer)
                if answer.get("id") == number:
                    assert "error" not in answer, f"{method}: {answer['error']}"
                    result: dict[str, Any] = answer["result"]
                    return result

    def _listen(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(message["params"]["entry"]["text"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))


@contextlib.asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """Start a browser whose profile is kept in a folder, with one page; end it afterwards."""
    program = shutil.which("chromium")
    assert program, "chromium is missing: `make servers` installs it"
    process = await asyncio.create_subprocess_exec(
        program,
        *_FLAGS,
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port, path = await _debugger(folder)
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as socket:
            yield await (await _attach(socket)).start()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _debugger(folder: Path) -> tuple[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(FileNotFoundError, ValueError):
            port, path = (await asyncio.to_thread(_read, folder)).split()
            return port, path
        assert time.monotonic() < deadline, "chromium did not start"
        await asyncio.sleep(0.05)


def _read(folder: Path) -> str:
    return (folder / "DevToolsActivePort").read_text()


async def _attach(socket: ClientConnection) -> Page:
    async def ask(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        await socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(await socket.recv())
            if answer.get("id") == number:
                result: dict[str, Any] = answer["result"]
                return result

    target = await ask(-1, "Target.createTarget", url="about:blank")
    attached = await ask(-2, "Target.attachToTarget", targetId=target["targetId"], flatten=True)
    return Page(socket, attached["sessionId"])
