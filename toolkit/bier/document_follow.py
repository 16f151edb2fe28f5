"""Reads the part of a BIFT document that says how tables follow the host's routes.

The format is described in docs/reference/bift.md.  Law: as that of `toolkit.bier.document`.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.bier.bift import BiftKey
from toolkit.bier.birt import Tunnel, TunnelKind
from toolkit.bier.bitstring import MAX_BFR_ID, Bsl, set_and_bit
from toolkit.bier.checked import Checked
from toolkit.bier.engine import Arrived
from toolkit.bier.follow_model import Following, IpAddress, Peer
from toolkit.bier.program import Interface

BIFT_ID = (1 << 20) - 1
SUB_DOMAIN = 255
LENGTHS = tuple(length.bits for length in Bsl)


def read_following(
    body: Checked,
    tables: Mapping[BiftKey, int | None],
    own: Mapping[int, int],
    interfaces: Mapping[str, Interface],
) -> Following:
    """Return what `follow` says.  `tables`: those that follow, with what peers without BIFT-ids of
    their own have; `own`: our BFR-ids."""
    bfers: dict[tuple[int, int], IpAddress] = {}
    for below in body.objects("bfers"):
        _bfer(below, tables, bfers)
    peers: dict[IpAddress, Peer] = {}
    for below in body.objects("peers"):
        _peer(below, tables, peers)
    body.close()
    return Following(
        bfers=bfers,
        peers=peers,
        tables=tables,
        own=own,
        interfaces=frozenset(n for n, i in interfaces.items() if i.arrived is Arrived.CORE),
    )


def _bfer(
    body: Checked, tables: Mapping[BiftKey, int | None], bfers: dict[tuple[int, int], IpAddress]
) -> None:
    sub_domain = body.integer("sub_domain", 0, SUB_DOMAIN, 0)
    bfr_id = body.integer("bfr_id", 1, MAX_BFR_ID)
    if "prefix" not in body:
        body.wrong("prefix", "is missing", "the BFR-prefix, an address of the BFER")
    prefix = body.address("prefix")
    if prefix is None:
        pass  # what is wrong with it has been said
    elif (sub_domain, bfr_id) in bfers:
        body.wrong("bfr_id", f"{bfr_id} is another BFER's in sub-domain {sub_domain} already")
    else:
        bfers[sub_domain, bfr_id] = prefix
        lengths = {key.bsl for key in tables if key.sub_domain == sub_domain}
        for bsl in sorted(lengths):
            si, _position = set_and_bit(bfr_id, bsl)
            if BiftKey(sub_domain, bsl, si) not in tables:
                body.wrong(
                    "bfr_id", f"{bfr_id} is in set {si}, which no table of BSL {bsl} follows",
                    "add one to bifts, with follow: true",
                )  # fmt: skip
        if not lengths:
            body.wrong("sub_domain", f"no table of sub-domain {sub_domain} has follow: true")
    body.close()


def _peer(
    body: Checked, tables: Mapping[BiftKey, int | None], peers: dict[IpAddress, Peer]
) -> None:
    router, addresses = body.text("router"), body.addresses("addresses")
    if not addresses:
        body.wrong("addresses", "is missing", "those that routes have as next hop")
    bases: dict[tuple[int, int], int] = {}
    for below in body.objects("bift_ids"):
        sub_domain = below.integer("sub_domain", 0, SUB_DOMAIN, 0)
        bsl = below.integer("bsl", 64, 4096, 256)
        if bsl not in LENGTHS:
            below.wrong("bsl", f"{bsl} is no BitString length", ", ".join(map(str, LENGTHS)))
        sets = [key.si for key in tables if (key.sub_domain, key.bsl) == (sub_domain, bsl)]
        base = below.integer("base", 0, BIFT_ID - max(sets, default=0))
        if not sets:
            below.wrong("", f"no table of sub-domain {sub_domain} and BSL {bsl} follows")
        if (sub_domain, bsl) in bases:
            below.wrong("", f"is the second block for sub-domain {sub_domain} and BSL {bsl}")
        bases[sub_domain, bsl] = base
        below.close()
    tunnels: dict[IpAddress, Tunnel] = {}
    if "tunnel" in body:
        below = body.below("tunnel", body.take("tunnel"))
        for address in addresses[:1]:
            tunnel = read_tunnel(below, address)
            if tunnel is not None:
                tunnels[address] = tunnel
        if len(addresses) > 1:
            body.wrong("addresses", "are several, but a tunnel has one end", "its BFR-prefix")
    body.close()
    for key, number in tables.items():
        if number is None and (key.sub_domain, key.bsl) not in bases:
            body.wrong(
                "bift_ids", f"has none for sub-domain {key.sub_domain} and BSL {key.bsl}",
                "labels are each router's own: give the first of its block",
            )  # fmt: skip
            break
    for address in addresses:
        if address in peers:
            body.wrong("addresses", f"{address} is {peers[address].router}'s already")
        peers[address] = Peer(router, bases, tunnels.get(address))


def read_tunnel(body: Checked, remote: IpAddress | None) -> Tunnel | None:
    """Return the tunnel to `remote`; None where a problem was noted."""
    kind = body.choice("kind", TunnelKind, TunnelKind.GRE)
    local = body.address("local")
    labels = body.numbers("labels", 16, BIFT_ID) or ()
    vni = body.integer("vni", 0, (1 << 24) - 1, 0)
    body.close()
    if local is None or remote is None or local.version != remote.version:
        body.wrong("", "needs local and remote, two addresses of one family")
    elif (kind is TunnelKind.SR_MPLS) != bool(labels):
        body.wrong("labels", f"belongs to kind: {TunnelKind.SR_MPLS}, and has to be there")
    else:
        return Tunnel(local, remote, kind, labels, vni)
    return None
