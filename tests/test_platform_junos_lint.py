"""What junos-conf does not check, our lint does: references, limits, wildcards."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junos_networks import NAMES, payloads, planned
from yang_sets import EXAMPLES, needs_modules

from toolkit.errors import SchemaError
from toolkit.inventory.model import (
    Platform,
)
from toolkit.render.lint_junos import lint_junos
from toolkit.render.lint_junos_references import (
    ADVERTISED,
    INTERFACE,
    OWN_ADDRESS,
    POLICY,
    REFERENCES,
    SUB_DOMAIN,
    Kind,
    Leaves,
    named,
)
from toolkit.render.payload import validate
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.junos import read_router
from toolkit.state.model import (
    RouterState,
)
from toolkit.yang.platforms import platform_schema
from toolkit.yang.schema import Schema
from toolkit.yang.untyped import untyped_tree

pytestmark = needs_modules


def remarks(tree: Mapping[str, Any]) -> list[Remark]:
    return list(lint_junos(Branch(tree)))


def errors(tree: Mapping[str, Any]) -> list[Remark]:
    return [remark for remark in remarks(tree) if remark.error]


LISTS = frozenset(
    {
        *("interface", "area", "group", "neighbor", "address", "instance", "isis-instance"),
        *("policy-statement", "term", "prefix-list", "prefix-list-filter", "route-filter-list"),
        *("community", "sub-domain", "bier-sub-domain", "ssm-map", "flow-map", "scope", "rib"),
    }
)
AFTER = {"list_name": "<choice-ident>exact</choice-ident><choice-value/>"}
BEFORE = {"community-name": "<choice-ident>add</choice-ident><choice-value/>"}
"""Keys behind and before one that holds a name."""
NOBODY = {INTERFACE: "et-9/9/9.0", SUB_DOMAIN: "9", ADVERTISED: "9", OWN_ADDRESS: "192.0.2.99"}
PLACES = [(kind, place) for kind, places in REFERENCES.items() for place in places]


def document(place: str, value: str) -> str:
    """Return a configuration with `value` at a schema path, entries called `x`."""
    way = place.split("/")
    leaf = way[-1]
    inner = f"{BEFORE.get(leaf, '')}<{leaf}>{value}</{leaf}>{AFTER.get(leaf, '')}"
    for depth in range(len(way) - 2, 0, -1):
        name = way[depth]
        keyed = depth == len(way) - 2 and way[-1] in ("name", "list_name", "community-name")
        plain = name == "community" or (name == "address" and way[-1] == "address")
        key = "" if keyed or plain or name not in LISTS else _key(way[:depth], name)
        inner = f"<{name}>{key}{inner}</{name}>"
    space = f"http://yang.juniper.net/junos/conf/{way[0]}"
    inner = f'<{way[0]} xmlns="{space}">{inner}</{way[0]}>'
    return f'<configuration xmlns="http://yang.juniper.net/junos/conf/root">{inner}</configuration>'


def _key(above: list[str], name: str) -> str:
    if name == "sub-domain":
        return "<name>0</name>"
    return f"<name>{'192.0.2.1' if name == 'neighbor' else 'x'}</name>"


@pytest.mark.parametrize(("kind", "place"), PLACES, ids=[place for _, place in PLACES])
def test_a_dangling_reference_is_found_at_its_place(kind: Kind, place: str) -> None:
    """Each row of the table is a path of the modules, and what it names is looked for."""
    value = NOBODY.get(kind, "nobody")
    schema = platform_schema("junos")
    assert isinstance(schema, Schema)
    tree = schema.parse_xml(document(place, value), "r1")
    wanted = f"there is no {kind.noun} {value}"
    (found,) = (r for r in remarks(tree) if r.what == wanted)
    assert found.error
    path = found.path.replace("[name='", "/").replace("']", "")
    assert place.split("/")[0] == path.split("/")[2]
    with pytest.raises(SchemaError, match=wanted):
        validate("r1", document(place, value), Platform.JUNOS)


def referred(tree: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    """Yield everything that a configuration names, by the table."""
    leaves = Leaves(Branch(tree).one("configuration"))
    for kind, places in REFERENCES.items():
        for place in places:
            for _, value in leaves.everywhere(place):
                yield from ((kind, name) for name in named(kind, value))


def without(node: Any, at: tuple[str, ...], gone: Any) -> None:
    """Take the entries of the list at `at` away for which `gone` says so."""
    found = [(k, v) for k, v in node.items() if k.rpartition(":")[2] == at[0]]
    for key, value in found:
        if len(at) > 1:
            for entry in value if isinstance(value, list) else [value]:
                without(entry, at[1:], gone)
        else:
            node[key] = [entry for entry in value if not gone(entry)]
            if not node[key]:
                del node[key]


REMOVALS = {
    INTERFACE: lambda tree, name: without(
        tree,
        ("configuration", "interfaces", "interface"),
        lambda e: f"{e['name']}.0" == name,
    ),
    POLICY: lambda tree, name: without(
        tree,
        ("configuration", "policy-options", "policy-statement"),
        lambda e: e["name"] == name,
    ),
    SUB_DOMAIN: lambda tree, name: without(
        tree,
        ("configuration", "protocols", "bier", "sub-domain"),
        lambda e: str(e["name"]) == name,
    ),
    ADVERTISED: lambda tree, name: without(
        tree,
        ("configuration", "protocols", "isis", "bier-sub-domain"),
        lambda e: str(e["name"]) == name,
    ),
    OWN_ADDRESS: lambda tree, name: without(
        tree,
        ("configuration", "interfaces", "interface", "unit", "family", "inet", "address"),
        lambda e: e["name"].partition("/")[0] == name,
    ),
}


@settings(max_examples=80)
@given(st.data())
def test_whatever_is_referred_to_is_missed_when_it_goes(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([n for n in NAMES if "ipv6" not in n]))
    router = data.draw(st.sampled_from(sorted(payloads(case))))
    tree = copy.deepcopy(payloads(case)[router].tree)
    kind, name = data.draw(st.sampled_from(sorted(set(referred(tree)), key=repr)))
    REMOVALS[kind](tree, name)
    assert f"there is no {kind.noun} {name}" in [remark.what for remark in errors(tree)]


def numbers(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the ways to all leaves of a tree."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        if isinstance(value, dict | list) and value != [None]:
            yield from numbers(value, (*at, key))
        else:
            yield (*at, key)


@settings(max_examples=150)
@given(st.data(), st.sampled_from(["<*>", "<1-9>", "$x", "$junos-interface-unit"]))
def test_wildcards_and_variables_are_named_and_never_crash_the_reader(
    data: st.DataObject, mark: str
) -> None:
    case = data.draw(st.sampled_from(NAMES))
    router = data.draw(st.sampled_from(sorted(payloads(case))))
    tree = copy.deepcopy(payloads(case)[router].tree)
    way = data.draw(st.sampled_from(sorted(numbers(tree), key=repr)))
    node: Any = tree
    for key in way[:-1]:
        node = node[key]
    node[way[-1]] = mark
    assert isinstance(read_router(router, tree), RouterState)
    found = [
        r for r in errors(tree) if r.what == f"{mark} stands for a value, outside of any group"
    ]
    assert len(found) == (0 if way[-1] == "description" else 1)


def test_the_schema_takes_wildcards_and_the_lint_does_not() -> None:
    text = (EXAMPLES / "junos.xml").read_text("utf-8")
    spoiled = text.replace("<bfr-id>7</bfr-id>", "<bfr-id>&lt;*&gt;</bfr-id>")
    schema = platform_schema("junos")
    assert isinstance(schema, Schema)
    schema.parse_xml(spoiled, "r7")
    with pytest.raises(SchemaError, match=r"bfr-id: <\*> stands for a value"):
        validate("r7", spoiled, Platform.JUNOS)


BIER = "/configuration/protocols/bier/sub-domain[name='0']"
LIMITS = {
    "bfr-id": ("<bfr-id>7<", "<bfr-id>1025<", f"{BIER}/bfr-id", "1025 is no BFR-id of Junos"),
    "bsl": ("len>256<", "len>512<", f"{BIER}/encapsulation/bitstringlen", "512 bits are no"),
    "sets": ("sets>4<", "sets>17<", f"{BIER}/encapsulation/number-sets", "17 sets are not"),
    "sets-documented": ("sets>4<", "sets>16<", f"{BIER}/encapsulation/number-sets", "16 sets are"),
    "set-of-id": ("<bfr-id>7<", "<bfr-id>1024<", "", ""),
    "id-beyond-sets": ("sets>4<", "sets>0<", f"{BIER}/encapsulation/number-sets", "0 sets are not"),
    "label": ("label>61000<", "label>15<", f"{BIER}/encapsulation/static-base-label", "labels 15"),
    "label-end": ("label>61000<", "label>1048573<", f"{BIER}/encapsulation/static-base-label", ""),
    "label-dynamic": ("", "", f"{BIER}/encapsulation/static-base-label", "label 61000 may be"),
    "label-srgb": (
        "label>61000<",
        "label>27999<",
        f"{BIER}/encapsulation/static-base-label",
        "labels from 27999 are also those of /configuration/protocols/isis",
    ),
    "prefix": ("<bfr-prefix>192.0.2.7</bfr-prefix>", "", BIER, "has no BFR-prefix"),
    "prefix-not-own": ("x>192.0.2.7</bfr", "x>192.0.2.8</bfr", f"{BIER}/bfr-prefix", "there is no"),
    "prefix-no-address": ("x>192.0.2.7</bfr", "x>seven</bfr", f"{BIER}/bfr-prefix", "seven is no"),
    "encapsulation": ("<mpls/>\n          <bits", "<bits", BIER, "has no encapsulation"),
    "switch": ("<bier/>", "", "/configuration/forwarding-options", "BIER is configured, but"),
    "net": (
        "<address>\n              <name>49.0051.0192.0000.2007.00</name>\n            </address>",
        "",
        "/configuration/protocols/isis",
        "IS-IS has no NET",
    ),
    "family-mpls": (
        "<iso/>\n          <mpls/>",
        "<iso/>",
        "/configuration/protocols/isis/interface[name='et-0/0/1.0']",
        "IS-IS leads BIER over this interface",
    ),
    "group": (
        "<interfaces xmlns",
        "<apply-groups>nobody</apply-groups><interfaces xmlns",
        "/configuration/apply-groups",
        "there is no configuration group nobody",
    ),
    "group-unread": (
        "<interfaces xmlns",
        "<groups><name>some</name></groups><apply-groups>some</apply-groups><interfaces xmlns",
        "/configuration",
        "what group some adds here is not looked at",
    ),
    "mtu": (
        "<inet>",
        "<inet><mtu>9179</mtu>",
        "/configuration/interfaces/interface[name='et-0/0/1']/unit[name='0']/family/inet/mtu",
        "packets of 9179 octets and their header exceed",
    ),
    "mtu-labels": (
        "<inet>",
        "<inet><mtu>9178</mtu>",
        "/configuration/interfaces/interface[name='et-0/0/1']/unit[name='0']/family/inet/mtu",
        "labelled packets may have 9166 octets",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_that_the_modules_or_the_router_have(name: str) -> None:
    old, new, path, what = LIMITS[name]
    text = (EXAMPLES / "junos.xml").read_text("utf-8")
    assert old in text
    before = {(r.path, r.what) for r in remarks(untyped_tree(text))} if old else set()
    spoiled = remarks(untyped_tree(text.replace(old, new, 1) if old else text))
    fresh = [r for r in spoiled if (r.path, r.what) not in before]
    if not path:
        assert fresh == []
        return
    (found,) = (r for r in fresh if r.path == path and r.what.startswith(what))
    assert found.source
    assert found.remedy


INSTANCE = "/configuration/routing-instances/instance[name='model-sync']"
VPN_LIMITS = {
    "label": ("", "", f"{INSTANCE}/provider-tunnel/bier/label", "label 700100 is not that"),
    "rd": ("<rd-type>64500:100</rd-type>", "", INSTANCE, "has no route distinguisher"),
    "no-label": (
        "<label>700100</label>",
        "",
        f"{INSTANCE}/provider-tunnel/bier/label",
        "label (none) is not that",
    ),
    "tunnel": (
        "<bier>\n          <subdomain-id>0</subdomain-id>\n          <label>700100</label>\n"
        "        </bier>",
        "",
        INSTANCE,
        "has no provider tunnel",
    ),
    "target": ("<vrf-target>", "<no-vrf-advertise/><vrf-targets>", INSTANCE, "imports no routes"),
    "unresolved": ("", "", INSTANCE, "routes of other edge routers stay hidden"),
    "bgp": ("", "", f"{INSTANCE}/protocols/mvpn", "no BGP group carries MVPN routes"),
}


@pytest.mark.parametrize("name", VPN_LIMITS)
def test_what_a_vpn_needs(name: str) -> None:
    old, new, path, what = VPN_LIMITS[name]
    example = (EXAMPLES / "junos-mvpn.xml").read_text("utf-8")
    assert old in example
    text = example.replace(old, new)
    if name == "target":
        text = text.replace("</vrf-target>", "</vrf-targets>")
    found = [r for r in remarks(untyped_tree(text)) if r.path == path and r.what.startswith(what)]
    assert len(found) == 1


def test_overlapping_labels_of_a_vpn_and_internal_bgp_without_an_as() -> None:
    text = payloads("isis-bier-router-mvpn")["r1"].xml
    assert "<as-number>64512</as-number>" in text
    bare = text.replace("<as-number>64512</as-number>", "")
    assert "BGP has internal neighbors and no AS number" in [
        r.what for r in errors(untyped_tree(bare))
    ]
    base = planned("isis-bier-router-mvpn").routers["r1"].sub_domains[0].bift_id_base
    met = text.replace("1048560", str(base))
    assert any(r.what.startswith(f"labels from {base} are also") for r in errors(untyped_tree(met)))
