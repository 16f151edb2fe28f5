"""The door to the kernel of a host: `ip`, `tc` and `nft` as child processes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolkit.errors import EnvironmentProblem

_PATIENCE: Final = 30.0
"""Seconds that one call gets."""
_PACKAGES: Final = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables"}


@dataclass(frozen=True, slots=True)
class LinuxKernel:
    """The kernel that we run on; `toolkit.netconf.backend_linux.Kernel`."""

    namespace: str = ""
    """Network namespace (`ip netns`), where it is not our own."""

    def mtus(self) -> Mapping[str, int]:
        """`ip link show`."""
        return {link["ifname"]: link["mtu"] for link in self._json("ip", "-j", "link", "show")}

    def queues(self) -> Mapping[str, tuple[str, str]]:
        """`tc qdisc show`."""
        shown = self._json("tc", "-j", "qdisc", "show")
        return {
            queue["dev"]: (queue["kind"], queue["handle"].partition(":")[0])
            for queue in shown
            if queue.get("root")
        }

    @property
    def can_filter(self) -> bool:
        """There is `nft`."""
        return shutil.which("nft") is not None

    def refuses(self, filter_text: str) -> str:
        """`nft -c`."""
        done = self._call(("nft", "-c", "-f", "-"), filter_text)
        return "" if done.returncode == 0 else _said(done)

    def filter(self, text: str) -> None:
        """`nft -f`: as one transaction."""
        self._done(("nft", "-f", "-"), text)

    def commands(self, program: str, text: str) -> None:
        """`ip -batch`, `tc -batch`."""
        self._done((program, "-batch", "-"), text)

    def _json(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return json.loads(self._done(words, "") or "[]")
        except ValueError:
            raise EnvironmentProblem(f"{' '.join(words)}: its answer is no JSON") from None

    def _done(self, words: tuple[str, ...], text: str) -> str:
        done = self._call(words, text)
        if done.returncode != 0:
            raise EnvironmentProblem(f"{' '.join(words)} fails: {_said(done)}")
        return done.stdout

    def _call(self, words: tuple[str, ...], text: str) -> subprocess.CompletedProcess[str]:
        inside = ("ip", "netns", "exec", self.namespace) if self.namespace else ()
        try:
            return subprocess.run(
                (*inside, *words), input=text, check=False, capture_output=True, text=True,
                timeout=_PATIENCE, errors="replace",
            )  # fmt: skip
        except OSError as error:
            package = _PACKAGES[words[0]]
            raise EnvironmentProblem(
                f"{words[0]}: {error.strerror} (Debian: apt-get install {package})"
            ) from None
        except subprocess.TimeoutExpired:
            raise EnvironmentProblem(f"{words[0]} has not ended after {_PATIENCE:g} s") from None


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program said, on one line."""
    return " ".join(f"{done.stderr}\n{done.stdout}".split())[-400:] or f"code {done.returncode}"
