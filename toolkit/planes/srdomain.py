"""What segment routing says throughout a network: whose node SIDs there are, which segments stand.

RFC 8402 section 3.1 (node SIDs), RFC 8660 section 2.5 (collisions), RFC 9524 section 2.  Law: what
is said twice differently is used by nobody, and a gap says so.  It follows from configurations
alone, failures do not change it.  Pure.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from ipaddress import ip_network

from toolkit.planes.interior import Protocol, circuit, identity, protocol_of
from toolkit.state.model import IpAddress, IpNetwork, NetworkState, ReplicationSegment, RouterState

InstanceKey = tuple[IpAddress, int, int]
"""<root, tree-id, instance-id>."""


class SrGapReason(StrEnum):
    """Why something that is configured is not in use."""

    NO_SEGMENT_ROUTING = "no-segment-routing"
    """There is a replication segment, and the router does no segment routing."""
    SID_OUTSIDE_SRLB = "sid-outside-srlb"
    SID_CLASH = "sid-clash"
    """Two replication segments of the router have one SID."""
    NODE_SID_CLASH = "node-sid-clash"
    """One index for two prefixes, or two for one."""
    NODE_SID_NOT_ADVERTISED = "node-sid-not-advertised"
    """The prefix is no address of an interface of the router in the IGP."""


@dataclass(frozen=True, slots=True)
class SrGap:
    router: str
    reason: SrGapReason
    number: int
    """The replication SID, or the index of the node SID."""
    key: InstanceKey | None = None
    """Of a replication segment."""
    prefix: IpNetwork | None = None
    """Of a node SID."""

    @property
    def clash(self) -> bool:
        return self.reason is SrGapReason.NODE_SID_CLASH


@cache
def host_prefix(address: IpAddress) -> IpNetwork:
    """Return the prefix that is this address alone."""
    return ip_network(address)


def advertised(router: RouterState, protocol: Protocol) -> frozenset[IpNetwork]:
    """Return the prefixes that the IGP on a router is told of."""
    if not identity(router, protocol):
        return frozenset()
    return frozenset(
        address.network
        for interface in router.interfaces.values()
        if interface.enabled and circuit(interface, protocol) is not None
        for address in interface.addresses
    )


class SrDomain:
    """Node SIDs and replication segments of all routers of a state."""

    def __init__(self, state: NetworkState) -> None:
        self.state = state
        self.gaps: list[SrGap] = []
        self.indices: dict[IpNetwork, int] = {}
        """Prefix -> its index, of node SIDs that are advertised and clash with none."""
        self.prefixes: dict[int, IpNetwork] = {}
        """Index -> its prefix."""
        self.holders: dict[IpNetwork, tuple[str, ...]] = {}
        """Host route -> routers that advertise it in the IGP."""
        self.edge_ports: frozenset[tuple[str, str]] = frozenset(
            (ours.node, ours.port)
            for cable in state.cables
            for ours, theirs in ((cable.a, cable.b), (cable.b, cable.a))
            if theirs.node in state.hosts
        )
        """(router, interface) with a host behind it."""
        protocol = protocol_of(state)
        self._told = {name: advertised(r, protocol) for name, r in state.routers.items()}
        self.configured: dict[InstanceKey, dict[str, ReplicationSegment]] = {}
        """Tree instance -> router -> its segment, whether or not it is installed."""
        self.installed: dict[str, dict[int, ReplicationSegment]] = {}
        """Router -> replication SID -> segment."""
        self._read_node_sids()
        self._read_segments()

    @cached_property
    def in_use(self) -> bool:
        """False: there is no segment routing at all."""
        return bool(self.installed) or any(r.sr for r in self.state.routers.values())

    def owner(self, address: IpAddress) -> str | None:
        """Return the router that advertises exactly this address; None: nobody, or two do."""
        holders = self.holders.get(host_prefix(address), ())
        return holders[0] if len(holders) == 1 else None

    def has(self, router: str, address: IpAddress) -> bool:
        """Say whether the IGP on a router advertises exactly this address."""
        return host_prefix(address) in self._told.get(router, ())

    def _read_node_sids(self) -> None:
        holders: defaultdict[IpNetwork, list[str]] = defaultdict(list)
        for name in sorted(self._told):
            for prefix in self._told[name]:
                if prefix.prefixlen == prefix.max_prefixlen:
                    holders[prefix].append(name)
        self.holders = {prefix: tuple(names) for prefix, names in holders.items()}
        said: defaultdict[IpNetwork, dict[str, int]] = defaultdict(dict)
        for name, router in self.state.routers.items():
            if router.sr is None:
                continue
            told = self._told[name]
            for sid in router.sr.node_sids:
                if sid.prefix in told:
                    said[sid.prefix][name] = sid.index
                else:
                    reason = SrGapReason.NODE_SID_NOT_ADVERTISED
                    self.gaps.append(SrGap(name, reason, sid.index, prefix=sid.prefix))
        by_index: defaultdict[int, set[IpNetwork]] = defaultdict(set)
        for prefix, sids in said.items():
            for index in sids.values():
                by_index[index].add(prefix)
        for prefix, sids in said.items():
            indices = set(sids.values())
            if len(indices) > 1 or len(by_index[min(indices)]) > 1:
                self.gaps += [
                    SrGap(name, SrGapReason.NODE_SID_CLASH, index, prefix=prefix)
                    for name, index in sorted(sids.items())
                ]
                continue
            (index,) = indices
            self.indices[prefix] = index
            self.prefixes[index] = prefix

    def _read_segments(self) -> None:
        for name, router in self.state.routers.items():
            by_sid: defaultdict[int, list[ReplicationSegment]] = defaultdict(list)
            for segment in router.replication_segments:
                key = segment.root, segment.tree_id, segment.instance_id
                self.configured.setdefault(key, {})[name] = segment
                by_sid[segment.sid].append(segment)
            for sid, segments in by_sid.items():
                reason = _refused(router, sid, len(segments))
                if reason is None:
                    self.installed.setdefault(name, {})[sid] = segments[0]
                else:
                    self.gaps += [
                        SrGap(name, reason, sid, key=(s.root, s.tree_id, s.instance_id))
                        for s in segments
                    ]


def _refused(router: RouterState, sid: int, count: int) -> SrGapReason | None:
    if router.sr is None:
        return SrGapReason.NO_SEGMENT_ROUTING
    if not router.sr.srlb.lower <= sid <= router.sr.srlb.upper:
        return SrGapReason.SID_OUTSIDE_SRLB
    return SrGapReason.SID_CLASH if count > 1 else None
