"""Subtree filters: the examples of RFC 6241 section 6.4, and the rules between them."""

from __future__ import annotations

import pytest
from netconf_example import CONFIG_NS, SCHEMA, STATS_NS

from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.subtree import select
from toolkit.netconf.tree import parse_siblings, parse_xml


def user(name, kind, full_name, dept, number):
    return (
        f"<user><name>{name}</name><type>{kind}</type><full-name>{full_name}</full-name>"
        f"<company-info><dept>{dept}</dept><id>{number}</id></company-info></user>"
    )


ROOT = user("root", "superuser", "Charlie Root", 1, 1)
FRED = user("fred", "admin", "Fred Flintstone", 2, 2)
BARNEY = user("barney", "admin", "Barney Rubble", 2, 3)
INTERFACES = (
    f'<t:top xmlns:t="{STATS_NS}"><t:interfaces>'
    '<t:interface t:ifName="eth0"><t:ifInOctets>45621</t:ifInOctets>'
    "<t:ifOutOctets>774344</t:ifOutOctets></t:interface>"
    '<t:interface t:ifName="eth1"><t:ifInOctets>12345</t:ifInOctets>'
    "<t:ifOutOctets>67890</t:ifOutOctets></t:interface></t:interfaces></t:top>"
)


def top(inside):
    return f'<top xmlns="{CONFIG_NS}">{inside}</top>'


def store(text):
    return EMPTY.with_children(parse_siblings(text))


USERS = store(top(f"<users>{ROOT}{FRED}{BARNEY}</users>"))


def filtered(data, criteria, schema=None):
    return select(data, parse_xml(f"<filter>{criteria}</filter>"), schema)


def test_6_4_1_no_filter_selects_everything():
    assert select(USERS, None) is USERS


def test_6_4_2_an_empty_filter_selects_nothing():
    assert filtered(USERS, "") == EMPTY


def test_6_4_3_an_empty_element_selects_its_whole_subtree():
    assert filtered(USERS, top("<users/>")) == USERS


def test_6_4_3_a_containment_node_may_list_what_it_wants():
    assert filtered(USERS, top("<users><user/></users>")) == USERS


def test_6_4_4_one_element_of_every_entry():
    names = "".join(f"<user><name>{n}</name></user>" for n in ("root", "fred", "barney"))
    expected = store(top(f"<users>{names}</users>"))
    assert filtered(USERS, top("<users><user><name/></user></users>")) == expected


def test_6_4_5_a_content_match_alone_selects_the_entry_whole():
    criteria = top("<users><user><name>fred</name></user></users>")
    assert filtered(USERS, criteria) == store(top(f"<users>{FRED}</users>"))


def test_6_4_6_beside_a_content_match_only_the_selected_elements_come():
    criteria = top("<users><user><name>fred</name><type/><full-name/></user></users>")
    expected = (
        "<users><user><name>fred</name><type>admin</type>"
        "<full-name>Fred Flintstone</full-name></user></users>"
    )
    assert filtered(USERS, criteria) == store(top(expected))


def test_6_4_7_several_subtrees_add_up_and_a_false_match_selects_nothing():
    criteria = top(
        "<users><user><name>root</name><company-info/></user>"
        "<user><name>fred</name><company-info><id/></company-info></user>"
        "<user><name>barney</name><type>superuser</type>"
        "<company-info><dept/></company-info></user></users>"
    )
    expected = top(
        "<users><user><name>root</name>"
        "<company-info><dept>1</dept><id>1</id></company-info></user>"
        "<user><name>fred</name><company-info><id>2</id></company-info></user></users>"
    )
    assert filtered(USERS, criteria) == store(expected)


def test_6_4_8_an_attribute_selects_by_its_value():
    criteria = (
        f'<t:top xmlns:t="{STATS_NS}"><t:interfaces>'
        '<t:interface t:ifName="eth0"/></t:interfaces></t:top>'
    )
    selected = filtered(store(INTERFACES), criteria)
    (interface,) = selected.children[0].children[0].children
    assert [child.text for child in interface.children] == ["45621", "774344"]
    other = criteria.replace("eth0", "eth7")
    assert filtered(store(INTERFACES), other) == EMPTY


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ('<top xmlns=""><users/></top>', True),
        ('<top xmlns="urn:another"><users/></top>', False),
        (f'<top xmlns="{CONFIG_NS}"><users xmlns="urn:another"/></top>', False),
    ],
)
def test_6_2_1_only_an_element_without_namespace_matches_any(criteria, found):
    assert bool(filtered(USERS, criteria).children) is found


def test_white_space_around_a_content_match_does_not_count():
    criteria = top("<users><user><name>\n  fred </name></user></users>")
    assert filtered(USERS, criteria) == store(top(f"<users>{FRED}</users>"))


def test_two_content_matches_must_both_hold():
    criteria = top("<users><user><name>fred</name><name>barney</name></user></users>")
    assert filtered(USERS, criteria) == EMPTY


def test_overlapping_subtrees_come_out_once_and_in_the_order_of_the_data():
    criteria = top("<users><user><full-name/></user></users>") + top(
        "<users><user><name>fred</name><type/></user></users>"
    )
    selected = filtered(USERS, criteria)
    users = selected.children[0].children[0].children
    assert [[c.name.local for c in u.children] for u in users] == [
        ["full-name"],
        ["name", "type", "full-name"],
        ["full-name"],
    ]


def test_with_a_schema_the_keys_come_along():
    criteria = top("<users><user><type/></user></users>")
    users = filtered(USERS, criteria, SCHEMA).children[0].children[0].children
    assert [[c.name.local for c in u.children] for u in users] == [["name", "type"]] * 3


def test_an_identity_matches_under_another_prefix():
    data = store(top(f'<kind xmlns:a="{CONFIG_NS}">a:fast</kind><tag>x</tag>'))
    criteria = top(f'<kind xmlns:b="{CONFIG_NS}">b:fast</kind><tag/>')
    assert filtered(data, criteria) == data
    assert filtered(data, criteria.replace("b:fast", "b:slow")) == EMPTY
