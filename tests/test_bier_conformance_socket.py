"""The conformance vectors on the socket plane: real frames over real veth pairs.

Of files with thousands of packets every seventh vector is taken, all of them by `make soak`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.netns import needs_namespaces
from toolkit.bier.conformance.expansion import expanded
from toolkit.bier.conformance.judge import faults, lacking
from toolkit.bier.conformance.socket_plane import SocketPlane, socket_plane

pytestmark = needs_namespaces

FILES = sorted((Path(__file__).parent / "vectors" / "bier").glob("*.json"))
STRIDES = {"ecmp": 7, "figures": 7, "frr": 7, "midpoint": 7}


@pytest.fixture(scope="module")
def plane() -> Iterator[SocketPlane]:
    with socket_plane() as found:
        yield found


def run(file: Path, plane: SocketPlane, stride: int) -> None:
    vectors = expanded(json.loads(file.read_text(encoding="utf-8")), file.stem)
    applicable = [v for v in islice(vectors, 0, None, stride) if not lacking(plane, v)]
    assert applicable
    wrong = {vector.name: faults(plane, vector) for vector in applicable}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_vectors_hold_on_real_interfaces(file: Path, plane: SocketPlane) -> None:
    run(file, plane, STRIDES.get(file.stem, 1))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_vector_holds_on_real_interfaces(file: Path, plane: SocketPlane) -> None:
    run(file, plane, 1)
