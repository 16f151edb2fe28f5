"""Entries without proper keys are refused, and do not take the process with them."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from yang_sets import FOLDERS, needs_modules

from toolkit.errors import SchemaError
from toolkit.yang.schema import Schema, reference_schema

MUTATIONS = Path(__file__).with_name("yang_mutations.py")
ISIS = "/llmsync-isis:isis/interface"
FLOW = "/llmsync-overlay:overlay/egress-flow"


def survives(*arguments: str) -> int:
    """Run the mutations in a process of their own; return how many it tried."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(MUTATIONS), *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    # A process that died says with its last line which mutation it was.
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    assert lines[-1] == "END"
    assert [(a, b) for a, b in pairwise(lines) if b.startswith("WRONG")] == []
    return len(lines) - 1


def test_every_key_of_every_list_of_the_demo_is_missed_with_device_and_path() -> None:
    assert survives("keys") > 200


def test_payloads_changed_by_chance_are_refused_or_valid() -> None:
    assert survives("chance", "12", "500") == 500


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 108))
def test_many_payloads_changed_by_chance_are_refused_or_valid(seed: int) -> None:
    assert survives("chance", str(seed), "30000") == 30000


def overlay(inner: str) -> str:
    return f'<overlay xmlns="urn:llmsync:overlay">{inner}</overlay>'


def said(given: dict[str, Any] | str) -> list[str]:
    schema = reference_schema()
    with pytest.raises(SchemaError) as caught:
        _ = (
            schema.parse_xml(given, "ams1")
            if isinstance(given, str)
            else schema.parse_json(given, "ams1")
        )
    assert {problem.place.file for problem in caught.value.problems} == {"ams1"}
    return [f"{problem.place.path}: {problem.what}" for problem in caught.value.problems]


def test_what_is_wrong_elsewhere_is_said_beside_a_missing_key() -> None:
    text = overlay(
        "<egress-flow><group>232.1.0.1</group><interface>eth0</interface></egress-flow>"
        "<egress-flow><source>192.0.2.1</source><interface>eth0</interface></egress-flow>"
        "<egress-flow><source>192.0.2.1</source><group>232.1.0.2</group></egress-flow>"
        "<ingress-flow><source>192.0.2.1</source><group>232.1.0.2</group><bsl>300</bsl>"
        "<set><bit-string>00</bit-string></set></ingress-flow>"
    )
    assert set(said(text)) == {
        f"{FLOW}[group='232.1.0.1']: the key source is missing",
        f"{FLOW}[source='192.0.2.1'][group='232.1.0.2']/interface:"
        " there are too few entries of interface",
        f"{FLOW}[source='192.0.2.1']: the key group is missing",
        *[
            f"{FLOW.replace('egress', 'ingress')}[source='192.0.2.1'][group='232.1.0.2']{rest}"
            for rest in (
                "/bsl: 300 is out of range",
                "/set: the key si is missing",
                ": sub-domain is missing and must be given",
            )
        ],
    }


@pytest.mark.parametrize("form", ["xml", "json"])
def test_an_entry_with_a_wrong_key_is_refused_once(form: str) -> None:
    text = overlay(
        "<egress-flow><source>x</source><group>232.1.0.1</group><interface>a</interface></egress-flow>"
    )
    flow = {"source": "x", "group": "232.1.0.1", "interface": ["a"]}
    tree = {"llmsync-overlay:overlay": {"egress-flow": [flow]}}
    assert said(text if form == "xml" else tree) == [f'{FLOW}/source: "x" fits none of the types']


def test_an_entry_with_its_key_twice_among_many_nodes_is_refused() -> None:
    entry = "<interface><name>a</name><name>b</name><metric>10</metric><passive>true</passive>"
    text = f'<isis xmlns="urn:llmsync:isis">{entry}</interface></isis>'
    assert f"{ISIS}[name='a'][name='b']/name: name is given twice" in said(text)


def test_a_member_under_both_of_its_names_is_refused_in_a_fragment_too() -> None:
    entry = {"name": "a", "llmsync-isis:name": "b", "metric": 10, "passive": True}
    tree = {"llmsync-isis:isis": {"interface": [entry]}}
    expected = '"name" is given twice, also as "llmsync-isis:name"'
    assert said(tree) == [f"{ISIS}/name: {expected}"]
    with pytest.raises(SchemaError, match="given twice"):
        reference_schema().to_xml(tree, "ams1")


@pytest.mark.parametrize("inside", [{}, {"interface": []}])
def test_an_empty_container_is_no_data(inside: dict[str, Any]) -> None:
    tree = {"ietf-interfaces:interfaces": inside}
    assert reference_schema().to_xml(tree, "ams1") == ""
    assert reference_schema().parse_json(tree, "ams1") == {}


def test_a_key_may_be_an_identity_whose_prefix_is_declared_further_out(tmp_path: Path) -> None:
    (tmp_path / "a.yang").write_text(
        "module a { namespace 'urn:a'; prefix a; identity b; identity c { base b; }"
        " container top { list x { key k; leaf k { type identityref { base b; } }"
        " leaf n { type uint8; } leaf m { type uint8; } } } }"
    )
    schema = Schema(["a"], [tmp_path])
    entry = "<x><k>p:{}</k><n>999</n><m>y</m></x>"
    text = '<top xmlns="urn:a" xmlns:p="urn:a">' + entry.format("c") + entry.format("d") + "</top>"
    with pytest.raises(SchemaError) as caught:
        schema.parse_xml(text, "r")
    assert sorted(str(p).partition(" (")[0] for p in caught.value.problems) == [
        'r: /a:top/x/k: module a defines no identity "p:d"',
        "r: /a:top/x[k='a:c']/m: \"y\" is no uint8",
        "r: /a:top/x[k='a:c']/n: 999 is out of range",
    ]


@needs_modules
def test_a_node_whose_condition_is_false_is_refused_and_no_end_of_the_process() -> None:
    # libyang 4.5 dies of it where it is told to go on after a fault; so this is a child's work.
    body = """
from toolkit.errors import SchemaError
from toolkit.yang.platforms import platform_schema
schema = platform_schema("ietf")
try:
    schema.parse_xml(
        '<acls xmlns="urn:ietf:params:xml:ns:yang:ietf-access-control-list"><acl><name>a</name>'
        '<aces><ace><name>pim</name><matches><ipv4/></matches></ace></aces></acl></acls>', "r1")
except SchemaError as error:
    print(error)
"""
    path = os.pathsep.join(map(str, FOLDERS))
    done = subprocess.run(
        [sys.executable, "-c", body], env={**os.environ, "LLMSYNC_YANG_PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[:4]) == (0, "r1: "), done.stderr
    assert "/ietf-access-control-list:acls/acl[name='a']" in done.stdout
