"""Bad networks, each made from a good one by one mistake, and the findings that it must lead to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv4Network
from itertools import pairwise

from verify_networks import (
    LINES,
    SQUARE,
    change_encapsulation,
    change_port,
    change_router,
    change_sub_domain,
    network,
    port_to,
)

from toolkit.inventory.model import BierSettings, Encapsulation, Imposition, Link
from toolkit.plan.model import Plan
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.state.model import BierEncapsulation, IsisInterface, NetworkState, Source


@dataclass(frozen=True, slots=True)
class Case:
    plan: Plan
    state: NetworkState
    ids: frozenset[str]
    """Every kind of finding, notes included, but not `config-differs`."""
    down: Failures = NO_FAILURES


CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__.replace("_", "-")] = make
    return make


def line(**options: object) -> tuple[Plan, NetworkState]:
    return network(LINES, **options)


@case
def good() -> Case:
    plan, state = line(clouds="bd")
    return Case(plan, replace(state, source=Source.RENDERED), frozenset())


@case
def isis_missing_at_one_end() -> Case:
    plan, state = line(clouds="bd")
    state = change_port(state, "c", "to-b", isis=None)
    ids = {"isis-half-adjacency", "cloud-unreached", "report-path-missing"}
    return Case(plan, state, frozenset(ids | {"bfr-prefix-unreachable"}))


@case
def passive_and_disabled() -> Case:
    plan, state = network(SQUARE, clouds="c")
    state = change_port(state, "b", "to-c", isis=IsisInterface(passive=True))
    state = change_port(state, "c", "to-b", enabled=False)
    return Case(plan, state, frozenset({"isis-half-adjacency"}))


@case
def bier_missing_at_one_end() -> Case:
    plan, state = network(SQUARE, clouds="c")
    # IS-IS is there, so the packets take a tunnel over the link, which the plan left no room for.
    ids = {"bier-half-adjacency", "mtu-too-small", "cloud-unreached"}
    return Case(plan, change_port(state, "b", "to-a", bier=False), frozenset(ids))


@case
def two_bfr_ids_alike() -> Case:
    plan, state = line(clouds="bcd")
    taken = plan.routers["b"].sub_domains[0].bfr_id
    return Case(
        plan,
        change_sub_domain(state, "c", bfr_id=taken),
        frozenset({"bfr-id-collision", "cloud-unreached", "bfr-id-gap"}),
    )


@case
def bfr_id_missing() -> Case:
    plan, state = line()
    return Case(
        plan,
        change_sub_domain(state, "d", bfr_id=None),
        frozenset({"bfr-id-missing", "cloud-unreached", "bfr-id-gap"}),
    )


@case
def bfr_prefix_of_another() -> Case:
    plan, state = line(clouds="bd")
    prefix = plan.routers["b"].loopback.network
    # d advertises no route to b's address of its own, so nobody learns of d as a BFR.
    ids = {"bfr-prefix-duplicate", "cloud-unreached"}
    return Case(plan, change_sub_domain(state, "d", bfr_prefix=prefix), frozenset(ids))


@case
def bfr_prefix_not_in_isis() -> Case:
    plan, state = line()
    ids = {"bfr-prefix-not-advertised", "bfr-prefix-unreachable", "cloud-unreached"}
    return Case(plan, change_port(state, "d", "lo0", isis=None), frozenset(ids))


@case
def other_bsl() -> Case:
    plan, state = line()
    return Case(
        plan,
        change_encapsulation(state, "d", bsl=512),
        frozenset({"bsl-mismatch", "cloud-unreached"}),
    )


@case
def other_sub_domain() -> Case:
    plan, state = line()
    ids = {"sub-domain-mismatch", "cloud-unreached", "bfr-id-missing", "bfr-id-gap"}
    return Case(plan, change_sub_domain(state, "d", sub_domain_id=7), frozenset(ids))


@case
def other_encapsulation() -> Case:
    plan, state = line()
    return Case(
        plan,
        change_encapsulation(state, "d", kind="non-mpls"),
        frozenset({"encapsulation-mismatch", "cloud-unreached"}),
    )


@case
def other_encapsulation_at_the_bfir() -> Case:
    plan, state = line()
    # The host goes on imposing what was planned, and the BFIR does not understand it.
    return Case(
        plan,
        change_encapsulation(state, "a", kind="non-mpls"),
        frozenset({"encapsulation-mismatch", "cloud-unreached"}),
    )


@case
def other_bsl_at_the_bfir() -> Case:
    plan, state = line(imposition=Imposition.HOST)
    return Case(
        plan,
        change_encapsulation(state, "a", bsl=512),
        frozenset({"bsl-mismatch", "cloud-unreached"}),
    )


@case
def other_labels_at_the_bfir() -> Case:
    plan, state = line()
    return Case(plan, change_encapsulation(state, "a", base=5000), frozenset({"cloud-unreached"}))


@case
def non_mpls_bift_ids_differ() -> Case:
    plan, state = line(bier=BierSettings(encapsulation=Encapsulation.NON_MPLS))
    return Case(
        plan,
        change_encapsulation(state, "d", base=77),
        frozenset({"bift-id-disagreement"}),
    )


@case
def label_blocks_overlap() -> Case:
    plan, state = line()
    own = state.routers["d"].sub_domains[0].encapsulations[0]
    second = BierEncapsulation(kind="mpls", bsl=512, base=own.base, max_si=0)
    return Case(
        plan,
        change_sub_domain(state, "d", encapsulations=(own, second)),
        frozenset({"bift-id-overlap", "cloud-unreached"}),
    )


@case
def too_few_sets() -> Case:
    routers = [f"r{n:02}" for n in range(66)]
    plan, state = network(
        [("a", name) for name in routers], clouds=routers, bier=BierSettings(bsl=64)
    )
    assert plan.routers["a"].sub_domains[0].max_si == 1
    return Case(
        plan,
        change_encapsulation(state, "a", max_si=0),
        frozenset({"set-missing", "cloud-unreached"}),
    )


@case
def small_mtu_on_the_tree() -> Case:
    plan, state = line()
    ids = {"mtu-too-small", "mtu-mismatch", "cloud-unreached"}
    return Case(plan, change_port(state, "c", "to-d", mtu=1500), frozenset(ids))


@case
def mtus_that_differ_beside_the_tree() -> Case:
    links = [("a", "b"), ("b", "c"), Link(a="c", b="a", metric=100)]
    plan, state = network(links, clouds="c")
    return Case(plan, change_port(state, "c", "to-a", mtu=8000), frozenset({"mtu-mismatch"}))


@case
def a_path_longer_than_the_ttl() -> Case:
    names = [f"r{n:02}" for n in range(70)]
    plan, state = network(pairwise(names), source="r00", clouds=["r63", "r69"])
    state = replace(state, source=Source.RENDERED)
    # r63 is the last that BIER reaches; its reports cross 64 routers and die at the last of them.
    ids = {"ttl-exceeded", "cloud-unreached", "report-path-missing"}
    return Case(plan, state, frozenset(ids))


@case
def system_ids_alike() -> Case:
    plan, state = network(SQUARE, clouds="c")
    twin = state.routers["a"].system_id
    return Case(plan, change_router(state, "c", system_id=twin), frozenset({"duplicate-system-id"}))


@case
def addresses_alike() -> Case:
    plan, state = line(clouds="bd")
    loopback = state.routers["a"].interfaces["lo0"].addresses
    # Nobody advertises c's own address any more, so nobody hears of c as a BFR: it would have to
    # be crossed in a tunnel, which the plan left no room for.
    ids = {"duplicate-address", "bfr-prefix-not-advertised", "mtu-too-small", "cloud-unreached"}
    return Case(plan, change_port(state, "c", "lo0", addresses=loopback), frozenset(ids))


@case
def wrong_subnet() -> Case:
    plan, state = network(SQUARE, clouds="c")
    other = (IPv4Interface("10.0.200.0/31"),)
    return Case(
        plan,
        change_port(state, "a", port_to(plan, "a", "b"), addresses=other),
        frozenset({"isis-half-adjacency"}),
    )


@case
def a_router_without_configuration() -> Case:
    plan, state = network(SQUARE, clouds="c")
    rest = {name: router for name, router in state.routers.items() if name != "b"}
    state = replace(state, source=Source.RENDERED, routers=rest)
    return Case(plan, state, frozenset({"config-missing", "isis-half-adjacency"}))


@case
def a_router_too_many() -> Case:
    plan, state = line()
    extra = replace(
        state.routers["b"], name="x", system_id="0000.0000.00ff", sub_domains=(), interfaces={}
    )
    state = replace(state, source=Source.RENDERED, routers={**state.routers, "x": extra})
    return Case(plan, state, frozenset({"config-unknown"}))


@case
def across_a_router_without_bier() -> Case:
    plan, state = line(without_bier="b")
    state = replace(state, source=Source.RENDERED)
    return Case(plan, state, frozenset({"non-bfr-crossed"}))


@case
def a_prefix_that_is_no_host_route() -> Case:
    plan, state = line()
    wide = IPv4Network("10.255.0.0/24")
    return Case(
        plan,
        change_sub_domain(state, "d", bfr_prefix=wide),
        frozenset({"bfr-prefix-not-advertised", "bfr-prefix-unreachable", "cloud-unreached"}),
    )


@case
def both_links_of_a_cloud_broken() -> Case:
    plan, state = network(SQUARE, clouds="bc")
    state = replace(state, source=Source.RENDERED)
    ids = {"cloud-unreached", "report-path-missing", "bfr-prefix-unreachable"}
    down = Failures(links=frozenset({"b-c", "c-d"}))
    return Case(plan, state, frozenset(ids), down)
