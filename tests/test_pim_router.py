"""One router's tree state, rule by rule of RFC 7761; links and neighbors are made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

from toolkit.inet import ip, udp
from toolkit.pim import wire
from toolkit.pim.engine import MulticastEngine, Out, Unicast
from toolkit.pim.router import HOLD, PERIOD, PimRouter
from toolkit.pim.surroundings import Port, Rpf, Surroundings
from toolkit.pim.wire import GroupSet, JoinPrune, Selection
from toolkit.state.model import IpAddress, PimRouting, StaticRp

S, RP, OWN = IPv4Address("10.1.0.6"), IPv4Address("10.255.0.5"), IPv4Address("10.255.0.1")
G, SSM = IPv4Address("239.1.0.1"), IPv4Address("232.1.0.1")
ASM = IPv4Network("239.0.0.0/8")
STAR = Selection(RP, wildcard=True, rpt=True)


def port(name: str, number: int, **fields: object) -> Port:
    base: dict[str, object] = {
        "name": name, "address": IPv4Address(f"10.0.{number}.0"), "pim": True, "neighbor": name,
        "neighbor_port": "x", "neighbor_address": IPv4Address(f"10.0.{number}.1"),
    }  # fmt: skip
    return Port(**{**base, **fields})  # type: ignore[arg-type]


PORTS = [
    port("north", 1), port("south", 2), port("east", 3),
    port("cloud", 4, neighbor="", neighbor_address=None, membership=3),
    port("hub", 5, neighbor="", neighbor_address=None),
]  # fmt: skip


def around(
    ways: Mapping[IpAddress, Rpf],
    *,
    rp: IPv4Address = RP,
    ports: tuple[Port, ...] = tuple(PORTS),
    switchover: bool = True,
) -> Surroundings:
    return Surroundings(
        router="r",
        routing=PimRouting(
            rps=(StaticRp(address=rp, groups=ASM),),
            ssm_ranges=(IPv4Network("232.0.0.0/8"),),
            spt_switchover=switchover,
        ),
        addresses=frozenset({OWN}),
        ports={p.name: p for p in ports},
        own=OWN,
        rpf=lambda address: ways.get(address, Rpf()),
    )


NORTH, SOUTH = Rpf(interface="north", router="north"), Rpf(interface="south", router="south")
LEAF = {S: SOUTH, RP: NORTH}
"""The source is south, the RP north."""


def said(router: PimRouter, name: str, joins: object, prunes: object = ()) -> JoinPrune:
    upstream = router.around.ports[name].neighbor_address
    assert upstream is not None
    entry = GroupSet(G, tuple(joins), tuple(prunes))  # type: ignore[arg-type]
    return JoinPrune(upstream, int(HOLD * PERIOD), (entry,))


def heard(group: IpAddress, joins: object = (), prunes: object = ()) -> JoinPrune:
    entry = GroupSet(group, tuple(joins), tuple(prunes))  # type: ignore[arg-type]
    return JoinPrune(IPv4Address("10.0.3.0"), 17, (entry,))


def test_a_member_of_any_source_joins_towards_the_rp_and_leaves_again() -> None:
    router = PimRouter(around(LEAF))
    (send,) = router.membership("cloud", G, None, joined=True)
    assert (send.port, send.message) == ("north", said(router, "north", [STAR]))
    assert router.membership("cloud", G, None, joined=True) == []
    (send,) = router.membership("cloud", G, None, joined=False)
    assert send.message == said(router, "north", [], [STAR])
    assert not router.mfib()


def test_the_first_packet_moves_a_last_hop_router_to_the_tree_of_the_source() -> None:
    router = PimRouter(around(LEAF))
    router.membership("cloud", G, None, joined=True)
    first = router.packet("north", S, G)
    assert first.oifs == ("cloud",)
    assert [(s.port, s.message) for s in first.sends] == [
        ("south", said(router, "south", [Selection(S)]))
    ]
    assert router.packet("north", S, G).oifs == ("cloud",)  # until one comes from the source's side
    switched = router.packet("south", S, G)
    assert switched.oifs == ("cloud",)
    assert [(s.port, s.message) for s in switched.sends] == [
        ("north", said(router, "north", [STAR], [Selection(S, rpt=True)]))
    ]
    assert router.packet("north", S, G).drop == "rpf"  # late copies of the shared tree


def test_a_router_that_never_switches_stays_on_the_shared_tree() -> None:
    router = PimRouter(around(LEAF, switchover=False))
    router.membership("cloud", G, None, joined=True)
    assert router.packet("north", S, G).sends == ()


def test_a_pruned_source_leaves_the_shared_tree_of_that_neighbor_until_joined_anew() -> None:
    router = PimRouter(around(LEAF))
    router.receive("east", heard(G, [STAR]))
    assert router.packet("north", S, G).oifs == ("east",)
    router.receive("east", heard(G, [STAR], [Selection(S, rpt=True)]))
    assert router.packet("north", S, G).drop == "no-oif"
    router.receive("east", heard(G, [STAR]))
    assert router.packet("north", S, G).oifs == ("east",)


def test_joins_for_another_rp_and_shared_trees_of_ssm_groups_are_refused() -> None:
    router = PimRouter(around(LEAF))
    other = Selection(IPv4Address("10.255.0.9"), wildcard=True, rpt=True)
    assert router.receive("east", heard(G, [other])) == []
    assert router.receive("east", heard(SSM, [STAR])) == []
    assert router.membership("cloud", SSM, None, joined=True) == []
    assert router.refused == {"wrong-rp": 1, "ssm-join": 1, "ssm-membership": 1}
    assert not router.mfib()


def test_a_designated_router_registers_until_it_is_stopped() -> None:
    router = PimRouter(around({S: Rpf(interface="hub"), RP: NORTH}))
    assert router.packet("hub", S, G).register == RP
    router.register_stop(S, G, now=10.0)
    assert router.packet("hub", S, G, 20.0).drop == "no-oif"
    assert router.packet("hub", S, G, 70.0).register == RP  # Register_Suppression_Time is over
    assert router.packet("hub", S, SSM).register is None


def test_an_rp_forwards_registers_joins_the_source_and_stops_them() -> None:
    router = PimRouter(around({S: SOUTH, OWN: Rpf(ours=True)}, rp=OWN))
    star = Selection(OWN, wildcard=True, rpt=True)
    assert router.register(S, G, OWN).stop  # nobody has joined
    router.receive("east", heard(G, [star]))
    assert router.refresh() != []  # it has joined the source, which it knows
    registered = router.register(S, G, OWN)
    assert (registered.oifs, registered.stop) == (("east",), False)
    assert router.packet("south", S, G).oifs == ("east",)
    stopped = router.register(S, G, OWN)
    assert (stopped.oifs, stopped.drop, stopped.stop) == ((), "register-on-spt", True)
    assert router.register(S, SSM, OWN).drop == "ssm-register"
    assert router.register(S, G, RP).drop == "not-rp"


def test_joins_that_are_not_repeated_run_out() -> None:
    router = PimRouter(around(LEAF))
    router.receive("east", heard(G, [STAR]), now=1.0)
    assert router.expire(17.0) == []
    (send,) = router.expire(18.0)
    assert send.message == said(router, "north", [], [STAR])


def packet(ttl: int = 64) -> bytes:
    return udp.Template(S, 61001, G, 61001, ttl=ttl).packet(b"model")


def joined_engine(**fields: object) -> MulticastEngine:
    ports = (PORTS[0], port("east", 3, **fields), PORTS[4])
    engine = MulticastEngine(around({S: Rpf(interface="hub"), RP: NORTH}, ports=ports))
    engine.router.receive("east", heard(G, [Selection(S)]))
    engine.router.register_stop(S, G)
    return engine


def test_an_engine_takes_one_from_the_ttl_and_sends_a_register_of_what_leaves() -> None:
    engine = joined_engine()
    out, register = engine.receive("hub", packet(), 0.0)
    assert isinstance(out, Out)
    assert isinstance(register, Unicast)
    assert (out.port, ip.parse(out.packet)[0].ttl) == ("east", 63)
    outer, offset = ip.parse(register.packet)
    assert (outer.source, outer.destination, outer.protocol) == (OWN, RP, 103)
    message = wire.parse(register.packet[offset:], OWN, RP)
    assert message == wire.Register(null=False, packet=out.packet)


def test_every_packet_that_goes_no_further_is_counted_with_its_reason() -> None:
    engine = joined_engine(ttl_threshold=60)
    engine.router.around.ports  # noqa: B018 - made above
    engine.receive("hub", packet(1), 0.0)
    engine.receive("east", packet(), 0.0)
    engine.receive("nowhere", packet(), 0.0)
    engine.receive("hub", packet(60), 0.0)
    engine.receive("hub", packet()[:10], 0.0)
    assert engine.drops == {
        "ttl": 1, "rpf": 1, "no-pim": 1, "ttl-threshold": 1, "malformed": 1,
    }  # fmt: skip
    assert engine.counters["received"] == 4


def test_a_router_without_hosts_repeats_its_joins_and_forgets_those_of_others() -> None:
    engine = MulticastEngine(around(LEAF, ports=tuple(PORTS[:3])))
    assert engine.deadline is None
    to_rp = ip.Template(IPv4Address("10.0.3.1"), IPv4Address("224.0.0.13"), 103, ttl=1)
    join = wire.encode(heard(G, [STAR]), to_rp.source, to_rp.destination)
    (first,) = engine.receive("east", to_rp.packet(join), 0.0)
    assert engine.deadline == PERIOD
    assert engine.expire(PERIOD) == [first]
    for number in range(2, 5):
        last = engine.expire(number * PERIOD)
    assert len(last) == 1
    assert last != [first]  # a prune: nobody has joined for 3.5 periods
    assert not engine.mfib()


def test_noise_to_the_engine_is_dropped_and_nothing_is_raised() -> None:
    engine = joined_engine()
    template = ip.Template(IPv4Address("10.0.3.1"), IPv4Address("224.0.0.13"), 103, ttl=1)
    for payload in (b"", b"\x23\x00\x00\x00", bytes(40)):
        assert engine.receive("east", template.packet(payload), 0.0) == []
    outer, _ = ip.parse(ip.Template(RP, OWN, 103).packet(b""))
    for payload in (b"", bytes.fromhex("2100deff00000000"), bytes(9)):
        engine.unicast(outer, payload, 0.0)
    assert engine.drops["pim-malformed"] == 5
    assert engine.drops["register-malformed"] == 1
