"""A headless Chromium for tests of pages, driven by the Chrome DevTools Protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip


class Tab:
    """One page."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        """What the page has thrown, and what its security policy has forbidden."""
        self.requests: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._ws.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._ws.receive_json(timeout=30)
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.problems.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        await self.wait(f"location.href === '{url}' && document.readyState === 'complete'")

    async def value(self, expression: str) -> Any:
        result = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def wait(self, expression: str, seconds: float = 30) -> Any:
        """Return the first true value of an expression."""
        end = time.monotonic() + seconds
        while not (found := await self.value(expression)):
            if time.monotonic() > end:
                text = await self.value("document.body.innerText")
                raise AssertionError(f"{expression} did not become true; the page says:\n{text}")
            await asyncio.sleep(0.05)
        return found

    async def picture(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Take a picture of the whole page."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip
        taken = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextlib.asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    """Start a Chromium of its own, with one empty page; nothing of it stays."""
    # A short path: there will be a socket in it.
    with tempfile.TemporaryDirectory(prefix="llmsync-", ignore_cleanup_errors=True) as folder:
        async with _started(Path(folder)) as page:
            yield page


@contextlib.asynccontextmanager
async def _started(folder: Path) -> AsyncIterator[Tab]:
    assert PROGRAM is not None
    profile = folder / "profile"
    process = subprocess.Popen(
        [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                (page,) = (t for t in await response.json() if t["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                yield Tab(ws)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _port(file: Path) -> int:
    end = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int((await asyncio.to_thread(file.read_text)).splitlines()[0])
        assert time.monotonic() < end, "Chromium did not start"
        await asyncio.sleep(0.05)
