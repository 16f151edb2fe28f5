"""SR OS: proven by nokia-conf, and read back as planned."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from platform_cases import larger
from sros_cases import BIER, NAMES, SROS, TREES, inventory_of, modules, ours, payloads, planned
from yang_sets import SHARED, needs_modules

from toolkit.inventory.model import Inventory, Platform
from toolkit.netconf.tree import parse_siblings
from toolkit.plan.configured import configured_router
from toolkit.plan.expand import make_plan
from toolkit.plan.intended import intended_router
from toolkit.render.payload import render_router, validate
from toolkit.yang.platforms import PATH_VARIABLE
from toolkit.yang.runtime_yanglint import find_yanglint
from toolkit.yang.xmltext import siblings

__all__ = ["modules"]
GOLDEN = Path(__file__).parent / "golden" / "platforms" / "sros"


@needs_modules
@pytest.mark.parametrize("name", NAMES)
def test_configurations_are_proven_and_read_back_as_planned(name: str) -> None:
    plan = planned(name)
    assert payloads(name)
    for router, payload in payloads(name).items():
        assert payload.unproven == ""
        assert configured_router(plan, router, payload.tree) == intended_router(plan, router)


@pytest.mark.parametrize("name", NAMES)
def test_without_modules_the_same_is_read_and_the_payload_says_that_nobody_proved_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PATH_VARIABLE)
    plan = planned(name)
    for router in ours(plan):
        payload = render_router(plan, router)
        assert "Nokia SR OS 26.3" in payload.unproven
        assert configured_router(plan, router, payload.tree) == intended_router(plan, router)


@needs_modules
@settings(max_examples=25)
@given(larger(SROS))
def test_generated_networks_read_back_as_planned(inventory: Inventory) -> None:
    plan, _ = make_plan(inventory)
    for router in plan.routers:
        payload = render_router(plan, router)
        assert payload.unproven == ""
        assert configured_router(plan, router, payload.tree) == intended_router(plan, router)


@needs_modules
@pytest.mark.parametrize("name", NAMES)
def test_a_second_push_would_change_nothing(name: str) -> None:
    inventory = inventory_of(name)
    _, lock = make_plan(inventory)
    again, _ = make_plan(inventory, lock)
    for router, payload in payloads(name).items():
        assert render_router(again, router) == payload
        assert validate(router, payload.xml, SROS) == payload


def golden(file: Path, text: str) -> None:
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@needs_modules
@pytest.mark.parametrize(
    ("name", "router"),
    [
        ("isis-bier-router-reflected", "r4"),
        ("ospf-sr-p2mp-mvpn", "r1"),
        ("isis-pim-sm-static-ipv6", "r4"),
    ],
)
def test_golden_payload(name: str, router: str) -> None:
    golden(GOLDEN / f"{router}-{name}.xml", payloads(name)[router].xml)


OWN_NAMES = {
    "template-name", "label-block-name", "filter-name", "network-policy-name", "group-name",
    "network-queue-policy", "sap-ingress-policy-name", "sap-egress-policy-name", "customer-name",
    "service-name", "p2mp-policy-name", "policy-name",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_has_a_free_name_is_marked_as_ours(name: str) -> None:
    for payload in payloads(name).values():
        for leaf, text in re.findall(r"<([\w-]+)>([^<]+)</\1>", payload.xml):
            if leaf in OWN_NAMES:
                assert text.startswith("llmsync"), leaf
    texts = re.findall(
        r"<(?:port-id|interface-name)>[^<]+</[\w-]+>(?:<admin-state>enable</admin-state>)?"
        r"<description>([^<]+)<",
        "".join(re.sub(r">\s+<", "><", p.xml) for p in payloads(name).values()),
    )
    assert texts
    assert all(text.startswith("llmsync: ") for text in texts)


@needs_modules
def test_yanglint_agrees(tmp_path: Path) -> None:
    """Debian's yanglint (libyang 2.1) loads the whole set as well; it judges all documents."""
    program = find_yanglint()
    if program is None:
        pytest.skip("yanglint is not installed (Debian: libyang2-tools)")
    chosen = [
        (f"{name}-{router}", siblings(payload.xml))
        for name in NAMES
        for router, payload in payloads(name).items()
        if router in ("r1", "r2", "r4")
    ]
    files = []
    for title, text in chosen:
        files.append(tmp_path / f"{title}.xml")
        files[-1].write_text(text)
    folders = [f"-p{SHARED / 'nokia' / part}" for part in ("types", "conf", "standin")]
    module = next((SHARED / "nokia" / "conf").glob("nokia-conf@*.yang"))

    def judged(*documents: Path) -> subprocess.CompletedProcess[str]:
        command = [program, "-D", "-i", "-t", "config", *folders, module, *documents]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert len(files) > len(NAMES)
    said = judged(*files)
    assert said.returncode == 0, [x for x in said.stderr.splitlines() if "err" in x][:5]
    spoiled = tmp_path / "spoiled.xml"
    text = next(text for title, text in chosen if "bier" in title)
    spoiled.write_text(text.replace("<template>llmsync<", "<template>nowhere<"))
    assert judged(files[0], spoiled).returncode != 0


@needs_modules
def test_a_downstream_node_is_protected_by_its_node_sid() -> None:
    plan = planned(TREES)
    tree = payloads(TREES)["r2"].tree
    base = tree["nokia-conf:configure"]["router"][0]
    for segment in base["p2mp-sr-tree"]["replication-segment"]:
        nodes = {
            n["downstream-index"]: n for n in segment["segment-routing-mpls"]["downstream-nodes"]
        }
        for node in [n for n in nodes.values() if "next-hop-interface-name" in n]:
            backup = nodes[node["protect-nexthop-id"]]
            top, bottom = (sid["replication-sid"] for sid in backup["label"]["sid-list"])
            peer = next(
                r for r in plan.routers.values() if str(r.loopback.ip) == backup["next-hop-address"]
            )
            assert plan.sr is not None
            assert peer.node_sid is not None
            assert top == plan.sr.srgb.lower + peer.node_sid
            assert bottom == node["label"]["sid-list"][0]["replication-sid"]


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_is_one_element(name: str) -> None:
    """The device takes one `configure`; two would be two edits of one container."""
    for payload in payloads(name).values():
        assert len(parse_siblings(siblings(payload.xml))) == 1


@needs_modules
def test_beside_junos_the_vpn_is_bier_proto_1_and_has_one_label_everywhere() -> None:
    plan = planned(BIER)
    asked = "<bier-next-protocol>1</bier-next-protocol>"
    routers = dict(plan.routers)
    routers["r3"] = replace(routers["r3"], platform=Platform.JUNOS)
    mixed = replace(plan, routers=routers)
    payload = render_router(mixed, "r1")
    assert asked in payload.xml
    assert "<service-reserved-label>1048560</service-reserved-label>" in payload.xml
    assert configured_router(mixed, "r1", payload.tree) == intended_router(mixed, "r1")
    assert "Junos" not in "".join(map(str, payload.warnings))
    assert asked not in render_router(plan, "r1").xml
