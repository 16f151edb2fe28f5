"""Runs tshark with our dissector over frames; for tests.  Debian's package tshark, 4.0 or newer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from toolkit.inet import pcap

DISSECTOR = Path(__file__).parent.parent / "wireshark" / "bier.lua"
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark (Debian)")
_AGAIN = ";"
"""Between the values of a field that occurs more than once."""


def run(capture: Path, *arguments: str) -> str:
    """Return what tshark prints; a Lua error anywhere in it fails the test."""
    done = subprocess.run(
        ["tshark", "-n", "-X", f"lua_script:{DISSECTOR}", "-r", str(capture), *arguments],
        capture_output=True, text=True, timeout=120, check=False, env=clean(capture.parent),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Lua" not in done.stderr, done.stderr
    assert "Lua Error" not in done.stdout
    return done.stdout


def clean(folder: Path) -> dict[str, str]:
    """Return an environment without anybody's own preferences and plugins."""
    return {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


def written(frames: Iterable[bytes | pcap.Frame], folder: Path) -> Path:
    path = folder / "frames.pcap"
    path.write_bytes(pcap.write(f if isinstance(f, pcap.Frame) else pcap.Frame(f) for f in frames))
    return path


def fields(
    frames: Iterable[bytes | pcap.Frame], folder: Path, names: Sequence[str], *arguments: str
) -> list[dict[str, list[str]]]:
    """Return field -> values for each frame; fields that are absent have no entry."""
    wanted = [part for name in names for part in ("-e", name)]
    form = ["-T", "fields", "-E", "occurrence=a", "-E", f"aggregator={_AGAIN}", *wanted]
    rows = run(written(frames, folder), *form, *arguments).splitlines()
    return [
        {
            name: value.split(_AGAIN)
            for name, value in zip(names, row.split("\t"), strict=True)
            if value
        }
        for row in rows
    ]
