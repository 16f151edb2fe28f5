"""`llmsync verify` as a person and a pipeline see it.  LLMSYNC_UPDATE_GOLDEN=1 rewrites texts."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from batfish_replay import replaying
from lxml import etree
from test_verify_batfish import answers

from toolkit import __version__
from toolkit.cli.main import main

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "verify"
DEMO = "inventories/demo"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["verify", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def golden(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def rendered(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["render", DEMO, "-o", str(folder)]) == 0
    capsys.readouterr()
    return folder


@pytest.mark.parametrize(
    ("form", "ending"),
    [("table", "txt"), ("json", "json"), ("jsonl", "jsonl"), ("md", "md"), ("junit", "xml"),
     ("sarif", "sarif")],
)  # fmt: skip
def test_the_demonstration_passes_in_every_format(
    form: str, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, DEMO, "-o", form)
    assert code == 0
    golden(f"cli-demo.{ending}", out.replace(f'"{__version__}"', '"VERSION"'))


def test_breaking_both_links_of_madrid_names_it_and_exits_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = told(capsys, DEMO, "--break", "mad1-lon1,par1-mad1")
    assert code == 1
    golden("cli-break.txt", out)
    code, out, _ = told(capsys, DEMO, "--break", "lon1-mad1,par1-mad1", "-o", "json")
    document = json.loads(out)
    assert code == 1
    assert document["verdict"] == "failed"
    assert document["down"] == {"links": ["lon1-mad1", "par1-mad1"], "nodes": []}
    lost = [f["subjects"] for f in document["findings"] if f["id"] == "cloud-lost"]
    assert lost == [["cloud-madrid"]]


def test_breaking_one_core_link_loses_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, DEMO, "--break", "lon1-nyc1")[0] == 0


def test_unknown_names_are_a_usage_error_with_what_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = told(capsys, DEMO, "--break", "lon1-mad,dall1")
    assert (code, out) == (2, "")
    assert "no link or node lon1-mad; did you mean lon1-mad1?" in err
    assert "no link or node dall1; did you mean dal1?" in err


def test_payloads_as_rendered_are_as_good_as_rendering(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = rendered(tmp_path / "payloads", capsys)
    code, out, _ = told(capsys, DEMO, "--payloads", str(folder))
    assert code == 0
    assert f"judged: the payloads in {folder}" in out


def test_a_payload_edited_by_hand_is_found_with_its_device_and_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = rendered(tmp_path, capsys)
    tree = etree.parse(folder / "mad1.xml")
    space = {"i": "urn:llmsync:isis"}
    isis = tree.getroot().find("i:isis", space)
    assert isis is not None
    for entry in isis.findall("i:interface", space):
        if entry.findtext("i:name", namespaces=space) in ("to-par1", "to-lon1"):
            isis.remove(entry)
    tree.write(str(folder / "mad1.xml"))
    code, out, _ = told(capsys, DEMO, "--payloads", str(folder), "-o", "json")
    document = json.loads(out)
    assert code == 1
    ids = {f["id"] for f in document["findings"]}
    assert {"cloud-unreached", "isis-half-adjacency", "config-differs"} <= ids
    places = {
        f["place"]["path"]: f["place"]["file"]
        for f in document["findings"]
        if f["id"] == "config-differs"
    }
    assert places == {
        "/llmsync-isis:isis/interface[name='to-lon1']": "mad1",
        "/llmsync-isis:isis/interface[name='to-par1']": "mad1",
    }
    unreached = next(f for f in document["findings"] if f["id"] == "cloud-unreached")
    assert unreached["place"]["file"].endswith("deliveries.yaml")
    assert unreached["place"]["line"] > 0
    plan = next(c for c in document["checks"] if c["id"] == "plan")
    assert plan["status"] == "passed"


def test_a_payload_that_is_missing_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = rendered(tmp_path, capsys)
    (folder / "waw1.xml").unlink()
    code, out, _ = told(capsys, DEMO, "--payloads", str(folder))
    assert code == 1
    assert "waw1 is in the plan, and there is no configuration of it" in out


def test_a_folder_without_payloads_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, DEMO, "--payloads", str(tmp_path))
    assert (code, out) == (2, "")
    assert "llmsync render" in err


def test_only_the_snapshot_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "snapshot"
    code, out, _ = told(capsys, DEMO, "--snapshot", str(folder))
    assert code == 0
    assert sorted(out.split()) == sorted(str(p) for p in folder.rglob("*") if p.is_file())
    assert len(list((folder / "configs").iterdir())) == 12
    assert len(list((folder / "hosts").iterdir())) == 7


def test_a_folder_that_cannot_be_written_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = told(capsys, DEMO, "--snapshot", str(tmp_path / "file"))
    assert code == 2
    assert "cannot write" in err


def test_a_batfish_service_that_disagrees_fails_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with replaying(answers()) as service:  # the answers are another network's
        code, out, err = told(capsys, DEMO, "--batfish", service.address)
    assert code == 1
    assert "batfish-parse" in out
    assert "asking Batfish" in err


def test_a_batfish_service_that_is_not_there_is_not_run_and_never_a_passed_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with replaying({}) as service:
        address = service.address
    code, out, _ = told(capsys, DEMO, "--batfish", address)
    assert code == 4  # it was asked for, and it cannot be reached
    assert f"5 checks: not run (Batfish: no service answers at {address}" in out


def test_a_terminal_without_unicode_gets_ascii(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["verify", DEMO]) == 0
    out.flush()
    text = out.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "ok Every cloud gets every packet" in text
    assert "?" not in text


def test_junit_counts_and_sarif_rules_fit_what_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = rendered(tmp_path, capsys)
    payload = folder / "par1.xml"
    payload.write_text(payload.read_text().replace(">9000<", ">1400<", 1))
    code, out, _ = told(capsys, DEMO, "--payloads", str(folder), "-o", "junit")
    assert code == 1
    suite = ElementTree.fromstring(out).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert int(suite.get("tests", "")) == len(cases)
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure")) > 0
    assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped")) == 5
    code, out, _ = told(capsys, DEMO, "--payloads", str(folder), "-o", "sarif")
    (run,) = json.loads(out)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["locations"]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 5
