"""The document: a plan as JSON says everything and means the same."""

from __future__ import annotations

import json

from hypothesis import given, settings
from plan_inventories import inventories, star

from toolkit.inventory.model import Inventory
from toolkit.plan.document import hex_bits, plan_document, sets_in_use
from toolkit.plan.expand import make_plan


@settings(max_examples=30, deadline=None)
@given(inventories())
def test_a_document_survives_json_and_names_everything(declared: Inventory) -> None:
    plan, _ = make_plan(declared)
    document = plan_document(plan)
    assert json.loads(json.dumps(document)) == document
    assert list(document["routers"]) == list(plan.routers)  # type: ignore[call-overload]
    assert list(document["hosts"]) == list(plan.hosts)  # type: ignore[call-overload]


def test_bitstrings_are_as_long_as_their_length_says() -> None:
    assert hex_bits(1, 64) == "0000000000000001"
    assert hex_bits(1 << 255, 256) == "8" + "0" * 63


def test_sets_list_their_members_in_order() -> None:
    plan, _ = make_plan(star(100, bsl=64))
    sets = sets_in_use(plan)
    assert {si: len(members) for si, members in sets.items()} == {0: 64, 1: 37}
    assert [m["bfr_id"] for m in sets[1]] == list(range(65, 102))
    assert sets[1][-1]["router"] == "core"
