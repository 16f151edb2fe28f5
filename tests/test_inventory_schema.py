"""The JSON Schema for editors: never stricter than the loader, and as good at structure."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from toolkit.errors import InventoryError
from toolkit.inventory.load import json_schema, load_inventory

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
ROOT = Path(__file__).parent.parent
DEMO = ROOT / "inventories" / "demo"
DOCS = ROOT / "docs" / "reference" / "inventory.md"

GOOD = yaml.safe_load("""\
name: small
domains: {backbone: {area: "49.0001"}}
routers:
  ams1: {domain: backbone, region: europe, platform: junos, loopback: 192.0.2.1, bier: true,
    edge_protection: true, qos: false}
  fra1:
    management: {host: 192.0.2.9, port: 22, username: bob, password: {env: PW}, key: agent}
links: [{a: ams1, b: fra1, name: x, metric: 10, capacity: 10G, delay: 4ms, mtu: 1500, srlg: [d],
  a_port: et-0/0/0, b_port: eth1}]
repositories: {hub: {router: ams1, capacity: 10000000000, delay: 1ms, mtu: 9000, router_port: xe-1}}
clouds: {east: {router: fra1, region: europe, capacity: 10G, delay: 1ms, mtu: 9000, gpus: 8}}
deliveries:
  llama: {model: demo, from: hub, to: all, transport: bier, imposition: host, rate: 1G}
policies: {p: {scope: links, failures: 1}}
pools: {loopbacks: 10.255.0.0/16, links: 10.0.0.0/16, hosts: 10.1.0.0/16, groups: 232.1.0.0/16}
bier: {sub_domain: 0, bsl: 256, encapsulation: mpls}
underlay: {igp: isis}
overlay: {signalling: mvpn, as: 64512, route_reflectors: [ams1]}
qos: {dscp: le}
""")


def routes(tree: Any, route: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value of a tree."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in pairs:
        found.append((*route, key))
        if isinstance(value, dict | list):
            found += routes(value, (*route, key))
    return found


def replaced(route: tuple[Any, ...], value: Any) -> Any:
    tree = copy.deepcopy(GOOD)
    body = tree
    for key in route[:-1]:
        body = body[key]
    body[route[-1]] = value
    return tree


def loads(tmp_path: Path, tree: Any) -> bool:
    file = tmp_path / "network.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    try:
        load_inventory(file)
    except InventoryError:
        return False
    return True


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.yaml")), ids=lambda file: file.name)
def test_each_file_of_the_demo_is_valid(file):
    VALIDATOR.validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def test_the_sample_is_valid_for_both(tmp_path):
    VALIDATOR.validate(GOOD)
    assert loads(tmp_path, GOOD)


def test_every_key_is_explained():
    bodies = [SCHEMA, *SCHEMA["$defs"].values()]
    for body in bodies:
        assert body["title"]
        assert body["description"]
        assert body["additionalProperties"] is False
        for name, value in body["properties"].items():
            assert value["description"].endswith("."), name
            assert value["examples"], name


def test_every_default_and_example_is_valid():
    resolver = {"$defs": SCHEMA["$defs"]}
    for body in (SCHEMA, *SCHEMA["$defs"].values()):
        for name, value in body["properties"].items():
            validator = Draft202012Validator({**value, **resolver})
            given_values = [*value["examples"], *([value["default"]] if "default" in value else [])]
            for sample in given_values:
                if name != "host_key":  # abbreviated for readers
                    validator.validate(sample)


@pytest.mark.parametrize(
    ("route", "value"),
    [
        (("routers",), [{"name": "ams1"}]),
        (("links",), {"x": {"a": "ams1", "b": "fra1"}}),
        (("vlans",), {}),
        (("name",), None),
        (("routers", "ams1", "vendor"), "x"),
        (("routers", "ams1", "platform"), "cisco"),
        (("routers", "ams1", "bier"), "yes"),
        (("routers", "ams1", "loopback"), 1),
        (("routers", "ams1", "loopback"), None),
        (("routers", "AMS1"), {}),
        (("routers", "fra1", "management", "password"), "hunter2"),
        (("routers", "fra1", "management", "password"), "agent"),
        (("routers", "fra1", "management", "key"), {"env": "A", "file": "b"}),
        (("routers", "fra1", "management", "port"), 0),
        (("routers", "fra1", "management"), {}),
        (("links", 0, "metric"), 0),
        (("links", 0, "capacity"), "10GB"),
        (("links", 0, "capacity"), 100),
        (("links", 0, "delay"), 4),
        (("links", 0, "delay"), "4"),
        (("links", 0, "mtu"), 500),
        (("links", 0, "srlg"), "d"),
        (("links", 0, "srlg"), ["d", "d"]),
        (("links", 0), {"a": "ams1"}),
        (("links", 0), None),
        (("clouds", "east"), {}),
        (("clouds", "east", "gpus"), 0),
        (("deliveries", "llama", "to"), []),
        (("deliveries", "llama", "to"), "east"),
        (("deliveries", "llama", "to"), {"region": "a", "regions": ["b"]}),
        (("deliveries", "llama", "transport"), "pigeon"),
        (("policies", "p", "scope"), "routers"),
        (("pools", "hosts"), "10.0.0.0"),
        (("bier", "bsl"), 100),
        (("bier", "sub_domain"), 256),
        (("underlay", "igp"), "rip"),
        (("underlay",), {"ipg": "ospf"}),
        (("overlay", "signalling"), "evpn"),
        (("overlay", "as"), 0),
        (("overlay", "as"), "64512"),
        (("overlay", "route_reflectors"), "ams1"),
        (("overlay", "route_reflectors"), ["ams1", "ams1"]),
        (("qos", "dscp"), 64),
        (("qos", "dscp"), "cs8"),
        (("qos", "dscp"), "5"),
        (("qos", "dscp"), True),
        (("routers", "ams1", "edge_protection"), "yes"),
        (("routers", "ams1", "qos"), {"dscp": "none"}),
        (("links", 0, "a_port"), "port 1"),
        (("links", 0, "b_port"), 1),
        (("repositories", "hub", "router_port"), ""),
        (("domains", "backbone", "area"), 49.0001),
    ],
)  # fmt: skip
def test_a_wrong_structure_is_refused_by_both(route, value, tmp_path):
    tree = replaced(route, value)
    assert not VALIDATOR.is_valid(tree)
    assert not loads(tmp_path, tree)


TEXTS = (
    "", "10G", " 2.5 Gbit/s\n", "4ms", "1 s", "49.00FF", "fra1", "x-", "agent", "::1", "all", "ä",
    "ssh-rsa AAAAB3NzaC1yc2E=", "2001:db8::/32", "10.9.0.0/16", "232.5.0.0/24", "frr", "nodes",
    "non-mpls", "router", "b.example.net", "x" * 65, "LE", "Cs1", "None", "a b", "ospf", "1/1/c1/1",
)  # fmt: skip
values = (
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.sampled_from((*TEXTS, 0.5, 1e12, 4096, 10**12))
    | st.lists(st.sampled_from(["east", "a", 1]), max_size=2)
    | st.dictionaries(
        st.sampled_from(["region", "env", "file", "a"]), st.sampled_from(["europe", "X"])
    )
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.sampled_from(routes(GOOD)), values)
def test_what_the_loader_takes_the_schema_takes(tmp_path_factory, route, value):
    tree = replaced(route, value)
    if loads(tmp_path_factory.getbasetemp(), tree):
        VALIDATOR.validate(tree)


def test_the_reference_page_has_every_key_with_its_default():
    page = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|([^|]*)\|", page, flags=re.MULTILINE)
    written = [(key, default) for keys, default in rows for key in re.findall("`([^`]+)`", keys)]
    declared = [
        (key, value)
        for body in SCHEMA["$defs"].values()
        for key, value in body["properties"].items()
    ]
    assert sorted(key for key, _ in written) == sorted(key for key, _ in declared)
    for key, value in declared:
        defaults = [default for name, default in written if name == key]
        if "default" in value:
            shown = value["default"]
            shown = str(shown).lower() if isinstance(shown, bool) else str(shown)
            assert f"`{shown}`" in [default.strip().replace('"', "") for default in defaults], key
    for section in SCHEMA["properties"]:
        assert f"### `{section}`" in page
