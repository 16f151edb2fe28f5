"""`llmsync inventory import`: flags, exit codes, what is written and what is left alone."""

from __future__ import annotations

import json

import pytest
from topologies import OWN

from toolkit.cli.main import main
from toolkit.inventory.load import load_inventory

SMALL = str(OWN / "small.gml")


def run(*words):
    return main(["inventory", "import", *map(str, words)])


def test_an_import_is_written_and_told(tmp_path, capsys):
    out = tmp_path / "deep" / "net"
    assert run("gml", SMALL, "--output", out, "--repository", "Zürich", "--clouds", "munchen") == 0
    told = capsys.readouterr().out
    assert told.startswith(f"small: written to {out}\n")
    assert "  repository  hub at zurich\n" in told
    assert "  policy      every cloud survives 2 failed links\n" in told
    assert sorted(p.name for p in out.iterdir()) == ["deliveries.yaml", "network.yaml"]
    assert "gml small.gml --repository Zürich --clouds munchen`" in (
        out / "network.yaml"
    ).read_text("utf-8").replace("\n#  ", "").replace("'", "")
    assert str(tmp_path) not in (out / "network.yaml").read_text("utf-8")


def test_a_summary_as_data(tmp_path, capsys):
    out = tmp_path / "net"
    assert run("gml", SMALL, "--output", out, "--all", "-o", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["routers"], said["links"], said["bridges"]) == (7, 9, 2)
    assert said["policy"] == {"scope": "links", "failures": 1}
    assert len(said["clouds"]) == 6
    assert said["behind_bridges"][0]["clouds"] == ["peering-no", "node-16"]
    assert {note["kind"] for note in said["notes"]} >= {"loop", "parallel", "duplicate"}
    (policy,) = load_inventory(out).policies
    behind = {cloud for bridge in said["behind_bridges"] for cloud in bridge["clouds"]}
    assert {f"cloud-{name}" for name in behind} & set(policy.clouds) == set()
    assert len(policy.clouds) == len(said["clouds"]) - len(behind)


def test_an_inventory_is_never_overwritten_unasked(tmp_path, capsys):
    out = tmp_path / "net"
    out.mkdir()
    (out / "network.yaml").write_text("name: mine\n", "utf-8")
    assert run("gml", SMALL, "--output", out) == 2
    assert "holds network.yaml already" in capsys.readouterr().err
    assert (out / "network.yaml").read_text("utf-8") == "name: mine\n"
    assert run("gml", SMALL, "--output", out, "--force") == 0
    assert load_inventory(out).name == "small"
    (out / "more.yml").write_text("name: mine\n", "utf-8")
    assert run("gml", SMALL, "--output", out, "--force") == 2
    assert "more.yml would become part" in capsys.readouterr().err


def test_what_is_refused_leaves_what_was_there(tmp_path, capsys):
    out = tmp_path / "net"
    assert run("gml", SMALL, "--output", out) == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert run("gml", SMALL, "--output", out, "--force", "--clouds", "nowhere") == 2
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--transport", "bear"], "--transport: there is no 'bear' (did you mean 'bier'?)"),
        (["--rate", "10GB"], "--rate: '10GB' counts bytes"),
        (["--rate", "5T"], "--rate: 5T is more than the paths to the clouds carry"),
        (["--capacity", "fast"], "--capacity: 'fast' is not a rate"),
        (["--detour", "0.5"], "--detour: 0.5 is not between 1 and 10"),
        (["--detour", "nan"], "--detour: nan is not between 1 and 10"),
        (["--clouds", ", ,"], "--clouds: names nothing"),
        (["--farthest", "7"], "--farthest: 7 clouds cannot be had of 5 nodes"),
        (["--model", "https://x"], "--model: 'https://x' is an address"),
        (["--clouds", "Milan"], "--clouds: 2 nodes are called 'Milan' (one of: milan, milan-2)"),
        (["--region", "Itly"], "no node stands in a region 'Itly' (did you mean 'Italy'?)"),
    ],
)
def test_usage_that_makes_no_sense(words, said, tmp_path, capsys):
    assert run("gml", SMALL, "--output", tmp_path / "net", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "net").exists()


def test_all_problems_of_the_choice_at_once(tmp_path, capsys):
    words = ["--repository", "zuerich", "--clouds", "munich,milan-3,zurich"]
    assert run("gml", SMALL, "--output", tmp_path / "net", *words) == 2
    assert capsys.readouterr().err.count("there is no node") == 3


def test_files_that_cannot_be_read(tmp_path, capsys):
    assert run("gml", tmp_path / "none.gml", "--output", tmp_path / "net") == 2
    assert "none.gml: cannot be read: No such file" in capsys.readouterr().err
    assert run("gml", tmp_path, "--output", tmp_path / "net") == 2
    assert "cannot be read: Is a directory" in capsys.readouterr().err
    (tmp_path / "file").write_text("x", "utf-8")
    assert run("gml", SMALL, "--output", tmp_path / "file") == 2
    assert "is not a folder" in capsys.readouterr().err


def test_only_one_way_of_choosing_clouds(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        run("gml", SMALL, "--output", tmp_path / "net", "--all", "--farthest", "2")
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_network_that_outgrows_the_default_pools_has_larger_ones():
    size = 40_000
    from toolkit.inventory.importers.assemble import Order, assemble
    from toolkit.inventory.importers.choose import Wishes
    from toolkit.inventory.importers.draft import Draft, DraftLink, DraftRouter
    from toolkit.inventory.importers.text import network_yaml

    draft = Draft(
        name="long",
        file="long.gml",
        routers=tuple(DraftRouter(name=f"r{n}", label=f"r{n}") for n in range(size)),
        links=tuple(DraftLink(a=f"r{n}", b=f"r{n + 1}") for n in range(size - 1)),
    )
    found = assemble(draft, Order(wishes=Wishes(repository="r0", clouds=("r9",))))
    assert "pools:\n  loopbacks: 10.192.0.0/10\n" in network_yaml(found, command="x")


@pytest.mark.parametrize("source", ["gml", "containerlab", "ansible"])
def test_help_has_an_example(source, capsys):
    with pytest.raises(SystemExit) as caught:
        run(source, "--help")
    assert caught.value.code == 0
    assert f"llmsync inventory import {source}" in capsys.readouterr().out
