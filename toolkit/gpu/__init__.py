"""Deliveries into a device's memory: verified blocks go from a pinned window into tensors there."""
