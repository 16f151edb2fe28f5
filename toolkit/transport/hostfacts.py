"""Read what `toolkit.transport.health` judges: from /proc, /sys, netlink, ioctl and a disk.

A fact that cannot be read (another system, a container, no permission) is None and stays so.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import platform
import re
import shutil
import socket
import time
from pathlib import Path

from toolkit.transport import links
from toolkit.transport.address import Address
from toolkit.transport.disk import measure
from toolkit.transport.health import Facts, Interface

_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13
_UDP_SEGMENT, _UDP_GRO = 103, 104
_STA_UNSYNC = 0x40
_TIME_ERROR = 5


def read(
    *,
    towards: Address | None,
    interface: str,
    folder: Path | None,
    writes: bool,
    seconds: float = 1.0,
) -> Facts:
    """Return what can be known.

    `towards`: a group or host that the delivery uses; `interface`: the one that was named, as an
    address of ours or by name; `folder`: measured when `writes`, for `seconds` at most.
    """
    link, problem = _interface(towards, interface)
    free, write, disk_problem = _disk(folder, seconds) if folder and writes else (None, None, "")
    capabilities = _capabilities()
    backend, fast = _fec()
    return Facts(
        kernel=_kernel(), rmem_max=_number("/proc/sys/net/core/rmem_max"),
        wmem_max=_number("/proc/sys/net/core/wmem_max"),
        may_force_buffers=bool(capabilities >> _CAP_NET_ADMIN & 1) and _forced(),
        may_use_raw=bool(capabilities >> _CAP_NET_RAW & 1),
        interface=link, interface_problem=problem,
        igmp_max_memberships=_number("/proc/sys/net/ipv4/igmp_max_memberships"),
        udp_buffer_errors=_udp_buffer_errors(),
        clock_resolution=time.get_clock_info("monotonic").resolution,
        clock_source=_text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        clock_synchronised=_synchronised(), cpus=len(os.sched_getaffinity(0)),
        cpu_quota=_quota(),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        disk_write=write, disk_free=free, disk_problem=disk_problem,
        udp_gso=_offers(_UDP_SEGMENT, 1400), udp_gro=_offers(_UDP_GRO, 1),
        fec_backend=backend, fec_fast=fast,
        gpus=len(list(Path("/proc/driver/nvidia/gpus").glob("*"))),
        torch=importlib.util.find_spec("torch") is not None,
    )  # fmt: skip


def _interface(towards: Address | None, named: str) -> tuple[Interface | None, str]:
    """The interface that packets to or from `towards` use, or why it is not known."""
    try:
        found = links.read()
    except OSError as error:
        return None, f"interfaces cannot be listed: {error.strerror or error}"
    name = named
    if named not in {link.name for link in found}:
        ours = named
        if not ours and towards is not None:
            try:
                with socket.socket(towards.family, socket.SOCK_DGRAM) as probe:
                    probe.connect(towards.sockaddr)
                    ours = str(probe.getsockname()[0])
            except OSError as error:
                return None, f"{towards}: no route: {error.strerror or error}"
        if not ours:
            return None, ""
        name = links.of_address(ours)
        if not name:
            return None, f"{ours}: is not an address of this host"
    link = next((link for link in found if link.name == name), None)
    if link is None:
        return None, f"{name}: no such interface"
    conf = Path("/proc/sys/net/ipv4/conf")
    own, every = (_number(str(conf / which / "rp_filter")) for which in (name, "all"))
    forced = [_number(str(conf / which / "force_igmp_version")) or 0 for which in ("all", name)]
    gso, gro = links.offloads(name)
    return Interface(
        name=name, mtu=link.mtu, up=link.up, multicast=link.multicast, loopback=link.loopback,
        qdisc=link.qdisc, gso=gso, gro=gro, force_igmp_version=forced[0] or forced[1],
        rp_filter=None if own is None else max(own, every or 0),
        memberships=_memberships(), received=link.received, missed=link.missed,
    ), ""  # fmt: skip


def _memberships() -> int:
    """IPv4 groups that this host has joined, the all-systems group left out."""
    groups = re.findall(r"^\t+([0-9A-F]{8})\s", _text("/proc/net/igmp"), re.MULTILINE)
    return sum(group != "010000E0" for group in groups)


def _disk(folder: Path, seconds: float) -> tuple[int | None, float | None, str]:
    """Bytes free, bit/s written, and what is wrong."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        return shutil.disk_usage(existing).free, measure(existing, seconds=seconds), ""
    except OSError as error:
        return None, None, error.strerror or str(error)


def _kernel() -> tuple[int, int] | None:
    matched = re.match(r"(\d+)\.(\d+)", platform.release())
    linux = platform.system() == "Linux"
    return (int(matched[1]), int(matched[2])) if matched and linux else None


def _udp_buffer_errors() -> int | None:
    lines = [line.split() for line in _text("/proc/net/snmp").splitlines() if line[:4] == "Udp:"]
    if len(lines) != 2 or "RcvbufErrors" not in lines[0]:
        return None
    return int(lines[1][lines[0].index("RcvbufErrors")])


def _capabilities() -> int:
    matched = re.search(r"^CapEff:\s*([0-9a-f]+)", _text("/proc/self/status"), re.MULTILINE)
    return int(matched[1], 16) if matched else 0


def _forced() -> bool:
    """Whether this host really grants more than the maximum: in a user namespace it does not."""
    wanted = 2 * (_number("/proc/sys/net/core/rmem_max") or 2**20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, 33, wanted)
        except OSError:
            return False
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= wanted


def _offers(option: int, value: int) -> bool | None:
    if platform.system() != "Linux":
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_UDP, option, value)
        except OSError:
            return False
    return True


class _Timex(ctypes.Structure):
    """struct timex, as far as it is read; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )  # fmt: skip


def _synchronised() -> bool | None:
    """Whether somebody keeps the wall clock right, as the kernel was told (adjtimex)."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = _Timex()
        state = libc.adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return state != _TIME_ERROR and not timex.status & _STA_UNSYNC


def _quota() -> float | None:
    """CPUs that the control group allows (version 2), None without a limit."""
    group = _text("/proc/self/cgroup").rpartition("::")[2].strip()
    words = _text(f"/sys/fs/cgroup{group}/cpu.max").split()
    if len(words) != 2 or not all(w.isdecimal() for w in words):
        return None
    return int(words[0]) / int(words[1])


def _fec() -> tuple[str, bool | None]:
    """What computes parity, and whether it is a fast one; nothing where that cannot be told."""
    if importlib.util.find_spec("toolkit.delivery.isal") is None:
        return "numpy", None
    module = importlib.import_module("toolkit.delivery.isal")
    name = str(module.backend().name)
    return name, name != "numpy"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip("\n")
    except OSError:
        return ""


def _number(path: str) -> int | None:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdecimal() else None
