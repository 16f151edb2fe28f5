"""Nothing that a peer sends raises in a responder, a ping or a trace; what it sends is counted."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.bier.bift import BiftKey
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.lookup import Decision
from toolkit.bier.oam import Echo, MessageType, ReturnCode, parse
from toolkit.bier.oam_initiator import Scope
from toolkit.bier.oam_ping import Ping
from toolkit.bier.oam_responder import BierReply, Identity, IpReply, Received, Responder
from toolkit.bier.oam_tlv import (
    ASK,
    AddressType,
    Downstream,
    Egress,
    Erroneous,
    Ingress,
    Interface,
    Multipath,
    ResponderBfer,
    ResponderBfr,
    SetBits,
    SiBitString,
    Tlv,
    TlvType,
    Unknown,
)
from toolkit.bier.oam_trace import Trace
from toolkit.bier.oam_tree import findings
from toolkit.bier.punt import Punt
from toolkit.bier.wire import Encapsulation
from toolkit.inet import ip, udp

A, B = IPv4Address("10.255.0.1"), IPv4Address("10.255.0.2")
ADDRESSES = st.sampled_from([A, B, IPv4Address("10.255.0.3")])
LENGTHS = st.sampled_from([Bsl.B64, Bsl.B64, Bsl.B64, Bsl.B128, Bsl.B4096])


@st.composite
def set_bits(draw: st.DrawFn) -> SetBits:
    value = draw(st.integers(0, 0b1111))
    return SetBits(
        draw(st.integers(0, 1)), draw(st.integers(0, 1)), BitString(draw(LENGTHS), value)
    )


def tlvs() -> st.SearchStrategy[Tlv]:
    numbered = st.builds(lambda a: Interface(AddressType.IPV4, a), ADDRESSES)
    subs = st.one_of(
        st.builds(Egress, set_bits()),
        st.builds(Multipath, st.integers(0, 255), st.binary(max_size=4), masked=st.booleans()),
    )
    kinds = st.sampled_from([TlvType.ORIGINAL, TlvType.TARGET, TlvType.INCOMING])
    return st.one_of(
        st.builds(SiBitString, kinds, set_bits()),
        st.just(ASK),
        st.builds(
            Downstream, ADDRESSES, numbered, st.integers(0, 65535), st.booleans(),
            st.lists(subs, max_size=2).map(tuple),
        ),
        st.builds(ResponderBfer, st.integers(0, 4)),
        st.builds(ResponderBfr, ADDRESSES),
        st.builds(Ingress, numbered),
        st.builds(Erroneous, st.integers(0, 99), st.binary(max_size=3)),
        st.builds(Unknown, st.integers(9, 65535), st.binary(max_size=3)),
    )  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message of parts that may or may not fit together, sometimes with an octet wrong."""
    echo = Echo(
        message=draw(st.sampled_from(MessageType)),
        handle=7,
        sequence=draw(st.integers(1, 4)),
        reply_mode=draw(st.sampled_from([1, 2, 2, 2, 3, 9])),
        return_code=draw(st.sampled_from([*ReturnCode, 77])),
        qtf=draw(st.sampled_from([2, 2, 3, 4])),
        tlvs=tuple(draw(st.lists(tlvs(), max_size=5))),
    )
    data = bytearray(echo.encode())
    if draw(st.integers(0, 3)) == 0:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    copies = draw(st.lists(st.integers(1, 15), max_size=2))
    return Decision(
        tuple((Neighbor("b", "eth1"), 0x64100, bits.to_bytes(8)) for bits in copies),
        draw(st.booleans()),
        (),
    )


@settings(max_examples=150)
@given(
    messages() | st.binary(max_size=80), decisions(), st.integers(0, 15), st.integers(0, 3),
    st.booleans(),
)  # fmt: skip
def test_a_responder_answers_soundly_or_counts_why_not(
    payload: bytes, decision: Decision, bits: int, bfir_id: int, expired: bool
) -> None:
    responder = Responder(
        Identity(
            prefixes={0: B}, bfr_ids={0: 2}, initiator=lambda *a: A if a[2] == 1 else None,
            neighbor=lambda *_: B,
        )
    )  # fmt: skip
    punt = Punt(BiftKey(0, 64, 0), Encapsulation.MPLS, bfir_id, 0, bits, decision, expired, payload)
    answer = responder.receive(punt, None, 0.0)
    if isinstance(answer, IpReply):
        outer, offset = ip.parse(answer.packet)
        reply = parse(udp.parse(answer.packet, outer, offset)[1])
    elif isinstance(answer, BierReply):
        reply = parse(answer.payload)
    elif isinstance(answer, Received):
        return
    else:
        assert sum(n for key, n in responder.counters.items() if key != "tlvs-left-out") == 1
        return
    assert reply.message is MessageType.ECHO_REPLY
    assert reply.return_code in tuple(ReturnCode)
    assert reply.return_code != ReturnCode.NONE
    assert responder.counters["replies"] == 1


@settings(max_examples=150)
@given(st.lists(messages() | st.binary(max_size=80), max_size=12))
def test_probes_take_whatever_comes_and_end(replies: list[bytes]) -> None:
    scope = Scope(sub_domain=0, bsl=64, bfir_id=9, sets={0: 0b111}, handle=7)
    for probe in (Ping(scope), Trace(scope, 0)):
        left = list(replies)
        for _ in range(500):
            if probe.deadline is None:
                break
            now = probe.deadline
            probe.poll(now)
            for payload in left[:3]:
                probe.receive(payload, A, now)
            del left[:3]
        assert probe.finished
        if isinstance(probe, Trace):
            for finding in findings(probe, {(None, A): 1}):
                assert str(finding.kind)
