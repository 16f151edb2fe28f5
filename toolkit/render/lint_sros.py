"""What nokia-conf lets pass and SR OS does not, and what works with SR OS alone.

Pure.  Names of interfaces and ports are plain strings in nokia-conf, numbers of labels have no
relation to each other.  Sources: nokia-conf 26.3 and its types, the SR OS guides, RFCs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toolkit.render.lint_sros_labels import label_remarks
from toolkit.render.lint_sros_needs import need_remarks
from toolkit.render.lint_sros_trees import tree_remarks
from toolkit.render.lint_sros_vpn import vpn_remarks
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch

ROOT = "/nokia-conf:configure"
BASE = f"{ROOT}/router[router-name='Base']"
MAX_BFR_ID = 4096
BIER_SOURCE = "nokia-conf-router-bier"
FRAME = 14
"""Ethernet header that a port's MTU counts and an IP MTU does not."""
_NAMING = {
    "isis": ("interface-name", "nokia-conf-router-isis"),
    "pim": ("interface-name", "nokia-conf-router-pim"),
    "igmp": ("ip-interface-name", "nokia-conf-router-igmp"),
    "mld": ("ip-interface-name", "nokia-conf-router-mld"),
}
"""Protocol -> the leaf that names an interface, and where it is no leafref."""


def lint_sros(tree: Branch) -> Iterator[Remark]:
    """Yield what is wrong with a router's configuration, or worth a person's look."""
    configure = tree.one("configure")
    base = next(
        (r for r in configure.all("router") if r.text("router-name", default="Base") == "Base"),
        Branch(),
    )
    ports = {port.text("port-id"): port for port in configure.all("port")}
    yield from _interfaces(base, ports)
    yield from _names(base, BASE)
    for vprn in configure.one("service").all("vprn"):
        where = f"{ROOT}/service/vprn[service-name='{vprn.text('service-name')}']"
        yield from _names(vprn, where)
        yield from _saps(vprn, where, ports)
    yield from _bier(base)
    yield from label_remarks(base, BASE)
    yield from tree_remarks(base, BASE)
    yield from vpn_remarks(configure, base, ROOT)
    yield from need_remarks(configure, base, ROOT, BASE)


def _interfaces(base: Branch, ports: Mapping[str, Branch]) -> Iterator[Remark]:
    for entry in base.all("interface"):
        name = entry.text("interface-name")
        where = f"{BASE}/interface[interface-name='{name}']"
        if not name[:1].isalpha():
            yield Remark(
                path=where,
                what=f"{name} does not begin with a letter",
                remedy="name it otherwise",
                source="nokia-types-sros, typedef interface-name",
            )
        yield from _binding(entry, where, entry.text("port"), ports, "access")


def _saps(vprn: Branch, where: str, ports: Mapping[str, Branch]) -> Iterator[Remark]:
    for entry in vprn.all("interface"):
        below = f"{where}/interface[interface-name='{entry.text('interface-name')}']"
        for sap in entry.all("sap"):
            yield from _binding(entry, below, sap.text("sap-id"), ports, "network")


def _binding(
    entry: Branch, where: str, bound: str, ports: Mapping[str, Branch], wrong: str
) -> Iterator[Remark]:
    name = bound.partition(":")[0]
    if not name or name.startswith("lag-"):
        return
    port = ports.get(name)
    if port is None:
        yield Remark(
            path=where,
            what=f"port {name} is not configured",
            remedy="configure and enable it, or bind another",
            source="nokia-types-router, typedef router-port: no leafref",
        )
        return
    mode = port.text("ethernet", "mode")
    if mode == wrong:
        kind = "an interface of Base" if wrong == "access" else "a SAP"
        yield Remark(
            path=where,
            what=f"port {name} is in {mode} mode, which {kind} cannot be on",
            remedy=f"set its ethernet mode to {'network' if wrong == 'access' else 'access'}",
            source="SR OS interface configuration guide, port modes",
        )
    frame, packet = port.number("ethernet", "mtu"), entry.number("ip-mtu")
    if frame and packet and packet + FRAME > frame:
        yield Remark(
            path=where,
            what=f"packets of {packet} octets do not fit the MTU {frame} of port {name}, which"
            f" counts {FRAME} octets of Ethernet",
            remedy=f"raise the port's to {packet + FRAME}, or lower ip-mtu",
            source="SR OS interface configuration guide, MTU",
        )


def _names(instance: Branch, where: str) -> Iterator[Remark]:
    """Yield names of interfaces that the router instance does not have."""
    known = {entry.text("interface-name") for entry in instance.all("interface")}
    for protocol, (leaf, source) in _NAMING.items():
        for running in instance.all(protocol):
            for entry in running.all("interface"):
                yield from _unknown(entry.text(leaf), known, f"{where}/{protocol}", source)
    for protocol in ("ospf", "ospf3"):
        for running in instance.all(protocol):
            for area in running.all("area"):
                for entry in area.all("interface"):
                    name = entry.text("interface-name")
                    source = f"nokia-conf-router-{protocol}"
                    yield from _unknown(name, known, f"{where}/{protocol}", source)
    for segment in instance.one("p2mp-sr-tree").all("replication-segment"):
        below = f"{where}/p2mp-sr-tree/replication-segment[policy-name='{_name(segment)}']"
        for node in segment.one("segment-routing-mpls").all("downstream-nodes"):
            if name := node.text("next-hop-interface-name"):
                yield from _unknown(name, known, below, "nokia-conf-router-p2mp-sr-tree")


def _name(segment: Branch) -> str:
    return segment.text("policy-name")


def _unknown(name: str, known: set[str], where: str, source: str) -> Iterator[Remark]:
    if name not in known:
        yield Remark(
            path=where,
            what=f"there is no interface {name}",
            remedy="configure it, or correct the name",
            source=f"{source}: no leafref",
        )


def _bier(base: Branch) -> Iterator[Remark]:
    bier = base.one("bier")
    if not bier:
        return
    used = set(_bound_templates(base))
    running = bier.text("admin-state") == "enable"
    system = next(
        (i for i in base.all("interface") if i.text("interface-name") == "system"), Branch()
    )
    for template in bier.all("template"):
        name = template.text("template-name")
        where = f"{BASE}/bier/template[template-name='{name}']"
        if name in used and not (running and template.text("admin-state") == "enable"):
            yield Remark(
                path=where,
                what="an IGP carries it, but it or BIER is not enabled",
                remedy="set both their admin-states to enable",
                source=f"{BIER_SOURCE}: disable is the default",
            )
        if running and template.text("admin-state") == "enable" and name not in used:
            yield Remark(
                path=where,
                what="no IGP carries it, so nobody learns of these sub-domains",
                remedy="bind it to isis level 2 or to the OSPF area",
                source="RFC 8401, RFC 8444",
            )
        yield from _sub_domains(template, where, has_system=system.has("ipv4", "primary"))
    if bier.flag("fast-reroute") and not any(
        igp.has("loopfree-alternate") for kind in ("isis", "ospf") for igp in base.all(kind)
    ):
        yield Remark(
            path=f"{BASE}/bier/fast-reroute",
            what="it takes the alternates of an IGP that computes none",
            remedy="configure loopfree-alternate there",
            source="SR OS multicast routing guide, BIER",
            error=False,
        )


def _bound_templates(base: Branch) -> Iterator[str]:
    for kind, place in (("isis", "level"), ("ospf", "area")):
        for igp in base.all(kind):
            for level in igp.all(place):
                if level.text("bier", "admin-state") == "enable":
                    yield level.text("bier", "template")


def _sub_domains(template: Branch, where: str, *, has_system: bool) -> Iterator[Remark]:
    taken: dict[int, str] = {}
    for entry in template.all("sub-domain"):
        start, end = entry.number("start"), entry.number("end")
        below = f"{where}/sub-domain[start='{start}'][end='{end}']"
        bfr_id = entry.number("bfr-id", default=1)
        if not 1 <= bfr_id <= MAX_BFR_ID:
            yield Remark(
                path=f"{below}/bfr-id",
                what=f"{bfr_id} is no BFR-id here",
                remedy=f"use 1 to {MAX_BFR_ID}",
                source=BIER_SOURCE,
            )
        if end < start or end > 255:
            yield Remark(
                path=below,
                what=f"{start} to {end} are no sub-domains",
                remedy="use 0 to 255, the lower one first",
                source="RFC 8279 section 1",
            )
            continue
        for number in range(start, end + 1):
            other = taken.setdefault(number, below)
            if other != below:
                yield Remark(
                    path=below,
                    what=f"sub-domain {number} stands in {other} too",
                    remedy="let ranges not overlap",
                    source="RFC 8401 section 6.1: one BFR-id a sub-domain",
                )
                break
        if entry.text("prefix", default="0.0.0.0") == "0.0.0.0" and not has_system:
            yield Remark(
                path=f"{below}/prefix",
                what="there is no BFR-prefix, and no system address to take",
                remedy="give it the loopback's address",
                source="RFC 8279 section 2",
            )
