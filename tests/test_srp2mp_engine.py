"""The replication engine: what every packet becomes, and under which reason the others go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.srp2mp.engine import EVIDENCE, Deliver, Engine, Send
from toolkit.srp2mp.reason import Reason
from toolkit.srp2mp.table import Branch, Cause, Entry, Hop, Lost, Segment
from toolkit.srp2mp.wire import Lse, encode, parse

PAYLOAD = b"\x45model"


def segment(**changes: object) -> Segment:
    values: dict[str, object] = {
        "root": "r", "tree_id": 8193, "instance_id": 1, "sid": 15001, "leaf": False, "branches": (),
    }  # fmt: skip
    return Segment(**{**values, **changes})  # type: ignore[arg-type]


TABLE: dict[int, Entry] = {
    100: segment(branches=(Branch("a", "a", "p1", (200,)), Branch("b", "b", "p2", (300,)))),
    101: segment(leaf=True),
    102: segment(leaf=True, branches=(Branch("a", "a", "p1", (200,)),)),
    103: segment(branches=(Branch("d", "c", "p3", (16004, 201)),)),
    104: segment(branches=(Branch("a", "a", "p1", (200,)),),
                 lost=(Lost("x", Cause.UNREACHABLE, "gone"),)),
    105: segment(),
    16001: Hop("10.255.0.1/32", "c", "p3", 17001),
    16002: Hop("10.255.0.2/32", "d", "p4", None),
}  # fmt: skip


@pytest.fixture
def engine() -> Engine:
    return Engine(TABLE.get)


def labelled(*stack: Lse, payload: bytes = PAYLOAD) -> bytes:
    return encode(stack) + payload


def sent(*stack: Lse, port: str, payload: bytes = PAYLOAD) -> Send:
    return Send(port, labelled(*stack, payload=payload))


# Incoming label stack -> what leaves.
FORWARDED = [
    ((Lse(100, 9),), [sent(Lse(200, 8), port="p1"), sent(Lse(300, 8), port="p2")]),
    ((Lse(100, 9, 5),), [sent(Lse(200, 8, 5), port="p1"), sent(Lse(300, 8, 5), port="p2")]),
    ((Lse(101, 1),), [Deliver(PAYLOAD)]),
    ((Lse(102, 2),), [Deliver(PAYLOAD), sent(Lse(200, 1), port="p1")]),
    ((Lse(103, 9, 2),), [sent(Lse(16004, 8, 2), Lse(201, 8, 2), port="p3")]),
    ((Lse(104, 9),), [sent(Lse(200, 8), port="p1")]),
    ((Lse(16001, 9), Lse(100, 7)), [sent(Lse(17001, 8), Lse(100, 7), port="p3")]),
    # RFC 3443 section 5.4: what comes out never lives longer than what went in.
    ((Lse(16002, 9), Lse(100, 64, 3)), [sent(Lse(100, 8, 3), port="p4")]),
    ((Lse(16002, 9), Lse(100, 3)), [sent(Lse(100, 3), port="p4")]),
    ((Lse(16002, 9), Lse(0, 3), Lse(77, 6)), [sent(Lse(0, 3), Lse(77, 6), port="p4")]),
]


@pytest.mark.parametrize(("stack", "outputs"), FORWARDED)
def test_what_a_packet_becomes(engine: Engine, stack: tuple[Lse, ...], outputs: list) -> None:
    assert engine.receive(labelled(*stack), 1.0, allowed=True) == outputs
    assert engine.received == 1
    assert engine.forwarded == sum(isinstance(o, Send) for o in outputs)
    assert engine.delivered == sum(isinstance(o, Deliver) for o in outputs)


DROPPED = [
    (labelled(Lse(99, 9)), Reason.UNKNOWN_LABEL, 1, []),
    (labelled(Lse(100, 0)), Reason.TTL_EXPIRED, 1, []),
    (labelled(Lse(100, 1)), Reason.TTL_EXPIRED, 1, []),
    (labelled(Lse(102, 1)), Reason.TTL_EXPIRED, 1, [Deliver(PAYLOAD)]),
    (labelled(Lse(16001, 1), Lse(100, 9)), Reason.TTL_EXPIRED, 1, []),
    (labelled(Lse(100, 9), Lse(5, 9)), Reason.BOTTOM, 1, []),
    (labelled(Lse(16002, 9)), Reason.BOTTOM, 1, []),
    (labelled(Lse(105, 9)), Reason.NO_BRANCH, 1, []),
    (labelled(Lse(104, 9)), Reason.NO_BRANCH, 1, [sent(Lse(200, 8), port="p1")]),
    (b"", Reason.MALFORMED, 1, []),
    (b"\x00\x06\x41", Reason.MALFORMED, 1, []),
    (bytes.fromhex("03e82009") + b"\x00", Reason.MALFORMED, 1, []),
]


@pytest.mark.parametrize(("packet", "reason", "count", "outputs"), DROPPED)
def test_what_is_dropped_is_counted_under_its_reason(
    engine: Engine, packet: bytes, reason: Reason, count: int, outputs: list
) -> None:
    assert engine.receive(packet, 2.5, allowed=True) == outputs
    assert {r: n for r, n in engine.drops.items() if n} == {reason: count}
    assert engine.last_drop[reason] == (2.5, packet[:EVIDENCE])
    assert engine.counters[f"dropped-{reason}"] == count


def test_labelled_packets_from_a_host_are_dropped(engine: Engine) -> None:
    assert engine.receive(labelled(Lse(100, 9)), 0.0, allowed=False) == []
    assert engine.drops[Reason.NOT_ALLOWED] == 1


def test_a_root_imposes_and_the_first_hop_sees_the_ttl(engine: Engine) -> None:
    root = segment(leaf=True, branches=(Branch("a", "a", "p1", (200,)),))
    assert engine.impose(root, PAYLOAD, 7) == [Deliver(PAYLOAD), sent(Lse(200, 7), port="p1")]
    assert (engine.imposed, engine.received) == (1, 0)
    with pytest.raises(ValueError):
        engine.impose(root, PAYLOAD, 0)
    assert len(engine.impose(root, PAYLOAD, 255)) == 2


def test_other_tables_take_effect_at_once_and_counters_go_on(engine: Engine) -> None:
    engine.receive(labelled(Lse(101, 9)), 0.0, allowed=True)
    engine.load({101: TABLE[105]}.get)
    assert engine.receive(labelled(Lse(101, 9)), 0.0, allowed=True) == []
    assert (engine.received, engine.delivered) == (2, 1)


@given(st.binary(max_size=60), st.booleans())
def test_it_never_raises_and_every_packet_is_accounted_for(data: bytes, allowed: bool) -> None:
    engine = Engine(TABLE.get)
    outputs = engine.receive(data, 0.0, allowed=allowed)
    assert outputs or sum(engine.drops.values())
    for output in outputs:
        if isinstance(output, Send) and output.port != "p4":
            parse(output.packet)
