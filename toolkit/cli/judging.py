"""What `verify`, `run` and `push` share: payloads, the state they make, and its judgement."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import say
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.inventory.model import Inventory
    from toolkit.plan.model import Plan
    from toolkit.render.payload import Payload
    from toolkit.state.model import NetworkState
    from toolkit.verify.findings import Report


def payloads_of(
    plan: Plan,
    folder: Path | None,
    routers: Collection[str] | None = None,
    *,
    partial: bool = False,
) -> dict[str, Payload]:
    """Return the payloads of `routers` (default: all), rendered now or read from `folder`.

    Raises SchemaError with the problems of all, and UsageError where the folder lacks one, unless
    `partial`: then the missing are left out.
    """
    from toolkit.render.payload import load_payloads, render_plan

    wanted = list(plan.routers if routers is None else routers)
    if folder is None:
        payloads = render_plan(plan)
    else:
        payloads = load_payloads(folder, {r.name: r.platform for r in plan.routers.values()})
    missing = [name for name in wanted if name not in payloads]
    if missing and not partial:
        raise UsageError(f"{folder}: no payload for {', '.join(missing)} (<router>.xml)")
    return {name: payloads[name] for name in wanted if name in payloads}


def state_of(plan: Plan, payloads: Mapping[str, Payload]) -> NetworkState:
    """Return the state that these payloads make on the plan's cables."""
    from toolkit.plan.configured import configured_state
    from toolkit.state.model import Source

    trees = {name: payload.tree for name, payload in payloads.items()}
    return configured_state(plan, trees, Source.RENDERED)


def judge(inventory: Inventory, plan: Plan, state: NetworkState) -> Report:
    """Return every check of the state, the policies, and, where it differs, of the plan itself."""
    from toolkit.plan.intended import intended_state
    from toolkit.verify.findings import Check, Report
    from toolkit.verify.multicast import verify_state
    from toolkit.verify.whatif import survive

    intended = intended_state(plan)
    report = verify_state(plan, state, intended=intended, inventory=inventory)
    report += survive(plan, state, inventory=inventory)
    if not any(f.id.startswith("config-") for f in report.findings):
        return report
    # The configurations are not the plan's: say whether the plan would be right.
    own = verify_state(plan, intended, inventory=inventory)
    check = Check(
        id="plan",
        title="The plan itself has no error",
        status="failed" if own.errors else "passed",
        reason=f"{len(own.errors)} errors" if own.errors else "pushing it would be right",
        kinds=(),
    )
    return Report(findings=report.findings, checks=(*report.checks, check))


def unanswered(service: str | None, report: Report) -> bool:
    """Say whether Batfish was asked for and could not be asked: that is no passed check."""
    asked = [check for check in report.checks if check.id.startswith("batfish")]
    return service is not None and any(check.status == "not run" for check in asked)


def ask_batfish(service: str | None, plan: Plan, state: NetworkState) -> Report:
    """Return what Batfish says of the underlay; every check is `not run` where none is asked."""
    from toolkit.verify.batfish import check, not_run

    if service is None:
        return not_run("no service was named: --batfish HOST")
    say(f"llmsync: asking Batfish at {service}")
    return check(service, plan, state)
