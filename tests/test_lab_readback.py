"""What routers show over NETCONF after a delivery is compared, and a difference is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from frr_networks import with_routing
from planes_networks import state

from toolkit.cli.loading import load_plan
from toolkit.lab.deliver import Delivered, DeliveryRun, scan
from toolkit.lab.memory import MemoryLab
from toolkit.lab.model import generate
from toolkit.lab.readback import beside, read_back
from toolkit.lab.scenario import Scenario
from toolkit.netconf.push import PushState, Target, push
from toolkit.plan.model import Plan
from toolkit.planes.derive import Network as Planes
from toolkit.render.payload import render_plan
from toolkit.yang.schema import reference_schema

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MemoryLab, Delivered]]:
    plan: Plan = load_plan(DEMO)[1]
    folder = tmp_path_factory.mktemp("lab")
    model = generate(folder / "model", layers=1, vocabulary=256)
    with MemoryLab(plan, reference_schema()) as lab:
        targets = [
            Target(device=n, host=h, port=p, username=lab.username, password=lab.password,
                   host_key=lab.host_keys[n])
            for n, (h, p) in lab.addresses.items()
        ]  # fmt: skip
        assert push(targets, render_plan(plan)).state is PushState.COMMITTED
        flow = plan.flows[0]
        run = DeliveryRun(
            plan, flow, lab.network(), Scenario(), scan(model, flow), folder / "clouds", "m"
        )
        result = run.run()
        lab.counters.update(result.counters)
        for cloud, row in result.receipts.items():
            rows = lab.receipts.setdefault(plan.hosts[cloud].router, {})
            rows.setdefault(flow.delivery, []).append(dict(row))
        yield lab, result


def ids_and_places(lab: MemoryLab, delivered: Delivered) -> list[tuple[str, str]]:
    report = read_back(lab, lab.plan.flows[0], delivered)
    assert [c.status for c in report.checks] == ["failed" if report.findings else "passed"]
    return [(f.place.file, f.place.path) for f in report.findings]


def test_what_the_routers_show_is_what_happened(
    delivered: tuple[MemoryLab, Delivered],
) -> None:
    assert ids_and_places(*delivered) == []


def test_a_table_that_did_not_forward_is_found(delivered: tuple[MemoryLab, Delivered]) -> None:
    lab, result = delivered
    planes = {**result.planes, "lon1": result.planes["mad1"]}
    found = ids_and_places(lab, replace(result, planes=planes))
    assert found == [("lon1", "/llmsync-bier:bier/bift[sub-domain='0'][bsl='256'][si='0']")]


def test_a_counter_that_differs_is_found(delivered: tuple[MemoryLab, Delivered]) -> None:
    lab, result = delivered
    counters = {**result.counters, "mad1": {**result.counters["mad1"], "delivered": 1}}
    found = ids_and_places(lab, replace(result, counters=counters))
    assert found == [("mad1", "/llmsync-bier:bier/counters/delivered")]


def test_a_receipt_that_says_something_else_is_found(
    delivered: tuple[MemoryLab, Delivered],
) -> None:
    lab, result = delivered
    row = {**result.receipts["cloud-london"], "complete": False}
    found = ids_and_places(lab, replace(result, receipts={**result.receipts, "cloud-london": row}))
    assert [path.endswith("receipt[receiver='cloud-london']") for _, path in found] == [True]


def test_other_ways_and_backups_that_differ_are_found() -> None:
    """A square with a tail; other ways, backups or their count are missing from what is shown."""
    net = state([("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("c", "e")],
                bfr_ids={"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})  # fmt: skip
    plane = Planes(with_routing(net, fast_reroute="link", maximum_paths=2)).plane("a")
    shown = dict(plane.state_tree())
    assert list(beside("a", shown, plane)) == []
    shown["llmsync-bier:bier"] = {**shown["llmsync-bier:bier"], "protection": []}  # type: ignore[dict-item]
    (found,) = beside("a", shown, plane)
    assert found.place.path == "/llmsync-bier:bier/protection"
    bare = Planes(with_routing(net, maximum_paths=2)).plane("a").state_tree()
    places = [f.place.path.rpartition("/")[2] for f in beside("a", bare, plane)]
    assert places == ["protection", *(f"entry[bfr-id='{n}']" for n in (2, 3, 4, 5))]
    plain = Planes(net).plane("a")
    assert list(beside("a", plain.state_tree(), plain)) == []
