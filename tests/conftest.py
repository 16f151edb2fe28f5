"""Properties are deterministic in `make test` and look further in `make soak`."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("quick", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("LLMSYNC_HYPOTHESIS", "quick"))
