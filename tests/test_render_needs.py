"""What a configuration needs for something else in it to work is missed by the lint when it goes.

Schemas take all of these documents, and the state that is read from most of them is as planned: a
router with them would not forward.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from platform_cases import cases
from yang_sets import needs_modules

from toolkit.inventory.model import Platform
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.render.lint import LINTS
from toolkit.render.payload import render_router
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch

pytestmark = needs_modules
BIER, SR = "isis-bier-router-mvpn", "isis-sr-p2mp-mvpn"
ISIS, OSPF, OSPF3 = "isis-pim-ssm-static", "ospf-pim-ssm-static", "ospf-pim-ssm-static-ipv6"

NEEDS = [
    ("junos", BIER, "protocols/mpls", "family mpls and is not in it"),
    ("junos", BIER, "protocols/mpls/interface", "family mpls and is not in it"),
    ("junos", BIER, "protocols/bgp/group/local-address", "sessions begin at the address"),
    ("junos", BIER, "protocols/bgp/group/family/inet-vpn", "unicast ones are not"),
    ("junos", BIER, "instance/protocols/pim", "PIM does not run on"),
    ("junos", BIER, "dynamic-tunnel/source-address", "packets have no source"),
    ("junos", BIER, "dynamic-tunnel/destination-networks", "it leads to no router"),
    ("junos", ISIS, "isis/interface/point-to-point", "no point-to-point circuit"),
    ("junos", OSPF, "ospf/area/interface/interface-type", "no point-to-point circuit"),
    ("junos", OSPF3, "ospf3/area/interface/interface-type", "no point-to-point circuit"),
    ("sros", BIER, "router/interface/port", "it is bound to no port"),
    ("sros", BIER, "bgp/group/local-address", "sessions begin at the address"),
    ("sros", BIER, "bgp/group/family/vpn-ipv4", "unicast ones are not"),
    ("sros", BIER, "vprn/pim", "where PIM does not run"),
    ("sros", BIER, "mvpn/vrf-target", "neither imported nor exported"),
    ("sros", BIER, "bgp-ipvpn/mpls/auto-bind-tunnel", "have no tunnel"),
    ("sros", BIER, "auto-bind-tunnel/resolution", "have no tunnel"),
    ("sros", BIER, "ip-filter/default-action", "whatever else a host sends is dropped"),
    ("sros", BIER, "ethernet/network/egress", "no queue below best effort"),
    ("sros", BIER, "ethernet/egress/port-scheduler-policy", "no queue below best effort"),
    ("sros", BIER, "sap/egress", "no queue below best effort"),
    ("sros", SR, "isis/segment-routing/prefix-sid-range", "segment routing does not come up"),
    ("sros", SR, "isis/advertise-router-capability", "segment routing does not come up"),
    ("sros", ISIS, "isis/interface/interface-type", "no point-to-point circuit"),
    ("sros", ISIS, "router/pim", "where PIM does not run"),
    ("sros", "isis-pim-ssm-static-ipv6", "pim/ipv6/admin-state", "PIM does not run there for IPv6"),
    ("sros", OSPF, "ospf/area/interface/interface-type", "no point-to-point circuit"),
    ("sros", OSPF3, "ospf3/area/interface/interface-type", "no point-to-point circuit"),
    ("vrp", ISIS, "circuits/circuit/p2p-enable", "no point-to-point circuit"),
    ("vrp", OSPF, "areas/area/interfaces/interface/network-type", "no point-to-point circuit"),
    ("ietf", ISIS, "interfaces/interface/ipv4/forwarding", "packets that are not for the router"),
    ("ietf", ISIS, "isis/interfaces/interface/interface-type", "no point-to-point circuit"),
    ("ietf", OSPF, "areas/area/interfaces/interface/interface-type", "no point-to-point circuit"),
    ("iosxr", ISIS, "process/interfaces/interface/point-to-point", "no point-to-point circuit"),
    ("iosxr", OSPF, "area/interfaces/interface/network", "no point-to-point circuit"),
    ("iosxr", OSPF3, "area/interfaces/interface/network", "no point-to-point circuit"),
    ("iosxr", SR, "neighbors/neighbor/update-source", "the session begins at the address"),
    ("iosxr", SR, "bgp/as/address-families", "and BGP itself has not"),
    ("iosxr", SR, "vrf/address-families/address-family/redistribute", "no other edge router"),
]


@cache
def planned(platform: str, case: str) -> Plan:
    return make_plan(cases(Platform(platform))[case])[0]


def drop(node: Any, way: tuple[str, ...], above: tuple[str, ...] = ()) -> int:
    """Take away all nodes whose schema path ends in `way`; return how many there were."""
    if isinstance(node, list):
        return sum(drop(entry, way, above) for entry in node)
    if not isinstance(node, dict):
        return 0
    count = 0
    for name in list(node):
        path = (*above, name.rpartition(":")[2])
        if path[-len(way) :] == way:
            del node[name]
            count += 1
        else:
            count += drop(node[name], way, path)
    return count


def fresh(platform: str, case: str, way: str) -> Iterator[tuple[int, list[Remark]]]:
    """Yield, for each router of a case, how much was dropped and what is said of the rest."""
    plan, judge = planned(platform, case), LINTS[Platform(platform)]
    for name in plan.routers:
        tree = copy.deepcopy(render_router(plan, name).tree)
        before = set(judge(Branch(tree)))
        count = drop(tree, tuple(way.split("/")))
        yield count, [remark for remark in judge(Branch(tree)) if remark not in before]


@pytest.mark.parametrize(("platform", "case", "way", "what"), NEEDS)
def test_what_goes_is_missed(platform: str, case: str, way: str, what: str) -> None:
    found = [remarks for count, remarks in fresh(platform, case, way) if count]
    assert found
    assert any(what in remark.what for remarks in found for remark in remarks)
    assert all(r.path.startswith("/") and r.remedy and r.source for rs in found for r in rs)


@pytest.mark.parametrize("platform", ["junos", "sros", "vrp", "ietf", "iosxr"])
def test_nothing_is_said_of_what_is_rendered(platform: str) -> None:
    whats = {what for _, _, _, what in NEEDS}
    for case in cases(Platform(platform)):
        plan = planned(platform, case)
        for name in plan.routers:
            warnings = render_router(plan, name).warnings
            assert not [str(w) for w in warnings if any(what in str(w) for what in whats)]


def last_entries(node: Any, name: str) -> Iterator[list[Any]]:
    """Yield the lists of that name in a tree."""
    for value in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from last_entries(value, name)
    if isinstance(node, dict):
        yield from (v for k, v in node.items() if k.rpartition(":")[2] == name)


@pytest.mark.parametrize(("platform", "name"), [("ietf", "ace"), ("iosxr", "sequence")])
def test_a_list_that_shuts_hosts_out(platform: str, name: str) -> None:
    tree = copy.deepcopy(render_router(planned(platform, ISIS), "r1").tree)
    for entries in last_entries(tree, name):
        if isinstance(entries, list):
            entries.pop()
    said = [r.what for r in LINTS[Platform(platform)](Branch(tree))]
    assert "whatever else a host sends is dropped: what receivers report, too" in said
