"""Bit strings: the RFC's numbers, and the algebra."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bitstring import BitString, Bsl, bfr_id_at, set_and_bit, sets_of


def test_length_codes_are_those_of_rfc_8296() -> None:
    assert {b.value: b.bits for b in Bsl} == {
        1: 64, 2: 128, 3: 256, 4: 512, 5: 1024, 6: 2048, 7: 4096
    }  # fmt: skip
    assert all(b.octets * 8 == b.bits and Bsl.of_bits(b.bits) is b for b in Bsl)


@pytest.mark.parametrize("bits", [0, 1, 32, 65, 8192])
def test_other_lengths_do_not_exist(bits: int) -> None:
    with pytest.raises(ValueError, match="BitString length"):
        Bsl.of_bits(bits)


def test_bit_1_is_the_last_bit_on_the_wire() -> None:
    assert BitString.of(Bsl.B64, [1]).to_bytes() == bytes(7) + b"\x01"
    assert BitString.of(Bsl.B64, [64]).to_bytes() == b"\x80" + bytes(7)
    assert BitString.of(Bsl.B64, [9]).hex() == "0000000000000100"


def test_ids_27_235_and_497_at_256_bits() -> None:
    """RFC 8279 section 3: SI 0 bits 27 and 235, SI 1 bit 241."""
    assert [set_and_bit(i, 256) for i in (27, 235, 497)] == [(0, 27), (0, 235), (1, 241)]
    assert sets_of([27, 235, 497], 256) == {0: 1 << 26 | 1 << 234, 1: 1 << 240}


@pytest.mark.parametrize(
    ("bfr_id", "bsl", "place"),
    [(1, 64, (0, 1)), (64, 64, (0, 64)), (65, 64, (1, 1)), (65535, 256, (255, 255))],
)
def test_the_ends_of_a_set(bfr_id: int, bsl: int, place: tuple[int, int]) -> None:
    assert set_and_bit(bfr_id, bsl) == place
    assert bfr_id_at(*place, bsl) == bfr_id


@pytest.mark.parametrize("bfr_id", [0, -1, 65536])
def test_an_id_outside_1_to_65535_has_no_place(bfr_id: int) -> None:
    with pytest.raises(ValueError, match="BFR-ids run from 1 to 65535"):
        set_and_bit(bfr_id, 256)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        BitString(Bsl.B64, 1 << 64)
    with pytest.raises(ValueError, match="not 65"):
        BitString.of(Bsl.B64, [65])
    with pytest.raises(ValueError, match="not 0"):
        BitString.of(Bsl.B64, [0])
    with pytest.raises(ValueError, match="BitString length"):
        BitString.from_bytes(bytes(9))


def test_strings_of_different_length_do_not_mix() -> None:
    with pytest.raises(ValueError, match="64 and 128"):
        BitString(Bsl.B64) & BitString(Bsl.B128)


def test_an_absent_bit_is_not_there() -> None:
    bits = BitString.of(Bsl.B64, [3])
    assert 3 in bits
    assert all(absent not in bits for absent in (0, -1, 2, 64, 65, 10**6))


SETS = st.sets(st.integers(1, 256))


@given(SETS, SETS)
def test_the_algebra_is_that_of_sets_and_changes_no_operand(a: set[int], b: set[int]) -> None:
    x, y = BitString.of(Bsl.B256, a), BitString.of(Bsl.B256, b)
    assert set(x & y) == a & b
    assert set(x | y) == a | b
    assert set(x - y) == a - b
    assert (list(x), len(x)) == (sorted(a), len(a))
    assert set(y) == b


@given(
    st.sampled_from(Bsl).flatmap(lambda b: st.tuples(st.just(b), st.sets(st.integers(1, b.bits))))
)
def test_octets_and_hexadecimal_come_back(given_bits: tuple[Bsl, set[int]]) -> None:
    bits = BitString.of(*given_bits)
    assert BitString.from_bytes(bits.to_bytes()) == bits == BitString.from_hex(bits.hex())


@given(st.sets(st.integers(1, 65535), max_size=40), st.sampled_from(Bsl))
def test_sets_hold_every_id_exactly_once(ids: set[int], bsl: Bsl) -> None:
    sets = sets_of(ids, bsl.bits)
    back = [bfr_id_at(si, p, bsl.bits) for si, v in sets.items() for p in BitString(bsl, v)]
    assert sorted(back) == sorted(ids)
