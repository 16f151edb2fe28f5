"""What differs between two configurations."""

from __future__ import annotations

import pytest
from netconf_example import CONFIG_NS, MODULE

from toolkit.errors import SchemaError
from toolkit.netconf.compare import changes
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.tree import parse_siblings
from toolkit.yang.schema import Schema


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yang")
    (folder / "example.yang").write_text(MODULE)
    return Schema(("example",), (folder,))


@pytest.fixture
def shown(schema):
    def canonical(text):
        top = f'<top xmlns="{CONFIG_NS}">{text}</top>'
        try:
            tree = EMPTY.with_children(parse_siblings(schema.canonical(top, "r1")))
        except SchemaError:
            tree = EMPTY.with_children(parse_siblings(top))
        for node in tree.children:
            schema.shape.name((node.name.local,), node.name.namespace)
        return tree

    def run(before, after):
        old, new = canonical(before), canonical(after)
        return [str(change) for change in changes(schema.shape, old, new)]

    return run


def test_equal_configurations_do_not_differ_whatever_their_order(shown):
    one = "<tag>a</tag><tag>b</tag><interface><name>x</name></interface>"
    other = "<interface><name>x</name></interface><tag>b</tag><tag>a</tag>"
    assert shown(one, other) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("<by-name>a</by-name>", "<by-name>b</by-name>", ["~ /example:top/by-name: a -> b"]),
        ("<by-name>a</by-name>", "<by-name> a</by-name>", ["~ /example:top/by-name: a ->  a"]),
        ("", "<tag>a</tag>", ["+ /example:top/tag[.='a']: a"]),
        ("<tag>a</tag>", "", ["- /example:top/tag[.='a']: a"]),
        ("", "<presence/>", ["+ /example:top/presence"]),
        ("", "<users/>", []),
        ("", "<interface><name>x</name></interface>", ["+ /example:top/interface[name='x']"]),
        (
            "<interface><name>x</name><mtu>1</mtu></interface>",
            "<interface><name>x</name><mtu>2</mtu></interface>",
            ["~ /example:top/interface[name='x']/mtu: 1 -> 2"],
        ),
        (
            "<users><user><name>x</name><company-info><id>1</id></company-info></user></users>",
            "",
            ["- /example:top/users/user[name='x']/company-info/id: 1"],
        ),
        ("<path>a</path><path>b</path>", "<path>b</path><path>a</path>",
         ["~ /example:top/path: a, b -> b, a"]),
        ("<stranger>1</stranger>", "", ["- /example:top/stranger: 1"]),
    ],
)  # fmt: skip
def test_every_difference_is_shown_with_its_path(shown, before, after, expected):
    full = "<kind>fast</kind>"
    assert shown(before + full, after + full) == expected


def test_a_prefix_is_a_matter_of_spelling(shown):
    one = f'<kind xmlns:a="{CONFIG_NS}">a:fast</kind>'
    other = f'<kind xmlns:b="{CONFIG_NS}">b:fast</kind>'
    assert shown(one, other) == []
    assert shown(one, other.replace("fast", "slow")) == ["~ /example:top/kind: fast -> slow"]
