"""XML as values: what survives the way in and out, and what does not come in."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from toolkit.errors import WireError
from toolkit.netconf.schema import compact, steps, xpath
from toolkit.netconf.tree import Node, QName, parse_siblings, parse_xml, to_xml

text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12
) | st.sampled_from(["a:b", "]]>", "&<>\"'", "\r\n\t"])
names = st.builds(QName, st.sampled_from(["", "urn:a", "urn:b"]), st.sampled_from(["x", "y"]))
attributes = st.dictionaries(names, text, max_size=2).map(lambda d: tuple(d.items()))
nodes = st.recursive(
    st.builds(lambda n, v, a: Node(n, v, (), (), a), names, text, attributes),
    lambda inner: st.builds(
        lambda n, c, a: Node(n, "", tuple(c), (), a),
        names,
        st.lists(inner, min_size=1, max_size=3),
        attributes,
    ),
    max_leaves=8,
)


def meaning(node):
    """A node without the spelling: prefixes, the order and the white space of attributes."""
    return (
        node.name,
        node.value,
        sorted((k, " ".join(v.split())) for k, v in node.attributes),
        [meaning(child) for child in node.children],
    )


@given(nodes)
def test_what_is_written_reads_back_the_same(node):
    assert meaning(parse_xml(to_xml([node]))) == meaning(node)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_garbage_is_a_wire_error_or_a_document(data):
    with contextlib.suppress(WireError):
        parse_xml(data)


# As libyang prints: the prefix of a value is declared on the leaf, for the default namespace.
TRAP = '<bier xmlns="urn:b"><af xmlns:b="urn:b">b:ipv4</af></bier>'


def test_the_prefix_of_a_value_survives_a_library_that_moves_subtrees():
    written = to_xml(parse_siblings(TRAP))
    rpc = etree.Element("rpc")
    rpc.append(etree.fromstring(written))
    moved = parse_xml(etree.tostring(rpc)).children[0].children[0]
    assert moved.meaning() == "{urn:b}ipv4"


def test_two_meanings_of_one_prefix_stay_apart():
    source = '<t xmlns="urn:t"><a xmlns:p="urn:1">p:x</a><b xmlns:p="urn:2">p:x</b></t>'
    (tree,) = parse_siblings(to_xml(parse_siblings(source)))
    assert [child.meaning() for child in tree.children] == ["{urn:1}x", "{urn:2}x"]


def test_a_value_with_a_colon_is_not_a_prefix_unless_it_is_declared():
    node = parse_xml('<a xmlns:if="urn:if">http://x if:y 2001:db8::1</a>')
    assert node.prefixes == (("if", "urn:if"),)
    assert node.meaning() == "http://x {urn:if}y 2001:db8::1"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("<a>", "not well-formed"),
        ("", "not well-formed"),
        ("<a/><b/>", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "document type"),
        ("<!DOCTYPE a><a/>", "document type"),
        ("<a>text<b/></a>", "mixed content"),
        ("<a>" * 300 + "</a>" * 300, "deeper|depth"),
    ],
)
def test_what_netconf_does_not_allow_is_a_wire_error(document, why):
    with pytest.raises(WireError, match=why):
        parse_xml(document)


def test_comments_and_processing_instructions_say_nothing():
    assert parse_xml("<a><!-- c --><?p i?><b/></a>").children == (Node(QName("", "b")),)


SPACES = {"m": "urn:m", "n": "urn:n"}


@pytest.mark.parametrize(
    ("path", "absolute"),
    [
        ("/m:top/list[key='1']/leaf", "/m:top/m:list[m:key='1']/m:leaf"),
        ("/m:top/n:deep/leaf", "/m:top/n:deep/n:leaf"),
        ("/m:top/list[a='x/y'][b=\"it's\"]", "/m:top/m:list[m:a='x/y'][m:b=\"it's\"]"),
        ("/m:top/tag[.='a']", "/m:top/m:tag[.='a']"),
    ],
)
def test_a_data_path_becomes_an_xpath_and_comes_back(path, absolute):
    text, prefixes = xpath(path, SPACES)
    assert text == absolute
    assert set(prefixes) == ({"m", "n"} if "n:" in path else {"m"})
    assert compact(text) == path


def test_a_slash_in_a_key_does_not_cut_a_path():
    assert steps("/a/b[c='d/e']/f") == ["a", "b[c='d/e']", "f"]
