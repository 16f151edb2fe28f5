"""ISA-L's copies, numpy, and an independent Reed-Solomon made with galois: all the same bytes."""

from __future__ import annotations

import importlib.util
import itertools
import random
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.delivery import fec, isal
from toolkit.delivery.gf256 import Bytes, Codec, Numpy
from toolkit.errors import EnvironmentProblem

if importlib.util.find_spec("galois") is None:
    pytest.skip("galois is not installed (pip install galois)", allow_module_level=True)

import galois

GF = galois.GF(2**8, irreducible_poly="x^8 + x^4 + x^3 + x^2 + 1", primitive_element="x")


def copies() -> dict[str, Codec]:
    """Every codec of this machine, whether a delivery would choose it or not."""
    found: dict[str, Codec] = {"numpy": Numpy()}
    for path, _ in isal.candidates():
        try:
            found[Path(path).name] = isal.Library(path)
        except OSError:
            continue
    return found


CODECS = copies()
every_codec = pytest.mark.parametrize("name", CODECS)


@lru_cache(maxsize=8)
def oracle(k: int) -> Bytes:
    """RFC 5510 section 8.2 in galois' own arithmetic: V_{k,k}^-1 V_{k,255}, points 0, 1, a, ..."""
    points = GF([0, *(GF.primitive_element ** np.arange(254))])
    vandermonde = GF.Ones((k, 255))
    for i in range(1, k):
        vandermonde[i] = vandermonde[i - 1] * points
    return np.asarray(np.linalg.inv(vandermonde[:, :k]) @ vandermonde, np.uint8)


def noise(k: int, size: int, seed: int = 0) -> Bytes:
    return np.frombuffer(random.Random(seed).randbytes(k * size), np.uint8).reshape(k, size)


def encoded(block: Bytes) -> Bytes:
    """All 255 encoding symbols of a block."""
    return np.asarray(GF(oracle(len(block)).T.copy()) @ GF(block), np.uint8)


def spoiled(block: Bytes, lost: list[int]) -> Bytes:
    found = block.copy()
    found[lost] = 0x5A
    return found


def test_this_machine_has_a_library() -> None:
    if importlib.util.find_spec("pyeclib") is None:
        pytest.skip("pyeclib is not installed (pip install pyeclib)")
    assert len(CODECS) > 1


@pytest.mark.parametrize("k", [1, 2, 3, 16, 64, 128, 200, 254])
def test_all_parity_coefficients_are_those_of_the_independent_code(k: int) -> None:
    assert np.array_equal(fec.parity_matrix(k), oracle(k)[:, k:].T)


@every_codec
@pytest.mark.parametrize(("k", "size"), [(1, 64), (7, 1), (20, 33), (128, 40), (200, 17)])
def test_all_parity_symbols_are_those_of_the_independent_code(name: str, k: int, size: int) -> None:
    block = noise(k, size)
    found = fec.encode(block, range(255 - k), CODECS[name])
    assert found.shape == (255 - k, size)
    assert found.flags.c_contiguous
    assert np.array_equal(found, encoded(block)[k:])


@every_codec
@pytest.mark.parametrize("size", [1, 2, 15, 16, 31, 32, 63, 64, 65, 127, 1376, 4096, 8776, 20000])
def test_every_length_of_symbol(name: str, size: int) -> None:
    block = noise(9, size, seed=size)
    assert np.array_equal(
        fec.encode(block, range(8), CODECS[name]), fec.encode(block, range(8), Numpy())
    )
    parity = encoded(block)[9:]
    broken = spoiled(block, [0, 3, 8])
    fec.decode(broken, [0, 3, 8], {j: parity[j] for j in (5, 1, 200)}, CODECS[name])
    assert np.array_equal(broken, block)


@every_codec
@pytest.mark.parametrize(("k", "n"), [(1, 4), (2, 6), (3, 7), (4, 8), (6, 9)])
def test_every_loss_pattern_of_small_codes(name: str, k: int, n: int) -> None:
    block = noise(k, 70, seed=n)
    symbols = encoded(block)
    for there in itertools.combinations(range(n), k):
        lost = [i for i in range(k) if i not in there]
        broken = spoiled(block, lost)
        fec.decode(broken, lost, {i - k: symbols[i] for i in there if i >= k}, CODECS[name])
        assert np.array_equal(broken, block), there


@settings(max_examples=60)
@given(data=st.data())
def test_any_block_and_any_loss(data: st.DataObject) -> None:
    k = data.draw(st.sampled_from([1, 5, 31, 100, 128, 200, 250]), "k")
    size = data.draw(st.integers(1, 200), "size")
    most = min(k, 255 - k)
    lost = data.draw(st.lists(st.integers(0, k - 1), max_size=most, unique=True), "lost")
    rows = data.draw(
        st.lists(st.integers(0, 254 - k), min_size=len(lost), max_size=most, unique=True), "rows"
    )
    block = noise(k, size, seed=k * size)
    symbols = encoded(block)
    for codec in CODECS.values():
        broken = spoiled(block, lost)
        fec.decode(broken, lost, {j: symbols[k + j] for j in rows}, codec)
        assert np.array_equal(broken, block)
        assert np.array_equal(fec.encode(block, rows, codec), symbols[[k + j for j in rows]])


@every_codec
def test_losses_in_any_order_and_symbols_anywhere_in_memory(name: str) -> None:
    block = noise(40, 100)
    parity = encoded(block)[40:]
    scattered = {j: np.frombuffer(parity[j].tobytes(), np.uint8) for j in (9, 0, 4)}
    for lost in ([30, 2, 17], (2, 17, 30), np.array([17, 30, 2])):
        broken = spoiled(block, [30, 2, 17])
        fec.decode(broken, lost, scattered, CODECS[name])
        assert np.array_equal(broken, block)


@pytest.mark.parametrize("name", [n for n in CODECS if n != "numpy"])
def test_the_library_is_never_given_an_address_that_is_not_whole(name: str) -> None:
    codec, block = CODECS[name], noise(4, 64)
    good = np.zeros(64, np.uint8)
    with pytest.raises(ValueError, match="without gaps"):
        fec.encode(block[:, ::2], [0], codec)
    with pytest.raises(ValueError, match="a symbol of 63 bytes among those of 64"):
        fec.decode(block.copy(), [0], {0: good[:63]}, codec)
    with pytest.raises(ValueError, match="a symbol of"):
        fec.decode(block.copy(), [0], {0: np.zeros((64, 2), np.uint8)[:, 0]}, codec)
    with pytest.raises(ValueError, match="read-only"):
        fec.decode(block, [0], {0: good}, codec)
    with pytest.raises(ValueError, match="a matrix of 1 x 4 for 5 symbols"):
        codec.product(codec.prepare(np.ones((1, 4), np.uint8)), noise(5, 64))


# ----- which one is chosen


class Slip(Numpy):
    """Computes all but one thing right."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def prepare(self, matrix: Bytes) -> list:  # type: ignore[type-arg]
        if self.kind == "one product":
            matrix = np.where(matrix == 0xE3, 0xE4, matrix).astype(np.uint8)
        return super().prepare(matrix)

    def product(self, ready: list, block: Bytes) -> Bytes:  # type: ignore[type-arg]
        out = super().product(ready, block)
        size = block.shape[1]
        if (
            (self.kind == "short symbols" and size < 16)
            or (self.kind == "the end of long symbols" and size > 4096)
            or (self.kind == "the rows of a second pass" and len(ready) > 6)
            or (self.kind == "more than 16 inputs" and len(block) > 16)
        ):
            out[-1, -1] ^= 1
        return out


@pytest.mark.parametrize(
    "kind",
    ["one product", "short symbols", "the end of long symbols", "the rows of a second pass",
     "more than 16 inputs"],
)  # fmt: skip
def test_arithmetic_that_is_wrong_in_one_place_is_found_out(kind: str) -> None:
    assert "is wrong" in isal.examine(Slip(kind))


@every_codec
def test_arithmetic_that_is_right_passes(name: str) -> None:
    assert isal.examine(CODECS[name]) == ""


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_a_library_that_computes_wrong_is_refused_and_the_next_one_used(tmp_path: Path) -> None:
    source, wrong = tmp_path / "wrong.c", tmp_path / "libisal.so.2"
    source.write_text(
        "void ec_init_tables(int k, int rows, unsigned char *a, unsigned char *t) { t[0] = 1; }\n"
        "void ec_encode_data(int n, int k, int rows, unsigned char *t, unsigned char **in,\n"
        "  unsigned char **out) { for (int r = 0; r < rows; r++)\n"
        "  for (int i = 0; i < n; i++) out[r][i] = in[0][i]; }\n"
    )
    subprocess.run(["clang", "-shared", "-fPIC", "-o", wrong, source], check=True)
    alone = isal.choose("", [(str(wrong), "a fake")])
    assert alone.name == "numpy"
    assert alone.refused == (f"{wrong}: a product of (255, 1) and (1, 256) is wrong",)
    assert str(alone) == f"numpy (slow); {alone.refused[0]}"
    with pytest.raises(EnvironmentProblem, match=r"there is none that works.*is wrong"):
        isal.choose("isal", [(str(wrong), "a fake")])
    right = next((str(p) for p, _ in isal.candidates() if Path(p).name in CODECS), None)
    if right is not None:
        chosen = isal.choose("", [(str(wrong), "a fake"), (right, "a real one")])
        assert (chosen.name, chosen.path) == ("isal", right)
        assert chosen.refused == alone.refused


def test_without_a_library_numpy_works_and_says_why(tmp_path: Path) -> None:
    nowhere = tmp_path / "libisal.so.2"
    chosen = isal.choose("", [(str(nowhere), "nowhere")])
    assert chosen.name == "numpy"
    assert isinstance(chosen.codec, Numpy)
    assert "cannot open shared object file" in chosen.refused[0]
    with pytest.raises(EnvironmentProblem, match="apt-get install libisal2"):
        isal.choose("isal", [(str(nowhere), "nowhere")])


def test_another_library_of_that_name_is_refused() -> None:
    chosen = isal.choose("", [("libm.so.6", "mathematics")])
    assert chosen.name == "numpy"
    assert "ec_encode_data" in chosen.refused[0]


def test_of_two_good_copies_the_one_with_gfni_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Copy(Numpy):
        def __init__(self, path: str) -> None:
            self.gfni = "gfni" in path

    monkeypatch.setattr(isal, "Library", Copy)
    chosen = isal.choose("", [("old", "1"), ("gfni", "2"), ("gfni too", "3")])
    assert (chosen.path, chosen.refused) == ("gfni", ("old: no GFNI",))
    assert str(chosen) == "ISA-L (2, GFNI); old: no GFNI"
    assert isal.choose("", [("old", "1"), ("old too", "2")]).path == "old"


@pytest.mark.parametrize(
    ("variable", "says"),
    [("numpy", "numpy (slow); LLMSYNC_FEC says numpy"), ("fpga", "LLMSYNC_FEC is 'fpga'")],
)
def test_the_variable_decides(variable: str, says: str) -> None:
    program = (
        "from toolkit.delivery.isal import backend\n"
        "from toolkit.errors import EnvironmentProblem\n"
        "try: print(backend())\n"
        "except EnvironmentProblem as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={"LLMSYNC_FEC": variable, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert says in done.stdout


def test_deliveries_use_the_library_where_there_is_one() -> None:
    block = noise(8, 100)
    assert isal.backend() is isal.backend()
    assert np.array_equal(fec.encode(block, [3]), fec.encode(block, [3], isal.backend().codec))
    if len(CODECS) > 1:
        assert isal.backend().name == "isal"
        assert isal.backend().version


def test_a_command_says_when_the_slow_arithmetic_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from toolkit.cli.arithmetic import announce_arithmetic

    monkeypatch.setattr(isal, "backend", lambda: isal.choose("numpy", []))
    announce_arithmetic()
    said = capsys.readouterr().err
    assert "parity: numpy (slow); LLMSYNC_FEC says numpy (apt-get install libisal2" in said
