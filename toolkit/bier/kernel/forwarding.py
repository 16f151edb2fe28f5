"""`llmsync bier forward --plane ebpf` as the conformance suite asks it: kernel and process at once.

X: as `toolkit.bier.conformance.socket_plane`, whose wires these are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from toolkit.bier.conformance.socket_plane import HOST, SocketPlane
from toolkit.bier.program import Program
from toolkit.bier.runtime_kernel import KernelRuntime
from toolkit.bier.runtime_socket import SocketRuntime

TURNS: Final = 3_000
"""Looks at a counter after which what should be there is lost."""
BRIEF: Final = 0.001
"""Seconds that a look waits: what the kernel forwards wakes nobody."""


class ForwardingPlane(SocketPlane):
    """`close` it in the end."""

    name = "ebpf-forward"

    def _make(self, program: Program) -> SocketRuntime:
        return KernelRuntime(program, host_interface=HOST, filtered=False)

    def _until(self, done: Callable[[], bool]) -> None:
        runtime = self._loaded()
        for _turn in range(TURNS):
            if done():
                return
            runtime.poll(BRIEF)
        raise RuntimeError("the kernel has not said or brought what it should")
