"""The repository's daemon: looks, decides, runs sessions, and answers its clouds.

X: the loops that join `Repository`, `Engine` and session processes.  What clouds and people ask
comes in by `toolkit.sync.api`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolkit.delivery.authentic import key_of
from toolkit.delivery.sealing import SECRET_SIZE
from toolkit.errors import ToolkitError
from toolkit.sync.config import Config
from toolkit.sync.engine import Engine
from toolkit.sync.job import Job
from toolkit.sync.journal import Journal
from toolkit.sync.model import NOTHING, Abort, Holding, Stage, Standing, Start, Target
from toolkit.sync.process import SessionProcess
from toolkit.sync.repository import Repository

SOON, NEXT = 0.5, 0.1
"""Seconds after which a cloud is to report again: while it lacks something, and else (its report is
then answered when there is something to do)."""
GATHER = 3.0
"""Seconds that a session waits for those of its clouds that have not joined."""
DONE = frozenset({Stage.CURRENT, Stage.PINNED})


class Daemon:
    """`say` is told what people may want to read; `key`: file of the key that signs."""

    def __init__(
        self,
        config: Config,
        repository: Repository,
        journal: Journal,
        key: Path,
        say: Callable[[str], None],
        *,
        idle: bool = False,
    ) -> None:
        """`idle`: look and listen, and begin nothing."""
        self.config = config
        self.idle = idle
        self._begin = time.time() - time.monotonic()
        self._repository = repository
        self._journal = journal
        self._key = key
        self._say = say
        self._engine = Engine(config.rules, self.now, journal.earlier)
        self._processes: dict[int, SessionProcess] = {}
        self._slots: dict[int, int] = {}
        """Session -> which of the groups it has."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._targets: dict[tuple[str, str], Target] = {}
        self.why: dict[str, str] = {}
        """MODEL@WANTED -> why there is no such version to send."""
        self.looked = False
        self._ending = False
        self.reporting: set[str] = set()
        """Clouds that have reported to us."""
        self._failure: BaseException | None = None
        self._flush()

    @property
    def now(self) -> float:
        """Unix time that never goes back while we run."""
        return self._begin + time.monotonic()

    async def run(self, until: Callable[[Daemon], bool]) -> None:
        """Work until `until` says so; sessions that run then are ended."""
        watching = asyncio.create_task(self._watch())
        try:
            while not until(self):
                if watching.done():
                    watching.result()
                if self._failure is not None:
                    raise self._failure
                self._act()
                due = self._engine.deadline(self.now)
                wait = 1.0 if due is None else min(max(due - self.now, 0.01), 1.0)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), wait)
                self._news.clear()
        finally:
            self._ending = True
            self._tell()
            watching.cancel()
            for process in self._processes.values():
                process.stop()
            await asyncio.gather(watching, *self._tasks, return_exceptions=True)

    # ----- what the API asks

    async def report(
        self, cloud: str, holdings: dict[str, Holding], joined: Collection[int], wait: float
    ) -> dict[str, Any]:
        """A cloud says what it has, and which sessions it knows of; return what it is to have, and
        from where it comes: at once when that asks for something, else after `wait` seconds."""
        self._engine.heard(self.now, cloud, holdings)
        self.reporting.add(cloud)
        self._tell()
        until = time.monotonic() + wait
        while True:
            answer = self._orders(cloud)
            left = until - time.monotonic()
            fresh = any(o["session"] not in joined for o in answer["sessions"])
            switch = any(
                holdings.get(model, NOTHING).current != wanted["content"]
                and wanted["content"] in holdings.get(model, NOTHING).held
                and not holdings.get(model, NOTHING).pinned
                for model, wanted in answer["wanted"].items()
            )
            if fresh or switch or left <= 0 or self._ending:
                return answer
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _tell(self) -> None:
        """There is news, for `run` and for all that wait for orders."""
        self._news.set()
        self._changed.set()
        self._changed = asyncio.Event()

    def _orders(self, cloud: str) -> dict[str, Any]:
        wanted = self._desired().get(cloud, {})
        standings = [s for s in self._engine.standings(self.now) if s.cloud == cloud]
        busy = any(s.stage not in DONE | {Stage.GIVEN_UP} for s in standings)
        return {
            "keep": self.config.keep,
            "complete": self.looked and wanted.keys() == self.config.clouds[cloud].keys(),
            "again": SOON if busy or not self.looked else NEXT,
            "wanted": {
                model: {"version": t.version, "content": t.content} for model, t in wanted.items()
            },
            "sessions": [
                self._offer(cloud, number, process)
                for number, process in self._processes.items()
                if cloud in process.job.clouds and process.port is not None
            ],
        }

    def wake(self) -> None:
        """Let `run` look at once whether it is to end."""
        self._news.set()

    def knows(self, cloud: str) -> bool:
        return cloud in self.config.clouds

    def standings(self) -> list[Standing]:
        return self._engine.standings(self.now)

    def converged(self) -> bool:
        """Whether every cloud has what it is to have, and all of that is known."""
        return self.looked and not self.why and all(s.stage in DONE for s in self.standings())

    def settled(self) -> bool:
        """Whether nothing more will come of it by itself."""
        over = DONE | {Stage.GIVEN_UP}
        return (
            self.looked
            and not self.why
            and not self._engine.running
            and all(s.stage in over for s in self.standings())
        )

    def status(self) -> dict[str, Any]:
        """How everything stands."""
        names = {t.content: t.version for t in self._targets.values()}
        return {
            "converged": self.converged(),
            "clouds": [
                {
                    "cloud": s.cloud, "model": s.target.model, "wanted": s.target.version,
                    "current": names.get(s.current or "", s.current and s.current[:12]),
                    "stage": str(s.stage), "failures": s.failures, "why": s.why,
                }
                for s in self.standings()
            ],
            "sessions": [
                {
                    "session": number, "model": running.target.model,
                    "version": running.target.version, "clouds": list(running.clouds),
                    "seconds": round(self.now - running.started, 1),
                    "sending": process.sending, "receivers": process.receivers,
                }
                for number, running in self._engine.running.items()
                if (process := self._processes.get(number)) is not None
            ],
            "missing": self.why,
            "problems": self._repository.problems,
        }  # fmt: skip

    def _offer(self, cloud: str, number: int, process: SessionProcess) -> dict[str, Any]:
        target = self._engine.running[number].target
        return {
            "session": number, "tsi": process.job.tsi, "model": target.model,
            "version": target.version, "content": target.content,
            "address": self.config.address, "port": process.port, "group": process.job.group,
            "seal_key": process.job.seal_key, "manifest": process.manifest,
            "key": key_of(bytes.fromhex(process.job.token), cloud).hex(),
        }  # fmt: skip

    # ----- looking

    async def _watch(self) -> None:
        while True:
            before = dict(self._repository.problems)
            try:
                changed = await asyncio.to_thread(self._repository.look, self.now)
            except ToolkitError as error:
                self._say(str(error))
            else:
                if changed or not self.looked:
                    self._want()
                for version, why in self._repository.problems.items():
                    if before.get(version) != why and "changed less than" not in why:
                        self._say(f"{version}: not taken: {why}")
                self._want()
                self.looked = True
                self._tell()
            await asyncio.sleep(self.config.interval)

    def _want(self) -> None:
        """See what the wishes mean now."""
        self.why.clear()
        targets: dict[tuple[str, str], Target] = {}
        for cloud, wishes in self.config.clouds.items():
            for model, wish in wishes.items():
                found, why = self._repository.resolve(model, wish.version)
                if found is None:
                    self.why[f"{model}@{wish.version}"] = why
                    continue
                version, taken = found
                targets[cloud, model] = Target(model, version, taken.content, wish.rate)
        for key, target in targets.items():
            if self._targets.get(key) != target:
                self._say(f"{key[0]}: is to have {target}")
        if targets != self._targets:
            self._targets = targets
            self._repository.remember()
            self._engine.want(self._desired())

    def _desired(self) -> dict[str, dict[str, Target]]:
        desired: dict[str, dict[str, Target]] = {}
        for (cloud, model), target in self._targets.items():
            desired.setdefault(cloud, {})[model] = target
        return desired

    # ----- acting

    def _act(self) -> None:
        if self.idle:
            return
        decisions = self._engine.decide(self.now)
        self._flush()
        for decision in decisions:
            match decision:
                case Start(session=session, target=target, clouds=clouds):
                    self._start(session, target, clouds)
                case Abort(session=session):
                    self._say(f"session {session}: its version is wanted no more; it is ended")
                    self._processes[session].stop()

    def _start(self, session: int, target: Target, clouds: tuple[str, ...]) -> None:
        path = self._repository.path(target.model, target.version)
        if path is None:
            self._engine.ended(self.now, session, dict.fromkeys(clouds, f"{target} has gone"))
            return
        self._say(f"session {session}: {target} to {', '.join(clouds)}")
        slot = min(set(range(self.config.rules.sessions)) - set(self._slots.values()))
        job = Job(
            path=str(path), name=str(target), content=target.content,
            digests=str(self.config.state / "digests"), key=str(self._key),
            tsi=int.from_bytes(os.urandom(4)) or 1, token=os.urandom(32).hex(), clouds=clouds,
            seal_key=os.urandom(SECRET_SIZE).hex() if self.config.sealed else None,
            symbol=self.config.coding.symbol, rate=target.rate, gather=GATHER,
            timeout=self.config.timeout, host=_listening(self.config.address),
            ports=self.config.ports,
            group=None if self.config.group is None else group_of(self.config.group, slot),
            interface=self.config.interface,
        )  # fmt: skip
        self._slots[session] = slot
        process = self._processes[session] = SessionProcess(job, self._tell)
        task = asyncio.create_task(self._see_through(session, target, process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see_through(self, session: int, target: Target, process: SessionProcess) -> None:
        try:
            outcome = await process.run()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - `run` raises it where somebody sees it
            self._failure = error
            self._tell()
            return
        finally:
            del self._processes[session], self._slots[session]
        if self._ending:
            return  # The next engine finds it running, and nobody is blamed.
        self._engine.ended(self.now, session, outcome.why)
        self._flush()
        have = [cloud for cloud, why in outcome.why.items() if not why]
        share = f"{100 * outcome.sent / outcome.size:.1f} %" if outcome.size else "nothing"
        self._say(
            f"session {session}: {target} is in {', '.join(have) or 'no cloud'}; "
            f"{outcome.sent} bytes sent ({share} of it) in {outcome.seconds:.1f} s"
        )
        if outcome.refused:
            said = ", ".join(f"{n} {kind}" for kind, n in sorted(outcome.refused.items()))
            self._say(f"session {session}: refused: {said}")
        for cloud, why in outcome.why.items():
            if why:
                self._say(f"session {session}: {cloud} has not got it: {why}")
        self._tell()

    def _flush(self) -> None:
        self._journal.write(self._engine.records)
        self._engine.records.clear()


def group_of(first: str, slot: int) -> str:
    """The multicast group of a slot: the first one is that of slot 0, the others follow."""
    host, _, port = first.rpartition(":")
    group = ipaddress.ip_address(host.strip("[]")) + slot
    return f"[{group}]:{port}" if group.version == 6 else f"{group}:{port}"


def _listening(host: str) -> str:
    """Where to listen so that `host` reaches us: there where it is ours, else (a name, the address
    of a gateway) everywhere."""
    try:
        given = ipaddress.ip_address(host)
    except ValueError:
        return "0.0.0.0"
    family = socket.AF_INET6 if given.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((host, 0))
    except OSError:
        return "[::]" if given.version == 6 else "0.0.0.0"
    return f"[{host}]" if given.version == 6 else host
