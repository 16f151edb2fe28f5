"""Pieces of several templates become one configuration."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.netconf.tree import parse_siblings, to_xml
from toolkit.render.merge import merge


def merged(*pieces: str) -> str:
    return to_xml(merge(node for piece in pieces for node in parse_siblings(piece)))


def test_containers_of_one_name_become_one() -> None:
    first = "<router><name>Base</name><isis><area>1</area></isis></router>"
    second = "<router><name>Base</name><bier><id>0</id></bier></router>"
    assert merged(first, second) == (
        "<router><name>Base</name><isis><area>1</area></isis><bier><id>0</id></bier></router>"
    )


def test_entries_with_other_keys_stay_apart_whatever_the_order() -> None:
    a = "<list><key>a</key><x>1</x></list>"
    b = "<list><key>b</key><x>2</x></list>"
    c = "<list><key>a</key><y>3</y></list>"
    assert merged(a, b, c) == "<list><key>a</key><x>1</x><y>3</y></list>" + b


def test_white_space_in_an_empty_container_is_nothing() -> None:
    a = "<igmp><interfaces>\n  </interfaces></igmp>"
    b = "<igmp><interfaces><interface><name>e0</name></interface></interfaces></igmp>"
    assert merged(a, b).count("<igmp>") == merged(b, a).count("<igmp>") == 1


def test_second_keys_count_too() -> None:
    a = "<family><af>v4</af><type>unicast</type></family>"
    b = "<family><af>v4</af><type>multicast</type></family>"
    assert merged(a, b, a) == a + b


def test_a_container_that_begins_with_a_leaf_meets_one_that_does_not() -> None:
    a = "<isis><system-id>1</system-id></isis>"
    b = "<isis><interface><name>e0</name></interface></isis>"
    assert (
        merged(a, b)
        == "<isis><system-id>1</system-id><interface><name>e0</name></interface></isis>"
    )
    assert merged(b, a).count("<isis>") == 1


def test_values_of_a_leaf_list_stay_and_a_leaf_said_twice_is_said_once() -> None:
    assert merged("<c><d><x>0</x></d><l>1</l></c>", "<c><d><x>0</x></d><l>1</l><l>3</l></c>") == (
        "<c><d><x>0</x></d><l>1</l><l>3</l></c>"
    )
    # A leaf-list that an element begins with could be a key: such an element is written by one.
    assert merged("<c><l>1</l></c>", "<c><l>2</l></c>").count("<c>") == 2


def test_two_namespaces_are_two_elements() -> None:
    assert merged('<a xmlns="urn:a"/>', '<a xmlns="urn:b"/>').count("<a ") == 2


entries = st.dictionaries(st.sampled_from("abcdef"), st.dictionaries(
    st.sampled_from("wxyz"), st.sampled_from("123"), min_size=1), min_size=1)  # fmt: skip


@given(entries, st.randoms(use_true_random=False))
def test_a_list_cut_into_pieces_comes_together_again(lists, random) -> None:
    whole = {key: dict(sorted(leaves.items())) for key, leaves in lists.items()}
    pieces = [
        f"<top><e><key>{key}</key><{leaf}>{value}</{leaf}></e></top>"
        for key, leaves in whole.items()
        for leaf, value in leaves.items()
    ]
    random.shuffle(pieces)
    (top,) = parse_siblings(merged(*pieces))
    found = {
        entry.children[0].value: {leaf.name.local: leaf.value for leaf in entry.children[1:]}
        for entry in top.children
    }
    assert found == whole
