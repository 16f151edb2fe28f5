"""`llmsync bier ping --bift` over veth pairs between network namespaces: real frames, real routes.

    a (BFIR, BFR-id 1) -- b (BFR-id 2) -- c (BFR-id 3)

b and c run `llmsync bier forward`; replies are routed by the kernel.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from netns import Namespaces, namespaces, needs_namespaces

ROOT = Path(__file__).parent.parent
PREFIX = {"a": "10.255.0.1", "b": "10.255.0.2", "c": "10.255.0.3"}
IDS = {"a": 1, "b": 2, "c": 3}
MAC = {"ab": "02:00:00:00:0a:0b", "ba": "02:00:00:00:0b:0a",
       "bc": "02:00:00:00:0b:0c", "cb": "02:00:00:00:0c:0b"}  # fmt: skip
PORTS = {"a": ["ab"], "b": ["ba", "bc"], "c": ["cb"]}
ADDRESS = {"ab": "10.0.0.0/31", "ba": "10.0.0.1/31", "bc": "10.0.1.0/31", "cb": "10.0.1.1/31"}
ROUTES = {
    "a": [("10.255.0.2", "10.0.0.1"), ("10.255.0.3", "10.0.0.1")],
    "b": [("10.255.0.1", "10.0.0.0"), ("10.255.0.3", "10.0.1.1")],
    "c": [("10.255.0.1", "10.0.1.0"), ("10.255.0.2", "10.0.1.0")],
}

pytestmark = [
    needs_namespaces,
    pytest.mark.skipif(find_spec("pyroute2") is None, reason="needs pyroute2 (llmsync[forward])"),
]


def document(name: str) -> dict[str, Any]:
    """Return the BIFT document of a router."""
    index = "abc".index(name)
    before, after = ("abc"[i : i + 1] if i >= 0 else "" for i in (index - 1, index + 1))
    neighbors, rows = {}, []
    for far in filter(None, (before, after)):
        neighbors[far] = {"interface": name + far, "mac": MAC[far + name]}
        ids = [IDS[n] for n in "abc" if (n < name) == (far < name) and n != name]
        rows.append({"bits": ids, "via": [{"neighbor": far, "bift_id": 7}]})
    return {
        "name": name,
        "bfr_ids": {"0": IDS[name]},
        "interfaces": {port: {"bier": "core", "mac": MAC[port]} for port in PORTS[name]},
        "neighbors": neighbors,
        "bifts": [{
            "sub_domain": 0, "bsl": 64, "si": 0, "encapsulation": "non-mpls", "bift_id": 7,
            "rows": [{"bits": [IDS[name]], "local": True}, *rows],
        }],
        "oam": {
            "own": [{"prefix": PREFIX[name]}],
            "bfrs": [{"bfr_id": IDS[n], "router": n, "prefix": PREFIX[n]} for n in "abc"],
        },
    }  # fmt: skip


@pytest.fixture
def spaces(tmp_path: Path) -> Iterator[Namespaces]:
    """Three namespaces, cabled and routed, and a document of each in `tmp_path`."""
    with namespaces("a", "b", "c") as found:
        for name in "abc":
            found.ip(name, "address", "add", f"{PREFIX[name]}/32", "dev", "lo")
            (tmp_path / f"{name}.json").write_text(json.dumps(document(name)), encoding="utf-8")
        for near, far in ("ab", "bc"):
            ends = [(x, x + y, MAC[x + y]) for x, y in ((near, far), (far, near))]
            found.link(*ends)
        for name in "abc":
            for port in PORTS[name]:
                found.ip(name, "address", "add", ADDRESS[port], "dev", port)
        for name in "abc":
            for to, via in ROUTES[name]:
                found.ip(name, "route", "add", to, "via", via, "src", PREFIX[name])
        with found.entered("b"):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        yield found


@pytest.fixture
def forwarders(spaces: Namespaces, tmp_path: Path) -> Iterator[Namespaces]:
    """b and c forward, and answer, as long as the test lasts."""
    running = []
    try:
        for name in "bc":
            command = [sys.executable, "-m", "toolkit.cli", "bier", "forward"]
            process = subprocess.Popen(
                ["ip", "netns", "exec", spaces[name], *command, str(tmp_path / f"{name}.json")],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            running.append(process)
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"llmsync: {name} forwards BIER on ")
        yield spaces
    finally:
        for process in running:
            process.kill()
            process.communicate()


def ask(
    space: str, path: Path, *options: str, command: str = "ping"
) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "toolkit.cli", "bier", command, "--bift", str(path)]
    return subprocess.run(
        ["ip", "netns", "exec", space, *words, *options], text=True, capture_output=True,
        timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_every_bfer_answers_over_real_interfaces(forwarders: Namespaces, tmp_path: Path) -> None:
    done = ask(forwarders["a"], tmp_path / "a.json", "-o", "json")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert [(r["bfer"], r["bfr-id"], r["replies"], r["hops"]) for r in told["bfers"]] == [
        ("b", 2, 1, 1), ("c", 3, 1, 2),
    ]  # fmt: skip
    assert all(r["rtt"]["min"] > 0 for r in told["bfers"])
    assert told["strays"] == []


def test_a_bfer_behind_a_cut_link_does_not_answer(forwarders: Namespaces, tmp_path: Path) -> None:
    forwarders.ip("b", "link", "set", "bc", "down")
    done = ask(forwarders["a"], tmp_path / "a.json", "--to", "c", "2", "-o", "json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(r["bfer"], r["reached"]) for r in told["bfers"]] == [("b", True), ("c", False)]


def test_a_trace_over_real_interfaces_shows_the_tree(
    forwarders: Namespaces, tmp_path: Path
) -> None:
    done = ask(forwarders["a"], tmp_path / "a.json", command="trace")
    assert (done.returncode, done.stderr) == (0, "")
    times = re.sub(r"(?<![\d.])\d+\.\d  ", "0.0  ", done.stdout)
    assert [line.split() for line in times.splitlines()] == [
        line.split() for line in TREE.splitlines()
    ]


TREE = """\
BIER trace from a (BFR-id 1): sub-domain 0, BSL 64

SI 0

hop  router  out of    into      BIFT-id  BitString  rtt ms  answer
---  ------  --------  --------  -------  ---------  ------  -----------------
  0  a       -         -         -                6  -       asks
  1    b     ab        10.0.0.1        7          6  0.0     BFER 2, passes on
  2      c   10.0.1.0  10.0.1.1        7          4  0.0     BFER 3

2 of 2 BFERs reached
"""


def test_what_the_host_does_not_let_us_do_is_said(spaces: Namespaces, tmp_path: Path) -> None:
    done = ask(spaces["b"], tmp_path / "a.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "llmsync: our BFR-prefix 10.255.0.1, port 49205: Cannot assign requested address "
        "(give it to the loopback interface)\n"
    )
    changed = document("a")
    changed["neighbors"]["b"] = {"interface": "ab", "address": "10.0.0.9"}
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    done = ask(spaces["a"], path)
    assert done.returncode == 2
    assert done.stderr == (
        "llmsync: neighbor b: its MAC address is not known (give `mac`, or an `address` that the "
        "kernel has in its ARP table)\n"
    )
