"""What clouds are to have and what they say they have -> which sessions are run.

Pure: it is told the time and what has happened, and says what to do.  Nothing is remembered that
could be found out again: a cloud that lacks what it is to have *is* a request, so a change of mind
leaves no request behind.  Requests for one version are gathered for `Rules.window` seconds, less
when nobody else could still ask.  Versions wait in the order in which they were first asked for,
and none overtakes another because it is smaller.

What a restart must not forget (who failed how often, which sessions were running) is in `records`:
write them down before you act on a decision, and hand them to the next engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toolkit.sync.model import (
    NOTHING,
    Abort,
    Decision,
    Desired,
    Holding,
    Policy,
    Record,
    Rules,
    Running,
    Stage,
    Standing,
    Start,
    Target,
)

RESTARTED = "the repository was started again"

Key = tuple[str, str]
"""Cloud and model."""


@dataclass(slots=True)
class _Trouble:
    """What went wrong for a cloud with one content."""

    content: str
    failures: int = 0
    due: float = 0.0
    why: str = ""


class Engine:
    """The repository's decisions.  `records`: what an earlier engine left, oldest first."""

    def __init__(self, rules: Rules, now: float = 0.0, records: Iterable[Record] = ()) -> None:
        self.rules = rules
        self.running: dict[int, Running] = {}
        self.records: list[Record] = []
        """What happened since they were last taken away."""
        self._desired: Desired = {}
        self._holdings: dict[Key, Holding] = {}
        self._heard: dict[str, float] = {}
        self._trusted: dict[Key, dict[str, float]] = {}
        """Contents that receipts say are there -> the time from which on reports count again."""
        self._trouble: dict[Key, _Trouble] = {}
        self._opened: dict[tuple[str, str], float] = {}
        """(model, content) -> when it was first asked for."""
        self._aborted: set[int] = set()
        self._next = 1
        for record in records:
            self._replay(record)
        for session in list(self.running):
            clouds = self.running[session].clouds
            self.ended(now, session, dict.fromkeys(clouds, RESTARTED))

    # ----- what happens

    def want(self, desired: Desired) -> None:
        """From now on, clouds are to have this."""
        self._desired = {cloud: dict(models) for cloud, models in desired.items()}
        for key, trouble in list(self._trouble.items()):
            target = self._target(key)
            if target is not None and target.content != trouble.content:
                del self._trouble[key]

    def heard(self, now: float, cloud: str, holdings: Mapping[str, Holding]) -> None:
        """A cloud reports what it has, of all models."""
        self._heard[cloud] = now
        for key in [k for k in self._holdings if k[0] == cloud]:
            del self._holdings[key]
        for model, holding in holdings.items():
            self._holdings[cloud, model] = holding
        for (other, _), receipts in self._trusted.items():
            if other == cloud:
                for content in [c for c, until in receipts.items() if now >= until]:
                    del receipts[content]

    def ended(self, now: float, session: int, outcomes: Mapping[str, str]) -> None:
        """A session has ended: for each of its clouds, why it has not got everything; empty: it
        has.  A cloud that is not named has not got it."""
        done = self.running[session]
        told = {cloud: outcomes.get(cloud, "nothing is known of it") for cloud in done.clouds}
        self._apply_end(now, session, told)
        self.records.append(Record(now, "ended", session, outcomes=told))

    def decide(self, now: float) -> list[Decision]:
        """Say what to do now; call it after anything has happened and at `deadline`."""
        decisions: list[Decision] = []
        if self.rules.running is Policy.ABORT:
            for number, under_way in self.running.items():
                if number not in self._aborted and not self._wanted_by(under_way):
                    self._aborted.add(number)
                    decisions.append(Abort(number))
        for target, clouds in self._ready(now):
            if len(self.running) >= self.rules.sessions:
                break
            used = sum(r.target.rate for r in self.running.values())
            if self.running and used + target.rate > self.rules.uplink:
                break
            session, self._next = self._next, self._next + 1
            start = Start(session, target, tuple(clouds))
            self.running[session] = Running(session, target, start.clouds, now)
            self.records.append(Record(now, "started", session, target, start.clouds))
            del self._opened[target.model, target.content]
            decisions.append(start)
        return decisions

    def deadline(self, now: float) -> float | None:
        """When to call `decide` again if nothing happens before; None: never."""
        dues = [opened + self.rules.window for opened in self._opened.values()]
        dues += [trouble.due for trouble in self._trouble.values()]
        later = [due for due in dues if due > now]
        return min(later) if later else None

    # ----- how things stand

    def standings(self, now: float) -> list[Standing]:
        """Every cloud and every model that it is to have."""
        return [
            self._standing(now, (cloud, model), target)
            for cloud, models in sorted(self._desired.items())
            for model, target in sorted(models.items())
        ]

    def _standing(self, now: float, key: Key, target: Target) -> Standing:
        holding = self._holdings.get(key, NOTHING)
        trouble = self._trouble.get(key)
        if holding.current == target.content:
            stage = Stage.CURRENT
        elif holding.pinned:
            stage = Stage.PINNED
        elif self._busy(key):
            stage = Stage.DELIVERING
        elif self._has(key, target):
            stage = Stage.HELD
        elif not self._present(now, key[0]):
            stage = Stage.AWAY
        elif self._given_up(trouble):
            stage = Stage.GIVEN_UP
        elif trouble is not None and trouble.due > now:
            stage = Stage.WAITING
        else:
            stage = Stage.QUEUED
        return Standing(
            cloud=key[0], target=target, stage=stage, current=holding.current,
            why=trouble.why if trouble else "", failures=trouble.failures if trouble else 0,
        )  # fmt: skip

    # ----- requests

    def _ready(self, now: float) -> list[tuple[Target, list[str]]]:
        """Versions whose requests are gathered, first asked for first, and who asks."""
        asking: dict[tuple[str, str], list[str]] = {}
        lacking: dict[tuple[str, str], int] = {}
        targets: dict[tuple[str, str], Target] = {}
        for cloud, models in sorted(self._desired.items()):
            for model, target in models.items():
                if not self._lacks((cloud, model), target):
                    continue
                wanted = model, target.content
                targets.setdefault(wanted, target)
                lacking[wanted] = lacking.get(wanted, 0) + 1
                if self._asks(now, (cloud, model)):
                    asking.setdefault(wanted, []).append(cloud)
        for gone in self._opened.keys() - asking.keys():
            del self._opened[gone]
        for wanted in asking:
            self._opened.setdefault(wanted, now)
        return [
            (targets[wanted], asking[wanted])
            for wanted in sorted(asking, key=lambda w: (self._opened[w], w))
            if now >= self._opened[wanted] + self.rules.window
            or len(asking[wanted]) == lacking[wanted]
        ]

    def _lacks(self, key: Key, target: Target) -> bool:
        pinned = self._holdings.get(key, NOTHING).pinned
        return not pinned and not self._has(key, target)

    def _asks(self, now: float, key: Key) -> bool:
        trouble = self._trouble.get(key)
        waits = trouble is not None and (trouble.due > now or self._given_up(trouble))
        return self._present(now, key[0]) and not self._busy(key) and not waits

    def _has(self, key: Key, target: Target) -> bool:
        held = self._holdings.get(key, NOTHING).held
        return target.content in held or target.content in self._trusted.get(key, ())

    def _present(self, now: float, cloud: str) -> bool:
        return cloud in self._heard and now - self._heard[cloud] <= self.rules.presence

    def _busy(self, key: Key) -> bool:
        cloud, model = key
        return any(r.target.model == model and cloud in r.clouds for r in self.running.values())

    def _given_up(self, trouble: _Trouble | None) -> bool:
        tries = self.rules.tries
        return trouble is not None and tries is not None and trouble.failures >= tries

    def _wanted_by(self, session: Running) -> list[str]:
        model, content = session.target.model, session.target.content
        found = [(cloud, self._target((cloud, model))) for cloud in session.clouds]
        return [cloud for cloud, target in found if target and target.content == content]

    def _target(self, key: Key) -> Target | None:
        return self._desired.get(key[0], {}).get(key[1])

    # ----- the end of a session

    def _apply_end(self, now: float, session: int, outcomes: Mapping[str, str]) -> None:
        done = self.running.pop(session)
        superseded = session in self._aborted
        self._aborted.discard(session)
        content = done.target.content
        for cloud, why in outcomes.items():
            key = cloud, done.target.model
            if not why:
                self._trouble.pop(key, None)
                self._trusted.setdefault(key, {})[content] = now + self.rules.trust
                continue
            trouble = self._trouble.get(key)
            if trouble is None or trouble.content != content:
                trouble = self._trouble[key] = _Trouble(content)
            trouble.why = why
            if why != RESTARTED and not superseded:
                trouble.failures += 1
                trouble.due = now + self.rules.backoff(trouble.failures)

    def _replay(self, record: Record) -> None:
        self._next = max(self._next, record.session + 1)
        if record.event == "started" and record.target is not None:
            self.running[record.session] = Running(
                record.session, record.target, record.clouds, record.at
            )
        elif record.event == "ended" and record.session in self.running:
            self._apply_end(record.at, record.session, record.outcomes)
