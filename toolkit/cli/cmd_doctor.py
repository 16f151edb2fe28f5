"""`llmsync doctor`: what a host lacks for a delivery, and how each receiver is reached."""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.cmd_send import (
    CONTROL_PORT,
    parse_rate,
    parse_receivers,
    resolve_receivers,
)
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.cli.interruption import terminable
from toolkit.cli.marking import add_dscp, parse_dscp_option
from toolkit.cli.planned import add_delivery, chosen, fill_doctor
from toolkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from toolkit.delivery.reach import Verdict
    from toolkit.transport.address import Address
    from toolkit.transport.health import Finding


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument(
        "--role", choices=("both", "send", "receive"), default="both", metavar="ROLE",
        help="what this host will do: send, receive or both (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--rate", help="bit/s of UDP payload: 200M, 1G (default: 1G)")
    parser.add_argument(
        "--payload", type=int, metavar="BYTES",
        help="UDP payload of a packet (default: 1400)",
    )  # fmt: skip
    parser.add_argument(
        "--group", action="append", default=[], metavar="ADDR:PORT",
        help="IP multicast group of the delivery; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--interface", default="", metavar="NAME|IP",
        help="the one that carries it, by its name or an address of it",
    )  # fmt: skip
    parser.add_argument(
        "--sender", metavar="HOST[:PORT]", help="on a receiver: the sender's --control address"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="on a receiver: the folder to place files in; its speed is measured by writing "
        "256 MB at most, for a second",
    )  # fmt: skip
    parser.add_argument(
        "--size", default="0", help="bytes of the model: 500M, 70G (default: not checked)"
    )
    parser.add_argument(
        "--to", action="append", default=[], metavar="NAME[=HOST:PORT]",
        help="probe this receiver, which is running: which packets reach it, and how; with "
        "--delivery its address is known, and all are `all`",
    )  # fmt: skip
    parser.add_argument(
        "--control", metavar="HOST:PORT",
        help=f"where receivers reach us (default: 0.0.0.0:{CONTROL_PORT})",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=2.0, metavar="SECONDS",
        help="so long receivers that do not answer are probed (default: %(default)s)",
    )  # fmt: skip
    add_dscp(parser)
    add_delivery(parser).add_argument(
        "--name",
        help="which GPU cloud of --delivery we are; none: we send it",
    )
    add_output(parser)
    parser.epilog = (
        "examples:\n  llmsync doctor --role receive --rate 2G --group 232.1.1.1:4401 "
        "--output /models --size 70G\n"
        "  llmsync doctor --role send --group 232.1.1.1:4401 --to fra=192.0.2.10:4401 "
        "--to lon=192.0.2.20:4401\n"
        "  llmsync doctor --inventory demo --delivery minilm --to all"
    )


def run(args: argparse.Namespace) -> int:
    """Look; return 0 when nothing is amiss, 1 with findings."""
    with terminable():
        return _look(args)


def _look(args: argparse.Namespace) -> int:
    from toolkit.transport import address, hostfacts
    from toolkit.transport.health import Need, Weight, judge

    plan = chosen(args)
    if plan is not None:
        fill_doctor(args, *plan)
    elif args.inventory is not None or args.name is not None:
        raise UsageError("--inventory and --name go with --delivery NAME (name one, or leave out)")
    args.rate, args.payload = args.rate or "1G", 1400 if args.payload is None else args.payload
    args.control = args.control or f"0.0.0.0:{CONTROL_PORT}"
    if not 32 <= args.payload <= 65_000:
        raise UsageError(f"--payload {args.payload}: 32 to 65000 bytes are possible")
    if not 0 < args.patience < 1e4:
        raise UsageError(f"--patience {args.patience:g}: must be positive")
    rate, size, dscp = parse_rate(args.rate), parse_size(args.size), parse_dscp_option(args.dscp)
    groups = [address.resolve(g) for g in args.group]
    for text, group in zip(args.group, groups, strict=True):
        if not group.multicast:
            raise UsageError(f"--group {text}: not a multicast address")
    addresses = parse_receivers(args.to)
    known = resolve_receivers(addresses)
    sender = address.resolve(args.sender, port=CONTROL_PORT) if args.sender else None
    receives = args.role != "send"
    first = next((address.located(*s) for s in known.values()), None)
    towards = (groups[0] if groups else None) or sender or first
    facts = hostfacts.read(
        towards=towards, interface=args.interface, folder=args.output, writes=receives
    )
    family = 6 if towards is not None and ":" in towards.host else 4
    findings = judge(
        facts,
        Need(
            rate=rate, payload=args.payload, family=family, groups=len(groups),
            ssm=any(g.host.startswith("232.") for g in groups), sends=args.role != "receive",
            receives=receives, folder=str(args.output or ""), size=size,
        ),
    )  # fmt: skip
    verdicts: list[Verdict] = []
    if addresses:
        verdicts = _probe(args, list(addresses), known, groups, rate, dscp)
    document = {
        "host": dataclasses.asdict(facts),
        "findings": [{**dataclasses.asdict(f), "weight": str(f.weight)} for f in findings],
    }
    return _finish(args, document, findings, verdicts, faults=any(
        f.weight is Weight.FAULT for f in findings
    ))  # fmt: skip


def _probe(
    args: argparse.Namespace,
    names: list[str],
    known: dict[str, tuple[str, int]],
    groups: list[Address],
    rate: int,
    dscp: int | None,
) -> list[Verdict]:
    from toolkit.cli.reaching import probe
    from toolkit.transport import address

    group = groups[0] if groups else None
    with address.bind(address.resolve(args.control, port=CONTROL_PORT)) as sock:
        address.mark(sock, dscp)
        if group is not None:
            address.send_from(sock, group, args.interface)
        say(f"probing {', '.join(names)}")
        verdicts, _ = probe(
            sock, names, known, group, args.payload, rate, patience=args.patience,
            nobody=args.patience,
        )  # fmt: skip
    return verdicts


def _finish(
    args: argparse.Namespace,
    document: dict[str, Any],
    findings: list[Finding],
    verdicts: list[Verdict],
    *,
    faults: bool,
) -> int:
    from toolkit.cli import reaching

    group = bool(args.group)
    missed = [v for v in verdicts if not reaching.well(v, group=group)]
    if args.format == "json":
        print_data(document | {"receivers": reaching.documents(verdicts)}, "json")
    else:
        shown = [
            f"{f.weight} {f.id}: {f.what}\n  why: {f.why}\n  do:  {f.remedy}" for f in findings
        ]
        print("\n".join(shown) or "this host lacks nothing that a delivery needs")
        print("\n" + table(("host", "is"), _host(document["host"])))
        if verdicts:
            print("\n" + reaching.tabled(verdicts))
            for verdict in missed:
                print(f"{verdict.receiver}: {verdict.what}\n  do:  {verdict.remedy}")
    return ExitCode.FINDINGS if faults or missed else ExitCode.OK


def _host(host: dict[str, Any]) -> list[tuple[str, object]]:
    """The facts that a person wants to see."""
    link = host["interface"]
    rows = [
        ("kernel", "{}.{}".format(*host["kernel"]) if host["kernel"] else None),
        ("interface", f"{link['name']}, MTU {link['mtu']}, {link['qdisc']}" if link else None),
        ("net.core.rmem_max", host["rmem_max"]), ("net.core.wmem_max", host["wmem_max"]),
        ("larger buffers granted", _yes(host["may_force_buffers"])),
        ("UDP segmentation, receive offload", f"{_yes(host['udp_gso'])}, {_yes(host['udp_gro'])}"),
        ("CAP_NET_RAW", _yes(host["may_use_raw"])), ("CPUs", host["cpus"]),
        ("clock", f"{host['clock_source'] or 'unknown'}, {host['clock_resolution'] * 1e9:g} ns"),
        ("clock synchronised", _yes(host["clock_synchronised"])),
        ("disk writes",
         None if host["disk_write"] is None else f"{host['disk_write'] / 1e9:.3g} Gbit/s"),
        ("disk free",
         None if host["disk_free"] is None else f"{host['disk_free'] / 1e9:.4g} GB"),
        ("parity by", host["fec_backend"]), ("GPUs", host["gpus"]), ("torch", _yes(host["torch"])),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value is not None]


def _yes(fact: object) -> str | None:
    return None if fact is None else "yes" if fact else "no"


def parse_size(text: str) -> int:
    """Return bytes of `70G`, `500M`, `1000`."""
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)([kKMGT]?)", text)
    size = float(matched[1]) * 1000 ** " KMGT".index(matched[2].upper() or " ") if matched else -1
    if not 0 <= size < math.inf:
        raise UsageError(f"--size {text}: not a size in bytes (500M, 70G)")
    return int(size)
