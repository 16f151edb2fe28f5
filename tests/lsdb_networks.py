"""Captures of networks: each router of a hand-built or generated state writes its LSPs or LSAs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from planes_networks import state as network_state

from toolkit.bier.bitstring import Bsl
from toolkit.bier.signalling import isis as bier_isis
from toolkit.bier.signalling import ospf as bier_ospf
from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.inet import ip
from toolkit.inet.pcap import Frame, write
from toolkit.inet.tlv import Tlv, write_long, write_short
from toolkit.lsdb import lsp, ospf_lsa, ospf_packet, reachability
from toolkit.lsdb.lsp import Lsp, LspId
from toolkit.lsdb.ospf_lsa import ExtendedPrefix, RouterLink
from toolkit.lsdb.ospf_packet import Lsa
from toolkit.planes.underlay import Underlay
from toolkit.state.model import NetworkState, RouterState

ALL_L2_ISS = bytes.fromhex("0180c2000015")
MAC = bytes.fromhex("020000000001")
AREA = IPv4Address("0.0.0.0")


def isis_frame(pdu: bytes, *, vlan: int | None = None) -> Frame:
    body = lsp.LLC + pdu
    tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
    data = ALL_L2_ISS + MAC + tag + len(body).to_bytes(2, "big") + body
    return Frame(data + bytes(max(0, 60 - len(data))))


def ospf_frame(packet: bytes) -> Frame:
    template = ip.Template(IPv4Address("10.0.0.0"), ospf_packet.ALL_SPF_ROUTERS, 89, ttl=1)
    return Frame(bytes.fromhex("01005e000005") + MAC + b"\x08\x00" + template.packet(packet))


def capture(frames: Iterable[Frame]) -> bytes:
    return write(frames)


def infos(router: RouterState) -> list[BierInfo]:
    """What a router of a state says about BIER."""
    return [
        BierInfo(
            sub_domain_id=part.sub_domain_id,
            bfr_id=part.bfr_id or 0,
            ranges=tuple(
                BiftIdRange(Encapsulation(e.kind), Bsl.of_bits(e.bsl).value, e.base, e.max_si)
                for e in part.encapsulations
            ),
        )
        for part in router.sub_domains
    ]


def system_id(router: RouterState) -> bytes:
    assert router.system_id is not None
    return bytes.fromhex(router.system_id.replace(".", ""))


def router_lsps(
    state: NetworkState,
    change: Callable[[str, BierInfo], list[BierInfo]] = lambda _name, info: [info],
    level: int = 2,
) -> dict[str, Lsp]:
    """Router -> its LSP, all in fragment 0."""
    underlay = Underlay(state)
    found: dict[str, Lsp] = {}
    for name, router in state.routers.items():
        neighbors = [
            reachability.IsNeighbor(
                system_id(state.routers[theirs.end.node]) + b"\0",
                next(
                    i.isis.metric for i in router.interfaces.values() if i.name == port and i.isis
                ),
                write_short([Tlv(6, ours.address.ip.packed), Tlv(8, theirs.address.ip.packed)]),
            )
            for port, (ours, theirs) in underlay.ways(name).items()
        ]
        prefixes = []
        for prefix in underlay.prefixes(name):
            own = [p for p in router.sub_domains if p.bfr_prefix == prefix.network]
            said = [i for info in infos(router) for i in change(name, info)] if own else []
            sub = write_short(Tlv(32, bier_isis.encode(info)) for info in said)
            prefixes.append(reachability.Prefix(prefix.network, prefix.metric, sub=sub))
        tlvs = (
            reachability.area_tlv(bytes.fromhex("490001")),
            Tlv(129, b"\xcc"),
            Tlv(137, name.encode()),
            *reachability.neighbor_tlvs(neighbors),
            *reachability.prefix_tlvs(prefixes),
        )
        found[name] = Lsp(level=level, id=LspId(system_id(router)), sequence=7, tlvs=tlvs)
    return found


def isis_capture(lsps: Mapping[str, Lsp]) -> bytes:
    return capture(isis_frame(lsp.encode(one)) for one in lsps.values())


def router_id(name: str, state: NetworkState) -> IPv4Address:
    address = state.routers[name].interfaces["lo"].addresses[0].ip
    assert isinstance(address, IPv4Address)
    return address


def router_lsas(state: NetworkState) -> dict[str, list[Lsa]]:
    """Router -> its Router-LSA and its Extended Prefix Opaque LSA."""
    underlay = Underlay(state)
    found: dict[str, list[Lsa]] = {}
    for name, router in state.routers.items():
        own = router_id(name, state)
        links = [
            RouterLink(
                ospf_lsa.POINT_TO_POINT,
                router_id(theirs.end.node, state),
                IPv4Address(ours.address.ip.packed),
                next(
                    i.isis.metric for i in router.interfaces.values() if i.name == port and i.isis
                ),
            )
            for port, (ours, theirs) in underlay.ways(name).items()
        ]
        links.append(RouterLink(ospf_lsa.STUB, own, IPv4Address("255.255.255.255"), 1))
        body = ospf_lsa.encode_router(links)
        found[name] = [Lsa(type=ospf_lsa.ROUTER, id=own, router=own, body=body)]
        sub = write_long(Tlv(9, bier_ospf.encode(info)) for info in infos(router))
        if sub:
            extended = ospf_lsa.encode_extended_prefixes(
                [ExtendedPrefix(IPv4Network(own), sub_tlvs=sub)]
            )
            number = ospf_lsa.opaque_id(1)
            found[name].append(Lsa(type=ospf_lsa.OPAQUE_AREA, id=number, router=own, body=extended))
    return found


def ospf_capture(lsas: Mapping[str, list[Lsa]], state: NetworkState) -> bytes:
    return capture(
        ospf_frame(ospf_packet.encode_update(router_id(name, state), AREA, some))
        for name, some in lsas.items()
    )


def network(seed: int, kind: str = "mpls") -> NetworkState:
    """A connected graph of 4 to 12 routers, parallel links and non-BFRs in it."""
    dice = random.Random(seed)
    names = [f"r{n:02}" for n in range(dice.randint(4, 12))]
    links = []
    for number, name in enumerate(names[1:], 1):
        links.append((dice.choice(names[:number]), name, dice.randint(1, 3), dice.randint(1, 3)))
    for _ in range(len(names)):
        a, b = dice.sample(names, 2)
        links.append((a, b, dice.randint(1, 3), dice.randint(1, 3)))
    ids = dice.sample(range(1, 129), len(names))
    bfr_ids = {
        name: None if dice.random() < 0.2 else bfr_id
        for name, bfr_id in zip(names, ids, strict=True)
        if dice.random() < 0.8
    }
    return network_state(links, bfr_ids=bfr_ids, kind=kind, bsl=64, max_si=1)
