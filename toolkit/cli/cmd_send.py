"""`llmsync send`: a file or folder to receivers over UDP."""

from __future__ import annotations

import argparse
import os
import re
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli import delivery_security
from toolkit.cli.arithmetic import announce_arithmetic
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.cli.interruption import terminable
from toolkit.cli.marking import add_dscp, parse_dscp_option
from toolkit.cli.ordered import add_order, orders_of
from toolkit.cli.planned import add_delivery, chosen, fill_send
from toolkit.cli.planned import carrier as carrying
from toolkit.cli.receipt_files import add_receipts, keep_receipts
from toolkit.cli.serving import add_service, add_watching
from toolkit.cli.terminal import spoken_rate
from toolkit.cli.trying import add_loss, parse_share
from toolkit.errors import ExitCode, UnreachableError, UsageError

if TYPE_CHECKING:
    from toolkit.cli.reaching import Reached
    from toolkit.delivery.events import SenderOutput
    from toolkit.delivery.model import ReceiverResult
    from toolkit.delivery.sender import Sender

CONTROL_PORT = 4400


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a file, or a whole folder")
    network = parser.add_argument_group("receivers and network")
    network.add_argument(
        "--to", action="append", metavar="NAME[=HOST:PORT]",
        help="a receiver; its address may be left out with --group, it is learnt when it joins",
    )  # fmt: skip
    network.add_argument(
        "--group", metavar="ADDR:PORT",
        help="IP multicast group for what all receivers need; repairs go by unicast",
    )  # fmt: skip
    network.add_argument(
        "--interface", default="", metavar="NAME|IP",
        help="send multicast there: an interface of ours, by its name or an address of it",
    )  # fmt: skip
    network.add_argument(
        "--control", metavar="HOST:PORT",
        help=f"where receivers reach us (default: 0.0.0.0:{CONTROL_PORT})",
    )  # fmt: skip
    network.add_argument("--rate", help="bit/s of UDP payload: 200M, 1G (default: 1G)")
    network.add_argument(
        "--payload", type=int, metavar="BYTES",
        help="UDP payload of a packet; 8800 where the MTU is 9000 (default: 1400)",
    )  # fmt: skip
    add_dscp(network)
    network.add_argument(
        "--no-probe", action="store_true",
        help="do not try first which packets reach each receiver",
    )  # fmt: skip
    network.add_argument(
        "--publish", type=Path, metavar="DIR",
        help="make a folder there that an HTTP server with ranges serves for `receive "
        "--fallback`: the signed manifest, digests, and links to the files",
    )  # fmt: skip
    add_delivery(
        parser,
        "where --delivery is; the page shows the regions of its GPU clouds (--region goes before)",
    )
    add_order(parser.add_argument_group("what is sent first"))
    patience = parser.add_argument_group("when to begin, and when to give up")
    patience.add_argument(
        "--quorum", default="1", metavar="N|N%",
        help="begin once so many receivers are ready; they wait for more no longer than --gather",
    )  # fmt: skip
    patience.add_argument(
        "--gather", type=float, metavar="SECONDS",
        help="so long those that are ready wait for the others (default: 2, with --quorum 0)",
    )  # fmt: skip
    patience.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS",
        help="give up a receiver that is silent, or does not join, for so long "
        "(default: %(default)s)",
    )  # fmt: skip
    patience.add_argument(
        "--interleave", type=int, default=2, metavar="N",
        help="files that are sent at a time, 16 MB of each in turn (default: %(default)s)",
    )  # fmt: skip
    security = parser.add_argument_group("security")
    security.add_argument(
        "--key", type=Path, default=Path("llmsync.key"), metavar="FILE",
        help="Ed25519 private key that signs the manifest; made when missing "
        "(default: %(default)s)",
    )  # fmt: skip
    delivery_security.add_send(security)
    add_service(parser)
    results = parser.add_argument_group("what is shown and kept")
    add_watching(results)
    add_receipts(results)
    add_output(results)
    add_loss(parser)
    parser.epilog = (
        "example: llmsync send models/llama --to fra=192.0.2.10:4401 --to lon=192.0.2.20:4401 "
        "--rate 2G"
    )


def run(args: argparse.Namespace) -> int:
    """Send; return 0 when every receiver has everything."""
    with terminable():
        return _send(args)


def _send(args: argparse.Namespace) -> int:
    from toolkit.cli import beforehand, reaching
    from toolkit.cli.serving import Watch
    from toolkit.delivery.keys import fingerprint, public_path, sending_key
    from toolkit.delivery.model import MIN_PAYLOAD, Coding, Session, symbol_size
    from toolkit.delivery.publishing import publish
    from toolkit.delivery.sender import Sender
    from toolkit.delivery.source import open_source
    from toolkit.transport import address, loss, segmentation, udp

    plan = chosen(args)
    if plan is not None:
        fill_send(args, *plan)
    if not args.to:
        raise UsageError("--to: name the receivers (--to NAME=HOST:PORT), or let --delivery do it")
    args.control = args.control or f"0.0.0.0:{CONTROL_PORT}"
    args.payload = args.payload or 1400
    addresses = parse_receivers(args.to)
    for name, found in addresses.items():
        if found is None and not args.group and not args.service:
            raise UsageError(f"--to {name}: its address is missing (--to {name}=HOST:PORT)")
    known = resolve_receivers(addresses)
    group = address.resolve(args.group, flag="--group") if args.group else None
    if group is not None and not group.multicast:
        raise UsageError(
            f"--group {args.group}: not a multicast address (232.1.1.1:4401, [ff3e::1]:4401)"
        )
    lost, rate = parse_share(args.loss), parse_rate(args.rate or "1G")
    dscp = parse_dscp_option(args.dscp)
    quorum = parse_quorum(args.quorum, len(addresses))
    timeout = _positive("--timeout", args.timeout)
    interleave = int(_positive("--interleave", args.interleave))
    control = address.resolve(args.control, port=CONTROL_PORT, flag="--control")
    beforehand.check_sending(args, control, group)
    announce_arithmetic()
    try:
        coding = Coding(symbol=symbol_size(args.payload))
    except ValueError:
        raise UsageError(
            f"--payload {args.payload}: {MIN_PAYLOAD} to 65000 bytes are possible"
        ) from None
    say(f"{args.path}: reading and digesting")
    delivery_security.check_model(delivery_security.provenance(args), args.path)
    seal_key = delivery_security.seal_key(args.seal_key)
    source = open_source(args.path, coding, sealed=seal_key is not None)
    order = orders_of(args, {args.path.name: source})[args.path.name]
    key, made = sending_key(args.key)
    if made:
        say(
            f"made a key: {args.key}; give {public_path(args.key)} to the receivers, "
            "for their --trust"
        )
    session = Session(
        name=source.manifest.name, key=key, rate=rate,
        tsi=plan[1].tsi if plan is not None else int.from_bytes(os.urandom(4)) or 1,
        timeout=timeout, quorum=quorum, interleave=interleave, order=order,
        window=max(64 * 2**20, rate // 40),  # a fifth of a second, so that long paths are filled
        gather=max((0.0 if quorum > 1 else 2.0) if args.gather is None else args.gather, 0.0),
        seal_key=seal_key, serial=delivery_security.serial(),
    )  # fmt: skip
    if order:
        say(f"sent in an order of its own, of {len(order)} stretches (--order files: as it lies)")
    say(f"signed by {fingerprint(key.public_key().public_bytes_raw())}, which receivers can pin")
    if args.publish is not None:
        publish(args.publish, source, session, args.path)
        say(f"{args.publish}: ready to be served for `llmsync receive --fallback URL`")
    names = list(addresses)
    sender = Sender(session, source, names)
    with ExitStack() as stack:
        sock = stack.enter_context(address.bind(control))
        address.mark(sock, dscp)
        if group is not None:
            address.send_from(sock, group, args.interface)
        leaves = segmentation.interface_of(args.interface) if args.interface else None
        wire: udp.Wire = udp.SocketWire(
            sock, segmented=leaves is not None and segmentation.is_cut(leaves)
        )
        if lost:
            wire = loss.LossyWire(wire, lost, args.seed)
        say(f"{session.name}: {source.manifest.size} bytes, waiting for {', '.join(names)}")
        carry = None
        if plan is not None:
            carry = stack.enter_context(carrying(args, *plan, dscp, names))
        if carry is not None:
            args.no_probe = True  # What is probed is IP multicast; here BIER leaves.
        begin = time.monotonic()
        audit = stack.enter_context(closing(delivery_security.AuditLog(args.audit_log)))
        door = delivery_security.doorkeeper(args, names, known, session.tsi)
        watch = stack.enter_context(
            Watch(args, sender, source, known, names, group, sock, door.refused)
        )
        sender.started = begin  # Absent receivers are waited for from here on.
        reached = reaching.first(args, sock, names, known, group, rate, door, watch, sender)

        def turn(outputs: list[SenderOutput]) -> None:
            watch(outputs)
            door.records += watch.records()
            audit.turn(door.records, outputs, session.tsi)

        udp.run_sender(
            sender, names, wire, known, group, turn, also=watch.bells, apart=reached.apart,
            door=door, carry=carry,
        )  # fmt: skip
        audit.write(watch.records())
        audit.ended(sender)
        seconds = time.monotonic() - begin
        watch.ended()
    keep_receipts(args, sender, watch.began)
    return _finish(sender, seconds, args.format, reached, dict(door.refused))


def _finish(
    sender: Sender, seconds: float, form: str, reached: Reached, refused: dict[str, int]
) -> int:
    results, pace = sender.results(), sender.pace
    deaf = [
        r.receiver for bit, r in enumerate(results) if reached.grouped and sender.deaf >> bit & 1
    ]
    document: dict[str, Any] = {
        "delivery": sender.session.name,
        "bytes": sender.manifest.size,
        "seconds": round(seconds, 3),
        "packets": sender.tally.packets,
        "repairs": sender.tally.repairs,
        "late": sender.tally.late,
        "bytes_read": sender.bytes_read,
        "rate": sender.session.rate,
        "pace": {
            "rate": pace.rate, "achieved": round(pace.achieved), "drift": round(pace.drift, 6),
            "busy": round(pace.busy, 3), "behind": round(pace.behind, 6),
        },
        "breaker_trips": sender.trips,
        "refused": refused,
        "notes": list(sender.notes),
        "receivers": [
            {
                "receiver": r.receiver, "standing": str(r.standing), "reason": r.reason,
                "joined": None if r.joined is None else round(r.joined, 3),
                "completed": None if r.completed is None else round(r.completed, 3),
                "reach": reached.reach(r.receiver),
                "by": _by(r, reached, deaf), "https": r.fetched,
                "packets": r.packets, "repairs": r.repairs, "lost": r.lost,
                "duplicates": None if r.receipt is None else r.receipt.duplicates,
            }
            for r in results
        ],
    }  # fmt: skip
    if refused:
        say("refused: " + ", ".join(f"{n} {kind}" for kind, n in sorted(refused.items())))
        if refused.get("unauthentic") and not all(r.complete for r in results):
            say("llmsync: --control-token: somebody has another one, or none (copy it again)")
    if form == "json":
        print_data(document, "json")
    else:
        header = (
            "receiver", "standing", "by", "joined", "completed", "packets", "repairs", "lost",
        )  # fmt: skip
        rows = [
            ["-" if r[column] is None else r[column] for column in header]
            for r in document["receivers"]
        ]
        print(table(header, rows))
    for name in deaf:
        say(
            f"llmsync: {name}: packets to the group do not reach it, it got copies by unicast "
            "(llmsync doctor --to ... shows where they end)"
        )
    for note in sender.notes:
        say(f"llmsync: {note}")
    if pace.busy > 1 and pace.drift < -0.02:
        say(
            f"llmsync: {spoken_rate(pace.achieved)} were reached of {spoken_rate(pace.rate)}: "
            "this host could not send faster (llmsync doctor says what it lacks)"
        )
    if sender.failure is not None:
        raise sender.failure
    if all(r.joined is None for r in results):
        raise UnreachableError(
            ", ".join(r.receiver for r in results), "none of them joined",
            "are they running with --sender, --name and --control-token as here, and does their "
            "control traffic reach us?",
        )  # fmt: skip
    return ExitCode.OK if all(r.complete for r in results) else ExitCode.FINDINGS


def _by(result: ReceiverResult, reached: Reached, deaf: list[str]) -> str:
    """By which way a receiver got what all need."""
    if result.fetched:
        return "https"
    return "unicast" if result.receiver in deaf else reached.by(result.receiver)


def parse_receivers(given: list[str]) -> dict[str, str | None]:
    """Return name -> HOST:PORT as --to gives them; None where it is to be learnt."""
    found: dict[str, str | None] = {}
    for text in given:
        name, equals, where = text.partition("=")
        if not name or (equals and not where):
            raise UsageError(f"--to {text}: not NAME=HOST:PORT")
        check_name("--to", name)
        if name in found:
            raise UsageError(f"--to {name}: is given twice")
        found[name] = where or None
    return found


def resolve_receivers(addresses: dict[str, str | None]) -> dict[str, tuple[str, int]]:
    """Return where each receiver is, as far as it is said; no two are at one place."""
    from toolkit.transport import address

    known: dict[str, tuple[str, int]] = {}
    for name, text in addresses.items():
        if text is None:
            continue
        place = address.resolve(text, flag="--to")
        for other, taken in known.items():
            if taken == place.sockaddr:
                raise UsageError(
                    f"--to {name}={text}: {place} is the address of {other} "
                    "(every receiver needs its own)"
                )
        known[name] = place.sockaddr
    return known


def check_name(flag: str, name: str) -> None:
    """Raise UsageError unless an inventory could name a GPU cloud so."""
    from toolkit.inventory.identifier import parse_name
    from toolkit.inventory.refusal import Refusal

    try:
        parse_name(name)
    except Refusal as refusal:
        remedy = f" ({refusal.remedy})" if refusal.remedy else ""
        raise UsageError(f"{flag} {name}: {refusal.reason}{remedy}") from None


def parse_rate(text: str) -> int:
    """Return bit/s of `500M`, `1G`, `2.5G`, `1000000`."""
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)([kKMGT]?)", text)
    rate = 0
    if matched:
        rate = int(float(matched[1]) * 1000 ** " KMGT".index(matched[2].upper() or " "))
    if rate < 1000:
        raise UsageError(f"--rate {text}: not a rate in bit/s (200M, 1G)")
    return rate


def parse_quorum(text: str, receivers: int) -> int:
    """Return how many of `receivers` `3` or `80%` asks for."""
    number = text.removesuffix("%")
    count = int(number) if number.isascii() and number.isdigit() else 0
    if text.endswith("%"):
        count = -(-count * receivers // 100)
    if not 1 <= count <= receivers:
        raise UsageError(
            f"--quorum {text}: not a number of receivers (1 to {receivers}) nor a share (1% to "
            "100%)"
        )
    return count


def _positive(flag: str, value: float) -> float:
    if not 0 < value < 1e9:
        raise UsageError(f"{flag} {value:g}: must be positive")
    return value
