"""The BIFT documents in the pages are documents; the three routers of the how-to page work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from netns import needs_namespaces

from toolkit.bier.document import read_program
from toolkit.bier.document_text import document

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference" / "bift.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "forward.md").read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[tuple[str, str]]:
    """Return (title, content) of the fenced blocks of a kind."""
    return re.findall(rf"^```{kind} ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("content", [c for _t, c in blocks(REFERENCE + HOW_TO, "yaml")])
def test_every_document_in_the_pages_is_read(content: str) -> None:
    program = read_program(yaml.safe_load(content))
    assert document(read_program(document(program))) == document(program)


def test_every_member_is_in_the_page() -> None:
    """What the reader asks for by name stands in the reference."""
    source = "".join(
        (ROOT / "toolkit" / "bier" / name).read_text(encoding="utf-8")
        for name in ("document.py", "document_follow.py")
    )
    asked = set(re.findall(r"(?:body|below|top|row|via|allowed)\.\w+\(\s*\"(\w+)\"", source))
    assert {"bits", "bfers", "salt", "permitted"} <= asked
    assert {name for name in asked if name not in REFERENCE} == set()


@contextmanager
def routers() -> Iterator[str]:
    """Build what the page's shell commands build, under names of our own; yield their prefix."""
    prefix = f"llmsync-{os.getpid()}-"
    ((_, shell),) = blocks(HOW_TO, "sh")
    shell = shell.replace("for r in r1 r2 r3", f"for r in {prefix}r1 {prefix}r2 {prefix}r3")
    shell = re.sub(r"(netns|-n) r(?=[123$])", rf"\1 {prefix}r", shell)
    try:
        subprocess.run(["sh", "-e", "-c", shell], check=True, timeout=60)
        yield prefix
    finally:
        for n in (1, 2, 3):
            subprocess.run(["ip", "netns", "del", f"{prefix}r{n}"], check=False, timeout=30)


@needs_namespaces
def test_the_three_routers_of_the_page_deliver(tmp_path: Path) -> None:
    receiver, source = (content for _title, content in blocks(HOW_TO, "python"))
    with routers() as prefix, ExitStack() as stack:

        def start(name: str, *words: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                ["ip", "netns", "exec", prefix + name, sys.executable, *words],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        for name, content in blocks(HOW_TO, "yaml"):
            (tmp_path / name).write_text(content, encoding="utf-8")
            words = ("-m", "toolkit.cli", "bier", "forward", str(tmp_path / name))
            process = start(name.removesuffix(".yaml"), *words)
            assert process.stderr is not None
            assert "forwards BIER on" in process.stderr.readline()
        member = start("r3", "-c", receiver)
        for _ in range(50):  # until MAC addresses are known and the group is joined
            start("r1", "-c", source).wait(timeout=30)
            if member.poll() is not None:
                break
        assert member.communicate(timeout=30) == ("b'a model'\n", "")
