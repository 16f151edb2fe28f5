"""What routers say about BIER in IS-IS (RFC 8401) and OSPFv2 (RFC 8444), and how others take it.

Pure.  Parsers raise WireError on octets that a peer may not send; what is well formed but must be
ignored is a value, and `acceptance` says why it is ignored.
"""
