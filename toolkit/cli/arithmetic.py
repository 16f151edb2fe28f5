"""Says on the terminal when parity is computed the slow way, and why."""

from __future__ import annotations

from toolkit.cli.console import say


def announce_arithmetic() -> None:
    """Say so when there is no ISA-L: deliveries with loss then are bound by the processor."""
    from toolkit.delivery.isal import backend

    found = backend()
    if found.name != "isal":
        say(f"parity: {found} (apt-get install libisal2, or pip install pyeclib)")
