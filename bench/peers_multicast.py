"""How each tool is started in bench/delivery.py, and which settings are tried for it.

Every tool gets what serves it best: blocks that fill the MTU, the largest buffers, receivers named
beforehand where that shortens its handshake, and under loss the best of several rates.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from arena import SENDER, host
from contest import Commands, Place

ROOT = Path(__file__).resolve().parent.parent
GROUP, PORT = "232.7.7.7", 5007
BENCH = str(Path(__file__).resolve().parent)
Plan = Callable[[Place], Commands]


def versions() -> dict[str, str]:
    """Return what runs here."""
    said = {"python": sys.version.split()[0], "kernel": os.uname().release}
    for package in ("uftp", "udpcast", "libnorm1", "nginx-light", "curl"):
        query = ["dpkg-query", "-W", "-f", "${Version}", package]
        said[package] = subprocess.run(query, capture_output=True, text=True).stdout or "missing"
    return said


# ----- ours


def ours(rate: str, *extra: str, gro: bool = True) -> Plan:
    """`llmsync send` and `llmsync receive`, as users run them."""

    def plan(place: Place) -> Commands:
        program = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "toolkit.cli"]
        names = [f"r{i}" for i in range(len(place.folders))]
        group = ["--group", f"{GROUP}:{PORT}", "--interface"]
        key = place.scratch / "llmsync.key"
        sender = [
            *program, "send", str(place.source), *group, SENDER, "--control", f"{SENDER}:4400",
            "--rate", rate, "--payload", str(place.mtu - 28), "--key", str(key),
            "--timeout", "20", "--gather", "8", "--no-probe", "-o", "json", *extra,
        ]  # fmt: skip
        # Probes are as long as data: the clock would begin with them.
        receivers = []
        for i, name in enumerate(names):
            sender += ["--to", name]
            receivers.append([
                *program, "receive", "--name", name, "--listen", f"{host(i)}:4401",
                "--sender", SENDER, *group, host(i), "--output", str(place.folders[i]),
                "--timeout", "20", "-o", "json",
            ])  # fmt: skip
        return Commands(receivers=receivers, sender=sender, gro=gro)

    return plan


# ----- UFTP


def uftp(rate: int) -> Plan:
    """UFTP 4: closed group, its largest blocks; `rate` in kbit/s, -1: as fast as it goes."""

    def plan(place: Place) -> Commands:
        buffers, ids = ["-B", "104857600"], [f"0x{i + 1:08x}" for i in range(len(place.folders))]
        receivers = [
            ["uftpd", "-d", "-q", *buffers, "-c", "20971520", "-I", host(i), "-U", ids[i],
             "-D", str(folder)]
            for i, folder in enumerate(place.folders)
        ]  # fmt: skip
        sender = [
            "uftp", "-R", str(rate), *buffers, "-b", str(min(place.mtu - 60, 8800)), "-I", SENDER,
            "-H", ",".join(ids), "-r", "0.05:0.002:1", "-s", "50", str(place.source),
        ]  # fmt: skip
        return Commands(receivers=receivers, sender=sender, quits=False)

    return plan


# ----- udpcast


def udpcast(rate: str = "") -> Plan:
    """udpcast, full duplex; its blocks are 1456 bytes at most, whatever the MTU."""

    def plan(place: Place) -> Commands:
        receivers = [
            ["udp-receiver", "--file", str(folder / place.source.name), "--interface", "eth",
             "--nokbd", "--no-progress", "--rcvbuf", "4194304", "--start-timeout", "30"]
            for folder in place.folders
        ]  # fmt: skip
        sender = [
            "udp-sender", "--file", str(place.source), "--interface", "eth", "--full-duplex",
            "--min-receivers", str(len(receivers)), "--nokbd", "--no-progress",
            "--start-timeout", "30", *(["--max-bitrate", rate] if rate else []),
        ]  # fmt: skip
        return Commands(receivers=receivers, sender=sender)

    return plan


# ----- NORM


def norm(rate: str) -> Plan:
    """NORM by libnorm (norm_peer.py): 64+16, no congestion control, no back-off; a rate cap."""

    def plan(place: Place) -> Commands:
        count, name = str(len(place.folders)), place.source.name
        receivers = [
            _beside("norm_peer", "receive", host(i), str(i + 2), str(folder / name))
            for i, folder in enumerate(place.folders)
        ]
        segment = str(place.mtu - 28 - 48)
        sender = _beside("norm_peer", "send", SENDER, count, str(place.source), rate, segment)
        return Commands(receivers=receivers, sender=sender, quits=False)

    return plan


# ----- the limit


def raw(rate: str) -> Plan:
    """Packets to files and nothing else (raw_path.py)."""

    def plan(place: Place) -> Commands:
        payload, name = str(place.mtu - 28), place.source.name
        receivers = [
            _beside("raw_path", "receive", host(i), str(folder / name), payload)
            for i, folder in enumerate(place.folders)
        ]
        sender = _beside("raw_path", "send", SENDER, str(place.source), rate, payload)
        return Commands(receivers=receivers, sender=sender)

    return plan


def _beside(module: str, *words: str) -> list[str]:
    """Return the command that runs `main` of a module beside this one."""
    code = f"import {module}; {module}.main()"
    return ["env", f"PYTHONPATH={BENCH}", sys.executable, "-c", code, *words]


# ----- which settings are tried


def settings(tool: str, mtu: int, loss: float, *, full: bool) -> Iterator[tuple[str, Plan]]:
    """Yield the settings whose best counts."""
    match tool:
        case "llmsync":
            for rate in OURS[mtu] if full else OURS[mtu][:1]:
                yield f"--rate {rate}", ours(rate)
        case "uftp":
            for rate in (UFTP[mtu] if full else UFTP[mtu][:2]) if loss or full else [-1]:
                yield f"-R {rate}", uftp(rate)
        case "udpcast" if mtu == 1500:
            yield "--full-duplex", udpcast()
            if full:
                yield "--full-duplex --max-bitrate 900m", udpcast("900m")
        case "norm":
            for rate in NORM[mtu]:
                yield f"rate {rate}", norm(rate)


# The first ones have been the best wherever the machine had nothing else to do.
OURS = {1500: ["3G", "2G"], 9000: ["8G", "5G"]}
UFTP = {1500: [-1, 1_000_000, 500_000], 9000: [-1, 2_500_000, 1_000_000]}
NORM = {1500: ["1G", "600M"], 9000: ["3G", "1G"]}
