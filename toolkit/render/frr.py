"""A router's configuration in FRRouting's own words, through templates/<feature>/frr.j2.

The configuration is one by our modules, as it is pushed to the server before FRR; what it says is
read as network state first.  Names that would break out of a line are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any, Final

from toolkit.errors import Place, Problem, SchemaError
from toolkit.inventory.model import Platform
from toolkit.netconf.frr_text import MARK, ordered, parse, to_text
from toolkit.plan.platforms import PLATFORMS
from toolkit.render.text import render_text
from toolkit.state.branch import Branch
from toolkit.state.model import Interface, RouterState
from toolkit.state.readers import read_router

FEATURES: Final = ("interfaces", "isis", "ospf", "pim", "edge")
"""Features that FRR itself has lines for, in the order in which they are written."""


_SSM: Final = tuple(IPv6Network(f"ff3{scope:x}::/32") for scope in range(16))
"""RFC 4607 section 1; pim6d takes no other."""


def frr_text(device: str, tree: Mapping[str, Any], templates: Path | None = None) -> str:
    """Return FRR's configuration of the router `device`; a comment names each part's data path.

    Raises SchemaError for what FRR cannot be told, TemplateError where a template cannot be filled.
    """
    state = read_router(device, tree, Platform.FRR.value)
    return text_of_state(state, _descriptions(tree), templates)


def text_of_state(
    state: RouterState, descriptions: Mapping[str, str], templates: Path | None = None
) -> str:
    """Return FRR's configuration of a router with this state; `descriptions` of its interfaces."""
    if problems := list(_problems(state)):
        raise SchemaError(problems)
    variables = _variables(state, descriptions)
    pieces = [
        render_text(feature, Platform.FRR.value, variables, templates) for feature in FEATURES
    ]
    return to_text(ordered(parse("".join(pieces))))


def _variables(state: RouterState, descriptions: Mapping[str, str]) -> dict[str, object]:
    interfaces = tuple(state.interfaces.values())
    pim = [i for i in interfaces if i.pim]
    rps = {rp.address for rp in state.pim.rps} if state.pim is not None else set()
    return {
        "mark": MARK,
        "loopback": PLATFORMS[Platform.FRR].loopback,
        "state": state,
        "interfaces": interfaces,
        "descriptions": {
            # FRR's are one line, and never empty.
            name: " ".join(descriptions.get(name, "").split()) or name
            for name in state.interfaces
        },
        "families": families,
        "ospf_families": {f for i in interfaces if i.ospf is not None for f in families(i)},
        "pim_families": {family for i in pim for family in families(i)},
        "rp_interfaces": {
            i.name for i in interfaces if rps.intersection(address.ip for address in i.addresses)
        },
    }


def families(interface: Interface) -> tuple[int, ...]:
    """Return the address families of an interface."""
    return tuple(sorted({address.version for address in interface.addresses}))


def _descriptions(tree: Mapping[str, Any]) -> dict[str, str]:
    return {
        entry.text("name"): entry.text("description")
        for entry in Branch(tree).one("interfaces").all("interface")
    }


def _problems(state: RouterState) -> Iterator[Problem]:
    device, facts = state.name, PLATFORMS[Platform.FRR]
    for name, interface in state.interfaces.items():
        if not re.fullmatch(facts.port_pattern, name):
            at = f"/ietf-interfaces:interfaces/interface[name='{name}']"
            what = f"{name!r} is no name of a Linux interface"
            remedy = "name ports as `ip link` shows them: at most 15 letters, digits, '.', '-', '_'"
            yield Problem(Place(device, path=at), what, remedy)
        if interface.ttl_threshold:
            at = f"/llmsync-pim:pim/interface[name='{name}']/ttl-threshold"
            remedy = "leave it out, or bound groups at the next router"
            yield Problem(Place(device, path=at), "FRR has no TTL threshold", remedy)
    for held in state.pim.ssm_ranges if state.pim is not None else ():
        if held.version == 6 and not any(held.subnet_of(known) for known in _SSM):
            at = f"/llmsync-pim:pim/ssm-range[.='{held}']"
            what = f"FRR's source-specific groups of IPv6 are ff3x::/32, and {held} is not in it"
            yield Problem(Place(device, path=at), what, "leave it out of pim.ssm_ranges")
    if state.mvpns:
        what, remedy = "FRR's BGP carries no MVPN routes", "use the static overlay"
        yield Problem(Place(device, path="/llmsync-mvpn:mvpn"), what, remedy)
