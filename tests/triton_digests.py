"""Runs our Triton kernels without a GPU, in a process of its own: `run` or `compile`.

    TRITON_INTERPRET=1 python tests/triton_digests.py run < calls.json
    python tests/triton_digests.py compile

Triton decides once per process whether it interprets.  `run` takes a list of calls; a call has
`tiles` (chunks, nodes) and `ranges`; what a range is, `memory` says.  Digests come out.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def content(kind: str, length: int) -> bytearray:
    """`count`: the vectors' input; a number: random bytes, that number is the seed."""
    if kind == "count":
        return bytearray((bytes(range(251)) * (length // 251 + 1))[:length])
    return bytearray(random.Random(int(kind)).randbytes(length))


def memory(kind: str, length: int, skew: int, flip: int | None, *, fenced: bool) -> Any:
    """A tensor `skew` bytes behind a multiple of 64, with one bit flipped.

    fenced: it ends where a page ends that nobody may read behind, and none before its first.
    """
    import torch

    data = content(kind, length)
    if flip is not None:
        data[flip // 8] ^= 1 << flip % 8
    if fenced:
        return torch.frombuffer(_fenced(data), dtype=torch.uint8)
    whole = torch.full((skew + length + 64,), 255, dtype=torch.uint8)
    start = -whole.data_ptr() % 64 + skew
    if length:
        whole[start : start + length] = torch.frombuffer(data, dtype=torch.uint8)
    return whole[start : start + length]


def _fenced(data: bytearray) -> Any:
    page = mmap.PAGESIZE
    pages = -(-len(data) // page)
    area = mmap.mmap(-1, (pages + 2) * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(area))
    start = (pages + 1) * page - len(data)
    area[start : start + len(data)] = bytes(data)
    libc = ctypes.CDLL(None, use_errno=True)
    for at in (base, base + (pages + 1) * page):
        if libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(page), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    return (ctypes.c_ubyte * len(data)).from_buffer(area, start)


def _strict_loads() -> None:
    """Let loads from addresses that are no multiple of their size fail, as they do on a GPU."""
    from triton.runtime.interpreter import InterpreterBuilder

    load = InterpreterBuilder.create_masked_load

    def strict(self: Any, ptrs: Any, mask: Any, *rest: Any) -> Any:
        size = ptrs.get_element_ty().primitive_bitwidth // 8
        if (ptrs.data[mask.data] % size).any():
            raise AssertionError(f"a load of {size} bytes from an address that is not aligned")
        return load(self, ptrs, mask, *rest)

    InterpreterBuilder.create_masked_load = strict


def run(calls: list[dict[str, Any]]) -> list[list[str]]:
    import torch

    from toolkit.gpu import blake3_triton

    torch.set_num_threads(1)
    if not blake3_triton.interpreted():
        raise SystemExit("TRITON_INTERPRET=1 is missing")
    _strict_loads()
    digests = []
    for call in calls:
        chunks, nodes = call["tiles"]
        ranges = [memory(*r, fenced=call.get("fenced", False)) for r in call["ranges"]]
        words = blake3_triton.blake3(torch, ranges, chunk_tile=chunks, node_tile=nodes)
        data = words.numpy().tobytes().hex()
        digests.append([data[at : at + 64] for at in range(0, len(data), 64)])
    return digests


def compile_all() -> dict[str, dict[str, Any]]:
    """Compile the kernels for an H200 (sm_90); say what the assembler says of the result."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from toolkit.gpu import blake3_triton as ours

    found = {}
    for kernel, names, tile in (
        (ours.chunk_tiles, ("owners", "table", "nodes"), ours.CHUNK_TILE),
        (ours.node_tiles, ("owners", "table", "nodes", "above"), ours.NODE_TILE),
    ):
        types = {n: "*i32" if n in ("nodes", "above") else "*i64" for n in names}
        source = ASTSource(
            fn=kernel, signature={**types, "span": "constexpr"}, constexprs={"span": tile}
        )
        options = {"num_warps": tile // 32}
        made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        program = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(made.asm["cubin"])
            file.flush()
            usage = subprocess.run(
                [program, "-res-usage", file.name], capture_output=True, text=True, check=True
            ).stdout
        counted = {k: int(v) for k, v in re.findall(r"(REG|STACK|LOCAL|SHARED):(\d+)", usage)}
        wide = len(re.findall(r"ld\.global[\w.:]*\.b64", made.asm["ptx"]))
        found[kernel.__name__] = {**counted, "loads of 8 bytes": wide}
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    json.dump(compile_all() if sys.argv[1] == "compile" else run(json.load(sys.stdin)), sys.stdout)
