"""`llmsync bier decode`: explain a BIER packet, or all of a capture."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import ExitCode, UsageError, WireError

if TYPE_CHECKING:
    from toolkit.bier.decode import Known
    from toolkit.bier.decode_text import Packet
    from toolkit.bier.locate import Found

EXAMPLE = """\
examples:
  llmsync bier decode 00012140501000070004000300000000000000050badcafe
  llmsync bier decode capture.pcapng --bift-id 1000-1003:256:0 -o json
  tcpdump -c 1 -xx -r capture.pcap | llmsync bier decode -
  llmsync bier decode --dissector .         write the Wireshark dissectors there

The packet begins at the Ethernet header, or at the BIFT-id; --encapsulation says which where its
octets leave it open. The exit code is 1 where a receiver would discard a packet.
See docs/how-to/wireshark.md for Wireshark and tshark."""

_CAPTURES = frozenset(
    bytes.fromhex(magic)
    for magic in (
        "d4c3b2a1",
        "a1b2c3d4",
        "4d3cb2a1",
        "a1b23c4d",
        "34cdb2a1",
        "a1b2cd34",
        "0a0d0d0a",
    )
)
"""How pcap and pcapng files begin, in either byte order."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync bier decode`."""
    parser.epilog = EXAMPLE
    parser.add_argument(
        "packet", nargs="?", metavar="HEX|FILE",
        help="octets in hexadecimal, a pcap or pcapng file, a file of hexadecimal, or - (stdin)",
    )  # fmt: skip
    parser.add_argument(
        "--encapsulation", choices=("mpls", "non-mpls", "frame"),
        help="the octets begin at a BIER-MPLS label, at a BIFT-id without MPLS, or at an Ethernet"
        " header (default: as they look)",
    )  # fmt: skip
    parser.add_argument(
        "--bift-id", action="append", default=[], metavar="N:BSL[:SI]",
        help="what a BIFT-id stands for, in either encapsulation: length in bits, set identifier; a"
        " range N-M counts the SI up; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--set", type=int, metavar="SI", help="set identifier of BIFT-ids that --bift-id leaves out"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="of a capture: every field of every packet"
    )
    parser.add_argument(
        "--dissector", type=Path, metavar="FOLDER",
        help="write the Wireshark dissectors bier.lua and llmsync.lua into this folder",
    )  # fmt: skip
    add_output(parser, formats=("text", "json"))


def run(args: argparse.Namespace) -> int:
    """Explain what was given."""
    if args.dissector is not None:
        return _dissector(args.dissector)
    if args.packet is None:
        raise UsageError("nothing to decode: give HEX, a file, or - for standard input")
    from toolkit.cli.bift_ids import bift_ids
    from toolkit.cli.octets import from_hex, given

    if args.set is not None and not 0 <= args.set <= 255:
        raise UsageError(f"--set {args.set}: SI is 0 to 255")
    known = bift_ids(args.bift_id)
    name, content = given(args.packet)
    if content is not None and content[:4] in _CAPTURES:
        return _capture(args, name, content, known)
    if content is None:
        place, text = "HEX", name
    else:
        place, text = name, content.decode("ascii", "replace")
    try:
        data = from_hex(text)
    except UsageError as error:
        wish = "nor a file that exists" if content is None else "nor a capture (pcap, pcapng)"
        raise UsageError(f"{place}: {error} (neither hexadecimal {wish})") from None
    return _one(args, place, data, known)


def _dissector(folder: Path) -> int:
    from toolkit.datafiles import data_folder
    from toolkit.render.folder import write_files

    sources = sorted(data_folder("wireshark").glob("*.lua"))
    write_files(folder, {source.name: source.read_text(encoding="utf-8") for source in sources})
    for source in sources:
        say(f"{folder / source.name} written; tshark -X lua_script:{folder / source.name} loads it")
    return ExitCode.OK


def _one(args: argparse.Namespace, place: str, data: bytes, known: dict[int, Known]) -> int:
    from toolkit.bier import locate
    from toolkit.bier.decode_text import as_data, as_text

    if not data:
        raise UsageError(f"{place}: no octets")
    try:
        found = locate.start(data, args.encapsulation, known)
    except WireError as error:
        raise UsageError(f"{place}: {error}") from None
    packet = _explained(data, found, known, args.set)
    if args.format == "json":
        print_data(as_data(packet), "json")
    else:
        print(as_text(packet))
    return ExitCode.FINDINGS if packet.header.verdict else ExitCode.OK


def _explained(
    data: bytes,
    found: Found,
    known: dict[int, Known],
    si: int | None,
    number: int = 0,
    sent: int = 0,
) -> Packet:
    from toolkit.bier.decode import explain
    from toolkit.bier.decode_text import Packet

    length = max(sent - found.offset, 0)
    header = explain(data[found.offset :], found.encapsulation, known, si=si, length=length)
    return Packet(found.around, header, data[found.offset + header.size :], number)


def _capture(args: argparse.Namespace, name: str, content: bytes, known: dict[int, Known]) -> int:
    from toolkit.bier import locate
    from toolkit.bier.decode_text import COLUMNS, as_data, as_row, as_text
    from toolkit.inet import pcap

    if args.encapsulation not in {None, "frame"}:
        raise UsageError(f"--encapsulation {args.encapsulation}: a capture holds frames")
    try:
        capture = pcap.read(content)
    except WireError as error:
        raise UsageError(f"{name}: {error}") from None
    packets: list[Packet] = []
    unread: dict[int, str] = {}
    for frame in capture.frames:
        try:
            found = locate.in_frame(frame.data, known, frame.link_type)
        except WireError as error:
            unread[frame.number] = str(error)
            continue
        if found is not None:
            packets.append(
                _explained(frame.data, found, known, args.set, frame.number, frame.length)
            )
    counts = _counts(len(capture.frames), packets, unread)
    if args.format == "json":
        damage = {"damage": capture.damage} if capture.damage else {}
        print_data({"packets": [as_data(p) for p in packets], "counts": counts, **damage}, "json")
    elif args.verbose:
        print("\n\n".join(map(as_text, packets)))
    elif packets:
        print(table(COLUMNS, map(as_row, packets)))
    if args.format != "json":
        print("\n" * bool(packets) + ", ".join(f"{n} {what}" for what, n in counts.items()))
    for number, why in unread.items():
        say(f"frame {number} cannot be read: {why}")
    if capture.damage:
        say(f"{name}: {capture.damage}")
    return ExitCode.FINDINGS if any(p.header.verdict for p in packets) else ExitCode.OK


def _counts(frames: int, packets: list[Packet], unread: dict[int, str]) -> dict[str, int]:
    by_encapsulation = Counter(p.header.encapsulation.value for p in packets)
    by_verdict = Counter(p.header.verdict.value for p in packets if p.header.verdict)
    return {
        "frames": frames,
        "BIER": len(packets),
        **{f"BIER {name}": n for name, n in sorted(by_encapsulation.items())},
        **{f"discarded as {name}": n for name, n in sorted(by_verdict.items())},
        "unreadable": len(unread),
    }
