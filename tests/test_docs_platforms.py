"""docs/reference/platforms.md and `llmsync platforms` say what the facts say.

LLMSYNC_UPDATE_GOLDEN=1 rewrites the page.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from toolkit.cli.cmd_platforms import document
from toolkit.cli.main import main
from toolkit.inventory.model import Platform
from toolkit.plan.platforms import PLATFORMS
from toolkit.render.cells import cells, column

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "platforms.md"
HEAD = """\
# Platforms

What each platform can be configured to do. Generated from the facts that the plan is held to;
`llmsync platforms` prints the same. A feature that a platform cannot have is refused when the
network is planned, with router, reason and way out.
"""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page() -> str:
    documents = [document(platform) for platform in Platform]
    names = [d["platform"] for d in documents]
    lines = [HEAD, _row(["feature", *names]), "|" + " --- |" * (len(names) + 1)]
    lines += [
        _row([feature, *(d["features"][feature] for d in documents)])
        for feature in documents[0]["features"]
    ]
    for said in documents:
        lines += ["", f"## {said['platform']}: {said['title']}", ""]
        lines.append(f"Loopback `{said['loopback']}`; ports: {said['ports']}.")
        if said["bier"] is not None:
            words = []
            for key, value in said["bier"].items():
                shown = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
                words.append(f"{key.replace('_', ' ')} {shown}")
            lines.append(f"BIER: {'; '.join(words)}.")
        if said["refused"]:
            lines += ["", "| it cannot do | why | way out |", "| --- | --- | --- |"]
            lines += [_row([c, r["why"], r["remedy"]]) for c, r in said["refused"].items()]
        if said["not_in_configuration"]:
            lines += ["", "| taken from the plan | why |", "| --- | --- |"]
            lines += [_row([n, w]) for n, w in said["not_in_configuration"].items()]
    return "\n".join(lines) + "\n"


def test_the_reference_is_what_the_facts_say() -> None:
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "make golden rewrites it"


def test_the_grid_says_yes_exactly_where_there_is_a_template() -> None:
    there = cells()
    for platform, facts in PLATFORMS.items():
        for feature, word in document(platform)["features"].items():
            if word in ("yes", "partly"):
                assert (feature, column(platform)) in there, (feature, platform)
            if feature in facts.refused:
                assert word == "no"


def test_the_command_prints_the_grid_and_one_platform(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platforms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["feature", *(p.value for p in Platform)]
    assert main(["platforms", "vrp"]) == 0
    assert "  bier:" in capsys.readouterr().out
    assert main(["platforms", "-o", "json"]) == 0
    assert [d["platform"] for d in json.loads(capsys.readouterr().out)] == list(Platform)
