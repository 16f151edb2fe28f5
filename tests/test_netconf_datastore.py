"""<edit-config> on values: RFC 6241 section 7.2 and RFC 7950 sections 7.5.8 to 7.8.6 and 8.3."""

from __future__ import annotations

import pytest
from netconf_example import CONFIG_NS, SCHEMA, config, data, inside

from toolkit.netconf.datastore import EMPTY, edit
from toolkit.netconf.names import ErrorOption, Operation
from toolkit.netconf.tree import parse_xml

ETHERNET = "<interface><name>Ethernet0/0</name><mtu>{}</mtu></interface>"
ADDRESS = "<address><name>192.0.2.4</name><prefix-length>24</prefix-length></address>"


def apply(before, change, **options):
    return edit(SCHEMA, data(before), config(change), **options)


def result(before, change, **options):
    edited = apply(before, change, **options)
    assert edited.errors == ()
    return inside(edited.tree)


def errors(before, change, **options):
    """Return (tag, path, error-info) of every error."""
    return [(e.tag, e.path, dict(e.info)) for e in apply(before, change, **options).errors]


# ----- the examples of RFC 6241 section 7.2


def test_merge_sets_the_mtu():
    assert result(ETHERNET.format(9000), ETHERNET.format(1500)) == ETHERNET.format(1500)


def test_replace_adds_an_interface_instead_of_what_was_there():
    new = f"<interface><name>Ethernet0/0</name><mtu>1500</mtu>{ADDRESS}</interface>"
    change = new.replace("<interface>", '<interface nc:operation="replace">')
    old = new.replace("1500", "9000").replace("192.0.2.4", "192.0.2.9")
    assert result(old, change) == new


def test_delete_removes_one_interface_from_one_ospf_area():
    def area(*interfaces):
        listed = "".join(f"<interface{o}><name>{n}</name></interface>" for n, o in interfaces)
        return (
            "<protocols><ospf><area><name>0.0.0.0</name>"
            f"<interfaces>{listed}</interfaces></area></ospf></protocols>"
        )

    change = area(("192.0.2.4", ' nc:operation="delete"'))
    before = area(("192.0.2.1", ""), ("192.0.2.4", ""))
    assert result(before, change, default=Operation.NONE) == area(("192.0.2.1", ""))


# ----- every operation on every kind of node


@pytest.mark.parametrize(
    ("operation", "before", "after", "tag"),
    [
        ("merge", "", "<tag>a</tag>", ""),
        ("merge", "<tag>a</tag>", "<tag>a</tag>", ""),
        ("create", "", "<tag>a</tag>", ""),
        ("create", "<tag>a</tag>", "<tag>a</tag>", "data-exists"),
        ("replace", "", "<tag>a</tag>", ""),
        ("delete", "<tag>a</tag><tag>b</tag>", "<tag>b</tag>", ""),
        ("delete", "<tag>b</tag>", "<tag>b</tag>", "data-missing"),
        ("remove", "<tag>a</tag>", "", ""),
        ("remove", "", "", ""),
    ],
)
def test_operations_on_a_leaf_list_entry(operation, before, after, tag):
    edited = apply(before, f'<tag nc:operation="{operation}">a</tag>')
    assert inside(edited.tree) == after
    assert [e.tag for e in edited.errors] == ([tag] if tag else [])


@pytest.mark.parametrize(
    ("operation", "before", "after", "tag"),
    [
        ("merge", "1", "2", ""),
        ("replace", "1", "2", ""),
        ("create", "1", "1", "data-exists"),
        ("create", "", "2", ""),
        ("delete", "1", "", ""),
        ("delete", "", "", "data-missing"),
        ("remove", "", "", ""),
    ],
)
def test_operations_on_a_leaf(operation, before, after, tag):
    def interface(mtu, attribute=""):
        leaf = f"<mtu{attribute}>{mtu}</mtu>" if mtu else ""
        return f"<interface><name>e</name>{leaf}</interface>"

    edited = apply(interface(before), interface("2", f' nc:operation="{operation}"'))
    assert inside(edited.tree) == interface(after)
    assert [e.tag for e in edited.errors] == ([tag] if tag else [])


def test_an_operation_holds_for_everything_below_it():
    change = '<interface nc:operation="create"><name>e</name><mtu>1</mtu></interface>'
    assert errors("<interface><name>e</name></interface>", change)[0][0] == "data-exists"
    assert result("", change) == "<interface><name>e</name><mtu>1</mtu></interface>"


def test_a_presence_container_stays_without_children_and_another_goes():
    assert result("", "<presence/><users/>") == "<presence/>"
    assert errors("", '<presence nc:operation="delete"/>')[0][0] == "data-missing"
    removed = '<users><user nc:operation="delete"><name>a</name></user></users>'
    assert result("<users><user><name>a</name></user></users>", removed) == ""


def test_creating_a_container_without_presence_that_holds_something_is_an_error():
    before = "<users><user><name>a</name></user></users>"
    change = '<users nc:operation="create"><user><name>b</name></user></users>'
    assert errors(before, change)[0][0] == "data-exists"


def test_default_operation_none_wants_what_it_passes_through():
    change = '<interface><name>{}</name><mtu nc:operation="create">1</mtu></interface>'
    before = "<interface><name>e</name></interface>"
    after = "<interface><name>e</name><mtu>1</mtu></interface>"
    assert result(before, change.format("e"), default=Operation.NONE) == after
    assert errors(before, change.format("f"), default=Operation.NONE) == [
        ("data-missing", "/example:top/interface[name='f']", {"bad-element": "interface"})
    ]


def test_default_operation_none_touches_no_leaf():
    before, change = ETHERNET.format(1), ETHERNET.format(2)
    assert result(before, change, default=Operation.NONE) == before


def test_default_operation_replace_replaces_the_whole_datastore():
    before = data("<tag>a</tag>")
    empty = parse_xml("<config/>")
    assert edit(SCHEMA, before, empty, default=Operation.REPLACE).tree == EMPTY
    assert result("<tag>a</tag>", "<tag>b</tag>", default=Operation.REPLACE) == "<tag>b</tag>"


def test_keys_are_compared_by_value_not_by_text():
    before = "<step><a>x</a><b>7</b></step><number>10</number>"
    change = "<step><a>x</a><b>007</b><note>n</note></step><number>0xa</number>"
    after = "<step><a>x</a><b>7</b><note>n</note></step><number>0xa</number>"
    assert result(before, change) == after


def test_an_identity_keeps_its_meaning_under_any_prefix():
    before = data(f'<kind xmlns:a="{CONFIG_NS}">a:fast</kind>')
    again = edit(SCHEMA, before, config(f'<kind xmlns:b="{CONFIG_NS}">b:fast</kind>'))
    assert again.tree.children[0].children[0].meaning() == f"{{{CONFIG_NS}}}fast"
    assert f'xmlns:b="{CONFIG_NS}"' in inside(again.tree)


# ----- choices and order


def test_one_case_replaces_another():
    before = "<by-number>1</by-number><unit>m</unit><tag>a</tag>"
    assert result(before, "<by-name>n</by-name>") == "<tag>a</tag><by-name>n</by-name>"
    assert errors("", "<by-name>n</by-name><unit>m</unit>")[0][0] == "bad-element"


@pytest.mark.parametrize(
    ("attributes", "order"),
    [
        ('yang:insert="first"', "nab"),
        ('yang:insert="last"', "abn"),
        ("", "abn"),
        ("yang:insert=\"before\" yang:value='b'", "anb"),
        ("yang:insert=\"after\" yang:value='a'", "anb"),
    ],
)
def test_an_entry_goes_where_the_user_says(attributes, order):
    after = result("<path>a</path><path>b</path>", f"<path {attributes}>n</path>")
    assert after == "".join(f"<path>{name}</path>" for name in order)


def test_a_list_entry_moves_by_the_keys_of_another():
    before = "<step><a>x</a><b>1</b></step><step><a>y</a><b>2</b></step>"
    change = (
        "<step yang:insert=\"before\" yang:key=\"[ex:a='x'][ex:b='1']\"><a>y</a><b>2</b></step>"
    )
    assert result(before, change).startswith("<step><a>y</a>")


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ('<path yang:insert="before" yang:value="z">n</path>', "bad-attribute"),
        ('<path yang:insert="after">n</path>', "bad-attribute"),
        ('<path yang:insert="between">n</path>', "bad-attribute"),
        ('<tag yang:insert="first">n</tag>', "unknown-attribute"),
    ],
)
def test_a_place_that_does_not_exist_is_refused(change, tag):
    edited = apply("<path>a</path>", change)
    assert [e.tag for e in edited.errors] == [tag]
    assert inside(edited.tree) == "<path>a</path>"


# ----- errors


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("<mtv>1</mtv>", ("unknown-element", "/example:top", {"bad-element": "mtv"})),
        ("<counter>1</counter>", ("unknown-element", "/example:top", {"bad-element": "counter"})),
        (
            '<x xmlns="urn:nobody"/>',
            ("unknown-namespace", "/example:top",
             {"bad-element": "x", "bad-namespace": "urn:nobody"}),
        ),
        (
            "<interface><mtu>1</mtu></interface>",
            ("missing-element", "/example:top/interface", {"bad-element": "name"}),
        ),
        (
            "<interface>text</interface>",
            ("bad-element", "/example:top/interface", {"bad-element": "interface"}),
        ),
        (
            "<tag><b/></tag>",
            ("bad-element", "/example:top/tag[.='']", {"bad-element": "tag"}),
        ),
        (
            '<tag nc:operation="erase">a</tag>',
            ("bad-attribute", "/example:top/tag[.='a']",
             {"bad-attribute": "operation", "bad-element": "tag"}),
        ),
        (
            '<tag colour="red">a</tag>',
            ("unknown-attribute", "/example:top/tag[.='a']",
             {"bad-attribute": "colour", "bad-element": "tag"}),
        ),
        (
            '<interface><name nc:operation="delete">e</name></interface>',
            ("bad-attribute", "/example:top/interface[name='e']",
             {"bad-attribute": "operation", "bad-element": "name"}),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(change, expected):
    assert errors("", change) == [expected]


BROKEN = "<tag>1</tag><nonsense/><tag>2</tag><rubbish/><tag>3</tag>"


@pytest.mark.parametrize(
    ("option", "kept", "found"),
    [
        (ErrorOption.STOP, "<tag>1</tag>", ["nonsense"]),
        (ErrorOption.CONTINUE, "<tag>1</tag><tag>2</tag><tag>3</tag>", ["nonsense", "rubbish"]),
        (ErrorOption.ROLLBACK, "<tag>1</tag><tag>2</tag><tag>3</tag>", ["nonsense", "rubbish"]),
    ],
)
def test_the_error_option_says_how_far_an_edit_goes(option, kept, found):
    edited = apply("", BROKEN, error_option=option)
    assert inside(edited.tree) == kept
    assert [dict(e.info)["bad-element"] for e in edited.errors] == found


def test_an_edit_never_changes_what_it_was_given():
    before = data(ETHERNET.format(1))
    edit(SCHEMA, before, config(ETHERNET.format(2)))
    assert inside(before) == ETHERNET.format(1)
