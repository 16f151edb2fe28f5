"""A Program as a document: JSON or YAML to values, refused whole where anything is wrong in it.

The format is described in docs/reference/bift.md.  Law: what is read is complete and fits itself
(every name exists, every F-BM fits its BitString, no BIFT-id selects two tables); all problems are
named at once.  Pure: the caller reads the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import TypeVar

from toolkit.bier.bift import Bift, BiftId, BiftKey, Entry, Hop, Way
from toolkit.bier.birt import Neighbor, TunnelKind
from toolkit.bier.bitstring import MAX_BFR_ID, MAX_SI, Bsl, sets_of
from toolkit.bier.checked import Checked
from toolkit.bier.document_follow import read_following, read_tunnel
from toolkit.bier.document_oam import read_oam
from toolkit.bier.ecmp import MAX_WAYS
from toolkit.bier.engine import IP, Arrived
from toolkit.bier.follow_model import Following
from toolkit.bier.program import (
    Disposition,
    Flow,
    Imposition,
    Interface,
    IpNetwork,
    Program,
    Termination,
)
from toolkit.bier.routes import Routes, Ways
from toolkit.bier.wire import Encapsulation
from toolkit.errors import Problem, ProblemsError

BIFT_ID = (1 << 20) - 1
SUB_DOMAIN = 255
How = TypeVar("How", Imposition, Disposition)
LENGTHS = tuple(length.bits for length in Bsl)


class BiftFileError(ProblemsError):
    """The author of a BIFT document must act; nothing of it is used."""


def read_program(document: object, file: str = "") -> Program:
    """Return the BFR that a document describes; BiftFileError with every problem.

    `document`: what JSON or YAML gave.  `file`: its name, for the places of problems.
    """
    problems: list[Problem] = []
    program = _Reader(Checked(document, "", file, problems)).program()
    if problems:
        raise BiftFileError(problems)
    return program


class _Reader:
    """One document."""

    def __init__(self, top: Checked) -> None:
        self._top = top
        self._interfaces: dict[str, Interface] = {}
        self._neighbors: dict[str, Neighbor] = {}
        self._routes: dict[BiftKey, Routes] = {}
        self._rows: dict[BiftKey, Bift] = {}
        self._bift_ids: dict[BiftId, BiftKey] = {}
        self._followed: dict[BiftKey, int | None] = {}
        self._encapsulations: dict[tuple[int, int], Encapsulation] = {}

    def program(self) -> Program:
        top = self._top
        name = top.text("name", "bfr")
        salt = top.integer("salt", 0, 0xFFFFFFFF, 0)
        bfr_ids = self._bfr_ids(top.take("bfr_ids"))
        for port, body in top.named("interfaces"):
            self._interface(port, body)
        for router, body in top.named("neighbors"):
            self._neighbor(router, body)
        for body in top.objects("bifts"):
            self._bift(body)
        following = self._following(bfr_ids)
        protos = top.numbers("protos", 0, 63)
        bfirs = self._bfirs()
        ingress = self._each_once("ingress", self._ingress)
        sources = self._sources()
        egress = self._each_once("egress", self._egress)
        ends = tuple(self._termination(body) for body in top.objects("terminations"))
        for sub_domain in {flow.sub_domain for flow in ingress.values()} - bfr_ids.keys():
            top.wrong(
                "bfr_ids", f"sub-domain {sub_domain} has no BFR-id, but ingress flows use it",
                "a BFIR writes its BFR-id into every header",
            )  # fmt: skip
        oam = read_oam(top.below("oam", top.take("oam")), bfr_ids) if "oam" in top else None
        top.close()
        return Program(
            name=name,
            bfr_ids=bfr_ids,
            salt=salt,
            interfaces=self._interfaces,
            routes=self._routes,
            rows=self._rows,
            bift_ids=self._bift_ids,
            encapsulations=self._encapsulations,
            protos=IP if protos is None else frozenset(protos),
            bfirs=bfirs,
            ingress=ingress,
            sources=sources,
            egress=egress,
            oam=oam,
            terminations=ends,
            following=following,
        )

    def _following(self, own: Mapping[int, int]) -> Following | None:
        if "follow" in self._top:
            body = self._top.below("follow", self._top.take("follow"))
            if not self._followed:
                body.wrong("", "no table follows", "give tables of bifts follow: true")
            return read_following(body, self._followed, own, self._interfaces)
        if self._followed:
            self._top.wrong("follow", "is missing", "BFERs and peers of tables with follow: true")
        return None

    def _bfr_ids(self, value: object) -> dict[int, int]:
        found: dict[int, int] = {}
        if value is None:
            return found
        body = self._top.below("bfr_ids", value)
        for sub_domain in list(value) if isinstance(value, Mapping) else ():
            number = str(sub_domain)
            if not number.isdecimal() or int(number) > SUB_DOMAIN:
                body.take(number)
                body.wrong(number, f"is no sub-domain (0 to {SUB_DOMAIN})")
            else:
                found[int(number)] = body.integer(number, 1, MAX_BFR_ID)
        return found

    def _bfirs(self) -> frozenset[tuple[int, int]] | None:
        if "bfirs" not in self._top:
            return None
        found = set()
        for body in self._top.objects("bfirs"):
            sub_domain = body.integer("sub_domain", 0, SUB_DOMAIN, 0)
            found.add((sub_domain, body.integer("bfr_id", 1, MAX_BFR_ID)))
            body.close()
        return frozenset(found)

    def _interface(self, name: str, body: Checked) -> None:
        arrived = body.choice("bier", Arrived, Arrived.EDGE)
        mac = body.mac("mac")
        permitted: dict[BiftKey, int] | None = None
        if "permitted" in body:
            permitted = self._permitted(body)
            if arrived is not Arrived.HOST_EDGE:
                body.wrong(
                    "permitted", f"needs bier: {Arrived.HOST_EDGE}", "see docs/reference/bift.md"
                )
        self._interfaces[name] = Interface(arrived, mac, permitted)
        body.close()

    def _permitted(self, body: Checked) -> dict[BiftKey, int]:
        permitted: dict[BiftKey, int] = {}
        for allowed in body.objects("permitted"):
            sub_domain, bsl, sets = self._addressed(allowed)
            for si, bits in sets.items():
                key = BiftKey(sub_domain, bsl, si)
                permitted[key] = permitted.get(key, 0) | bits
            allowed.close()
        return permitted

    def _sources(self) -> dict[IpNetwork, dict[BiftKey, int]]:
        """Read the BFERs that sources may be sent to."""
        found: dict[IpNetwork, dict[BiftKey, int]] = {}
        for body in self._top.objects("sources"):
            known = len(body.problems)
            prefix = body.parsed("prefix", ip_network, "IP prefix (10.0.9.0/24, its host bits 0)")
            if prefix is None and len(body.problems) == known:
                body.wrong("prefix", "is missing", "a source, or a prefix of sources")
            if "permitted" not in body:
                body.wrong("permitted", "is missing", "a list of BFERs; an empty one permits none")
            permitted = self._permitted(body)
            if prefix is not None and prefix in found:
                body.wrong("prefix", f"{prefix} has a list already")
            elif prefix is not None:
                found[prefix] = permitted
            body.close()
        return found

    def _addressed(self, body: Checked) -> tuple[int, int, dict[int, int]]:
        """Return (sub-domain, BSL, SI -> bits) of `sub_domain`, `bsl`, `bfr_ids`."""
        sub_domain = body.integer("sub_domain", 0, SUB_DOMAIN, 0)
        bsl = self._bsl(body)
        bfr_ids = body.numbers("bfr_ids", 1, min(MAX_BFR_ID, bsl * (MAX_SI + 1)))
        if bfr_ids is None:
            body.wrong("bfr_ids", "is missing", "the BFERs")
        return sub_domain, bsl, sets_of(bfr_ids or (), bsl)

    def _bsl(self, body: Checked) -> int:
        bsl = body.integer("bsl", 64, 4096, 256)
        if bsl not in LENGTHS:
            body.wrong("bsl", f"{bsl} is no BitString length", ", ".join(map(str, LENGTHS)))
            return 256
        return bsl

    def _port(self, body: Checked, member: str) -> str:
        name = body.text(member)
        if name and name not in self._interfaces:
            body.wrong(member, f"no interface {name}", "declare it under interfaces")
        return name

    def _neighbor(self, router: str, body: Checked) -> None:
        interface = self._port(body, "interface")
        if "address" not in body and "mac" not in body:
            body.wrong("", "has neither address nor mac", "give what its frames are addressed by")
        address, mac = body.address("address"), body.mac("mac")
        tunnel = None
        if "tunnel" in body:
            below = body.below("tunnel", body.take("tunnel"))
            tunnel = read_tunnel(below, below.address("remote"))
        self._neighbors[router] = Neighbor(router, interface, address, tunnel, mac)
        body.close()

    def _bift(self, body: Checked) -> None:
        sub_domain = body.integer("sub_domain", 0, SUB_DOMAIN, 0)
        bits = self._bsl(body)
        si = body.integer("si", 0, MAX_SI, 0)
        encapsulation = body.choice("encapsulation", Encapsulation, Encapsulation.MPLS)
        key = BiftKey(sub_domain, bits, si)
        if key in self._routes or key in self._rows:
            body.wrong(
                "",
                f"is the second table for {_named(key)}",
                "one sub-domain, bsl and si, one table",
            )
        said = self._encapsulations.setdefault((sub_domain, bits), encapsulation)
        if said is not encapsulation:
            body.wrong(
                "encapsulation",
                f"is {encapsulation}, but {said} in another set of the same sub-domain and bsl",
            )
        own: int | None = None
        if "bift_id" in body:
            lowest = 16 if encapsulation is Encapsulation.MPLS else 0
            number = BiftId(encapsulation, body.integer("bift_id", lowest, BIFT_ID))
            if number in self._bift_ids:
                body.wrong("bift_id", f"{number.number} selects another table too")
            self._bift_ids[number] = key
            own = number.number
        bsl = Bsl.of_bits(bits)
        if body.flag("follow"):
            self._followed[key] = own if encapsulation is Encapsulation.NON_MPLS else None
            if body.take("rows") is not None:
                body.wrong("rows", "excludes follow: true", "routes make the rows")
        ways: dict[int, Ways] = {}
        entries: dict[int, Entry] = {}
        for row in body.objects("rows"):
            self._row(row, bsl, ways, entries)
        if entries:
            routed = (table.bift().entries for table in Routes(bsl, ways).tables[:1])
            for known in routed:
                entries |= {p: e for p, e in known.items() if p not in entries}
            self._rows[key] = Bift(bsl, dict(sorted(entries.items())))
        else:
            self._routes[key] = Routes(bsl, ways)
        body.close()

    def _row(
        self, row: Checked, bsl: Bsl, ways: dict[int, Ways], entries: dict[int, Entry]
    ) -> None:
        positions = row.numbers("bits", 1, bsl.bits)
        if positions is None:
            row.wrong("bits", "is missing", "bit positions")
            positions = ()
        for twice in (p for p in positions if p in ways or p in entries):
            row.wrong("bits", f"bit {twice} has a row already")
        local = row.flag("local")
        hops = [self._hop(via, bsl) for via in row.objects("via")]
        backup = [self._hop(via, bsl) for via in row.objects("backup")]
        found = tuple(hop for hop, _f_bm in hops if hop is not None)
        masks = [f_bm for _hop, f_bm in hops]
        if local and (hops or backup):
            row.wrong("local", "excludes via and backup")
        elif len(hops) > MAX_WAYS:
            row.wrong("via", f"has {len(hops)} ways; {MAX_WAYS} are the most")
        elif any(masks) and len(found) == len(hops):
            self._explicit(row, positions, list(zip(found, masks, strict=True)), entries)
        elif len(found) == len(hops):
            spare = tuple(hop for hop, _f_bm in backup if hop is not None)
            ways |= dict.fromkeys(positions, Ways(found, local, spare))
        row.close()

    def _explicit(
        self,
        row: Checked,
        positions: tuple[int, ...],
        hops: list[tuple[Hop, tuple[int, ...] | None]],
        entries: dict[int, Entry],
    ) -> None:
        """Make rows whose F-BMs are given, one `via` for each entry (RFC 8279 section 6.7.1)."""
        if not all(f_bm is not None for _hop, f_bm in hops):
            row.wrong(
                "via", "has an f_bm in some entries only", "give it in all of them, or in none"
            )
            return
        ways = [Way(sum(1 << p - 1 for p in f_bm or ()), hop) for hop, f_bm in hops]
        f_bm, (neighbor, bift_id) = ways[0]
        entries |= dict.fromkeys(positions, Entry(f_bm, neighbor, bift_id, others=tuple(ways[1:])))

    def _hop(self, via: Checked, bsl: Bsl) -> tuple[Hop | None, tuple[int, ...] | None]:
        name = via.text("neighbor")
        bift_id = via.integer("bift_id", 0, BIFT_ID)
        f_bm = via.numbers("f_bm", 1, bsl.bits)
        neighbor = self._neighbors.get(name)
        if name and neighbor is None:
            via.wrong("neighbor", f"no neighbor {name}", "declare it under neighbors")
        via.close()
        return (None if neighbor is None else Hop(neighbor, bift_id)), f_bm

    def _each_once(
        self, member: str, read: Callable[[Checked], tuple[Flow, How] | None]
    ) -> dict[Flow, How]:
        found: dict[Flow, How] = {}
        for body in self._top.objects(member):
            item = read(body)
            if item is not None and item[0] in found:
                flow = item[0]
                body.wrong("", f"({flow.source}, {flow.group}) stands here twice", "merge the two")
            elif item is not None:
                found[item[0]] = item[1]
        return found

    def _flow(self, body: Checked) -> Flow | None:
        source, group = body.address("source"), body.address("group")
        if source is None or group is None or not group.is_multicast or source.is_multicast:
            body.wrong("group", "needs a unicast source and a multicast group", "an (S,G)")
            return None
        if source.version != group.version:
            body.wrong("group", "is not of the source's address family")
            return None
        return Flow(source, group)

    def _ingress(self, body: Checked) -> tuple[Flow, Imposition] | None:
        flow = self._flow(body)
        sub_domain, bsl, sets = self._addressed(body)
        ttl, tc = body.integer("ttl", 1, 255, 64), body.integer("tc", 0, 7, 0)
        dscp = body.integer("dscp", 0, 63, 0)
        ports = self._ports(body) if "interfaces" in body else None
        body.close()
        if flow is None:
            return None
        return flow, Imposition(
            sub_domain=sub_domain, bsl=bsl, sets=sets, ttl=ttl, tc=tc, dscp=dscp,
            interfaces=None if ports is None else frozenset(ports),
        )  # fmt: skip

    def _ports(self, body: Checked, otherwise: str = "") -> tuple[str, ...]:
        names = body.take("interfaces")
        ports = tuple(map(str, names)) if isinstance(names, list) else ()
        if not ports:
            body.wrong("interfaces", "is missing", f"a list of our own interfaces{otherwise}")
        for port in ports:
            if port not in self._interfaces:
                body.wrong("interfaces", f"no interface {port}", "declare it under interfaces")
        return ports

    def _egress(self, body: Checked) -> tuple[Flow, Disposition] | None:
        flow = self._flow(body)
        host = body.flag("host")
        ports = self._ports(body, ", or host: true") if "interfaces" in body or not host else ()
        bfirs = body.numbers("bfirs", 1, MAX_BFR_ID)
        body.close()
        if flow is None:
            return None
        return flow, Disposition(
            interfaces=ports, bfirs=None if bfirs is None else frozenset(bfirs), host=host
        )

    def _termination(self, body: Checked) -> Termination:
        kind = body.choice("kind", TunnelKind, TunnelKind.GRE)
        ours, theirs = body.addresses("addresses"), body.addresses("sources")
        vni = body.integer("vni", 0, (1 << 24) - 1, 0)
        labels = body.numbers("labels", 16, BIFT_ID) or ()
        if kind is TunnelKind.SR_MPLS:
            if not labels or ours or theirs:
                body.wrong("labels", f"kind: {kind} needs labels, and no addresses or sources")
        elif not ours or not theirs or labels:
            body.wrong("", f"kind: {kind} needs addresses and sources, and no labels")
        body.close()
        return Termination(kind=kind, addresses=frozenset(ours), sources=frozenset(theirs),
                           vni=vni, labels=frozenset(labels))  # fmt: skip


def _named(key: BiftKey) -> str:
    return f"sub-domain {key.sub_domain}, BSL {key.bsl}, SI {key.si}"
