"""The engine's laws, and what no program can say (tests/vectors show the rest)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier import lookup
from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry, Hop, Way
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl
from toolkit.bier.engine import Arrived, Deliver, Engine, Forward
from toolkit.bier.reason import Reason
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.wire import Encapsulation

KEY = BiftKey(0, 64, 0)
LABEL = BiftId(Encapsulation.MPLS, 18)
N, C, E = Neighbor("N", "to-N"), Neighbor("C", "to-C"), Neighbor("E", "to-E")


def dropped(engine: Engine) -> dict[str, int]:
    return {str(reason): count for reason, count in engine.drops.items() if count}


def test_the_fields_that_a_bfir_chooses_are_written() -> None:
    """Packed by hand from RFC 8296 figure 1; OAM is the one field that no program says."""
    engine = Engine({KEY: Bift(Bsl.B64, {3: Entry(4, N, 153)})}, {LABEL: KEY})
    fields = {"entropy": 0xABCDE, "ttl": 255, "tc": 5, "dscp": 46, "oam": 2}
    [out] = engine.impose(0, 64, {0: 4}, 6, b"\xc0", 65535, **fields)
    assert isinstance(out, Forward)
    assert out.packet == bytes.fromhex("00099bff 501abcde 8b86ffff 0000000000000004 c0")


def test_new_tables_forget_what_the_old_ones_did() -> None:
    engine = Engine({KEY: Bift(Bsl.B64, {1: Entry(1, N, 99)})}, {LABEL: KEY})
    packet = bytes.fromhex("00012140 50100007 00040003 0000000000000001 c0ffee00")
    [out] = engine.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
    assert isinstance(out, Forward)
    engine.load({KEY: Bift(Bsl.B64, {1: Entry(1, local=True)})}, {LABEL: KEY})
    [out] = engine.receive(packet, Encapsulation.MPLS, Arrived.CORE, 1.0)
    assert out == Deliver(4, 3, 0, bytes.fromhex("c0ffee00"))
    assert (engine.received, engine.forwarded, engine.delivered) == (2, 1, 1)


def test_one_number_is_a_label_and_a_non_mpls_bift_id_side_by_side() -> None:
    """RFC 8296 sections 2.1.1 and 2.2.1: the EtherType says which of the two it is."""
    other = BiftKey(1, 64, 0)
    engine = Engine(
        {
            KEY: Bift(Bsl.B64, {1: Entry(1, N, 99)}),
            other: Bift(Bsl.B64, {1: Entry(1, local=True)}),
        },
        {LABEL: KEY, BiftId(Encapsulation.NON_MPLS, 18): other},
        encapsulations={(1, 64): Encapsulation.NON_MPLS},
    )
    packet = bytes.fromhex("00012140 50100007 00040003 0000000000000001 c0ffee00")
    [label] = engine.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
    assert isinstance(label, Forward)
    assert label.encapsulation is Encapsulation.MPLS
    [number] = engine.receive(packet, Encapsulation.NON_MPLS, Arrived.CORE, 0.0)
    assert number == Deliver(4, 3, 1, bytes.fromhex("c0ffee00"))
    assert dropped(engine) == {}
    engine.receive(packet[:4] + b"\x40" + packet[5:], Encapsulation.MPLS, Arrived.CORE, 0.0)
    engine.receive(packet[:4] + b"\x51" + packet[5:], Encapsulation.NON_MPLS, Arrived.CORE, 0.0)
    assert dropped(engine) == {"wrong-nibble": 1, "unknown-version": 1}


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "REMEMBERED", 4)
    engine = Engine({KEY: Bift(Bsl.B64, {1: Entry(1, N, 99)})}, {LABEL: KEY})
    for value in range(1, 100, 2):
        out = engine.impose(0, 64, {0: value}, 4, b"x", 1)
        assert len([o for o in out if isinstance(o, Forward)]) == 1
    [table] = engine._tables.values()
    assert 0 < len(table.decisions) <= 4


def test_the_last_drop_of_each_reason_is_kept_as_evidence() -> None:
    engine = Engine({}, {})
    engine.receive(bytes(100), Encapsulation.MPLS, Arrived.CORE, 2.5)
    assert engine.last_drop[Reason.UNKNOWN_BIFT_ID] == (2.5, bytes(44))
    assert engine.counters["dropped-unknown-bift-id"] == 1
    assert engine.counters["received"] == 1


def test_tables_that_do_not_fit_are_the_callers_error() -> None:
    with pytest.raises(ValueError, match=r"mpls BIFT-id 18 .* does not exist"):
        Engine({}, {LABEL: KEY})
    with pytest.raises(ValueError, match="64 bits"):
        Engine({BiftKey(0, 128, 0): Bift(Bsl.B64, {})}, {})
    with pytest.raises(ValueError, match=r"non-mpls BIFT-id 18 .* encapsulation is mpls"):
        Engine({KEY: Bift(Bsl.B64, {})}, {BiftId(Encapsulation.NON_MPLS, 18): KEY})


def test_every_field_that_does_not_fit_is_named_at_once() -> None:
    engine = Engine({KEY: Bift(Bsl.B64, {1: Entry(1, N, 99)})}, {LABEL: KEY})
    with pytest.raises(ValueError, match=r"proto 64 .*; bfir_id 0 .*; ttl 0 "):
        engine.impose(0, 64, {0: 1}, 64, b"", 0, ttl=0)
    with pytest.raises(ValueError, match="set 0"):
        engine.impose(0, 64, {0: 1 << 64}, 4, b"", 1)
    assert engine.imposed == 0


@given(
    st.binary(max_size=120),
    st.sampled_from(Encapsulation),
    st.sampled_from(Arrived),
    st.sampled_from([b"", bytes.fromhex("0001214050100007"), bytes.fromhex("0001214000100007")]),
)
def test_garbage_never_raises_and_is_always_accounted_for(
    data: bytes, encapsulation: Encapsulation, arrived: Arrived, prefix: bytes
) -> None:
    engine = Engine(
        {KEY: Bift(Bsl.B64, {1: Entry(1, local=True), 2: Entry(2, N, 99)})}, {LABEL: KEY}
    )
    out = engine.receive(prefix + data, encapsulation, arrived, 0.0)
    assert engine.received == 1
    assert len(out) == engine.forwarded + engine.delivered
    assert out or sum(engine.drops.values()) >= 1


@given(st.integers(0, 255), st.integers(1, (1 << 64) - 1))
def test_ttl_falls_by_one_and_never_wraps(ttl: int, bits: int) -> None:
    every = (1 << 64) - 1
    engine = Engine(
        {KEY: Bift(Bsl.B64, {p: Entry(every, N, 99) for p in range(1, 65)})}, {LABEL: KEY}
    )
    packet = bytes.fromhex(f"000121{ttl:02x} 50100007 00040003 {bits:016x}")
    out = engine.receive(packet, Encapsulation.MPLS, Arrived.CORE, 0.0)
    assert [o.packet[3] for o in out if isinstance(o, Forward)] == ([ttl - 1] if ttl > 1 else [])


def bier(bits: int, entropy: int = 0, bfir_id: int = 3) -> bytes:
    return bytes.fromhex(f"00012140 501{entropy:05x} 0004{bfir_id:04x} {bits:016x} c0ffee00")


def test_bits_that_a_host_may_not_address_are_cleared_and_counted() -> None:
    engine = Engine({KEY: Bift(Bsl.B64, {p: Entry(7, N, 99) for p in (1, 2, 3)})}, {LABEL: KEY})
    [out] = engine.receive(bier(7), Encapsulation.MPLS, Arrived.HOST_EDGE, 0.0, {KEY: 5})
    assert isinstance(out, Forward)
    assert out.packet[12:20] == bytes.fromhex("0000000000000005")
    assert engine.receive(bier(2), Encapsulation.MPLS, Arrived.HOST_EDGE, 0.0, {KEY: 5}) == []
    assert engine.receive(bier(1), Encapsulation.MPLS, Arrived.HOST_EDGE, 0.0, {}) == []
    assert dropped(engine) == {"bit-not-permitted": 3}


def test_a_bfir_without_context_is_not_delivered() -> None:
    engine = Engine({KEY: Bift(Bsl.B64, {1: Entry(1, local=True)})}, {LABEL: KEY}, bfirs={(0, 99)})
    assert engine.receive(bier(1, bfir_id=77), Encapsulation.MPLS, Arrived.CORE, 0.0) == []
    assert len(engine.receive(bier(1, bfir_id=99), Encapsulation.MPLS, Arrived.CORE, 0.0)) == 1
    assert dropped(engine) == {"unknown-bfir": 1}


def test_entropy_chooses_among_bifts_and_the_path_of_a_bit_does_not_depend_on_others() -> None:
    """RFC 8279 section 6.7.2: F has two paths, C and E; D only C."""
    routes = Routes(Bsl.B64, {1: Ways((Hop(C, 30),)), 2: Ways((Hop(C, 30), Hop(E, 50)))})
    engine = Engine({KEY: routes.tables}, {LABEL: KEY})
    seen = set()
    for entropy in range(64):
        alone, both = (
            {
                o.neighbor.router
                for o in engine.receive(bier(bits, entropy), Encapsulation.MPLS, Arrived.CORE, 0.0)
                if isinstance(o, Forward) and o.packet[19] & 2
            }
            for bits in (2, 3)
        )
        assert alone == both
        seen |= alone
    assert seen == {"C", "E"}


def test_figure_6_chooses_by_row() -> None:
    """RFC 8279 section 6.7.1: {D,F} always goes by C alone; {F} by C or by E, as entropy says."""
    figure = Bift(
        Bsl.B64,
        {1: Entry(0b0011, C, 30), 2: Entry(0b0011, C, 30, others=(Way(0b0110, Hop(E, 50)),)),
         3: Entry(0b0110, E, 50)},
    )  # fmt: skip
    engine = Engine({KEY: figure}, {LABEL: KEY})
    seen: dict[int, set[tuple[str, ...]]] = {0b11: set(), 0b10: set(), 0b111: set()}
    for bits, ways in seen.items():
        for entropy in range(32):
            out = engine.receive(bier(bits, entropy), Encapsulation.MPLS, Arrived.CORE, 0.0)
            ways.add(tuple(f"{o.neighbor.router}{o.packet[19]:b}" for o in out))  # type: ignore[union-attr]
    assert seen == {0b11: {("C11",)}, 0b10: {("C10",), ("E10",)}, 0b111: {("C11", "E100")}}


def test_backups_are_used_at_once_and_given_back() -> None:
    routes = Routes(Bsl.B64, {1: Ways((Hop(C, 30),), backup=(Hop(E, 50),)), 2: Ways((Hop(C, 30),))})
    backups = {i: {KEY: routes.without({i})} for i in routes.interfaces}
    engine = Engine({KEY: routes.tables}, {LABEL: KEY}, backups=backups)

    def way() -> list[str]:
        out = engine.receive(bier(3), Encapsulation.MPLS, Arrived.CORE, 0.0)
        return [f"{o.neighbor.router}{o.packet[19]}" for o in out if isinstance(o, Forward)]

    assert way() == ["C3"]
    assert engine.switch_over("to-C")
    assert (engine.failed, way()) == ("to-C", ["E1"])
    assert dropped(engine) == {"null-neighbor": 1}
    assert not engine.switch_over("no such interface")
    assert engine.switch_over(None)
    assert way() == ["C3"]


def test_one_table_is_replaced_alone() -> None:
    other = BiftKey(0, 64, 1)
    engine = Engine(
        {KEY: Bift(Bsl.B64, {1: Entry(1, C, 30)}), other: Bift(Bsl.B64, {1: Entry(1, C, 31)})},
        {LABEL: KEY, BiftId(Encapsulation.MPLS, 19): other},
    )
    engine.replace(KEY, Bift(Bsl.B64, {1: Entry(1, E, 50)}))
    [out] = engine.receive(bier(1), Encapsulation.MPLS, Arrived.CORE, 0.0)
    assert isinstance(out, Forward)
    assert out.neighbor is E
    [out] = engine.impose(0, 64, {1: 1}, 4, b"", 1)
    assert isinstance(out, Forward)
    assert out.neighbor is C
    with pytest.raises(ValueError, match="128 bits"):
        engine.replace(KEY, Bift(Bsl.B128, {}))
    with pytest.raises(KeyError):
        engine.replace(BiftKey(9, 64, 0), Bift(Bsl.B64, {}))
