"""Names, labels, ports and areas.  Pure.

A name becomes a host name, part of an interface name and a file name, so it is narrow from the
start.  A label (a region, a shared risk) is only compared.
"""

from __future__ import annotations

import re

from toolkit.inventory.refusal import Refusal

NAME_PATTERN = "^[a-z0-9][a-z0-9-]{0,31}$"
LABEL_LENGTH = 64
RESERVED_NAMES = frozenset({"all"})
"""Words with a meaning of their own in `to:`."""

_NAME = re.compile("[a-z0-9][a-z0-9-]{0,31}")
_AREA = re.compile(r"[0-9a-f]{2}(\.[0-9a-f]{4}){0,6}")
_NET = re.compile(r"([0-9a-f]{2}(?:\.[0-9a-f]{4}){0,6})(?:\.[0-9a-f]{4}){3}\.00")
AREA_PATTERN = r"^[0-9a-fA-F]{2}(\.[0-9a-fA-F]{4}){0,6}$"


def parse_name(value: object) -> str:
    """Return a name of 1 to 32 characters: lower-case letters, digits and inner hyphens."""
    rule = "lower-case letters, digits and hyphens, at most 32, no hyphen first"
    if not isinstance(value, str):
        raise Refusal("is not a name", "put it in quotes" if _is_scalar(value) else rule)
    if not _NAME.fullmatch(value):
        tame = re.sub("[^a-z0-9]+", "-", value.lower()).strip("-")[:32]
        raise Refusal("is not a name", f"{rule}: '{tame}'?" if _NAME.fullmatch(tame) else rule)
    if value in RESERVED_NAMES:
        raise Refusal("is reserved: it means every cloud in a delivery's 'to'", "choose another")
    return value


def parse_label(value: object) -> str:
    """Return a printable text of 1 to 64 characters without blanks around it."""
    if not isinstance(value, str):
        if _is_scalar(value):
            read = "true or false" if isinstance(value, bool) else "a number"
            raise Refusal(f"is read as {read}, text is expected", "put it in quotes")
        raise Refusal("is not text")
    if not value or value != value.strip() or not value.isprintable() or len(value) > LABEL_LENGTH:
        raise Refusal(f"is not a printable text of 1 to {LABEL_LENGTH} characters")
    return value


def parse_labels(value: object) -> tuple[str, ...]:
    """Return a list of different labels."""
    if not isinstance(value, list):
        raise Refusal("is not a list", f"write [{value}]" if isinstance(value, str) else "")
    labels: dict[str, None] = {}
    for index, item in enumerate(value):
        try:
            label = parse_label(item)
        except Refusal as refusal:
            raise refusal.inside(index) from None
        if label in labels:
            raise Refusal("is listed twice", "once is enough", at=(index,))
        labels[label] = None
    return tuple(labels)


def parse_port_name(value: object) -> str:
    """Return the name of a router's port, in its platform's words: no blanks."""
    label = parse_label(value)
    if any(character.isspace() for character in label):
        raise Refusal("is not the name of a port", "names of ports have no blanks")
    return label


def parse_model(value: object) -> str:
    """Return the path of a file or folder, or `demo`."""
    if not isinstance(value, str):
        raise Refusal("is not the path of a file or folder, nor 'demo'")
    if not value.strip() or not value.isprintable():
        raise Refusal("is not the path of a file or folder, nor 'demo'")
    if "://" in value:
        raise Refusal("is an address, a file or folder is expected", "download it first")
    return value


def parse_area(value: object) -> str:
    """Return an IS-IS area address of 1 to 13 bytes in lower case (ISO/IEC 10589 section 7.1)."""
    if not isinstance(value, str):
        if _is_scalar(value):
            raise Refusal("is read as a number, text is expected", "put the area in quotes")
        raise Refusal("is not an IS-IS area address", 'write it like "49.0001"')
    area = value.lower()
    if net := _NET.fullmatch(area):
        raise Refusal("is a whole NET, an area address is expected", f"did you mean '{net[1]}'?")
    if not _AREA.fullmatch(area):
        raise Refusal("is not an IS-IS area address", 'write it like "49.0001"')
    return area


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool | int | float)
