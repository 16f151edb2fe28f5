"""Reads the part of a BIFT document that says who is who in BIER OAM: `oam`.

The format is described in docs/how-to/oam.md.  Law: as that of `toolkit.bier.document`.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.bier.bitstring import MAX_BFR_ID
from toolkit.bier.checked import Checked
from toolkit.bier.oam_model import PORT, Addresses
from toolkit.bier.oam_tlv import IpAddress

SUB_DOMAIN = 255


def read_oam(body: Checked, own_ids: Mapping[int, int]) -> Addresses:
    """Return what `oam` says.  `own_ids`: sub-domain -> our own BFR-id."""
    own: dict[int, IpAddress] = {}
    bfers: dict[tuple[int, int], IpAddress] = {}
    routers: dict[tuple[int, str], IpAddress] = {}
    for below in body.objects("own"):
        sub_domain = below.integer("sub_domain", 0, SUB_DOMAIN, 0)
        prefix = _prefix(below)
        if sub_domain in own:
            below.wrong("sub_domain", f"{sub_domain} has a BFR-prefix already")
        elif prefix is not None:
            own[sub_domain] = prefix
            if sub_domain in own_ids:
                bfers[sub_domain, own_ids[sub_domain]] = prefix
        below.close()
    if not own:
        body.wrong("own", "names no BFR-prefix", "the address that replies are sent from")
    for below in body.objects("bfrs"):
        _bfr(below, own, bfers, routers)
    port = body.integer("port", 1, 0xFFFF, PORT)
    body.close()
    return Addresses(own=own, bfers=bfers, routers=routers, port=port)


def _bfr(
    body: Checked,
    own: Mapping[int, IpAddress],
    bfers: dict[tuple[int, int], IpAddress],
    routers: dict[tuple[int, str], IpAddress],
) -> None:
    sub_domain = body.integer("sub_domain", 0, SUB_DOMAIN, 0)
    prefix = _prefix(body)
    bfr_id = body.integer("bfr_id", 1, MAX_BFR_ID) if "bfr_id" in body else None
    router = body.text("router") if "router" in body else None
    ours = own.get(sub_domain)
    if bfr_id is None and router is None:
        body.wrong("", "has neither bfr_id nor router", "give what its prefix is looked up by")
    if prefix is not None and ours is not None and prefix.version != ours.version:
        body.wrong("prefix", f"{prefix} is not of the family of our own, {ours}")
    body.close()
    if prefix is None:
        return
    if bfr_id is not None and bfers.setdefault((sub_domain, bfr_id), prefix) != prefix:
        body.wrong("bfr_id", f"{bfr_id} is {bfers[sub_domain, bfr_id]} already")
    if router and routers.setdefault((sub_domain, router), prefix) != prefix:
        body.wrong("router", f"{router} is {routers[sub_domain, router]} already")


def _prefix(body: Checked) -> IpAddress | None:
    prefix = body.address("prefix")
    if prefix is None:
        body.wrong("prefix", "is missing", "the BFR-prefix, an address of the BFR")
    return prefix
