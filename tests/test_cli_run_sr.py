"""`llmsync run --transport sr-p2mp`: the main job on trees, with the mistakes that break it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sr_networks import DEMO, demo_sr_plan

from toolkit.cli.main import main
from toolkit.errors import ExitCode
from toolkit.lab.model import generate
from toolkit.lab.readback_sr import FILTER, counters, trees
from toolkit.plan.intended import intended_state
from toolkit.planes.derive import Network
from toolkit.planes.srtree import among_others, split
from toolkit.yang.schema import reference_schema

TRANSPORT = ("--transport", "sr-p2mp")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("model"), layers=1, vocabulary=512)


def run(capsys: Any, tmp_path: Path, *argv: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["run", str(DEMO), *TRANSPORT, "--output", str(tmp_path / "out"), *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_demonstration_is_complete_identical_and_exits_0(capsys, tmp_path, model) -> None:
    code, out, err = run(capsys, tmp_path, "--model", str(model), "--loss", "1%")
    assert code == ExitCode.OK, err + out
    assert "6 of 6 GPU clouds have it, byte for byte" in out
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    assert document["verdict"] == "delivered"
    (check,) = [c for c in document["checks"] if c["id"] == "state-read-back"]
    assert check["status"] == "passed"
    assert "replication segments compared" in check["reason"]
    page = (tmp_path / "out" / "report.html").read_text()
    words = re.sub(r"<[^>]+>", " ", re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL))
    assert "over SR-P2MP (the root puts each flow on a tree" in words
    assert not re.search(r"BIFT rows|BitString|BFER|transit BFR|non-BFR", words)


def test_a_link_that_fails_is_protected(capsys, tmp_path, model) -> None:
    code, out, err = run(capsys, tmp_path, "--model", str(model), "--break", "lon1-par1")
    assert code == ExitCode.OK, err + out
    assert "6 of 6" in out


def test_a_payload_broken_by_hand_cuts_its_clouds_off_and_verification_says_so_first(
    capsys, tmp_path, model
) -> None:
    folder = tmp_path / "payloads"
    assert main(["render", str(DEMO), *TRANSPORT, "-o", str(folder)]) == ExitCode.OK
    file = folder / "waw1.xml"
    text = file.read_text()
    assert text.count("<replication-sid>15001</replication-sid>") == 1
    file.write_text(text.replace("<replication-sid>15001<", "<replication-sid>15003<"))
    code, out, err = run(capsys, tmp_path, "--model", str(model), "--payloads", str(folder))
    assert code == ExitCode.FINDINGS
    assert "5 of 6" in out
    assert "segment-missing: minilm: waw1 has no segment with SID 15001" in err
    assert err.index("cloud-unreached: cloud-warsaw") < err.index("delivered")


@pytest.mark.parametrize(
    ("router", "old", "new", "said"),
    [
        ("waw1", "<replication-sid>15001<", "<replication-sid>17001<", "outside of the SRLB"),
        ("ams1", "<root>10.255.0.1<", "<root>10.255.0.2<", "no address of ours with a node SID"),
        ("ams1", "<upper>15999<", "<upper>14999<", "runs backwards"),
        ("lon1", "<upper>15999<", "<upper>16001<", "the SRLB overlaps the SRGB"),
        ("ams1", "<index>1<", "<index>8000<", "the index is outside of the SRGB"),
        ("ams1", "<tree-id>8193<", "<tree-id>8192<", "8192"),
    ],
)
def test_what_yang_forbids_is_refused_before_the_push(
    capsys, tmp_path, model, router: str, old: str, new: str, said: str
) -> None:
    folder = tmp_path / "payloads"
    assert main(["render", str(DEMO), *TRANSPORT, "-o", str(folder)]) == ExitCode.OK
    file = folder / f"{router}.xml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    code, _, err = run(capsys, tmp_path, "--model", str(model), "--payloads", str(folder))
    assert code == ExitCode.INVALID
    assert said in err


def test_what_a_router_shows_is_valid_and_a_difference_is_found() -> None:
    network = Network(intended_state(demo_sr_plan()))
    plane = network.plane("lon1")
    counted = among_others({"received": 3, "forwarded": 6, "delivered": 3, "dropped-ttl": 1})
    counted["dropped-ip-ttl"] = 2
    shown = plane.state_tree(counted)
    assert {"llmsync-sr:segment-routing", "llmsync-sr:p2mp"} <= shown.keys()
    entries = shown["llmsync-sr:p2mp"]["replication-entry"]  # type: ignore[call-overload, index]
    assert [e["replication-sid"] for e in entries] == [15001, 15002]
    assert len(shown["llmsync-sr:segment-routing"]["lfib-entry"]) == 11  # type: ignore[call-overload, index, arg-type]
    root = network.plane("ams1").state_tree()["llmsync-sr:p2mp"]
    assert root["policy"][0]["active-candidate-path"] == "primary"  # type: ignore[call-overload, index]
    assert list(trees("lon1", shown, plane)) == []
    assert list(counters("lon1", shown, counted, plane)) == []
    assert split(counted)[1] == {"dropped-ip-ttl": 2}
    (difference,) = counters("lon1", shown, {**counted, "sr-received": 4}, plane)
    assert difference == ("/llmsync-sr:p2mp/counters/received", "shows 3, counted 4")
    other = network.plane("par1")
    assert len(list(trees("lon1", shown, replace(plane, replication=other.replication)))) == 2
    assert FILTER.startswith("<p2mp")
    state = {k: v for k, v in shown.items() if k.startswith("llmsync-sr")}
    assert reference_schema().parse_json(state, "lon1", state=True)
