"""IS-IS: which LSP counts, what becomes a way, and where a problem stands."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsdb_networks import capture, isis_frame

from toolkit.bier.signalling import isis as bier_isis
from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet import fletcher
from toolkit.inet.tlv import Tlv, write_short
from toolkit.lsdb import lsp, reachability
from toolkit.lsdb.bfrs import Bfrs
from toolkit.lsdb.birt import tables
from toolkit.lsdb.capture import Databases, read_databases
from toolkit.lsdb.lsp import Lsp, LspEntry, LspId
from toolkit.lsdb.reachability import IsNeighbor, Prefix

A, B, C = (bytes.fromhex(f"00000000000{n}") for n in "abc")
NAMES = {A: "0000.0000.000a", B: "0000.0000.000b", C: "0000.0000.000c"}


def make(
    system: bytes,
    *near: tuple[bytes, int] | tuple[bytes, int, int],
    pseudonode: int = 0,
    fragment: int = 0,
    mt_id: int = 0,
    more: tuple[Tlv, ...] = (),
    **rest: object,
) -> Lsp:
    """`near`: (system ID, metric[, pseudonode])."""
    links = [IsNeighbor(n[0] + bytes((n[2] if len(n) > 2 else 0,)), n[1]) for n in near]
    tlvs = (*reachability.neighbor_tlvs(links, mt_id), *more)
    return Lsp(id=LspId(system, pseudonode, fragment), tlvs=tlvs, **{"level": 2, **rest})  # type: ignore[arg-type]


def databases(*pdus: Lsp | bytes) -> Databases:
    octets = (lsp.encode(pdu) if isinstance(pdu, Lsp) else pdu for pdu in pdus)
    return read_databases(capture(isis_frame(one) for one in octets))


def ways(*pdus: Lsp | bytes) -> list[tuple[str, str, int, int]]:
    (scope,) = databases(*pdus).scopes
    return [(w.source[-1:], w.target[-1:], w.mt_id, w.metric) for w in scope.ways]


def problems(*pdus: Lsp | bytes) -> list[str]:
    return [str(problem) for problem in databases(*pdus).problems]


def test_an_lsp_octet_by_octet() -> None:
    """ISO/IEC 10589 section 9.9: fields by hand; the checksum is by RFC 1008."""
    octets = lsp.encode(make(A, (B, 10), sequence=5, overloaded=True))
    body = octets[12:24] + b"\0\0" + octets[26:]
    assert octets[:12].hex() == "831b010014010000" + "0028" + "04b0"
    assert body.hex() == "00000000000a0000" + "00000005" + "0000" + "07" + (
        "160b" + "00000000000b00" + "00000a" + "00"
    )
    first = second = 0
    for octet in octets[12:]:
        first = (first + octet) % 255
        second = (second + first) % 255
    assert (first, second) == (0, 0)


def test_the_iso_8473_example_checksum() -> None:
    """Fletcher's sums of `abcde` are known (0xC8F0 modulo 255): a published value of the sums."""
    assert fletcher._sums(b"abcde") == (0xF0, 0xC8)
    assert not fletcher.verify(b"abcde")


@given(st.binary(min_size=2, max_size=60), st.data())
def test_check_octets_make_any_data_verify(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 2))
    octets = fletcher.check_octets(data, at)
    whole = bytearray(data[:at] + octets + data[at + 2 :])
    assert fletcher.verify(bytes(whole))
    assert 0 not in octets
    position = draw.draw(st.integers(0, len(whole) - 1))
    whole[position] = (whole[position] + draw.draw(st.integers(1, 254))) % 255
    assert not fletcher.verify(bytes(whole))


both = (make(A, (B, 1)), make(B, (A, 2)))


def test_a_way_needs_both_ends() -> None:
    assert ways(*both) == [("a", "b", 0, 1), ("b", "a", 0, 2)]
    assert ways(make(A, (B, 1)), make(B)) == []


def test_the_newest_lsp_counts_whatever_the_order() -> None:
    old, new = make(A, (B, 1), sequence=3), make(A, (B, 9), sequence=4)
    for order in ([old, new], [new, old]):
        assert ways(*order, both[1])[0] == ("a", "b", 0, 9)


def test_a_purge_removes_a_router() -> None:
    purge = Lsp(level=2, id=LspId(A), sequence=1, lifetime=0)
    assert ways(*both, purge) == []
    assert problems(*both, purge) == [
        "isis level-2: 0000.0000.000a.00, a neighbor of 0000.0000.000b, has no LSP in the capture"
    ]


def test_an_lsp_with_a_wrong_checksum_is_not_used() -> None:
    broken = bytearray(lsp.encode(make(A, (B, 7), sequence=9)))
    broken[30] ^= 1
    assert ways(bytes(broken), *both)[0] == ("a", "b", 0, 1)
    (told,) = problems(bytes(broken), *both)
    assert told == (
        f"frame 1: level 2 LSP 0000.0000.000a.00-00: wrong checksum 0x{broken[24:26].hex()}; "
        "the LSP is not used"
    )


def test_fragments_belong_together_and_need_the_first() -> None:
    second = make(A, (C, 5), fragment=1)
    assert ("a", "c", 0, 5) in ways(*both, second, make(C, (A, 5)))
    assert ways(second, make(C, (A, 5))) == []
    assert problems(second)[0] == (
        "frame 1: level 2 LSP 0000.0000.000a.00-01: fragment 00 is not in the capture; "
        "the other fragments are ignored"
    )


def test_what_a_csnp_lists_is_missed() -> None:
    entries = [LspEntry(LspId(A), 1, 900), LspEntry(LspId(B), 8, 900), LspEntry(LspId(C), 2, 900)]
    purged = LspEntry(LspId(C, 1), 2, 0)
    csnp = lsp.encode_csnp(2, A + b"", [*entries, purged])
    assert problems(*both, csnp) == [
        "frame 3: level 2: lists LSP 0000.0000.000b.00-00 with sequence number 0x8, which is not "
        "in the capture (only 0x1)",
        "frame 3: level 2: lists LSP 0000.0000.000c.00-00 with sequence number 0x2, which is not "
        "in the capture",
    ]


def test_a_lan_is_resolved_into_ways_between_its_routers() -> None:
    lan = make(B, (A, 0), (B, 0), (C, 0), pseudonode=4)
    on = [make(A, (B, 3, 4)), make(B, (B, 5, 4)), make(C)]
    assert ways(lan, *on) == [("a", "b", 0, 3), ("b", "a", 0, 5)]  # c does not list the LAN
    (scope,) = databases(lan, *on).scopes
    assert list(scope.names) == list(NAMES.values())


def test_frames_too_long_for_a_length_have_an_ethertype() -> None:
    plain = isis_frame(lsp.encode(both[0]))
    data = plain.data[:12] + b"\x88\x70" + plain.data[14:]
    found = read_databases(capture([replace(plain, data=data)]))
    assert list(found.scopes[0].names) == [NAMES[A]]


def test_topologies_are_apart_and_pseudonodes_in_all_of_them() -> None:
    lan = make(B, (A, 0), (B, 0), pseudonode=4)
    two = [make(A, (B, 3, 4), mt_id=2), make(B, (B, 5, 4), mt_id=2)]
    assert ways(lan, *two) == [("a", "b", 2, 3), ("b", "a", 2, 5)]
    assert ways(make(A, (B, 1), mt_id=2), make(B, (A, 1))) == []


def test_metric_0_counts_as_1_and_the_largest_is_no_way() -> None:
    assert ways(make(A, (B, 0)), make(B, (A, 0xFFFFFF))) == [("a", "b", 0, 1)]
    assert problems(make(A, (B, 0)), both[1]) == [
        "frame 1: level 2 LSP 0000.0000.000a.00-00, TLV 22 (number 1): "
        "metric 0 to 0000.0000.000b.00 is counted as 1"
    ]


def bier(bfr_id: int, prefix: str, base: int = 1000, mt_id: int = 0, **rest: object) -> Tlv:
    info = BierInfo(
        sub_domain_id=0, bfr_id=bfr_id, ranges=(BiftIdRange(Encapsulation.MPLS, 3, base, 0),)
    )
    network = IPv6Network(prefix) if ":" in prefix else IPv4Network(prefix)
    extra = rest.pop("extra", b"")
    sub = write_short([Tlv(32, bier_isis.encode(info))]) + bytes(extra)  # type: ignore[call-overload]
    (tlv,) = reachability.prefix_tlvs([Prefix(network, 0, sub=sub, **rest)], mt_id)  # type: ignore[arg-type]
    return tlv


@pytest.mark.parametrize(
    ("prefix", "mt_id"),
    [("10.0.0.1/32", 0), ("10.0.0.1/32", 7), ("2001:db8::1/128", 0), ("2001:db8::1/128", 2)],
)
def test_bier_in_all_four_prefix_tlvs(prefix: str, mt_id: int) -> None:
    tlv = bier(9, prefix, mt_id=mt_id)
    assert (
        tlv.type
        == {(4, 0): 135, (4, 7): 235, (6, 0): 236, (6, 2): 237}[6 if ":" in prefix else 4, mt_id]
    )
    (scope,) = databases(make(A, more=(tlv,))).scopes
    (said,) = scope.advertisements
    assert (str(said.prefix), said.info.bfr_id, said.info.mt_id) == (prefix, 9, mt_id)
    assert said.place == (
        f"frame 1: level 2 LSP 0000.0000.000a.00-00, TLV {tlv.type} (number 1), {prefix}, "
        "sub-TLV 32 (number 1)"
    )


def test_an_overloaded_router_is_an_end_but_not_on_the_way() -> None:
    line = [
        make(A, (B, 1), more=(bier(1, "10.0.0.1/32"),)),
        make(B, (A, 1), (C, 1), more=(bier(2, "10.0.0.2/32", 2000),)),
        make(C, (B, 1), more=(bier(3, "10.0.0.3/32", 3000),)),
    ]

    def reached(*pdus: Lsp) -> dict[str, list[int]]:
        bfrs = Bfrs(databases(*pdus).scopes[0])
        return {r[-1:]: sorted(tables(bfrs, r)[0].rows) for r in bfrs.routers}

    assert reached(*line) == {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3]}
    line[1] = replace(line[1], overloaded=True)
    assert reached(*line) == {"a": [1, 2], "b": [1, 2, 3], "c": [2, 3]}


def test_a_bfr_of_another_level_is_reached_through_who_passes_it_on() -> None:
    flags = write_short([Tlv(4, b"\x40")])
    passed = (bier(8, "10.0.0.8/32", down=True), bier(9, "10.0.0.9/32", extra=flags))
    pdus = [
        make(A, (B, 4), more=(bier(1, "10.0.0.1/32"),)),
        make(B, (A, 4), more=(bier(2, "10.0.0.2/32", 2000), *passed)),
    ]
    bfrs = Bfrs(databases(*pdus).scopes[0])
    rows = tables(bfrs, NAMES[A])[0].rows
    assert [(i, r.router, [n.router for n in r.neighbors]) for i, r in rows.items()] == [
        (1, NAMES[A], []),
        (2, NAMES[B], [NAMES[B]]),
        (8, "10.0.0.8/32", [NAMES[B]]),
        (9, "10.0.0.9/32", [NAMES[B]]),
    ]


def test_level_1_is_one_scope_an_area() -> None:
    areas = [reachability.area_tlv(bytes.fromhex(a)) for a in ("490001", "490002", "490003")]
    name = Tlv(137, b"a")
    pdus = [
        make(A, (B, 1), level=1, more=(areas[0], areas[1], name)),
        make(B, (A, 1), level=1, more=(areas[1], name)),
        make(C, level=1, more=(areas[2],)),
        make(C),
    ]
    found = databases(*pdus)
    assert [(s.name, len(s.names), len(s.ways)) for s in found.scopes] == [
        ("level-1 49.0001/49.0002", 2, 2),
        ("level-1 49.0003", 1, 0),
        ("level-2", 1, 0),
    ]
    assert [str(p) for p in found.problems] == [
        "isis level-1 49.0001/49.0002: several routers call themselves a; "
        "they are shown by system ID"
    ]


@pytest.mark.parametrize(
    ("tlv", "where", "what"),
    [
        (Tlv(22, B + b"\0\0\0\1\5"), "TLV 22 (number 2)", "TLV 22 ends inside a neighbor"),
        (Tlv(222, b"\0"), "TLV 222 (number 2)", "TLV 222 ends before its MT-ID"),
        (Tlv(135, bytes(4)), "TLV 135 (number 2)", "TLV 135 ends inside a prefix"),
        (Tlv(135, bytes(4) + b"\x21"), "TLV 135 (number 2)", "TLV 135 has a prefix of 33 bits"),
        (Tlv(135, bytes(4) + b"\x48\x0a"), "TLV 135 (number 2)",
         "TLV 135 ends before the sub-TLVs of a prefix"),
        (Tlv(135, bytes(4) + b"\x48\x0a\x04\x20\x05\x00"), "TLV 135 (number 2)",
         "TLV 135 ends inside a prefix"),
        (Tlv(135, bytes(4) + b"\x48\x0a\x03\x20\x05\x01"), "TLV 135 (number 2), 10.0.0.0/8",
         "sub-TLVs: TLV 32 at offset 0 wants 5 octets, 1 are left"),
        (Tlv(135, bytes(4) + b"\x48\x0a\x03\x20\x01\x00"),
         "TLV 135 (number 2), 10.0.0.0/8, sub-TLV 32 (number 1)",
         "BIER Info: 1 octets are less than 5"),
    ],
)  # fmt: skip
def test_a_malformed_tlv_is_named_and_harms_no_other(tlv: Tlv, where: str, what: str) -> None:
    ok = make(A, (B, 1), more=(tlv, bier(1, "10.0.0.1/32")))
    found = databases(ok, both[1])
    assert [str(p) for p in found.problems] == [
        f"frame 1: level 2 LSP 0000.0000.000a.00-00, {where}: {what}"
    ]
    assert len(found.scopes[0].ways) == 2
    assert [one.info.bfr_id for one in found.scopes[0].advertisements] == [1]


def test_an_lsp_whose_last_tlv_is_cut_keeps_the_ones_before() -> None:
    pdu = bytearray(lsp.encode(make(A, (B, 1), more=(Tlv(99, b"abc"),))))
    pdu[-4] = 200
    pdu[24:26] = fletcher.check_octets(bytes(pdu[12:]), 12)
    assert ways(bytes(pdu), both[1])[0] == ("a", "b", 0, 1)
    assert problems(bytes(pdu), both[1]) == [
        "frame 1: level 2 LSP 0000.0000.000a.00-00: TLV 99 at offset 13 wants 200 octets, "
        "3 are left; what follows is not used"
    ]


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("83", "IS-IS: 1 octets are less than the header of 8"),
        ("82" + "00" * 9, "IS-IS: 0x82 is not the network layer protocol 0x83"),
        ("831b020014010000", "IS-IS: version 2.1 is not 1.1"),
        ("831b010314010000", "IS-IS: system IDs of 3 octets; only 6 are understood"),
        ("831b010009010000", "IS-IS: PDU type 9 is not known"),
        ("831a010014010000" + "00" * 30, "IS-IS: a header of 26 octets, not 27"),
        ("831b010014010000" + "00ff" + "00" * 30, "IS-IS: a PDU of 255 octets in 40, header 27"),
    ],
)
def test_malformed_pdus(octets: str, message: str) -> None:
    with pytest.raises(WireError) as caught:
        lsp.parse(bytes.fromhex(octets))
    assert str(caught.value) == message


entries = st.lists(
    st.builds(IsNeighbor, st.binary(min_size=7, max_size=7), st.integers(0, 0xFFFFFF),
              st.binary(max_size=20)), max_size=30,
)  # fmt: skip
networks = st.one_of(
    st.builds(
        lambda n, bits: IPv4Network((n, bits), strict=False),
        st.integers(0, (1 << 32) - 1), st.integers(0, 32),
    ),
    st.builds(
        lambda n, bits: IPv6Network((n, bits), strict=False),
        st.integers(0, (1 << 128) - 1), st.integers(0, 128),
    ),
)  # fmt: skip
some_prefixes = st.lists(
    st.builds(Prefix, networks, st.integers(0, (1 << 32) - 1), st.booleans(),
              sub=st.binary(max_size=20)), max_size=20,
)  # fmt: skip


@given(entries, some_prefixes, st.sampled_from([0, 2, 4095]))
def test_reachability_round_trips(near: list[IsNeighbor], held: list[Prefix], mt_id: int) -> None:
    tlvs = reachability.neighbor_tlvs(near, mt_id)
    assert [e for tlv in tlvs for e in reachability.neighbors(tlv)] == near
    tlvs = reachability.prefix_tlvs(held, mt_id)
    assert all(reachability.topology(tlv)[0] == mt_id for tlv in tlvs)
    by_version = sorted(held, key=lambda p: p.network.version)
    assert [p for tlv in tlvs for p in reachability.prefixes(tlv)] == by_version


octet = st.integers(0, 255)
lsps = st.builds(
    Lsp,
    level=st.sampled_from([1, 2]),
    id=st.builds(LspId, st.binary(min_size=6, max_size=6), octet, octet),
    sequence=st.integers(0, 0xFFFFFFFF),
    lifetime=st.integers(0, 0xFFFF),
    overloaded=st.booleans(),
    tlvs=st.lists(st.builds(Tlv, octet, st.binary(max_size=30)), max_size=4).map(tuple),
)


@given(lsps)
def test_lsps_round_trip(one: Lsp) -> None:
    received = lsp.parse(lsp.encode(one) + b"padding")
    assert isinstance(received, lsp.ReceivedLsp)
    assert (received.lsp, received.intact, received.damage) == (one, True, "")
