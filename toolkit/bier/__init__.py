"""BIER: bit strings, wire format, forwarding tables, forwarding engine (RFC 8279, RFC 8296).

Pure.  `bitstring`, `wire` hold what is on the wire; `birt`, `bift` the tables; `engine` forwards;
`oam*` ping and trace (draft-ietf-bier-ping).
"""
