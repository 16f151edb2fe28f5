"""Programs and frames for tests of the kernel plane, drawn by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from toolkit.bier.bift import BiftId, BiftKey, Hop
from toolkit.bier.birt import Neighbor
from toolkit.bier.bitstring import Bsl
from toolkit.bier.engine import Arrived
from toolkit.bier.program import Interface, Program
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.wire import WORDS, Encapsulation

PORTS = [f"eth{n}" for n in range(4)]
KINDS = {Encapsulation.MPLS: b"\x88\x47", Encapsulation.NON_MPLS: b"\xab\x37"}
NUMBERS = (17, 18, 19, 20, 21)
"""Few, so that both number spaces share some, and frames hit some."""


def mac(port: str) -> bytes:
    return bytes((2, 0, 0, 0, 0, int(port[-1])))


def _neighbors() -> list[Neighbor]:
    known = [Neighbor(f"n{n}", PORTS[n % 4], mac=bytes((2, 0, 0, 0, 1, n))) for n in range(6)]
    return [*known, Neighbor("silent", "eth3")]  # its MAC address is not known


HOPS = st.builds(Hop, st.sampled_from(_neighbors()), st.integers(0, 0xFFFFF))


@st.composite
def ways(draw: st.DrawFn) -> Ways:
    if draw(st.integers(0, 7)) == 0:
        return Ways(local=True)
    hops = draw(st.lists(HOPS, max_size=3, unique=True))
    return Ways(tuple(hops), backup=tuple(draw(st.lists(HOPS, max_size=2))))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Return a BFR that the kernel plane can be."""
    encapsulations: dict[tuple[int, int], Encapsulation] = {}
    routes: dict[BiftKey, Routes] = {}
    bift_ids: dict[BiftId, BiftKey] = {}
    for _turn in range(draw(st.integers(1, 3))):
        bsl = draw(st.sampled_from(list(Bsl)))
        key = BiftKey(draw(st.sampled_from([0, 7])), bsl.bits, draw(st.sampled_from([0, 1, 255])))
        space = encapsulations.setdefault(key[:2], draw(st.sampled_from(list(Encapsulation))))
        chosen = draw(
            st.dictionaries(st.sampled_from([1, 2, 3, 31, 64, bsl.bits]), ways(), max_size=5)
        )
        locals_ = [p for p, way in chosen.items() if way.local]
        routes[key] = Routes(bsl, {p: w for p, w in chosen.items() if p not in locals_[1:]})
        bift_ids[BiftId(space, draw(st.sampled_from(NUMBERS)))] = key
    interfaces = {}
    for port in PORTS:
        arrived = draw(st.sampled_from([*[Arrived.CORE] * 3, Arrived.HOST_EDGE, Arrived.EDGE]))
        permitted = None
        if arrived is Arrived.HOST_EDGE and draw(st.booleans()):
            permitted = {key: draw(st.integers(0, 15)) for key in routes if draw(st.booleans())}
        interfaces[port] = Interface(arrived, mac(port), permitted)
    bfirs = draw(st.none() | st.just(frozenset({(0, 1), (7, 2)})))
    return Program(
        salt=draw(st.integers(0, 0xFFFFFFFF)), interfaces=interfaces, routes=routes,
        bift_ids=bift_ids, encapsulations=encapsulations, bfirs=bfirs,
        protos=frozenset(draw(st.sets(st.sampled_from([4, 6, 7, 63])))),
    )  # fmt: skip


@st.composite
def frames(draw: st.DrawFn, program: Program) -> tuple[str, bytes]:
    """Return an interface, and a frame that comes in by it: sound, almost sound, or cut."""
    port = draw(st.sampled_from(PORTS))
    space, number = draw(st.sampled_from([*program.bift_ids, BiftId(Encapsulation.MPLS, 16)]))
    key = program.bift_ids.get(BiftId(space, number), BiftKey(0, 64, 0))
    bsl = Bsl.of_bits(key.bsl)
    rarely = st.integers(0, 11).map(lambda n: n == 0)
    kind = draw(st.sampled_from(list(Encapsulation))) if draw(rarely) else space
    bits = sum(1 << p - 1 for p in draw(st.sets(st.sampled_from([1, 2, 3, 4, 31, 64, bsl.bits]))))
    bottom = 0 if draw(rarely) else 0x100
    first = number << 12 | draw(st.integers(0, 7)) << 9 | bottom
    first |= draw(st.sampled_from([0, 1, 2, 64, 255]))
    nibble = draw(st.integers(0, 15)) if draw(rarely) else kind.nibble
    version = draw(st.integers(0, 15)) if draw(rarely) else 0
    code = draw(st.integers(0, 15)) if draw(rarely) else int(bsl)
    second = nibble << 28 | version << 24 | code << 20 | draw(st.integers(0, 0xFFFFF))
    third = draw(st.integers(0, 0x3FF)) << 22 | draw(st.sampled_from([4, 5, 6, 7, 63])) << 16
    packet = WORDS.pack(first, second, third | draw(st.integers(0, 3)))
    packet += bits.to_bytes(bsl.octets, "big") + draw(st.binary(max_size=40))
    if draw(rarely):
        packet = packet[: draw(st.integers(0, len(packet)))]
    to = bytes((2, 9, 9, 9, 9, 9)) if draw(rarely) else mac(port)
    return port, to + bytes((2, 0, 0, 0, 9, 0)) + KINDS[kind] + packet
