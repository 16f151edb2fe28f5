"""From network state to forwarding planes: adjacencies, routes and tables of every router.

Pure.  Everything here follows from what routers are configured to do and from what has failed.
"""
