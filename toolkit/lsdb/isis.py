"""LSPs of a capture -> flooding scopes: a level 2, and a level 1 for each area.

ISO/IEC 10589 sections 7.2.5 (LSP number zero missing: the others are ignored), 7.2.8 (overload),
7.3.16 (which LSP is newer), 7.2 (both ends of a link list it); RFC 5120 (topologies; LSPs of a
pseudonode belong to all of them), RFC 7794 (prefix attributes).  Law: of each LSP the newest one
counts, purges remove it; a TLV that is malformed is a problem and harms no other.  Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from toolkit.bier.signalling import isis as bier_isis
from toolkit.bier.signalling.acceptance import Advertisement
from toolkit.bier.signalling.codes import Codes
from toolkit.errors import WireError
from toolkit.igp.graph import MAX_METRIC
from toolkit.inet.tlv import Tlv, read_short
from toolkit.lsdb import reachability
from toolkit.lsdb.lsp import LspId, ReceivedLsp, Snp, system_text
from toolkit.lsdb.problem import Kind, LsdbProblem
from toolkit.lsdb.scope import Scope, Way

_PREFIX_ATTRIBUTES: Final = 4
_EXTERNAL_OR_READVERTISED: Final = 0xC0
"""X and R flags of RFC 7794."""
_ADDRESSES: Final = {6: (4, "local"), 8: (4, "remote"), 12: (16, "local"), 13: (16, "remote")}
"""Sub-TLVs of a neighbor (RFC 5305, RFC 6119): type -> (octets, whose)."""

Node = tuple[bytes, int]
"""System ID and pseudonode number."""


@dataclass(frozen=True, slots=True)
class _Held:
    received: ReceivedLsp
    place: str

    def newer(self, than: _Held) -> bool:
        ours, theirs = self.received.lsp, than.received.lsp
        if ours.sequence != theirs.sequence:
            return ours.sequence > theirs.sequence
        return not ours.lifetime and bool(theirs.lifetime)


@dataclass(frozen=True, slots=True)
class _Link:
    """One end of a link as its own LSP has it."""

    mt_id: int
    to: Node
    metric: int
    port: str
    address: IPv4Address | IPv6Address | None


class IsisDatabase:
    """Takes PDUs in the order of the capture; `scopes` reads what they amount to."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self._held: dict[tuple[int, LspId], _Held] = {}
        self._listed: dict[tuple[int, LspId], tuple[int, str]] = {}
        self.problems: list[LsdbProblem] = []

    def add(self, received: ReceivedLsp, place: str) -> None:
        """Take an LSP."""
        lsp = received.lsp
        place = f"{place}: level {lsp.level} LSP {lsp.id}"
        if not received.intact:
            what = f"wrong checksum {received.checksum:#06x}; the LSP is not used"
            self._problem(place, Kind.CHECKSUM, what)
            return
        held, key = _Held(received, place), (lsp.level, lsp.id)
        known = self._held.get(key)
        if known is None or held.newer(known):
            self._held[key] = held

    def note(self, snp: Snp, place: str) -> None:
        """Take a sequence numbers PDU."""
        for entry in snp.entries:
            key = (snp.level, entry.id)
            if entry.lifetime and entry.sequence > self._listed.get(key, (0, ""))[0]:
                self._listed[key] = entry.sequence, place

    def scopes(self) -> list[Scope]:
        """Return every scope with an LSP in it, level 1 first; call it once."""
        self._missing()
        found: list[Scope] = []
        for level in (1, 2):
            nodes = self._nodes(level)
            for name, members in self._groups(level, nodes):
                found.append(_ScopeReader(self, f"{name}", members).read())
        return found

    def _problem(self, place: str, kind: Kind, what: str) -> None:
        self.problems.append(LsdbProblem(place, kind, what))

    def _missing(self) -> None:
        for (level, lsp_id), (sequence, place) in sorted(self._listed.items()):
            held = self._held.get((level, lsp_id))
            if held is None or held.received.lsp.sequence < sequence:
                what = f"lists LSP {lsp_id} with sequence number {sequence:#x}, "
                what += "which is not in the capture"
                if held is not None:
                    what += f" (only {held.received.lsp.sequence:#x})"
                self._problem(f"{place}: level {level}", Kind.MISSING, what)

    def _nodes(self, level: int) -> dict[Node, list[_Held]]:
        """The fragments of each node, those of nodes without fragment 0 left out."""
        nodes: dict[Node, dict[int, _Held]] = {}
        for (of_level, lsp_id), held in sorted(self._held.items()):
            if of_level == level and held.received.lsp.lifetime:
                node = (lsp_id.system_id, lsp_id.pseudonode)
                nodes.setdefault(node, {})[lsp_id.fragment] = held
        whole: dict[Node, list[_Held]] = {}
        for node, fragments in nodes.items():
            if 0 in fragments:
                whole[node] = list(fragments.values())
                continue
            first = min(fragments)
            what = "fragment 00 is not in the capture; the other fragments are ignored"
            self._problem(fragments[first].place, Kind.MISSING, what)
        return whole

    def _groups(
        self, level: int, nodes: Mapping[Node, list[_Held]]
    ) -> Iterable[tuple[str, Mapping[Node, list[_Held]]]]:
        """Level 1 by area: routers that have an area address in common, and their pseudonodes."""
        if level == 2:
            return [("level-2", nodes)] if nodes else []
        of_router = {system: self._areas(held) for (system, pn), held in nodes.items() if not pn}
        groups: list[set[str]] = []
        for areas in of_router.values():
            touching = [group for group in groups if group & areas]
            groups = [group for group in groups if not group & areas]
            groups.append(areas.union(*touching))
        found = []
        for group in sorted(groups, key=sorted):
            members = {n: held for n, held in nodes.items() if of_router.get(n[0], set()) <= group}
            members = {n: held for n, held in members.items() if n[0] in of_router}
            found.append((f"level-1 {'/'.join(sorted(group))}", members))
        return found

    def _areas(self, fragments: Iterable[_Held]) -> set[str]:
        found: set[str] = set()
        for held in fragments:
            for tlv in held.received.lsp.tlvs:
                if tlv.type == reachability.AREA_ADDRESSES:
                    try:
                        found.update(reachability.areas(tlv))
                    except WireError as error:
                        self._problem(held.place, Kind.UNPARSABLE, str(error))
        return found or {"(no area)"}


class _ScopeReader:
    """Reads the TLVs of one scope."""

    def __init__(self, base: IsisDatabase, name: str, nodes: Mapping[Node, list[_Held]]) -> None:
        self._base, self._name, self._nodes = base, name, nodes
        self._links: dict[Node, list[_Link]] = {node: [] for node in nodes}
        self._names: dict[str, str] = {}
        self._advertisements: list[Advertisement] = []

    def read(self) -> Scope:
        for node, fragments in self._nodes.items():
            if not node[1]:
                self._names[system_text(node[0])] = ""
            for held in fragments:
                self._fragment(node, held)
        return Scope(
            protocol="isis",
            name=self._name,
            names=self._unique_names(),
            overloaded=frozenset(
                system_text(node[0])
                for node, fragments in self._nodes.items()
                if not node[1] and any(held.received.lsp.overloaded for held in fragments)
            ),
            ways=tuple(sorted(self._ways(), key=lambda way: way.rank)),
            advertisements=tuple(self._advertisements),
            pdus=sum(map(len, self._nodes.values())),
        )

    def _problem(self, place: str, kind: Kind, what: str) -> None:
        self._base.problems.append(LsdbProblem(place, kind, what))

    def _fragment(self, node: Node, held: _Held) -> None:
        if held.received.damage:
            what = f"{held.received.damage}; what follows is not used"
            self._problem(held.place, Kind.UNPARSABLE, what)
        for number, tlv in enumerate(held.received.lsp.tlvs, 1):
            place = f"{held.place}, TLV {tlv.type} (number {number})"
            try:
                self._tlv(node, tlv, place)
            except WireError as error:
                self._problem(place, Kind.UNPARSABLE, str(error))

    def _tlv(self, node: Node, tlv: Tlv, place: str) -> None:
        if tlv.type in {reachability.IS_REACHABILITY, reachability.MT_IS_REACHABILITY}:
            mt_id = reachability.topology(tlv)[0]
            for entry in reachability.neighbors(tlv):
                self._links[node].append(self._link(node, mt_id, entry, place))
        elif tlv.type in reachability.PREFIXES and not node[1]:
            mt_id = reachability.topology(tlv)[0]
            for prefix in reachability.prefixes(tlv):
                self._prefix(system_text(node[0]), mt_id, prefix, f"{place}, {prefix.network}")
        elif tlv.type == reachability.HOSTNAME and not node[1]:
            self._names[system_text(node[0])] = reachability.hostname(tlv)

    def _link(self, node: Node, mt_id: int, entry: reachability.IsNeighbor, place: str) -> _Link:
        to = entry.neighbor[:6], entry.neighbor[6]
        known: dict[str, IPv4Address | IPv6Address] = {}
        try:
            for _at, tlv in read_short(entry.sub):
                octets, whose = _ADDRESSES.get(tlv.type, (0, ""))
                if octets and len(tlv.value) == octets:
                    address = IPv4Address if octets == 4 else IPv6Address
                    known.setdefault(whose, address(tlv.value))
        except WireError as error:
            told = f"{place}, neighbor {system_text(to[0])}.{to[1]:02x}"
            self._problem(told, Kind.UNPARSABLE, str(error))
        metric = entry.metric
        if not metric and not node[1]:
            what = f"metric 0 to {system_text(to[0])}.{to[1]:02x} is counted as 1"
            self._problem(place, Kind.ZERO_METRIC, what)
            metric = 1
        same = sum(link.to == to and link.mt_id == mt_id for link in self._links[node])
        port = str(known.get("local", "")) or f"to {system_text(to[0])}.{to[1]:02x}" + (
            f" #{same + 1}" if same else ""
        )
        return _Link(mt_id, to, metric, port, known.get("remote"))

    def _prefix(self, router: str, mt_id: int, prefix: reachability.Prefix, place: str) -> None:
        moved = prefix.down or prefix.external
        infos: list[tuple[int, Tlv]] = []
        try:
            for number, (_at, tlv) in enumerate(read_short(prefix.sub), 1):
                if tlv.type == _PREFIX_ATTRIBUTES and tlv.value:
                    moved = moved or bool(tlv.value[0] & _EXTERNAL_OR_READVERTISED)
                elif tlv.type == bier_isis.SUB_TLV:
                    infos.append((number, tlv))
        except WireError as error:
            self._problem(place, Kind.UNPARSABLE, f"sub-TLVs: {error}")
        for number, tlv in infos:
            where = f"{place}, sub-TLV {tlv.type} (number {number})"
            try:
                info = bier_isis.parse(tlv.value, mt_id, self._base.codes)
            except WireError as error:
                self._problem(where, Kind.UNPARSABLE, str(error))
                continue
            self._advertisements.append(
                Advertisement(
                    router=router,
                    prefix=prefix.network,
                    info=info,
                    metric=prefix.metric,
                    redistributed=moved,
                    place=where,
                )
            )

    def _unique_names(self) -> dict[str, str]:
        times = Counter(self._names.values())
        twice = sorted(name for name, count in times.items() if name and count > 1)
        for name in twice:
            what = f"several routers call themselves {name}; they are shown by system ID"
            self._problem(f"isis {self._name}", Kind.NAME_TWICE, what)
        return {
            router: name if name and name not in twice else router
            for router, name in self._names.items()
        }

    def _ways(self) -> Iterable[Way]:
        unknown: dict[Node, str] = {}
        for node, links in self._links.items():
            if node[1]:
                continue
            source = system_text(node[0])
            for link in links:
                if link.to not in self._links:
                    unknown.setdefault(link.to, source)
                elif link.metric < MAX_METRIC:
                    for target in self._targets(node, link):
                        text = system_text(target)
                        yield Way(source, text, link.mt_id, link.metric, link.port, link.address)
        for (system, pseudonode), by in sorted(unknown.items()):
            what = f"{system_text(system)}.{pseudonode:02x}, a neighbor of {by}, "
            what += "has no LSP in the capture"
            self._problem(f"isis {self._name}", Kind.MISSING, what)

    def _targets(self, node: Node, link: _Link) -> Iterable[bytes]:
        """The routers at the other end of a link, where they list it too."""
        back = self._links[link.to]
        if not link.to[1]:
            if any(b.to == node and b.mt_id == link.mt_id for b in back):
                yield link.to[0]
            return
        if not any(b.to == node for b in back):
            return
        for member in {b.to for b in back} - {node}:
            ends = self._links.get(member, [])
            if not member[1] and any(e.to == link.to and e.mt_id == link.mt_id for e in ends):
                yield member[0]
