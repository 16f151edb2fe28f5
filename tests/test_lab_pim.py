"""Deliveries over PIM through the laboratory: joins, Registers, switch-over, and what fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_lab_deliver import clouds, deliver

from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Inventory, PimSettings, SptSwitchover, Transport
from toolkit.lab.deliver import Delivered
from toolkit.lab.model import generate
from toolkit.lab.scenario import Kill, LossOn, Scenario
from toolkit.pim.querier import MEMBERSHIP
from toolkit.plan.expand import make_plan
from toolkit.plan.model import Plan
from toolkit.plan.transports import over
from toolkit.planes.adjacency import Failures

ROOT = Path(__file__).parent
INVENTORIES = {4: ROOT.parent / "inventories" / "demo", 6: ROOT / "inventories" / "ipv6"}
BOTH = (Transport.PIM_SSM, Transport.PIM_SM)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A safetensors file of 5 MB."""
    return generate(tmp_path_factory.mktemp("model"), layers=1, vocabulary=512)


@pytest.fixture(scope="module")
def demo() -> Inventory:
    return load_inventory(INVENTORIES[4])


def planned(inventory: Inventory, transport: Transport, **pim: object) -> Plan:
    settings = PimSettings(**pim)  # type: ignore[arg-type]
    return make_plan(replace(over(inventory, transport), pim=settings))[0]


def total(delivered: Delivered, counter: str) -> int:
    return sum(counted.get(counter, 0) for counted in delivered.counters.values())


@pytest.mark.parametrize("family", INVENTORIES)
@pytest.mark.parametrize("transport", BOTH)
def test_all_clouds_hold_the_model_byte_for_byte(
    model: Path, tmp_path: Path, transport: Transport, family: int
) -> None:
    plan = planned(load_inventory(INVENTORIES[family]), transport)
    delivered = deliver(plan, model, tmp_path, Scenario(loss=0.02))
    assert delivered.result.complete
    assert sum(c.lost for c in delivered.result.clouds) > 0
    assert delivered.result.egress < 1.5 * delivered.result.size
    edges = {plan.hosts[cloud].router for cloud in plan.flows[0].clouds}
    rows = {use.router: use.state_rows for use in delivered.result.routers}
    assert all(rows[edge] >= 1 for edge in edges)
    assert not any(use.bift_rows or use.flow_rows for use in delivered.result.routers)


def test_pim_sm_registers_first_and_ends_on_the_trees_of_the_source(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    plan = planned(demo, Transport.PIM_SM)
    delivered = deliver(plan, model, tmp_path, Scenario())
    assert delivered.result.complete
    registered = delivered.counters[plan.flows[0].bfir]["pim-registered"]
    assert 0 < registered < 0.1 * delivered.result.packets
    assert plan.pim is not None
    at_rp = delivered.counters[plan.pim.rp]
    assert 0 < at_rp["pim-decapsulated"] <= registered
    assert at_rp["pim-register-stops-sent"] > 0
    flow = plan.flows[0]
    for cloud in flow.clouds:
        entry = delivered.multicast[plan.hosts[cloud].router].mfib.lookup(
            flow.source_address, flow.group
        )
        assert entry is not None
        assert entry.spt
        assert plan.hosts[cloud].router_port in entry.oifs


def test_routers_that_never_switch_stay_on_the_shared_tree(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    plan = planned(demo, Transport.PIM_SM, rp="chi1", spt_switchover=SptSwitchover.NEVER)
    delivered = deliver(plan, model, tmp_path, Scenario())
    assert delivered.result.complete
    beside = {"cloud-madrid", "cloud-miami", "cloud-sanjose", "cloud-seattle", "cloud-warsaw"}
    for cloud in beside:  # not on the way from the source to the RP
        table = delivered.multicast[plan.hosts[cloud].router].mfib
        assert [entry.source for entry in table.values()] == [None]


@pytest.mark.parametrize("transport", BOTH)
def test_late_and_killed_clouds_join_by_themselves_and_get_it_all(
    demo: Inventory, model: Path, tmp_path: Path, transport: Transport
) -> None:
    plan = planned(demo, transport)
    scenario = Scenario(
        loss=0.01,
        late={"cloud-madrid": 0.3},
        kill={"cloud-warsaw": Kill(at=0.25, back=0.5)},
    )
    delivered = deliver(plan, model, tmp_path, scenario)
    assert delivered.result.complete
    assert clouds(delivered)["cloud-madrid"].joined == 0.3


def test_a_cloud_that_is_gone_is_forgotten_by_its_router(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    plan = planned(demo, Transport.PIM_SSM)
    late = MEMBERSHIP + 15.0
    scenario = Scenario(late={"cloud-miami": late}, kill={"cloud-warsaw": Kill(at=0.1, back=None)})
    delivered = deliver(plan, model, tmp_path, scenario)
    assert not clouds(delivered)["cloud-warsaw"].complete
    gone = delivered.multicast["waw1"]
    assert not any(gone.members.values())
    assert len(gone.mfib) == 0


@pytest.mark.parametrize("transport", BOTH)
def test_loss_on_every_link_takes_joins_too_and_they_are_repeated(
    demo: Inventory, model: Path, tmp_path: Path, transport: Transport
) -> None:
    plan = planned(demo, transport)
    scenario = Scenario(loss=0.05, loss_on=LossOn.ALL, seed=3)
    assert deliver(plan, model, tmp_path, scenario).result.complete


@pytest.mark.parametrize("transport", BOTH)
def test_joins_go_around_a_link_that_is_down(
    demo: Inventory, model: Path, tmp_path: Path, transport: Transport
) -> None:
    scenario = Scenario(down=Failures(links=frozenset({"lon1-nyc1"})))
    delivered = deliver(planned(demo, transport), model, tmp_path, scenario)
    assert delivered.result.complete
    crossing = {u.link: u for u in delivered.result.links}["par1-mia1"]
    assert crossing.a_to_b > delivered.result.size
