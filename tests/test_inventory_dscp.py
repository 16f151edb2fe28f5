"""Code points by name and by number, and the settings of underlay, overlay and ports."""

from __future__ import annotations

import pytest

from toolkit.inventory.dscp import NAMES, name_of, parse_dscp
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Igp, OverlaySettings, OverlaySignalling, QosSettings
from toolkit.inventory.refusal import Refusal


@pytest.mark.parametrize(
    ("written", "dscp", "name"),
    [
        ("le", 1, "LE"),
        ("LE", 1, "LE"),
        ("cs0", 0, "CS0"),
        ("CS1", 8, "CS1"),
        ("cs7", 56, "CS7"),
        ("af11", 10, "AF11"),
        ("AF43", 38, "AF43"),
        ("ef", 46, "EF"),
        ("voice-admit", 44, "VOICE-ADMIT"),
        (0, 0, "CS0"),
        (1, 1, "LE"),
        (5, 5, "DSCP 5"),
        (63, 63, "DSCP 63"),
    ],
)
def test_a_code_point_by_name_or_number(written, dscp, name):
    assert parse_dscp(written) == dscp
    assert name_of(dscp) == name


def test_no_code_point_at_all():
    assert parse_dscp("none") is None
    assert parse_dscp("None") is None


@pytest.mark.parametrize("written", [-1, 64, True, None, 1.0, "", "10", "af14", "af51", "cs8", "x"])
def test_what_is_no_code_point(written):
    with pytest.raises(Refusal):
        parse_dscp(written)


def test_no_two_names_share_a_code_point():
    assert len(set(NAMES.values())) == len(NAMES)


SMALL = """\
name: small
domains: {backbone: }
routers: {ams1: {edge_protection: false, qos: false}, fra1: }
links: [{a: ams1, b: fra1, a_port: 1/1/c1/1, b_port: et-0/0/0}]
repositories: {hub: {router: ams1, router_port: 1/1/c2/1}}
clouds: {east: {router: fra1, router_port: et-0/0/1}}
deliveries: {llama: {model: demo, from: hub, to: all, imposition: router}}
"""


def load(tmp_path, text):
    file = tmp_path / "network.yaml"
    file.write_text(text, encoding="utf-8")
    return load_inventory(file)


def test_ports_and_edge_protection(tmp_path):
    read = load(tmp_path, SMALL)
    assert not read.routers["ams1"].edge_protection
    assert not read.routers["ams1"].qos
    assert read.routers["fra1"].edge_protection
    assert read.routers["fra1"].qos
    assert (read.links[0].a_port, read.links[0].b_port) == ("1/1/c1/1", "et-0/0/0")
    assert read.repositories["hub"].router_port == "1/1/c2/1"
    assert read.clouds["east"].router_port == "et-0/0/1"


def test_underlay_overlay_and_class(tmp_path):
    read = load(
        tmp_path,
        f"{SMALL}underlay: {{igp: ospf}}\nqos: {{dscp: none}}\n"
        "overlay: {signalling: mvpn, as: 65001, route_reflectors: [fra1]}\n",
    )
    assert read.igp is Igp.OSPF
    assert read.qos == QosSettings(dscp=None)
    assert read.overlay == OverlaySettings(
        signalling=OverlaySignalling.MVPN, as_number=65001, route_reflectors=("fra1",)
    )


def test_what_is_left_out_is_the_default(tmp_path):
    read = load(tmp_path, SMALL)
    assert (read.igp, read.overlay, read.qos) == (Igp.ISIS, OverlaySettings(), QosSettings())
