"""`llmsync bier vectors`: counts, verdicts, exported files, errors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolkit.bier.conformance.judge import faults
from toolkit.bier.conformance.plane import Need, Outcome
from toolkit.bier.conformance.reference import ReferencePlane
from toolkit.bier.conformance.vector import Receive, read_vector
from toolkit.bier.program import Program
from toolkit.cli import bier_planes
from toolkit.cli.main import main
from toolkit.cli.vector_files import all_cases
from toolkit.datafiles import data_folder
from toolkit.errors import Place, Problem, ProblemsError
from toolkit.inet import pcap

ROOT = Path(__file__).parent.parent


class Lacking(ReferencePlane):
    """The reference plane without tunnels."""

    name = "lacking"
    lacks: Mapping[Need, str] = {
        Need.TUNNEL_GRE: "no tunnels",
        Need.TUNNEL_VXLAN: "no tunnels",
        Need.TUNNEL_SR_MPLS: "no tunnels",
    }


class Silent(ReferencePlane):
    """A plane from which nothing comes."""

    name = "silent"

    def receive(self, interface: str, frame: bytes) -> Outcome:
        return Outcome([], [], {})


class Refusing(ReferencePlane):
    """A plane that cannot hold any program."""

    def load(self, program: Program) -> None:
        raise ProblemsError([Problem(Place(path="bifts"), "too many")])


@pytest.fixture
def planes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"socket": (__name__, "Lacking"), "ebpf": (__name__, "Silent")}
    monkeypatch.setattr(bier_planes, "PLANES", {**bier_planes.PLANES, **here})


def test_every_vector_is_listed_and_the_pages_count_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bier", "vectors", "list"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    cases = list(all_cases())
    vectors = len({(case.group, case.stem) for case in cases})
    assert last == f"{vectors} vectors, {len(cases)} cases"
    page = (ROOT / "docs/reference/bier-vectors.md").read_text("utf-8")
    assert f"{vectors} vectors expand to {len(cases):,} cases" in page
    groups = {case.group for case in cases}
    assert all(f"| `{group}` |" in page for group in groups)


def test_the_readme_of_an_export_explains_every_need_and_counter() -> None:
    needs = {str(need) for need in Need if not need.startswith("bsl-")}
    short = [case.vector() for case in all_cases() if case.bsl == 64]
    steps = [step for vector in short for step in vector.steps]
    counters = {name for s in steps if isinstance(s, Receive) for name in s.dropped}
    readme = (data_folder("tests/vectors") / "EXPORT.md").read_text(encoding="utf-8")
    _, said_needs, said_counters = re.split(r"## Needs|## Drop counters", readme)
    assert {need for need in needs if f"`{need}`" not in said_needs} == set()
    assert {name for name in counters if f"`{name}`" not in said_counters} == set()


def test_a_listed_vector_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bier", "vectors", "list", "--only", "header/ttl-0/*", "-o", "json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found == {
        "vector": "header/ttl-0",
        "cases": 42,
        "source": "RFC 8296 2.1.1",
        "meaning": "TTL 0 has expired, even for our own bit; it never wraps to 255",
    }


def test_a_run_counts_what_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bier", "vectors", "run", "--only", "sets/*/si-0"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "group  passed  failed  not applicable",
        "-----  ------  ------  --------------",
        "sets       58       0               0",
        "all        58       0               0",
    ]


@pytest.mark.usefixtures("planes")
def test_what_a_plane_lacks_is_counted_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "tunnels/*/bsl-64/mpls/*"]
    assert main(["bier", "vectors", "run", "--plane", "socket", *only]) == 0
    shown = capsys.readouterr().out
    assert "tunnels       3       0              26" in shown
    assert "not applicable, 26: no tunnels" in shown
    assert main(["bier", "vectors", "run", "--plane", "socket", "-o", "json", *only]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["not_applicable"]) == (3, {"no tunnels": 26})


@pytest.mark.usefixtures("planes")
def test_a_plane_that_fails_is_a_finding_that_shows_the_frames(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["bier", "vectors", "run", "--plane", "ebpf", "--only", "header/packed-by-hand/*"]
    assert main(arguments) == 1
    shown = capsys.readouterr().out
    assert "FAILED header/packed-by-hand/bsl-64/mpls/si-0" in shown
    assert (
        "  step 2: copy missing: eth1 020000010000020000000001"
        "88470009913f50100007000400030000000000000004c0ffee00" in shown
    )
    assert "step 2: delivery missing: Proto 4, BFIR-id 3, sub-domain 0: c0ffee00" in shown
    assert "  and 1 more" in shown


def test_a_name_that_no_vector_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bier", "vectors", "run", "--only", "heade/*"]) == 2
    assert "--only heade/*: no vector has such a name" in capsys.readouterr().err


def test_a_plane_that_is_not_here_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bier_planes.PLANES, "ebpf", ("toolkit.bier.nowhere", "Plane"))
    assert main(["bier", "vectors", "run", "--plane", "ebpf"]) == 2
    assert "plane ebpf: toolkit.bier.nowhere is not installed" in capsys.readouterr().err


def test_a_plane_that_refuses_a_program_fails_the_vector(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bier_planes.PLANES, "ebpf", (__name__, "Refusing"))
    assert main(["bier", "vectors", "run", "--plane", "ebpf", "--only", "header/packed*"]) == 1
    assert "  refused: bifts: too many" in capsys.readouterr().out


def exported(folder: Path, *more: str) -> dict[str, bytes]:
    assert main(["bier", "vectors", "export", str(folder), *more]) == 0
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_export_is_complete_in_itself_and_always_the_same(tmp_path: Path) -> None:
    only = ("--only", "[fh]*/bsl-64/*")
    first, second = exported(tmp_path / "a", *only), exported(tmp_path / "b", *only)
    assert first == second
    groups = ("figures", "forwarding", "frr", "header")
    ends = ("json", "pcap", "tsv")
    assert set(first) == {f"{g}.{e}" for g in groups for e in ends} | {"README.md"}
    for group in groups:
        vectors = [read_vector(v, group) for v in json.loads(first[f"{group}.json"])]
        assert all(faults(ReferencePlane(), vector, times=1) == [] for vector in vectors)
        captured = pcap.read(first[f"{group}.pcap"]).frames
        rows = [line.split("\t") for line in first[f"{group}.tsv"].decode().splitlines()[1:]]
        assert [int(row[0]) for row in rows] == [frame.number for frame in captured]
        assert {row[1] for row in rows} == {vector.name for vector in vectors}
        assert {row[3] for row in rows} <= {"in", "out", "way-0", "way-1"}


def test_long_bit_strings_are_exported_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ("--only", "header/ttl-0/*")
    some = exported(tmp_path / "some", *only)
    every = exported(tmp_path / "every", "--all", *only)
    assert len(json.loads(some["header.json"])) == 18
    assert len(json.loads(every["header.json"])) == 42
    capsys.readouterr()
    arguments = ["bier", "vectors", "export", str(tmp_path / "no"), "--only", "*/bsl-4096/*"]
    assert main(arguments) == 2
    assert "longer than 256 bits; --all" in capsys.readouterr().err


@pytest.mark.usefixtures("planes")
def test_an_export_for_a_plane_leaves_out_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = exported(tmp_path, "--plane", "socket", "--only", "tunnels/*/bsl-64/mpls/*")
    assert len(json.loads(found["tunnels.json"])) == 3
    assert "3 vectors, 26 not applicable" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    target = str(tmp_path / "file" / "below")
    assert main(["bier", "vectors", "export", target, "--only", "header/ttl-0/*"]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.interop
def test_tshark_reads_the_exported_frames(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed (Debian package tshark)")
    found = exported(tmp_path, "--only", "header/only-three-things-change/bsl-64/*")
    done = subprocess.run(
        ["tshark", "-r", str(tmp_path / "header.pcap"), "-T", "fields", "-e", "eth.type"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    kinds = done.stdout.split()
    assert len(kinds) == len(found["header.tsv"].splitlines()) - 1
    assert set(kinds) == {"0x8847", "0xab37"}
