"""`llmsync send` and `receive` of an inventory's delivery: real processes, hosts, routers, frames.

Four edge routers around a core router, a repository behind one and a GPU cloud behind each of the
others, every one of them in a namespace of its own; the sending host imposes BIER.  The inventory
is that of docs/how-to/deliver.md, and the commands are its commands.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from inventory_site import ROOT, Datum, Loss, Process, Site, Taps, copies, site, wait_for
from netns import missing

from toolkit.bier.kernel.compiler import compiled
from toolkit.errors import EnvironmentProblem

PAGE = (ROOT / "docs" / "how-to" / "deliver.md").read_text(encoding="utf-8")
CLOUDS = ("cloud1", "cloud2", "cloud3")
IPV6 = """\
pools:
  loopbacks: 2001:db8:ff::/64
  links: 2001:db8:1::/64
  hosts: 2001:db8:2::/64
  groups: ff3e::8000:0/112
"""


class Way(NamedTuple):
    """How a network is built."""

    version: int
    plane: str
    encapsulation: str
    mtu: int
    host: bool = False
    """Edge routers are BFERs for themselves, too."""
    imposition: str = "host"

    def inventory(self) -> str:
        page: str
        (page,) = re.findall(r"^```yaml star.yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        page = page.replace("mtu: 9000", f"mtu: {self.mtu}")
        page = page.replace("encapsulation: mpls", f"encapsulation: {self.encapsulation}")
        page = page.replace("imposition: host", f"imposition: {self.imposition}")
        return page + (IPV6 if self.version == 6 else "")


def unable(plane: str) -> str:
    """What this machine lacks; empty: nothing."""
    try:
        compiled()
    except EnvironmentProblem as problem:
        return missing() or (str(problem) if plane else "")
    return missing()


pytestmark = pytest.mark.skipif(bool(unable("ebpf")), reason=unable("ebpf") or "nothing is missing")


class Delivery:
    """A site with forwarding routers, ready to send `model`."""

    def __init__(self, where: Site, taps: Taps, stack: ExitStack, model: Path) -> None:
        self.where, self.taps, self.model = where, taps, model
        self._stack = stack
        self.folder = where.folder
        self.bits = {c: 1 << where.flow.bfr_ids[c] - 1 for c in CLOUDS}

    def start(self, node: str, *words: str) -> Process:
        options = ("--inventory", str(self.where.file), "--delivery", "weights", "-o", "json")
        return self._stack.enter_context(
            self.where.start(node, f"{node}-{words[0]}", *words, *options)
        )

    def send(self, *options: str) -> Process:
        key = str(self.folder / "hub.key")
        started = self.start("hub", "send", str(self.model), "--key", key, *options)
        started.until("waiting for")
        return started

    def receive(self, cloud: str, *options: str, trusted: bool = True, node: str = "") -> Process:
        trust = ("--trust", str(self.folder / "hub.key.pub")) if trusted else ()
        output = str(self.placed(cloud))
        words = ("receive", "--name", cloud, "--output", output, *trust, *options)
        return self.start(node or cloud, *words)

    def look(self, node: str, *words: str) -> Process:
        """Start `doctor`."""
        return self.start(node, "doctor", *words)

    def placed(self, cloud: str) -> Path:
        return self.folder / f"at-{cloud}" / "model"

    def same(self, cloud: str) -> bool:
        """Whether a cloud has every file, byte for byte, and no other."""
        wanted, got = (
            {p.relative_to(top): p.read_bytes() for p in top.rglob("*") if p.is_file()}
            for top in (self.model, self.placed(cloud))
        )
        return wanted == got

    def to(self, cloud: str) -> list[Datum]:
        """What left the sender for a cloud."""
        return [d for d in self.taps.data("hub") if (d.bits or 0) & self.bits[cloud]]


@pytest.fixture
def way() -> Way:
    return Way(4, "ebpf", "mpls", 9000)


@pytest.fixture
def delivery(way: Way, tmp_path: Path) -> Iterator[Delivery]:
    file, model = tmp_path / "star.yaml", tmp_path / "model"
    file.write_text(way.inventory(), encoding="utf-8")
    model.mkdir()
    chance = random.Random(7)
    for number in range(8):
        (model / f"weights-{number}.bin").write_bytes(chance.randbytes(50 * way.mtu + number))
    (model / "config.json").write_bytes(chance.randbytes(1234))
    with site(file, tmp_path) as where, ExitStack() as stack:
        taps = Taps(where)
        routers = [
            stack.enter_context(where.forward(r, way.plane, host=way.host))
            for r in where.plan.routers
        ]
        for router in routers:
            router.until("forwards BIER")
        taps.add("hub", "edge0", "host-hub")
        for cloud in CLOUDS:
            host = where.plan.hosts[cloud]
            taps.add(host.router, host.router, "to-core")
            taps.add(cloud, cloud, host.port)
        yield Delivery(where, taps, stack, model)


def check_links(delivery: Delivery) -> None:
    """What left for a cloud crossed the links towards it, once; nothing else crossed them."""
    for cloud in CLOUDS:
        sent = copies(delivery.to(cloud))
        router = delivery.where.plan.hosts[cloud].router
        crossed = delivery.taps.data(router)
        assert {d.bits for d in crossed} == {delivery.bits[cloud]}
        assert copies(crossed) == sent
        assert copies(delivery.taps.data(cloud)) == sent


@pytest.mark.parametrize(
    "way",
    [
        Way(4, "ebpf", "mpls", 9000),
        Way(4, "socket", "non-mpls", 1500),
        Way(6, "ebpf", "non-mpls", 1500),
    ],
    ids=lambda w: f"ipv{w.version}-{w.plane}-{w.encapsulation}-{w.mtu}",
)
def test_a_repair_crosses_only_the_links_towards_the_cloud_that_lacks_it(
    delivery: Delivery, way: Way
) -> None:
    with Loss(delivery.where, "cloud2", 10) as loss, delivery.taps:
        sending = delivery.send(
            "--quorum", "3", "--interface", delivery.where.plan.hosts["hub"].port
        )
        receiving = [delivery.receive(cloud) for cloud in CLOUDS]
        told = [process.result() for process in receiving]
        result = sending.result()
    assert all(delivery.same(cloud) for cloud in CLOUDS)
    check_links(delivery)
    source = {d.symbol for d in delivery.taps.data("hub") if d.esi < d.k}
    for cloud in ("cloud1", "cloud3"):  # nothing but the source symbols, each once
        assert copies(delivery.to(cloud)) == Counter(source)
    lacking = delivery.to("cloud2")
    assert loss.lost > 20
    repairs = [d for d in lacking if d.esi >= d.k]
    assert {d.bits for d in repairs} == {delivery.bits["cloud2"]}
    surplus = len(lacking) - loss.lost - len(source)  # ahead of what will be lost at the end
    assert 0 <= surplus <= loss.lost / 2
    assert [t["duplicates"] for t in (told[0], told[2])] == [0, 0]
    assert [t["refused"] for t in told] == [{}, {}, {}]
    assert result["refused"] == {}
    marks = {(0, 1) if way.encapsulation == "mpls" else (1, 1)}  # LE: no MPLS class is lower than 0
    assert {d.marks for d in delivery.taps.data("hub")} == marks
    assert {d.checked for d in delivery.taps.data("cloud1")} == {way.version == 6}


def test_a_doctor_looks_at_the_hosts_of_a_delivery(delivery: Delivery) -> None:
    with delivery.taps:
        receiving = [delivery.receive(cloud, trusted=False) for cloud in CLOUDS]
        hosts = delivery.where.plan.hosts
        hub = delivery.look("hub", "--to", "all").result(0, 1)
        assert hub["host"]["interface"]["name"] == hosts["hub"].port
        assert {v["receiver"]: v["reach"] for v in hub["receivers"]} == dict.fromkeys(
            CLOUDS, "unicast"
        )
        payload = delivery.where.flow.payload
        assert {v["unicast_payload"] for v in hub["receivers"]} == {payload}
        cloud = delivery.look("cloud1", "--name", "cloud1").result(0, 1)
        assert cloud["host"]["interface"]["name"] == hosts["cloud1"].port
        delivery.send("--quorum", "3").result()
        for process in receiving:
            process.result()
    assert all(delivery.same(cloud) for cloud in CLOUDS)


def test_who_comes_late_gets_alone_what_it_missed(delivery: Delivery) -> None:
    with delivery.taps:
        sending = delivery.send("--quorum", "2", "--rate", "6M")
        first = [delivery.receive(cloud) for cloud in CLOUDS[:2]]
        wait_for(lambda: delivery.taps.count("hub") > 100, "the delivery to begin")
        late = delivery.receive("cloud3")
        for process in (*first, late):
            assert process.result()["duplicates"] == 0
        result = sending.result()
    assert all(delivery.same(cloud) for cloud in CLOUDS)
    check_links(delivery)
    source = copies(delivery.to("cloud1"))
    assert set(source.values()) == {1}
    for cloud in CLOUDS:
        assert copies(delivery.to(cloud)) == source
    files = [d for d in delivery.taps.data("hub") if d.toi > 1]  # each gets its own manifest
    alone = [d for d in files if d.bits == delivery.bits["cloud3"]]
    assert len(alone) > 90
    assert result["late"] > 90
    assert len(files) == len({d.symbol for d in files}) + len(alone)


@pytest.mark.parametrize("way", [Way(4, "ebpf", "mpls", 9000, host=True)], ids=["host"])
def test_some_in_any_order_and_one_that_takes_bier_off_itself(delivery: Delivery) -> None:
    """cloud1 here is the edge router's own host: it receives by the device of its forwarder."""
    own = str(delivery.where.plan.hosts["cloud1"].gateway)
    place = f"{own}:{delivery.where.flow.control_port}"
    with delivery.taps:
        sending = delivery.send("--quorum", "2", "--to", "cloud3", "--to", f"cloud1={place}")
        receiving = [
            delivery.receive("cloud3"),
            delivery.receive("cloud1", "--listen", place, "--interface", "bier0", node="edge1"),
        ]
        for process in receiving:
            process.result()
        assert {r["receiver"] for r in sending.result()["receivers"]} == {"cloud1", "cloud3"}
    assert delivery.same("cloud1")
    assert delivery.same("cloud3")
    assert delivery.taps.data("edge2") == []
    for cloud in ("cloud1", "cloud3"):
        assert copies(delivery.taps.data(f"edge{cloud[-1]}")) == copies(delivery.to(cloud))


def test_who_is_not_of_the_delivery_is_refused(delivery: Delivery) -> None:
    with delivery.taps:
        words = ("send", str(delivery.model), "--key", str(delivery.folder / "hub.key"))
        refused = delivery.start("hub", *words, "--to", "cloud9=10.1.0.2:1").result(2)
    assert refused["error"] == (
        "--to cloud9: delivery weights does not go there (it goes to cloud1, cloud2, cloud3)"
    )


@pytest.mark.parametrize("way", [Way(4, "ebpf", "mpls", 9000, imposition="router")], ids=["router"])
def test_a_router_may_impose_bier_on_what_is_sent_to_the_group(delivery: Delivery) -> None:
    with Loss(delivery.where, "cloud2", 10) as loss, delivery.taps:
        sending = delivery.send("--quorum", "3")
        receiving = [delivery.receive(cloud) for cloud in CLOUDS]
        for process in receiving:
            process.result()
        result = sending.result()
    assert all(delivery.same(cloud) for cloud in CLOUDS)
    assert {r["by"] for r in result["receivers"]} == {"group"}
    group = delivery.taps.data("hub")  # repairs of one cloud go there by unicast
    assert {d.bits for d in group} == {None}
    assert loss.lost > 20
    for cloud in CLOUDS:
        crossed = delivery.taps.data(delivery.where.plan.hosts[cloud].router)
        assert {d.bits for d in crossed} == {delivery.bits[cloud]}
        assert copies(crossed) == copies(group)
        assert set(copies(crossed).values()) == {1}
