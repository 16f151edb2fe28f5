"""MVPN of SR OS: what the tunnels need beside the VRF, and what other vendors expect.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.sros import MAX_SUB_DOMAIN

SOURCE = "nokia-conf-svc-vprn"
OBSOLETE = ("static-policy", "p2mp-policy")
_KINDS = ("inclusive", "selective")


def vpn_remarks(configure: Branch, base: Branch, root: str) -> Iterator[Remark]:
    """Yield what is wrong with VRFs that have a provider tunnel."""
    domains = set(_sub_domains(base))
    for vprn in configure.one("service").all("vprn"):
        where = f"{root}/service/vprn[service-name='{vprn.text('service-name')}']/mvpn"
        mvpn = vprn.one("mvpn")
        tunnels = mvpn.one("provider-tunnel")
        if not tunnels:
            continue
        yield from _signalling(mvpn, base, where)
        for kind in _KINDS:
            below = f"{where}/provider-tunnel/{kind}"
            for name in OBSOLETE:
                if tunnels.has(kind, "p2mp-sr", name):
                    yield Remark(
                        path=f"{below}/p2mp-sr/{name}",
                        what="it is obsolete and does nothing",
                        remedy=f"write {name}-mpls",
                        source=f"{SOURCE}: status obsolete",
                    )
            bier = tunnels.one(kind, "bier")
            if bier and bier.number("sub-domain", default=-1) not in domains:
                yield Remark(
                    path=f"{below}/bier/sub-domain",
                    what=f"{bier.text('sub-domain') or 'none'} is no sub-domain with a BFR-id here",
                    remedy="name one of a BIER template that an IGP carries",
                    source="RFC 8556 section 2",
                )
        if tunnels.has("inclusive", "bier"):
            yield from _interworking(mvpn, where)


def _sub_domains(base: Branch) -> Iterator[int]:
    for template in base.one("bier").all("template"):
        for entry in template.all("sub-domain"):
            if entry.has("bfr-id"):
                yield from range(
                    max(entry.number("start"), 0), min(entry.number("end"), MAX_SUB_DOMAIN) + 1
                )


def _signalling(mvpn: Branch, base: Branch, where: str) -> Iterator[Remark]:
    tunnels = mvpn.one("provider-tunnel", "inclusive")
    if tunnels.has("pim") and mvpn.text("c-mcast-signaling", default="pim") == "pim":
        return
    if mvpn.text("c-mcast-signaling", default="pim") != "bgp":
        yield Remark(
            path=f"{where}/c-mcast-signaling",
            what="joins are signalled by PIM, which these tunnels do not carry",
            remedy="set it to bgp",
            source=f"{SOURCE}: pim is the default; RFC 6514",
        )
    if mvpn.text("auto-discovery", "type") != "bgp":
        yield Remark(
            path=f"{where}/auto-discovery/type",
            what="edge routers do not find each other",
            remedy="set it to bgp",
            source="RFC 6514 section 9",
        )
    bgp = base.one("bgp")
    families = (bgp, *bgp.all("group"), *bgp.all("neighbor"))
    names = ("mvpn-ipv4", "mvpn-ipv6")
    # A VPN of one edge router has nobody to tell.
    if bgp.has("neighbor") and not any(f.flag("family", n) for f in families for n in names):
        yield Remark(
            path=where,
            what="BGP of Base has no family mvpn-ipv4",
            remedy="enable it, and vpn-ipv4, towards the other edge routers or reflectors",
            source="RFC 6514 section 4",
        )


def _interworking(mvpn: Branch, where: str) -> Iterator[Remark]:
    bier = mvpn.one("provider-tunnel", "inclusive", "bier")
    if not bier.flag("pta-label-in-msb"):
        yield Remark(
            path=f"{where}/provider-tunnel/inclusive/bier/pta-label-in-msb",
            what="the VPN's label stands in the low-order bits of the PMSI attribute, and other"
            " vendors read the high-order ones",
            remedy="set it to true on every edge router of the VPN",
            source="RFC 6514 section 5",
            error=False,
        )
    if mvpn.number("bier-next-protocol") != 1:
        yield Remark(
            path=f"{where}/bier-next-protocol",
            what="the VPN's packets are BIER Proto 2 (upstream-assigned label); Junos sends and"
            " expects 1",
            remedy="set it to 1 where a Junos router is in the VPN; leave it where all are SR OS or"
            " VRP",
            source="RFC 8556 section 3.1, RFC 8296 section 2.1.2; EANTC interoperability test 2026",
            error=False,
        )
