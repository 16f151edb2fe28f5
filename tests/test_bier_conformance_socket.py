"""The conformance vectors on the socket plane: real frames over real veth pairs, links that fail.

A case of every vector in each encapsulation; all cases by `make soak`, or at will by
`llmsync bier vectors run --plane socket`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bier_cases import sample
from bier_counts import note
from netns import needs_namespaces

from toolkit.bier.conformance.judge import faults, lacking
from toolkit.bier.conformance.socket_plane import SocketPlane, socket_plane
from toolkit.cli.vector_files import all_cases

pytestmark = needs_namespaces


@pytest.fixture(scope="module")
def plane() -> Iterator[SocketPlane]:
    with socket_plane() as found:
        yield found


def test_vectors_hold_on_real_interfaces(plane: SocketPlane, record_property: object) -> None:
    wrong = {}
    for case in sample():
        vector = case.vector()
        assert not lacking(plane, vector)
        wrong[case.name] = faults(plane, vector)
    assert {name: found for name, found in wrong.items() if found} == {}
    note(record_property, "socket", ["" for _name in wrong])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_vector_holds_on_real_interfaces(plane: SocketPlane) -> None:
    wrong = {case.name: faults(plane, case.vector()) for case in all_cases()}
    assert {name: found for name, found in wrong.items() if found} == {}
