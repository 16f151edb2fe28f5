"""LSAs of a capture -> flooding scopes: one for each OSPF area.

RFC 2328 sections 13.1 (which LSA is newer), 16.1 (both ends of a link list it), 16.2 (metrics of
other areas' prefixes); RFC 4915 (topologies), RFC 7684 section 2 (of several TLVs for a prefix the
first counts, by opaque ID), RFC 8444 section 2.3 (BIER sub-TLVs of other areas).  Law: of each LSA
the newest one counts, a MaxAge one removes it.  Virtual links are not followed: they belong to the
backbone, and what carries them is another area.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from toolkit.bier.signalling import ospf as bier_ospf
from toolkit.bier.signalling.acceptance import Advertisement
from toolkit.bier.signalling.codes import Codes
from toolkit.errors import WireError
from toolkit.inet.tlv import read_long
from toolkit.lsdb import ospf_lsa
from toolkit.lsdb.ospf_lsa import ExtendedPrefix, RouterLink
from toolkit.lsdb.ospf_packet import Lsa, Packet, ReceivedLsa
from toolkit.lsdb.problem import Kind, LsdbProblem
from toolkit.lsdb.scope import Scope, Way

_HEADERS_THAT_MATTER = frozenset({ospf_lsa.ROUTER, ospf_lsa.NETWORK, ospf_lsa.OPAQUE_AREA})

Key = tuple[IPv4Address, tuple[int, IPv4Address, IPv4Address]]
"""Area, and key of an LSA."""


@dataclass(frozen=True, slots=True)
class _Held:
    received: ReceivedLsa
    place: str


class OspfDatabase:
    """Takes packets in the order of the capture; `scopes` reads what they amount to."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self._held: dict[Key, _Held] = {}
        self._listed: dict[Key, tuple[Lsa, str]] = {}
        self.problems: list[LsdbProblem] = []

    def add(self, packet: Packet, place: str) -> None:
        """Take an LS Update or a Database Description."""
        for what in packet.damage:
            self._problem(place, Kind.UNPARSABLE, what)
        for received in packet.lsas:
            lsa = received.lsa
            told = f"{place}: {lsa}"
            if not received.intact:
                what = f"wrong checksum {received.checksum:#06x}; the LSA is not used"
                self._problem(told, Kind.CHECKSUM, what)
                continue
            key = (packet.area, lsa.key)
            known = self._held.get(key)
            if known is None or received.newer(known.received):
                self._held[key] = _Held(received, told)
        for lsa in packet.listed:
            if lsa.type in _HEADERS_THAT_MATTER and not lsa.purged:
                self._listed.setdefault((packet.area, lsa.key), (lsa, place))

    def scopes(self) -> list[Scope]:
        """Return every area with an LSA in it; call it once."""
        for key, (lsa, place) in sorted(self._listed.items()):
            if key not in self._held:
                what = f"lists {lsa}, which is not in the capture"
                self._problem(f"{place}: area {key[0]}", Kind.MISSING, what)
        areas = sorted({area for area, _key in self._held})
        return [_AreaReader(self, area, self._live(area)).read() for area in areas]

    def _live(self, area: IPv4Address) -> list[_Held]:
        return [
            held
            for (of_area, _key), held in sorted(self._held.items(), key=lambda item: item[0])
            if of_area == area and not held.received.lsa.purged
        ]

    def _problem(self, place: str, kind: Kind, what: str) -> None:
        self.problems.append(LsdbProblem(place, kind, what))


class _AreaReader:
    """Reads the LSAs of one area."""

    def __init__(self, base: OspfDatabase, area: IPv4Address, held: list[_Held]) -> None:
        self._base, self._area, self._held = base, area, held
        self._routers: dict[IPv4Address, tuple[RouterLink, ...]] = {}
        self._networks: dict[IPv4Address, tuple[IPv4Address, ...]] = {}
        self._summaries: dict[tuple[IPv4Address, IPv4Network], int] = {}
        self._prefixes: dict[tuple[IPv4Address, IPv4Network], tuple[ExtendedPrefix, str]] = {}

    def read(self) -> Scope:
        for held in self._held:
            try:
                self._lsa(held.received.lsa, held.place)
            except WireError as error:
                self._problem(held.place, Kind.UNPARSABLE, str(error))
        advertisements = [
            one
            for (router, _prefix), (extended, place) in self._prefixes.items()
            for one in self._bier(router, extended, place)
        ]
        return Scope(
            protocol="ospf",
            name=f"area {self._area}",
            names={str(router): str(router) for router in sorted(self._routers)},
            ways=tuple(sorted(self._ways(), key=lambda way: way.rank)),
            advertisements=tuple(advertisements),
            max_mt_id=bier_ospf.MAX_MT_ID,
            pdus=len(self._held),
        )

    def _problem(self, place: str, kind: Kind, what: str) -> None:
        self._base.problems.append(LsdbProblem(place, kind, what))

    def _lsa(self, lsa: Lsa, place: str) -> None:
        if lsa.type == ospf_lsa.ROUTER:
            self._routers[lsa.router] = ospf_lsa.parse_router(lsa.body)
        elif lsa.type == ospf_lsa.NETWORK:
            self._networks[lsa.id] = ospf_lsa.parse_network(lsa.body)[1]
        elif lsa.type == ospf_lsa.SUMMARY:
            network, metric = ospf_lsa.parse_summary(lsa.id, lsa.body)
            self._summaries[lsa.router, network] = metric
        elif lsa.type == ospf_lsa.OPAQUE_AREA and lsa.id.packed[0] == ospf_lsa.EXTENDED_PREFIX:
            for extended in ospf_lsa.extended_prefixes(lsa.body):
                told = f"{place}, {extended.network}"
                self._prefixes.setdefault((lsa.router, extended.network), (extended, told))

    def _bier(
        self, router: IPv4Address, extended: ExtendedPrefix, place: str
    ) -> Iterable[Advertisement]:
        moved = extended.route_type not in {0, ospf_lsa.INTRA_AREA}
        metric, told = self._metric(router, extended.network, moved=moved), False
        try:
            for number, (_at, tlv) in enumerate(read_long(extended.sub_tlvs), 1):
                if tlv.type != bier_ospf.SUB_TLV:
                    continue
                where = f"{place}, sub-TLV {tlv.type} (number {number})"
                try:
                    info = bier_ospf.parse(tlv.value, self._base.codes)
                except WireError as error:
                    self._problem(where, Kind.UNPARSABLE, str(error))
                    continue
                if metric is None:
                    if not told:
                        what = f"no Router-LSA or Summary-LSA of {router} holds the prefix; "
                        self._problem(where, Kind.NOT_ADVERTISED, what + "nobody has a route to it")
                    told = True
                    continue
                yield Advertisement(
                    router=str(router),
                    prefix=extended.network,
                    info=info,
                    metric=metric,
                    redistributed=moved,
                    place=where,
                )
        except WireError as error:
            self._problem(place, Kind.UNPARSABLE, f"sub-TLVs: {error}")

    def _metric(self, router: IPv4Address, network: IPv4Network, *, moved: bool) -> int | None:
        """From the router to the prefix; None where it does not advertise it.  A prefix that is no
        host route is `acceptance`'s to refuse."""
        if moved:
            return self._summaries.get((router, network))
        if router not in self._routers or network.prefixlen < 32:
            return 0
        wanted = (network.network_address, IPv4Address(0xFFFFFFFF))
        for link in self._routers[router]:
            if link.type == ospf_lsa.STUB and (link.id, link.data) == wanted:
                return link.metric
        return None

    def _ways(self) -> Iterable[Way]:
        unknown: dict[str, IPv4Address] = {}
        for router, links in self._routers.items():
            for link in links:
                if link.type == ospf_lsa.POINT_TO_POINT:
                    if link.id not in self._routers:
                        unknown.setdefault(f"Router-LSA of {link.id}", router)
                    else:
                        yield from self._point_to_point(router, link)
                elif link.type == ospf_lsa.TRANSIT:
                    if link.id not in self._networks:
                        unknown.setdefault(f"Network-LSA of {link.id}", router)
                    else:
                        yield from self._transit(router, link)
        for name, by in sorted(unknown.items()):
            what = f"{name}, a neighbor of {by}, is not in the capture"
            self._problem(f"ospf area {self._area}", Kind.MISSING, what)

    def _point_to_point(self, router: IPv4Address, link: RouterLink) -> Iterable[Way]:
        back = [
            other
            for other in self._routers[link.id]
            if other.type == ospf_lsa.POINT_TO_POINT and other.id == router
        ]
        if back:
            near = [other for other in back if _one_subnet(link.data, other.data)] or back
            address = near[0].data if len(near) == 1 and not _unnumbered(near[0]) else None
            yield from _ways_of(router, link.id, link, address, back)

    def _transit(self, router: IPv4Address, link: RouterLink) -> Iterable[Way]:
        members = self._networks[link.id]
        if router not in members:
            return
        for member in members:
            back = [
                other
                for other in self._routers.get(member, ())
                if other.type == ospf_lsa.TRANSIT and other.id == link.id
            ]
            if member != router and back:
                yield from _ways_of(router, member, link, back[0].data, back)


def _one_subnet(a: IPv4Address, b: IPv4Address) -> bool:
    """Both ends of a /31 or a /30."""
    return a != b and int(a) >> 2 == int(b) >> 2


def _unnumbered(link: RouterLink) -> bool:
    """The link's data is an interface index, not an address (RFC 2328 section 12.4.1.1)."""
    return int(link.data) < 1 << 24


def _ways_of(
    router: IPv4Address,
    target: IPv4Address,
    link: RouterLink,
    address: IPv4Address | None,
    back: Iterable[RouterLink],
) -> Iterable[Way]:
    metrics = {0: link.metric, **link.topologies}
    there = {0}.union(*(other.topologies for other in back))
    for mt_id, metric in sorted(metrics.items()):
        if mt_id in there:
            ends = str(router), str(target)
            yield Way(*ends, mt_id, max(metric, 1), str(link.data), address)
