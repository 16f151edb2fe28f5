"""Generated networks with a LAN: a pseudonode or a Network-LSA is what a full mesh of links is."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise

import pytest
from lsdb_networks import (
    isis_capture,
    ospf_capture,
    router_id,
    router_lsas,
    router_lsps,
    system_id,
)
from planes_networks import Link, derive, state

from toolkit.bier.birt import Row
from toolkit.lsdb import ospf_lsa, reachability
from toolkit.lsdb.bfrs import Bfrs
from toolkit.lsdb.birt import tables
from toolkit.lsdb.capture import read_databases
from toolkit.lsdb.lsp import Lsp, LspId
from toolkit.lsdb.ospf_lsa import RouterLink
from toolkit.lsdb.ospf_packet import Lsa
from toolkit.state.model import NetworkState


class Lan:
    """Routers on a chain, `links` beside it, and some of them on a LAN at their own metrics."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        names = [f"r{n:02}" for n in range(dice.randint(4, 9))]
        links: list[Link] = []
        for a, b in pairwise(names):
            links.append((a, b, dice.randint(3, 6), dice.randint(3, 6)))
        members = dice.sample(names, dice.randint(2, len(names)))
        self.metrics = {name: dice.randint(1, 6) for name in members}
        ids = {name: n for n, name in enumerate(names, 1) if dice.random() < 0.8}
        mesh: list[Link] = [
            (a, b, self.metrics[a], self.metrics[b]) for a in members for b in members if a < b
        ]
        self.without: NetworkState = state(links, bfr_ids=ids)
        self.meshed: NetworkState = state([*links, *mesh], bfr_ids=ids)

    def isis(self) -> bytes:
        routers, lsps = self.without.routers, router_lsps(self.without)
        first = next(iter(self.metrics))
        node = system_id(routers[first]) + b"\x07"
        for name, metric in self.metrics.items():
            more = reachability.neighbor_tlvs([reachability.IsNeighbor(node, metric)])
            lsps[name] = replace(lsps[name], tlvs=(*lsps[name].tlvs, *more))
        on = [reachability.IsNeighbor(system_id(routers[n]) + b"\0", 0) for n in self.metrics]
        tlvs = tuple(reachability.neighbor_tlvs(on))
        lsps["the LAN"] = Lsp(level=2, id=LspId(node[:6], 7), tlvs=tlvs)
        return isis_capture(lsps)

    def ospf(self) -> bytes:
        net, lsas = self.without, router_lsas(self.without)
        addresses = {name: IPv4Address(f"10.8.0.{n}") for n, name in enumerate(self.metrics, 1)}
        first = next(iter(self.metrics))
        for name, metric in self.metrics.items():
            one = lsas[name][0]
            link = RouterLink(ospf_lsa.TRANSIT, addresses[first], addresses[name], metric)
            body = ospf_lsa.encode_router([*ospf_lsa.parse_router(one.body), link])
            lsas[name][0] = replace(one, body=body)
        on = ospf_lsa.encode_network(24, [router_id(name, net) for name in self.metrics])
        own = router_id(first, net)
        lsas[first].append(Lsa(type=ospf_lsa.NETWORK, id=addresses[first], router=own, body=on))
        return ospf_capture(lsas, net)


def shape(row: Row, names: dict[str, str]) -> tuple[object, ...]:
    near = {(names.get(n.router, n.router), n.tunnel is not None) for n in row.neighbors}
    return names.get(row.router, row.router), row.metric, row.local, sorted(near)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("protocol", ["isis", "ospf"])
def test_a_lan_is_a_mesh(seed: int, protocol: str) -> None:
    lan = Lan(seed)
    databases = read_databases(lan.isis() if protocol == "isis" else lan.ospf())
    assert databases.problems == ()
    bfrs = Bfrs(databases.scopes[0])
    names = (
        {}
        if protocol == "isis"
        else {str(router_id(n, lan.without)): n for n in lan.without.routers}
    )
    planes = derive(lan.meshed)
    for router in bfrs.routers:
        name = names.get(router) or bfrs.scope.name_of(router)
        (table,) = tables(bfrs, router)
        assert {i: shape(row, names) for i, row in table.rows.items()} == {
            i: shape(row, {}) for i, row in planes[name].birt[0, 64].items()
        }
