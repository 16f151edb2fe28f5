"""LSPs and LSAs of a network, written to a capture and read back, give the BIRTs of the planes."""

from __future__ import annotations

import pytest
from lsdb_networks import isis_capture, network, ospf_capture, router_lsas, router_lsps
from planes_networks import derive

from toolkit.bier.birt import Row
from toolkit.lsdb.bfrs import Bfrs
from toolkit.lsdb.birt import tables
from toolkit.lsdb.capture import read_databases
from toolkit.lsdb.check import check
from toolkit.lsdb.scope import Scope


def one_scope(capture: bytes) -> Scope:
    databases = read_databases(capture)
    assert databases.problems == ()
    (scope,) = databases.scopes
    return scope


def shape(row: Row, names: dict[str, str]) -> tuple[object, ...]:
    """Of equal-cost links to start a tunnel by, both sides take one; not always the same."""
    near = sorted(
        (names.get(n.router, n.router), str(n.tunnel or n.address)) for n in row.neighbors
    )
    return row.bfr_prefix, names.get(row.router, row.router), row.local, row.metric, near


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("protocol", ["isis", "ospf"])
def test_the_birts_are_those_of_the_planes(seed: int, protocol: str) -> None:
    net = network(seed)
    if protocol == "isis":
        scope = one_scope(isis_capture(router_lsps(net)))
        ids = {name: router.system_id or "" for name, router in net.routers.items()}
        names: dict[str, str] = {}
    else:
        scope = one_scope(ospf_capture(router_lsas(net), net))
        ids = {n: str(r.interfaces["lo"].addresses[0].ip) for n, r in net.routers.items()}
        names = {router: name for name, router in ids.items()}
    bfrs = Bfrs(scope)
    planes = derive(net)
    everything = []
    for name, plane in planes.items():
        mine = tables(bfrs, ids[name])
        everything += mine
        found = {
            (t.sub_domain_id, t.bsl): {i: shape(row, names) for i, row in t.rows.items()}
            for t in mine
        }
        assert found == {
            key: {i: shape(row, {}) for i, row in plane.birt[key].items()} for key in plane.birt
        }
    assert check(bfrs, everything) == []
