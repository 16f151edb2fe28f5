"""Records for the report's tests: the demonstration network with plausible figures, any graph.

Numbers follow from one small model (shortest paths, one copy per tree link), so that a picture
drawn from them is one that a run could have produced.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface
from itertools import pairwise

from toolkit.errors import Place
from toolkit.inventory.model import Encapsulation, Imposition, Platform, Policy, Transport
from toolkit.lab.result import CloudResult, DeliveryResult, LinkUse, RouterUse
from toolkit.plan.model import FlowPlan, HostPlan, Plan, PortPlan, RouterPlan, SubDomainPlan
from toolkit.report.record import Pushed, RunRecord
from toolkit.state.model import Cable, End
from toolkit.verify.findings import Check, Finding, Severity

EUROPE = ("ams1", "fra1", "par1", "lon1", "mad1", "waw1")
AMERICA = ("nyc1", "chi1", "dal1", "mia1", "sea1", "sjc1")
REGIONS = dict.fromkeys(EUROPE, "europe") | dict.fromkeys(AMERICA, "america")
LINKS = (
    ("ams1", "fra1", 10), ("ams1", "lon1", 10), ("fra1", "par1", 10), ("lon1", "par1", 10),
    ("fra1", "waw1", 15), ("ams1", "waw1", 20), ("par1", "mad1", 15), ("lon1", "mad1", 20),
    ("lon1", "nyc1", 70), ("par1", "mia1", 90), ("nyc1", "chi1", 15), ("nyc1", "dal1", 25),
    ("chi1", "dal1", 20), ("chi1", "sea1", 35), ("dal1", "mia1", 20), ("dal1", "sjc1", 25),
    ("sea1", "sjc1", 20),
)  # fmt: skip
CLOUDS = {
    "cloud-london": ("lon1", 64), "cloud-madrid": ("mad1", 32), "cloud-warsaw": ("waw1", 16),
    "cloud-miami": ("mia1", 32), "cloud-seattle": ("sea1", 128), "cloud-sanjose": ("sjc1", 256),
}  # fmt: skip
SIZE = 91_642_311
PACKETS = 10_412
WIRE_SIZE = 92_880_344
RATE = 2_000_000_000
CREATED = datetime(2026, 3, 9, 14, 5, 21, tzinfo=UTC)


def planned(
    links: Sequence[tuple[str, str, int]],
    clouds: Mapping[str, tuple[str, int]],
    *,
    source: tuple[str, str] = ("hub", "ams1"),
    regions: Mapping[str, str] | None = None,
    plain: frozenset[str] = frozenset(),
    routers: Sequence[str] = (),
    name: str = "demo",
) -> Plan:
    """Return a plan of any graph: routers, links, clouds at routers, one repository, one flow."""
    regions = regions or {}
    names = list(dict.fromkeys([*routers, *(end for a, b, _ in links for end in (a, b))]))
    hosts = {source[0]: (source[1], 0), **clouds}
    names += [r for r, _ in hosts.values() if r not in names]
    edges = dict.fromkeys(router for router, _ in hosts.values())
    ids = {router: i + 1 for i, router in enumerate(e for e in edges if e not in plain)}
    ports: dict[str, list[PortPlan]] = {router: [] for router in names}
    cables = []
    for number, (a, b, metric) in enumerate(links):
        for end, far in ((a, b), (b, a)):
            ports[end].append(_port(f"to-{far}-{number}", far, f"{a}-{b}", metric))
        cables.append(Cable(End(a, f"to-{b}-{number}"), End(b, f"to-{a}-{number}"), f"{a}-{b}"))
    for host, (router, _) in hosts.items():
        ports[router].append(_port(f"to-{host}", host, host, 10, edge=True))
        cables.append(Cable(End(router, f"to-{host}"), End(host, "eth0"), host))
    return Plan(
        name=name,
        routers={
            router: RouterPlan(
                name=router, platform=Platform.REFERENCE, domain="atlantic",
                region=regions.get(router, ""),
                loopback=ip_interface(f"10.255.{i // 256}.{i % 256}/32"),
                system_id=f"0000.0000.{i:04d}", area="49.0001", ports=tuple(ports[router]),
                bfr=router not in plain,
                sub_domains=()
                if router in plain
                else (
                    SubDomainPlan(
                        sub_domain_id=0, bfr_id=ids.get(router), bsl=256, max_si=0,
                        encapsulation=Encapsulation.MPLS, bift_id_base=100_000 + 16 * i,
                    ),
                ),
            )
            for i, router in enumerate(names)
        },
        hosts={
            host: HostPlan(
                name=host, kind="cloud" if host in clouds else "repository", router=router,
                router_port=f"to-{host}", port="eth0", address=ip_interface(f"10.1.{i}.2/30"),
                gateway=ip_address(f"10.1.{i}.1"), region=regions.get(router, ""),
                capacity=10_000_000_000, delay=0.0001, mtu=9000, gpus=gpus,
            )
            for i, (host, (router, gpus)) in enumerate(hosts.items())
        },
        cables=tuple(cables),
        flows=(
            FlowPlan(
                delivery="minilm", model="demo", transport=Transport.BIER,
                imposition=Imposition.HOST, tsi=1, source=source[0],
                source_address=ip_address("10.1.0.2"), group=ip_address("232.1.0.1"), port=5001,
                control_port=5002, bfir=source[1], sub_domain_id=0, bsl=256,
                clouds=tuple(clouds), bfr_ids={c: ids.get(r, 1) for c, (r, _) in clouds.items()},
                rate=RATE, payload=8860,
            ),
        ),
        policies=(Policy(name="survive-a-core-link", scope="links", failures=1),),
    )  # fmt: skip


def _port(name: str, peer: str, link: str, metric: int, *, edge: bool = False) -> PortPlan:
    return PortPlan(
        name=name, address=ip_interface("10.0.0.0/31"), peer=peer, peer_port="x",
        peer_address=ip_interface("10.0.0.1/31"), edge=edge, link=link, metric=metric, mtu=9000,
        capacity=10_000_000_000 if edge else 100_000_000_000, delay=metric * 0.0005,
    )  # fmt: skip


def paths(
    links: Sequence[tuple[str, str, int]], start: str
) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Return router -> (distance, routers on the way)."""
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    queue: list[tuple[int, tuple[str, ...]]] = [(0, (start,))]
    while queue:
        distance, way = heapq.heappop(queue)
        if way[-1] in found:
            continue
        found[way[-1]] = distance, way
        for a, b, metric in links:
            for end, far in ((a, b), (b, a)):
                if end == way[-1] and far not in found:
                    heapq.heappush(queue, (distance + metric, (*way, far)))
    return found


def delivered(plan: Plan, links: Sequence[tuple[str, str, int]]) -> DeliveryResult:
    """Return what a delivery over `links` (those that are up) would have done."""
    flow, ways = plan.flows[0], paths(links, plan.flows[0].bfir)
    clouds, tree, copies = [], dict[tuple[str, str], int](), dict[tuple[str, str], int]()
    for number, name in enumerate(flow.clouds):
        host = plan.hosts[name]
        if host.router not in ways:
            clouds.append(
                CloudResult(
                    cloud=name, region=host.region, complete=False, identical=False, joined=0.0,
                    reason=f"no path from {flow.bfir} to {host.router}: nothing arrived",
                )
            )  # fmt: skip
            continue
        distance, way = ways[host.router]
        hops = [(flow.source, way[0]), *pairwise(way), (way[-1], name)]
        for hop in hops:
            tree[hop] = WIRE_SIZE
            copies[hop] = copies.get(hop, 0) + WIRE_SIZE
        first = 0.0042 + distance * 0.0005
        last = first + WIRE_SIZE * 8 / RATE + 0.0031 * number
        lost = 93 + 7 * number
        clouds.append(
            CloudResult(
                cloud=name, region=host.region, complete=True, identical=True,
                joined=0.0011 + distance * 0.0005, first_byte=first, last_byte=last,
                verified=last + 0.0127 + 0.002 * number, first_tensor=first + 0.061, tensors=103,
                files=7, bytes=SIZE, lost=lost, repaired=lost, duplicates=0,
            )
        )  # fmt: skip
    return DeliveryResult(
        delivery="minilm", transport="bier", imposition="host", model="all-MiniLM-L6-v2",
        files=7, size=SIZE, source=flow.source, clouds=tuple(clouds),
        links=_uses(plan, links, tree, copies), routers=_counters(plan, tree), packets=PACKETS,
        repairs=611, egress=WIRE_SIZE + 5_214_300,
        unicast_egress=WIRE_SIZE * sum(c.complete for c in clouds),
        duration=max((c.verified or 0.0 for c in clouds), default=0.0),
        unicast_duration=sum(c.complete for c in clouds) * WIRE_SIZE * 8 / RATE + 0.05,
        notes=("GPU memory: no GPU on this machine; tensors were handed out in host memory",),
    )  # fmt: skip


def _uses(
    plan: Plan,
    up: Sequence[tuple[str, str, int]],
    tree: Mapping[tuple[str, str], int],
    copies: Mapping[tuple[str, str], int],
) -> tuple[LinkUse, ...]:
    alive = {frozenset((a, b)) for a, b, _ in up}
    uses = []
    for cable in plan.cables:
        a, b = cable.a.node, cable.b.node
        edge = b in plan.hosts
        uses.append(
            LinkUse(
                link=cable.link, a=a, b=b, edge=edge,
                a_to_b=tree.get((a, b), 0) + (21_400 if (b, a) in tree else 0),
                b_to_a=tree.get((b, a), 0) + (21_400 if (a, b) in tree else 0),
                capacity=10_000_000_000 if edge else 100_000_000_000,
                unicast=copies.get((a, b), 0) + copies.get((b, a), 0),
                up=edge or frozenset((a, b)) in alive,
            )
        )  # fmt: skip
    return tuple(uses)


def _counters(plan: Plan, tree: Mapping[tuple[str, str], int]) -> tuple[RouterUse, ...]:
    rows = []
    for router in plan.routers.values():
        coming = sum(1 for _, b in tree if b == router.name)
        leaving = [b for a, b in tree if a == router.name]
        hosts = sum(b in plan.hosts for b in leaving)
        rows.append(
            RouterUse(
                router=router.name, bfr=router.bfr, bift_rows=7 if router.bfr else 0,
                flow_rows=hosts,
                counters={
                    "received": coming * PACKETS, "forwarded": (len(leaving) - hosts) * PACKETS,
                    "delivered": hosts * PACKETS,
                }
                | ({"dropped-no-neighbor": 214} if router.name == "chi1" and not leaving else {}),
            )
        )  # fmt: skip
    return tuple(rows)


CHECKS = (
    Check(id="every-cloud-once", title="Every cloud receives every packet exactly once",
          status="passed", reason="6 clouds, 4 entropy values, 24 walks"),
    Check(id="plan-against-configuration", title="Running configuration equals the plan",
          status="passed", reason="12 routers"),
    Check(id="survive-a-core-link", title="Policy: any one core link may fail", status="passed",
          reason="17 failures"),
    Check(id="batfish", title="Batfish: unicast underlay", status="not run",
          reason="no service was named (--batfish HOST)"),
)  # fmt: skip
NOT_CHECKED = (
    (
        "BIER signalling (RFC 8401)",
        "the lab takes BFR-ids from the configuration, no TLVs are sent",
    ),
    (
        "Queueing and congestion",
        "the lab's links have capacity and delay, but no competing traffic",
    ),
)


def good_record() -> RunRecord:
    """All six clouds served over the demonstration network."""
    plan = planned(LINKS, CLOUDS, regions=REGIONS, plain=frozenset({"dal1"}))
    result = delivered(plan, LINKS)
    return _record(plan, result, CHECKS, (), "llmsync run inventories/demo --loss 1%")


def broken_record() -> RunRecord:
    """Two links down, one cloud cut off, findings of all severities."""
    down = {"chi1-sea1", "sea1-sjc1"}
    plan = planned(LINKS, CLOUDS, regions=REGIONS, plain=frozenset({"dal1"}))
    result = delivered(plan, [link for link in LINKS if f"{link[0]}-{link[1]}" not in down])
    failed = Check(
        id="every-cloud-once", title="Every cloud receives every packet exactly once",
        status="failed", reason="1 of 6 clouds receives nothing",
    )  # fmt: skip
    findings = (
        Finding(
            id="cloud-unreachable", severity=Severity.ERROR,
            place=Place("inventories/demo/network.yaml", 41, "links.chi1-sea1"),
            message="cloud-seattle receives nothing while chi1-sea1 and sea1-sjc1 are down",
            evidence=("sea1 has no adjacency left", "bit 5 of set 0 leaves chi1 to no neighbor"),
            remedy="add a third link to sea1, or allow the cloud to be served by unicast",
            subjects=("cloud-seattle", "sea1"),
        ),
        Finding(
            id="mtu-mismatch", severity=Severity.WARNING,
            place=Place("nyc1", 0, "/llmsync-types:interfaces/interface[name='to-chi1']/mtu"),
            message="the two ends of nyc1-chi1 disagree about the MTU (9000 and 9100)",
            remedy="set the same MTU at both ends", subjects=("nyc1-chi1",),
        ),
        Finding(
            id="non-bfr-transit", severity=Severity.NOTE,
            place=Place("inventories/demo/network.yaml", 19),
            message="dal1 cannot do BIER and is crossed by unicast (RFC 8279 section 6.9)",
        ),
    )  # fmt: skip
    command = "llmsync run inventories/demo --break chi1-sea1,sea1-sjc1"
    record = _record(plan, result, (failed, *CHECKS[1:]), findings, command, tuple(sorted(down)))
    pushed = (*record.pushed[:-1], Pushed(router="sjc1", state="unchanged"))
    return replace(record, pushed=pushed)


def _record(
    plan: Plan,
    result: DeliveryResult,
    checks: tuple[Check, ...],
    findings: tuple[Finding, ...],
    command: str,
    broken: tuple[str, ...] = (),
) -> RunRecord:
    tree = [use.link for use in result.links if max(use.a_to_b, use.b_to_a) >= SIZE]
    return RunRecord(
        title="Delivery of all-MiniLM-L6-v2 to six GPU clouds", created=CREATED, command=command,
        version="0.1.0", plan=plan, results=(result,), findings=findings, checks=checks,
        pushed=tuple(
            Pushed(router=r, state="confirmed", changes=31 + 4 * len(p.ports))
            for r, p in plan.routers.items()
        ),
        environment={"Python": "3.11.2", "libyang": "3.12.2", "machine": "x86_64, 2 CPUs",
                     "lab": "memory, jumping clock"},
        not_checked=NOT_CHECKED, trees={"minilm": tuple(tree)}, broken_links=broken,
    )  # fmt: skip
