"""Ping and trace on generated networks: they find what the planes say, and where it breaks."""

from __future__ import annotations

from dataclasses import replace

from frr_networks import with_routing
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oam_network import RTT, OamNetwork
from planes_networks import state

from toolkit.bier.bift import Bift, Entry
from toolkit.bier.bitstring import positions, sets_of
from toolkit.bier.oam_initiator import Scope
from toolkit.bier.oam_ping import Ping
from toolkit.bier.oam_trace import Trace
from toolkit.bier.oam_tree import Finding, Hop, Kind, edges, findings
from toolkit.planes.adjacency import NO_FAILURES, Failures
from toolkit.planes.derive import Network
from toolkit.planes.oam import expected_edges, prefix_of
from toolkit.state.model import NetworkState

SMALL = settings(max_examples=60)


@st.composite
def networks(draw: st.DrawFn, *, kind: str = "mpls") -> tuple[NetworkState, str]:
    """A connected network, some of whose routers have BFR-ids, and the BFIR that asks."""
    size = draw(st.integers(3, 9))
    names = [f"r{i}" for i in range(size)]
    links = [(names[draw(st.integers(0, i - 1))], names[i], 10) for i in range(1, size)]
    for _ in range(draw(st.integers(0, size))):
        a, b = draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))
        if a != b:
            links.append((names[a], names[b], draw(st.integers(1, 30))))
    ids: dict[str, int | None] = {
        name: draw(st.sampled_from([None, i + 1, 64 + i, 100 - i])) for i, name in enumerate(names)
    }
    ids[names[0]] = 120
    ids[names[-1]] = 30
    assume(len({i for i in ids.values() if i}) == sum(1 for i in ids.values() if i))
    return state(links, bfr_ids=ids, kind=kind, max_si=1), names[0]


def scope_of(net: NetworkState, start: str) -> Scope:
    ids = {
        part.bfr_id: name for name, r in net.routers.items() for part in r.sub_domains
        if part.bfr_id and name != start
    }  # fmt: skip
    own = net.routers[start].sub_domains[0].bfr_id
    assert own is not None
    return Scope(sub_domain=0, bsl=64, bfir_id=own, sets=sets_of(ids, 64), handle=0xBEEF)


def failures(data: st.DataObject, net: NetworkState) -> Failures:
    links = sorted(cable.link for cable in net.cables)
    return Failures(links=frozenset(data.draw(st.sets(st.sampled_from(links), max_size=2))))


@SMALL
@given(networks(), st.data())
def test_ping_reaches_exactly_the_bfers_that_have_a_way(
    drawn: tuple[NetworkState, str], data: st.DataObject
) -> None:
    net, start = drawn
    planes = Network(net, failures(data, net))
    scope = scope_of(net, start)
    ping = Ping(scope, count=2)
    OamNetwork(planes).ask(start, ping)
    rows = planes.plane(start).birt[0, 64]
    assert {i for i, row in ping.rows.items() if row.reached} == {i for i in ping.rows if i in rows}
    for row in ping.rows.values():
        assert row.sent == 2
        assert row.duplicates == 0
        assert row.rtts in ([], [RTT, RTT])
    assert not ping.strays
    assert not ping.ignored


@SMALL
@given(st.sampled_from(["mpls", "non-mpls"]), st.data())
def test_a_trace_finds_exactly_the_tree_that_the_planes_say(kind: str, data: st.DataObject) -> None:
    net, start = data.draw(networks(kind=kind))
    planes = Network(net, failures(data, net))
    scope = scope_of(net, start)
    rows = planes.plane(start).birt[0, 64]
    for si in scope.sets:
        trace = Trace(scope, si)
        OamNetwork(planes).ask(start, trace)
        expected = expected_edges(planes, start, scope.key(si), scope.sets[si])
        assert edges(trace) == expected
        assert set(trace.missing) == {i for i in asked(scope, si) if i not in rows}
        kinds = {f.kind for f in findings(trace, expected)}
        assert kinds == ({Kind.VANISHED} if trace.missing else set())


@SMALL
@given(st.integers(0, (1 << 20) - 1), st.data())
def test_a_trace_takes_the_equal_cost_ways_of_its_own_entropy(
    entropy: int, data: st.DataObject
) -> None:
    net, start = data.draw(networks())
    planes = Network(with_routing(net, maximum_paths=4))
    scope = replace(scope_of(net, start), entropy=entropy)
    for si in scope.sets:
        trace = Trace(scope, si)
        OamNetwork(planes).ask(start, trace)
        expected = expected_edges(planes, start, scope.key(si), scope.sets[si], entropy)
        assert edges(trace) == expected


def asked(scope: Scope, si: int) -> set[int]:
    return {si * scope.bsl + p for p in positions(scope.sets[si])}


def traced(data: st.DataObject) -> tuple[Network, OamNetwork, str, Scope, int, Trace]:
    """A sound network, and the trace of one of its sets."""
    net, start = data.draw(networks())
    planes = Network(net, NO_FAILURES)
    scope = scope_of(net, start)
    si = data.draw(st.sampled_from(sorted(scope.sets)))
    trace = Trace(scope, si)
    OamNetwork(planes).ask(start, trace)
    return planes, OamNetwork(planes), start, scope, si, trace


def passing(data: st.DataObject, scope: Scope, trace: Trace) -> tuple[Hop, int]:
    """A router of the tree, and a bit that it passes on."""
    through = [
        (hop, 1 << p - 1)
        for hop in trace.hops
        for mapping in hop.mappings if mapping.egress is not None
        for p in positions(mapping.egress.bits.value)
    ]  # fmt: skip
    assume(through)
    return data.draw(st.sampled_from(through))


def without(bift: Bift, bit: int) -> dict[int, Entry]:
    return {
        p: replace(e, f_bm=e.f_bm & ~bit)
        for p, e in bift.entries.items() if p != bit.bit_length()
    }  # fmt: skip


@SMALL
@given(st.data())
def test_a_row_that_is_missing_or_broken_is_found_where_it_is(data: st.DataObject) -> None:
    planes, net, start, scope, si, sound = traced(data)
    hop, bit = passing(data, scope, sound)
    router = named(planes, hop)
    key = scope.key(si)
    entries = without(planes.plane(router).bifts[key], bit)
    broken = data.draw(st.sampled_from(["missing", "null", "f-bm"]))
    old = planes.plane(router).bifts[key].entries[bit.bit_length()]
    if broken == "null":
        entries[bit.bit_length()] = Entry(bit)
    elif broken == "f-bm":
        entries[bit.bit_length()] = replace(old, f_bm=old.f_bm & ~bit)
    net.engines[router].replace(key, Bift(planes.plane(router).bifts[key].bsl, entries))
    trace = Trace(scope, si)
    net.ask(start, trace)
    assert Finding(Kind.LOST, hop.prefix, bits=bit) in findings(trace)
    assert {f.kind for f in findings(trace)} == {Kind.LOST}
    assert trace.missing == (si * 64 + bit.bit_length(),)
    # and what is not seen any more is said, where the plan says what should be
    expected = expected_edges(planes, start, key, scope.sets[si])
    assert {f.kind for f in findings(trace, expected)} - {Kind.LOST} <= {
        Kind.UNSEEN, Kind.UNEXPECTED,
    }  # fmt: skip
    assert len(findings(trace, expected)) > 1


@SMALL
@given(st.data())
def test_a_row_that_leads_back_is_found_as_a_loop(data: st.DataObject) -> None:
    planes, net, start, scope, si, sound = traced(data)
    hop, bit = passing(data, scope, sound)
    router = named(planes, hop)
    parent = start if hop.parent is None else named_of(planes, hop.parent)
    key = scope.key(si)
    back = next(
        (
            (e.neighbor, e.out_bift_id)
            for (_, _, s), bift in planes.plane(router).bifts.items()
            for e in bift.entries.values()
            if s == si and e.neighbor is not None and e.neighbor.router == parent
        ),
        None,
    )
    assume(back is not None)
    assert back is not None
    entries = without(planes.plane(router).bifts[key], bit)
    entries[bit.bit_length()] = Entry(bit, *back)
    net.engines[router].replace(key, Bift(planes.plane(router).bifts[key].bsl, entries))
    trace = Trace(scope, si)
    net.ask(start, trace)
    found = [f for f in findings(trace) if f.kind is Kind.LOOP]
    assert len(found) == 1
    assert found[0].bits == bit
    assert found[0].at in (hop.prefix, hop.parent)
    assert trace.missing == (si * 64 + bit.bit_length(),)


@SMALL
@given(st.data())
def test_a_router_that_does_not_answer_is_named_and_what_is_behind_it_is_still_seen(
    data: st.DataObject,
) -> None:
    planes, net, start, scope, si, sound = traced(data)
    silent = data.draw(st.sampled_from(sound.hops))
    net.silent = {named(planes, silent)}
    trace = Trace(scope, si)
    net.ask(start, trace)
    own = [i for i in asked(scope, si) if i == silent.bfr_id]
    assert list(trace.missing) == own
    assert {h.prefix for h in trace.hops} == {h.prefix for h in sound.hops} - {silent.prefix}
    kinds = {f.kind for f in findings(trace)}
    assert kinds <= {Kind.SILENT, Kind.VANISHED}
    assert bool(kinds) == bool(own)


def named(planes: Network, hop: Hop) -> str:
    return named_of(planes, hop.prefix)


def named_of(planes: Network, prefix: object) -> str:
    return next(name for name in planes.routers if prefix_of(planes, name, 0) == prefix)
