"""What Batfish is shown of a network over OSPF, and what is made of its answers.

As in test_verify_batfish the service is a replay, with tables that were written down for the same
three routers.  LLMSYNC_UPDATE_GOLDEN=1 rewrites tests/golden/verify/snapshot-ospf.
"""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batfish_replay import replaying
from mvpn_networks import declared
from test_verify_batfish import TRIANGLE
from verify_networks import change_port, change_router, inventory, network, over_ospf, planned

from toolkit.plan.model import Plan
from toolkit.planes.interior import Protocol
from toolkit.state.model import NetworkState, OspfInterface
from toolkit.verify import batfish
from toolkit.verify.expectation import expect
from toolkit.verify.findings import Report
from toolkit.verify.projection import snapshot_files, write_snapshot

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "verify" / "snapshot-ospf"
MARKERS = ("# This file describes the network interfaces", "# ports.conf --", "frr version")


def triangle() -> tuple[Plan, NetworkState]:
    return over_ospf(network(TRIANGLE, clouds="c")[0])


def answers() -> dict[str, Any]:
    """Return Batfish's tables for the triangle: question -> rows."""
    text = (HERE / "replay" / "batfish" / "triangle-ospf.json").read_text()
    tables: dict[str, Any] = json.loads(text)
    return tables


def ask(tables: dict[str, Any], plan: Plan, state: NetworkState) -> Report:
    with replaying(tables) as service:
        return batfish.check(service.address, plan, state)


def test_the_snapshot_is_the_golden_one(tmp_path: Path) -> None:
    plan, state = triangle()
    state = change_port(state, "b", "to-c", enabled=False)
    written = write_snapshot(plan, state, tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        write_snapshot(plan, state, GOLDEN)
    assert names == {p.relative_to(GOLDEN).as_posix() for p in GOLDEN.rglob("*") if p.is_file()}
    for name in names:
        assert (tmp_path / name).read_text() == (GOLDEN / name).read_text(), name


def stanza(text: str, name: str) -> list[str]:
    """Return the lines of an interface in the FRRouting part."""
    part = text.partition("# ports.conf --")[2]
    return [
        line.strip()
        for line in part.partition(f"\ninterface {name}\n")[2].split("!")[0].split("\n")
    ]


def test_the_projection_carries_every_address_cost_area_and_state() -> None:
    plan, state = triangle()
    state = change_port(state, "b", "to-c", ospf=OspfInterface(cost=77, area="0.0.0.9"))
    files = snapshot_files(plan, state)
    shown = expect(plan, state, ()).shown
    from toolkit.state.model import End

    for name, router in state.routers.items():
        text = files[f"configs/{name}.cfg"]
        lines = text.splitlines()
        assert lines[0] == name
        assert lines[1] == MARKERS[0]
        assert [line for line in lines if line in MARKERS] == list(MARKERS)
        assert f" ospf router-id {router.router_id}" in lines
        for port, interface in router.interfaces.items():
            as_shown = shown[End(name, port)]
            assert f"iface {as_shown}" in text
            told = stanza(text, as_shown)
            assert f"ip address {interface.addresses[0]}" in told
            assert interface.ospf is not None
            assert f"ip ospf area {interface.ospf.area}" in told
            if as_shown != "lo":
                assert f"ip ospf cost {interface.ospf.cost}" in told
            passive = f" passive-interface {as_shown}" in lines
            assert passive == interface.ospf.passive
            assert ("ip ospf network point-to-point" in told) == (not passive)
    assert "ip ospf cost 77" in files["configs/b.cfg"]


def test_only_lines_that_batfish_models_are_written() -> None:
    known = (
        "auto ", "iface ", "frr ", "interface ", " description ", " shutdown", " ip address ",
        " ip ospf ", "router ospf", " ospf router-id ", " passive-interface ", "!", "end", "#",
    )  # fmt: skip
    plan, state = triangle()
    state = change_port(state, "b", "to-c", enabled=False)
    for name, text in snapshot_files(plan, state).items():
        if name.startswith("configs/"):
            for line in text.splitlines()[1:]:
                assert not line or line.startswith(known), line


def test_a_router_without_ospf_is_still_projected() -> None:
    plan, state = triangle()
    state = change_router(state, "b", router_id="")
    text = snapshot_files(plan, state)["configs/b.cfg"]
    assert "ospf" not in text
    assert "interface swp2" in text


def test_everything_as_expected_passes_through_a_real_pybatfish_session() -> None:
    plan, state = triangle()
    with replaying(answers()) as service:
        report = batfish.check(service.address, plan, state)
    assert report.findings == ()
    assert {check.status for check in report.checks} == {"passed"}
    asked = {q["class"].removeprefix("replay.") for q in service.questions.values()}
    assert asked == set(answers())
    assert expect(plan, state, ()).protocol is Protocol.OSPF


@pytest.mark.parametrize(
    ("change", "expected", "words"),
    [
        (lambda t: t["ospfEdges"].pop(), "batfish-edge-missing", "c to-b to b to-c"),
        (
            lambda t: t["ospfEdges"].append(
                {
                    "Interface": {"hostname": "a", "interface": "swp1"},
                    "Remote_Interface": {"hostname": "hub", "interface": "eth0"},
                }
            ),
            "batfish-edge-unexpected",
            "from a host-hub to hub eth0",
        ),
        (lambda t: t["routes"].pop(), "batfish-route-missing", "no route from"),
    ],
)
def test_an_answer_that_disagrees_is_a_finding_in_our_words(
    change: Any, expected: str, words: str
) -> None:
    tables = deepcopy(answers())
    change(tables)
    (finding,) = ask(tables, *triangle()).findings
    assert finding.id == expected
    assert words in finding.message


def test_answers_are_about_the_state_and_not_the_plan() -> None:
    plan, state = triangle()
    report = ask(answers(), plan, replace(change_port(state, "b", "to-c", ospf=None)))
    assert {"batfish-edge-unexpected", "batfish-route-differs"} <= {f.id for f in report.findings}


def test_a_vpn_is_not_asked_about() -> None:
    plan, state = planned(declared(inventory(TRIANGLE, clouds="c")))
    reachable = expect(plan, state, ()).reachable
    assert set(reachable) == {"unicast between routers"}
    text = snapshot_files(plan, state)["configs/c.cfg"]
    assert text.count("passive true") == 1  # system alone: the cloud's port is in a VRF
