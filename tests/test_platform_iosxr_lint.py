"""Lints of platform iosxr: what no schema checks as long as Cisco's modules are not fetched."""

from __future__ import annotations

import re

import pytest
from test_platform_iosxr import rendered_case

from toolkit.errors import SchemaError
from toolkit.inventory.model import Platform
from toolkit.render.payload import validate

REFERENCES = {
    "<interface-name>HundredGigE[^<]*(?=</interface-name>\\s*<point-to-point/>)": (
        "<interface-name>nobody", "there is no interface nobody",
    ),
    "<range>llmsync-ssm": ("<range>nobody", "there is no access list nobody"),
    "<name>llmsync-HundredGigE[^<]*": ("<name>nobody", "there is no access list nobody"),
    "<access-list>llmsync-rp-1": ("<access-list>nobody", "there is no access list nobody"),
    "<service-policy-name>llmsync": (
        "<service-policy-name>nobody", "there is no policy map nobody",
    ),
    "<class>\\s*<name>llmsync": ("<class><name>nobody", "there is no class map nobody"),
}  # fmt: skip


@pytest.mark.parametrize("pattern", REFERENCES)
def test_names_that_lead_nowhere_are_found(pattern: str) -> None:
    new, what = REFERENCES[pattern]
    xml = rendered_case("isis-pim-sm-static")[1]["r1"].xml
    spoiled = re.sub(pattern, new, xml, count=1)
    assert spoiled != xml
    with pytest.raises(SchemaError) as caught:
        validate("r1", spoiled, Platform.IOSXR)
    assert what in {problem.what.partition(" (")[0] for problem in caught.value.problems}


TREES = {
    ("<endpoint-set-name>llmsync-few</endpoint-set-name>\n *</p2mp-color",
     "<endpoint-set-name>x</endpoint-set-name></p2mp-color"): "there is no endpoint set x",
    ("<p2mp-endpoint-set-addresses>.*?</p2mp-endpoint-set-addresses>", ""): (
        "endpoint set llmsync-all has no addresses"
    ),
    ("<mpls-label>\\d+", "<mpls-label>16005"): "label 16005 is not in the SRLB 15000-15999",
    ("<path-index>100", "<path-index>200"): "preference 200: a tree has one path",
    ("<pce-peers>.*?</pce-peers>", ""): "is no client of who computes them",
    ("<server-address>.*?</server-address>", ""): "has no address",
    ("<p2mp>", "<p2mp><p2mp-label-range><minimum>15000</minimum><maximum>15999</maximum>"
     "</p2mp-label-range>"): "is in the range of dynamic policies",
    ("<traffic-engineering>", "<traffic-eng/><traffic-engineering>"): (
        "Cisco-IOS-XR-um-pce-cfg is deprecated"
    ),
    ("<index-id>\\d+", "<index-id>8000"): "index 8000 is beyond the SRGB, which has 8000 labels",
    ("<route-policy-name>.*?</route-policy-name>", ""): "there is no route policy llmsync-tree-sid",
    ("<process-id>llmsync</process-id>", "<process-id>llmsync</process-id><bier/>"): (
        "IOS XR has no BIER"
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", TREES)
def test_what_tree_sid_needs(change: tuple[str, str]) -> None:
    pattern, new = change
    xml = rendered_case("isis-sr-p2mp-static")[1]["r1"].xml
    spoiled = re.sub(pattern, new, xml, count=1, flags=re.S)
    assert spoiled != xml
    with pytest.raises(SchemaError) as caught:
        validate("r1", spoiled, Platform.IOSXR)
    assert any(TREES[change] in problem.what for problem in caught.value.problems)


def test_a_tree_of_somebody_else_is_a_warning() -> None:
    xml = rendered_case("isis-sr-p2mp-static")[1]["r1"].xml
    spoiled = xml.replace("<id>llmsync-few</id>", "<id>theirs</id>")
    (warning,) = validate("r1", spoiled, Platform.IOSXR).warnings
    assert warning.what.startswith("this router computes no tree of that name")


def test_a_vrf_and_an_interface_of_pim_have_to_be_there() -> None:
    xml = rendered_case("isis-sr-p2mp-mvpn")[1]["r1"].xml
    without = re.sub("<vrfs xmlns.*?</vrfs>", "", xml, count=1, flags=re.S)
    with pytest.raises(SchemaError, match="there is no VRF llmsync"):
        validate("r1", without, Platform.IOSXR)
    xml = rendered_case("isis-pim-sm-static")[1]["r1"].xml
    bare = re.sub("<multicast-routing.*?</multicast-routing>", "", xml, flags=re.S)
    with pytest.raises(SchemaError, match="multicast-routing does not have the interface"):
        validate("r1", bare, Platform.IOSXR)
