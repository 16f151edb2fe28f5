"""What is said of which host: every finding by the fact that causes it, and none without one."""

from __future__ import annotations

import dataclasses

import pytest

from toolkit.transport.health import Facts, Finding, Interface, Need, Weight, judge

LINK = Interface(
    name="eth1", mtu=1500, up=True, multicast=True, qdisc="fq", gso=True, gro=True,
    force_igmp_version=0, rp_filter=2, memberships=3, received=10**9, missed=0,
)  # fmt: skip
WELL = Facts(
    kernel=(6, 1), rmem_max=64 * 2**20, wmem_max=64 * 2**20, may_use_raw=True, interface=LINK,
    igmp_max_memberships=20, udp_buffer_errors=0, clock_resolution=1e-9, clock_source="tsc",
    clock_synchronised=True, cpus=8, governor="performance", disk_write=20e9, disk_free=10**12,
    udp_gso=True, udp_gro=True, fec_backend="isal", fec_fast=True, gpus=1, torch=True,
)  # fmt: skip
NEED = Need(rate=2_000_000_000, payload=1400, groups=1, ssm=True, folder="/models", size=70 * 10**9)


def found(facts: Facts, need: Need = NEED) -> dict[str, Finding]:
    return {f.id: f for f in judge(facts, need)}


def but(**changes: object) -> Facts:
    return dataclasses.replace(WELL, **changes)  # type: ignore[arg-type]


def link(**changes: object) -> Facts:
    return but(interface=dataclasses.replace(LINK, **changes))  # type: ignore[arg-type]


def test_a_host_that_lacks_nothing_has_no_finding() -> None:
    assert judge(WELL, NEED) == []


def test_nothing_is_concluded_from_what_is_not_known() -> None:
    assert [f.id for f in judge(Facts(may_use_raw=True), NEED)] == []


CASES: dict[str, tuple[Facts, Weight, str]] = {
    "buffer-rmem_max": (
        but(rmem_max=212_992), Weight.FAULT, "sysctl -w net.core.rmem_max=12582912",
    ),
    "buffer-wmem_max": (
        but(wmem_max=212_992), Weight.FAULT, "sysctl -w net.core.wmem_max=12582912",
    ),
    "buffer-overflows": (but(udp_buffer_errors=7), Weight.NOTE, "nstat"),
    "interface": (
        but(interface=None, interface_problem="232.1.1.1:4401: no route"), Weight.FAULT,
        "ip route add 224.0.0.0/4",
    ),
    "mtu": (link(mtu=1400), Weight.FAULT, "ip link set dev eth1 mtu 1428"),
    "link-down": (link(up=False), Weight.FAULT, "ip link set dev eth1 up"),
    "ring-drops": (link(missed=20_000), Weight.NOTE, "ethtool -G eth1"),
    "gro": (link(gro=False), Weight.NOTE, "ethtool -K eth1 gro on"),
    "qdisc": (link(qdisc="pfifo_fast"), Weight.NOTE, "tc qdisc replace dev eth1 root fq"),
    "multicast-flag": (
        link(multicast=False), Weight.FAULT, "ip link set dev eth1 multicast on",
    ),
    "igmp-version": (link(force_igmp_version=2), Weight.FAULT, "force_igmp_version=0"),
    "rp-filter": (link(rp_filter=1), Weight.NOTE, "net.ipv4.conf.eth1.rp_filter=2"),
    "memberships": (link(memberships=20), Weight.FAULT, "igmp_max_memberships=42"),
    "clock-resolution": (but(clock_resolution=0.004), Weight.FAULT, "CONFIG_HIGH_RES_TIMERS"),
    "clock-source": (but(clock_source="hpet"), Weight.NOTE, "current_clocksource"),
    "clock-sync": (but(clock_synchronised=False), Weight.NOTE, "timedatectl set-ntp true"),
    "disk": (but(disk_problem="Permission denied"), Weight.FAULT, "ls -ld /models"),
    "disk-speed": (but(disk_write=1e9), Weight.FAULT, "--rate 900M"),
    "disk-space": (but(disk_free=10**9), Weight.FAULT, "free 69000000000 bytes"),
    "cpu-quota": (but(cpu_quota=0.5), Weight.FAULT, "CPUQuota=200%"),
    "cpus": (but(cpus=1), Weight.NOTE, "second CPU"),
    "governor": (but(governor="powersave"), Weight.NOTE, "cpupower frequency-set -g performance"),
    "kernel": (but(kernel=(4, 4)), Weight.NOTE, "from 5.0 on"),
    "udp-gso": (but(udp_gso=False), Weight.NOTE, "4.18"),
    "cap-net-raw": (but(may_use_raw=False), Weight.NOTE, "CAP_NET_RAW"),
    "fec": (but(fec_fast=False, fec_backend="numpy"), Weight.NOTE, "apt install libisal2"),
    "torch": (but(torch=False), Weight.NOTE, "pip install torch"),
}  # fmt: skip


@pytest.mark.parametrize("finding", CASES)
def test_each_lack_is_one_finding_with_a_command(finding: str) -> None:
    facts, weight, remedy = CASES[finding]
    (only,) = judge(facts, NEED)
    assert (only.id, only.weight) == (finding, weight)
    assert remedy in only.remedy
    assert only.what
    assert only.why


def test_everything_is_said_at_once_and_faults_first() -> None:
    broken = dataclasses.replace(
        Facts(rmem_max=1, wmem_max=1, clock_resolution=0.01, cpus=1, disk_free=1, disk_write=1.0),
        interface=dataclasses.replace(LINK, mtu=576, up=False, rp_filter=1),
    )
    weights = [f.weight for f in judge(broken, NEED)]
    assert weights.count(Weight.FAULT) == 7
    assert weights == sorted(weights, key=lambda w: w is not Weight.FAULT)


def test_a_host_is_only_told_what_its_role_needs() -> None:
    poor = but(rmem_max=1, wmem_max=1)
    assert set(found(poor, dataclasses.replace(NEED, sends=False))) == {"buffer-rmem_max"}
    assert set(found(poor, dataclasses.replace(NEED, receives=False))) == {"buffer-wmem_max"}


def test_buffers_follow_the_rate_and_a_privileged_process_needs_no_sysctl() -> None:
    assert "buffer-rmem_max" not in found(but(rmem_max=12_500_000))
    assert "buffer-rmem_max" in found(but(rmem_max=12_499_999))
    assert found(but(rmem_max=1, may_force_buffers=True)) == {}


@pytest.mark.parametrize(("family", "payload"), [(4, 1472), (6, 1452)])
def test_the_longest_payload_of_an_mtu_depends_on_the_ip_version(family: int, payload: int) -> None:
    fits = dataclasses.replace(NEED, family=family, payload=payload)
    assert "mtu" not in found(WELL, fits)
    assert "mtu" in found(WELL, dataclasses.replace(fits, payload=payload + 1))


def test_igmp_2_is_enough_for_groups_of_any_source() -> None:
    any_source = dataclasses.replace(NEED, ssm=False)
    assert "igmp-version" not in found(link(force_igmp_version=2), any_source)
