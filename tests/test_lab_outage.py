"""Links and routers that die while a model is on its way: the ends reroute, then the IGP converges;
what was lost is repaired, and every cloud has it byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from sr_networks import DEMO

from toolkit.cli.main import main
from toolkit.errors import ExitCode
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import BierTunnel, FastReroute, Transport
from toolkit.lab.deliver import DeliveryRun, scan
from toolkit.lab.model import generate
from toolkit.lab.outage import reroutes, without_reroute
from toolkit.lab.result import DeliveryResult
from toolkit.lab.scenario import Outage, Scenario
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network

AT, DETECT, CONVERGE = 0.4, 0.02, 0.2
"""Packets flow from 0.23 to 0.6 s, one each 1.4 ms."""


@cache
def demo(reroute: FastReroute, tunnel: BierTunnel = BierTunnel.GRE, paths: int = 1) -> Plan:
    """The demonstration at 50 Mbit/s."""
    inventory = load_inventory(DEMO)
    delivery = replace(inventory.deliveries["minilm"], rate=50_000_000)
    bier = replace(
        inventory.bier, fast_reroute=reroute, tunnel=tunnel, maximum_paths=paths
    )  # fmt: skip
    return make_plan(replace(inventory, deliveries={"minilm": delivery}, bier=bier))[0]


def deliver(
    tmp_path: Path, plan: Plan, name: str, *, back: float | None = None, at: float = AT
) -> DeliveryResult:
    failures = Failures(links=frozenset({name}))
    if name in plan.routers:
        failures = Failures(nodes=frozenset({name}))
    outage = Outage(name=name, failures=failures, at=at, back=back)
    model = tmp_path / "model.bin"
    model.write_bytes(bytes(range(256)) * (2 * 2**20 // 256))
    (flow,) = plan.flows
    network = Network(intended_state(plan))
    scenario = Scenario(outages=(outage,), detect=DETECT, converge=CONVERGE)
    source = scan(model, flow)
    run = DeliveryRun(plan, flow, network, scenario, source, tmp_path / "clouds", "model")
    return run.run().result


@pytest.mark.parametrize(
    ("name", "reroute"),
    [
        ("fra1-par1", FastReroute.LINK),
        ("ams1-fra1", FastReroute.NODE),
        ("par1", FastReroute.NODE),
        ("dal1", FastReroute.NODE),
    ],
)
def test_rerouting_loses_what_was_sent_before_the_failure_was_noticed(
    tmp_path: Path, name: str, reroute: FastReroute
) -> None:
    missed = {}
    for mode in (FastReroute.NONE, reroute):
        folder = tmp_path / mode
        folder.mkdir()
        result = deliver(folder, demo(mode), name)
        assert result.complete
        (outage,) = result.outages
        assert (outage.at, outage.noticed, outage.converged) == (AT, AT + DETECT, AT + CONVERGE)
        assert bool(outage.rerouted) == (mode is not FastReroute.NONE)
        missed[mode] = result.missed
    assert missed[reroute] * 4 < missed[FastReroute.NONE]


@pytest.mark.parametrize("tunnel", BierTunnel)
def test_repairs_go_through_each_kind_of_tunnel(tmp_path: Path, tunnel: BierTunnel) -> None:
    plan = demo(FastReroute.LINK, tunnel)
    ways = Network(intended_state(plan)).plane("fra1").ways
    assert ways is not None
    kinds = {
        hop.neighbor.tunnel.kind
        for by_key in ways.repairs.values()
        for repairs in by_key.values()
        for repair in repairs.values()
        if repair is not None
        for hop in repair.hops
        if hop.neighbor.tunnel is not None
    }
    assert len(kinds) == 1
    result = deliver(tmp_path, plan, "fra1-par1")
    assert result.complete
    assert result.missed < 100


def test_a_link_that_comes_back_is_used_again(tmp_path: Path) -> None:
    result = deliver(tmp_path, demo(FastReroute.LINK), "fra1-par1", at=0.25, back=0.3)
    assert result.complete
    (outage,) = result.outages
    assert (outage.noticed, outage.converged, outage.back) == (0.27, None, 0.3)


def test_a_link_that_is_back_before_anybody_notices_reroutes_nothing(tmp_path: Path) -> None:
    result = deliver(tmp_path, demo(FastReroute.LINK), "fra1-par1", back=AT + DETECT / 2)
    assert result.complete
    (outage,) = result.outages
    assert (outage.noticed, outage.rerouted, outage.converged) == (None, (), None)
    # A mark or a poll may have been among them, which nobody misses.
    assert 0 < result.missed <= outage.lost <= result.missed + 2


def test_without_reroute_leaves_all_else_as_it_is() -> None:
    state = intended_state(demo(FastReroute.NODE, paths=4))
    plain = without_reroute(state)
    assert reroutes(state)
    assert not reroutes(plain)
    assert {r.bier.maximum_paths for r in plain.routers.values() if r.sub_domains} == {4}


def test_a_run_says_what_was_lost_with_and_without(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    for file in DEMO.glob("*.yaml"):
        (folder / file.name).write_text(file.read_text("utf-8"), "utf-8")
    (folder / "bier.yaml").write_text("bier: {fast_reroute: link}\n")
    model = generate(tmp_path / "model", layers=1, vocabulary=512)
    out = tmp_path / "out"
    argv = ["run", str(folder), "--model", str(model), "--output", str(out)]
    argv += ["--fail-at", "fra1-par1=0.24", "--detect", "0.001", "--converge", "0.02"]
    assert main(argv) == ExitCode.OK
    captured = capsys.readouterr()
    assert "fra1-par1 failed at 240 ms, noticed at 241 ms, rerouted by fra1, par1" in captured.out
    assert "without fast reroute" in captured.out
    assert "packets with fast reroute," in captured.err
    assert "without fast reroute" in (out / "report.html").read_text("utf-8")
    (told,) = json.loads((out / "report.json").read_text("utf-8"))["deliveries"]
    assert told["missed"] < told["missed_without_reroute"]
    assert told["outages"][0]["rerouted"] == ["fra1", "par1"]
    assert [p.name for p in out.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fail-at", "fra1-par1"], "--fail-at fra1-par1: not LINK=SECONDS or NODE=SECONDS"),
        (["--fail-at", "fra1-par2=1"],
         "--fail-at: there is no link or node fra1-par2; did you mean fra1-par1?"),
        (["--fail-at", "par1=x"], "--fail-at: 'x' is not a number of seconds (0 to 86400)"),
        (["--fail-at", "par1=2:1"], "--fail-at par1=2:1: it comes back before it fails"),
        (["--detect", "never"], "--detect: 'never' is not a number of seconds (0 to 86400)"),
        (["--transport", str(Transport.PIM_SSM), "--fail-at", "par1=1"],
         "--fail-at: minilm goes over PIM, whose trees the laboratory does not fail on the way "
         "(use --break, or another transport)"),
    ],
)  # fmt: skip
def test_what_cannot_fail_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], said: str
) -> None:
    code = main(["run", str(DEMO), "--output", str(tmp_path), *options])
    assert code == ExitCode.INVALID
    assert said in capsys.readouterr().err
