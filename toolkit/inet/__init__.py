"""Internet bytes: Ethernet, IPv4, IPv6, UDP, GRE; capture files of them.

Pure.  Parsers raise WireError on what an RFC forbids and nothing else; templates build many packets
of one flow from a header made once.
"""
