"""What a host lacks for a delivery: facts in, findings out.

Pure.  `toolkit.transport.hostfacts` reads the facts; a fact that could not be read is None, and
nothing is concluded from it.  Every finding says what is so, why it matters, and the command that
changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

BUFFER_TIME = 0.05
"""Seconds of the rate that a socket buffer must hold: so long a process may be away."""
HEADERS = {4: 28, 6: 48}
"""IP and UDP, in bytes."""
FINE_CLOCK = 1e-6
FAST_CLOCKS = frozenset({"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"})
RING_LOSS = 1e-5
"""Share of received packets that a card may have dropped before anything is said."""


class Weight(StrEnum):
    """How much a finding matters."""

    FAULT = "fault"
    """The delivery would fail, lose packets, or be slower than was asked."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the host lacks."""

    id: str
    weight: Weight
    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One network interface."""

    name: str
    mtu: int
    up: bool
    multicast: bool
    loopback: bool = False
    qdisc: str = ""
    gso: bool | None = None
    gro: bool | None = None
    force_igmp_version: int | None = None
    rp_filter: int | None = None
    """The larger of all/ and the interface's own, as the kernel takes it."""
    memberships: int = 0
    received: int = 0
    missed: int = 0
    """Packets that the card, or its driver, had to drop: no room in the ring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of this host."""

    kernel: tuple[int, int] | None = None
    rmem_max: int | None = None
    wmem_max: int | None = None
    may_force_buffers: bool = False
    """CAP_NET_ADMIN: buffers larger than the maximum are granted."""
    may_use_raw: bool = False
    """CAP_NET_RAW."""
    interface: Interface | None = None
    """The one that the delivery uses."""
    interface_problem: str = ""
    """Why it is not known."""
    igmp_max_memberships: int | None = None
    udp_buffer_errors: int | None = None
    """Datagrams that were dropped since boot because a socket's buffer was full."""
    clock_resolution: float | None = None
    clock_source: str = ""
    clock_synchronised: bool | None = None
    cpus: int | None = None
    cpu_quota: float | None = None
    """CPUs that the control group allows; None: no limit."""
    governor: str = ""
    disk_write: float | None = None
    """bit/s, measured."""
    disk_free: int | None = None
    disk_problem: str = ""
    udp_gso: bool | None = None
    udp_gro: bool | None = None
    fec_backend: str = ""
    fec_fast: bool | None = None
    gpus: int = 0
    torch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What the host is asked to do."""

    rate: int
    payload: int
    family: int = 4
    """IP version."""
    groups: int = 0
    ssm: bool = False
    sends: bool = True
    receives: bool = True
    folder: str = ""
    size: int = 0
    """Bytes that must fit the folder; 0: not known."""


def judge(facts: Facts, need: Need) -> list[Finding]:
    """All findings, those that matter most first."""
    found = [finding for check in _CHECKS for finding in check(facts, need)]
    return sorted(found, key=lambda f: f.weight is not Weight.FAULT)


def _buffers(facts: Facts, need: Need) -> Iterator[Finding]:
    wanted = int(need.rate * BUFFER_TIME / 8)
    held = f"{BUFFER_TIME * 1000:g} ms of {_rate(need.rate)} are {wanted} bytes"
    for name, limit, wants, lost in (
        ("rmem_max", facts.rmem_max, need.receives, "arrive while the receiver is busy are lost"),
        ("wmem_max", facts.wmem_max, need.sends, "do not fit wait in the sender, which falls back"),
    ):
        if wants and limit is not None and limit < wanted and not facts.may_force_buffers:
            yield Finding(
                id=f"buffer-{name}", weight=Weight.FAULT,
                what=f"net.core.{name} is {limit} bytes; {held}",
                why=f"packets that {lost}",
                remedy=f"sysctl -w net.core.{name}={_round_up(wanted)}  (and the same in "
                "/etc/sysctl.d/ to keep it)",
            )  # fmt: skip
    if need.receives and facts.udp_buffer_errors:
        yield Finding(
            id="buffer-overflows", weight=Weight.NOTE,
            what=f"{facts.udp_buffer_errors} datagrams have been dropped since boot because a "
            "socket's buffer was full",
            why="if the number grows during a delivery, packets are lost on this host, not in "
            "the network",
            remedy="nstat -az UdpRcvbufErrors  (before and after)",
        )  # fmt: skip


def _interface(facts: Facts, need: Need) -> Iterator[Finding]:
    link = facts.interface
    if link is None:
        if facts.interface_problem:
            yield Finding(
                id="interface", weight=Weight.FAULT, what=facts.interface_problem,
                why="packets have no way out, or memberships no interface",
                remedy="ip address; ip route add 224.0.0.0/4 dev INTERFACE  (or name one with "
                "--interface)"
                if need.groups else "ip address; ip route",
            )  # fmt: skip
        return
    length = need.payload + HEADERS[need.family]
    if link.mtu < length:
        fits = (link.mtu - HEADERS[need.family]) // 4 * 4
        yield Finding(
            id="mtu", weight=Weight.FAULT,
            what=f"{link.name}: MTU {link.mtu}; packets of {need.payload} bytes of payload have "
            f"{length}",
            why="each packet would be cut in two, and is lost when one half is",
            remedy=f"ip link set dev {link.name} mtu {length}  (on every link of the path), or "
            f"--payload {fits}",
        )  # fmt: skip
    if not link.up:
        yield Finding(
            id="link-down", weight=Weight.FAULT, what=f"{link.name}: is down",
            why="nothing is sent or received there", remedy=f"ip link set dev {link.name} up",
        )  # fmt: skip
    if need.receives and link.received and link.missed > RING_LOSS * link.received:
        yield Finding(
            id="ring-drops", weight=Weight.NOTE,
            what=f"{link.name}: {link.missed} of {link.received + link.missed} packets were "
            "dropped by the card since boot",
            why="its ring was full: bursts are lost before the kernel sees them",
            remedy=f"ethtool -G {link.name} rx 4096",
        )  # fmt: skip
    if need.receives and link.gro is False and not link.loopback:
        yield Finding(
            id="gro", weight=Weight.NOTE, what=f"{link.name}: generic receive offload is off",
            why="every packet costs the kernel its full price",
            remedy=f"ethtool -K {link.name} gro on",
        )  # fmt: skip
    if need.sends and link.qdisc in ("noqueue", "pfifo_fast") and not link.loopback:
        if link.qdisc == "noqueue":
            return
        yield Finding(
            id="qdisc", weight=Weight.NOTE, what=f"{link.name}: queueing discipline {link.qdisc}",
            why="bursts of this and other traffic share one queue",
            remedy=f"tc qdisc replace dev {link.name} root fq",
        )  # fmt: skip


def _multicast(facts: Facts, need: Need) -> Iterator[Finding]:
    link = facts.interface
    if not need.groups or link is None:
        return
    if not link.multicast and not link.loopback:
        yield Finding(
            id="multicast-flag", weight=Weight.FAULT,
            what=f"{link.name}: multicast is switched off",
            why="groups can be neither joined nor sent to there",
            remedy=f"ip link set dev {link.name} multicast on",
        )  # fmt: skip
    if not need.receives:
        return
    forced = link.force_igmp_version
    if need.family == 4 and forced in (1, 2) and need.ssm:
        yield Finding(
            id="igmp-version", weight=Weight.FAULT,
            what=f"{link.name}: force_igmp_version is {forced}",
            why="joining one source of an SSM group takes IGMPv3 (RFC 4607)",
            remedy=f"sysctl -w net.ipv4.conf.{link.name}.force_igmp_version=0 "
            "net.ipv4.conf.all.force_igmp_version=0",
        )  # fmt: skip
    if need.family == 4 and link.rp_filter == 1:
        yield Finding(
            id="rp-filter", weight=Weight.NOTE, what=f"{link.name}: rp_filter is strict",
            why="packets of the group are dropped silently unless the way back to the sender "
            "leaves by this interface",
            remedy=f"ip route get SENDER; where it names another interface: "
            f"sysctl -w net.ipv4.conf.{link.name}.rp_filter=2",
        )  # fmt: skip
    limit, wanted = facts.igmp_max_memberships, link.memberships + need.groups
    if need.family == 4 and limit is not None and wanted > limit:
        yield Finding(
            id="memberships", weight=Weight.FAULT,
            what=f"{link.memberships} groups are joined, {need.groups} are to come, "
            f"igmp_max_memberships is {limit}",
            why="a socket may not join more",
            remedy=f"sysctl -w net.ipv4.igmp_max_memberships={2 * wanted}",
        )  # fmt: skip


def _clock(facts: Facts, _: Need) -> Iterator[Finding]:
    if facts.clock_resolution is not None and facts.clock_resolution > FINE_CLOCK:
        yield Finding(
            id="clock-resolution", weight=Weight.FAULT,
            what=f"the monotonic clock has steps of {facts.clock_resolution:g} s",
            why="packets cannot be paced: they leave in bursts",
            remedy="boot a kernel with high-resolution timers (CONFIG_HIGH_RES_TIMERS)",
        )  # fmt: skip
    source = facts.clock_source
    if source and source not in FAST_CLOCKS:
        yield Finding(
            id="clock-source", weight=Weight.NOTE, what=f"the clock source is {source}",
            why="each look at the clock is a slow one, and pacing looks often",
            remedy="cat /sys/devices/system/clocksource/clocksource0/available_clocksource; "
            "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource",
        )  # fmt: skip
    if facts.clock_synchronised is False:
        yield Finding(
            id="clock-sync", weight=Weight.NOTE, what="the clock is not synchronised",
            why="a receiver whose clock was set back between two starts is taken for an old one, "
            "and times of receipts cannot be compared",
            remedy="timedatectl set-ntp true  (or: chronyc makestep)",
        )  # fmt: skip


def _disk(facts: Facts, need: Need) -> Iterator[Finding]:
    if not need.folder:
        return
    if facts.disk_problem:
        yield Finding(
            id="disk", weight=Weight.FAULT, what=f"{need.folder}: {facts.disk_problem}",
            why="nothing can be placed there", remedy=f"ls -ld {need.folder}; df {need.folder}",
        )  # fmt: skip
    if facts.disk_write is not None and facts.disk_write < need.rate:
        yield Finding(
            id="disk-speed", weight=Weight.FAULT,
            what=f"{need.folder}: takes {_rate(int(facts.disk_write))}, the session has "
            f"{_rate(need.rate)}",
            why="the receiver falls behind, what it cannot hold is lost and sent again",
            remedy=f"llmsync send --rate {_short_rate(facts.disk_write * 0.9)}, or another "
            "--output folder",
        )  # fmt: skip
    if facts.disk_free is not None and need.size > facts.disk_free:
        yield Finding(
            id="disk-space", weight=Weight.FAULT,
            what=f"{need.folder}: {facts.disk_free} bytes are free, {need.size} are to come",
            why="the delivery is refused when it begins",
            remedy=f"free {need.size - facts.disk_free} bytes, or another --output folder",
        )  # fmt: skip


def _cpu(facts: Facts, need: Need) -> Iterator[Finding]:
    allowed = facts.cpus
    if facts.cpu_quota is not None and allowed is not None and facts.cpu_quota < min(allowed, 1):
        yield Finding(
            id="cpu-quota", weight=Weight.FAULT,
            what=f"the control group allows {facts.cpu_quota:g} of a CPU",
            why="the process is stopped again and again, and packets are lost meanwhile",
            remedy="raise the CPU limit of this container or unit to 2 "
            "(systemctl set-property UNIT CPUQuota=200%)",
        )  # fmt: skip
    elif allowed is not None and allowed < 2:
        yield Finding(
            id="cpus", weight=Weight.NOTE, what=f"{allowed} CPU",
            why="receiving, checking and writing take turns; "
            f"{_rate(need.rate)} may be more than they manage",
            remedy="give this host, or its container, a second CPU",
        )  # fmt: skip
    if facts.governor in ("powersave", "conservative"):
        yield Finding(
            id="governor", weight=Weight.NOTE, what=f"the CPU governor is {facts.governor}",
            why="clocks rise only after packets have been lost",
            remedy="cpupower frequency-set -g performance",
        )  # fmt: skip


def _kernel(facts: Facts, need: Need) -> Iterator[Finding]:
    if facts.kernel is not None and facts.kernel < (4, 18):
        yield Finding(
            id="kernel", weight=Weight.NOTE, what="Linux {}.{}".format(*facts.kernel),
            why="UDP segmentation offload came with 4.18, receive offload with 5.0",
            remedy="a kernel from 5.0 on",
        )  # fmt: skip
    elif need.sends and facts.udp_gso is False:
        yield Finding(
            id="udp-gso", weight=Weight.NOTE, what="UDP segmentation offload is not there",
            why="every packet costs a pass through the kernel", remedy="a kernel from 4.18 on",
        )  # fmt: skip
    if not facts.may_use_raw:
        yield Finding(
            id="cap-net-raw", weight=Weight.NOTE, what="CAP_NET_RAW is missing",
            why="the packet transport (BIER imposed by the host) cannot be used; UDP needs it not",
            remedy="run as root, or systemd-run -p AmbientCapabilities=CAP_NET_RAW ...",
        )  # fmt: skip


def _coding(facts: Facts, _: Need) -> Iterator[Finding]:
    if facts.fec_fast is False:
        yield Finding(
            id="fec", weight=Weight.NOTE, what=f"parity is computed by {facts.fec_backend}",
            why="repairs cost ten times the CPU of ISA-L",
            remedy="apt install libisal2  (or: pip install pyeclib)",
        )  # fmt: skip
    if facts.gpus and not facts.torch:
        yield Finding(
            id="torch", weight=Weight.NOTE, what=f"{facts.gpus} GPU, and torch is not installed",
            why="`receive --gpu` cannot hand out tensors", remedy="pip install torch",
        )  # fmt: skip


_CHECKS: tuple[Callable[[Facts, Need], Iterator[Finding]], ...] = (
    _buffers, _interface, _multicast, _disk, _clock, _cpu, _kernel, _coding,
)  # fmt: skip


def _rate(rate: int) -> str:
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if rate >= size:
            return f"{rate / size:.3g} {unit}"
    return f"{rate} bit/s"


def _short_rate(rate: float) -> str:
    """As --rate takes it."""
    return f"{max(int(rate / 1e6), 1)}M" if rate >= 1e6 else f"{max(int(rate), 1000)}"


def _round_up(size: int) -> int:
    """To a mebibyte."""
    return -(-size // 2**20) * 2**20
