"""A BIER packet explained: every field, every bit, and what a receiver makes of what is wrong.

RFC 8296 sections 2.1 and 2.2, RFC 8279 section 3.  Law: this is an analyser, not a forwarder.  A
forwarder takes the length of the BitString from the BIFT-id and stops at the first fault
(`toolkit.bier.wire.check`, which gives the verdict here too); an analyser that does not know the
BIFT-id believes the BSL field, says so, and goes on as far as octets last.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from toolkit.bier.bitstring import BitString, Bsl, bfr_id_at
from toolkit.bier.reason import Reason
from toolkit.bier.wire import FIXED, VERSION, WORDS, Encapsulation, HeaderError, Proto, check

PROTO_NAMES: Final = {
    0: "reserved",
    Proto.MPLS_DOWNSTREAM: "MPLS packet, downstream-assigned label at the top",
    Proto.MPLS_UPSTREAM: "MPLS packet, upstream-assigned label at the top",
    Proto.ETHERNET: "Ethernet frame",
    Proto.IPV4: "IPv4 packet",
    Proto.OAM: "OAM packet",
    Proto.IPV6: "IPv6 packet",
    Proto.VXLAN: "VXLAN without IP and UDP",
    Proto.NVGRE: "NVGRE without IP",
    Proto.GENEVE: "GENEVE without IP and UDP",
    63: "reserved",
}
"""IANA "BIER Next Protocol Identifiers"; others are unassigned."""

_WORD_OF: Final[tuple[tuple[str, str, int, int, int], ...]] = (
    # key, the RFC's name, word, lowest bit, width
    ("bift_id", "BIFT-id", 0, 12, 20),
    ("tc", "TC", 0, 9, 3),
    ("s", "S", 0, 8, 1),
    ("ttl", "TTL", 0, 0, 8),
    ("nibble", "Nibble", 1, 28, 4),
    ("version", "Ver", 1, 24, 4),
    ("bsl", "BSL", 1, 20, 4),
    ("entropy", "Entropy", 1, 0, 20),
    ("oam", "OAM", 2, 30, 2),
    ("rsv", "Rsv", 2, 28, 2),
    ("dscp", "DSCP", 2, 22, 6),
    ("proto", "Proto", 2, 16, 6),
    ("bfir_id", "BFIR-id", 2, 0, 16),
)
"""RFC 8296 figure 1, in the order of the fields."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a BIFT-id stands for."""

    bsl: Bsl
    si: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the header."""

    key: str
    """As in `bier.<key>` of the Wireshark dissector."""
    name: str
    """As in RFC 8296."""
    value: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is wrong, or that a receiver ignores."""

    id: str
    """The Reason's value where that tells enough, else a name of our own."""
    what: str
    action: str
    """What the RFC has a receiver do."""
    rfc: str
    reason: Reason | None = None
    """The drop counter that rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A header, as far as its octets last."""

    encapsulation: Encapsulation
    fields: tuple[Field, ...]
    """Those of the words that are there whole."""
    bsl: Bsl | None
    """Length of the BitString; None where neither the BIFT-id nor the field gives one."""
    bsl_believed: bool
    """It is the field's: nobody said what the BIFT-id stands for."""
    bits: BitString | None
    """None where the octets end before it does."""
    si: int | None
    remarks: tuple[Remark, ...]
    verdict: Reason | None
    """Why a BFR drops the packet before it looks at any bit; None where it goes on."""
    size: int
    """Octets of the header that are there; the payload follows where `bits` is not None."""

    def value(self, key: str) -> int | None:
        return next((f.value for f in self.fields if f.key == key), None)

    @property
    def bfr_ids(self) -> tuple[int, ...] | None:
        """The BFERs; None where the SI is not known."""
        if self.bits is None or self.si is None:
            return None
        return tuple(bfr_id_at(self.si, bit, self.bits.bsl.bits) for bit in self.bits)


def explain(
    data: bytes,
    encapsulation: Encapsulation,
    known: Mapping[int, Known] | None = None,
    *,
    si: int | None = None,
    length: int = 0,
) -> Explained:
    """Explain the header at the start of `data`, whatever is wrong with it; raises nothing.

    `known`: BIFT-id -> what it stands for.  `si`: the set, where `known` does not say it.
    `length`: octets that were sent, where a capture kept fewer of them than `data` should have.
    """
    words = WORDS.unpack(data[:FIXED].ljust(FIXED, b"\0"))
    whole = min(len(data) // 4, len(words))
    raw = {key: words[w] >> low & (1 << wide) - 1 for key, _, w, low, wide in _WORD_OF if w < whole}
    binding = (known or {}).get(raw["bift_id"]) if whole else None
    field_says = Bsl(raw["bsl"]) if raw.get("bsl") in {*Bsl} else None
    bsl = binding.bsl if binding else field_says
    end = FIXED + bsl.octets if bsl else FIXED
    bits = None
    if bsl and len(data) >= end:
        bits = BitString(bsl, int.from_bytes(data[FIXED:end], "big"))
    if binding and binding.si is not None:
        si = binding.si
    remarks = _remarks(raw, encapsulation, binding, bits)
    cut = length >= end > len(data)
    if not cut:
        verdict = _verdict(data, encapsulation, raw, bsl)
    else:  # of what the capture does not hold nothing can be said
        reasons = (r.reason for r in remarks if r.reason is not Reason.UNKNOWN_PROTO)
        verdict = next(filter(None, reasons), None)
    if whole < len(words) or (bsl and bits is None):
        needed = f"{end} that a header of {bsl.bits} bits has" if bsl else f"{end} of every header"
        remarks.append(_truncated(len(data), needed, cut=cut))
    return Explained(
        encapsulation=encapsulation,
        fields=tuple(
            Field(key, name, raw[key], _meaning(key, raw[key], encapsulation))
            for key, name, *_ in _WORD_OF
            if key in raw
        ),
        bsl=bsl,
        bsl_believed=binding is None and bsl is not None,
        bits=bits,
        si=si,
        remarks=tuple(remarks),
        verdict=verdict,
        size=min(end, len(data)),
    )


def _verdict(
    data: bytes, encapsulation: Encapsulation, raw: Mapping[str, int], bsl: Bsl | None
) -> Reason | None:
    """Return what a BFR that knows the BIFT-id counts; without a length it must not guess one."""
    if "bift_id" not in raw:
        return Reason.TRUNCATED
    try:
        # No length has an unassigned code, so that any length gives the reason.
        check(data, encapsulation, {raw["bift_id"]: bsl or Bsl.B64})
    except HeaderError as error:
        return error.reason
    if raw["ttl"] == 0:
        return Reason.TTL_EXPIRED
    assert bsl is not None, "an unassigned code was refused above"
    return None if any(data[FIXED : FIXED + bsl.octets]) else Reason.EMPTY


def _truncated(have: int, needed: str, *, cut: bool) -> Remark:
    what = f"{have} octets are fewer than the {needed}"
    if cut:
        return Remark("capture-cut", f"the capture ends here: {what}", "not judged", "no section")
    return Remark("truncated", what, "discard", "RFC 8296 section 2", Reason.TRUNCATED)


def _remarks(
    raw: Mapping[str, int],
    encapsulation: Encapsulation,
    binding: Known | None,
    bits: BitString | None,
) -> list[Remark]:
    found = []

    def drop(reason: Reason, what: str, section: str, action: str = "discard") -> None:
        found.append(Remark(reason.value, what, action, section, reason))

    def ignore(id_: str, what: str, section: str) -> None:
        found.append(Remark(id_, what, "ignore", section))

    mpls = encapsulation is Encapsulation.MPLS
    if raw.get("s") == 0 and mpls:
        drop(Reason.NOT_BOTTOM, "S is 0 on the BIER-MPLS label", "RFC 8296 section 2.1.1")
    elif raw.get("s") == 0:
        ignore("s-ignored", "S is 0, not 1", "RFC 8296 section 2.2.1")
    if raw.get("ttl") == 0:
        drop(Reason.TTL_EXPIRED, "TTL 0 came in", "RFC 8296 section 2.1.1")
    nibble = raw.get("nibble", encapsulation.nibble)
    if nibble != encapsulation.nibble and mpls:
        drop(Reason.NIBBLE, f"the nibble is {nibble:04b}, not 0101", "RFC 8296 section 2.1.2")
    elif nibble != encapsulation.nibble:
        ignore("nibble-ignored", f"the nibble is {nibble:04b}, not 0000", "RFC 8296 section 2.2.2")
    if raw.get("version", VERSION) != VERSION:
        drop(Reason.VERSION, f"Ver is {raw['version']}, not 0", "RFC 8296 section 2.1.2")
    code = raw.get("bsl", Bsl.B64)
    if code not in {*Bsl}:
        what = f"no length has BSL code {code}"
        found.append(
            Remark("bsl-unassigned", what, "discard", "RFC 8296 section 2.1.2", Reason.BSL)
        )
    elif binding and "bsl" in raw and code != binding.bsl:
        what = f"BSL says {Bsl(code).bits} bits, but the BIFT-id stands for {binding.bsl.bits}"
        drop(Reason.BSL, what, "RFC 8296 section 2.1.2")
    if raw.get("rsv", 0):
        ignore("rsv-not-zero", f"Rsv is {raw['rsv']}, not 0", "RFC 8296 section 2.1.2")
    proto = raw.get("proto", Proto.IPV4)
    if proto not in {*Proto}:
        what = f"Proto {proto} is {PROTO_NAMES.get(proto, 'unassigned')}"
        drop(Reason.UNKNOWN_PROTO, what, "RFC 8296 section 2.1.2", "forward; a BFER discards")
    if bits is not None and not bits:
        drop(Reason.EMPTY, "no bit is set: addressed to nobody", "RFC 8279 section 6.5")
    return found


def _meaning(key: str, value: int, encapsulation: Encapsulation) -> str:
    mpls = encapsulation is Encapsulation.MPLS
    match key:
        case "bift_id":
            return "MPLS label of the next BFR" if mpls else "domain-wide number"
        case "tc":
            return "MPLS Traffic Class" if mpls else "ignored without MPLS"
        case "s":
            return ("last label" if value else "not the last label") if mpls else "ignored"
        case "ttl":
            return {0: "expired", 1: "for this BFR only: not forwarded"}.get(value, "hops left")
        case "nibble":
            right = value == encapsulation.nibble
            return f"{value:04b}, " + (
                "as it must be" if right else f"not {encapsulation.nibble:04b}"
            )
        case "version":
            return {VERSION: "RFC 8296", 15: "experimental"}.get(value, "unknown")
        case "bsl":
            return f"{Bsl(value).bits} bits" if value in {*Bsl} else "no length has this code"
        case "entropy":
            return "same entropy and BitString, same path"
        case "oam":
            return "no effect on path or quality of service"
        case "rsv":
            return "ignored"
        case "dscp":
            return "ignored: TC counts under MPLS" if mpls else "may carry the packet's DSCP"
        case "proto":
            return PROTO_NAMES.get(value, "unassigned")
    return "BFR-id of the BFIR"
