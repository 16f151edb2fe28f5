"""The kinds of findings about BGP MVPN.  Pure.  RFC 6513, RFC 6514, RFC 8556, RFC 4456."""

from __future__ import annotations

from toolkit.verify.findings import Severity
from toolkit.verify.kind import Kind

_ERROR = Severity.ERROR

VPN_KINDS = (
    Kind("mvpn-session-half", _ERROR,
         "A BGP neighbor is not configured for the session from its side.",
         "Configure both ends as the plan says: each other's loopback, and one AS"),
    Kind("mvpn-session-unreachable", _ERROR,
         "No route leads to a BGP neighbor, or none back.",
         "Find the missing adjacency among the other findings, or correct the address"),
    Kind("mvpn-routes-unheard", _ERROR,
         "Two edge routers of a delivery do not hear each other's BGP routes.",
         "Give them a session, or a route reflector that both are clients of (RFC 4456)"),
    Kind("mvpn-route-target-mismatch", _ERROR,
         "Two edge routers of a delivery have different route targets, so neither imports the "
         "other's VPN routes.",
         "Configure the planned route target on both (RFC 4364 section 4.3)"),
    Kind("mvpn-tunnel-mismatch", _ERROR,
         "Two edge routers of a delivery have different tunnels for the VPN's multicast.",
         "Configure the planned tunnel type on both, and for BIER one sub-domain (RFC 6514 section "
         "5, RFC 8556)"),
    Kind("mvpn-interface-missing", _ERROR,
         "The interface of a host of a delivery is in no multicast VPN.",
         "Put the interface into the VRF"),
    Kind("mvpn-policy-missing", _ERROR,
         "The root of a delivery may not use its tree for the VPN.",
         "Name the P2MP policy in the VPN's provider tunnel at the root"),
)  # fmt: skip
