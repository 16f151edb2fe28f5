"""Which frames of an interface a BFR wants, as a program that the kernel runs on each of them.

The classic BSD packet filter (Linux: Documentation/networking/filter.rst).  Law: what the filter
takes is what `toolkit.bier.node` can do something with; frames that we sent ourselves, and those
of another VLAN, never come up.  Pure: bytes for the socket option.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from toolkit.bier.program import Program
from toolkit.bier.tunnels import Tunnels
from toolkit.inet import gre, udp
from toolkit.inet.ethernet import EtherType

_INSTRUCTION: Final = Struct("=HBBI")
_LOAD_BYTE, _LOAD_HALF, _LOAD_WORD = 0x30, 0x28, 0x20
_AND, _EQUAL, _RETURN = 0x54, 0x15, 0x06
_AUXILIARY: Final = 0xFFFFF000
_PACKET_TYPE, _VLAN_TAG, _VLAN_PRESENT = _AUXILIARY + 4, _AUXILIARY + 44, _AUXILIARY + 48
_OUTGOING: Final = 4
_ALL: Final = 0x40000
EVERYTHING: Final = _INSTRUCTION.pack(_RETURN, 0, 0, _ALL)
"""A filter that takes every frame."""
BUT_BIER: Final = b"".join(
    (
        _INSTRUCTION.pack(_LOAD_HALF, 0, 0, 12),
        _INSTRUCTION.pack(_EQUAL, 2, 0, EtherType.MPLS),
        _INSTRUCTION.pack(_EQUAL, 1, 0, EtherType.BIER),
        _INSTRUCTION.pack(_RETURN, 0, 0, _ALL),
        _INSTRUCTION.pack(_RETURN, 0, 0, 0),
    )
)
"""A filter that takes every frame but BIER."""
TAKE, DROP, NEXT = "take", "drop", ""


class _Step(NamedTuple):
    code: int
    value: int
    yes: str = NEXT
    no: str = NEXT
    label: str = ""


class Wanted(NamedTuple):
    """What beside BIER itself comes up."""

    multicast: frozenset[int] = frozenset()
    """IP versions of the groups that we impose BIER on."""
    tunnels: frozenset[int] = frozenset()
    """IP versions of the tunnels that end here."""


def wanted(program: Program) -> Wanted:
    """Return what a program has to see."""
    families = Tunnels(program).families
    return Wanted(
        frozenset(flow.group.version for flow in program.ingress),
        frozenset(4 if octets == 4 else 6 for octets in families),
    )


def packet_filter(what: Wanted, *, bier: bool = True) -> bytes:
    """Return the filter's instructions, 8 octets each; `bier`: BIER itself comes up."""
    return b"".join(_assembled(list(_steps(what, bier=bier))))


def _steps(what: Wanted, *, bier: bool) -> Iterator[_Step]:
    yield _Step(_LOAD_BYTE, _PACKET_TYPE)
    yield _Step(_EQUAL, _OUTGOING, yes=DROP)
    yield _Step(_LOAD_BYTE, _VLAN_PRESENT)
    yield _Step(_EQUAL, 0, yes="ethertype")
    yield _Step(_LOAD_WORD, _VLAN_TAG)
    yield _Step(_AND, 0xFFF)
    yield _Step(_EQUAL, 0, no=DROP)
    yield _Step(_LOAD_HALF, 12, label="ethertype")
    if bier:
        yield _Step(_EQUAL, EtherType.MPLS, yes=TAKE)
        yield _Step(_EQUAL, EtherType.BIER, yes=TAKE)
    both = what.multicast | what.tunnels
    if 4 in both:
        yield _Step(_EQUAL, EtherType.IPV4, yes="4")
    if 6 in both:
        yield _Step(_EQUAL, EtherType.IPV6, yes="6")
    yield _Step(_RETURN, 0, label=DROP)
    yield _Step(_RETURN, _ALL, label=TAKE)
    for version, destination, mask, group, protocol in (
        (4, 30, 0xF0, 0xE0, 23),
        (6, 38, 0xFF, 0xFF, 20),
    ):
        if version not in both:
            continue
        yield _Step(_LOAD_BYTE, destination, label=str(version))
        yield _Step(_AND, mask)
        if version in what.multicast:
            yield _Step(_EQUAL, group, no=f"{version}-tunnel")
            yield _Step(_RETURN, _ALL)
        yield _Step(_LOAD_BYTE, protocol, label=f"{version}-tunnel")
        if version in what.tunnels:
            for number in (gre.PROTOCOL, udp.PROTOCOL):
                yield _Step(_EQUAL, number, no=f"{version}-not-{number}")
                yield _Step(_RETURN, _ALL)
                yield _Step(_LOAD_BYTE, protocol, label=f"{version}-not-{number}")
        yield _Step(_RETURN, 0)


def _assembled(steps: list[_Step]) -> Iterable[bytes]:
    """Labels become distances; all jumps go forward, and less than 256 instructions."""
    places = {step.label: number for number, step in enumerate(steps) if step.label}
    for number, (code, value, yes, no, _label) in enumerate(steps):
        ahead = [places[label] - number - 1 if label else 0 for label in (yes, no)]
        yield _INSTRUCTION.pack(code, *ahead, value)
