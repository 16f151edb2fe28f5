"""What llmsync-ospf, llmsync-mvpn and llmsync-edge refuse, and in which words."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from platform_cases import cases

from toolkit.errors import SchemaError
from toolkit.inventory.model import Platform
from toolkit.plan.expand import make_plan
from toolkit.render.payload import render_plan
from toolkit.yang.schema import reference_schema

INSTANCE = "llmsync-mvpn:mvpn"


def tree_of(case: str, router: str = "r1") -> dict[str, Any]:
    plan, _ = make_plan(cases(Platform.REFERENCE)[case])
    return copy.deepcopy(dict(render_plan(plan)[router].tree))


def instance(tree: dict[str, Any]) -> dict[str, Any]:
    (only,) = tree[INSTANCE]["instance"]
    return only


def refused(tree: dict[str, Any]) -> str:
    with pytest.raises(SchemaError) as caught:
        reference_schema().parse_json(tree, "r1")
    return "\n".join(str(problem) for problem in caught.value.problems)


BIER, PIM, SR = "isis-bier-router-mvpn", "ospf-pim-ssm-mvpn", "isis-sr-p2mp-mvpn"


@pytest.mark.parametrize(
    ("case", "changed", "said"),
    [
        (BIER, {"sub-domain": None}, "a tunnel of BIER needs its sub-domain"),
        (BIER, {"group": "232.1.0.1"}, "only tunnels of PIM-SSM have a group"),
        (PIM, {"group": None}, "a tunnel of PIM-SSM needs its group"),
        (PIM, {"sub-domain": 0}, "only tunnels of BIER have a sub-domain"),
        (SR, {"tunnel": "bier", "sub-domain": 0}, "only tunnels of SR-P2MP have policies"),
        (SR, {"policy": ["nobody"]}, '"nobody" is not configured at'),
        (BIER, {"interface": ["to-r2"]}, "the interface is in the core's routing as well"),
        (PIM, {"interface": ["to-r2"]}, "the interface is in the core's routing as well"),
        (BIER, {"interface": ["nowhere"]}, '"nowhere" is not configured at'),
        (BIER, {"route-distinguisher": "x"}, '/route-distinguisher: "x"'),
        (BIER, {"route-target": "64512"}, '/route-target: "64512"'),
        (BIER, {"tunnel": "mldp"}, '/tunnel: "mldp"'),
    ],
)
def test_a_vpn_that_contradicts_itself_is_refused(case, changed, said):
    tree = tree_of(case)
    reference_schema().parse_json(tree, "r1")
    for key, value in changed.items():
        if value is None:
            del instance(tree)[key]
        else:
            instance(tree)[key] = value
    assert said in refused(tree)


def test_a_port_in_pim_alone_is_in_the_core_too():
    tree = tree_of(PIM)
    tree["llmsync-pim:pim"]["interface"].append({"name": "host-hub"})
    assert "the interface is in the core's routing as well" in refused(tree)


def test_a_vpn_without_bgp_is_refused():
    tree = tree_of(BIER)
    del tree["llmsync-mvpn:bgp"]
    assert "a multicast VPN needs BGP" in refused(tree)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"router-id": "300.0.0.1"}, '/router-id: "300.0.0.1"'),
        ({"router-id": None}, "/llmsync-ospf:ospf: "),
        ({"interface": [{"name": "nowhere"}]}, '/name: "nowhere"'),
        ({"interface": [{"name": "to-r2", "cost": 0}]}, "0 is out of range"),
        ({"interface": [{"name": "to-r2", "area": "x"}]}, '/area: "x"'),
    ],
)
def test_what_ospf_cannot_be_told(changed, said):
    tree = tree_of("ospf-bier-host-static")
    for key, value in changed.items():
        if value is None:
            del tree["llmsync-ospf:ospf"][key]
        else:
            tree["llmsync-ospf:ospf"][key] = value
    assert said in refused(tree)


def test_what_an_edge_port_cannot_be_told():
    tree = tree_of("isis-bier-host-static")
    (entry,) = (e for e in tree["llmsync-edge:edge"]["interface"] if e["name"] == "host-hub")
    entry["set"][0]["bit-string"] = "0f"
    entry["source"] = ["hub"]
    tree["llmsync-edge:qos"]["dscp"] = 64
    said = refused(tree)
    assert "/set[si='0']/bit-string" in said
    assert "/source" in said
    assert "64 is out of range" in said
