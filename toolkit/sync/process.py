"""A session's process, as the repository sees it.

X: starts a process and reads what it tells.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from toolkit.sync.job import Job, Outcome

PATIENCE = 5.0
"""Seconds that a process which was asked to end may take."""
MAX_LINE = 2**20


@dataclass(slots=True)
class SessionProcess:
    """`changed` is called whenever it tells something."""

    job: Job
    changed: Callable[[], None]
    port: int | None = None
    """Where it listens; None: not yet."""
    manifest: str = ""
    """BLAKE3 of the manifest that it sends, hexadecimal."""
    sending: int = 0
    """bit/s."""
    receivers: dict[str, dict[str, Any]] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _stopping: bool = False
    _why: str = ""

    async def run(self) -> Outcome:
        """Run it to its end."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "toolkit.sync.session", stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=MAX_LINE,
            )  # fmt: skip
        except OSError as error:
            return self._failed(f"its process cannot be started: {error.strerror}")
        try:
            return await self._listen(self._process)
        finally:
            await self._end(self._process)

    def stop(self) -> None:
        """Let it end."""
        self._stopping = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def _listen(self, process: asyncio.subprocess.Process) -> Outcome:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        with suppress(ConnectionError):
            process.stdin.write(self.job.encode())
            await process.stdin.drain()
        if self._stopping:
            process.stdin.close()
        outcome: Outcome | None = None
        async for text in process.stdout:
            told: Any = json.loads(text)
            if told["event"] == "ended":
                outcome = Outcome.parse(told)
            else:
                self._hear(told)
                self.changed()
        code = await process.wait()
        said = (await errors).decode(errors="replace").strip().splitlines()
        if outcome is not None:
            return outcome
        if self._stopping:
            return self._failed("the session was ended: its version is wanted no more")
        return self._failed(self._why or f"its process ended ({code}): {said[-1] if said else ''}")

    def _hear(self, told: dict[str, Any]) -> None:
        match told["event"]:
            case "listening":
                self.port, self.manifest = int(told["port"]), str(told["manifest"])
            case "progress":
                self.sending = int(told["sending"])
                self.receivers = dict(told["receivers"])
            case "settled":
                self.receivers.setdefault(str(told["cloud"]), {})["standing"] = told["standing"]
            case "failed":
                self._why = str(told["why"])
            case _:
                pass

    def _failed(self, why: str) -> Outcome:
        return Outcome(dict.fromkeys(self.job.clouds, why))

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
