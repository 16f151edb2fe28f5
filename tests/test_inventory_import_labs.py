"""containerlab topologies and Ansible inventories as inventories; golden files tell all of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from topologies import OWN

from toolkit.cli.main import main
from toolkit.errors import InventoryError
from toolkit.inventory.importers.ansible import read_ansible
from toolkit.inventory.importers.ansibletree import expand_range, read_tree
from toolkit.inventory.importers.containerlab import read_containerlab
from toolkit.inventory.importers.kinds import of_kind, of_network_os
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Platform

GOLDEN = Path(__file__).parent / "golden" / "import"
UPDATE = os.environ.get("LLMSYNC_UPDATE_GOLDEN") == "1"

CASES = {
    "lab": ("containerlab", "lab.clab.yml", []),
    "lab-all": ("containerlab", "lab.clab.yml", ["--repository", "h2", "--all"]),
    "lab-routers": ("containerlab", "lab.clab.yml", ["--repository", "R1", "--clouds", "r2,r5"]),
    "ansible-yaml": ("ansible", "hosts.yml", []),
    "ansible-ini": ("ansible", "hosts.ini", ["--links", "links.yaml", "--group", "routers"]),
}


@pytest.mark.parametrize("case", CASES)
def test_imports_are_as_written_down(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(OWN)
    source, file, words = CASES[case]
    out = tmp_path / "net"
    assert main(["inventory", "import", source, file, "--output", str(out), *words]) == 0
    texts = {name: (out / name).read_text("utf-8") for name in ("network.yaml", "deliveries.yaml")}
    texts["report.txt"] = capsys.readouterr().out.replace(str(out), "DIR")
    for name, text in texts.items():
        golden = GOLDEN / case / name
        if UPDATE:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(text, "utf-8")
        assert text == golden.read_text("utf-8")
        assert "hunter2" not in text
        assert "31337" not in text


def imported(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(OWN)
    source, file, words = CASES[case]
    assert main(["inventory", "import", source, file, "--output", str(tmp_path / "n"), *words]) == 0
    capsys.readouterr()
    return load_inventory(tmp_path / "n")


def test_a_lab_s_kinds_labels_and_bridges(tmp_path, monkeypatch, capsys):
    net = imported("lab", tmp_path, monkeypatch, capsys)
    assert {r.name: (r.platform, r.bier) for r in net.routers.values()} == {
        "r1": (Platform.SROS, True), "r2": (Platform.JUNOS, True), "r3": (Platform.IOSXR, False),
        "r4": (Platform.FRR, True), "r5": (Platform.REFERENCE, True),
    }  # fmt: skip
    assert net.routers["r1"].management.host == "172.20.20.11"
    assert net.routers["r5"].region == net.routers["r2"].region == "north"
    assert [(k.a, k.b) for k in net.links if "r5" in (k.a, k.b)] == [("r4", "r5")]
    assert (net.links[0].metric, net.links[0].delay, net.links[0].capacity) == (
        20,
        0.004,
        4 * 10**11,
    )
    assert net.clouds["h2"].gpus == 64
    assert net.clouds["h3"].region == "south"
    assert net.repositories["h1"].router == "r4"


def test_what_platforms_ask_for_is_left_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(OWN)
    words = ["inventory", "import", "containerlab", "lab.clab.yml", "-o", "json"]
    assert main([*words, "--output", str(tmp_path / "n")]) == 0
    left = json.loads(capsys.readouterr().out)["left"]
    assert "links[0]: which port of r1 (sros) is not said (a_port: a name such as 1/1/c1/1)" in left
    assert load_inventory(tmp_path / "n").routers["r1"].platform is Platform.SROS


def test_hosts_of_a_lab_can_be_chosen_on_the_command_line(tmp_path, monkeypatch, capsys):
    net = imported("lab-all", tmp_path, monkeypatch, capsys)
    assert net.repositories["h2"].router == "r1"
    assert set(net.clouds) == {"h1", "h3", "h4"}
    net = imported("lab-routers", tmp_path / "routers", monkeypatch, capsys)
    assert net.repositories["hub"].router == "r1"
    assert set(net.clouds) == {"cloud-r2", "cloud-r5"}


def test_an_ansible_inventory_s_groups_and_variables(tmp_path, monkeypatch, capsys):
    net = imported("ansible-yaml", tmp_path, monkeypatch, capsys)
    p1 = net.routers["p1"]
    assert (p1.platform, p1.region) == (Platform.JUNOS, "north")
    assert (p1.management.host, p1.management.port) == ("192.0.2.21", 830)
    assert (p1.management.username, p1.management.key.name) == ("netconf", "~/.ssh/netconf")
    assert p1.management.password is None
    assert net.routers["p2"].management is None  # its address is Jinja
    assert net.routers["pe1"].platform is Platform.SROS
    assert net.routers["x1"].bier is False
    between = [k for k in net.links if {k.a, k.b} == {"p1", "p2"}]
    assert [k.capacity for k in between] == [4 * 10**11] * 2
    assert net.clouds["gpu1"].gpus == 64


def test_an_ini_inventory_with_a_file_of_links(tmp_path, monkeypatch, capsys):
    net = imported("ansible-ini", tmp_path, monkeypatch, capsys)
    assert list(net.routers) == ["r1", "r2", "r3", "r4", "r5"]
    assert [k.mtu for k in net.links] == [9000, 9000, 1500, 9000, 9000, 9000]
    assert str(net.routers["r5"].management.host) == "2001:db8::5"
    assert net.routers["r1"].platform is Platform.JUNOS


def test_links_in_an_ini_variable():
    data = (OWN / "hosts.ini").read_bytes()
    links = read_ansible(data, "hosts.ini", group="routers").links
    assert [(k.a, k.b, k.delay) for k in links] == [("r5", "r4", 0.002), ("r5", "r3", 0.001)]


def test_group_vars_and_host_vars_beside_the_file_are_read(tmp_path, capsys):
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts").write_text("[core]\nr[1:2]\n", "utf-8")
    (tmp_path / "group_vars" / "all" / "os.yml").write_text("ansible_network_os: junos\n", "utf-8")
    (tmp_path / "group_vars" / "core.yml").write_text("llmsync_region: north\n", "utf-8")
    (tmp_path / "group_vars" / "core").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "utf-8")
    (tmp_path / "host_vars" / "r1.yml").write_text("llmsync_links: [r2]\n", "utf-8")
    out = tmp_path / "net"
    words = ["--repository", "r1", "--clouds", "r2", "--output", str(out)]
    assert main(["inventory", "import", "ansible", str(tmp_path / "hosts"), *words]) == 0
    assert "vaults need Ansible and were not read: group_vars/core" in capsys.readouterr().out
    net = load_inventory(out)
    assert {(r.platform, r.region) for r in net.routers.values()} == {(Platform.JUNOS, "north")}


def test_the_machine_that_ansible_runs_on_is_no_router():
    draft = read_ansible((OWN / "hosts.ini").read_bytes(), "hosts.ini")
    assert "localhost" not in [r.name for r in draft.routers]
    assert any(n.names == ("localhost",) for n in draft.notes)


def test_variables_win_as_ansible_lets_them_win():
    text = b"""
all: {vars: {x: all, y: all, z: all}}
far: {vars: {x: far, y: far}, children: {near: {vars: {x: near}, hosts: {h: {}}}}}
other: {vars: {x: other}, hosts: {h: {z: own}}}
"""
    values = read_tree(text, "x.yml").variables()["h"]
    assert values == {"x": "near", "y": "far", "z": "own"}


def test_ranges_of_hosts():
    assert list(expand_range("r[08:10].x")) == ["r08.x", "r09.x", "r10.x"]
    assert list(expand_range("r[1:5:2]-[a:b]")) == ["r1-a", "r1-b", "r3-a", "r3-b", "r5-a", "r5-b"]
    for wrong in ("r[3:1]", "r[a:2]", "r[1:2:0]"):
        with pytest.raises(ValueError):
            list(expand_range(wrong))


@pytest.mark.parametrize(
    ("kind", "platform"),
    [
        ("vr-sros", Platform.SROS), ("nokia_sros", Platform.SROS), ("vr-nokia_sros", Platform.SROS),
        ("nokia_srlinux", None), ("srl", None), ("juniper_crpd", Platform.JUNOS),
        ("vr-juniper_vmx", Platform.JUNOS), ("crpd", Platform.JUNOS), ("cisco_xrd", Platform.IOSXR),
        ("vr-xrv9k", Platform.IOSXR), ("cisco_xrv9k", Platform.IOSXR), ("cisco_n9kv", None),
        ("huawei_vrp", Platform.VRP), ("arista_ceos", None), ("linux", None), ("", None),
    ],
)  # fmt: skip
def test_kinds_of_containerlab(kind, platform):
    assert of_kind(kind) == platform


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("nokia.sros.md", Platform.SROS), ("junipernetworks.junos.junos", Platform.JUNOS),
        ("cisco.iosxr.iosxr", Platform.IOSXR), ("community.network.ce", Platform.VRP),
        ("frr.frr.frr", Platform.FRR), ("cisco.ios.ios", None), ("", None),
    ],
)  # fmt: skip
def test_ansible_network_oses(name, platform):
    assert of_network_os(name) == platform


def test_a_host_on_a_routing_host_hangs_on_it():
    text = b"""
topology:
  defaults: {kind: linux}
  nodes: {a: , b: , c: , h: {labels: {llmsync-role: cloud}}, i: }
  links:
    - endpoints: ["a:e1", "b:e1"]
    - endpoints: ["b:e2", "c:e2"]
    - endpoints: ["c:e3", "a:e3"]
    - endpoints: ["a:e4", "h:e1"]
    - endpoints: [{node: b, interface: e4}, {node: i, interface: e1}]
"""
    draft = read_containerlab(text, "x.clab.yml")
    assert [r.name for r in draft.routers] == ["a", "b", "c"]
    assert [(h.name, h.router, h.role) for h in draft.hosts] == [
        ("h", "a", "cloud"),
        ("i", "b", ""),
    ]


def test_unknown_groups_and_broken_link_files_are_told():
    data = (OWN / "hosts.ini").read_bytes()
    with pytest.raises(InventoryError, match=r"no group 'router' \(did you mean 'routers'\?\)"):
        read_ansible(data, "hosts.ini", group="router")
    links = b"- {a: r1}\n- {a: r1, b: r9}\n- {a: r2, b: r2}\n- {a: r1, b: r2, metric: x}\n"
    with pytest.raises(InventoryError) as caught:
        read_ansible(data, "hosts.ini", links=("l.yaml", links))
    assert [p.place.line for p in caught.value.problems] == [1, 2, 3, 4]
