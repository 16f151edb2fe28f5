"""What if: which clouds a set of failures cuts off, and whether a policy's promise holds.

Pure and deterministic.  Law: nothing is sampled.  A failure that does not touch what the current
tree stands on changes nothing, so it is skipped by proof; after the first failure of a set the tree
has moved, and the second is chosen among what the moved tree stands on.  Every smallest failing set
is found that way, since a set that harms the delivery must touch its tree.

That proof needs two properties of the derivation (`toolkit.planes.birt`): next BFRs lie on shortest
paths, and ties are broken by names; so taking away what no chosen path uses takes away only
candidates that were not chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Inventory, Policy
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.state.model import NetworkState
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.cuts import describe_cut
from toolkit.verify.deliveries import unserved
from toolkit.verify.findings import Check, Finding, Report, Severity
from toolkit.verify.moved import MovedPlanes
from toolkit.verify.scene import Scene

BUDGET = 5_000
"""Failure sets judged per policy; a policy that needs more is reported as not run."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A cloud that one delivery does not complete for under some failures."""

    delivery: str
    cloud: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survival:
    """How one policy fared."""

    policy: Policy
    broken: Mapping[tuple[str, ...], tuple[Lost, ...]]
    """Smallest failing sets, sorted names -> what is lost."""
    judged: int
    """Failure sets that were derived and walked, the empty one not counted."""
    possible: int
    """Elements that the policy's scope has."""
    complete: bool
    """False: the budget ran out first."""


def core_links(state: NetworkState) -> tuple[str, ...]:
    """Return the names of the links between routers, sorted."""
    hosts = state.hosts
    core = (c for c in state.cables if c.a.node not in hosts and c.b.node not in hosts)
    return tuple(sorted({cable.link for cable in core}))


def core_nodes(plan: Plan, state: NetworkState) -> tuple[str, ...]:
    """Return the names of the routers that no host is attached to, sorted."""
    edges = {host.router for host in plan.hosts.values()}
    return tuple(sorted(state.routers.keys() - edges))


def lost_clouds(scene: Scene) -> tuple[Lost, ...]:
    """Return who is lost on this scene: not reached, or not heard."""
    found = []
    for flow, cloud, reasons in unserved(scene):
        router = scene.plan.hosts[cloud].router
        cut = describe_cut(scene.state, scene.down, flow.bfir, router)
        found.append(Lost(flow.delivery, cloud, (cut, *reasons) if cut else (*reasons,)))
    return tuple(found)


class _Search:
    """All smallest sets of at most k elements whose failure loses a cloud."""

    def __init__(self, plan: Plan, network: Network, policy: Policy, budget: int) -> None:
        self._plan, self._network, self._budget = plan, network, budget
        self._links = policy.scope == "links"
        names = core_links(network.state) if self._links else core_nodes(plan, network.state)
        self.elements = frozenset(names)
        self._already = {(item.delivery, item.cloud) for item in self._judge(NO_FAILURES)[0]}
        self.broken: dict[frozenset[str], tuple[Lost, ...]] = {}
        self._seen: dict[frozenset[str], None] = {}
        self.complete = True
        self._search(frozenset(), policy.failures)

    @property
    def judged(self) -> int:
        return len(self._seen) - 1  # without the empty set

    def _search(self, failed: frozenset[str], left: int) -> None:
        if failed in self._seen or any(known <= failed for known in self.broken):
            return
        if len(self._seen) >= self._budget:
            self.complete = False
            return
        self._seen[failed] = None
        down = Failures(links=failed) if self._links else Failures(nodes=failed)
        lost, touched = self._judge(down)
        news = tuple(x for x in lost if (x.delivery, x.cloud) not in self._already)
        if news:
            self.broken[failed] = news
        elif left:
            for name in sorted((touched & self.elements) - failed):
                self._search(failed | {name}, left - 1)

    def _judge(self, down: Failures) -> tuple[tuple[Lost, ...], frozenset[str]]:
        scene = _scene(self._plan, self._network, down)
        touched: set[str] = set()
        for _, walk in scene.walked():
            touched |= walk.touched_links if self._links else walk.touched_routers
        for back in scene.ways_back.values():
            if back.path is not None:
                touched |= {c.link for c in back.path.cables} if self._links else {*back.path.nodes}
        return lost_clouds(scene), frozenset(touched)


def _scene(plan: Plan, base: Network, down: Failures) -> Scene:
    if down == NO_FAILURES:
        return Scene(plan, base.state, network=base)
    network = base.without(down)
    planes = MovedPlanes(base, network)
    return Scene(plan, base.state, down=down, network=network, planes=planes)


def judge_policy(plan: Plan, state: NetworkState, policy: Policy, budget: int = BUDGET) -> Survival:
    """Return whether every cloud that is served now is served after the failures of `policy`.

    A cloud that is lost already without any failure is not the policy's business: other checks
    name it.
    """
    search = _Search(plan, Network(state), policy, budget)
    smallest = {
        failed: lost
        for failed, lost in search.broken.items()
        if not any(other < failed for other in search.broken)
    }
    ordered = sorted((tuple(sorted(failed)), lost) for failed, lost in smallest.items())
    return Survival(
        policy=policy,
        broken=dict(ordered),
        judged=search.judged,
        possible=len(search.elements),
        complete=search.complete,
    )


def survive(
    plan: Plan,
    state: NetworkState,
    *,
    inventory: Inventory | None = None,
    budget: int = BUDGET,
) -> Report:
    """Return findings and one check for each policy of the plan, in the plan's order."""
    report = Report()
    for policy in plan.policies:
        survival = judge_policy(plan, state, policy, budget)
        report += Report(findings=tuple(_findings(survival, inventory)), checks=(_check(survival),))
    return report


def _findings(survival: Survival, inventory: Inventory | None) -> Iterator[Finding]:
    policy = survival.policy
    for failed, lost in survival.broken.items():
        clouds = tuple(dict.fromkeys(item.cloud for item in lost))
        yield finding(
            "policy-broken",
            places.declared(inventory, "policies", policy.name),
            f"{policy.name}: {' and '.join(failed)} down cuts off {', '.join(clouds)}: "
            f"{lost[0].reasons[0]}",
            evidence=[f"{item.cloud}: {item.reasons[0]}" for item in lost],
            subjects=[*failed, *clouds],
        )


def _check(survival: Survival) -> Check:
    policy = survival.policy
    what = "core links" if policy.scope == "links" else "core nodes"
    many = f"any {policy.failures} {what}" if policy.failures > 1 else f"any one {what[:-1]}"
    covered = (
        f"{survival.judged} failure sets judged; the tree stands on none of the other "
        f"{what} of the {survival.possible}"
    )
    if survival.broken:
        status, reason = "failed", f"{len(survival.broken)} failure sets cut clouds off; {covered}"
    elif not survival.complete:
        status, reason = "not run", f"more than {survival.judged} failure sets to judge"
    else:
        status, reason = "passed", covered
    return Check(
        id=f"policy-{policy.name}",
        title=f"Every cloud survives the failure of {many} ({policy.name})",
        status=status,
        reason=reason,
        kinds=("policy-broken",),
    )


def break_report(
    plan: Plan,
    state: NetworkState,
    down: Failures,
    *,
    inventory: Inventory | None = None,
) -> Report:
    """Return who is lost when `down` fails: a `cloud-lost` for each cloud that was served
    before."""
    network = Network(state)
    before = lost_clouds(Scene(plan, state, network=network))
    already = {(item.delivery, item.cloud) for item in before}
    scene = Scene(plan, state, down=down, network=network.without(down))
    broken = " and ".join(sorted(down.links | down.nodes))
    now = lost_clouds(scene)
    findings = [
        finding(
            "cloud-lost",
            places.declared(inventory, "clouds", item.cloud),
            f"{item.cloud} loses {item.delivery} without {broken}: {item.reasons[0]}",
            evidence=item.reasons,
            subjects=[item.cloud],
        )
        for item in now
        if (item.delivery, item.cloud) not in already
    ]
    total = sum(len(flow.clouds) for flow in plan.flows)
    failed = any(f.severity is Severity.ERROR for f in findings)
    check = Check(
        id="break",
        title=f"Every cloud is served without {broken}",
        status="failed" if failed else "passed",
        reason=f"{total - len(now)} of {total} clouds are served",
        kinds=("cloud-lost",),
    )
    return Report(findings=tuple(findings), checks=(check,))
