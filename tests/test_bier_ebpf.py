"""The kernel plane in the kernel: against the reference, under change, and when it ends.

Root, clang and iproute2 are needed; without them these tests say so.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shutil import which

import pytest
from bier_cases import sample
from bier_counts import note
from bier_kernel_programs import frames, mac, programs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.bier.bift import BiftId, BiftKey, Hop
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.conformance.expansion import Case
from toolkit.bier.conformance.judge import faults, lacking
from toolkit.bier.conformance.plane import Outcome
from toolkit.bier.conformance.reference import ReferencePlane
from toolkit.bier.engine import Arrived
from toolkit.bier.kernel import attachment
from toolkit.bier.kernel.compiler import compiled
from toolkit.bier.kernel.proving import EbpfPlane
from toolkit.bier.masks import Masks
from toolkit.bier.program import Interface, Program
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.runtime_ebpf import KernelPlane
from toolkit.bier.wire import Encapsulation, Header
from toolkit.cli.vector_files import all_cases
from toolkit.errors import EnvironmentProblem

KEY = BiftKey(0, 256, 0)
LOW, HIGH = (1 << 128) - 1, (1 << 256) - (1 << 128)
SHOT, REDIRECT, UNSPEC = 2, 7, 0xFFFFFFFF


def missing() -> str:
    if sys.platform != "linux" or os.geteuid():
        return "the kernel plane needs Linux and root"
    if which("ip") is None:
        return "iproute2 is missing"
    try:
        compiled()
        plane = EbpfPlane()
    except EnvironmentProblem as problem:
        return str(problem)
    plane.close()
    return ""


@pytest.fixture(scope="module")
def able() -> None:
    if why := missing():
        pytest.skip(why)


@pytest.fixture
def plane(able: None) -> Iterator[EbpfPlane]:
    ground = EbpfPlane()
    yield ground
    ground.close()


def hop(number: int, port: int) -> Hop:
    return Hop(Neighbor(f"n{port}", f"eth{port}", mac=bytes((2, 0, 0, 0, 1, port))), number)


def crossing(first: int, second: int, start: int) -> Masks:
    """Return a table that sends the low bits by one interface and the high ones by another."""
    return Masks(Bsl.B256, {hop(start, first): LOW, hop(start + 1, second): HIGH})


def transit(ports: int = 3) -> Program:
    interfaces = {f"eth{n}": Interface(Arrived.CORE, mac(f"eth{n}")) for n in range(ports)}
    low, high = Ways((hop(201, 1),)), Ways((hop(202, 2),))
    ways = {p: low if p <= 128 else high for p in range(1, 257)}
    return Program(
        interfaces=interfaces,
        routes={KEY: Routes(Bsl.B256, ways)},
        bift_ids={BiftId(Encapsulation.MPLS, 100): KEY},
    )


def frame(bits: int = LOW | HIGH, *, entropy: int = 0, ttl: int = 64) -> bytes:
    header = Header(
        encapsulation=Encapsulation.MPLS, bift_id=100, ttl=ttl, proto=4, bfir_id=3,
        bits=BitString(Bsl.B256, bits), entropy=entropy,
    )  # fmt: skip
    return mac("eth0") + bytes((2, 0, 0, 0, 9, 0)) + b"\x88\x47" + header.encode() + b"payload"


def compared(outcome: Outcome) -> tuple[Counter[object], Counter[object], dict[str, int]]:
    return Counter(outcome.out), Counter(outcome.delivered), outcome.dropped


def judged(plane: EbpfPlane, cases: Iterable[Case], record_property: object) -> int:
    wrong: list[str] = []
    why: list[str] = []
    for case in cases:
        vector = case.vector()
        lacks = lacking(plane, vector)
        if not lacks:
            wrong += [f"{case.name}: {fault}" for fault in faults(plane, vector)]
        why.append(lacks)
    assert not wrong, "\n".join(wrong[:10])
    note(record_property, plane.name, why)
    return why.count("")


def test_conformance_vectors_hold(plane: EbpfPlane, record_property: object) -> None:
    assert (
        judged(plane, sample(), record_property) > 50
    )  # `make soak` and bench/bier_forwarding.py take all of them


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_conformance_vectors_hold(plane: EbpfPlane, record_property: object) -> None:
    assert judged(plane, all_cases(), record_property) > 2000


def test_any_program_and_frame_come_out_as_of_the_reference(able: None) -> None:
    kernel = EbpfPlane()

    @settings(
        max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )
    @given(st.data())
    def same(data: st.DataObject) -> None:
        program = data.draw(programs())
        reference = ReferencePlane()
        for judge in (reference, kernel):
            judge.load(program)
        for _turn in range(4):
            failed = data.draw(st.sampled_from([None, None, None, *program.interfaces]))
            assert kernel.fail(failed) == reference.fail(failed)
            for _frame in range(3):
                arriving = data.draw(frames(program))
                wanted = compared(reference.receive(*arriving))
                assert compared(kernel.receive(*arriving)) == wanted

    try:
        same()
    finally:
        kernel.close()


def test_verdicts_and_what_is_left_of_a_frame(plane: EbpfPlane) -> None:
    plane.load(transit())
    run = plane.plane.test_run
    verdict, left = run("eth0", frame(1 << 200))
    assert verdict == REDIRECT  # the last copy is the frame itself
    assert left == plane.receive("eth0", frame(1 << 200)).out[0][1]
    assert run("eth0", frame(0))[0] == SHOT
    assert run("eth0", frame(ttl=0))[0] == SHOT
    other = frame()[:12] + b"\x08\x06" + frame()[14:]
    assert run("eth0", other) == (UNSPEC, other)
    counts = plane.plane.counters
    assert counts["received"] == 4
    assert (counts["dropped-empty-bit-string"], counts["dropped-ttl-expired"]) == (1, 1)


def replacing(plane: EbpfPlane, turn: int) -> None:
    plane.plane.replace(KEY, crossing(2, 1, 301) if turn % 2 else crossing(1, 2, 201))


def switching(plane: EbpfPlane, turn: int) -> None:
    assert plane.fail("eth1" if turn % 2 else None)


def loading(plane: EbpfPlane, turn: int) -> None:
    tables = {KEY: crossing(2, 1, 301) if turn % 2 else crossing(1, 2, 201)}
    plane.plane.load(transit(), tables, {})


def refreshing(plane: EbpfPlane, turn: int) -> None:
    if turn == 1:
        assert plane.fail("eth1")
    plane.plane.refresh()


@pytest.mark.parametrize("change", [replacing, switching, loading, refreshing])
def test_no_packet_is_lost_or_sees_half_a_change(
    plane: EbpfPlane, change: Callable[[EbpfPlane, int], None]
) -> None:
    backups = {"eth1": {KEY: crossing(2, 1, 301)}}
    plane.load(transit())
    plane.plane.load(transit(), {KEY: crossing(1, 2, 201)}, backups)
    count, stopped = 3000, threading.Event()

    def send() -> None:
        for number in range(count):
            plane.send("eth0", frame(entropy=number))
        stopped.set()

    sender = threading.Thread(target=send)
    sender.start()
    turns = 0
    while not stopped.is_set() or turns < 4:
        turns += 1
        change(plane, turns)
    sender.join()
    labels: dict[int, set[tuple[int, bool]]] = {}
    while (plane.plane.counters["received"]) < count:
        pass  # the softirq thread has some left
    for port in ("eth1", "eth2"):
        for copy in plane.waiting(port):
            first, second = (int.from_bytes(copy[at : at + 4], "big") for at in (14, 18))
            low = copy[26:42] == bytes(16)
            labels.setdefault(second & 0xFFFFF, set()).add((first >> 12, low))
    whole = [{(201, True), (202, False)}, {(301, True), (302, False)}]
    assert len(labels) == count
    assert all(seen in whole for seen in labels.values())
    if change is refreshing:  # the failure stays in use, whatever is looked at again
        turned = [labels[number] == whole[1] for number in sorted(labels)]
        assert turned == sorted(turned)
    counts = plane.plane.counters
    assert (counts["received"], counts["forwarded"]) == (count, 2 * count)
    assert not any(n for name, n in counts.items() if name.startswith(("dropped", "not")))


def test_changes_go_on_when_the_arrays_were_full_once(plane: EbpfPlane) -> None:
    plane.load(transit())
    for turn in range(9000):
        replacing(plane, turn)
    out = plane.receive("eth0", frame()).out
    assert {int.from_bytes(copy[14:18], "big") >> 12 for _port, copy in out} == {301, 302}


def test_an_interface_that_is_not_there_is_named(plane: EbpfPlane) -> None:
    with pytest.raises(EnvironmentProblem, match="no interface eth0, "):
        plane.plane.load(transit())


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import test_bier_ebpf as t
plane = t.KernelPlane()
plane.load(t.transit())
print("ready", flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_of_a_plane_that_was_killed(plane: EbpfPlane) -> None:
    plane.load(transit())
    plane.plane.close()
    with plane.namespace.entered():
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(Path(__file__).parent)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        host = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with host, child:
        host.bind(("eth0", 0x8847))
        host.settimeout(10)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        plane.send("eth0", frame(1 << 200, entropy=1))
        assert plane._ends["eth2"].recv(1 << 16)
        child.send_signal(signal.SIGKILL)
        child.wait()
        plane.send("eth0", frame(1 << 200, entropy=2))
        assert host.recv(1 << 16) == frame(1 << 200, entropy=2)  # not the first one: that was ours
        assert plane.waiting("eth2") == []
        with plane.namespace.entered():
            assert not [n for _i, n in socket.if_nameindex() if n.startswith("llmbier")]


def test_older_kernels_get_a_filter_that_the_next_start_takes_over(
    plane: EbpfPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> attachment.Attachment:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(attachment, "TcxAttachment", refused)
    plane.load(transit())
    assert len(plane.receive("eth0", frame()).out) == 2
    plane.load(transit())
    assert len(plane.receive("eth0", frame()).out) == 2
    with plane.namespace.entered():
        plane.plane.close()
        assert shown("qdisc", "show", "dev", "eth0") == ["qdisc noqueue 0: root refcnt 2"]
        plane.plane = KernelPlane()
    plane.load(transit())
    crashed, crashed._attached = plane.plane, {}  # its filters stay
    with plane.namespace.entered():
        plane.plane = KernelPlane()
    crashed.close()
    plane.load(transit())
    assert len(plane.receive("eth0", frame()).out) == 2
    with plane.namespace.entered():
        plane.plane.close()
        assert shown("filter", "show", "dev", "eth0", "ingress") == []


def shown(*arguments: str) -> list[str]:
    run = subprocess.run(["tc", *arguments], capture_output=True, text=True, check=True)
    return [line.strip() for line in run.stdout.splitlines()]
