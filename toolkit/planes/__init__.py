"""From network state to forwarding planes: adjacencies, routes, BIRT and BIFT of every router.

Pure.  Everything here follows from what routers are configured to do and from what has failed.
"""
