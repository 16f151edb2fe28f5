"""The kinds of findings about the IP underlay: the IGP, addresses, MTUs.

Pure.  ISO/IEC 10589, RFC 2328, RFC 5340.
"""

from __future__ import annotations

from toolkit.verify.findings import Severity
from toolkit.verify.kind import Kind

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

UNDERLAY_KINDS = (
    Kind("isis-half-adjacency", _ERROR,
         "A link forms no IS-IS adjacency because of its configuration.",
         "Configure both ends alike; the message says what stops it"),
    Kind("duplicate-system-id", _ERROR,
         "Two routers have the same IS-IS system-id.",
         "Give each its own system-id"),
    Kind("ospf-half-adjacency", _ERROR,
         "A link forms no OSPF adjacency because of its configuration.",
         "Configure both ends alike; the message says what stops it"),
    Kind("ospf-area-mismatch", _ERROR,
         "The two ends of a link are in different OSPF areas (RFC 2328 section 10.5).",
         "Put both ends into the planned area"),
    Kind("duplicate-router-id", _ERROR,
         "Two routers have the same OSPF router-id, so each takes the other's LSAs for its own.",
         "Give each its own router-id; the plan takes the loopback address"),
    Kind("ospf-several-areas", _WARNING,
         "OSPF interfaces are in several areas; routes were computed as if they were one.",
         "Use one area, or do not rely on what was found of paths through area border routers"),
    Kind("metric-differs", _WARNING,
         "The two ends of a link have different IGP metrics, so packets may go and come by "
         "different ways.",
         "Set the planned metric at both ends; PIM's reverse paths need it most"),
    Kind("second-igp", _WARNING,
         "A router runs another IGP beside the network's; its routes were left out of account.",
         "Take the other IGP off, or plan the network with it"),
    Kind("duplicate-address", _ERROR,
         "Two interfaces have the same IP address.",
         "Correct the wrong one"),
    Kind("mtu-mismatch", _WARNING,
         "The two ends of a link have different MTUs.",
         "Set both to the smaller one, or raise it; OSPF forms no adjacency over such a link, nor "
         "do some IS-IS implementations"),
)  # fmt: skip
