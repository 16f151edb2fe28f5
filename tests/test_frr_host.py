"""The kernel beside FRR: packet filter, queues and MTU, undone where anything fails."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface

import pytest
from netns import Namespaces, namespaces, needs_namespaces, run

from toolkit.errors import EnvironmentProblem, SchemaError
from toolkit.netconf.backend_linux import HANDLE, HostPart, LinuxBackend
from toolkit.netconf.runtime_linux import LinuxKernel
from toolkit.render.host import part_of_state
from toolkit.state.model import EdgeProtection, Interface, QosClass, RouterState

needs_nft = pytest.mark.skipif(
    shutil.which("nft") is None, reason="nft is not installed (apt-get install nftables)"
)
EVERYTHING = HostPart(filter="new", filtering=True, classed=("e0",), mtus={"e0": 4000})
NOTHING = HostPart(filter="gone")


@dataclass
class Model:
    """A kernel that does what it is told, and fails where a test says so."""

    links: dict[str, int] = field(default_factory=lambda: {"lo": 65536, "e0": 1500, "e1": 1500})
    roots: dict[str, tuple[str, str]] = field(default_factory=dict)
    loaded: str = ""
    failing: set[str] = field(default_factory=set)
    can_filter: bool = True

    def mtus(self) -> Mapping[str, int]:
        return dict(self.links)

    def queues(self) -> Mapping[str, tuple[str, str]]:
        return dict(self.roots)

    def refuses(self, filter_text: str) -> str:
        return "syntax error" if "nonsense" in filter_text else ""

    def filter(self, text: str) -> None:
        if text in self.failing:
            raise EnvironmentProblem("nft fails")
        self.loaded = text

    def commands(self, program: str, text: str) -> None:
        for line in text.splitlines():
            words = line.split()
            if program == "ip":
                self.links[words[3]] = int(words[5])
            elif words[:2] == ["qdisc", "replace"]:
                self.roots[words[3]] = ("htb", HANDLE)
            elif words[:2] == ["qdisc", "del"]:
                self.roots[words[3]] = ("noqueue", "0")


def backend(kernel) -> LinuxBackend:
    return LinuxBackend("r1", kernel, lambda document: document.get("part", NOTHING))


def test_everything_comes_and_goes():
    kernel = Model()
    plane = backend(kernel)
    plane.apply({"part": EVERYTHING})
    assert (kernel.links["e0"], kernel.roots["e0"], kernel.loaded) == (4000, ("htb", HANDLE), "new")
    plane.apply({})
    assert kernel.links["e0"] == 1500
    assert kernel.roots["e0"] == ("noqueue", "0")
    assert kernel.loaded == "gone"


def test_what_fails_late_is_undone():
    kernel = Model(failing={"new"})
    with pytest.raises(EnvironmentProblem, match="nft fails"):
        backend(kernel).apply({"part": EVERYTHING})
    assert (kernel.links["e0"], kernel.roots["e0"], kernel.loaded) == (
        1500, ("noqueue", "0"), "gone",
    )  # fmt: skip


def test_what_cannot_be_undone_is_said():
    kernel = Model(failing={"new", "gone"})
    with pytest.raises(EnvironmentProblem, match="nft fails; nor could it be undone: nft fails"):
        backend(kernel).apply({"part": EVERYTHING})


def test_queues_and_leftovers_of_a_former_process():
    kernel = Model(roots={"e0": ("htb", HANDLE), "e1": ("tbf", "1")})
    backend(kernel).apply({})
    assert kernel.roots == {"e0": ("noqueue", "0"), "e1": ("tbf", "1")}


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (HostPart(mtus={"e7": 1500}), "this host has no interface e7 (there are e0, e1, lo)"),
        (HostPart(classed=("e1",)), "e1 has a queue of somebody else (tbf 1:)"),
        (HostPart(filter="nonsense", filtering=True), "nft refuses the packet filter: syntax"),
    ],
)
def test_what_the_host_cannot_have_is_refused_before(part, says):
    kernel = Model(roots={"e1": ("tbf", "1")})
    with pytest.raises(SchemaError) as caught:
        backend(kernel).check({"part": part})
    assert says in str(caught.value)
    backend(kernel).check({"part": EVERYTHING})


def test_a_host_without_nft_does_without_where_nothing_is_filtered():
    kernel = Model(can_filter=False, failing={"gone"})
    backend(kernel).apply({})
    assert kernel.loaded == ""


# ----- the real kernel


def state(*sources: str, dscp: int | None = 1) -> RouterState:
    guard = EdgeProtection(sources=tuple(map(ip_address, sources)))
    return RouterState(
        name="r1",
        interfaces={
            "lo": Interface(name="lo"),
            "e0": Interface(name="e0", mtu=4000, addresses=(ip_interface("10.0.0.0/31"),)),
            "e1": Interface(name="e1", protection=guard, addresses=(ip_interface("10.1.0.1/24"),)),
        },
        qos=None if dscp is None else QosClass(dscp=dscp),
    )


@pytest.fixture
def cabled():
    with namespaces("r", "far", "host") as spaces:
        spaces.link(("r", "e0", "02:00:00:00:00:01"), ("far", "e0", "02:00:00:00:00:02"))
        spaces.link(("r", "e1", "02:00:00:00:00:03"), ("host", "eth0", "02:00:00:00:00:04"))
        spaces.ip("r", "address", "add", "10.0.0.0/31", "dev", "e0")
        spaces.ip("r", "address", "add", "10.1.0.1/24", "dev", "e1")
        for address in ("10.1.0.2/24", "10.1.0.3/24"):
            spaces.ip("host", "address", "add", address, "dev", "eth0")
        yield spaces


def udp(spaces: Namespaces, name: str) -> socket.socket:
    with spaces.entered(name):
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@pytest.mark.interop
@needs_namespaces
@needs_nft
def test_the_edge_takes_multicast_of_permitted_sources_alone_and_no_pim(cabled):
    kernel = LinuxKernel(cabled["r"])
    wanted = {"part": part_of_state(state("10.1.0.2"))}
    plane = LinuxBackend("r1", kernel, lambda d: d.get("part", part_of_state(RouterState(name=""))))
    plane.check(wanted)
    with udp(cabled, "r") as receiver, udp(cabled, "host") as sender:
        receiver.bind(("232.1.0.1", 5000))
        inside = socket.inet_aton("232.1.0.1") + socket.inet_aton("10.1.0.1")
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, inside)
        receiver.settimeout(1.0)

        def heard(source: str) -> bool:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
            sender.sendto(source.encode(), ("232.1.0.1", 5000))
            try:
                return receiver.recv(100) == source.encode()
            except TimeoutError:
                return False

        assert heard("10.1.0.2")
        assert heard("10.1.0.3")
        plane.apply(wanted)
        assert heard("10.1.0.2")
        assert not heard("10.1.0.3")
        plane.apply({})
        assert heard("10.1.0.3")
    plane.apply(wanted)
    with cabled.entered("host"):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 103)
    with raw:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.1.0.2"))
        raw.sendto(bytes.fromhex("2000dfff"), ("224.0.0.13", 0))
    table = run("ip", "netns", "exec", cabled["r"], "nft", "list", "table", "inet", "llmsync")
    assert "meta l4proto pim counter packets 1" in table.replace('"', "").replace("103", "pim")


@pytest.mark.interop
@needs_namespaces
@needs_nft
def test_the_class_has_a_queue_of_its_own_that_is_served_last(cabled):
    kernel = LinuxKernel(cabled["r"])
    plane = LinuxBackend("r1", kernel, lambda d: d.get("part", part_of_state(RouterState(name=""))))
    plane.apply({"part": part_of_state(state())})
    assert kernel.mtus()["e0"] == 4000
    with udp(cabled, "r") as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.0.0.0"))
        for tos, count in ((1 << 2, 5), (0, 3)):
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            for _ in range(count):
                sender.sendto(bytes(100), ("232.1.0.1", 5000))
    shown = run("ip", "netns", "exec", cabled["r"], "tc", "-s", "class", "show", "dev", "e0")
    found = re.findall(r"class htb (\S+) root prio (\d) .*\n Sent \d+ bytes (\d+) pkt", shown)
    classes = {number: (int(prio), int(packets)) for number, prio, packets in found}
    assert classes[f"{HANDLE}:2"] == (7, 5)
    assert classes[f"{HANDLE}:1"][0] == 0
    assert classes[f"{HANDLE}:1"][1] >= 3
    plane.apply({})
    assert kernel.queues()["e0"][1] == "0"
    assert kernel.mtus()["e0"] == 1500
