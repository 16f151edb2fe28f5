"""A push in stages, where tree instances that are in use change: make, switch, break.

Each stage is a network-wide transaction of its own (`toolkit.netconf.push`) with its own journal;
between them the network is whole, so that a push that was broken off goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from toolkit.cli.console import say
from toolkit.srp2mp.update import P2MP, Stage, Update, changed, plan_update

if TYPE_CHECKING:
    from toolkit.netconf.push import Change, Payload, PushReport, Target

DRAIN = 1.0
"""Seconds from the switch to the break: what is on its way on the old tree arrives."""


class Planned(Protocol):
    """What a router is to run; `toolkit.render.payload.Payload` is one."""

    @property
    def xml(self) -> str: ...

    @property
    def tree(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class _Staged:
    """What it runs after a stage: of platform `reference`, which alone has these trees."""

    tree: Mapping[str, Any]

    @property
    def xml(self) -> str:
        from toolkit.yang.schema import reference_schema

        return reference_schema().to_xml(self.tree)


def push_in_stages(
    targets: Sequence[Target],
    payloads: Mapping[str, Planned],
    *,
    check: bool,
    order: Sequence[Collection[str]],
    approve: Callable[[Mapping[str, tuple[Change, ...]]], bool] | None,
    journal: Path | None,
    confirm_timeout: int,
    workers: int,
    timeout: float,
    degraded: bool = False,
    revisions: bool = False,
    about: Mapping[str, str] = MappingProxyType({}),
    wait: Callable[[float], None] = time.sleep,
) -> PushReport:
    """Push as `toolkit.netconf.push.push` does, in stages where trees ask for it.

    Returns the report of the last stage that was begun, with the changes of all of them.
    """
    from toolkit.netconf.push import PushState, push

    def transaction(
        trees: Mapping[str, Payload],
        *,
        check: bool = False,
        approve: Callable[[Mapping[str, tuple[Change, ...]]], bool] | None = None,
        stage: str = "",
    ) -> PushReport:
        return push(
            targets, trees, check=check, approve=approve, order=order, journal=journal,
            confirm_timeout=confirm_timeout, workers=workers, timeout=timeout, degraded=degraded,
            revisions=revisions,
            about={**about, **({"stage": stage} if stage else {})},
        )  # fmt: skip

    update = _update(targets, payloads, timeout=timeout, workers=workers)
    if update is None or len(update.stages) < 2:
        if update is not None and update.obstacle:
            say(f"llmsync: the trees change in one step, and packets may be lost: "
                f"{update.obstacle}")  # fmt: skip
        return transaction(payloads, check=check, approve=approve)
    seen = transaction(payloads, check=True)
    stages = _counted(update)
    if seen.state is not PushState.PENDING or check:
        return replace(seen, stages=stages)
    if approve is not None and not approve(seen.changes):
        return seen
    report = seen
    for number, (stage, (words, count)) in enumerate(zip(update.stages, stages, strict=True), 1):
        if stage.name == "break":
            wait(DRAIN)
        report = transaction(
            {name: _Staged(tree) for name, tree in stage.trees.items()},
            stage=f"{number} of {len(stages)}, {words}",
        )
        done = report.state is PushState.COMMITTED
        say(
            f"llmsync: stage {number} of {len(stages)}, {words}: "
            f"{_routers(count) if done else report.state.value}"
        )
        if report.state not in (PushState.COMMITTED, PushState.UNCHANGED):
            break
    return replace(report, changes=seen.changes, texts=seen.texts, stages=stages)


def _update(
    targets: Sequence[Target], payloads: Mapping[str, Planned], *, timeout: float, workers: int
) -> Update | None:
    """Return the way to the payloads; None where no tree is in them, or a router cannot be read."""
    from toolkit.netconf.push import intents
    from toolkit.netconf.running import running_trees

    wanted = {t.device: payloads[t.device].tree for t in targets if t.device in payloads}
    if not any(P2MP in tree for tree in wanted.values()):
        return None
    running = running_trees(
        targets, intents=intents(targets, payloads), timeout=timeout, workers=workers
    )
    return None if running is None else plan_update(running, wanted)


def _counted(update: Update) -> tuple[tuple[str, int], ...]:
    """Return (what a stage does, routers that it changes)."""
    counted, before = [], update.running
    for stage in update.stages:
        counted.append((_words(stage), len(changed(before, stage.trees))))
        before = stage.trees
    return tuple(counted)


def _words(stage: Stage) -> str:
    return f"{stage.name} ({stage.title})"


def _routers(count: int) -> str:
    return f"{count} router{'s' if count != 1 else ''}"
