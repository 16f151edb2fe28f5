"""Transports side by side on one network: state, the cost of events, traffic, completion times."""
