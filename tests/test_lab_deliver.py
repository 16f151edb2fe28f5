"""Deliveries through the laboratory: real files over planned networks, with everything that goes
wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.errors import ProblemsError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Delivery, Encapsulation, Imposition, Inventory
from toolkit.lab.deliver import Delivered, DeliveryRun, scan
from toolkit.lab.model import generate
from toolkit.lab.result import CloudResult
from toolkit.lab.scenario import Kill, LossOn, Scenario
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_state
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import Failures
from toolkit.planes.derive import Network
from toolkit.yang.schema import reference_schema

ROOT = Path(__file__).parent
DEMO = ROOT.parent / "inventories" / "demo"


def planned(inventory: Inventory, **changes: object) -> Plan:
    deliveries = {
        name: replace(delivery, **changes)  # type: ignore[arg-type]
        for name, delivery in inventory.deliveries.items()
    }
    return make_plan(replace(inventory, deliveries=deliveries))[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a safetensors file of 5 MB and two small files."""
    folder = tmp_path_factory.mktemp("model")
    generate(folder, layers=1, vocabulary=512)
    (folder / "config.json").write_text('{"hidden_size": 384}')
    (folder / "vocab").mkdir()
    (folder / "vocab" / "words.txt").write_text("word\n" * 3000)
    return folder


def deliver(plan: Plan, model: Path, work: Path, scenario: Scenario) -> Delivered:
    planes = Network(intended_state(plan), scenario.down)
    return DeliveryRun(
        plan, plan.flows[0], planes, scenario, scan(model, plan.flows[0]), work, "a model"
    ).run()


def clouds(delivered: Delivered) -> dict[str, CloudResult]:
    return {c.cloud: c for c in delivered.result.clouds}


@pytest.fixture(scope="module")
def demo() -> Inventory:
    return load_inventory(DEMO)


@pytest.mark.parametrize("encapsulation", Encapsulation)
@pytest.mark.parametrize("imposition", Imposition)
def test_all_clouds_hold_the_model_byte_for_byte_whatever_the_encapsulation_and_imposition(
    demo: Inventory,
    model: Path,
    tmp_path: Path,
    encapsulation: Encapsulation,
    imposition: Imposition,
) -> None:
    inventory = replace(demo, bier=replace(demo.bier, encapsulation=encapsulation))
    plan = planned(inventory, imposition=imposition)
    delivered = deliver(plan, model, tmp_path, Scenario(loss=0.02))
    assert delivered.result.complete
    assert sum(c.lost for c in delivered.result.clouds) > 0
    assert all(c.tensors == 7 for c in delivered.result.clouds)


def test_an_ipv6_network_delivers_too(model: Path, tmp_path: Path) -> None:
    plan = planned(load_inventory(ROOT / "inventories" / "ipv6"))
    assert deliver(plan, model, tmp_path, Scenario(loss=0.01)).result.complete


def test_without_loss_nothing_is_repaired_and_nobody_receives_anything_twice(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    result = deliver(planned(demo), model, tmp_path, Scenario()).result
    assert result.complete
    assert [c.duplicates for c in result.clouds] == [0] * 6
    assert [c.lost for c in result.clouds] == [0] * 6


def test_repairs_reach_only_those_who_lack_something(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    result = deliver(planned(demo), model, tmp_path, Scenario(loss=0.05, seed=3)).result
    assert result.complete
    assert result.repairs > 0
    # At the end a little more parity is sent than reports ask for, to spare another round trip.
    assert all(c.duplicates <= 0.15 * c.lost for c in result.clouds)


def test_a_late_receiver_finishes_and_costs_the_others_nothing(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    alone = deliver(planned(demo), model, tmp_path / "a", Scenario()).result
    late = deliver(planned(demo), model, tmp_path / "b", Scenario(late={"cloud-miami": 1.6}))
    assert late.result.complete
    cloud = clouds(late)["cloud-miami"]
    assert cloud.joined == 1.6
    assert (cloud.first_byte or 0) > 1.6
    for before, after in zip(alone.clouds, late.result.clouds, strict=True):
        assert after.duplicates == 0, after
        assert before.cloud == after.cloud
    # the copy that the late receiver needs crosses its own path and no other cloud's link
    used = {u.link: u.a_to_b + u.b_to_a for u in late.result.links}
    usual = {u.link: u.a_to_b + u.b_to_a for u in alone.links}
    assert used["cloud-london"] < 1.02 * usual["cloud-london"]


def test_a_receiver_that_is_killed_and_restarted_finishes_with_what_it_had(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    plan = planned(demo, rate=100_000_000)
    usual = deliver(plan, model, tmp_path / "usual", Scenario()).result
    start = usual.clouds[-1].first_byte or 0.0
    late = start + 0.9 * (usual.duration - start)
    killed = deliver(
        plan, model, tmp_path / "killed",
        Scenario(kill={"cloud-warsaw": Kill(late, late + 1.0)}),
    )  # fmt: skip
    assert killed.result.complete
    assert [c.duplicates for c in killed.result.clouds if c.cloud != "cloud-warsaw"] == [0] * 5
    size = killed.result.size
    link = next(u for u in killed.result.links if u.link == "cloud-warsaw")
    # a tenth was sent to a dead receiver, and at most a block of the open file was lost with it
    assert max(link.a_to_b, link.b_to_a) < 1.35 * size, "it was sent what it already had"


def test_a_receiver_that_is_killed_for_good_is_named_and_holds_nobody_up(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    delivered = deliver(
        planned(demo), model, tmp_path, Scenario(kill={"cloud-sanjose": Kill(0.32)})
    )
    lost = {name: c for name, c in clouds(delivered).items() if not c.complete}
    assert set(lost) == {"cloud-sanjose"}
    assert lost["cloud-sanjose"].reason
    assert not (tmp_path / "cloud-sanjose").exists(), "nothing half-received may appear"


def test_a_cloud_that_is_cut_off_is_incomplete_and_the_others_complete(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    down = Failures(links=frozenset({"par1-mad1", "lon1-mad1"}))
    delivered = deliver(planned(demo), model, tmp_path, Scenario(down=down))
    assert {c for c, r in clouds(delivered).items() if not r.complete} == {"cloud-madrid"}
    assert all(r.identical for r in clouds(delivered).values() if r.complete)


def test_loss_on_every_link_is_repaired_too(demo: Inventory, model: Path, tmp_path: Path) -> None:
    scenario = Scenario(loss=0.01, loss_on=LossOn.ALL)
    assert deliver(planned(demo), model, tmp_path, scenario).result.complete


def test_the_same_seed_gives_the_same_run(demo: Inventory, model: Path, tmp_path: Path) -> None:
    runs = [
        deliver(planned(demo), model, tmp_path / str(i), Scenario(loss=0.03, seed=9)).result
        for i in range(2)
    ]
    assert runs[0] == runs[1]


def test_receipts_fit_the_yang_module(demo: Inventory, model: Path, tmp_path: Path) -> None:
    delivered = deliver(planned(demo), model, tmp_path, Scenario())
    session = {
        "name": "minilm", "tsi": 1, "source": "10.1.0.2", "group": "232.1.0.1", "role": "egress",
        "receipt": list(delivered.receipts.values()),
    }  # fmt: skip
    tree = {"llmsync-delivery:deliveries": {"session": [session]}}
    assert reference_schema().parse_json(tree, "lon1", state=True)


def test_a_truncated_safetensors_file_is_refused_before_anything_is_sent(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    whole = (model / "model.safetensors").read_bytes()
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProblemsError, match=r"broken\.safetensors"):
        deliver(planned(demo), broken, tmp_path / "clouds", Scenario())
    assert not (tmp_path / "clouds").exists()


def test_unicast_is_computed_as_one_copy_a_cloud(
    demo: Inventory, model: Path, tmp_path: Path
) -> None:
    plan = make_plan(replace(demo, deliveries={"minilm": only(demo, "cloud-london")}))[0]
    result = deliver(plan, model, tmp_path, Scenario()).result
    assert result.complete
    assert result.unicast_egress < result.egress < 1.02 * result.unicast_egress


def only(inventory: Inventory, *names: str) -> Delivery:
    return replace(inventory.deliveries["minilm"], to=names)
