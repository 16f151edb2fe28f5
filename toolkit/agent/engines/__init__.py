"""Inference engines that take their weights from a delivery: what their loaders have in common,
and a loader for each.  An engine's own package is imported by the module of its name alone."""
