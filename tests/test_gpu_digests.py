"""BLAKE3 over a device's memory: the published vectors, and the wheel, by every way there is."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import triton_digests
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import EnvironmentProblem

HAS_TORCH = importlib.util.find_spec("torch") is not None
pytestmark = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed (extra `gpu`)")
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)

if HAS_TORCH:
    import torch

    from toolkit.gpu import blake3_torch, digests
    from toolkit.gpu.door import open_device

    torch.set_num_threads(1)

VECTORS = {
    v["length"]: v["hash"]
    for v in json.loads((Path(__file__).parent / "vectors/blake3.json").read_text())["vectors"]
}
PROGRAM = Path(triton_digests.__file__)


def made(kind: str, length: int, skew: int = 0, flip: int | None = None) -> Any:
    return triton_digests.memory(kind, length, skew, flip, fenced=False)


def wheel(part: Any) -> bytes:
    return bytes(blake3(bytes(part.numpy())).digest())


def test_the_wheel_agrees_with_the_published_vectors() -> None:
    assert len(VECTORS) == 35
    for length, wanted in VECTORS.items():
        assert blake3(bytes(triton_digests.content("count", length))).hexdigest() == wanted


@pytest.mark.parametrize("kind", ["blake3 wheel", "torch operations"])
def test_published_vectors(kind: str) -> None:
    way = digests.DeviceDigests(open_device("cpu"), kinds=[kind])
    assert way.kind == kind
    parts = [made("count", length, skew=length % 8) for length in VECTORS]
    assert [d.hex() for d in way.blake3(parts)] == list(VECTORS.values())


RANGES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 200), st.integers(1000, 9000)),
        st.integers(0, 17),
        st.integers(0, 2**32),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(RANGES, st.sampled_from([1, 2, 5, 64]))
def test_tensor_operations_are_blake3(ranges: list[tuple[int, int, int]], at_once: int) -> None:
    parts = [made(str(seed), length, skew) for length, skew, seed in ranges]
    words = blake3_torch.blake3(torch, parts, at_once=at_once)
    assert words.numpy().tobytes() == b"".join(wheel(p) for p in parts)


@settings(max_examples=60, deadline=None)
@given(RANGES)
def test_the_cpu_hashes_where_the_bytes_are(ranges: list[tuple[int, int, int]]) -> None:
    parts = [made(str(seed), length, skew) for length, skew, seed in ranges]
    way = digests.DeviceDigests(open_device("cpu"))
    assert way.blake3(parts) == [wheel(p) for p in parts]
    assert way.blake3([]) == []


@pytest.mark.parametrize("kind", ["blake3 wheel", "torch operations"])
def test_any_flipped_bit_changes_the_digest(kind: str) -> None:
    way = digests.DeviceDigests(open_device("cpu"), kinds=[kind])
    size = 5 * 1024 + 77
    flips = [0, 7, 511, 512, 8191, 8192, 2 * 8192 + 1, 5 * 8192, size * 8 - 1]
    parts = [made("3", size), *(made("3", size, skew=f % 9, flip=f) for f in flips)]
    found = way.blake3(parts)
    assert len(set(found)) == len(parts)
    assert found[0] == wheel(parts[0])


# ----- which way is taken


def test_the_cpu_takes_the_wheel_and_operations_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert digests.DeviceDigests(open_device("cpu")).kind == "blake3 wheel"
    monkeypatch.setitem(sys.modules, "blake3", None)
    way = digests.DeviceDigests(open_device("cpu"))
    assert way.kind == "torch operations"
    assert way.refused == {"blake3 wheel": "blake3 is not installed"}
    assert way.blake3([made("count", 3)])[0].hex() == VECTORS[3]


def test_without_triton_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "toolkit.gpu.blake3_triton", raising=False)
    monkeypatch.delattr("toolkit.gpu.blake3_triton", raising=False)
    way = digests.DeviceDigests(open_device("cpu"), kinds=["triton", "torch operations"])
    assert way.kind == "torch operations"
    assert "Triton is not installed" in way.refused["triton"]
    with pytest.raises(EnvironmentProblem, match="cpu: no digests: triton: Triton is not"):
        digests.DeviceDigests(open_device("cpu"), kinds=["triton"])


@needs_triton
@pytest.mark.parametrize("fault", ["raises", "wrong"])
def test_kernels_that_fail_are_not_used(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    from toolkit.gpu import blake3_triton

    def kernels(torch: Any, ranges: Any) -> Any:
        if fault == "raises":
            raise RuntimeError("PTXASError: no such target\nand more")
        return blake3_torch.blake3(torch, ranges).bitwise_xor_(1)

    monkeypatch.setattr(blake3_triton, "interpreted", lambda: True)
    monkeypatch.setattr(blake3_triton, "blake3", kernels)
    way = digests.DeviceDigests(open_device("cpu"), kinds=["triton", "torch operations"])
    assert way.kind == "torch operations"
    assert (
        way.refused["triton"]
        == {
            "raises": "RuntimeError: PTXASError: no such target",
            "wrong": "its digests of the published vectors are wrong here",
        }[fault]
    )


def test_what_is_no_row_of_bytes_here_is_refused() -> None:
    way = digests.DeviceDigests(open_device("cpu"))
    for part in (torch.zeros(4), torch.zeros(8, dtype=torch.uint8)[::2], torch.zeros((2, 2))):
        with pytest.raises(ValueError, match="range 1: not one row of bytes"):
            way.blake3([made("1", 3), part])
    elsewhere = torch.empty(4, dtype=torch.uint8, device="meta")
    with pytest.raises(ValueError, match="range 0: on meta, not on cpu"):
        way.blake3([elsewhere])


# ----- the Triton kernels, without a GPU


def _ran(mode: str, given: str = "", **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, PROGRAM, mode],
        input=given,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def _interpreted(*calls: dict[str, Any]) -> list[list[str]]:
    found: list[list[str]] = _ran("run", json.dumps(calls), TRITON_INTERPRET="1")
    return found


def _wanted(call: dict[str, Any]) -> list[str]:
    fenced = call.get("fenced", False)
    return [wheel(triton_digests.memory(*r, fenced=fenced)).hex() for r in call["ranges"]]


@needs_triton
def test_kernels_give_the_published_vectors() -> None:
    lengths = [n for n in VECTORS if n < 1024 or n in (1025, 5121, 102400)]
    ranges = [("count", n, 0, None) for n in lengths]
    (found,) = _interpreted({"tiles": (32, 128), "ranges": ranges})
    assert found == [VECTORS[n] for n in lengths]


@needs_triton
def test_kernels_join_ranges_of_any_length_at_any_address() -> None:
    # Tiles of 4 chunks and 2 nodes: 11 chunks are three launches; a tile that is all but full.
    lengths = [4096 - 3, 11 * 1024 - 3, 4097]
    small = {"tiles": (4, 2), "ranges": [(str(n), n, 5 * i, None) for i, n in enumerate(lengths)]}
    skews = {"tiles": (8, 4), "ranges": [("5", 70 + s, s, None) for s in range(1, 8)]}
    wide = {"tiles": (4, 4), "ranges": [("6", 4096, s, None) for s in (8, 40)]}
    calls = [small, skews, wide]
    assert _interpreted(*calls) == [_wanted(call) for call in calls]


@needs_triton
def test_kernels_read_nothing_around_a_range() -> None:
    lengths = [1, 7, 64, 1029, 4096]
    call = {
        "tiles": (8, 4),
        "fenced": True,
        "ranges": [("2", n, 0, None) for n in lengths],
    }
    assert _interpreted(call) == [_wanted(call)]


@needs_triton
def test_kernels_see_any_flipped_bit() -> None:
    size = 4 * 1024 + 9
    flips = [None, 8191, size * 8 - 1]
    call = {"tiles": (4, 4), "ranges": [("3", size, 0, f) for f in flips]}
    (found,) = _interpreted(call)
    assert found == _wanted(call)
    assert len(set(found)) == len(flips)


@needs_triton
def test_kernels_compile_for_an_h200_and_keep_everything_in_registers(tmp_path: Path) -> None:
    found = _ran("compile", TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")
    assert set(found) == {"chunk_tiles", "node_tiles"}
    for usage in found.values():
        assert usage["STACK"] == usage["LOCAL"] == 0, found
        assert usage["REG"] <= 128, found
    assert found["chunk_tiles"]["loads of 8 bytes"] >= 9, found


# ----- a GPU


def test_a_gpu_gives_the_same_digests() -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    device = open_device("0")
    parts = [made("count", n, skew=n % 17) for n in VECTORS]
    parts += [made("9", n, skew=s) for n in (1 << 18, (1 << 21) + 5, 9 << 20) for s in (0, 8, 3)]
    there = []
    for part in parts:
        skew = part.data_ptr() % 64
        whole = torch.full((skew + len(part) + 1,), 255, dtype=torch.uint8, device=device.handle)
        there.append(whole[skew : skew + len(part)].copy_(part))
    for kind in ("triton", "torch operations"):
        way = digests.DeviceDigests(device, kinds=[kind])
        assert way.blake3(there) == [wheel(p) for p in parts], kind
