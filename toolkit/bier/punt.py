"""What the engine hands to the control plane: OAM packets that are ours or go no further.

draft-ietf-bier-ping-23 section 4.1: a BFR that is one of the BFERs, or where the TTL has expired.
Law: one packet is handed over once at most, with what the tables made of it at that moment: a
responder that looked again could see other tables.  Pure.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from toolkit.bier.bift import BiftKey
from toolkit.bier.lookup import Decision, Table
from toolkit.bier.wire import Encapsulation, Proto

PROTO: Final = 0x3F << 16
"""Where Proto is in the third word of a header."""
OAM: Final = Proto.OAM << 16


class Punt(NamedTuple):
    """Answer this OAM message, or take it as the answer to one of ours."""

    key: BiftKey
    """What the BIFT-id that it came with stands for."""
    encapsulation: Encapsulation
    bfir_id: int
    entropy: int
    bits: int
    """The BitString as it came in."""
    decision: Decision
    expired: bool
    """Its TTL was 0 or 1: no copy has been sent."""
    payload: bytes
    """From the OAM header on."""


def punt(
    table: Table,
    third: int,
    second: int,
    bits: bytes,
    decision: Decision,
    payload: bytes,
    *,
    expired: bool,
) -> Punt:
    """Return the Punt of a packet with these words in its header."""
    return Punt(
        key=table.key,
        encapsulation=table.encapsulation,
        bfir_id=third & 0xFFFF,
        entropy=second & 0xFFFFF,
        bits=int.from_bytes(bits, "big"),
        decision=decision,
        expired=expired,
        payload=payload,
    )
