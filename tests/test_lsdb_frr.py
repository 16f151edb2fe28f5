"""FRRouting floods real LSPs and LSAs over veth; we read its capture, checksums and all.

Three routers in network namespaces, a LAN (so a pseudonode and a Network-LSA) and a point-to-point
link; the capture is taken on the LAN, where the whole database passes when adjacencies come up.
FRRouting originates no BIER, but floods what a neighbor sends: our LSP with BIER in it comes back
onto the LAN, since the designated router does not list it; one with a wrong checksum does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from lsdb_lan import LINKS, LOOPBACKS, assert_read, complete
from lsdb_networks import isis_frame

from toolkit.bier.signalling import isis as bier_isis
from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.errors import WireError
from toolkit.inet import pcap
from toolkit.inet.tlv import Tlv, write_short
from toolkit.lsdb.capture import Databases, read_databases
from toolkit.lsdb.lsp import LLC, Lsp, LspId, ReceivedLsp, encode, parse
from toolkit.lsdb.reachability import Prefix, prefix_tlvs

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


SEND = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as lan:
    lan.bind(("lan", 0))
    own = lan.getsockname()[4]
    data = bytes.fromhex(sys.argv[1])
    lan.send(data[:6] + own + data[12:])
"""
"""Sends a frame from inside a namespace, with the interface's own address as its source."""


def stranger() -> Lsp:
    """The LSP of a router that does not exist."""
    offer = BiftIdRange(Encapsulation.MPLS, 3, 100_000, 3)
    info = BierInfo(sub_domain_id=5, bfr_id=300, ranges=(offer,))
    sub = write_short([Tlv(32, bier_isis.encode(info))])
    prefix = Prefix(IPv4Network("10.255.0.99/32"), 1, sub=sub)
    tlvs = (Tlv(137, b"r99"), *prefix_tlvs([prefix]))
    return Lsp(level=2, id=LspId(bytes.fromhex("000000000099")), sequence=3, tlvs=tlvs)


def senders(file: Path, lsp_id: LspId) -> set[bytes]:
    """MAC addresses that an LSP came from."""
    found = set()
    for frame in pcap.read(file.read_bytes()).frames:
        load = pcap.payload(frame)
        if load.ethertype == 0 and load.data.startswith(LLC + b"\x83"):
            pdu = parse(load.data[len(LLC) :])
            if isinstance(pdu, ReceivedLsp) and pdu.lsp.id == lsp_id:
                assert pdu.lsp.tlvs == stranger().tlvs
                found.add(load.source)
    return found


def test_a_real_network_floods_what_we_read_and_what_we_write(tmp_path: Path) -> None:
    file = tmp_path / "lan.pcapng"
    with namespaces() as names, homes() as home, ExitStack() as stack:
        dump = ("ip", "netns", "exec", names["r1"], "dumpcap", "-q", "-i", "lan", "-w", str(file))
        watch = stack.enter_context(started(*dump))
        daemons(stack, names, home)
        found, until = Databases((), (), 0, 0), time.monotonic() + PATIENCE
        while not complete(found) and time.monotonic() < until:
            wait(watch)
            with suppress(FileNotFoundError, WireError):  # dumpcap may have written no header yet
                found = read_databases(file.read_bytes())
        assert_read(found)
        good, wrong = stranger(), replace(stranger(), id=LspId(bytes.fromhex("000000000098")))
        damaged = bytearray(encode(wrong))
        damaged[24] ^= 1  # the checksum
        for pdu in (bytes(damaged), encode(good)):
            frame = isis_frame(pdu).data.hex()
            run("ip", "netns", "exec", names["r1"], sys.executable, "-c", SEND, frame)
        while len(senders(file, good.id)) < 2 and time.monotonic() < until:
            wait(watch)
    assert len(senders(file, good.id)) == 2, "r2 has not sent our LSP back"
    assert len(senders(file, wrong.id)) == 1, "r2 has flooded an LSP with a wrong checksum"
    (scope,) = (s for s in read_databases(file.read_bytes()).scopes if s.protocol == "isis")
    (said,) = scope.advertisements
    assert (scope.name_of(said.router), said.info.bfr_id, said.info.sub_domain_id) == (
        "r99",
        300,
        5,
    )


def wait(watch: subprocess.Popen[bytes]) -> None:
    """Give the network a moment, as long as the capture goes on."""
    with suppress(subprocess.TimeoutExpired):
        watch.wait(POLL)
        pytest.fail("dumpcap ended early")
