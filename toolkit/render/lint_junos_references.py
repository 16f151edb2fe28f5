"""What refers to what in a Junos configuration.

Pure.  The models of junos-conf hold no leafref: the name of a policy that does not exist is as good
to them as any other.  `REFERENCES` says for each place that holds a name what it is the name of,
`REFERRED` where things of that kind are defined.  The router refuses some of these at commit
(policies), others it silently does not run (an interface that is not there).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
        *_each(("protocols/ospf", "protocols/ospf3"), "rib-groups/inet", "rib-groups/inet6"),
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


def leaves(branch: Branch, path: str, at: str = "/configuration") -> Iterator[Leaf]:
    """Yield data path and value of every leaf that `path`, a schema path, leads to."""
    name, _, rest = path.partition("/")
    for found in branch.all(name):
        key = found.text("name")
        here = f"{at}/{name}" + (f"[name='{key}']" if key else "")
        if rest:
            yield from leaves(found, rest, here)
        elif found.value:
            yield here, found.value


def everywhere(configuration: Branch, path: str) -> Iterator[Leaf]:
    """Yield the leaves at `path`, and at the same place of each routing instance."""
    yield from leaves(configuration, path)
    if path.startswith(("protocols/", "routing-options/")):
        yield from leaves(configuration, f"{INSTANCE}/{path}")


def dangling(configuration: Branch) -> Iterator[Remark]:
    """Yield a remark for every name of something that is not there."""
    for kind, places in REFERENCES.items():
        there = _units(configuration) if kind is INTERFACE else _defined(configuration, kind)
        for place in places:
            for path, value in everywhere(configuration, place):
                for name in _named(kind, value):
                    if name not in there and name not in _EXEMPT.get(kind, ()):
                        yield _missing(kind, path, name)
    groups = _defined(configuration, GROUP) | {"junos-defaults"}
    yield from _groups(configuration, "/configuration", groups)


def _missing(kind: Kind, path: str, name: str) -> Remark:
    return Remark(
        path=path,
        what=f"there is no {kind.noun} {name}",
        remedy=kind.remedy,
        source="junos-conf 24.4 holds no leafref",
    )


def _units(configuration: Branch) -> frozenset[str]:
    return frozenset(
        f"{device.text('name')}.{unit.text('name')}"
        for device in configuration.one("interfaces").all("interface")
        for unit in device.all("unit")
    )


def _defined(configuration: Branch, kind: Kind) -> frozenset[str]:
    values = (value for place in kind.defined for _, value in leaves(configuration, place))
    return (
        frozenset(v.partition("/")[0] for v in values) if kind is OWN_ADDRESS else frozenset(values)
    )


def _named(kind: Kind, value: str) -> Iterable[str]:
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


def _groups(branch: Branch, at: str, there: frozenset[str]) -> Iterator[Remark]:
    for name, found in branch.members():
        key = found.text("name")
        here = f"{at}/{name}" + (f"[name='{key}']" if key else "")
        if name != "apply-groups":
            yield from _groups(found, here, there)
        elif found.value not in there:
            yield _missing(GROUP, at, found.value)
        else:
            yield Remark(
                path=at,
                what=f"what group {found.value} adds here is not looked at",
                remedy="verify the router's own view: show configuration | display inheritance",
                source="junos-conf-root, groups",
                error=False,
            )
