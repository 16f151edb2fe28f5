"""P2MP policies, BGP, multicast VPNs and classes of a Cisco IOS XR router.  Pure.

Cisco-IOS-XR-infra-xtc-cfg, -um-router-bgp-cfg, -um-vrf-cfg, -um-multicast-routing-cfg,
-um-policymap-classmap-cfg.  Names that llmsync gives begin with `llmsync-`; what follows is the
plan's.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from toolkit.state.branch import Branch
from toolkit.state.model import BgpSpeaker, IpAddress, Mvpn, P2mpPolicy, QosClass, TreeFlow
from toolkit.state.order import counting

PREFIX = "llmsync-"


def planned(name: str) -> str:
    """Return a name as the plan has it."""
    return name.removeprefix(PREFIX)


def p2mp(root: Branch) -> Branch:
    """Return what the path computation element is told of P2MP trees."""
    return root.one("pce", "segment-routing", "traffic-engineering", "p2mp")


def read_policies(root: Branch) -> tuple[P2mpPolicy, ...]:
    """Return the policies of the trees that the router computes; their color is the tree-id."""
    policies = (
        P2mpPolicy(
            name=planned(entry.text("policy-name")),
            root=ip_address(entry.text("p2mp-source", "source-address")),
            tree_id=entry.number("p2mp-color-endpoint-set", "color"),
        )
        for entry in p2mp(root).one("p2mp-policies").all("p2mp-policy")
        if entry.has("p2mp-source", "source-address") and not entry.has("shutdown")
    )
    return tuple(sorted(policies, key=lambda p: (int(p.root), p.tree_id)))


def tree_flows(root: Branch, pim: Branch) -> tuple[TreeFlow, ...]:
    """Return which (S,G) go on which tree, in whichever VRF."""
    policies = {policy.name: policy for policy in read_policies(root)}
    flows = (
        TreeFlow(
            source=ip_address(source.text("source-address")),
            group=ip_address(group.text("group-address")),
            root=policies[planned(entry.text("id"))].root,
            tree_id=policies[planned(entry.text("id"))].tree_id,
        )
        for instance in (pim, *pim.one("vrfs").all("vrf"))
        for entry in _static_policies(instance)
        if planned(entry.text("id")) in policies  # else it goes nowhere; the lint says so
        for group in entry.one("static-group").all("group-address")
        for source in group.all("source-address")
    )
    return tuple(sorted(flows, key=lambda f: (int(f.group), int(f.source))))


def _static_policies(instance: Branch) -> Iterator[Branch]:
    yield from instance.one("address-family", "ipv4", "sr-p2mp-policies").all("sr-p2mp-policy")


def read_bgp(bgp: Branch) -> BgpSpeaker | None:
    """Return the sessions for VPN routes; None: there is no BGP."""
    own = bgp.one("as")
    if not own:
        return None
    neighbors: list[IpAddress] = []
    clients: list[IpAddress] = []
    for entry in own.one("neighbors").all("neighbor"):
        address = ip_address(entry.text("neighbor-address"))
        neighbors.append(address)
        families = entry.one("address-families").all("address-family")
        if any(family.has("route-reflector-client") for family in families):
            clients.append(address)
    return BgpSpeaker(
        as_number=own.number("as-number"),
        router_id=own.text("bgp", "router-id"),
        neighbors=tuple(sorted(neighbors, key=int)),
        clients=tuple(sorted(clients, key=int)),
    )


def read_mvpns(root: Branch, pim: Branch) -> tuple[Mvpn, ...]:
    """Return the VRFs that multicast is routed in, by name."""
    routed = {
        entry.text("vrf-name"): entry.one("address-family", "ipv4")
        for entry in root.one("multicast-routing", "vrfs").all("vrf")
    }
    sending = {entry.text("vrf-name"): entry for entry in pim.one("vrfs").all("vrf")}
    found = []
    for vrf in root.one("vrfs").all("vrf"):
        name = vrf.text("vrf-name")
        if name not in routed:
            continue
        mdt = routed[name].one("mdt")
        group = mdt.text("default", "ipv4", "ipv4-address")
        policies = (planned(p.text("id")) for p in _static_policies(sending.get(name, Branch())))
        members = (
            entry.text("interface-name")
            for entry in root.one("interfaces").all("interface")
            if entry.text("vrf") == name
        )
        found.append(
            Mvpn(
                name=name,
                rd=_pair(vrf.one("rd", "ipv4-address"), "address", "ipv4address-index"),
                route_target=_target(vrf.one("address-family", "ipv4", "unicast", "import")),
                tunnel="pim-ssm" if group else "sr-p2mp",
                interfaces=tuple(sorted(members, key=counting)),
                policies=tuple(sorted(policies)),
                group=ip_address(group) if group else None,
            )
        )
    return tuple(sorted(found, key=lambda mvpn: mvpn.name))


def _target(imported: Branch) -> str:
    targets = imported.one("route-target")
    two = targets.one("two-byte-as-route-targets", "two-byte-as-route-target")
    if two:
        return _pair(two, "two-byte-as-number", "asn2-index")
    four = targets.one("four-byte-as-route-targets", "four-byte-as-route-target")
    return _pair(four, "four-byte-as-number", "asn4-index")


def _pair(entry: Branch, first: str, second: str) -> str:
    return f"{entry.text(first)}:{entry.text(second)}" if entry else ""


def read_qos(root: Branch) -> QosClass | None:
    """Return the code point whose class is the last to be served, on every port with an address."""
    codes = {
        entry.text("class-map-name"): entry.number("match", "dscp", "value")
        for top in root.all("class-map")
        for entry in top.one("type").all("qos")
        if entry.has("match", "dscp", "value")
    }
    served = {
        entry.text("policy-map-name"): {
            codes[c.text("name")]
            for c in entry.all("class")
            if c.text("name") in codes and c.has("bandwidth-remaining")
        }
        for top in root.all("policy-map")
        for entry in top.one("type").all("qos")
    }
    ports = [
        {code for output in entry.one("service-policy").all("output")
         for code in served.get(output.text("service-policy-name"), ())}
        for entry in root.one("interfaces").all("interface")
        if not entry.text("interface-name").startswith("Loopback")
        and (entry.has("ipv4", "addresses") or entry.has("ipv6", "addresses"))
    ]  # fmt: skip
    everywhere = set.intersection(*ports) if ports else set()
    return QosClass(dscp=min(everywhere)) if everywhere else None
