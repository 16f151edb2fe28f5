"""The kernel beside a routing daemon: MTU of ports, packet filter, queues.

Pure: `Kernel` is what touches it (`runtime_linux`).  Laws: the packet filter is one table of our
own, replaced as one; a queue is ours when its handle is HANDLE, and nobody else's is replaced; what
an apply that fails has done is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError, ToolkitError
from toolkit.netconf.applier import Document

HANDLE: Final = "4c4d"
"""Major number of our queues."""
_DEFAULT: Final = "0"
"""Major number of the queue that the kernel gives an interface by itself."""
_RATE: Final = "rate 400gbit burst 1m cburst 1m quantum 60000"
"""Above what any port sends: classes are never held back, only put in order (tc-htb, `prio`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPart:
    """What a configuration asks of the kernel."""

    filter: str = ""
    """Text for `nft -f`, which replaces our table, or takes it away."""
    filtering: bool = False
    """There is to be a table."""
    classed: tuple[str, ...] = ()
    """Ports that serve the class 4c4d:2 after everything else."""
    mtus: Mapping[str, int] = field(default_factory=dict)
    """Port -> its MTU."""


class Kernel(Protocol):
    """The kernel of a host.  Every method raises EnvironmentProblem when it cannot do its work."""

    def mtus(self) -> Mapping[str, int]:
        """Return interface -> its MTU, of all that there are."""

    def queues(self) -> Mapping[str, tuple[str, str]]:
        """Return interface -> kind and major number of its root queue."""

    @property
    def can_filter(self) -> bool:
        """The program for packet filters is there."""

    def refuses(self, filter_text: str) -> str:
        """Return what is wrong with a packet filter; empty: nothing is."""

    def filter(self, text: str) -> None:
        """Load a packet filter."""

    def commands(self, program: str, text: str) -> None:
        """Run the lines of `text` by `program` (`ip` or `tc`)."""


class LinuxBackend:
    """The kernel of the host behind one router."""

    def __init__(self, name: str, kernel: Kernel, part: Callable[[Document], HostPart]) -> None:
        self.name, self._kernel, self._part = name, kernel, part
        self._running = part({})
        self._first: dict[str, int] = {}
        """Port -> the MTU that it had before us."""

    def check(self, document: Document) -> None:
        """Name ports that are not there, queues of others, and what `nft -c` refuses."""
        part = self._part(document)
        problems = list(self._problems(part))
        if not problems and part.filtering and (why := self._kernel.refuses(part.filter)):
            problems = [Problem(Place(self.name), f"nft refuses the packet filter: {why}")]
        if problems:
            raise SchemaError(problems)

    def _problems(self, part: HostPart) -> Iterator[Problem]:
        there = self._kernel.mtus()
        for port in sorted({*part.mtus, *part.classed} - there.keys()):
            yield Problem(
                _place(self.name, port), f"this host has no interface {port}",
                f"there are {', '.join(sorted(there))}",
            )  # fmt: skip
        if not part.classed:
            return
        queues = self._kernel.queues()
        for port in part.classed:
            kind, major = queues.get(port, ("", _DEFAULT))
            if major not in (_DEFAULT, HANDLE):
                yield Problem(
                    _place(self.name, port),
                    f"{port} has a queue of somebody else ({kind} {major}:), where the class of "
                    "service needs one",
                    f"remove it (`tc qdisc del dev {port} root`), or say `qos: false` of it",
                )

    def apply(self, document: Document) -> None:
        """Make it run.  Raises ToolkitError."""
        part = self._part(document)
        if problems := list(self._problems(part)):
            raise SchemaError(problems)
        try:
            self._to(part)
        except ToolkitError as error:
            try:
                self._to(self._running)
            except ToolkitError as again:
                raise EnvironmentProblem(f"{error}; nor could it be undone: {again}") from None
            raise
        self._running = part

    def _to(self, part: HostPart) -> None:
        now = self._kernel.mtus()
        for port in part.mtus:
            self._first.setdefault(port, now.get(port, 0))
        wanted = {port: mtu for port, mtu in self._first.items() if mtu} | dict(part.mtus)
        links = "".join(
            f"link set dev {port} mtu {mtu}\n"
            for port, mtu in wanted.items()
            if now.get(port) not in (None, mtu)
        )
        if links:
            self._kernel.commands("ip", links)
        self._queues(part)
        if part.filtering or (part.filter and self._kernel.can_filter):
            self._kernel.filter(part.filter)

    def _queues(self, part: HostPart) -> None:
        ours = [port for port, (_, major) in self._kernel.queues().items() if major == HANDLE]
        gone = "".join(f"qdisc del dev {port} root\n" for port in ours if port not in part.classed)
        new = queue_commands(tuple(port for port in part.classed if port not in ours))
        if gone + new:
            self._kernel.commands("tc", gone + new)


def queue_commands(ports: tuple[str, ...]) -> str:
    """Return what `tc -batch` reads to give `ports` their two classes."""
    return "".join(
        f"qdisc replace dev {port} root handle {HANDLE}: htb default 1\n"
        f"class replace dev {port} parent {HANDLE}: classid {HANDLE}:1 htb {_RATE} prio 0\n"
        f"class replace dev {port} parent {HANDLE}: classid {HANDLE}:2 htb {_RATE} prio 7\n"
        for port in ports
    )


def _place(device: str, port: str) -> Place:
    return Place(device, path=f"/ietf-interfaces:interfaces/interface[name='{port}']")
