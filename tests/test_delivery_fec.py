"""Blocks and parity: against RFC 5510's construction done slowly, and flute-alc's output."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery import gf256
from toolkit.delivery.fec import Partition, decode, encode, parity_matrix

# ----- an oracle: matrices as RFC 5510 section 8.2 has them, polynomials as integers, no tables


def slow_multiply(a: int, b: int) -> int:
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x11D << (bit - 8)
    return product


def slow_power(a: int, n: int) -> int:
    result = 1
    for _ in range(n):
        result = slow_multiply(result, a)
    return result


def slow_matrix_product(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    out = []
    for row in a:
        line = []
        for column in zip(*b, strict=True):
            total = 0
            for x, y in zip(row, column, strict=True):
                total ^= slow_multiply(x, y)
            line.append(total)
        out.append(line)
    return out


def slow_inverse(matrix: list[list[int]]) -> list[list[int]]:
    size = len(matrix)
    rows = [[*row, *(int(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for c in range(size):
        pivot = next(r for r in range(c, size) if rows[r][c])
        rows[c], rows[pivot] = rows[pivot], rows[c]
        factor = next(x for x in range(1, 256) if slow_multiply(x, rows[c][c]) == 1)
        rows[c] = [slow_multiply(factor, x) for x in rows[c]]
        for r in range(size):
            if r != c:
                times = rows[r][c]
                rows[r] = [
                    x ^ slow_multiply(times, y) for x, y in zip(rows[r], rows[c], strict=True)
                ]
    return [row[size:] for row in rows]


def generator(k: int, n: int) -> list[list[int]]:
    """GM = V_{k,k}^-1 * V_{k,n}, V[i][j] = x_j^i, with the points 0, 1, alpha, alpha^2, ..."""
    points = [0, *(slow_power(2, e) for e in range(n - 1))]
    vandermonde = [[slow_power(x, i) for x in points] for i in range(k)]
    return slow_matrix_product(slow_inverse([row[:k] for row in vandermonde]), vandermonde)


@pytest.mark.parametrize(("k", "n"), [(1, 4), (2, 5), (4, 6), (9, 14), (20, 23)])
def test_parity_rows_are_those_of_the_rfc(k: int, n: int) -> None:
    matrix = generator(k, n)
    for j in range(n - k):
        assert parity_matrix(k)[j].tolist() == [matrix[i][k + j] for i in range(k)]


def test_the_rfcs_matrix_is_systematic() -> None:
    assert [row[:5] for row in generator(5, 8)] == [
        [int(i == j) for j in range(5)] for i in range(5)
    ]


def test_parity_is_what_flute_alc_sends() -> None:
    # new_reed_solomon_rs28_under_specified(64, 4, 2) of flute-alc 1.11.7 (Rust, independent), an
    # object of 253 bytes: begin and end of the parity symbols with ESI 4 and 5.
    data = (bytes(range(250)) + b"xyz").ljust(256, b"\0")
    first, second = encode(np.frombuffer(data, np.uint8).reshape(4, 64), [0, 1])
    first, second = first.tobytes(), second.tobytes()
    assert first.startswith(bytes.fromhex("68696a6b6c6d6e6f"))
    assert first.endswith(bytes.fromhex("1d1c23dacbc4"))
    assert second.startswith(bytes.fromhex("7a7b78797e7f7c7d"))
    assert second.endswith(bytes.fromhex("9c9d3748ff92"))


@given(st.data())
def test_any_k_of_the_encoding_symbols_recover_the_block(data: st.DataObject) -> None:
    k = data.draw(st.integers(1, 24), "k")
    size = data.draw(st.integers(1, 33), "symbol size")
    lost = data.draw(st.sets(st.integers(0, k - 1), min_size=1), "lost")
    parity = data.draw(
        st.lists(st.integers(0, 60), min_size=len(lost), max_size=len(lost) + 2, unique=True),
        "parity",
    )
    block = np.frombuffer(random.Random(k * size).randbytes(k * size), np.uint8).reshape(k, size)
    symbols = encode(block, parity)
    broken = block.copy()
    broken[sorted(lost)] = 0xA5
    decode(
        broken, sorted(lost),
        {j: np.frombuffer(s, np.uint8) for j, s in zip(parity, symbols, strict=True)},
    )  # fmt: skip
    assert (broken == block).all()


@pytest.mark.parametrize(("k", "lost"), [(200, 55), (128, 127), (1, 1)])
def test_large_blocks_survive_as_many_losses_as_there_is_parity(k: int, lost: int) -> None:
    chance = random.Random(k)
    block = np.frombuffer(chance.randbytes(k * 16), np.uint8).reshape(k, 16)
    rows = chance.sample(range(255 - k), lost)
    gone = sorted(chance.sample(range(k), lost))
    broken = block.copy()
    broken[gone] = 0
    symbols = zip(rows, encode(block, rows), strict=True)
    decode(broken, gone, {j: np.frombuffer(s, np.uint8) for j, s in symbols})
    assert (broken == block).all()


def test_too_little_parity_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="2 symbols are lost and 1 parity symbols"):
        decode(np.zeros((4, 8), np.uint8), [0, 1], {0: np.zeros(8, np.uint8)})
    with pytest.raises(ValueError, match="only 55 exist"):
        encode(np.zeros((200, 8), np.uint8), [55])
    with pytest.raises(ValueError, match="only 55 exist"):
        decode(np.zeros((200, 8), np.uint8), [0], {55: np.zeros(8, np.uint8)})
    with pytest.raises(ValueError, match="only -1 exist"):
        encode(np.zeros((256, 8), np.uint8), [0])


# ----- the field


@given(st.integers(0, 255), st.integers(0, 255))
def test_products_are_those_of_the_polynomial(a: int, b: int) -> None:
    assert gf256.multiply(a, b) == slow_multiply(a, b)


@given(st.integers(1, 255))
def test_a_number_times_its_inverse_is_one(a: int) -> None:
    assert gf256.multiply(a, gf256.inverse(a)) == 1


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        gf256.inverse(0)


# ----- RFC 5052 section 9.1


@given(st.integers(1, 100_000), st.integers(1, 700), st.integers(1, 200))
def test_blocks_cover_an_object_without_gap_and_differ_by_one_symbol(
    length: int, symbol: int, block: int
) -> None:
    part = Partition(length, symbol, block)
    at = 0
    sizes = set()
    for sbn in range(part.blocks):
        assert part.offset(sbn) == at
        assert 1 <= part.k(sbn) <= block
        assert 0 < part.size(sbn) <= part.k(sbn) * symbol
        sizes.add(part.k(sbn))
        at += part.size(sbn)
    assert at == length
    assert max(sizes) - min(sizes) <= 1
    assert sum(part.k(b) for b in range(part.blocks)) == part.symbols


def test_the_partition_is_the_rfcs() -> None:
    # T = 10, N = 3, A_large = 4, A_small = 3, I = 1.
    part = Partition(95, 10, 4)
    assert [part.k(b) for b in range(part.blocks)] == [4, 3, 3]
    assert [part.offset(b) for b in range(3)] == [0, 40, 70]
    assert part.size(2) == 25


def test_an_empty_object_has_no_blocks() -> None:
    assert Partition(0, 10, 4).blocks == 0
    with pytest.raises(ValueError, match="impossible"):
        Partition(1, 0, 4)
