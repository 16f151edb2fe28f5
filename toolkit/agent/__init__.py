"""A receiver as one thing: what it is told, its session, its API, what it tells of itself."""
