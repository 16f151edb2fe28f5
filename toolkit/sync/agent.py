"""A cloud's agent: reports what its store holds, receives what it lacks, switches, tidies up.

X: the loop around `Store`, `Taking` and the repository's HTTP API.  It is told everything anew each
time it reports and remembers nothing but its store, so it may be killed at any moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from toolkit.errors import ToolkitError, UnreachableError, WireError
from toolkit.service.client import Client, RefusedError, segment
from toolkit.sync.orders import Offer, Orders, parse_orders
from toolkit.sync.store import Store
from toolkit.sync.taking import Taking

LONG_ANSWER = 5.0
"""Seconds that a report may wait for its answer, while there is nothing to do."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds between tries while the repository cannot be reached."""


class Agent:
    """The agent of `cloud`; `start` begins a Taking, `say` is told what people may want to read."""

    def __init__(
        self,
        cloud: str,
        store: Store,
        client: Client,
        start: Callable[[Offer, Callable[[], None]], Taking],
        say: Callable[[str], None],
    ) -> None:
        self.cloud = cloud
        self.orders: Orders | None = None
        """What was asked at last."""
        self.unreachable: UnreachableError | None = None
        self._store = store
        self._client = client
        self._start = start
        self._say = say
        self._takings: dict[str, Taking] = {}
        """By model."""
        self._ended: set[int] = set()
        """Sessions that we took part in to their end."""
        self._news = threading.Event()
        self._stopped = False
        self._changed = False
        """The last orders have changed what is in use."""
        self._wait = FIRST_WAIT

    def run(self, until: Callable[[Agent], bool]) -> None:
        """Work until `until` says so, or `stop` is called."""
        try:
            while not self._stopped:
                self._news.clear()
                wait = self._turn()
                if until(self):
                    return
                self._news.wait(wait)
        finally:
            for taking in self._takings.values():
                taking.stop()

    def stop(self) -> None:
        """End `run` soon; may be called from elsewhere."""
        self._stopped = True
        self._news.set()

    @property
    def converged(self) -> bool:
        """Whether everything that is wanted is in use, or an operator has decided otherwise, and
        the repository has been told so."""
        if self.orders is None or not self.orders.complete or self._changed:
            return False
        for model, wanted in self.orders.wanted.items():
            current = self._content(model)
            if current != wanted.content and not self._store.pinned(model):
                return False
        return True

    def _turn(self) -> float:
        """Tidy up, report, obey; returns how long to wait."""
        self._reap()
        try:
            path = f"/v1/sync/clouds/{segment(self.cloud)}"
            orders = parse_orders(self._client.post(path, self.report()))
        except (UnreachableError, RefusedError, WireError) as error:
            if isinstance(error, RefusedError) and error.status in (401, 403, 404):
                raise
            if self.unreachable is None:
                self._say(f"{error}; tried again")
            self.unreachable = (
                error if isinstance(error, UnreachableError)
                else UnreachableError(self._client.url, str(error))
            )  # fmt: skip
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            return self._wait
        if self.unreachable is not None:
            self._say(f"{self._client.url}: answers again")
        self.unreachable, self._wait = None, FIRST_WAIT
        self.orders = orders
        self._changed = self._obey(orders)
        return 0.0 if self._changed else orders.again

    def report(self) -> dict[str, Any]:
        """What the store holds."""
        models = {}
        for model in self._store.models():
            models[model] = {
                "current": self._content(model),
                "held": [s.content for s in self._store.versions(model)],
                "pinned": self._store.pinned(model),
            }
        known = self._ended | {t.offer.session for t in self._takings.values()}
        wait = 0.0 if self._takings or self.orders is None else LONG_ANSWER
        return {"models": models, "sessions": sorted(known), "wait": wait}

    def _content(self, model: str) -> str | None:
        current = self._store.current(model)
        versions = self._store.versions(model)
        return next((s.content for s in versions if s.version == current), None)

    # ----- obeying

    def _obey(self, orders: Orders) -> bool:
        """Switch, receive, collect; returns whether there is something new to report."""
        changed = False
        for model, wanted in orders.wanted.items():
            held = {s.content: s.version for s in self._store.versions(model)}
            version = held.get(wanted.content)
            if version is None or version == self._store.current(model):
                continue
            if self._store.activate(model, version):
                self._say(f"{model}: {version} is in use")
                changed = True
        offers = {o.model: o for o in orders.sessions if o.session not in self._ended}
        for model, taking in list(self._takings.items()):
            offered = offers.get(model)
            same = offered is not None and offered.session == taking.offer.session
            if not same and not taking.placed:
                taking.stop()
                self._reap()
        for model, offer in offers.items():
            held = {s.content: s.version for s in self._store.versions(model)}
            if model not in self._takings and offer.content not in held:
                self._say(f"{model}: receiving {offer.version} (session {offer.session})")
                self._takings[model] = self._start(offer, self._news.set)
        self._tidy(orders)
        return changed

    def _reap(self) -> None:
        for model, taking in list(self._takings.items()):
            if not taking.over:
                continue
            del self._takings[model]
            self._ended.add(taking.offer.session)
            if taking.refused:
                said = ", ".join(f"{n} {kind}" for kind, n in sorted(taking.refused.items()))
                self._say(f"{model}: {taking.offer.version}: packets refused: {said}")
            if taking.placed:
                self._say(
                    f"{model}: {taking.offer.version} is here; {taking.received} bytes came, "
                    f"{taking.found} were here before"
                )
            elif taking.error is not None:
                self._say(f"{model}: {taking.offer.version}: {taking.error}")

    def _tidy(self, orders: Orders) -> None:
        for model in self._store.models():
            wanted = orders.wanted.get(model)
            names = {s.content: s.version for s in self._store.versions(model)}
            busy = self._takings.get(model)
            keeping = {names[wanted.content]} if wanted and wanted.content in names else set()
            unfinished = {busy.folder} if busy else set()
            if wanted is not None:
                unfinished.add(self._store.name_for(model, wanted.version, wanted.content))
            try:
                if busy is None:
                    for version in self._store.collect(model, orders.keep, keeping):
                        self._say(f"{model}: {version} is removed")
                self._store.sweep(model, unfinished)
            except ToolkitError as error:
                self._say(str(error))
