"""`llmsync bier ping` and `llmsync bier trace`: their output to the letter, and exact errors."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.bier.bift import Bift, BiftKey, Entry
from toolkit.bier.oam import ReplyMode
from toolkit.bier.oam_initiator import Scope
from toolkit.bier.oam_ping import Ping
from toolkit.bier.oam_trace import Trace
from toolkit.bier.oam_tree import Finding, Kind, findings
from toolkit.cli.loading import load_plan
from toolkit.cli.main import main
from toolkit.lab.oam import OamRun
from toolkit.lab.scenario import LossOn, Scenario
from toolkit.plan.intended import intended_state
from toolkit.planes.derive import Network
from toolkit.planes.oam import expected_edges, prefix_of

ROOT = Path(__file__).parent.parent
DEMO = str(ROOT / "inventories" / "demo")
GOLDEN = ROOT / "tests" / "golden" / "oam"


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


CASES = {
    "ping.txt": (["ping", DEMO, "--count", "2"], 0),
    "ping.json": (["ping", DEMO, "--to", "cloud-miami", "waw1", "-o", "json"], 0),
    "ping-down.txt": (["ping", DEMO, "--down", "ams1-waw1,fra1-waw1,nyc1"], 1),
    "trace.txt": (["trace", DEMO], 0),
    "trace.json": (["trace", DEMO, "--to", "cloud-madrid", "mia1", "-o", "json"], 0),
    "trace-down.txt": (["trace", DEMO, "--down", "lon1-ams1,nyc1,dal1"], 1),
    "trace-from.txt": (["trace", DEMO, "--from", "sea1", "--to", "mad1", "waw1"], 0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_output_is_the_golden_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, code = CASES[name]
    assert main(["bier", *words]) == code
    told = capsys.readouterr()
    assert told.err == ""
    golden(name, told.out)


def test_an_ipv6_network_of_another_encapsulation(capsys: pytest.CaptureFixture[str]) -> None:
    inventory = str(ROOT / "tests" / "inventories" / "ipv6")
    assert main(["bier", "trace", inventory]) == 0
    golden("trace-ipv6.txt", capsys.readouterr().out)


def test_loss_is_seen_in_the_matrix_and_the_same_seed_loses_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["bier", "ping", DEMO, "--count", "20", "--loss", "5%", "-o", "json"]
    main(words)
    first = capsys.readouterr().out
    main(words)
    assert capsys.readouterr().out == first
    rows = json.loads(first)["bfers"]
    assert all(row["sent"] == 20 for row in rows)
    assert any(row["replies"] < 20 for row in rows)
    main([*words, "--seed", "2"])
    assert capsys.readouterr().out != first


def test_a_configuration_edited_by_hand_is_found_by_the_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """lon1's interface to nyc1 is switched off: everybody goes another way than planned."""
    assert main(["render", DEMO, "-o", str(tmp_path)]) == 0
    payload = tmp_path / "lon1.xml"
    text = payload.read_text(encoding="utf-8")
    edited = re.sub(
        r"(<name>to-nyc1</name>(?:(?!</interface>).)*?)<enabled>true</enabled>",
        r"\1<enabled>false</enabled>",
        text,
        count=1,
        flags=re.DOTALL,
    )
    assert edited != text
    payload.write_text(edited, encoding="utf-8")
    capsys.readouterr()
    assert main(["bier", "trace", DEMO, "--payloads", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    golden("trace-edited.txt", told)


ERRORS = {
    "everything at once": (
        ["ping", DEMO, "--from", "paris", "--to", "mia2", "dal1", "--loss", "x", "--down", "foo",
         "--entropy", "-4"],
        "llmsync: --loss: 'x' is not a share from 0 to below 1 (1% or 0.01)\n"
        "llmsync: --down: there is no link or node foo\n"
        "llmsync: --entropy -4: not 0 to 1048575\n"
        "llmsync: --from paris: no such router (did you mean par1?)\n"
        "llmsync: --to mia2: no such router or cloud (did you mean mia1?)\n"
        "llmsync: --to dal1: dal1 has no BFR-id, it is no BFER\n",
    ),
    "no BFR-id": (
        ["trace", DEMO, "--from", "par1"],
        "llmsync: --from par1: it has no BFR-id, so replies would not find it "
        "(has one: ams1, lon1, mad1, mia1, sea1, sjc1, waw1)\n",
    ),
    "asks itself": (
        ["trace", DEMO, "--to", "ams1"], "llmsync: --to ams1: it is ams1 itself that asks\n",
    ),
    "has failed": (
        ["ping", DEMO, "--from", "sea1", "--down", "sea1"],
        "llmsync: --from sea1: it has failed (--down)\n",
    ),
    "rounds": (["ping", DEMO, "--count", "0"], "llmsync: --count 0: not 1 to 1000\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_everything_that_is_wrong(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words, message = ERRORS[name]
    assert main(["bier", *words]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", message)


def probes_in_the_laboratory(
    scenario: Scenario,
    spoil: tuple[str, dict[int, Entry]] | None = None,
    reply_mode: ReplyMode = ReplyMode.UDP,
) -> tuple[Network, str, Ping, Trace]:
    """Ping and trace from the demonstration's BFIR, with a router whose rows are spoiled."""
    plan = load_plan(Path(DEMO))[1]
    planes = Network(intended_state(plan))
    flow = plan.flows[0]
    sets = flow.bit_strings()
    own = planes.plane(flow.bfir).bfr_ids[flow.sub_domain_id]
    scope = Scope(
        sub_domain=flow.sub_domain_id, bsl=flow.bsl, bfir_id=own, sets=sets, handle=1,
        reply_mode=reply_mode,
    )  # fmt: skip
    ping, trace = Ping(scope, count=3), Trace(replace(scope, handle=2), 0)
    run = OamRun(plan, planes, scenario)
    if spoil is not None:
        router, rows = spoil
        key = BiftKey(flow.sub_domain_id, flow.bsl, 0)
        old = planes.plane(router).bifts[key]
        entries = {**old.entries, **rows}
        run.fabric.routers[router].engine.replace(key, Bift(old.bsl, entries))
    run.run(flow.bfir, [ping, trace])
    return planes, flow.bfir, ping, trace


def test_replies_come_back_over_bier_too_or_not_at_all() -> None:
    _, _, ping, trace = probes_in_the_laboratory(Scenario(), reply_mode=ReplyMode.BIER)
    assert all(len(row.rtts) == 3 for row in ping.rows.values())
    assert not trace.missing
    _, _, ping, trace = probes_in_the_laboratory(Scenario(), reply_mode=ReplyMode.NO_REPLY)
    assert not any(row.reached for row in ping.rows.values())
    assert not trace.hops


def test_a_null_row_planted_in_a_laboratory_router_is_located() -> None:
    planes, start, ping, trace = probes_in_the_laboratory(Scenario(), ("lon1", {5: Entry(1 << 4)}))
    assert [i for i, row in ping.rows.items() if not row.reached] == [5]
    assert findings(trace) == (Finding(Kind.LOST, prefix_of(planes, "lon1", 0), bits=1 << 4),)
    key = trace.scope.key(0)
    expected = expected_edges(planes, start, key, trace.scope.sets[0])
    assert Finding(
        Kind.UNSEEN, prefix_of(planes, "lon1", 0), prefix_of(planes, "mad1", 0), 1 << 4
    ) in findings(trace, expected)


def test_a_bfer_that_does_not_know_its_own_bit_is_located() -> None:
    """Its row says that the bit is somebody else's, with an F-BM that lacks it."""
    planes = Network(intended_state(load_plan(Path(DEMO))[1]))
    entry = planes.plane("lon1").bifts[BiftKey(0, 256, 0)].entries[5]
    _, _, ping, trace = probes_in_the_laboratory(Scenario(), ("lon1", {4: entry}))
    assert [i for i, row in ping.rows.items() if not row.reached] == [4]
    assert findings(trace) == (Finding(Kind.LOST, prefix_of(planes, "lon1", 0), bits=1 << 3),)


def test_heavy_loss_ends_and_finds_nobody_twice() -> None:
    _, _, ping, trace = probes_in_the_laboratory(Scenario(loss=0.4, loss_on=LossOn.ALL, seed=3))
    assert trace.finished
    assert ping.finished
    assert all(not row.duplicates for row in ping.rows.values())
