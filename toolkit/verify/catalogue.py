"""Every kind of finding there is: its stable id, severity, meaning and remedy.

Pure.  A finding is only ever made by `finding()`, which looks its id up here: an id that is not in
the catalogue cannot be reported, and docs/reference/findings.md is this table.
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.errors import Place
from toolkit.verify.catalogue_sr import SR_KINDS
from toolkit.verify.findings import Finding, Severity
from toolkit.verify.kind import Kind

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_KINDS = (
    # Delivery
    Kind("cloud-unreached", _ERROR,
         "A GPU cloud of a delivery does not get its packets.",
         "Mend what the message names; the other findings say where it is configured"),
    Kind("cloud-duplicate", _ERROR,
         "A GPU cloud gets every packet more than once.",
         "Give each BFER one BFR-id and each flow one egress interface per cloud"),
    Kind("cloud-unasked", _ERROR,
         "A host that did not ask for the delivery gets its packets.",
         "Remove its interface from the egress flow of its edge router"),
    Kind("forwarding-loop", _ERROR,
         "A packet returns to a router that it has been at with the same bits still set.",
         "Compare the metrics and BIFTs of the routers of the loop: they disagree about a path"),
    Kind("ttl-exceeded", _ERROR,
         "The path to a BFER has more BFR hops than the TTL allows (RFC 8296 section 2.1.1).",
         "Raise the TTL that is imposed, or shorten the path"),
    Kind("mtu-too-small", _ERROR,
         "A link of the tree cannot carry a packet of the delivery with its headers.",
         "Raise the MTU of the link, or make the delivery's payload smaller"),
    Kind("report-path-missing", _ERROR,
         "The source of a delivery does not hear a GPU cloud, so it never completes there.",
         "Mend what the message names: the cloud's gateway address, the source's prefix in IS-IS, "
         "or a link between them"),
    Kind("report-path-narrow", _WARNING,
         "A link of a GPU cloud's unicast path to the source does not fit its largest reports.",
         "Raise the MTU of the link: repairs after many losses, and large models, need it"),
    Kind("non-bfr-crossed", _NOTE,
         "BIER packets cross routers that are no BFRs in tunnels (RFC 8279 section 6.9).",
         "Nothing to do; packets to several BFERs beyond it are replicated before it, not on it"),
    Kind("overlay-missing", _ERROR,
         "An edge router has no overlay state for a delivery that starts or ends at it.",
         "Push the planned overlay flow to it"),
    Kind("egress-interface-hostless", _WARNING,
         "An egress flow of a delivery names an interface that leads to no host.",
         "Take the interface out of the flow; its copies of the packets are dropped"),
    Kind("host-imposition-refused", _ERROR,
         "The source imposes the BitString itself, but its edge router takes no BIER from it.",
         "Give the interface the role host-imposition, or plan `imposition: router`"),
    Kind("host-imposition-open", _WARNING,
         "An edge interface takes BIER from a host that is the source of no delivery.",
         "Remove the role host-imposition: any host behind it can send to every BFER"),
    # BIER
    Kind("bfr-id-collision", _ERROR,
         "Two BFRs of a sub-domain have the same BFR-id (RFC 8279 section 2).",
         "Give each its own BFR-id; the lock file says whose it is"),
    Kind("bfr-id-gap", _NOTE,
         "BFR-ids are not dense; every set that is begun is one more copy from the BFIR.",
         "Nothing to do unless a set holds few BFERs; a new lock file renumbers densely"),
    Kind("bfr-id-missing", _ERROR,
         "An edge router of a delivery has no BFR-id, so no bit stands for it.",
         "Configure its planned BFR-id"),
    Kind("bfr-prefix-duplicate", _ERROR,
         "Two BFRs of a sub-domain have the same BFR-prefix.",
         "The BFR-prefix is the router's own loopback: correct the wrong one"),
    Kind("bfr-prefix-not-advertised", _ERROR,
         "A BFR-prefix is not an address of an IS-IS interface of its router.",
         "Put it on the loopback interface and the loopback into IS-IS (passive)"),
    Kind("bfr-prefix-unreachable", _ERROR,
         "A BFR has no route to the BFR-prefix of a BFER that it must reach.",
         "Find the missing adjacency among the other findings"),
    Kind("sub-domain-mismatch", _ERROR,
         "Two BIER neighbors have no sub-domain in common that a delivery uses.",
         "Configure the delivery's sub-domain on both"),
    Kind("bsl-mismatch", _ERROR,
         "Two BIER neighbors share a sub-domain, but no BitString length (RFC 8279 section 6.10).",
         "Configure the delivery's BitString length on both"),
    Kind("encapsulation-mismatch", _ERROR,
         "Two BIER neighbors use different encapsulations for one sub-domain and BitString length.",
         "Use MPLS or non-MPLS on both"),
    Kind("bift-id-disagreement", _ERROR,
         "What a BFR sends is not what its neighbor understands by that BIFT-id.",
         "Make the BIFT-ids of both agree (non-MPLS BIFT-ids are the same on all routers)"),
    Kind("bift-id-overlap", _ERROR,
         "Blocks of BIFT-ids on one router overlap; others ignore its BIER (RFC 8401 section 6.2).",
         "Move one block; a block runs from its base to base + max-si"),
    Kind("set-missing", _ERROR,
         "A BFR has no BIFT for a set (SI) that is in use.",
         "Raise max-si on it"),
    Kind("bier-half-adjacency", _ERROR,
         "BIER is on at one end of a link between BFRs and not at the other.",
         "Put the other end's interface into BIER"),
    # SR-P2MP
    *SR_KINDS,
    # Underlay
    Kind("isis-half-adjacency", _ERROR,
         "A link forms no IS-IS adjacency because of its configuration.",
         "Configure both ends alike; the message says what stops it"),
    Kind("duplicate-system-id", _ERROR,
         "Two routers have the same IS-IS system-id.",
         "Give each its own system-id"),
    Kind("duplicate-address", _ERROR,
         "Two interfaces have the same IP address.",
         "Correct the wrong one"),
    Kind("mtu-mismatch", _WARNING,
         "The two ends of a link have different MTUs.",
         "Set both to the smaller one, or raise it; some IS-IS implementations form no adjacency"),
    # Configuration
    Kind("config-differs", _ERROR,
         "A router's configuration is not what the plan says.",
         "Push the plan, or change the inventory to what is wanted"),
    Kind("config-missing", _ERROR,
         "A router of the plan has no configuration.",
         "Render or fetch its configuration"),
    Kind("config-unknown", _WARNING,
         "There is a configuration of a router that is not in the plan.",
         "Add it to the inventory or take its file away"),
    # What if
    Kind("policy-broken", _ERROR,
         "A set of failures that a policy must survive cuts GPU clouds off.",
         "Add a link around the failing element, or relax the policy"),
    Kind("cloud-lost", _ERROR,
         "The failures given cut a GPU cloud off.",
         "It needs another path: see the reason"),
    # A run
    Kind("state-differs", _ERROR,
         "What a router shows over NETCONF is not what the laboratory counted.",
         "The router's state provider is at fault: report it"),
    # Batfish
    Kind("batfish-parse", _ERROR,
         "Batfish did not parse a projected configuration completely.",
         "The projection is ours: report it with the file named"),
    Kind("batfish-warning", _WARNING,
         "Batfish warned about a line of a projected configuration.",
         "Look at the line; the answers about this router may be incomplete"),
    Kind("batfish-undefined-reference", _ERROR,
         "A projected configuration refers to something that it does not define.",
         "The projection is ours: report it with the file named"),
    Kind("batfish-edge-missing", _ERROR,
         "Batfish sees no IS-IS adjacency where we do.",
         "Compare the two ends of the link; one of the models is wrong"),
    Kind("batfish-edge-unexpected", _ERROR,
         "Batfish sees an IS-IS adjacency where we do not.",
         "Compare the two ends of the link; one of the models is wrong"),
    Kind("batfish-route-missing", _ERROR,
         "Batfish computes no route to a BFR-prefix that we have one to.",
         "Look at Batfish's adjacencies on the way"),
    Kind("batfish-route-differs", _ERROR,
         "Batfish's next hops to a BFR-prefix are not ours.",
         "Compare the metrics on both paths; one of the models is wrong"),
    Kind("batfish-unreachable", _ERROR,
         "Batfish finds unicast packets to a source or between loopbacks that are not accepted.",
         "Follow the trace in the evidence; reports and tunnels go this way"),
    Kind("batfish-loop", _ERROR,
         "Batfish finds a unicast forwarding loop.",
         "Follow the trace in the evidence"),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.id: kind for kind in _KINDS}
"""Finding id -> its kind."""


def finding(
    kind_id: str,
    place: Place,
    message: str,
    *,
    evidence: Iterable[str] = (),
    remedy: str = "",
    subjects: Iterable[str] = (),
) -> Finding:
    """Return a finding of a kind in the catalogue; `remedy` replaces the kind's own."""
    kind = KINDS[kind_id]
    return Finding(
        id=kind.id,
        severity=kind.severity,
        place=place,
        message=message,
        evidence=tuple(evidence),
        remedy=remedy or kind.remedy,
        subjects=tuple(subjects),
    )
