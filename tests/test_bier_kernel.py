"""What the kernel program is told, without a kernel: records, layout, pool, refusals, compiler."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry, Hop, Way
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl
from toolkit.bier.document import read_program
from toolkit.bier.engine import Arrived
from toolkit.bier.kernel import compiler, records
from toolkit.bier.kernel.applicable import InapplicableError, refuse_inapplicable
from toolkit.bier.kernel.layout import Full, Layout, Out, as_masks
from toolkit.bier.kernel.pool import Pool
from toolkit.bier.masks import Masks
from toolkit.bier.program import Interface, Program
from toolkit.bier.wire import Encapsulation
from toolkit.errors import EnvironmentProblem

HEADER = (compiler.SOURCE.parent / "bier.bpf.h").read_text(encoding="utf-8")
KEY = BiftKey(0, 64, 0)
HOPS = [Hop(Neighbor(f"n{n}", f"e{n}", mac=bytes((2, 0, 0, 0, 0, n))), 100 + n) for n in range(4)]
OUT = Out(7, 1500, bytes(6), b"\x02" * 6)


def table(*f_bms: int, local: int = 0) -> Masks:
    return Masks(Bsl.B64, {HOPS[n]: f_bm for n, f_bm in enumerate(f_bms)}, local)


def test_counters_have_the_order_of_the_c_program() -> None:
    body = re.search(r"enum counter \{(.*?)\}", HEADER, re.DOTALL)
    assert body is not None
    names = [name.strip().lower().replace("_", "-") for name in body[1].split(",") if name.strip()]
    assert [*names] == [*(name.removeprefix("dropped-") for name in records.COUNTERS), "counters"]


def test_limits_are_those_of_the_c_program() -> None:
    said = dict(re.findall(r"#define (WORDS|HOPS) +(\d+)", HEADER))
    assert int(said["WORDS"]) * 8 == records.MASK
    assert int(said["HOPS"]) == records.HOPS


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_a_pool_never_hands_out_what_is_in_use_or_rests(steps: list[tuple[bool, int]]) -> None:
    pool, held, resting = Pool(40), [], set()
    for takes, count in steps:
        if takes:
            start = pool.take(count)
            if start is None:
                pool.settle()
                resting.clear()
                continue
            run = set(range(start, start + count))
            assert run <= set(range(40))
            assert not run & (resting | {n for of in held for n in of})
            held.append(run)
        elif held:
            run = held.pop(0)
            pool.give_back(min(run), len(run))
            resting |= run
            assert pool.resting == len(resting)
    for run in held:
        pool.give_back(min(run), len(run))
    pool.settle()
    assert pool.take(40) == 0


def test_a_change_writes_beside_what_packets_read_and_one_slot() -> None:
    layout = Layout({KEY: (table(1, 2),)}, {"e0": {KEY: (table(0b11),)}})
    first = layout.everything(lambda _hop: OUT)
    assert [at for at, _row in first.rows] == [1, 2, 3]  # row 0 has no bits
    assert dict(first.slots).keys() == {0, 1}
    written = {at for at, _row in first.rows}
    for turn in range(3):
        writes = layout.changed(KEY, (table(1 << turn, 8, 16),), lambda _hop: OUT)
        assert not {at for at, _row in writes.rows} & written
        written |= {at for at, _row in writes.rows}
        assert [at for at, _slot in writes.slots] == [0]  # the backup stays


def test_a_failure_without_backups_gets_them_and_begins_with_the_normal_tables() -> None:
    other = BiftKey(1, 64, 0)
    layout = Layout({KEY: (table(1),), other: (table(2),)}, {}, more_failures=1)
    normal = dict(layout.everything(lambda _hop: OUT).slots)
    writes = layout.changed(KEY, (table(4),), lambda _hop: OUT, "e0")
    assert dict(writes.slots)[3] == normal[1]  # the other key's, for failure 1
    assert dict(writes.slots)[2] not in normal.values()
    assert layout.failures == {"e0": 1}
    with pytest.raises(Full):
        layout.changed(KEY, (table(4),), lambda _hop: OUT, "e1")
    assert layout.failures == {"e0": 1}


def test_what_is_full_has_room_again_when_packets_have_passed() -> None:
    layout = Layout({KEY: (table(1, 2),)}, {})
    layout.everything(lambda _hop: OUT)
    turns = 0
    with suppress(Full):
        while turns < 20_000:
            layout.changed(KEY, (table(1 << turns % 60),), lambda _hop: OUT)
            turns += 1
    assert 1000 < turns < 20_000
    layout.settle()
    assert layout.changed(KEY, (table(4),), lambda _hop: OUT).slots


def test_a_neighbor_whose_address_is_not_known_has_a_row_that_says_so() -> None:
    layout = Layout({KEY: (table(1, local=2),)}, {})
    rows = layout.everything(lambda _hop: OUT._replace(dst=None)).rows
    kinds = [records.ROW.unpack(row)[0] for _at, row in rows]
    assert kinds == [records.LOCAL, records.HOP_WITHOUT_MAC]
    assert records.ROW.unpack(rows[0][1])[-1][:8] == (2).to_bytes(8, "big")


def test_everything_that_does_not_apply_is_refused_at_once() -> None:
    program = read_program(
        {
            "bfr_ids": {"0": 5},
            "interfaces": {"eth0": {"bier": "core"}},
            "neighbors": {
                "far": {
                    "interface": "eth0",
                    "mac": "02:00:00:00:00:01",
                    "tunnel": {"kind": "gre", "local": "10.0.0.1", "remote": "10.0.0.2"},
                },
                "near": {"interface": "eth0", "mac": "02:00:00:00:00:02"},
            },
            "bifts": [
                {"bsl": 64, "rows": [{"bits": [1], "via": [{"neighbor": "far", "bift_id": 99}]}]},
                {
                    "bsl": 128,
                    "rows": [
                        {"bits": [1], "via": [{"neighbor": "near", "bift_id": 9, "f_bm": [1, 2]}]},
                        {"bits": [2], "via": [{"neighbor": "near", "bift_id": 9, "f_bm": [2]}]},
                    ],
                },
            ],
            "ingress": [{"source": "10.9.9.9", "group": "232.1.1.1", "bsl": 64, "bfr_ids": [1]}],
        }
    )
    with pytest.raises(InapplicableError) as refused:
        refuse_inapplicable(program, program.bifts)
    text = str(refused.value)
    for part in (
        "bifts (sub-domain 0, BSL 64, SI 0): neighbor far is behind a tunnel",
        "bifts (sub-domain 0, BSL 128, SI 0): the F-BMs of this table are not those of its neigh",
        "ingress: the kernel program forwards BIER",
        "(use --plane socket)",
    ):
        assert part in text
    assert len(refused.value.problems) == 3


def test_rows_that_share_f_bms_as_the_rfc_says_are_masks() -> None:
    neighbor = HOPS[0].neighbor
    bift = Bift(Bsl.B64, {1: Entry(3, neighbor, 100), 2: Entry(3, neighbor, 100)})
    assert as_masks(bift) == (table(3),)
    with pytest.raises(ValueError, match="F-BMs"):
        as_masks(Bift(Bsl.B64, {1: Entry(3, neighbor, 100, others=(Way(1, HOPS[1]),))}))


def test_a_neighbor_behind_no_interface_of_the_program_is_refused() -> None:
    program = Program(
        interfaces={"e1": Interface(Arrived.CORE)},
        bift_ids={BiftId(Encapsulation.MPLS, 20): KEY},
    )
    with pytest.raises(InapplicableError, match="n0 is behind e0, which is no interface"):
        refuse_inapplicable(program, {KEY: table(1)})


def test_without_clang_the_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "which", lambda _name: None)
    with pytest.raises(EnvironmentProblem, match="apt-get install clang libbpf-dev linux-libc-dev"):
        compiler.compiled(folder=tmp_path)


def test_what_is_compiled_already_needs_no_clang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "thing.bpf.c"
    source.write_text("int x;\n", encoding="utf-8")
    runs: list[str] = []

    def compile_(_clang: str, _flags: tuple[str, ...], _source: Path, kept: Path) -> None:
        runs.append(kept.name)
        kept.write_bytes(b"ELF")

    monkeypatch.setattr(compiler, "which", lambda _name: "clang")
    monkeypatch.setattr(compiler, "_compile", compile_)
    first = compiler.compiled(source, tmp_path / "cache")
    monkeypatch.setattr(compiler, "which", lambda _name: None)
    assert compiler.compiled(source, tmp_path / "cache") == first
    source.write_text("int y;\n", encoding="utf-8")
    with pytest.raises(EnvironmentProblem):
        compiler.compiled(source, tmp_path / "cache")
    assert runs == [first.name]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An object in the cache, and no clang."""
    source, folder = tmp_path / "thing.bpf.c", tmp_path / "cache"
    source.write_text("int x;\n", encoding="utf-8")
    monkeypatch.setattr(compiler, "which", lambda _name: None)
    with pytest.raises(EnvironmentProblem, match="no clang here") as refused:
        compiler.compiled(source, folder)
    name = re.search(r"copy (\S+) of", str(refused.value))
    assert name is not None
    folder.mkdir(mode=0o700)
    made = folder / name[1]
    made.write_bytes(b"ELF")
    made.chmod(0o644)
    assert compiler.compiled(source, folder) == made
    return made


@pytest.mark.parametrize("mode", [0o664, 0o646])
@pytest.mark.parametrize("which", ["object", "folder"])
def test_what_others_may_write_is_not_loaded(kept: Path, mode: int, which: str) -> None:
    path = kept if which == "object" else kept.parent
    path.chmod(mode | 0o100)
    with pytest.raises(EnvironmentProblem) as refused:
        compiler.compiled(kept.parent.parent / "thing.bpf.c", kept.parent)
    assert str(refused.value) == (
        f"{path} may be written by others (chmod go-w {path}): what is in it is not loaded into "
        "the kernel; set XDG_CACHE_HOME to a folder of your own"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_what_belongs_to_somebody_else_is_not_loaded(kept: Path, tmp_path: Path) -> None:
    os.chown(kept, 1000, 1000)
    with pytest.raises(EnvironmentProblem, match=f"{kept} belongs to somebody else: what is in"):
        compiler.compiled(tmp_path / "thing.bpf.c", kept.parent)
    link = tmp_path / "linked" / kept.name  # where a link leads counts
    link.parent.mkdir(mode=0o700)
    link.symlink_to(kept)
    with pytest.raises(EnvironmentProblem, match=f"{link} belongs to somebody else"):
        compiler.compiled(tmp_path / "thing.bpf.c", link.parent)


def test_a_compiler_that_takes_forever_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clang = tmp_path / "clang"
    clang.write_text("#!/bin/sh\nexec tail -f /dev/null\n", encoding="ascii")
    clang.chmod(0o755)
    monkeypatch.setattr(compiler, "which", lambda _name: str(clang))
    monkeypatch.setattr(compiler, "LIMIT", 0.1)
    with pytest.raises(EnvironmentProblem, match=r"does not compile bier.bpf.c within 0.1 s; try"):
        compiler.compiled(folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    monkeypatch.setattr(compiler, "which", lambda _name: "clang")
    with pytest.raises(EnvironmentProblem, match=r"cannot be kept in .*: Not a directory; set XDG"):
        compiler.compiled(folder=tmp_path / "file" / "cache")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(EnvironmentProblem, match="there is no home directory to keep"):
        compiler.cache()


def homeless(_path: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")
