"""What `llmsync bier ping` and `trace` share: the laboratory's network, who asks, who is asked.

The planes are those that the rendered payloads make, as routers have them after a push; what should
be is the plan.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.bier.oam_initiator import Scope
    from toolkit.lab.scenario import Scenario
    from toolkit.plan.model import Plan
    from toolkit.planes.derive import Network

NOBODY = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what both commands take."""
    parser.add_argument(
        "--from", dest="start", metavar="ROUTER",
        help="the BFIR that asks (default: that of the first delivery)",
    )  # fmt: skip
    parser.add_argument(
        "--to", nargs="+", default=["all"], metavar="BFER",
        help="routers, or clouds for the routers they hang on (default: all BFERs)",
    )  # fmt: skip
    parser.add_argument(
        "--payloads", type=Path, metavar="DIR", help="run DIR/NAME.xml instead of rendering"
    )
    parser.add_argument(
        "--down", "--break", dest="down", default="", metavar="LINK,...|NODE,...",
        help="links (a-b) and routers that have failed; routing has converged",
    )  # fmt: skip
    parser.add_argument(
        "--loss", default="0", metavar="P", help="loss on every link, each way: 1%% or 0.01"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the loss")
    parser.add_argument(
        "--entropy", type=int, default=0, metavar="N", help="of the flow that is looked into"
    )
    add_output(parser)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, and whom."""

    start: str
    sub_domain: int
    bsl: int
    bfir_id: int
    targets: dict[int, str]
    """BFR-id -> router."""
    entropy: int

    def scope(self, handle: int) -> Scope:
        from toolkit.bier.bitstring import sets_of
        from toolkit.bier.oam_initiator import Scope

        return Scope(
            sub_domain=self.sub_domain, bsl=self.bsl, bfir_id=self.bfir_id,
            sets=dict(sorted(sets_of(self.targets, self.bsl).items())), handle=handle,
            entropy=self.entropy,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory(Asking):
    """A network in which somebody asks."""

    plan: Plan
    running: Network
    """By the payloads."""
    intended: Network
    """By the plan."""
    scenario: Scenario


def prepare(args: argparse.Namespace) -> Laboratory:
    """Return the laboratory that the arguments ask for; UsageError with all that is wrong."""
    from toolkit.cli.faults import parse_share
    from toolkit.cli.judging import payloads_of, state_of
    from toolkit.cli.loading import load_plan
    from toolkit.lab.scenario import LossOn, Scenario
    from toolkit.plan.intended import intended_state
    from toolkit.planes.adjacency import NO_FAILURES
    from toolkit.planes.derive import Network
    from toolkit.verify.failures import named_failures

    _, plan, _ = load_plan(args.inventory)
    problems: list[str] = []
    loss, down = 0.0, NO_FAILURES
    try:
        loss = parse_share(args.loss)
    except UsageError as error:
        problems += str(error).splitlines()
    try:
        down = named_failures(plan, args.down, "--down") if args.down else NO_FAILURES
    except UsageError as error:
        problems += str(error).splitlines()
    if not 0 <= args.entropy < 1 << 20:
        problems.append(f"--entropy {args.entropy}: not 0 to {(1 << 20) - 1}")
    start, sub_domain, bsl = _start(args.start, plan, problems)
    if start in down.nodes:
        problems.append(f"--from {start}: it has failed (--down)")
    ids = {
        name: part.bfr_id
        for name, router in plan.routers.items()
        for part in router.sub_domains
        if part.sub_domain_id == sub_domain and part.bsl == bsl and part.bfr_id
    }
    targets = _targets(args.to, start, ids, plan, problems)
    if problems:
        raise UsageError("\n".join(problems))
    running = Network(state_of(plan, payloads_of(plan, args.payloads)), down)
    return Laboratory(
        plan=plan, running=running, intended=Network(intended_state(plan), down),
        scenario=Scenario(loss=loss, loss_on=LossOn.ALL, seed=args.seed, down=down),
        start=start, sub_domain=sub_domain, bsl=bsl, bfir_id=ids[start], targets=targets,
        entropy=args.entropy,
    )  # fmt: skip


def _start(named: str | None, plan: Plan, problems: list[str]) -> tuple[str, int, int]:
    """Return the BFIR, and the sub-domain and BSL that it asks in."""
    able = {
        name: part
        for name, router in plan.routers.items()
        for part in router.sub_domains[::-1]
        if part.bfr_id
    }
    flow = next((f for f in plan.flows if f.bfir in able), None)
    if named is None and flow is not None:
        return flow.bfir, flow.sub_domain_id, flow.bsl
    if named is None and able:
        named = min(able)
    if named in able:
        part = able[named]
        if flow is not None and flow.bfir == named:
            return named, flow.sub_domain_id, flow.bsl
        return named, part.sub_domain_id, part.bsl
    if named is None:
        problems.append("no router of the inventory has a BFR-id: nobody can ask")
    elif named in plan.routers:
        problems.append(
            f"--from {named}: it has no BFR-id, so replies would not find it "
            f"(has one: {', '.join(sorted(able))})"
        )
    else:
        problems.append(f"--from {named}: no such router ({_near(named, plan.routers)})")
    first = next(iter(able.values()), None)
    return "", *((0, 0) if first is None else (first.sub_domain_id, first.bsl))


def _targets(
    named: list[str], start: str, ids: dict[str, int], plan: Plan, problems: list[str]
) -> dict[int, str]:
    if named == ["all"]:
        found = {bfr_id: name for name, bfr_id in ids.items() if name != start}
        if start and not found:
            problems.append(f"--to all: {start} is the only BFER")
        return dict(sorted(found.items()))
    targets: dict[int, str] = {}
    for name in named:
        router = plan.hosts[name].router if name in plan.hosts else name
        if router in ids:
            targets[ids[router]] = router
            if router == start:
                problems.append(f"--to {name}: it is {start} itself that asks")
        elif router in plan.routers:
            problems.append(f"--to {name}: {router} has no BFR-id, it is no BFER")
        else:
            known = _near(name, (*plan.routers, *plan.hosts))
            problems.append(f"--to {name}: no such router or cloud ({known})")
    return dict(sorted(targets.items()))


def _near(name: str, known: Iterable[str]) -> str:
    from toolkit.inventory.suggestion import closest

    names = sorted(known)
    near = closest(name, names)
    return f"did you mean {near}?" if near else f"known: {', '.join(names)}"


def milliseconds(seconds: float | None) -> str:
    return NOBODY if seconds is None else f"{seconds * 1000:.1f}"
