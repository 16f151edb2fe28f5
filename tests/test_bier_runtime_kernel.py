"""A BFR whose BIER is forwarded by the kernel: what holds on sockets holds, and who does what."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import test_bier_socket as on_sockets
from bier_cases import sample
from netns import Namespaces, needs_namespaces
from test_bier_ebpf import missing
from test_bier_socket import bits, document, label, listener, mac, network, running, until

from toolkit.bier import runtime_socket
from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.conformance.judge import faults, lacking
from toolkit.bier.wire import Encapsulation, Header

pytestmark = needs_namespaces


@pytest.fixture(autouse=True)
def by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    if why := missing():
        pytest.skip(why)
    from toolkit.bier.runtime_kernel import KernelRuntime

    monkeypatch.setattr(runtime_socket, "SocketRuntime", KernelRuntime)


@pytest.mark.parametrize(
    "same",
    [
        on_sockets.test_a_host_s_multicast_goes_to_every_bfer_by_the_kernel_s_routes,
        on_sockets.test_routes_that_change_move_one_bfer_and_nothing_else,
        on_sockets.test_a_link_that_fails_takes_its_bfers_to_the_backup_and_back,
        on_sockets.test_the_host_s_own_stack_gets_what_bier_delivered,
    ],
    ids=lambda test: test.__name__,
)
def test_what_holds_on_sockets_holds(same: Callable[[], None]) -> None:
    same()


@pytest.mark.timeout(300)
def test_vectors_hold_for_kernel_and_process_together() -> None:
    from toolkit.bier.kernel.forwarding import ForwardingPlane

    plane, wrong = ForwardingPlane(), {}
    try:
        for case in sample()[::3]:  # each takes a link down and up, or a program anew
            vector = case.vector()
            if not lacking(plane, vector):
                wrong[case.name] = faults(plane, vector)
    finally:
        plane.close()
    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(wrong) > 50


def packet(value: int, *, proto: int = 4, ttl: int = 64) -> bytes:
    header = Header(
        encapsulation=Encapsulation.MPLS, bift_id=100, ttl=ttl, proto=proto, bfir_id=9,
        bits=BitString(Bsl.B64, value),
    ).encode()  # fmt: skip
    to = bytes.fromhex((mac(0x12) + mac(0x22)).replace(":", ""))
    return to + b"\x88\x47" + header + b"payload"


@contextmanager
def sender(made: Namespaces) -> Iterator[Callable[[bytes], int]]:
    """Sends frames from r2 to r1."""
    with made.entered("r2"), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
        opened.bind(("eth0", 0))
        yield opened.send


def test_bier_is_forwarded_by_the_kernel_while_the_process_does_nothing() -> None:
    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        listener(made, "r3", "eth0") as three,
        sender(made) as send,
    ):
        until(runtime, lambda: len(runtime.macs) == 2)
        send(packet(0b0100))
        frame = three.recv(2000)  # nobody polls
        assert (label(frame), bits(frame), frame[17]) == (300, 0b100, 63)
        assert not sum(runtime.sent.values())


def test_counters_of_both_are_one_account() -> None:
    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        listener(made, "r3", "eth0") as three,
        on_sockets.source(made) as multicast,
        sender(made) as send,
    ):
        until(runtime, lambda: len(runtime.macs) == 2)
        send(packet(0b1100))
        three.recv(2000)
        multicast(b"model")
        until(runtime, lambda: runtime.snapshot().counters["imposed"] == 1)
        snapshot = runtime.snapshot()
        assert snapshot.counters["received"] == 1
        assert snapshot.counters["forwarded"] == 1 + 2
        assert snapshot.dropped == {"unknown-bit": 2}
        assert snapshot.interfaces["eth2"].received == 1
        assert snapshot.interfaces["eth3"].sent == 2


def test_tables_that_the_kernel_cannot_hold_are_forwarded_here() -> None:
    rows: list[dict[str, Any]] = [
        {"bits": [2], "via": [{"neighbor": "two", "bift_id": 7, "f_bm": [2, 3]}]},
        {"bits": [3], "via": [{"neighbor": "three", "bift_id": 8, "f_bm": [3]}]},
    ]
    told = {
        "interfaces": {"eth2": {"bier": "core"}, "eth3": {"bier": "core"}},
        "neighbors": {
            "two": {"interface": "eth2", "mac": mac(0x22)},
            "three": {"interface": "eth3", "mac": mac(0x23)},
        },
        "bifts": [{"bsl": 64, "bift_id": 100, "rows": rows}],
    }
    with (
        network() as made,
        running(made, "r1", told) as runtime,
        listener(made, "r3", "eth0") as three,
        sender(made) as send,
    ):
        send(packet(0b100))
        until(runtime, lambda: runtime.snapshot().counters["forwarded"] == 1)
        assert (label(frame := three.recv(2000)), bits(frame)) == (8, 0b100)
        assert runtime.snapshot().counters["received"] == 1


def test_a_new_program_is_the_kernel_s_too() -> None:
    from toolkit.bier.document import read_program

    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        listener(made, "r3", "eth0") as three,
        sender(made) as send,
    ):
        until(runtime, lambda: len(runtime.macs) == 2)
        ways = [{"bits": [3], "via": [{"neighbor": "three", "bift_id": 777}]}]
        with made.entered("r1"):
            runtime.load(
                read_program(
                    {
                        "interfaces": {"eth2": {"bier": "core"}, "eth3": {"bier": "core"}},
                        "neighbors": {"three": {"interface": "eth3", "mac": mac(0x23)}},
                        "bifts": [{"bsl": 64, "bift_id": 100, "rows": ways}],
                    }
                )
            )
        send(packet(0b100))
        assert label(three.recv(2000)) == 777
