"""The whole table."""

from __future__ import annotations

from netconf_cases import reading, sessions, writing

CASES = (*reading.CASES, *writing.CASES, *sessions.CASES)
