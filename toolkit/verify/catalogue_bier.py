"""The kinds of findings about BIER tunnels and fast reroute.  Pure.  RFC 8279, RFC 5286."""

from __future__ import annotations

from toolkit.verify.findings import Severity
from toolkit.verify.kind import Kind

BIER_KINDS = (
    Kind("bier-tunnel-missing", Severity.ERROR,
         "Nothing carries BIER to the next BFR across routers that are no BFRs (RFC 8279 section "
         "6.9).",
         "Mend what the message names, use another kind of tunnel on the BFR before them, or lead "
         "the way over BFRs (links, metrics) where a platform has no tunnels"),
    Kind("bier-tunnel-broken", Severity.ERROR,
         "A tunnel that BIER crosses other routers in does not come to the next BFR.",
         "Mend the router that the message names: the route to the BFR-prefix, or segment routing "
         "on it; or use GRE or VXLAN, which need IP alone"),
    Kind("reroute-missing", Severity.WARNING,
         "A failure that a policy must survive loses packets until the IGP has converged, as no "
         "backup entry serves some GPU clouds.",
         "Add a link around what the evidence names, or leave the loss to the delivery's repairs"),
    Kind("reroute-partial", Severity.NOTE,
         "Fast reroute is on, and a failure that no policy speaks of loses packets until the IGP "
         "has converged.",
         "Nothing to do where repairs after a convergence are good enough"),
)  # fmt: skip
