"""What an IOS XR configuration needs for something else in it to work.  Pure.

The router takes all of this: circuits form no adjacency, sessions stay down, routes are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toolkit.render.lint_circuits import broadcast
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.iosxr import protocol

_BGP: Final = "/router/bgp/as"
_MODULE: Final = "Cisco-IOS-XR-um-router-bgp-cfg"


def need_remarks(root: Branch) -> Iterator[Remark]:
    """Yield what is there and lacks what it needs."""
    yield from _circuits(root)
    yield from _sessions(protocol(root, "bgp").one("as"))
    yield from _shut_out(root)


def _circuits(root: Branch) -> Iterator[Remark]:
    for process in protocol(root, "isis").one("processes").all("process"):
        for entry in process.one("interfaces").all("interface"):
            name = entry.text("interface-name")
            idle = entry.text("state") in ("passive", "shutdown") or name.startswith("Loopback")
            if not idle and not entry.has("point-to-point"):
                at = f"/router/isis/processes/process/interfaces/interface[interface-name='{name}']"
                yield broadcast(at, "add point-to-point")
    for kind in ("ospf", "ospfv3"):
        for process in protocol(root, kind).one("processes").all("process"):
            for area in process.one("areas").all("area"):
                for entry in area.one("interfaces").all("interface"):
                    name = entry.text("interface-name")
                    idle = entry.has("passive", "enable") or name.startswith("Loopback")
                    if not idle and not entry.has("network", "point-to-point"):
                        at = f"/router/{kind}/processes/process/areas/area/interfaces/interface"
                        yield broadcast(
                            f"{at}[interface-name='{name}']", "add network point-to-point",
                            ospf=True,
                        )  # fmt: skip


def _families(place: Branch) -> set[str]:
    return {f.text("af-name") for f in place.one("address-families").all("address-family")}


def _sessions(bgp: Branch) -> Iterator[Remark]:
    own = bgp.text("as-number")
    carried = False
    for neighbor in bgp.one("neighbors").all("neighbor"):
        at = f"{_BGP}/neighbors/neighbor[neighbor-address='{neighbor.text('neighbor-address')}']"
        families = _families(neighbor)
        if neighbor.text("remote-as") == own and not neighbor.has("update-source"):
            yield Remark(
                path=f"{at}/update-source",
                what="the session begins at the address of a port, which the neighbor does not"
                " expect",
                remedy="add it, the loopback",
                source=_MODULE,
            )
        if "ipv4-mvpn" not in families:
            continue
        carried = True
        if "vpnv4-unicast" not in families:
            yield Remark(
                path=f"{at}/address-families",
                what="multicast VPN routes are carried and unicast ones are not: no edge router"
                " learns where sources are, and joins lead nowhere",
                remedy="add vpnv4-unicast",
                source="RFC 6514 section 7",
            )
    if not carried:
        return
    for name in sorted({"vpnv4-unicast", "ipv4-mvpn"} - _families(bgp)):
        yield Remark(
            path=f"{_BGP}/address-families",
            what=f"neighbors have {name}, and BGP itself has not",
            remedy=f"add {name}",
            source=_MODULE,
        )
    for vrf in bgp.one("vrfs").all("vrf"):
        unicast = [
            f
            for f in vrf.one("address-families").all("address-family")
            if f.text("af-name") == "ipv4-unicast"
        ]
        if not any(f.has("redistribute", "connected") or f.has("networks") for f in unicast):
            yield Remark(
                path=f"{_BGP}/vrfs/vrf[vrf-name='{vrf.text('vrf-name')}']/address-families",
                what="no other edge router learns of the ports of hosts here, so none finds their"
                " sources",
                remedy="redistribute connected in ipv4-unicast",
                source="RFC 4364 section 4.3",
            )


def _shut_out(root: Branch) -> Iterator[Remark]:
    for family in ("ipv4", "ipv6"):
        bound = {
            entry.text(family, "access-group", "ingress", "access-list-name-1", "name")
            for entry in root.one("interfaces").all("interface")
        }
        for top in root.all(family):
            for entry in top.one("access-lists").all("access-list"):
                name = entry.text("access-list-name")
                if name.startswith("llmsync") and name in bound and not _open(entry, family):
                    yield Remark(
                        path=f"/{family}/access-lists/access-list[access-list-name='{name}']",
                        what="whatever else a host sends is dropped: what receivers report, too",
                        remedy=f"permit {family} any any in its last entry",
                        source="Cisco: an access list ends in an implicit deny",
                    )


def _open(entry: Branch, family: str) -> bool:
    """Is what nothing else has matched permitted?"""
    order = list(entry.one("sequences").all("sequence"))
    last = max(order, key=lambda s: s.number("sequence-number"), default=Branch())
    rest = last.one("permit")
    return rest.text("protocol") == family and all(
        rest.has(end, "any") for end in ("source", "destination")
    )
