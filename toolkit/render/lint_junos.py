"""What junos-conf lets pass and a Junos router does not do.

Pure.  The models hold no `must`, no `when`, no `leafref` and hardly a type: this is all of them, as
far as our configurations go.  Sources are the modules of 24.4R1 and Juniper's pages of the named
statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from toolkit.render.lint_junos_needs import need_remarks
from toolkit.render.lint_junos_references import INSTANCE, Leaves, dangling
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
from toolkit.state.junos import DEFAULT_SETS, ETHERNET
from toolkit.state.junos_values import interface_address, network, number

BSL: Final = 256
MAX_BFR_ID: Final = 1024
MAX_SETS: Final = 16
DOCUMENTED_SETS: Final = 4
LABELS: Final = range(16, 1 << 20)
STATIC_LABELS: Final = range(1_000_000, 1 << 20)
LABEL_ROOM: Final = 12
"""Octets that Junos takes off the MTU of `family mpls` for three labels."""
_BIER: Final = "Juniper, statement bier (protocols)"
_MODULE: Final = "junos-conf-protocols@2024-01-01, bier"
_MPLS_BIER: Final = "RFC 8296 section 2.1"
_MVPN: Final = "Juniper, Configuring BIER MVPN"
_PLACEHOLDER: Final = re.compile(r"<.*>|\$.*", re.DOTALL)
_FREE_TEXT: Final = frozenset({"description", "groups", "apply-macro"})
_PREFIXES: Final = (
    "interfaces/interface/unit/family/inet/address/name",
    "interfaces/interface/unit/family/inet6/address/name",
    "protocols/bier/sub-domain/bfr-prefix",
    "protocols/pim/rp/static/address/name",
    "protocols/pim/rp/static/address/group-ranges/name",
    "protocols/bgp/group/local-address",
    "protocols/bgp/group/neighbor/name",
    "routing-options/router-id",
    "routing-options/multicast/ssm-groups",
    f"{INSTANCE}/provider-tunnel/pim-ssm/group-address",
)
"""Places of addresses and prefixes, which the models take for strings."""


def lint_junos(tree: Branch) -> Iterator[Remark]:
    """Yield what is wrong with a configuration, and what a person should know of it."""
    configuration = tree.one("configuration")
    leaves = Leaves(configuration)
    for look in (_placeholders, _addresses, dangling):
        yield from look(leaves)
    for check in (_bier, _labels, _isis, _mtus, _mvpn, need_remarks):
        yield from check(configuration)


def _placeholders(leaves: Leaves) -> Iterator[Remark]:
    """Wildcards and variables are values of every number, and mean something in groups only."""
    for place, (path, value) in leaves:
        if _PLACEHOLDER.fullmatch(value) and _FREE_TEXT.isdisjoint(place.split("/")):
            yield Remark(
                path=path,
                what=f"{value} stands for a value, outside of any group",
                remedy="write the value",
                source="junos-conf: unions with a string of pattern <.*>|$.*",
            )


def _addresses(leaves: Leaves) -> Iterator[Remark]:
    for place in _PREFIXES:
        for path, value in leaves.everywhere(place):
            text = value.partition("%")[0]
            if _PLACEHOLDER.fullmatch(value) or interface_address(text) or network(text):
                continue
            yield Remark(
                path=path,
                what=f"{value} is no IP address or prefix",
                remedy="write one",
                source="junos-common-types has strings for them",
            )


def _bier(configuration: Branch) -> Iterator[Remark]:
    bier = configuration.one("protocols", "bier")
    if not bier.has("sub-domain"):
        return
    if not configuration.has("forwarding-options", "bier"):
        yield Remark(
            path="/configuration/forwarding-options",
            what="BIER is configured, but line cards are not told to forward by it",
            remedy="add `bier` to forwarding-options",
            source="junos-conf-forwarding-options@2024-01-01, leaf bier",
        )
    for entry in bier.all("sub-domain"):
        at = f"/configuration/protocols/bier/sub-domain[name='{entry.text('name')}']"
        yield from _sub_domain(entry, at)
    yield from _unlabelled(configuration)


def _sub_domain(entry: Branch, at: str) -> Iterator[Remark]:
    encapsulation = entry.one("encapsulation")
    sets = number(encapsulation, "number-sets", default=DEFAULT_SETS)
    bsl = number(encapsulation, "bitstringlen", default=BSL)
    bfr_id = number(entry, "bfr-id", default=1)
    base = number(encapsulation, "static-base-label", default=STATIC_LABELS.start)
    below = f"{at}/encapsulation"
    if not entry.has("bfr-prefix"):
        yield Remark(
            path=at, what="has no BFR-prefix", remedy="add bfr-prefix, a loopback", source=_BIER
        )
    if not encapsulation.has("mpls"):
        what = "has no encapsulation, and Junos knows MPLS only"
        yield Remark(path=at, what=what, remedy="add encapsulation mpls", source=_BIER)
    if bsl != BSL:
        what = f"{bsl} bits are no BitString of Junos"
        yield Remark(path=f"{below}/bitstringlen", what=what, remedy=f"use {BSL}", source=_MODULE)
    if not 1 <= bfr_id <= MAX_BFR_ID:
        what = f"{bfr_id} is no BFR-id of Junos"
        remedy = f"use 1 to {MAX_BFR_ID}"
        yield Remark(path=f"{at}/bfr-id", what=what, remedy=remedy, source=_MODULE)
    elif bfr_id > sets * BSL:
        what = f"BFR-id {bfr_id} is in none of {sets} sets of {BSL}"
        remedy = f"raise number-sets to {-(-bfr_id // BSL)}"
        yield Remark(path=f"{at}/bfr-id", what=what, remedy=remedy, source="RFC 8279 section 3")
    if not 1 <= sets <= MAX_SETS:
        what, remedy = f"{sets} sets are not possible", f"use 1 to {MAX_SETS}"
        yield Remark(path=f"{below}/number-sets", what=what, remedy=remedy, source=_MODULE)
    elif sets > DOCUMENTED_SETS:
        what = f"{sets} sets are more than BFR-ids up to {MAX_BFR_ID} need"
        remedy = f"use 1 to {DOCUMENTED_SETS}"
        yield Remark(
            path=f"{below}/number-sets", what=what, remedy=remedy, source=_BIER, error=False
        )
    if base not in LABELS or base + sets - 1 not in LABELS:
        what = f"labels {base} to {base + sets - 1} are not all between 16 and {LABELS.stop - 1}"
        yield Remark(
            path=f"{below}/static-base-label", what=what, remedy="move the block", source=_MODULE
        )


def _unlabelled(configuration: Branch) -> Iterator[Remark]:
    """BIER goes wherever IS-IS has neighbors; without `family mpls` it is dropped there."""
    families = {
        f"{device.text('name')}.{unit.text('name')}": unit.one("family")
        for device in configuration.one("interfaces").all("interface")
        for unit in device.all("unit")
    }
    for entry in configuration.one("protocols", "isis").all("interface"):
        name = entry.text("name")
        unit = name if "." in name else f"{name}.0"
        if entry.has("passive") or entry.has("disable") or unit.startswith("lo0."):
            continue
        if unit in families and not families[unit].has("mpls"):
            yield Remark(
                path=f"/configuration/protocols/isis/interface[name='{name}']",
                what="IS-IS leads BIER over this interface, which takes no labelled packets",
                remedy=f"add family mpls to {unit}",
                source=_MPLS_BIER,
                error=False,
            )


def _labels(configuration: Branch) -> Iterator[Remark]:
    """Blocks of labels must not meet (RFC 8401 section 6.2); static ones have a range."""
    blocks = sorted(_blocks(configuration), key=lambda block: (block[0].start, block[0].stop))
    for (one, where), (other, there) in pairwise(blocks):
        if other.start < one.stop:
            what = f"labels from {other.start} are also those of {where}"
            yield Remark(
                path=there, what=what, remedy="move one block", source="RFC 8401 section 6.2"
            )
    if configuration.has("protocols", "mpls", "label-range", "static-label-range"):
        return
    for block, where in blocks:
        if "srgb" not in where and (block.start < STATIC_LABELS.start):
            yield Remark(
                path=where,
                what=f"label {block.start} may be handed out to something else first",
                remedy=f"use labels from {STATIC_LABELS.start}, or set mpls label-range",
                source="Juniper, show mpls label usage: dynamic 16-999999, static above",
                error=False,
            )


def _blocks(configuration: Branch) -> Iterator[tuple[range, str]]:
    for entry in configuration.one("protocols", "bier").all("sub-domain"):
        base = number(entry, "encapsulation", "static-base-label")
        sets = number(entry, "encapsulation", "number-sets", default=DEFAULT_SETS)
        if base:
            at = f"/configuration/protocols/bier/sub-domain[name='{entry.text('name')}']"
            yield range(base, base + sets), f"{at}/encapsulation/static-base-label"
    for protocol in ("isis", "ospf", "ospf3"):
        srgb = configuration.one("protocols", protocol, "source-packet-routing", "srgb")
        start, size = number(srgb, "start-label"), number(srgb, "index-range")
        if start and size:
            at = f"/configuration/protocols/{protocol}/source-packet-routing/srgb"
            yield range(start, start + size), at
    for instance in configuration.one("routing-instances").all("instance"):
        label = number(instance, "vrf-table-label", "static")
        if label:
            at = f"/configuration/{INSTANCE}[name='{instance.text('name')}']"
            yield range(label, label + 1), f"{at}/vrf-table-label/static"


def _isis(configuration: Branch) -> Iterator[Remark]:
    isis = configuration.one("protocols", "isis")
    if not isis.has("interface") or isis.has("net"):
        return
    families = [
        unit.one("family", "iso")
        for device in configuration.one("interfaces").all("interface")
        for unit in device.all("unit")
    ]
    if not any(family.has("address") for family in families):
        yield Remark(
            path="/configuration/protocols/isis",
            what="IS-IS has no NET, so it does not start",
            remedy="give the loopback an address of family iso",
            source="ISO 10589 section 7.1",
        )


def _mtus(configuration: Branch) -> Iterator[Remark]:
    """The media MTU has room for the header and the family's packets, or the commit fails."""
    for device in configuration.one("interfaces").all("interface"):
        media = number(device, "mtu")
        for unit in device.all("unit"):
            family = unit.one("family")
            sizes = [(number(family, inet, "mtu"), inet) for inet in ("inet", "inet6")]
            size, inet = max(sizes)
            if not media or not size:
                continue
            unit_at = f"unit[name='{unit.text('name')}']/family/{inet}/mtu"
            at = f"/configuration/interfaces/interface[name='{device.text('name')}']/{unit_at}"
            if size + ETHERNET > media:
                yield Remark(
                    path=at,
                    what=f"packets of {size} octets and their header exceed the MTU of {media}",
                    remedy=f"raise the interface's mtu to {size + ETHERNET}",
                    source="Juniper, Setting the Protocol MTU",
                )
            elif family.has("mpls") and size + ETHERNET + LABEL_ROOM > media:
                yield Remark(
                    path=at,
                    what=f"labelled packets may have {media - ETHERNET - LABEL_ROOM} octets only",
                    remedy=f"raise the interface's mtu to {size + ETHERNET + LABEL_ROOM}",
                    source="Juniper, Media MTU Overview: MPLS MTU = MTU - overhead - 12",
                    error=False,
                )


def _mvpn(configuration: Branch) -> Iterator[Remark]:
    protocols, options = configuration.one("protocols"), configuration.one("routing-options")
    groups = list(protocols.one("bgp").all("group"))
    internal = [group for group in groups if group.text("type") == "internal"]
    if internal and not options.has("autonomous-system", "as-number"):
        yield Remark(
            path="/configuration/routing-options",
            what="BGP has internal neighbors and no AS number",
            remedy="add autonomous-system",
            source="RFC 4271 section 1.1",
        )
    for instance in configuration.one("routing-instances").all("instance"):
        if instance.has("protocols", "mvpn") and instance.text("instance-type") == "vrf":
            at = f"/configuration/{INSTANCE}[name='{instance.text('name')}']"
            yield from _instance(instance, at)
            if not any(_carries(group) for group in groups):
                yield Remark(
                    path=f"{at}/protocols/mvpn",
                    what="no BGP group carries MVPN routes: no other edge router learns of it",
                    remedy="add family inet-mvpn signaling to the group of the edge routers",
                    source="RFC 6514 section 4",
                    error=False,
                )
            yield from _unresolved(configuration, at)


def _carries(group: Branch) -> bool:
    own = [group, *group.all("neighbor")]
    return any(
        each.has("family", f"{inet}-mvpn", "signaling")
        for each in own
        for inet in ("inet", "inet6")
    )


def _instance(instance: Branch, at: str) -> Iterator[Remark]:
    for leaf, what in (
        (("route-distinguisher", "rd-type"), "has no route distinguisher"),
        (("provider-tunnel",), "has no provider tunnel: its multicast goes nowhere"),
    ):
        found = instance.one(*leaf)
        if not found.value and not any(found.members()):
            yield Remark(path=at, what=what, remedy=f"add {leaf[0]}", source="RFC 6514 section 5")
    if not instance.has("vrf-target") and not instance.has("vrf-import"):
        what, remedy = "imports no routes", "add vrf-target"
        yield Remark(path=at, what=what, remedy=remedy, source="RFC 4364 section 4.3.1")
    bier = instance.one("provider-tunnel", "bier")
    label = bier.text("label")
    if bier and label != (instance.text("vrf-table-label", "static") or "none"):
        yield Remark(
            path=f"{at}/provider-tunnel/bier/label",
            what=f"label {label or '(none)'} is not that of vrf-table-label",
            remedy="use one number for label and vrf-table-label static, above 999999",
            source=_MVPN,
        )


def _unresolved(configuration: Branch, at: str) -> Iterator[Remark]:
    """VPN routes are used where inet.3 leads to their next hop: it takes a label protocol."""
    protocols = configuration.one("protocols")
    labelled = any(
        protocols.has(name, "source-packet-routing") for name in ("isis", "ospf", "ospf3")
    )
    signalled = any(protocols.has(name, "interface") for name in ("ldp", "rsvp"))
    options = configuration.one("routing-options")
    tunnels = options.has("dynamic-tunnels", "dynamic-tunnel") or options.has("resolution", "rib")
    if not (labelled or signalled or tunnels):
        yield Remark(
            path=at,
            what="routes of other edge routers stay hidden: nothing labels packets to them",
            remedy="run segment routing or LDP in the core, or add dynamic-tunnels",
            source="RFC 4364 section 5",
            error=False,
        )
