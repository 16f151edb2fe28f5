"""An explained BIER packet as text for people and as data for programs.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.bier.decode import Explained
from toolkit.bier.payload import summary
from toolkit.bier.wire import Encapsulation

_SECTION = {
    Encapsulation.MPLS: "under MPLS (RFC 8296 section 2.1)",
    Encapsulation.NON_MPLS: "without MPLS (RFC 8296 section 2.2)",
}


@dataclass(frozen=True, slots=True)
class Packet:
    """One BIER packet: what is around it, its header, and what it carries."""

    around: tuple[str, ...]
    header: Explained
    payload: bytes
    number: int = 0
    """Of its frame in a capture, from 1; 0 where there is none."""


def runs(numbers: Iterable[int]) -> str:
    """Return rising numbers as `1-3,7`; `none` where there are none."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts) or "none"


def receiver(header: Explained) -> str:
    """Return what a BFR that knows the BIFT-id does with the packet."""
    if header.verdict is None:
        return "looks up the bits (RFC 8279 section 6.5)"
    return f"discards the packet and counts {header.verdict.value}"


def carried(packet: Packet) -> str | None:
    """Return what the packet carries; None where its header is not whole."""
    proto = packet.header.value("proto")
    if packet.header.bits is None or proto is None:
        return None
    return summary(proto, packet.payload)


def as_text(packet: Packet) -> str:
    """Return every field with its meaning, what is wrong, and the payload."""
    header = packet.header
    lines = [*([f"frame {packet.number}"] if packet.number else []), *packet.around]
    lines.append(f"BIER {_SECTION[header.encapsulation]}, {header.size} octets")
    rows = [(field.name, str(field.value), field.meaning) for field in header.fields]
    if header.bits is not None:
        rows.append(("BitString", header.bits.hex(), ""))
        rows.append(("bits set", str(len(header.bits)), runs(header.bits)))
    if header.bfr_ids is not None:
        rows.append(("BFR-ids", f"SI {header.si}", runs(header.bfr_ids)))
    long = max((len(value) for _, value, _ in rows if len(value) <= 12), default=0)
    lines += [f"  {name:<10}  {value:>{long}}  {meaning}".rstrip() for name, value, meaning in rows]
    if header.bsl_believed:
        lines.append(f"length: the BSL field is believed; {_tell(header)}")
    elif header.bsl is not None:
        lines.append(f"length: {header.bsl.bits} bits, since that is what the BIFT-id stands for")
    lines.append(f"receiver: {receiver(header)}")
    lines += [f"  {r.id}: {r.what}; {r.action} ({r.rfc})" for r in header.remarks]
    payload = carried(packet)
    if payload is not None:
        lines.append(f"payload: {payload}")
    return "\n".join(lines)


def _tell(header: Explained) -> str:
    return (
        f"a receiver takes it from the BIFT-id (RFC 8296 section 2.1.2): "
        f"--bift-id {header.value('bift_id')}:BSL"
    )


def as_data(packet: Packet) -> dict[str, Any]:
    """Return the same for programs."""
    header = packet.header
    return {
        **({"frame": packet.number} if packet.number else {}),
        "around": list(packet.around),
        "encapsulation": header.encapsulation.value,
        "fields": {field.key: field.value for field in header.fields},
        "meanings": {field.key: field.meaning for field in header.fields},
        "bsl_bits": header.bsl.bits if header.bsl else None,
        "bsl_believed": header.bsl_believed,
        "bitstring": header.bits.hex() if header.bits is not None else None,
        "bits": list(header.bits) if header.bits is not None else None,
        "si": header.si,
        "bfr_ids": list(header.bfr_ids) if header.bfr_ids is not None else None,
        "verdict": header.verdict.value if header.verdict else None,
        "remarks": [
            {
                "id": r.id,
                "what": r.what,
                "action": r.action,
                "rfc": r.rfc,
                "reason": r.reason.value if r.reason else None,
            }
            for r in header.remarks
        ],
        "payload": carried(packet),
        "payload_octets": len(packet.payload) if header.bits is not None else None,
    }


COLUMNS = ("frame", "encapsulation", "BIFT-id", "TTL", "BSL", "Proto", "BFIR-id", "bits", "remarks")
_WIDEST = 40


def as_row(packet: Packet) -> Sequence[object]:
    """Return one line of a capture, by COLUMNS."""
    header = packet.header

    def shown(key: str) -> object:
        value = header.value(key)
        return "" if value is None else value

    bits = "" if header.bits is None else runs(header.bits)
    if len(bits) > _WIDEST:
        bits = bits[: _WIDEST - 1].rpartition(",")[0] + ",…"
    return (
        packet.number,
        header.encapsulation.value,
        shown("bift_id"),
        shown("ttl"),
        header.bsl.bits if header.bsl else "",
        shown("proto"),
        shown("bfir_id"),
        bits,
        " ".join(remark.id for remark in header.remarks),
    )
