"""Network state read from a reference router's configuration."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from plan_inventories import IPV6_POOLS, inventories

from toolkit.datafiles import data_folder
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Imposition, Inventory, Platform, Pools
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.render.payload import render_plan
from toolkit.state.model import (
    BierEncapsulation,
    EgressFlow,
    IngressFlow,
    Interface,
    IsisInterface,
    RouterState,
    Session,
    SubDomain,
)
from toolkit.state.reference import read_router


def on_reference(inventory: Inventory) -> Inventory:
    routers = {
        name: dataclasses.replace(router, platform=Platform.REFERENCE)
        for name, router in inventory.routers.items()
    }
    return dataclasses.replace(inventory, routers=routers)


def assert_rendered_is_intended(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    intended = intended_state(plan).routers
    rendered = {n: read_router(n, p.tree) for n, p in render_plan(plan).items()}
    assert rendered == intended


@pytest.mark.parametrize("imposition", Imposition)
@pytest.mark.parametrize("pools", [Pools(), IPV6_POOLS], ids=["ipv4", "ipv6"])
def test_what_the_demo_renders_is_what_it_intends(imposition: Imposition, pools: Pools) -> None:
    demo = load_inventory(data_folder("inventories") / "demo")
    deliveries = {
        name: dataclasses.replace(delivery, imposition=imposition)
        for name, delivery in demo.deliveries.items()
    }
    assert_rendered_is_intended(dataclasses.replace(demo, deliveries=deliveries, pools=pools))


@settings(max_examples=40, deadline=None)
@given(inventories())
def test_what_any_plan_renders_is_what_it_intends(inventory: Inventory) -> None:
    assert_rendered_is_intended(on_reference(inventory))


def test_an_empty_configuration_is_a_router_that_does_nothing() -> None:
    assert read_router("r1", {}) == RouterState(name="r1")


def interface(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "iana-if-type:ethernetCsmacd", **more}


def test_every_node_is_read() -> None:
    tree = {
        "ietf-interfaces:interfaces": {
            "interface": [
                interface(
                    "eth1",
                    enabled=False,
                    **{
                        "ietf-ip:ipv4": {"address": [{"ip": "192.0.2.1", "prefix-length": 31}]},
                        "ietf-ip:ipv6": {"address": [{"ip": "2001:db8::1", "prefix-length": 64}]},
                        "llmsync-isis:network-mtu": 1500,
                    },
                ),
                interface("eth2"),
            ]
        },
        "llmsync-isis:isis": {
            "system-id": "0000.0000.0001",
            "area-address": ["49.0002", "49.0001"],
            "interface": [{"name": "eth1", "metric": 7, "passive": True}, {"name": "eth2"}],
        },
        "llmsync-bier:bier": {
            "sub-domain": [
                {
                    "id": 3,
                    "bfr-prefix": "192.0.2.9/32",
                    "bfr-id": 5,
                    "encapsulation": [
                        {"bsl": 256, "kind": "mpls", "bift-id-base": 100, "max-si": 2},
                        {"bsl": 64, "kind": "non-mpls", "bift-id-base": 0},
                    ],
                },
                {"id": 1, "bfr-prefix": "192.0.2.9/32", "encapsulation": []},
            ],
            "interface": [{"name": "eth1"}, {"name": "eth2", "role": "host-imposition"}],
        },
        "llmsync-overlay:overlay": {
            "ingress-flow": [
                {
                    "source": "192.0.2.1",
                    "group": "232.0.0.1",
                    "sub-domain": 3,
                    "bsl": 64,
                    "set": [{"si": 1, "bit-string": "8000000000000001"}],
                }
            ],
            "egress-flow": [
                {"source": "192.0.2.1", "group": "232.0.0.2", "interface": ["eth10", "eth2"]},
                {"source": "192.0.2.1", "group": "232.0.0.1", "interface": ["eth1"]},
            ],
        },
        "llmsync-delivery:deliveries": {
            "session": [
                {
                    "name": "m",
                    "tsi": 9,
                    "source": "192.0.2.1",
                    "group": "232.0.0.1",
                    "role": "egress",
                }
            ]
        },
    }
    source, group = ip_address("192.0.2.1"), ip_address("232.0.0.1")
    prefix = ip_network("192.0.2.9/32")
    assert read_router("r1", tree) == RouterState(
        name="r1",
        system_id="0000.0000.0001",
        areas=("49.0001", "49.0002"),
        interfaces={
            "eth1": Interface(
                name="eth1",
                enabled=False,
                addresses=(ip_interface("192.0.2.1/31"), ip_interface("2001:db8::1/64")),
                mtu=1500,
                isis=IsisInterface(metric=7, passive=True),
                bier=True,
            ),
            "eth2": Interface(name="eth2", isis=IsisInterface(), accept_host_bier=True),
        },
        sub_domains=(
            SubDomain(sub_domain_id=1, bfr_prefix=prefix),
            SubDomain(
                sub_domain_id=3,
                bfr_prefix=prefix,
                bfr_id=5,
                encapsulations=(
                    BierEncapsulation(kind="non-mpls", bsl=64, base=0, max_si=0),
                    BierEncapsulation(kind="mpls", bsl=256, base=100, max_si=2),
                ),
            ),
        ),
        ingress_flows=(
            IngressFlow(source=source, group=group, sub_domain_id=3, bsl=64, sets={1: 1 << 63 | 1}),
        ),
        egress_flows=(
            EgressFlow(source=source, group=group, interfaces=("eth1",)),
            EgressFlow(source=source, group=group + 1, interfaces=("eth2", "eth10")),
        ),
        sessions=(Session(name="m", tsi=9, source=source, group=group, role="egress"),),
    )


def test_addresses_of_a_family_that_is_switched_off_do_not_count() -> None:
    address = {"ip": "192.0.2.1", "prefix-length": 31}
    ports = [interface("eth1", **{"ietf-ip:ipv4": {"enabled": False, "address": [address]}})]
    state = read_router("r1", {"ietf-interfaces:interfaces": {"interface": ports}})
    assert state.interfaces["eth1"].addresses == ()
