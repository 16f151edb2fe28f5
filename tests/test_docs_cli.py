"""docs/reference/cli.md is what the parsers say (LLMSYNC_UPDATE_GOLDEN=1 rewrites it); README names
no lies."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.cli.main import COMMANDS, EXIT_CODES, build_parser

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """\
# Commands

Generated from the commands' own help. stdout is data, stderr is for people; `-o json` is
everywhere but in `render`, whose `-o` names a folder: `--format json`, in `inventory import` and
`bier vectors export`, which write files, and in `bier forward`, which always writes JSON.

"""


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def helps() -> Iterator[tuple[str, str]]:
    yield "llmsync", build_parser(None).format_help()
    for name in COMMANDS:
        yield from helps_of(f"llmsync {name}", subparsers(build_parser(name))[name])


def helps_of(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    yield name, parser.format_help()
    for sub, below in subparsers(parser).items():
        yield from helps_of(f"{name} {sub}", below)


def test_the_command_reference_is_what_the_parsers_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    parts = [HEAD]
    for name, text in helps():
        text = text.replace(EXIT_CODES, "").rstrip() if name != "llmsync" else text.rstrip()
        parts.append(f"## {name}\n\n```\n{text}\n```\n\n")
    page = "".join(parts).rstrip() + "\n"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "make golden rewrites it"


def test_bier_shows_one_example_of_each_command_all_alike() -> None:
    bier = subparsers(build_parser("bier"))["bier"]
    head, *lines = (bier.epilog or "").partition("\n\n")[0].splitlines()
    assert head == "examples:"
    names = [re.match(r"  llmsync bier ([a-z]+) ", line) for line in lines]
    assert [name and name[1] for name in names] == list(subparsers(bier))


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/tutorial.md",
        "docs/how-to/import.md",
        "docs/how-to/serve.md",
        "docs/how-to/vllm.md",
        "docs/how-to/oam.md",
        "docs/how-to/wireshark.md",
        "docs/reference/bier-signalling.md",
        "docs/reference/bier-vectors.md",
    ],
)
def test_every_command_line_in_the_pages_is_one_that_parses(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = re.findall(r"^(?:    )?(llmsync [^\n]*)$", text, re.MULTILINE)
    assert lines
    for line in lines:
        words = shlex.split(re.sub(r"[ ]*(#|&$|>).*", "", line))
        command = next(w for w in words if w in COMMANDS)
        build_parser(command).parse_args(words[1:])


@pytest.mark.parametrize(
    "page",
    sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]),
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
