"""`llmsync push` to three FRRouting routers behind our servers: one transaction, real protocols."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest
from frr_routers import needs_frr
from frr_servers import NAMES, Lab, host_up, inventory, lab, socket_in, wait

from toolkit.cli.loading import load_plan
from toolkit.cli.main import main
from toolkit.errors import DeviceError
from toolkit.netconf.frr_text import foreign, owned, parse
from toolkit.plan.model import FlowPlan

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240), needs_frr]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frr")
    with lab(folder) as made:
        made.serve(inventory(folder / "first.yaml"), *NAMES)
        yield made


def adjacent(net: Lab, igp: str) -> bool:
    """r2, in the middle, has both of its neighbors."""
    if igp == "isis":
        shown = net.frr["r2"].vtysh("show isis neighbor")
        return shown.count(" Up ") == 2
    neighbors = json.loads(net.frr["r2"].vtysh("show ip ospf neighbor json"))["neighbors"]
    return len(neighbors) == 2 and all(
        entry["state"].startswith("Full") for many in neighbors.values() for entry in many
    )


def mroutes(net: Lab, name: str) -> dict:
    return json.loads(net.frr[name].vtysh("show ip mroute json"))


@pytest.mark.parametrize(
    ("igp", "over"), [("isis", "pim-ssm"), ("ospf", "pim-ssm"), ("isis", "pim-sm")]
)
def test_a_push_makes_a_network_that_delivers_and_a_second_changes_nothing(
    net, tmp_path, igp, over, capsys
):
    file = inventory(tmp_path / "network.yaml", igp=igp, over=over)
    net.frr["r2"].vtysh("configure terminal", "router bgp 65000", "bgp router-id 192.0.2.1")
    others = {name: foreign(parse(text)) for name, text in net.running.items()}
    assert net.push(file, "--yes") == 0, capsys.readouterr()
    first = net.running
    assert net.push(file, "--check") == 0
    assert net.push(file, "--yes") == 0
    assert net.running == first
    for name, text in first.items():
        assert owned(parse(text))
        assert foreign(parse(text)) == others[name]
    assert ("router isis llmsync" in first["r1"], "router ospf" in first["r1"]) == (
        igp == "isis", igp == "ospf",
    )  # fmt: skip

    wait(f"r2 has its neighbors by {igp}", lambda: adjacent(net, igp), 90.0)
    plan = load_plan(file)[1]
    (flow,) = plan.flows
    for name in ("hub", "c3"):
        host = plan.hosts[name]
        host_up(name, str(host.address), str(host.gateway))
    hub, cloud = plan.hosts["hub"].address.ip, plan.hosts["c3"].address.ip
    network = str(plan.hosts["hub"].address.network)
    wait("r3 has a route to the hub", lambda: network in net.frr["r3"].ip("route"), 60.0)
    with socket_in("hub") as sender, socket_in("c3") as receiver:
        receiver.bind((str(flow.group), flow.port))
        joined, how = flow.group.packed + cloud.packed, socket.IP_ADD_MEMBERSHIP
        if over == "pim-ssm":
            joined, how = joined + flow.source_address.packed, 39  # IP_ADD_SOURCE_MEMBERSHIP
        receiver.setsockopt(socket.IPPROTO_IP, how, joined)
        receiver.settimeout(0.2)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 16)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, hub.packed)
        got: list[bytes] = []

        def delivered() -> bool:
            sender.sendto(b"a model", (str(flow.group), flow.port))
            try:
                got.append(receiver.recv(100))
            except TimeoutError:
                return False
            return True

        wait("a packet of the hub is with the cloud", delivered, 90.0)
        assert got == [b"a model"]
        for name in NAMES:
            wait(f"{name} has (S,G)", lambda name=name: _has(net, name, flow), 30.0)
    assert net.push(file, "--check") == 0


def _has(net: Lab, name: str, flow: FlowPlan) -> bool:
    return str(flow.source_address) in mroutes(net, name).get(str(flow.group), {})


def test_a_metric_is_changed_on_all_or_none(net, tmp_path, capsys):
    net.push(inventory(tmp_path / "network.yaml"), "--yes")
    before = net.running
    assert net.push(inventory(tmp_path / "network.yaml", metric=20), "--yes") == 0
    after = net.running
    assert [after[n] != before[n] for n in NAMES] == [True, True, False]
    assert " isis metric 20\n" in after["r1"]
    # FRR's parser takes no IGMPv1: our module does, so only FRR can refuse it.
    payloads = tmp_path / "payloads"
    file = inventory(tmp_path / "network.yaml", metric=30)
    assert main(["render", str(file), "-o", str(payloads)]) == 0
    text = (payloads / "r3.xml").read_text()
    assert "<version>3</version>" in text
    (payloads / "r3.xml").write_text(text.replace("<version>3</version>", "<version>1</version>"))
    capsys.readouterr()
    assert net.push(file, "--payloads", str(payloads), "--yes") == 5
    said = "".join(capsys.readouterr())
    assert "FRR refuses line" in said
    assert "'ip igmp version 1'" in said
    assert net.running == after


CONFIRMED = (
    "<commit><confirmed/><confirm-timeout>{}</confirm-timeout><persist>tx</persist></commit>"
)


def _metric(net: Lab, name: str, value: int, commit: str) -> None:
    """Change a metric and commit it confirmed; then be gone."""
    connection = net.connect(name)
    connection.request(
        "<edit-config><target><candidate/></target><config>"
        '<isis xmlns="urn:llmsync:isis"><interface><name>e0</name>'
        f"<metric>{value}</metric></interface></isis></config></edit-config>"
    )
    connection.request(commit)
    connection.leave()


def test_what_nobody_confirms_is_taken_back(net, tmp_path):
    net.push(inventory(tmp_path / "network.yaml"), "--yes")
    before = net.running
    for name in NAMES:
        _metric(net, name, 55, CONFIRMED.format(4))
        assert " isis metric 55\n" in net.frr[name].running
    wait("FRR is back", lambda: net.running == before, 20.0)


def test_a_server_that_is_killed_comes_back_with_what_was_saved(net, tmp_path):
    file = inventory(tmp_path / "network.yaml")
    net.push(file, "--yes")
    before = net.running
    _metric(net, "r2", 66, CONFIRMED.format(600))
    assert " isis metric 66\n" in net.frr["r2"].running
    net.stop("r2", signal.SIGKILL)
    time.sleep(0.2)
    assert " isis metric 66\n" in net.frr["r2"].running
    net.serve(net.folder / "first.yaml", "r2")
    assert net.running == before
    _metric(net, "r2", 67, CONFIRMED.format(600))
    net.stop("r2")  # in order: what nobody has confirmed goes
    assert net.running == before
    net.serve(net.folder / "first.yaml", "r2")
    assert net.push(file, "--check") == 0
    assert "router isis llmsync" in (net.frr["r2"].home / "frr.conf").read_text()


def test_the_bier_engine_beside_frr_gets_its_document(net, tmp_path, capsys):
    """The servers read first.yaml: there, BIER has to be planned as it is pushed."""
    beside = net.folder / "startup" / "r2.bift.yaml"
    file = inventory(tmp_path / "network.yaml", over="bier")
    assert net.push(file, "--yes") == 5
    assert "put the inventory that you push there" in "".join(capsys.readouterr())
    assert not beside.exists()
    first = net.folder / "first.yaml"
    before = first.read_text()
    inventory(first, over="bier")
    assert net.push(first, "--yes") == 0
    assert main(["bier", "forward", str(beside), "--check"]) == 0
    text = beside.read_text()
    _metric(net, "r2", 99, CONFIRMED.format(1))  # the way back costs another metric
    first.write_text(before)
    wait("r2 is back", lambda: " isis metric 99\n" not in net.frr["r2"].running, 20.0)
    assert beside.read_text() == text
    assert net.push(inventory(tmp_path / "network.yaml"), "--yes") == 0
    assert not beside.exists()


def test_replication_segments_are_refused_on_live_hosts(net, tmp_path, capsys):
    before = net.running
    assert net.push(inventory(tmp_path / "network.yaml", over="sr-p2mp"), "--yes") == 5
    assert "no engine here forwards them" in "".join(capsys.readouterr())
    assert net.running == before


def test_an_error_of_frr_has_a_data_path(net, tmp_path):
    assert net.push(inventory(tmp_path / "network.yaml"), "--yes") == 0  # whatever ran before
    connection = net.connect("r1")
    with pytest.raises(DeviceError) as caught:
        connection.request(
            "<edit-config><target><candidate/></target><config>"
            '<membership xmlns="urn:llmsync:pim"><interface><name>e0</name><version>1</version>'
            "</interface></membership></config></edit-config>"
        )
    connection.leave()
    assert caught.value.path == "/llmsync-pim:membership/interface[name='e0']"
    assert "'ip igmp version 1'" in caught.value.message


def test_a_port_that_the_host_has_not_is_refused_before_anything_changes(net, tmp_path, capsys):
    net.push(inventory(tmp_path / "network.yaml"), "--yes")
    before = net.running
    file = tmp_path / "network.yaml"
    file.write_text(file.read_text().replace("router_port: e1", "router_port: e7"))
    capsys.readouterr()
    assert net.push(file, "--yes") == 5
    assert "this host has no interface e7" in "".join(capsys.readouterr())
    assert net.running == before


def test_orphans_are_not_cleared(net, tmp_path, capsys):
    net.push(inventory(tmp_path / "network.yaml"), "--yes")
    before = net.frr["r1"].running
    home = str(net.frr["r1"].home)
    command = ["device", str(Path(tmp_path / "network.yaml")), "--router", "r1", "--backend", "frr",
               "--frr-vty-socket", home, "--hold", "0"]  # fmt: skip
    assert main([*command, "--startup", str(tmp_path / "elsewhere")]) == 2
    assert "but FRR holds configuration of llmsync" in capsys.readouterr().err
    assert net.frr["r1"].running == before
    assert main(command) == 2
    assert "--startup FOLDER" in capsys.readouterr().err
