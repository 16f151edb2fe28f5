"""What fits: packets into links, metrics into the IGP, edges onto routers that do BIER.  Pure.

RFC 8296 sections 2 (header sizes) and 3 (BIER-MTU), RFC 8279 section 6.9 (routers that cannot do
BIER), RFC 8200 section 5 (IPv6 needs 1280 bytes).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.errors import Problem
from toolkit.inventory.addressing import pools_of
from toolkit.inventory.entry import Entry
from toolkit.inventory.field import OSPF_COSTS
from toolkit.inventory.model import (
    BierSettings,
    BierTunnel,
    FastReroute,
    Igp,
    Imposition,
    Transport,
)
from toolkit.inventory.references import receivers_of
from toolkit.inventory.section import Declared

BIER_HEADER = 12
"""Bytes in front of the BitString, the BIFT-id's word included."""
UDP_HEADER = 8
_TUNNEL = {BierTunnel.GRE: 4, BierTunnel.VXLAN: UDP_HEADER + 8 + 14, BierTunnel.SR: 4}
"""Between neighbors across a router that cannot do BIER: RFC 2784, RFC 7348 (with an inner Ethernet
header), both after an outer IP header; RFC 8660."""
IP_HEADER = {4: 20, 6: 40}
LEAST_PAYLOAD = 256
"""Bytes of UDP payload below which headers outweigh what they carry."""
IPV6_LEAST_MTU = 1280


def check_fit(declared: Declared) -> Iterator[Problem]:
    """Yield links too small for a packet and hosts on routers that cannot do BIER."""
    yield from _check_mtus(declared)
    yield from _check_labels(declared)
    yield from _check_costs(declared)
    if declared.certain("routers", "repositories", "clouds"):
        yield from _check_edges(declared)


def _settings(declared: Declared) -> BierSettings | None:
    if declared.bier is None:
        return BierSettings()
    body = declared.bier.body
    if body is None:
        return None
    return BierSettings(bsl=body.bsl, tunnel=body.tunnel, fast_reroute=body.fast_reroute)


def _lacks_bier(declared: Declared, router: str | None) -> bool:
    entry = declared.routers.get(router or "")
    return entry is not None and entry.written.get("bier") is False


def _crosses_others(declared: Declared) -> bool:
    """Tell whether BIER packets may have to cross a router that cannot do BIER.

    They do so in a tunnel, which follows unicast routes: any core link may carry one.
    """
    neighbors: dict[str, set[str]] = {}
    for link in declared.links:
        a, b = link.text("a") or "", link.text("b") or ""
        neighbors.setdefault(a, set()).add(b)
        neighbors.setdefault(b, set()).add(a)
    return any(len(near) > 1 and _lacks_bier(declared, name) for name, near in neighbors.items())


def _check_mtus(declared: Declared) -> Iterator[Problem]:
    pools, settings = pools_of(declared), _settings(declared)
    if pools is None or settings is None:
        return
    version = pools.loopbacks.version
    plain = IP_HEADER[version] + UDP_HEADER + LEAST_PAYLOAD
    bier = BIER_HEADER + settings.bsl // 8
    core, parts = plain + bier, f"a BIER header of {bier} bytes"
    if settings.fast_reroute is not FastReroute.NONE or _crosses_others(declared):
        tunnel = _TUNNEL[settings.tunnel] + IP_HEADER[version]
        if settings.tunnel is BierTunnel.SR:
            tunnel = _TUNNEL[settings.tunnel]
        core, parts = core + tunnel, f"{parts} in a tunnel of {tunnel} bytes"
    for link in declared.links:
        if link.body is not None:
            yield from _check_mtu(link, link.body.mtu, core, parts, version)
    senders = {
        delivery.body.source
        for delivery in declared.deliveries.values()
        if delivery.body
        and delivery.body.transport is Transport.BIER
        and delivery.body.imposition is Imposition.HOST
    }
    for host in declared.repositories.values():
        if host.body is not None:
            imposed = bier if host.name in senders else 0
            parts = f"a BIER header of {bier} bytes" if imposed else "its headers"
            yield from _check_mtu(host, host.body.mtu, plain + imposed, parts, version)
    for cloud in declared.clouds.values():
        if cloud.body is not None:
            yield from _check_mtu(cloud, cloud.body.mtu, plain, "its headers", version)


def _check_mtu(
    entry: Entry[Any], mtu: int, need: int, parts: str, version: int
) -> Iterator[Problem]:
    if version == 6 and mtu < IPV6_LEAST_MTU:
        what = f"{mtu} bytes are too few for IPv6: RFC 8200 section 5"
        yield entry.problem(what, f"at least {max(need, IPV6_LEAST_MTU)}", at="mtu")
    elif mtu < need:
        what = f"{mtu} bytes cannot carry {parts} and a useful payload"
        yield entry.problem(what, f"at least {need}, or a shorter BitString: bier.bsl", at="mtu")


def _check_labels(declared: Declared) -> Iterator[Problem]:
    """Node SIDs and replication SIDs are labels of one number space on every router."""
    if declared.sr is None or declared.sr.body is None:
        return
    srgb, srlb = declared.sr.body.srgb, declared.sr.body.srlb
    if srgb.lower <= srlb.upper and srlb.lower <= srgb.upper:
        shown = "srlb" if "srlb" in declared.sr.written else "srgb"
        what = f"the blocks of labels overlap: srgb {srgb}, srlb {srlb}"
        yield declared.sr.problem(what, "take two separate blocks", at=shown)


def _check_costs(declared: Declared) -> Iterator[Problem]:
    """OSPF counts to 65535 where IS-IS counts to 16777214."""
    if declared.underlay is None or declared.underlay.body is None:
        return
    if declared.underlay.body.igp is Igp.OSPF:
        for link in declared.links:
            if link.body is not None and link.body.metric > OSPF_COSTS[1]:
                what = f"{link.body.metric} is no cost of OSPF (RFC 2328 appendix C.3)"
                yield link.problem(what, f"at most {OSPF_COSTS[1]}", at="metric")


def _check_edges(declared: Declared) -> Iterator[Problem]:
    """A BFIR and a BFER must be BFRs; only routers between them may be something else."""
    reported: set[str] = set()
    for delivery in declared.deliveries.values():
        if delivery.body is not None and delivery.body.transport is not Transport.BIER:
            continue
        source = declared.repositories.get(delivery.text("from") or "")
        ends: list[tuple[Entry[Any], str]] = [(source, "starts")] if source else []
        ends += [(declared.clouds[name], "ends") for name in receivers_of(declared, delivery)]
        for host, verb in ends:
            router = host.text("router")
            if _lacks_bier(declared, router) and host.name not in reported:
                reported.add(host.name)
                what = (
                    f"router '{router}' cannot do BIER, but delivery '{delivery.name}' {verb} there"
                )
                remedy = f"attach '{host.name}' to a BIER router, or remove 'bier: false'"
                yield host.problem(what, remedy, at="router")
