"""Link state databases of a live network, read from a capture, and the BIRTs that follow from them.

Pure.  `capture` turns octets into databases and problems, `isis` and `ospf` turn a database into
flooding scopes (who is there, who reaches whom, who is a BFR), `birt` into what each BFR computes.
"""
