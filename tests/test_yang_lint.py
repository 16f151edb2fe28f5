"""Our modules: pyang's lint and trees, and that pyang and libyang see the same nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.cli.loading import load_plan
from toolkit.cli.main import main
from toolkit.datafiles import data_folder
from toolkit.errors import ExitCode, UsageError
from toolkit.render.payload import render_plan
from toolkit.yang.lexicon import Lexicon
from toolkit.yang.pyang_tool import lint, tree_modules, trees
from toolkit.yang.reference import OWN_MODULES, REFERENCE_MODULES, reference_search_path

TREES = Path(__file__).parent.parent / "docs" / "reference" / "yang"
BROKEN = 'module broken {\n  namespace "u:b";\n  prefix b;\n  leaf a { type nope; }\n}\n'


def test_our_modules_have_no_lint_findings() -> None:
    assert lint() == ()
    assert {f.stem for f in data_folder("yang").glob("*.yang")} == set(OWN_MODULES)


def test_lint_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken.yang"
    file.write_text(BROKEN)
    assert main(["yang", "lint", str(file)]) == ExitCode.FINDINGS
    out = capsys.readouterr().out
    assert f'{file}:4: error: type "nope" not found in module "broken"' in out.splitlines()
    assert main(["yang", "lint", str(file), "-o", "json"]) == ExitCode.FINDINGS
    assert '"line": 4' in capsys.readouterr().out
    with pytest.raises(UsageError, match="there is no such file"):
        lint([tmp_path / "missing.yang"])


def test_lint_without_findings_exits_0_and_keeps_standard_output_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["yang", "lint"]) == ExitCode.OK
    assert capsys.readouterr() == ("", "llmsync: nothing found\n")


def test_tree_of_one_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["yang", "tree", "llmsync-bier"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith("module: llmsync-bier\n  +--rw bier!\n")
    assert "+--ro bift* [sub-domain bsl si]" in out
    assert main(["yang", "tree", "nope"]) == ExitCode.INVALID
    assert "no module nope on platform reference" in capsys.readouterr().err


@pytest.mark.parametrize("module", tree_modules())
def test_golden_trees_in_the_reference_are_those_of_the_modules(module: str) -> None:
    file = TREES / f"{module}.txt"
    text = trees([module])
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.read_text() == text


def _paths(node: Any, path: str, module: str) -> Iterator[str]:
    for name, value in node.items():
        prefix, _, local = name.rpartition(":")
        own = prefix or module
        step = f"{path}/{own}:{local}"
        yield step
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                yield from _paths(entry, step, own)


def test_pyang_knows_every_node_that_libyang_printed() -> None:
    _, plan, _ = load_plan(data_folder("inventories") / "demo")
    lexicon = Lexicon(REFERENCE_MODULES, reference_search_path())
    paths = {p for payload in render_plan(plan).values() for p in _paths(payload.tree, "", "")}
    unknown = {p for p in paths if lexicon.argument(p, "description") == ""}
    assert unknown == set()
    assert "/ietf-interfaces:interfaces/ietf-interfaces:interface/llmsync-isis:network-mtu" in paths
