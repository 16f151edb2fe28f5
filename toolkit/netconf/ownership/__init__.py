"""What on a router is ours to write, a table per platform.  All else there is left alone."""
