"""What the kernel plane does not do, and why: all is said before anything is loaded.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from toolkit.bier.bift import BiftKey
from toolkit.bier.kernel.layout import as_masks
from toolkit.bier.lookup import Bifts
from toolkit.bier.program import Program
from toolkit.errors import Place, Problem, ProblemsError

TUNNELS: Final = "the kernel program writes Ethernet headers only, no tunnels"
ROWS: Final = (
    "the kernel holds one F-BM for each neighbor (RFC 8279 section 6.4); F-BMs that overlap, or "
    "that entropy chooses row by row (section 6.7.1), need the loop over single bits"
)
IMPOSITION: Final = "the kernel program forwards BIER; it does not impose it on IP multicast"
SOCKET: Final = "use --plane socket"


class InapplicableError(ProblemsError):
    """A program asks for what the kernel plane does not do; nothing was changed."""


def inapplicable(program: Program, tables: Mapping[BiftKey, Bifts]) -> Iterator[Problem]:
    """Yield everything in a program that this plane does not do."""
    for key, bifts in tables.items():
        path = f"bifts (sub-domain {key.sub_domain}, BSL {key.bsl}, SI {key.si})"
        try:
            several = as_masks(bifts)
        except ValueError as error:
            yield Problem(Place(path=path), f"{error}: {ROWS}", SOCKET)
            continue
        for neighbor in sorted({h.neighbor for m in several for h in m.hops}, key=str):
            who = f"neighbor {neighbor.router}"
            if neighbor.tunnel is not None:
                yield Problem(Place(path=path), f"{who} is behind a tunnel: {TUNNELS}", SOCKET)
            if neighbor.interface not in program.interfaces:
                what = f"{who} is behind {neighbor.interface}, which is no interface of the program"
                yield Problem(Place(path=path), what)
    if program.ingress:
        yield Problem(Place(path="ingress"), IMPOSITION, SOCKET)
    if program.terminations:
        yield Problem(Place(path="terminations"), f"tunnels end here: {TUNNELS}", SOCKET)


def refuse_inapplicable(program: Program, tables: Mapping[BiftKey, Bifts]) -> None:
    """Raise InapplicableError with everything in a program that this plane does not do."""
    problems = list(inapplicable(program, tables))
    if problems:
        raise InapplicableError(problems)
