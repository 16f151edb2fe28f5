"""What the IETF's modules let pass: numbers without ranges, names that refer to nothing, and things
that are said twice and have to agree.  Pure.

ietf-bier of 2020-09-08 has no range and no `must` at all; a policy of RFC 9128 is a plain string.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Final

from toolkit.render.lint_ietf_needs import need_remarks
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch, identity
from toolkit.state.ietf_acl import lists

_BIER: Final = "/ietf-routing:routing/ietf-bier:bier"
_PIM: Final = "/ietf-routing:routing/control-plane-protocols/ietf-pim-base:pim"
_IGMP: Final = (
    "/ietf-routing:routing/control-plane-protocols/control-plane-protocol"
    "/ietf-igmp-mld:igmp/interfaces/interface"
)
_SR: Final = "/ietf-routing:routing/ietf-segment-routing:segment-routing"
_BSLS: Final = (64, 128, 256, 512, 1024, 2048, 4096)
_LABELS: Final = 2**20
"""Labels and BIFT-ids are 20 bits."""
_BINDINGS: Final = {"isis": "bier-isis-cfg", "ospf": "bier-ospf-cfg"}


def lint_ietf(top: Branch) -> Iterator[Remark]:
    """Yield what is wrong with, or notable in, a configuration of the IETF's modules."""
    routing = top.one("routing")
    for entry in routing.one("bier").all("sub-domain"):
        path = f"{_BIER}/sub-domain[sub-domain-id='{entry.text('sub-domain-id')}']"
        yield from _numbers(entry, path)
        yield from _encapsulations(entry, path)
        yield from _prefix(top, entry, path)
        yield from _underlay(routing, entry, path)
    yield from _one_family(routing)
    yield from _blocks(routing)
    yield from _policies(top)
    yield from _segment_routing(top)
    yield from _flows(top)
    yield from _vpn(top)
    yield from _groups(top)
    yield from need_remarks(top)


def _range(
    entry: Branch, leaf: str, path: str, low: int, high: int, source: str
) -> Iterator[Remark]:
    text = entry.text(leaf)
    if text and not low <= int(text) <= high:
        what = f"{text} is out of range"
        yield Remark(path=f"{path}/{leaf}", what=what, remedy=f"{low}..{high}", source=source)


def _numbers(entry: Branch, path: str) -> Iterator[Remark]:
    yield from _range(entry, "sub-domain-id", path, 0, 255, "RFC 8279 section 1")
    yield from _range(entry, "bfr-id", path, 1, 65535, "RFC 8279 section 2")
    yield from _range(entry, "mt-id", path, 0, 4095, "RFC 8401 section 5.2")


def _encapsulations(entry: Branch, path: str) -> Iterator[Remark]:
    length = entry.text("bsl").removesuffix("-bit")
    bfr_id = entry.number("bfr-id")
    lengths = [bound.text("bsl") for bound in entry.all("encapsulation")]
    if length and lengths and length not in lengths:
        yield Remark(
            path=f"{path}/bsl",
            what=f"{length} bits, and no encapsulation has them: there are {', '.join(lengths)}",
            remedy="say the same length in both",
            source="ietf-bier, bsl is an enumeration here and a number there",
        )
    for bound in entry.all("encapsulation"):
        bsl, where = bound.number("bsl"), f"{path}/encapsulation[bsl='{bound.text('bsl')}']"
        if bsl not in _BSLS:
            yield Remark(
                path=f"{where}/bsl",
                what=f"{bsl} is no BitString length",
                remedy=", ".join(map(str, _BSLS)),
                source="RFC 8296 section 2.1.2",
            )
            continue
        yield from _range(bound, "max-si", where, 0, 255, "RFC 8279 section 1")
        mpls = identity(bound.text("encapsulation-type")) == "bier-encapsulation-mpls"
        last = _LABELS - 1 - bound.number("max-si")
        source = "RFC 8296 section 2.1.1.1; RFC 3032 section 2.1" if mpls else "RFC 8296 section 2"
        yield from _range(bound, "bift-id-base", where, 16 if mpls else 0, last, source)
        if bfr_id and (bfr_id - 1) // bsl > bound.number("max-si"):
            yield Remark(
                path=f"{where}/max-si",
                what=f"BFR-id {bfr_id} is in set {(bfr_id - 1) // bsl}, the last set is "
                f"{bound.number('max-si')}",
                remedy="raise max-si",
                source="RFC 8279 section 3",
            )


def _prefix(top: Branch, entry: Branch, path: str) -> Iterator[Remark]:
    text = entry.text("bfr-prefix")
    if not text:
        yield Remark(
            path=path,
            what="there is no bfr-prefix",
            remedy="give it the loopback",
            source="RFC 8279 section 2",
        )
        return
    prefix = ip_network(text)
    own = {
        ip_address(address.text("ip"))
        for interface in top.one("interfaces").all("interface")
        for family in ("ipv4", "ipv6")
        for address in interface.one(family).all("address")
    }
    if prefix.num_addresses > 1:
        what, remedy = f"{text} is no host route", "a /32, with IPv6 a /128"
    elif prefix.network_address not in own:
        what, remedy = f"{text} is no address of an interface", "use the loopback's"
    elif entry.text("address-family") and not identity(entry.text("address-family")).endswith(
        str(prefix.version)
    ):
        what, remedy = f"{text} is not of the address family of the sub-domain", "say the same"
    else:
        return
    yield Remark(path=f"{path}/bfr-prefix", what=what, remedy=remedy, source="RFC 8279 section 2")


def _underlay(routing: Branch, entry: Branch, path: str) -> Iterator[Remark]:
    """A sub-domain is bound to one topology of one IGP, which has to carry BIER."""
    underlay = entry.text("underlay-protocol-type")
    if underlay not in _BINDINGS:
        return
    protocols = routing.one("control-plane-protocols").all("control-plane-protocol")
    bindings = [p.one(underlay, _BINDINGS[underlay]) for p in protocols if p.has(underlay)]
    if not any(binding.flag("bier", "enable") for binding in bindings):
        yield Remark(
            path=f"{path}/underlay-protocol-type",
            what=f"{underlay} carries no BIER here",
            remedy=f"enable it in {_BINDINGS[underlay]}",
            source="RFC 8401, RFC 8444",
        )
        return
    topologies = {binding.number("mt-id") for binding in bindings}
    if entry.number("mt-id") not in topologies:
        yield Remark(
            path=f"{path}/mt-id",
            what=f"topology {entry.number('mt-id')}, and {underlay} advertises BIER in "
            f"{', '.join(map(str, sorted(topologies)))}",
            remedy="say the same",
            source="RFC 8401 section 5.2",
        )
    if underlay == "ospf" and identity(entry.text("address-family")) == "ipv6":
        yield Remark(
            path=f"{path}/underlay-protocol-type",
            what="BIER in OSPFv3 is a draft",
            remedy="IS-IS has it for IPv6",
            source="draft-ietf-bier-ospfv3-extensions",
            error=False,
        )


def _one_family(routing: Branch) -> Iterator[Remark]:
    seen: set[str] = set()
    for entry in routing.one("bier").all("sub-domain"):
        number = entry.text("sub-domain-id")
        if number in seen:
            yield Remark(
                path=f"{_BIER}/sub-domain[sub-domain-id='{number}']",
                what="a sub-domain has BFR-prefixes of one address family",
                remedy="give each family a sub-domain of its own",
                source="RFC 8279 section 2",
            )
        seen.add(number)


def _blocks(routing: Branch) -> Iterator[Remark]:
    """Labels have one meaning: BIER's blocks, the SRGB and the SRLB keep apart."""
    found: list[tuple[int, int, str, str]] = []
    for entry in routing.one("bier").all("sub-domain"):
        for bound in entry.all("encapsulation"):
            if identity(bound.text("encapsulation-type")) == "bier-encapsulation-mpls":
                base, number = bound.number("bift-id-base"), entry.text("sub-domain-id")
                path = f"{_BIER}/sub-domain[sub-domain-id='{number}']"
                words = f"the labels of sub-domain {number}, {bound.text('bsl')} bits"
                found.append((base, base + bound.number("max-si"), words, path))
    mpls = routing.one("segment-routing", "sr-mpls")
    for name in ("srgb", "srlb"):
        for block in mpls.one(name).all(name):
            bounds = block.number("lower-bound"), block.number("upper-bound")
            path = f"{_SR}/ietf-segment-routing-mpls:sr-mpls/{name}"
            if bounds[0] > bounds[1] or bounds[0] < 16 or bounds[1] >= _LABELS:
                yield Remark(
                    path=path,
                    what=f"{bounds[0]} to {bounds[1]} is no block of labels",
                    remedy=f"16..{_LABELS - 1}, the lower bound first",
                    source="RFC 3032 section 2.1, RFC 8660 section 2",
                )
            found.append((*bounds, f"the {name.upper()}", path))
    for first, second in pairwise(sorted(found)):
        if second[0] <= first[1]:
            yield Remark(
                path=second[3],
                what=f"{second[2]} ({second[0]} to {second[1]}) overlap {first[2]} "
                f"({first[0]} to {first[1]})",
                remedy="move one of them",
                source="RFC 8660 section 2, RFC 8401 section 6.2",
            )


def _policies(top: Branch) -> Iterator[Remark]:
    """Policies of PIM are names of nothing in particular; we write access lists of that name."""
    known = lists(top)
    for family in top.one("routing", "control-plane-protocols", "pim").all("address-family"):
        name = identity(family.text("address-family"))
        path = f"{_PIM}/address-family[address-family='{name}']"
        named = [
            (f"{path}/rp/static-rp/{name}-rp/sm/policy-name", rp.text("sm", "policy-name"))
            for rp in family.one("rp", "static-rp").all(f"{name}-rp")
        ]
        named.append((f"{path}/sm/ssm/range-policy", family.text("sm", "ssm", "range-policy")))
        for where, policy in named:
            if policy and policy not in known:
                yield Remark(
                    path=where,
                    what=f"{policy} is a name and no access list here has it: which groups it "
                    "means, the router alone knows",
                    remedy=f"write an access list {policy} whose destinations are the groups",
                    source="RFC 9128, policies are strings",
                    error=False,
                )


def _segment_routing(top: Branch) -> Iterator[Remark]:
    mpls = top.one("routing", "segment-routing", "sr-mpls")
    own = top.one("segment-routing")
    size = mpls.number("srgb", "srgb", "upper-bound") - mpls.number("srgb", "srgb", "lower-bound")
    for sid in mpls.one("bindings", "local-prefix-sid").all("local-prefix-sid"):
        if sid.text("value-type", default="index") == "index" and sid.number("start-sid") > size:
            yield Remark(
                path=f"{_SR}/ietf-segment-routing-mpls:sr-mpls/bindings",
                what=f"index {sid.number('start-sid')} of {sid.text('prefix')} is outside of the "
                "SRGB",
                remedy=f"0..{size}, or a larger SRGB",
                source="RFC 8660 section 2.4",
            )
    if not own:
        return
    for name in ("srgb", "srlb"):
        ours = own.number(name, "lower"), own.number(name, "upper")
        block = mpls.one(name, name)
        theirs = block.number("lower-bound"), block.number("upper-bound")
        if ours != theirs:
            yield Remark(
                path=f"/llmsync-sr:segment-routing/{name}",
                what=f"{ours[0]} to {ours[1]}, and ietf-segment-routing-mpls says {theirs[0]} to "
                f"{theirs[1]}",
                remedy="say the same in both",
                source="llmsync-sr repeats what RFC 9020 has",
            )


def _flows(top: Branch) -> Iterator[Remark]:
    """ietf-multicast names the BFERs of a flow, llmsync-overlay their bits: as many of each."""
    asked: dict[tuple[str, str], int] = {}
    for entry in top.one("multicast-service").all("multicast-flow"):
        for down in entry.all("downstream"):
            if identity(down.text("transport")) == "bier":
                flow = entry.text("source-address"), entry.text("group-address")
                asked[flow] = sum(1 for _ in down.all("neighbor"))
    imposed = {
        (entry.text("source"), entry.text("group")): sum(
            int(bound.text("bit-string"), 16).bit_count() for bound in entry.all("set")
        )
        for entry in top.one("overlay").all("ingress-flow")
    }
    for flow in sorted(asked.keys() | imposed.keys()):
        if asked.get(flow) != imposed.get(flow):
            bits, bfers = imposed.get(flow, 0), asked.get(flow, 0)
            yield Remark(
                path=f"/llmsync-overlay:overlay/ingress-flow[source='{flow[0]}'][group='{flow[1]}']",
                what=f"its BitStrings have {bits} bit{'s' if bits != 1 else ''}, and "
                f"ietf-multicast names {bfers} BFER{'s' if bfers != 1 else ''}",
                remedy="name each BFER once in both",
                source="ietf-multicast has no BitString",
            )


def _vpn(top: Branch) -> Iterator[Remark]:
    """Ports of a VPN are in a VRF: the core's routing must not have them as well."""
    protocols = top.one("routing", "control-plane-protocols")
    igps = [p.one("isis") or p.one("ospf") for p in protocols.all("control-plane-protocol")]
    lists = [igp.one("interfaces") for igp in igps]
    lists += [area.one("interfaces") for igp in igps for area in igp.one("areas").all("area")]
    lists.append(protocols.one("pim", "interfaces"))
    routed = {entry.text("name") for each in lists for entry in each.all("interface")}
    for instance in top.one("mvpn").all("instance"):
        for name in sorted(routed.intersection(instance.texts("interface"))):
            yield Remark(
                path=f"/llmsync-mvpn:mvpn/instance[name='{instance.text('name')}']/interface",
                what=f"{name} is in the core's routing as well",
                remedy="take it out of IS-IS, OSPF and PIM",
                source="RFC 6513 section 5.1",
            )


def _groups(top: Branch) -> Iterator[Remark]:
    """libyang 4.5 passes over the patterns of types derived from ipv4-address: we do not."""
    service, protocols = top.one("multicast-service"), top.one("routing", "control-plane-protocols")
    named = [
        (
            "/ietf-multicast:multicast-service/multicast-flow/group-address",
            entry.text("group-address"),
        )
        for entry in service.all("multicast-flow")
    ]
    named += [
        (f"{_IGMP}[interface-name='{port.text('interface-name')}']/static-group/group-addr", group)
        for entry in protocols.all("control-plane-protocol")
        for kind in ("igmp", "mld")
        for port in entry.one(kind, "interfaces").all("interface")
        for joined in port.all("static-group")
        if (group := joined.text("group-addr"))
    ]
    for path, group in named:
        if not ip_address(group).is_multicast:
            yield Remark(
                path=path,
                what=f"{group} is no group",
                remedy="224.0.0.0/4, with IPv6 ff00::/8",
                source="RFC 1112, RFC 4291",
            )
