"""One window of a host for several agents: the stream is received once, each device copies."""
