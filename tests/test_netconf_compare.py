"""What differs between two configurations."""

from __future__ import annotations

import pytest
from netconf_example import CONFIG_NS, SCHEMA, data

from toolkit.netconf.compare import changes


def shown(before, after):
    return [str(change) for change in changes(SCHEMA, data(before), data(after))]


def test_equal_configurations_do_not_differ_whatever_their_order():
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
        ("<stranger>1</stranger>", "", [f"- /example:top/{CONFIG_NS}:stranger: 1"]),
    ],
)  # fmt: skip
def test_every_difference_is_shown_with_its_path(before, after, expected):
    full = "<kind>x</kind>"
    assert shown(before + full, after + full) == expected


def test_a_prefix_is_a_matter_of_spelling():
    one = f'<kind xmlns:a="{CONFIG_NS}">a:fast</kind>'
    other = f'<kind xmlns:b="{CONFIG_NS}">b:fast</kind>'
    assert shown(one, other) == []
    assert shown(one, other.replace("fast", "slow")) == ["~ /example:top/kind: a:fast -> b:slow"]
