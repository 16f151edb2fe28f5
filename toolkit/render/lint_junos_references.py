"""What refers to what in a Junos configuration.

Pure.  The models of junos-conf hold no leafref: the name of a policy that does not exist is as good
to them as any other.  `REFERENCES` says for each place that holds a name what it is the name of,
`REFERRED` where things of that kind are defined.  The router refuses some of these at commit
(policies), others it silently does not run (an interface that is not there).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.junos_values import address

Leaf = tuple[str, str]
"""Data path and value."""

INSTANCE: Final = "routing-instances/instance"
_MADE_BY_JUNOS: Final = ("lsi", "vt-", "mt-", "pe-", "pd-", "ip-", "gr-")
"""Logical interfaces that nobody has to configure begin so."""
_UNIT: Final = re.compile(
    r"/configuration/interfaces/interface\[name='(.*?)'\]/unit\[name='(.*?)'\]/"
)
_POLICY: Final = re.compile(r"[^\s()&|!]+")
"""Names in an expression such as `( a && !b )` (junos-common-types, policy-algebra)."""


@dataclass(frozen=True, slots=True)
class Kind:
    noun: str
    defined: tuple[str, ...]
    """Places of their names."""
    remedy: str


INTERFACE: Final = Kind("interface", (), "configure it, with this unit, in interfaces")
POLICY: Final = Kind(
    "policy-statement",
    ("policy-options/policy-statement/name",),
    "define it in policy-options",
)
PREFIX_LIST: Final = Kind(
    "prefix-list", ("policy-options/prefix-list/name",), "define it in policy-options"
)
ROUTE_FILTER_LIST: Final = Kind(
    "route-filter-list", ("policy-options/route-filter-list/name",), "define it in policy-options"
)
COMMUNITY: Final = Kind(
    "community", ("policy-options/community/name",), "define it in policy-options"
)
AS_PATH: Final = Kind("as-path", ("policy-options/as-path/name",), "define it in policy-options")
CONDITION: Final = Kind(
    "condition", ("policy-options/condition/name",), "define it in policy-options"
)
ROUTING_INSTANCE: Final = Kind(
    "routing instance", (f"{INSTANCE}/name",), "define it in routing-instances"
)
SSM_MAP: Final = Kind(
    "ssm-map", ("routing-options/multicast/ssm-map/name",), "define it in routing-options multicast"
)
RIB_GROUP: Final = Kind(
    "rib-group", ("routing-options/rib-groups/name",), "define it in routing-options rib-groups"
)
SUB_DOMAIN: Final = Kind(
    "BIER sub-domain", ("protocols/bier/sub-domain/name",), "define it in protocols bier"
)
ADVERTISED: Final = Kind(
    "IS-IS bier-sub-domain",
    ("protocols/isis/bier-sub-domain/name", "protocols/isis-instance/bier-sub-domain/name"),
    "add it to protocols isis: nobody learns of the sub-domain otherwise",
)
OWN_ADDRESS: Final = Kind(
    "address of an interface",
    (
        "interfaces/interface/unit/family/inet/address/name",
        "interfaces/interface/unit/family/inet6/address/name",
    ),
    "use an address of the loopback",
)
GROUP: Final = Kind("configuration group", ("groups/name",), "define it in groups")

_TERM: Final = ("policy-options/policy-statement", "policy-options/policy-statement/term")
_BGP: Final = ("protocols/bgp", "protocols/bgp/group", "protocols/bgp/group/neighbor")


def _each(prefixes: Iterable[str], *leaves: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{leaf}" for prefix in prefixes for leaf in leaves)


REFERENCES: Final[Mapping[Kind, tuple[str, ...]]] = {
    INTERFACE: (
        *_each(
            (f"protocols/{name}" for name in ("isis", "pim", "igmp", "mld", "mpls", "ldp", "rsvp")),
            "interface/name",
        ),
        *_each(("protocols/ospf", "protocols/ospf3"), "area/interface/name"),
        "protocols/pim/default-vpn-source/interface-name",
        "routing-options/multicast/interface/name",
        "routing-options/multicast/scope/interface",
        f"{INSTANCE}/interface/name",
    ),
    POLICY: (
        *_each(("protocols/isis", "protocols/ospf", "protocols/ospf3", *_BGP), "import", "export"),
        *_each(
            ("protocols/pim",),
            "import",
            "export",
            "spt-threshold/infinity",
            "interface/neighbor-policy",
            "interface/accept-join-always-from",
            "rp/rp-register-policy",
            "rp/dr-register-policy",
            "rp/bootstrap-import",
            "rp/bootstrap-export",
        ),
        *_each(
            ("protocols/igmp/interface", "protocols/mld/interface"),
            "group-policy",
            "ssm-map-policy",
            "oif-map",
        ),
        *_each(
            ("routing-options/multicast",),
            "scope-policy",
            "rpf-check-policy",
            "flow-map/policy",
            "ssm-map/policy",
        ),
        *_each(("routing-options",), "resolution/rib/import", "forwarding-table/export"),
        *_each(_TERM, "from/policy"),
        *_each((INSTANCE,), "vrf-import", "vrf-export"),
    ),
    PREFIX_LIST: (
        *_each(_TERM, "from/prefix-list/name", "from/prefix-list-filter/list_name"),
        "protocols/pim/rpf-selection/prefix-list/name",
    ),
    ROUTE_FILTER_LIST: _each(_TERM, "from/route-filter-list/name"),
    COMMUNITY: _each(_TERM, "from/community", "then/community/community-name"),
    AS_PATH: _each(_TERM, "from/as-path"),
    CONDITION: _each(_TERM, "from/condition"),
    ROUTING_INSTANCE: _each(_TERM, "from/instance"),
    SSM_MAP: ("protocols/igmp/interface/ssm-map", "protocols/mld/interface/ssm-map"),
    RIB_GROUP: (
        *_each(("protocols/isis", "protocols/pim"), "rib-group/inet", "rib-group/inet6"),
        *_each(("protocols/ospf", "protocols/ospf3"), "rib-groups/inet", "rib-groups/inet3"),
    ),
    SUB_DOMAIN: (
        "protocols/isis/bier-sub-domain/name",
        "protocols/isis-instance/bier-sub-domain/name",
        f"{INSTANCE}/provider-tunnel/bier/subdomain-id",
    ),
    ADVERTISED: ("protocols/bier/sub-domain/name",),
    OWN_ADDRESS: (
        "protocols/bier/sub-domain/bfr-prefix",
        "protocols/pim/rp/local/address",
        "protocols/pim/rp/local/family/inet/address",
        "protocols/pim/rp/local/family/inet6/address",
        *_each(_BGP, "local-address"),
    ),
}
"""Kind -> places that name one.  Those below protocols and routing-options hold in a routing
instance just as well."""

_EXEMPT: Final[Mapping[Kind, frozenset[str]]] = {ROUTING_INSTANCE: frozenset({"master"})}


class Leaves:
    """The leaves of a configuration, by the schema path of the place that they stand at."""

    def __init__(self, configuration: Branch) -> None:
        self._at: dict[str, list[Leaf]] = {}
        self._walk(configuration, "", "/configuration")

    def _walk(self, branch: Branch, place: str, path: str) -> None:
        for name, found in branch.members():
            way = f"{place}/{name}" if place else name
            key = found.text("name")
            here = f"{path}/{name}[name='{key}']" if key else f"{path}/{name}"
            if value := found.value:
                self._at.setdefault(way, []).append((here, value))
            else:
                self._walk(found, way, here)

    def __iter__(self) -> Iterator[tuple[str, Leaf]]:
        """Yield schema path and leaf."""
        return ((place, leaf) for place, found in self._at.items() for leaf in found)

    def at(self, place: str) -> Sequence[Leaf]:
        """Return the leaves at a schema path."""
        return self._at.get(place, ())

    def everywhere(self, place: str) -> Iterator[Leaf]:
        """Yield the leaves at a schema path, and at the same place of each routing instance."""
        yield from self.at(place)
        yield from self.at(f"{INSTANCE}/{place}")


def dangling(leaves: Leaves) -> Iterator[Remark]:
    """Yield a remark for every name of something that is not there."""
    for kind, places in REFERENCES.items():
        there = _units(leaves) if kind is INTERFACE else _defined(leaves, kind)
        for place in places:
            for path, value in leaves.everywhere(place):
                for name in named(kind, value):
                    if name not in there and name not in _EXEMPT.get(kind, ()):
                        yield _missing(kind, path, name)
    groups = _defined(leaves, GROUP) | {"junos-defaults"}
    for place, (path, name) in leaves:
        if place.rpartition("/")[2] == "apply-groups":
            yield (
                _inherited(path.rpartition("/")[0], name)
                if name in groups
                else _missing(GROUP, path, name)
            )


def _missing(kind: Kind, path: str, name: str) -> Remark:
    return Remark(
        path=path,
        what=f"there is no {kind.noun} {name}",
        remedy=kind.remedy,
        source="junos-conf 24.4 holds no leafref",
    )


def _inherited(path: str, group: str) -> Remark:
    return Remark(
        path=path,
        what=f"what group {group} adds here is not looked at",
        remedy="verify the router's own view: show configuration | display inheritance",
        source="junos-conf-root, groups",
        error=False,
    )


def _units(leaves: Leaves) -> frozenset[str]:
    """Return the logical interfaces, from data paths: a unit's own name has its device in it."""
    return frozenset(
        f"{found[1]}.{found[2]}"
        for path, _ in leaves.at("interfaces/interface/unit/name")
        if (found := _UNIT.match(path))
    )


def _defined(leaves: Leaves, kind: Kind) -> frozenset[str]:
    values = (value for place in kind.defined for _, value in leaves.at(place))
    return frozenset(value.partition("/")[0] if kind is OWN_ADDRESS else value for value in values)


def named(kind: Kind, value: str) -> Iterable[str]:
    """Return the names of things of `kind` in the value of a leaf."""
    if value.startswith(("<", "$")):
        return ()  # refused as such
    if kind is POLICY:
        return _POLICY.findall(value)
    if kind is INTERFACE:
        made = value == "all" or value.startswith(_MADE_BY_JUNOS) or address(value) is not None
        return () if made else (value if "." in value else f"{value}.0",)
    if kind is OWN_ADDRESS:
        return (value.partition("/")[0],)
    return (value,)
