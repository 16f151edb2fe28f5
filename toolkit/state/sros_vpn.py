"""BGP and MVPN of an SR OS router as network state.

Pure.  nokia-conf-router-bgp, nokia-conf-svc-vprn; RFC 4456, RFC 6514, RFC 8556.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network

from toolkit.state.branch import Branch
from toolkit.state.model import BgpSpeaker, IpInterface, Mvpn, P2mpPolicy, TreeFlow
from toolkit.state.sros_sr import PREFIX

_TUNNELS = {"bier": "bier", "p2mp-sr": "sr-p2mp", "pim": "pim-ssm"}


def read_bgp(base: Branch, own: tuple[IpInterface, ...]) -> BgpSpeaker | None:
    """Return BGP of Base; None: it speaks none.  Where a cluster is named are clients."""
    bgp = base.one("bgp")
    if not bgp or bgp.text("admin-state") == "disable":
        return None
    reflecting = {
        group.text("group-name")
        for group in bgp.all("group")
        if group.has("cluster", "cluster-id") and group.text("admin-state") != "disable"
    }
    entries = [n for n in bgp.all("neighbor") if n.text("admin-state") != "disable"]

    def addresses(some: Iterable[Branch]) -> tuple[str, ...]:
        return tuple(entry.text("ip-address") for entry in some)

    clients = [
        e for e in entries
        if e.text("group") in reflecting or e.has("cluster", "cluster-id")
    ]  # fmt: skip
    said = bgp.text("router-id") or base.text("router-id")
    return BgpSpeaker(
        as_number=base.number("autonomous-system"),
        router_id=said or next((str(a.ip) for a in own if a.version == 4), ""),
        neighbors=tuple(sorted(map(ip_address, addresses(entries)), key=int)),
        clients=tuple(sorted(map(ip_address, addresses(clients)), key=int)),
    )


def read_mvpns(vprns: Iterable[Branch]) -> tuple[Mvpn, ...]:
    """Return the VRFs that have a tunnel for multicast, by name."""
    found = [mvpn for vprn in vprns for mvpn in _mvpn(vprn)]
    return tuple(sorted(found, key=lambda mvpn: mvpn.name))


def _mvpn(vprn: Branch) -> Iterator[Mvpn]:
    tunnels = vprn.one("mvpn", "provider-tunnel")
    inclusive = tunnels.one("inclusive")
    kind = next((k for k in _TUNNELS if inclusive.text(k, "admin-state") == "enable"), "")
    mpls = vprn.one("bgp-ipvpn", "mpls")
    if not kind or mpls.text("admin-state") != "enable":
        return
    group = inclusive.text("pim", "group-address")
    domain = inclusive.one("bier", "sub-domain")
    yield Mvpn(
        name=vprn.text("service-name"),
        rd=mpls.text("route-distinguisher"),
        route_target=mpls.text("vrf-target", "community").removeprefix("target:"),
        tunnel=_TUNNELS[kind],
        interfaces=tuple(i.text("interface-name") for i in vprn.all("interface")),
        sub_domain_id=int(domain.value) if kind == "bier" and domain else None,
        policies=tuple(sorted(name for name, _ in _streams(vprn))) if kind == "p2mp-sr" else (),
        group=ip_address(group) if kind == "pim" and group else None,
    )


def _streams(vprn: Branch) -> Iterator[tuple[str, Branch]]:
    """Yield the policies of selective tunnels, as the plan names them, with their flows."""
    for stream in vprn.one("mvpn", "provider-tunnel", "selective").all("multistream-spmsi"):
        policy = stream.text("p2mp-sr", "static-policy-mpls")
        if policy and stream.text("admin-state") == "enable":
            yield policy.removeprefix(PREFIX), stream


def tree_flows(vprns: Iterable[Branch], policies: Iterable[P2mpPolicy]) -> tuple[TreeFlow, ...]:
    """Return the (S,G) that go on a P2MP policy's tree, by group."""
    known = {policy.name: policy for policy in policies}
    found = [
        TreeFlow(
            source=ip_network(flow.text("source-prefix"), strict=False).network_address,
            group=ip_network(flow.text("ip-group-prefix"), strict=False).network_address,
            root=known[name].root,
            tree_id=known[name].tree_id,
        )
        for vprn in vprns
        for name, stream in _streams(vprn)
        if name in known
        for flow in stream.all("group-prefix")
    ]
    return tuple(sorted(found, key=lambda flow: (int(flow.group), int(flow.source))))
