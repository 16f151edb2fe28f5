"""Ping and trace, fed with replies by hand: what counts, what is a duplicate, what is ignored."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.oam import Echo, MessageType, ReturnCode, parse
from toolkit.bier.oam_initiator import Scope
from toolkit.bier.oam_ping import Ping, Stray
from toolkit.bier.oam_tlv import (
    ASK,
    AddressType,
    Downstream,
    Egress,
    Interface,
    ResponderBfer,
    ResponderBfr,
    SetBits,
    SiBitString,
    Tlv,
    TlvType,
)
from toolkit.bier.oam_trace import Trace
from toolkit.bier.oam_tree import Finding, Kind, edges, findings
from toolkit.bier.token_bucket import TokenBucket

A, B, C, D = (IPv4Address(f"10.255.0.{n}") for n in range(1, 5))
SCOPE = Scope(sub_domain=0, bsl=64, bfir_id=9, sets={0: 0b11, 2: 0b1}, handle=7)
"""BFR-ids 1, 2 and 129: two sets."""
ONE = replace(SCOPE, sets={0: 0b11})


def reply(
    sequence: int,
    code: int = ReturnCode.ONLY_BFER,
    bfer: int | None = None,
    *,
    by: IPv4Address = A,
    bits: int = 0,
    handle: int = 7,
    to: tuple[tuple[IPv4Address, int], ...] = (),
) -> bytes:
    tlvs: list[Tlv] = [
        SiBitString(TlvType.INCOMING, SetBits(0, 0, BitString(Bsl.B64, bits))), ResponderBfr(by),
    ]  # fmt: skip
    if bfer is not None:
        tlvs.append(ResponderBfer(bfer))
    tlvs += [mapping(*copy) for copy in to]
    return Echo(
        message=MessageType.ECHO_REPLY, handle=handle, sequence=sequence, return_code=code,
        tlvs=tuple(tlvs),
    ).encode()  # fmt: skip


def mapping(to: IPv4Address, bits: int) -> Downstream:
    egress = Egress(SetBits(0, 0, BitString(Bsl.B64, bits)))
    return Downstream(to, Interface(AddressType.IPV4_UNNUMBERED, index=1), sub_tlvs=(egress,))


def test_one_request_for_each_set_and_round_each_with_its_number() -> None:
    ping = Ping(SCOPE, count=2, start=5.0)
    assert ping.deadline == 5.0
    assert ping.poll(4.9) == []
    first = ping.poll(5.0)
    assert [(r.si, r.bits, r.ttl) for r in first] == [(0, 0b11, 255), (2, 0b1, 255)]
    assert [parse(r.payload).sequence for r in first + ping.poll(6.0)] == [1, 2, 3, 4]
    assert ping.deadline == 8.0
    assert not ping.finished
    assert ping.poll(8.0) == []
    assert ping.finished
    assert ping.deadline is None


def test_replies_are_counted_once_and_strays_apart() -> None:
    ping = Ping(SCOPE, start=0.0)
    ping.poll(0.0)
    ping.receive(reply(1, bfer=1), A, 0.25)
    ping.receive(reply(1, bfer=1), A, 0.5)
    ping.receive(reply(1, bfer=3), A, 0.5)  # was not asked
    ping.receive(reply(1, bfer=129), A, 0.5)  # was asked, but not by this request
    ping.receive(reply(1, ReturnCode.SET_MISMATCH, by=B), B, 0.5)
    ping.receive(reply(9, bfer=2), A, 0.5)  # was never sent
    ping.receive(reply(1, bfer=2, handle=8), A, 0.5)  # somebody else's
    ping.receive(b"noise", A, 0.5)
    assert {i: (r.rtts, r.duplicates, r.lost) for i, r in ping.rows.items()} == {
        1: ([0.25], 1, 0), 2: ([], 0, 1), 129: ([], 0, 1),
    }  # fmt: skip
    assert ping.ignored == 3
    assert ping.strays == {
        Stray(A, 3, 3): 1, Stray(A, 129, 3): 1, Stray(B, None, 9): 1,
    }  # fmt: skip
    assert sorted(map(str, ping.strays)) == [
        "10.255.0.1 (BFR-id 129) answers as a BFER that was not asked",
        "10.255.0.1 (BFR-id 3) answers as a BFER that was not asked",
        "10.255.0.2 answers: Set-Identifier Mismatch",
    ]
    assert str(Stray(None, None, 77)) == "somebody answers: return code 77"


def test_a_ping_ends_early_when_everybody_has_answered() -> None:
    ping = Ping(ONE)
    ping.poll(0.0)
    ping.receive(reply(1, ReturnCode.ONE_OF_THE_BFERS, 1), A, 0.1)
    assert not ping.finished
    ping.receive(reply(1, bfer=2), B, 0.1)
    assert ping.finished


def test_a_trace_raises_the_ttl_and_copies_what_was_announced() -> None:
    trace = Trace(ONE, 0)
    (first,) = trace.poll(0.0)
    assert (first.ttl, first.bits) == (1, 0b11)
    asked = parse(first.payload)
    assert asked.tlvs[2] == ASK
    assert asked.set_bits(TlvType.TARGET)[0].set_bits.bits.value == 0b11
    trace.receive(
        reply(1, ReturnCode.ONE_OF_THE_BFERS, 1, by=A, bits=0b11, to=((B, 0b10),)), A, 0.1
    )
    assert trace.deadline == 0.1  # everybody is accounted for
    (second,) = trace.poll(0.1)
    assert (second.ttl, second.bits) == (2, 0b11)
    asked = parse(second.payload)
    assert asked.tlvs[2:] == (mapping(B, 0b10),)
    assert asked.set_bits(TlvType.TARGET)[0].set_bits.bits.value == 0b10
    trace.receive(reply(2, ReturnCode.ONE_OF_THE_BFERS, 1, by=A, bits=0b11), A, 0.2)  # not asked
    trace.receive(reply(2, bfer=2, by=B, bits=0b10), B, 0.3)
    assert trace.finished
    assert trace.reached == {1: 1, 2: 2}
    assert edges(trace) == {(None, A): 0b11, (A, B): 0b10}
    assert findings(trace) == ()


def test_a_hop_is_asked_again_for_those_of_whom_nobody_told_and_then_given_up() -> None:
    trace = Trace(ONE, 0)
    sent = []
    now = 0.0
    while trace.deadline is not None:
        now = trace.deadline
        for request in trace.poll(now):
            target = parse(request.payload).set_bits(TlvType.TARGET)[0].set_bits.bits.value
            sent.append((request.ttl, target))
            if request.ttl == 1 and target == 0b11:
                trace.receive(reply(1, bfer=1, by=A, bits=0b1), A, now)
    assert sent == [(1, 0b11), (1, 0b10), (2, 0b10), (2, 0b10), (3, 0b10), (3, 0b10)]
    assert now == 6.0
    assert trace.missing == (2,)
    assert findings(trace) == (Finding(Kind.VANISHED, None, bits=0b10),)


def test_two_copies_of_one_packet_another_bit_string_and_a_silent_router() -> None:
    trace = Trace(ONE, 0)
    trace.poll(0.0)
    announces = reply(1, ReturnCode.FORWARD_SUCCESS, by=A, bits=0b11, to=((B, 0b10), (C, 0b1)))
    trace.receive(announces, A, 0.1)
    trace.receive(announces, A, 0.1)
    trace.poll(0.1)
    trace.receive(reply(2, bfer=2, by=B, bits=0b110), B, 0.2)
    while trace.deadline is not None:
        trace.poll(trace.deadline)
    assert findings(trace) == (
        Finding(Kind.DOUBLED, A, bits=0b11),
        Finding(Kind.REWRITTEN, A, B, 0b110),
        Finding(Kind.SILENT, A, C, 0b1),
    )


def test_a_return_code_that_says_that_something_is_wrong_is_a_finding() -> None:
    trace = Trace(ONE, 0)
    trace.poll(0.0)
    trace.receive(reply(1, ReturnCode.DDMAP_MISMATCH, by=D, bits=0b11), D, 0.1)
    assert Finding(Kind.ERROR, D, code=10) in findings(trace)


def test_the_callers_own_mistakes() -> None:
    with pytest.raises(ValueError, match="0 rounds are no ping"):
        Ping(SCOPE, count=0)
    with pytest.raises(ValueError, match="set 1 holds no BFER"):
        Trace(SCOPE, 1)
    with pytest.raises(ValueError, match="lets nothing through"):
        TokenBucket(0.0, 5)
