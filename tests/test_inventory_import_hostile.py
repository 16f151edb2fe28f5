"""Nonsense in the shape of labs and Ansible files: refused with places, never a traceback."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InventoryError
from toolkit.inventory.importers.ansible import read_ansible
from toolkit.inventory.importers.assemble import Order, assemble
from toolkit.inventory.importers.choose import Wishes
from toolkit.inventory.importers.containerlab import read_containerlab
from toolkit.inventory.importers.text import files_of

WORDS = (
    "topology", "nodes", "links", "kinds", "groups", "defaults", "endpoints", "endpoint", "kind",
    "group", "labels", "vars", "image", "mgmt-ipv4", "name", "node", "interface", "mtu", "type",
    "llmsync-role", "llmsync-gpus", "llmsync-metric", "all", "hosts", "children", "ansible_host",
    "ansible_port", "ansible_user", "ansible_network_os", "llmsync_links", "llmsync_role",
    "llmsync_router", "peer", "r1", "r2", "r[1:3]", "a", "b",
)  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(allow_nan=False),
    st.sampled_from(
        [*WORDS, "r1:e1", "r2:e2", "linux", "bridge", "nokia_sros", "cloud", "{{ x }}", "192.0.2.1"]
    ),
    st.text(max_size=5),
)  # fmt: skip
TREES = st.recursive(
    VALUES,
    lambda below: st.one_of(
        st.lists(below, max_size=4), st.dictionaries(st.sampled_from(WORDS), below, max_size=5)
    ),
    max_leaves=30,
)
LINK = st.fixed_dictionaries({"endpoints": st.lists(VALUES, min_size=1, max_size=3)})
LABS = st.fixed_dictionaries(
    {
        "topology": st.fixed_dictionaries(
            {
                "nodes": st.dictionaries(st.sampled_from(["r1", "r2", "a", "b"]), TREES),
                "links": st.lists(st.one_of(LINK, TREES), max_size=5),
            },
            optional={"kinds": TREES, "groups": TREES, "defaults": TREES},
        )
    },
    optional={"name": TREES},
)
GROUPS = st.dictionaries(
    st.sampled_from(["all", "a", "b"]),
    st.fixed_dictionaries(
        {"hosts": st.dictionaries(st.sampled_from(["r1", "r2", "r[1:3]"]), TREES)},
        optional={"vars": TREES, "children": TREES},
    ),
)
WISHES = st.sampled_from(
    [
        Wishes(),
        Wishes(everyone=True),
        Wishes(repository="r1", clouds=("r2", "a")),
        Wishes(farthest=1),
    ]
)


def outcome(read, wishes):
    """Return the problems, or nothing where an inventory came out."""
    try:
        draft = read()
        files_of(assemble(draft, Order(wishes=wishes, largest_component=True)), command="x")
    except InventoryError as error:
        return error.problems
    return ()


@given(st.one_of(TREES, LABS), WISHES)
@settings(max_examples=400)
def test_any_lab_is_an_inventory_or_a_list_of_problems(tree, wishes):
    data = json.dumps(tree).encode()
    for problem in outcome(lambda: read_containerlab(data, "x.clab.yml"), wishes):
        assert problem.place.file == "x.clab.yml"
        assert problem.what


@given(st.one_of(TREES, GROUPS), TREES, WISHES)
@settings(max_examples=400)
def test_any_ansible_inventory_is_an_inventory_or_a_list_of_problems(tree, links, wishes):
    data, drawn = json.dumps(tree).encode(), json.dumps(links).encode()
    for problem in outcome(lambda: read_ansible(data, "x.yml"), wishes):
        assert problem.place.file == "x.yml"
    outcome(lambda: read_ansible(data, "x.yml", links=("links.yml", drawn)), wishes)


@given(st.text(alphabet="[]:r12 =ab\n'\"#{}%é", max_size=80), WISHES)
@settings(max_examples=400)
def test_any_ini_is_an_inventory_or_a_list_of_problems(text, wishes):
    outcome(lambda: read_ansible(text.encode(), "hosts"), wishes)


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(data):
    for name in ("x.yml", "x.ini"):
        outcome(lambda name=name: read_ansible(data, name), Wishes())
    outcome(lambda: read_containerlab(data, "x.yml"), Wishes())
