"""What holds for every inventory, good or bad."""

from __future__ import annotations

import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import InventoryError
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Encapsulation, Imposition, Inventory, Platform
from toolkit.inventory.quantity import format_delay, format_rate

DEMO = Path(__file__).parent.parent / "inventories" / "demo"
DEMO_TEXT = "".join(file.read_text() for file in sorted(DEMO.glob("*.yaml")))

MANY = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
FEW = settings(MANY, max_examples=60)


def load(text: str | bytes) -> Inventory:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
        return load_inventory(file)


def load_or_refuse(text: str | bytes) -> None:
    """Load, or raise nothing but InventoryError with printable problems in order."""
    refusal = None
    try:
        load(text)
    except InventoryError as error:
        refusal = error
    if refusal is not None:
        assert refusal.problems
        assert list(refusal.problems) == sorted(set(refusal.problems))
        lines = str(refusal).split("\n")
        assert all(map(str.isprintable, lines))
        assert len(lines) == len(refusal.problems)


names = st.from_regex("[a-z][a-z0-9-]{0,10}", fullmatch=True).filter(lambda n: n != "all")
labels = st.sampled_from(["europe", "asia", "No. 7", "yes", "8", "~"])
areas = st.sampled_from(["49.0001", "49", "49.00ff"])
rates = st.integers(64_000, 10**12)
delays = st.integers(0, 2_000_000).map(lambda us: us / 1_000_000)
mtus = st.integers(1500, 65535)


@st.composite
def inventories(draw: st.DrawFn) -> dict[str, Any]:
    """A valid inventory as plain values: rates in bit/s, delays in seconds."""
    nodes = draw(st.lists(names, min_size=5, max_size=12, unique=True))
    count = draw(st.integers(2, len(nodes) - 3))
    routers, hub, clouds = nodes[:count], nodes[count], nodes[count + 1 :]
    domains = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    ends = [(draw(st.sampled_from(routers[:i])), routers[i]) for i in range(1, count)]
    ends += draw(st.lists(st.sampled_from(ends), max_size=2))
    return {
        "name": draw(names),
        "domains": {name: {"area": draw(areas)} for name in domains},
        "routers": {
            name: {
                "domain": draw(st.sampled_from(domains)),
                "region": draw(labels),
                "platform": draw(st.sampled_from(list(Platform))).value,
                "loopback": str(IPv4Address("192.0.2.0") + index),
            }
            for index, name in enumerate(routers)
        },
        "links": [
            {
                "a": a,
                "b": b,
                "name": f"x{index}--",
                "metric": draw(st.integers(1, 16_777_214)),
                "capacity": draw(rates) + 10**12,
                "delay": draw(delays),
                "mtu": draw(mtus),
                "srlg": draw(st.lists(labels, max_size=2, unique=True)),
            }
            for index, (a, b) in enumerate(ends)
        ],
        "repositories": {
            hub: {"router": draw(st.sampled_from(routers)), "capacity": 10**12, "mtu": draw(mtus)}
        },
        "clouds": {
            name: {
                "router": draw(st.sampled_from(routers)),
                "region": draw(labels),
                "capacity": 10**12,
                "delay": draw(delays),
                "gpus": draw(st.integers(1, 1_000_000)),
            }
            for name in clouds
        },
        "deliveries": {
            name: {
                "model": draw(st.sampled_from(["demo", "/models/a b", "./x"])),
                "from": hub,
                "to": draw(st.lists(st.sampled_from(clouds), min_size=1, unique=True)),
                "imposition": draw(st.sampled_from(list(Imposition))).value,
                "rate": draw(rates),
            }
            for name in draw(st.lists(names, max_size=3, unique=True))
        },
        "policies": {draw(names): {"scope": "links", "failures": draw(st.integers(1, count - 1))}},
        "bier": {
            "sub_domain": draw(st.integers(0, 255)),
            "bsl": draw(st.sampled_from([64, 128, 256, 512, 1024, 2048, 4096])),
            "encapsulation": draw(st.sampled_from(list(Encapsulation))).value,
        },
    }  # fmt: skip


def spelled(data: dict[str, Any]) -> dict[str, Any]:
    """Return the same values as an author would write them."""
    written = {**data, "links": [dict(link) for link in data["links"]]}
    for link in written["links"]:
        link["capacity"] = format_rate(link["capacity"])
        link["delay"] = format_delay(link["delay"])
    for section in ("clouds", "deliveries"):
        written[section] = {name: dict(body) for name, body in data[section].items()}
        for body in written[section].values():
            for key, show in (
                ("capacity", format_rate),
                ("rate", format_rate),
                ("delay", format_delay),
            ):
                if key in body:
                    body[key] = show(body[key])
    return written


@FEW
@given(inventories(), st.booleans())
def test_what_is_written_is_what_is_loaded(data, flow):
    loaded = load(yaml.safe_dump(spelled(data), default_flow_style=flow, sort_keys=False))
    assert loaded.name == data["name"]
    assert {d.name: {"area": d.area} for d in loaded.domains.values()} == data["domains"]
    assert {
        r.name: {
            "domain": r.domain, "region": r.region, "platform": r.platform.value,
            "loopback": str(r.loopback),
        }
        for r in loaded.routers.values()
    } == data["routers"]  # fmt: skip
    assert [
        {
            "a": k.a, "b": k.b, "name": k.name, "metric": k.metric, "capacity": k.capacity,
            "delay": k.delay, "mtu": k.mtu, "srlg": list(k.srlg),
        }
        for k in loaded.links
    ] == data["links"]  # fmt: skip
    assert {
        r.name: {"router": r.router, "capacity": r.capacity, "mtu": r.mtu}
        for r in loaded.repositories.values()
    } == data["repositories"]
    assert {
        c.name: {
            "router": c.router, "region": c.region, "capacity": c.capacity, "delay": c.delay,
            "gpus": c.gpus,
        }
        for c in loaded.clouds.values()
    } == data["clouds"]  # fmt: skip
    assert {
        d.name: {
            "model": d.model, "from": d.source, "to": list(d.to), "imposition": d.imposition.value,
            "rate": d.rate,
        }
        for d in loaded.deliveries.values()
    } == data["deliveries"]  # fmt: skip
    assert {p.name: {"scope": p.scope, "failures": p.failures} for p in loaded.policies} == data[
        "policies"
    ]
    assert {
        "sub_domain": loaded.bier.sub_domain, "bsl": loaded.bier.bsl,
        "encapsulation": loaded.bier.encapsulation.value,
    } == data["bier"]  # fmt: skip
    assert len({link.name for link in loaded.links}) == len(loaded.links)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | labels
)
keys = st.sampled_from(
    ["name", "domains", "routers", "links", "repositories", "clouds", "deliveries", "policies",
     "pools", "bier", "a", "b", "router", "domain", "to", "from", "model", "management", "password",
     "host", "region", "regions", "loopback", "bsl", "mtu", "rate", "capacity", "x1", "x2", "scope"]
) | st.text(max_size=5)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)


@MANY
@given(st.dictionaries(keys, trees, max_size=8))
def test_no_tree_of_values_does_more_than_raise_inventory_error(tree):
    load_or_refuse(yaml.safe_dump(tree, allow_unicode=True))


@MANY
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_no_bytes_do_more_than_raise_inventory_error(data):
    load_or_refuse(data)


@MANY
@given(st.text("{}[]:,-?&*!|>'\"%@`#\\ \n\tab01~<=.", max_size=60))
def test_no_punctuation_does_more_than_raise_inventory_error(text):
    load_or_refuse(text)


@FEW
@given(st.data())
def test_no_edit_of_a_good_inventory_does_more_than_raise_inventory_error(data):
    text = DEMO_TEXT
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        new = data.draw(st.sampled_from(["", " ", "\n", ":", "{", "}", "'", "&a", "*a", "0", "\t"]))
        text = text[:start] + new + text[end:]
    load_or_refuse(text)


@FEW
@given(inventories(), st.data(), trees)
def test_no_entry_replaced_does_more_than_raise_inventory_error(data, drawn, tree):
    written = spelled(data)
    places = [
        (body, key)
        for body in written.values()
        if isinstance(body, dict | list)
        for key in (body if isinstance(body, dict) else range(len(body)))
    ]
    body, key = drawn.draw(st.sampled_from(places))
    body[key] = tree
    load_or_refuse(yaml.safe_dump(written))
