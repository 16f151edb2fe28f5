"""`llmsync inventory`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.cli.main import main
from toolkit.inventory.load import json_schema, load_inventory

HERE = Path(__file__).parent
DEMO = HERE.parent / "inventories" / "demo"


def test_check_sums_up_what_is_fine(capsys):
    assert main(["inventory", "check", str(DEMO)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "demo: no problems"
    assert "  routers without bier  1" in out.splitlines()
    assert out.splitlines()[-1].split()[:5] == ["minilm", "demo", "hub", "6", "528"]
    assert err == ""


def test_check_as_json_is_for_scripts(capsys):
    assert main(["inventory", "check", str(DEMO), "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["valid"] is True
    assert said["problems"] == []
    assert (said["routers"], said["links"], said["clouds"], said["gpus"]) == (12, 17, 6, 528)
    (delivery,) = said["deliveries"]
    assert delivery["rate"] == load_inventory(DEMO).deliveries["minilm"].rate
    assert len(delivery["to"]) == 6


def test_check_prints_every_problem_and_exits_2(capsys, monkeypatch):
    monkeypatch.chdir(HERE)
    assert main(["inventory", "check", "errors/many-at-once.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    expected = (HERE / "errors" / "many-at-once.txt").read_text(encoding="utf-8")
    assert err == "".join(f"llmsync: {line}\n" for line in expected.splitlines())


def test_check_as_json_gives_problems_as_data(capsys, monkeypatch):
    monkeypatch.chdir(HERE)
    assert main(["inventory", "check", "-o", "json", "errors/cut-in-two.yaml"]) == 2
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["valid"] is False
    assert said["problems"][0] == {
        "file": "errors/cut-in-two.yaml",
        "line": 8,
        "path": "routers.nyc1",
        "what": "nyc1 is not connected to ams1, fra1",
        "remedy": "add a link, or remove it",
    }
    assert err == ""


@pytest.mark.parametrize("output", [[], ["-o", "json"]])
def test_schema_prints_the_schema(output, capsys):
    assert main(["inventory", "schema", *output]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


@pytest.mark.parametrize("command", [[], ["check"], ["schema"]])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["inventory", *command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "example" in out
    assert f"llmsync inventory {' '.join(command)}".rstrip() in out


def test_help_does_not_load_what_only_checking_needs():
    code = (
        "import sys; from toolkit.cli.main import build_parser; build_parser('inventory');"
        " print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    assert run.stdout == "[]\n"


def test_list_shows_routers_with_their_hosts_and_never_a_secret(capsys, tmp_path):
    assert main(["inventory", "list", str(DEMO)]) == 0
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["router", "platform", "domain", "region", "hosts", "management"]
    assert len(lines) == 2 + 12
    assert main(["inventory", "list", str(DEMO), "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    edges = {router["name"]: router["hosts"] for router in said["routers"] if router["edge"]}
    assert edges["lon1"] == ["cloud-london"]
    overlay = tmp_path / "m.yaml"
    overlay.write_text(
        "routers: {lon1: {management: {host: 192.0.2.1, password: {env: LON_PASSWORD}}}}\n"
    )
    assert main(["inventory", "list", str(DEMO), "--management", str(overlay), "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (reached,) = (r["management"] for r in said["routers"] if r["management"])
    assert reached["password"] == {"kind": "env", "name": "LON_PASSWORD"}
