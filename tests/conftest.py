"""Properties are deterministic in `make test` and look further in `make soak`."""

from __future__ import annotations

import os
import signal

import bier_counts
import pytest
import yang_sets
from hypothesis import settings

# Standard and vendor modules are beside the project, where they are at all.  A developer's own path
# stays what it is.
if not os.environ.get("LLMSYNC_YANG_PATH"):
    os.environ["LLMSYNC_YANG_PATH"] = os.pathsep.join(map(str, yang_sets.FOLDERS))

settings.register_profile("quick", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("LLMSYNC_HYPOTHESIS", "quick"))

# A shell starts background jobs with SIGINT ignored, and children inherit that: tests that
# interrupt a process would then wait for an end that never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many conformance vectors passed on which plane, and why others do not apply."""
    ended = [
        line
        for report in terminalreporter.getreports("passed")
        for _, text in report.sections
        for line in text.splitlines()
        if "FRR daemon ended" in line
    ]
    if ended:
        terminalreporter.section("FRR daemons that ended by themselves, and were started again")
        for line in ended:
            terminalreporter.line(line)
    lines = bier_counts.summary(terminalreporter.getreports("passed"))
    if lines:
        terminalreporter.section("BIER vectors")
        for line in lines:
            terminalreporter.line(line)
