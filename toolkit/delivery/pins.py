"""Whose manifests a receiver takes, and none that is older than what it has: a file of pins.

    # llmsync pins
    key 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29
    serial 1764460800000 "llama"

The first signer that is met is remembered; from then on another is refused, as `known_hosts` of SSH
does.  Several `key` lines are several accepted signers: to change a sender's key, add the new one,
and remove the old one when nobody signs with it any more.  `serial` remembers, per name of a
delivery, the latest that was placed: an older one is somebody who plays a recorded session again.
The file only grows by lines; of several serials the greatest counts.

Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from toolkit.delivery.manifest import OpenedManifest

HEADING = "# llmsync pins: signers that are accepted here, and the latest that was placed\n"
KEY_SIZE = 32


@dataclass(slots=True)
class Pins:
    """What a file of pins says."""

    keys: list[bytes] = field(default_factory=list)
    serials: dict[str, int] = field(default_factory=dict)
    """Name of a delivery -> greatest serial that was placed."""

    def meet(self, key: bytes) -> str:
        """Remember the first signer; return the line that says so, or nothing."""
        if self.keys:
            return ""
        self.keys.append(key)
        return f"key {key.hex()}\n"

    def place(self, opened: OpenedManifest) -> str:
        """Remember what was placed; return the line that says so, or nothing."""
        name = opened.manifest.name
        if opened.serial <= self.serials.get(name, 0):
            return ""
        self.serials[name] = opened.serial
        return f"serial {opened.serial} {json.dumps(name)}\n"

    def unknown_signer(self, opened: OpenedManifest, file: str) -> str:
        """Why the signer is refused; empty: it is not."""
        if not self.keys or opened.key in self.keys:
            return ""
        known = ", ".join(key.hex() for key in self.keys)
        return (
            f"it is signed by {opened.key.hex()}, and {file} pins {known}: somebody else sends "
            "this, or the sender has a new key (ask its owner; if it is new, add the line "
            f"'key {opened.key.hex()}' to {file})"
        )

    def too_old(self, opened: OpenedManifest, file: str) -> str:
        """Why it is refused as a session that is played again; empty: it is not."""
        name = opened.manifest.name
        latest = self.serials.get(name, 0)
        if opened.serial >= latest:
            return ""
        return (
            f"{name!r} with serial {opened.serial or 'none'} is older than what was placed "
            f"(serial {latest}): a recorded session is played again, or the sender's clock went "
            f"back (to take it all the same, remove that serial from {file})"
        )


def parse_pins(text: str) -> Pins:
    """Return what a file of pins says.  ValueError names every line that is not understood."""
    pins = Pins()
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            _take(pins, line.strip())
        except ValueError:
            problems.append(f"line {number} is neither 'key HEX' nor 'serial NUMBER \"NAME\"'")
    if problems:
        raise ValueError("; ".join(problems))
    return pins


def _take(pins: Pins, line: str) -> None:
    if not line or line.startswith("#"):
        return
    kind, _, rest = line.partition(" ")
    match kind:
        case "key":
            key = bytes.fromhex(rest.split()[0] if rest.split() else "")
            if len(key) != KEY_SIZE:
                raise ValueError(line)
            if key not in pins.keys:
                pins.keys.append(key)
        case "serial":
            number, _, quoted = rest.partition(" ")
            name = json.loads(quoted)
            if not isinstance(name, str) or not number.isascii() or not number.isdigit():
                raise ValueError(line)
            pins.serials[name] = max(int(number), pins.serials.get(name, 0))
        case _:
            raise ValueError(line)
