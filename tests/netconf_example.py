"""The example schemas of RFC 6241, and a few things it has no example for, as values for tests."""

from __future__ import annotations

from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.index import read_tree
from toolkit.netconf.tree import Node, parse_siblings, parse_xml, to_xml

CONFIG_NS = "http://example.com/schema/1.2/config"
STATS_NS = "http://example.com/schema/1.2/stats"

MODULE = """
module example {
  yang-version 1.1;
  namespace "http://example.com/schema/1.2/config";
  prefix ex;
  identity kind;
  identity fast { base kind; }
  identity slow { base kind; }
  container top {
    list interface {
      key name;
      leaf name { type string; }
      leaf mtu { type uint32; }
      list address { key name; leaf name { type string; } leaf prefix-length { type uint8; } }
    }
    container protocols {
      container ospf {
        list area {
          key name;
          leaf name { type string; }
          container interfaces { list interface { key name; leaf name { type string; } } }
        }
      }
    }
    container users {
      list user {
        key name;
        leaf name { type string; }
        leaf type { type string; }
        leaf full-name { type string; }
        container company-info { leaf dept { type uint8; } leaf id { type uint8; } }
      }
    }
    container presence { presence "it is there"; leaf inside { type string; } }
    leaf-list tag { type string; }
    leaf-list number { type int32; }
    leaf kind { type identityref { base kind; } }
    list step {
      key "a b";
      ordered-by user;
      leaf a { type string; }
      leaf b { type uint8; }
      leaf note { type string; }
    }
    leaf-list path { type string; ordered-by user; }
    choice way {
      case by-name { leaf by-name { type string; } }
      case by-number { leaf by-number { type uint8; } leaf unit { type string; } }
    }
    leaf counter { type uint64; config false; }
    list sample { config false; leaf value { type uint8; } }
  }
}
"""

SCHEMA = read_tree((("example", MODULE),), frozenset({"example"}))


def data(text: str) -> Node:
    """Return a datastore; `text` stands inside <top>."""
    return EMPTY.with_children(parse_siblings(f'<top xmlns="{CONFIG_NS}">{text}</top>'))


def config(text: str) -> Node:
    """Return a <config> whose <top> holds `text`; the prefixes nc and yang are declared."""
    return parse_xml(
        '<config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" '
        'xmlns:yang="urn:ietf:params:xml:ns:yang:1">'
        f'<top xmlns="{CONFIG_NS}">{text}</top></config>'
    )


def inside(tree: Node) -> str:
    """Return what stands inside a datastore's <top>."""
    return "".join(to_xml(top.children, inside=CONFIG_NS) for top in tree.children)
