"""The values in the kernel program's maps, as octets; the structs of `bier.bpf.c`.  Pure.

Law: numbers are in the byte order of this machine, masks and addresses in that of the wire.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from toolkit.bier.frames import NodeReason
from toolkit.bier.reason import Reason

MASK: Final = 512
"""Octets of a mask: 4096 bits; shorter BitStrings use its beginning."""
HOPS: Final = 4096
"""Copies of one packet, at most."""
PORTS: Final = 1024
"""Interfaces that are counted one by one, at most."""
BOTTOM: Final = 0x100

COUNTERS: Final = (
    "received",
    "forwarded",
    "delivered",
    *(
        f"dropped-{reason}"
        for reason in (
            Reason.TRUNCATED,
            Reason.UNKNOWN_BIFT_ID,
            Reason.ENCAPSULATION,
            Reason.NOT_BOTTOM,
            Reason.NIBBLE,
            Reason.VERSION,
            Reason.BSL,
            Reason.TTL_EXPIRED,
            Reason.EDGE_INTERFACE,
            Reason.EMPTY,
            Reason.UNKNOWN_BIT,
            Reason.NULL_NEIGHBOR,
            Reason.NOT_PERMITTED,
            Reason.UNKNOWN_PROTO,
            Reason.UNKNOWN_BFIR,
            NodeReason.OTHER_VLAN,
            NodeReason.OTHER_DESTINATION,
            NodeReason.NO_MAC,
            NodeReason.MTU,
        )
    ),
    "not-sent",
    "handed-up",
)
"""In the order of `enum counter`.  `not-sent`: copies that an interface did not take; `handed-up`:
frames that were left to user space and are counted there."""

KEY: Final = Struct("=I")
WIDE_KEY: Final = Struct("=Q")
INTERFACE: Final = Struct("=IB6sBI")
CONFIG: Final = Struct("=QIIIIII")
BIFT: Final = Struct("=IBBH")
SLOT: Final = Struct("=II")
TABLE: Final = Struct("=II")
ROW: Final = Struct(f"=IIII6s6sI{MASK}s")
PORT: Final = Struct("=QQ")
"""Frames received and sent."""
COUNTS: Final = Struct(f"={len(COUNTERS)}Q")

HOP, LOCAL, NULL, HOP_WITHOUT_MAC = range(4)
EDGE, CORE = range(2)
NON_MPLS: Final = 1 << 31
"""Set in the key of a BIFT-id that is no label."""
NO_MAC: Final = bytes(6)


def row(
    kind: int,
    mask: bytes,
    *,
    ifindex: int = 0,
    bift_id: int = 0,
    mtu: int = 0,
    dst: bytes = NO_MAC,
    src: bytes = NO_MAC,
    port: int = 0,
) -> bytes:
    """Return one row of a table; `mask` as on the wire, `mtu` in octets after Ethernet."""
    return ROW.pack(kind, ifindex, bift_id << 12 | BOTTOM, mtu, dst, src, port, mask)
