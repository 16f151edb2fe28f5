"""Octets that a person typed or piped: hexadecimal in any of the usual spellings, or a file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from toolkit.errors import UsageError

_DUMP = re.compile(r"^\s*0x([0-9a-fA-F]+):\s+((?:[0-9a-fA-F]{2,4} ?)+)(?: .*)?$", re.MULTILINE)
"""A line of tcpdump -x or -X: offset, octets, perhaps the characters; other lines are not of it."""
_SEPARATORS = re.compile(r"0[xX]|[\s:.,_-]")


def from_hex(text: str) -> bytes:
    """Read octets in hexadecimal; spaces, colons, commas, line ends and 0x may be between them."""
    dump = _DUMP.findall(text)
    if [int(offset, 16) for offset, _ in dump].count(0) > 1:
        raise UsageError("a dump of more than one packet; a capture file can hold them")
    digits = _SEPARATORS.sub("", "".join(octets for _, octets in dump) if dump else text)
    wrong = re.search(r"[^0-9a-fA-F]", digits)
    if wrong:
        raise UsageError(f"{wrong.group()!r} is no hexadecimal digit")
    if len(digits) % 2:
        raise UsageError(f"{len(digits)} hexadecimal digits are half an octet too many")
    return bytes.fromhex(digits)


def given(argument: str) -> tuple[str, bytes | None]:
    """Return (text, None) for what was typed, or (name, octets) for a file or `-` (stdin)."""
    if argument == "-":
        return "standard input", sys.stdin.buffer.read()
    try:
        if Path(argument).is_file():
            return argument, Path(argument).read_bytes()
        if argument and Path(argument).is_dir():
            raise UsageError(f"{argument}: is a folder, not a capture or a text file")
    except (OSError, ValueError) as error:
        # A long line of hexadecimal is no possible file name; a file without permission is one.
        if isinstance(error, PermissionError):
            raise UsageError(f"{argument}: cannot be read: {error.strerror}") from None
    if "/" in argument or argument.endswith((".pcap", ".pcapng", ".cap")):
        raise UsageError(f"{argument}: no such file")  # no digit of hexadecimal is in such a name
    return argument, None
