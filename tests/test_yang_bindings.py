"""Typed device state: classes generated from our modules, loaded from a NETCONF reply."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from toolkit.errors import EnvironmentProblem, SchemaError, ToolkitError
from toolkit.yang import bindings, generate
from toolkit.yang.modulefile import base_folders
from toolkit.yang.schema import reference_schema

pytest.importorskip("pyangbind", reason="pyangbind is not installed (extra `bindings`)")

REPLY = """
<data xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
  <interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"
      xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type">
    <interface><name>to-fra1</name><type>t:ethernetCsmacd</type><oper-status>up</oper-status>
    <statistics><in-octets>18446744073709551615</in-octets></statistics></interface>
  </interfaces>
  <bier xmlns="urn:llmsync:bier">
    <bift><sub-domain>0</sub-domain><bsl>64</bsl><si>1</si><bift-id>100001</bift-id></bift>
    <bift><sub-domain>0</sub-domain><bsl>64</bsl><si>0</si><bift-id>100000</bift-id>
      <entry><bfr-id>7</bfr-id><f-bm>0000000000000040</f-bm></entry>
      <entry><bfr-id>2</bfr-id><f-bm>8000000000000002</f-bm><neighbor>sjc1</neighbor>
        <out-interface>to-dal1</out-interface><out-bift-id>100256</out-bift-id>
        <tunnel>true</tunnel></entry>
    </bift>
    <counters><received>18446744073709551615</received><forwarded>12</forwarded>
      <dropped><reason>ttl</reason><packets>3</packets></dropped></counters>
  </bier>
  <deliveries xmlns="urn:llmsync:delivery">
    <session><name>minilm</name><tsi>1</tsi><source>10.1.0.2</source><group>232.1.0.1</group>
      <role>egress</role>
      <receipt><receiver>cloud-miami</receiver><complete>true</complete><bytes>90868376</bytes>
        <manifest-digest>%s</manifest-digest><first-byte>0</first-byte>
        <last-byte>1200000</last-byte><packets-lost>17</packets-lost></receipt>
    </session>
  </deliveries>
</data>
""" % ("0f" * 32)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The classes, generated anew: what is in the source tree may be of yesterday."""
    folder = tmp_path_factory.mktemp("bindings") / "fresh_reference_bindings"
    generate.generate(folder)
    assert sorted(file.name for file in folder.iterdir()) == ["__init__.py", "reference.py"]
    sys.path.insert(0, str(folder.parent))
    try:
        yield importlib.import_module(f"{folder.name}.reference")
    finally:
        sys.path.remove(str(folder.parent))


@pytest.fixture
def tree(generated: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(bindings, "_GENERATED", generated.__name__)
    return reference_schema().parse_xml(REPLY, "mia1", state=True)


def test_forwarding_tables_come_back_typed_and_in_order(tree: dict[str, Any]) -> None:
    first, second = bindings.bift_of(tree)
    assert (first.si, first.bift_id, second.si, second.bift_id) == (0, 100000, 1, 100001)
    assert second.entries == ()
    assert first.entries == (
        bindings.BiftEntry(
            bfr_id=2,
            f_bm=1 << 63 | 2,
            neighbor="sjc1",
            out_interface="to-dal1",
            out_bift_id=100256,
            tunnel=True,
        ),
        bindings.BiftEntry(
            bfr_id=7, f_bm=64, neighbor=None, out_interface=None, out_bift_id=None, tunnel=False
        ),
    )


def test_counters_hold_64_bits(tree: dict[str, Any]) -> None:
    assert bindings.counters_of(tree) == bindings.Counters(
        received=2**64 - 1, forwarded=12, delivered=0, imposed=0, dropped={"ttl": 3}
    )


def test_receipts_tell_zero_from_absent(tree: dict[str, Any]) -> None:
    assert bindings.receipts_of(tree) == (
        bindings.Receipt(
            session="minilm",
            receiver="cloud-miami",
            complete=True,
            bytes_placed=90868376,
            manifest_digest="0f" * 32,
            first_byte=0,
            last_byte=1200000,
            verified=None,
            packets_lost=17,
            packets_duplicate=0,
        ),
    )


def test_a_router_without_bier_has_no_state_of_it(tree: dict[str, Any]) -> None:
    only = {"ietf-interfaces:interfaces": tree["ietf-interfaces:interfaces"], "other:x": {"y": 1}}
    assert bindings.bift_of(only) == ()
    assert bindings.counters_of(only) == bindings.Counters(dropped={})
    assert bindings.receipts_of(only) == ()


def test_scripts_get_the_objects_themselves(tree: dict[str, Any]) -> None:
    loaded = bindings.load(tree)
    port = loaded["ietf-interfaces"].interfaces.interface["to-fra1"]
    assert str(port.oper_status) == "up"
    assert int(port.statistics.in_octets) == 2**64 - 1
    with pytest.raises((ValueError, AttributeError)):
        loaded["llmsync-bier"].bier.bift["0 64 0"].bift_id = 1 << 20


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"bift": [{"sub-domain": 0, "bsl": 100, "si": 0}]}, "bsl must be of a type compatible"),
        ({"bift": [{"bsl": 64, "si": 0}]}, "sub-domain is missing"),
        ({"bift": [5]}, "'int' object is not subscriptable"),
        ({"bft": 4}, r"a key that did not exist \(bft\)"),
        ({"counters": {"received": "many"}}, "received must be of a type compatible"),
    ],
)
def test_state_that_does_not_fit_names_device_and_cause(
    tree: dict[str, Any], broken: dict[str, Any], said: str
) -> None:
    with pytest.raises(SchemaError, match=rf"^mia1: /llmsync-bier:bier: .*{said}"):
        bindings.load({**tree, "llmsync-bier:bier": broken}, "mia1")


def test_without_pyangbind_the_extra_is_named(
    tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyangbind.lib.serialise", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'llmsync\[bindings\]'"):
        bindings.bift_of(tree)


def test_without_generated_classes_the_command_is_named(
    tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bindings, "_GENERATED", "toolkit.yang.never_generated")
    with pytest.raises(EnvironmentProblem, match=r"python -m toolkit\.yang\.generate"):
        bindings.bift_of(tree)


def test_importing_the_module_needs_no_pyangbind() -> None:
    script = (
        "import sys, toolkit.yang.bindings; print([m for m in sys.modules if 'pyangbind' in m])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_pruning_is_what_makes_classes_of_a_module_with_actions(tmp_path: Path) -> None:
    wanted = (["ietf-routing"], tmp_path / "routing.py")
    with pytest.raises(ToolkitError, match="unhandled keyword with children action"):
        generate.run_pyangbind(*wanted, search_path=base_folders(), prune=False)
    generate.run_pyangbind(*wanted, search_path=base_folders())
    text = (tmp_path / "routing.py").read_text()
    assert "active_route" not in text
    # The pre-NMDA tree is deprecated as a whole.
    assert "class ietf_routing(" in text
    assert "routing_state" not in text


def test_deprecated_nodes_and_unsupported_features_have_no_classes(generated: ModuleType) -> None:
    names = " ".join(dir(generated))
    assert "interfaces_state" not in names
    port = generated.yc_interface_ietf_interfaces__interfaces_interface()
    assert hasattr(port, "oper_status")
    assert not hasattr(port, "if_index")
