"""What nothing checks on IOS XR before a device's modules are at hand: names that lead nowhere, and
what Tree-SID asks for.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.render.lint_iosxr_needs import need_remarks
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.iosxr import protocol
from toolkit.state.iosxr_services import p2mp

_XTC = "Cisco-IOS-XR-infra-xtc-cfg"
_P2MP = "/pce/segment-routing/traffic-engineering/p2mp"
_PREFERENCE = 100


def lint_iosxr(root: Branch) -> Iterator[Remark]:
    """Yield what is wrong with the configuration of an IOS XR router."""
    yield from _bier(root)
    yield from _deprecated(root)
    yield from _trees(root)
    yield from _clients(root)
    yield from _interfaces(root)
    yield from _lists(root)
    yield from _policies(root)
    yield from _vrfs(root)
    yield from _classes(root)
    yield from _node_sids(root)
    yield from _multicast(root)
    yield from need_remarks(root)


def _missing(path: str, kind: str, name: str, where: str, source: str) -> Remark:
    return Remark(
        path=path,
        what=f"there is no {kind} {name}",
        remedy=f"add it to {where}, or correct the name",
        source=source,
    )


def _named(entries: Iterable[Branch], key: str) -> set[str]:
    return {entry.text(key) for entry in entries}


def _bier(root: Branch) -> Iterator[Remark]:
    isis = protocol(root, "isis").one("processes", "process")
    for path, place in (("/bier", root), ("/router/isis/processes/process/bier", isis)):
        if place.has("bier"):
            yield Remark(
                path=path,
                what="IOS XR has no BIER",
                remedy="remove it, and set `bier: false` on the router",
                source="Cisco IOS XR 26.2.1, all modules",
            )


def _deprecated(root: Branch) -> Iterator[Remark]:
    for pce in root.all("pce"):
        if pce.has("segment-routing", "traffic-eng"):
            yield Remark(
                path="/pce/segment-routing/traffic-eng",
                what="Cisco-IOS-XR-um-pce-cfg is deprecated",
                remedy=f"use {_XTC}: /pce/segment-routing/traffic-engineering",
                source="Cisco-IOS-XR-um-pce-cfg, revision 2022-03-25",
            )


def _trees(root: Branch) -> Iterator[Remark]:
    trees = p2mp(root)
    sets = {
        entry.text("endpoint-set-name"): list(
            entry.one("p2mp-endpoint-set-addresses").all("p2mp-endpoint-set-address")
        )
        for entry in trees.one("p2mp-endpoint-sets").all("p2mp-endpoint-set")
    }
    block = root.one("sr", "local-block")
    lower, upper = (
        block.number("lower-bound", default=15_000),
        block.number("upper-bound", default=15_999),
    )
    dynamic = trees.one("p2mp-label-range")
    labels: dict[int, str] = {}
    for entry in trees.one("p2mp-policies").all("p2mp-policy"):
        name = entry.text("policy-name")
        path = f"{_P2MP}/p2mp-policies/p2mp-policy[policy-name='{name}']"
        ends = entry.text("p2mp-color-endpoint-set", "endpoint-set-name")
        if ends not in sets:
            where = f"{_P2MP}/p2mp-endpoint-sets"
            yield _missing(path, "endpoint set", ends or "named", where, _XTC)
        elif not sets[ends]:
            yield Remark(
                path=path, what=f"endpoint set {ends} has no addresses, so the tree has no leaf",
                remedy="add the loopbacks of the leaves", source="RFC 9960",
            )  # fmt: skip
        label = entry.number("p2m-ptree-sid", "mpls-label")
        if label and not lower <= label <= upper:
            yield Remark(
                path=f"{path}/p2m-ptree-sid/mpls-label",
                what=f"label {label} is not in the SRLB {lower}-{upper}",
                remedy="take Tree-SIDs from the SRLB, the same on every router",
                source="Cisco: Configure SR Tree-SID",
            )
        if label and dynamic.number("minimum") <= label <= dynamic.number("maximum", default=-1):
            yield Remark(
                path=f"{path}/p2m-ptree-sid/mpls-label",
                what=f"label {label} is in the range of dynamic policies",
                remedy="move p2mp-label-range",
                source=f"{_XTC} p2mp-label-range",
            )
        if label and labels.setdefault(label, name) != name:
            yield Remark(
                path=f"{path}/p2m-ptree-sid/mpls-label",
                what=f"label {label} is also that of {labels[label]}",
                remedy="give each tree a label of its own",
                source="RFC 9524 section 2",
            )
        preferences = entry.one("p2mp-candidate-paths", "p2mp-preferences").all("p2mp-preference")
        for preference in preferences:
            if preference.number("path-index") != _PREFERENCE:
                yield Remark(
                    path=f"{path}/p2mp-candidate-paths/p2mp-preferences/p2mp-preference/path-index",
                    what=f"preference {preference.text('path-index')}: a tree has one path",
                    remedy=f"use {_PREFERENCE}",
                    source=f"{_XTC} path-index, range 100",
                )


def _clients(root: Branch) -> Iterator[Remark]:
    """A tree is placed on the clients of its computation element, the root included."""
    peers = list(root.one("sr", "traffic-engineering", "pcc", "pce-peers").all("pce-peer"))
    taking = [
        entry
        for instance in _instances(root.one("multicast-routing"))
        for entry in instance.one("address-family", "ipv4", "static").all("sr-policy")
    ]
    if (taking or p2mp(root).has("p2mp-policies")) and not peers:
        yield Remark(
            path="/sr/traffic-engineering/pcc/pce-peers",
            what="the router stands in P2MP trees and is no client of who computes them",
            remedy="add the address of the path computation element",
            source="Cisco: Configure SR Tree-SID",
        )
    if p2mp(root).has("p2mp-policies") and not root.has("pce", "server-address"):
        yield Remark(
            path="/pce/server-address",
            what="the path computation element has no address",
            remedy="add the loopback's",
            source=f"{_XTC} server-address",
        )


def _instances(top: Branch) -> Iterator[Branch]:
    yield top
    yield from top.one("vrfs").all("vrf")


def _interfaces(root: Branch) -> Iterator[Remark]:
    known = _named(root.one("interfaces").all("interface"), "interface-name")
    for path, entries in _uses(root):
        for name in sorted(_named(entries, "interface-name") - known):
            at = f"{path}[interface-name='{name}']"
            yield _missing(at, "interface", name, "/interfaces", "no schema checks it")


def _uses(root: Branch) -> Iterator[tuple[str, list[Branch]]]:
    isis = protocol(root, "isis").one("processes", "process")
    base = "/router/isis/processes/process/interfaces/interface"
    yield base, list(isis.one("interfaces").all("interface"))
    for name in ("ospf", "ospfv3"):
        process = protocol(root, name).one("processes", "process")
        areas = process.one("areas").all("area")
        entries = [entry for area in areas for entry in area.one("interfaces").all("interface")]
        yield f"/router/{name}/processes/process/areas/area/interfaces/interface", entries
    for name in ("igmp", "mld"):
        entries = [
            entry
            for instance in _instances(protocol(root, name))
            for entry in instance.one("interfaces").all("interface")
        ]
        yield f"/router/{name}/interfaces/interface", entries
    for base, top in (
        ("/multicast-routing", root.one("multicast-routing")),
        ("/router/pim", protocol(root, "pim")),
    ):
        for instance in _instances(top):
            for family in ("ipv4", "ipv6"):
                place = instance.one("address-family", family, "interfaces")
                path = f"{base}/address-family/{family}/interfaces/interface"
                yield path, list(place.all("interface"))


def _lists(root: Branch) -> Iterator[Remark]:
    known = {
        entry.text("access-list-name")
        for family in ("ipv4", "ipv6")
        for top in root.all(family)
        for entry in top.one("access-lists").all("access-list")
    }
    for path, name in _list_uses(root):
        if name and name not in known:
            where = "Cisco-IOS-XR-um-ipv4-access-list-cfg or -um-ipv6-access-list-cfg"
            yield _missing(path, "access list", name, where, "no schema checks it")


def _list_uses(root: Branch) -> Iterator[tuple[str, str]]:
    for entry in root.one("interfaces").all("interface"):
        for family in ("ipv4", "ipv6"):
            group = entry.one(family, "access-group", "ingress", "access-list-name-1")
            at = f"/interfaces/interface[interface-name='{entry.text('interface-name')}']"
            yield f"{at}/{family}/access-group/ingress", group.text("name")
    for base, top in (
        ("/multicast-routing", root.one("multicast-routing")),
        ("/router/pim", protocol(root, "pim")),
    ):
        for family in ("ipv4", "ipv6"):
            place = top.one("address-family", family)
            yield f"{base}/address-family/{family}/ssm/range", place.text("ssm", "range")
            for rp in place.one("rp-addresses").all("rp-address"):
                at = f"{base}/address-family/{family}/rp-addresses/rp-address/access-list"
                yield at, rp.text("access-list")
    for name in ("igmp", "mld"):
        for entry in protocol(root, name).one("interfaces").all("interface"):
            yield f"/router/{name}/interfaces/interface/access-group", entry.text("access-group")


def _policies(root: Branch) -> Iterator[Remark]:
    policies = _named(
        root.one("routing-policy", "route-policies").all("route-policy"), "route-policy-name"
    )
    trees = _named(p2mp(root).one("p2mp-policies").all("p2mp-policy"), "policy-name")
    for instance in _instances(protocol(root, "pim")):
        family = instance.one("address-family", "ipv4")
        name = family.text("rpf", "topology", "route-policy")
        if name and name not in policies:
            where = "/routing-policy/route-policies"
            at = "/router/pim/address-family/ipv4/rpf/topology/route-policy"
            yield _missing(at, "route policy", name, where, "no schema checks it")
        for entry in family.one("sr-p2mp-policies").all("sr-p2mp-policy"):
            if entry.text("id") not in trees:
                yield Remark(
                    path=f"/router/pim/address-family/ipv4/sr-p2mp-policies/sr-p2mp-policy"
                    f"[id='{entry.text('id')}']",
                    what="this router computes no tree of that name",
                    remedy=f"add it to {_P2MP}/p2mp-policies, unless another router computes it",
                    source=_XTC,
                    error=False,
                )


def _vrfs(root: Branch) -> Iterator[Remark]:
    known = _named(root.one("vrfs").all("vrf"), "vrf-name")
    uses = [
        *(("/interfaces/interface/vrf", entry.text("vrf"))
          for entry in root.one("interfaces").all("interface")),
        *((path, vrf.text("vrf-name"))
          for path, top in (
              ("/multicast-routing/vrfs/vrf", root.one("multicast-routing")),
              ("/router/pim/vrfs/vrf", protocol(root, "pim")),
              ("/router/igmp/vrfs/vrf", protocol(root, "igmp")),
              ("/router/bgp/as/vrfs/vrf", protocol(root, "bgp").one("as")),
          )
          for vrf in top.one("vrfs").all("vrf")),
    ]  # fmt: skip
    for path, name in dict.fromkeys(uses):
        if name and name not in known:
            yield _missing(path, "VRF", name, "/vrfs", "no schema checks it")


def _classes(root: Branch) -> Iterator[Remark]:
    def named(kind: str) -> set[str]:
        tops = (top.one("type").all("qos") for top in root.all(kind))
        return {entry.text(f"{kind}-name") for top in tops for entry in top}

    classes = named("class-map") | {"class-default"}
    for top in root.all("policy-map"):
        for policy in top.one("type").all("qos"):
            for name in sorted(_named(policy.all("class"), "name") - classes):
                at = f"/policy-map/type/qos[policy-map-name='{policy.text('policy-map-name')}']"
                yield _missing(at, "class map", name, "/class-map/type", "no schema checks it")
    for entry in root.one("interfaces").all("interface"):
        outputs = _named(entry.one("service-policy").all("output"), "service-policy-name")
        for name in sorted(outputs - named("policy-map")):
            at = f"/interfaces/interface[interface-name='{entry.text('interface-name')}']"
            where = "/policy-map/type"
            yield _missing(f"{at}/service-policy/output", "policy map", name, where, "no schema "
                           "checks it")  # fmt: skip


def _node_sids(root: Branch) -> Iterator[Remark]:
    block = root.one("sr", "global-block")
    size = block.number("upper-bound") - block.number("lower-bound") + 1
    isis = protocol(root, "isis").one("processes", "process", "interfaces")
    for entry in isis.all("interface"):
        for family in entry.one("address-families").all("address-family"):
            index = family.number("prefix-sid", "index", "index-id", default=-1)
            if block and index >= size:
                name = entry.text("interface-name")
                yield Remark(
                    path="/router/isis/processes/process/interfaces/interface"
                    f"[interface-name='{name}']/address-families/address-family/prefix-sid/index",
                    what=f"index {index} is beyond the SRGB, which has {size} labels",
                    remedy="enlarge the SRGB, on every router alike",
                    source="RFC 8660 section 2.3",
                )


def _multicast(root: Branch) -> Iterator[Remark]:
    """PIM does nothing on an interface that multicast-routing does not have."""
    for family in ("ipv4", "ipv6"):
        routed = root.one("multicast-routing", "address-family", family, "interfaces")
        there = _named(routed.all("interface"), "interface-name")
        pim = protocol(root, "pim").one("address-family", family, "interfaces")
        for name in sorted(_named(pim.all("interface"), "interface-name") - there):
            if not routed.has("all", "enable"):
                yield Remark(
                    path=f"/router/pim/address-family/{family}/interfaces/interface"
                    f"[interface-name='{name}']",
                    what="multicast-routing does not have the interface, so PIM does not run",
                    remedy="enable it in /multicast-routing",
                    source="Cisco-IOS-XR-um-multicast-routing-cfg interfaces",
                )
