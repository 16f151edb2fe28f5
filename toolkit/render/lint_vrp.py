"""What Huawei's modules let pass, or refuse in words that help nobody.  Pure.

Where the modules are at hand, their `must` expressions have judged before; where they are not, the
first three lints say the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from toolkit.render.lint_circuits import broadcast
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.vrp import PUBLIC, public_instance, wildcard_network
from toolkit.state.vrp_multicast import Acls

_INSTANCE = f"/network-instance/instances/instance[name='{PUBLIC}']"


def lint_vrp(root: Branch) -> Iterator[Remark]:
    """Yield what is wrong with the configuration of a VRP router."""
    instance = public_instance(root)
    yield from _families(root, instance)
    yield from _timers(instance)
    yield from _pim(root, instance)
    yield from _silent(instance)
    yield from _ospf(root, instance)
    yield from _sids(instance)
    yield from _circuits(instance)
    yield from _bier(root)


def _families(root: Branch, instance: Branch) -> Iterator[Remark]:
    there = {af.text("type") for af in instance.one("afs").all("af")}
    used = {
        f"ipv{version}-unicast"
        for interface in root.one("ifm", "interfaces").all("interface")
        if interface.text("vrf-name", default=PUBLIC) == PUBLIC
        for version in (4, 6)
        if interface.has(f"ipv{version}", "addresses")
    }
    for family in sorted(used - there):
        yield Remark(
            path=f"{_INSTANCE}/afs",
            what=f"interfaces of {PUBLIC} have addresses of {family}, which it has not",
            remedy=f"add <af><type>{family}</type></af> to its <afs>",
            source="huawei-l3vpn, huawei-isis afs/af/type",
        )


def _timers(instance: Branch) -> Iterator[Remark]:
    for site in instance.one("isis", "sites").all("site"):
        if not site.has("timer", "spf", "max"):
            yield Remark(
                path=f"{_INSTANCE}/isis/sites/site[id='{site.text('id')}']/timer/spf/max",
                what="it is missing, and the defaults of its neighbors are measured by it",
                remedy="add it: 5 is what routers take",
                source="huawei-isis timer/spf, defaults marked dynamic-default",
            )


def _pim(root: Branch, instance: Branch) -> Iterator[Remark]:
    acls = Acls.of(root)
    pim = f"{_INSTANCE}/pim"
    for entry in instance.one("pim", "protocol", "instances").all("instance"):
        kind = entry.text("type")
        for leaf in ("ssm-policy-name", "ssm-policy-name6", "src-policy-name", "src-policy-name6"):
            name = entry.text(leaf)
            if not name:
                continue
            path = f"{pim}/protocol/instances/instance[type='{kind}']/{leaf}"
            if name not in acls.rules:
                yield Remark(
                    path=path,
                    what=f"there is no ACL {name}",
                    remedy=f"add a basic ACL {name} to huawei-acl",
                    source=f"huawei-pim {leaf}",
                )
            elif leaf.startswith("ssm") and (
                bad := [n for n in acls.permitted(name) if not n.is_multicast]
            ):
                yield Remark(
                    path=path,
                    what=f"ACL {name} permits {bad[0]}, which is no range of groups",
                    remedy="write group ranges as sources of the basic ACL",
                    source="RFC 4607 section 1",
                )
    for entry in instance.one("pim", "rp", "static-rps").all("static-rp"):
        name = entry.text("policy") or entry.text("policy-ipv6")
        for groups in acls.permitted(name):
            yield from _both(instance, acls, f"{pim}/rp/static-rps/static-rp", name, str(groups))


def _both(instance: Branch, acls: Acls, path: str, policy: str, groups: str) -> Iterator[Remark]:
    """Groups of an RP that SSM takes have no shared tree."""
    for entry in instance.one("pim", "protocol", "instances").all("instance"):
        ssm = entry.text("ssm-policy-name") or entry.text("ssm-policy-name6")
        if any(str(taken) == groups for taken in acls.permitted(ssm)):
            yield Remark(
                path=path,
                what=f"ACL {policy} gives the RP {groups}, which ACL {ssm} makes source-specific",
                remedy="take the range out of one of them",
                source="RFC 4607 section 4.8",
            )


def _silent(instance: Branch) -> Iterator[Remark]:
    core = {
        circuit.text("name")
        for site in instance.one("isis", "sites").all("site")
        for circuit in site.one("circuits").all("circuit")
        if circuit.flag("p2p-enable") and not circuit.flag("silent-enable")
    }
    for entry in instance.one("pim", "protocol", "interfaces").all("interface"):
        name = entry.text("if-name")
        if entry.flag("is-silent") and name in core:
            yield Remark(
                path=f"{_INSTANCE}/pim/protocol/interfaces/interface[if-name='{name}']/is-silent",
                what=f"{name} leads to a router, and a silent interface has no PIM neighbors",
                remedy="make only ports of hosts silent",
                source="huawei-pim is-silent",
            )


def _ospf(root: Branch, instance: Branch) -> Iterator[Remark]:
    addresses = {
        interface.text("name"): [
            ip_address(address.text("ip"))
            for address in interface.one("ipv4", "addresses").all("address")
        ]
        for interface in root.one("ifm", "interfaces").all("interface")
    }
    for site in instance.one("ospfv2", "sites").all("site"):
        for area in site.one("areas").all("area"):
            networks = [
                wildcard_network(entry.text("ip-address"), entry.text("mask"))
                for entry in area.one("networks").all("network")
            ]
            for interface in area.one("interfaces").all("interface"):
                name = interface.text("name")
                own = addresses.get(name, [])
                if not any(address in network for address in own for network in networks):
                    yield Remark(
                        path=f"{_INSTANCE}/ospfv2/sites/site/areas/area"
                        f"[area-id='{area.text('area-id')}']/interfaces/interface[name='{name}']",
                        what="no network of the area has an address of it, so OSPF does not run",
                        remedy="add a <network> with its address and mask 0.0.0.0",
                        source="huawei-ospfv2 area/networks",
                    )


def _sids(instance: Branch) -> Iterator[Remark]:
    site = instance.one("isis", "sites", "site")
    block = site.one("srgbs", "srgb")
    size = block.number("upper-bound") - block.number("lower-bound") + 1
    for circuit in site.one("circuits").all("circuit"):
        for family in circuit.one("afs").all("af"):
            for sid in family.one("prefix-sids").all("prefix-sid"):
                index = sid.number("label")
                if block and sid.text("type") == "index" and index >= size:
                    yield Remark(
                        path=f"{_INSTANCE}/isis/sites/site/circuits/circuit"
                        f"[name='{circuit.text('name')}']/afs/af/prefix-sids/prefix-sid/label",
                        what=f"index {index} is beyond the SRGB, which has {size} labels",
                        remedy="enlarge the SRGB, on every router alike",
                        source="RFC 8660 section 2.3",
                    )


def _bier(root: Branch) -> Iterator[Remark]:
    for entry in root.one("bier", "sub-domains").all("sub-domain"):
        for bound in entry.one("encapsulations").all("encapsulation"):
            if bound.text("encapsulation-type") == "ipv6":
                number = entry.text("sub-domain-id")
                yield Remark(
                    path=f"/bier/sub-domains/sub-domain[sub-domain-id='{number}']/encapsulations",
                    what="BIERv6 reaches routers of Huawei only",
                    remedy="keep other platforms out of this sub-domain",
                    source="huawei-bier encapsulation-type; not an encapsulation of RFC 8296",
                    error=False,
                )


def _circuits(instance: Branch) -> Iterator[Remark]:
    for site in instance.one("isis", "sites").all("site"):
        for circuit in site.one("circuits").all("circuit"):
            name = circuit.text("name")
            idle = circuit.flag("silent-enable") or name.startswith("LoopBack")
            if not idle and not circuit.flag("p2p-enable"):
                at = f"{_INSTANCE}/isis/sites/site/circuits/circuit[name='{name}']/p2p-enable"
                yield broadcast(at, "set it to true")
    for site in instance.one("ospfv2", "sites").all("site"):
        silent = {e.text("if-name") for e in site.one("silent-interfaces").all("silent-interface")}
        for area in site.one("areas").all("area"):
            for entry in area.one("interfaces").all("interface"):
                name = entry.text("name")
                idle = name in silent or name.startswith("LoopBack")
                if not idle and entry.text("network-type") != "p2p":
                    at = f"{_INSTANCE}/ospfv2/sites/site/areas/area/interfaces/interface"
                    yield broadcast(f"{at}[name='{name}']/network-type", "set it to p2p", ospf=True)
