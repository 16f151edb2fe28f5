"""From files to an inventory."""

from __future__ import annotations

import dataclasses
import errno
import os
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from toolkit.errors import InventoryError, Place
from toolkit.inventory import declared
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import (
    BierSettings,
    Cloud,
    Delivery,
    Domain,
    Encapsulation,
    Imposition,
    Inventory,
    Link,
    Management,
    Platform,
    Policy,
    Repository,
    Router,
    Secret,
)
from toolkit.inventory.naming import name_links
from toolkit.inventory.target import Choice, Target

DEMO = Path(__file__).parent.parent / "inventories" / "demo"
SMALL = """\
name: small
domains: {backbone: }
routers: {ams1: {region: europe}, fra1: , nyc1: {region: america}}
links:
- {a: ams1, b: fra1}
- {a: ams1, b: nyc1}
repositories: {hub: {router: ams1}}
clouds: {west: {router: nyc1}, east: {router: fra1, region: europe}, south: {router: fra1}}
deliveries: {llama: {model: demo, from: hub, to: all}}
"""


def write(folder: Path, text: str, name: str = "network.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def load(folder: Path, text: str) -> Inventory:
    return load_inventory(write(folder, text))


def problems(path: Path) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        load_inventory(path)
    return [str(problem) for problem in caught.value.problems]


def test_the_demo_loads(monkeypatch):
    monkeypatch.chdir(DEMO.parent.parent)
    demo = load_inventory(Path("inventories/demo"))
    assert demo.name == "demo"
    assert (len(demo.routers), len(demo.links), len(demo.clouds)) == (12, 17, 6)
    assert [r.name for r in demo.routers.values() if not r.bier] == ["dal1"]
    assert demo.deliveries["minilm"].to == tuple(demo.clouds)
    assert all(demo.deliveries["minilm"].rate <= c.capacity for c in demo.clouds.values())
    assert demo.policies[0].failures == 1
    assert demo.routers["fra1"].place == Place("inventories/demo/network.yaml", 12, "routers.fra1")


def test_what_is_left_out_has_the_models_own_default(tmp_path):
    small = load(tmp_path, SMALL)
    place = small.links[0].place
    assert small.links[0] == Link(a="ams1", b="fra1", place=place)
    assert place.path == "links[0]"
    assert small.domains == {"backbone": Domain(name="backbone")}
    fra1 = small.routers["fra1"]
    assert fra1 == Router(name="fra1", domain="backbone", place=fra1.place)
    hub = small.repositories["hub"]
    assert hub == Repository(name="hub", router="ams1", place=hub.place)
    west = small.clouds["west"]
    assert west == Cloud(name="west", router="nyc1", region="america", place=west.place)
    llama = small.deliveries["llama"]
    assert llama == Delivery(
        name="llama", model="demo", source="hub", to=("west", "east", "south"), place=llama.place
    )
    assert small.policies == ()
    assert small.bier == BierSettings()


def test_the_defaults_of_the_file_are_those_of_the_model():
    pairs = {
        declared.DomainBody: Domain,
        declared.ManagementBody: Management,
        declared.RouterBody: Router,
        declared.LinkBody: Link,
        declared.RepositoryBody: Repository,
        declared.CloudBody: Cloud,
        declared.DeliveryBody: Delivery,
        declared.PolicyBody: Policy,
        declared.BierBody: BierSettings,
    }
    for body, kind in pairs.items():
        of_model = {f.name: f.default for f in dataclasses.fields(kind)}
        for name, field in body.model_fields.items():
            if isinstance(field.default, Target):
                assert field.default.choice is Choice.ALL  # of the model: (), which says the same
            elif not field.is_required() and field.default is not None:
                assert field.default == of_model[name], (body, name)


def test_a_cloud_takes_its_routers_region_unless_it_has_one(tmp_path):
    small = load(tmp_path, SMALL)
    assert [c.region for c in small.clouds.values()] == ["america", "europe", ""]
    by_region = SMALL.replace("to: all", "to: {region: europe}")
    assert load(tmp_path, by_region).deliveries["llama"].to == ("east",)
    by_regions = SMALL.replace("to: all", "to: {regions: [america, europe]}")
    assert load(tmp_path, by_regions).deliveries["llama"].to == ("west", "east")
    by_name = SMALL.replace("to: all", "to: [south, west]")
    assert load(tmp_path, by_name).deliveries["llama"].to == ("south", "west")


def test_everything_that_can_be_written_arrives(tmp_path):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHv0B0bZ2Dyy3Sp3SwzyJ1T8hJFPZBWtVZQhZ0jfQvDJ"
    full = load(
        tmp_path,
        f"""\
name: full
domains: {{one: {{area: "49.00AB"}}, two: {{area: "49"}}}}
routers:
  r1:
    domain: one
    platform: sros
    loopback: 192.0.2.1
    management:
      {{host: R1.example.net, port: 22, username: bob, password: {{env: PW}}, host_key: {key} r1}}
  r2: {{domain: two, bier: no, management: {{host: 2001:DB8::2, key: agent}}}}
  r3: {{domain: two, management: {{host: 192.0.2.3, key: {{file: ~/.ssh/id}}}}}}
links:
- {{a: r1, b: r2, name: north, metric: 16777214, capacity: 400G, delay: 250us, mtu: 1500,
   srlg: [duct-7, "8"]}}
- {{a: r2, b: r3}}
repositories: {{hub: {{router: r1, capacity: 40G, delay: 1ms, mtu: 4000}}}}
clouds: {{c: {{router: r3, capacity: 25G, delay: 2ms, mtu: 1500, gpus: 1, region: here}}}}
deliveries:
  d: {{model: /models/x, from: hub, to: [c], transport: bier, imposition: router, rate: 2.5G}}
policies: {{p: {{scope: nodes, failures: 1}}, q: }}
bier: {{sub_domain: 7, bsl: 512, encapsulation: non-mpls}}
""",
    )
    assert [d.area for d in full.domains.values()] == ["49.00ab", "49"]
    r1, r2, r3 = full.routers.values()
    assert (r1.platform, r1.loopback, r1.domain) == (Platform.SROS, IPv4Address("192.0.2.1"), "one")
    assert r1.management == Management(
        host="R1.example.net",
        port=22,
        username="bob",
        password=Secret(kind="env", name="PW"),
        host_key=key,
    )
    assert r2.bier is False
    assert r2.management == Management(host="2001:db8::2", key=Secret(kind="agent"))
    assert r3.management == Management(host="192.0.2.3", key=Secret(kind="file", name="~/.ssh/id"))
    north = full.links[0]
    assert (north.name, north.metric, north.capacity, north.delay, north.mtu, north.srlg) == (
        "north", 16_777_214, 400_000_000_000, 0.00025, 1500, ("duct-7", "8"),
    )  # fmt: skip
    cloud = full.clouds["c"]
    assert (cloud.capacity, cloud.delay, cloud.mtu, cloud.gpus, cloud.region) == (
        25_000_000_000, 0.002, 1500, 1, "here",
    )  # fmt: skip
    delivery = full.deliveries["d"]
    assert (delivery.imposition, delivery.rate) == (Imposition.ROUTER, 2_500_000_000)
    assert [(p.name, p.scope, p.failures) for p in full.policies] == [
        ("p", "nodes", 1), ("q", "links", 1),
    ]  # fmt: skip
    assert full.bier == BierSettings(sub_domain=7, bsl=512, encapsulation=Encapsulation.NON_MPLS)


def test_an_ipv6_inventory_loads(tmp_path):
    text = SMALL.replace("ams1: {region: europe}", 'ams1: {loopback: "2001:db8:f::1"}') + (
        "pools:\n"
        "  loopbacks: 2001:db8::/64\n"
        "  links: 2001:db8:0:1::/64\n"
        "  hosts: 2001:db8:0:2::/64\n"
        "  groups: ff3e::8000:0/97\n"
    )
    six = load(tmp_path, text)
    assert six.routers["ams1"].loopback == IPv6Address("2001:db8:f::1")
    assert six.pools.groups == IPv6Network("ff3e::8000:0/97")


def test_parallel_links_have_names_of_their_own(tmp_path):
    text = SMALL.replace(
        "repositories:",
        "- {a: ams1, b: fra1}\n- {a: fra1, b: ams1}\n"
        "- {a: ams1, b: nyc1, name: sea}\nrepositories:",
    )
    names = [link.name for link in load(tmp_path, text).links]
    assert names == ["ams1-fra1", "ams1-nyc1", "ams1-fra1-2", "fra1-ams1-3", "sea"]


def test_a_given_name_is_never_taken_by_another_link():
    links = [("a", "b", None), ("a", "b", "a-b"), ("a", "b", None), ("x", "y", "a-b-3")]
    assert name_links(links) == ["a-b-2", "a-b", "a-b-4", "a-b-3"]
    assert name_links([("a-b", "c", None), ("a", "b-c", None)]) == ["a-b-c", "a-b-c-2"]


def test_a_link_made_by_hand_is_named_after_its_ends():
    assert Link(a="r1", b="r2").name == "r1-r2"
    assert Link(a="r1", b="r2", name="north").name == "north"
    assert dataclasses.replace(Link(a="r1", b="r2"), metric=20).name == "r1-r2"


def test_the_files_of_a_folder_are_one_inventory(tmp_path):
    head, tail = SMALL.split("repositories:")
    write(tmp_path, "repositories:" + tail, "10-hosts.yml")
    write(tmp_path, head, "20-network.yaml")
    write(tmp_path, "links: [{a: fra1, b: nyc1}]", "30-more.yaml")
    write(tmp_path, "not: [an, inventory", ".hidden.yaml")
    write(tmp_path, "neither", "notes.txt")
    write(tmp_path, "{}", "llmsync.lock.json")
    (tmp_path / "deeper.yaml").mkdir()
    whole = load_inventory(tmp_path)
    assert [link.name for link in whole.links] == ["ams1-fra1", "ams1-nyc1", "fra1-nyc1"]
    assert whole.links[2].place == Place(f"{tmp_path.as_posix()}/30-more.yaml", 1, "links[0]")


def test_paths_that_lead_nowhere_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, SMALL, "backbone.yaml")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    assert problems(Path("backbon.yaml")) == [
        "backbon.yaml: no such file or folder (did you mean 'backbone.yaml'?)"
    ]
    assert problems(Path("no/where")) == ["no/where: cannot be read: No such file or directory"]
    assert problems(Path("empty")) == ["empty: the folder holds no *.yaml or *.yml file"]
    assert problems(Path("pipe.yaml")) == ["pipe.yaml: is not a file"]
    assert problems(Path("a\0b")) == ["a\\x00b: no such file or folder"]
    assert problems(Path("x" * 300))[0].endswith("cannot be read: File name too long")


def test_a_file_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def read_bytes(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    file = write(tmp_path, SMALL)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert problems(file) == [f"{file.as_posix()}: cannot be read: Permission denied"]


def test_a_link_to_a_file_that_is_gone_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, SMALL)
    (tmp_path / "more.yaml").symlink_to("gone.yaml")
    assert problems(Path()) == ["more.yaml: cannot be read: No such file or directory"]


def test_a_relative_path_stays_relative_and_an_absolute_one_absolute(tmp_path, monkeypatch):
    (tmp_path / "net").mkdir()
    write(tmp_path / "net", "name: X\n")
    monkeypatch.chdir(tmp_path)
    assert problems(Path("net"))[-1].startswith("net/network.yaml:1: name: 'X'")
    assert problems(Path("net/network.yaml"))[-1].startswith("net/network.yaml:1: name: 'X'")
    monkeypatch.chdir(tmp_path / "net")
    assert problems(Path())[-1].startswith("network.yaml:1: name: 'X'")
    assert problems(tmp_path / "net")[-1].startswith(f"{tmp_path.as_posix()}/net/network.yaml:1:")
