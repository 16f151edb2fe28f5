"""One BFR at frame level: by hand, byte for byte, and then whatever may come in."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.bier.document import read_program
from toolkit.bier.frames import Port, Resolve, Send
from toolkit.bier.node import Delivered, Node
from toolkit.bier.overlay import ToHost
from toolkit.inet import gre, ip, udp, vxlan

OURS = {"eth0": "020000000001", "eth1": "020000000002", "eth2": "020000000003"}
FAR = "0200000000f1"
S, G = ip_address("10.0.0.1"), ip_address("232.1.1.1")
INNER = udp.Template(S, 5000, G, 5001, ttl=9).packet(b"model")


def document(**more: Any) -> dict[str, Any]:
    interfaces = {
        "eth0": {"bier": "core", "mac": "02:00:00:00:00:01"},
        "eth1": {"bier": "core", "mac": "02:00:00:00:00:02"},
        "eth2": {"mac": "02:00:00:00:00:03"},
    }
    neighbor = {"interface": "eth1", "mac": "02:00:00:00:00:f1"}
    rows = [
        {"bits": [1], "local": True},
        {"bits": "2-9", "via": [{"neighbor": "B", "bift_id": 0x200}]},
    ]
    return {
        "name": "A",
        "bfr_ids": {"0": 1},
        "interfaces": interfaces,
        "neighbors": {"B": neighbor},
        "bifts": [{"bsl": 64, "bift_id": 0x100, "rows": rows}],
    } | more


def bier(bits: int, *, bift_id: int = 0x100, ttl: int = 9, nibble: int = 5) -> bytes:
    """The header of RFC 8296 section 2.1, packed by hand: TC 0, S 1, BSL 1, IPv4, BFIR-id 3."""
    words = (bift_id << 12 | 0x100 | ttl) << 64 | (nibble << 28 | 0x0010_0007) << 32 | 0x0004_0003
    return words.to_bytes(12, "big") + bits.to_bytes(8, "big")


def framed(packet: bytes, kind: str = "8847", to: str = OURS["eth0"]) -> bytes:
    return bytes.fromhex(to + "0200000000f0" + kind) + packet


def sent(node: Node, frame: bytes, interface: str = "eth0") -> list[tuple[str, bytes]]:
    outputs = node.receive(interface, frame, 0.0)
    return [(o.interface, o.frame) for o in outputs if isinstance(o, Send)]


def dropped(node: Node) -> dict[str, int]:
    return {
        name.removeprefix("dropped-"): count
        for name, count in node.counters.items()
        if count and name.startswith("dropped-")
    }


def test_a_copy_is_framed_for_the_neighbor() -> None:
    node = Node(read_program(document()))
    out = sent(node, framed(bier(0b110) + INNER))
    assert out == [
        (
            "eth1",
            bytes.fromhex(FAR + OURS["eth1"] + "8847") + bier(0b110, bift_id=0x200, ttl=8) + INNER,
        )
    ]
    assert dropped(node) == {}


def test_the_local_bit_is_delivered_and_the_others_go_on() -> None:
    node = Node(read_program(document()))
    delivered, copy = node.receive("eth0", framed(bier(0b11) + INNER), 0.0)
    assert delivered == Delivered(4, 3, 0, INNER)
    assert isinstance(copy, Send)
    assert copy.packet == bier(0b10, bift_id=0x200, ttl=8) + INNER


@pytest.mark.parametrize(
    ("interface", "frame", "reason"),
    [
        ("eth9", framed(bier(2)), "unknown-interface"),
        ("eth0", b"\2\0\0\0\0\1" + b"\0" * 6 + b"\x88", "short-frame"),
        ("eth0", framed(bier(2), kind="0806"), "unknown-ethertype"),
        ("eth0", framed(bier(2), to="0200000000ee"), "other-destination"),
        ("eth0", framed(bier(2), kind="810000058847"), "other-vlan"),
        ("eth0", framed(bier(2), kind="ab37"), "wrong-encapsulation"),
        ("eth2", framed(bier(2), to=OURS["eth2"]), "edge-interface"),
        ("eth0", framed(bier(2)[:15]), "truncated"),
        ("eth0", framed(bier(2) + b"x" * 1481), "mtu-exceeded"),
    ],
)  # fmt: skip
def test_what_is_dropped_is_counted_under_its_reason(
    interface: str, frame: bytes, reason: str
) -> None:
    node = Node(read_program(document()))
    assert node.receive(interface, frame, 0.0) == []
    assert dropped(node) == {reason: 1}


def test_the_mtu_is_of_what_follows_the_ethernet_header() -> None:
    node = Node(read_program(document()), {"eth1": Port(mtu=1400)})
    assert len(sent(node, framed(bier(2) + b"x" * 1380))) == 1
    assert sent(node, framed(bier(2) + b"x" * 1381)) == []
    assert dropped(node) == {"mtu-exceeded": 1}


def test_a_priority_tag_is_no_vlan_and_a_broadcast_is_for_everybody() -> None:
    node = Node(read_program(document()))
    assert len(sent(node, framed(bier(2), kind="8100e0008847"))) == 1
    assert len(sent(node, framed(bier(2), to="ffffffffffff"))) == 1


def test_an_unknown_mac_address_is_asked_for_and_used_once_told() -> None:
    neighbors = {"B": {"interface": "eth1", "address": "192.0.2.2"}}
    macs: dict[Any, bytes] = {}
    node = Node(read_program(document(neighbors=neighbors)), macs=macs)
    address = ip_address("192.0.2.2")
    assert node.receive("eth0", framed(bier(2)), 0.0) == [Resolve("eth1", address)]
    assert dropped(node) == {"no-mac-address": 1}
    macs["eth1", address] = bytes.fromhex(FAR)
    node.refresh()
    ((_, frame),) = sent(node, framed(bier(2)))
    assert frame[:6].hex() == FAR


def tunnelled(kind: str, **more: Any) -> dict[str, Any]:
    tunnel = {"kind": kind, "local": "198.51.100.1", "remote": "198.51.100.2"} | more
    neighbor = {"interface": "eth1", "mac": "02:00:00:00:00:f1", "tunnel": tunnel}
    return document(neighbors={"B": neighbor})


COPY = bier(2, bift_id=0x200, ttl=8) + INNER
FROM, TO = ip_address("198.51.100.2"), ip_address("198.51.100.1")


def test_gre_is_a_pipe_with_a_ttl_of_its_own() -> None:
    ((port, frame),) = sent(Node(read_program(tunnelled("gre"))), framed(bier(2) + INNER))
    assert (port, frame[:14].hex()) == ("eth1", FAR + OURS["eth1"] + "0800")
    outer, offset = ip.parse(frame[14:])
    assert (outer.source, outer.destination, outer.protocol, outer.ttl) == (TO, FROM, 47, 64)
    assert frame[14 + offset :] == bytes.fromhex("00008847") + COPY


def test_vxlan_has_entropy_in_its_source_port() -> None:
    ((_, frame),) = sent(Node(read_program(tunnelled("vxlan", vni=77))), framed(bier(2) + INNER))
    outer, offset = ip.parse(frame[14:])
    ports, payload = udp.parse(frame[14:], outer, offset)
    assert (ports.source_port, ports.destination_port, ports.checked) == (0xC007, 4789, False)
    assert payload[:8].hex() == "0800000000004d00"
    assert payload[8:].hex().startswith("ffffffffffff" + OURS["eth1"] + "8847")
    assert payload[22:] == COPY


def test_labels_stand_above_the_bier_label_with_a_ttl_of_their_own() -> None:
    program = read_program(tunnelled("sr-mpls", labels=[16001, 16002]))
    ((_, frame),) = sent(Node(program), framed(bier(2) + INNER))
    assert frame[14:].hex().startswith("03e810ff03e820ff")
    assert frame[22:] == COPY


@pytest.mark.parametrize("kind", ["gre", "vxlan"])
def test_a_tunnel_is_as_long_as_its_headers(kind: str) -> None:
    overhead = 20 + (4 if kind == "gre" else 8 + 8 + 14)
    program = read_program(tunnelled(kind))
    for mtu, copies in ((overhead + 20, 1), (overhead + 19, 0)):
        assert len(sent(Node(program, {"eth1": Port(mtu=mtu)}), framed(bier(2)))) == copies


def in_gre(source: Any = FROM, kind: int = 0x8847) -> bytes:
    payload = gre.header(kind) + bier(2) + INNER
    return framed(ip.Template(source, TO, 47).packet(payload), kind="0800")


def in_vxlan(vni: int = 0, source: Any = FROM) -> bytes:
    payload = vxlan.header(vni) + framed(bier(2) + INNER)
    datagram = udp.Template(source, 0xC000, TO, vxlan.PORT, checked=False).packet(payload)
    return framed(datagram, kind="0800")


def test_bier_is_taken_out_of_a_tunnel_that_a_known_bfr_sent() -> None:
    assert len(sent(Node(read_program(tunnelled("gre"))), in_gre())) == 1
    assert len(sent(Node(read_program(tunnelled("vxlan", vni=5))), in_vxlan(5))) == 1
    ends = [{"kind": "sr-mpls", "labels": [16005]}]
    node = Node(read_program(document(terminations=ends)))
    copies = sent(node, framed(bytes.fromhex("03e850ff") + bier(2) + INNER))
    assert [frame[14:] for _, frame in copies] == [COPY]


@pytest.mark.parametrize(
    ("kind", "interface", "frame", "reason"),
    [
        ("gre", "eth0", in_gre(ip_address("198.51.100.3")), "unknown-tunnel"),
        ("vxlan", "eth0", in_vxlan(source=ip_address("198.51.100.3")), "unknown-tunnel"),
        ("vxlan", "eth0", in_vxlan(vni=6), "unknown-tunnel"),
        ("gre", "eth2", in_gre(), "edge-interface"),
        ("vxlan", "eth2", in_vxlan(), "edge-interface"),
        ("gre", "eth0", in_gre()[:22] + b"\xff" + in_gre()[23:], "malformed-ip"),
    ],
)  # fmt: skip
def test_a_tunnel_that_is_not_believed(
    kind: str, interface: str, frame: bytes, reason: str
) -> None:
    node = Node(read_program(tunnelled(kind)))
    assert sent(node, frame, interface) == []
    assert dropped(node) == {reason: 1}


def test_an_edge_interface_has_no_labels_of_ours() -> None:
    node = Node(read_program(document(terminations=[{"kind": "sr-mpls", "labels": [16005]}])))
    frame = framed(bytes.fromhex("03e850ff") + bier(2), to=OURS["eth2"])
    assert sent(node, frame, "eth2") == []
    assert dropped(node) == {"edge-interface": 1}


def test_what_is_in_gre_beside_bier_is_the_host_s_own() -> None:
    node = Node(read_program(tunnelled("gre")))
    assert node.receive("eth0", in_gre(kind=0x0800), 0.0) == []
    assert (dropped(node), node.seen) == ({}, 1)


INGRESS = [{"source": "10.0.0.1", "group": "232.1.1.1", "bsl": 64, "bfr_ids": [1, 2, 3], "ttl": 33}]
EGRESS = [{"source": "10.0.0.1", "group": "232.1.1.1", "interfaces": ["eth2"], "host": True}]


def test_a_bfir_imposes_and_routes_the_packet() -> None:
    node = Node(read_program(document(ingress=INGRESS)))
    frame = bytes.fromhex("01005e010101" + "0200000000aa" + "0800") + INNER + b"padding"
    delivered, copy = node.receive("eth2", frame, 0.0)
    assert isinstance(copy, Send)
    assert isinstance(delivered, Delivered)
    assert copy.packet[:4].hex() == "00200121"
    assert copy.packet[8:20].hex() == "00040001" + "0000000000000006"
    header, _ = ip.parse(copy.packet[20:])  # its checksum is right, or this raises
    assert (header.ttl, len(copy.packet) - 20) == (8, len(INNER))
    assert delivered.payload == copy.packet[20:]
    assert node.receive("eth0", frame, 0.0) == []  # not at the edge: nobody's flow
    assert (dropped(node), node.seen) == ({}, 1)


def test_a_flow_enters_only_where_its_source_is() -> None:
    program = read_program(document(ingress=[INGRESS[0] | {"interfaces": ["eth2"]}]))
    frame = bytes.fromhex("01005e010101" + "0200000000aa" + "0800") + INNER
    assert len(sent(Node(program), frame, "eth2")) == 1
    told = document(ingress=[INGRESS[0] | {"interfaces": ["eth0"]}])
    node = Node(read_program(told))
    assert sent(node, frame, "eth2") == []
    assert dropped(node) == {"wrong-interface": 1}


@pytest.mark.parametrize(
    ("permitted", "delivered", "bits", "refused"),
    [("1-4", 1, "06", {}), ("1,3", 1, "04", {"bit-not-permitted": 1}),
     ("2", 0, "02", {"bit-not-permitted": 2}), ("9", 0, "", {"bit-not-permitted": 3})],
)  # fmt: skip
def test_a_source_reaches_only_the_bfers_that_it_is_permitted(
    permitted: str, delivered: int, bits: str, refused: dict[str, int]
) -> None:
    lists = [
        {"prefix": "0.0.0.0/0", "permitted": []},
        {"prefix": "10.0.0.1", "permitted": [{"bsl": 64, "bfr_ids": permitted}]},
        {"prefix": "::/0", "permitted": []},
    ]
    node = Node(read_program(document(ingress=INGRESS, sources=lists)))
    frame = bytes.fromhex("01005e010101" + "0200000000aa" + "0800") + INNER
    outputs = node.receive("eth2", frame, 0.0)
    assert sum(isinstance(output, Delivered) for output in outputs) == delivered
    copies = [output.packet[19:20].hex() for output in outputs if isinstance(output, Send)]
    assert copies == ([bits] if bits else [])
    assert dropped(node) == refused


def test_a_bfir_forwards_no_packet_that_has_expired() -> None:
    node = Node(read_program(document(ingress=INGRESS)))
    packet = udp.Template(S, 5000, G, 5001, ttl=1).packet(b"model")
    assert sent(node, framed(packet, "0800", "01005e010101"), "eth2") == []
    assert dropped(node) == {"ip-ttl-expired": 1}


def test_a_bfer_hands_out_what_was_delivered_and_never_imposes_it_again() -> None:
    """VPP's V5: the group is imposed here too, but what came by BIER leaves by the edge only."""
    node = Node(read_program(document(ingress=INGRESS, egress=EGRESS)))
    outputs = node.receive("eth0", framed(bier(1) + INNER + b"padding"), 0.0)
    assert outputs[1] == ToHost(INNER)
    assert isinstance(outputs[2], Send)
    assert len(outputs) == 3
    port, front, packet = outputs[2]
    assert (port, front.hex()) == ("eth2", "01005e010101" + OURS["eth2"] + "0800")
    assert (ip.parse(packet)[0].ttl, packet[20:]) == (8, INNER[20:])
    assert node.engine.imposed == 0


@pytest.mark.parametrize(
    ("egress", "payload", "reason"),
    [
        ({"bfirs": [99]}, INNER, "unknown-bfir"),
        ({"group": "232.1.1.2"}, INNER, "no-egress-flow"),
        ({}, INNER[:10], "malformed-ip"),
        ({}, udp.Template(S, 1, G, 1, ttl=1).packet(b""), "ip-ttl-expired"),
    ],
)
def test_a_disposition_refuses(egress: dict[str, Any], payload: bytes, reason: str) -> None:
    leg = {"source": "10.0.0.1", "group": "232.1.1.1", "interfaces": ["eth2"]} | egress
    node = Node(read_program(document(egress=[leg])))
    assert sent(node, framed(bier(1) + payload)) == []
    assert dropped(node) == {reason: 1}


FULL = document(
    ingress=INGRESS, egress=EGRESS,
    neighbors={"B": {"interface": "eth1", "mac": "02:00:00:00:00:f1", "tunnel": {
        "kind": "gre", "local": "198.51.100.1", "remote": "198.51.100.2"}}},
    terminations=[{"kind": "sr-mpls", "labels": [16005]},
                  {"kind": "vxlan", "addresses": ["198.51.100.1"], "sources": ["198.51.100.2"]}],
)  # fmt: skip
SEEDS = [
    framed(bier(7) + INNER), in_gre(), in_vxlan(), framed(INNER, "0800", "01005e010101"),
    framed(bytes.fromhex("03e850ff") + bier(3) + INNER),
]  # fmt: skip

KINDS = ["8847", "ab37", "0800", "86dd", "8100"]


def damaged(seed: bytes, at: int, value: int, end: int) -> bytes:
    return (seed[:at] + bytes((value,)) + seed[at + 1 :])[:end]


@given(
    st.sampled_from(["eth0", "eth1", "eth2"]),
    st.one_of(
        st.binary(max_size=120),
        st.builds(framed, st.binary(max_size=120), st.sampled_from(KINDS)),
        st.builds(damaged, st.sampled_from(SEEDS), st.integers(0, 90), st.integers(0, 255),
                  st.integers(0, 160)),
    ),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_no_frame_makes_a_node_raise_and_none_is_lost_track_of(
    interface: str, frame: bytes
) -> None:
    node = Node(read_program(FULL))
    outputs = node.receive(interface, frame, 0.0)
    assert outputs or sum(dropped(node).values()) or node.seen == 1
    for output in outputs:
        if isinstance(output, Send):
            assert len(output.frame) <= 1514
