"""Hostile input: frames, programs and vectors that are almost right.

Frames never raise and are always accounted for; documents are read or refused by a ProblemsError.
"""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bier_cases import sample
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.conformance.expansion import cases
from toolkit.bier.conformance.reference import MTU
from toolkit.bier.conformance.vector import Load, Receive, Vector, document, read_vector
from toolkit.bier.document import read_program
from toolkit.bier.frames import Port
from toolkit.bier.node import Node
from toolkit.bier.program import Program
from toolkit.cli.vector_files import files
from toolkit.errors import Problem, ProblemsError

ROOT = Path(__file__).parent.parent
FILES = [
    (group, {**content, "vectors": [v for v in content["vectors"] if len(str(v)) < 4000]})
    for group, content in files()
]
FUZZER = ROOT / "tests" / "fuzz" / "fuzz_bier.py"


@cache
def scenes() -> list[tuple[Program, str, bytes]]:
    """Return <program, interface, frame> of the vectors, each program with its frames."""
    found = []
    for case in sample():
        program = Program()
        for step in case.vector().steps:
            if isinstance(step, Load):
                program = step.program
            elif isinstance(step, Receive) and len(step.frame) < 300:
                found.append((program, step.interface, step.frame))
    return found[:: max(1, len(found) // 400)]


@cache
def vectors() -> list[Vector]:
    return [v for v in (case.vector() for case in sample()) if len(v.steps) < 12]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Program, str, bytes]:
    """A frame of a vector with octets changed, inserted, cut out, and an end cut off."""
    program, interface, frame = scenes()[draw(st.integers(0, len(scenes()) - 1))]
    octets = bytearray(frame)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(octets) - 1)))
        match draw(st.sampled_from(("change", "insert", "remove", "cut"))):
            case "change":
                octets[at : at + 1] = bytes((draw(st.integers(0, 255)),))
            case "insert":
                octets[at:at] = draw(st.binary(max_size=8))
            case "remove":
                del octets[at : at + draw(st.integers(1, 8))]
            case _:
                del octets[at:]
    return program, interface, bytes(octets)


@given(damaged())
def test_a_damaged_frame_never_raises_and_is_accounted_for(
    scene: tuple[Program, str, bytes],
) -> None:
    program, interface, frame = scene
    node = Node(program, {name: Port(mtu=MTU) for name in program.interfaces})
    outputs = node.receive(interface, frame, 0.0)
    drops = sum(node.engine.drops.values()) + node.drops.total()
    assert outputs or drops or node.seen


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 1 << 21),
    st.floats(allow_nan=False),
    st.text(max_size=6),
    st.sampled_from(["1-64", "eth0", "mpls", "10.0.0.1", "ff3e::1", "02:00:00:00:00:01", "core"]),
    st.lists(st.integers(0, 70), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(0, 9), max_size=2),
)


def refusal(read: Callable[[], object]) -> tuple[Problem, ...]:
    """Return the problems that something is refused for, none where it is read."""
    try:
        read()
    except ProblemsError as error:
        return error.problems
    return ()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path to every member and item."""
    inside = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list)
        else ()
    )  # fmt: skip
    return [
        found for key, below in inside for found in [(*path, key), *places(below, (*path, key))]
    ]


def change(draw: st.DrawFn, value: Any) -> None:
    """Replace, remove or rename a few members in place."""
    for _ in range(draw(st.integers(1, 3))):
        known = places(value)
        if not known:
            return
        *way, last = draw(st.sampled_from(known))
        owner = value
        for key in way:
            owner = owner[key]
        what = draw(st.sampled_from(("replace", "remove", "rename")))
        if what == "replace" or (what == "rename" and isinstance(owner, list)):
            owner[last] = draw(VALUES)
        elif what == "remove":
            del owner[last]
        else:
            owner[draw(st.text(max_size=5))] = owner.pop(last)


@st.composite
def damaged_documents(draw: st.DrawFn) -> dict[str, Any]:
    value = copy.deepcopy(document(vectors()[draw(st.integers(0, len(vectors()) - 1))]))
    change(draw, value)
    return value


@given(damaged_documents())
def test_a_damaged_vector_is_read_or_refused_with_its_problems(value: dict[str, Any]) -> None:
    refused = refusal(lambda: read_vector(value, "damaged"))
    assert all(str(problem) for problem in refused)


@given(st.data())
def test_a_damaged_program_is_read_or_refused_with_its_problems(data: st.DataObject) -> None:
    programs = [s.document for v in vectors() for s in v.steps if isinstance(s, Load)]
    value = copy.deepcopy(dict(programs[data.draw(st.integers(0, len(programs) - 1))]))
    change(data.draw, value)
    refused = refusal(lambda: Node(read_program(value, "damaged")))
    assert all(problem.what and problem.place.file == "damaged" for problem in refused)


@given(st.recursive(VALUES, lambda inside: st.lists(inside, max_size=3), max_leaves=6))
def test_whatever_is_no_program_is_refused(value: object) -> None:
    if not isinstance(value, dict):
        assert refusal(lambda: read_program(value))


@given(st.data())
def test_a_damaged_vector_file_is_refused_naming_the_vector(data: st.DataObject) -> None:
    group, content = FILES[data.draw(st.integers(0, len(FILES) - 1))]
    one = copy.deepcopy(content["vectors"][data.draw(st.integers(0, len(content["vectors"]) - 1))])
    one["over"] = {"bsl": [64], "encapsulation": ["mpls"], "si": [0]}
    change(data.draw, one["steps"])
    file = {"programs": content.get("programs", {}), "vectors": [one]}
    refused = refusal(lambda: [case.vector() for case in cases(file, group)])
    assert all(one["name"] in str(problem) for problem in refused)


def atheris(tmp_path: Path, runs: int) -> subprocess.CompletedProcess[str]:
    """Run the coverage-guided fuzzer on frames of the vectors."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed (it has wheels for Linux on x86-64)")
    for number, (_program, _interface, frame) in enumerate(scenes()):
        (tmp_path / f"{number}-node").write_bytes(b"\0" + frame)
        (tmp_path / f"{number}-header").write_bytes(bytes((1 + number % 2 * 4,)) + frame[14:])
        (tmp_path / f"{number}-explained").write_bytes(b"\2" + frame)
    where = f"-artifact_prefix={tmp_path}/"
    return subprocess.run(
        [sys.executable, str(FUZZER), f"-runs={runs}", "-seed=1", where, str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


def test_coverage_guided_fuzzing_finds_nothing(tmp_path: Path) -> None:
    done = atheris(tmp_path, 20_000)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.soak
def test_long_coverage_guided_fuzzing_finds_nothing(tmp_path: Path) -> None:
    done = atheris(tmp_path, 1_000_000)
    assert done.returncode == 0, done.stderr[-2000:]
