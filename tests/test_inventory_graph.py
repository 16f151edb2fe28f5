"""`llmsync inventory graph`: pictures of what is declared."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from lxml import etree
from topologies import OWN, zoo

from toolkit.cli.main import main
from toolkit.errors import Place
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Cloud, Delivery, Domain, Inventory, Link, Repository, Router
from toolkit.report.declared import declared_network, telling_regions
from toolkit.report.inventory_map import LARGE, inventory_svg
from toolkit.report.labels import Label, place_labels
from toolkit.report.layout import Arrangement, Box

DEMO = Path(__file__).parent.parent / "inventories" / "demo"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(path, capsys, form="svg"):
    assert main(["inventory", "graph", str(path), "-o", form]) == 0
    return capsys.readouterr().out


def small(tmp_path, capsys):
    out = tmp_path / "small"
    file = str(OWN / "small.gml")
    assert main(["inventory", "import", "gml", file, "--output", str(out), "--all"]) == 0
    capsys.readouterr()
    return out


def with_class(root, name):
    return [node for node in root.iter() if name in (node.get("class") or "").split()]


def star(size):
    """A hub in the middle of `size` routers, each of them a bridge away."""
    return Inventory(
        name="star",
        domains={"d": Domain(name="d")},
        routers={n: Router(name=n, domain="d") for n in ["hub-r", *(f"r{i}" for i in range(size))]},
        links=tuple(Link(a="hub-r", b=f"r{i}") for i in range(size)),
        repositories={"hub": Repository(name="hub", router="hub-r")},
        clouds={"c": Cloud(name="c", router="r0", place=Place())},
        deliveries={"m": Delivery(name="m", model="demo", source="hub", to=("c",))},
    )


def test_every_node_link_and_bridge_of_a_small_network_is_named(tmp_path, capsys):
    path = small(tmp_path, capsys)
    inventory = load_inventory(path)
    root = etree.fromstring(drawn(path, capsys).encode())
    titles = [node.text for node in root.iter(f"{SVG}title")]
    for name in (*inventory.routers, *inventory.repositories, *inventory.clouds):
        assert any(title.startswith(f"{name} · ") for title in titles)
    for link in inventory.links:
        assert any(title.startswith(f"{link.name}\n") for title in titles)
    bridges = [title for title in titles if "a bridge" in title]
    assert len(bridges) == 2
    in_legend = 1
    assert len(with_class(root, "bridge")) == 2 + in_legend
    assert "Bridges: " in root.findtext(f"{SVG}desc")


def test_the_demonstration_has_frames_for_regions_and_no_bridges(capsys):
    root = etree.fromstring(drawn(DEMO, capsys).encode())
    assert len(with_class(root, "region")) == 2
    assert with_class(root, "bridge") == []
    assert len(with_class(root, "plain")) == 1 + 1  # dal1, and the legend


def test_boxes_do_not_overlap(tmp_path, capsys):
    root = etree.fromstring(drawn(DEMO, capsys).encode())
    boxes = [
        tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
        for g in with_class(root, "node")
        for r in g.iter(f"{SVG}rect")
        if "box" in r.get("class")
    ]
    assert len(boxes) == 12 + 7
    for (x, y, w, h), (p, q, v, g) in combinations(boxes, 2):
        assert x + w <= p or p + v <= x or y + h <= q or q + g <= y


def test_the_same_network_gives_the_same_picture(capsys):
    assert drawn(DEMO, capsys) == drawn(DEMO, capsys)


def test_regions_are_framed_only_where_that_tells_something():
    def regions(*names):
        net = star(len(names) - 1)
        routers = {
            n: Router(name=n, domain="d", region=region)
            for n, region in zip(net.routers, names, strict=True)
        }
        return telling_regions(
            declared_network(Inventory(**{**{f: getattr(net, f) for f in net.__slots__},
                                          "routers": routers}))
        )  # fmt: skip

    assert regions("a", "a", "b", "b")
    assert not regions("a", "a", "a", "a")
    assert not regions("a", "a", "b", "c")
    assert not regions("a", "a", "b", "")


def test_a_large_network_is_dots_with_names_where_there_is_room():
    network = declared_network(star(LARGE))
    root = etree.fromstring(inventory_svg(network).encode())
    assert len(with_class(root, "node")) == LARGE + 1
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert "hub-r" in texts
    assert "r0" in texts
    titles = "\n".join(node.text for node in root.iter(f"{SVG}title"))
    assert "c · 8 GPUs · at r0" in titles
    assert len(with_class(root, "bridge")) == LARGE + 1


def test_labels_keep_clear_of_dots_and_of_each_other():
    boxes = [Box(100 + 8 * i, 100, 6, 6) for i in range(12)]
    placed = Arrangement({}, {}, 300, 200)
    labels = [Label(text=f"name-{i}", box=b, size=10, class_="label") for i, b in enumerate(boxes)]
    found = place_labels(labels, boxes, placed)
    assert 0 < len(found) < len(labels)
    every = [Label(text=x.text, box=x.box, size=10, class_="", always=True) for x in labels]
    assert len(place_labels(every, boxes, placed)) == len(labels)


def test_dot_and_mermaid_mark_bridges(tmp_path, capsys):
    path = small(tmp_path, capsys)
    dot = drawn(path, capsys, "dot")
    assert dot.startswith('graph "small" {\n')
    assert dot.rstrip().endswith("}")
    assert dot.count("penwidth=2.5") == 2
    assert dot.count(" -- ") == 9 + 7
    mermaid = drawn(path, capsys, "mermaid")
    assert mermaid.count(" === ") == 2
    assert mermaid.count(" --- ") == 7
    assert mermaid.count(" -.- ") == 7


def test_the_graph_as_data(capsys):
    said = json.loads(drawn(DEMO, capsys, "json"))
    assert len(said["nodes"]) == 19
    assert {n["kind"] for n in said["nodes"]} == {"router", "repository", "cloud"}
    assert [n["name"] for n in said["nodes"] if n.get("bier") is False] == ["dal1"]
    assert not any(link["bridge"] for link in said["links"])


def test_a_picture_is_written_to_a_file(tmp_path, capsys):
    out = tmp_path / "pictures" / "demo.svg"
    assert main(["inventory", "graph", "demo", "--output", str(out)]) == 0
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said == f"{out} written\n"
    assert etree.fromstring(out.read_bytes()).tag == f"{SVG}svg"


def test_an_invalid_inventory_is_not_drawn(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("name: x\n", "utf-8")
    assert main(["inventory", "graph", str(tmp_path / "x.yaml")]) == 2
    assert "no router is declared" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Cernet", "Geant2012"])
def test_networks_of_forty_nodes_show_every_name(name, tmp_path, capsys):
    out = tmp_path / name
    assert main(["inventory", "import", "gml", str(zoo(name)), "--output", str(out)]) == 0
    capsys.readouterr()
    root = etree.fromstring(drawn(out, capsys).encode())
    texts = {node.text for node in root.iter(f"{SVG}text")}
    assert set(load_inventory(out).routers) <= texts
    assert float(root.get("width")) < 1400
