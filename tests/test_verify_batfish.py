"""What Batfish is shown, and what is made of its answers.

The service here is a replay (see batfish_replay): pybatfish runs for real, the answers are tables
in tests/replay/batfish that were written down for this network of three routers.
LLMSYNC_UPDATE_GOLDEN=1 rewrites tests/golden/verify/snapshot.
"""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Interface
from pathlib import Path
from typing import Any

import pytest
from batfish_replay import replaying
from verify_networks import change_port, change_router, inventory, network, planned

from toolkit.errors import UsageError
from toolkit.inventory.model import Link, Transport
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.state.model import NetworkState
from toolkit.verify import batfish
from toolkit.verify.expectation import expect
from toolkit.verify.findings import Report
from toolkit.verify.projection import snapshot_files, write_snapshot

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "verify" / "snapshot"
TRIANGLE = [("a", "b"), ("b", "c"), Link(a="c", b="a", metric=15)]


def triangle() -> tuple[Plan, NetworkState]:
    return network(TRIANGLE, clouds="c")


def answers() -> dict[str, Any]:
    """Return Batfish's tables for the triangle: question -> rows."""
    tables: dict[str, Any] = json.loads((HERE / "replay" / "batfish" / "triangle.json").read_text())
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
    golden = {p.relative_to(GOLDEN).as_posix() for p in GOLDEN.rglob("*") if p.is_file()}
    assert names == golden
    for name in names:
        assert (tmp_path / name).read_text() == (GOLDEN / name).read_text(), name


def test_the_projection_carries_every_address_metric_and_state_of_the_underlay() -> None:
    plan, state = triangle()
    files = snapshot_files(plan, state)
    for name, router in state.routers.items():
        lines = [line.strip() for line in files[f"configs/{name}.cfg"].splitlines()]
        assert f'name "{name}"' in lines
        assert f"system-id {router.system_id}" in lines
        for interface in router.interfaces.values():
            for address in interface.addresses:
                position = lines.index(f"address {address.ip}")
                assert lines[position + 1] == f"prefix-length {address.network.prefixlen}"
    c = files["configs/c.cfg"].splitlines()
    assert "                    metric 15" in c
    assert c.count("                passive true") == 2  # system, and the cloud's port


def test_braces_close_and_each_line_has_one_leaf() -> None:
    for name, text in snapshot_files(*triangle()).items():
        if name.startswith("configs/"):
            depth = 0
            for line in text.splitlines():
                if line.startswith("#"):
                    continue
                assert line.startswith("    " * (depth - line.strip().startswith("}")))
                assert line.count("{") + line.count("}") <= 1
                depth += line.count("{") - line.count("}")
            assert depth == 0


def test_the_layer_one_topology_has_every_cable_by_its_physical_ports() -> None:
    plan, state = triangle()
    topology = json.loads(snapshot_files(plan, state)["batfish/layer1_topology.json"])
    ends = {
        frozenset((e[n]["hostname"], e[n]["interfaceName"]) for n in ("node1", "node2"))
        for e in topology["edges"]
    }
    assert len(ends) == len(plan.cables)
    assert frozenset({("a", "1/1/c1/1"), ("hub", "eth0")}) in ends


def test_a_router_that_runs_no_isis_and_lacks_a_port_is_still_projected() -> None:
    plan, state = triangle()
    rest = {n: i for n, i in state.routers["b"].interfaces.items() if n != "to-c"}
    state = change_router(state, "b", system_id="", interfaces=rest)
    text = snapshot_files(plan, state)["configs/b.cfg"]
    assert "isis" not in text
    assert "to-c" not in text


def test_ipv6_is_refused_in_words_since_batfish_models_none() -> None:
    plan, state = triangle()
    six = (IPv6Interface("2001:db8::1/128"),)
    state = change_port(state, "a", "lo0", addresses=six)
    with pytest.raises(ValueError, match="IPv4 routing only"):
        snapshot_files(plan, state)


def test_what_we_expect_of_the_triangle() -> None:
    plan, state = triangle()
    expectation = expect(plan, state, ())
    prefix = {n: IPv4Network(f"10.255.0.{i}/32") for i, n in enumerate("abc", 1)}
    assert expectation.next_hops["a", prefix["c"]] == {"c"}
    assert len(expectation.next_hops) == 6
    assert len(expectation.edges) == 6
    reports = expectation.reachable["reports of model"]
    assert reports.starts == {"cloud-c"}
    assert reports.destinations == {plan.hosts["hub"].address.ip}
    assert expectation.reachable["unicast between routers"].starts == {"a", "b", "c"}


def test_no_question_is_asked_about_nobody() -> None:
    """An empty list of starts would be all of them to Batfish."""
    plan, state = planned(over(inventory(TRIANGLE, clouds="c"), Transport.PIM_SSM))
    reachable = expect(plan, state, ()).reachable
    assert set(reachable) == {"reports of model"}
    assert all(reach.starts and reach.destinations for reach in reachable.values())


def test_everything_as_expected_passes_through_a_real_pybatfish_session() -> None:
    plan, state = triangle()
    with replaying(answers()) as service:
        report = batfish.check(service.address, plan, state)
    assert report.findings == ()
    assert [(c.id, c.status) for c in report.checks] == [(c.id, "passed") for c in batfish.CHECKS]
    ((name, files),) = service.snapshots.items()
    assert files == snapshot_files(plan, state)
    assert name in report.checks[0].reason
    asked = {q["class"].removeprefix("replay."): q for q in service.questions.values()}
    assert set(asked) == set(answers())
    reachability = asked["reachability"]["instance"]["variables"]
    assert reachability["actions"]["value"] == "failure, delivered_to_subnet, exits_network"
    assert "delivered_to_subnet" in batfish.NOT_ACCEPTED


def test_the_same_snapshot_can_be_asked_about_twice() -> None:
    plan, state = triangle()
    with replaying(answers()) as service:
        first = batfish.check(service.address, plan, state)
        assert batfish.check(service.address, plan, state) == first


def failing(change: Any) -> set[str]:
    plan, state = triangle()
    tables = deepcopy(answers())
    change(tables)
    report = ask(tables, plan, state)
    errors = {f.id for f in report.errors}
    for check in report.checks:
        assert (check.status == "failed") == bool(errors & set(check.kinds))
    return {f.id for f in report.findings}


FLOW = {
    "dscp": 0, "dstIp": "10.1.0.2", "dstPort": 61002, "ecn": 0, "fragmentOffset": 0,
    "ingressInterface": None, "ingressNode": "hub", "ingressVrf": "default", "ipProtocol": "UDP",
    "packetLength": 512, "srcIp": "10.1.0.6", "srcPort": 61002,
}  # fmt: skip
TRACE = {
    "disposition": "NO_ROUTE",
    "hops": [{"node": {"name": "hub"}, "steps": []}, {"node": {"name": "a"}, "steps": []}],
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda t: t["fileParseStatus"][0].update(Status="PARTIALLY_UNRECOGNIZED"),
            {"batfish-parse"},
        ),
        (lambda t: t["fileParseStatus"].pop(), {"batfish-parse"}),
        (
            lambda t: t["parseWarning"].append(
                {"Filename": "configs/a.cfg", "Line": 7, "Text": "x", "Comment": "unrecognized"}
            ),
            {"batfish-warning"},
        ),
        (
            lambda t: t["undefinedReferences"].append(
                {"File_Name": "configs/a.cfg", "Struct_Type": "interface", "Ref_Name": "x"}
            ),
            {"batfish-undefined-reference"},
        ),
        (lambda t: t["isisEdges"].pop(), {"batfish-edge-missing"}),
        (
            lambda t: t["isisEdges"].append(
                {
                    "Interface": {"hostname": "a", "interface": "host-hub"},
                    "Remote_Interface": {"hostname": "hub", "interface": "eth0"},
                }
            ),
            {"batfish-edge-unexpected"},
        ),
        (lambda t: t["routes"].pop(), {"batfish-route-missing"}),
        (
            lambda t: t["routes"][0].update(
                Next_Hop_IP="10.0.0.4", Next_Hop={"type": "ip", "ip": "10.0.0.4"}
            ),
            {"batfish-route-differs"},
        ),
        (
            lambda t: t["reachability"].append({"Flow": FLOW, "Traces": [TRACE], "TraceCount": 1}),
            {"batfish-unreachable"},
        ),
        (
            lambda t: t["detectLoops"].append({"Flow": FLOW, "Traces": [], "TraceCount": 1}),
            {"batfish-loop"},
        ),
    ],
)
def test_each_answer_that_disagrees_is_a_finding(change: Any, expected: set[str]) -> None:
    assert failing(change) == expected


def test_a_next_hop_given_by_interface_alone_is_understood() -> None:
    def change(tables: dict[str, Any]) -> None:
        tables["routes"][0].update(
            Next_Hop_IP="AUTO/NONE(-1l)", Next_Hop_Interface="to-b",
            Next_Hop={"type": "interface", "interface": "to-b", "ip": None},
        )  # fmt: skip

    assert failing(change) == set()


def test_a_question_that_the_service_lacks_is_not_run_and_the_others_are() -> None:
    tables = answers()
    del tables["detectLoops"]
    report = ask(tables, *triangle())
    statuses = {check.id: check.status for check in report.checks}
    assert statuses["batfish-loops"] == "not run"
    assert [s for i, s in statuses.items() if i != "batfish-loops"] == ["passed"] * 4
    assert "no question detectLoops" in report.checks[-1].reason


def test_where_nothing_listens_the_checks_are_not_run_at_once() -> None:
    with replaying({}) as service:
        address = service.address
    report = batfish.check(address, *triangle(), connect_timeout=1)
    assert report.findings == ()
    assert {check.status for check in report.checks} == {"not run"}
    assert all("no service answers at" in check.reason for check in report.checks)


def test_something_else_that_answers_is_not_taken_for_batfish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batfish_replay.VERSION", {"status": "ok"})
    report = ask(answers(), *triangle())
    assert {check.status for check in report.checks} == {"not run"}
    assert "no Batfish service" in report.checks[0].reason


def test_an_ipv6_network_is_not_run_for_that_reason() -> None:
    plan, state = triangle()
    state = change_port(state, "a", "lo0", addresses=(IPv6Interface("2001:db8::1/128"),))
    report = ask(answers(), plan, state)
    assert {check.status for check in report.checks} == {"not run"}
    assert "IPv4 routing only" in report.checks[0].reason


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    report = ask(answers(), *triangle())
    assert {check.status for check in report.checks} == {"passed"}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("localhost", ("localhost", 9996)),
        ("batfish.example:1234", ("batfish.example", 1234)),
        ("[::1]:80", ("[::1]", 80)),
    ],
)
def test_a_service_is_named_by_host_and_port(text: str, parsed: tuple[str, int]) -> None:
    assert batfish.parse_service(text) == parsed


@pytest.mark.parametrize("text", ["", "http://x", "x:0", "x:99999", "::1"])
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        batfish.parse_service(text)


def test_answers_are_about_the_state_and_not_the_plan() -> None:
    plan, state = triangle()
    broken = change_port(state, "b", "to-c", isis=None)
    report = ask(answers(), plan, replace(broken))
    assert {"batfish-edge-unexpected", "batfish-route-differs"} <= {f.id for f in report.findings}


def test_over_pim_routes_to_sources_and_to_the_rp_are_asked_for() -> None:
    for transport, roots in ((Transport.PIM_SSM, 1), (Transport.PIM_SM, 2)):
        plan, state = planned(over(inventory(TRIANGLE, clouds="c"), transport))
        asked = {prefix for _, prefix in expect(plan, state, ()).next_hops}
        assert plan.hosts["hub"].address.network in asked
        assert len(asked) == roots
