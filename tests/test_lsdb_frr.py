"""FRRouting floods real LSPs and LSAs over veth; we read its capture, checksums and all.

Three routers in network namespaces, a LAN (so a pseudonode and a Network-LSA) and a point-to-point
link; the capture is taken on the LAN, where the whole database passes when adjacencies come up.
FRRouting carries no BIER, so this proves the readers below it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from lsdb_lan import LINKS, LOOPBACKS, assert_read, complete

from toolkit.errors import WireError
from toolkit.lsdb.capture import Databases, read_databases

FRR = Path("/usr/lib/frr")
NEEDED = {"zebra": FRR / "zebra", "isisd": FRR / "isisd", "ospfd": FRR / "ospfd"}
PATIENCE = 120.0
"""Seconds until the databases must be complete; some 30 are usual."""
POLL = 0.5

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(
        not all(path.exists() for path in NEEDED.values()),
        reason="FRRouting is not installed (apt-get install frr)",
    ),
    pytest.mark.skipif(
        shutil.which("dumpcap") is None, reason="dumpcap is not installed (apt-get install tshark)"
    ),
]


def config(router: str) -> str:
    """`router isis` comes first: a timer that runs already keeps the interval of its start."""
    lines = [
        f"hostname {router}",
        "router isis x",
        f" net 49.0001.0000.0000.000{router[1:]}.00",
        " is-type level-2-only",
        " metric-style wide",
        " lsp-gen-interval 1",
        "router ospf",
        f" ospf router-id {LOOPBACKS[router]}",
        "interface lo",
        " ip router isis x",
        " isis passive",
        " ip ospf area 0",
    ]
    for name, (_address, kind, metric) in LINKS[router].items():
        lines += [
            f"interface {name}",
            " ip router isis x",
            " isis circuit-type level-2-only",
            " isis hello-interval 1",
            " isis csnp-interval 1",
            " isis psnp-interval 1",
            f" isis metric {metric}",
            " ip ospf area 0",
            " ip ospf hello-interval 1",
            " ip ospf dead-interval 4",
            f" ip ospf cost {metric}",
            f" ip ospf network {kind}",
        ]
        if kind == "point-to-point":
            lines.append(" isis network point-to-point")
    return "\n".join(lines) + "\n"


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)


@contextmanager
def namespaces() -> Iterator[dict[str, str]]:
    names = {router: f"llmsync-{os.getpid()}-{router}" for router in LINKS}
    try:
        for name in names.values():
            run("ip", "netns", "add", name)
        for a, b, port in (("r1", "r2", "lan"), ("r2", "r3", "p2p")):
            ends = ("name", port, "netns", names[a]), ("name", port, "netns", names[b])
            run("ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for router, name in names.items():
            ip = ("ip", "-n", name)
            run(*ip, "link", "set", "lo", "up")
            run(*ip, "address", "add", f"{LOOPBACKS[router]}/32", "dev", "lo")
            for port, (address, _kind, _metric) in LINKS[router].items():
                run(*ip, "address", "add", address, "dev", port)
                run(*ip, "link", "set", port, "up")
        yield names
    finally:
        for name in names.values():
            subprocess.run(("ip", "netns", "delete", name), capture_output=True, timeout=20)


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def homes() -> Iterator[Path]:
    """A folder that FRRouting's own user, which the daemons change to, can use."""
    with tempfile.TemporaryDirectory(prefix=f"llmsync-{os.getpid()}-") as folder:
        for path in (Path(folder), *(Path(folder) / router for router in LINKS)):
            path.mkdir(exist_ok=True)
            shutil.chown(path, "frr", "frr")
        yield Path(folder)


def daemons(stack: ExitStack, names: dict[str, str], folder: Path) -> None:
    """Start zebra before those that look for its socket only every ten seconds."""
    for program, path in NEEDED.items():
        for router, name in names.items():
            home = folder / router
            (home / "frr.conf").write_text(config(router))
            files = ("-f", str(home / "frr.conf"), "-z", str(home / "zserv.api"))
            own = ("-i", str(home / f"{program}.pid"), "--vty_socket", str(home), "-P", "0")
            command = ("ip", "netns", "exec", name, str(path), *files, *own)
            process = stack.enter_context(started(*command))
            until = time.monotonic() + PATIENCE
            while program == "zebra" and not (home / "zserv.api").exists():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL / 10)
                    pytest.fail(f"zebra ended early: {process.communicate()[1]!r}")
                assert time.monotonic() < until, "zebra has opened no socket"


def test_the_database_of_a_real_network_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lan.pcapng"
    with namespaces() as names, homes() as home, ExitStack() as stack:
        dump = ("ip", "netns", "exec", names["r1"], "dumpcap", "-q", "-i", "lan", "-w", str(file))
        watch = stack.enter_context(started(*dump))
        daemons(stack, names, home)
        found, until = Databases((), (), 0, 0), time.monotonic() + PATIENCE
        while not complete(found) and time.monotonic() < until:
            with suppress(subprocess.TimeoutExpired):
                watch.wait(POLL)
                pytest.fail("dumpcap ended early")
            with suppress(FileNotFoundError, WireError):  # dumpcap may have written no header yet
                found = read_databases(file.read_bytes())
    assert_read(found)
