"""XML around instance data: wrappers, hostile documents, prefixes that survive a move."""

from __future__ import annotations

import pytest
from lxml import etree

from toolkit.yang.xmltext import NETCONF_BASE, NotXmlError, hoist, siblings, wrap

OWN_IDENTITY = '<bier xmlns="urn:b"><af xmlns:b="urn:b">b:ipv4</af></bier>'


def moved(text: str) -> etree._Element:
    """Return the data as it stands in an <rpc> of ncclient's, which moves the tree with lxml."""
    rpc = etree.Element(f"{{{NETCONF_BASE}}}rpc", nsmap={"nc": NETCONF_BASE})
    edit = etree.SubElement(rpc, f"{{{NETCONF_BASE}}}edit-config")
    edit.append(etree.fromstring(wrap(text)))
    return etree.fromstring(etree.tostring(rpc))


def test_lxml_loses_a_prefix_that_only_a_leaf_declares() -> None:
    # The reason for `hoist`: when this no longer fails, it is no longer needed.
    leaf = next(moved(OWN_IDENTITY).iter("{urn:b}af"))
    assert leaf.text == "b:ipv4"
    assert "b" not in leaf.nsmap


def test_a_hoisted_prefix_survives_a_move() -> None:
    leaf = next(moved(hoist(OWN_IDENTITY)).iter("{urn:b}af"))
    assert leaf.nsmap["b"] == "urn:b"


def test_two_meanings_of_one_prefix_both_survive() -> None:
    text = OWN_IDENTITY.replace("</bier>", '<af xmlns:b="urn:c">b:x</af></bier>')
    first, second = moved(hoist(text)).iter("{urn:b}af")
    assert (first.nsmap["b"], second.nsmap["b"]) == ("urn:b", "urn:c")


def test_siblings_keep_the_namespaces_that_their_wrapper_declared() -> None:
    text = '<config xmlns:t="urn:t"><a xmlns="urn:a">t:x</a><b xmlns="urn:b"/></config>'
    assert siblings(text) == (
        '<a xmlns="urn:a" xmlns:t="urn:t">t:x</a><b xmlns="urn:b" xmlns:t="urn:t"/>'
    )


def test_a_wrapped_document_is_one_indented_config_element() -> None:
    assert wrap('<a xmlns="urn:a"><b>  x </b></a>') == (
        f'<config xmlns="{NETCONF_BASE}">\n  <a xmlns="urn:a">\n    <b>  x </b>\n'
        "  </a>\n</config>\n"
    )


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("</top-level><top-level>", "Extra content"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "invalid element name"),
        ("<a>&x;</a>", "Entity 'x' not defined"),
        ("\n\n  <a", "line 3"),
        ('<?xml version="1.0"?>\n<a>', "line 2"),
        ("<a>\x00</a>", "Invalid character"),
        ("<a>\ud800</a>", "a lone surrogate is no character"),
        ("<a/>text", "text 'text' between"),
        ("<config><a/>text</config>", "text 'text' between"),
        ("<a>" * 300 + "</a>" * 300, "Excessive depth"),
    ],
)
def test_what_is_no_instance_data_is_refused_with_the_cause(text: str, cause: str) -> None:
    with pytest.raises(NotXmlError, match=cause):
        siblings(text)
