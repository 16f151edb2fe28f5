"""What a BIER data plane offers to the conformance suite, and what it answers.

Law: a plane is asked from outside alone: a program goes in, frames go in, and what leaves, what is
delivered and which drop counters rise is all that is looked at.  Pure: the values and the Protocol;
an implementation may touch the world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from toolkit.bier.program import Program


class Need(StrEnum):
    """What a vector needs of a plane.  Needs follow from its programs (`toolkit.bier.conformance.
    needs`), so that none can be forgotten; a plane names those that it lacks."""

    BSL_64 = "bsl-64"
    BSL_128 = "bsl-128"
    BSL_256 = "bsl-256"
    BSL_512 = "bsl-512"
    BSL_1024 = "bsl-1024"
    BSL_2048 = "bsl-2048"
    BSL_4096 = "bsl-4096"
    MPLS = "mpls"
    NON_MPLS = "non-mpls"
    ECMP = "ecmp"
    """Several BIFTs, of which entropy chooses one (RFC 8279 section 6.7.2)."""
    ECMP_ROWS = "ecmp-rows"
    """Rows with several entries, of which entropy chooses one (section 6.7.1)."""
    ROWS = "rows"
    """Tables with F-BMs given row by row: they may overlap, or lack the row's own bit."""
    BACKUP = "backup"
    """A failed interface, and the tables for it (draft-ietf-bier-frr)."""
    TUNNEL_GRE = "tunnel-gre"
    TUNNEL_VXLAN = "tunnel-vxlan"
    TUNNEL_SR_MPLS = "tunnel-sr-mpls"
    HOST_EDGE = "host-edge"
    """An interface behind which a host imposes BIER."""
    PERMITTED = "permitted"
    """A list of the bits that this host may address."""
    LOCAL = "local"
    """Packets for this BFR itself are handed to its flow overlay."""
    CONTEXT = "bfir-context"
    """The overlay has contexts for some BFIRs only."""
    IMPOSITION = "imposition"
    """BFIR: IP multicast comes in, BIER goes out."""
    PERMITTED_SOURCE = "permitted-source"
    """A list of the bits that the flows of a source may be sent to."""
    DISPOSITION = "disposition"
    """BFER: delivered IP multicast goes out of interfaces."""
    TO_HOST = "to-host"
    """BFER: delivered IP multicast goes to the host's own IP stack."""
    TERMINATION = "tunnel-termination"
    """BIER comes in through tunnels."""
    FANOUT_64 = "fanout-64"
    """More than 64 copies of one packet."""
    NEIGHBORS_256 = "neighbors-256"
    """More than 256 neighbors in one table."""
    FRAME_COUNTERS = "frame-counters"
    """Counters for frames that no BIER engine sees (`toolkit.bier.frames.NodeReason`)."""
    HASH = "hash"
    """The choice among ways is exactly that of `toolkit.bier.ecmp`: RFC 8279 leaves it open."""
    RELOAD = "reload"
    """A second program replaces the first one."""


class Delivered(NamedTuple):
    """A packet handed to the flow overlay, or to the host, without its BIER header."""

    proto: int
    bfir_id: int
    sub_domain: int
    payload: bytes


class Outcome(NamedTuple):
    """All that a frame caused."""

    out: list[tuple[str, bytes]]
    """(Interface, frame from the Ethernet header on), in any order."""
    delivered: list[Delivered]
    """In any order."""
    dropped: dict[str, int]
    """Drop counters that rose -> by how much.  Reasons as in `toolkit.bier.reason`."""
    host: Sequence[bytes] = ()
    """IP packets handed to this BFR's own IP stack (a disposition with `host`), in any order."""


class Plane(Protocol):
    """A data plane under test: one BFR."""

    @property
    def name(self) -> str:
        """`reference`, `socket`, `ebpf`, or whatever yours is called."""

    @property
    def lacks(self) -> Mapping[Need, str]:
        """What this plane does not do -> why.  Vectors that need it are not applicable."""

    def load(self, program: Program) -> None:
        """Forward by this program from now on; nothing has failed.  Counters may go on."""

    def fail(self, interface: str | None) -> bool:
        """Use the backups for a failed interface, or the normal tables (None).

        False where there is no backup for it.
        """

    def receive(self, interface: str, frame: bytes) -> Outcome:
        """Take one frame that came in by `interface`; return all that it caused."""
