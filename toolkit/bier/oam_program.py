"""The responder of a BFR that runs by a Program.

Give it every Punt that the engine of that program (`Program.engine`) returns:

    answer = responder.receive(punt, interface, now)

An IpReply is a whole IP packet for the host's own stack to route; a BierReply is to be imposed with
Proto 5 (`Engine.impose`); None is no answer.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.bier.birt import Neighbor
from toolkit.bier.oam_responder import Identity, Port, Responder
from toolkit.bier.oam_tlv import IpAddress
from toolkit.bier.program import Program


def responder_of(program: Program, ports: Mapping[str, Port] | None = None) -> Responder | None:
    """Return what answers echo requests; None where the program has no `oam`.

    `ports`: what the host says of its interfaces, for the Ingress Interface and downstream
    mappings.
    """
    known = program.oam
    if known is None:
        return None

    def initiator(sub_domain: int, _bsl: int, bfir_id: int) -> IpAddress | None:
        return known.bfers.get((sub_domain, bfir_id))

    def neighbor(sub_domain: int, to: Neighbor) -> IpAddress | None:
        return known.routers.get((sub_domain, to.router))

    identity = Identity(
        prefixes=known.own, bfr_ids=program.bfr_ids, initiator=initiator, neighbor=neighbor,
        ports={} if ports is None else ports,  # may be filled later
    )  # fmt: skip
    return Responder(identity, port=known.port)
