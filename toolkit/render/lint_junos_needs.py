"""What a Junos configuration needs for something else in it to work.  Pure.

Nothing here is refused at commit: packets are dropped, sessions stay down, routes stay hidden.
Sources are Juniper's pages of the named statements, and RFCs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from toolkit.render.lint_circuits import broadcast
from toolkit.render.lint_junos_references import INSTANCE
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch

_PROTOCOLS: Final = "/configuration/protocols"


def need_remarks(configuration: Branch) -> Iterator[Remark]:
    """Yield what is there and lacks what it needs."""
    protocols = configuration.one("protocols")
    yield from _mpls(configuration, protocols)
    yield from _circuits(protocols)
    for group in protocols.one("bgp").all("group"):
        yield from _group(group, f"{_PROTOCOLS}/bgp/group[name='{group.text('name')}']")
    for instance in configuration.one("routing-instances").all("instance"):
        yield from _vpn_ports(instance, f"/configuration/{INSTANCE}")
    for entry in configuration.one("routing-options", "dynamic-tunnels").all("dynamic-tunnel"):
        yield from _tunnel(entry)


def _unit(name: str) -> str:
    return name if "." in name or name == "all" else f"{name}.0"


def _units(entries: Iterable[Branch]) -> frozenset[str]:
    return frozenset(_unit(e.text("name")) for e in entries if not e.has("disable"))


def _mpls(configuration: Branch, protocols: Branch) -> Iterator[Remark]:
    """`family mpls` opens an interface to labels, `protocols mpls` makes Junos look at them."""
    runs = _units(protocols.one("mpls").all("interface"))
    if "all" in runs:
        return
    for device in configuration.one("interfaces").all("interface"):
        for unit in device.all("unit"):
            name = f"{device.text('name')}.{unit.text('name')}"
            if unit.has("family", "mpls") and name not in runs:
                yield Remark(
                    path=f"{_PROTOCOLS}/mpls",
                    what=f"{name} has family mpls and is not in it: labelled packets are dropped"
                    " there, BIER among them",
                    remedy=f"add interface {name}",
                    source="Juniper, statement mpls (protocols)",
                )


def _circuits(protocols: Branch) -> Iterator[Remark]:
    for entry in protocols.one("isis").all("interface"):
        name = entry.text("name")
        idle = entry.has("passive") or entry.has("disable") or name.startswith("lo0")
        if not idle and not entry.has("point-to-point"):
            yield broadcast(f"{_PROTOCOLS}/isis/interface[name='{name}']", "add point-to-point")
    for protocol in ("ospf", "ospf3"):
        for area in protocols.one(protocol).all("area"):
            for entry in area.all("interface"):
                name = entry.text("name")
                idle = entry.has("passive") or entry.has("disable") or name.startswith("lo0")
                if not idle and entry.text("interface-type") != "p2p":
                    at = f"{_PROTOCOLS}/{protocol}/area[name='{area.text('name')}']"
                    yield broadcast(
                        f"{at}/interface[name='{name}']", "set interface-type p2p", ospf=True
                    )


def _group(group: Branch, at: str) -> Iterator[Remark]:
    if group.text("type") == "internal" and not group.has("local-address"):
        yield Remark(
            path=f"{at}/local-address",
            what="sessions begin at the address of a port, which neighbors do not expect",
            remedy="add it, the loopback's address",
            source="Juniper, statement local-address (BGP)",
        )
    for inet in ("inet", "inet6"):
        own = [group, *group.all("neighbor")]
        carried = any(each.has("family", f"{inet}-mvpn") for each in own)
        if carried and not any(each.has("family", f"{inet}-vpn", "unicast") for each in own):
            yield Remark(
                path=f"{at}/family",
                what="multicast VPN routes are carried and unicast ones are not: no edge router"
                " learns where sources are, and joins lead nowhere",
                remedy=f"add {inet}-vpn unicast",
                source="RFC 6514 section 7",
            )


def _vpn_ports(instance: Branch, path: str) -> Iterator[Remark]:
    if not instance.has("protocols", "mvpn") or instance.text("instance-type") != "vrf":
        return
    runs = _units(instance.one("protocols", "pim").all("interface"))
    for entry in instance.all("interface"):
        name = _unit(entry.text("name"))
        if name not in runs and "all" not in runs and not name.startswith("lo0."):
            yield Remark(
                path=f"{path}[name='{instance.text('name')}']/protocols/pim",
                what=f"PIM does not run on {name}: what sources there send is not forwarded, and"
                " receivers there get nothing",
                remedy=f"add interface {name}",
                source="Juniper, Configuring BIER MVPN; RFC 6513 section 3.1",
            )


def _tunnel(entry: Branch) -> Iterator[Remark]:
    name = entry.text("name")
    at = f"/configuration/routing-options/dynamic-tunnels/dynamic-tunnel[name='{name}']"
    for leaf, what in (
        ("source-address", "packets have no source"),
        ("destination-networks", "it leads to no router"),
    ):
        if not entry.has(leaf):
            source = "Juniper, statement dynamic-tunnels"
            yield Remark(path=at, what=what, remedy=f"add {leaf}", source=source)
