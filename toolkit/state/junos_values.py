"""Values of junos-conf.  Pure.

The models have nearly no types: addresses are strings, numbers are unions with the wildcards and
variables of groups.  Each of these functions says None, or the default, to what is no such value.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

from toolkit.state.branch import Branch
from toolkit.state.model import IpAddress, IpInterface, IpNetwork

_DIGITS: Final = re.compile(r"(\d+)")


def number(branch: Branch, *path: str, default: int = 0) -> int:
    """Return the number at `path`; `default` where there is none, or no number."""
    text = branch.text(*path)
    return int(text) if text.isdecimal() else default


def address(text: str) -> IpAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def interface_address(text: str) -> IpInterface | None:
    try:
        return ip_interface(text)
    except ValueError:
        return None


def network(text: str) -> IpNetwork | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def unit_name(text: str) -> str:
    """Return the plan's name of a logical interface: unit 0 goes by its device."""
    return text.removesuffix(".0")


def is_loopback(port: str) -> bool:
    return port.partition(".")[0] == "lo0"


def counting(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that counts: `et-0/0/2` comes before `et-0/0/10`."""
    parts = (part for part in _DIGITS.split(name) if part)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts)


def network_order(found: IpNetwork) -> tuple[int, int, int]:
    return found.version, int(found.network_address), found.prefixlen
