"""On networks that nobody chose: what is planned is right, what is half removed never fine."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from test_verify_whatif import connected
from verify_networks import change_port, planned

from toolkit.inventory.model import BierSettings, Encapsulation, Imposition, Inventory
from toolkit.plan.model import Plan
from toolkit.state.model import NetworkState
from toolkit.verify.multicast import verify_state

BIER = st.builds(
    BierSettings, bsl=st.sampled_from([64, 256]), encapsulation=st.sampled_from(list(Encapsulation))
)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Inventory, Plan, NetworkState]:
    of = draw(connected())
    imposition = draw(st.sampled_from(list(Imposition)))
    deliveries = {n: replace(d, imposition=imposition) for n, d in of.deliveries.items()}
    of = replace(of, bier=draw(BIER), deliveries=deliveries)
    return of, *planned(of)


@settings(max_examples=80, deadline=None)
@given(networks())
def test_a_planned_network_has_no_error(of: tuple[Inventory, Plan, NetworkState]) -> None:
    inventory, plan, state = of
    report = verify_state(plan, state, intended=state, inventory=inventory)
    assert report.errors == ()
    assert all(check.status == "passed" for check in report.checks)
    assert {f.id for f in report.findings} <= {"non-bfr-crossed"}


def joined(plan: Plan, state: NetworkState, source: str) -> set[str]:
    """Routers that `source` reaches over links with IS-IS, not passive, at both ends."""

    def runs(node: str, port: str) -> bool:
        isis = state.routers[node].interfaces[port].isis
        return isis is not None and not isis.passive

    peers: dict[str, set[str]] = {}
    for name, router in plan.routers.items():
        for port in router.ports:
            if not port.edge and runs(name, port.name) and runs(port.peer, port.peer_port):
                peers.setdefault(name, set()).add(port.peer)
    found, queue = {source}, deque([source])
    while queue:
        for peer in peers.get(queue.popleft(), set()) - found:
            found.add(peer)
            queue.append(peer)
    return found


@settings(max_examples=100, deadline=None)
@given(networks(), st.data())
def test_half_of_a_link_removed_is_never_fine(
    of: tuple[Inventory, Plan, NetworkState], data: st.DataObject
) -> None:
    _, plan, planned_state = of
    ports = [(r.name, p) for r in plan.routers.values() for p in r.ports if not p.edge]
    count = data.draw(st.integers(1, 3))
    state = planned_state
    for _ in range(count):
        name, port = data.draw(st.sampled_from(ports))
        what = {"isis": None} if data.draw(st.booleans()) else {"bier": False}
        state = change_port(state, name, port.name, **what)
    report = verify_state(plan, state)
    errors = {f.id for f in report.errors}
    lost = {s for f in report.findings if f.id == "cloud-unreached" for s in f.subjects}
    flow = plan.flows[0]
    reachable = joined(plan, state, flow.bfir)
    for cloud in flow.clouds:
        if plan.hosts[cloud].router not in reachable:
            assert cloud in lost
    # Nobody is called lost without a cause: a missing path, or a tunnel that does not fit a link.
    for cloud in lost:
        assert plan.hosts[cloud].router not in reachable or "mtu-too-small" in errors
    halves = {
        (name, port.name)
        for name, port in ports
        if state.routers[name].interfaces[port.name].isis is None
    }
    assert ("isis-half-adjacency" in errors) == bool(halves)
    changed = state.routers != planned_state.routers
    compared = verify_state(plan, state, intended=planned_state)
    assert ("config-differs" in {f.id for f in compared.errors}) == changed
