"""Platform ietf on the wire: pushed, read back, pushed again; what is not ours stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from netconf_farm import Clock, Network
from platform_cases import cases
from yang_sets import FOLDERS, needs_modules

from toolkit.inventory.model import Inventory, Platform
from toolkit.netconf.device import Device, DeviceFarm
from toolkit.netconf.push import PushState, push
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.render.payload import render_plan
from toolkit.yang.platforms import platform_schema
from toolkit.yang.schema import Schema

pytestmark = needs_modules
CASES = cases(Platform.IETF)
ROUTERS = ("r1", "r4")
FOREIGN = {
    "ietf-interfaces:interfaces": {
        "interface": [{"name": "mgmt0", "type": "iana-if-type:ethernetCsmacd"}]
    },
    "ietf-access-control-list:acls": {
        "acl": [{"name": "office", "type": "ietf-access-control-list:ipv4-acl-type"}],
        "attachment-points": {
            "interface": [
                {
                    "interface-id": "mgmt0",
                    "ingress": {"acl-sets": {"acl-set": [{"name": "office"}]}},
                }
            ]
        },
    },
    "ietf-routing:routing": {
        "control-plane-protocols": {
            "control-plane-protocol": [{"type": "ietf-routing:static", "name": "default"}],
            "ietf-pim-base:pim": {
                "interfaces": {
                    "interface": [
                        {
                            "name": "mgmt0",
                            "address-family": [
                                {"address-family": "ietf-routing:ipv4", "ietf-pim-sm:sm": {}}
                            ],
                        }
                    ]
                }
            },
        }
    },
}


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))


@pytest.fixture
def network(modules: None) -> Iterator[Network]:
    schema = platform_schema("ietf")
    assert isinstance(schema, Schema)
    clock = Clock()
    devices = [Device(name, schema, config=FOREIGN) for name in ROUTERS]
    with DeviceFarm(devices, clock=clock) as farm:
        yield Network(farm, clock)


def pushed(network: Network, inventory: Inventory) -> PushState:
    """Push; the state of the push, after the routers were held against the plan."""
    plan, _ = make_plan(inventory)
    report = push(network.targets(platform="ietf"), render_plan(plan), timeout=10.0)
    assert not [outcome.error for outcome in report.outcomes if outcome.error is not None]
    for name in ROUTERS:
        tree = network.farm.devices[name].running
        state = configured_router(plan, name, tree)
        interfaces = {n: i for n, i in state.interfaces.items() if n != "mgmt0"}
        intended = intended_router(plan, name)
        pim = state.pim if intended.pim is not None else None  # mgmt0 has it
        assert replace(state, interfaces=interfaces, pim=pim) == intended
    return report.state


def test_one_plan_after_the_other_and_each_twice(network: Network) -> None:
    for name in (
        "isis-bier-host-static", "isis-bier-router-mvpn", "isis-sr-p2mp-static",
        "ospf-pim-ssm-static", "ospf-sr-p2mp-mvpn", "isis-pim-sm-static", "ospf-bier-router-static",
    ):  # fmt: skip
        assert pushed(network, CASES[name]) is PushState.COMMITTED
        assert pushed(network, CASES[name]) is PushState.UNCHANGED


def test_what_is_not_ours_stays(network: Network) -> None:
    for name in ("isis-pim-ssm-static", "isis-bier-router-static"):
        assert pushed(network, CASES[name]) is PushState.COMMITTED
        running = network.farm.devices["r1"].running
        names = [e["name"] for e in running["ietf-interfaces:interfaces"]["interface"]]
        assert "mgmt0" in names
        acls = running["ietf-access-control-list:acls"]
        assert "office" in [acl["name"] for acl in acls["acl"]]
        assert any(
            point["interface-id"] == "mgmt0" for point in acls["attachment-points"]["interface"]
        )
        protocols = running["ietf-routing:routing"]["control-plane-protocols"]
        assert "default" in [p["name"] for p in protocols["control-plane-protocol"]]
        assert any(
            entry["name"] == "mgmt0"
            for entry in protocols["ietf-pim-base:pim"]["interfaces"]["interface"]
        )


@pytest.mark.parametrize("feature", ["feature-igmp", "feature-mld"])
def test_a_feature_that_a_router_lacks_is_missed_where_the_configuration_uses_it(
    feature: str, network: Network
) -> None:
    """All revisions are those that were proven by; one router has no such feature."""
    device = network.farm.devices["r4"]
    device.modules = tuple(
        replace(m, features=tuple(f for f in m.features if f != feature))
        if m.name == "ietf-igmp-mld"
        else m
        for m in device.modules
    )
    plan, _ = make_plan(CASES["isis-pim-ssm-static"])
    report = push(network.targets(platform="ietf"), render_plan(plan), timeout=10.0, revisions=True)
    said = {outcome.device: str(outcome.error) for outcome in report.outcomes if outcome.error}
    if feature == "feature-mld":  # hosts of an IPv4 network join by IGMP
        assert (report.state, said) == (PushState.COMMITTED, {})
        return
    assert report.state is not PushState.COMMITTED
    assert list(said) == ["r4"]
    assert (
        "depends on ietf-igmp-mld's feature-igmp, a feature that it does not announce"
        in (said["r4"])
    )
