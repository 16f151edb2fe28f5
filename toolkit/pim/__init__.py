"""PIM-SM and SSM: RPF trees, (*,G) and (S,G) state, the MFIB and its engine (RFC 7761).  Pure."""
