"""`llmsync compare` as a person and as a pipeline types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.cli.main import main

DEMO = "inventories/demo"


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)


def test_the_model_alone_needs_no_laboratory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", DEMO, "--model-only", "--transports", "bier"]) == 0
    out, err = capsys.readouterr()
    assert "A provisioned receiver joins" in out
    assert "measured" not in out
    assert "in the lab" not in err


def test_a_run_is_measured_and_the_page_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["compare", DEMO, "--transports", "bier,pim-ssm", "--size", "2M", "-o", "json"]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 0
    told = json.loads(capsys.readouterr().out)
    for figures in told["figures"]:
        traffic = figures["traffic"]
        assert traffic["complete"] is True
        assert traffic["size"] == 2_000_000
        # One copy on each link cannot be beaten, and what left the source is more than the model.
        assert traffic["core"] >= traffic["optimal"]
        assert traffic["egress"] > traffic["size"]
        assert traffic["late_wait"] > 0
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == told
    assert "<svg" in (tmp_path / "out" / "compare.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--transports", "bier,multicast"], "multicast is no transport"),
        (["--transports", ","], "nothing is no transport"),
        (["--delivery", "gpt"], "--delivery gpt: not in the inventory (minilm)"),
        (["--size", "16MB"], "--size 16MB: not a size in bytes"),
        (["--size", "0"], "--size 0: not a size in bytes"),
        (["--loss", "2"], "--loss: '2' is not a share"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", DEMO, *arguments]) == 2
    assert words in capsys.readouterr().err
