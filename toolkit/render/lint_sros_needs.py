"""What an SR OS configuration needs for something else in it to work.  Pure.

The router takes all of this: interfaces stay down, routes stay unresolved, joins go nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toolkit.render.lint_circuits import broadcast
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch

_P2P: Final = "set interface-type point-to-point"
_VPRN: Final = "nokia-conf-svc-vprn"
_QOS: Final = "SR OS quality of service guide, network queue policies and SAP egress"
_JOINS: Final = (("igmp", "ip-interface-name"), ("mld", "ip-interface-name"))


def need_remarks(configure: Branch, base: Branch, root: str, where: str) -> Iterator[Remark]:
    """Yield what is there and lacks what it needs; `where`: the data path of Base."""
    yield from _unbound(base, where)
    yield from _circuits(base, where)
    yield from _segment_routing(base, where)
    yield from _groups(base, where)
    yield from _joins(base, where)
    yield from _second_family(base, where)
    yield from _shut_out(configure.one("filter"), root)
    yield from _queues(configure, base, root)
    for vprn in configure.one("service").all("vprn"):
        at = f"{root}/service/vprn[service-name='{vprn.text('service-name')}']"
        yield from _joins(vprn, at)
        yield from _vpn(vprn, at)
        yield from _sap_queues(vprn, at)


def _unbound(base: Branch, where: str) -> Iterator[Remark]:
    for entry in base.all("interface"):
        name = entry.text("interface-name")
        if name != "system" and not entry.has("loopback") and not entry.has("port"):
            yield Remark(
                path=f"{where}/interface[interface-name='{name}']/port",
                what="it is bound to no port, so it stays down",
                remedy="add the port, or `loopback`",
                source="SR OS router configuration guide, interfaces",
            )


def _circuits(base: Branch, where: str) -> Iterator[Remark]:
    for running in base.all("isis"):
        at = f"{where}/isis[isis-instance='{running.text('isis-instance', default='0')}']"
        for entry in running.all("interface"):
            if _idle(entry) or entry.text("interface-type") == "point-to-point":
                continue
            name = entry.text("interface-name")
            yield broadcast(f"{at}/interface[interface-name='{name}']", _P2P)
    for protocol in ("ospf", "ospf3"):
        for running in base.all(protocol):
            for area in running.all("area"):
                at = f"{where}/{protocol}/area[area-id='{area.text('area-id')}']"
                for entry in area.all("interface"):
                    if _idle(entry) or entry.text("interface-type") == "point-to-point":
                        continue
                    name = entry.text("interface-name")
                    yield broadcast(f"{at}/interface[interface-name='{name}']", _P2P, ospf=True)


def _idle(entry: Branch) -> bool:
    down = entry.text("admin-state") == "disable"
    return down or entry.flag("passive") or entry.text("interface-name") == "system"


def _segment_routing(base: Branch, where: str) -> Iterator[Remark]:
    for protocol in ("isis", "ospf"):
        for running in base.all(protocol):
            segments = running.one("segment-routing")
            if not segments.flag("admin-state"):
                continue
            for place, needed in (("segment-routing/prefix-sid-range", segments.one("prefix-sid-"
                                   "range")),
                                  ("advertise-router-capability",
                                   running.one("advertise-router-capability"))):  # fmt: skip
                if not needed:
                    yield Remark(
                        path=f"{where}/{protocol}/{place}",
                        what="segment routing does not come up without it",
                        remedy=f"add {place}",
                        source="SR OS segment routing guide, configuring segment routing",
                    )


def _groups(base: Branch, where: str) -> Iterator[Remark]:
    bgp = base.one("bgp")
    neighbors: dict[str, list[Branch]] = {}
    for neighbor in bgp.all("neighbor"):
        neighbors.setdefault(neighbor.text("group"), []).append(neighbor)
    for group in bgp.all("group"):
        name = group.text("group-name")
        at = f"{where}/bgp/group[group-name='{name}']"
        own = (bgp, group, *neighbors.get(name, ()))
        for version in (4, 6):
            carried = any(each.flag("family", f"mvpn-ipv{version}") for each in own)
            if carried and not any(each.flag("family", f"vpn-ipv{version}") for each in own):
                yield Remark(
                    path=f"{at}/family/vpn-ipv{version}",
                    what="multicast VPN routes are carried and unicast ones are not: no edge router"
                    " learns where sources are, and joins lead nowhere",
                    remedy="set it to true",
                    source="RFC 6514 section 7",
                )
        internal = any(each.text("type") == "internal" for each in own)
        if internal and not any(each.has("local-address") for each in own):
            yield Remark(
                path=f"{at}/local-address",
                what="sessions begin at the address of a port, which neighbors do not expect",
                remedy="add it, the system address",
                source="nokia-conf-router-bgp, local-address",
            )


def _joins(instance: Branch, at: str) -> Iterator[Remark]:
    """What hosts ask for by IGMP or MLD is fetched by PIM."""
    pim = instance.one("pim")
    runs = set[str]()
    if pim and pim.text("admin-state") != "disable":
        entries = (e for e in pim.all("interface") if e.text("admin-state") != "disable")
        runs = {entry.text("interface-name") for entry in entries}
    for protocol, leaf in _JOINS:
        running = instance.one(protocol)
        if running.text("admin-state") == "disable":
            continue
        for entry in running.all("interface"):
            name = entry.text(leaf)
            if entry.text("admin-state") != "disable" and name not in runs:
                yield Remark(
                    path=f"{at}/pim",
                    what=f"hosts join groups on {name}, where PIM does not run: nothing is fetched",
                    remedy=f"add interface {name}",
                    source="SR OS multicast routing guide, IGMP and PIM",
                )


def _second_family(base: Branch, where: str) -> Iterator[Remark]:
    pim = base.one("pim")
    if not pim or pim.text("admin-state") == "disable" or pim.flag("ipv6", "admin-state"):
        return
    six = {e.text("interface-name") for e in base.all("interface") if e.has("ipv6", "address")}
    four = {e.text("interface-name") for e in base.all("interface") if e.has("ipv4", "primary")}
    for entry in pim.all("interface"):
        name = entry.text("interface-name")
        if name in six - four:
            yield Remark(
                path=f"{where}/pim/ipv6/admin-state",
                what=f"{name} has IPv6 addresses alone, and PIM does not run there for IPv6",
                remedy="set it to enable",
                source="nokia-conf-router-pim: disable is the default",
            )


def _vpn(vprn: Branch, at: str) -> Iterator[Remark]:
    mvpn = vprn.one("mvpn")
    if not mvpn.has("provider-tunnel"):
        return
    target = mvpn.one("vrf-target")
    given = target.flag("unicast") or any(target.has(n) for n in ("community", "import", "export"))
    if not given and not mvpn.has("vrf-import"):
        yield Remark(
            path=f"{at}/mvpn/vrf-target",
            what="MVPN routes are neither imported nor exported",
            remedy="set unicast to true there: the VRF's own",
            source=_VPRN,
        )
    mpls = vprn.one("bgp-ipvpn", "mpls")
    if mpls.flag("admin-state") and mpls.text("auto-bind-tunnel", "resolution", default="none") == (
        "none"
    ):
        yield Remark(
            path=f"{at}/bgp-ipvpn/mpls/auto-bind-tunnel/resolution",
            what="routes of other edge routers have no tunnel: sources behind them are not found",
            remedy="set it to filter, with sr-isis, sr-ospf or gre",
            source=f"{_VPRN}: none is the default",
        )


def _shut_out(filters: Branch, root: str) -> Iterator[Remark]:
    for family in ("ip", "ipv6"):
        for entry in filters.all(f"{family}-filter"):
            name = entry.text("filter-name")
            if name.startswith("llmsync-") and entry.text("default-action") != "accept":
                yield Remark(
                    path=f"{root}/filter/{family}-filter[filter-name='{name}']/default-action",
                    what="whatever else a host sends is dropped: what receivers report, too",
                    remedy="set it to accept; multicast is closed by an entry",
                    source="nokia-conf-filter: drop is the default",
                )


def _queues(configure: Branch, base: Branch, root: str) -> Iterator[Remark]:
    """A forwarding class alone is no lower effort: `l2` is served before best effort by default."""
    classed = {
        entry.text("port").partition(":")[0]
        for entry in base.all("interface")
        if entry.text("qos", "network-policy") == "llmsync"
    }
    for port in configure.all("port"):
        name = port.text("port-id")
        ethernet = port.one("ethernet")
        if name in classed and not (
            ethernet.has("network", "egress", "queue-policy")
            and ethernet.has("egress", "port-scheduler-policy")
        ):
            yield Remark(
                path=f"{root}/port[port-id='{name}']/ethernet",
                what="the class of deliveries has no queue below best effort here",
                remedy="add queue-policy to network egress, and port-scheduler-policy to egress",
                source=_QOS,
            )


def _sap_queues(vprn: Branch, at: str) -> Iterator[Remark]:
    for entry in vprn.all("interface"):
        for sap in entry.all("sap"):
            ingress = sap.text("ingress", "qos", "sap-ingress", "policy-name")
            if ingress == "llmsync" and not sap.has("egress", "qos", "sap-egress", "policy-name"):
                name = entry.text("interface-name")
                yield Remark(
                    path=f"{at}/interface[interface-name='{name}']/sap/egress/qos/sap-egress",
                    what="the class of deliveries has no queue below best effort here",
                    remedy="add a sap-egress policy that gives fc l2 a queue of its own",
                    source=_QOS,
                )
