"""A real headless browser, spoken to by the Chrome DevTools Protocol over a pipe of its own port.

python -m tests.integration.console.browser FILE      renew the picture of operator/docs/console.md
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from e2e.cluster.packages import install_missing

PACKAGE = "chromium-headless-shell"


def binary() -> str:
    """The browser of Debian; installed where it is missing."""
    if not shutil.which(PACKAGE):
        install_missing([PACKAGE])
    found = shutil.which(PACKAGE)
    assert found, f"no {PACKAGE}"
    return found


class Page:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.errors: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(message["params"]["exceptionDetails"])[:500])
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error":
                self.errors.append(f"{entry['text']} {entry.get('url', '')}")

    async def says(self, expression: str) -> Any:
        """Evaluate; a promise is waited for."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = 120) -> Any:
        """Wait until an expression is true."""
        async with asyncio.timeout(seconds):
            while not (found := await self.says(expression)):
                await asyncio.sleep(0.05)
        return found

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("document.documentElement?.dataset.ready === 'true'")

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13}[key]
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)  # fmt: skip

    async def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def size(self, width: int, height: int) -> None:
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)  # fmt: skip

    async def picture(self, *, whole: bool = False) -> bytes:
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """Start it with a profile of its own; end it and forget the profile."""
    # What is killed may have a file open to the last moment.
    profile = tempfile.TemporaryDirectory(prefix="tokenfleet-browser-", ignore_cleanup_errors=True)
    with profile as folder:
        flags = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0")
        process = subprocess.Popen(
            [binary(), *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = await _port(Path(folder) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    targets = await answer.json()
                where = next(one for one in targets if one["type"] == "page")
                url = where["webSocketDebuggerUrl"]
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.call(f"{domain}.enable")
                    yield page
        finally:
            # Debian's command is a script that starts the browser, and that starts more.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=90)


async def _port(file: Path) -> int:
    async with asyncio.timeout(120):
        while not (file.exists() and (lines := file.read_text().split())):
            await asyncio.sleep(0.05)
    return int(lines[0])


async def _renew(file: Path) -> None:
    """Take the picture of the documentation: the page with the tests' fleet."""
    from tests.integration.console.test_page import Stage, served  # noqa: PLC0415 - they use this

    async for shown, url in served():
        async with browser() as page:
            await page.size(1280, 1130)
            await page.scheme("light")
            await Stage(page, shown, url).open(where="#search/assistant")
            await page.until("document.querySelectorAll('#charts figure').length > 0")
            file.write_bytes(await page.picture())


if __name__ == "__main__":
    asyncio.run(_renew(Path(sys.argv[1])))
