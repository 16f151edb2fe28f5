"""What happens to a network that is compared: receivers come, clouds are added, things fail.

Pure.  An event is a network before and after; what it cost is read off the difference of their
configurations and of their forwarding tables, the same way for every transport.  Where the
controller must compute a new tree, the network after is the one with the new tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from toolkit.errors import PlanError
from toolkit.inventory.model import Imposition, Inventory, Transport
from toolkit.inventory.quantity import LOWEST_RATE
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import FlowPlan, Lock, Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.state.model import NetworkState
from toolkit.verify.deliveries import unserved
from toolkit.verify.scene import Scene


@dataclass(frozen=True, slots=True)
class Moment:
    """A network at one moment, as planned and with what has failed."""

    plan: Plan
    lock: Lock
    """What the plan has given out."""
    state: NetworkState
    network: Network

    @property
    def scene(self) -> Scene:
        return Scene(self.plan, self.state, down=self.network.down, network=self.network)

    def unserved(self, delivery: str) -> tuple[str, ...]:
        """Return the clouds of a delivery that it does not complete for, sorted."""
        return tuple(sorted(c for flow, c, _ in unserved(self.scene) if flow.delivery == delivery))


@dataclass(frozen=True, slots=True)
class Event:
    subject: str
    before: Moment
    after: Moment


class Study:
    """One delivery of an inventory over one transport, and variations of it."""

    def __init__(self, inventory: Inventory, delivery: str, transport: Transport) -> None:
        """Raises PlanError where the network cannot carry it."""
        wanted = replace(inventory.deliveries[delivery], transport=transport)
        self._inventory = replace(inventory, deliveries={delivery: wanted})
        self.delivery, self.transport = delivery, transport
        self.base = _moment(*make_plan(self._inventory))

    @property
    def plan(self) -> Plan:
        return self.base.plan

    @property
    def flow(self) -> FlowPlan:
        return self.plan.flows[0]

    def joins(self) -> Iterator[Event]:
        """Each cloud in turn joins while the others are served already.

        It is provisioned: its port and its edge router's part are configured.
        """
        for cloud in self.flow.clouds:
            if self.transport is Transport.BIER:
                before = self._bit_unset(cloud)
            elif self.transport.pim:
                members = frozenset(m for m in self.base.state.members if m.host != cloud)
                state = replace(self.base.state, members=members)
                before = replace(self.base, state=state, network=Network(state))
            else:
                others = tuple(c for c in self.flow.clouds if c != cloud)
                if not others:
                    continue
                wanted = replace(self._inventory.deliveries[self.delivery], to=others)
                before = self._planned(replace(self._inventory, deliveries={self.delivery: wanted}))
            yield Event(cloud, before, self._grown(before))

    def _bit_unset(self, cloud: str) -> Moment:
        """Return the network before the bit of a cloud is set.

        Where the source sets it, no router learns of it; else the BFIR's ingress flow lacks it.
        """
        others = tuple(c for c in self.flow.clouds if c != cloud)
        if self.flow.imposition is Imposition.HOST or not others:
            return self.base
        wanted = replace(self._inventory.deliveries[self.delivery], to=others)
        planned = self._planned(replace(self._inventory, deliveries={self.delivery: wanted}))
        bfir = self.base.state.routers[self.flow.bfir]
        flows = planned.state.routers[self.flow.bfir].ingress_flows
        routers = {**self.base.state.routers, bfir.name: replace(bfir, ingress_flows=flows)}
        state = replace(self.base.state, routers=routers)
        return replace(self.base, state=state, network=Network(state))

    def new_clouds(self) -> Iterator[Event]:
        """Each cloud in turn is new: before, nothing of it was configured."""
        for cloud in self.flow.clouds:
            others = tuple(c for c in self.flow.clouds if c != cloud)
            if not others:
                continue
            clouds = {n: c for n, c in self._inventory.clouds.items() if n != cloud}
            wanted = replace(self._inventory.deliveries[self.delivery], to=others)
            before = self._planned(
                replace(self._inventory, clouds=clouds, deliveries={self.delivery: wanted})
            )
            yield Event(cloud, before, self._grown(before))

    def further(self) -> tuple[Moment, Moment]:
        """Return the network with the delivery, and with another one from the same source to the
        same clouds.

        Both are slow: what is asked is the state that they take, not whether links have room.
        """
        delivery = replace(self._inventory.deliveries[self.delivery], rate=LOWEST_RATE)
        name = f"{self.delivery}-2"
        one = {self.delivery: delivery}
        two = {**one, name: replace(delivery, name=name)}
        return (
            self._planned(replace(self._inventory, deliveries=one)),
            self._planned(replace(self._inventory, deliveries=two)),
        )

    def link_failures(self) -> Iterator[Event]:
        """Each link between routers that the tree stands on fails."""
        walk = self.base.scene.walks[self.delivery]
        hosts = self.base.state.hosts
        core = sorted(
            {c.link for c in self.base.state.cables if not {c.a.node, c.b.node} & hosts}
            & walk.touched_links
        )
        for link in core:
            yield Event(link, self.base, self._failed(Failures(links=frozenset({link}))))

    def node_failures(self) -> Iterator[Event]:
        """Each router without a host that the tree stands on fails."""
        walk = self.base.scene.walks[self.delivery]
        edges = {host.router for host in self.plan.hosts.values()}
        for name in sorted(walk.touched_routers - edges):
            yield Event(name, self.base, self._failed(Failures(nodes=frozenset({name}))))

    def _failed(self, down: Failures) -> Moment:
        """Return the network after a failure: routers have healed what they heal by themselves,
        and the controller has computed what is its to compute."""
        plan = self.plan
        if self.transport is Transport.SR_P2MP:
            links = tuple(
                link
                for link in self._inventory.links
                if link.name not in down.links and not {link.a, link.b} & down.nodes
            )
            try:
                plan, _ = make_plan(replace(self._inventory, links=links), self.base.lock)
            except PlanError:
                plan = self.plan  # no tree reaches them all: what can be protected is
        if plan is self.plan:
            return replace(self.base, network=self.base.network.without(down))
        moved = intended_state(plan).routers
        routers = {
            name: replace(
                router,
                replication_segments=moved[name].replication_segments,
                p2mp_policies=moved[name].p2mp_policies,
                tree_flows=moved[name].tree_flows,
            )
            for name, router in self.base.state.routers.items()
        }
        state = replace(self.base.state, routers=routers)
        return replace(self.base, state=state, network=Network(state, down))

    def _grown(self, before: Moment) -> Moment:
        """Return the whole delivery, planned with what was given out before."""
        if before.plan is self.plan:
            return self.base
        return _moment(*make_plan(self._inventory, before.lock))

    def _planned(self, inventory: Inventory) -> Moment:
        """Return another inventory planned with our identifiers; its trees begin their history."""
        return _moment(*make_plan(inventory, replace(self.base.lock, instances={}, digests={})))


def _moment(plan: Plan, lock: Lock) -> Moment:
    state = intended_state(plan)
    return Moment(plan, lock, state, Network(state, NO_FAILURES))


def configured(before: NetworkState, after: NetworkState) -> frozenset[str]:
    """Return the routers whose configuration differs."""
    return frozenset(
        name
        for name in before.routers.keys() | after.routers.keys()
        if before.routers.get(name) != after.routers.get(name)
    )
