"""What the kernel plane does not do, and why: all is said before anything is loaded.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from toolkit.bier.bift import BiftKey
from toolkit.bier.kernel.layout import as_masks
from toolkit.bier.lookup import Bifts
from toolkit.bier.program import Program
from toolkit.bier.wire import Proto
from toolkit.errors import Place, Problem, ProblemsError

TUNNELS: Final = "the kernel program writes Ethernet headers only, no tunnels"
ROWS: Final = (
    "the kernel holds one F-BM for each neighbor (RFC 8279 section 6.4); F-BMs that overlap, or "
    "that entropy chooses row by row (section 6.7.1), need the loop over single bits"
)
IMPOSITION: Final = "the kernel program forwards BIER; it does not impose it on IP multicast"
OAM: Final = "echo requests are answered in user space"
SOCKET: Final = "use --plane socket"


class InapplicableError(ProblemsError):
    """A program asks for what the kernel plane does not do; nothing was changed."""


def inapplicable(program: Program, tables: Mapping[BiftKey, Bifts]) -> Iterator[Problem]:
    """Yield everything in a program that this plane does not do."""
    for key, bifts in tables.items():
        path = f"bifts (sub-domain {key.sub_domain}, BSL {key.bsl}, SI {key.si})"
        for what in too_much(bifts, program):
            yield Problem(Place(path=path), what, SOCKET)
    if Proto.OAM in program.taken:
        yield Problem(Place(path="oam"), OAM, SOCKET)
    if program.ingress:
        yield Problem(Place(path="ingress"), IMPOSITION, SOCKET)
    if program.terminations:
        yield Problem(Place(path="terminations"), f"tunnels end here: {TUNNELS}", SOCKET)


def too_much(bifts: Bifts, program: Program) -> Iterator[str]:
    """Yield why the kernel cannot hold tables; nothing where it can."""
    try:
        several = as_masks(bifts)
    except ValueError as error:
        yield f"{error}: {ROWS}"
        return
    for neighbor in sorted({h.neighbor for m in several for h in m.hops}, key=str):
        who = f"neighbor {neighbor.router} is behind"
        if neighbor.tunnel is not None:
            yield f"{who} a tunnel: {TUNNELS}"
        if neighbor.interface not in program.interfaces:
            yield f"{who} {neighbor.interface}, which is no interface of the program"


def refuse_inapplicable(program: Program, tables: Mapping[BiftKey, Bifts]) -> None:
    """Raise InapplicableError with everything in a program that this plane does not do."""
    problems = list(inapplicable(program, tables))
    if problems:
        raise InapplicableError(problems)
