"""The socket runtime in network namespaces: real interfaces, real routes, real links."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from netns import Namespaces, namespaces, needs_namespaces

from toolkit.bier.document import read_program
from toolkit.errors import EnvironmentProblem
from toolkit.inet import gre, ip, udp, vxlan

pytestmark = needs_namespaces

INGRESS = {"source": "10.0.9.1", "group": "232.1.1.1", "bsl": 64, "bfr_ids": "1-4"}


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def document(**more: Any) -> dict[str, Any]:
    """r1: a source behind src; r2, r3 (BFERs 2 and 3) behind eth2 and eth3."""
    return {
        "name": "r1",
        "bfr_ids": {"0": 1},
        "interfaces": {"src": {}, "eth2": {"bier": "core"}, "eth3": {"bier": "core"}},
        "bifts": [{"bsl": 64, "bift_id": 100, "follow": True}],
        "follow": {
            "bfers": [{"bfr_id": n, "prefix": f"192.0.2.{n}"} for n in (1, 2, 3)],
            "peers": [
                {"router": f"r{n}", "addresses": [f"10.0.{n}.{n}"],
                 "bift_ids": [{"bsl": 64, "base": 100 * n}]}
                for n in (2, 3)
            ],
        },
        "ingress": [INGRESS],
    } | more  # fmt: skip


@contextmanager
def network() -> Iterator[Namespaces]:
    with namespaces("r1", "src", "r2", "r3") as made:
        made.link(("r1", "src", mac(0x11)), ("src", "eth0", mac(0x91)))
        made.ip("src", "addr", "add", "10.0.9.1/24", "dev", "eth0")
        made.ip("r1", "addr", "add", "192.0.2.1/32", "dev", "lo")
        for n in (2, 3):
            made.link(("r1", f"eth{n}", mac(0x10 + n)), (f"r{n}", "eth0", mac(0x20 + n)))
            made.ip("r1", "addr", "add", f"10.0.{n}.1/24", "dev", f"eth{n}")
            made.ip(f"r{n}", "addr", "add", f"10.0.{n}.{n}/24", "dev", "eth0")
            made.ip("r1", "route", "add", f"192.0.2.{n}/32", "via", f"10.0.{n}.{n}")
        yield made


@contextmanager
def running(made: Namespaces, name: str, told: dict[str, Any]) -> Iterator[Any]:
    from toolkit.bier.runtime_socket import SocketRuntime

    with made.entered(name):
        runtime = SocketRuntime(read_program(told))
        try:
            yield runtime
        finally:
            runtime.close()


def until(runtime: Any, done: Callable[[], object]) -> None:
    """Let a runtime work until something is so; the bound is far beyond what it takes."""
    for _ in range(1000):
        if done():
            return
        runtime.poll(0.01)
    raise AssertionError(f"it never came to that: {runtime.snapshot().document()}")


@contextmanager
def listener(made: Namespaces, name: str, device: str) -> Iterator[socket.socket]:
    """Captures BIER that arrives in a namespace."""
    with made.entered(name):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x8847))
        opened.bind((device, 0x8847))
    opened.settimeout(5)
    with opened:
        yield opened


@contextmanager
def source(made: Namespaces) -> Iterator[Callable[[bytes], int]]:
    with made.entered("src"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        address = socket.inet_aton("10.0.9.1")
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 16)
        opened.connect(("232.1.1.1", 5001))
        yield opened.send


def bits(frame: bytes) -> int:
    return int.from_bytes(frame[26:34], "big")


def label(frame: bytes) -> int:
    return int.from_bytes(frame[14:17], "big") >> 4


def test_a_host_s_multicast_goes_to_every_bfer_by_the_kernel_s_routes() -> None:
    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        listener(made, "r2", "eth0") as two,
        listener(made, "r3", "eth0") as three,
        source(made) as send,
    ):
        until(runtime, lambda: len(runtime.macs) == 2)
        send(b"model" * 200)
        until(runtime, lambda: sum(runtime.sent.values()) == 2)
        for captured, n in ((two, 2), (three, 3)):
            frame = captured.recv(2000)
            assert (label(frame), bits(frame)) == (100 * n, 1 << n - 1)
            assert frame[:12].hex() == (mac(0x20 + n) + mac(0x10 + n)).replace(":", "")
            outer, offset = ip.parse(frame[34:])
            ports, payload = udp.parse(frame[34:], outer, offset)
            assert (outer.ttl, ports.checked, payload) == (15, True, b"model" * 200)
        assert runtime.snapshot().dropped == {"unknown-bit": 1}  # BFER 4 is nobody


def test_routes_that_change_move_one_bfer_and_nothing_else() -> None:
    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        listener(made, "r2", "eth0") as two,
        source(made) as send,
    ):
        until(runtime, lambda: len(runtime.macs) == 2)
        before = runtime.live.reprogrammed
        made.ip("r1", "route", "replace", "192.0.2.3/32", "via", "10.0.2.2")
        until(runtime, lambda: runtime.live.reprogrammed > before)
        send(b"model")
        until(runtime, lambda: sum(runtime.sent.values()) == 1)
        assert bits(two.recv(2000)) == 0b110
        made.ip("r1", "route", "del", "192.0.2.3/32")
        until(runtime, lambda: runtime.live.reprogrammed > before + 1)
        send(b"model")
        until(runtime, lambda: sum(runtime.sent.values()) == 2)
        assert bits(two.recv(2000)) == 0b010
        assert runtime.snapshot().dropped == {"unknown-bit": 2, "null-neighbor": 1}


def test_multipath_routes_are_equal_cost_ways() -> None:
    with network() as made, running(made, "r1", document()) as runtime:
        made.ip("r1", "route", "replace", "192.0.2.3/32", "nexthop", "via", "10.0.2.2",
                "nexthop", "via", "10.0.3.3")  # fmt: skip
        (key,) = runtime.live.routes
        until(runtime, lambda: len(runtime.live.routes[key].tables) == 2)
        hops = runtime.live.routes[key].ways[3].hops
        assert [hop.neighbor.interface for hop in hops] == ["eth2", "eth3"]


def test_nexthop_objects_are_followed_as_routing_daemons_use_them() -> None:
    with network() as made, running(made, "r1", document()) as runtime:
        (key,) = runtime.live.routes

        def interfaces() -> list[str]:
            return [hop.neighbor.interface for hop in runtime.live.routes[key].ways[3].hops]

        made.ip("r1", "nexthop", "add", "id", "2", "via", "10.0.2.2", "dev", "eth2")
        made.ip("r1", "nexthop", "add", "id", "3", "via", "10.0.3.3", "dev", "eth3")
        made.ip("r1", "nexthop", "add", "id", "9", "group", "2/3")
        made.ip("r1", "route", "replace", "192.0.2.3/32", "nhid", "9")
        until(runtime, lambda: interfaces() == ["eth2", "eth3"])
        made.ip("r1", "nexthop", "replace", "id", "9", "group", "2")
        until(runtime, lambda: interfaces() == ["eth2"])
        made.ip("r1", "nexthop", "replace", "id", "2", "via", "10.0.3.3", "dev", "eth3")
        until(runtime, lambda: interfaces() == ["eth3"])
        made.ip("r1", "link", "set", "eth3", "down")
        until(runtime, lambda: interfaces() == [])


def test_a_link_that_fails_takes_its_bfers_to_the_backup_and_back() -> None:
    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        listener(made, "r2", "eth0") as two,
        source(made) as send,
    ):
        made.ip("r1", "route", "add", "192.0.2.3/32", "via", "10.0.2.2", "metric", "50")
        (key,) = runtime.live.routes
        until(runtime, lambda: runtime.live.routes[key].ways[3].backup and len(runtime.macs) == 2)
        made.ip("r3", "link", "set", "eth0", "down")
        until(runtime, lambda: runtime.live.down == {"eth3"})
        send(b"model")
        until(runtime, lambda: sum(runtime.sent.values()) == 1)
        assert bits(two.recv(2000)) == 0b110
        made.ip("r3", "link", "set", "eth0", "up")
        until(runtime, lambda: not runtime.live.down)
        ways = runtime.live.routes[key].ways[3]
        assert [hop.neighbor.interface for hop in ways.hops] == ["eth3"]


def test_the_host_s_own_stack_gets_what_bier_delivered() -> None:
    """The proof is a plain UDP socket: it joins the group on the device and receives."""
    egress = [{"source": "10.0.9.1", "group": "232.1.1.1", "host": True}]
    with network() as made, running(made, "r1", document(egress=egress)) as runtime:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member:
            member.bind(("232.1.1.1", 5001))
            member.settimeout(5)
            device = socket.if_nametoindex("bier0")
            request = struct.pack("=4s4si", socket.inet_aton("232.1.1.1"), bytes(4), device)
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            until(runtime, lambda: len(runtime.macs) == 2)
            with source(made) as send:
                send(b"model")
            until(runtime, lambda: runtime.to_host == 1)
            payload, (sender, _port) = member.recvfrom(2000)
            assert (payload, sender) == (b"model", "10.0.9.1")
        assert runtime.snapshot().to_host == 1


def test_what_comes_faster_than_it_is_read_is_counted() -> None:
    with (
        network() as made,
        running(made, "r1", document()) as runtime,
        made.entered("r2"),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender,
    ):
        sender.bind(("eth0", 0))
        frame = bytes.fromhex((mac(0x12) + mac(0x22)).replace(":", "") + "8847") + bytes(1400)
        for _ in range(20_000):  # more than the kernel keeps for us
            sender.send(frame)
        until(runtime, lambda: runtime.poll(0) == 0)
        counted = runtime.snapshot().interfaces["eth2"]
        assert counted.kernel_dropped > 0
        assert counted.received + counted.kernel_dropped == 20_000


@pytest.mark.parametrize("kind", ["gre", "vxlan"])
def test_a_tunnel_to_us_is_opened_and_the_host_does_not_refuse_it(kind: str) -> None:
    """r3 sends through a tunnel whose outer packets come by r2's link; the copy leaves there."""
    neighbor = {"interface": "eth2", "address": "10.0.2.2"}
    far = {"local": "10.0.2.1", "remote": "10.0.2.2", "kind": kind}
    told = {
        "interfaces": {"eth2": {"bier": "core"}},
        "neighbors": {"r2": neighbor, "r3": neighbor | {"tunnel": far}},
        "bifts": [{"bsl": 64, "bift_id": 100, "rows": [
            {"bits": [1], "via": [{"neighbor": "r2", "bift_id": 200}]},
            {"bits": [2], "via": [{"neighbor": "r3", "bift_id": 300}]},
        ]}],
    }  # fmt: skip
    inner = bytes.fromhex("00064109" + "50100007" + "00040003" + "0000000000000001") + b"model"
    with (
        network() as made,
        running(made, "r1", told) as runtime,
        listener(made, "r2", "eth0") as copies,
        made.entered("r2"),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as two,
    ):
        two.bind(("eth0", 0x0800))
        two.setblocking(False)
        until(runtime, lambda: len(runtime.macs) == 1)
        source, destination = ip_address("10.0.2.2"), ip_address("10.0.2.1")
        if kind == "gre":
            packet = ip.Template(source, destination, 47).packet(gre.header(0x8847) + inner)
        else:
            front = bytes.fromhex("ff" * 6 + mac(0x22).replace(":", "") + "8847")
            template = udp.Template(source, 49152, destination, vxlan.PORT, checked=False)
            packet = template.packet(vxlan.header(0) + front + inner)
        two.send(bytes.fromhex((mac(0x12) + mac(0x22)).replace(":", "") + "0800") + packet)
        until(runtime, lambda: runtime.sent["eth2"] == 1)
        assert copies.recv(2000)[14:18].hex() == "000c8108"
        with pytest.raises(BlockingIOError):  # no ICMP, which would have come before the copy
            two.recv(2000)


def ipv6(made: Namespaces) -> None:
    """r1 and r2 speak IPv6 too."""
    for name, device, address in (("r1", "eth2", "2001:db8:2::1"), ("r2", "eth0", "2001:db8:2::2")):
        with made.entered(name):
            conf = Path("/proc/sys/net/ipv6/conf")
            for which in ("all", device):
                (conf / which / "disable_ipv6").write_text("0", encoding="ascii")
        made.ip(name, "addr", "add", f"{address}/64", "dev", device, "nodad")


def test_ipv6_routes_are_followed_through_all_their_changes() -> None:
    told = document(ingress=[])
    told["follow"] = {
        "bfers": [{"bfr_id": n, "prefix": f"2001:db8::{n}"} for n in (2, 3)],
        "peers": [
            {"router": f"p{n}", "addresses": [f"2001:db8:2::{n}"],
             "bift_ids": [{"bsl": 64, "base": 100 * n}]}
            for n in (2, 3)
        ],
    }  # fmt: skip
    with network() as made, running(made, "r1", told) as runtime:
        ipv6(made)
        (key,) = runtime.live.routes

        def ways(position: int) -> list[int]:
            return [hop.bift_id for hop in runtime.live.routes[key].ways[position].hops]

        def route(*words: str) -> None:
            made.ip("r1", "-6", "route", *words)

        route("add", "2001:db8::/64", "via", "2001:db8:2::2")
        until(runtime, lambda: ways(2) == [200])
        route("append", "2001:db8::/64", "via", "2001:db8:2::3")
        until(runtime, lambda: ways(2) == ways(3) == [200, 300])
        route("del", "2001:db8::/64", "via", "2001:db8:2::2")
        until(runtime, lambda: ways(2) == [300])
        route("replace", "2001:db8::2/128", "via", "2001:db8:2::2")
        until(runtime, lambda: (ways(2), ways(3)) == ([200], [300]))
        made.ip("r1", "link", "set", "eth2", "down")
        until(runtime, lambda: (ways(2), ways(3)) == ([], []))


def test_missing_interfaces_are_all_named() -> None:
    told = document(interfaces={"eth8": {}, "eth9": {}, "eth2": {"bier": "core"}})
    with (
        network() as made,
        pytest.raises(EnvironmentProblem) as refused,
        running(made, "r1", told),
    ):
        pass
    assert str(refused.value) == (
        "no interface eth8 here; there are eth2, eth3, lo, src\n"
        "no interface eth9 here; there are eth2, eth3, lo, src"
    )


def test_an_interface_that_has_gone_before_we_hear_of_it_is_no_end() -> None:
    with network() as made, running(made, "r1", document()) as runtime:
        made.ip("r1", "link", "del", "eth3")
        until(runtime, lambda: not runtime.is_up("eth3"))
        made.link(("r1", "eth3", mac(0x13)), ("r3", "eth0", mac(0x23)))
        made.ip("r1", "link", "del", "eth3")  # both are told at once
        with made.entered("r1"):
            runtime.poll(0.01)
            made.link(("r1", "eth3", mac(0x13)), ("r3", "eth0", mac(0x23)))
            until(runtime, lambda: runtime.is_up("eth3"))
        assert set(runtime._sockets) == {"src", "eth2", "eth3"}
