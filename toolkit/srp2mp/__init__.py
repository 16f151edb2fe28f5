"""SR-P2MP: MPLS label stacks, replication segments and their engine (RFC 9524).  Pure."""
