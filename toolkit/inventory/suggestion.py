"""`did you mean`: the known word that an author most likely had in mind.  Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SYNONYMS: dict[str, tuple[str, ...]] = {
    "bandwidth": ("capacity",),
    "bitstring_length": ("bsl",),
    "cisco": ("iosxr",),
    "cost": ("metric",),
    "destination": ("to", "b"),
    "destinations": ("to",),
    "devices": ("routers",),
    "dst": ("b", "to"),
    "edges": ("links",),
    "flows": ("deliveries",),
    "from": ("a",),
    "gpu_clouds": ("clouds",),
    "huawei": ("vrp",),
    "ip": ("loopback", "host"),
    "jobs": ("deliveries",),
    "juniper": ("junos",),
    "latency": ("delay",),
    "nodes": ("routers",),
    "nokia": ("sros",),
    "os": ("platform",),
    "receivers": ("to", "clouds"),
    "senders": ("repositories",),
    "site": ("region",),
    "sites": ("clouds",),
    "source": ("from", "a"),
    "sources": ("repositories",),
    "speed": ("capacity",),
    "src": ("a", "from"),
    "target": ("to", "b"),
    "to": ("b",),
    "user": ("username",),
    "vendor": ("platform",),
}
"""What other tools call the same thing; the first word that is known in its place is meant."""

_LIKENESS = 0.66
"""Of `difflib`: 1.0 is the same word."""
_LISTED = 16
"""A choice of more words than this is not spelled out."""


def closest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` most likely stands for; empty if none is near."""
    words = sorted(known)
    folded = word.casefold().replace("_", "-")
    for candidate in words:
        if candidate.casefold().replace("_", "-") == folded:
            return candidate
    for candidate in SYNONYMS.get(word.casefold(), ()):
        if candidate in words:
            return candidate
    near = difflib.get_close_matches(word, words, n=1, cutoff=_LIKENESS)
    return near[0] if near else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a remedy: `did you mean x?`, else the whole choice if it is short, else nothing."""
    words = sorted(known)
    if near := closest(word, words):
        return f"did you mean '{near}'?"
    return f"one of: {', '.join(words)}" if 0 < len(words) <= _LISTED else ""
