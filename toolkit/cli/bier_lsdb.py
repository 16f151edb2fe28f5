"""`llmsync bier lsdb`: which BFRs a live network advertises, read from a capture."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import ExitCode, UsageError, WireError

if TYPE_CHECKING:
    from toolkit.bier.birt import Row
    from toolkit.lsdb.birt import Table
    from toolkit.lsdb.survey import ScopeSurvey, Survey

EXAMPLE = """\
examples:
  tcpdump -i eth0 -w igp.pcap 'isis or proto ospf'     (restart the adjacency to see all LSPs)
  llmsync bier lsdb igp.pcap
  llmsync bier lsdb igp.pcap --from fra1 -o json

Reads IS-IS (RFC 8401) and OSPFv2 (RFC 8444) from pcap and pcapng files. Exit code 1: something
harms forwarding (BFR-id collisions, conflicts, ranges that overlap, checksums, ...).
docs/reference/bier-signalling.md lists the rules."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier lsdb`."""
    parser.epilog = EXAMPLE
    parser.add_argument("capture", type=Path, metavar="PCAP", help="a pcap or pcapng file")
    parser.add_argument(
        "--from",
        dest="root",
        metavar="ROUTER",
        help="only the BIRTs of this router (host name, system ID, router ID or BFR-prefix)",
    )
    parser.add_argument(
        "--non-mpls-type",
        type=int,
        metavar="TYPE",
        help="type of the non-MPLS encapsulation, which IANA has not assigned: 2..255",
    )
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Read one capture."""
    from toolkit.lsdb.capture import read_databases
    from toolkit.lsdb.survey import document, survey

    kind = args.non_mpls_type
    if kind is not None and (not 2 <= kind <= 255 or kind == 10):
        raise UsageError(f"--non-mpls-type {kind}: not 2 to 255, or it is taken (10: MPLS in OSPF)")
    try:
        told = survey(read_databases(_read(args.capture), kind, kind))
    except WireError as error:
        raise UsageError(f"{args.capture}: {error}") from None
    roots = None if args.root is None else _roots(told, args.root)
    if args.format == "json":
        print_data(document(told, roots), "json")
    else:
        print("\n\n".join(_texts(told, roots)))
    if not told.scopes:
        say(f"{args.capture}: no usable IS-IS or OSPF PDU in {told.frames} frames")
    # a capture that shows no network proves nothing about one
    return ExitCode.FINDINGS if told.harmed or not told.scopes else ExitCode.OK


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _roots(told: Survey, name: str) -> set[str]:
    from toolkit.inventory.suggestion import closest

    roots = {router for one in told.scopes for router in one.answers_to(name)}
    bfrs = {birt.router for one in told.scopes for birt in one.tables}
    if roots & bfrs:
        return roots
    known = sorted({one.scope.name_of(birt.router) for one in told.scopes for birt in one.tables})
    if roots:
        what = "has no BIRT: it advertises no BIER that counts"
        raise UsageError(f"--from {name}: {what} (BFRs: {', '.join(known) or 'none'})")
    near = closest(name, known)
    remedy = f"did you mean {near}?" if near else f"BFRs: {', '.join(known) or 'none'}"
    raise UsageError(f"--from {name}: no such router in the capture ({remedy})")


def _texts(told: Survey, roots: set[str] | None) -> Iterable[str]:
    yield f"{told.used} of {told.frames} frames are IS-IS or OSPF"
    for one in told.scopes:
        yield _scope_text(one)
        for birt in one.tables:
            if roots is None or birt.router in roots:
                yield _birt_text(one, birt)
    if told.problems:
        lines = [f"  {'error' if p.harms else 'note '}  {p}" for p in told.problems]
        yield "\n".join(["problems:", *lines])
    elif told.scopes:
        yield "no problems"


def _scope_text(one: ScopeSurvey) -> str:
    scope = one.scope
    pdus = "LSPs" if scope.protocol == "isis" else "LSAs"
    bfrs = {said.bfr for said in scope.advertisements}
    head = f"{scope}: {len(scope.names)} routers, {scope.pdus} {pdus}, {len(bfrs)} advertise BIER"
    rows: list[Sequence[object]] = []
    for said in scope.advertisements:
        info = said.info
        who = (
            scope.name_of(said.router) + (" (passes on)" if said.redistributed else ""),
            info.sub_domain_id,
            info.mt_id,
            info.bfr_id or "-",
            said.prefix,
            f"{info.bar}/{info.ipa}",
        )
        counts = "" if said.place in one.counted else "ignored"
        for offer in info.ranges:
            bsl = offer.bsl.bits if offer.bsl is not None else f"code {offer.bsl_code}"
            ids = f"{offer.base}-{offer.last}"
            rows.append((*who, offer.encapsulation, bsl, ids, offer.max_si, counts))
        if not info.ranges:
            rows.append((*who, "-", "-", "-", "-", counts))
    if not rows:
        return head
    header = (
        "ROUTER", "SD", "MT", "BFR-ID", "BFR-PREFIX", "BAR/IPA", "ENCAPSULATION", "BSL",
        "BIFT-IDS", "MAX SI", "",
    )  # fmt: skip
    return f"{head}\n\n{table(header, rows)}"


def _birt_text(one: ScopeSurvey, birt: Table) -> str:
    from toolkit.bier.bitstring import set_and_bit

    head = (
        f"BIRT of {one.scope.name_of(birt.router)} ({one.scope}): "
        f"sub-domain {birt.sub_domain_id}, BSL {birt.bsl}, {birt.encapsulation}"
    )
    if not birt.rows:
        return f"{head}: no BFER"
    rows = [
        (
            row.bfr_id,
            "SI {}, bit {}".format(*set_and_bit(row.bfr_id, birt.bsl)),
            row.router,
            row.bfr_prefix,
            row.metric,
            _neighbors_text(row),
        )
        for row in birt.rows.values()
    ]
    return f"{head}\n\n{table(('BFR-ID', 'BIT', 'BFER', 'BFR-PREFIX', 'METRIC', 'BFR-NBR'), rows)}"


def _neighbors_text(row: Row) -> str:
    if row.local:
        return "(itself)"
    return ", ".join(
        f"{near.router} {'by tunnel' if near.tunnel else f'over {near.interface}'}"
        for near in row.neighbors
    )
