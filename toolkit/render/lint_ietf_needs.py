"""What a configuration of the IETF's modules needs for something else in it to work.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toolkit.render.lint_circuits import broadcast
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch, identity

_PROTOCOL: Final = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol"
_ACL: Final = "/ietf-access-control-list:acls/acl"


def need_remarks(top: Branch) -> Iterator[Remark]:
    """Yield what is there and lacks what it needs."""
    yield from _hosts_only(top)
    yield from _circuits(top.one("routing"))
    yield from _shut_out(top.one("acls"))


def _hosts_only(top: Branch) -> Iterator[Remark]:
    """`forwarding` is false by default: the interface is a host's."""
    for entry in top.one("interfaces").all("interface"):
        if identity(entry.text("type")) == "softwareLoopback":
            continue
        for family in ("ipv4", "ipv6"):
            part = entry.one(family)
            if part.has("address") and not part.flag("forwarding"):
                yield Remark(
                    path=f"/ietf-interfaces:interfaces/interface[name='{entry.text('name')}']"
                    f"/ietf-ip:{family}/forwarding",
                    what="packets that are not for the router are dropped here",
                    remedy="set it to true",
                    source="RFC 8344 section 4, leaf forwarding: default false",
                )


def _circuits(routing: Branch) -> Iterator[Remark]:
    for protocol in routing.one("control-plane-protocols").all("control-plane-protocol"):
        isis, areas = protocol.one("isis"), protocol.one("ospf", "areas")
        found = [(entry, False) for entry in isis.one("interfaces").all("interface")]
        for area in areas.all("area"):
            found += [(entry, True) for entry in area.one("interfaces").all("interface")]
        for entry, ospf in found:
            p2p = entry.text("interface-type") == "point-to-point"
            if not p2p and not entry.flag("passive"):
                kind = "ietf-ospf:ospf" if ospf else "ietf-isis:isis"
                at = f"{_PROTOCOL}/{kind}//interface[name='{entry.text('name')}']/interface-type"
                yield broadcast(at, "set it to point-to-point", ospf=ospf)


def _shut_out(acls: Branch) -> Iterator[Remark]:
    """An attached list with an entry for what is left is safe from a server's own default."""
    attached = {
        entry.text("name")
        for point in acls.one("attachment-points").all("interface")
        for entry in point.one("ingress", "acl-sets").all("acl-set")
    }
    for acl in acls.all("acl"):
        name = acl.text("name")
        if not name.startswith("llmsync") or name not in attached:
            continue
        last = list(acl.one("aces").all("ace"))[-1:]
        if not any(
            not any(ace.one("matches").members())
            and identity(ace.text("actions", "forwarding")) == "accept"
            for ace in last
        ):
            yield Remark(
                path=f"{_ACL}[name='{name}']/aces",
                what="whatever else a host sends is dropped: what receivers report, too",
                remedy="accept everything in its last entry",
                source="RFC 8519 section 4.1: what no entry matches is the device's to decide",
            )
