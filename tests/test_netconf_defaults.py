"""Defaults in replies: RFC 6243, held against libyang, which fills and trims by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.netconf.datastore import EMPTY, edit
from toolkit.netconf.defaults import DEFAULT, Mode, shown
from toolkit.netconf.index import read_tree, schema_tree
from toolkit.netconf.names import Operation
from toolkit.netconf.schema import SchemaTree
from toolkit.netconf.tree import Node, parse_siblings, parse_xml, to_xml
from toolkit.yang.schema import reference_schema

MODULE = """
module m {
  yang-version 1.1; namespace "urn:m"; prefix m;
  identity kind; identity fast { base kind; }
  typedef small { type int8; default 4; }
  grouping g { leaf inside { type string; default "x"; } }
  container c {
    leaf plain { type string; default "p"; }
    leaf typed { type small; }
    leaf own { type small; default 5; }
    leaf must-be { type small; mandatory true; }
    leaf nothing { type string; }
    leaf kind { type identityref { base kind; } default m:fast; }
    leaf-list many { type string; default a; default b; }
    leaf-list few { type small; min-elements 1; }
    container inner { leaf deep { type boolean; default true; } }
    container there { presence "p"; leaf deep { type boolean; default true; } }
    list l { key k; leaf k { type string; } leaf v { type uint8; default 7; } }
    choice way {
      default one;
      case one { leaf first { type string; default "1"; } leaf more { type string; } }
      case two { leaf second { type string; default "2"; } }
    }
    leaf when-true { when "1 = 1"; type string; default "w"; }
    uses g { when "2 = 2"; }
    leaf counter { config false; type uint8; default 0; }
  }
}
"""
SCHEMA = read_tree((("m", MODULE),), frozenset({"m"}))


def data(text: str) -> Node:
    return EMPTY.with_children(parse_siblings(f'<c xmlns="urn:m">{text}</c>'))


def text(tree: Node) -> str:
    return "".join(to_xml(c.children, inside="urn:m") for c in tree.children)


def show(before: str, mode: Mode, schema: SchemaTree = SCHEMA) -> str:
    return text(shown(schema.top, data(before), mode))


ALL = (
    "<plain>p</plain><typed>4</typed><own>5</own><kind>m:fast</kind><many>a</many><many>b</many>"
    "<inner><deep>true</deep></inner>"
)


def test_report_all_fills_in_what_is_in_use():
    assert (
        show("", Mode.REPORT_ALL)
        == ALL.replace("<kind>", '<kind xmlns:m="urn:m">') + "<first>1</first>"
    )


@pytest.mark.parametrize(
    ("before", "there", "absent"),
    [
        ("<second>x</second>", "<second>x</second>", "<first>"),
        ("<more>x</more>", "<first>1</first>", "<second>"),
        ("<there/>", "<there><deep>true</deep></there>", "<when-true>"),
        ("<l><k>1</k></l>", "<l><k>1</k><v>7</v></l>", "<counter>"),
        ("<many>c</many>", "<many>c</many>", "<many>a</many>"),
        ("<plain>q</plain>", "<plain>q</plain>", "<plain>p</plain>"),
    ],
)
def test_what_the_data_choose_decides_what_is_in_use(before, there, absent):
    found = show(before, Mode.REPORT_ALL)
    assert there in found
    assert absent not in found


def test_tags_are_on_what_nobody_set():
    found = shown(SCHEMA.top, data("<plain>p</plain>"), Mode.REPORT_ALL_TAGGED).children[0]
    tagged = {c.name.local: c.attribute(DEFAULT) for c in found.children}
    assert tagged["plain"] is None  # set, though to the default: explicit
    assert tagged["typed"] == "true"
    assert tagged["inner"] is None  # a container has no default


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<plain>p</plain><typed>0x4</typed><own>4</own>", "<own>4</own>"),
        ("<must-be>4</must-be>", "<must-be>4</must-be>"),
        ("<many>b</many><many>a</many>", ""),
        ("<many>a</many>", "<many>a</many>"),
        ("<inner><deep>true</deep></inner>", ""),
        ("<there><deep>true</deep></there>", "<there/>"),
        ("<l><k>7</k><v>7</v></l>", "<l><k>7</k></l>"),
    ],
)
def test_trim_leaves_away_what_is_the_default(before, after):
    assert show(before, Mode.TRIM) == after


INTERFACES = (
    "<interfaces xmlns='urn:ietf:params:xml:ns:yang:ietf-interfaces'><interface><name>e0</name>"
    "<type xmlns:t='urn:ietf:params:xml:ns:yang:iana-if-type'>t:ethernetCsmacd</type>{}"
    "<ipv4 xmlns='urn:ietf:params:xml:ns:yang:ietf-ip'>{}</ipv4></interface></interfaces>"
    "<isis xmlns='urn:llmsync:isis'><system-id>0000.0000.0001</system-id>"
    "<area-address>49.0001</area-address><interface><name>e0</name>{}</interface></isis>"
)
given_leaves = st.tuples(
    st.sampled_from(["", "<enabled>true</enabled>", "<enabled>false</enabled>"]),
    st.sampled_from(["", "<enabled>false</enabled>", "<forwarding>false</forwarding>",
                     "<forwarding>true</forwarding><mtu>1500</mtu>"]),
    st.sampled_from(["", "<metric>10</metric>", "<metric>11</metric><passive>false</passive>"]),
)  # fmt: skip


@given(given_leaves, st.sampled_from([Mode.REPORT_ALL, Mode.TRIM]))
def test_libyang_shows_the_same(leaves, mode):
    ly = pytest.importorskip(
        "oopt_gnpy_libyang", reason="libyang's binding has no wheel for this machine"
    )
    schema = reference_schema()
    context = schema.engine._context
    flag = {
        Mode.REPORT_ALL: ly.PrintFlags.WithDefaultsAll, Mode.TRIM: ly.PrintFlags.WithDefaultsTrim,
    }[mode]  # fmt: skip
    source = INTERFACES.format(*leaves)
    parsed = context.parse_data(
        source, ly.DataFormat.XML, ly.ParseOptions.Strict | ly.ParseOptions.NoState,
        ly.ValidationOptions.Present | ly.ValidationOptions.NoState,
    )  # fmt: skip
    printed = parsed.print(
        ly.DataFormat.XML, ly.PrintFlags.WithSiblings | ly.PrintFlags.Shrink | flag
    )
    ours = shown(schema_tree(schema).top, EMPTY.with_children(parse_siblings(source)), mode)
    ours = ours.with_children(c for c in ours.children if c.name.local in ("interfaces", "isis"))
    theirs = parse_xml(f"<d>{printed}</d>")
    theirs = [c for c in theirs.children if c.name.local in ("interfaces", "isis")]
    assert sorted(map(meaning, ours.children)) == sorted(map(meaning, theirs))


def meaning(node: Node) -> tuple:
    return (node.name, node.meaning(), sorted(map(meaning, node.children)))


# ----- the attribute in an edit (section 4.5.2)


def change(leaf: str, operation: Operation = Operation.MERGE):
    return edit(
        SCHEMA, data("<plain>q</plain><second>z</second>"),
        parse_xml('<config xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" '
                  'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
                  f'<c xmlns="urn:m">{leaf}</c></config>'),
        default=operation,
    )  # fmt: skip


def test_a_tagged_default_unsets_the_leaf():
    edited = change('<plain wd:default="true">p</plain>')
    assert edited.errors == ()
    assert text(edited.tree) == "<second>z</second>"


def test_a_tagged_default_chooses_its_case():
    assert text(change('<first wd:default="1">1</first>').tree) == "<plain>q</plain>"


def test_a_tag_that_says_false_says_nothing():
    assert "<plain>p</plain>" in text(change('<plain wd:default="false">p</plain>').tree)


@pytest.mark.parametrize(
    ("leaf", "tag"),
    [
        ('<plain wd:default="true">x</plain>', "invalid-value"),
        ('<nothing wd:default="true">x</nothing>', "invalid-value"),
        ('<plain wd:default="perhaps">p</plain>', "bad-attribute"),
        ('<inner wd:default="true"/>', "unknown-attribute"),
        ('<plain wd:default="true" nc:operation="create">p</plain>', "data-exists"),
    ],
)
def test_a_tag_that_makes_no_sense_is_refused(leaf, tag):
    assert [e.tag for e in change(leaf).errors] == [tag]
