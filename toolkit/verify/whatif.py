"""What if: which clouds a set of failures cuts off, and whether a policy's promise holds.

Pure and deterministic.  Law: nothing is sampled.  A failure that does not touch what the current
tree stands on changes nothing, so it is skipped by proof; after the first failure of a set the tree
has moved, and the second is chosen among what the moved tree stands on.  Every smallest failing set
is found that way, since a set that harms the delivery must touch its tree.  The same holds of each
branch by itself: only the clouds are judged again whose way a failure touches
(`toolkit.verify.strands`).  With BGP MVPN the ways of its sessions count too
(`toolkit.verify.signalling`).  What takes an advertisement away that matters, a BFR-prefix on a
link's own interface say, is judged whatever stands on it (`toolkit.verify.moved.Steadiness`).

That proof needs two properties of the derivation (`toolkit.planes.birt`): next BFRs lie on shortest
paths, and ties are broken by names; so taking away what no chosen path uses takes away only
candidates that were not chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from toolkit.inventory.model import Inventory, Policy
from toolkit.plan.model import FlowPlan, Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.state.model import NetworkState
from toolkit.verify import places
from toolkit.verify.catalogue import finding
from toolkit.verify.cuts import Cuts
from toolkit.verify.deliveries import unserved, why_unserved
from toolkit.verify.findings import Check, Finding, Report, Severity
from toolkit.verify.moved import MovedPlanes, Steadiness
from toolkit.verify.scene import Scene
from toolkit.verify.signalling import signalling, unmoved
from toolkit.verify.strands import Standing
from toolkit.verify.walk import walk

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
    return tuple(_lost(scene, unserved(scene)))


def _lost(scene: Scene, of: Iterable[tuple[FlowPlan, str, list[str]]]) -> Iterator[Lost]:
    cuts: dict[str, Cuts] = {}
    for flow, cloud, reasons in of:
        if flow.bfir not in cuts:
            cuts[flow.bfir] = Cuts(scene.state, scene.down, flow.bfir)
        cut = cuts[flow.bfir].describe(scene.plan.hosts[cloud].router)
        yield Lost(flow.delivery, cloud, (cut, *reasons) if cut else (*reasons,))


class _Search:
    """All smallest sets of at most k elements whose failure loses a cloud."""

    def __init__(self, plan: Plan, network: Network, policy: Policy, budget: int) -> None:
        self._plan, self._network, self._budget = plan, network, budget
        self._links = policy.scope == "links"
        self._clouds = frozenset(policy.clouds)
        names = core_links(network.state) if self._links else core_nodes(plan, network.state)
        self.elements = frozenset(names)
        self._intact = Scene(plan, network.state, network=network)
        self._steadiness = Steadiness(network, (flow.source_address for flow in plan.flows))
        self._vital = {name for name in names if not self._steadiness.holds(self._down({name}))}
        """What matters whether or not anything is seen to stand on it."""
        standing = Standing.of(self._intact, links=self._links)
        self._already = {(flow.delivery, cloud) for flow, cloud in standing.lost}
        self.broken: dict[frozenset[str], tuple[Lost, ...]] = {}
        self._seen: dict[frozenset[str], None] = {frozenset(): None}
        self.complete = True
        self._descend(frozenset(), policy.failures, standing)

    @property
    def judged(self) -> int:
        return len(self._seen) - 1  # without the empty set

    def _descend(self, failed: frozenset[str], left: int, standing: Standing) -> None:
        """Judge every set of one element more, where the standing of `failed` is known."""
        if not left:
            return
        on = standing.on | self._vital | self._signalled(failed)
        for name in sorted((on & self.elements) - failed):
            more = failed | {name}
            if more in self._seen or any(known <= more for known in self.broken):
                continue
            if len(self._seen) >= self._budget:
                self.complete = False
                return
            self._seen[more] = None
            scene = self._scene(more)
            after = (
                standing.after(scene, name, links=self._links)
                if self._steadiness.holds(scene.down) and unmoved(self._network, scene.network)
                else Standing.of(scene, links=self._links)
            )
            news = self._news(scene, after)
            if news:
                self.broken[more] = news
            else:
                self._descend(more, left - 1, after)

    def _signalled(self, failed: frozenset[str]) -> frozenset[str]:
        """Return what BGP sessions stand on after these failures."""
        if self._network.overlay is None:
            return frozenset()
        network = self._network.without(self._down(failed)) if failed else self._network
        return signalling(network, links=self._links)

    def _down(self, failed: Iterable[str]) -> Failures:
        names = frozenset(failed)
        return Failures(links=names) if self._links else Failures(nodes=names)

    def _scene(self, failed: frozenset[str]) -> Scene:
        down = self._down(failed)
        network = self._network.without(down, dict.fromkeys(f.bfir for f in self._plan.flows))
        return Scene(
            self._plan,
            network.state,
            down=down,
            network=network,
            planes=MovedPlanes(self._network, network),
            intact=self._intact,
        )

    def _promised(self, cloud: str) -> bool:
        return not self._clouds or cloud in self._clouds

    def _news(self, scene: Scene, standing: Standing) -> tuple[Lost, ...]:
        """Return who is lost and was not without failures, and why."""
        reasons: list[tuple[FlowPlan, str, list[str]]] = []
        for flow in self._plan.flows:
            lost = [c for of, c in standing.lost if of is flow and self._promised(c)]
            news = [cloud for cloud in lost if (flow.delivery, cloud) not in self._already]
            if news:
                found = walk(scene, flow, news)
                reasons += (
                    (
                        flow,
                        c,
                        why_unserved(scene, flow, found, c, reached=standing.reached(flow, c)),
                    )
                    for c in news
                )
        return tuple(_lost(scene, reasons))


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
    some = len(policy.clouds)
    who = (
        f"{some} cloud{'s survive' if some != 1 else ' survives'}"
        if some
        else ("Every cloud survives")
    )
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
        title=f"{who} the failure of {many} ({policy.name})",
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
