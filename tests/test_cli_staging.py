"""`llmsync push` changes trees that are in use in three transactions, by itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sr_networks import DEMO

from toolkit.cli import cmd_device, staging
from toolkit.cli.main import main

ROUTERS = 12


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    shutil.copytree(DEMO, folder)
    return folder


def test_a_tree_in_use_is_made_before_it_is_broken(inventory, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    waited: list[float] = []
    usual = staging.push_in_stages.__kwdefaults__
    monkeypatch.setattr(staging.push_in_stages, "__kwdefaults__", {**usual, "wait": waited.append})
    management = tmp_path / "management.yaml"
    transport = ("--transport", "sr-p2mp")

    def push(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        command = ["push", str(inventory), "--management", str(management), *transport]
        code = main([*command, *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    def act() -> None:
        assert main(["plan", str(inventory), *transport, "--write-lock"]) == 0
        code, _, err = push("--yes")
        assert (code, waited) == (0, [])
        assert "stage" not in err  # nothing was in use
        deliveries = inventory / "deliveries.yaml"
        text = deliveries.read_text()
        deliveries.write_text(
            text.replace("    rate: 1G", "    rate: 1G\n    tree: {metric: delay}")
        )
        network = inventory / "network.yaml"
        network.write_text(network.read_text().replace("delay: 42ms", "delay: 90ms"))
        code, _, err = push("--check")
        assert code == 3
        lines = [line for line in err.splitlines() if "stage" in line]
        assert [line.split(":")[1].split(" (")[0].strip() for line in lines] == [
            "stage 1 of 3, make",
            "stage 2 of 3, switch",
            "stage 3 of 3, break",
        ]
        assert lines[1].endswith("the roots use the new instances): 1 router")
        code, out, err = push("--yes", "-o", "json")
        assert code == 0
        document = json.loads(out)
        assert document["state"] == "committed"
        assert [s["stage"].split()[0] for s in document["stages"]] == ["make", "switch", "break"]
        assert err.count("llmsync: stage ") == 3
        assert waited == [staging.DRAIN]
        assert push("--check")[0] == 0

    monkeypatch.setattr(cmd_device, "_wait", lambda hold, count: act())
    command = ["device", str(inventory), "--write-management", str(management)]
    assert main(command) == 0
