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

from toolkit.errors import WireError
from toolkit.lsdb.capture import Databases, read_databases
from toolkit.lsdb.scope import Scope

FRR = Path("/usr/lib/frr")
NEEDED = {"zebra": FRR / "zebra", "isisd": FRR / "isisd", "ospfd": FRR / "ospfd"}
PATIENCE = 60.0
"""Seconds until the databases must be complete; some 20 are usual."""
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

LINKS = {  # router -> interface -> (address, network type, metric)
    "r1": {"lan": ("10.0.12.1/24", "broadcast", 7)},
    "r2": {"lan": ("10.0.12.2/24", "broadcast", 9), "p2p": ("10.0.23.0/31", "point-to-point", 20)},
    "r3": {"p2p": ("10.0.23.1/31", "point-to-point", 30)},
}
LOOPBACKS = {"r1": "10.255.0.1", "r2": "10.255.0.2", "r3": "10.255.0.3"}


def config(router: str) -> str:
    lines = [f"hostname {router}"]
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
    number = router[1:]
    lines += [
        "interface lo",
        " ip router isis x",
        " isis passive",
        " ip ospf area 0",
        "router isis x",
        f" net 49.0001.0000.0000.000{number}.00",
        " is-type level-2-only",
        " metric-style wide",
        " lsp-gen-interval 1",
        "router ospf",
        f" ospf router-id {LOOPBACKS[router]}",
    ]
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


def complete(found: Databases) -> bool:
    ways = {scope.protocol: len(scope.ways) for scope in found.scopes}
    return ways == {"isis": 4, "ospf": 4}


def shape(scope: Scope) -> list[tuple[str, str, int]]:
    return [(scope.name_of(w.source), scope.name_of(w.target), w.metric) for w in scope.ways]


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
    assert complete(found), (found.scopes, found.problems)
    by_protocol = {scope.protocol: scope for scope in found.scopes}
    expected = [("r1", "r2", 7), ("r2", "r1", 9), ("r2", "r3", 20), ("r3", "r2", 30)]
    assert shape(by_protocol["isis"]) == expected
    assert shape(by_protocol["ospf"]) == [
        (LOOPBACKS[a], LOOPBACKS[b], metric) for a, b, metric in expected
    ]
    assert [str(way.address) for way in by_protocol["ospf"].ways] == [
        "10.0.12.2", "10.0.12.1", "10.0.23.1", "10.0.23.0",
    ]  # fmt: skip
    assert [p for p in found.problems if p.harms] == []
