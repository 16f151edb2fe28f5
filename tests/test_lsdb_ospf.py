"""OSPFv2: which LSA counts, what becomes a way, and where a problem stands."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsdb_networks import AREA, capture, ospf_frame

from toolkit.bier.signalling import ospf as bier_ospf
from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet.tlv import Tlv, write_long
from toolkit.lsdb import ospf_lsa, ospf_packet
from toolkit.lsdb.bfrs import Bfrs
from toolkit.lsdb.birt import tables
from toolkit.lsdb.capture import Databases, read_databases
from toolkit.lsdb.check import check
from toolkit.lsdb.ospf_lsa import ExtendedPrefix, RouterLink
from toolkit.lsdb.ospf_packet import Lsa

A, B, C = (IPv4Address(f"10.0.0.{n}") for n in (1, 2, 3))
HOST = IPv4Address("255.255.255.255")


def router(own: IPv4Address, *links: RouterLink, **rest: object) -> Lsa:
    """A Router-LSA, its own address on a stub link behind the others."""
    body = ospf_lsa.encode_router([*links, RouterLink(3, own, HOST, 0)])
    return Lsa(type=1, id=own, router=own, body=body, **rest)  # type: ignore[arg-type]


def to(other: IPv4Address, metric: int, data: str, **topologies: int) -> RouterLink:
    mts = {int(name[2:]): value for name, value in topologies.items()}
    return RouterLink(1, other, IPv4Address(data), metric, mts)


def bier(
    own: IPv4Address, *infos: BierInfo, prefix: str = "", number: int = 1, route_type: int = 1
) -> Lsa:
    network = IPv4Network(prefix) if prefix else IPv4Network(own)
    sub = write_long(Tlv(9, bier_ospf.encode(info)) for info in infos)
    body = ospf_lsa.encode_extended_prefixes([ExtendedPrefix(network, route_type, sub_tlvs=sub)])
    return Lsa(type=10, id=ospf_lsa.opaque_id(number), router=own, body=body)


def info(bfr_id: int, base: int = 1000, **rest: int) -> BierInfo:
    ranges = (BiftIdRange(Encapsulation.MPLS, 3, base, 0),)
    return BierInfo(**{"sub_domain_id": 0, "bfr_id": bfr_id, **rest}, ranges=ranges)  # type: ignore[arg-type]


def databases(*packets: list[Lsa] | bytes, area: IPv4Address = AREA) -> Databases:
    octets = (
        p if isinstance(p, bytes) else ospf_packet.encode_update(p[0].router, area, p)
        for p in packets
    )
    return read_databases(capture(ospf_frame(one) for one in octets))


def ways(*packets: list[Lsa] | bytes) -> list[tuple[str, str, int, int, str]]:
    (scope,) = databases(*packets).scopes
    return [(w.source[-1], w.target[-1], w.mt_id, w.metric, str(w.address)) for w in scope.ways]


def problems(*packets: list[Lsa] | bytes) -> list[str]:
    return [str(problem) for problem in databases(*packets).problems]


def test_an_lsa_octet_by_octet() -> None:
    """RFC 2328 A.4.1 and A.4.2 by hand; both sums of RFC 1008 over all but the age are zero."""
    octets = router(A, to(B, 7, "10.9.0.0", mt5=9)).encode()
    assert octets[:16].hex() == "000042010a0000010a00000180000001"
    assert (
        octets[18:].hex() == "0034"
        "0000"
        "0002" + ("0a0000020a0900000101000705000009") + "0a000001"
        "ffffffff"
        "03"
        "00"
        "0000"
    )
    first = second = 0
    for octet in octets[2:]:
        first = (first + octet) % 255
        second = (second + first) % 255
    assert (first, second) == (0, 0)


def test_an_ls_update_octet_by_octet() -> None:
    """RFC 2328 A.3.1 and A.3.5 by hand: without LSAs, whose checksum is that of the header."""
    octets = ospf_packet.encode_update(A, AREA, [])
    assert octets.hex() == "0204001c0a00000100000000f3de0000" + "00" * 8 + "00000000"


line = [
    [router(A, to(B, 3, "10.9.0.0"))],
    [router(B, to(A, 4, "10.9.0.1"), to(C, 5, "10.9.0.2"))],
    [router(C, to(B, 6, "10.9.0.3"))],
]


def test_ways_of_point_to_point_links_need_both_ends() -> None:
    assert ways(*line) == [
        ("1", "2", 0, 3, "10.9.0.1"),
        ("2", "1", 0, 4, "10.9.0.0"),
        ("2", "3", 0, 5, "10.9.0.3"),
        ("3", "2", 0, 6, "10.9.0.2"),
    ]
    assert ways(line[0], [router(B)]) == []
    assert problems(line[0]) == [
        "ospf area 0.0.0.0: Router-LSA of 10.0.0.2, a neighbor of 10.0.0.1, is not in the capture"
    ]


def test_parallel_links_keep_their_own_addresses() -> None:
    two = [[router(A, to(B, 1, "10.9.0.0"), to(B, 1, "10.9.0.4"))],
           [router(B, to(A, 1, "10.9.0.5"), to(A, 1, "10.9.0.1"))]]  # fmt: skip
    assert [way[4] for way in ways(*two)] == ["10.9.0.1", "10.9.0.5", "10.9.0.0", "10.9.0.4"]


def test_unnumbered_links_have_no_address() -> None:
    two = [[router(A, to(B, 1, "0.0.0.4"))], [router(B, to(A, 1, "0.0.0.9"))]]
    assert [way[4] for way in ways(*two)] == ["None", "None"]


def test_a_network_joins_the_routers_that_both_sides_list() -> None:
    dr = IPv4Address("10.8.0.1")
    on = [RouterLink(2, dr, IPv4Address(f"10.8.0.{n}"), n) for n in (1, 2, 3)]
    body = ospf_lsa.encode_network(24, [A, B])
    lan = Lsa(type=2, id=dr, router=A, body=body)
    packets = [[lan, router(A, on[0])], [router(B, on[1])], [router(C, on[2])]]
    assert ways(*packets) == [("1", "2", 0, 1, "10.8.0.2"), ("2", "1", 0, 2, "10.8.0.1")]


def test_topologies_have_their_own_metrics() -> None:
    two = [[router(A, to(B, 3, "10.9.0.0", mt5=7))], [router(B, to(A, 4, "10.9.0.1", mt5=8))]]
    assert [way[2:4] for way in ways(*two)] == [(0, 3), (5, 7), (0, 4), (5, 8)]
    assert [way[2] for way in ways(two[0], line[1])] == [0, 0]


def test_the_newest_lsa_counts_and_max_age_removes_it() -> None:
    newer = router(A, to(B, 9, "10.9.0.0"), sequence=0x80000002)
    oldest = router(A, to(B, 1, "10.9.0.0"), sequence=0x80000000 + 0)
    for order in ([line[0], [newer], [oldest]], [[newer], [oldest], line[0]]):
        assert ways(*order, line[1])[0][3] == 9
    positive = router(A, to(B, 8, "10.9.0.0"), sequence=1)  # a signed number: after 0xffffffff
    assert ways([newer], [positive], line[1])[0][3] == 8
    assert ways([newer], [replace(newer, age=ospf_packet.MAX_AGE)], line[1]) == []
    kept = replace(newer, age=0x8000 | 100)  # DoNotAge
    assert ways([kept], line[1])[0][3] == 9


def test_checksums_of_packets_and_lsas() -> None:
    packet = bytearray(ospf_packet.encode_update(A, AREA, line[0][0:1]))
    packet[-1] ^= 1
    assert problems(bytes(packet)) == ["frame 1: OSPF: wrong packet checksum"]
    packet[14:16] = b"\0\2"  # cryptographic authentication: no packet checksum, but the LSA's
    (told,) = problems(bytes(packet))
    assert told == (
        f"frame 1: LSA type 1 10.0.0.1 of 10.0.0.1: wrong checksum 0x{packet[44:46].hex()}; "
        "the LSA is not used"
    )


def test_what_a_database_description_lists_is_missed() -> None:
    head = router(B).encode()[:20]
    body = bytes.fromhex("05dc420100000001") + head + router(A).encode()[:20]
    fixed = bytes.fromhex("0202") + (24 + len(body)).to_bytes(2, "big") + A.packed + AREA.packed
    from toolkit.inet.checksum import checksum

    check = checksum(fixed + bytes(4) + body)
    packet = fixed + check.to_bytes(2, "big") + bytes(10) + body
    assert problems(packet, [router(A)]) == [
        "frame 1: area 0.0.0.0: lists LSA type 1 10.0.0.2 of 10.0.0.2, which is not in the capture"
    ]


def test_bier_of_the_first_opaque_lsa_for_a_prefix_counts() -> None:
    """RFC 7684 section 2: the one with the lowest opaque ID."""
    found = databases([router(A), bier(A, info(9), number=2), bier(A, info(7), number=1)])
    (said,) = found.scopes[0].advertisements
    assert (said.info.bfr_id, said.place) == (
        7,
        "frame 1: LSA type 10 7.0.0.1 of 10.0.0.1, 10.0.0.1/32, sub-TLV 9 (number 1)",
    )


def test_an_extended_prefix_lsa_octet_by_octet() -> None:
    """RFC 7684 2 and 2.1 by hand; the default route has 32 bits of prefix, too."""
    host = ExtendedPrefix(IPv4Network(A), 1, 0x40, b"\0\x63\0\0")
    default = ExtendedPrefix(IPv4Network("0.0.0.0/0"), 5, 0)
    octets = "0001 000c 01 20 00 40 0a000001 0063 0000  0001 0008 05 00 00 00 00000000"
    body = bytes.fromhex(octets.replace(" ", ""))
    assert ospf_lsa.encode_extended_prefixes([host, default]) == body
    assert list(ospf_lsa.extended_prefixes(body)) == [host, default]


def test_a_bfr_prefix_that_no_router_lsa_holds_is_nobodys_route() -> None:
    found = databases([router(A), bier(A, info(9), prefix="10.7.0.1/32")])
    assert found.scopes[0].advertisements == ()
    (problem,) = found.problems
    assert problem.harms
    assert problem.what == (
        "no Router-LSA or Summary-LSA of 10.0.0.1 holds the prefix; nobody has a route to it"
    )


def test_a_sub_domain_in_two_topologies_is_two_worlds() -> None:
    """RFC 8444 section 2.1: each ignores what the other says."""
    packets = [
        [router(A, to(B, 3, "10.9.0.0", mt5=3)), bier(A, info(1))],
        [router(B, to(A, 4, "10.9.0.1", mt5=4)), bier(B, info(2, 2000, mt_id=5))],
    ]
    bfrs = Bfrs(databases(*packets).scopes[0])
    every = [table for own in (A, B) for table in tables(bfrs, str(own))]
    assert [list(table.rows) for table in every] == [[1], [2]]
    assert [str(problem) for problem in check(bfrs, every)] == [
        "ospf area 0.0.0.0: sub-domain 0: it is in several topologies: MT 0 (10.0.0.1), "
        "MT 5 (10.0.0.2); these ignore each other"
    ]


def test_a_bfr_of_another_area_is_reached_through_its_border_router() -> None:
    """RFC 8444 section 2.3; of two border routers the nearer one, by summary metrics too."""
    far = IPv4Network("10.5.0.1/32")
    sums = [
        Lsa(type=3, id=far.network_address, router=r, body=ospf_lsa.encode_summary(far, metric))
        for r, metric in ((B, 50), (C, 1))
    ]
    packets = [
        [*line[0], bier(A, info(1))],
        [*line[1], sums[0], bier(B, info(2, 2000)),
         bier(B, info(8, 8000), prefix=str(far), number=2, route_type=3)],
        [*line[2], sums[1], bier(C, info(3, 3000)),
         bier(C, info(8, 8000), prefix=str(far), number=2, route_type=3)],
    ]  # fmt: skip
    bfrs = Bfrs(databases(*packets).scopes[0])
    rows = tables(bfrs, str(A))[0].rows
    assert [(i, r.router, r.metric, [n.router for n in r.neighbors]) for i, r in rows.items()] == [
        (1, "10.0.0.1", 0, []),
        (2, "10.0.0.2", 3, ["10.0.0.2"]),
        (3, "10.0.0.3", 8, ["10.0.0.2"]),
        (8, "10.5.0.1/32", 9, ["10.0.0.2"]),
    ]
    assert tables(bfrs, str(C))[0].rows[8].router == "10.5.0.1/32"


@pytest.mark.parametrize(
    ("lsa", "what"),
    [
        (Lsa(type=1, id=C, router=C, body=b"\0"), "Router-LSA: less than 4 octets"),
        (Lsa(type=1, id=C, router=C, body=b"\0\0\0\1\0"), "Router-LSA: link 1 of 1 is cut"),
        (Lsa(type=1, id=C, router=C, body=b"\0\0\0\1" + bytes(9) + b"\1\0\0"),
         "Router-LSA: the topologies of link 1 are cut"),
        (Lsa(type=2, id=C, router=C, body=bytes(5)), "Network-LSA: 5 octets"),
        (Lsa(type=2, id=C, router=C, body=b"\xff\0\xff\0"), "255.0.255.0 is no network mask"),
        (Lsa(type=3, id=C, router=C, body=bytes(5)), "Summary-LSA: 5 octets are less than 8"),
        (Lsa(type=10, id=ospf_lsa.opaque_id(9), router=C, body=b"\0\1\0\3abc\0"),
         "Extended Prefix TLV: less than 4 octets"),
        (Lsa(type=10, id=ospf_lsa.opaque_id(9), router=C, body=b"\0\1\0\4\1\x20\0\0"),
         "Extended Prefix TLV: a prefix of 32 bits in 4 octets"),
        (Lsa(type=10, id=ospf_lsa.opaque_id(9), router=C, body=b"\0\1\0\x09"),
         "TLV 1 at offset 0 wants 9 octets, 0 are left"),
    ],
)  # fmt: skip
def test_a_malformed_lsa_is_named_and_harms_no_other(lsa: Lsa, what: str) -> None:
    found = databases([lsa, router(A, to(B, 3, "10.9.0.0")), router(B, to(A, 4, "10.9.0.1"))])
    assert [str(p) for p in found.problems] == [
        f"frame 1: LSA type {lsa.type} {lsa.id} of 10.0.0.3: {what}"
    ]
    assert len(found.scopes[0].ways) == 2


def test_a_malformed_bier_sub_tlv_is_named() -> None:
    ok = write_long([Tlv(9, b"\0\0"), Tlv(9, bier_ospf.encode(info(4)))])
    one = ExtendedPrefix(IPv4Network(A), sub_tlvs=ok + b"\0\x09\0\x09")
    body = ospf_lsa.encode_extended_prefixes([one])
    found = databases([router(A), Lsa(type=10, id=ospf_lsa.opaque_id(1), router=A, body=body)])
    place = "frame 1: LSA type 10 7.0.0.1 of 10.0.0.1, 10.0.0.1/32"
    assert [str(p) for p in found.problems] == [
        f"{place}, sub-TLV 9 (number 1): BIER sub-TLV: 2 octets are less than 8",
        f"{place}: sub-TLVs: TLV 9 at offset 32 wants 9 octets, 0 are left",
    ]
    assert [one.info.bfr_id for one in found.scopes[0].advertisements] == [4]


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("0204", "OSPF: 2 octets are less than the header of 24"),
        ("0304" + "00" * 22, "OSPF: version 3 is not 2"),
        ("0209" + "00" * 22, "OSPF: packet type 9 is not known"),
        ("02040010" + "00" * 20, "OSPF: a packet of 16 octets in 24"),
    ],
)
def test_malformed_packets(octets: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        ospf_packet.parse(bytes.fromhex(octets))
    assert str(caught.value) == message


address = st.integers(0, (1 << 32) - 1).map(IPv4Address)
links = st.lists(
    st.builds(
        RouterLink, st.integers(0, 255), address, address, st.integers(0, 0xFFFF),
        st.dictionaries(st.integers(1, 255), st.integers(0, 0xFFFF), max_size=3),
    ),
    max_size=5,
)  # fmt: skip
extended = st.lists(
    st.builds(
        ExtendedPrefix,
        st.builds(
            lambda n, bits: IPv4Network((n, bits), strict=False),
            st.integers(0, (1 << 32) - 1), st.integers(0, 32),
        ),
        st.integers(0, 255), st.integers(0, 255), st.binary(max_size=20),
    ),
    max_size=4,
)  # fmt: skip
lsas = st.lists(
    st.builds(
        Lsa, type=st.integers(0, 255), id=address, router=address, options=st.integers(0, 255),
        sequence=st.integers(0, 0xFFFFFFFF), age=st.integers(0, 0xFFFF),
        body=st.binary(max_size=40),
    ),
    max_size=4,
)  # fmt: skip


@given(links, extended, lsas)
def test_bodies_and_updates_round_trip(
    some: list[RouterLink], held: list[ExtendedPrefix], every: list[Lsa]
) -> None:
    assert list(ospf_lsa.parse_router(ospf_lsa.encode_router(some))) == some
    assert list(ospf_lsa.extended_prefixes(ospf_lsa.encode_extended_prefixes(held))) == held
    packet = ospf_packet.parse(ospf_packet.encode_update(A, B, every) + b"trailer")
    assert (packet.router, packet.area, packet.damage) == (A, B, ())
    assert [received.lsa for received in packet.lsas] == every
    assert all(received.intact for received in packet.lsas)
