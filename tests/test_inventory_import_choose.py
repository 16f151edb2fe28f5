"""The central node, the farthest ones, names and regions; what can be promised to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topologies import zoo

from toolkit.errors import InventoryError
from toolkit.inventory.importers.assemble import Order, assemble
from toolkit.inventory.importers.choose import Wishes, central, choose, delay_graph, farthest
from toolkit.inventory.importers.draft import Draft, DraftLink, DraftRouter
from toolkit.inventory.importers.survival import survival
from toolkit.inventory.importers.zoo import read_zoo
from toolkit.inventory.model import Platform


def network(*links, regions=(), plain=(), capacity=None):
    names = sorted({end for link in links for end in link[:2]})
    where = dict(regions)
    return Draft(
        name="net",
        file="net.gml",
        routers=tuple(
            DraftRouter(
                name=n, label=n.upper(), region=where.get(n, ""), bier=n not in plain,
                platform=Platform.IOSXR if n in plain else Platform.REFERENCE,
            )
            for n in names
        ),
        links=tuple(
            DraftLink(
                a=link[0], b=link[1], delay=(link[2] if len(link) > 2 else 1) / 1000,
                metric=link[2] if len(link) > 2 else 1,
                capacity=(capacity or {}).get((link[0], link[1]), 10**11),
            )
            for link in links
        ),
    )  # fmt: skip


LINE = network(("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"))
RING = network(("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"))


def all_distances(draft):
    """Floyd and Warshall, in microseconds."""
    names = [r.name for r in draft.routers]
    far = {(a, b): 0 if a == b else 1 << 60 for a in names for b in names}
    for link in draft.links:
        step = max(1, round(link.delay * 1e6))
        for pair in ((link.a, link.b), (link.b, link.a)):
            far[pair] = min(far[pair], step)
    for k in names:
        for a in names:
            for b in names:
                far[a, b] = min(far[a, b], far[a, k] + far[k, b])
    return names, far


@st.composite
def connected(draw):
    size = draw(st.integers(2, 9))
    delay = st.integers(1, 20)
    tree = [(f"n{draw(st.integers(0, n - 1))}", f"n{n}", draw(delay)) for n in range(1, size)]
    node = st.integers(0, size - 1)
    more = draw(st.lists(st.tuples(node, node, delay), max_size=6))
    return network(*tree, *((f"n{a}", f"n{b}", d) for a, b, d in more if a != b))


@given(connected())
def test_the_central_node_has_the_least_sum_of_delays(draft):
    names, far = all_distances(draft)
    best = min(names, key=lambda n: (sum(far[n, other] for other in names), n))
    assert central(delay_graph(draft), names) == best


@given(connected(), st.integers(1, 8))
def test_each_of_the_farthest_is_as_far_as_can_be_from_those_before_it(draft, count):
    names, far = all_distances(draft)
    found = farthest(delay_graph(draft), names[0], names, count)
    assert len(found) == min(count, len(names) - 1)
    chosen = [names[0]]
    for name in found:
        left = [n for n in names if n not in chosen]
        nearest = {n: min(far[n, c] for c in chosen) for n in left}
        assert nearest[name] == max(nearest.values())
        assert name == min(n for n in left if nearest[n] == nearest[name])
        chosen.append(name)


def test_the_middle_of_a_line_is_central_and_its_ends_are_farthest():
    choice, problems = choose(LINE, Wishes(farthest=2))
    assert problems == []
    assert (choice.repository, choice.clouds) == ("c", ("a", "e"))


def test_nodes_go_by_name_or_by_label():
    choice, _ = choose(LINE, Wishes(repository="A", clouds=("E", "b", "e")))
    assert (choice.repository, choice.clouds) == ("a", ("e", "b"))


def test_clouds_by_region_leave_out_the_repository_s_node():
    draft = network(("a", "b"), ("b", "c"), regions={"a": "Spain", "b": "Spain", "c": "France"})
    choice, _ = choose(draft, Wishes(regions=("SPAIN",)))
    assert (choice.repository, choice.clouds) == ("b", ("a",))
    choice, _ = choose(draft, Wishes(regions=("spain", "france")))
    assert choice.clouds == ("a", "c")


def test_nothing_stands_on_a_router_that_cannot_do_bier():
    draft = network(("a", "b"), ("b", "c"), plain=("b",))
    choice, _ = choose(draft, Wishes(everyone=True))
    assert (choice.repository, choice.clouds) == ("a", ("c",))
    _, problems = choose(draft, Wishes(clouds=("b",), repository="B"))
    assert [str(p) for p in problems] == [
        "net.gml: --clouds: 'b' (iosxr) cannot do BIER, so no host can be there"
        " (choose a router beside it)",
        "net.gml: --repository: 'b' (iosxr) cannot do BIER, so no host can be there"
        " (choose a router beside it)",
    ]


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (Wishes(farthest=0), "0 clouds cannot be had of 4 nodes"),
        (Wishes(farthest=5), "(1 to 4)"),
        (Wishes(regions=("Spain",)), "the file names no regions"),
        (Wishes(repository="zz", clouds=("yy", "a")), "there is no node 'zz'"),
    ],
)
def test_what_cannot_be_had_is_said(wishes, said):
    choice, problems = choose(LINE, wishes)
    assert choice is None
    assert said in "\n".join(map(str, problems))


@pytest.mark.parametrize(
    ("draft", "failures"),
    [
        (RING, 1),
        (network(*[(a, b) for a in "abcd" for b in "abcd" if a < b]), 2),
        (network(*[(a, b) for a in "abcdef" for b in "abcdef" if a < b]), 2),  # capped
        (network(("a", "b"), ("a", "b")), 1),
        (network(("a", "b"), ("a", "b"), ("b", "a")), 2),
        (LINE, 0),
    ],
)
def test_as_many_failures_are_promised_as_the_weakest_cloud_survives(draft, failures):
    names = [r.name for r in draft.routers]
    assert survival(draft, names[0], names[1:]).failures == failures


def test_only_bridges_before_clouds_count_and_each_names_its_clouds():
    draft = network(("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("b", "f"))
    assert survival(draft, "a", ["b", "c"]).failures == 1
    found = survival(draft, "a", ["b", "d", "e"])
    assert (found.failures, found.bridges) == (1, 3)  # for b, which no bridge stands before
    assert survival(draft, "a", ["d", "e"]).failures == 0
    assert [((k.link.a, k.link.b), k.clouds, k.nodes) for k in found.cuts] == [
        (("c", "d"), ("d", "e"), 2), (("d", "e"), ("e",), 1),
    ]  # fmt: skip
    assert survival(draft, "e", ["d"]).cuts[0].nodes == 5


def test_the_rate_is_what_the_narrowest_link_on_a_shortest_path_carries():
    draft = network(("a", "b", 1), ("b", "c", 1), ("a", "c", 5), capacity={("b", "c"): 2_000_000})
    wishes = Wishes(repository="a", clouds=("c",))
    found = assemble(draft, Order(wishes=wishes))
    assert found.rate == 2_000_000
    assert any(n.kind == "rate" for n in found.notes)
    assert assemble(draft, Order(wishes=Wishes(repository="a", clouds=("b",)))).rate == 10**9
    with pytest.raises(InventoryError, match=r"--rate: 3M is more .*\(at most 2M\)"):
        assemble(draft, Order(wishes=wishes, rate=3_000_000))


def test_the_largest_part_can_be_taken_and_the_rest_is_named():
    draft = network(("a", "b"), ("b", "c"), ("x", "y"))
    with pytest.raises(InventoryError, match=r"in 2 parts: 3 nodes \(a, b, c\); 2 nodes \(x, y\)"):
        assemble(draft, Order())
    found = assemble(draft, Order(largest_component=True))
    assert [r.name for r in found.draft.routers] == ["a", "b", "c"]
    assert next(n for n in found.notes if n.kind == "component").names == ("x", "y")


def test_hosts_and_links_take_no_router_s_name():
    draft = network(("hub", "cloud-a"), ("cloud", "a"), ("a", "hub"), ("cloud", "hub-2"))
    found = assemble(draft, Order(wishes=Wishes(repository="hub", everyone=True)))
    names = [r.name for r in found.draft.routers]
    names += [found.repository.name, *(c.name for c in found.clouds)]
    names += [link.name or f"{link.a}-{link.b}" for link in found.draft.links]
    assert len(set(names)) == len(names)
    assert found.repository.name == "hub-3"


def test_chinanet_says_which_clouds_sit_behind_which_of_its_bridges():
    path = zoo("Chinanet")
    found = assemble(
        read_zoo(path.read_bytes(), path.name), Order(wishes=Wishes(everyone=True))
    ).survival
    assert found.bridges == len(found.cuts) == 22
    assert all(len(cut.clouds) == cut.nodes for cut in found.cuts)
