"""Entropy: one value for a flow, everywhere; different flows spread."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bier.bift import Bift, BiftKey, Entry
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl
from toolkit.bier.engine import Engine, Forward
from toolkit.bier.entropy import entropy_of

SOURCE, GROUP = IPv4Address("192.0.2.1"), IPv4Address("232.1.0.1")
PORTS = st.integers(0, 65535)


def test_a_flow_has_the_same_value_on_every_machine_and_in_every_run() -> None:
    # b2sum -l 32 of the octets: versions, addresses, ports
    assert entropy_of(SOURCE, GROUP) == 0x718C9
    assert entropy_of(SOURCE, GROUP, 4001, 4002) == 0x6B453
    assert entropy_of(IPv6Address("2001:db8::1"), IPv6Address("ff3e::1")) == 0x4F482


@given(st.ip_addresses(), st.ip_addresses(), PORTS, PORTS)
def test_every_value_fits_the_header(
    source: IPv4Address | IPv6Address, group: IPv4Address | IPv6Address, one: int, other: int
) -> None:
    assert 0 <= entropy_of(source, group, one, other) < 1 << 20


def test_each_part_of_a_flow_counts() -> None:
    flows = [
        (SOURCE, GROUP),
        (GROUP, SOURCE),
        (SOURCE, GROUP + 1),
        (SOURCE + 1, GROUP),
        (SOURCE, GROUP, 1, 0),
        (SOURCE, GROUP, 0, 1),
        (ip_address(f"::ffff:{SOURCE}"), ip_address(f"::ffff:{GROUP}")),
    ]
    assert len({entropy_of(*flow) for flow in flows}) == len(flows)


@pytest.mark.parametrize("paths", [2, 3, 4, 8])
def test_neighboring_flows_spread_evenly_over_equal_cost_paths(paths: int) -> None:
    counts = [0] * paths
    for number in range(4096):
        counts[entropy_of(SOURCE, GROUP + number) % paths] += 1
    assert max(counts) - min(counts) < 4096 / paths / 4


def test_a_port_that_is_none_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="65536"):
        entropy_of(SOURCE, GROUP, 0, 65536)


def test_an_engine_imposes_it() -> None:
    key = BiftKey(0, 64, 0)
    engine = Engine({key: Bift(Bsl.B64, {1: Entry(1, Neighbor("N", "to-N"), 99)})}, {})
    entropy = entropy_of(SOURCE, GROUP)
    [out] = engine.impose(0, 64, {0: 1}, 4, b"x", 1, entropy)
    assert isinstance(out, Forward)
    assert int.from_bytes(out.packet[4:8], "big") & 0xFFFFF == entropy
