"""Graphs and shortest paths with equal-cost paths.

Pure.  Knows nodes, directed edges and metrics; not what a router is.
"""
