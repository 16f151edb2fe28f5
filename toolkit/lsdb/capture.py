"""A capture file -> the databases in it: frames in, scopes and problems out.

IS-IS in LLC (ISO 8802-2: DSAP and SSAP 0xFE) in IEEE 802.3 frames, OSPFv2 in IPv4 (protocol 89),
both also behind VLAN tags; all that a capture holds is taken as one network.  Law: a frame of
anything else is passed over, a frame of ours that is malformed is a problem with its number;
nothing but a file that is no capture raises WireError.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from toolkit.bier.signalling import isis as bier_isis
from toolkit.bier.signalling import ospf as bier_ospf
from toolkit.bier.signalling.codes import Codes
from toolkit.errors import WireError
from toolkit.inet import ip, pcap
from toolkit.inet.ethernet import EtherType
from toolkit.lsdb import lsp, ospf_packet
from toolkit.lsdb.isis import IsisDatabase
from toolkit.lsdb.ospf import OspfDatabase
from toolkit.lsdb.problem import Kind, LsdbProblem
from toolkit.lsdb.scope import Scope

_LLC_FOLLOWS: Final = frozenset({0, 0x8870})
"""An IEEE 802.3 length, or the EtherType for frames too long for one (IEEE 802.1AC)."""


@dataclass(frozen=True, slots=True)
class Databases:
    """All that a capture says."""

    scopes: tuple[Scope, ...]
    problems: tuple[LsdbProblem, ...]
    """Those of reading, in the order of the file."""
    frames: int
    """In the file."""
    used: int
    """Frames with an IS-IS or OSPF PDU."""


def read_databases(
    data: bytes, isis_non_mpls: int | None = None, ospf_non_mpls: int | None = None
) -> Databases:
    """Return the databases of a capture; WireError where the file is no capture.

    `isis_non_mpls`, `ospf_non_mpls`: the types of the non-MPLS encapsulation, where known.
    """
    capture = pcap.read(data)
    reader = _Reader(
        IsisDatabase(Codes(bier_isis.MPLS_ENCAPSULATION, isis_non_mpls)),
        OspfDatabase(Codes(bier_ospf.MPLS_ENCAPSULATION, ospf_non_mpls)),
    )
    for frame in capture.frames:
        reader.frame(frame)
    scopes = (*reader.isis.scopes(), *reader.ospf.scopes())
    problems = [*reader.problems, *reader.isis.problems, *reader.ospf.problems]
    if capture.damage:
        what = f"{capture.damage}; {len(capture.frames)} frames before that are read"
        problems.append(LsdbProblem("the file", Kind.DAMAGED_CAPTURE, what))
    for link_type, count in sorted(reader.foreign.items()):
        what = (
            f"{count} frames of link type {link_type}; Ethernet, raw IP and Linux cooked are read"
        )
        problems.append(LsdbProblem("the file", Kind.NOT_UNDERSTOOD, what))
    return Databases(scopes, tuple(dict.fromkeys(problems)), len(capture.frames), reader.used)


class _Reader:
    def __init__(self, isis: IsisDatabase, ospf: OspfDatabase) -> None:
        self.isis, self.ospf = isis, ospf
        self.problems: list[LsdbProblem] = []
        self.foreign: dict[int, int] = {}
        self.used = 0

    def frame(self, frame: pcap.Frame) -> None:
        if frame.link_type not in set(pcap.LinkType):
            self.foreign[frame.link_type] = self.foreign.get(frame.link_type, 0) + 1
            return
        try:
            payload = pcap.payload(frame)
        except WireError:
            return  # too short for an Ethernet header: nothing of ours
        data, place = payload.data, f"frame {frame.number}"
        try:
            if payload.ethertype == EtherType.IPV4:
                self._ipv4(data, frame, place)
            elif payload.ethertype in _LLC_FOLLOWS and data[:4] == lsp.LLC + bytes((lsp.NLPID,)):
                self.used += 1
                if not self._cut(frame, place):
                    self._isis(data[len(lsp.LLC) :], place)
        except WireError as error:
            self.problems.append(LsdbProblem(place, Kind.UNPARSABLE, str(error)))

    def _cut(self, frame: pcap.Frame, place: str) -> bool:
        if frame.cut:
            what = f"the capture kept {len(frame.data)} of {frame.length} octets; it is not used"
            self.problems.append(LsdbProblem(place, Kind.CUT, what))
        return frame.cut

    def _isis(self, data: bytes, place: str) -> None:
        pdu = lsp.parse(data)
        if isinstance(pdu, lsp.ReceivedLsp):
            self.isis.add(pdu, place)
        elif pdu is not None:
            self.isis.note(pdu, place)

    def _ipv4(self, data: bytes, frame: pcap.Frame, place: str) -> None:
        if len(data) < ip.IPV4_HEADER or data[9] != ospf_packet.PROTOCOL:
            return
        self.used += 1
        if self._cut(frame, place):
            return
        header, at = ip.parse(data)
        if header.fragment:
            what = "an IP fragment of an OSPF packet; it is not used"
            self.problems.append(LsdbProblem(place, Kind.CUT, what))
            return
        self.ospf.add(ospf_packet.parse(data[at : header.end]), place)
